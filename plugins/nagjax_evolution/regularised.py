"""The controller ``regularised_evolution``: tournaments in which the oldest dies (Real et al., arXiv 1802.01548).

The paper's EVO baseline runs it once for every budget. Here the runs go side by side: ``budgets`` tournaments, each
with a population and a budget of its own, none knowing of the others, so the method is the published one and one run
answers all budgets: everything that any of them evaluates enters the front, and every evaluation of all of them counts.

A cycle of a tournament, done by each of ``workers`` workers at once: draw ``tournament`` members of the population with
replacement, take the best, draw one of its open decisions anew among what still fits the budget, evaluate the child,
add it, and let the oldest die. No child is over budget, so the reward needs no penalty.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import upper_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.populations import tournaments as tm
from nagjax.populations import vary
from nagjax.problems.problem import Problem, Spec


@flax.struct.dataclass
class State:
    """State of a run: the front of everything evaluated, and the populations."""

    findings: fd.Findings
    populations: tm.Tournaments


@factory("regularised_evolution")
def make(spec: Spec, budgets: int = 16, population: int = 32, workers: int = 1, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      budgets: tournaments, their budgets evenly spaced up to the costliest.
      population: members of each; the first are random architectures within the budget.
      workers: children of each tournament an update, at most ``population``; 1 is the sequential algorithm.
      capacity: of the front.
    """
    if workers > population:
        raise ValueError(f"regularised_evolution: workers={workers}: are at most population={population}")

    def init(key: jax.Array, problem: Problem, _params: Params) -> State:
        asked = jnp.repeat(upper_budgets(problem, budgets), population, 0)
        tokens, _ = vary.random_architectures(problem, asked, key)
        found, quality, _ = fd.record(fd.nothing(spec, capacity), problem, tokens)
        shape = (budgets, population)
        return State(found, tm.Tournaments(tokens.reshape(*shape, -1), quality.reshape(shape), jnp.int32(0)))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        select_key, mutate_key, draw_key = jax.random.split(key, 3)
        won, _ = tm.winners(state.populations, workers, params["tournament"], select_key)
        tokens = won.reshape(budgets * workers, -1)
        asked = jnp.repeat(upper_budgets(problem, budgets), workers, 0)
        change = vary.few_open(problem, tokens, params["mutations"], mutate_key)
        children, costs = vary.reroll(problem, tokens, change, asked, draw_key)
        found, quality, _ = fd.record(state.findings, problem, children)
        born = quality.reshape(budgets, workers)
        populations = tm.succeed(state.populations, children.reshape(budgets, workers, -1), born)
        infeasible = (costs > asked).any(-1).sum()
        metrics = fd.metrics(found, infeasible, (~jnp.isfinite(quality)).sum())
        return State(found, populations), {**metrics, "population_quality": _mean_finite(born)}

    def rebase(state: State, problem: Problem) -> State:
        populations = tm.rescore(state.populations, problem, upper_budgets(problem, budgets))
        found = fd.rescore(state.findings, problem)
        counted = found.evaluations + jnp.uint32(budgets * population)
        return State(fd.Findings(found.archive, counted), populations)

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=rebase,
        defaults={"tournament": 8.0, "mutations": 1.0},
    )


def _mean_finite(quality: jax.Array) -> jax.Array:
    finite = jnp.isfinite(quality)
    return jnp.sum(jnp.where(finite, quality, 0.0)) / jnp.maximum(finite.sum(), 1)
