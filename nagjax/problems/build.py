"""Building a problem: a space, prices of its operators and a quality become one pytree and its description."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nagjax import arguments
from nagjax.devices.pricing import Prices
from nagjax.predictors.forms.behind import Behind
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.registry import check_form
from nagjax.problems.contexts import References, make_contexts
from nagjax.problems.costs import ExactCosts
from nagjax.problems.problem import Description, Problem, Spec, close_jointly
from nagjax.problems.ticks import edge_ticks
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.spaces.trie import Listing


def make_spec(space: Space, reduces: Sequence[str] = ("sum",)) -> Spec:
    """The static shape of a space with K cost columns."""
    return Spec(
        tuple(decision.kind for decision in space.decisions),
        tuple(len(decision.choices) for decision in space.decisions),
        tuple(reduces),
        len(space.feature_names),
        space.trellis.shape[1],
        len(space.decisions[0].choices) if space.decisions[0].context else 0,
    )


def make_problem(
    space: Space,
    prices: Sequence[Prices],
    quality: Form,
    where: Mapping[str, Any] | None = None,
    pessimism: float = 0.0,
    quality_report: Mapping[str, Any] | None = None,
    ranker: Any = None,
    listing: Listing | None = None,
    references: References | None = None,
) -> tuple[Problem, Description]:
    """Build a problem and its description.

    Args:
      space: the search space.
      prices: K cost columns.
      quality: how good architectures are, in one of the library's forms; choices it does not know are closed.
      where: conditions as ``Space.where`` takes them.
      pessimism: weight of the predictor's standard deviation in the objective.
      quality_report: what is known of the predictor's error.
      ranker: a learned ranker.
      listing: what a file says of each architecture of a prefix trie.
      references: how traits of contexts are made, of a policy that is to be asked; chosen here where None.

    Raises:
      ValueError: if no architecture is left, the quality is not a form that a checkpoint can keep, or the pessimism is
        not finite, or not 0 where the quality is a rank.
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
    problem = _assemble(space, spec, allowed, np.stack([cost for cost, _ in priced]), exact, quality, pessimism, ranker)
    if spec.contexts:
        by_name = not isinstance(quality, Behind) or quality.change is not None
        problem = dataclasses.replace(problem, contexts=make_contexts(space, problem, exact, by_name, references))
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
    pessimism: float, ranker: Any,
) -> Problem:  # fmt: skip
    graph = space.trellis
    num_costs, layers, nodes = len(exact), graph.shape[0], graph.shape[1]
    # As NumPy arrays: for each new shape jax compiles a program that makes zeros, casts or copies to the device.
    arrays = {
        "target": graph.target,
        "open": graph.open,
        "features": graph.features,
        "allowed": allowed,
        "cost": cost,
        "need": cost,
        "togo": np.zeros((num_costs, layers + 1, nodes), np.int32),
        "tick": np.array([column.info.tick for column in exact], np.float32),
        "low": np.zeros(num_costs, np.int32),
        "high": np.array([column.top for column in exact], np.int32),
        "pessimism": np.float32(pessimism),
    }
    blank = Problem(**jax.device_put(arrays), quality=quality, ranker=ranker, spec=spec)
    closed = close_jointly(blank)
    return dataclasses.replace(closed, low=jax.device_put(np.asarray(closed.togo)[:, 0, 0]))
