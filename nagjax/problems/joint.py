"""Two budgets at once: what is needed of one column to finish when only so much of the other is left.

With two columns the mask of each alone leads into corners where either budget could still be met and both cannot. So
the second column is cut into bins, and a backward recursion keeps, for every node and bin left, the least of the first
column that finishes within it. What follows is rounded up to whole bins and what was spent is not, so an answer that
the mask lets through meets both budgets; lost are architectures that fit by less than a bin a layer. Of a column that
takes the largest, bins are its distinct values (fewer where there are too many), and nothing is lost.

It is the restricted shortest path by scaling (Hassin 1992), rounded to the feasible side and for all budgets at once.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.spaces.trellis import INFINITE

LEAST, MOST, ROOM = 16, 2048, 2**25
"""Bins at least and at most, and numbers that the recursion keeps at most; where fewer fit there is none."""


@flax.struct.dataclass
class Joint:
    """The least of one column to finish, by what is left of the other.

    Attributes:
      levels: int32 ``[Q]``, rising: what is left lies in the last bin whose level it reaches. Of a sum, multiples of
        ``levels[1]``.
      within: int32 ``[T + 1, S, Q + 1]``, least ticks of the first column from a node to the end, by bin of the second;
        ``INFINITE`` where nothing finishes. The first bin is less than every level.
    """

    levels: jax.Array
    within: jax.Array


def make_levels(cost: np.ndarray, allowed: np.ndarray, reduce: str, high: int) -> np.ndarray | None:
    """Levels int32 ``[Q]`` of the second column; None where the graph is too large for the recursion.

    ``cost`` is int32 ``[T, S, C]``, ticks, adding up by ``"sum"`` or ``"max"`` along edges ``allowed``, bool ``[T, S,
    C]``; ``high`` is what the costliest path costs.

    >>> make_levels(np.array([[[3, 5, 5]]]), np.ones((1, 1, 3), bool), "max", 5).tolist()
    [0, 3, 5]
    """
    layers, nodes, _ = cost.shape
    bins = min(ROOM // ((layers + 1) * nodes) - layers, MOST)
    if bins < LEAST:
        return None
    if reduce == "sum":
        width = max(1, -(-high // bins))
        # Each layer may round up by a bin: the last level is enough for every path.
        return (width * np.arange(-(-high // width) + layers + 1)).clip(max=INFINITE).astype(np.int32)
    values = np.unique(np.append(cost[allowed], 0))
    if len(values) > bins:
        values = values[np.unique(np.linspace(0, len(values) - 1, bins).round().astype(int))]
    return values.astype(np.int32)


def recursion(
    levels: jax.Array, target: jax.Array, allowed: jax.Array, cost: jax.Array, reduces: tuple[str, ...]
) -> Joint:
    """The least of the first column to finish from every node within every bin of the second.

    ``levels`` are int32 ``[Q]``, ``target`` int32 and ``allowed`` bool ``[T, S, C]``, ``cost`` int32 ``[2, T, S, C]``,
    ticks; ``reduces`` is how each column adds up.
    """
    size = levels.shape[0] + 1
    bins = jnp.arange(size)

    def layer(ahead: jax.Array, edge: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        def choice(best: jax.Array, one: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            to, fine, first, second = one  # [S] of a choice
            if reduces[1] == "sum":
                used = -jnp.floor_divide(-second, levels[1])
                left = bins[None] - used[:, None]
                possible = left > 0
            else:
                # The edge is within the bin where the bin's level is no less than what the edge takes.
                left = jnp.broadcast_to(bins[None], (to.shape[0], size))
                possible = left > jnp.searchsorted(levels, second, side="left")[:, None]
            onward = jnp.take_along_axis(ahead[to], jnp.maximum(left, 0), 1)
            total = first[:, None] + onward if reduces[0] == "sum" else jnp.maximum(first[:, None], onward)
            total = jnp.where(possible & fine[:, None] & (onward < INFINITE), total, INFINITE)
            return jnp.minimum(best, total), None

        start = jnp.full(ahead.shape, INFINITE, jnp.int32)
        here, _ = jax.lax.scan(choice, start, tuple(array.T for array in edge))
        return here, here

    end = jnp.where(bins[None] > 0, jnp.zeros((target.shape[1], size), jnp.int32), INFINITE)
    _, within = jax.lax.scan(layer, end, (target, allowed, cost[0], cost[1]), reverse=True)
    return Joint(levels, jnp.concatenate([within, end[None]]))


def bin_of(levels: jax.Array, left: jax.Array, reduce: str) -> jax.Array:
    """The bin int32 of what is left of the second column, int32 of any shape; 0 below the first level."""
    is_sum = reduce == "sum"
    found = jnp.floor_divide(left, levels[1]) + 1 if is_sum else jnp.searchsorted(levels, left, side="right")
    return jnp.clip(found, 0, levels.shape[0]).astype(jnp.int32)


def open_choices(
    joint: Joint, onward: jax.Array, target: jax.Array, paid: jax.Array, left: jax.Array, reduces: tuple[str, ...]
) -> jax.Array:
    """Choices after which both budgets can still be met, bool ``[B, C]``.

    ``onward`` int32 ``[S, Q + 1]`` is ``Joint.within`` of the layer after the choice, ``target`` int32 ``[B, C]`` where
    a choice leads, ``paid`` int32 ``[2, B, C]`` what it costs, ``left`` int32 ``[B, 2]`` what is left before it;
    ``reduces`` is how each column adds up.
    """
    first, second = left[:, :1], left[:, 1:]
    after = second - paid[1] if reduces[1] == "sum" else jnp.where(paid[1] <= second, second, -1)
    need = onward[target, bin_of(joint.levels, after, reduces[1])]
    total = paid[0] + need if reduces[0] == "sum" else jnp.maximum(paid[0], need)
    return (after >= 0) & (need < INFINITE) & (total <= first)


def feasible_together(joint: Joint, budgets: jax.Array, reduces: tuple[str, ...]) -> jax.Array:
    """Whether the mask leads to an answer within both budgets int32 ``[B, 2]``: bool ``[B]``."""
    return joint.within[0, 0, bin_of(joint.levels, budgets[:, 1], reduces[1])] <= budgets[:, 0]
