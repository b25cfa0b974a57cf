"""What the controllers of this package share: drawn budgets, samples of a budget compared, and a schedule."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.generator.policy import budget_at
from nagjax.problem import Problem

FLAT = 1e-6
"""Added to deviations: samples that differ by less are taken as equal."""


def stratified(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]`` over the whole range, one in each ``num``-th of it on a logarithmic scale."""
    noise_key, key = jax.random.split(key)
    columns = jax.random.split(key, problem.spec.num_costs)
    strata = jnp.stack([jax.random.permutation(column, num) for column in columns], -1)
    return budget_at(problem, (strata + jax.random.uniform(noise_key, strata.shape)) / num)


def moments(quality: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and deviation float32 ``[N]`` of what is finite in rows ``[N, M]``; 0 where nothing is."""
    finite = jnp.isfinite(quality)
    count = jnp.maximum(finite.sum(-1), 1)
    mean = jnp.sum(jnp.where(finite, quality, 0.0), -1) / count
    centred = jnp.where(finite, quality - mean[:, None], 0.0)
    return mean, jnp.sqrt(jnp.sum(centred**2, -1) / count)


def standardised(quality: jax.Array) -> jax.Array:
    """Rows ``[N, M]`` less their mean, divided by their deviation; 0 where a quality is not finite or none differs."""
    mean, deviation = moments(quality)
    return jnp.where(jnp.isfinite(quality), quality - mean[:, None], 0.0) / (deviation[:, None] + FLAT)


def annealed(first: jax.Array, last: jax.Array, progress: jax.Array) -> jax.Array:
    """From ``first`` to ``last`` along half a cosine."""
    return last + (first - last) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(progress, 0.0, 1.0)))
