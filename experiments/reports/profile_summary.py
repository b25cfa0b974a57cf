"""What a profile found, in a few plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nagjax.devices.table import DeviceTable
from nagjax.devices.table_doubts import table_doubts
from nagjax.devices.validation import doubts, judge
from nagjax.profile.summary import Outlier
from nagjax.spaces.space import Space

SHOWN = 8


def summary_lines(table: DeviceTable, outliers: Sequence[Outlier], space: Space, out: Path) -> list[str]:
    """The table in short: times, outliers, the correction and what measured networks say of it."""
    times = np.array([row.mean for row in table.rows.values()])
    spreads = np.array([row.std / row.mean for row in table.rows.values()])
    spread = f"median {100 * np.median(spreads):.1f} %, largest {100 * spreads.max():.0f} %"
    lines = [
        f"{out}: {len(times)} operators of {space.identity} on {table.device}, batch {table.batch}, {table.dtype}",
        f"times {times.min():.4g} to {times.max():.4g} ms; spread between rounds: {spread}",
        f"operators to look at: {len(outliers)}",
    ]
    lines += [f"  {one.operator} {one.reason}" for one in outliers[:SHOWN]]
    lines += [f"  and {len(outliers) - SHOWN} more"] if len(outliers) > SHOWN else []
    if table.correction:
        fitted = table.correction
        lines.append(
            f"correction: {fitted.scale:.4g} x sum + {fitted.offset:.4g} ms, fitted to {fitted.networks} networks"
        )
    if len(table.validation) > 1:
        measured = [network.measured for network in table.validation]
        lines.append(f"networks that judge it take {min(measured):.4g} to {max(measured):.4g} ms")
        lines.append(f"judged: {judge(table.correction, table.validation)}")
    strange = (*doubts(table, space.identity), *table_doubts(table, space, space.trellis.valid))
    return lines + [f"warning: {doubt}" for doubt in strange]
