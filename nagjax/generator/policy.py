"""The generator's network: an LSTM over decisions, conditioned on the budget (Guo et al., arXiv 2103.00219, section 3).

The budget enters as a learned embedding interpolated between anchor budgets. Beyond the paper: each anchor also has its
own logits for every decision (so nearby budgets may differ sharply), and each step sees how much of the budget is still
free. Heads and token embeddings are shared between decisions of a kind; parameters depend on T, C and the kinds, never
on S. Where the first decision is a context (a device), the context is no token: its traits enter beside the budget, so
that a context which the policy never met is told by its traits as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import anchor_weights, budget_position
from nagjax.generator.walk import segments
from nagjax.problems.problem import Problem, Spec

KNOTS = (0.0, 0.002, 0.006, 0.02, 0.06, 0.15, 0.35, 0.7, 1.0)
"""Where the piecewise linear encoding of the free share of the budget range bends."""


class PolicyNetwork(nn.Module):
    """Parameters of the generator; the loops over decisions live in ``decode``.

    Attributes:
      spec: shape of the space.
      hidden: H, width of the LSTM.
      num_anchors: A, number of anchor budgets.
      traits: R, by how many numbers a context is known; 0 where the policy is told of none.
    """

    spec: Spec
    hidden: int = 64
    num_anchors: int = 32
    traits: int = 0

    def setup(self) -> None:
        """Declare the parameters."""
        spec, gates, anchors = self.spec, 4 * self.hidden, spec_anchors(self.spec, self.num_anchors)
        normal, zeros = nn.initializers.normal(0.1), nn.initializers.zeros
        self.embedding = self.param("embedding", normal, (anchors, gates))
        self.position = self.param("position", normal, (spec.num_layers, gates))
        self.slack = self.param("slack", normal, (spec.num_costs * (len(KNOTS) - 1), gates))
        self.recurrent = self.param("recurrent", nn.initializers.orthogonal(), (self.hidden, gates))
        self.bias = self.param("bias", _forget_bias, (gates,))
        total = sum(kinds(spec).values())
        self.heads = self.param("heads", nn.initializers.normal(0.01), (self.hidden, total))
        self.tokens = self.param("tokens", normal, (total, gates))
        runs = segments(spec.choices)
        self.layer_bias = [
            self.param(f"layer_bias_{first}", zeros, (last - first, width)) for first, last, width in runs
        ]
        self.anchor_logits = [
            self.param(f"anchor_logits_{first}", zeros, (anchors, last - first, width)) for first, last, width in runs
        ]
        if self.traits:
            self.traits_in = self.param("traits_in", nn.initializers.lecun_normal(), (self.traits, self.hidden))
            self.traits_bias = self.param("traits_bias", zeros, (self.hidden,))
            self.traits_out = self.param("traits_out", normal, (self.hidden, gates))
            self.traits_logits = [
                self.param(f"traits_logits_{first}", zeros, (self.hidden, last - first, width))
                for first, last, width in runs
            ]

    def __call__(self, weights: jax.Array, traits: jax.Array | None = None) -> PolicyTables:
        """Everything that does not depend on the tokens, of weights of budgets float32 ``[B, K * A]``.

        Traits of contexts are float32 ``[R]`` or ``[B, R]``, where the policy is told of them.
        """
        pairs = zip(self.layer_bias, self.anchor_logits, strict=True)
        unary = tuple(bias[None] + jnp.tensordot(weights, logits, 1) for bias, logits in pairs)
        budget, tokens = weights @ self.embedding + self.bias[None], self.tokens
        if traits is not None and self.traits:
            seen = jnp.tanh(jnp.atleast_2d(traits) @ self.traits_in + self.traits_bias[None])
            budget = budget + seen @ self.traits_out
            unary = tuple(
                one + jnp.tensordot(seen, logits, 1) for one, logits in zip(unary, self.traits_logits, strict=True)
            )
            # The context is the first decision, and its choices come first among the tokens.
            tokens = tokens.at[: self.spec.contexts].set(0.0)
        return PolicyTables(
            budget=budget,
            position=self.position,
            slack=self.slack,
            recurrent=self.recurrent,
            heads=self.heads,
            tokens=tokens,
            unary=unary,
        )


@flax.struct.dataclass
class PolicyTables:
    """A policy laid out by layer.

    Attributes:
      budget: float32 ``[B, 4H]``, added to the gates at every step.
      position: ``[T, 4H]``.
      slack: ``[K * knots, 4H]``.
      recurrent: ``[H, 4H]``.
      heads: ``[H, W]``, the heads of all kinds side by side; ``offsets`` tells where a layer's begins.
      tokens: ``[W, 4H]``, what a token adds to the gates of the next layer, laid out like the heads.
      unary: for each segment of the walk ``[B, L, C']``, logits that depend on the budget alone.
    """

    budget: jax.Array
    position: jax.Array
    slack: jax.Array
    recurrent: jax.Array
    heads: jax.Array
    tokens: jax.Array
    unary: tuple[jax.Array, ...]


@flax.struct.dataclass
class Policy:
    """A generator: what a checkpoint keeps of it.

    Attributes:
      params: parameters of ``network``.
      anchors: float32 ``[K, A]``, anchor budgets as a share of the problem's range on its scale, increasing in 0..1.
      network: static.
    """

    params: Any
    anchors: jax.Array
    network: PolicyNetwork = flax.struct.field(pytree_node=False)


def kinds(spec: Spec) -> dict[str, int]:
    """Number of choices of each kind of decision."""
    return dict(zip(spec.kinds, spec.choices, strict=True))


def spec_anchors(spec: Spec, num_anchors: int) -> int:
    """Rows of the budget embedding: one set of anchors a cost column."""
    return spec.num_costs * num_anchors


def offsets(spec: Spec) -> tuple[int, ...]:
    """For each layer, where its kind's choices begin among those of all kinds.

    >>> offsets(Spec(("size", "block", "block"), (2, 3, 3), ("sum",), 5, 4))
    (0, 2, 2)
    """
    starts, total = {}, 0
    for kind, width in kinds(spec).items():
        starts[kind] = total
        total += width
    return tuple(starts[kind] for kind in spec.kinds)


def _forget_bias(_key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    hidden = shape[0] // 4
    return jnp.zeros(shape, dtype).at[hidden : 2 * hidden].set(1.0)


@functools.partial(jax.jit, static_argnames=("spec", "hidden", "num_anchors", "traits"), inline=True)
def init_policy(key: jax.Array, spec: Spec, hidden: int = 64, num_anchors: int = 32, traits: int = 0) -> Policy:
    """A fresh generator with anchors evenly spaced over the range of budgets, told of contexts by so many traits."""
    network = PolicyNetwork(spec, hidden, num_anchors, traits)
    params = network.init(key, jnp.zeros((1, spec_anchors(spec, num_anchors))))["params"]
    anchors = jnp.broadcast_to(jnp.linspace(0.0, 1.0, num_anchors), (spec.num_costs, num_anchors))
    return Policy(params, anchors, network)


def budget_weights(policy: Policy, problem: Problem, budgets: jax.Array) -> jax.Array:
    """Soft one-hot ``[B, K * A]`` of budgets int32 ``[B, K]`` over the anchors of each column."""
    position = budget_position(problem, budgets)
    columns = [anchor_weights(position[:, k], policy.anchors[k]) for k in range(problem.spec.num_costs)]
    return jnp.concatenate(columns, -1)


def encode_slack(problem: Problem, slack: jax.Array) -> jax.Array:
    """Piecewise linear code ``[..., K * knots]`` of the slack over the cheapest way to finish, int32 ``[..., K]``."""
    span = jnp.maximum(problem.high - problem.low, 1).astype(jnp.float32)
    span = span[:, None] if 1 < span.ndim < slack.ndim else span
    share = slack.astype(jnp.float32) / jnp.broadcast_to(span, slack.shape)
    low, high = jnp.array(KNOTS[:-1]), jnp.array(KNOTS[1:])
    shape = (*slack.shape, len(low))
    encoded = jnp.clip(
        (share[..., None] - jnp.broadcast_to(low, shape)) / jnp.broadcast_to(high - low, shape), 0.0, 1.0
    )
    return encoded.reshape(*slack.shape[:-1], -1)


def lstm_cell(gates: jax.Array, cell: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One LSTM step from gates ``[B, 4H]`` (input, forget, candidate, output) and cell ``[B, H]``: hidden and cell."""
    i, f, g, o = jnp.split(gates, 4, -1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


class Carry(NamedTuple):
    """What a policy carries from one decision to the next.

    Attributes:
      hidden, cell: float32 ``[B, H]``, of the LSTM.
      before: int32 ``[B]``, column of the last token among the choices of all kinds; W for none.
    """

    hidden: jax.Array
    cell: jax.Array
    before: jax.Array


class Layer(NamedTuple):
    """What a policy reads of one decision, whose choices are padded to C'; ``layer_inputs`` stacks those of a segment.

    Attributes:
      added: float32 ``[W + 1, 4H]``, what the token before adds to the gates, the last row for none.
      start: int32, where the kind's choices begin among those of all kinds.
      head: float32 ``[H, C']``.
      unary: float32 ``[B, C']``, logits that depend on the budget alone.
    """

    added: jax.Array
    start: jax.Array
    head: jax.Array
    unary: jax.Array


Decide: TypeAlias = Callable[[Carry, Layer, jax.Array], tuple[jax.Array, jax.Array, jax.Array]]


def first_carry(tables: PolicyTables) -> Carry:
    """The carry before the first decision."""
    zeros = jnp.zeros((tables.budget.shape[0], tables.recurrent.shape[0]))
    return Carry(zeros, zeros, jnp.full(len(zeros), tables.tokens.shape[0]))


def take_rows(table: jax.Array, rows: jax.Array) -> jax.Array:
    """Rows of a table by a gather: the quick way where no gradient is asked."""
    return table[rows]


def multiply_rows(table: jax.Array, rows: jax.Array) -> jax.Array:
    """Rows of a table by a product, since the gradient of a gather is a scatter, slow on a CPU."""
    return jax.nn.one_hot(rows, len(table)) @ table


def policy_step(
    tables: PolicyTables, problem: Problem, rows: Callable[[jax.Array, jax.Array], jax.Array] = take_rows
) -> Decide:
    """One decision of a policy along a walk; rows of tables are looked up by ``take_rows`` or ``multiply_rows``.

    Returns:
      ``decide(carry, layer, slack int32 [B, K]) -> hidden, cell`` float32 ``[B, H]`` and logits float32 ``[B, C']``
      before the mask.
    """
    dense = jnp.concatenate([tables.recurrent, tables.slack])

    def decide(carry: Carry, layer: Layer, slack: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        gates = tables.budget + rows(layer.added, carry.before)
        gates += jnp.concatenate([carry.hidden, encode_slack(problem, slack)], -1) @ dense
        hidden, cell = lstm_cell(gates, carry.cell)
        return hidden, cell, hidden @ layer.head + layer.unary

    return decide


def policy_tables(policy: Policy, problem: Problem, budgets: jax.Array) -> PolicyTables:
    """The tables of a policy for budgets int32 ``[B, K]``.

    Raises:
      ValueError: if the policy is told of contexts, and the problem is of none in particular.
    """
    weights = budget_weights(policy, problem, budgets)
    traits = problem.traits if policy.network.traits else None
    if policy.network.traits and traits is None:
        raise ValueError("the policy serves several contexts: say which (nagjax.problems.contexts.fixed or in_rows)")
    return cast("PolicyTables", policy.network.apply({"params": policy.params}, weights, traits))
