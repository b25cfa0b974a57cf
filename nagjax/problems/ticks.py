"""From prices to integer edge costs: how long a tick is, and what is rounded.

Inside the library costs are int32 ticks, so that a mask never lets anything over its budget. Three cases, the first
that applies:

- every path has one number, on its last edge (a file with the cost of every architecture): distinct costs get distinct
  ticks in the same order, so integers decide exactly as the numbers do;
- all numbers are whole multiples of a tick, binary or decimal: sums of ticks are exact;
- otherwise each operator, and what an edge costs of its own, is rounded up, and edges add integers. A path's ticks are
  then above its exact cost by less than ``CostInfo.slack``, which ``ExactCosts`` gives back to budgets.

A filler for "not supported" (1e9 among 5.2 and 3.1) does not decide how long a tick is: it costs one tick more than the
costliest plausible architecture.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from nagjax.devices.plausible import implausible
from nagjax.devices.pricing import Column, Prices
from nagjax.problems.costs import CostInfo, ExactCosts, decimal_places
from nagjax.problems.residual import Above
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

MAX_EXPONENT = 60
Convert: TypeAlias = Callable[[np.ndarray], np.ndarray]
FUZZ = 1e-3
"""Ticks: more than float64 loses when it adds up what rounding added to a path."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Column:
    """A cost column on the edges of a space: what is rounded, and how edges and paths add up."""

    prices: Prices
    index: np.ndarray
    target: np.ndarray
    allowed: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """What edges cost beside their operators and the offset, float64 ``[T, S, C]``."""
        own = np.zeros(self.allowed.shape) if self.prices.edges is None else self.prices.edges
        return np.where(self.allowed, own, 0.0)

    @property
    def numbers(self) -> np.ndarray:
        """All numbers that an allowed path can meet, float64 ``[N]``, each once."""
        values = np.append(_finite(self.prices.values), 0.0)[np.unique(self.index[self.allowed])]
        return np.unique(np.concatenate([values, self.own.ravel(), [self.prices.offset]]))

    def edges(self, convert: Convert) -> np.ndarray:
        """Cost of each edge, float64 ``[T, S, C]``, each of its numbers converted before they are added up."""
        per_operator = np.append(convert(_finite(self.prices.values)), 0.0)
        combine, join = (np.sum, np.add) if self.prices.reduce == "sum" else (np.max, np.maximum)
        cost = join(combine(per_operator[self.index], -1), convert(self.own))
        cost[0] += convert(np.array(self.prices.offset))
        return np.where(self.allowed, cost, 0.0)

    def costliest(self, values: np.ndarray, allowed: np.ndarray | None = None) -> float:
        """The largest value of a path."""
        return tl.costliest(self.target, self.allowed if allowed is None else allowed, values, self.prices.reduce)


def edge_ticks(prices: Prices, space: Space, allowed: np.ndarray) -> tuple[np.ndarray, ExactCosts]:
    """Edge costs int32 ``[T, S, C]``, ticks, of a cost column, and its exact costs on the host.

    Every path of edges ``allowed``, bool ``[T, S, C]``, is below 2**30; ticks are as fine as that permits, and of what
    edges add up to, whatever a residual lays above it.

    Raises:
      ValueError: if the column has an offset or a residual and reduces by ``"max"``.
    """
    ticks, exact = _sum_ticks(prices, space, allowed)
    if prices.residual is None:
        return ticks, exact
    if prices.reduce != "sum":
        raise ValueError(f"cost {prices.name} has a residual above a sum, and reduces by {prices.reduce}")
    return ticks, dataclasses.replace(exact, residual=Above(space, prices.residual))


def _sum_ticks(prices: Prices, space: Space, allowed: np.ndarray) -> tuple[np.ndarray, ExactCosts]:
    if prices.offset and prices.reduce != "sum":
        raise ValueError(f"cost {prices.name} has an offset of {prices.offset:g}, which means nothing for a maximum")
    column = _Column(prices, space.trellis.operators, space.trellis.target, allowed)
    exact = column.edges(lambda values: values)
    far, filler = _fillers(column, exact)
    plausible = allowed & ~far
    if not exact[:-1].any():
        return _ranked(column, exact, filler)
    room = tl.INFINITE // (len(exact) + 1) if far.any() else tl.INFINITE
    cost, exponent, decimals = _scale(column, exact, plausible, room)
    top = int(column.costliest(cost, plausible))
    excess = np.where(plausible, cost - np.ldexp(exact * 10.0**decimals, exponent), 0.0)
    slack = 0 if decimals else math.ceil(column.costliest(np.maximum(excess, 0.0), plausible) - FUZZ)
    cost = np.where(far, np.minimum(cost, top + 1), cost)
    info = _describe(prices, exponent, decimals=decimals, slack=slack, filler=filler)
    # Only an edge that no path takes can cost more: it must not overflow.
    cost = np.minimum(cost, tl.INFINITE).astype(np.int32)
    found = exact_costs(info, space.trellis, dict(enumerate(exact)), cost, allowed, top)
    values = _finite(prices.values)
    return cost, dataclasses.replace(found, operators=values if values.any() else None)


def exact_costs(
    info: CostInfo, trellis: tl.Trellis, layers: Mapping[int, np.ndarray], ticks: np.ndarray, allowed: np.ndarray,
    top: int,
) -> ExactCosts:  # fmt: skip
    """The companion of ``ticks`` int32 ``[T, S, C]`` on the host, from exact edge costs float64 ``[S, C]`` by layer."""
    layers = {t: layer for t, layer in layers.items() if layer.any()}
    if not info.ranked:
        # A path adds up its operators, what its edges cost beside them, and an offset.
        terms = trellis.shape[0] * (trellis.operators.shape[-1] + 1) + 1
        return ExactCosts(info, layers, terms, top)
    last = allowed.shape[0] - 1
    paid = layers.get(last, np.zeros(allowed.shape[1:]))[allowed[last]]
    costs, first = np.unique(paid, return_index=True)
    return ExactCosts(info, layers, 1, top, (costs, ticks[last][allowed[last]][first].astype(np.int64)))


def _fillers(column: _Column, exact: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Edges bool ``[T, S, C]`` that cost as much as the least filler, and that filler; none if no path avoids them."""
    numbers = column.numbers
    least = numbers[implausible(numbers)].min(initial=np.inf)
    far = column.allowed & (exact >= least)
    if not far.any() or not tl.count(column.target, column.allowed & ~far)[0][0]:
        return np.zeros_like(far), None
    return far, float(least)


def _describe(prices: Prices, exponent: int, **more: Any) -> CostInfo:
    of_column = {field.name: getattr(prices, field.name) for field in dataclasses.fields(Column)}
    return CostInfo(exponent=exponent, **of_column, **more)


def _ranked(column: _Column, exact: np.ndarray, filler: float | None) -> tuple[np.ndarray, ExactCosts]:
    last, allowed = exact[-1], column.allowed[-1]
    costs, inverse = np.unique(last[allowed], return_inverse=True)
    plausible = costs < (np.inf if filler is None else filler)
    order = np.arange(len(costs))
    exponent = _largest_exponent(costs[plausible].max(initial=0.0), tl.INFINITE - len(costs))
    raised = np.ceil(np.ldexp(costs, exponent))
    limit = raised[plausible].max(initial=0.0)
    # Distinct costs that share a tick are moved apart; fillers follow one by one.
    ticks = np.maximum.accumulate(np.minimum(raised, limit + 1) - order) + order
    edges = np.zeros(exact.shape, np.int32)
    edges[-1][allowed] = ticks[inverse]
    prices = column.prices
    given = prices.edges is not None and not _finite(prices.values).any() and (prices.offset, prices.scale) == (0, 1)
    given &= prices.residual is None
    info = _describe(prices, exponent, ranked=True, given=given, filler=filler)
    top = int(ticks[plausible].max(initial=0))
    layers = {len(exact) - 1: last} if last.any() else {}
    return edges, ExactCosts(info, layers, 1, top, (costs, ticks.astype(np.int64)))


def _scale(column: _Column, exact: np.ndarray, plausible: np.ndarray, room: int) -> tuple[np.ndarray, int, int]:
    """Edge costs in ticks float64 ``[T, S, C]``, exponent and decimals: exact ones where there are such."""
    largest = column.costliest(exact, plausible)
    cost, exponent = _rounded_up(column, plausible, room, largest, 0)
    if (cost == np.ldexp(exact, exponent))[plausible].all():
        return cost, exponent, 0
    numbers = column.numbers
    decimals = decimal_places(numbers[~implausible(numbers)])
    if decimals and largest * 10.0**decimals < room / 2:
        return *_rounded_up(column, plausible, room, largest, decimals), decimals
    return cost, exponent, 0


def _rounded_up(
    column: _Column, plausible: np.ndarray, room: int, largest: float, decimals: int
) -> tuple[np.ndarray, int]:
    """Edge costs in ticks float64 ``[T, S, C]``, and the largest exponent with which plausible paths stay in room."""
    exponent = min(MAX_EXPONENT, _largest_exponent(largest * 10.0**decimals, room) + 1)
    while True:
        cost = column.edges(functools.partial(_whole_ticks, exponent=exponent, decimals=decimals))
        if column.costliest(cost, plausible) < room:
            return cost, exponent
        exponent -= 1


def _whole_ticks(values: np.ndarray, exponent: int, decimals: int) -> np.ndarray:
    # Scaling by a power of two is exact, so the ceiling is the exact one.
    whole = np.rint(values * 10.0**decimals) if decimals else values
    return np.ceil(np.ldexp(whole, exponent))


def _largest_exponent(largest: float, room: int) -> int:
    return MAX_EXPONENT if largest <= 0 else min(MAX_EXPONENT, math.floor(math.log2(room / largest)))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0.0)
