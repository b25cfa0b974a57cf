"""The form ``graph``: a graph convolutional network whose nodes are an architecture's decisions.

GCN-fit (Chen et al., arXiv 2004.08423) fits one to estimates of a supernet. A node begins with what its decision
switches on of the path features, a layer mixes it with its neighbours (Kipf and Welling, arXiv 1609.02907), and the
quality is a linear function of the mean over the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.mlp import Predictor
from nagjax.spaces.space import Space

EDGES = ("chain", "complete", "none")
"""Which decisions are neighbours: those that follow each other, all, or none; then nothing is mixed, and the quality is
a sum over the decisions."""


class GraphNetwork(nn.Module):
    """A graph convolutional network over T decisions, with ReLU and one output.

    Attributes:
      features: widths of the convolutions, at least one.
      owner: for each of the F path features the decision that switches it on, 0 <= t < T.
      edges: one of ``EDGES``.
    """

    features: tuple[int, ...]
    owner: tuple[int, ...]
    edges: str = "chain"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map path features float32 ``[B, F]`` to ``[B]``."""
        number = max(self.owner) + 1
        mixing = jnp.asarray(mixed(number, self.edges))
        own = jnp.asarray(np.arange(number)[:, None] == np.asarray(self.owner)[None], jnp.float32)
        nodes = x[None] * own[:, None]  # [T, B, F]: mixing is one plain product
        for width in self.features:
            nodes = nn.relu(jnp.tensordot(mixing, nn.Dense(width)(nodes), 1))
        return nn.Dense(1)(nodes.mean(0))[:, 0]


@flax.struct.dataclass
class Graph(Predictor):
    """The form ``graph``: as ``Predictor``, whose ``module`` is a ``GraphNetwork``."""

    form: ClassVar[str] = "graph"

    @property
    def feature_weights(self) -> jax.Array | None:
        """See ``Form``; none are given, although without edges there are some."""
        return None

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        return {**super().static(), "owner": list(self.module.owner), "edges": self.module.edges}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        module = GraphNetwork(tuple(static["hidden"]), tuple(static["owner"]), static["edges"])
        return cls(arrays["params"], arrays["known"], module, static["values"])


def mixed(number: int, edges: str) -> np.ndarray:
    """What each of T nodes takes of each, float32 ``[T, T]``: D^-1/2 (A + I) D^-1/2 of the adjacency A.

    >>> mixed(2, "chain").round(3).tolist(), mixed(2, "none").tolist()
    ([[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]])
    """
    apart = np.abs(np.arange(number)[:, None] - np.arange(number)[None])
    joined = (apart <= {"none": 0, "chain": 1, "complete": number}[edges]).astype(np.float32)
    degree = joined.sum(1)
    return joined / np.sqrt(degree[:, None] * degree[None])


def owners(space: Space) -> tuple[int, ...]:
    """The decision that switches each path feature on.

    Raises:
      ValueError: if two decisions switch one on, whose nodes would then be one.
    """
    owner: dict[int, int] = {}
    for t in range(len(space.decisions)):
        for feature in np.unique(space.trellis.features[t][space.trellis.valid[t]]).tolist():
            if owner.setdefault(feature, t) != t and feature < len(space.feature_names):
                raise ValueError(
                    f"feature {space.feature_names[feature]} of space {space.name} is switched on by two decisions, "
                    f"{owner[feature]} and {t}, and a graph has a node for each; use kind mlp"
                )
    return tuple(owner.get(feature, 0) for feature in range(len(space.feature_names)))
