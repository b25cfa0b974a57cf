"""What the policy of ``nag`` learns from: its own samples by REINFORCE, and the archive by imitation."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_at, budget_position
from nagjax.generator.training import FLAT, standardised, strata
from nagjax.populations.cells import Cells
from nagjax.problems.problem import Problem

ABOVE_TOP = 0.06
"""Share of the budgets drawn above the cost of the best architecture: the policy has to know that nothing changes."""


@flax.struct.dataclass
class Samples:
    """What the policy drew: G architectures for each of N budgets, S = N * G rows in the order of the budgets.

    Attributes:
      tokens: int32 ``[S, T]``.
      costs: int32 ``[S, K]``, ticks.
      quality: float32 ``[S]``.
      budgets: int32 ``[N, K]``, ticks.
    """

    tokens: jax.Array
    costs: jax.Array
    quality: jax.Array
    budgets: jax.Array

    @property
    def group(self) -> int:
        """G."""
        return self.tokens.shape[0] // self.budgets.shape[0]

    @property
    def asked(self) -> jax.Array:
        """The budget of each sample, int32 ``[S, K]``."""
        return jnp.repeat(self.budgets, self.group, 0)


def surrogate(policy: Policy, problem: Problem, samples: Samples, shared: int) -> tuple[jax.Array, jax.Array]:
    """What REINFORCE climbs, and the mean entropy of the samples.

    The reward of a sample is known under every budget. With ``shared`` above 0 a budget also learns from the samples of
    that many others, one after the other: of two groups, a sample weighs pi / (pi + pi'), its probability under the
    budget that learns as a share of both (the balance heuristic of Veach and Guibas, SIGGRAPH 1995, which leaves the
    gradient unbiased), and the mean over the other budgets is taken. What does not fit a budget has probability 0.

    Args:
      policy: the generator, differentiable in its parameters.
      problem: the problem.
      samples: drawn by the present policy.
      shared: static, other budgets that a budget learns from.
    """
    num, group = samples.budgets.shape[0], samples.group
    own = decode.score(policy, problem, samples.tokens, samples.asked)
    quality = samples.quality.reshape(num, group)
    if not shared:
        return jnp.mean(standardised(quality).ravel() * own.log_prob), own.entropy.mean()
    total = jnp.float32(0)
    for step in range(1, shared + 1):
        # The groups of the budgets that come ``step`` later, in a random order since budgets are drawn in one.
        other: Samples = jax.tree.map(lambda leaf, n=step: jnp.roll(leaf, -n * (leaf.shape[0] // num), 0), samples)
        here, fits = _log_prob(policy, problem, other.tokens, other.costs, samples)
        there, both = _log_prob(policy, problem, samples.tokens, samples.costs, other)
        weight = _share(own.log_prob, jnp.where(both, there, -jnp.inf))
        theirs = _share(jnp.where(fits, here, -jnp.inf), jnp.roll(own.log_prob, -step * group))
        pool = jnp.concatenate([weight.reshape(num, group), theirs.reshape(num, group)], 1)
        gain = advantages(jnp.concatenate([quality, other.quality.reshape(num, group)], 1), pool)
        log_prob = jnp.concatenate([own.log_prob.reshape(num, group), here.reshape(num, group)], 1)
        total += jnp.sum(pool * gain * log_prob) / (num * group)
    return total / shared, own.entropy.mean()


def advantages(quality: jax.Array, weights: jax.Array) -> jax.Array:
    """Rows ``[N, M]`` less their weighted mean, divided by their weighted deviation; 0 where not finite.

    Of both groups: by the moments of a group whose samples are all alike any other sample would be infinitely far.
    """
    finite = jnp.isfinite(quality)
    held = jnp.where(finite, weights, 0.0)
    total = jnp.maximum(held.sum(-1, keepdims=True), 1e-6)
    mean = jnp.sum(held * jnp.where(finite, quality, 0.0), -1, keepdims=True) / total
    centred = jnp.where(finite, quality - mean, 0.0)
    return centred / (jnp.sqrt(jnp.sum(held * centred**2, -1, keepdims=True) / total) + FLAT)


def _log_prob(
    policy: Policy, problem: Problem, tokens: jax.Array, costs: jax.Array, samples: Samples
) -> tuple[jax.Array, jax.Array]:
    """The log pi of tokens ``[S, T]`` under the budgets of samples, and which fit; others are scored as the samples."""
    fits = (costs <= samples.asked).all(-1)
    held = jnp.where(fits[:, None], tokens, samples.tokens)
    return decode.score(policy, problem, held, samples.asked).log_prob, fits


def _share(one: jax.Array, other: jax.Array) -> jax.Array:
    """The share pi / (pi + pi') of log-probabilities, without a gradient."""
    return jax.lax.stop_gradient(jax.nn.sigmoid(one - other))


def imitation(policy: Policy, problem: Problem, archive: Cells, budgets: jax.Array, margin: Any) -> jax.Array:
    """Mean of -log pi of the archive's best within budgets int32 ``[B, K]`` less a share ``margin``."""
    row, best = archive.best_within(shrink(budgets, margin, problem))
    copied = decode.score(policy, problem, archive.tokens[row], budgets).log_prob
    return -jnp.mean(jnp.where(best > -jnp.inf, copied, 0.0))


def descend(policy: Policy, optimiser: Any, grads: Any, rate: jax.Array) -> tuple[Policy, Any]:
    """One step of Adam."""
    grads = jax.tree.map(jnp.nan_to_num, grads)
    updates, optimiser = optax.scale_by_adam().update(grads, optimiser)
    weights = jax.tree.map(lambda weight, step: weight - rate * step, policy.params, updates)
    return dataclasses.replace(policy, params=weights), optimiser


def shrink(budgets: jax.Array, margin: jax.Array, problem: Problem) -> jax.Array:
    """Budgets less a share ``margin``, but not below the cheapest.

    The policy blurs budgets that lie closer together than its anchors. What it imitates must therefore fit a slightly
    smaller budget as well: an architecture that just misses the budget leaves the mask no choice but a bad last block.
    """
    return jnp.maximum((budgets * (1 - margin)).astype(jnp.int32), problem.low[None])


def draw_budgets(archive: Cells, problem: Problem, num: int, key: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]``, stratified; few above the cost of the best, where there is nothing left to gain."""
    top = budget_position(problem, archive.costs[jnp.argmax(archive.quality)][None])
    top = jnp.minimum(top * 1.02 + 0.01, 1.0)
    order_key, key = jax.random.split(key)
    places = strata(order_key, num, problem.spec.num_costs)
    drawn = (places + jax.random.uniform(key, places.shape)) / num
    below, above = drawn / (1 - ABOVE_TOP), (drawn - (1 - ABOVE_TOP)) / ABOVE_TOP
    return budget_at(problem, jnp.where(drawn < 1 - ABOVE_TOP, below * top, top + above * (1 - top)))
