"""The flags that say how good architectures are, and the predictor they name: imported, or fitted to records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments import settings
from nagjax import plugins
from nagjax.predictors.fit import errors, fit
from nagjax.predictors.predictor import FittedPredictor, predict
from nagjax.predictors.records import UNITS, Records, read_records
from nagjax.spaces.space import Space

FORMAT_OF_SUFFIX = {".npz": "ofa_npz"}
"""Predictor format that a file name stands for where --predictor_format=auto."""


def define_quality_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``load_quality`` reads."""
    flags.DEFINE_string("predictor", None, "File of a predictor.", flag_values=values)
    flags.DEFINE_string("predictor_format", "auto", "Format of --predictor, or auto.", flag_values=values)
    flags.DEFINE_string(
        "records",
        None,
        "CSV or Parquet file of labelled architectures: a predictor is fitted to them, or --predictor measured on them.",
        flag_values=values,
    )
    flags.DEFINE_string("text_column", "architecture", "Column of --records: architecture as text.", flag_values=values)
    flags.DEFINE_string("quality_column", "quality", "Column of --records: quality.", flag_values=values)
    flags.DEFINE_enum("quality_unit", "fraction", list(UNITS), "Unit of that column.", flag_values=values)
    flags.DEFINE_float(
        "duplicate_tolerance",
        0.0,
        "Average rows of one architecture whose qualities differ by no more than this fraction.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_integer("fit_seed", 0, "Seed of fitting a predictor to --records.", flag_values=values)


def load_quality(values: flags.FlagValues, space: Space) -> FittedPredictor:
    """The predictor that flags name, and what is known of its error.

    Raises:
      ValueError: if neither --predictor nor --records is given, or a file cannot be used.
    """
    if not values.predictor and not values.records:
        raise ValueError(
            "nothing says how good an architecture is: give --records=FILE (labelled architectures) or --predictor=FILE"
        )
    records = _records(values, space) if values.records else None
    if records is not None and not values.predictor:
        return fit(space, records, seed=values.fit_seed)
    path = settings.input_path(values, "predictor")
    fitted: FittedPredictor = _reader(values.predictor_format, path.suffix)(path, space)
    return fitted if records is None else _measured(fitted, records, space)


def _records(values: flags.FlagValues, space: Space) -> Records:
    return read_records(
        settings.input_path(values, "records"),
        space,
        values.text_column,
        values.quality_column,
        values.quality_unit,
        duplicate_tolerance=values.duplicate_tolerance,
    )


def _reader(name: str, suffix: str) -> Callable[..., Any]:
    if name == "auto":
        if suffix not in FORMAT_OF_SUFFIX:
            known = ", ".join(plugins.names("predictors"))
            raise ValueError(f"--predictor: the format of a {suffix or 'nameless'} file is not known; "
                             f"name it: --predictor_format={known}")  # fmt: skip
        name = FORMAT_OF_SUFFIX[suffix]
    return plugins.load("predictors", name)


def _measured(fitted: FittedPredictor, records: Records, space: Space) -> FittedPredictor:
    """The same predictor with its errors on records that it was not fitted to by us."""
    mean, _ = predict(fitted.predictor, jnp.asarray(space.features(records.tokens)))
    report = {**fitted.report, "validation": len(records.quality), "validation_source": records.source}
    return FittedPredictor(fitted.predictor, report | errors(np.asarray(mean), records.quality))
