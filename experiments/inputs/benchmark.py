"""A tabular benchmark by flags: a file whose columns become a space, its costs and its qualities."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from experiments.frame import settings
from nagjax import plugins
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, check_direction, read_tabular, unit_of


def define_benchmark_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``load_benchmark`` reads beside those of labelled records."""
    define = settings.Definer(values)
    define.string(
        "benchmark", None,
        "CSV or Parquet file with the measured costs of every architecture, one a row, and the quality of all or some; "
        "or give --records or --predictor for the quality.",
    )  # fmt: skip
    define.list(
        "decision_columns", None,
        "Columns of --benchmark that are the decisions, in their order; or give --space and --text_column.",
    )  # fmt: skip
    define.list(
        "cost_columns", None,
        "Costs measured in --benchmark: columns whose names end in a unit (latency_ms), or NAME=COLUMN.",
    )  # fmt: skip

    define.integer(
        "num_labels", None,
        "Fit a predictor to so many of the qualities in --benchmark, drawn at random, instead of looking them up; the "
        "others then only judge the answers.", lower_bound=1,
    )  # fmt: skip
    settings.define_seed(
        "labels_seed",
        "Seed of that draw; 0 if it is not given, and in a comparison the seed of each run.",
        values,
        default=None,
    )


def check_benchmark_flags(values: flags.FlagValues) -> None:
    """Refuse flags that contradict each other.

    Raises:
      ValueError: naming both.
    """
    for name in ("decision_columns", "cost_columns"):
        if values[name].value and not values.benchmark:
            raise ValueError(f"--{name} names columns of a file that is not given: give --benchmark=FILE")
    if values.labels_seed is not None and not values.num_labels:
        raise ValueError(f"--labels_seed={values.labels_seed} draws labels; say how many by --num_labels=200")
    if values.benchmark and bool(values.decision_columns) == bool(values.space):
        raise ValueError(
            "--benchmark: say what the architectures are, either by --decision_columns=a,b,c (one column a decision) "
            f"or by --space=NAME and --text_column=COLUMN; spaces: {', '.join(plugins.names('spaces'))}"
        )


def load_benchmark(values: flags.FlagValues, space: Space | None) -> Tabular:
    """The benchmark that flags name; ``space`` is that of --space, None where --decision_columns make one.

    Raises:
      ValueError: for anything wrong in flags or file.
    """
    return read_tabular(
        settings.input_path(values, "benchmark"),
        parse_costs(values.cost_columns or ()),
        space,
        values.text_column,
        [name.strip() for name in values.decision_columns or ()],
        values.quality_column,
        values.quality_unit,
        values.duplicate_tolerance,
        values.units_are_right,
        "costs" if values.records or values.predictor else "columns",
    )


def parse_costs(entries: Sequence[str]) -> dict[str, str]:
    """Column of the file for each cost, from ``NAME`` or ``NAME=COLUMN``.

    >>> parse_costs(["latency_ms", "energy_mj=joule"])
    {'latency_ms': 'latency_ms', 'energy_mj': 'joule'}

    Raises:
      ValueError: if a name stands twice or has no unit.
    """
    out: dict[str, str] = {}
    for entry in entries:
        name, separator, column = (part.strip() for part in entry.partition("="))
        _check_cost(entry, name, column or name)
        if name in out or (separator and not column):
            raise ValueError(f"--cost_columns={entry}: name each cost once, as NAME or NAME=COLUMN")
        out[name] = column or name
    return out


def _check_cost(entry: str, name: str, column: str) -> None:
    try:
        check_direction(column)
        check_direction(name)
    except ValueError as error:
        raise ValueError(f"--cost_columns={entry}: {error}") from None
    try:
        unit_of(name)
    except ValueError as error:
        raise ValueError(f"--cost_columns={entry}: {error}, as in --cost_columns={name}_ms={column}") from None
