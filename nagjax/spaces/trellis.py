"""The trellis: a search space as a layered graph, and everything that is a sum over a path or a recursion over layers.

An architecture is a path. Layer ``t`` is the t-th decision; a node ``(t, s)`` is what the past still matters for; an
edge ``(t, s, c)`` is taking choice ``c`` there. ``T`` layers, ``S`` nodes per layer (padded), ``C`` choices (padded).
The path starts at node 0. Arrays here are NumPy and live on the host; the recursions that a jitted caller needs are
written in ``jax.numpy``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.names import nearest

if TYPE_CHECKING:
    from nagjax.operators import Operator

MAX_EDGES = 8_000_000
INFINITE = 2**30
"""Cost to go, in ticks, of a node that cannot be finished: above every path; an edge more still fits int32."""


@dataclasses.dataclass(frozen=True)
class Edge:
    """One choice at a node: where it leads, the operators it adds, the path features it switches on by name."""

    choice: int
    target: Hashable
    operators: tuple[Operator, ...] = ()
    features: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Trellis:
    """The graph as padded index arrays.

    Attributes:
      target: int32 ``[T, S, C]``, node of layer ``t + 1`` (0 where not valid, and in the last layer: there is one end).
      valid: bool ``[T, S, C]``, whether the edge exists.
      open: bool ``[T, S]``, whether the node is a decision; a closed node has one forced choice, 0.
      operators: int32 ``[T, S, C, M]``, indices into the space's operators, padded with their number.
      features: int32 ``[T, S, C, J]``, indices into the path features, padded with their number.
      num_operators, num_features: those numbers: an index equal to them is padding.
    """

    target: np.ndarray
    valid: np.ndarray
    open: np.ndarray
    operators: np.ndarray
    features: np.ndarray
    num_operators: int
    num_features: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(T, S, C)``."""
        layers, nodes, choices = self.valid.shape
        return layers, nodes, choices

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        return sum(array.nbytes for array in (self.target, self.valid, self.open, self.operators, self.features))


def build(
    num_layers: int,
    start: Hashable,
    edges: Callable[[int, Hashable], Iterable[Edge]],
    feature_names: Sequence[str] = (),
    max_edges: int = MAX_EDGES,
) -> tuple[Trellis, tuple[Operator, ...]]:
    """Explore the graph from ``start`` and lay it out as arrays.

    Args:
      num_layers: T, the number of decisions.
      start: label of the first node; node labels are any hashable value, compared within a layer.
      edges: ``edges(t, node)`` lists the edges out of a node. A node with one choice, 0, that adds nothing is closed.
      feature_names: all path features; their order is that of a predictor's inputs, so it must not change.
      max_edges: refuse a graph with more padded edges than this.

    Returns:
      The trellis and the distinct operators in the order in which they were met.

    Raises:
      ValueError: if the graph is too large, a node has no edge, or an edge names a feature that is not listed.
    """
    layers: list[list[list[Edge]]] = []
    nodes: list[Hashable] = [start]
    widest = most = 0
    for t in range(num_layers):
        out = [list(edges(t, node)) for node in nodes]
        if not all(out):
            raise ValueError(f"layer {t}: node {nodes[out.index([])]!r} has no choice; every node needs at least one")
        layers.append(out)
        nodes = list(dict.fromkeys(edge.target for row in out for edge in row))
        widest, most = max(widest, len(out)), max(most, *(edge.choice + 1 for row in out for edge in row))
        if (t + 1) * widest * most > max_edges:
            raise ValueError(
                f"the trellis passes {max_edges:,} edges at layer {t} ({len(nodes):,} nodes there, "
                f"for example {nodes[0]!r}): let the state remember less, or split the space"
            )
    return _layout(layers, feature_names)


def _layout(layers: list[list[list[Edge]]], feature_names: Sequence[str]) -> tuple[Trellis, tuple[Operator, ...]]:
    every = [edge for layer in layers for row in layer for edge in row]
    operators = {op: i for i, op in enumerate(dict.fromkeys(op for edge in every for op in edge.operators))}
    features = {name: i for i, name in enumerate(feature_names)}
    shape = (len(layers), max(map(len, layers)), max(edge.choice for edge in every) + 1)
    target = np.zeros(shape, np.int32)
    valid = np.zeros(shape, bool)
    is_open = np.zeros(shape[:2], bool)
    op_index = np.full((*shape, max(1, *(len(edge.operators) for edge in every))), len(operators), np.int32)
    feature_index = np.full((*shape, max(1, *(len(edge.features) for edge in every))), len(features), np.int32)
    for t, layer in enumerate(layers):
        following = {node: i for i, node in enumerate(dict.fromkeys(e.target for row in layer for e in row))}
        for s, row in enumerate(layer):
            is_open[t, s] = len(row) > 1 or bool(row[0].operators or row[0].features)
            for edge in row:
                # Every path ends at node 0: end labels may outnumber the nodes of a layer, and nothing asks for them.
                target[t, s, edge.choice] = following[edge.target] if t + 1 < len(layers) else 0
                valid[t, s, edge.choice] = True
                op_index[t, s, edge.choice, : len(edge.operators)] = [operators[op] for op in edge.operators]
                feature_index[t, s, edge.choice, : len(edge.features)] = _indices(t, edge, features)
    graph = Trellis(target, valid, is_open, op_index, feature_index, len(operators), len(features))
    return graph, tuple(operators)


def _indices(t: int, edge: Edge, features: Mapping[str, int]) -> list[int]:
    unknown = [name for name in edge.features if name not in features]
    if unknown or isinstance(edge.features, str):
        near = nearest(str(unknown[0]), features) if unknown else None
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(
            f"layer {t}: the edge of choice {edge.choice} to node {edge.target!r} switches on {edge.features!r}, which "
            f"is not a tuple of names among feature_names; {hint}correct it or add the name"
        )
    return [features[name] for name in edge.features]


def count(target: np.ndarray, valid: np.ndarray) -> list[list[int]]:
    """Exact number of completions from each node, as Python integers ``[T + 1][S]`` (backward counting recursion)."""
    # Arrays of Python integers: a space may hold more architectures than an int64 does.
    ahead = np.ones(valid.shape[1], object)
    totals = [ahead.tolist()]
    for t in reversed(range(valid.shape[0])):
        ahead = np.where(valid[t], ahead[target[t]], 0).sum(-1)
        totals.insert(0, ahead.tolist())
    return totals


def sample_uniform(target: np.ndarray, valid: np.ndarray, rng: np.random.Generator, num: int) -> np.ndarray:
    """Tokens int32 ``[num, T]``, exactly uniform over the paths (each choice weighted by its number of completions).

    Raises:
      ValueError: if there is no path.
    """
    totals = count(target, valid)
    if not totals[0][0]:
        raise ValueError("no architecture is left to draw from: every path is masked; allow more choices")
    tokens = np.zeros((num, valid.shape[0]), np.int32)
    nodes = np.zeros(num, np.int64)
    for t in range(valid.shape[0]):
        share = _shares(totals[t], totals[t + 1], target[t], valid[t])
        cumulative = np.cumsum(share, -1)[nodes]
        drawn = (rng.random(num)[:, None] * cumulative[:, -1:] >= cumulative).sum(-1)
        # Rounding of the cumulative sum could pass the last valid choice: stay on a choice that has completions.
        tokens[:, t] = np.minimum(drawn, _last_choice(share)[nodes])
        nodes = target[t, nodes, tokens[:, t]]
    return tokens


def _shares(here: list[int], ahead: list[int], target: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Share of a node's completions that each of its edges leads to, float64 ``[S, C]``."""
    whole = np.maximum(np.array(here, object), 1)[:, None]
    shares: np.ndarray = np.where(valid, np.array(ahead, object)[target], 0) / whole
    return shares.astype(np.float64)


def _last_choice(share: np.ndarray) -> np.ndarray:
    num = share.shape[-1]
    return num - 1 - np.argmax((share > 0)[:, ::-1], -1)


def walk(target: np.ndarray, valid: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow tokens int ``[B, T]`` through the graph on the host: nodes int32 ``[B, T]``, and bool ``[B]`` if valid.

    ``target`` is int32, ``valid`` bool ``[T, S, C]``; a row is valid if every edge is.
    """
    tokens = np.asarray(tokens)
    nodes = np.zeros(tokens.shape, np.int32)
    fine = np.ones(len(tokens), bool)
    here = np.zeros(len(tokens), np.int32)
    for t in range(tokens.shape[1]):
        nodes[:, t] = here
        token = np.clip(tokens[:, t], 0, valid.shape[2] - 1)
        fine &= (token == tokens[:, t]) & valid[t, here, token]
        here = target[t, here, token]
    return nodes, fine


def enumerate_paths(target: np.ndarray, valid: np.ndarray, limit: int = 1_000_000) -> np.ndarray:
    """Every path as tokens int32 ``[N, T]`` in lexicographic order; refuses more than ``limit`` of them."""
    total = count(target, valid)[0][0]
    if total > limit:
        raise ValueError(
            f"{total:,} architectures are more than the {limit:,} that are enumerated at most; sample instead"
        )
    prefixes, nodes = np.zeros((1, 0), np.int32), np.zeros(1, np.int32)
    for t in range(valid.shape[0]):
        rows, choices = np.nonzero(valid[t, nodes])
        prefixes = np.concatenate([prefixes[rows], choices[:, None].astype(np.int32)], 1)
        nodes = target[t, nodes[rows], choices]
    return prefixes


def cost_to_go(target: jax.Array, allowed: jax.Array, cost: jax.Array, reduce: str = "sum") -> jax.Array:
    """Cheapest way to finish from every node: the backward min recursion (min-max when costs reduce by ``"max"``).

    ``target`` is int32, ``allowed`` bool, ``cost`` int32 ``[T, S, C]``, ticks, >= 0. Gives int32 ``[T + 1, S]``;
    ``INFINITE`` where no allowed path leads to the end.
    """

    def layer(ahead: jax.Array, edge: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        here = jnp.min(edge_need(*edge, ahead, reduce), -1)
        return here, here

    end = jnp.zeros(target.shape[1], jnp.int32)
    _, togo = jax.lax.scan(layer, end, (target, allowed, cost), reverse=True)
    return jnp.concatenate([togo, end[None]])


def edge_need(target: jax.Array, allowed: jax.Array, cost: jax.Array, ahead: jax.Array, reduce: str) -> jax.Array:
    """Least cost of each edge and what follows it, int32 ``[S, C]``; ``INFINITE`` where the edge leads nowhere."""
    onward = ahead[target]
    total = cost + onward if reduce == "sum" else jnp.maximum(cost, onward)
    return jnp.where(allowed & (onward < INFINITE), jnp.minimum(total, INFINITE), INFINITE)


def costliest(target: np.ndarray, allowed: np.ndarray, cost: np.ndarray, reduce: str = "sum") -> float:
    """Cost of the costliest path, on the host, in the type of ``cost`` (int64 or float64 ``[T, S, C]``)."""
    ahead = np.zeros(target.shape[1], cost.dtype)
    alive = np.ones(target.shape[1], bool)
    for t in reversed(range(target.shape[0])):
        onward = ahead[target[t]]
        total = cost[t] + onward if reduce == "sum" else np.maximum(cost[t], onward)
        fine = allowed[t] & alive[target[t]]
        ahead, alive = np.where(fine, total, 0).max(-1), fine.any(-1)
    return ahead[0].item()


def cheapest(target: np.ndarray, allowed: np.ndarray, cost: np.ndarray, reduce: str = "sum") -> float:
    """Cost of the cheapest path, on the host, of ``cost`` float64 ``[T, S, C]``; infinite where no path is left."""
    ahead = np.zeros(target.shape[1])
    for t in reversed(range(target.shape[0])):
        onward = ahead[target[t]]
        total = cost[t] + onward if reduce == "sum" else np.maximum(cost[t], onward)
        ahead = np.where(allowed[t], total, np.inf).min(-1)
    return float(ahead[0])


def longest(target: np.ndarray, allowed: np.ndarray, value: np.ndarray, last: bool) -> np.ndarray | None:
    """Tokens int32 ``[T]`` of the path with the greatest sum of values; None where no path is left.

    ``target``, ``allowed`` and values, float64 and finite, are ``[T, S, C]``. Of equal choices the last is taken if
    ``last``, else the first.
    """
    ahead = np.zeros(target.shape[1])
    best = np.zeros(target.shape[:2], np.int32)
    for t in reversed(range(len(target))):
        total = np.where(allowed[t], value[t] + ahead[target[t]], -np.inf)
        turned = total[:, ::-1].argmax(-1)
        best[t] = total.shape[1] - 1 - turned if last else total.argmax(-1)
        ahead = total.max(-1)
    if np.isneginf(ahead[0]):
        return None
    tokens, here = np.zeros(len(target), np.int32), 0
    for t in range(len(target)):
        tokens[t] = best[t, here]
        here = int(target[t, here, tokens[t]])
    return tokens


def walk_nodes(target: jax.Array, tokens: jax.Array) -> jax.Array:
    """Nodes int32 ``[B, T]`` at which tokens ``[B, T]`` are taken."""

    def step(here: jax.Array, layer: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        following, token = layer
        return following[here, token], here

    start = jnp.zeros(tokens.shape[0], jnp.int32)
    _, nodes = jax.lax.scan(step, start, (target, tokens.T))
    return nodes.T
