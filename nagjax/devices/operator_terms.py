"""Operators as a few terms that latencies are sums of, so that whole networks tell what operators take.

Operators that are alike but for their size, such as a block at all resolutions, are a family. What one takes is told by
the times of the family's smallest and largest, and lies on the straight line in between. Of a family that comes with
the first decision, where every network has one (the stem at its resolution), times in between are told as well: there a
model can bend with the resolution as a whole. All these times are the weights of a linear model of whole networks, and
at the same time a price for each operator, measured or not; where no weight is below 0, no price is.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax.operators import Operator, madds
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

KNOTS, FIRST_KNOTS = 2, 5
"""Sizes of a family, at most, whose times are terms; and of a family that comes with the first decision."""


@dataclasses.dataclass(frozen=True, eq=False)
class OperatorTerms:
    """Terms of a space's operators.

    Attributes:
      space: whose they are.
      values: float64 ``[num_operators, F]``, how much of each term an operator adds; nothing where it is free.
      family: int ``[num_operators]``, operators that are alike but for their size; -1 where one is free.
      size: float64 ``[num_operators]``, multiply-adds; of what has none, pixels.
    """

    space: Space
    values: np.ndarray
    family: np.ndarray
    size: np.ndarray

    def of(self, tokens: np.ndarray) -> np.ndarray:
        """Terms float64 ``[N, F]`` of architectures int ``[N, T]``: sums over their operators."""
        graph = self.space.trellis
        nodes, _ = tl.walk(graph.target, graph.valid, tokens)
        met = graph.operators[np.arange(tokens.shape[1]), nodes, tokens].reshape(len(tokens), -1)
        padded = np.concatenate([self.values, np.zeros((1, self.values.shape[1]))])
        out = np.zeros((len(tokens), self.values.shape[1]))
        for column in met.T:
            out += padded[column]
        return out

    def prices(self, weights: np.ndarray) -> np.ndarray:
        """What each operator takes, float64 ``[num_operators]``, by weights float64 ``[F]`` of the terms."""
        return self.values @ weights

    def told(self, tokens: np.ndarray) -> np.ndarray:
        """Operators, bool ``[num_operators]``, that architectures ``[N, T]`` tell of: families met, sizes between."""
        graph = self.space.trellis
        nodes, _ = tl.walk(graph.target, graph.valid, tokens)
        met = np.zeros(len(self.size) + 1, bool)
        met[graph.operators[np.arange(tokens.shape[1]), nodes, tokens]] = True
        out = self.family < 0
        for family in np.unique(self.family[met[:-1] & ~out]):
            own, sizes = self.family == family, self.size[met[:-1] & (self.family == family)]
            out |= own & (self.size >= sizes.min()) & (self.size <= sizes.max())
        return out


def operator_terms(space: Space) -> OperatorTerms:
    """The terms of a space.

    Raises:
      ValueError: if the space declares no operators.
    """
    if not space.operators:
        raise ValueError(
            f"{space.identity} declares no operators, so nothing carries over from one device to the next but whole "
            "networks; fit a predictor to measured networks instead"
        )
    size = np.array([float(madds(op) or op.in_size**2) for op in space.operators])
    family = np.full(len(space.operators), -1)
    numbers: dict[Operator, int] = {}
    for index, op in enumerate(space.operators):
        if op.kind not in space.free:
            family[index] = numbers.setdefault(_family(op), len(numbers))
    first = set(np.append(family, -1)[np.unique(space.trellis.operators[0])].tolist())
    columns: list[np.ndarray] = []
    for number in range(len(numbers)):
        own = size[family == number]
        most = FIRST_KNOTS if number in first else KNOTS
        knots = np.linspace(own.min(), own.max(), min(most, len(np.unique(own))))
        columns += [np.where(family == number, np.interp(size, knots, knot), 0.0) for knot in np.eye(len(knots))]
    return OperatorTerms(space, np.stack(columns, 1), family, size)


def _family(op: Operator) -> Operator:
    """The operator at no size in particular; a kernel as large as its input is one."""
    whole = op.kernel == op.in_size and op.kernel > 1
    return dataclasses.replace(op, in_size=1, out_size=1, resolution=0, kernel=1 if whole else op.kernel)
