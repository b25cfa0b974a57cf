"""Normal scores of ranks, and the qualities that they stand for.

Of N labels the n-th has the score that a share of (n - 0.5) / N of a normal distribution lies below.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

REACH, KNOTS = 4.0, 65
"""Largest normal score whose quality is kept, and the number of scores from minus it to it."""

SLOPE = 1e-4
"""Least rise of quality in one normal score, as a share of the labels' range: equal labels keep an order."""


def at_score(score: jax.Array, levels: jax.Array) -> jax.Array:
    """Quality ``[B]`` at normal scores ``[B]``, by its levels ``[M]`` at M evenly spaced scores from -REACH to REACH.

    Linear between them, and beyond them.

    >>> at_score(jnp.array([-4.0, 1.0, 8.0]), jnp.array([0.25, 0.5, 1.0])).tolist()
    [0.25, 0.625, 1.5]
    """
    place = (score / REACH + 1) * (levels.shape[0] - 1) / 2
    below = jnp.clip(jnp.floor(place), 0, levels.shape[0] - 2).astype(jnp.int32)
    return levels[below] + (place - below) * (levels[below + 1] - levels[below])


def score_at(quality: jax.Array, levels: jax.Array) -> jax.Array:
    """Normal scores of qualities of any shape: the inverse of ``at_score``; 0 where all levels are equal.

    >>> score_at(jnp.array([0.25, 0.625, 1.5]), jnp.array([0.25, 0.5, 1.0])).tolist()
    [-4.0, 1.0, 8.0]
    """
    below = jnp.clip(jnp.searchsorted(levels, quality, side="right") - 1, 0, levels.shape[0] - 2)
    step = levels[below + 1] - levels[below]
    place = below + (quality - levels[below]) / jnp.where(step > 0, step, 1.0)
    return jnp.where(step > 0, (2 * place / (levels.shape[0] - 1) - 1) * REACH, 0.0)


def score_levels(quality: np.ndarray) -> np.ndarray:
    """Quality float64 ``[KNOTS]`` at evenly spaced normal scores from -REACH to REACH, rising, of labels ``[N]``.

    Between the scores of the worst and the best label these are the labels' quantiles. Beyond, quality goes on as
    between the quartiles: the outermost labels may be failures far from all others, their distance is not a measure.
    """
    from scipy import stats  # few problems need it, and it takes long to load

    scores = np.linspace(-REACH, REACH, KNOTS)
    seen = np.clip(scores, *stats.norm.ppf([0.5 / len(quality), 1 - 0.5 / len(quality)]))
    low, high = np.quantile(quality, [0.25, 0.75])
    slope = (high - low) / np.diff(stats.norm.ppf([0.25, 0.75]))
    levels = np.quantile(quality, stats.norm.cdf(seen), method="hazen") + (scores - seen) * slope
    return levels + SLOPE * np.ptp(quality) * scores
