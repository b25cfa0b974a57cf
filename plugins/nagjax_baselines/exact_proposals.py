"""The proposer ``exact``: the best architectures by an additive score, by dynamic programming, refitted every round.

The family of Puzzle (Bercovich et al., arXiv 2411.19146) as a search in rounds: the predictor of the round has to add
up over path features (kind ``ridge``), and ``nagjax.populations.additive`` solves it for budgets over the whole range.
An exact solver proposes the same again and again while its score hardly changes, so budgets whose architecture is
evaluated already are solved under weights drawn from the posterior of the regression (Thompson sampling).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.budgets import spread_budgets
from nagjax.populations import additive
from nagjax.proposers.candidates import among
from nagjax.proposers.proposer import Proposer, Question
from nagjax_baselines.exact import add, draw_weights, no_sums

DRAWS = 8
"""Weights that are drawn at most before what is missing is left to chance."""
ROWS = 256
"""Evaluations are padded to multiples of it, so that few shapes are compiled."""


def make(bins: int = 1024) -> Proposer:
    """The proposer ``exact``.

    Args:
      bins: of the solver, see ``nagjax.populations.additive.best_paths``.

    Raises:
      ValueError: unless ``bins`` is at least 1; from ``propose``, unless there is one cost column that adds up and the
        predictor adds up over path features.
    """
    bins = arguments.count(bins, "bins")
    return Proposer("exact", {"bins": bins}, partial(_propose, bins))


def _propose(bins: int, question: Question) -> np.ndarray:
    problem = question.problem
    weights = problem.quality.feature_weights
    if weights is None:
        raise ValueError(
            f"proposer exact: a predictor of the form {problem.quality.form} does not add up over path features; use "
            "--predictor_kind=ridge, or another proposer"
        )
    additive.check_spec(problem.spec)
    key = jax.random.fold_in(jax.random.key(question.seed), question.number)
    chosen = np.zeros((0, problem.spec.num_layers), np.int32)
    for draw in range(1 + DRAWS):
        budget_key, model_key = jax.random.split(jax.random.fold_in(key, draw))
        budgets = spread_budgets(budget_key, problem, question.num)
        found, _ = additive.best_paths(problem, additive.edge_gains(problem, weights), budgets, bins)
        tokens = np.unique(np.asarray(found), axis=0)
        fresh = ~among(tokens, np.concatenate([question.evaluated.tokens, chosen]))
        chosen = np.concatenate([chosen, tokens[fresh]])[: question.num]
        if len(chosen) == question.num:
            break
        weights = drawn_weights(question, model_key)
    return chosen


def drawn_weights(question: Question, key: jax.Array) -> jax.Array:
    """Weights float32 ``[F]`` from the posterior of a ridge regression on all that is evaluated."""
    known = question.evaluated.known
    features = question.description.space.features(question.evaluated.tokens[known])
    padding = -len(features) % ROWS
    rows = jnp.asarray(np.pad(features, ((0, padding), (0, 0))), jnp.float32)
    quality = np.pad(question.evaluated.quality[known], (0, padding), constant_values=np.nan)
    return _draw(rows, jnp.asarray(quality, jnp.float32), key)


@jax.jit
def _draw(features: jax.Array, quality: jax.Array, key: jax.Array) -> jax.Array:
    return draw_weights(add(no_sums(features.shape[1]), features, quality), jnp.float32(1.0), key)
