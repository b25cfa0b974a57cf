"""Small problems whose every architecture is known: what the conformance suite measures controllers on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nagjax.devices.pricing import Prices
from nagjax.operators import Operator
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

VARIANTS = ("depth", "deep", "two_costs", "wide")
"""``depth``: up to 5 layers, those beyond the depth are closed; ``deep``: up to 9, so 28,431 architectures, too many to
stumble on the best; ``two_costs``: 3^5 architectures with a second cost column, a maximum; ``wide``: 3^9."""

_WIDTHS = (8, 16, 24)


@dataclasses.dataclass(frozen=True, eq=False)
class Oracle:
    """Every architecture of a tiny problem, priced in float64 without the trellis.

    Attributes:
      tokens: int32 ``[N, T]``, canonical.
      costs: float64 ``[N, K]`` in the columns' units, the raw sums (or maxima).
      quality: float64 ``[N]``, fractions.
      allowed: bool ``[N]``, whether the problem's conditions admit it.
    """

    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray
    allowed: np.ndarray

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """Row of each of tokens ``[B, T]``; -1 for one that is not an architecture."""
        known = {row.tobytes(): i for i, row in enumerate(self.tokens)}
        return np.array([known.get(row.tobytes(), -1) for row in np.asarray(tokens, np.int32)], int)

    def best(self, budgets: np.ndarray) -> np.ndarray:
        """Quality ``[B]`` of the best admitted architecture within budgets ``[B, K]`` in units."""
        fits = (self.costs[None] <= np.asarray(budgets, np.float64)[:, None]).all(-1) & self.allowed
        return np.where(fits, self.quality, -np.inf).max(-1)


class Tiny(NamedTuple):
    """A tiny problem with all that is known about it."""

    space: Space
    problem: Problem
    description: Description
    oracle: Oracle


def tiny_space(variant: str = "depth") -> Space:
    """The space of one of ``VARIANTS``: layers with three operations, in ``depth`` after a decision how many."""
    if variant not in VARIANTS:
        raise ValueError(f"variant={variant!r} is not one of {', '.join(VARIANTS)}")
    layers, has_depth = {"depth": 5, "deep": 9, "two_costs": 5, "wide": 9}[variant], variant in ("depth", "deep")
    decisions = [Decision(f"layer{i}", "layer", tuple({"width": w} for w in _WIDTHS)) for i in range(layers)]
    if has_depth:
        depths = tuple({"depth": depth} for depth in range(layers - 2, layers + 1))
        decisions.insert(0, Decision("depth", "depth", depths))

    def edges(t: int, left: Hashable) -> list[tl.Edge]:
        if has_depth and t == 0:
            return [tl.Edge(c, layers - 2 + c, (), (f"depth.{layers - 2 + c}",)) for c in range(3)]
        if left == 0:
            return [tl.Edge(0, 0)]
        after = int(str(left)) - 1
        name = decisions[t].name
        return [tl.Edge(c, after, (_operator(t, c),), (f"{name}.{w}",)) for c, w in enumerate(_WIDTHS)]

    names = tuple(f"{d.name}.{value}" for d in decisions for c in d.choices for value in c.values())
    graph, operators = tl.build(len(decisions), layers, edges, names)
    return Space(
        name="tiny",
        version=1,
        settings={"variant": variant},
        decisions=tuple(decisions),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: [int(digit) for digit in text],
        format_tokens=lambda tokens: "".join(map(str, tokens)),
        describe_tokens=lambda tokens: " ".join(map(str, tokens)),
    )


def tiny_problem(
    seed: int = 0, variant: str = "depth", device: int = 0, where: Mapping[str, Any] | None = None, gaps: float = 0.0
) -> Tiny:
    """A tiny exact problem: costlier choices are better on the whole, but neighbours interact.

    Args:
      seed: of the qualities.
      variant: one of ``VARIANTS``.
      device: seed of the device table; another one changes prices and nothing else.
      where: conditions, as ``Space.where`` takes them.
      gaps: share of the architectures whose quality is NaN or infinite.
    """
    space = tiny_space(variant)
    tokens = _all_tokens(space)
    prices = prices_of(space, device, 2 if variant == "two_costs" else 1)
    rng = np.random.default_rng(seed)
    quality = _quality(tokens, rng)
    broken = rng.random(len(quality)) < gaps
    quality[broken] = rng.choice([np.nan, np.inf, -np.inf], int(broken.sum()))
    # The table refuses what is missing, so the gaps are put in afterwards.
    table = tabular_quality(space, tokens, np.where(broken, 0.0, quality))
    ranks = tabular_quality(space, tokens, np.arange(len(tokens)))
    values = quality.astype(np.float32)[np.asarray(ranks.values).astype(int)]
    problem, description = make_problem(space, prices, dataclasses.replace(table, values=jnp.asarray(values)), where)
    costs = np.stack([_raw_costs(space, column, tokens) for column in prices], -1)
    oracle = Oracle(tokens, costs, quality.astype(np.float32).astype(np.float64), _admitted(space, tokens, where or {}))
    return Tiny(space, problem, description, oracle)


def _operator(t: int, choice: int) -> Operator:
    return Operator("conv", 8, 8, t + 1, _WIDTHS[choice], kernel=3)


def _all_tokens(space: Space) -> np.ndarray:
    """Every architecture by plain counting: layers beyond the depth carry 0."""
    digits = np.array(list(itertools.product(range(len(_WIDTHS)), repeat=len(space.decisions))), np.int32)
    return digits[~(np.where(_closed(space, digits), digits, 0).any(1))]


def _closed(space: Space, tokens: np.ndarray) -> np.ndarray:
    """Decisions that are not open, bool ``[N, T]``."""
    if space.decisions[0].name != "depth":
        return np.zeros(tokens.shape, bool)
    layers = tokens.shape[1] - 1
    return np.arange(tokens.shape[1])[None] > layers - 2 + tokens[:, :1]


def prices_of(space: Space, device: int = 0, num: int = 1) -> Sequence[Prices]:
    """Cost columns of a tiny space, ``num`` of them, on a made-up device."""
    rng = np.random.default_rng([device, 7])
    base = {op: 0.3 * op.out_channels**0.7 for op in space.operators}
    latency = np.array([base[op] for op in space.operators]) * rng.uniform(0.5, 1.5, len(space.operators))
    columns = [Prices("latency_ms", "ms", latency, space.trellis.valid, device=f"tiny device {device}")]
    if num > 1:
        memory = np.array([op.out_channels * 2.0 + op.in_channels for op in space.operators])
        columns.append(
            Prices("memory_kib", "KiB", memory, space.trellis.valid, reduce="max", device=f"tiny device {device}")
        )
    return columns


def _raw_costs(space: Space, column: Prices, tokens: np.ndarray) -> np.ndarray:
    """Costs ``[N]`` in units, from the operators of each layer that is open."""
    value = dict(zip(space.operators, column.values, strict=True))
    first = int(space.decisions[0].name == "depth")
    table = np.zeros((tokens.shape[1], len(_WIDTHS)))
    for t, choice in itertools.product(range(first, tokens.shape[1]), range(len(_WIDTHS))):
        table[t, choice] = value[_operator(t, choice)]
    each = np.where(_closed(space, tokens), 0.0, table[np.arange(tokens.shape[1]), tokens])
    return each.sum(1) if column.reduce == "sum" else each.max(1)


def _quality(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    layers, choices = tokens.shape[1], len(_WIDTHS)
    gain = np.cumsum(rng.uniform(0.0, 1.0, (layers, choices)), 1)
    pair = rng.normal(0.0, 0.6, (layers, choices, choices))
    score = gain[np.arange(layers), tokens].sum(1)
    score += pair[np.arange(layers - 1), tokens[:, :-1], tokens[:, 1:]].sum(1)
    return 0.5 + 0.4 * (score - score.min()) / (score.max() - score.min())


def _admitted(space: Space, tokens: np.ndarray, where: Mapping[str, Any]) -> np.ndarray:
    """Architectures that satisfy conditions on single decisions, bool ``[N]``; a closed layer satisfies all."""
    fine = np.ones(len(tokens), bool)
    closed = _closed(space, tokens)
    for t, decision in enumerate(space.decisions):
        for key, wanted in where.items():
            if key in (decision.name, decision.kind, *decision.choices[0]):
                values = [next(iter(choice.values())) for choice in decision.choices]
                allowed = np.isin(values, wanted)
                fine &= allowed[tokens[:, t]] | closed[:, t]
    return fine
