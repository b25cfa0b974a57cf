"""What the policy of ``nag`` learns from: its own samples by REINFORCE, and the archive by imitation."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from nagjax.budgets import bent_positions, budget_at, budget_position, stratified_positions
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.generator.training import adam_step, standardised
from nagjax.populations.cells import Cells
from nagjax.problems import contexts
from nagjax.problems.problem import Problem

ABOVE_TOP = 0.06
"""Share of the budgets drawn above the cost of the best architecture: the policy has to know that nothing changes."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the policy is, and how much it learns in an update; see ``nag.make``."""

    hidden: int
    anchors: int
    budgets: int
    group: int
    imitated: int
    imitations: int


def surrogate(
    policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array, quality: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """What REINFORCE climbs with each budget's group as baseline, and the mean entropy of the samples.

    Tokens int32 ``[N * G, T]`` were drawn by the present policy, G rows in turn for each of N budgets, int32 ``[N * G,
    K]`` ticks; quality is float32 ``[N, G]``. Both are differentiable in the policy's parameters.
    """
    scores = decode.score(policy, problem, tokens, budgets)
    return jnp.mean(standardised(quality).ravel() * scores.log_prob), scores.entropy.mean()


def imitation(policy: Policy, problem: Problem, archive: Cells, budgets: jax.Array, margin: Any) -> jax.Array:
    """Mean of -log pi of the archive's best within budgets int32 ``[B, K]`` less a share ``margin``.

    Where contexts are given, rows have them in turn, and the problem is that of these rows.
    """
    row, best = archive.best_within(shrink(budgets, margin, problem), contexts.turns(problem, len(budgets)))
    copied = decode.score(policy, problem, archive.tokens[row], budgets).log_prob
    return -jnp.mean(jnp.where(best > -jnp.inf, copied, 0.0))


def descend(policy: Policy, optimiser: Any, grads: Any, rate: jax.Array) -> tuple[Policy, Any]:
    """One step of Adam; what is not finite in a gradient counts as 0."""
    weights, optimiser = adam_step(policy.params, optimiser, jax.tree.map(jnp.nan_to_num, grads), rate)
    return dataclasses.replace(policy, params=weights), optimiser


def shrink(budgets: jax.Array, margin: jax.Array, problem: Problem) -> jax.Array:
    """Budgets less a share ``margin``, but not below the cheapest.

    The policy blurs budgets that lie closer together than its anchors. What it imitates must therefore fit a slightly
    smaller budget as well: an architecture that just misses the budget leaves the mask no choice but a bad last block.
    """
    return jnp.maximum((budgets * (1 - margin)).astype(jnp.int32), jnp.atleast_2d(problem.low))


def draw_budgets(archive: Cells, problem: Problem, num: int, key: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]``, stratified; few above the cost of the best, where there is nothing left to gain.

    Where contexts are given, rows have them in turn, and the problem is that of these rows.
    """
    turn = contexts.turns(problem, num)
    top = budget_position(problem, archive.costs[best_rows(archive, problem, turn)])
    top = jnp.minimum(top * 1.02 + 0.01, 1.0)
    order_key, key = jax.random.split(key)
    even = stratified_positions(order_key, key, num, problem.spec.num_costs)
    return budget_at(problem, bent_positions(even, top, ABOVE_TOP))


def best_rows(archive: Cells, problem: Problem, turn: jax.Array | None) -> jax.Array:
    """The row of the best in the archive, int32 ``[1]``; or ``[num]``, the best of each context of rows."""
    if turn is None:
        return jnp.argmax(archive.quality)[None]
    of = jnp.arange(problem.spec.contexts)[:, None] == archive.tokens[None, :, 0]
    return jnp.argmax(jnp.where(of, archive.quality[None], -jnp.inf), -1)[turn]
