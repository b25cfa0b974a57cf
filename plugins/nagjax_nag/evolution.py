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


@flax.struct.dataclass
class Population:
    """All that evolution remembers.

    Attributes:
      archive: the best of everything met, N cells.
      islands: the same for each of I islands, leaves ``[I, N, ...]``.
      evaluations: calls of the quality function so far, uint32.
    """

    archive: pareto.Archive
    islands: pareto.Archive
    evaluations: jax.Array


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
    population = Population(empty, lonely, jnp.uint32(0))
    brood = jax.tree.map(
        lambda leaf: leaf.reshape(islands, num // islands, *leaf.shape[1:]), Brood(tokens, costs, quality)
    )
    return _settle(population, problem, brood)


def add(population: Population, problem: Problem, brood: Brood) -> Population:
    """Put a brood into the archive."""
    archive = pareto.insert(population.archive, problem, brood.tokens, brood.costs, brood.quality)
    counted = population.evaluations + jnp.uint32(brood.quality.shape[0])
    return dataclasses.replace(population, archive=archive, evaluations=counted)


def breed_apart(population: Population, problem: Problem, num: int, params: Params, key: jax.Array) -> Population:
    """One generation on the islands, ``num`` children in all."""
    islands = population.islands.quality.shape[0]
    keys = jax.random.split(key, islands)
    broods = jax.vmap(lambda island, one: breed(island, problem, num // islands, params, one))(population.islands, keys)
    return _settle(population, problem, broods)


def breed_together(population: Population, problem: Problem, num: int, params: Params, key: jax.Array) -> Population:
    """One generation of ``num`` children in the archive."""
    return add(population, problem, breed(population.archive, problem, num, params, key))


def _settle(population: Population, problem: Problem, broods: Brood) -> Population:
    """Put broods ``[I, B, ...]`` into their islands, and all of them into the archive."""

    def insert(island: pareto.Archive, brood: Brood) -> pareto.Archive:
        return pareto.insert(island, problem, brood.tokens, brood.costs, brood.quality)

    islands = jax.vmap(insert)(population.islands, broods)
    flat: Brood = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), broods)
    return add(dataclasses.replace(population, islands=islands), problem, flat)


def breed(archive: pareto.Archive, problem: Problem, num: int, params: Params, key: jax.Array) -> Brood:
    """``num`` children of an archive's cells: cross with a neighbour, mutate, repair within about its budget."""
    parent_key, partner_key, cross_key, rate_key, budget_key, child_key = jax.random.split(key, 6)
    cells = archive.quality.shape[0]
    held = pareto.occupied(archive)
    count = jnp.cumsum(held.astype(jnp.int32))
    parent = jnp.searchsorted(count, jax.random.randint(parent_key, (num,), 1, count[-1] + 1))
    parent = jnp.minimum(parent, cells - 1)
    reach = jnp.maximum(params["reach"] * cells, 1.0)
    partner = parent + jnp.round(reach * jax.random.uniform(partner_key, (num,), minval=-1.0)).astype(jnp.int32)
    partner = jnp.clip(partner, 0, cells - 1)
    crossed = held[partner] & jax.random.bernoulli(cross_key, params["crossover"], (num,))
    partner = jnp.where(crossed, partner, parent)
    rates = (
        params["mutations"] * jax.random.uniform(rate_key, (num,), minval=0.25, maxval=2.0) / problem.spec.num_layers
    )
    noise = jnp.exp(params["budget_noise"] * jax.random.normal(budget_key, (num, 1)))
    asked = jnp.clip((archive.costs[parent] * noise).astype(jnp.int32), problem.low[None], problem.high[None])
    tokens, costs = vary.children(problem, archive.tokens[parent], archive.tokens[partner], asked, rates, child_key)
    quality, _ = evaluate(problem, tokens)
    return Brood(tokens, costs, quality)


def rescore(population: Population, problem: Problem) -> Population:
    """Everything remembered, under a changed problem."""
    archive = pareto.rescore(population.archive, problem)
    islands = jax.vmap(lambda island: pareto.rescore(island, problem))(population.islands)
    counted = population.evaluations + jnp.uint32(archive.quality.size + islands.quality.size)
    return Population(archive, islands, counted)
