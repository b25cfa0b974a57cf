"""NSGA-II of pymoo on a problem of ours, as a baseline at equal wall time.

Two objectives, the first cost and -quality; evaluation is batched through one compiled call. Everything that was ever
evaluated counts, not the last population alone. benchmarks/results/nsga2_settings.json has what was tried; ``BEST`` is
the best of it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling

from benchmarks.genome import genome_of
from nagjax.generator.walk import decode_scores
from nagjax.problems.problem import Description, Problem, evaluate


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of NSGA-II.

    Attributes:
      population: also the number of offspring a generation.
      crossover: ``"uniform"``, ``"two_point"`` or ``"sbx"`` (simulated binary, rounded).
      swap: probability that two parents are crossed at all.
      mutation: ``"reset"`` (a gene is drawn anew) or ``"polynomial"`` (rounded).
      genes: expected number of mutated genes of a child.
      unique: drop children that the population already holds.
      split: an attribute of a choice is a gene (kernel and ratio apart), or else a decision is.
    """

    population: int = 256
    crossover: str = "uniform"
    swap: float = 0.9
    mutation: str = "reset"
    genes: float = 1.0
    unique: bool = True
    split: bool = False


BEST = Settings()


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The non-dominated architectures among all that were evaluated, by increasing cost.

    Attributes:
      tokens: int32 ``[N, T]``.
      costs: int64 ``[N]`` ticks.
      quality: float64 ``[N]``, fraction.
      evaluations: number of evaluated architectures, repeats included.
      wall_s: seconds after compilation, by the clock that was given.
    """

    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray
    evaluations: int
    wall_s: float

    def best(self, budgets: np.ndarray) -> np.ndarray:
        """Quality ``[B]`` of the best architecture within budgets int ``[B]`` ticks; the cheapest one is among them."""
        return self.quality[np.searchsorted(self.costs, budgets, side="right") - 1]


class Reset(Mutation):  # type: ignore[misc]
    """Each gene is drawn anew with the mutation's variable probability."""

    def _do(self, problem: Any, X: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        del args, kwargs
        rng = random_state if random_state is not None else np.random
        chance = self.get_prob_var(problem, size=(len(X), 1))
        fresh = np.floor(rng.random(X.shape) * (problem.xu + 1)).astype(X.dtype)
        return np.where(rng.random(X.shape) < chance, fresh, X)


class UniqueRows(DuplicateElimination):  # type: ignore[misc]
    """Drops repeated rows by their bytes; pymoo's own compares all pairs, at half the speed of the whole."""

    def _do(self, pop: Any, other: Any, is_duplicate: np.ndarray) -> np.ndarray:
        seen = set() if other is None else {row.tobytes() for row in other.get("X")}
        for index, row in enumerate(pop.get("X")):
            is_duplicate[index] = row.tobytes() in seen
            if other is None:
                seen.add(row.tobytes())
        return is_duplicate


@jax.jit
def _evaluate(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Canonical tokens, quality and costs of tokens int32 ``[B, T]`` whose closed decisions hold anything."""

    def step(node: jax.Array, layer: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        is_open, target, token = layer
        token = jnp.where(is_open[node], token, 0)
        return target[node, token], token

    start = jnp.zeros(len(tokens), jnp.int32)
    _, canonical = jax.lax.scan(step, start, (problem.open, problem.target, tokens.T))
    return canonical.T, *evaluate(problem, canonical.T)


def _algorithm(settings: Settings, num_genes: int) -> Any:
    make, binary, polynomial = (cast("Any", untyped) for untyped in (NSGA2, SBX, PM))
    crossovers: dict[str, Callable[[], Any]] = {
        "uniform": lambda: UniformCrossover(prob=settings.swap),
        "two_point": lambda: TwoPointCrossover(prob=settings.swap),
        "sbx": lambda: binary(prob=settings.swap, eta=3.0, vtype=float, repair=RoundingRepair()),
    }
    chance = settings.genes / num_genes

    mutations: dict[str, Callable[[], Any]] = {
        "reset": lambda: Reset(prob=1.0, prob_var=chance),
        "polynomial": lambda: polynomial(prob=1.0, prob_var=chance, eta=3.0, vtype=float, repair=RoundingRepair()),
    }
    return make(
        pop_size=settings.population,
        sampling=IntegerRandomSampling(),
        crossover=crossovers[settings.crossover](),
        mutation=mutations[settings.mutation](),
        eliminate_duplicates=UniqueRows() if settings.unique else False,
    )


def run(
    problem: Problem,
    description: Description,
    seed: int,
    seconds: float,
    settings: Settings = BEST,
    clock: Callable[[], float] = time.perf_counter,
    evaluations: float = float("inf"),
) -> Found:
    """NSGA-II for ``seconds`` by a clock, which starts after compilation.

    The generation that reaches so many ``evaluations`` is the last one, if that is sooner.
    """
    genome = genome_of(description.space, problem, settings.split)
    bounds = PymooProblem(n_var=len(genome.high), n_obj=2, xl=0, xu=genome.high, vtype=int)
    algorithm = _algorithm(settings, len(genome.high))
    algorithm.setup(bounds, termination=NoTermination(), seed=seed, verbose=False)
    padded = np.zeros((settings.population, problem.spec.num_layers), np.int32)
    seen = [_cheapest(problem)]
    np.asarray(_evaluate(problem, padded)[0])
    counted = 1
    start = clock()
    while clock() - start < seconds and counted < evaluations:
        children = algorithm.ask()
        num = len(children)
        padded[:num] = genome.decode(children.get("X"))
        tokens, quality, costs = (np.asarray(array)[:num] for array in _evaluate(problem, padded.copy()))
        children.set("F", np.stack([costs[:, 0].astype(float), -quality.astype(float)], 1))
        algorithm.evaluator.n_eval += num
        algorithm.tell(infills=children)
        seen.append((tokens.astype(np.int8), costs[:, 0], quality))
        counted += num
    return _found(seen, clock() - start)


def _cheapest(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cheapest architecture, so that there is an answer for every budget; tokens, costs and quality of it."""
    scores = jnp.zeros((1, problem.spec.num_layers, problem.spec.num_choices))
    tokens, costs = decode_scores(problem, scores, problem.low[None])
    return np.asarray(tokens), np.asarray(costs)[:, 0], np.asarray(evaluate(problem, tokens)[0])


def _found(seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]], wall_s: float) -> Found:
    tokens, costs, quality = (np.concatenate(column) for column in zip(*seen, strict=True))
    order = np.lexsort((-quality, costs))
    ranked = quality[order]
    record = np.maximum.accumulate(ranked)
    front = order[np.append(True, ranked[1:] > record[:-1])]
    return Found(
        tokens[front].astype(np.int32), costs[front].astype(np.int64), quality[front].astype(float), len(costs), wall_s
    )
