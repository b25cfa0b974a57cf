"""Fast non-dominated sorting and crowding distance (Deb et al., IEEE TEVC 6(2), 2002), on arrays of fixed size."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def dominates(objectives: jax.Array) -> jax.Array:
    """Entry ``[i, j]`` tells whether i dominates j, bool ``[N, N]``, for objectives ``[N, D]`` (less is better)."""
    less = (objectives[:, None] <= objectives[None]).all(-1)
    return less & (objectives[:, None] < objectives[None]).any(-1)


def nondominated_ranks(objectives: jax.Array, enough: int) -> jax.Array:
    """The front that each point float32 ``[N, D]`` belongs to, less being better: int32 ``[N]``, 0 the best.

    Fronts are peeled off until they hold ``enough`` points, static; N stands for points of no front that was peeled.
    """
    num = objectives.shape[0]
    beats = dominates(objectives).astype(jnp.float32)

    def unfinished(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        ranks, _ = state
        return (ranks < num).sum() < min(enough, num)

    def peel(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        ranks, front = state
        left = ranks == num
        beaten = (left.astype(jnp.float32) @ beats) > 0
        return jnp.where(left & ~beaten, front, ranks), front + 1

    ranks, _ = jax.lax.while_loop(unfinished, peel, (jnp.full(num, num, jnp.int32), jnp.int32(0)))
    return ranks


def crowding(objectives: jax.Array, ranks: jax.Array) -> jax.Array:
    """Crowding distance float32 ``[N]`` of each point within its front; inf at the ends of an objective.

    Objectives are float32 ``[N, D]``, finite, ranks int32 ``[N]``, at most N.
    """
    num = objectives.shape[0]
    total = jnp.zeros(num)
    for column in objectives.T:
        order = jnp.lexsort((column, ranks))
        value, front = column[order], ranks[order]
        low = jnp.full(num + 1, jnp.inf).at[front].min(value)[front]
        high = jnp.full(num + 1, -jnp.inf).at[front].max(value)[front]
        first = jnp.concatenate([jnp.ones(1, bool), front[1:] != front[:-1]])
        last = jnp.concatenate([front[1:] != front[:-1], jnp.ones(1, bool)])
        gap = jnp.roll(value, -1) - jnp.roll(value, 1)
        share = jnp.where(high > low, gap / jnp.where(high > low, high - low, 1.0), 0.0)
        total = total.at[order].add(jnp.where(first | last, jnp.inf, share))
    return total
