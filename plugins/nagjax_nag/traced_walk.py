"""A sampled walk whose logits carry gradients: what estimators need that look at more than the chosen tokens.

Choices are drawn by adding Gumbel noise to the logits and taking the best open one, which is a sample of the policy.
The same noise then also says what would have been second best, or what a softmax in place of the maximum gives.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator.decode import layer_inputs
from nagjax.generator.policy import Carry, Layer, Policy, first_carry, multiply_rows, policy_step, policy_tables
from nagjax.generator.walk import best_choice, masked_walk
from nagjax.problems.problem import Problem, Spec
from nagjax.spaces.trellis import walk_nodes


@flax.struct.dataclass
class Trace:
    """A sampled architecture for each of B budgets, and what the policy thought on the way.

    Attributes:
      tokens: int32 ``[B, T]``.
      costs: int32 ``[B, K]``, ticks.
      logits: float32 ``[B, T, C]``, differentiable in the policy's parameters; of closed decisions as well.
      mask: bool ``[B, T, C]``, choices that were open.
      decided: bool ``[B, T]``, decisions that were open and not forced by the mask.
    """

    tokens: jax.Array
    costs: jax.Array
    logits: jax.Array
    mask: jax.Array
    decided: jax.Array


@flax.struct.dataclass
class Seen:
    """What an estimator hands back beside its loss: all that was evaluated, the B sampled architectures first.

    Attributes:
      quality: float32 ``[N]``.
      costs: int32 ``[N, K]``, ticks.
      entropy: float32 ``[B]``, of the policy along each sample.
    """

    quality: jax.Array
    costs: jax.Array
    entropy: jax.Array


def gumbel_noise(key: jax.Array, spec: Spec, num: int) -> jax.Array:
    """Noise float32 ``[T, num, C]``."""
    return jax.random.gumbel(key, (spec.num_layers, num, spec.num_choices))


def walk(policy: Policy, problem: Problem, budgets: jax.Array, noise: jax.Array) -> Trace:
    """Sample an architecture for each budget int32 ``[B, K]``, ticks, under the problem's mask.

    Budgets are at least the cheapest architecture's cost; noise is float32 ``[T, B, C]``, and zeros give the greedy
    architecture.
    """
    spec = problem.spec
    tables = policy_tables(policy, problem, budgets)
    decide = policy_step(tables, problem, multiply_rows)

    def choose(
        carry: Carry, x: tuple[Layer, jax.Array], mask: jax.Array, slack: jax.Array
    ) -> tuple[Carry, jax.Array, Any]:
        layer, perturb = x
        hidden, cell, logits = decide(carry, layer, slack)
        token = best_choice(logits + perturb, mask)
        wider = ((0, 0), (0, spec.num_choices - mask.shape[1]))
        return Carry(hidden, cell, layer.start + token), token, (jnp.pad(logits, wider), jnp.pad(mask, wider))

    def inputs(first: int, last: int, width: int) -> tuple[Layer, jax.Array]:
        return layer_inputs(tables, spec, first, last, width), noise[first:last, :, :width]

    tokens, costs, _, outs = masked_walk(problem, budgets, choose, first_carry(tables), inputs)
    logits, mask = (jnp.moveaxis(jnp.concatenate(parts), 0, 1) for parts in zip(*outs, strict=True))
    nodes = walk_nodes(problem.target, tokens)
    decided = problem.open[jnp.arange(spec.num_layers), nodes] & (mask.sum(-1) > 1)
    return Trace(tokens, costs, logits, mask, decided)


def entropy(trace: Trace) -> jax.Array:
    """Entropies of the policy along the path, added up, float32 ``[B]``."""
    log_p = jax.nn.log_softmax(jnp.where(trace.mask, trace.logits, -1e30), -1)
    terms = -jnp.sum(jnp.where(trace.mask, jnp.exp(log_p) * log_p, 0.0), -1)
    return jnp.sum(jnp.where(trace.decided, terms, 0.0), -1)
