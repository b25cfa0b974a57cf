"""The proposer ``pruned``: another proposer in what is left when harmful choices and pairs are closed (GBDT-NAS-3S).

In every round the trees of ``nagjax.predictors.shap`` say anew which choices harm, so nothing is closed for good.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.problems.finer import finer
from nagjax.problems.problem import restrict
from nagjax.proposers.proposer import Proposer, Question, make
from nagjax.spaces.pruning import MOST_PAIRS, apart


def make_pruned(
    inner: str = "top_predicted", most: int = 4, after: int = 100, beyond_cost: bool = True, pairs: int = 0
) -> Proposer:
    """The proposer ``pruned``.

    Args:
      inner: the proposer that is asked, with its defaults.
      most: choices that are closed at most.
      after: evaluations before which nothing is closed.
      beyond_cost: whether choices are judged by what quality is beyond that of architectures of like cost, by the first
        cost column, or by quality itself, as in the paper.
      pairs: pairs of choices that are closed at most, after the choices (the second order of the paper).

    Raises:
      ValueError: if a number is out of range, or there is no such proposer.
    """
    most, after = arguments.count(most, "most", least=0), arguments.count(after, "after")
    if not 0 <= arguments.count(pairs, "pairs", least=0) <= MOST_PAIRS:
        raise ValueError(f"pairs={pairs}: at most {MOST_PAIRS}, each may double the graph")
    settings = {"inner": inner, "most": most, "after": after, "beyond_cost": beyond_cost}
    settings |= {"pairs": pairs} if pairs else {}
    return Proposer("pruned", settings, partial(_propose, make(inner), most, pairs, after, beyond_cost))


def _propose(inner: Proposer, most: int, pairs: int, after: int, beyond_cost: bool, question: Question) -> np.ndarray:
    known = question.evaluated.known
    if known.sum() < after:
        return inner.propose(question)
    from nagjax.predictors import shap  # with what fits trees, for those who ask for it

    space = question.description.space
    tokens, quality = question.evaluated.tokens[known], question.evaluated.quality[known]
    costs = question.description.costs_of(tokens)[:, 0]
    explained = shap.beyond_cost(quality, costs) if beyond_cost else quality
    allowed = np.array(question.problem.allowed)
    alone = shap.worth(space, tokens, explained, seed=question.seed)
    for layer, choice in shap.harmful(space, alone, allowed, most):
        allowed[layer, space.trellis.open[layer], choice] = False
    problem, description = restrict(question.problem, jnp.asarray(allowed)), question.description
    if pairs:
        values = shap.worth_together(space, tokens, explained, seed=question.seed)
        graph, left = apart(space, shap.harmful_together(space, values, allowed, pairs))
        problem, description = finer(problem, description, graph, left)
    return inner.propose(dataclasses.replace(question, problem=problem, description=description))
