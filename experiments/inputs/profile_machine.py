"""What a profile says of the machine: its name, its runtime, whether it is busy; and the progress bar."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from experiments.frame import cli, console, life

if TYPE_CHECKING:
    from nagjax.profile.subjects import Subject

TOLD = (
    "space",
    "space_settings",
    "where",
    "column",
    "runtime",
    "threads",
    "batch",
    "dtype",
    "rounds",
    "least_ms",
    "validate",
    "validate_fit",
    "seed",
)
"""Flags that make the command which a table gives; files and folders of one machine mean nothing on another."""


def device_name() -> str:
    """The device that JAX computes on: kind of accelerator, or processor and number of cores."""
    import jax

    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    return f"{processor()}, {cores()} cores"


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Name of the processor, as far as the system tells."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown processor"


def runtime_name() -> str:
    """The runtime: JAX, its version, its backend."""
    import jax

    timed = "one compiled call" if jax.default_backend() == "cpu" else "compiled calls in turn"
    return f"JAX {jax.__version__}, {jax.default_backend()}, {timed}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy_warnings(load: Callable[[], tuple[float, float, float]] | None = None, available: int = 0) -> list[str]:
    """A warning if more is running than the machine has cores for, a list of one line or none.

    >>> busy_warnings(lambda: (3.0, 0.0, 0.0), 2)
    ['warning: the load is 3.0 on 2 cores: other programs disturb the times; measure again when the machine is quiet']
    """
    load = load or getattr(os, "getloadavg", None)
    available = available or cores()
    if load is None or load()[0] <= available:
        return []
    what = f"the load is {load()[0]:.1f} on {available} cores: other programs disturb the times"
    return [f"warning: {what}; measure again when the machine is quiet"]


def how_measured(values: flags.FlagValues, today: dt.date | None = None) -> str:
    """How and when, with the command, for the table."""
    given = [values[name] for name in TOLD]
    lines = [line for flag in given if flag.value not in (None, []) for line in flag.serialize().split("\n")]
    return (
        f"{today or dt.datetime.now(dt.UTC).date()}, medians of {values.rounds} interleaved rounds; "
        f"std is 1.4826 x the median absolute deviation; {cli.command('experiments.profile_device', *lines)}"
    )


class Progress:
    """A progress bar a stage; a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.progress import MofNCompleteColumn

        self._bars = console.bars(MofNCompleteColumn(), quiet=quiet)

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def stage(self, what: str, total: int) -> Callable[[Subject, int], None]:
        """Begin a bar; gives what is called after each measurement."""
        life.doing(f"{what}, compiling")
        task = self._bars.add_task(f"{what}, compiling", total=total)

        def on_sample(_subject: Subject, turn: int) -> None:
            self._bars.update(task, advance=1, description=f"{what}, round {turn + 1}")
            life.doing(f"{what}, round {turn + 1}, {self._bars.tasks[task].completed:.0f} of {total} measured")

        return on_sample
