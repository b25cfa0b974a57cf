"""Whether one stream of samples serves three tasks as well as three streams (FBNetV5), on NAS-Bench-Macro.

``python -m benchmarks.multi_task --data_dir=DIR [--seeds=10] --results=FILE``. The first task is the benchmark's
accuracy; two are made up, the accuracy plus a random sum over path features with a deviation of one point. An
architecture that is evaluated is evaluated for all tasks. ``stream`` is the controller ``multi_task`` with 2,000
architectures; ``divided`` lets a sample teach its own task alone, ``each`` too, with 6,000. ``random`` is the best of
2,000 random architectures within budgets, ``regularised_evolution`` of three searches that divide 2,000, and ``madds``
answers with the costliest that fits. ``regret``: points lost at 400 budgets even in cost, mean over budgets and tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.few_evaluations import SMALL_TOURNAMENTS, evaluated_by
from benchmarks.rounds import BUDGETS, Macro, read
from nagjax import controllers, plugins
from nagjax.budgets import even_ticks
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.posing import problem
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.records.records import Records
from nagjax.problems.problem import Problem, restrict
from nagjax.reports.front import POINTS, best_within
from nagjax.spaces.compose import prefix

TASKS = ("accuracy", "made_up_1", "made_up_2")
ARCHITECTURES, APART = 2000, 0.01
SIZES = {"budgets": 4, "group": 6}
LEARNED: Mapping[str, tuple[int, bool]] = {"stream": (1, True), "divided": (1, False), "each": (len(TASKS), False)}
"""Times the architectures, and whether a sample teaches all tasks."""
COLUMNS = ("way", "seed", "regret")


@dataclasses.dataclass(frozen=True, eq=False)
class Tasks:
    """The tasks, each as a benchmark and as a problem, and all of them as one problem."""

    macros: tuple[Macro, ...]
    alone: tuple[Problem, ...]
    together: Problem


def posed(macro: Macro) -> Tasks:
    """The tasks on the benchmark."""
    tokens, features = macro.records.tokens, macro.space.features(macro.records.tokens).astype(np.float64)
    qualities = [macro.records.quality]
    for number in range(1, len(TASKS)):
        added = features @ np.random.default_rng(number).normal(size=features.shape[1])
        qualities.append(np.clip(macro.records.quality + APART * (added - added.mean()) / added.std(), 0, 1))
    macros = tuple(Macro(macro.space, Records(tokens, one, source="a task"), macro.cost) for one in qualities)
    alone = tuple(
        problem(macro.space, quality=tabular_quality(macro.space, tokens, one), costs=["madds"]).problem
        for one in qualities
    )
    space = prefix(macro.space, "task", TASKS)
    every = np.concatenate([np.pad(tokens, ((0, 0), (1, 0)), constant_values=t) for t in range(len(TASKS))])
    quality = tabular_quality(space, every, np.concatenate(qualities))
    return Tasks(macros, alone, problem(space, quality=quality, costs=["madds"]).problem)


def learned(tasks: Tasks, way: str, seed: int) -> float:
    """Regret of a generator's answers."""
    times, shared = LEARNED[way]
    controller = plugins.load("controllers", "multi_task")(tasks.together.spec, **SIZES)
    params = controllers.resolve_params(controller, {"shared": shared})
    updates = times * ARCHITECTURES // (SIZES["budgets"] * SIZES["group"])
    state = controllers.init(controller, tasks.together, seed, params)
    last = controllers.train(controller, tasks.together, state, seed, controllers.Limits(updates), params)
    return float(np.mean([_greedy(tasks, last.state.policy, task) for task in range(len(TASKS))]))


def _greedy(tasks: Tasks, policy: Policy, task: int) -> float:
    low, high = (int(value[0]) for value in (tasks.together.low, tasks.together.high))
    budgets = jnp.asarray(even_ticks(low, high, BUDGETS)[:, None], jnp.int32)
    tokens = np.asarray(_answer(policy, tasks.together, budgets, jnp.int32(task)))
    macro = tasks.macros[task]
    served = macro.records.quality[macro.rows(tokens[:, 1:])]
    best = best_within(macro.cost, macro.records.quality, np.linspace(macro.cost.min(), macro.cost.max(), BUDGETS))
    return float(POINTS * (macro.records.quality[best] - served).mean())


@jax.jit
def _answer(policy: Policy, problem: Problem, budgets: jax.Array, task: jax.Array) -> jax.Array:
    """Greedy answers of a task, int32 ``[B, T]``."""
    only = jnp.arange(problem.target.shape[2]) == task
    allowed = problem.allowed.at[0].set(problem.allowed[0] & only[None])
    return decode.greedy(policy, restrict(problem, allowed), budgets)[0]


def evaluated(tasks: Tasks, way: str, seed: int) -> float:
    """Regret of the best that was evaluated, by random search for all tasks, or by evolution for each."""
    if way == "random":
        controller = plugins.load("controllers", "random")(tasks.alone[0].spec, children=100)
        tokens, _ = evaluated_by(controller, tasks.alone[0], seed, {}, ARCHITECTURES)
        return float(np.mean([macro.lost_by(tokens) for macro in tasks.macros]))
    share, lost = ARCHITECTURES // len(TASKS), []
    for macro, alone in zip(tasks.macros, tasks.alone, strict=True):
        controller = plugins.load("controllers", way)(alone.spec, **SMALL_TOURNAMENTS)
        tokens, _ = evaluated_by(controller, alone, seed, {"mutations": 3.0, "tournament": 4.0}, share)
        lost.append(macro.lost_by(tokens[:share]))
    return float(np.mean(lost))


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    tasks = posed(read(data_dir))
    rows = [("madds", 0, float(np.mean([macro.lost(macro.cost) for macro in tasks.macros])))]
    for way in (*LEARNED, "random", "regularised_evolution"):
        for seed in common.seeds():
            rows.append((way, seed, (learned if way in LEARNED else evaluated)(tasks, way, seed)))
            print(rows[-1], flush=True)
    common.write_rows(values.results, COLUMNS, [(way, str(seed), f"{regret:.5f}") for way, seed, regret in rows])
    held = {way: [regret for name, _, regret in rows if name == way] for way, _, _ in rows}
    return {way: float(np.mean(regrets)) for way, regrets in held.items()}


if __name__ == "__main__":
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/multi_task.csv", "The file of rows.")
    common.main(_benchmark)
