"""What happens between two chunks of training: a progress bar, metrics to CSV and TensorBoard, saves, and Ctrl-C.

All that is written is written by the thread that trains: an error ends or pauses the training, and not a helper alone.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from experiments.frame import console, full_disk, life
from experiments.training.board import Board
from nagjax import csv_cells, durable
from nagjax.controllers import Moment

METRICS = "metrics.csv"


class Monitor:
    """Watches a training run; a context manager whose ``on_chunk`` the training loop calls.

    Ctrl-C is remembered until the chunk is done: the state in the middle of one is given away to the compiled program.
    Then the run is saved and KeyboardInterrupt raised. A second Ctrl-C ends at once, without saving. Where there is no
    space to save, training pauses until there is, and one Ctrl-C ends it.
    """

    def __init__(
        self,
        folder: Path | None,
        save: Callable[[Moment], None],
        save_every: float,
        quiet: bool = False,
        finish: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        agreed: Callable[[bool], bool] = bool,
    ) -> None:
        """Prepare to watch.

        Args:
          folder: of the run; None where another process writes its metrics.
          save: begins to save a moment; may be called again if it raises.
          save_every: seconds between two saves.
          quiet: show no progress bar.
          finish: waits until the last save is on the disk; raises as ``save`` does.
          sleep: waits for so many seconds.
          agreed: whether it is time to save, as all processes of a run see it.
        """
        self._progress = console.bars(quiet=quiet)
        self._task = self._progress.add_task("compiling", total=1.0)
        self._save, self._finish, self._sleep = save, finish, sleep
        self._save_every, self._saved = save_every, time.monotonic()
        self._folder, self._agreed = folder, agreed
        self._board = None if folder is None else Board(folder / "tensorboard")
        self._interrupted = self._waiting = False
        self._stop: type[KeyboardInterrupt] = KeyboardInterrupt
        self._previous: Any = None

    def __enter__(self) -> Monitor:
        self._progress.start()
        life.doing("compiling")
        try:
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not in the main thread: Ctrl-C is not ours there
            self._previous = None
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_chunk(self, moment: Moment) -> None:
        """Report and save.

        Raises:
          KeyboardInterrupt: after saving, if Ctrl-C was pressed, or without, if there is no space to save.
        """
        row = moment.row
        rate = moment.step / max(moment.seconds, 1e-9)
        if self._board is not None:
            board = self._board
            self._persist(lambda: self._append(row), "the metrics")
            self._persist(lambda: board.add(moment.step, {name: row[name] for name in moment.metrics}), "the metrics")
        description = f"{moment.step} of {moment.limits.steps} steps, {rate:.1f}/s"
        self._progress.update(self._task, completed=moment.progress, description=description)
        life.doing(description)
        due = self._agreed(time.monotonic() - self._saved >= self._save_every)
        if due or moment.done or self._interrupted:
            self._persist(lambda: self._save_now(moment), f"the state after {moment.step} steps")
            self._saved = time.monotonic()
        if self._interrupted and not moment.done:
            raise self._stop

    def _save_now(self, moment: Moment) -> None:
        self._save(moment)
        if moment.done or self._interrupted:
            self._finish()

    def _persist(self, save: Callable[[], None], what: str) -> None:
        full_disk.persist(save, what, self._wait)

    def _wait(self, seconds: float) -> None:
        """Wait for space; who has asked to end does not wait."""
        if self._interrupted:
            raise KeyboardInterrupt
        self._waiting = True
        self._progress.update(self._task, description="waiting for space (Ctrl-C: end, unsaved)")
        try:
            self._sleep(seconds)
        finally:
            self._waiting = False

    def _append(self, row: Mapping[str, float]) -> None:
        assert self._folder is not None
        durable.append(self._folder / METRICS, csv_cells.line(map(str, row.values())), header=csv_cells.line(row))

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._interrupted or self._waiting:
            raise KeyboardInterrupt
        self.interrupt()

    @property
    def interrupted(self) -> bool:
        """Whether the next chunk is the last."""
        return self._interrupted

    def interrupt(self, stop: type[KeyboardInterrupt] = KeyboardInterrupt) -> None:
        """Do what the first Ctrl-C does; ``stop`` is raised then."""
        self._interrupted, self._stop = True, stop
        what = "stopping after this chunk (Ctrl-C again: at once, unsaved)"
        self._progress.update(self._task, description=what)
        life.doing(what)


def forget_metrics(folder: Path, after: int) -> None:
    """Remove the metrics of later steps than ``after``, which a run that goes on from there computes again.

    Raises:
      OSError: if the file cannot be written; then it is as it was.
      ValueError: if it is not text.
    """
    path = folder / METRICS
    lines = durable.whole_lines(path)
    kept = lines[:1] + [line for line in lines[1:] if not _is_later(line, after)]
    if kept != lines:
        durable.replace(path, "".join(line + "\n" for line in kept))


def _is_later(line: str, step: int) -> bool:
    first = line.partition(",")[0]
    return first.isdecimal() and int(first) > step


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Metrics of a run by name, one value a chunk; of a chunk that was run again after a crash the last row holds.

    Raises:
      ValueError: if a row cannot be read, with its number; a last one that was cut short is left out.
    """
    path = folder / METRICS
    if not path.is_file():
        return {}
    names, *lines = csv_cells.read_rows(durable.whole_text(path)) or [[]]
    rows = {}
    for number, line in enumerate(lines, 2):
        try:
            row = dict(zip(names, map(float, line), strict=True))
            rows[int(row["step"])] = row
        except (ValueError, KeyError, OverflowError):
            raise ValueError(
                f"{path}: row {number} does not hold a number for each of {', '.join(names)}: it is damaged; "
                "remove the row to go on without it"
            ) from None
    return {name: [rows[step][name] for step in sorted(rows)] for name in (names if rows else ())}
