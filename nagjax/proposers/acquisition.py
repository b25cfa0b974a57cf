"""Proposers by a score of mean and deviation: expected improvement, upper confidence, Thompson sampling, plain mean.

Expected improvement: Jones, Schonlau and Welch, Journal of Global Optimization 13, 1998. Over many budgets it is the
improvement over the best that is evaluated *within the budget*. A predictor without a deviation makes all four the
plain mean.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from nagjax import arguments
from nagjax.proposers.candidates import propose
from nagjax.proposers.proposer import Proposer

LEAST = 1e-9
"""Deviation below which a prediction is taken for certain."""


def make_improvement() -> Proposer:
    """The proposer ``improvement``."""
    return Proposer("improvement", {}, lambda question: propose(question, expected_improvement))


def make_top_predicted() -> Proposer:
    """The proposer ``top_predicted``."""
    return Proposer("top_predicted", {}, lambda question: propose(question, predicted))


def make_ucb(deviations: float = 1.0) -> Proposer:
    """The proposer ``ucb``: mean plus ``deviations`` times the deviation."""
    deviations = arguments.finite(deviations, "deviations", least=0)
    score = partial(_upper, deviations)
    return Proposer("ucb", {"deviations": deviations}, lambda question: propose(question, score))


def make_thompson() -> Proposer:
    """The proposer ``thompson``: a draw for each architecture, independent of the others'."""
    return Proposer("thompson", {}, lambda question: propose(question, drawn))


def expected_improvement(mean: jax.Array, std: jax.Array, best: jax.Array, key: jax.Array) -> jax.Array:
    """Of quality over ``best``, float32 ``[N]``; where nothing is evaluated within the budget, the mean.

    >>> one = jnp.ones(1)
    >>> round(float(expected_improvement(0.5 * one, one, 0.5 * one, jax.random.key(0))[0]), 4)  # the density at 0
    0.3989
    """
    del key
    spread = jnp.maximum(std, LEAST)
    above = (mean - best) / spread
    gain = jnp.where(std > LEAST, spread * (above * norm.cdf(above) + norm.pdf(above)), mean - best)
    return jnp.where(jnp.isfinite(best), gain, mean)


def predicted(mean: jax.Array, std: jax.Array, best: jax.Array, key: jax.Array) -> jax.Array:
    """The mean."""
    del std, best, key
    return mean


def drawn(mean: jax.Array, std: jax.Array, best: jax.Array, key: jax.Array) -> jax.Array:
    """A draw of each."""
    del best
    return mean + std * jax.random.normal(key, mean.shape)


def _upper(deviations: float, mean: jax.Array, std: jax.Array, best: jax.Array, key: jax.Array) -> jax.Array:
    del best, key
    return mean + deviations * std
