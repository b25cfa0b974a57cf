"""One run of a comparison: a controller trained to a limit, and its answers at several points on the way.

An evaluation is a call of the quality function, repeats included, as the controller's metrics count them. Looking at a
run calls the quality function too, but nothing goes back to the controller, and no time is counted for it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.comparison.answers import Answers, answers
from experiments.comparison.case import Case
from experiments.comparison.limits import EVALUATIONS, SECONDS, Limit
from experiments.comparison.tasks import Task
from nagjax import controllers
from nagjax.controllers import Controller, Params

CHUNK = {EVALUATIONS: 1, SECONDS: 25}
"""Updates between two looks at a run, by the unit of its limit; under few evaluations every update counts."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A run at one point, answered in one way.

    Attributes:
      decode: how the answers were found.
      answers: to the budgets of the case.
      evaluations: calls of the quality function so far, labels not counted.
      updates: so far.
      seconds, compile_seconds: wall time so far without compilation, and the compilation of this run.
      over_budget: samples over their budget in training so far.
      final: whether the run ended here.
    """

    decode: str
    answers: Answers
    evaluations: int
    updates: int
    seconds: float
    compile_seconds: float
    over_budget: int
    final: bool


Runner = Callable[[Task, Case], Sequence[Reading]]
"""Does a task; the readings of one point stand together, the final ones last."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How runs are made.

    Attributes:
      decodes: ways of answering, of ``compare_answers.DECODES``.
      checkpoints: points at which a run is looked at, its end included.
      chunk: updates between two looks at the limit; None for ``CHUNK``.
      idle: updates without a new evaluation after which a run ends.
    """

    decodes: Sequence[str]
    checkpoints: int = 5
    chunk: int | None = None
    idle: int = 1000


@dataclasses.dataclass
class _Run:
    """Where a run stands."""

    state: Any
    updates: int = 0
    seconds: float = 0.0
    evaluations: int = 0
    grown: int = 0
    pace: float = 0.0
    over_budget: float = 0.0

    def spent(self, limit: Limit) -> float:
        return self.evaluations if limit.unit == EVALUATIONS else self.seconds

    def schedule(self, limit: Limit, length: int) -> jax.Array:
        """Progress of the next updates, 0..1: what is spent of the limit at the start of each, by the pace so far."""
        ahead = self.spent(limit) + self.pace * np.arange(length)
        return jnp.asarray(np.clip(ahead / limit.value, 0.0, 1.0), jnp.float32)


class Trainer:
    """A ``Runner`` that trains registered controllers; compiled programs are kept from one run to the next."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._programs: dict[Any, Any] = {}

    def __call__(self, task: Task, case: Case) -> list[Reading]:
        """Train under the task's limit.

        Raises:
          ValueError: if the controller cannot be made, or does not answer in any way that was asked for.
        """
        limit = task.limit
        controller, params = task.contender.make(case.problem.spec, limit)
        length = self._options.chunk or CHUNK[limit.unit]
        key = jax.random.key(task.seed)
        run, compiling = self._begin(controller, case, task.seed, params)
        program, more = self._program(controller, length, run, key, case, params, limit)
        readings: list[Reading] = []
        marks = limit.marks(self._options.checkpoints)
        while marks:
            _advance(run, program, key, case, params, limit, length)
            ended = run.spent(limit) >= limit.value or run.updates - run.grown >= self._options.idle
            if ended or run.spent(limit) >= marks[0]:
                marks = [] if ended else [mark for mark in marks if mark > run.spent(limit)]
                readings += self._read(run, controller, case, task, compiling + more, ended)
        return readings

    def _begin(self, controller: Controller, case: Case, seed: int, params: Params) -> tuple[_Run, float]:
        """The first state and the seconds of compilation; a first call is thrown away, since it compiles."""
        place = ("init", controller, _shapes(case.problem))
        compiling = 0.0
        if place not in self._programs:
            compiling, _ = _timed(lambda: controllers.init(controller, case.problem, seed, params))
            self._programs[place] = True
        seconds, state = _timed(lambda: controllers.init(controller, case.problem, seed, params))
        return _Run(state, seconds=seconds), max(compiling - seconds, 0.0)

    def _program(
        self, controller: Controller, length: int, run: _Run, key: jax.Array, case: Case, params: Params, limit: Limit
    ) -> tuple[Any, float]:
        place = ("chunk", controller, length, _shapes((case.problem, params)))
        if place in self._programs:
            return self._programs[place], 0.0
        chunk = jax.jit(controllers.run_chunk, static_argnums=0, donate_argnums=1)
        schedule = run.schedule(limit, length)
        given = (run.state, key, jnp.int32(0), case.problem, params, schedule)
        started = time.perf_counter()
        self._programs[place] = chunk.lower(controller, *given).compile()
        return self._programs[place], time.perf_counter() - started

    def _read(
        self, run: _Run, controller: Controller, case: Case, task: Task, compiling: float, final: bool
    ) -> list[Reading]:
        found = controllers.artefact(controller, run.state, case.problem)
        out = []
        for decode in self._options.decodes:
            answered = answers(found, case, decode, task.seed)
            if answered is not None:
                evaluations = run.evaluations + answered.evaluations
                figures = (evaluations, run.updates, run.seconds, compiling, round(run.over_budget))
                out.append(Reading(decode, answered, *figures, final))
        if not out:
            raise ValueError(
                f"--decodes={','.join(self._options.decodes)}: controller {task.contender.label!r} answers in none of "
                "these ways; greedy needs a policy, archive needs an archive"
            )
        return out


def _advance(run: _Run, program: Any, key: jax.Array, case: Case, params: Params, limit: Limit, length: int) -> None:
    """One chunk of updates, in place."""
    schedule = run.schedule(limit, length)
    started = time.perf_counter()
    state, metrics = program(run.state, key, jnp.int32(run.updates), case.problem, params, schedule)
    figures = {name: np.asarray(metrics[name], np.float64) for name in ("evaluations", "infeasible")}
    spent = time.perf_counter() - started
    counted = figures["evaluations"]
    run.state, run.updates, run.seconds = state, run.updates + length, run.seconds + spent
    if round(counted[-1]) > run.evaluations:
        run.grown = run.updates
    run.evaluations = round(counted[-1])
    run.over_budget += float(figures["infeasible"].sum())
    by_count = (counted[-1] - counted[0]) / max(length - 1, 1)
    run.pace = float(by_count) if limit.unit == EVALUATIONS else run.seconds / run.updates


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    out = jax.block_until_ready(call())
    return time.perf_counter() - started, out


def _shapes(tree: Any) -> Any:
    """What a program was compiled for."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
