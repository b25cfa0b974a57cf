"""All that is wrong with the labels of a file, for the end of the error about the first: a file is mended once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nagjax.tables import Table, as_read, is_empty, named_rows

SHOWN = 5
"""Rows named of each kind of fault."""


def tally(table: Table, quality_column: str, cost_columns: Sequence[str], may_be_empty: bool = False) -> str:
    """How many labels are missing, no numbers, or costs of 0 and below, by column; empty for fewer than two.

    An empty cell is no fault where it ``may_be_empty``.
    """
    parts, total = [], 0
    for name in (quality_column, *cost_columns):
        if name not in table.columns:
            continue
        cells = table.columns[name]
        values = as_read(table, name)
        absent = [i for i, value in enumerate(values) if value is not None and math.isnan(value)]
        kinds = {
            "empty or NaN": [i for i in absent if not (may_be_empty and is_empty(cells[i]))],
            "no finite number": [i for i, value in enumerate(values) if value is None or math.isinf(value)],
            "of 0 or below": [i for i, v in enumerate(values) if name in cost_columns and v is not None and v <= 0],
        }
        found = [f"{len(at)} {kind} ({named_rows(table, at, SHOWN)})" for kind, at in kinds.items() if at]
        total += sum(map(len, kinds.values()))
        if found:
            below = [values[i] or 0.0 for i in kinds["of 0 or below"]]
            parts.append(f"column {name!r}: {', '.join(found)}{_base(below)}")
    return f". Of {len(table.rows)} rows {'; '.join(parts)}" if total > 1 else ""


def spread_summary(tokens: np.ndarray, quality: np.ndarray, costs: Mapping[str, np.ndarray], tolerance: float) -> str:
    """How many architectures stand in rows that differ by more than the tolerance, and the tolerance that would do.

    Tokens are int ``[N, T]``. Qualities, fractions ``[N]``, differ absolutely; costs ``[N]``, by column, by a share of
    the larger, NaN left out.
    """
    _, group = np.unique(tokens, axis=0, return_inverse=True)
    group = group.reshape(-1)
    widest = np.zeros(group.max() + 1)
    for column, relative in ((quality, False), *((cost, True) for cost in costs.values())):
        low, high = np.full(len(widest), np.nan), np.full(len(widest), np.nan)
        np.fmin.at(low, group, column)
        np.fmax.at(high, group, column)
        widest = np.fmax(widest, (high - low) / np.where(relative, high, 1.0))
    # As in the refusal: exactly the tolerance is within it.
    wrong = (widest > tolerance) & ~np.isclose(widest, tolerance, rtol=1e-9, atol=0.0)
    least = widest.max()
    digits = 10.0 ** (math.floor(math.log10(least)) - 2)
    differing = "1 architecture stands" if wrong.sum() == 1 else f"{wrong.sum()} architectures stand"
    return (
        f"; {differing} in rows that differ by more, and --duplicate_tolerance="
        f"{math.ceil(least / digits - 1e-8) * digits:.3g} averages them all"
    )


def _base(below: Sequence[float]) -> str:
    if len(below) < 2 or min(below) >= 0:
        return ""
    return f" (least {min(below):g}: was a base subtracted? Give what was measured)"
