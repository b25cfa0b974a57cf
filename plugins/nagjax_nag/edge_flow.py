"""A probability flow over the trellis: relaxed choices as expected path features and expected cost.

Each node of a layer has the layer's choice probabilities, renormalised over what its own mask leaves; an edge carries
the probability of its node times that of its choice. Features and costs are sums over edges, so their expectations are
differentiable, and a choice without features of its own (how many layers) gets its gradient from the edges after it.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator.walk import graph_layers, segments
from nagjax.problems.problem import Problem, path_costs, path_features
from nagjax.spaces.trellis import INFINITE, walk_nodes

CLOSED = -1e30
"""Score of a closed choice: finite, so that a node without any choice has no NaN in its gradient."""


@flax.struct.dataclass
class Totals:
    """Sums along paths.

    Attributes:
      features: float32 ``[B, F]``.
      costs: float32 ``[B, K]``, as a share of the costliest architecture's; 0 for a column that is a maximum.
    """

    features: jax.Array
    costs: jax.Array


def hard(problem: Problem, tokens: jax.Array) -> Totals:
    """Totals of architectures int32 ``[B, T]``."""
    nodes = walk_nodes(problem.target, tokens)
    costs = path_costs(problem, tokens, nodes).astype(jnp.float32) / _costliest(problem)[None]
    return Totals(path_features(problem, tokens, nodes), costs * _is_sum(problem)[None])


def soft(
    problem: Problem, scores: jax.Array, tokens: jax.Array, budgets: jax.Array, spread: jax.Array | float = 1.0
) -> Totals:
    """Expected totals when each node chooses by the softmax of scores float32 ``[B, T, C]`` among what it may.

    A node's mask takes for spent what the sampled architecture, int32 ``[B, T]``, has spent of the budget, int32 ``[B,
    K]`` ticks, up to there. ``spread`` is the share of the flow that goes where its edges lead; the rest is put back on
    the architecture's node at every layer.
    """
    spec, num = problem.spec, len(tokens)
    nodes = walk_nodes(problem.target, tokens)
    left = _left(problem, tokens, nodes, budgets)
    # What is computed for all nodes of a layer has the batch innermost: its additions to nodes are then whole rows.
    weight = jnp.zeros((spec.num_nodes, num)).at[0].set(1.0)
    features, costs = jnp.zeros((spec.num_features + 1, num)), jnp.zeros((spec.num_costs, num))

    def step(carry: Any, layer: Any) -> tuple[Any, None]:
        weight, features, costs = carry
        score, need, target, index, value, left, after = layer
        mask = node_masks(need, left, budgets)
        chosen = jax.nn.softmax(jnp.where(mask, score.T[None], CLOSED), 1)
        edges = jnp.where(mask, chosen * weight[:, None], 0.0)
        flat = edges.reshape(-1, num)
        for j in range(index.shape[-1]):
            features = features.at[index[..., j].ravel()].add(flat)
        moved = jnp.zeros_like(weight).at[target.ravel()].add(flat)
        back = jax.nn.one_hot(after, spec.num_nodes, axis=0)
        weight = spread * moved + (1 - spread) * back
        return (weight, features, costs + value.reshape(spec.num_costs, -1) @ flat), None

    carry: Any = (weight, features, costs)
    for first, last, width in segments(spec.choices):
        layers = slice(first, last)
        need, cost, target, *_ = graph_layers(problem, first, last, width)
        value = (
            cost.astype(jnp.float32) / _costliest(problem)[None, :, None, None] * _is_sum(problem)[None, :, None, None]
        )
        index = problem.features[layers, :, :width]
        by_layer = (jnp.moveaxis(scores[:, layers, :width], 1, 0), need, target, index, value, left[layers])
        following = jnp.pad(nodes[:, 1:], ((0, 0), (0, 1)))[:, layers].T
        carry, _ = jax.lax.scan(step, carry, (*by_layer, following))
    _, features, costs = carry
    return Totals(features[:-1].T, costs.T)


def straight_through(hard: Totals, soft: Totals, share: jax.Array | float = 1.0) -> Totals:
    """The hard totals, exactly, with the gradient of the soft ones; at ``share`` 0 the soft ones themselves."""

    def mix(one: jax.Array, other: jax.Array) -> jax.Array:
        return share * one + (1 - share) * other + share * (other - jax.lax.stop_gradient(other))

    return Totals(mix(hard.features, soft.features), mix(hard.costs, soft.costs))


def excess(problem: Problem, totals: Totals, budgets: jax.Array) -> jax.Array:
    """How far costs exceed budgets int32 ``[B, K]``, as a share of them, added up over the columns, float32 ``[B]``."""
    share = totals.costs * _costliest(problem)[None] / jnp.maximum(budgets, 1).astype(jnp.float32)
    return jax.nn.relu(share - 1.0).sum(-1)


def node_masks(need: jax.Array, left: jax.Array, budgets: jax.Array) -> jax.Array:
    """Choices open at every node of a layer, bool ``[S, C, B]``.

    Where nothing fits any more, as at nodes that only the relaxed flow reaches, what overruns least stays open.
    ``need`` is int32 ``[K, S, C]``, ``left`` of the budgets int32 ``[B, K]``, ticks.
    """
    exists = (need < INFINITE).all(0)[:, :, None]
    real = jnp.where(need < INFINITE, need, 0)
    columns = []
    for k in range(len(need)):
        over = (real[k][:, :, None] - left[:, k][None, None]).astype(jnp.float32)
        columns.append(over / jnp.maximum(budgets[:, k], 1).astype(jnp.float32)[None, None])
    worst = jnp.where(exists, jnp.stack(columns).max(0), jnp.inf)
    return exists & (worst <= jnp.maximum(worst.min(1, keepdims=True), 0.0))


def _left(problem: Problem, tokens: jax.Array, nodes: jax.Array, budgets: jax.Array) -> jax.Array:
    """Budget left before each layer, int32 ``[T, B, K]``; of a maximum all of it."""
    paid = jnp.moveaxis(problem.cost[:, jnp.arange(tokens.shape[1]), nodes, tokens], 0, -1)
    summed = jnp.array([reduce == "sum" for reduce in problem.spec.reduces])
    paid = jnp.where(summed[None, None], paid, 0)
    return jnp.moveaxis(budgets[:, None] - (jnp.cumsum(paid, 1) - paid), 1, 0)


def _costliest(problem: Problem) -> jax.Array:
    return jnp.maximum(problem.high, 1).astype(jnp.float32)


def _is_sum(problem: Problem) -> jax.Array:
    return jnp.array([float(reduce == "sum") for reduce in problem.spec.reduces])
