"""A cost column on the host: what it is, exact costs of architectures, and budgets in ticks.

Inside jit a cost is an integer number of ticks; outside it is the number that the user's file holds, or the float64 sum
of such numbers. The two meet here. ``ExactCosts.offers`` turns a budget into ticks that leave every architecture open
whose exact cost is within it, ``ExactCosts.strict`` into ticks that leave only such, and ``ExactCosts.within`` says
which of the two an architecture is. Where every sum of the column is a whole number of ticks the first two are equal.

Where a learned cost has a residual, ticks are of the sum of edges alone, a lower bound of the cost: what is within a
budget stays open, and more beside it, so an answer has to be checked.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Mapping

import numpy as np

from nagjax.devices.pricing import Column
from nagjax.problems.residual import ROUNDING as RESIDUAL_ROUNDING
from nagjax.problems.residual import Above
from nagjax.spaces import trellis as tl

ROUNDING = 2.0**-52
"""What one term of a float64 sum can be off by, as a share of the sum, whatever the order (and one multiplication)."""

MOST_DECIMALS = 15


@dataclasses.dataclass(frozen=True)
class CostInfo(Column):
    """A cost column in ticks.

    Attributes:
      exponent, decimals: a tick is ``2**-exponent * 10**-decimals`` units.
      slack: ticks by which a path's cost may stand above its exact cost; 0 where none does.
      ranked: every distinct cost has ticks of its own, in order (a file with the cost of every architecture).
      given: costs stand in a file as they are, so that nothing is added up and none is within another's budget.
      filler: edges that cost as much or more are not measurements (1e9 for "not supported"); None where there are none.
    """

    exponent: int
    _: dataclasses.KW_ONLY
    decimals: int = 0
    slack: int = 0
    ranked: bool = False
    given: bool = False
    filler: float | None = None

    @property
    def tick(self) -> float:
        """A tick in ``unit``."""
        return float(math.ldexp(1.0, -self.exponent) / 10**self.decimals)

    def span(self, low: float, high: float) -> str:
        """A range of budgets to be read; both ends are rounded up, so that what is read can be asked for."""
        return f"{rounded_up(low)} to {rounded_up(high)} {self.unit}"

    def to_ticks(self, value: np.ndarray | float) -> np.ndarray:
        """Values in ``unit`` to ticks int64, by floor, in float64."""
        scaled = np.asarray(value, np.float64) * 10.0**self.decimals
        return np.floor(np.ldexp(scaled, self.exponent)).astype(np.int64)

    def to_unit(self, ticks: np.ndarray | int) -> np.ndarray:
        """Ticks to ``unit``, float64: exact, or the nearest float to a decimal."""
        return np.ldexp(np.asarray(ticks, np.float64), -self.exponent) / 10.0**self.decimals


@dataclasses.dataclass(frozen=True, eq=False)
class ExactCosts:
    """Costs of architectures by one column in float64, as the user would add them up.

    Attributes:
      info: the column.
      edges: float64 ``[S, C]`` in the column's unit for each layer whose edges cost anything.
      terms: numbers that a path adds up at most.
      top: ticks of the costliest plausible architecture; budgets above it are no larger, up to a filler.
      steps: distinct costs float64 ``[D]``, increasing, and their ticks int64 ``[D]``; None unless ``info.ranked``.
      operators: float64 ``[num_operators]`` in the column's unit, what each adds to an edge; None where edges were
        priced as a whole.
      residual: how far above the sum of its edges an architecture costs; None where it costs that sum.
    """

    info: CostInfo
    edges: Mapping[int, np.ndarray]
    terms: int
    top: int
    steps: tuple[np.ndarray, np.ndarray] | None = None
    operators: np.ndarray | None = None
    residual: Above | None = None

    @property
    def tolerance(self) -> float:
        """Share by which a float64 sum, added in any order, may be below the exact one; 0 where nothing is added."""
        if self.residual is not None:
            return RESIDUAL_ROUNDING
        return 0.0 if self.info.given else (self.terms + 2) * ROUNDING

    def of(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Costs float64 ``[B]`` in ``unit`` of tokens int ``[B, T]`` taken at nodes ``[B, T]``."""
        sums = self._sums(nodes, tokens)
        if self.residual is None:
            return sums
        return self.info.offset + (sums - self.info.offset) * (1 + self.residual(tokens))

    def _sums(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        columns = [values[nodes[:, t], tokens[:, t]] for t, values in self.edges.items()]
        if not columns:
            return np.zeros(len(tokens))
        if self.info.reduce == "max":
            return np.max(columns, 0)
        if self.info.decimals:
            # Each number is a whole multiple of 10**-decimals: add those, and round once.
            scale = 10.0**self.info.decimals
            return np.sum([np.rint(column * scale) for column in columns], 0) / scale
        return np.sum(columns, 0)

    def within(self, costs: np.ndarray | float, budgets: np.ndarray | float) -> np.ndarray:
        """Whether costs are within budgets (both float64, broadcast), float64 sums in any order being equal."""
        return np.asarray(costs) <= np.asarray(budgets) * (1 + self.tolerance)

    def offers(self, budgets: np.ndarray) -> np.ndarray:
        """Ticks int64 ``[B]`` under which all is open that costs no more than budgets float64 ``[B]`` in ``unit``."""
        allowed = np.asarray(budgets, np.float64) * (1 + self.tolerance)
        if self.steps is not None:
            costs, ticks = self.steps
            last = np.searchsorted(costs, allowed, side="right") - 1
            return np.where(last < 0, -1, ticks[np.maximum(last, 0)])
        ticks = np.minimum(self._floor(allowed) + self.info.slack, self.top)
        unlimited = np.inf if self.info.filler is None else self.info.filler
        return np.where((allowed >= unlimited) & (unlimited < np.inf), tl.INFINITE - 1, ticks)

    def strict(self, budgets: np.ndarray) -> np.ndarray:
        """Ticks int64 ``[B]`` under which only that is open which costs no more than budgets float64 ``[B]``."""
        if self.steps is not None:
            return self.offers(budgets)
        return np.minimum(self._floor(np.asarray(budgets, np.float64) * (1 + self.tolerance)), self.top)

    def lowered(self, budgets: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Ticks int64 ``[B]`` to ask for where tokens int ``[B, T]`` were answered and cost more than the budgets.

        Strict ones; with a residual those under which all is within budgets that lies no further above its sum.
        """
        if self.residual is None:
            return self.strict(budgets)
        offset = self.info.offset
        return self.strict(offset + (np.asarray(budgets, np.float64) - offset) / (1 + self.residual(tokens)))

    def _floor(self, values: np.ndarray) -> np.ndarray:
        largest = float(self.info.to_unit(tl.INFINITE))
        return self.info.to_ticks(np.clip(values, -largest, largest))

    def span(self, target: np.ndarray, allowed: np.ndarray) -> tuple[float, float]:
        """Cheapest and costliest plausible architecture of the ``allowed`` edges bool ``[T, S, C]`` of a graph.

        With a residual the costs of those whose sums are least and largest.
        """
        values = self._values(allowed.shape)
        if self.info.filler is not None:
            plausible = allowed & (values < self.info.filler)
            allowed = plausible if tl.count(target, plausible)[0][0] else allowed
        if self.residual is not None:
            ends = self.ends(target, allowed)
            if ends is None:
                return np.inf, 0.0
            low, high = self.of(tl.walk(target, allowed, ends)[0], ends).tolist()
            return low, max(low, high)
        low = tl.cheapest(target, allowed, values, self.info.reduce)
        high = tl.costliest(target, allowed, values, self.info.reduce)
        if not self.info.decimals:
            return low, high
        return round(low, self.info.decimals), round(high, self.info.decimals)

    def ends(self, target: np.ndarray, allowed: np.ndarray) -> np.ndarray | None:
        """Tokens int32 ``[2, T]`` of the paths of the least and the largest sum; None where no path is left."""
        values = self._values(allowed.shape)
        least, most = (tl.longest(target, allowed, sign * values, last=False) for sign in (-1, 1))
        return None if least is None or most is None else np.stack([least, most])

    def _values(self, shape: tuple[int, ...]) -> np.ndarray:
        """What edges cost, float64 ``[T, S, C]``."""
        values = np.zeros(shape)
        for t, layer in self.edges.items():
            values[t] = layer
        return values


def rounded_up(value: float, digits: int = 6) -> str:
    """A number to be read, with as many significant digits; never below the number itself.

    >>> rounded_up(2.0131000001), rounded_up(5.3), rounded_up(1234567.0)
    ('2.01311', '5.3', '1234570')
    """
    context = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING)
    return f"{context.create_decimal(repr(float(value))).normalize():f}"


def exactly(value: float) -> str:
    """A number to be read that is the number itself, as short as that can be.

    >>> exactly(20.0), exactly(5.3), exactly(0.1 + 0.2)
    ('20', '5.3', '0.30000000000000004')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def decimal_places(values: np.ndarray) -> int | None:
    """Decimals that all numbers float64 ``[N]`` have at most, as they are written; None above ``MOST_DECIMALS``.

    >>> decimal_places(np.array([2.5, 3.125])), decimal_places(np.array([0.1 + 0.2]))
    (3, None)
    """
    most = 0
    for value in np.unique(values).tolist():
        exponent = decimal.Decimal(repr(value)).normalize().as_tuple().exponent
        most = max(most, -int(exponent))
        if most > MOST_DECIMALS:
            return None
    return most
