"""Signs of life: where no terminal shows a progress bar, a line at least every half minute says what a job is doing."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

from experiments.frame import console

INTERVAL = 30.0
"""Most seconds between two lines."""

Wait = Callable[[float], bool]
"""Waits for so many seconds at most; whether the job has ended."""


class Status:
    """What a job is doing, in words; written by the job, read by the thread that shows it."""

    def __init__(self) -> None:
        self.doing = "starting"
        self.hushed = False


_status: contextvars.ContextVar[Status | None] = contextvars.ContextVar("status", default=None)


def doing(what: str) -> None:
    """Tell what the running job is doing from now on; outside a job nobody listens."""
    status = _status.get()
    if status is not None:
        status.doing = what


def hush() -> None:
    """Show nothing of the running job from now on: another process shows it."""
    status = _status.get()
    if status is not None:
        status.hushed = True


@contextlib.contextmanager
def signs(
    quiet: bool, interval: float = INTERVAL, wait: Wait | None = None, say: Callable[[str], None] = console.complain
) -> Iterator[Status]:
    """Show what a job is doing during the block: a line every ``interval`` seconds, from a thread.

    With ``quiet`` nothing is shown, since a terminal shows bars. The thread waits by the clock where ``wait`` is None.
    """
    status, ended = Status(), threading.Event()
    token = _status.set(status)
    thread = threading.Thread(target=_show, args=(status, interval, wait or ended.wait, say), daemon=True)
    if not quiet:
        thread.start()
    try:
        yield status
    finally:
        ended.set()
        _status.reset(token)


def _show(status: Status, interval: float, wait: Wait, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while not wait(interval):
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        if not status.hushed:
            say(f"[{minutes}:{seconds:02d}] {status.doing}")
