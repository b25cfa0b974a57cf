"""The masked walk: every way of choosing an architecture under a budget is this loop with another ``choose``.

At node ``s`` of layer ``t`` a choice stays open while its cost and the cheapest way to finish after it fit into what is
left, so every architecture that comes out meets its budget by construction. With two cost columns what finishes within
both is looked up (``nagjax.problems.joint``); with more, see ``feasible``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from nagjax import mesh, shapes
from nagjax.problems import joint
from nagjax.problems.problem import Problem, Spec
from nagjax.spaces.trellis import INFINITE, walk_nodes

WIDEST = 4


class Layers(NamedTuple):
    """What a walk reads of a segment of L layers, or of one of them, without the first axis.

    Attributes:
      need, cost: int32 ``[L, K, S, C']``.
      target: int32 ``[L, S, C']``.
      togo: int32 ``[L, K, S]``.
      onward: int32 ``[L, S, Q + 1]``, ``Joint.within`` of the next layer; None where nothing is joint.
    """

    need: jax.Array
    cost: jax.Array
    target: jax.Array
    togo: jax.Array
    onward: jax.Array | None


Choose: TypeAlias = Callable[[Any, Any, jax.Array, jax.Array], tuple[Any, jax.Array, Any]]


def segments(choices: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Runs of layers that one scan serves, as (first, last + 1, choices).

    Layers of a scan are padded to its widest; a run ends where that would more than quadruple a layer's width.

    >>> segments((41, 3, 9, 9, 3, 9))
    [(0, 1, 41), (1, 6, 9)]
    """
    runs = [[0, 1, choices[0], choices[0]]]
    for t, width in enumerate(choices[1:], 1):
        low, high = min(runs[-1][2], width), max(runs[-1][3], width)
        if high <= WIDEST * low:
            runs[-1] = [runs[-1][0], t + 1, low, high]
        else:
            runs.append([t, t + 1, width, width])
    return [(first, last, high) for first, last, _, high in runs]


def unmasked(problem: Problem) -> Problem:
    """The problem with every edge that leads to an end open under every budget.

    An edge needs less than nothing: at 0 all would close once a prefix has overspent, and the first one be taken.
    """
    need = jnp.where(problem.need < INFINITE, -INFINITE, INFINITE)
    return dataclasses.replace(problem, need=need, joint=None)


def masked(problem: Problem, switch: jax.Array) -> Problem:
    """The problem itself where ``switch`` is above 0.5; otherwise ``unmasked``."""
    need = jnp.where(switch > 0.5, problem.need, unmasked(problem).need)
    together = problem.joint
    if together is not None:
        # Where nothing is open by both, ``look`` takes what each column alone leaves open.
        together = dataclasses.replace(together, within=jnp.where(switch > 0.5, together.within, INFINITE))
    return dataclasses.replace(problem, need=need, joint=together)


def masked_walk(
    problem: Problem, budgets: jax.Array, choose: Choose, carry: Any, inputs: Callable[[int, int, int], Any]
) -> tuple[jax.Array, jax.Array, Any, list[Any]]:
    """Choose an architecture for each budget, layer by layer, among what can still be finished.

    Args:
      problem: the problem.
      budgets: int32 ``[B, K]`` ticks, at least the cheapest architecture's cost.
      choose: ``choose(carry, x, mask, slack) -> (carry, token, out)``; mask bool ``[B, C']``, slack int32 ``[B, K]`` is
        what is left beyond the cheapest way to finish, token int32 ``[B]``.
      carry: first carry of ``choose``.
      inputs: ``inputs(first, last, width)`` gives what is scanned over the layers of a segment as ``x``.

    Returns:
      tokens int32 ``[B, T]``, costs int32 ``[B, K]``, the last carry, and the outputs of ``choose`` for each segment.
    """
    spec = problem.spec
    shapes.check("masked_walk: budgets", budgets, (None, spec.num_costs), int)
    num, budgets = budgets.shape[0], mesh.rows(budgets)
    state = (jnp.zeros(num, jnp.int32), jnp.zeros((num, spec.num_costs), jnp.int32), carry)
    tokens, outs = [], []
    for first, last, width in segments(spec.choices):

        def step(state: Any, layer: Any) -> tuple[Any, Any]:
            node, spent, carry = state
            graph, x = layer
            mask, slack = look(problem, graph, node, spent, budgets)
            carry, token, out = choose(carry, x, mask, slack)
            return (*advance(spec, graph, node, spent, token), carry), (token, out)

        scanned = (graph_layers(problem, first, last, width), inputs(first, last, width))
        state, (chosen, out) = jax.lax.scan(step, state, scanned)
        tokens.append(chosen)
        outs.append(out)
    _, spent, carry = state
    return jnp.concatenate(tokens).T, spent, carry, outs


def graph_layers(problem: Problem, first: int, last: int, width: int) -> Layers:
    """What a walk reads of a segment."""
    layers = slice(first, last)
    return Layers(
        jnp.moveaxis(problem.need[:, layers, :, :width], 1, 0),
        jnp.moveaxis(problem.cost[:, layers, :, :width], 1, 0),
        problem.target[layers, :, :width],
        jnp.moveaxis(problem.togo[:, layers], 1, 0),
        None if problem.joint is None else problem.joint.within[first + 1 : last + 1],
    )


def look(
    problem: Problem, graph: Layers, node: jax.Array, spent: jax.Array, budgets: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """At nodes int32 ``[B]`` of a layer: the mask bool ``[B, C']`` and the slack int32 ``[B, K]``."""
    spec = problem.spec
    left = jnp.stack([_left(spec, k, spent, budgets) for k in range(spec.num_costs)], -1)
    mask = feasible(spec, graph.need[:, node, :], spent, budgets)
    mask = _together(problem, graph, node, left, mask)
    return mask, jnp.stack([left[:, k] - graph.togo[k, node] for k in range(spec.num_costs)], -1)


def _together(problem: Problem, graph: Layers, node: jax.Array, left: jax.Array, alone: jax.Array) -> jax.Array:
    """Choices that both budgets leave open; where none is, those of the mask ``alone`` bool ``[B, C']``."""
    if problem.joint is None or graph.onward is None:
        return alone
    fits = joint.open_choices(
        problem.joint, graph.onward, graph.target[node], graph.cost[:, node], left, problem.spec.reduces
    )
    fits &= (graph.need[:, node] < INFINITE).all(0)
    return jnp.where(fits.any(-1, keepdims=True), fits, alone)


def advance(
    spec: Spec, graph: Layers, node: jax.Array, spent: jax.Array, token: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Nodes of the next layer and what is spent then, after tokens int32 ``[B]``."""
    edge = node * graph.target.shape[1] + token
    paid = graph.cost.reshape(spec.num_costs, -1)[:, edge].T
    return graph.target.ravel()[edge], _add(spec, spent, paid)


def feasible(spec: Spec, need: jax.Array, spent: jax.Array, budgets: jax.Array) -> jax.Array:
    """Which choices fit, bool ``[B, C]``, from their needs int32 ``[K, B, C]``.

    With one column a choice is always left. With several, each column alone can be met but perhaps not all at once:
    then the choices that overrun least are left, and the answer has to be verified. ``look`` goes on from here where
    two columns are joint.
    """
    left = [_left(spec, k, spent, budgets)[:, None] for k in range(spec.num_costs)]
    fits = jnp.stack([need[k] <= left[k] for k in range(spec.num_costs)]).all(0)
    if spec.num_costs == 1:
        return fits
    exists = (need < INFINITE).all(0)
    overrun = jnp.stack(
        [(need[k] - left[k]) / jnp.maximum(budgets[:, k : k + 1], 1) for k in range(spec.num_costs)]
    ).max(0)
    overrun = jnp.where(exists, overrun, jnp.inf)
    least = overrun == overrun.min(-1, keepdims=True)
    return jnp.where(fits.any(-1, keepdims=True), fits, least & exists)


def _left(spec: Spec, k: int, spent: jax.Array, budgets: jax.Array) -> jax.Array:
    return budgets[:, k] - spent[:, k] if spec.reduces[k] == "sum" else budgets[:, k]


def _add(spec: Spec, spent: jax.Array, paid: jax.Array) -> jax.Array:
    columns = [
        spent[:, k] + paid[:, k] if reduce == "sum" else jnp.maximum(spent[:, k], paid[:, k])
        for k, reduce in enumerate(spec.reduces)
    ]
    return jnp.stack(columns, -1)


def follow(problem: Problem, tokens: jax.Array, budgets: jax.Array) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    """The walk of tokens int32 ``[B, T]`` within budgets int32 ``[B, K]``: what ``masked_walk`` would have shown.

    Returns:
      for each segment the masks bool ``[B, L, C']``; slack int32 ``[B, T, K]``; open bool ``[B, T]``.
    """
    spec = problem.spec
    shapes.check("follow: tokens", tokens, (None, spec.num_layers), int)
    shapes.check("follow: budgets", budgets, (tokens.shape[0], spec.num_costs), int)
    layers = jnp.arange(spec.num_layers)
    nodes = walk_nodes(problem.target, tokens)
    paid = problem.cost[:, layers, nodes, tokens]
    spent = []
    for k, reduce in enumerate(spec.reduces):
        running = jnp.cumsum(paid[k], -1) if reduce == "sum" else jax.lax.cummax(paid[k], axis=1)
        spent.append(jnp.pad(running[:, :-1], ((0, 0), (1, 0))))
    before = jnp.stack(spent, -1)
    every = jnp.broadcast_to(budgets[..., None], (*budgets.shape, spec.num_layers))
    left = jnp.stack([_left(spec, k, before.transpose(0, 2, 1), every) for k in range(spec.num_costs)], -1)
    togo = jnp.moveaxis(problem.togo[:, layers, nodes], 0, -1)
    masks = []
    for first, last, width in segments(spec.choices):
        here = nodes[:, first:last]
        need = problem.need[:, layers[first:last], here, :width]
        flat = (len(tokens) * (last - first),)
        mask = feasible(
            spec,
            need.reshape(spec.num_costs, *flat, width),
            before[:, first:last].reshape(*flat, -1),
            jnp.broadcast_to(budgets[:, None], (len(tokens), last - first, spec.num_costs)).reshape(*flat, -1),
        )
        mask = mask.reshape(len(tokens), last - first, width)
        if problem.joint is not None:
            graph = graph_layers(problem, first, last, width)
            on_path = jax.vmap(functools.partial(_together, problem), in_axes=(0, 1, 1, 1), out_axes=1)
            mask = on_path(graph, here, left[:, first:last], mask)
        masks.append(mask)
    return masks, left - togo, problem.open[layers, nodes]


def decode_scores(problem: Problem, scores: jax.Array, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Greedy decoding of unary scores float32 ``[B, T, C]`` under the mask of budgets int32 ``[B, K]``.

    The best open choice is taken at each layer. Gives tokens int32 ``[B, T]`` and costs int32 ``[B, K]``.
    """

    def choose(carry: None, x: jax.Array, mask: jax.Array, _slack: jax.Array) -> tuple[None, jax.Array, None]:
        return carry, best_choice(x, mask), None

    spec = problem.spec
    shapes.check("decode_scores: scores", scores, (budgets.shape[0], spec.num_layers, spec.num_choices), float)
    by_layer = jnp.moveaxis(scores, 1, 0)
    tokens, costs, _, _ = masked_walk(problem, budgets, choose, None, lambda a, b, width: by_layer[a:b, :, :width])
    return tokens, costs


def best_choice(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """The open choice of highest score, int32 ``[B]``; NaN counts as 0, so no score can lead off the mask."""
    return jnp.argmax(jnp.where(mask, jnp.nan_to_num(scores), -jnp.inf), -1).astype(jnp.int32)


def repair(problem: Problem, tokens: jax.Array, budgets: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Make any tokens int32 ``[B, T]`` canonical and within budgets int32 ``[B, K]``; gives their costs too.

    A token that no longer fits gives way to a random one that does.
    """
    noise = jax.random.uniform(key, (*tokens.shape, problem.spec.num_choices))
    return decode_scores(problem, jax.nn.one_hot(tokens, problem.spec.num_choices) + noise, budgets)
