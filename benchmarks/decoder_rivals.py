"""Two rivals on decoders: exact uniform draws within a budget, and additive scores, exact solver and local search.

The logarithm of a decoder's perplexity nearly adds up over its blocks once width, depth and bias are given. The second
rival fits a ridge regression for each width to random networks, solves it for every context of width, depth and bias
by a dynamic programme (``nagjax.populations.additive``), and climbs from what it finds: all changes of one decision and
random pairs of changes, again and again, until nothing is better; then from the next context, and from kicked optima.
"""

from __future__ import annotations

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np

from nagjax.inference.scope import predict_all
from nagjax.populations import additive
from nagjax.problems.problem import Description, Problem, cheapest, restrict
from nagjax.spaces import trellis as tl
from nagjax.spaces.hw_gpt import FIRST
from nagjax.spaces.space import Space

FITTED = 6000
"""Networks that the regressions are fitted to, a third of each width."""
PENALTY = 1e-3
PAIRS = 600
KICKS = 3
"""Decisions that a kick changes."""
BINS = 4000
"""Of the budget, in which networks are counted."""


@dataclasses.dataclass
class Judge:
    """The quality of networks, and how often it was asked."""

    problem: Problem
    asked: int = 0

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Quality float64 ``[N]`` of tokens int32 ``[N, T]``."""
        self.asked += len(tokens)
        return predict_all(self.problem, tokens)[0].astype(np.float64)


def uniform(
    problem: Problem, description: Description, budgets: np.ndarray, evaluations: int, seed: int
) -> tuple[np.ndarray, int]:
    """The best of equally many networks for each budget, drawn exactly uniformly of those within it.

    Returns:
      tokens int32 ``[B, T]``, and the number of evaluations.
    """
    judge, rng = Judge(problem), np.random.default_rng(seed)
    best = []
    for budget in budgets:
        drawn = uniform_within(
            description, np.asarray(problem.allowed), float(budget), evaluations // len(budgets), rng
        )
        best.append(drawn[judge(drawn).argmax()])
    return np.stack(best), judge.asked


def uniform_within(
    description: Description, allowed: np.ndarray, budget: float, num: int, rng: np.random.Generator
) -> np.ndarray:
    """Networks int32 ``[num, T]``, each of those within a budget equally likely.

    Edges of ``allowed`` bool ``[T, S, C]`` count with their cost rounded down to bins, and what is over is drawn again.
    """
    column, target = description.exact[0], description.space.trellis.target
    width = budget / BINS
    used = np.zeros(allowed.shape, np.int64)
    for t, edges in column.edges.items():
        used[t] = np.minimum(np.floor(edges / width), BINS + 1)
    ways = _ways(target, allowed, used)
    out = np.zeros((0, len(target)), np.int32)
    while len(out) < num:
        tokens = _drawn(target, allowed, used, ways, 2 * num, rng)
        out = np.concatenate([out, tokens[column.within(description.costs_of(tokens)[:, 0], budget)]])
    return out[:num]


def _ways(target: np.ndarray, allowed: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Number of ways to finish from each node with each number of bins left, float64 ``[T + 1, S, BINS + 1]``."""
    layers, nodes, choices = allowed.shape
    ways = np.zeros((layers + 1, nodes, BINS + 1))
    ways[-1] = 1.0
    for t, s, c in itertools.product(reversed(range(layers)), range(nodes), range(choices)):
        spent = used[t, s, c]
        if allowed[t, s, c] and spent <= BINS:
            ways[t, s, spent:] += ways[t + 1, target[t, s, c], : BINS + 1 - spent]
    return ways


def _drawn(
    target: np.ndarray, allowed: np.ndarray, used: np.ndarray, ways: np.ndarray, num: int, rng: np.random.Generator
) -> np.ndarray:
    tokens = np.zeros((num, len(target)), np.int32)
    node, left = np.zeros(num, np.int64), np.full(num, BINS)
    for t in range(len(target)):
        after = left[:, None] - used[t, node]
        open_ = allowed[t, node] & (after >= 0)
        weight = np.where(open_, ways[t + 1, target[t, node], np.maximum(after, 0)], 0.0)
        total = np.cumsum(weight, 1)
        tokens[:, t] = np.minimum((rng.random((num, 1)) * total[:, -1:] >= total).sum(1), weight.shape[1] - 1)
        rows = np.arange(num)
        node, left = target[t, node, tokens[:, t]], after[rows, tokens[:, t]]
    return tokens


def additive_search(
    problem: Problem, description: Description, budgets: np.ndarray, evaluations: int, seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The rival of additive scores, for decoders with one cost column and budgets float64 ``[B]`` in its unit.

    Regressions, solutions and steps of the search count as evaluations, of all budgets together.

    Returns:
      tokens int32 ``[B, T]`` of the search, those of the dynamic programme alone, and the number of evaluations.
    """
    judge, rng = Judge(problem), np.random.default_rng(seed)
    contexts = _Contexts(problem, description.space, judge, rng)
    share = (evaluations - judge.asked) // len(budgets)
    climbed, solved = [], []
    for budget in budgets:
        last = judge.asked + share
        starts = contexts.solutions(description, float(budget))
        quality = judge(starts)
        order = np.argsort(-quality)
        solved.append(starts[order[0]])
        climbed.append(_climb(judge, description, starts[order], quality[order], float(budget), last, rng))
    return np.stack(climbed), np.stack(solved), judge.asked


class _Contexts:
    """The regressions, and the problem under every context of width, depth and bias."""

    def __init__(self, problem: Problem, space: Space, judge: Judge, rng: np.random.Generator) -> None:
        self.problem, self.space = problem, space
        self.gains = []
        widths = len(space.decisions[0].choices)
        for width in range(widths):
            valid = space.trellis.valid.copy()
            valid[0, :, np.arange(valid.shape[2]) != width] = False
            tokens = tl.sample_uniform(space.trellis.target, valid, rng, FITTED // widths)
            weights = ridge(space.features(tokens), np.log(judge(tokens)))
            self.gains.append(additive.edge_gains(problem, jnp.asarray(weights, jnp.float32)))

    def solutions(self, description: Description, budget: float) -> np.ndarray:
        """The best network by the regression in every context that the budget allows, int32 ``[N, T]``."""
        ticks = jnp.asarray(description.exact[0].strict(np.array([budget])).astype(np.int32))[:, None]
        found = []
        for context in itertools.product(*(range(len(one.choices)) for one in self.space.decisions[:FIRST])):
            allowed = self.space.trellis.valid.copy()
            for t, choice in enumerate(context):
                allowed[t, :, np.arange(allowed.shape[2]) != choice] = False
            here = restrict(self.problem, jnp.asarray(allowed))
            if int(cheapest(here)[0]) <= int(ticks[0, 0]):
                found.append(np.asarray(additive.best_paths(here, self.gains[context[0]], ticks)[0])[0])
        return np.stack(found)


def ridge(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights float64 ``[F]`` of a ridge regression of values ``[N]`` on features ``[N, F]``."""
    centred = features.astype(np.float64) - features.mean(0)
    gram = centred.T @ centred
    penalty = PENALTY * np.trace(gram) / len(gram)
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), centred.T @ (values - values.mean()))


def _climb(
    judge: Judge, description: Description, starts: np.ndarray, quality: np.ndarray, budget: float, last: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """The best network int32 ``[T]`` that is met until ``last`` evaluations were made."""
    space, column = description.space, description.exact[0]
    best, best_quality, number = starts[0], quality[0], -1
    while judge.asked < last:
        number += 1
        if number < len(starts):
            here, value = starts[number], quality[number]
        else:  # Every context was climbed: from the best of all, kicked.
            kicked = changed(space, np.repeat(best[None], 64, 0), KICKS, rng)
            kicked = kicked[column.within(description.costs_of(kicked)[:, 0], budget)][:1]
            if not len(kicked):
                continue
            here, value = kicked[0], judge(kicked)[0]
        while judge.asked < last:
            near = np.concatenate([singles(space, here), changed(space, np.repeat(here[None], PAIRS, 0), 2, rng)])
            near = near[column.within(description.costs_of(near)[:, 0], budget)][: last - judge.asked]
            found = judge(near)
            if not len(near) or found.max() <= value:
                break
            here, value = near[found.argmax()], found.max()
        if value > best_quality:
            best, best_quality = here, value
    return best


def singles(space: Space, tokens: np.ndarray) -> np.ndarray:
    """All networks int32 ``[N, T]`` that differ from tokens int32 ``[T]`` in one decision."""
    rows = []
    for t, decision in enumerate(space.decisions):
        for choice in range(len(decision.choices)):
            if choice != tokens[t]:
                row = tokens.copy()
                row[t] = choice
                rows.append(row)
    found = space.canonical(np.stack(rows))
    return np.unique(found[np.any(found != tokens, 1)], axis=0)


def changed(space: Space, tokens: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens int32 ``[N, T]`` with so many decisions each drawn anew, canonical."""
    num = np.array([len(decision.choices) for decision in space.decisions])
    out, rows = tokens.copy(), np.arange(len(tokens))
    for _ in range(number):
        t = rng.integers(tokens.shape[1], size=len(tokens))
        out[rows, t] = (out[rows, t] + rng.integers(1, num[t])) % num[t]
    return space.canonical(out)
