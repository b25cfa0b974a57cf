"""The proposer ``pareto_classifier``: children of the evaluated front that are likeliest to dominate it.

Ma et al. (arXiv 2109.07582) train no model of the objectives, but a classifier of whether an architecture dominates
chosen references, and keep the most positive of many children. Costs are known here, so of dominance only this is left
to classify: does an architecture within a budget beat the best evaluated one within it? That one is the budget's
reference. A predictor of the kind ``pair`` is such a classifier; any other compares by its deviations. The two orders
of a pair are as many positive as negative samples, so alpha-domination, which balances them in the paper, has no part.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.budgets import spread_budgets_in_unit
from nagjax.populations import vary
from nagjax.predictors.forms.pair import beats
from nagjax.problems.problem import Problem, path_features
from nagjax.proposers.candidates import MUTATIONS, parents, unseen
from nagjax.proposers.proposer import Proposer, Question


def make_pareto_classifier(children: int = 40) -> Proposer:
    """The proposer ``pareto_classifier``.

    Args:
      children: of each budget's reference.

    Raises:
      ValueError: unless ``children`` is at least 1.
    """
    children = arguments.count(children, "children")
    return Proposer("pareto_classifier", {"children": children}, partial(_propose, children))


def _propose(children: int, question: Question) -> np.ndarray:
    problem = question.problem
    budget_key, key = jax.random.split(jax.random.fold_in(jax.random.key(question.seed), question.number))
    budgets = spread_budgets_in_unit(budget_key, problem, question.num)
    references, _ = parents(question, budgets)
    pool, chances = _classified(problem, references, budgets, children, key)
    return unseen(question, np.asarray(pool), np.asarray(chances))


@partial(jax.jit, static_argnums=3)
def _classified(
    problem: Problem, references: jax.Array, budgets: jax.Array, children: int, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Children int32 ``[B * children, T]``, and P that each beats its budget's reference, float32 ``[B, children]``."""
    num, length = references.shape
    mate_key, child_key = jax.random.split(key)
    of, asked = jnp.repeat(references, children, 0), jnp.repeat(budgets, children, 0)
    mates = references[jax.random.randint(mate_key, (num * children,), 0, num)]
    tokens, _ = vary.children(problem, of, mates, asked, jnp.full(num * children, MUTATIONS / length), child_key)
    one, other = ((rows, path_features(problem, rows)) for rows in (tokens, of))
    return tokens, beats(problem.quality, one, other).reshape(num, children)
