"""The estimator ``gates``: two paths at a time (ProxylessNAS, Cai et al., arXiv 1812.00332, section 3.2).

Of a sampled architecture some decisions are picked. At each a second choice j is drawn by the policy among the others,
the architecture with j in the place of i is repaired and evaluated, and only the two choices compete:

    loss = -(p_i R_i + p_j R_j),  p = softmax of their two logits.

Rewards are standardised among what is evaluated for the same budget: that changes neither sign nor ratio of gradients.
The gradient with respect to the two logits is equal and opposite, so the sum of the others' stays as it is, as in the
paper. No reward needs a gradient, so any quality will do.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator.policy import Policy
from nagjax.generator.training import standardised
from nagjax.populations import vary
from nagjax.problems.problem import Problem, evaluate
from nagjax_nag import traced_walk
from nagjax_nag.traced_walk import Seen, Trace


@flax.struct.dataclass
class Pairs:
    """P second choices for each of B architectures.

    Attributes:
      decision: int32 ``[B, P]``, where a second choice was drawn, each decision at most once.
      other: int32 ``[B, P]``, the second choice.
      gain: float32 ``[B, P]``, R_i - R_j; 0 where either is not finite, or fewer than P decisions had a second choice.
      quality: float32 ``[B * (1 + P)]``, of the architectures, then of each with its second choices.
      costs: int32 ``[B * (1 + P), K]``, ticks, of the same.
    """

    decision: jax.Array
    other: jax.Array
    gain: jax.Array
    quality: jax.Array
    costs: jax.Array


DEFAULTS: Mapping[str, float] = {
    "learning_rate": 2e-2,
    "final_learning_rate": 1e-4,
    "entropy": 0.05,
    "final_entropy": 0.0,
    "clip": 0.0,
}
"""What is swept: see ``pathwise.ESTIMATORS``."""


def loss(
    policy: Policy, problem: Problem, budgets: jax.Array, noise: jax.Array, pairs: int, group: int, key: jax.Array
) -> tuple[jax.Array, Seen]:
    """Minus what two-path gates climb; arguments as ``draw``."""
    trace = traced_walk.walk(policy, problem, budgets, noise)
    drawn = draw(problem, trace, budgets, noise, pairs, group, key)
    return -objective(trace, drawn), Seen(drawn.quality, drawn.costs, traced_walk.entropy(trace))


def draw(
    problem: Problem, trace: Trace, budgets: jax.Array, noise: jax.Array, pairs: int, group: int, key: jax.Array
) -> Pairs:
    """Draw P second choices (``pairs``, static) for each of B sampled architectures, and evaluate them all.

    Budgets are int32 ``[B, K]`` ticks; G rows in turn (``group``, static) have the same, and rewards are standardised
    among the ``group * (1 + pairs)`` architectures evaluated for it. ``noise`` float32 ``[T, B, C]`` is what the
    architectures were sampled by.
    """
    which_key, repair_key = jax.random.split(key)
    num, rows = len(budgets), jnp.arange(len(budgets))[:, None]
    perturbed = jnp.nan_to_num(jax.lax.stop_gradient(trace.logits)) + jnp.moveaxis(noise, 0, 1)
    # The second best under the same noise is a draw from the policy among the other choices.
    chosen = jax.nn.one_hot(trace.tokens, problem.spec.num_choices, dtype=bool)
    second = jnp.argmax(jnp.where(trace.mask & ~chosen, perturbed, -jnp.inf), -1).astype(jnp.int32)
    priority = jax.random.uniform(which_key, trace.decided.shape) + trace.decided
    height, decision = jax.lax.top_k(priority, pairs)
    other = second[rows, decision]

    swapped = jnp.repeat(proposal(problem, trace, perturbed)[:, None], pairs, 1)
    swapped = swapped.at[rows, jnp.arange(pairs)[None], decision].set(other)
    flat, asked = swapped.reshape(num * pairs, -1), jnp.repeat(budgets, pairs, 0)
    repaired, costs = vary.reroll(problem, flat, jnp.zeros(flat.shape, bool), asked, repair_key)
    quality, _ = evaluate(problem, jnp.concatenate([trace.tokens, repaired]))
    table = jnp.concatenate([quality[:num, None], quality[num:].reshape(num, pairs)], 1)
    reward = standardised(table.reshape(num // group, -1)).reshape(table.shape)
    usable = (height >= 1) & jnp.isfinite(table[:, :1]) & jnp.isfinite(table[:, 1:])
    gain = jnp.where(usable, reward[:, :1] - reward[:, 1:], 0.0)
    return Pairs(decision, other, gain, quality, jnp.concatenate([trace.costs, costs]))


def proposal(problem: Problem, trace: Trace, perturbed: jax.Array) -> jax.Array:
    """Tokens ``[B, T]`` of the trace, with the policy's own wishes for decisions that had no choice.

    A second choice may open them; with token 0 in its place a deeper network would get the least block there is.
    """
    real = jnp.arange(problem.spec.num_choices)[None] < jnp.array(problem.spec.choices)[:, None]
    wish = jnp.argmax(jnp.where(real[None], perturbed, -jnp.inf), -1).astype(jnp.int32)
    return jnp.where(trace.decided, trace.tokens, wish)


def objective(trace: Trace, pairs: Pairs) -> jax.Array:
    """Mean over architectures of p_i R_i + p_j R_j, added up over their decisions, of which P speak for all.

    R up to a constant.
    """
    rows = jnp.arange(len(trace.tokens))[:, None]
    first = jnp.take_along_axis(trace.tokens, pairs.decision, 1)
    logits = trace.logits[rows, pairs.decision]
    ahead = jnp.take_along_axis(logits, first[..., None], -1) - jnp.take_along_axis(logits, pairs.other[..., None], -1)
    # p_i R_i + p_j R_j = R_j + p_i (R_i - R_j), and R_j has no gradient.
    num = pairs.decision.shape[1]
    each = jnp.maximum(trace.decided.sum(-1), num) / num
    return jnp.mean(each * jnp.sum(jax.nn.sigmoid(ahead[..., 0]) * pairs.gain, -1))
