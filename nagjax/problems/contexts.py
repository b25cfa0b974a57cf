"""A problem's contexts: what the first decision gives, the range of budgets of each, and what a policy knows it by.

Budgets of a fast device are not those of a slow one, so each context has a range of its own, and a budget's place is
its place in that range. Where contexts differ in their prices alone, as devices do, a policy knows one by its traits:
what a few fixed architectures cost on it, relative to their mean. A device that it never met has traits as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.problems.costs import ExactCosts
from nagjax.spaces import trellis as tl
from nagjax.spaces.soundness import complete_edges, follow
from nagjax.spaces.space import Space

if TYPE_CHECKING:
    from nagjax.problems.problem import Problem

REFERENCES = 16
"""Architectures whose costs are a context's traits."""

POOL = 64 * REFERENCES
"""Random architectures of which they are those at even ranks of cost."""

LEAST_SPREAD = 1e-3
"""Of a trait over the contexts; by less, a thousandth of the cost, devices are taken as equal."""

FAR = 3.0
"""Deviations at which a trait ends: a device beyond all that were known is told as one at their edge."""


@flax.struct.dataclass
class Contexts:
    """The N contexts of a problem.

    Attributes:
      low, high: int32 ``[N, K]``, the range of budgets of each, ticks; of one that is closed ``INFINITE`` and 0.
      traits: float32 ``[N, R]``, what a policy knows each by; 0 for one that is closed.
      references: what the traits are made of, see ``References``; empty where contexts are known by name.
    """

    low: jax.Array
    high: jax.Array
    traits: jax.Array
    references: References


@flax.struct.dataclass
class References:
    """How traits are made; chosen with a policy's first problem, and kept with the policy.

    Attributes:
      tokens: int32 ``[M, T]``, architectures; of the first decision nothing is read. M is 0 where a context is known by
        its name, as it has to be where quality differs by it.
      mean, spread: float32 ``[R]``, of each trait over the contexts that were known.
    """

    tokens: jax.Array
    mean: jax.Array
    spread: jax.Array


def make_contexts(
    space: Space, problem: Problem, exact: Sequence[ExactCosts], by_name: bool, references: References | None = None
) -> Contexts:
    """The contexts of a problem with costs, cost to go and need, which is closed otherwise; on the host.

    They are known by their names or by their prices. References are of the policy that is to be asked; None to choose
    them here.

    Raises:
      ValueError: if contexts are known by name, and references of another problem are given.
    """
    num = problem.spec.contexts
    allowed = np.asarray(problem.allowed)
    low = np.asarray(problem.need)[:, 0, 0, :num].T
    edges = [_only(allowed, context) for context in range(num)]
    here = [context for context in range(num) if low[context, 0] < tl.INFINITE]
    high = np.zeros_like(low)
    for context in here:
        for k, column in enumerate(exact):
            ticks = np.asarray(problem.cost[k], np.int64)
            most = tl.costliest(space.trellis.target, _plausible(column, edges[context]), ticks, column.info.reduce)
            high[context, k] = min(int(most), column.top)
    if by_name:
        if references is not None:
            raise ValueError(
                f"{space.decisions[0].name}: quality differs by it, so the generator knows those it was trained for by "
                "name, and no other; train one with the new one among them"
            )
        none = References(jnp.zeros((0, len(space.decisions)), jnp.int32), jnp.zeros(num), jnp.ones(num))
        return Contexts(jnp.asarray(low), jnp.asarray(high), jnp.eye(num), none)
    tokens = _chosen(space, edges[here[0]], exact[0]) if references is None else np.asarray(references.tokens)
    profiles = np.stack([_profile(space, edges[context], exact, tokens) for context in here])
    if references is None:
        spread = np.maximum(profiles.std(0), LEAST_SPREAD)
        references = References(
            jnp.asarray(tokens), jnp.asarray(profiles.mean(0), jnp.float32), jnp.asarray(spread, jnp.float32)
        )
    traits = np.zeros((num, profiles.shape[1]))
    told = (profiles - np.asarray(references.mean)) / np.asarray(references.spread)
    traits[here] = np.clip(told, -FAR, FAR)
    return Contexts(jnp.asarray(low), jnp.asarray(high), jnp.asarray(traits, jnp.float32), references)


def _only(allowed: np.ndarray, context: int) -> np.ndarray:
    """Edges bool ``[T, S, C]`` of one context that a path takes to the end."""
    out = allowed.copy()
    out[0, :, np.arange(out.shape[2]) != context] = False
    return out


def _plausible(column: ExactCosts, edges: np.ndarray) -> np.ndarray:
    """Edges without those that cost as much as a filler, where a path is left without them."""
    if column.info.filler is None:
        return edges
    fine = edges.copy()
    for t, values in column.edges.items():
        fine[t] &= values < column.info.filler
    return fine


def _chosen(space: Space, edges: np.ndarray, column: ExactCosts) -> np.ndarray:
    """References int32 ``[M, T]``: of random architectures those at even ranks of cost."""
    graph = space.trellis
    pool = tl.sample_uniform(graph.target, edges, np.random.default_rng(0), POOL)
    nodes, _ = tl.walk(graph.target, graph.valid, pool)
    order = np.argsort(column.of(nodes, pool), kind="stable")
    return pool[order[(np.arange(REFERENCES) * 2 + 1) * POOL // (2 * REFERENCES)]]


def _profile(space: Space, edges: np.ndarray, exact: Sequence[ExactCosts], tokens: np.ndarray) -> np.ndarray:
    """Traits float64 ``[R]`` of a context as they are: of each column how the references compare, and how wide it is.

    A reference is the path nearest to it that the context leaves open, such as the same one at another resolution.
    """
    graph = space.trellis
    wish = -np.abs(np.arange(graph.shape[2])[None, None] - tokens[..., None]).astype(float)
    paths = follow(space, complete_edges(graph.target, edges), wish)
    nodes, _ = tl.walk(graph.target, graph.valid, paths)
    out = []
    for column in exact:
        cost = np.maximum(column.of(nodes, paths), 1e-30)
        low, high = column.span(graph.target, edges)
        out += [np.log(cost / cost.mean()), [np.log(max(high, 1e-30) / max(low, 1e-30))]]
    return np.concatenate(out)


def num_traits(problem: Problem) -> int:
    """R, by how many numbers a policy knows a context of the problem; 0 where it has none."""
    return 0 if problem.contexts is None else int(problem.contexts.traits.shape[1])


def turns(problem: Problem, num: int) -> jax.Array | None:
    """Contexts int32 ``[num]`` for rows: those that are open, in turn; None where the problem has none."""
    if problem.contexts is None:
        return None
    closed = problem.contexts.low[:, 0] >= tl.INFINITE
    order = jnp.argsort(closed, stable=True).astype(jnp.int32)
    return order[jnp.arange(num) % jnp.maximum((~closed).sum(), 1)]


def in_rows(problem: Problem, contexts: jax.Array | None) -> Problem:
    """The problem for rows of contexts int32 ``[B]``: range ``[B, K]`` and traits ``[B, R]`` are those of each row."""
    if problem.contexts is None or contexts is None:
        return problem
    own = problem.contexts
    return dataclasses.replace(problem, low=own.low[contexts], high=own.high[contexts], traits=own.traits[contexts])


def of_tokens(problem: Problem, tokens: jax.Array) -> jax.Array | None:
    """Contexts int32 ``[B]`` of tokens int32 ``[B, T]``; None where the problem has none."""
    return None if problem.contexts is None else tokens[:, 0]


def fixed(problem: Problem, context: int) -> Problem:
    """The problem as of one context: its range of budgets and its traits; what is allowed stays."""
    if problem.contexts is None:
        return problem
    own = problem.contexts
    return dataclasses.replace(problem, low=own.low[context], high=own.high[context], traits=own.traits[context])
