"""The proposer ``pruned``: another proposer in what is left when harmful choices are closed (GBDT-NAS-3S).

In every round the trees of ``nagjax.predictors.shap`` say anew which choices harm, so nothing is closed for good.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.problems.problem import restrict
from nagjax.proposers.proposer import Proposer, Question, make


def make_pruned(inner: str = "top_predicted", most: int = 4, after: int = 100, beyond_cost: bool = True) -> Proposer:
    """The proposer ``pruned``.

    Args:
      inner: the proposer that is asked, with its defaults.
      most: choices that are closed at most.
      after: evaluations before which nothing is closed.
      beyond_cost: whether choices are judged by what quality is beyond that of architectures of like cost, by the first
        cost column, or by quality itself, as in the paper.

    Raises:
      ValueError: if a number is out of range, or there is no such proposer.
    """
    most, after = arguments.count(most, "most"), arguments.count(after, "after")
    settings = {"inner": inner, "most": most, "after": after, "beyond_cost": beyond_cost}
    return Proposer("pruned", settings, partial(_propose, make(inner), most, after, beyond_cost))


def _propose(inner: Proposer, most: int, after: int, beyond_cost: bool, question: Question) -> np.ndarray:
    known = question.evaluated.known
    if known.sum() < after:
        return inner.propose(question)
    from nagjax.predictors import shap  # with what fits trees, for those who ask for it

    space = question.description.space
    tokens, quality = question.evaluated.tokens[known], question.evaluated.quality[known]
    costs = question.description.costs_of(tokens)[:, 0]
    explained = shap.beyond_cost(quality, costs) if beyond_cost else quality
    allowed = np.array(question.problem.allowed)
    values = shap.worth(space, tokens, explained, seed=question.seed)
    for layer, choice in shap.harmful(space, values, allowed, most):
        allowed[layer, space.trellis.open[layer], choice] = False
    left = dataclasses.replace(question, problem=restrict(question.problem, jnp.asarray(allowed)))
    return inner.propose(left)
