"""The flags that say how good architectures are, and the predictor they name: imported, or fitted to records."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments import settings
from nagjax import plugins
from nagjax.predictors.fit import errors, fit
from nagjax.predictors.labels import UNITS
from nagjax.predictors.predictor import FittedPredictor, predict
from nagjax.predictors.readers import FORMATS, read_predictor
from nagjax.predictors.records import Records, read_records
from nagjax.spaces.space import Space


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
    settings.define_seed("fit_seed", "Seed of fitting a predictor to --records.", values)


def load_quality(values: flags.FlagValues, space: Space) -> FittedPredictor:
    """The predictor that flags name, and what is known of its error.

    Raises:
      ValueError: if neither --predictor nor --records is given, or a file cannot be used.
    """
    if not values.predictor and not values.records:
        raise ValueError(
            "nothing says how good an architecture is: give --records=FILE (labelled architectures), --predictor=FILE, "
            "or --benchmark=FILE (every architecture measured)"
        )
    records = _records(values, space) if values.records else None
    if records is not None and not values.predictor:
        return fit(space, records, seed=values.fit_seed)
    path = settings.input_path(values, "predictor")
    name = values.predictor_format
    # Built-in formats are read without the registry, so that a broken plugin stops only those who ask for it.
    foreign = name not in ("auto", *FORMATS) and name in plugins.names("predictors")
    own = {name: plugins.load("predictors", name)} if foreign else {}
    fitted = read_predictor(path, space, name, own)
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
