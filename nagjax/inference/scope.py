"""What a generator answers under conditions, on the host: tokens for budgets in units, checked by exact costs.

Three ways lead to an answer. ``best`` looks it up in a nondominated set. The others ask the policy within ticks
that leave open whatever is within the budget, check the exact cost, and ask again within strict ticks where that is
over. Several samples for a budget are found by ``nagjax.inference.distinct``.

Where a cost has a residual above the sum that ticks are of, answers may be over by more than rounding. The policy is
then asked again for what is within the budget if it lies as far above its sum, a few times at most; what is over still
gives way to what ``best`` answers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from nagjax import mesh
from nagjax.controllers import Artefact
from nagjax.inference.answering import SOURCES, Candidates, jit_candidates, jit_quality, spread_candidates
from nagjax.inference.distinct import Row, distinct_architectures, enumerate_within, too_few
from nagjax.inference.nondominated import NondominatedSet, can_be_listed, evaluate_all, list_all, make_nondominated
from nagjax.inference.shelf import Shelf
from nagjax.mesh import Placement
from nagjax.problems.problem import Description, Problem, cheapest

CHUNK = 256
"""Budgets are answered in chunks padded to this size: memory stays flat, one shape compiles, and an answer does not
depend on how many others are asked. Of more, each device of several answers a chunk at a time."""

BOTTOM = 4096
"""Architectures within a few ticks of the cheapest that are looked at one by one."""

RETRIES = 6
"""How often a budget is asked again for less where a residual made the answer cost too much."""

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Scope:
    """A generator under conditions, and the fronts that were made of it, by seed; ``shelf`` keeps them on the disk."""

    artefact: Artefact
    problem: Problem
    description: Description
    shelf: Shelf | None = None
    fronts: dict[int, NondominatedSet] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def place(self) -> Placement:
        """Where many budgets are answered; without a policy, what is drawn for one depends on its chunk."""
        return mesh.own_devices() if self.artefact.policy is not None else mesh.ONE

    @functools.cached_property
    def held(self) -> tuple[Artefact, Problem]:
        """Artefact and problem on all devices of ``place``."""
        there: tuple[Artefact, Problem] = self.place.everywhere((self.artefact, self.problem))
        return there

    @property
    def columns(self) -> int:
        """K, the number of cost columns."""
        return len(self.description.costs)

    def front(self, seed: int) -> NondominatedSet:
        """What ``best`` answers from, made when it is first asked for."""
        if seed not in self.fronts:
            self.fronts[seed] = self._kept(seed) or self._made(seed)
        return self.fronts[seed]

    def _kept(self, seed: int) -> NondominatedSet | None:
        return self.shelf.read(self.description, np.asarray(self.problem.allowed), seed) if self.shelf else None

    def _made(self, seed: int) -> NondominatedSet:
        front = make_nondominated(self.artefact, self.problem, self.description, seed)
        if self.shelf:
            self.shelf.write(front, self.description, seed)
        return front

    @property
    def has_residual(self) -> bool:
        """Whether a cost has a residual above the sum that the mask keeps."""
        return any(column.residual is not None for column in self.description.exact)

    @property
    def has_front(self) -> bool:
        """Whether ``best`` answers every budget from a front."""
        return self.columns == 1 or self.listable

    @functools.cached_property
    def listable(self) -> bool:
        """Whether every architecture can be looked at."""
        return can_be_listed(self.problem, self.description)

    @functools.cached_property
    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every architecture can be looked at, tokens ``[N, T]`` and costs ``[N, K]``, the best first."""
        tokens = list_all(self.problem, self.description)
        costs = self.description.costs_of(tokens)
        order = np.lexsort((*costs.T[::-1], -evaluate_all(self.problem, tokens)))
        return tokens[order], costs[order]

    def ticks(self, budgets: np.ndarray, strict: bool = False) -> np.ndarray:
        """Budgets float64 ``[B, K]`` in ticks int32 ``[B, K]``, see ``nagjax.problems.costs``."""
        columns = [
            (column.strict if strict else column.offers)(budgets[:, k])
            for k, column in enumerate(self.description.exact)
        ]
        return np.stack(columns, -1).astype(np.int32)

    def lowered(self, budgets: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Ticks int32 ``[B, K]`` to ask for next, where tokens int32 ``[B, T]`` were answered and one cost is over."""
        columns = [column.lowered(budgets[:, k], tokens) for k, column in enumerate(self.description.exact)]
        return np.stack(columns, -1).astype(np.int32)

    def within(self, costs: np.ndarray, budgets: np.ndarray) -> np.ndarray:
        """Whether costs float64 ``[..., K]`` are all within budgets float64 ``[..., K]``."""
        columns = [c.within(costs[..., k], budgets[..., k]) for k, c in enumerate(self.description.exact)]
        return np.logical_and.reduce(columns)


def find(
    scope: Scope, budgets: np.ndarray, decode: str, seed: int, on_progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 ``[B, T]`` and source int32 ``[B]`` for budgets float64 ``[B, K]``."""
    if decode == "best" and scope.has_front:
        return _looked_up(scope, budgets, seed)
    turn = _turns(budgets) if decode != "greedy" else np.zeros(len(budgets), np.int32)
    tokens = np.zeros((len(budgets), scope.problem.spec.num_layers), np.int32)
    source = np.zeros(len(budgets), np.int32)
    size = CHUNK * scope.place.size if len(budgets) > CHUNK else CHUNK
    for first in range(0, len(budgets), size):
        rows = slice(first, first + size)
        tokens[rows], source[rows] = _decode(scope, budgets[rows], turn[rows], decode, seed)
        if on_progress is not None:
            on_progress(min(first + size, len(budgets)), len(budgets))
    return tokens, source


def _looked_up(scope: Scope, budgets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 ``[B, T]`` and source int32 ``[B]`` of the front for budgets float64 ``[B, K]``."""
    front = scope.front(seed)
    row = np.maximum(front.best(budgets), 0)
    return front.tokens[row], front.source[row]


def _turns(budgets: np.ndarray) -> np.ndarray:
    """How often each budget float64 ``[B, K]`` stood before in the list, int32 ``[B]``."""
    _, same = np.unique(budgets, axis=0, return_inverse=True)
    same = same.ravel()
    order = np.argsort(same, kind="stable")
    first = np.searchsorted(same[order], same[order])
    out = np.zeros(len(budgets), np.int32)
    out[order] = np.arange(len(budgets)) - first
    return out


def _decode(
    scope: Scope, budgets: np.ndarray, turn: np.ndarray, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A chunk by the policy: within what is offered, then for less where that cost too much."""
    tokens, source, costs = _picked(scope, budgets, scope.ticks(budgets), turn, decode, seed)
    for _ in range(RETRIES if scope.has_residual else 1):
        over = np.flatnonzero(~scope.within(costs, budgets))
        ticks = scope.lowered(budgets[over], tokens[over])
        possible = (ticks >= np.asarray(cheapest(scope.problem))).all(1)
        again = over[possible]
        if not len(again):
            break
        tokens[again], source[again], costs[again] = _picked(
            scope, budgets[again], ticks[possible], turn[again], decode, seed
        )
    over = np.flatnonzero(~scope.within(costs, budgets))
    if scope.has_residual:
        if len(over) and scope.has_front:
            tokens[over], source[over] = _looked_up(scope, budgets[over], seed)
        return tokens, source
    for row in over if scope.columns == 1 else ():
        tokens[row], source[row] = _lowest(scope, budgets[row])
    return tokens, source


def _picked(
    scope: Scope, budgets: np.ndarray, ticks: np.ndarray, turn: np.ndarray, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The candidate of each budget that counts, where it is from, and its costs float64 ``[B, K]``."""
    num = len(ticks)
    one = _candidates(scope, ticks, turn, decode, seed)
    tokens, objective = np.asarray(one.tokens)[:num], np.asarray(one.objective)[:num]
    costs = scope.description.costs_of(tokens.reshape(-1, tokens.shape[-1])).reshape(*tokens.shape[:2], -1)
    fits = scope.within(costs, budgets[:, None])
    # A beam's first is its most likely; everywhere else the best predicted counts.
    likely = -np.arange(tokens.shape[1]) if decode == "beam" else objective
    score = np.where(objective > -np.inf, np.nan_to_num(likely, neginf=-1e30), -1e30)
    pick = np.argmax(np.where(fits, score, -np.inf), 1)
    pick = np.where(fits.any(1), pick, 0)
    rows = np.arange(num)
    return tokens[rows, pick].copy(), np.asarray(one.source)[pick].copy(), costs[rows, pick].copy()


def _candidates(scope: Scope, ticks: np.ndarray, turn: np.ndarray, decode: str, seed: int) -> Candidates:
    """Candidates of at least as many rows as ``ticks`` int32 ``[B, K]`` has: of one chunk here, of more everywhere."""
    size = CHUNK if len(ticks) <= CHUNK else CHUNK * scope.place.size
    padding = np.zeros(size - len(ticks), int)
    ticks, turn = np.concatenate([ticks, ticks[padding]]), np.concatenate([turn, turn[padding]])
    draws, key = {"best": 16, "beam": 4}.get(decode, 1), jax.random.key(seed)
    if size == CHUNK:
        return jit_candidates(scope.artefact, scope.problem, ticks, key, decode, draws, turn)
    ticks, turn = scope.place.examples((ticks, turn))
    return spread_candidates(scope.place, *scope.held, ticks, key, decode, draws, turn)


def _lowest(scope: Scope, budget: np.ndarray) -> tuple[np.ndarray, int]:
    """The best of what fits a budget float64 ``[1]`` that lies within a few ticks of the cheapest architecture."""
    tokens, _ = enumerate_within(scope.problem, scope.ticks(budget[None])[0].astype(np.int64), BOTTOM)
    fits = scope.within(scope.description.costs_of(tokens), budget[None])
    tokens = tokens[fits]
    return tokens[int(np.argmax(evaluate_all(scope.problem, tokens)))], SOURCES.index("listed")


def find_distinct(
    scope: Scope, budgets: np.ndarray, num_samples: int, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 ``[B * num_samples, T]`` and their source: distinct architectures for each budget ``[B, K]``."""
    if decode == "best" and scope.listable:
        return _best_of_all(scope, budgets, num_samples)
    tokens = np.zeros((len(budgets) * num_samples, scope.problem.spec.num_layers), np.int32)
    source = np.zeros(len(tokens), np.int32)
    ticks, turn = scope.ticks(budgets), _turns(budgets)
    for index, budget in enumerate(budgets):

        def fits(some: np.ndarray, budget: np.ndarray = budget) -> np.ndarray:
            return scope.within(scope.description.costs_of(some), budget[None])

        key = jax.random.fold_in(jax.random.key(seed), int(turn[index]))
        known = _front_within(scope, budget, seed) if decode == "best" and scope.has_front else []
        found = distinct_architectures(
            scope.artefact, scope.problem, ticks[index], num_samples, decode, key, fits, known
        )
        rows = slice(index * num_samples, (index + 1) * num_samples)
        tokens[rows] = np.stack([one for one, _, _ in found])
        source[rows] = [SOURCES.index(name) for _, _, name in found]
    return tokens, source


def _best_of_all(scope: Scope, budgets: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """``find_distinct`` where every architecture can be looked at: the ``num`` best within each budget."""
    tokens, costs = scope.ranked
    out = [np.zeros(0, np.int64)]
    for budget in budgets:
        rows = np.flatnonzero(scope.within(costs, budget[None]))
        if len(rows) < num:
            raise too_few(num, f"the architectures that fit the budget are {len(rows)}")
        out.append(rows[:num])
    rows = np.concatenate(out)
    return tokens[rows], np.full(len(rows), SOURCES.index("listed"), np.int32)


def _front_within(scope: Scope, budget: np.ndarray, seed: int) -> list[Row]:
    """What ``best`` answers budgets up to this one, float64 ``[K]``, so that of several none is passed over."""
    front = scope.front(seed)
    rows = np.flatnonzero(scope.within(front.costs, budget[None]) & (front.objective > -np.inf))
    return [(front.tokens[row], float(front.objective[row]), SOURCES[front.source[row]]) for row in rows]


def predict_all(problem: Problem, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation float32 ``[N]`` of the quality of tokens ``[N, T]``, in chunks of one shape."""
    means, stds = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for first in range(0, len(tokens), CHUNK):
        chunk = tokens[first : first + CHUNK]
        padded = np.concatenate([chunk, np.repeat(chunk[-1:], CHUNK - len(chunk), 0)])
        mean, std = jit_quality(problem, padded)
        means.append(np.asarray(mean)[: len(chunk)])
        stds.append(np.asarray(std)[: len(chunk)])
    return np.concatenate(means), np.concatenate(stds)
