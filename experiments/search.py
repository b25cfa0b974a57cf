"""Search with true evaluations in rounds, then train a generator on what they taught; checkpoint and report.

``python -m experiments.search --space=nas_bench_macro --table=table.json --evaluator=command
--evaluator_settings="command=python evaluate.py" --evaluations=300 --out=runs/mine``

Evaluations are kept one by one in ``evaluations.csv``. Ctrl-C or a crash loses what was being evaluated at most;
``--resume`` goes on.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs import setup
from experiments.reports import run_report, search_report
from experiments.training import run_folder
from experiments.training import trainer as training
from nagjax import rounds, searching
from nagjax.devices.table import DeviceTable
from nagjax.evaluators import evaluator as evaluators
from nagjax.evaluators.evaluator import BUILT_IN as EVALUATORS
from nagjax.evaluators.evaluator import Evaluator
from nagjax.evaluators.journal import Evaluations
from nagjax.evaluators.pool import NAMES as EXECUTORS
from nagjax.evaluators.pool import open_pool
from nagjax.predictors.kinds import registry as kinds
from nagjax.proposers import proposer as proposers
from nagjax.proposers.proposer import NAMES as PROPOSERS
from nagjax.searching import Found
from nagjax.spaces.space import Space

COSTS = (
    "token_table", "costs", "measured", "measured_columns", "cost_kind", "cost_settings", "cost_quantile",
    "device_format",
)  # fmt: skip
"""What ``setup.define_cost_flags`` adds and ``nagjax.search`` takes, but for conditions."""


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    setup.define_cost_flags(values)
    setup.define_kind_flags(values)
    training.define_flags(values)
    run_report.define_flags(values)
    runtime.define_flags(values)
    define.string("evaluator", None, f"The truth: {', '.join(EVALUATORS)}, or a plugin's.")
    define.multi_string(
        "evaluator_settings",
        [],
        "Settings of the evaluator, such as command=python evaluate.py,seconds=600; may be repeated.",
    )
    define.integer("evaluations", 300, "True evaluations in all.", lower_bound=10)
    define.integer("start", 25, "Of them before anything is predicted.", lower_bound=10)
    define.integer(
        "per_round", None, "Evaluations between two fits; by default 5, 10 from 100 on, 25 from 250 on.", lower_bound=1
    )
    define.integer("retries", 1, "How often a failure is tried again.", lower_bound=0)
    define.string("proposer", proposers.DEFAULT, f"What to evaluate next: {', '.join(PROPOSERS)}, or a plugin's.")
    define.multi_string("proposer_settings", [], "Settings of the proposer, key=value,key=value; may be repeated.")
    define.string("executor", "inline", f"Where: {', '.join(EXECUTORS)}.")
    define.integer("workers", None, "Evaluations at a time.", lower_bound=1)
    define.float(
        "pessimism", 1.0, "Deviations taken from what is predicted, when the generator is trained.", lower_bound=0.0
    )
    define.string("out", None, "Folder that the search writes.")
    define.bool("resume", False, "Continue the search in --out.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then evaluate in rounds, then train, then report."""
    if not values.evaluator:
        raise ValueError(f"--evaluator is not given; it is one of {', '.join(EVALUATORS)}, or a plugin's")
    with output.folder(values.out, "runs/search") as folder:
        return _search(values, folder)


def _search(values: flags.FlagValues, folder: Path) -> int:
    run_folder.check(values, folder)
    request = run_report.read_request(values)
    runtime.use_compilation_cache(values.compilation_cache)
    training.use_devices(values)
    output.try_checkpoints(folder)
    space = setup.load_space(values)
    table = setup.load_table(values, space) if values.table else None
    truth = checked_evaluator(values, space)
    setup.without_quality(values, space)  # what is wrong with costs is told before the folder is taken
    run_folder.claim(values, {} if table is None else {"table": table}, folder)
    again = cli.resume_command("experiments.search", str(folder / run_folder.FLAGS))
    try:
        found = evaluate(values, space, truth, table, folder)
        trainer = training.prepare(values, found.setup)
        trainer.run(folder)
        life.doing("writing the report")
        full_disk.persist(lambda: search_report.write(folder, found), "the report of the search")
        full_disk.persist(lambda: run_report.write(folder, request, values.ignore_hash), "the report")
    except KeyboardInterrupt:
        console.say(f"interrupted; what is evaluated is in {folder / searching.EVALUATIONS}; to go on: {again}")
        return cli.EXIT_INTERRUPTED
    info, (low, high) = found.setup.description.costs[0], found.setup.description.ranges[0]
    asked = f"--budgets={info.name}={settings.example_budgets(float(low), float(high))}"
    console.say(
        f"reports: {folder / search_report.PAGE}, {folder / 'report.html'}",
        f"ask it: {cli.command('experiments.generate', f'--checkpoint={folder}', asked)}",
    )
    return 0


def checked_evaluator(values: flags.FlagValues, space: Space) -> Evaluator:
    """The evaluator; all else that flags name is made too, so that what is wrong is refused before the folder is taken.

    Raises:
      ValueError: if one of them is not known or refuses its settings.
    """
    rounds.Plan(values.evaluations, values.start, values.per_round, values.retries)
    kinds.make(values.predictor_kind or searching.KIND, pairs(values, "predictor_settings"))
    proposers.make(values.proposer, pairs(values, "proposer_settings"))
    if setup.conditions(values, space)[1]:
        raise ValueError(
            f"--prune={values.prune}: pairs of choices (together) are for a training; a search closes its own: "
            "--proposer=pruned --proposer_settings=pairs=8; leave them out of the file"
        )
    truth = evaluators.make(values.evaluator, space, evaluator_settings(values))
    evaluators.check_quality(truth)
    open_pool(values.executor, values.workers, truth)
    return truth


def evaluator_settings(values: flags.FlagValues) -> dict[str, Any]:
    """The settings of --evaluator; a comma that no setting of it follows is part of a value, such as of a command."""
    given = settings.separate(values.evaluator_settings, functools.partial(evaluators.takes, values.evaluator))
    return settings.parse_pairs(given, "evaluator_settings")


def pairs(values: flags.FlagValues, flag: str) -> dict[str, Any]:
    """The settings that a repeated flag gives."""
    return settings.parse_pairs(settings.separate(values[flag].value or (), lambda _: True), flag)


def evaluate(
    values: flags.FlagValues, space: Space, truth: Evaluator, table: DeviceTable | None, folder: Path
) -> Found:
    """The search itself, under a progress bar."""
    life.doing("evaluating")
    where, _ = setup.conditions(values, space)
    with console.bars() as shown:
        task = shown.add_task("evaluating", total=values.evaluations)

        def seen(evaluations: Evaluations, number: int) -> None:
            failed = int((~evaluations.known).sum())
            what = f"round {number}" + (f", {failed} failed" if failed else "")
            shown.update(task, completed=len(evaluations.tokens), description=what)
            life.doing(f"evaluating: {len(evaluations.tokens)} of {values.evaluations}, {what}")

        with settings.told_of_flags(setup.SPELLED):
            return searching.search(
                space, truth, table, folder=folder, where=where, **setup.arguments(values, COSTS),
                evaluations=values.evaluations, start=values.start, per_round=values.per_round, retries=values.retries,
                predictor_kind=values.predictor_kind or searching.KIND,
                predictor_settings=pairs(values, "predictor_settings"), proposer=values.proposer,
                proposer_settings=pairs(values, "proposer_settings"),
                executor=values.executor, workers=values.workers, pessimism=values.pessimism, seed=values.seed,
                on_evaluation=seen,
            )  # fmt: skip


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
