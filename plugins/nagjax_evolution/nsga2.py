"""The controller ``nsga2``: NSGA-II on cost and quality (Deb et al., IEEE TEVC 6(2), 2002) over integer genomes.

Objectives are the cost columns and -quality. Parents win binary tournaments by front, then by crowding; children are
crossed uniformly and mutated by drawing decisions anew, both under the trellis and the mask, so every child exists.
With pymoo's implementation (see benchmarks/nsga2.py) a population of 256, children that differ from the population and
from each other, one mutated decision a child and crossover in 9 of 10 were best; so here.

Beyond the paper: the first population is drawn within budgets over the whole range, the first of them the cheapest, so
that every budget has an answer; and everything evaluated enters the front, not the last population alone. The parameter
``first`` chooses another: ``open`` is the textbook's, uniform choices whatever they cost; ``early_exit`` is EEEA-Net's
(Termritthikun et al., arXiv 2108.06156, section 3.1), where a random architecture counts only if it costs no more than
a bound, and is drawn anew otherwise. The bound is ``exit_share`` of the range of every cost column.

It is not a subclass of evosax's ``PopulationBasedAlgorithm``: that takes one fitness per solution (its ``init`` and
``tell`` take the arg min of it), and selection here is by several objectives. ``categorical_ga`` is one.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import budget_at, budget_at_share, open_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.populations import vary
from nagjax.populations.archive import allowed_rows
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_evolution.sorting import crowding, nondominated_ranks

SPARE = 2
"""Children bred for each one kept, so that those met before can be left out before they are evaluated."""

FIRST = ("budgets", "open", "early_exit")
"""Ways of drawing the first population."""

REDRAWN = 32
"""How often an architecture beyond the bound is drawn anew; the mask then draws one within it."""


@flax.struct.dataclass
class Population:
    """Evaluated architectures.

    Attributes:
      tokens: int32 ``[N, T]``.
      costs: int32 ``[N, K]``, ticks.
      quality: float32 ``[N]``, -inf where it is not finite.
      rank: int32 ``[N]``, the front.
      crowding: float32 ``[N]``, distance within the front.
    """

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array
    rank: jax.Array
    crowding: jax.Array


@flax.struct.dataclass
class State:
    """The front of everything evaluated, and the population."""

    findings: fd.Findings
    population: Population


@factory("nsga2", population=2)
def make(spec: Spec, population: int = 256, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      population: also the number of children of a generation, which is an update.
      capacity: of the front.
    """

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        tokens, costs = first_population(problem, population, params, key)
        found, quality, _ = fd.record(fd.nothing(spec, capacity), problem, tokens)
        return State(found, survive(tokens, costs, quality, population))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        tokens = breed(state.population, problem, population, params, key)
        found, quality, costs = fd.record(state.findings, problem, tokens)
        old = state.population
        after = survive(
            jnp.concatenate([old.tokens, tokens]),
            jnp.concatenate([old.costs, costs]),
            jnp.concatenate([old.quality, quality]),
            population,
        )
        # No budget is asked: what fits none is over.
        over = (costs > problem.high[None]).any(-1).sum()
        metrics = fd.metrics(found, over, (~jnp.isfinite(quality)).sum())
        first = (after.rank == 0).mean(dtype=jnp.float32)
        return State(found, after), {**metrics, "first_front": first}

    def rebase(state: State, problem: Problem) -> State:
        tokens = state.population.tokens
        quality, costs = evaluate(problem, tokens)
        quality = jnp.where(allowed_rows(problem, tokens), quality, -jnp.inf)
        found = fd.rescore(state.findings, problem)
        found = fd.Findings(found.archive, found.evaluations + jnp.uint32(population))
        return State(found, survive(tokens, costs, quality, population))

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=rebase,
        defaults={"crossover": 0.9, "mutations": 1.0, "first": "budgets", "exit_share": 0.5},
        choices={"first": FIRST},
    )


def first_population(problem: Problem, num: int, params: Params, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The first ``num`` architectures int32 ``[num, T]``, as ``first`` says, and their costs int32 ``[num, K]``."""
    budget_key, key = jax.random.split(key)
    share = jax.random.uniform(budget_key, (num, problem.spec.num_costs)).at[0].set(0.0)
    spread = vary.random_architectures(problem, budget_at(problem, share), key)
    unbound = vary.random_architectures(problem, open_budgets(problem, num), key)
    early = early_exit(problem, num, params["exit_share"], key)
    place = jnp.round(params["first"]).astype(jnp.int32)
    tokens, costs = (jnp.stack(three)[place] for three in zip(spread, unbound, early, strict=True))
    return tokens, costs


def early_exit(problem: Problem, num: int, share: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Random architectures int32 ``[num, T]`` within ``share`` of the range, and costs int32 ``[num, K]``."""
    draw_key, mask_key = jax.random.split(key)
    bound = jnp.broadcast_to(budget_at_share(problem, jnp.reshape(share, (1, 1))), (num, problem.spec.num_costs))
    drawn = vary.random_architectures(problem, open_budgets(problem, REDRAWN * num), draw_key)
    kept = vary.random_architectures(problem, bound, mask_key)
    tokens, costs = (
        jnp.concatenate([many.reshape(REDRAWN, num, -1), last[None]]) for many, last in zip(drawn, kept, strict=True)
    )
    row = jnp.argmax((costs <= bound[None]).all(-1).at[-1].set(True), 0)
    return tokens[row, jnp.arange(num)], costs[row, jnp.arange(num)]


def survive(tokens: jax.Array, costs: jax.Array, quality: jax.Array, num: int) -> Population:
    """The ``num`` best of the rows by front, then by crowding; repeats and rows without a quality come last."""
    real = jnp.isfinite(quality) & ~repeats(tokens)
    top = jnp.max(jnp.where(real[:, None], costs, 0), 0) + 1
    paid = jnp.where(real[:, None], costs, top[None]).astype(jnp.float32)
    least = jnp.min(jnp.where(real, quality, jnp.inf))
    least = jnp.where(jnp.isfinite(least), least, 0.0) - 1.0
    objectives = jnp.concatenate([paid, -jnp.where(real, quality, least)[:, None]], 1)
    rank = nondominated_ranks(objectives, num)
    distance = crowding(objectives, rank)
    best = jnp.lexsort((-distance, rank))[:num]
    return Population(tokens[best], costs[best], quality[best], rank[best], distance[best])


def breed(population: Population, problem: Problem, num: int, params: Params, key: jax.Array) -> jax.Array:
    """``num`` children int32 ``[num, T]``, those first that are neither in the population nor bred twice."""
    select_key, cross_key, child_key = jax.random.split(key, 3)
    bred = SPARE * num
    parents = binary_tournaments(population, 2 * bred, select_key)
    one, other = population.tokens[parents[:bred]], population.tokens[parents[bred:]]
    crossed = jax.random.bernoulli(cross_key, params["crossover"], (bred, 1))
    rates = jnp.full(bred, params["mutations"] / problem.spec.num_layers)
    tokens, _ = vary.children(
        problem, one, jnp.where(crossed, other, one), open_budgets(problem, bred), rates, child_key
    )
    known = repeats(jnp.concatenate([population.tokens, tokens]))[len(population.tokens) :]
    return tokens[jnp.argsort(known, stable=True)[:num]]


def binary_tournaments(population: Population, num: int, key: jax.Array) -> jax.Array:
    """Winners int32 ``[num]`` of tournaments between two, by front, then by crowding."""
    rivals = jax.random.randint(key, (2, num), 0, len(population.quality))
    order = jnp.lexsort((-population.crowding, population.rank))
    place = jnp.argsort(order)
    return jnp.where(place[rivals[0]] <= place[rivals[1]], rivals[0], rivals[1])


def repeats(tokens: jax.Array) -> jax.Array:
    """Which rows of tokens int32 ``[N, T]`` an earlier row equals, bool ``[N]``.

    Rows are compared by two 32-bit hashes: two that differ are taken for equal about once in 10^19 pairs.
    """
    weights = jax.random.bits(jax.random.key(0), (2, tokens.shape[1]), jnp.uint32) | 1
    hashes = [((tokens.astype(jnp.uint32) + 1) * row[None]).sum(-1, dtype=jnp.uint32) for row in weights]
    hashes = [h ^ (h >> 15) for h in hashes]
    order = jnp.lexsort((hashes[1], hashes[0]))
    one, two = hashes[0][order], hashes[1][order]
    same = (one[1:] == one[:-1]) & (two[1:] == two[:-1])
    return jnp.zeros(len(tokens), bool).at[order].set(jnp.concatenate([jnp.zeros(1, bool), same]))
