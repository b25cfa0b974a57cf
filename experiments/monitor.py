"""What happens between two chunks of training: a progress bar, metrics to CSV and TensorBoard, saves, and Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from experiments import console
from nagjax import appended, csv_cells
from nagjax.controllers import Moment

METRICS = "metrics.csv"


class Monitor:
    """Watches a training run; a context manager whose ``on_chunk`` the training loop calls.

    Ctrl-C is remembered until the chunk is done: the state in the middle of one is given away to the compiled program.
    Then the run is saved and KeyboardInterrupt raised. A second Ctrl-C ends at once, without saving.
    """

    def __init__(self, folder: Path, save: Callable[[Moment], None], save_every: float, quiet: bool = False) -> None:
        self._progress = console.bars(quiet=quiet)
        self._task = self._progress.add_task("compiling", total=1.0)
        self._save, self._save_every, self._saved = save, save_every, time.monotonic()
        self._metrics = folder / METRICS
        appended.cut_torn_line(self._metrics)
        self._board: Any = None
        self._board_folder = folder / "tensorboard"
        self._interrupted = False
        self._previous: Any = None

    def __enter__(self) -> Monitor:
        from tensorboardX import SummaryWriter

        self._board = SummaryWriter(str(self._board_folder))
        self._progress.start()
        try:
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not in the main thread: Ctrl-C is not ours there
            self._previous = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._board.close()
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_chunk(self, moment: Moment) -> None:
        """Report and save.

        Raises:
          KeyboardInterrupt: after saving, if Ctrl-C was pressed.
        """
        means = {name: float(np.mean(value)) for name, value in moment.metrics.items()}
        rate = moment.step / max(moment.seconds, 1e-9)
        self._append({"step": moment.step, "seconds": round(moment.seconds, 4), **means})
        for name, value in means.items():
            self._board.add_scalar(name, value, moment.step)
        description = f"{moment.step} of {moment.limits.steps} steps, {rate:.1f}/s"
        self._progress.update(self._task, completed=moment.progress, description=description)
        due = time.monotonic() - self._saved >= self._save_every
        if due or moment.done or self._interrupted:
            self._save(moment)
            self._saved = time.monotonic()
        if self._interrupted and not moment.done:
            raise KeyboardInterrupt

    def _append(self, row: Mapping[str, float]) -> None:
        new = not self._metrics.exists() or not self._metrics.stat().st_size
        with self._metrics.open("a", newline="", encoding="utf-8") as file:
            rows = [[str(value) for value in row.values()]]
            csv_cells.write_rows(file, [list(row), *rows] if new else rows)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._progress.update(self._task, description="stopping after this chunk (Ctrl-C again: at once, unsaved)")


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Metrics of a run by name, one value a chunk; of a chunk that was run again after a crash the last row holds.

    Raises:
      ValueError: if a row cannot be read, with its number; a last one that was cut short is left out.
    """
    path = folder / METRICS
    if not path.is_file():
        return {}
    names, *lines = csv_cells.read_rows(appended.whole_text(path)) or [[]]
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
