"""What the policy of ``nag`` learns from: its own samples by REINFORCE, and the archive by imitation."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nagjax import pareto
from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_at, budget_position
from nagjax.problem import Problem
from nagjax_nag.drawing import FLAT, moments, standardised

ABOVE_TOP = 0.06
"""Share of the budgets drawn above the cost of the best architecture: the policy has to know that nothing changes."""
LARGEST_RATIO = 4.0
"""Bound of the importance of a sample for a budget that it was not drawn for."""


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

    The reward of a sample is known under every budget. With ``shared`` above 0 each sample also counts for that many
    other budgets, if it fits them, weighted by how much likelier they make it than its own does (importance sampling,
    the ratio bounded); the terms of a budget are divided by its weights.

    Args:
      policy: the generator, differentiable in its parameters.
      problem: the problem.
      samples: drawn by the present policy.
      shared: static, other budgets that a sample counts for.
    """
    num, group = samples.budgets.shape[0], samples.group
    quality = samples.quality.reshape(num, group)
    own = decode.score(policy, problem, samples.tokens, samples.asked)
    if not shared:
        return jnp.mean(standardised(quality).ravel() * own.log_prob), own.entropy.mean()
    mean, deviation = moments(quality)
    terms, weights = standardised(quality).ravel() * own.log_prob, jnp.ones(num * group)
    total, weight = terms.reshape(num, group).sum(-1), weights.reshape(num, group).sum(-1)
    for step in range(1, shared + 1):
        # The samples of the next budgets in a random order, for the budgets as they stand.
        other: Samples = jax.tree.map(lambda leaf, n=step: jnp.roll(leaf, -n * (leaf.shape[0] // num), 0), samples)
        fits = (other.costs <= samples.asked).all(-1) & jnp.isfinite(other.quality)
        # What does not fit has no probability: it is scored as one that does, and counts for nothing.
        tokens = jnp.where(fits[:, None], other.tokens, samples.tokens)
        here = decode.score(policy, problem, tokens, samples.asked).log_prob
        before = jnp.roll(own.log_prob, -step * group)
        ratio = jnp.minimum(jnp.exp(jnp.minimum(jax.lax.stop_gradient(here - before), 20.0)), LARGEST_RATIO)
        ratio = jnp.where(fits, ratio, 0.0)
        centred = jnp.where(fits, other.quality, 0.0) - jnp.repeat(mean, group)
        terms = ratio * centred / (jnp.repeat(deviation, group) + FLAT) * here
        total, weight = total + terms.reshape(num, group).sum(-1), weight + ratio.reshape(num, group).sum(-1)
    return jnp.mean(total / weight), own.entropy.mean()


def imitation(policy: Policy, problem: Problem, archive: pareto.Archive, budgets: jax.Array, margin: Any) -> jax.Array:
    """Mean of -log pi of the archive's best within budgets int32 ``[B, K]`` less a share ``margin``."""
    row, best = pareto.best_within(archive, shrink(budgets, margin, problem))
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


def draw_budgets(archive: pareto.Archive, problem: Problem, num: int, key: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]``, stratified; few above the cost of the best, where there is nothing left to gain."""
    top = budget_position(problem, archive.costs[jnp.argmax(archive.quality)][None])
    top = jnp.minimum(top * 1.02 + 0.01, 1.0)
    order_key, key = jax.random.split(key)
    columns = jax.random.split(order_key, problem.spec.num_costs)
    strata = jnp.stack([jax.random.permutation(column, num) for column in columns], -1)
    drawn = (strata + jax.random.uniform(key, strata.shape)) / num
    below, above = drawn / (1 - ABOVE_TOP), (drawn - (1 - ABOVE_TOP)) / ABOVE_TOP
    return budget_at(problem, jnp.where(drawn < 1 - ABOVE_TOP, below * top, top + above * (1 - top)))
