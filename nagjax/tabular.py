"""Tabular benchmarks: a file with the quality and the measured costs of architectures becomes a space and a problem.

The space is narrowed to the architectures of the file, on their prefix trie, and each cost lies on the last edge. So
the mask is exact for any cost, every answer is a row of the file, and with one cost column none is over its budget::

    found = read_tabular("bench.csv", {"latency_ms": "pixel3"}, decision_columns=["kernel", "width"])
    problem, description = make_problem(found.space, found.prices, found.quality, quality_report=found.report)
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.devices.cost_doubts import cost_doubts
from nagjax.devices.pricing import Prices
from nagjax.predictors.columns import read_columns
from nagjax.predictors.labels import Labels
from nagjax.predictors.records import Records, read_records
from nagjax.problem import TabularQuality, tabular_quality
from nagjax.spaces import trie
from nagjax.spaces.space import Space

COST_UNITS: Mapping[str, str] = {"_ms": "ms", "_m": "M", "_mj": "mJ", "_kib": "KiB"}
"""Unit of a cost column by the end of its name."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tabular:
    """What ``make_problem`` takes, from a file of architectures.

    Attributes:
      space: the space on the prefix trie of the file's architectures.
      prices: the measured costs, one entry a column; exact, since each architecture has an edge of its own.
      quality: looked up.
      records: what the file says, one entry an architecture.
      report: source, and how many architectures were measured, are missing and were averaged.
    """

    space: Space
    prices: tuple[Prices, ...]
    quality: TabularQuality
    records: Records
    report: Mapping[str, Any]


def read_tabular(
    path: str | Path,
    cost_columns: Mapping[str, str],
    space: Space | None = None,
    text_column: str = "architecture",
    decision_columns: Sequence[str] = (),
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    duplicate_tolerance: float = 0.0,
    units_are_right: bool = False,
) -> Tabular:
    """Read a tabular benchmark from a .csv or .parquet file.

    Args:
      path: the file.
      cost_columns: column of the file for each cost; the cost's name ends in its unit: ``{"latency_ms": "pixel3"}``.
      space: what the text in ``text_column`` is of; None where ``decision_columns`` make a space.
      text_column: column of the architecture's text.
      decision_columns: columns that are decisions, in their order.
      quality_column: column of the quality.
      quality_unit: ``"fraction"`` (0..1) or ``"percent"``.
      duplicate_tolerance: see ``nagjax.predictors.records.read_records``.
      units_are_right: see there.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in file or arguments, with file, row and remedy; or if the trie is too large.
    """
    if (space is None) == (not decision_columns):
        raise ValueError(f"{path}: give either decision_columns, or a space and the column of its architectures' text")
    if not isinstance(cost_columns, Mapping):
        raise ValueError(f"cost_columns={cost_columns!r}: give a dict of columns by cost, such as {{'latency_ms': 'ms'}}")
    decision_columns = arguments.names(decision_columns, "decision_columns")
    for name in cost_columns:
        unit_of(name)
    columns = tuple(cost_columns.values())
    if space is None:
        labels = Labels(quality_column, quality_unit, columns, duplicate_tolerance, units_are_right)
        space, records = read_columns(path, decision_columns, labels)
    else:
        records = read_records(
            path, space, text_column, quality_column, quality_unit, columns, duplicate_tolerance, units_are_right
        )
    named = {name: records.costs[column] for name, column in cost_columns.items()}
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return from_records(space, dataclasses.replace(records, costs=named), content)


def from_records(space: Space, records: Records, content_hash: str = "") -> Tabular:
    """The tabular benchmark that labelled architectures make; names of cost columns end in their unit.

    Raises:
      ValueError: if there are no records, a name has no unit, or the trie is too large.
    """
    narrowed = trie.narrow(space, records.tokens)
    device = Path(records.source).name
    no_operators = np.zeros(len(space.operators))
    prices = [
        Prices(
            name, unit_of(name), no_operators, narrowed.trellis.valid, device=device, source=records.source,
            content_hash=content_hash, edges=trie.last_edges(narrowed, records.tokens, cost),
            doubts=cost_doubts(cost, unit_of(name), lambda i: _place(space, records, i)),
        )
        for name, cost in records.costs.items()
    ]  # fmt: skip
    report = {
        "source": records.source,
        "measured": len(records.quality),
        "missing": space.count() - len(records.quality),
        "averaged": records.averaged,
        "graph": narrowed.refinement,
    }
    quality = tabular_quality(narrowed, records.tokens, records.quality)
    return Tabular(narrowed, tuple(prices), quality, records, report)


def _place(space: Space, records: Records, index: int) -> str:
    """Where a record stands: its row where that is known, else its text."""
    rows = getattr(records, "rows", None)
    return space.format(records.tokens[index]) if rows is None else f"row {rows[index]}"


def unit_of(name: str) -> str:
    """Unit of a cost, by the end of its name.

    >>> unit_of("latency_ms"), unit_of("flops_m")
    ('ms', 'M')

    Raises:
      ValueError: if the name does not end in a unit, or cannot be shown in one line.
    """
    if not name.isprintable():
        raise ValueError(f"cost {name!r}: its name has characters that cannot be shown; choose another")
    for end, unit in COST_UNITS.items():
        if name.endswith(end):
            return unit
    known = ", ".join(f"{end} ({unit})" for end, unit in COST_UNITS.items())
    raise ValueError(f"cost {name!r} does not say its unit: end its name in one of {known}")
