"""Sampling, greedy and beam decoding of a policy under the mask, and the score of given architectures."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax import mesh, shapes
from nagjax.generator.policy import (
    Carry,
    Layer,
    Policy,
    PolicyTables,
    encode_slack,
    first_carry,
    lstm_cell,
    offsets,
    policy_step,
    policy_tables,
)
from nagjax.generator.walk import advance, best_choice, follow, graph_layers, look, masked_walk, segments
from nagjax.problems.problem import Problem, Spec


@flax.struct.dataclass
class Scores:
    """What a policy thinks of given architectures; decisions that are closed count for nothing, nor does a context.

    Attributes:
      log_prob: float32 ``[B]``, log pi(a | budget).
      entropy: float32 ``[B]``, entropies of the policy along the path, added up.
    """

    log_prob: jax.Array
    entropy: jax.Array


def sample(policy: Policy, problem: Problem, budgets: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draw an architecture for each budget int32 ``[B, K]``, ticks: tokens int32 ``[B, T]`` and costs int32 ``[B, K]``.

    Budgets are at least the cheapest architecture's cost, here and below.
    """
    return sample_by(policy, problem, budgets, jax.random.uniform(key, (problem.spec.num_layers, budgets.shape[0])))


def sample_in(
    policy: Policy, problem: Problem, budgets: jax.Array, contexts: jax.Array | None, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """``sample`` for rows of contexts int32 ``[B]``, by a problem ``in_rows`` of them; None where there are none."""
    if contexts is None:
        return sample(policy, problem, budgets, key)
    given = jnp.full((budgets.shape[0], problem.spec.num_layers), -1, jnp.int32).at[:, 0].set(contexts)
    return redraw(policy, problem, given, jnp.zeros_like(given, bool), budgets, key)


def sample_by(policy: Policy, problem: Problem, budgets: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``sample`` by given uniform numbers float32 ``[T, B]`` in 0..1, one a decision."""
    return _rollout(policy, problem, budgets, _drawn, noise)


def redraw(
    policy: Policy, problem: Problem, tokens: jax.Array, change: jax.Array, budgets: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Keep decisions of architectures that fit, draw the others and those of ``change``, bool ``[B, T]``.

    Tokens int32 ``[B, T]`` may have any values; what is returned is canonical and within budgets int32 ``[B, K]``,
    ticks, with its costs.
    """
    shapes.check("redraw: tokens", tokens, (budgets.shape[0], problem.spec.num_layers), int)
    uniform = jax.random.uniform(key, tokens.T.shape)

    def pick(logits: jax.Array, mask: jax.Array, layer: tuple[jax.Array, jax.Array]) -> jax.Array:
        uniform, kept = layer
        inside = jnp.clip(kept, 0, mask.shape[1] - 1)
        fits = jnp.take_along_axis(mask, inside[:, None], 1)[:, 0] & (inside == kept)
        return jnp.where(fits, kept, _drawn(logits, mask, uniform))

    return _rollout(policy, problem, budgets, pick, (uniform, jnp.where(change, -1, tokens).T))


def _drawn(logits: jax.Array, mask: jax.Array, uniform: jax.Array) -> jax.Array:
    """Open choices int32 ``[B]`` by uniform numbers float32 ``[B]``, as the logits ``[B, C']`` weigh them."""
    # Inverse of the cumulative distribution: one random number a decision. A closed choice adds nothing to the sum,
    # so it is never the first to pass the threshold, whatever the rounding.
    finite = jnp.where(mask, jnp.nan_to_num(logits), -jnp.inf)
    weight = jnp.exp(finite - finite.max(-1, keepdims=True))
    total = jnp.cumsum(weight, -1)
    threshold = jnp.minimum(uniform, 1.0 - 1e-6)[:, None] * total[:, -1:]
    return jnp.argmax(total > threshold, -1).astype(jnp.int32)


def greedy(policy: Policy, problem: Problem, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The most likely open choice at each decision; arguments and returns as ``sample``, without a key."""

    def pick(logits: jax.Array, mask: jax.Array, _unused: jax.Array) -> jax.Array:
        return best_choice(logits, mask)

    return _rollout(policy, problem, budgets, pick, jnp.zeros((problem.spec.num_layers, budgets.shape[0])))


def _rollout(
    policy: Policy, problem: Problem, budgets: jax.Array, pick: Any, noise: Any
) -> tuple[jax.Array, jax.Array]:
    shapes.check("decode: budgets", budgets, (None, problem.spec.num_costs), int)
    tables = policy_tables(policy, problem, budgets)
    decide = policy_step(tables, problem)

    def choose(carry: Carry, x: tuple[Layer, Any], mask: jax.Array, slack: jax.Array) -> tuple[Carry, jax.Array, None]:
        layer, given = x
        hidden, cell, logits = decide(carry, layer, slack)
        token = pick(logits, mask, given)
        return Carry(hidden, cell, layer.start + token), token, None

    def inputs(first: int, last: int, width: int) -> tuple[Layer, Any]:
        given = jax.tree.map(lambda one: one[first:last], noise)
        return layer_inputs(tables, problem.spec, first, last, width), given

    tokens, costs, _, _ = masked_walk(problem, budgets, choose, first_carry(tables), inputs)
    return tokens, costs


def layer_inputs(tables: PolicyTables, spec: Spec, first: int, last: int, width: int) -> Layer:
    """What a walk reads of the L layers of a segment, stacked; heads are padded to the segment's width.

    A layer's position goes with the token before it (the last row is for none): added by itself inside the scan, XLA's
    CPU backend slices it inside the fused cell, which then takes twice the time of the whole walk.
    """
    starts, number = offsets(spec), [run[0] for run in segments(spec.choices)].index(first)
    heads = jnp.pad(tables.heads, ((0, 0), (0, width)))
    before = jnp.pad(tables.tokens, ((0, 1), (0, 0)))
    return Layer(
        before[None] + tables.position[first:last, None],
        jnp.array(starts[first:last]),
        jnp.stack([heads[:, starts[t] : starts[t] + width] for t in range(first, last)]),
        jnp.moveaxis(tables.unary[number], 1, 0),
    )


def score(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> Scores:
    """Log-probability and entropy of architectures under the masked policy, differentiable in its parameters.

    Tokens int32 ``[B, T]`` are within their budgets int32 ``[B, K]``, ticks.
    """
    log_prob = jnp.zeros(len(tokens))
    entropy = jnp.zeros(len(tokens))
    for chosen, terms in _by_segment(policy, problem, tokens, budgets):
        log_prob += jnp.sum(chosen, -1)
        entropy += jnp.sum(terms, -1)
    return Scores(log_prob, entropy)


def score_decisions(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> Scores:
    """What ``score`` adds up, decision by decision: float32 ``[B, T]`` each, 0 where a decision is closed."""
    parts = zip(*_by_segment(policy, problem, tokens, budgets), strict=True)
    return Scores(*(jnp.concatenate(part, -1) for part in parts))


def _by_segment(
    policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array
) -> list[tuple[jax.Array, jax.Array]]:
    """Log-probability and entropy float32 ``[B, L]`` of the decisions of each segment; 0 where one is closed."""
    spec = problem.spec
    shapes.check("score: tokens", tokens, (budgets.shape[0], spec.num_layers), int)
    shapes.check("score: budgets", budgets, (tokens.shape[0], spec.num_costs), int)
    tokens, budgets = mesh.rows((tokens, budgets))
    tables = policy_tables(policy, problem, budgets)
    masks, slack, is_open = follow(problem, tokens, budgets)
    if spec.contexts:
        is_open = is_open.at[:, 0].set(False)  # a context is given
    # One product for the heads of all kinds: products batched over layers, and the scatter that is the gradient of a
    # gather, are many times slower on a CPU.
    hidden = _hidden_states(tables, spec, tokens, encode_slack(problem, slack))
    every = (hidden.reshape(-1, hidden.shape[-1]) @ tables.heads).reshape(*hidden.shape[:2], -1)
    found = []
    for (first, last, width), mask, unary in zip(segments(spec.choices), masks, tables.unary, strict=True):
        layers = slice(first, last)
        logits = jnp.moveaxis(_own_head(every, spec, first, last, width), 0, 1) + unary
        log_p = jax.nn.log_softmax(jnp.where(mask, logits, -1e30), -1)
        chosen = jnp.sum(jnp.where(jax.nn.one_hot(tokens[:, layers], width, dtype=bool), log_p, 0.0), -1)
        terms = -jnp.sum(jnp.where(mask, jnp.exp(log_p) * log_p, 0.0), -1)
        found.append((jnp.where(is_open[:, layers], chosen, 0.0), jnp.where(is_open[:, layers], terms, 0.0)))
    return found


def hidden_states(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> jax.Array:
    """LSTM outputs float32 ``[T, B, H]`` along architectures int32 ``[B, T]`` for budgets int32 ``[B, K]``."""
    _, slack, _ = follow(problem, tokens, budgets)
    tables = policy_tables(policy, problem, budgets)
    return _hidden_states(tables, problem.spec, tokens, encode_slack(problem, slack))


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
    """The most likely architectures that a beam of ``width`` W, static, finds for budgets int32 ``[B, K]``, ticks.

    Returns:
      tokens int32 ``[B, W, T]``, distinct; costs int32 ``[B, W, K]``; log-probability float32 ``[B, W]``, falling, -inf
      where fewer than W architectures fit.
    """
    spec, num = problem.spec, budgets.shape[0]
    shapes.check("beam: budgets", budgets, (None, spec.num_costs), int)
    tables = policy_tables(policy, problem, budgets)
    wide = jnp.repeat(budgets, width, 0)
    beams = dataclasses.replace(tables, budget=jnp.repeat(tables.budget, width, 0))
    decide = policy_step(beams, problem)
    log_prob = jnp.full((num, width), -jnp.inf).at[:, 0].set(0.0)
    rows = num * width
    tokens = jnp.zeros((rows, spec.num_layers), jnp.int32)
    walker = (jnp.zeros(rows, jnp.int32), jnp.zeros((rows, spec.num_costs), jnp.int32))
    state = (log_prob, tokens, walker, first_carry(beams))
    for first, last, choices in segments(spec.choices):

        def step(state: Any, layer: Any, choices: int = choices) -> tuple[Any, None]:
            log_prob, tokens, (node, spent), carry = state
            t, graph, own = layer
            mask, slack = look(problem, graph, node, spent, wide)
            hidden, cell, logits = decide(carry, own._replace(unary=jnp.repeat(own.unary, width, 0)), slack)
            log_p = jax.nn.log_softmax(jnp.where(mask, jnp.nan_to_num(logits), -jnp.inf), -1)
            total = log_prob[:, :, None] + jnp.where(mask, log_p, -jnp.inf).reshape(num, width, choices)
            log_prob, best = jax.lax.top_k(total.reshape(num, width * choices), width)
            source = (jnp.arange(num)[:, None] * width + best // choices).ravel()
            # A dead beam (-inf) may point at a closed choice: it follows the first open one instead and stays dead.
            token = jnp.where(
                mask[source, (best % choices).ravel()], (best % choices).ravel(), jnp.argmax(mask[source], -1)
            )
            node, spent = advance(spec, graph, node[source], spent[source], token)
            tokens = tokens[source].at[:, t].set(token.astype(jnp.int32))
            return (log_prob, tokens, (node, spent), Carry(hidden[source], cell[source], own.start + token)), None

        scanned = (jnp.arange(first, last), graph_layers(problem, first, last, choices))
        state, _ = jax.lax.scan(step, state, (*scanned, layer_inputs(tables, spec, first, last, choices)))
    log_prob, tokens, (_, spent), _ = state
    return tokens.reshape(num, width, -1), spent.reshape(num, width, -1), log_prob
