"""Cheap evolution: first in tournaments that are kept apart, then of neighbouring cells of the archive they filled.

The archive alone settles in one local optimum a band of cost, another for every seed: a cell keeps its best for good.
Populations with a budget of their own, in which the oldest dies, leave such optima, but none of them serves budgets
between theirs. What all of them have met recombines in the archive to better than either reaches alone. Where the first
decision is a context, archive and tournaments are of one context each, and children are of their parent's.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import budget_at, random_budgets, strata, within_range
from nagjax.controllers import Params
from nagjax.populations import tournaments as tm
from nagjax.populations import vary
from nagjax.populations.cells import Cells
from nagjax.populations.front import front_gain
from nagjax.problems import contexts
from nagjax.problems.problem import Problem, evaluate
from nagjax_nag import memory


@flax.struct.dataclass
class Population:
    """All that evolution remembers.

    Attributes:
      archive: the best of everything met, N cells.
      tournaments: their populations.
      places: float32 ``[B, K]``, budgets of the tournaments as positions in the range, see ``budgets.budget_at``.
      met: what was evaluated lately, see ``nagjax_nag.memory``.
      evaluations: calls of the quality function so far, uint32.
      nonfinite: how many of them gave NaN or an infinite quality, uint32.
    """

    archive: Cells
    tournaments: tm.Tournaments
    places: jax.Array
    met: jax.Array
    evaluations: jax.Array
    nonfinite: jax.Array


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much evolves; see ``nag.make``.

    Raises:
      ValueError: if the tournaments cannot share the children of an update.
    """

    children: int
    spare: int
    cells: int
    tournaments: int
    members: int

    def __post_init__(self) -> None:
        children, tournaments, members = self.children, self.tournaments, self.members
        if tournaments and (children % tournaments or children // tournaments > members):
            raise ValueError(
                f"nag: tournaments={tournaments} must be a divisor of children={children}, each with at most "
                f"members={members} children in an update; beside children={children} give tournaments=0, which holds "
                f"none, or tournaments={fitting(children, tournaments, members)}"
            )


def fitting(children: int, tournaments: int, members: int) -> int:
    """The number of tournaments nearest to ``tournaments`` that can share the children; the lower of two as near.

    >>> fitting(16, 64, 32), fitting(100, 64, 32), fitting(4096, 64, 32)
    (16, 50, 128)
    """
    fine = [num for num in range(1, children + 1) if children % num == 0 and children // num <= members]
    return min(fine, key=lambda num: abs(num - tournaments))


@flax.struct.dataclass
class Brood:
    """Scored architectures: tokens int32 ``[B, T]``, costs int32 ``[B, K]`` ticks, quality float32 ``[B]``."""

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array


def start(problem: Problem, cells: int, tournaments: int, members: int, num: int, key: jax.Array) -> Population:
    """``num`` random architectures within random budgets in the archive, and tournaments without members."""
    budget_key, place_key, key = jax.random.split(key, 3)
    spec = problem.spec
    turn = contexts.turns(problem, num)
    asked = random_budgets(budget_key, contexts.in_rows(problem, turn), num)
    tokens, costs = vary.random_architectures(problem, asked, key, turn)
    quality, _ = evaluate(problem, tokens)
    places = (strata(place_key, tournaments, spec.num_costs) + 1).astype(jnp.float32) / max(tournaments, 1)
    population = Population(
        archive=Cells.empty(spec, cells * max(spec.contexts, 1)),
        tournaments=tm.unborn(spec, tournaments, members),
        places=places,
        met=memory.nothing(),
        evaluations=jnp.uint32(0),
        nonfinite=jnp.uint32(0),
    )
    return add(population, problem, Brood(tokens, costs, quality))


def add(population: Population, problem: Problem, brood: Brood) -> Population:
    """Put a brood into the archive."""
    archive = population.archive.insert(problem, brood.tokens, brood.costs, brood.quality)
    counted = population.evaluations + jnp.uint32(brood.quality.shape[0])
    broken = population.nonfinite + jnp.sum(~jnp.isfinite(brood.quality), dtype=jnp.uint32)
    met = memory.remember(population.met, brood.tokens)
    return dataclasses.replace(population, archive=archive, met=met, evaluations=counted, nonfinite=broken)


def evolve(
    population: Population, problem: Problem, num: int, spare: int, params: Params, progress: jax.Array, key: jax.Array
) -> Population:
    """One generation of ``num`` children: of the tournaments at first, if any are held, else of the archive."""

    def recombine() -> Population:
        brood = breed(population.archive, population.met, problem, num, spare, params, key)
        return add(population, problem, brood)

    if not population.tournaments.quality.size:
        return recombine()
    early = progress < params["fill"] * params["apart"]
    return jax.lax.cond(early, lambda: compete(population, problem, num, params, key), recombine)


def compete(population: Population, problem: Problem, num: int, params: Params, key: jax.Array) -> Population:
    """One generation of the tournaments, ``num`` children in all: the winner with one open decision drawn anew.

    A population without members has random architectures within its budget for children.
    """
    select_key, mutate_key, draw_key = jax.random.split(key, 3)
    populations = population.tournaments
    size = populations.quality.shape[0]
    won, quality = tm.winners(populations, num // size, params["tournament"], select_key)
    parents = won.reshape(num, -1)
    turn, given = homes(problem, population.places), int(problem.spec.contexts > 0)
    change = vary.few_open(problem, parents, jnp.float32(1), mutate_key, given)
    change |= quality.reshape(num, 1) == -jnp.inf
    if turn is not None:
        parents = parents.at[:, 0].set(jnp.repeat(turn, num // size))
        change = change.at[:, 0].set(False)
    asked = jnp.repeat(budget_at(contexts.in_rows(problem, turn), population.places), num // size, 0)
    tokens, costs = vary.reroll(problem, parents, change, asked, draw_key)
    quality, _ = evaluate(problem, tokens)
    # With several cost columns the mask is not exact: what is over its budget is in the archive, not a member.
    fitness = jnp.where((costs <= asked).all(-1), quality, -jnp.inf)
    populations = tm.succeed(populations, tokens.reshape(size, num // size, -1), fitness.reshape(size, -1))
    return add(dataclasses.replace(population, tournaments=populations), problem, Brood(tokens, costs, quality))


def homes(problem: Problem, places: jax.Array) -> jax.Array | None:
    """Contexts int32 ``[B]`` of tournaments at places float32 ``[B, K]``: in turn, so that each has the whole range."""
    turn = contexts.turns(problem, len(places))
    return None if turn is None else turn[jnp.argsort(jnp.argsort(places[:, 0]))]


def breed(
    archive: Cells, met: jax.Array, problem: Problem, num: int, spare: int, params: Params, key: jax.Array
) -> Brood:
    """Children of an archive's architectures: cross with a neighbour, mutate, repair within about the parent's cost.

    Parents are any that the archive holds, or with the chance ``elite`` those of its front. ``num`` children are
    evaluated; ``spare`` are bred for each of them, and those that were not ``met`` lately come first.
    """
    parent_key, partner_key, cross_key, rate_key, budget_key, child_key = jax.random.split(key, 6)
    bred = spare * num
    held = archive.occupied
    of = contexts.of_tokens(problem, archive.tokens)
    elite = held & (front_gain(archive.costs, archive.quality, of) > 0)
    chosen = jax.random.uniform(jax.random.fold_in(parent_key, 1), (bred,)) < params["elite"]
    parent = jnp.where(chosen, _any_of(elite, bred, parent_key), _any_of(held, bred, parent_key))
    # Neighbours are counted in occupied cells: while few are, the next one may be far.
    count = jnp.cumsum(held.astype(jnp.int32))
    first, last = _own(problem, count, parent)
    reach = jnp.maximum(params["reach"] * (last - first + 1), 1.0)
    away = jnp.round(reach * jax.random.uniform(partner_key, (bred,), minval=-1.0)).astype(jnp.int32)
    partner = jnp.searchsorted(count, jnp.clip(count[parent] + away, first, last))
    crossed = jax.random.bernoulli(cross_key, params["crossover"], (bred,))
    partner = jnp.where(crossed, partner, parent)
    rates = (
        params["mutations"] * jax.random.uniform(rate_key, (bred,), minval=0.25, maxval=2.0) / problem.spec.num_layers
    )
    noise = jnp.exp(params["budget_noise"] * jax.random.normal(budget_key, (bred, 1)))
    asked = (archive.costs[parent] * noise).astype(jnp.int32)
    # Where the budget is not less than the parent's cost, rounding must not make it so.
    asked = jnp.where(noise >= 1, jnp.maximum(asked, archive.costs[parent]), asked)
    asked = within_range(contexts.in_rows(problem, None if of is None else of[parent]), asked)
    parents, partners, given = archive.tokens[parent], archive.tokens[partner], int(problem.spec.contexts > 0)
    tokens, costs = vary.children(problem, parents, partners, asked, rates, child_key, given)
    if spare > 1:
        fresh = jnp.argsort(memory.known(met, tokens), stable=True)[:num]
        tokens, costs = tokens[fresh], costs[fresh]
    quality, _ = evaluate(problem, tokens)
    return Brood(tokens, costs, quality)


def _own(problem: Problem, count: jax.Array, parent: jax.Array) -> tuple[Any, jax.Array]:
    """The first and last occupied cell of a parent's context, counted from 1, by counts int32 ``[N]`` up to each."""
    if not problem.spec.contexts:
        return 1, count[-1]
    each = len(count) // problem.spec.contexts
    of = parent // each
    before = jnp.where(of > 0, count[jnp.maximum(of * each - 1, 0)], 0)
    return before + 1, count[of * each + each - 1]


def _any_of(pool: jax.Array, num: int, key: jax.Array) -> jax.Array:
    """``num`` cells int32 drawn from those of a pool, bool ``[N]``; any cell where the pool is empty."""
    count = jnp.cumsum(pool.astype(jnp.int32))
    cell = jnp.searchsorted(count, jax.random.randint(key, (num,), 1, count[-1] + 1))
    return jnp.minimum(cell, len(pool) - 1)


def rescore(population: Population, problem: Problem) -> Population:
    """Everything remembered, under a changed problem."""
    archive = population.archive.rescore(problem)
    populations = population.tournaments
    if populations.quality.size:
        own = contexts.in_rows(problem, homes(problem, population.places))
        populations = tm.rescore(populations, problem, budget_at(own, population.places))
    counted = population.evaluations + jnp.uint32(archive.quality.size + populations.quality.size)
    return dataclasses.replace(
        population, archive=archive, tournaments=populations, met=memory.nothing(), evaluations=counted
    )
