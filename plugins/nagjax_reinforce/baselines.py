"""Baselines for each budget: what is taken from a reward before it weighs a gradient, and what they remember.

Rewards of different budgets have different offsets, so a baseline that ignores the budget mostly tells budgets apart.
One table, a traced index chooses:

- ``none``: 0;
- ``moving``: average of the past rewards, kept at the policy's anchors and interpolated between them;
- ``group``: mean of this budget's G samples in this update; as each is part of its own baseline, the gradient is
  1 - 1/G of what it would be, and with one sample nothing;
- ``value``: V(B), a small network of the budget's position that learns by squared error.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Params
from nagjax.generator.training import FLAT, adam_start, adam_step, moments
from nagjax_reinforce.rewards import choose

BASELINES = ("none", "moving", "group", "value")
WIDTH = 16
"""Hidden units of the learned value."""


class ValueNetwork(nn.Module):
    """Budget positions ``[N, K]`` -> hidden layer, tanh -> V ``[N]``."""

    @nn.compact
    def __call__(self, position: jax.Array) -> jax.Array:
        """See the class; the position is centred, so that the hidden units bend within the range."""
        hidden = nn.tanh(nn.Dense(WIDTH, kernel_init=nn.initializers.normal(2.0))(2 * position - 1))
        return nn.Dense(1)(hidden)[:, 0]


@flax.struct.dataclass
class Memory:
    """What baselines remember of past rewards.

    Attributes:
      total: float32 ``[A]``, decayed sum of rewards at each anchor.
      count: float32 ``[A]``, decayed number of them; 0 where none was seen yet.
      value: parameters of ``ValueNetwork``.
      optimiser: state of its Adam.
    """

    total: jax.Array
    count: jax.Array
    value: Any
    optimiser: Any


def init_memory(key: jax.Array, num_anchors: int, num_costs: int) -> Memory:
    """Nothing seen yet; ``num_anchors`` counts those of all cost columns."""
    value = ValueNetwork().init(key, jnp.zeros((1, num_costs)))
    return Memory(jnp.zeros(num_anchors), jnp.zeros(num_anchors), value, adam_start(value))


def forget(memory: Memory) -> Memory:
    """The memory under a changed problem: averages begin anew, the learned value learns on."""
    return Memory(jnp.zeros_like(memory.total), jnp.zeros_like(memory.count), memory.value, memory.optimiser)


def moving_average(memory: Memory, weights: jax.Array) -> jax.Array:
    """Average float32 ``[N]`` of past rewards at budgets with anchor weights ``[N, A]``; 0 where none was seen."""
    known = weights * (memory.count > 0)[None]
    average = memory.total / jnp.maximum(memory.count, 1e-30)
    return known @ average / jnp.maximum(known.sum(-1), 1e-30)


def advantages(
    memory: Memory, rewards: jax.Array, weights: jax.Array, position: jax.Array, params: Params
) -> tuple[jax.Array, jax.Array]:
    """What each sample is better than expected, float32 ``[N, G]``, 0 if not finite, and where it is, bool.

    Rewards are float32 ``[N, G]``, G samples for each of N budgets, weights of the anchors float32 ``[N, A]``, rows
    adding up to 1, ``position`` of the budgets float32 ``[N, K]``, 0..1. The memory is from before this update, so that
    no sample but those of ``group`` is part of its own baseline.
    """
    mean, deviation = moments(rewards)
    value = jnp.asarray(ValueNetwork().apply(memory.value, position))
    table = jnp.stack([jnp.zeros_like(mean), moving_average(memory, weights), mean, value])
    centred = rewards - choose(table, params["baseline"])[:, None]
    scaled = (params["standardise"] > 0.5) & (deviation > FLAT)
    finite = jnp.isfinite(centred)
    centred = params["reward_scale"] * centred / jnp.where(scaled, deviation, 1.0)[:, None]
    return jnp.where(finite, centred, 0.0), finite


def remember(memory: Memory, rewards: jax.Array, weights: jax.Array, position: jax.Array, params: Params) -> Memory:
    """The memory after rewards ``[N, G]``; arguments as ``advantages``, with ``baseline_decay`` and ``value_rate``."""
    finite = jnp.isfinite(rewards)
    seen, number = jnp.where(finite, rewards, 0.0), finite.sum(-1).astype(jnp.float32)
    added = number @ weights
    # Anchors that were not asked for keep what they know.
    keep = jnp.where(added > 0, params["baseline_decay"], 1.0)

    def loss(value: Any) -> jax.Array:
        error = jnp.asarray(ValueNetwork().apply(value, position))[:, None] - seen
        return jnp.sum(jnp.where(finite, error, 0.0) ** 2) / jnp.maximum(number.sum(), 1.0)

    value, optimiser = adam_step(memory.value, memory.optimiser, jax.grad(loss)(memory.value), params["value_rate"])
    return Memory(keep * memory.total + seen.sum(-1) @ weights, keep * memory.count + added, value, optimiser)
