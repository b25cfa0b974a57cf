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

from nagjax import findings as fd
from nagjax import pareto
from nagjax.controllers import Artefact, Controller, Metrics, Params
from nagjax.generator import vary
from nagjax.generator.policy import budget_at_share
from nagjax.problem import Problem, Spec, evaluate, walk_nodes


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      findings: the front of everything evaluated.
      tokens: int32 ``[B, P, T]``, the populations, rings in the order of birth.
      quality: float32 ``[B, P]``, -inf where it is not finite.
      oldest: int32, where the oldest of every population stands.
    """

    findings: fd.Findings
    tokens: jax.Array
    quality: jax.Array
    oldest: jax.Array


def make(spec: Spec, budgets: int = 16, population: int = 32, workers: int = 1, capacity: int = 1024) -> Controller:
    """The controller.

    Args:
      spec: static shape of the problem.
      budgets: tournaments, their budgets evenly spaced up to the dearest.
      population: members of each; the first are random architectures within the budget.
      workers: children of each tournament an update, at most ``population``; 1 is the sequential algorithm.
      capacity: of the front.
    """
    settings = {"budgets": budgets, "population": population, "workers": workers, "capacity": capacity}
    if min(settings.values()) < 1 or workers > population:
        raise ValueError(
            f"regularised_evolution: sizes must be at least 1 and workers at most population; got {settings}"
        )

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        del params
        asked = jnp.repeat(tournament_budgets(problem, budgets), population, 0)
        tokens, _ = vary.random_architectures(problem, asked, key)
        found, quality, _ = fd.record(fd.nothing(spec, capacity), problem, tokens)
        shape = (budgets, population)
        return State(found, tokens.reshape(*shape, -1), quality.reshape(shape), jnp.int32(0))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        del progress
        select_key, mutate_key, draw_key = jax.random.split(key, 3)
        parents = tournament(state.quality, workers, params["tournament"], select_key)
        tokens = jnp.take_along_axis(state.tokens, parents[..., None], 1).reshape(budgets * workers, -1)
        asked = jnp.repeat(tournament_budgets(problem, budgets), workers, 0)
        change = few_open(problem, tokens, params["mutations"], mutate_key)
        children, costs = vary.reroll(problem, tokens, change, asked, draw_key)
        found, quality, _ = fd.record(state.findings, problem, children)
        born = State(found, children.reshape(budgets, workers, -1), quality.reshape(budgets, workers), state.oldest)
        infeasible = (costs > asked).any(-1).sum()
        metrics = fd.metrics(found, infeasible, (~jnp.isfinite(quality)).sum())
        return succeed(state, born), {**metrics, "population_quality": _mean_finite(born.quality)}

    def rebase(state: State, problem: Problem) -> State:
        flat = state.tokens.reshape(budgets * population, -1)
        asked = jnp.repeat(tournament_budgets(problem, budgets), population, 0)
        quality, costs = evaluate(problem, flat)
        fits = pareto.allowed_rows(problem, flat) & (costs <= asked).all(-1)
        found = fd.rescore(state.findings, problem)
        found = fd.Findings(found.archive, found.evaluations + jnp.uint32(len(flat)))
        # What no longer fits dies of age like the others, but wins no tournament; its children are repaired anyway.
        return State(found, state.tokens, jnp.where(fits, quality, -jnp.inf).reshape(budgets, population), state.oldest)

    return Controller(
        name="regularised_evolution",
        spec=spec,
        settings=settings,
        default_params=lambda: {"tournament": 8.0, "mutations": 1.0},
        init=init,
        update=update,
        rebase=rebase,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
    )


def tournament_budgets(problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]``: the upper ends of ``num`` equal parts of the range."""
    return budget_at_share(problem, (jnp.arange(num) + 1.0)[:, None] / num)


def tournament(quality: jax.Array, num: int, size: jax.Array, key: jax.Array) -> jax.Array:
    """Winners int32 ``[B, num]`` of tournaments in populations of quality float32 ``[B, P]``.

    The best of ``size`` members drawn with replacement has the least of ``size`` uniform ranks; drawing that least
    directly leaves ``size`` free to be swept.
    """
    population = quality.shape[-1]
    least = 1.0 - (1.0 - jax.random.uniform(key, (quality.shape[0], num))) ** (1.0 / size)
    rank = jnp.minimum((least * population).astype(jnp.int32), population - 1)
    return jnp.take_along_axis(jnp.argsort(-quality, -1), rank, -1)


def few_open(problem: Problem, tokens: jax.Array, mutations: jax.Array, key: jax.Array) -> jax.Array:
    """Which decisions of tokens int32 ``[B, T]`` to draw anew, bool ``[B, T]``: ``mutations`` of the open ones.

    A fraction is the chance of one more.
    """
    order_key, more_key = jax.random.split(key)
    layers = jnp.arange(tokens.shape[1])
    nodes = walk_nodes(problem.target, tokens)
    free = problem.allowed[layers, nodes].sum(-1) > 1
    score = jnp.where(free, jax.random.uniform(order_key, tokens.shape), 2.0)
    rank = jnp.argsort(jnp.argsort(score, -1), -1)
    number = jnp.floor(mutations + jax.random.uniform(more_key, (tokens.shape[0], 1))).astype(jnp.int32)
    return (rank < number) & free


def succeed(state: State, born: State) -> State:
    """The populations after the children of ``born`` took the places of the oldest."""
    population, workers = state.quality.shape[1], born.quality.shape[1]
    places = (state.oldest + jnp.arange(workers)) % population
    return State(
        born.findings,
        state.tokens.at[:, places].set(born.tokens),
        state.quality.at[:, places].set(born.quality),
        (state.oldest + workers) % population,
    )


def _mean_finite(quality: jax.Array) -> jax.Array:
    finite = jnp.isfinite(quality)
    return jnp.sum(jnp.where(finite, quality, 0.0)) / jnp.maximum(finite.sum(), 1)
