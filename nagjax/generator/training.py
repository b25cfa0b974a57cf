"""What controllers that train a generator share: budgets to train at, samples of a budget compared, a schedule."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.generator.policy import budget_at
from nagjax.problems.problem import Problem

FLAT = 1e-6
"""Added to deviations: samples of a budget that differ by less are taken as equal, not enlarged to be far apart."""


def strata(key: jax.Array, num: int, columns: int) -> jax.Array:
    """The numbers 0..num - 1 in a random order of its own in each column, int32 ``[num, columns]``."""
    return jnp.stack([jax.random.permutation(column, num) for column in jax.random.split(key, columns)], -1)


def stratified_budgets(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]`` over the whole range, one in each ``num``-th of it on a logarithmic scale."""
    noise_key, key = jax.random.split(key)
    places = strata(key, num, problem.spec.num_costs)
    return budget_at(problem, (places + jax.random.uniform(noise_key, places.shape)) / num)


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
