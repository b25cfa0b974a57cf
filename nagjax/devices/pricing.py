"""Pricing: from a device table to one value an operator; ``nagjax.problems.ticks`` makes integers of them.

A table's correction is applied here and nowhere else: its scale (with headroom, where that is asked for) multiplies
every operator, its offset lies on the edges of the first decision, of which every path takes one. So masks, archives
and guarantees hold for corrected costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nagjax import operators as ops
from nagjax.devices.correction import Correction
from nagjax.devices.coverage import cover, reachable
from nagjax.devices.table import COLUMNS
from nagjax.devices.table_doubts import table_doubts, unused_sentence
from nagjax.devices.validation import doubts, headroom, judge
from nagjax.spaces.space import Count, Space

if TYPE_CHECKING:
    from nagjax.devices.table import DeviceTable

LATENCY, TOKEN = COLUMNS
"""The cost columns that device tables price: a pass over a whole input, and one more token of a text."""

ANALYTIC: Mapping[str, Count] = {
    "madds": Count(ops.madds),
    "params": Count(ops.params),
    "traffic": Count(ops.traffic, "MB"),
    "peak_memory": Count(ops.peak_memory, "MB", reduce="max"),
}
"""Costs that follow from the shapes of operators, whatever the space; ``Space.counts`` are its own."""


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """What a cost column is, and what its prices were made of.

    Attributes:
      name: for example ``"latency_ms"``.
      unit: for example ``"ms"``.
      reduce: ``"sum"`` or ``"max"`` over the path.
      device, source, content_hash: where the prices come from.
      free: keys of operators priced 0 because the space or the table's dialect says so.
      closed: choices of optional decisions that the table does not know, as text.
      offset: added once a path, in ``unit``; only where ``reduce`` is ``"sum"``.
      scale: what the table's rows have been multiplied by; ``(cost - offset) / scale`` is their sum.
      quantile: the share of networks that offset and scale leave headroom for; None where they leave none.
      validation: what measured networks say of the corrected sum, one line; empty where there are none.
      doubts: why the costs should not be trusted, sentences.
      learned: whether costs are predicted by a model of measured whole networks; the predicted cost then stands where a
        table's sum does, and no cost is certain to be within a budget.
    """

    name: str
    unit: str
    _: dataclasses.KW_ONLY
    reduce: str = "sum"
    device: str = ""
    source: str = ""
    content_hash: str = ""
    free: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    offset: float = 0.0
    scale: float = 1.0
    quantile: float | None = None
    validation: str = ""
    doubts: tuple[str, ...] = ()
    learned: bool = False

    @property
    def corrected(self) -> bool:
        """Whether costs are something other than the sum of the table's rows, or than what a model predicts."""
        return self.offset != 0 or self.scale != 1

    @property
    def level(self) -> float | None:
        """Share of networks that may cost more than their learned cost; None where it is no learned bound."""
        return None if self.quantile is None or not self.learned else round(1 - self.quantile, 12)

    def to_raw(self, cost: float) -> float:
        """The sum of the table's rows, or the predicted cost, behind a reported cost in ``unit``, but for rounding."""
        return (cost - self.offset) / self.scale


@dataclasses.dataclass(frozen=True, eq=False)
class Prices(Column):
    """A cost column before rounding.

    Attributes:
      values: float64 ``[num_operators]`` in ``unit``; 0 for operators that only closed edges use.
      open_edges: bool ``[T, S, C]``, edges whose operators are all priced.
      edges: float64 ``[T, S, C]`` in ``unit``, what an edge costs beside its operators; None where nothing does. On a
        prefix trie the last edges of ``nagjax.spaces.trie.last_edges`` make any measured cost exact.
      residual: what a path costs above the sum of its edges, without the offset: the ``share`` of that sum which a
        predictor of the form ``residual`` says, 0 or above; None where nothing does.
    """

    values: np.ndarray
    open_edges: np.ndarray
    edges: np.ndarray | None = dataclasses.field(default=None, kw_only=True)
    residual: Any = dataclasses.field(default=None, kw_only=True)


def price(
    table: DeviceTable,
    space: Space,
    name: str = LATENCY,
    quantile: float | None = None,
    allowed: np.ndarray | None = None,
) -> Prices:
    """Price a space's operators by a device table, corrected as the table says.

    With ``quantile`` prices have headroom: of networks drawn as those of the table's validation, at least this share
    takes no longer than its price.

    A choice of an optional decision (a resolution) that the table does not know at all is closed. Any other operator
    without a row is an error, unless only architectures outside ``allowed``, bool ``[T, S, C]``, use it: the edges that
    ``Space.where`` leaves of the space.

    Raises:
      ValueError: if operators are missing, with their keys, the file and the remedy, or the table has too few measured
        networks for the quantile.
    """
    if name != table.column:
        other = "table" if name == TOKEN else "token_table"
        raise ValueError(
            f"{table.source or table.device}: its column is {table.column}, {name} is asked for; give it as {other}="
        )
    if not space.operators:
        raise ValueError(
            f"{table.source or table.device}: {space.identity} declares no operators, so a table cannot price it; "
            "leave the table out, and give measured costs"
        )
    rows = [table.lookup(op) for op in space.operators]
    is_free = np.array([op.kind in (*space.free, *table.unmeasured) for op in space.operators])
    known = np.array([row is not None for row in rows])
    # A row that prices several resolutions does not show that the table covers any one of them.
    sources = [None if row is None else row.source or op.key for row, op in zip(rows, space.operators, strict=True)]
    open_edges, closed = cover(space, known | is_free, known & ~is_free, sources)
    asked = open_edges if allowed is None else reachable(space, open_edges & allowed)
    needed = np.zeros(len(space.operators) + 1, bool)
    needed[space.trellis.operators[asked]] = True
    missing = [
        op for op, used, fine in zip(space.operators, needed, known | is_free, strict=False) if used and not fine
    ]
    # Conditions that leave nothing of what is priced are the problem's to refuse: it knows all that narrows.
    nothing = not needed[:-1].any() and (allowed is None or asked.any())
    if missing or nothing:
        _refuse(table, space, missing)
    # Where nothing is left of the conditions, the problem's refusal says what the table knows.
    known_edges = open_edges & np.append(known | is_free, True)[space.trellis.operators].all(-1)
    open_edges = asked if asked.any() else known_edges
    values = np.array([0.0 if row is None or free else row.mean for row, free in zip(rows, is_free, strict=True)])
    free_keys = dict.fromkeys(
        op.key for op, free, used in zip(space.operators, is_free, needed, strict=False) if free and used
    )
    correction = table.correction or Correction()
    factor = _headroom(table, quantile)
    return Prices(
        name,
        table.unit,
        values * (correction.scale * factor),
        open_edges,
        device=table.device,
        source=table.source,
        content_hash=table.content_hash,
        free=tuple(free_keys),
        closed=closed,
        offset=correction.offset * factor,
        scale=correction.scale * factor,
        quantile=quantile,
        validation=str(judge(table.correction, table.validation)) if len(table.validation) > 1 else "",
        doubts=doubts(table, space.identity) + table_doubts(table, space, open_edges),
    )


def _headroom(table: DeviceTable, quantile: float | None) -> float:
    try:
        return 1.0 if quantile is None else headroom(table.correction, table.validation, quantile)
    except ValueError as error:
        raise ValueError(f"{table.source or table.device}: {error}") from None


def analytic(space: Space, name: str) -> Prices:
    """A cost from the operators' shapes: one of ``ANALYTIC``, or a space's own.

    MAdds and parameters are in millions. ``traffic`` is what is read and written (weights, input and output of every
    operator), ``peak_memory`` the feature maps that the largest operator holds, both in MB of float32 at batch 1.

    Raises:
      ValueError: if the name is another one, or the space declares no operators.
    """
    known = {**ANALYTIC, **space.counts}
    if name not in known:
        raise ValueError(f"cost {name!r} is not computed from shapes; known: {', '.join(known)}")
    if not space.operators:
        raise ValueError(f"{space.identity} declares no operators, so {name} cannot be computed; give measured costs")
    count = known[name]
    values = np.array([count.of(op) for op in space.operators], np.float64) / count.size
    return Prices(
        column_name(name, count),
        count.unit,
        values,
        space.trellis.valid,
        reduce=count.reduce,
        device="analytic",
        source=f"{space.identity}:{name}",
    )


def column_name(name: str, count: Count) -> str:
    """What a counted cost is called as a column: with its unit.

    >>> column_name("madds", ANALYTIC["madds"])
    'madds_m'
    """
    return f"{name}_{count.unit.lower()}"


def _refuse(table: DeviceTable, space: Space, missing: list[ops.Operator]) -> None:
    where = table.source or table.device
    if not missing:
        raise ValueError(f"{where}: prices no choice of {space.identity}; is it a table of another width or space?")
    shown = ", ".join(op.key + (f" at resolution {op.resolution}" if op.resolution else "") for op in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise ValueError(
        f"{where}: {len(missing)} operators of {space.identity} have no row: {shown}{more}. "
        "Measure and add them, or leave out what needs them (--where); describe --write_template lists what is needed"
        + (f". {unused}" if (unused := unused_sentence(table, space)) else "")
    )
