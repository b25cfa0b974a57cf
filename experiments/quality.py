"""The flags that say how good architectures are, and the predictor they name: imported, or fitted to records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments import settings
from nagjax.front_door import read_any_predictor
from nagjax.predictors.columns import read_labelled
from nagjax.predictors.fit import FitConfig, check_config, errors, fit
from nagjax.predictors.labels import UNITS, Labels
from nagjax.predictors.predictor import FittedPredictor, predict
from nagjax.predictors.records import Records, draw, read_records
from nagjax.problems import PredictedQuality, Quality
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, predicted_report

SLIP = 0.1
"""Share of qualities that may be missing by mistake."""

ReadRecords = Callable[[], Records]
HIDDEN = "x"
"""What separates the sizes of layers in a flag."""


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
    flags.DEFINE_list(
        "fit_settings",
        None,
        "Settings of that fit, such as target=rank,members=8,hidden=128x128; the others: "
        + ", ".join(field.name for field in dataclasses.fields(FitConfig)) + ".",
        flag_values=values,
    )  # fmt: skip


def fit_config(values: flags.FlagValues) -> FitConfig:
    """The settings of a fit that --fit_settings names; the others keep their defaults.

    Raises:
      ValueError: if a setting is not known, or its value is of another type or out of range.
    """
    given = settings.parse_pairs(values.fit_settings or (), "fit_settings")
    defaults = dataclasses.asdict(FitConfig())
    for name in given:
        if name not in defaults:
            raise ValueError(f"--fit_settings: {name!r} is not a setting of a fit{settings.nearest(name, defaults)}")
    config = FitConfig(**{name: _setting(name, value, defaults[name]) for name, value in given.items()})
    try:
        check_config(config)
    except ValueError as error:
        raise ValueError(f"--fit_settings: {error}") from None
    return config


def _setting(name: str, value: Any, default: Any) -> Any:
    """A value of the type of its default; ValueError if it is not."""
    if name == "hidden":
        sizes = [] if value == "none" else str(value).split(HIDDEN)
        if not all(size.isascii() and size.isdecimal() for size in sizes):
            raise ValueError(f"--fit_settings: hidden={value}: write sizes of layers as 64{HIDDEN}64, or none")
        return tuple(map(int, sizes))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        what = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[type(default)]
        raise ValueError(f"--fit_settings: {name}={value}: is not {what}; such as {name}={default}")
    return value


def benchmark_quality(
    values: flags.FlagValues, found: Tabular
) -> tuple[Quality, Mapping[str, Any], FittedPredictor | None]:
    """How good a benchmark's architectures are, what is known of that, and the predictor: None where it is looked up.

    Raises:
      ValueError: if there are too few labels, or a file cannot be used.
    """
    if found.quality is not None and not (values.predictor or values.records or values.num_labels):
        if values.fit_settings:
            raise ValueError(
                "--fit_settings: nothing is fitted, every row of --benchmark has a quality that is looked up: leave it "
                "out, or give --num_labels=N to fit to N of them"
            )
        return found.quality, found.report, None
    if values.predictor or values.records:
        fitted = load_quality(values, found.whole, _matching(values, found))
    else:
        labelled = _labelled(values, found)
        fitted = fit(found.whole, labelled, fit_config(values), values.fit_seed)
        if not values.num_labels:
            fitted = dataclasses.replace(fitted, report={**_slip(found), **fitted.report})
    return PredictedQuality(fitted.predictor), predicted_report(found, fitted), fitted


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
    if values.predictor and values.fit_settings:
        raise ValueError("--fit_settings: nothing is fitted, --predictor gives the predictor: leave one of them out")
    if not values.predictor and not values.records:
        raise ValueError(
            "nothing says how good an architecture is: give --records=FILE (labelled architectures), --predictor=FILE, "
            "or --benchmark=FILE (every architecture measured)"
        )
    config = fit_config(values)  # before large files are read
    records = None
    if values.records:
        records = read() if read else _records(values, space)
    if records is not None and not values.predictor:
        return fit(space, records, config, values.fit_seed)
    fitted = read_any_predictor(settings.input_path(values, "predictor"), space, values.predictor_format)
    return fitted if records is None else _measured(fitted, records, space)


def _records(values: flags.FlagValues, space: Space) -> Records:
    return read_records(
        settings.input_path(values, "records"),
        space,
        values.text_column,
        values.quality_column,
        values.quality_unit,
        duplicate_tolerance=values.duplicate_tolerance,
        units_are_right=values.units_are_right,
    )


def _measured(fitted: FittedPredictor, records: Records, space: Space) -> FittedPredictor:
    """The same predictor with its errors on records that it was not fitted to by us."""
    mean, _ = predict(fitted.predictor, jnp.asarray(space.features(records.tokens)))
    report = {**fitted.report, "validation": len(records.quality), "validation_source": records.source}
    return FittedPredictor(fitted.predictor, report | errors(np.asarray(mean), records.quality))
