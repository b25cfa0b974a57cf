"""The archive: the best architecture met so far in each band of cost, a fixed-capacity set of arrays.

An architecture of cost c is an answer for every budget >= c, so one archive answers all budgets. Bands are cells of a
grid over the cost columns, even on a logarithmic scale (MAP-Elites: Mouret and Clune, arXiv 1504.04909). A cell keeps
its best even where a cheaper cell has a better one: that is what neighbours are bred from.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.problem import Problem, Spec, evaluate, walk_nodes
from nagjax.spaces.trellis import INFINITE


@flax.struct.dataclass
class Archive:
    """Architectures, one a cell; an empty cell has quality -inf and infinite costs.

    Attributes:
      tokens: int32 ``[N, T]``.
      costs: int32 ``[N, K]``, ticks.
      quality: float32 ``[N]``, the objective as a fraction.
    """

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array


def empty_archive(spec: Spec, capacity: int) -> Archive:
    """An archive of ``capacity`` empty cells."""
    return Archive(
        jnp.zeros((capacity, spec.num_layers), jnp.int32),
        jnp.full((capacity, spec.num_costs), INFINITE, jnp.int32),
        jnp.full(capacity, -jnp.inf, jnp.float32),
    )


def cells(problem: Problem, costs: jax.Array, capacity: int) -> jax.Array:
    """Cell int32 ``[B]`` of costs int32 ``[B, K]``: an even grid over the logarithm of each column's range."""
    side = int(capacity ** (1 / problem.spec.num_costs) + 1e-9)
    low = jnp.maximum(problem.low, 1).astype(jnp.float32)[None]
    high = jnp.maximum(problem.high[None].astype(jnp.float32), low * 1.000001)
    inside = jnp.clip(costs.astype(jnp.float32), low, high)
    share = jnp.log(inside / low) / jnp.log(high / low)
    digits = jnp.clip((share * side).astype(jnp.int32), 0, side - 1)
    return digits @ jnp.array([side**k for k in range(problem.spec.num_costs)], jnp.int32)


def insert(archive: Archive, problem: Problem, tokens: jax.Array, costs: jax.Array, quality: jax.Array) -> Archive:
    """Put architectures into the archive where they are better than what their cell holds.

    Args:
      archive: N cells.
      problem: the problem.
      tokens: int32 ``[B, T]``.
      costs: int32 ``[B, K]``, ticks.
      quality: float32 ``[B]``; -inf (what ``evaluate`` makes of NaN) never enters.
    """
    num = archive.quality.shape[0]
    cell = cells(problem, costs, num)
    best = jnp.full(num, -jnp.inf).at[cell].max(quality)
    rows = jnp.arange(len(quality))
    # Among equals of a cell the last row wins, so that the result does not depend on the order of a scatter.
    winner = jnp.full(num, -1).at[cell].max(jnp.where(quality == best[cell], rows, -1))
    better = best > archive.quality
    return Archive(
        jnp.where(better[:, None], tokens[winner], archive.tokens),
        jnp.where(better[:, None], costs[winner], archive.costs),
        jnp.where(better, best, archive.quality),
    )


def best_within(archive: Archive, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The best architecture within each budget.

    Args:
      archive: N cells.
      budgets: int32 ``[B, K]``, ticks.

    Returns:
      row int32 ``[B]`` and its quality float32 ``[B]``, -inf where the archive has nothing within the budget.
    """
    fits = (archive.costs[None] <= budgets[:, None]).all(-1)
    quality = jnp.where(fits, archive.quality[None], -jnp.inf)
    row = jnp.argmax(quality, -1)
    return row, jnp.take_along_axis(quality, row[:, None], -1)[:, 0]


def occupied(archive: Archive) -> jax.Array:
    """Which cells hold an architecture, bool ``[N]``."""
    return archive.quality > -jnp.inf


def rescore(archive: Archive, problem: Problem) -> Archive:
    """The archive under a changed problem: costs and quality anew; what the problem no longer allows is dropped."""
    objective, costs = evaluate(problem, archive.tokens)
    nodes = walk_nodes(problem.target, archive.tokens)
    allowed = problem.allowed[jnp.arange(archive.tokens.shape[1]), nodes, archive.tokens].all(-1)
    quality = jnp.where(allowed & occupied(archive), objective, -jnp.inf)
    fresh = empty_archive(problem.spec, archive.quality.shape[0])
    return insert(fresh, problem, archive.tokens, costs, quality)


def nondominated(costs: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Which points none dominates: bool ``[N]``, for costs ``[N, K]`` (less is better) and quality ``[N]`` (more)."""
    import moocore

    points = np.column_stack([np.asarray(costs, np.float64), -np.asarray(quality, np.float64)])
    return np.asarray(moocore.is_nondominated(points))
