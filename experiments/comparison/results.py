"""The results of a comparison on disk: a CSV file, one row a reading, and beside it the answers that runs ended with.

The rows of a run are appended together when it ends, and are on the disk before the next run begins. A run whose last
row is there is never computed again; what a crash left of another one is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.comparison.rows import COLUMNS, Key, Row, complete, field_text, read_rows
from nagjax import csv_cells, durable
from nagjax.names import safe_name

RESULTS, ANSWERS = "results.csv", "answers"


class Results:
    """The rows in a folder, whole runs only."""

    def __init__(self, folder: Path) -> None:
        """Read what is there.

        Raises:
          ValueError: if the file is not of a comparison or a row of it cannot be read, with the line.
        """
        self.folder = folder
        self.rows = complete(read_rows(folder / RESULTS)) if (folder / RESULTS).exists() else []
        self._by_key = {row.key: row for row in self.rows}

    def has(self, key: Key, settings: str) -> bool:
        """Whether a run is done.

        Raises:
          ValueError: if it was done with other settings.
        """
        row = self._by_key.get(key)
        if row is not None and row.settings != settings:
            raise ValueError(
                f"{self.folder / RESULTS}: {row.contender} on {row.problem}, seed {row.seed}, limit {row.limit} was "
                f"run with {row.settings}, now asked with {settings}; give the same, another label, or another --out"
            )
        return row is not None

    def check_problem(self, problem: str, problem_hash: str) -> None:
        """Refuse to mix results of a problem whose prices or qualities have changed.

        Raises:
          ValueError: naming both.
        """
        for row in self.rows:
            if row.problem == problem and row.problem_hash != problem_hash:
                raise ValueError(
                    f"{self.folder / RESULTS}: holds runs on another {problem} (hash {row.problem_hash}, now "
                    f"{problem_hash}): prices, qualities or --budgets have changed; give another --out"
                )

    def add(self, rows: Sequence[Row]) -> None:
        """Append the rows of a run and wait until they are on the disk.

        Raises:
          OSError: if they cannot be written; none of them is in the file then, and they may be added again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        texts = csv_cells.text([field_text(getattr(row, name)) for name in COLUMNS] for row in rows)
        durable.append(self.folder / RESULTS, texts, header=csv_cells.line(COLUMNS))
        self.rows = [*self.rows, *rows]
        self._by_key |= {row.key: row for row in rows}

    def save_answers(self, key: Key, decode: str, cost: np.ndarray, quality: np.ndarray) -> None:
        """Keep the answers that a run ended with: cost ``[B]`` in the column's unit and true quality ``[B]``."""
        path = self._answers(key, decode)
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.replacing(path) as file:
            np.save(file, np.stack([cost, quality]))

    def answers(self, key: Key, decode: str) -> tuple[np.ndarray, np.ndarray] | None:
        """What ``save_answers`` kept; None where it is not there (results may travel without answers).

        Raises:
          ValueError: if the file is damaged.
        """
        path = self._answers(key, decode)
        older = "__".join(map(str, (*key, decode))).replace(" ", "_") + ".npy"
        if not path.is_file() and Path(older).name == older:
            path = path.with_name(older)  # as results of earlier versions have it
        if not path.is_file():
            return None
        try:
            cost, quality = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ValueError(
                f"{path}: the answers of this run are damaged ({error}); remove the file to go on without them, or "
                f"also the run's rows in {RESULTS} to have it run again"
            ) from error
        return cost, quality

    def _answers(self, key: Key, decode: str) -> Path:
        return self.folder / ANSWERS / f"{safe_name(*map(str, key), decode)}.npy"
