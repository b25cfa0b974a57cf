"""The exact solver for qualities that add up over edges: the best architecture for every budget from one recursion.

Where quality is a sum of gains over the edges of a path, the best way to finish from a node depends on what is left of
the budget and on nothing else: a knapsack on the trellis, solved by a dynamic programme over (node, bin of budget). It
is Viterbi's recursion with a budget: one pass backward serves all budgets, and a walk forward reads each answer.

The budget is measured in slack, what is left beyond the cheapest way to finish: the cheapest edges then cost nothing. A
detour is rounded up to whole bins, unless what the recursion holds for one bin more spends so little that it fits as it
stands, in ticks. Every answer fits its budget, and is at least as good as the best architecture within the budget less
one bin a decision. It is the best architecture itself where detours are whole numbers of bins.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.generator.walk import segments
from nagjax.problems.problem import Problem, Spec, cheapest, path_costs
from nagjax.spaces.trellis import INFINITE

Edges: TypeAlias = tuple[jax.Array, jax.Array, jax.Array]
"""Target int32, detour int32 (ticks beyond the cheapest way to finish) and gain float32 of edges, of one shape."""

BLOCK = 16
"""Nodes of a layer that are solved together; blocks without a node that can be reached are left out."""


def check_spec(spec: Spec) -> None:
    """Refuse what the recursion does not solve.

    Raises:
      ValueError: unless there is one cost column and it adds up.
    """
    if spec.reduces != ("sum",):
        raise ValueError(
            f"the exact solver takes one cost column that adds up (reduce 'sum'), not {list(spec.reduces)}; leave the "
            "other columns out, or use a controller that searches, such as nag or nsga2"
        )


def known_gains(problem: Problem) -> jax.Array | None:
    """Quality that each edge adds, float32 ``[T, S, C]``, where the problem's quality adds up; None where it does not.

    Which of the two depends on the structure of the problem alone, so it may be asked inside jit.
    """
    weights = problem.quality.feature_weights
    return problem.quality.edge_values if weights is None else edge_gains(problem, weights)


def edge_gains(problem: Problem, weights: jax.Array) -> jax.Array:
    """Gains float32 ``[T, S, C]`` of edges that switch on path features of ``weights`` float32 ``[F]``."""
    return jnp.append(weights, 0.0)[problem.features].sum(-1)


@flax.struct.dataclass
class _Ways:
    """The best way to finish from each node of a layer with each number of bins left, ``[S, N]`` each.

    Attributes:
      gain: float32, its sum of gains; -inf where there is none.
      spent: int32, ticks of slack that it spends, at most ``bins * width``.
      token: int32, its first choice.
      bins: int32, bins left after that choice.
    """

    gain: jax.Array
    spent: jax.Array
    token: jax.Array
    bins: jax.Array


@functools.partial(jax.jit, static_argnames="bins")
def best_paths(problem: Problem, gains: jax.Array, budgets: jax.Array, bins: int = 1024) -> tuple[jax.Array, jax.Array]:
    """The architecture of the largest sum of gains within each budget, exact up to the bins.

    Args:
      problem: graph, mask and one cost column that adds up; its quality is not asked.
      gains: float32 ``[T, S, C]``, finite; what an edge adds to the quality.
      budgets: int32 ``[B, 1]``, ticks, at least the cheapest architecture's cost; above ``problem.high`` they are that.
      bins: into which the slack of the largest budget is divided. Time and memory are proportional to it.

    Returns:
      tokens int32 ``[B, T]``, canonical, and costs int32 ``[B, 1]``, ticks, within the budgets.

    Raises:
      ValueError: unless there is one cost column and it adds up.
    """
    check_spec(problem.spec)
    slack = jnp.maximum(jnp.minimum(budgets[:, 0], problem.high[0]) - cheapest(problem)[0], 0)
    width = jnp.maximum(-(-jnp.max(slack) // bins), 1)
    first, layers = _backward(problem, gains, width, bins)
    start = (jnp.zeros_like(slack), _place(first, slack, width))
    chosen = []
    for target, ways in layers:
        start, tokens = jax.lax.scan(_follow, start, (target, ways))
        chosen.append(tokens)
    tokens = jnp.concatenate(chosen).T
    return tokens, path_costs(problem, tokens)


def _place(ways: _Ways, slack: jax.Array, width: jax.Array) -> jax.Array:
    """Bins int32 ``[B]`` under which the first node holds the best that fits slack int32 ``[B]``, ticks."""
    low = slack // width
    high = jnp.minimum(low + 1, ways.gain.shape[1] - 1)
    return jnp.where(ways.spent[0, high] <= slack, high, low)


def _backward(
    problem: Problem, gains: jax.Array, width: jax.Array, bins: int
) -> tuple[_Ways, list[tuple[jax.Array, _Ways]]]:
    """The ways from the first layer, and for each segment its targets ``[L, S, C']`` and ways ``[L, S, N]``."""
    shape = (problem.spec.num_nodes, bins + 1)
    nothing = jnp.zeros(shape, jnp.int32)
    ways = _Ways(jnp.zeros(shape, jnp.float32), nothing, nothing, nothing)
    reached = _reached(problem)
    out: list[tuple[jax.Array, _Ways]] = []
    for first, last, choices in reversed(segments(problem.spec.choices)):
        edges = _edges(problem, gains, first, last, choices)
        step = functools.partial(_step_back, width=width)
        ways, segment = jax.lax.scan(step, ways, (edges, reached[first:last]), reverse=True)
        out.insert(0, (edges[0], segment))
    return ways, out


def _reached(problem: Problem) -> jax.Array:
    """Nodes that an allowed path goes through, bool ``[T, S]``."""

    def step(here: jax.Array, layer: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        target, need = layer
        return jnp.zeros_like(here).at[target].max(here[:, None] & (need < INFINITE)), here

    start = jnp.zeros(problem.spec.num_nodes, bool).at[0].set(True)
    return jax.lax.scan(step, start, (problem.target, problem.need[0]))[1]


def _edges(problem: Problem, gains: jax.Array, first: int, last: int, choices: int) -> Edges:
    """The edges of a segment, ``[L, S, C']``."""
    need = problem.need[0, first:last, :, :choices]
    detour = jnp.where(need < INFINITE, need - problem.togo[0, first:last, :, None], INFINITE)
    return problem.target[first:last, :, :choices], detour, gains[first:last, :, :choices]


def _step_back(ahead: _Ways, layer: tuple[Edges, jax.Array], width: jax.Array) -> tuple[_Ways, _Ways]:
    """The ways from a layer's nodes, from those of the next layer, the edges between them, and which are reached."""
    edges, reached = layer
    size = min(BLOCK, len(reached))
    order = jnp.argsort(~reached, stable=True)
    nothing = jnp.zeros_like(ahead.spent)
    none = _Ways(jnp.full_like(ahead.gain, -jnp.inf), nothing, nothing, nothing)

    def block(index: jax.Array, here: _Ways) -> _Ways:
        # The last block may reach back into the one before, and finds the same there.
        nodes = jax.lax.dynamic_slice(order, (index * size,), (size,))
        some = _some_ways(ahead, jax.tree.map(lambda edge: edge[nodes], edges), width)
        return jax.tree.map(lambda whole, part: whole.at[nodes].set(part), here, some)

    here = jax.lax.fori_loop(0, -(-reached.sum() // size), block, none)
    return here, here


def _some_ways(ahead: _Ways, edges: Edges, width: jax.Array) -> _Ways:
    """The ways ``[S', N]`` from some nodes with edges ``[S', C']``, from those of the next layer ``[S, N]``."""
    num = ahead.gain.shape[1]
    # In front of no bins left there is nothing; behind the last there is nothing more than the last.
    gain = jnp.concatenate([jnp.full_like(ahead.gain, -jnp.inf), ahead.gain, ahead.gain[:, -1:]], 1)
    spent = jnp.concatenate([jnp.zeros_like(ahead.spent), ahead.spent, ahead.spent[:, -1:]], 1)
    bins = jnp.arange(num)[None]
    budget = jnp.minimum(bins * width, INFINITE - 1)

    def with_choice(here: _Ways, choice: Any) -> tuple[_Ways, None]:
        token, target, detour, added = choice
        whole = jnp.minimum(-(-detour // width), num)
        onward = _rows(gain, target, num - whole, num + 1) + added[:, None]
        paid = _rows(spent, target, num - whole, num + 1) + detour[:, None]
        # A detour takes ``whole`` bins; one less where what is held there fits in ticks.
        more = paid[:, 1:] <= budget
        value = jnp.where(more, onward[:, 1:], onward[:, :-1])
        better = value > here.gain
        return _Ways(
            jnp.where(better, value, here.gain),
            jnp.where(better, jnp.where(more, paid[:, 1:], paid[:, :-1]), here.spent),
            jnp.where(better, token, here.token),
            jnp.where(better, jnp.minimum(bins - whole[:, None] + more, num - 1), here.bins),
        ), None

    nothing = jnp.zeros((len(edges[0]), num), jnp.int32)
    none = _Ways(jnp.full(nothing.shape, -jnp.inf), nothing, nothing, nothing)
    tokens = jnp.arange(edges[0].shape[1], dtype=jnp.int32)
    return jax.lax.scan(with_choice, none, (tokens, *(jnp.moveaxis(edge, 1, 0) for edge in edges)))[0]


def _rows(values: jax.Array, row: jax.Array, start: jax.Array, num: int) -> jax.Array:
    """``values[row, start : start + num]`` for rows and starts int32 ``[S]``, as ``[S, num]``."""
    # Whole slices: gathered element by element this is ten times slower on a CPU.
    return jax.vmap(lambda r, s: jax.lax.dynamic_slice(values, (r, s), (1, num))[0])(row, start)


def _follow(
    state: tuple[jax.Array, jax.Array], layer: tuple[jax.Array, _Ways]
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """Take the first choice of the way held at nodes int32 ``[B]`` under bins int32 ``[B]``."""
    node, bins = state
    target, ways = layer
    token = ways.token[node, bins]
    return (target[node, token], ways.bins[node, bins]), token
