"""A comparison from tasks to results: whatever is not done yet is run, measured and written, one run at a time."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from experiments.comparison.case import Case, serve, truth
from experiments.comparison.metrics import measure
from experiments.comparison.results import Results
from experiments.comparison.rows import NO_LIMIT, Row
from experiments.comparison.run import Reading, Runner
from experiments.comparison.tasks import Task
from experiments.frame import console, full_disk, life, runtime

Cases = Callable[[str, int], Case]
"""The case of a problem's entry in ``--problems`` and a seed."""
RIVAL, RIVAL_SETTINGS = "reference", "{}"


def run_missing(
    tasks: Sequence[Task], cases: Cases, runner: Runner, results: Results, say: Callable[[str], None] = console.say
) -> int:
    """Run every task that the results do not hold, in their order; how many were run.

    Raises:
      ValueError: if a run that is done was done with other settings.
    """
    missing = [task for task in tasks if not results.has(task.key, task.settings)]
    if len(missing) < len(tasks):
        say(f"{len(tasks) - len(missing)} of {len(tasks)} runs are there already and are not repeated")
    for number, task in enumerate(missing, 1):
        life.doing(f"run {number} of {len(missing)}: {task.contender.label} on {task.problem}, seed {task.seed}")
        case = cases(task.problem, task.seed)
        results.check_problem(case.name, case.content_hash)
        _add_rivals(case, task.seed, results)
        rows = _do(task, case, runner, results)
        say(f"[{number}/{len(missing)}] {_line(rows)}")
    return len(missing)


def _do(task: Task, case: Case, runner: Runner, results: Results) -> list[Row]:
    made = _made()
    rows = []
    for reading in runner(task, case):
        cost, quality, within = _judged(case, reading)
        figures = measure(case.yardstick, cost, quality, within, reading.answers.tokens)
        rows.append(_row(task, case, reading, figures, made))
        if reading.final:
            unit = case.description.costs[0].to_unit(cost.astype(np.int64))
            full_disk.persist(partial(results.save_answers, task.key, reading.decode, unit, quality), "its answers")
    if not rows or not rows[-1].final:
        raise ValueError(f"{task.contender.label} on {case.name}: the run gave no final reading")
    full_disk.persist(lambda: results.add(rows), f"the run of {task.contender.label}, seed {task.seed}")
    return rows


def _judged(case: Case, reading: Reading) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True cost (first column) and quality ``[B]`` of answers, and whether each keeps its budget."""
    quality, costs = truth(case.judge, reading.answers.tokens)
    exact, infos = case.description.costs_of(reading.answers.tokens), case.description.costs
    within = [
        column.within(exact[:, k], infos[k].to_unit(case.budgets[:, k]))
        for k, column in enumerate(case.description.exact)
    ]
    return costs[:, 0].astype(np.float64), quality, np.all(within, axis=0)


def _row(task: Task, case: Case, reading: Reading, figures: Mapping[str, Any], made: tuple[str, str, str]) -> Row:
    return Row(
        *task.key, reading.decode, reading.final, reading.evaluations, case.labels, reading.updates,
        reading.over_budget, round(reading.seconds, 4), round(reading.compile_seconds, 4), **figures,
        settings=task.settings, problem_hash=case.content_hash,
        commit=made[0], machine=made[1], date=made[2],
    )  # fmt: skip


def _add_rivals(case: Case, seed: int, results: Results) -> None:
    """Rows of what the problem itself brings: the best labels, or a published front."""
    for name, (cost, quality) in case.rivals.items():
        key = (case.name, name, seed, NO_LIMIT)
        if results.has(key, RIVAL_SETTINGS):
            continue
        cheapest, costs = truth(case.judge, case.cheapest[None])
        bottom = (float(costs[0, 0]), float(cheapest[0]))
        served, value = serve(cost.astype(np.float64), quality, case.yardstick.budgets, bottom)
        figures: Mapping[str, Any] = measure(case.yardstick, served, value, served <= case.yardstick.budgets, None)
        commit, machine, date = _made()
        row = Row(
            *key, RIVAL, True, 0, case.labels, 0, 0, 0.0, 0.0, **figures, settings=RIVAL_SETTINGS,
            problem_hash=case.content_hash, commit=commit, machine=machine, date=date,
        )  # fmt: skip
        unit = case.description.costs[0].to_unit(served.astype(np.int64))
        full_disk.persist(partial(results.save_answers, key, RIVAL, unit, value), "the answers of the reference")
        full_disk.persist(partial(results.add, [row]), "the row of the reference")


def _made() -> tuple[str, str, str]:
    """Commit, machine and date."""
    machine = f"{platform.machine()}, {runtime.devices()}, jax {runtime.versions()['jax']}"
    return runtime.commit(), machine, dt.datetime.now(dt.UTC).date().isoformat()


def _line(rows: Iterable[Row]) -> str:
    last = [row for row in rows if row.final]
    shown = "; ".join(f"{row.decode}: {_main(row)}" for row in last)
    row = last[0]
    used = f"{row.evaluations:,} evaluations, {row.seconds:.1f} s (compiling {row.compile_seconds:.1f} s)"
    return f"{row.problem}, {row.contender}, seed {row.seed}, limit {row.limit}: {shown}; {used}"


def _main(row: Row) -> str:
    return f"regret {row.regret:.4f}" if row.regret == row.regret else f"hypervolume {row.hypervolume:.4f}"
