"""The archive that is a grid over cost, with the best architecture met so far in each cell (MAP-Elites).

Mouret and Clune, arXiv 1504.04909. Cells are bands of the cost columns, even on a logarithmic scale. A cell keeps its
best even where a cheaper cell has a better one: that is what neighbours are bred from. Where the first decision is a
context, each has cells of its own, over its own range, one context after the other: by cost alone the easiest context
would own them.
"""

from __future__ import annotations

from typing import Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import log_range
from nagjax.populations.archive import Archive
from nagjax.problems.contexts import in_rows, of_tokens
from nagjax.problems.problem import Problem


@flax.struct.dataclass
class Cells(Archive):
    """The best architecture of each band of cost; a row is a cell."""

    def insert(self, problem: Problem, tokens: jax.Array, costs: jax.Array, quality: jax.Array) -> Self:
        """Put architectures int32 ``[B, T]`` in where they are better than what their cell holds.

        Costs are int32 ``[B, K]``, ticks, quality float32 ``[B]``; -inf (what ``evaluate`` makes of NaN) never enters.
        """
        self.check_rows(tokens, costs, quality)
        num = self.quality.shape[0]
        cell = cell_of(problem, costs, num, of_tokens(problem, tokens))
        best = jnp.full(num, -jnp.inf).at[cell].max(quality)
        rows = jnp.arange(len(quality))
        # Among equals of a cell the last row wins, so that the result does not depend on the order of a scatter.
        winner = jnp.full(num, -1).at[cell].max(jnp.where(quality == best[cell], rows, -1))
        better = best > self.quality
        return type(self)(
            jnp.where(better[:, None], tokens[winner], self.tokens),
            jnp.where(better[:, None], costs[winner], self.costs),
            jnp.where(better, best, self.quality),
        )

    def rescore(self, problem: Problem) -> Self:
        """The cells under a changed problem: costs and quality anew; what it no longer allows is dropped."""
        quality, costs = self.scored_anew(problem)
        return self.empty(problem.spec, self.quality.shape[0]).insert(problem, self.tokens, costs, quality)


def cell_of(problem: Problem, costs: jax.Array, capacity: int, contexts: jax.Array | None = None) -> jax.Array:
    """Cell int32 ``[B]`` of costs int32 ``[B, K]``: an even grid over the logarithm of each column's range.

    Contexts int32 ``[B]`` share the capacity evenly, and the range of each is its own.
    """
    if contexts is not None:
        each = capacity // problem.spec.contexts
        return contexts * each + cell_of(in_rows(problem, contexts), costs, each)
    side = int(capacity ** (1 / problem.spec.num_costs) + 1e-9)
    low, high = log_range(problem)
    inside = jnp.clip(costs.astype(jnp.float32), low, high)
    share = jnp.log(inside / low) / jnp.log(high / low)
    digits = jnp.clip((share * side).astype(jnp.int32), 0, side - 1)
    return digits @ jnp.array([side**k for k in range(problem.spec.num_costs)], jnp.int32)
