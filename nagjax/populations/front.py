"""The archive that is the exact Pareto front, in a fixed capacity: for searches that have populations of their own.

Where the first decision is a context, it holds the front of each: no context's architecture beats another's.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.populations.archive import Archive
from nagjax.problems.problem import Problem, Spec
from nagjax.spaces.trellis import INFINITE


@flax.struct.dataclass
class Front(Archive):
    """What nothing evaluated beats: every architecture that is the answer for some budget, without bands.

    Beyond the capacity those go first that answers would miss least: whose quality the best cheaper one almost has.

    Attributes:
      by_context: static, whether the first decision is a context, of which each has a front.
    """

    by_context: bool = flax.struct.field(pytree_node=False, default=False)

    @classmethod
    def empty(cls, spec: Spec, capacity: int) -> Self:
        """A front of ``capacity`` empty rows."""
        return dataclasses.replace(super().empty(spec, capacity), by_context=spec.contexts > 0)

    def insert(self, tokens: jax.Array, costs: jax.Array, quality: jax.Array) -> Self:
        """The front of the archive and of architectures int32 ``[B, T]`` with costs int32 ``[B, K]``, ticks.

        Quality is float32 ``[B]``; -inf never enters.
        """
        self.check_rows(tokens, costs, quality)
        rows = self.quality.shape[0]
        tokens = jnp.concatenate([self.tokens, tokens])
        costs = jnp.concatenate([self.costs, costs])
        quality = jnp.concatenate([self.quality, quality])
        contexts = tokens[:, 0] if self.by_context else None
        gain, row = jax.lax.top_k(front_gain(costs, quality, contexts), rows)
        kept = gain > 0
        return dataclasses.replace(
            self,
            tokens=jnp.where(kept[:, None], tokens[row], 0),
            costs=jnp.where(kept[:, None], costs[row], INFINITE),
            quality=jnp.where(kept, quality[row], -jnp.inf),
        )

    def rescore(self, problem: Problem) -> Self:
        """The front under a changed problem: costs and quality anew; what it no longer allows is dropped."""
        quality, costs = self.scored_anew(problem)
        return self.empty(problem.spec, self.quality.shape[0]).insert(self.tokens, costs, quality)


def front_gain(costs: jax.Array, quality: jax.Array, contexts: jax.Array | None = None) -> jax.Array:
    """How much better each architecture is than the best cheaper one; 0 where another one beats or equals it.

    Costs are int32 ``[N, K]``, quality float32 ``[N]``, -inf for a row that does not count. With ``contexts`` int32
    ``[N]`` only architectures of one context are compared.

    Returns:
      float32 ``[N]``, inf where nothing is cheaper. Of equal architectures the first counts.

    >>> front_gain(jnp.array([[1], [2], [2], [3]]), jnp.array([0.5, 0.5, 0.75, 0.25])).tolist()
    [inf, 0.0, 0.25, 0.0]
    """
    if costs.shape[1] == 1:
        order = jnp.lexsort((-quality, costs[:, 0], *(() if contexts is None else (contexts,))))
        ranked = quality[order]
        before = jnp.concatenate([jnp.full(1, -jnp.inf), jax.lax.cummax(ranked)[:-1]])
        if contexts is not None:
            before = _best_before(ranked, contexts[order])
        return jnp.zeros_like(quality).at[order].set(jnp.where(ranked > before, ranked - before, 0.0))
    within = (costs[None] <= costs[:, None]).all(-1)
    if contexts is not None:
        within &= contexts[None] == contexts[:, None]
    alike = within & (costs[None] == costs[:, None]).all(-1)
    earlier = jnp.arange(len(quality))[None] < jnp.arange(len(quality))[:, None]
    better = (quality[None] > quality[:, None]) | ((quality[None] == quality[:, None]) & earlier)
    best = jnp.max(jnp.where(within & ~alike, quality[None], -jnp.inf), -1)
    return jnp.where((quality > best) & ~(alike & better).any(-1), quality - best, 0.0)


def _best_before(quality: jax.Array, groups: jax.Array) -> jax.Array:
    """The best of the rows before each within its run of equal groups, float32 ``[N]``; -inf before the first."""
    first = jnp.concatenate([jnp.ones(1, bool), groups[1:] != groups[:-1]])

    def later(one: Any, other: Any) -> Any:
        return one[0] | other[0], jnp.where(other[0], other[1], jnp.maximum(one[1], other[1]))

    _, best = jax.lax.associative_scan(later, (first, quality))
    return jnp.where(first, -jnp.inf, jnp.concatenate([jnp.full(1, -jnp.inf), best[:-1]]))
