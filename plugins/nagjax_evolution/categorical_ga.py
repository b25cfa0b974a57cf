"""The controller ``categorical_ga``: a genetic algorithm on integer genomes, as an evosax population algorithm.

Holland's scheme with truncation selection (Such et al., arXiv 1712.06567, on real vectors): the better half of a
population breeds; children are crossed uniformly and mutated by drawing decisions anew, both repaired within the budget
by the library; the best eighth of the parents survive beside the best children (evosax's SimpleGA keeps no survivors;
were all survivors the best of both, a small population would soon be one architecture). One population for each of
``budgets`` budgets; everything that any of them evaluates enters the front, and every evaluation counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import upper_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.populations import vary
from nagjax.populations.archive import allowed_rows
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_evolution.strategies import strong


@flax.struct.dataclass
class State:
    """evosax's state with leaves ``[budgets, ...]``, and the front of everything evaluated."""

    search: Any
    findings: fd.Findings


@flax.struct.dataclass
class Breeding:
    """What evosax passes on as the algorithm's parameters.

    Attributes:
      problem: gives the trellis and the mask.
      budget: int32 ``[K]``, ticks.
      crossover: chance of a child to have two parents.
      mutations: decisions of a child that are drawn anew, on average.
    """

    problem: Problem
    budget: jax.Array
    crossover: jax.Array
    mutations: jax.Array


@factory("categorical_ga", population=2)
def make(spec: Spec, budgets: int = 16, population: int = 32, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      budgets: populations, their budgets evenly spaced up to the costliest.
      population: members of each, and its children a generation, which is an update.
      capacity: of the front.
    """
    algorithm = _algorithm(population, spec.num_layers)

    def each(problem: Problem, params: Params, do: Callable[..., Any], key: jax.Array, *leaves: Any) -> Any:
        """Call one of evosax's methods for every population."""

        def one(key: jax.Array, budget: jax.Array, *own: Any) -> Any:
            return do(key, *own, Breeding(problem, budget, params["crossover"], params["mutations"]))

        # evosax adds arrays of different ranks, which callers may have forbidden for their own code.
        with jax.numpy_rank_promotion("allow"):
            return jax.vmap(one)(jax.random.split(key, budgets), upper_budgets(problem, budgets), *leaves)

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        asked = jnp.repeat(upper_budgets(problem, budgets), population, 0)
        draw_key, key = jax.random.split(key)
        tokens, _ = vary.random_architectures(problem, asked, draw_key)
        found, quality, _ = fd.record(fd.nothing(spec, capacity), problem, tokens)
        genomes, fitness = tokens.reshape(budgets, population, -1), -quality.reshape(budgets, population)
        search = each(problem, params, algorithm.init, key, genomes, fitness)
        return State(strong(search), found)

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        ask_key, tell_key = jax.random.split(key)
        genomes, search = each(problem, params, algorithm.ask, ask_key, state.search)
        found, quality, costs = fd.record(state.findings, problem, genomes.reshape(budgets * population, -1))
        fitness = -quality.reshape(budgets, population)
        search, _ = each(problem, params, algorithm.tell, tell_key, genomes, fitness, search)
        asked = jnp.repeat(upper_budgets(problem, budgets), population, 0)
        infeasible, nonfinite = (costs > asked).any(-1).sum(), (~jnp.isfinite(quality)).sum()
        return State(strong(search), found), fd.metrics(found, infeasible, nonfinite)

    def rebase(state: State, problem: Problem) -> State:
        flat = state.search.population.reshape(budgets * population, -1)
        quality, costs = evaluate(problem, flat)
        asked = jnp.repeat(upper_budgets(problem, budgets), population, 0)
        fits = allowed_rows(problem, flat) & (costs <= asked).all(-1)
        fitness = -jnp.where(fits, quality, -jnp.inf).reshape(budgets, population)
        best = jnp.take_along_axis(state.search.population, fitness.argmin(-1)[:, None, None], 1)[:, 0]
        search = state.search.replace(fitness=fitness, best_fitness=fitness.min(-1), best_solution=best)
        found = fd.rescore(state.findings, problem)
        return State(search, fd.Findings(found.archive, found.evaluations + jnp.uint32(len(flat))))

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=rebase,
        defaults={"crossover": 0.5, "mutations": 1.0},
    )


def _algorithm(population: int, num_layers: int) -> Any:
    """The algorithm object, made once: it is a static argument of evosax's jits. evosax is imported only here."""
    from evosax.algorithms.population_based import base

    elites = max(1, population // 8)

    class CategoricalGA(base.PopulationBasedAlgorithm):  # type: ignore[misc]
        """Populations int32 ``[P, T]``; fitness float32 ``[P]``, less is better."""

        def _init(self, _key: jax.Array, _params: Breeding) -> Any:
            return base.State(
                population=jnp.zeros((population, num_layers), jnp.int32),
                fitness=jnp.full(population, jnp.inf),
                best_solution=jnp.zeros(num_layers, jnp.int32),
                best_fitness=jnp.inf,
                generation_counter=0,
            )

        def _ask(self, key: jax.Array, state: Any, params: Breeding) -> tuple[jax.Array, Any]:
            parent_key, cross_key, child_key = jax.random.split(key, 3)
            better = state.population[jnp.argsort(state.fitness)[: population // 2]]
            one, other = better[jax.random.randint(parent_key, (2, population), 0, population // 2)]
            crossed = jax.random.bernoulli(cross_key, params.crossover, (population, 1))
            budgets = jnp.broadcast_to(params.budget, (population, *params.budget.shape))
            rates = jnp.full(population, params.mutations / num_layers)
            partners = jnp.where(crossed, other, one)
            genomes, _ = vary.children(params.problem, one, partners, budgets, rates, child_key)
            return genomes, state

        def _tell(self, _key: jax.Array, genomes: jax.Array, fitness: jax.Array, state: Any, _params: Breeding) -> Any:
            old, new = jnp.argsort(state.fitness)[:elites], jnp.argsort(fitness)[: population - elites]
            return state.replace(
                population=jnp.concatenate([state.population[old], genomes[new]]),
                fitness=jnp.concatenate([state.fitness[old], fitness[new]]),
            )

    return CategoricalGA(population, jnp.zeros(num_layers, jnp.int32))
