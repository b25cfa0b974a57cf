"""Writing the steps of one run by orbax, so that a save that failed for lack of space can be made again."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any, Self

import numpy as np

KEEP = 2


def _options() -> Any:
    """Orbax's, of a process that writes and reads alone, whatever others there are."""
    import jax
    import orbax.checkpoint as ocp

    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me})
    several = jax.process_count() > 1
    return ocp.CheckpointManagerOptions(
        max_to_keep=KEEP, create=not several, **({"multiprocessing_options": alone} if several else {})
    )


class Steps:
    """The steps in a folder, one orbax folder each; a context manager. One process writes, also where several compute.

    Saving goes on in the background; an error of it is raised by the next ``save`` or by ``finish``. After an error
    nothing is half done: what was whole before is there, and ``save`` may be called again.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder for one writer; what an earlier one left half written is removed."""
        # Orbax fails late, in a thread, on a relative path.
        self._folder = folder.resolve()
        self._manager: Any = None
        self._remove_partial()

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.finish()
            self._manager_now().close()
        else:
            self._give_up()

    def save(self, step: int, args: Any) -> None:
        """Begin to save ``args``, an ``orbax.checkpoint.args.Composite``; the last ``KEEP`` steps are kept.

        Raises:
          OSError, ValueError: if this or the save before could not be written.
        """
        try:
            self._manager_now().wait_until_finished()
            self._manager_now().save(step, args=args)
        except BaseException:
            self._give_up()
            raise

    def finish(self) -> None:
        """Wait until the last save is on the disk.

        Raises:
          OSError, ValueError: if it could not be written.
        """
        try:
            self._manager_now().wait_until_finished()
        except BaseException:
            self._give_up()
            raise

    def _manager_now(self) -> Any:
        """The manager; another one after an error, since a manager counts what it began to write."""
        if self._manager is None:
            import orbax.checkpoint as ocp

            self._folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(self._folder, options=_options())
        return self._manager

    def _give_up(self) -> None:
        """Let go of the manager and of what it has half written; the error is raised already."""
        manager, self._manager = self._manager, None
        if manager is not None:
            with contextlib.suppress(Exception):  # the same error again, in whatever form
                manager.wait_until_finished()
            with contextlib.suppress(Exception):
                manager.close()
        self._remove_partial()

    def _remove_partial(self) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if "orbax-checkpoint-tmp" in path.name:
                    shutil.rmtree(path, ignore_errors=True)


class StepWriter:
    """What writes the steps of one run; a context manager, and a base of those that say what a step holds."""

    def __init__(self, folder: Path) -> None:
        """Open a folder, see ``Steps``."""
        self._steps = Steps(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._steps.__exit__(*error)

    def finish(self) -> None:
        """Wait until the last save is on the disk.

        Raises:
          OSError, ValueError: if it could not be written; ``save`` may be called again.
        """
        self._steps.finish()


def try_folder(folder: Path) -> None:
    """Save a step below ``folder`` and read it: some names that a file system takes, checkpoints are not found under.

    Raises:
      ValueError: if it cannot be read again.
    """
    import orbax.checkpoint as ocp

    place = folder.resolve() / ".nagjax-trial"
    array = np.arange(3.0)
    try:
        with Steps(place) as steps:
            steps.save(0, ocp.args.Composite(state=ocp.args.StandardSave({"a": array})))
        with ocp.CheckpointManager(place, options=_options()) as manager:
            target = ocp.args.StandardRestore({"a": np.zeros(3)})
            found = manager.restore(0, args=ocp.args.Composite(state=target)).state["a"]
    except Exception as error:  # orbax and tensorstore raise many kinds
        if isinstance(error, OSError) or "os_error_code" in str(error):
            raise
        raise ValueError(f"a checkpoint written below {folder} cannot be read again") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if not np.array_equal(found, array):
        raise ValueError(f"a checkpoint written below {folder} reads otherwise")
