"""Ways to better a front of architectures that is known: Pareto local search from it, and registered controllers anew.

Pareto local search (Paquete, Chiarandini and Stuetzle, 2004): every member of the front is replaced by what its
neighbours hold that nothing dominates, until none has such neighbours. Neighbours differ in one decision, all of them,
or in a few, those that promise most by what each change does alone. Then others are drawn, changed in up to three
decisions or crossed with a member near on the front, until the time is up.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import controllers, plugins
from nagjax.populations import vary
from nagjax.problems.problem import Problem, evaluate
from nagjax.spaces import trellis as tl

ROWS = 8192
"""Architectures that one call evaluates; one shape, so that an architecture has one quality to the last bit."""
MEMBERS = 32
"""Members whose neighbours are tried before what was found joins the front."""
CHANGES, PARENTS, KEPT = 4, 64, 128
"""Decisions that neighbours of a member differ in, at most; how many are changed once more, and how many evaluated."""
BAND = 0.003
"""Quality by which a member of the front of a choice may be below the front of all and have neighbours tried."""
NEAR = 8
"""Places on the front between two members that are crossed, at most."""
MANY_STEPS = 10_000_000
WINDOW, ROUNDING = 0.1, 1e-6
Points: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Costs int64 ``[N]``, ticks, and qualities float64 ``[N]``, fractions."""


@dataclasses.dataclass(frozen=True, eq=False)
class Front:
    """Architectures that none dominates, by rising cost.

    Attributes:
      tokens: int32 ``[N, T]``.
      costs: int64 ``[N]``, ticks.
      quality: float64 ``[N]``, fractions, rising.
      found_by: text ``[N]``.
    """

    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray
    found_by: np.ndarray

    def __len__(self) -> int:
        return len(self.costs)

    def best(self, budgets: np.ndarray) -> np.ndarray:
        """Quality ``[B]`` of the best member within budgets ``[B]``, ticks; -inf where none is."""
        row = np.searchsorted(self.costs, budgets, side="right")
        return np.append(-np.inf, self.quality)[row]

    def rows(self, which: np.ndarray) -> Front:
        """Some of it, by a mask bool ``[N]``."""
        return Front(self.tokens[which], self.costs[which], self.quality[which], self.found_by[which])

    def join(self, other: Front) -> Front:
        """The front of both; of equals the one that is here stays."""
        new = other.quality > self.best(other.costs)
        if not new.any():
            return self
        both = [
            np.concatenate([getattr(self, name), getattr(other, name)[new]])
            for name in ("tokens", "costs", "quality", "found_by")
        ]
        order = np.lexsort((-both[2], both[1]))
        ranked = both[2][order]
        kept = order[np.append(True, ranked[1:] > np.maximum.accumulate(ranked)[:-1])]
        return Front(*(column[kept] for column in both))


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The front after a search, and the architectures that were evaluated, repeats included."""

    front: Front
    evaluations: int


@jax.jit
def _evaluated(
    problem: Problem, tokens: jax.Array, change: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Tokens ``[B, T]`` made architectures as ``vary.reroll`` does, their costs ``[B]`` and quality ``[B]``."""
    whole = jnp.broadcast_to(problem.high, (len(tokens), problem.spec.num_costs))
    made, costs = vary.reroll(problem, tokens, change, whole, key)
    return made, costs[:, 0], evaluate(problem, made)[0]


@jax.jit
def _bred(
    problem: Problem, parents: jax.Array, partners: jax.Array, edits: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Children of parents ``[B, T]`` crossed with partners, with ``edits`` ``[B, 1]`` decisions drawn anew."""
    cross, which, draw = jax.random.split(key, 3)
    mixed = jnp.where(jax.random.bernoulli(cross, 0.5, parents.shape), partners, parents)
    return _evaluated(problem, mixed, vary.few_open(problem, parents, edits, which), draw)


def nothing(problem: Problem) -> Front:
    """A front without members."""
    none = np.zeros(0)
    return Front(np.zeros((0, problem.spec.num_layers), np.int32), none.astype(np.int64), none, none.astype(object))


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Architectures int32 ``[N, T]``, costs int64 ``[N]`` (ticks) and quality float64 ``[N]``, -inf for none."""

    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray

    def front(self, who: str) -> Front:
        """In the form that joins a front; those without quality are left out."""
        real = np.isfinite(self.quality)
        found_by = np.full(int(real.sum()), who, object)
        return Front(self.tokens[real], self.costs[real], self.quality[real], found_by)


def judged(problem: Problem, tokens: np.ndarray) -> Judged:
    """Architectures int32 ``[N, T]`` with costs and quality; what fits nowhere is drawn."""
    parts = []
    for begin in range(0, max(len(tokens), 1), ROWS):
        some = tokens[begin : begin + ROWS]
        padded = jnp.asarray(np.resize(some, (ROWS, tokens.shape[1])))
        whole = _on_host(_evaluated(problem, padded, jnp.zeros(padded.shape, bool), jax.random.key(begin)))
        parts.append(Judged(whole.tokens[: len(some)], whole.costs[: len(some)], whole.quality[: len(some)]))
    return _together(parts)


def _together(parts: Sequence[Judged]) -> Judged:
    columns = [(part.tokens, part.costs, part.quality) for part in parts]
    return Judged(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _on_host(made: tuple[jax.Array, jax.Array, jax.Array]) -> Judged:
    tokens, costs, quality = (np.asarray(array) for array in made)
    return Judged(tokens, costs.astype(np.int64), quality.astype(np.float64))


def neighbours(problem: Problem, tokens: np.ndarray) -> np.ndarray:
    """Every change of one open decision of an architecture ``[T]``, int32 ``[M, T]``.

    Decisions that are closed hold -1, so that one that opens is drawn.
    """
    target, allowed = np.asarray(problem.target), np.asarray(problem.allowed)
    layers = np.arange(len(tokens))
    nodes = tl.walk(target, allowed, tokens[None])[0][0]
    options = allowed[layers, nodes]
    options[layers, tokens] = False
    layer, choice = np.nonzero(options)
    changed = np.repeat(np.where(np.asarray(problem.open)[layers, nodes], tokens, -1)[None], len(layer), 0)
    changed[np.arange(len(layer)), layer] = choice
    return changed.astype(np.int32)


def promising(front: Front, member: Judged, children: Judged, changes: Judged) -> np.ndarray:
    """Children of an architecture with one change more, int32 ``[M, T]``: those that promise most, at most ``KEPT``.

    A change promises to do to cost and quality what it does to the one architecture of ``member``; what counts is how
    far above the front that is. Changes of a decision that the child has changed already are left out.
    """
    parents = _highest(children.quality - front.best(children.costs), PARENTS)
    differs, changed = children.tokens[parents] != member.tokens, changes.tokens != member.tokens
    clash = differs.astype(np.float32) @ changed.T.astype(np.float32) > 0
    quality = children.quality[parents, None] + (changes.quality - member.quality)[None]
    costs = children.costs[parents, None] + (changes.costs - member.costs)[None]
    gain = np.where(clash, -np.inf, quality - front.best(costs))
    best = _highest(gain.ravel(), 2 * KEPT)
    child, change = np.unravel_index(best[gain.ravel()[best] > -np.inf], gain.shape)
    both = np.where(changed[change], changes.tokens[change], children.tokens[parents[child]])
    # The same two changes are met in either order.
    first = {tokens.tobytes(): row for row, tokens in reversed(list(enumerate(both)))}
    return both[sorted(first.values())][:KEPT]


def _highest(values: np.ndarray, most: int) -> np.ndarray:
    """Places of the highest of values ``[N]``, in their order."""
    some = np.argpartition(-values, most)[:most] if most < len(values) else np.arange(len(values))
    return some[np.argsort(-values[some], kind="stable")]


class LocalSearch:
    """Pareto local search; it remembers whose neighbours were tried, and a front for each choice of each decision.

    A choice may be better only with others beside it: those of a front that has it come nearer to them.
    """

    name = "local search"

    def __init__(self, problem: Problem, clock: Callable[[], float] = time.perf_counter) -> None:
        self._problem, self._clock = problem, clock
        self._fronts: dict[tuple[int, int], Front] = {}
        self._tried: set[bytes] = set()

    def __call__(self, front: Front, seed: int, seconds: float) -> Found:
        """Search from a front for so long, by the clock."""
        rng, evaluations = np.random.default_rng(seed), 0
        end = self._clock() + seconds
        self._learn(front, front)
        while self._clock() < end:
            members = self._untried(front)
            if len(members):
                found = self._around(front, members)
            else:
                drawn = self._drawn(front, rng)
                self._learn(drawn, front)
                found = Found(front.join(drawn), ROWS)
            front, evaluations = found.front, evaluations + found.evaluations
        return Found(front, evaluations)

    def _learn(self, found: Front, front: Front) -> None:
        """Architectures within ``BAND`` of the front join the fronts of their choices."""
        near = found.rows(found.quality >= front.best(found.costs) - BAND)
        for layer, chosen in enumerate(near.tokens.T):
            for choice in np.unique(chosen).tolist():
                mine = self._fronts.get((layer, choice), nothing(self._problem))
                self._fronts[layer, choice] = mine.join(near.rows(chosen == choice))

    def _untried(self, front: Front) -> np.ndarray:
        """Members of all fronts whose neighbours were not tried, int32 ``[N, T]``, nearest to the whole front first."""
        tokens = np.concatenate([one.tokens for one in self._fronts.values()])
        short = np.concatenate([front.best(one.costs) - one.quality for one in self._fronts.values()])
        order = np.argsort(short, kind="stable")
        fresh: dict[bytes, int] = {}
        for row in order[short[order] <= BAND].tolist():
            key = tokens[row].tobytes()
            if key not in self._tried and len(fresh) < MEMBERS:
                fresh.setdefault(key, row)
        self._tried.update(fresh)
        return tokens[list(fresh.values())]

    def _around(self, front: Front, tokens: np.ndarray) -> Found:
        """The front with the best of what differs from architectures ``[N, T]`` in up to ``CHANGES`` decisions."""
        members = self._judged([row[None] for row in tokens])
        changes = self._judged([neighbours(self._problem, row) for row in tokens])
        children, out = changes, front
        evaluations = len(tokens)
        for more in range(CHANGES):
            found = _together(children).front(f"local search, {more + 1} changed")
            self._learn(found, front)
            out = out.join(found)
            evaluations += len(found)
            if more + 1 < CHANGES:
                rows = zip(members, children, changes, strict=True)
                children = self._judged([promising(front, *row) for row in rows])
        return Found(out, evaluations)

    def _judged(self, parts: Sequence[np.ndarray]) -> list[Judged]:
        """Architectures ``[N, T]`` part by part, evaluated together."""
        whole = judged(self._problem, np.concatenate(parts))
        ends = np.cumsum([len(part) for part in parts])[:-1]
        columns = [np.split(column, ends) for column in (whole.tokens, whole.costs, whole.quality)]
        return [Judged(*part) for part in zip(*columns, strict=True)]

    def _drawn(self, front: Front, rng: np.random.Generator) -> Front:
        """Half are changed in one to three decisions, half crossed with a member near, and perhaps changed in one."""
        half = ROWS // 2
        row = rng.integers(len(front), size=ROWS)
        near = np.clip(row + rng.integers(-NEAR, NEAR + 1, ROWS), 0, len(front) - 1)
        near[:half] = row[:half]
        edits = np.append(rng.integers(1, 4, half), rng.integers(0, 2, half)).astype(np.float32)[:, None]
        key = jax.random.key(int(rng.integers(2**32)))
        given = (front.tokens[row], front.tokens[near], edits)
        return _on_host(_bred(self._problem, *map(jnp.asarray, given), key)).front("local search, drawn")


class ControllerSearch:
    """A registered controller, begun anew in every call in a window of budgets; what it keeps joins the front."""

    def __init__(self, problem: Problem, name: str, sizes: Mapping[str, Any], answers: Points) -> None:
        """Args: the problem, the controller and its sizes, and answers that are known without their architectures."""
        self.name, self._problem, self._answers = name, problem, answers
        self._controller = plugins.load("controllers", name)(problem.spec, **sizes)

    def __call__(self, front: Front, seed: int, seconds: float) -> Found:
        """Train for so long, after compilation, around a cost at which an answer is ahead, else one of the front."""
        lacking = ahead(front, self._answers) > 0
        costs = self._answers[0][lacking] if lacking.any() else front.costs
        problem = _window(self._problem, int(np.random.default_rng(seed).choice(costs)))
        limits = controllers.Limits(MANY_STEPS, seconds)
        state = controllers.init(self._controller, problem, seed)
        moment = controllers.train(self._controller, problem, state, seed, limits)
        archive = controllers.artefact(self._controller, moment.state, problem).archive
        if archive is None:
            raise ValueError(f"controller {self.name!r} keeps no archive; take another one")
        tokens = np.asarray(archive.tokens)[np.asarray(archive.occupied)]
        found = judged(self._problem, tokens).front(f"{self.name}, seed {seed}")
        return Found(front.join(found), int(moment.metrics["evaluations"][-1]))


def ahead(front: Front, answers: Points) -> np.ndarray:
    """How much better than the front each answer is, fractions ``[N]``; 0 where it is not, beyond rounding."""
    above = answers[1] - front.best(answers[0])
    return np.where(above > ROUNDING, above, 0.0)


def _window(problem: Problem, cost: int) -> Problem:
    """The problem with budgets within ``WINDOW`` of a cost in ticks, as a share of it."""
    low = jnp.maximum(problem.low, int(cost * (1 - WINDOW)))
    high = jnp.minimum(problem.high, jnp.maximum(int(cost * (1 + WINDOW)), low + 1))
    return dataclasses.replace(problem, low=low, high=high)
