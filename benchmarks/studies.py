"""Comparisons as benchmarks run and read them: the job's own contenders, and pymoo's NSGA-II beside them.

A study takes hours; its ``results.csv`` is committed, and a benchmark reads it and says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks.jobs import ROOT
from experiments import compare
from experiments.comparison import study as compare_study
from experiments.comparison.answers import Answers
from experiments.comparison.case import Case
from experiments.comparison.limits import EVALUATIONS
from experiments.comparison.results import RESULTS, Results
from experiments.comparison.rows import Row
from experiments.comparison.run import Options, Reading
from experiments.comparison.tasks import Contender, Task, all_tasks, parse_contenders, parse_limits
from experiments.frame import cli, settings
from nagjax.reports.front import best_within

NSGA2 = "pymoo_nsga2"
FLAGS = ROOT / "experiments" / "flags"
RESULT_FOLDER = Path("benchmarks/results")


def define_flags(studies: Sequence[str]) -> None:
    """Add the flags of a benchmark that reads studies, each named like its flagfile."""
    flags.DEFINE_bool("run", False, "Run what is missing first (hours); without it, results are only read.")
    flags.DEFINE_list("studies", list(studies), "Studies: flagfiles of experiments/flags without their ending.")
    flags.DEFINE_string("results", str(RESULT_FOLDER), "Folder that holds a folder for each study.")


def read_all(data_dir: Path) -> list[Row]:
    """The rows of all studies of the flags, after running what is missing where that is asked for."""
    rows = []
    for study in flags.FLAGS.studies:
        folder = Path(flags.FLAGS.results) / study
        if flags.FLAGS.run:
            run(FLAGS / f"{study}.flags", data_dir, folder)
        rows += read(folder)
    return rows


def read(folder: Path) -> list[Row]:
    """The rows of a study, and a line that says where they are from; none where nothing was run yet."""
    rows = Results(folder).rows
    if not rows:
        print(f"{folder / RESULTS}: no results yet; run with --run", flush=True)
        return []
    print(f"{folder / RESULTS}: {made(rows)}; read, not run", flush=True)
    return rows


def made(rows: Sequence[Row]) -> str:
    """How many runs rows are of, when they were made, and from which commits."""
    commits = ", ".join(sorted({row.commit for row in rows}))
    return f"{len({row.key for row in rows})} runs of {span({row.date for row in rows})}, commits {commits}"


def span(values: Collection[Any]) -> str:
    """The smallest and the largest of some values.

    >>> span([5, 3, 4]), span([3, 3])
    ('3 to 5', '3')
    """
    return " to ".join(dict.fromkeys((str(min(values)), str(max(values)))))


def run(flagfile: Path, data_dir: Path, folder: Path, more: Sequence[str] = ()) -> None:
    """Run what a study lacks: the contenders of a flagfile, and NSGA-II on the same problems, seeds and limits."""
    values = cli.parse(compare.define_flags, [f"--flagfile={flagfile}", f"--data_dir={data_dir}", *more])
    limits = parse_limits(values.evaluations, values.max_seconds)
    contenders = parse_contenders(values.controllers, values.controller_static, values.controller_params, limits)
    seeds = settings.parse_integers(values.seeds, "seeds")
    how = [("decodes", values.decodes), ("checkpoints", values.checkpoints), ("chunk", values.chunk),
           ("idle_updates", values.idle_updates)]  # fmt: skip
    tasks = all_tasks(values.problems, [*contenders, Contender(NSGA2, NSGA2)], seeds, limits, how)
    ours = compare.runner(Options(values.decodes, values.checkpoints, values.chunk, values.idle_updates))

    def runner(task: Task, case: Case) -> Sequence[Reading]:
        return nsga2(task, case) if task.contender.name == NSGA2 else ours(task, case)

    compare_study.run_missing(tasks, compare.Cases(str(data_dir), values.budgets), runner, Results(folder))


def nsga2(task: Task, case: Case) -> list[Reading]:
    """NSGA-II at a limit; under few evaluations its population is a tenth of them, for ten generations."""
    from benchmarks import nsga2 as pymoo

    chosen, seconds, evaluations = pymoo.BEST, task.limit.value, float("inf")
    if task.limit.unit == EVALUATIONS:
        population = int(np.clip(task.limit.value // 10, 10, chosen.population))
        chosen = dataclasses.replace(chosen, population=population)
        seconds, evaluations = float("inf"), task.limit.value
    found = pymoo.run(case.problem, case.description, task.seed, seconds, chosen, evaluations=evaluations)
    row = best_within(found.costs.astype(np.float64), found.quality, case.yardstick.budgets)
    figures = (found.evaluations, 0, found.wall_s, 0.0, 0)
    return [Reading("archive", Answers(found.tokens[row]), *figures, final=True)]


def mean_and_std(rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Regret over seeds; None where there is no run, or one alone."""
    values = [row.regret for row in rows]
    return (
        float(np.mean(values)) if values else None,
        float(np.std(values, ddof=1)) if len(values) > 1 else None,
    )
