"""Contenders ``rounds:NAME``: searches in rounds of true evaluations, by the name of what proposes.

The truth is the problem's own quality, asked one architecture at a time and counted, as it is for every controller.
Settings are ``predictor_kind``, ``start``, ``per_round`` and ``pessimism``, as of ``nagjax search``; ``predictor.KEY``
is a setting of the kind, and every other key one of the proposer. Seconds include compilation.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.comparison.answers import answers
from experiments.comparison.case import Case, truth
from experiments.comparison.limits import EVALUATIONS, Limit
from experiments.comparison.run import Options, Reading
from experiments.comparison.tasks import Contender, Task
from nagjax import arguments, rounds, searching
from nagjax.controllers import Artefact
from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.evaluators.journal import Evaluations
from nagjax.populations.archive import Archive
from nagjax.predictors.kinds import registry as kinds
from nagjax.predictors.kinds.kind import Kind
from nagjax.problems.problem import Problem, path_costs
from nagjax.proposers import proposer as proposers
from nagjax.proposers.proposer import Proposer

OF_KIND = "predictor."
"""What the settings of a kind begin with."""

PLAN = ("start", "per_round")


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """What a contender is made of under a limit."""

    kind: Kind
    proposer: Proposer
    plan: rounds.Plan
    pessimism: float


def parts(contender: Contender, limit: Limit) -> Parts:
    """What a contender ``rounds:NAME`` is made of.

    Raises:
      ValueError: if a setting is unknown or refused, or the limit is one of seconds.
    """
    if limit.unit != EVALUATIONS:
        raise ValueError(
            f"--max_seconds={limit.value:g}: {contender.label!r} counts true evaluations; give --evaluations, or leave "
            "it out"
        )
    given = contender.static_under(limit)
    kind = str(given.pop("predictor_kind", searching.KIND))
    pessimism = arguments.finite(given.pop("pessimism", 1.0), "pessimism", least=0)
    plan = {name: given.pop(name) for name in PLAN if name in given}
    of_kind = {key.removeprefix(OF_KIND): given.pop(key) for key in list(given) if key.startswith(OF_KIND)}
    if contender.params_under(limit):
        raise ValueError(f"--controller_params: {contender.label!r} has none; its settings are --controller_static")
    proposer = proposers.make(contender.name.partition(":")[2], given)
    return Parts(kinds.make(kind, of_kind), proposer, rounds.Plan(int(limit.value), **plan), pessimism)


def check(contender: Contender, limit: Limit, case: Case) -> None:
    """Refuse a contender before hours are spent.

    Raises:
      ValueError: as ``parts``, or if controllers of the problem see a predictor and not the truth.
    """
    parts(contender, limit)
    if case.judge is not case.problem:
        raise ValueError(
            f"--problems={case.name}: controllers see a predictor there and {contender.label!r} would see the truth; "
            "compare it on a problem whose own quality counts, such as macro"
        )


class Searcher:
    """A ``Runner`` that searches in rounds."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, task: Task, case: Case) -> list[Reading]:
        """Search under the task's limit.

        Raises:
          ValueError: as ``check``, or if no way of answering that was asked for is one of a search.
        """
        check(task.contender, task.limit, case)
        made = parts(task.contender, task.limit)
        wanted = rounds.Search(
            case.problem, case.description, _truth(case), made.kind, made.proposer, made.plan, task.seed
        )
        began = time.perf_counter()
        after: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            done = searching.evaluate(
                wanted, Path(folder) / "search", "inline", 1, lambda *_: after.append(time.perf_counter() - began)
            )
        marks = sorted({min(int(mark), len(done.tokens)) for mark in task.limit.marks(self._options.checkpoints)})
        readings: list[Reading] = []
        for mark in (mark for mark in marks if mark >= rounds.LEAST or mark == marks[-1]):
            readings += self._read(wanted, made, done.first(mark), case, task, after[mark - 1], mark == marks[-1])
        return readings

    def _read(
        self, wanted: rounds.Search, made: Parts, done: Evaluations, case: Case, task: Task, seconds: float, final: bool
    ) -> list[Reading]:
        form = rounds.final_predictor(wanted, done).predictor
        careful = 0.0 if form.rank_valued else made.pessimism
        problem = dataclasses.replace(case.problem, quality=form, pessimism=jnp.float32(careful))
        found, seen = Artefact(None, _archive(case.problem, done)), dataclasses.replace(case, problem=problem)
        out = []
        for decode in self._options.decodes:
            answered = answers(found, seen, decode, task.seed)
            if answered is not None:
                # What is asked of the fitted predictor is no evaluation.
                figures = (len(done.tokens), int(done.number.max()), seconds, 0.0, 0)
                out.append(Reading(decode, answered, *figures, final))
        if not out:
            raise ValueError(
                f"--decodes={','.join(self._options.decodes)}: {task.contender.label!r} has no policy; add archive "
                "(the best evaluated) or best (by its predictor too)"
            )
        return out


def _truth(case: Case) -> Evaluator:
    """The problem's own quality as an evaluator."""

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        return {QUALITY: truth(case.judge, tokens)[0]}

    described: dict[str, Any] = {"problem": case.name, "hash": case.content_hash}
    return Evaluator("judge", described, described, evaluate)


def _archive(problem: Problem, done: Evaluations) -> Archive:
    """What was evaluated, with its true quality."""
    tokens = jnp.asarray(done.tokens[done.known])
    costs = jax.jit(path_costs)(problem, tokens)
    return Archive(tokens, costs, jnp.asarray(done.quality[done.known], jnp.float32))
