"""The archive: the best architecture met so far in each band of cost, a fixed-capacity set of arrays.

An architecture of cost c is an answer for every budget >= c, so one archive answers all budgets. Bands are cells of a
grid over the cost columns, even on a logarithmic scale (MAP-Elites: Mouret and Clune, arXiv 1504.04909). A cell keeps
its best even where a cheaper cell has a better one: that is what neighbours are bred from. ``insert_front`` keeps the
exact front instead, for searches that have populations of their own.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.problems import Problem, Spec, evaluate
from nagjax.spaces.trellis import INFINITE, walk_nodes


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


def insert_front(archive: Archive, tokens: jax.Array, costs: jax.Array, quality: jax.Array) -> Archive:
    """Keep what nothing beats: the exact Pareto front of the archive and new architectures, without cells.

    Where cells hold the best of a band, this holds every architecture that is the answer for some budget. Beyond the
    capacity those go first that answers would miss least: whose quality the best cheaper one almost has.

    Args:
      archive: N rows.
      tokens: int32 ``[B, T]``.
      costs: int32 ``[B, K]``, ticks.
      quality: float32 ``[B]``; -inf never enters.
    """
    rows = archive.quality.shape[0]
    tokens = jnp.concatenate([archive.tokens, tokens])
    costs = jnp.concatenate([archive.costs, costs])
    quality = jnp.concatenate([archive.quality, quality])
    gain, row = jax.lax.top_k(front_gain(costs, quality), rows)
    kept = gain > 0
    return Archive(
        jnp.where(kept[:, None], tokens[row], 0),
        jnp.where(kept[:, None], costs[row], INFINITE),
        jnp.where(kept, quality[row], -jnp.inf),
    )


def front_gain(costs: jax.Array, quality: jax.Array) -> jax.Array:
    """How much better each architecture is than the best cheaper one; 0 where another one beats or equals it.

    Args:
      costs: int32 ``[N, K]``.
      quality: float32 ``[N]``, -inf for a row that does not count.

    Returns:
      float32 ``[N]``, inf where nothing is cheaper. Of equal architectures the first counts.

    >>> front_gain(jnp.array([[1], [2], [2], [3]]), jnp.array([0.5, 0.5, 0.75, 0.25])).tolist()
    [inf, 0.0, 0.25, 0.0]
    """
    if costs.shape[1] == 1:
        order = jnp.lexsort((-quality, costs[:, 0]))
        ranked = quality[order]
        before = jnp.concatenate([jnp.full(1, -jnp.inf), jax.lax.cummax(ranked)[:-1]])
        return jnp.zeros_like(quality).at[order].set(jnp.where(ranked > before, ranked - before, 0.0))
    within = (costs[None] <= costs[:, None]).all(-1)
    alike = (costs[None] == costs[:, None]).all(-1)
    earlier = jnp.arange(len(quality))[None] < jnp.arange(len(quality))[:, None]
    better = (quality[None] > quality[:, None]) | ((quality[None] == quality[:, None]) & earlier)
    best = jnp.max(jnp.where(within & ~alike, quality[None], -jnp.inf), -1)
    return jnp.where((quality > best) & ~(alike & better).any(-1), quality - best, 0.0)


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
    quality, costs = _score_anew(archive, problem)
    fresh = empty_archive(problem.spec, archive.quality.shape[0])
    return insert(fresh, problem, archive.tokens, costs, quality)


def rescore_front(archive: Archive, problem: Problem) -> Archive:
    """``rescore`` for an archive that ``insert_front`` fills."""
    quality, costs = _score_anew(archive, problem)
    return insert_front(empty_archive(problem.spec, archive.quality.shape[0]), archive.tokens, costs, quality)


def allowed_rows(problem: Problem, tokens: jax.Array) -> jax.Array:
    """Which canonical tokens int32 ``[B, T]`` the problem allows, bool ``[B]``."""
    nodes = walk_nodes(problem.target, tokens)
    return problem.allowed[jnp.arange(tokens.shape[1]), nodes, tokens].all(-1)


def _score_anew(archive: Archive, problem: Problem) -> tuple[jax.Array, jax.Array]:
    quality, costs = evaluate(problem, archive.tokens)
    return jnp.where(allowed_rows(problem, archive.tokens) & occupied(archive), quality, -jnp.inf), costs


def nondominated(costs: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Which points none dominates: bool ``[N]``, for costs ``[N, K]`` (less is better) and quality ``[N]`` (more)."""
    import moocore

    points = np.column_stack([np.asarray(costs, np.float64), -np.asarray(quality, np.float64)])
    return np.asarray(moocore.is_nondominated(points))
