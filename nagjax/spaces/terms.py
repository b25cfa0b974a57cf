"""What a path adds up, for models that are fitted to whole architectures: terms of edges, and the number they stand in.

A term is a path feature, or that there is a path at all. Where the first decision is a number
that every node remembers (the resolution of the input), each term may have a weight that depends on it: the model still
adds up over edges, since an edge knows its node.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True, eq=False)
class Terms:
    """Terms of a space's edges.

    Attributes:
      space: whose they are.
      index: int32 ``[T, S, C, J]``, terms of an edge, padded with their number; term 0 stands once on every path.
      carried: int32 ``[T, S, C]``, choice of the first decision that an edge stands behind; 0 where nodes forget it.
      numbers: float64 ``[R]``, the number of each choice of the first decision; one 0 where it is none or forgotten.
    """

    space: Space
    index: np.ndarray
    carried: np.ndarray
    numbers: np.ndarray

    @property
    def num(self) -> int:
        """Number of terms."""
        return 1 + self.space.trellis.num_features

    def of(self, tokens: np.ndarray) -> np.ndarray:
        """How often each term stands on the paths of tokens int ``[N, T]``: float64 ``[N, num]``."""
        nodes, _ = tl.walk(self.space.trellis.target, self.space.trellis.valid, tokens)
        index = self.index[np.arange(tokens.shape[1]), nodes, tokens].reshape(len(tokens), -1)
        out = np.zeros((len(tokens), self.num + 1))
        np.add.at(out, (np.arange(len(tokens))[:, None], index), 1.0)
        return out[:, :-1]

    def behind(self, tokens: np.ndarray) -> np.ndarray:
        """Which of ``numbers`` the paths of tokens int ``[N, T]`` carry: int ``[N]``."""
        return np.asarray(tokens[:, 0]) if len(self.numbers) > 1 else np.zeros(len(tokens), np.int64)

    def edges(self, weights: np.ndarray) -> np.ndarray:
        """What edges add, float64 ``[T, S, C]``, by weights float64 ``[num, R]`` of each term behind each number."""
        padded = np.concatenate([weights, np.zeros((1, weights.shape[1]))])
        out = padded[self.index, self.carried[..., None]].sum(-1)
        return np.where(self.space.trellis.valid, out, 0.0)


def make_terms(space: Space) -> Terms:
    """The terms of a space."""
    graph = space.trellis
    carried, numbers = _carried(space)
    num = 1 + graph.num_features
    features = graph.features + 1  # padded with num as it is
    path = np.full((*graph.shape, 1), num)
    path[0] = 0
    if len(numbers) > 1:
        features[0] = num  # what depends on the number alone is a weight of the path
    index = np.where(graph.valid[..., None], np.concatenate([path, features], -1), num)
    return Terms(space, index.astype(np.int32), carried, numbers)


def _carried(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """The first decision's choice behind each edge, and the number of each; nothing where nodes forget it."""
    graph, nothing = space.trellis, (np.zeros(space.trellis.shape, np.int32), np.zeros(1))
    values = [list(choice.values()) for choice in space.decisions[0].choices]
    if len(values) < 2 or not all(len(one) == 1 and _is_number(one[0]) for one in values):
        return nothing
    out = np.zeros(graph.shape, np.int32)
    out[0] = np.minimum(np.arange(graph.shape[2]), len(values) - 1)
    for t in range(1, graph.shape[0]):
        before = graph.valid[t - 1] & (True if t > 1 else (np.arange(graph.shape[1]) == 0)[:, None])
        s, c = np.nonzero(before)
        low, high = np.full(graph.shape[1], len(values)), np.full(graph.shape[1], -1)
        np.minimum.at(low, graph.target[t - 1, s, c], out[t - 1, s, c])
        np.maximum.at(high, graph.target[t - 1, s, c], out[t - 1, s, c])
        if ((high >= 0) & (low != high)).any():
            return nothing
        out[t] = np.maximum(high, 0)[:, None]
    return out, np.array([float(one[0]) for one in values])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
