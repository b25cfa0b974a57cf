"""A tabular benchmark by flags: a file whose columns become a space, its costs and its qualities; how to tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from experiments import settings
from nagjax import plugins
from nagjax.problem import Description
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, read_tabular, unit_of


def define_benchmark_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``load_benchmark`` reads beside those of labelled records."""
    flags.DEFINE_string(
        "benchmark",
        None,
        "CSV or Parquet file with the quality and measured costs of every architecture, one a row.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "decision_columns",
        None,
        "Columns of --benchmark that are the decisions, in their order; or give --space and --text_column.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "cost_columns",
        None,
        "Costs measured in --benchmark: columns whose names end in a unit (latency_ms), or NAME=COLUMN.",
        flag_values=values,
    )


def check_benchmark_flags(values: flags.FlagValues) -> None:
    """Refuse flags that contradict each other.

    Raises:
      ValueError: naming both.
    """
    for name in ("decision_columns", "cost_columns"):
        if values[name].value and not values.benchmark:
            raise ValueError(f"--{name} names columns of a file that is not given: give --benchmark=FILE")
    if not values.benchmark:
        return
    for name in ("records", "predictor"):
        if values[name].value:
            raise ValueError(f"--benchmark and --{name} both say how good an architecture is; leave one out")
    if bool(values.decision_columns) == bool(values.space):
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
        try:
            unit_of(name)
        except ValueError as error:
            raise ValueError(
                f"--cost_columns={entry}: {error}, as in --cost_columns={name}_ms={column or name}"
            ) from None
        if name in out or (separator and not column):
            raise ValueError(f"--cost_columns={entry}: name each cost once, as NAME or NAME=COLUMN")
        out[name] = column or name
    return out


def benchmark_lines(description: Description) -> list[str]:
    """What should be said aloud of a tabular benchmark: its size, what is missing, what was averaged."""
    report = description.quality_report
    if "measured" not in report:
        return []
    return [f"{report['source']}: {measured_text(report)}", str(report["graph"])]


def quality_is(report: Mapping[str, Any]) -> str:
    """Whether quality is ``"predicted"`` or ``"measured"``."""
    return "measured" if "measured" in report else "predicted"


def measured_text(report: Mapping[str, Any]) -> str:
    """How many architectures a benchmark has, in words.

    >>> measured_text({"measured": 15620, "missing": 5, "averaged": 0})
    '15,620 measured; 5 of the space are missing and are never an answer'
    """
    missing = f"{report['missing']:,} of the space are missing and are never an answer"
    rows = "row" if report["averaged"] == 1 else "rows"
    averaged = f"; {report['averaged']:,} {rows} averaged with another row of their architecture"
    return (
        f"{report['measured']:,} measured; {missing if report['missing'] else 'none of the space is missing'}"
        f"{averaged if report['averaged'] else ''}"
    )
