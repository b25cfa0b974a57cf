"""Cheap evolution in the archive: children of neighbouring cells, first on islands, then all together.

A single population settles in one local optimum a band of cost, another for every seed. Populations that are kept apart
settle in different ones, and their union recombines to better ones than any reaches alone (island model: Tanese, 1989).
"""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from nagjax import pareto
from nagjax.controllers import Params
from nagjax.generator import vary
from nagjax.generator.policy import budget_at
from nagjax.problem import Problem, evaluate
from nagjax_nag import memory


@flax.struct.dataclass
class Population:
    """All that evolution remembers.

    Attributes:
      archive: the best of everything met, N cells.
      islands: the same for each of I islands, leaves ``[I, N, ...]``.
      met: what was evaluated lately, see ``nagjax_nag.memory``.
      evaluations: calls of the quality function so far, uint32.
      nonfinite: how many of them gave NaN or an infinite quality, uint32.
    """

    archive: pareto.Archive
    islands: pareto.Archive
    met: jax.Array
    evaluations: jax.Array
    nonfinite: jax.Array


@flax.struct.dataclass
class Brood:
    """Scored architectures: tokens int32 ``[B, T]``, costs int32 ``[B, K]`` ticks, quality float32 ``[B]``."""

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array


def start(problem: Problem, cells: int, islands: int, num: int, key: jax.Array) -> Population:
    """``num`` random architectures within random budgets, dealt out to the islands."""
    budget_key, key = jax.random.split(key)
    position = jax.random.uniform(budget_key, (num, problem.spec.num_costs))
    tokens, costs = vary.random_architectures(problem, budget_at(problem, position), key)
    quality, _ = evaluate(problem, tokens)
    empty = pareto.empty_archive(problem.spec, cells)
    lonely = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (islands, *leaf.shape)), empty)
    population = Population(empty, lonely, memory.nothing(), jnp.uint32(0), jnp.uint32(0))
    brood = jax.tree.map(
        lambda leaf: leaf.reshape(islands, num // islands, *leaf.shape[1:]), Brood(tokens, costs, quality)
    )
    return _settle(population, problem, brood)


def add(population: Population, problem: Problem, brood: Brood) -> Population:
    """Put a brood into the archive."""
    archive = pareto.insert(population.archive, problem, brood.tokens, brood.costs, brood.quality)
    counted = population.evaluations + jnp.uint32(brood.quality.shape[0])
    broken = population.nonfinite + jnp.sum(~jnp.isfinite(brood.quality), dtype=jnp.uint32)
    met = memory.remember(population.met, brood.tokens)
    return dataclasses.replace(population, archive=archive, met=met, evaluations=counted, nonfinite=broken)


def breed_apart(
    population: Population, problem: Problem, num: int, spare: int, params: Params, key: jax.Array
) -> Population:
    """One generation on the islands, ``num`` children in all; ``spare`` as in ``breed``."""
    islands = population.islands.quality.shape[0]
    keys = jax.random.split(key, islands)

    def each(island: pareto.Archive, one: jax.Array) -> Brood:
        return breed(island, population.met, problem, num // islands, spare, params, one)

    return _settle(population, problem, jax.vmap(each)(population.islands, keys))


def breed_together(
    population: Population, problem: Problem, num: int, spare: int, params: Params, key: jax.Array
) -> Population:
    """One generation of ``num`` children in the archive; ``spare`` as in ``breed``."""
    return add(population, problem, breed(population.archive, population.met, problem, num, spare, params, key))


def _settle(population: Population, problem: Problem, broods: Brood) -> Population:
    """Put broods ``[I, B, ...]`` into their islands, and all of them into the archive."""

    def insert(island: pareto.Archive, brood: Brood) -> pareto.Archive:
        return pareto.insert(island, problem, brood.tokens, brood.costs, brood.quality)

    islands = jax.vmap(insert)(population.islands, broods)
    flat: Brood = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), broods)
    return add(dataclasses.replace(population, islands=islands), problem, flat)


def breed(
    archive: pareto.Archive, met: jax.Array, problem: Problem, num: int, spare: int, params: Params, key: jax.Array
) -> Brood:
    """Children of an archive's architectures: cross with a neighbour, mutate, repair within about the parent's cost.

    Args:
      archive: N cells; parents are any that it holds, or with the chance ``elite`` those of its front.
      met: what was evaluated lately.
      problem: the problem.
      num: B, children that are evaluated.
      spare: children bred for each of them; those that are new come first.
      params: see ``nag.DEFAULTS``.
      key: random key.
    """
    parent_key, partner_key, cross_key, rate_key, budget_key, child_key = jax.random.split(key, 6)
    bred = spare * num
    held = pareto.occupied(archive)
    elite = held & (pareto.front_gain(archive.costs, archive.quality) > 0)
    chosen = jax.random.uniform(jax.random.fold_in(parent_key, 1), (bred,)) < params["elite"]
    parent = jnp.where(chosen, _any_of(elite, bred, parent_key), _any_of(held, bred, parent_key))
    # Neighbours are counted in occupied cells: while few are, the next one may be far.
    count = jnp.cumsum(held.astype(jnp.int32))
    reach = jnp.maximum(params["reach"] * count[-1], 1.0)
    away = jnp.round(reach * jax.random.uniform(partner_key, (bred,), minval=-1.0)).astype(jnp.int32)
    partner = jnp.searchsorted(count, jnp.clip(count[parent] + away, 1, count[-1]))
    crossed = jax.random.bernoulli(cross_key, params["crossover"], (bred,))
    partner = jnp.where(crossed, partner, parent)
    rates = (
        params["mutations"] * jax.random.uniform(rate_key, (bred,), minval=0.25, maxval=2.0) / problem.spec.num_layers
    )
    noise = jnp.exp(params["budget_noise"] * jax.random.normal(budget_key, (bred, 1)))
    asked = (archive.costs[parent] * noise).astype(jnp.int32)
    # Where the budget is not less than the parent's cost, rounding must not make it so.
    asked = jnp.where(noise >= 1, jnp.maximum(asked, archive.costs[parent]), asked)
    asked = jnp.clip(asked, problem.low[None], problem.high[None])
    tokens, costs = vary.children(problem, archive.tokens[parent], archive.tokens[partner], asked, rates, child_key)
    if spare > 1:
        fresh = jnp.argsort(memory.known(met, tokens), stable=True)[:num]
        tokens, costs = tokens[fresh], costs[fresh]
    quality, _ = evaluate(problem, tokens)
    return Brood(tokens, costs, quality)


def _any_of(pool: jax.Array, num: int, key: jax.Array) -> jax.Array:
    """``num`` cells int32 drawn from those of a pool, bool ``[N]``; any cell where the pool is empty."""
    count = jnp.cumsum(pool.astype(jnp.int32))
    cell = jnp.searchsorted(count, jax.random.randint(key, (num,), 1, count[-1] + 1))
    return jnp.minimum(cell, len(pool) - 1)


def rescore(population: Population, problem: Problem) -> Population:
    """Everything remembered, under a changed problem."""
    archive = pareto.rescore(population.archive, problem)
    islands = jax.vmap(lambda island: pareto.rescore(island, problem))(population.islands)
    counted = population.evaluations + jnp.uint32(archive.quality.size + islands.quality.size)
    return Population(archive, islands, memory.nothing(), counted, population.nonfinite)
