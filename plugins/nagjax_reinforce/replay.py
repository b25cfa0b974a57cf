"""What a policy has sampled before, to be replayed: the last M architectures and the budgets they were drawn for.

Adam and Lorraine, "Understanding Neural Architecture Search Techniques" (arXiv 1904.00438), found controllers that
forget, and taught them to give past architectures a high likelihood as well.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.problems.problem import Problem, Spec


@flax.struct.dataclass
class Past:
    """A ring of M samples.

    Attributes:
      tokens: int32 ``[M, T]``.
      budgets: int32 ``[M, K]``, ticks.
      seen: int32, how many were ever added.
    """

    tokens: jax.Array
    budgets: jax.Array
    seen: jax.Array


def nothing(spec: Spec, num: int) -> Past:
    """No past, with room for ``num`` samples."""
    shape = ((num, spec.num_layers), (num, spec.num_costs))
    return Past(jnp.zeros(shape[0], jnp.int32), jnp.zeros(shape[1], jnp.int32), jnp.int32(0))


def remember(past: Past, tokens: jax.Array, budgets: jax.Array) -> Past:
    """The past with samples int32 ``[B, T]`` for budgets ``[B, K]`` in the places of the oldest."""
    room = past.tokens.shape[0]
    new = tokens[-room:], budgets[-room:]
    place = (past.seen + jnp.arange(len(new[0]))) % room
    seen = past.seen + len(new[0])
    return Past(past.tokens.at[place].set(new[0]), past.budgets.at[place].set(new[1]), seen)


def log_likelihood(policy: Policy, problem: Problem, past: Past) -> jax.Array:
    """Mean log pi(a | budget) of the past, float32; 0 without one."""
    room = past.tokens.shape[0]
    real = jnp.arange(room) < past.seen
    found = decode.score(policy, problem, past.tokens, past.budgets).log_prob
    return jnp.sum(jnp.where(real, found, 0.0)) / jnp.maximum(real.sum(), 1)
