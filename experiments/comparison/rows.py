"""A row of the results of a comparison, and how rows are written and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from nagjax import csv_cells, durable

NO_LIMIT = "none"
"""Limit of a rival, which nothing was spent on."""

Key = tuple[str, str, int, str]
"""Problem, contender, seed and limit."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One reading; see ``compare_metrics.measure`` for the figures.

    Attributes:
      problem, contender, seed, limit: the run.
      decode: how the answers were found.
      final: whether the run ended here.
      evaluations, labels: calls of the quality function, and labels of the predictor behind it.
      updates, over_budget: updates of the controller, and samples over their budget among them.
      seconds, compile_seconds: wall time without compilation, and compilation.
      regret, regret_worst: accuracy lost to the best feasible architecture, mean and largest over budgets, points.
      gap: quality minus that of the problem's reference, mean over budgets, points.
      hypervolume, igd_plus: see the page of a comparison.
      infeasible: share of the answers over their budget.
      distinct: different architectures among the answers.
      settings, problem_hash: what a row of the same run must agree in.
      commit, machine, date: where it comes from.
    """

    problem: str
    contender: str
    seed: int
    limit: str
    decode: str
    final: bool
    evaluations: int
    labels: int
    updates: int
    over_budget: int
    seconds: float
    compile_seconds: float
    regret: float
    regret_worst: float
    gap: float
    hypervolume: float
    igd_plus: float
    infeasible: float
    distinct: float
    settings: str
    problem_hash: str
    commit: str
    machine: str
    date: str

    @property
    def key(self) -> Key:
        """The run."""
        return self.problem, self.contender, self.seed, self.limit

    @property
    def counted(self) -> int:
        """Evaluations with the predictor's labels."""
        return self.evaluations + self.labels


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
KINDS = {field.name: str(field.type) for field in dataclasses.fields(Row)}
"""Name of the type of each column."""


def read_rows(path: Path) -> list[Row]:
    """All rows of a results file; a last line that was torn by a crash is left out.

    Raises:
      ValueError: naming file, line and column of what cannot be read.
    """
    lines = csv_cells.read_rows(durable.whole_text(path))
    if not lines:
        return []
    if tuple(lines[0]) != COLUMNS:
        missing = [name for name in COLUMNS if name not in lines[0]]
        raise ValueError(
            f"{path}: row 1: not the results of a comparison of this version (missing: {missing or 'nothing'}); "
            "give another --out"
        )
    return [_row(path, number, line) for number, line in enumerate(lines[1:], 2)]


def complete(rows: Iterable[Row]) -> list[Row]:
    """The rows of runs that reached their end; of a run that stands there twice the later rows."""
    held: dict[Key, list[Row]] = {}
    done: dict[Key, list[Row]] = {}
    for row in rows:
        before = held.get(row.key, [])
        # A reading that is there already, or an earlier one, begins the run anew.
        again = any(old.decode == row.decode and old.updates >= row.updates for old in before)
        held[row.key] = [row] if again else [*before, row]
        if row.final:
            done[row.key] = held[row.key]
    return [row for run in done.values() for row in run]


def _row(path: Path, number: int, line: Sequence[str]) -> Row:
    if len(line) != len(COLUMNS):
        raise ValueError(f"{path}: row {number} has {len(line)} fields, not {len(COLUMNS)}; remove the row")
    values = {}
    for name, text in zip(COLUMNS, line, strict=True):
        try:
            values[name] = _value(KINDS[name], text)
        except ValueError:
            raise ValueError(f"{path}: row {number}, column {name!r}: {text!r} is no {KINDS[name]}") from None
    return Row(**values)  # type: ignore[arg-type]


def _value(kind: str, text: str) -> str | int | float | bool:
    if kind == "bool":
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    if kind == "float":
        return float(text) if text else float("nan")
    return int(text) if kind == "int" else text


def field_text(value: object) -> str:
    """A value as it stands in the file; NaN, which is not known, as nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if value != value else f"{value:.9g}"
    return str(value)
