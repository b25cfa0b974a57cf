"""The proposer ``progressive``: architectures grow a decision at a time in a Pareto beam.

DPP-Net (Dong et al., arXiv 1806.08198): every prefix in the beam is extended by every choice, the predictor judges the
extensions, and those on the front of predicted quality and cost are kept. A prefix stands for the architecture that
finishes it in the cheapest way (by the first cost column), so everything that is judged is an architecture. What the
beam held on its way is proposed, the best for each budget.
"""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from nagjax import arguments
from nagjax.budgets import spread_budgets_in_unit
from nagjax.problems.problem import Problem
from nagjax.proposers.candidates import best_for_budgets, padded, scored
from nagjax.proposers.proposer import Proposer, Question
from nagjax.spaces.trellis import INFINITE

ASKED = 256
"""Architectures that the predictor is asked about in multiples of, so that few shapes are compiled."""


def make_progressive(beam: int = 32) -> Proposer:
    """The proposer ``progressive``.

    Args:
      beam: prefixes that are kept.

    Raises:
      ValueError: unless ``beam`` is at least 1.
    """
    beam = arguments.count(beam, "beam")
    return Proposer("progressive", {"beam": beam}, partial(_propose, beam))


def _propose(beam: int, question: Question) -> np.ndarray:
    problem = question.problem
    prefixes = np.zeros((1, 0), np.int32)
    pool = []
    for _ in range(problem.spec.num_layers):
        extended = extensions(problem, prefixes)
        whole = completed(problem, extended)
        quality, costs = (np.asarray(values)[: len(whole)] for values in scored(problem, padded(whole, ASKED)))
        kept = front_first(quality, costs[:, 0], beam)
        prefixes = extended[kept]
        pool.append(whole[kept])
    budgets = spread_budgets_in_unit(jax.random.key(question.seed + question.number), problem, question.num)
    return best_for_budgets(question, np.unique(np.concatenate(pool), axis=0), budgets, problem)


def extensions(problem: Problem, prefixes: np.ndarray) -> np.ndarray:
    """All prefixes int32 ``[M, t + 1]`` that are longer by a choice than prefixes ``[N, t]`` and can be finished."""
    target, need = np.asarray(problem.target), np.asarray(problem.need)
    layer = prefixes.shape[1]
    row, choice = np.nonzero((need[:, layer, _ends(target, prefixes)] < INFINITE).all(0))
    return np.concatenate([prefixes[row], choice[:, None]], 1).astype(np.int32)


def completed(problem: Problem, prefixes: np.ndarray) -> np.ndarray:
    """The cheapest architectures int32 ``[N, T]``, by the first cost column, that begin with prefixes ``[N, t]``."""
    target, need = np.asarray(problem.target), np.asarray(problem.need[0])
    node, tokens = _ends(target, prefixes), [prefixes]
    for layer in range(prefixes.shape[1], len(target)):
        choice = need[layer, node].argmin(1)
        tokens.append(choice[:, None])
        node = target[layer, node, choice]
    return np.concatenate(tokens, 1).astype(np.int32)


def front_first(quality: np.ndarray, cost: np.ndarray, num: int) -> np.ndarray:
    """Rows of the front of quality and cost ``[N]``, then of the front of the others, and so on: ``num`` at most.

    Of a front with too many the rows are taken evenly along it.

    >>> front_first(np.array([0.1, 0.2, 0.3, 0.25, 0.1]), np.array([1, 2, 3, 4, 5]), 2).tolist()
    [0, 2]
    """
    left, chosen = np.lexsort((-quality, cost)), np.zeros(0, int)
    while len(chosen) < num and len(left):
        before = np.maximum.accumulate(np.concatenate([[-np.inf], quality[left][:-1]]))
        on_front = quality[left] > before
        on_front[0] = True
        front = left[on_front]
        wanted = min(num - len(chosen), len(front))
        chosen = np.concatenate([chosen, front[np.linspace(0, len(front) - 1, wanted).round().astype(int)]])
        left = left[~on_front]
    return chosen


def _ends(target: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
    """Nodes int ``[N]`` that prefixes ``[N, t]`` lead to."""
    node = np.zeros(len(prefixes), int)
    for layer, choice in enumerate(prefixes.T):
        node = target[layer, node, choice]
    return node
