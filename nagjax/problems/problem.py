"""The problem: what a controller optimises. A space, what its architectures cost in ticks, and how good they are.

``Problem`` is a pytree whose only static parts are the shape of the space and of the quality function, so another
device table or predictor of the same shapes does not recompile anything. ``Description`` is its companion on the host:
names, units, sources, and the exact conversion of budgets.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax import mesh, shapes
from nagjax.problems.contexts import Contexts
from nagjax.problems.costs import CostInfo, ExactCosts
from nagjax.problems.joint import Joint, feasible_together, make_levels, recursion
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.spaces.trellis import walk_nodes
from nagjax.spaces.trie import Listing


@dataclasses.dataclass(frozen=True)
class Spec:
    """The static shape of a problem, hashable.

    Attributes:
      kinds: kind of each of the T decisions.
      choices: number of choices of each.
      reduces: ``"sum"`` or ``"max"`` for each of the K cost columns.
      num_features: F, the number of path features.
      num_nodes: S; nothing learned depends on it.
      contexts: number of choices of the first decision, where that is a context; 0 where it is none.
    """

    kinds: tuple[str, ...]
    choices: tuple[int, ...]
    reduces: tuple[str, ...]
    num_features: int
    num_nodes: int
    contexts: int = 0

    @property
    def num_layers(self) -> int:
        """T."""
        return len(self.kinds)

    @property
    def num_choices(self) -> int:
        """C."""
        return max(self.choices)

    @property
    def num_costs(self) -> int:
        """K."""
        return len(self.reduces)


@flax.struct.dataclass
class Problem:
    """What a controller optimises, as arrays.

    Attributes:
      target: int32 ``[T, S, C]``, the graph.
      open: bool ``[T, S]``, whether a node is a decision.
      features: int32 ``[T, S, C, J]``, path features of an edge, padded with F.
      allowed: bool ``[T, S, C]``, edges that exist, are priced and satisfy the conditions.
      cost: int32 ``[K, T, S, C]``, edge costs in ticks.
      need: int32 ``[K, T, S, C]``, least cost of an edge and all that follows; ``INFINITE`` where it leads nowhere.
      togo: int32 ``[K, T + 1, S]``, cheapest way to finish from a node, ticks.
      tick: float32 ``[K]``, units in a tick.
      low, high: int32 ``[K]``, the range of budgets, ticks; ``[B, K]`` for rows of several contexts.
      quality: a form of ``nagjax.predictors.forms``.
      pessimism: float32, the objective is mean - pessimism * std.
      ranker: a learned ranker, or None.
      spec: static shape.
      joint: with two cost columns, what both need together; None with any other number.
      contexts: where the first decision is a context, what is known of each; None elsewhere.
      traits: float32 ``[R]``, or ``[B, R]`` for rows, what a policy knows the context at hand by; None where none is.
    """

    target: jax.Array
    open: jax.Array
    features: jax.Array
    allowed: jax.Array
    cost: jax.Array
    need: jax.Array
    togo: jax.Array
    tick: jax.Array
    low: jax.Array
    high: jax.Array
    quality: Any
    pessimism: jax.Array
    ranker: Any
    spec: Spec = flax.struct.field(pytree_node=False)
    joint: Joint | None = None
    contexts: Contexts | None = None
    traits: jax.Array | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Description:
    """A problem's companion on the host.

    Attributes:
      space: the search space.
      costs: one entry a cost column.
      ranges: float64 ``[K, 2]``, cheapest and costliest architecture in units.
      where: the conditions that were set.
      quality_report: what is known of the predictor's error.
      exact: what architectures cost in float64 and what budgets are in ticks, one entry a cost column.
      listing: what the file says of each architecture, where the space is the prefix trie of a file's.
    """

    space: Space
    costs: tuple[CostInfo, ...]
    ranges: np.ndarray
    where: Mapping[str, Any]
    quality_report: Mapping[str, Any]
    exact: tuple[ExactCosts, ...]
    listing: Listing | None = None

    @property
    def summary(self) -> str:
        """Space and ranges of cost in a line, figures in four digits."""
        ranges = zip(self.costs, self.ranges, strict=True)
        return ", ".join(
            [self.space.identity, *(f"{info.name} {low:.4g} to {high:.4g}" for info, (low, high) in ranges)]
        )

    def costs_of(self, tokens: np.ndarray) -> np.ndarray:
        """Costs float64 ``[B, K]`` in units of tokens int ``[B, T]``, as the user would add them up."""
        nodes, _ = tl.walk(self.space.trellis.target, self.space.trellis.valid, tokens)
        return np.stack([column.of(nodes, np.asarray(tokens)) for column in self.exact], -1)


_one_program = functools.partial(jax.jit, inline=True)
"""Called outside of jit these would be dozens of programs; inside they add nothing to what calls them."""


@jax.jit
def close(problem: Problem) -> Problem:
    """The problem with what follows from ``allowed`` and ``cost``: cost to go, need, and what is joint."""
    togo, need = [], []
    for k, reduce in enumerate(problem.spec.reduces):
        ahead = tl.cost_to_go(problem.target, problem.allowed, problem.cost[k], reduce)
        togo.append(ahead)
        edge_need = jax.vmap(functools.partial(tl.edge_need, reduce=reduce))
        need.append(edge_need(problem.target, problem.allowed, problem.cost[k], ahead[1:]))
    joint = problem.joint
    if joint is not None:
        joint = recursion(joint.levels, problem.target, problem.allowed, problem.cost, problem.spec.reduces)
    return dataclasses.replace(problem, togo=jnp.stack(togo), need=jnp.stack(need), joint=joint)


def close_jointly(problem: Problem) -> Problem:
    """``close``, with what two cost columns need together."""
    if problem.spec.num_costs != 2:
        return close(problem)
    cost, allowed, high = np.asarray(problem.cost[1]), np.asarray(problem.allowed), int(problem.high[1])
    levels = make_levels(cost, allowed, problem.spec.reduces[1], high)
    joint = None if levels is None else Joint(jnp.asarray(levels), jnp.zeros((0,), jnp.int32))
    return close(dataclasses.replace(problem, joint=joint))


def restrict(problem: Problem, allowed: jax.Array) -> Problem:
    """The problem with only the edges of ``allowed`` bool ``[T, S, C]`` left.

    ``low`` and ``high`` stay those of the whole problem, on which the policy was trained; ``cheapest`` tells what is
    possible.
    """
    return close(dataclasses.replace(problem, allowed=problem.allowed & allowed))


def cheapest(problem: Problem) -> jax.Array:
    """Cost int32 ``[K]`` of the cheapest architecture by each column; ``INFINITE`` where none is left."""
    return problem.togo[:, 0, 0]


def met_together(problem: Problem, budgets: jax.Array) -> jax.Array:
    """Whether the mask leads to an answer within budgets int32 ``[B, K]`` ticks, bool ``[B]``.

    It tells for one and for two columns; of more, what each alone can be met by.
    """
    alone = (cheapest(problem)[None] <= budgets).all(-1)
    return alone if problem.joint is None else alone & feasible_together(problem.joint, budgets, problem.spec.reduces)


@_one_program
def path_costs(problem: Problem, tokens: jax.Array, nodes: jax.Array | None = None) -> jax.Array:
    """Costs int32 ``[B, K]`` in ticks of tokens ``[B, T]``."""
    nodes = walk_nodes(problem.target, tokens) if nodes is None else nodes
    edges = problem.cost[:, jnp.arange(tokens.shape[1]), nodes, tokens]
    columns = [e.sum(-1) if r == "sum" else e.max(-1) for e, r in zip(edges, problem.spec.reduces, strict=True)]
    return jnp.stack(columns, -1)


@_one_program
def path_features(problem: Problem, tokens: jax.Array, nodes: jax.Array | None = None) -> jax.Array:
    """Path features float32 ``[B, F]`` of tokens ``[B, T]``."""
    nodes = walk_nodes(problem.target, tokens) if nodes is None else nodes
    index = problem.features[jnp.arange(tokens.shape[1]), nodes, tokens].reshape(tokens.shape[0], -1)
    out = jnp.zeros((tokens.shape[0], problem.spec.num_features + 1), jnp.float32)
    return out.at[jnp.arange(tokens.shape[0])[:, None], index].add(1.0)[:, :-1]


@_one_program
def evaluate(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Objective float32 ``[B]`` (mean - pessimism * std; NaN and infinities become -inf) and costs int32 ``[B, K]``."""
    shapes.check("evaluate: tokens", tokens, (None, problem.spec.num_layers), int)
    tokens = mesh.rows(tokens)
    nodes = walk_nodes(problem.target, tokens)
    mean, std = problem.quality(tokens, path_features(problem, tokens, nodes))
    shapes.check("evaluate: mean of the quality", mean, tokens.shape[:1], float)
    shapes.check("evaluate: deviation of the quality", std, tokens.shape[:1], float)
    objective = mean - problem.pessimism * std
    return jnp.where(jnp.isfinite(objective), objective, -jnp.inf), path_costs(problem, tokens, nodes)
