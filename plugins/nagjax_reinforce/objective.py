"""What a policy gradient follows: clipped ratios (Schulman et al., arXiv 1707.06347), entropy and their schedules."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Metrics, Params
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.generator.training import adam_step, annealed, policy_gradient
from nagjax.problems.problem import Problem
from nagjax_reinforce.replay import Past, log_likelihood

FARTHEST = 20.0
"""Largest log of a ratio: beyond it float32 would soon be infinite."""
ROUNDING = 1e-5
"""Share of the largest slope of an array below which a slope is taken for a rounding error."""


def surrogate(log_prob: jax.Array, old: jax.Array, advantage: jax.Array, clip: jax.Array) -> jax.Array:
    """Mean of advantage times ratio pi/pi_old, clipped; where the two policies agree its gradient is REINFORCE's.

    Log-probabilities of whole architectures and advantages are float32 ``[B]``. Beyond ``1 - clip .. 1 + clip`` a
    sample that already moved the right way counts no more; 0 clips nothing.

    >>> surrogate(jnp.log(jnp.array([2.0, 0.5])), jnp.zeros(2), jnp.array([1.0, -1.0]), jnp.array(0.25)).item()
    0.25
    """
    ratio = jnp.exp(jnp.clip(log_prob - old, -FARTHEST, FARTHEST))
    bounded = jnp.where(clip > 0, jnp.clip(ratio, 1 - clip, 1 + clip), ratio)
    return jnp.mean(jnp.minimum(ratio * advantage, bounded * advantage))


def without_rounding(slope: jax.Array) -> jax.Array:
    """The slopes, rounding errors set to 0: Adam would make full steps of them.

    A budget at an anchor, but for a last bit, gives the neighbouring anchors 1e-7 of its slope.

    >>> without_rounding(jnp.array([0.5, -1e-7, 0.25])).tolist()
    [0.5, 0.0, 0.25]
    """
    return jnp.where(jnp.abs(slope) < ROUNDING * jnp.max(jnp.abs(slope)), 0.0, slope)


def entropy_weight(params: Params, progress: jax.Array) -> jax.Array:
    """From ``entropy`` to ``final_entropy`` along progress ^ ``entropy_power``: 1 is linear, below 1 falls early."""
    return params["entropy"] + (params["final_entropy"] - params["entropy"]) * progress ** params["entropy_power"]


@flax.struct.dataclass
class Samples:
    """What a gradient is taken of: tokens int32 ``[B, T]``, budgets int32 ``[B, K]``, advantage float32 ``[B]``."""

    tokens: jax.Array
    budgets: jax.Array
    advantage: jax.Array


def descend(
    policy: Policy,
    optimiser: Any,
    problem: Problem,
    samples: Samples,
    params: Params,
    progress: jax.Array,
    epochs: int,
    past: Past | None = None,
) -> tuple[Policy, Any, Metrics]:
    """Steps of Adam on the samples that ``policy`` drew.

    Args:
      policy: the generator.
      optimiser: state of Adam.
      problem: under whose mask the samples were drawn.
      samples: what was drawn.
      params: weights and rates.
      progress: float32 in 0..1.
      epochs: steps, static.
      past: what is replayed with the weight ``replay`` of ``params``; None for nothing.

    Returns:
      policy, state of Adam, and ``entropy`` before the steps and ``drift``, mean absolute log ratio at the last step.
    """
    weight = entropy_weight(params, progress)
    rate = annealed(params["learning_rate"], params["final_learning_rate"], progress)

    def epoch(carry: Any, number: jax.Array) -> tuple[Any, tuple[jax.Array, jax.Array]]:
        policy, optimiser, drawn_with = carry

        def loss(policy: Policy) -> tuple[jax.Array, decode.Scores]:
            scores = decode.score(policy, problem, samples.tokens, samples.budgets)
            # The first epoch's policy is the one that drew the samples.
            old = jnp.where(number == 0, jax.lax.stop_gradient(scores.log_prob), drawn_with)
            gain = surrogate(scores.log_prob, old, samples.advantage, params["clip"])
            told = 0.0 if past is None else params["replay"] * log_likelihood(policy, problem, past)
            return -gain - weight * scores.entropy.mean() - told, scores

        grads, scores = policy_gradient(loss, policy)
        drawn_with = jnp.where(number == 0, scores.log_prob, drawn_with)
        weights, optimiser = adam_step(policy.params, optimiser, jax.tree.map(without_rounding, grads), rate)
        policy = dataclasses.replace(policy, params=weights)
        return (policy, optimiser, drawn_with), (scores.entropy.mean(), jnp.abs(scores.log_prob - drawn_with).mean())

    carry = (policy, optimiser, jnp.zeros(len(samples.tokens)))
    (policy, optimiser, _), (entropy, drift) = jax.lax.scan(epoch, carry, jnp.arange(epochs))
    terms = {"entropy": entropy[0], "drift": drift[-1]}
    return policy, optimiser, terms
