"""Every way of placing budgets in a problem's range, and of reading where in it they lie.

A **position** is a place in 0..1 on the logarithmic scale of the range, a **share** one on the scale of the unit. Both
keep their meaning when a generator is trained on for another device. Of a problem for rows of several contexts
(``nagjax.problems.contexts.in_rows``) each row's range is its own.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.problems.problem import Problem
from nagjax.spaces.trellis import INFINITE


def budget_position(problem: Problem, budgets: jax.Array) -> jax.Array:
    """Where budgets int32 ``[B, K]`` lie in the problem's range, 0..1 on a logarithmic scale, float32 ``[B, K]``."""
    low, high = log_range(problem)
    inside = jnp.clip(budgets.astype(jnp.float32), low, high)
    return jnp.log(inside / low) / jnp.log(high / low)


def budget_at(problem: Problem, position: jax.Array) -> jax.Array:
    """Inverse of ``budget_position``: int32 ``[B, K]`` ticks, never below the cheapest nor above the costliest."""
    low = jnp.maximum(jnp.atleast_2d(problem.low), 1).astype(jnp.float32)
    high = jnp.maximum(jnp.atleast_2d(problem.high).astype(jnp.float32), low)
    return within_range(problem, (low * (high / low) ** position).astype(jnp.int32))


def within_range(problem: Problem, budgets: jax.Array) -> jax.Array:
    """Budgets int32 ``[B, K]``, those beyond the range at its ends."""
    return jnp.clip(budgets, jnp.atleast_2d(problem.low), jnp.atleast_2d(problem.high))


def log_range(problem: Problem) -> tuple[jax.Array, jax.Array]:
    """Both ends of the range, float32 ``[1, K]`` or ``[B, K]``, above 0 and apart."""
    low = jnp.maximum(jnp.atleast_2d(problem.low), 1).astype(jnp.float32)
    return low, jnp.maximum(jnp.atleast_2d(problem.high).astype(jnp.float32), low * 1.000001)


def budget_at_share(problem: Problem, share: jax.Array) -> jax.Array:
    """Budgets int32 ``[B, K]`` at shares ``[B, 1]`` or ``[B, K]`` of the range, even in the unit; 1 is exact."""
    span = jnp.atleast_2d(problem.high - problem.low).astype(jnp.float32)
    inside = within_range(problem, jnp.atleast_2d(problem.low) + (share * span).astype(jnp.int32))
    # A span beyond 2^24 ticks is rounded by float32: the costliest architecture must not be lost to that.
    return jnp.where(share >= 1, jnp.atleast_2d(problem.high), inside)


def open_budgets(problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]`` that admit everything."""
    return jnp.full((num, problem.spec.num_costs), INFINITE - 1, jnp.int32)


def fixed_budgets(problem: Problem, num: int) -> jax.Array:
    """``num`` budgets int32 ``[num, K]`` even in the unit, the cheapest and the costliest included; one: the latter."""
    share = jnp.linspace(0.0, 1.0, num) if num > 1 else jnp.ones(1)
    return budget_at_share(problem, share[:, None])


def upper_budgets(problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]``: the upper ends of ``num`` equal parts of the range."""
    return budget_at_share(problem, (jnp.arange(num) + 1.0)[:, None] / num)


def random_budgets(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]``, each uniform on the logarithmic scale by itself."""
    return budget_at(problem, jax.random.uniform(key, (num, problem.spec.num_costs)))


def spread_budgets(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]`` in rising order, one in each ``num``-th of the logarithmic scale."""
    return budget_at(problem, ((jnp.arange(num) + jax.random.uniform(key, (num,))) / num)[:, None])


def spread_budgets_in_unit(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]``, one in each ``num``-th of the range, even in the unit; rising in the first column."""
    place_key, order_key = jax.random.split(key)
    others = jax.random.split(order_key, problem.spec.num_costs - 1)
    places = jnp.stack([jnp.arange(num), *(jax.random.permutation(column, num) for column in others)], -1)
    return budget_at_share(problem, (places + jax.random.uniform(place_key, places.shape)) / num)


def stratified_budgets(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]``, one in each ``num``-th of the logarithmic scale, in random order in each column."""
    noise_key, key = jax.random.split(key)
    return budget_at(problem, stratified_positions(key, noise_key, num, problem.spec.num_costs))


def shuffled_budgets(key: jax.Array, problem: Problem, num: int) -> jax.Array:
    """Budgets int32 ``[num, K]`` even on the logarithmic scale, ends included (one: the costliest), in random order."""
    places = strata(key, num, problem.spec.num_costs)
    return budget_at(problem, places / (num - 1) if num > 1 else jnp.ones(places.shape))


def stratified_positions(order_key: jax.Array, noise_key: jax.Array, num: int, columns: int) -> jax.Array:
    """Positions float32 ``[num, columns]``, one in each ``num``-th of 0..1, in random order in each column."""
    places = strata(order_key, num, columns)
    return (places + jax.random.uniform(noise_key, places.shape)) / num


def strata(key: jax.Array, num: int, columns: int) -> jax.Array:
    """The numbers 0..num - 1 in a random order of its own in each column, int32 ``[num, columns]``."""
    return jnp.stack([jax.random.permutation(column, num) for column in jax.random.split(key, columns)], -1)


def bent_positions(position: jax.Array, knee: jax.Array, above: float) -> jax.Array:
    """Positions ``[B, K]`` moved so that of those that filled 0..1 evenly a share ``above`` lies beyond ``knee``.

    >>> bent_positions(jnp.array([[0.0], [0.4], [0.8], [1.0]]), jnp.array([[0.5]]), 0.2).round(3)[:, 0].tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    below, beyond = position / (1 - above), (position - (1 - above)) / above
    return jnp.where(position < 1 - above, below * knee, knee + beyond * (1 - knee))


def even_ticks(low: int, high: int, num: int) -> np.ndarray:
    """``num`` numbers int64 evenly spaced from ``low`` to ``high`` ticks, ends included, rounded down; on the host.

    >>> even_ticks(10, 15, 3).tolist()
    [10, 12, 15]
    """
    steps = np.arange(num, dtype=np.int64)
    return low + (high - low) * steps // max(num - 1, 1)


def anchor_weights(budgets: jax.Array, anchors: jax.Array) -> jax.Array:
    """Budgets float ``[B]`` between increasing anchors float ``[A]``: shares ``[B, A]``, at most two a row, 1 in sum.

    Linear interpolation as a soft one-hot (Guo et al., arXiv 2103.00219, section 3); budgets are clipped to the range.

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
