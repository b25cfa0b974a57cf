"""What happens when something cannot be saved for lack of space: it stays in memory and is tried again."""

from __future__ import annotations

import errno
import itertools
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from experiments.frame import console

T = TypeVar("T")

REASONS = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system has become read-only",
    errno.EACCES: "writing is not permitted any more",
}
"""Errors that pass once somebody makes room, or mends the mount, while the job waits."""

PAUSES = (5.0, 10.0, 20.0, 30.0)
"""Seconds before each further try; the last one is repeated."""


def reason(error: BaseException) -> str | None:
    """Why something could not be written, if that may pass; None for any other error.

    Checkpoint libraries report it as another kind of error, with the system's number in its text.

    >>> reason(OSError(errno.ENOSPC, "No space left on device"))
    'no space is left on the device'
    >>> reason(ValueError("RESOURCE_EXHAUSTED: Failed writing ... [os_error_code='28']"))
    'no space is left on the device'
    >>> reason(ValueError("no such column")) is None
    True
    """
    if isinstance(error, OSError):
        return REASONS.get(error.errno or 0)
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return REASONS.get(int(found.group(1))) if found else None


def persist(
    save: Callable[[], T],
    what: str,
    wait: Callable[[float], None] = time.sleep,
    say: Callable[[str], None] = console.complain,
) -> T:
    """Save; for lack of space wait and save again, until there is some or the user gives up.

    ``save`` leaves nothing half done if it raises. KeyboardInterrupt from ``wait`` gives up.

    Raises:
      KeyboardInterrupt: if the user gives up; what was saved before is as it was.
    """
    for pause in pauses():
        try:
            return save()
        except (OSError, ValueError) as error:
            why = reason(error)
            if why is None:
                raise
            place = getattr(error, "filename", None)
        where = f" ({place})" if place else ""
        say(
            f"cannot save {what}: {why}{where}; it is kept in memory, next try in {pause:.0f} s: make room and the job "
            "goes on; Ctrl-C gives up, and what was saved before stays"
        )
        wait(pause)
    raise AssertionError("pauses do not end")


def pauses() -> Iterator[float]:
    """Growing pauses, s, without end."""
    return itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
