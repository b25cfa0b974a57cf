"""The nondominated set that ``best`` answers from: for every budget the best within it of a fixed set.

A fixed set is why such answers do not depend on what else is asked, never fall as the budget grows, and why the cost of
an answer, asked again, is answered as well. The set is every architecture of the problem where those can be listed;
elsewhere it is the archive, what the policy answers to a ladder of budgets over the range, and what was evaluated in
truth where the predictor was told so. Costs are those of ``Description.exact``, never those that an archive claims.
"""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

import jax
import numpy as np

from nagjax.controllers import Artefact
from nagjax.inference.answering import DRAWS, SOURCES, jit_candidates, jit_evaluate
from nagjax.inference.distinct import enumerate_within
from nagjax.problems.costs import ExactCosts
from nagjax.problems.problem import Description, Problem, cheapest
from nagjax.spaces import trellis as tl

LISTED = 2**17
"""Architectures of a problem that are all looked at where their quality has to be computed."""

LOOKED_UP = 2**22
"""The same where their quality is looked up."""

LADDER = 1024
"""Budgets, even on a logarithmic scale, that the policy is asked where a problem has more."""

CHUNK = 512


@dataclasses.dataclass(frozen=True, eq=False)
class NondominatedSet:
    """Architectures of which none is both cheaper and better than another, by exact costs.

    Attributes:
      columns: the cost columns.
      tokens: int32 ``[N, T]``.
      costs: float64 ``[N, K]``, in units; increasing where K is 1.
      objective: float32 ``[N]``.
      source: int32 ``[N]``, index into ``SOURCES``.
      looks: how many architectures were evaluated for it.
    """

    columns: tuple[ExactCosts, ...]
    tokens: np.ndarray
    costs: np.ndarray
    objective: np.ndarray
    source: np.ndarray
    looks: int

    def best(self, budgets: np.ndarray) -> np.ndarray:
        """Row int ``[B]`` of the best architecture within budgets float64 ``[B, K]``; -1 where none is."""
        if len(self.columns) == 1:
            allowed = budgets[:, 0] * (1 + self.columns[0].tolerance)
            return np.searchsorted(self.costs[:, 0], allowed, side="right") - 1
        out = np.full(len(budgets), -1)
        for first in range(0, len(budgets), CHUNK):
            fits = self._fits(budgets[first : first + CHUNK])
            score = np.where(fits, np.nan_to_num(self.objective, neginf=-1e30), -np.inf)
            row = np.argmax(score, 1)
            out[first : first + CHUNK] = np.where(fits.any(1), row, -1)
        return out

    def _fits(self, budgets: np.ndarray) -> np.ndarray:
        fits = np.ones((len(budgets), len(self.costs)), bool)
        for k, column in enumerate(self.columns):
            fits &= column.within(self.costs[None, :, k], budgets[:, k, None])
        return fits

    def nearest(self, budget: np.ndarray) -> list[np.ndarray]:
        """What could be asked instead of a budget float64 ``[K]`` that nothing meets, each float64 ``[K]``.

        For each column the least it can be with the others as they are; where none is possible so, the costs of the
        architecture that overruns least.
        """
        fits = np.stack([c.within(self.costs[:, k], budget[k]) for k, c in enumerate(self.columns)], 1)
        out = []
        for k in range(len(self.columns)):
            others = np.delete(fits, k, 1).all(1)
            if others.any():
                out.append(np.where(np.arange(len(budget)) == k, self.costs[others, k].min(), budget))
        if out:
            return out
        finite = np.where(np.isfinite(budget) & (budget > 0), budget, np.inf)
        return [self.costs[np.argmin((self.costs / finite).max(1))]]


def can_be_listed(problem: Problem, description: Description) -> bool:
    """Whether a problem has so few architectures that every one is looked at."""
    limit = LOOKED_UP if problem.quality.looked_up else LISTED
    return tl.count(description.space.trellis.target, np.asarray(problem.allowed))[0][0] <= limit


def list_all(problem: Problem, description: Description) -> np.ndarray:
    """Every architecture of a problem that ``can_be_listed``, tokens int32 ``[N, T]``."""
    return tl.enumerate_paths(description.space.trellis.target, np.asarray(problem.allowed), LOOKED_UP)


def make_nondominated(artefact: Artefact, problem: Problem, description: Description, seed: int) -> NondominatedSet:
    """The front of a problem: of all its architectures, or of what the artefact holds and answers."""
    allowed = np.asarray(problem.allowed)
    if can_be_listed(problem, description):
        tokens = list_all(problem, description)
        return _reduced(problem, description, tokens, np.full(len(tokens), SOURCES.index("listed")))
    known = [*_held(artefact, description, allowed), *_asked(artefact, problem, description, seed)]
    known += _evaluated(problem, description, allowed)
    tokens = np.concatenate([rows for _, rows in known])
    source = np.concatenate([np.full(len(rows), number) for number, rows in known])
    return _reduced(problem, description, tokens, source)


Found: TypeAlias = list[tuple[int, np.ndarray]]


def _held(artefact: Artefact, description: Description, allowed: np.ndarray) -> Found:
    if artefact.archive is None:
        return []
    tokens = np.asarray(artefact.archive.tokens)[np.isfinite(np.asarray(artefact.archive.quality))]
    _, fine = tl.walk(description.space.trellis.target, allowed, tokens)
    return [(SOURCES.index("archive"), tokens[fine])]


def _evaluated(problem: Problem, description: Description, allowed: np.ndarray) -> Found:
    if problem.quality.evaluated is None:
        return []
    tokens = np.asarray(problem.quality.evaluated)
    _, fine = tl.walk(description.space.trellis.target, allowed, tokens)
    return [(SOURCES.index("evaluated"), tokens[fine])]


def _asked(artefact: Artefact, problem: Problem, description: Description, seed: int) -> Found:
    """What is found on a ladder of budgets of the first column, by source; the cheapest architectures besides."""
    column, (low, high) = description.exact[0], description.ranges[0]
    least = max(int(cheapest(problem)[0]), 1)
    steps = np.geomspace(least, max(int(column.offers(np.array([high]))[0]), least), LADDER)
    ladder = np.full((LADDER, len(description.costs)), tl.INFINITE - 1, np.int32)
    ladder[:, 0] = np.clip(np.rint(steps), int(cheapest(problem)[0]), int(problem.high[0]))
    free = Artefact(artefact.policy, artefact.archive if artefact.policy is None else None)
    out: Found = []
    for first in range(0, LADDER, CHUNK):
        chunk = ladder[first : first + CHUNK]
        found = jit_candidates(free, problem, chunk, jax.random.key(seed), "best", DRAWS)
        out += zip(np.asarray(found.source).tolist(), np.asarray(found.tokens).swapaxes(0, 1), strict=True)
    bottom = np.full(len(description.costs), tl.INFINITE - 1, np.int64)
    bottom[0] = column.offers(np.array([low]))[0]
    listed = [enumerate_within(problem, bottom, CHUNK)[0]]
    # A budget begins at the cost of the least sum, which a residual may leave out of those that are listed.
    ends = column.ends(description.space.trellis.target, np.asarray(problem.allowed)) if column.residual else None
    return [*out, (SOURCES.index("listed"), np.concatenate([*listed, *([] if ends is None else [ends])]))]


def _reduced(problem: Problem, description: Description, tokens: np.ndarray, source: np.ndarray) -> NondominatedSet:
    objective = evaluate_all(problem, tokens)
    costs = description.costs_of(tokens)
    kept = nondominated(costs, objective)
    return NondominatedSet(description.exact, tokens[kept], costs[kept], objective[kept], source[kept], len(tokens))


def nondominated(costs: np.ndarray, objective: np.ndarray) -> np.ndarray:
    """Rows that no other beats, in order of cost; the cheapest stays even where it has no quality."""
    order = np.lexsort((-objective, *costs.T[::-1]))
    if costs.shape[1] == 1:
        before = np.append(-np.inf, np.maximum.accumulate(objective[order])[:-1])
        new = objective[order] > before
        new[0] = True
        return order[new]
    import moocore

    points = np.column_stack([costs[order], -np.nan_to_num(objective[order], neginf=-1e30).astype(np.float64)])
    return order[np.asarray(moocore.is_nondominated(points))]


def evaluate_all(problem: Problem, tokens: np.ndarray) -> np.ndarray:
    """Objective float32 ``[N]`` of tokens ``[N, T]``, in chunks of one shape."""
    size = 8 * CHUNK if len(tokens) > CHUNK else CHUNK
    out = []
    for first in range(0, len(tokens), size):
        chunk = tokens[first : first + size]
        padded = np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), 0)])
        out.append(np.asarray(jit_evaluate(problem, padded))[: len(chunk)])
    return np.concatenate(out)
