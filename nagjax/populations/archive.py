"""What every archive of architectures is and answers, in whatever order it keeps them.

An architecture of cost c is an answer for every budget >= c, so one archive answers all budgets. A controller holds one
of two: ``cells.Cells``, the best of each band of cost, or ``front.Front``, the exact front. What a checkpoint restores
is an ``Archive``: it answers, and takes nothing more in.
"""

from __future__ import annotations

from typing import Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax import shapes
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax.spaces.trellis import INFINITE, walk_nodes


@flax.struct.dataclass
class Archive:
    """Architectures, one a row; an empty row has quality -inf and infinite costs.

    Attributes:
      tokens: int32 ``[N, T]``.
      costs: int32 ``[N, K]``, ticks.
      quality: float32 ``[N]``, the objective as a fraction.
    """

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array

    @classmethod
    def empty(cls, spec: Spec, capacity: int) -> Self:
        """An archive of ``capacity`` empty rows."""
        return cls(
            jnp.zeros((capacity, spec.num_layers), jnp.int32),
            jnp.full((capacity, spec.num_costs), INFINITE, jnp.int32),
            jnp.full(capacity, -jnp.inf, jnp.float32),
        )

    @property
    def occupied(self) -> jax.Array:
        """Which rows hold an architecture, bool ``[N]``."""
        return self.quality > -jnp.inf

    def best_within(self, budgets: jax.Array, contexts: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """The best within budgets int32 ``[B, K]``, ticks: row int32 and quality float32 ``[B]``, -inf where none is.

        ``contexts`` int32 ``[B]`` is the first decision that is given with each; None where any will do.
        """
        shapes.check("best_within: budgets", budgets, (None, self.costs.shape[1]), int)
        fits = (self.costs[None] <= budgets[:, None]).all(-1)
        if contexts is not None:
            fits &= self.tokens[None, :, 0] == contexts[:, None]
        quality = jnp.where(fits, self.quality[None], -jnp.inf)
        best, last = quality.max(-1), quality.shape[1] - 1
        # The first of the best. XLA's argmax is a loop over pairs on a CPU, many times slower than two reductions.
        row = jnp.where(quality == best[:, None], jnp.arange(last + 1)[None], last).min(-1)
        return row, best

    def check_rows(self, tokens: jax.Array, costs: jax.Array, quality: jax.Array) -> None:
        """Refuse architectures that are not tokens int ``[B, T]``, costs int ``[B, K]`` and quality float ``[B]``.

        Raises:
          ValueError: naming the argument, its shape or type and what it should be.
        """
        shapes.check("insert: tokens", tokens, (None, self.tokens.shape[1]), int)
        shapes.check("insert: costs", costs, (tokens.shape[0], self.costs.shape[1]), int)
        shapes.check("insert: quality", quality, (tokens.shape[0],), float)

    def scored_anew(self, problem: Problem) -> tuple[jax.Array, jax.Array]:
        """Quality float32 ``[N]`` under a changed problem, -inf where a row is not allowed, and costs ``[N, K]``."""
        quality, costs = evaluate(problem, self.tokens)
        return jnp.where(allowed_rows(problem, self.tokens) & self.occupied, quality, -jnp.inf), costs


def allowed_rows(problem: Problem, tokens: jax.Array) -> jax.Array:
    """Which canonical tokens int32 ``[B, T]`` the problem allows, bool ``[B]``."""
    nodes = walk_nodes(problem.target, tokens)
    return problem.allowed[jnp.arange(tokens.shape[1]), nodes, tokens].all(-1)
