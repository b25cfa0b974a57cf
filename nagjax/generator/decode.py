"""Sampling, greedy and beam decoding of a policy under the mask, and the score of given architectures."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator.policy import Policy, PolicyTables, encode_slack, lstm_cell, offsets, policy_tables
from nagjax.generator.walk import advance, best_choice, follow, graph_layers, look, masked_walk, segments
from nagjax.problems.problem import Problem, Spec


@flax.struct.dataclass
class Scores:
    """What a policy thinks of given architectures; closed decisions count for nothing.

    Attributes:
      log_prob: float32 ``[B]``, log pi(a | budget).
      entropy: float32 ``[B]``, entropies of the policy along the path, added up.
    """

    log_prob: jax.Array
    entropy: jax.Array


def sample(policy: Policy, problem: Problem, budgets: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draw an architecture for each budget.

    Args:
      policy: the generator.
      problem: the problem.
      budgets: int32 ``[B, K]`` ticks, at least the cheapest architecture's cost.
      key: random key.

    Returns:
      tokens int32 ``[B, T]`` and costs int32 ``[B, K]`` in ticks.
    """
    return sample_by(policy, problem, budgets, jax.random.uniform(key, (problem.spec.num_layers, budgets.shape[0])))


def sample_by(policy: Policy, problem: Problem, budgets: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``sample`` by given uniform numbers float32 ``[T, B]`` in 0..1, one a decision."""

    def pick(logits: jax.Array, mask: jax.Array, uniform: jax.Array) -> jax.Array:
        # Inverse of the cumulative distribution: one random number a decision. A closed choice adds nothing to the sum,
        # so it is never the first to pass the threshold, whatever the rounding.
        finite = jnp.where(mask, jnp.nan_to_num(logits), -jnp.inf)
        weight = jnp.exp(finite - finite.max(-1, keepdims=True))
        total = jnp.cumsum(weight, -1)
        threshold = jnp.minimum(uniform, 1.0 - 1e-6)[:, None] * total[:, -1:]
        return jnp.argmax(total > threshold, -1).astype(jnp.int32)

    return _rollout(policy, problem, budgets, pick, noise)


def greedy(policy: Policy, problem: Problem, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The most likely open choice at each decision; arguments and returns as ``sample``, without a key."""

    def pick(logits: jax.Array, mask: jax.Array, unused: jax.Array) -> jax.Array:
        del unused
        return best_choice(logits, mask)

    return _rollout(policy, problem, budgets, pick, jnp.zeros((problem.spec.num_layers, budgets.shape[0])))


def _rollout(
    policy: Policy, problem: Problem, budgets: jax.Array, pick: Any, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    tables = policy_tables(policy, problem, budgets)
    num, hidden = budgets.shape[0], policy.network.hidden

    dense = jnp.concatenate([tables.recurrent, tables.slack])

    def choose(carry: Any, x: Any, mask: jax.Array, slack: jax.Array) -> tuple[Any, jax.Array, None]:
        h, c, before = carry
        own, start, head, unary, uniform = x
        gates = tables.budget + own[before] + jnp.concatenate([h, encode_slack(problem, slack)], -1) @ dense
        h, c = lstm_cell(gates, c)
        token = pick(h @ head + unary, mask, uniform)
        return (h, c, start + token), token, None

    def inputs(first: int, last: int, width: int) -> tuple[jax.Array, ...]:
        return (*layer_inputs(tables, problem.spec, first, last, width), noise[first:last])

    zeros = jnp.zeros((num, hidden))
    carry = (zeros, zeros, jnp.full(num, tables.tokens.shape[0]))
    tokens, costs, _, _ = masked_walk(problem, budgets, choose, carry, inputs)
    return tokens, costs


def layer_inputs(tables: PolicyTables, spec: Spec, first: int, last: int, width: int) -> tuple[jax.Array, ...]:
    """What a rollout reads of each layer of a segment; heads are padded to the segment's width.

    A layer's position goes with the token before it (the last row is for none): added by itself inside the scan, XLA's
    CPU backend slices it inside the fused cell, which then takes twice the time of the whole walk.

    Returns:
      for each of L layers what the token before adds to the gates ``[L, W + 1, 4H]``, where its kind's choices begin
      ``[L]``, its head ``[L, H, C']`` and its logits that depend on the budget alone ``[L, B, C']``.
    """
    starts, number = offsets(spec), [run[0] for run in segments(spec.choices)].index(first)
    heads = jnp.pad(tables.heads, ((0, 0), (0, width)))
    before = jnp.pad(tables.tokens, ((0, 1), (0, 0)))
    return (
        before[None] + tables.position[first:last, None],
        jnp.array(starts[first:last]),
        jnp.stack([heads[:, starts[t] : starts[t] + width] for t in range(first, last)]),
        jnp.moveaxis(tables.unary[number], 1, 0),
    )


def score(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> Scores:
    """Log-probability and entropy of architectures under the masked policy, differentiable in its parameters.

    Args:
      policy: the generator.
      problem: the problem.
      tokens: int32 ``[B, T]`` within budget.
      budgets: int32 ``[B, K]`` ticks.
    """
    spec = problem.spec
    tables = policy_tables(policy, problem, budgets)
    masks, slack, is_open = follow(problem, tokens, budgets)
    # One product for the heads of all kinds: products batched over layers, and the scatter that is the gradient of a
    # gather, are many times slower on a CPU.
    hidden = _hidden_states(tables, spec, tokens, encode_slack(problem, slack))
    every = (hidden.reshape(-1, hidden.shape[-1]) @ tables.heads).reshape(*hidden.shape[:2], -1)
    log_prob = jnp.zeros(len(tokens))
    entropy = jnp.zeros(len(tokens))
    for (first, last, width), mask, unary in zip(segments(spec.choices), masks, tables.unary, strict=True):
        layers = slice(first, last)
        logits = jnp.moveaxis(_own_head(every, spec, first, last, width), 0, 1) + unary
        log_p = jax.nn.log_softmax(jnp.where(mask, logits, -1e30), -1)
        chosen = jnp.sum(jnp.where(jax.nn.one_hot(tokens[:, layers], width, dtype=bool), log_p, 0.0), -1)
        terms = -jnp.sum(jnp.where(mask, jnp.exp(log_p) * log_p, 0.0), -1)
        log_prob += jnp.sum(jnp.where(is_open[:, layers], chosen, 0.0), -1)
        entropy += jnp.sum(jnp.where(is_open[:, layers], terms, 0.0), -1)
    return Scores(log_prob, entropy)


def _own_head(every: jax.Array, spec: Spec, first: int, last: int, width: int) -> jax.Array:
    """Each layer's own columns ``[L, B, C']`` of the heads of all kinds ``[T, B, W]``."""
    starts = offsets(spec)[first:last]
    padded = jnp.pad(every[first:last], ((0, 0), (0, 0), (0, width)))
    out = jnp.zeros((last - first, every.shape[1], width))
    for start in sorted(set(starts)):
        own = jnp.array([one == start for one in starts])[:, None, None]
        out = jnp.where(own, padded[..., start : start + width], out)
    return out


def _hidden_states(tables: PolicyTables, spec: Spec, tokens: jax.Array, slack: jax.Array) -> jax.Array:
    """LSTM outputs float32 ``[T, B, H]`` along given tokens.

    Each step is one product of all its inputs, so that no ``[T, B, 4H]`` array is kept for the gradient.
    """
    num, layers, width = tokens.shape[0], spec.num_layers, tables.tokens.shape[0]
    columns = jnp.pad((jnp.array(offsets(spec))[:, None] + tokens.T)[:-1], ((1, 0), (0, 0)), constant_values=-1)
    place = jnp.broadcast_to(jnp.eye(layers)[:, None], (layers, num, layers))
    known = jnp.concatenate([jax.nn.one_hot(columns, width), place, jnp.moveaxis(slack, 1, 0)], -1)
    # One flat product, whose gradient is one as well.
    maps = jnp.concatenate([tables.tokens, tables.position, tables.slack])
    inputs = (known.reshape(layers * num, -1) @ maps).reshape(layers, num, -1)

    def step(carry: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = carry
        # The budget is added here because the gradient of a broadcast is a sum over layers, slow on a CPU.
        h, c = lstm_cell(x + tables.budget + h @ tables.recurrent, c)
        return (h, c), h

    zeros = jnp.zeros((num, tables.recurrent.shape[0]))
    _, hidden = jax.lax.scan(step, (zeros, zeros), inputs)
    return hidden


def beam(policy: Policy, problem: Problem, budgets: jax.Array, width: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The most likely architectures that a beam of ``width`` finds.

    Args:
      policy: the generator.
      problem: the problem.
      budgets: int32 ``[B, K]`` ticks, at least the cheapest architecture's cost.
      width: W, static.

    Returns:
      tokens int32 ``[B, W, T]``, distinct; costs int32 ``[B, W, K]``; log-probability float32 ``[B, W]``, falling, -inf
      where fewer than W architectures fit.
    """
    spec, num, hidden = problem.spec, budgets.shape[0], policy.network.hidden
    tables = policy_tables(policy, problem, budgets)
    wide = jax.tree.map(lambda x: jnp.repeat(x, width, 0), (budgets, tables.budget))
    log_prob = jnp.full((num, width), -jnp.inf).at[:, 0].set(0.0)
    rows = num * width
    tokens = jnp.zeros((rows, spec.num_layers), jnp.int32)
    walker = (jnp.zeros(rows, jnp.int32), jnp.zeros((rows, spec.num_costs), jnp.int32))
    memory = (jnp.zeros((rows, hidden)), jnp.zeros((rows, hidden)), jnp.full(rows, tables.tokens.shape[0]))
    dense = jnp.concatenate([tables.recurrent, tables.slack])
    state = (log_prob, tokens, walker, memory)
    for first, last, choices in segments(spec.choices):

        def step(state: Any, layer: Any, choices: int = choices) -> tuple[Any, None]:
            log_prob, tokens, (node, spent), (h, c, before) = state
            t, need, cost, target, togo, (own, start, head, unary) = layer
            mask, slack = look(spec, need, togo, node, spent, wide[0])
            gates = wide[1] + own[before] + jnp.concatenate([h, encode_slack(problem, slack)], -1) @ dense
            h, c = lstm_cell(gates, c)
            logits = jnp.nan_to_num(h @ head + jnp.repeat(unary, width, 0))
            log_p = jax.nn.log_softmax(jnp.where(mask, logits, -jnp.inf), -1)
            total = log_prob[:, :, None] + jnp.where(mask, log_p, -jnp.inf).reshape(num, width, choices)
            log_prob, best = jax.lax.top_k(total.reshape(num, width * choices), width)
            source = (jnp.arange(num)[:, None] * width + best // choices).ravel()
            # A dead beam (-inf) may point at a closed choice: it follows the first open one instead and stays dead.
            token = jnp.where(
                mask[source, (best % choices).ravel()], (best % choices).ravel(), jnp.argmax(mask[source], -1)
            )
            node, spent = advance(spec, cost, target, node[source], spent[source], token)
            tokens = tokens[source].at[:, t].set(token.astype(jnp.int32))
            return (log_prob, tokens, (node, spent), (h[source], c[source], start + token)), None

        scanned = (jnp.arange(first, last), *graph_layers(problem, first, last, choices))
        state, _ = jax.lax.scan(step, state, (*scanned, layer_inputs(tables, spec, first, last, choices)))
    log_prob, tokens, (_, spent), _ = state
    return tokens.reshape(num, width, -1), spent.reshape(num, width, -1), log_prob
