"""What controllers that train a generator share: gradients and steps of Adam, samples compared, a schedule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax

from nagjax.generator.policy import Policy

Tree = TypeVar("Tree")

FLAT = 1e-6
"""Added to deviations: samples of a budget that differ by less are taken as equal, not enlarged to be far apart."""


def policy_gradient(loss: Callable[[Policy], tuple[jax.Array, Any]], policy: Policy) -> tuple[Any, Any]:
    """The gradient of a loss in the policy's parameters, and what the loss gives beside its value."""
    return jax.grad(lambda params: loss(dataclasses.replace(policy, params=params)), has_aux=True)(policy.params)


def adam_start(params: Any) -> Any:
    """State of Adam (Kingma and Ba, arXiv 1412.6980) before the first ``adam_step`` on a tree of parameters."""
    return optax.scale_by_adam().init(params)


def adam_step(params: Tree, optimiser: Any, grads: Any, rate: jax.Array) -> tuple[Tree, Any]:
    """Parameters after one step of Adam down their gradients, at a traced learning rate; and the state of Adam."""
    steps, optimiser = optax.scale_by_adam().update(grads, optimiser)
    return jax.tree.map(lambda value, step: value - rate * step, params, steps), optimiser


def moments(rewards: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and deviation float32 ``[N]`` of what is finite in rows ``[N, G]``; 0 where nothing is."""
    finite = jnp.isfinite(rewards)
    count = jnp.maximum(finite.sum(-1), 1)
    mean = jnp.sum(jnp.where(finite, rewards, 0.0), -1) / count
    centred = jnp.where(finite, rewards - mean[:, None], 0.0)
    return mean, jnp.sqrt(jnp.sum(centred**2, -1) / count)


def standardised(rewards: jax.Array) -> jax.Array:
    """Rows ``[N, G]`` less their mean, divided by their deviation; 0 where one is not finite or none differs.

    >>> standardised(jnp.array([[1.0, 3.0, jnp.nan], [2.0, 2.0, 2.0]])).round(3).tolist()
    [[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    mean, deviation = moments(rewards)
    return jnp.where(jnp.isfinite(rewards), rewards - mean[:, None], 0.0) / (deviation[:, None] + FLAT)


def annealed(first: jax.Array, last: jax.Array, progress: jax.Array) -> jax.Array:
    """From ``first`` to ``last`` along half a cosine, while progress goes from 0 to 1."""
    return last + (first - last) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(progress, 0.0, 1.0)))
