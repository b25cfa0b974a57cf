"""Which rows of a device table are hard to believe, by themselves: no network has to be measured for that.

A filler for "not supported", a row in another unit than its neighbours, a unit declared for another, a key that names
no operator of the space; and two tables of one device that disagree. All are doubts and not errors: a strange device is
stranger than any rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nagjax import operators as ops
from nagjax.devices.plausible import implausible
from nagjax.devices.table import COLUMNS, DeviceTable, Row
from nagjax.devices.units import unit_doubt
from nagjax.names import nearest
from nagjax.spaces.space import Space

FACTOR = 100.0
"""A row this many times above or below what like operators take is named. Published tables stay within 20."""

NEIGHBOURS = 8
"""Operators of the same kind and the nearest size that a row is compared with."""

FEW = 0.1
"""Share of unused rows up to which they are named; a table of more is one of several spaces."""

APART = 0.2
"""Two tables of one device whose times differ by more than this share on the middle row disagree."""

SHOWN = 3
"""Rows named in one sentence."""

MOST_LACKING, LIKE = 200, 0.85
"""Operators without a row that a mistyped key is compared with, and the share of it that must be as it should be."""

_Key = tuple[str, int | None]


def table_doubts(table: DeviceTable, space: Space, open_edges: np.ndarray) -> tuple[str, ...]:
    """Why rows of a table should not be believed, as sentences; empty where there is no reason.

    ``open_edges`` are those of the architectures that are asked for, bool ``[T, S, C]``.
    """
    used = used_rows(table, space)
    if table.column != COLUMNS[0]:  # to look one token up takes next to nothing
        used = {key: found for key, found in used.items() if ops.madds(found[0])}
    operators, rows = [op for op, _ in used.values()], [row for _, row in used.values()]
    strange = odd_rows(operators, np.array([row.mean for row in rows]))
    out = []
    if len(strange):
        out.append(_odd_sentence(operators, rows, strange))
    if sentence := _unit_sentence(table, space, open_edges, {operators[i].key for i in strange}):
        out.append(sentence)
    if sentence := unused_sentence(table, space):
        out.append(sentence)
    return tuple(out)


def disagreement(first: DeviceTable, second: DeviceTable) -> str:
    """What two tables of one device say differently of the rows that both have, one sentence; empty where they agree.

    Tables of different devices, runtimes, batches or types have nothing to agree on.
    """
    told = [(t.device, t.runtime, t.batch, t.dtype) for t in (first, second)]
    both = [key for key in first.rows if key in second.rows]
    if told[0] != told[1] or not both:
        return ""
    ratios = np.array([second.rows[key].mean / first.rows[key].mean for key in both])
    if np.median(np.abs(np.log(ratios))) <= np.log1p(APART):
        return ""
    far = both[int(np.argmax(np.abs(np.log(ratios))))]
    names = [table.source or table.device for table in (first, second)]
    return (
        f"two tables of {first.device} disagree: of {len(both)} rows that {names[0]} and {names[1]} share the second "
        f"takes {np.median(ratios):.3g} times as long in the median, {ratios.min():.3g} to {ratios.max():.3g} times; "
        f"{far[0]} is {first.rows[far].mean:g} ms in one and {second.rows[far].mean:g} ms in the other. Were clocks, "
        "heat or other work different? Measure again, or leave one out"
    )


def used_rows(table: DeviceTable, space: Space) -> dict[_Key, tuple[ops.Operator, Row]]:
    """The rows that price operators of the space, each with the first operator that it prices, in their order."""
    free = (*space.free, *table.unmeasured)
    used: dict[_Key, tuple[ops.Operator, Row]] = {}
    for op in space.operators:
        row = table.lookup(op)
        if row is not None and op.kind not in free:
            at = op.resolution if (op.key, op.resolution) in table.rows else None
            used.setdefault((op.key, at), (op, row))
    return used


def odd_rows(operators: Sequence[ops.Operator], times: np.ndarray) -> np.ndarray:
    """Rows far from what like operators take, of times float ``[N]`` above 0: indices int, ascending.

    A row is compared with the median of its ``NEIGHBOURS`` in size (multiply-adds, parameters and feature maps) of its
    kind, of all kinds where there are too few. It is odd when it is more than ``FACTOR`` above or below, both as it is
    and for its size. Fillers (``implausible``) are odd and nobody's neighbours.
    """
    filler = implausible(times)
    sizes = np.log([_size(op) for op in operators]) if operators else np.zeros(0)
    logs = np.log(times)
    odd = filler.copy()
    kinds = np.array([op.kind for op in operators])
    for kind in dict.fromkeys(kinds.tolist()):
        own = np.flatnonzero((kinds == kind) & ~filler)
        group = own if len(own) > NEIGHBOURS // 2 else np.flatnonzero(~filler)
        if len(group) <= NEIGHBOURS // 2:
            continue
        plain, for_size = _excess(sizes[group], logs[group])
        far = np.where(plain > 0, np.minimum(plain, for_size), -np.maximum(plain, for_size)) > np.log(FACTOR)
        odd[np.intersect1d(group[far], own)] = True
    return np.flatnonzero(odd)


def unused_sentence(table: DeviceTable, space: Space) -> str:
    """The rows that no operator of the space uses, with what they may have been meant for; empty if that is usual."""
    unused = unused_rows(table, space)
    if not unused or len(unused) > max(SHOWN, FEW * len(table.rows)):
        return ""
    free = (*space.free, *table.unmeasured)
    lacking = dict.fromkeys(op.key for op in space.operators if op.kind not in free and table.lookup(op) is None)
    named = []
    for key, resolution in unused[:SHOWN]:
        near = nearest(key, list(lacking)[:MOST_LACKING], LIKE)
        hint = f" (did you mean {near!r}, which has no row?)" if near else ""
        named.append(f"{key!r}{f' at resolution {resolution}' if resolution else ''}{hint}")
    return (
        f"{len(unused)} of {len(table.rows)} rows are used by no operator of {space.identity}: "
        f"{', '.join(named)}{_more(unused)}; correct the key, or remove the row"
    )


def unused_rows(table: DeviceTable, space: Space) -> list[_Key]:
    """Key and resolution of rows that price no operator of the space; a kind that is free is not asked for."""
    used = used_rows(table, space)
    return [key for key in table.rows if key not in used and key[0].partition("-")[0] not in space.free]


def _size(op: ops.Operator) -> int:
    maps = op.in_size**2 * op.in_channels + op.out_size**2 * op.out_channels
    return ops.madds(op) + ops.params(op) + maps


def _excess(sizes: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm by which times ``[N]`` exceed their neighbours' median: as they are, and by the median for the size."""
    order = np.argsort(sizes, kind="stable")
    half = NEIGHBOURS // 2
    offsets = np.delete(np.arange(-half, half + 1), half)
    window = np.arange(len(order))[:, None] + offsets
    # At the ends the window moves inwards, without the row itself.
    window = np.where(window < 0, window + NEIGHBOURS + 1, window)
    window = np.where(window >= len(order), window - NEIGHBOURS - 1, window)
    inside = (window >= 0) & (window < len(order))
    near = order[np.clip(window, 0, len(order) - 1)]
    plain, for_size = np.empty(len(order)), np.empty(len(order))
    plain[order] = times[order] - _median(times[near], inside)
    for_size[order] = times[order] - sizes[order] - _median(times[near] - sizes[near], inside)
    return plain, for_size


def _median(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.asarray(np.nanmedian(np.where(inside, values, np.nan), axis=1))


def _odd_sentence(operators: Sequence[ops.Operator], rows: Sequence[Row], odd: np.ndarray) -> str:
    times = np.array([row.mean for row in rows])
    usual = float(np.median(np.delete(times, odd) if len(odd) < len(rows) else times))
    # The farthest first: it is what does harm.
    ordered = sorted(odd.tolist(), key=lambda i: -abs(np.log(times[i] / usual)))
    named = [f"{_place(operators[i], rows[i])}: {times[i]:g} ms" for i in ordered[:SHOWN]]
    return (
        f"{len(odd)} of {len(rows)} rows are implausible, more than {FACTOR:g} times above or below like operators, "
        f"whose median is {usual:.3g} ms: {'; '.join(named)}{_more(ordered)}; measure again, or leave out what the "
        "device cannot run (--where)"
    )


def _place(op: ops.Operator, row: Row) -> str:
    """Where a row stands, with its operator's key once."""
    return row.source if op.key in row.source else f"{op.key}{f' ({row.source})' if row.source else ''}"


def _more(items: Sequence[object]) -> str:
    return f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""


def _unit_sentence(table: DeviceTable, space: Space, open_edges: np.ndarray, strange: set[str]) -> str:
    """The unit as a whole, from the networks that have no odd row."""
    found = [table.lookup(op) for op in space.operators]
    free = (*space.free, *table.unmeasured)
    known = [row is not None or op.kind in free for op, row in zip(space.operators, found, strict=True)]
    fine = np.array([ok and op.key not in strange for op, ok in zip(space.operators, known, strict=True)] + [True])
    times = np.array([0.0 if row is None else row.mean for row in found] + [0.0])
    by_token = table.column != COLUMNS[0]
    work = [ops.madds(op) // (op.in_size if by_token else 1) for op in space.operators]
    madds = np.array([*work, 0], np.float64)
    index = space.trellis.operators
    edges = open_edges & fine[index].all(-1)
    priced = times[:-1] > 0
    rates = madds[:-1][priced & (madds[:-1] > 0)] / times[:-1][priced & (madds[:-1] > 0)] * 1e3
    low, high = _extent(space, edges, times[index].sum(-1))
    return unit_doubt(low, high, float(np.median(rates)) if len(rates) else 0.0) if high > 0 else ""


def _extent(space: Space, edges: np.ndarray, cost: np.ndarray) -> tuple[float, float]:
    """Cheapest and costliest path over ``edges``; 0 and 0 where there is none."""
    low, high = np.zeros(edges.shape[1]), np.zeros(edges.shape[1])
    for t in reversed(range(len(edges))):
        onward_low, onward_high = low[space.trellis.target[t]], high[space.trellis.target[t]]
        low = np.where(edges[t], cost[t] + onward_low, np.inf).min(-1)
        high = np.where(edges[t], cost[t] + onward_high, -np.inf).max(-1)
    return (float(low[0]), float(high[0])) if np.isfinite(high[0]) else (0.0, 0.0)
