"""The problem: what a controller optimises. A space, what its architectures cost in ticks, and how good they are.

``Problem`` is a pytree whose only static parts are the shape of the space and of the quality function, so another
device table or predictor of the same shapes does not recompile anything. ``Description`` is its companion on the host:
names, units, sources, and the exact conversion of budgets.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.costs import CostInfo, ExactCosts
from nagjax.devices.pricing import Prices
from nagjax.devices.ticks import edge_ticks
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.registry import check_form
from nagjax.predictors.forms.table import TabularQuality
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
    """

    kinds: tuple[str, ...]
    choices: tuple[int, ...]
    reduces: tuple[str, ...]
    num_features: int
    num_nodes: int

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
      low, high: int32 ``[K]``, the range of budgets, ticks.
      quality: a form of ``nagjax.predictors.forms``.
      pessimism: float32, the objective is mean - pessimism * std.
      evaluator: a learned dominance evaluator, or None.
      spec: static shape.
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
    evaluator: Any
    spec: Spec = flax.struct.field(pytree_node=False)


@dataclasses.dataclass(frozen=True, eq=False)
class Description:
    """A problem's companion on the host.

    Attributes:
      space: the search space.
      costs: one entry a cost column.
      ranges: float64 ``[K, 2]``, cheapest and dearest architecture in units.
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

    def costs_of(self, tokens: np.ndarray) -> np.ndarray:
        """Costs float64 ``[B, K]`` in units of tokens int ``[B, T]``, as the user would add them up."""
        nodes, _ = tl.walk(self.space.trellis.target, self.space.trellis.valid, tokens)
        return np.stack([column.of(nodes, np.asarray(tokens)) for column in self.exact], -1)


def make_spec(space: Space, reduces: Sequence[str] = ("sum",)) -> Spec:
    """The static shape of a space with K cost columns."""
    return Spec(
        tuple(decision.kind for decision in space.decisions),
        tuple(len(decision.choices) for decision in space.decisions),
        tuple(reduces),
        len(space.feature_names),
        space.trellis.shape[1],
    )


def make_problem(
    space: Space,
    prices: Sequence[Prices],
    quality: Form,
    where: Mapping[str, Any] | None = None,
    pessimism: float = 0.0,
    quality_report: Mapping[str, Any] | None = None,
    evaluator: Any = None,
    listing: Listing | None = None,
) -> tuple[Problem, Description]:
    """Build a problem and its description.

    Args:
      space: the search space.
      prices: K cost columns.
      quality: how good architectures are, in one of the library's forms; choices it does not know are closed.
      where: conditions as ``Space.where`` takes them.
      pessimism: weight of the predictor's standard deviation in the objective.
      quality_report: what is known of the predictor's error.
      evaluator: a learned dominance evaluator.
      listing: what a file says of each architecture of a prefix trie.

    Raises:
      ValueError: if no architecture is left, the quality is no form that a checkpoint can keep, or the pessimism is not
        finite, or not 0 where the quality is a rank.
    """
    pessimism, report = _judged_by(space, quality, arguments.finite(pessimism, "pessimism"), quality_report)
    allowed = space.where(where or {})
    for column in prices:
        allowed &= column.open_edges
    allowed &= _known_edges(space, quality)
    if not tl.count(space.trellis.target, allowed)[0][0]:
        raise ValueError(_nothing_left(space, prices, quality, where or {}))
    priced = [edge_ticks(column, space, allowed) for column in prices]
    exact = tuple(companion for _, companion in priced)
    spec = make_spec(space, [column.reduce for column in prices])
    problem = _assemble(
        space, spec, allowed, np.stack([cost for cost, _ in priced]), exact, quality, pessimism, evaluator
    )
    ranges = np.array([companion.span(space.trellis.target, allowed) for companion in exact])
    infos = tuple(companion.info for companion in exact)
    return problem, Description(space, infos, ranges, dict(where or {}), report, exact, listing)


def _judged_by(
    space: Space, quality: Form, pessimism: float, report: Mapping[str, Any] | None
) -> tuple[float, dict[str, Any]]:
    """The pessimism and the report, once the quality is known to be of use."""
    form, num = check_form(quality), len(space.feature_names)
    if form.known is not None and form.known.shape != (num,):
        raise ValueError(f"the predictor knows features {form.known.shape}, {space.identity} has {num}; fit one to it")
    if form.rank_valued and pessimism:
        raise ValueError(
            f"pessimism={pessimism:g}: the predictor tells ranks, and a deviation of ranks cannot be taken from them; "
            "fit a predictor of quality (kind gp, or mlp with loss=mse), or leave the pessimism at 0"
        )
    return pessimism, {**(report or {}), **({"values": "rank"} if form.rank_valued else {})}


def _known_edges(space: Space, quality: Form) -> np.ndarray:
    """Close optional choices with an unknown feature; the predictor answers for everything else."""
    if quality.known is None:
        return np.ones(space.trellis.shape, bool)
    known = np.asarray(quality.known)
    fine = np.append(known, True)[space.trellis.features].all(-1)
    optional = np.array([decision.optional for decision in space.decisions])
    return fine | ~optional[:, None, None]


def _nothing_left(space: Space, prices: Sequence[Prices], quality: Form, where: Mapping[str, Any]) -> str:
    lines = [f"no architecture of {space.identity} is left"]
    lines += [f"{dict(where)} was asked"] if where else []
    for t, decision in enumerate(space.decisions):
        if not decision.optional:
            continue
        known = {}
        for column in prices:
            known[column.source or column.device] = column.open_edges[t].any(0)
        if quality.known is not None:
            edges = space.trellis.valid & _known_edges(space, quality)
            known["predictor"] = edges[t].any(0)
        both = np.logical_and.reduce(list(known.values()))
        values = [next(iter(choice.values())) for choice in decision.choices]
        for who, mask in (*known.items(), ("all of them", both)):
            lines.append(f"{decision.name} known to {who}: {[v for v, k in zip(values, mask, strict=False) if k]}")
    return "; ".join(lines)


def _assemble(
    space: Space, spec: Spec, allowed: np.ndarray, cost: np.ndarray, exact: Sequence[ExactCosts], quality: Form,
    pessimism: float, evaluator: Any,
) -> Problem:  # fmt: skip
    graph = space.trellis
    num_costs, layers, nodes = len(exact), graph.shape[0], graph.shape[1]
    blank = Problem(
        target=jnp.asarray(graph.target),
        open=jnp.asarray(graph.open),
        features=jnp.asarray(graph.features),
        allowed=jnp.asarray(allowed),
        cost=jnp.asarray(cost),
        need=jnp.asarray(cost),
        togo=jnp.zeros((num_costs, layers + 1, nodes), jnp.int32),
        tick=jnp.asarray([column.info.tick for column in exact], jnp.float32),
        low=jnp.zeros(num_costs, jnp.int32),
        high=jnp.asarray([column.top for column in exact], jnp.int32),
        quality=quality,
        pessimism=jnp.asarray(pessimism, jnp.float32),
        evaluator=evaluator,
        spec=spec,
    )
    closed = _close(blank)
    return dataclasses.replace(closed, low=cheapest(closed))


@jax.jit
def _close(problem: Problem) -> Problem:
    """Compute what follows from ``allowed`` and ``cost``: cost to go and need."""
    togo, need = [], []
    for k, reduce in enumerate(problem.spec.reduces):
        ahead = tl.cost_to_go(problem.target, problem.allowed, problem.cost[k], reduce)
        togo.append(ahead)
        edge_need = jax.vmap(functools.partial(tl.edge_need, reduce=reduce))
        need.append(edge_need(problem.target, problem.allowed, problem.cost[k], ahead[1:]))
    return dataclasses.replace(problem, togo=jnp.stack(togo), need=jnp.stack(need))


def restrict(problem: Problem, allowed: jax.Array) -> Problem:
    """The problem with only the edges of ``allowed`` bool ``[T, S, C]`` left.

    ``low`` and ``high`` stay those of the whole problem, on which the policy was trained; ``cheapest`` tells what is
    possible.
    """
    return _close(dataclasses.replace(problem, allowed=problem.allowed & allowed))


def cheapest(problem: Problem) -> jax.Array:
    """Cost int32 ``[K]`` of the cheapest architecture by each column; ``INFINITE`` where none is left."""
    return problem.togo[:, 0, 0]


def path_costs(problem: Problem, tokens: jax.Array, nodes: jax.Array | None = None) -> jax.Array:
    """Costs int32 ``[B, K]`` in ticks of tokens ``[B, T]``."""
    nodes = walk_nodes(problem.target, tokens) if nodes is None else nodes
    edges = problem.cost[:, jnp.arange(tokens.shape[1]), nodes, tokens]
    columns = [e.sum(-1) if r == "sum" else e.max(-1) for e, r in zip(edges, problem.spec.reduces, strict=True)]
    return jnp.stack(columns, -1)


def path_features(problem: Problem, tokens: jax.Array, nodes: jax.Array | None = None) -> jax.Array:
    """Path features float32 ``[B, F]`` of tokens ``[B, T]``."""
    nodes = walk_nodes(problem.target, tokens) if nodes is None else nodes
    index = problem.features[jnp.arange(tokens.shape[1]), nodes, tokens].reshape(tokens.shape[0], -1)
    out = jnp.zeros((tokens.shape[0], problem.spec.num_features + 1), jnp.float32)
    return out.at[jnp.arange(tokens.shape[0])[:, None], index].add(1.0)[:, :-1]


def evaluate(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Objective float32 ``[B]`` (mean - pessimism * std; NaN and infinities become -inf) and costs int32 ``[B, K]``."""
    nodes = walk_nodes(problem.target, tokens)
    mean, std = problem.quality(tokens, path_features(problem, tokens, nodes))
    objective = mean - problem.pessimism * std
    return jnp.where(jnp.isfinite(objective), objective, -jnp.inf), path_costs(problem, tokens, nodes)


def tabular_quality(space: Space, tokens: np.ndarray, values: np.ndarray) -> TabularQuality:
    """Quality looked up for every architecture of ``space``: tokens ``[N, T]`` in any order, values fractions ``[N]``.

    Raises:
      ValueError: if an architecture is missing.
    """
    graph = space.trellis
    totals = tl.count(graph.target, graph.valid)
    offset = np.zeros(graph.shape, np.int32)
    for t in range(graph.shape[0]):
        through = np.where(graph.valid[t], np.array(totals[t + 1])[graph.target[t]], 0)
        offset[t] = np.cumsum(through, -1) - through
    dense = np.full(totals[0][0], np.nan, np.float32)
    dense[space.path_values(tokens, offset).sum(-1)] = values
    if np.isnan(dense).any():
        raise ValueError(f"{int(np.isnan(dense).sum())} of {len(dense)} architectures of {space.name} have no quality")
    return TabularQuality(jnp.asarray(offset), jnp.asarray(graph.target), jnp.asarray(dense))
