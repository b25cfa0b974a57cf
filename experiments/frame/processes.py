"""Jobs over all devices of one or several processes: their flags, and the block in which they work together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from absl import flags

from experiments.frame import life, output, settings
from nagjax import mesh


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of ``joined``."""
    define = settings.Definer(values)
    define.string(
        "coordinator", None,
        f"Several processes: HOST:PORT of the first, or {mesh.AUTO} (Slurm, Open MPI, Kubernetes, TPU pods).",
    )  # fmt: skip
    define.integer("num_processes", None, "Several processes: how many.", lower_bound=1)
    define.integer("process_id", None, "Several processes: which this is.", lower_bound=0)
    define.bool(
        "shard_parameters", False, "Share parameters among devices, not examples alone: for models too large for one."
    )


@contextlib.contextmanager
def joined(values: flags.FlagValues) -> Iterator[mesh.Placement]:
    """A block in which this process works with the others that the flags speak of, over all devices of all.

    The first process alone prints; of the others one sees errors.

    Raises:
      ValueError: if flags are missing, or the processes do not come together.
    """
    if values.coordinator is None:
        if values.num_processes is not None or values.process_id is not None:
            raise ValueError("--num_processes and --process_id are given without --coordinator=HOST:PORT")
        yield mesh.all_devices(values.shard_parameters)
        return
    life.doing("waiting for the other processes")
    mesh.join(values.coordinator, values.num_processes, values.process_id)
    with contextlib.ExitStack() as stack:
        stack.callback(mesh.leave)
        if not mesh.is_first():
            life.hush()
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield mesh.all_devices(values.shard_parameters)


@contextlib.contextmanager
def taken(name: str | None, example: str, take: Callable[..., AbstractContextManager[Path]]) -> Iterator[Path]:
    """A place to write (``output.folder`` or ``output.file``), taken for the block by the first process alone.

    Raises:
      ValueError: as ``take``; in all processes.
    """
    with contextlib.ExitStack() as stack:

        def enter() -> bool:
            stack.enter_context(take(name, example))
            return True

        mesh.first_does(enter, True)
        yield output.checked(name or "", "out")
