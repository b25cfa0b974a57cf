"""All that is wrong with the rows of a table, in one error: a user mends a file once, not row by row."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from nagjax.devices.correction import is_number

SHOWN = 5
"""Faults told in full."""

REPEATED, UNFILLED, NOT_ABOVE_0, MALFORMED = (
    "are a repetition",
    "have no time yet",
    "have a time of 0 or below",
    "are malformed",
)


@dataclasses.dataclass(frozen=True)
class RowFault:
    """One row that is refused.

    Attributes:
      kind: what is wrong, in the words above.
      message: the whole error, if it were the only one.
      time: of a row that has a time of 0 or below, in the unit of the file.
    """

    kind: str
    message: str
    time: float = 0.0


def time_fault(mean: object, message: str) -> RowFault:
    """The fault of a row that a reader refused with ``message``, told by its time.

    >>> time_fault(-0.5, "t.json: row 2").kind, time_fault(None, "t.json: row 2").kind
    ('have a time of 0 or below', 'have no time yet')
    """
    if mean is None:
        return RowFault(UNFILLED, message)
    if isinstance(mean, int | float) and is_number(mean) and mean <= 0:
        return RowFault(NOT_ABOVE_0, message, float(mean))
    return RowFault(MALFORMED, message)


def refuse_rows(where: str, total: int, faults: Sequence[RowFault]) -> None:
    """Raise what is wrong with ``total`` rows of the file ``where``, if anything is.

    Raises:
      ValueError: the fault's own message if there is one; else the number of each kind, and the first in full.
    """
    if not faults:
        return
    if len(faults) == 1:
        raise ValueError(faults[0].message)
    counts = Counter(fault.kind for fault in faults)
    kinds = ", ".join(f"{num} {kind}" for kind, num in counts.items())
    shown = "; ".join(fault.message.removeprefix(f"{where}: ") for fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise ValueError(f"{where}: of {total} rows {kinds}. {shown}{more}.{_remedy(counts, faults)}")


def _remedy(counts: Counter[str], faults: Sequence[RowFault]) -> str:
    below = [fault.time for fault in faults if fault.kind == NOT_ABOVE_0]
    out = " Fill in the times of the device." if counts[UNFILLED] else ""
    if len(below) > 1 and min(below) < 0:
        out += (
            f" The least time is {min(below):g}: was a base (an empty call, a loop) subtracted from them? Then export "
            "the times as they were measured; a correction's offset is what a call costs"
        )
    return out
