"""Prices of several devices in one column: each prices its own copy of a space, behind a decision that says which."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from nagjax.devices.pricing import Prices
from nagjax.problems.costs import decimal_places
from nagjax.spaces.space import Space


def side_by_side(space: Space, columns: Mapping[str, Prices | None]) -> Prices:
    """One cost column of a space whose first decision is the device (``compose.prefix`` of the one that is priced).

    An edge costs what its operators cost on the node's device. A device's offset lies on the edge that chooses it, so
    costs are corrected ones, and what stands before correction is not kept apart. Columns are by device, in the order
    of the decision's choices; None closes a device.

    Raises:
      ValueError: if the columns differ in name, unit or how they add up, or in whether they are learned and at which
        level; or one has a residual.
    """
    given = [column for column in columns.values() if column is not None]
    first = given[0]
    for other in given:
        if (other.name, other.unit, other.reduce) != (first.name, first.unit, first.reduce):
            raise ValueError(
                f"cost columns of devices differ: {other.name} in {other.unit} ({other.reduce}) and {first.name} in "
                f"{first.unit} ({first.reduce}); give each the same"
            )
    if any(column.residual is not None for column in given):
        raise ValueError(f"{first.name}: costs of several devices take no residual; learn them by the kind additive")
    if len({(column.learned, column.quantile) for column in given}) > 1:
        raise ValueError(f"{first.name}: is learned, or has headroom, on some devices and not on others")
    behind = space.behind
    if behind is None:
        raise ValueError(f"{space.identity} has no context that could say the device; see nagjax.spaces.compose")
    _, nodes, choices = behind.trellis.shape
    edges = np.zeros(space.trellis.shape)
    open_edges = np.zeros(space.trellis.shape, bool)
    for place, column in enumerate(columns.values()):
        if column is None:
            continue
        own = np.s_[1:, place * nodes : (place + 1) * nodes, :choices]
        edges[own] = _edges(behind, column)
        open_edges[own] = column.open_edges
        edges[0, 0, place] = column.offset
        open_edges[0, 0, place] = True
    hashes = "".join(column.content_hash for column in given)
    return Prices(
        first.name,
        first.unit,
        np.zeros(len(space.operators)),
        open_edges & space.trellis.valid,
        edges=edges,
        reduce=first.reduce,
        device=", ".join(name for name, column in columns.items() if column),
        source=", ".join(dict.fromkeys(column.source or column.device for column in given)),
        content_hash=hashlib.sha256(hashes.encode()).hexdigest() if hashes else "",
        free=tuple(dict.fromkeys(key for column in given for key in column.free)),
        closed=tuple(f"{name}: {text}" for name, column in columns.items() if column for text in column.closed),
        validation="; ".join(
            f"{name}: {column.validation}" for name, column in columns.items() if column and column.validation
        ),
        learned=first.learned,
        quantile=first.quantile if first.learned else None,
        doubts=tuple(f"{name}: {text}" for name, column in columns.items() if column for text in column.doubts),
    )


def _edges(behind: Space, column: Prices) -> np.ndarray:
    """What each edge of the space behind costs, float64 ``[T, S, C]``; decimals stay the decimals that they are."""
    values = np.append(column.values, 0.0)[behind.trellis.operators]
    total = values.sum(-1) if column.reduce == "sum" else values.max(-1)
    if column.edges is not None:
        total = total + column.edges if column.reduce == "sum" else np.maximum(total, column.edges)
    places = decimal_places(column.values)
    return total if places is None or column.edges is not None else np.round(total, places)
