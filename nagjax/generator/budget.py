"""Budgets as network inputs: a soft one-hot over anchor budgets (Guo et al., arXiv 2103.00219, section 3)."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def anchor_weights(budgets: jax.Array, anchors: jax.Array) -> jax.Array:
    """Linear interpolation between neighbouring anchors.

    Args:
      budgets: float ``[B]``, clipped to the range of the anchors.
      anchors: float ``[A]``, increasing.

    Returns:
      ``[B, A]``, non-negative, at most two entries a row are not 0, rows add up to 1.

    >>> anchor_weights(jnp.array([15.0, 99.0]), jnp.array([10.0, 20.0, 40.0])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    num = anchors.shape[0]
    if num == 1:
        return jnp.ones((*budgets.shape, 1), jnp.float32)
    clipped = jnp.clip(budgets, anchors[0], anchors[-1])
    left = jnp.clip(jnp.searchsorted(anchors, clipped, side="right") - 1, 0, num - 2)
    share = (clipped - anchors[left]) / jnp.maximum(anchors[left + 1] - anchors[left], 1e-30)
    return jax.nn.one_hot(left, num) * (1 - share[:, None]) + jax.nn.one_hot(left + 1, num) * share[:, None]
