"""The flags that say how good architectures are, and the predictor they name: imported, or fitted to records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import flags

from experiments.frame import settings
from nagjax.posing import read_any_predictor
from nagjax.predictors.fit import tested
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import BUILT_IN, DEFAULT, fit, load, make
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.records.columns import read_labelled
from nagjax.predictors.records.labels import UNITS, Labels
from nagjax.predictors.records.records import Records, draw, read_records
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, predicted_report

SLIP = 0.1
"""Share of qualities that may be missing by mistake."""

ReadRecords = Callable[[], Records]


def define_quality_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``load_quality`` reads."""
    flags.DEFINE_string("predictor", None, "File of a predictor.", flag_values=values)
    flags.DEFINE_string("predictor_format", "auto", "Format of --predictor, or auto.", flag_values=values)
    flags.DEFINE_string(
        "records",
        None,
        "CSV or Parquet file of labelled architectures: a predictor is fitted to them, or --predictor tested on them.",
        flag_values=values,
    )
    flags.DEFINE_string("text_column", "architecture", "Column of the file: architecture as text.", flag_values=values)
    flags.DEFINE_string("quality_column", "quality", "Column of the file: quality.", flag_values=values)
    flags.DEFINE_enum("quality_unit", "fraction", list(UNITS), "Unit of that column.", flag_values=values)
    flags.DEFINE_float(
        "duplicate_tolerance",
        0.0,
        "Average rows of one architecture whose qualities differ by no more than this fraction.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "units_are_right",
        False,
        "Percentages below 1 among larger ones are right; without it they are taken for fractions, and refused.",
        flag_values=values,
    )
    settings.define_seed("fit_seed", "Seed of fitting a predictor.", values)
    define_kind_flags(values)


def define_kind_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``predictor_kind`` reads."""
    flags.DEFINE_string(
        "predictor_kind",
        None,
        f"How a predictor is fitted: {', '.join(BUILT_IN)}, or a plugin's kind; {DEFAULT} where it is left out.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "predictor_settings",
        None,
        "Settings of that kind; of mlp such as loss=hinge,target=rank,members=8,hidden=128x128, of auto such as "
        "candidates=mlp+gp.",
        flag_values=values,
    )


def predictor_kind(values: flags.FlagValues) -> Kind:
    """The kind that --predictor_kind and --predictor_settings name; settings left out keep their defaults.

    Raises:
      ValueError: if the kind or a setting is not known, or a value is of another type or out of range.
    """
    given = settings.parse_pairs(values.predictor_settings or (), "predictor_settings")
    name = values.predictor_kind or DEFAULT
    try:
        load(name)
    except ValueError as error:
        raise ValueError(f"--predictor_kind: {error}") from None
    try:
        return make(name, given)
    except ValueError as error:
        raise ValueError(f"--predictor_settings: {error}") from None


def _refuse_kind(values: flags.FlagValues, why: str) -> None:
    for name in ("predictor_kind", "predictor_settings"):
        if values[name].value:
            raise ValueError(f"--{name}: nothing is fitted, {why}")


def benchmark_quality(
    values: flags.FlagValues, found: Tabular
) -> tuple[Form, Mapping[str, Any], FittedPredictor | None]:
    """How good a benchmark's architectures are, what is known of that, and the predictor: None where it is looked up.

    Raises:
      ValueError: if there are too few labels, or a file cannot be used.
    """
    if found.quality is not None and not (values.predictor or values.records or values.num_labels):
        _refuse_kind(
            values,
            "every row of --benchmark has a quality that is looked up: leave it out, or give --num_labels=N to fit "
            "to N of them",
        )
        return found.quality, found.report, None
    if values.predictor or values.records:
        fitted = load_quality(values, found.whole, _matching(values, found))
    else:
        kind = predictor_kind(values)
        fitted = fit(kind, found.whole, _labelled(values, found), values.fit_seed)
        if not values.num_labels:
            fitted = dataclasses.replace(fitted, report={**_slip(found), **fitted.report})
    return fitted.predictor, predicted_report(found, fitted), fitted


def _slip(found: Tabular) -> dict[str, str]:
    """A doubt where so few qualities are missing that this may not be meant: all others could be looked up."""
    lacking = np.isnan(found.records.quality)
    if lacking.sum() > SLIP * len(lacking) or found.records.rows is None:
        return {}
    first = int(found.records.rows[lacking].min())
    doubt = (
        f"{int(lacking.sum()):,} of {len(lacking):,} rows have no quality, the first is row {first}, so quality is "
        "predicted, for all: fill them in or remove them to have it looked up"
    )
    return {"doubt": doubt}


def _labelled(values: flags.FlagValues, found: Tabular) -> Records:
    if not len(found.labelled.quality):
        raise ValueError(
            f"{found.labelled.source}: no row has a quality in column {values.quality_column!r}; write some, or give "
            "--records=FILE"
        )
    return draw(found.labelled, values.num_labels, values.labels_seed or 0) if values.num_labels else found.labelled


def _matching(values: flags.FlagValues, found: Tabular) -> ReadRecords | None:
    """How records beside a benchmark are read: like it, where its columns are the decisions."""
    if not values.decision_columns:
        return None
    labels = Labels(
        values.quality_column,
        values.quality_unit,
        duplicate_tolerance=values.duplicate_tolerance,
        units_are_right=values.units_are_right,
    )
    return lambda: read_labelled(settings.input_path(values, "records"), found.whole, values.text_column, labels)


def load_quality(values: flags.FlagValues, space: Space, read: ReadRecords | None = None) -> FittedPredictor:
    """The predictor that flags name, and what is known of its error.

    Args:
      values: the flags.
      space: what it is of.
      read: reads --records; by text where None.

    Raises:
      ValueError: if neither --predictor nor --records is given, or a file cannot be used.
    """
    if values.predictor:
        _refuse_kind(values, "--predictor gives the predictor: leave one of them out")
    if not values.predictor and not values.records:
        raise ValueError(
            "nothing says how good an architecture is: give --records=FILE (labelled architectures), --predictor=FILE, "
            "or --benchmark=FILE (every architecture measured)"
        )
    kind = predictor_kind(values)  # before large files are read
    records = None
    if values.records:
        records = read() if read else load_records(values, space)
    if records is not None and not values.predictor:
        return fit(kind, space, records, values.fit_seed)
    fitted = read_any_predictor(settings.input_path(values, "predictor"), space, values.predictor_format)
    return fitted if records is None else tested(fitted, records, space)


def load_records(values: flags.FlagValues, space: Space) -> Records:
    """The records that flags name.

    Raises:
      ValueError: if they cannot be read; the message names file, row and remedy.
    """
    return read_records(
        settings.input_path(values, "records"),
        space,
        values.text_column,
        values.quality_column,
        values.quality_unit,
        duplicate_tolerance=values.duplicate_tolerance,
        units_are_right=values.units_are_right,
    )
