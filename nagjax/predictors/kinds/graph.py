"""The kind ``graph``: a graph convolutional network over the decisions, fitted as the kind ``mlp`` is."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.graph import EDGES, Graph, GraphNetwork, owners
from nagjax.predictors.forms.mlp import Predictor
from nagjax.predictors.kinds.kind import Kind, configure, written
from nagjax.predictors.kinds.mlp import FitConfig, check_config, fit
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class GraphConfig(FitConfig):
    """Settings of a fit, those of ``FitConfig`` too.

    Attributes:
      hidden: widths of the convolutions, at least one.
      edges: one of ``nagjax.predictors.forms.graph.EDGES``.
    """

    hidden: tuple[int, ...] = (32, 32, 32)
    members: int = 2
    edges: str = "chain"

    form: ClassVar[type[Predictor]] = Graph

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("hidden=none: give widths of convolutions, such as 64x64")
        if self.edges not in EDGES:
            raise ValueError(f"edges is {self.edges!r}; it is one of {', '.join(EDGES)}")

    def network(self, space: Space) -> GraphNetwork:
        """See ``FitConfig``."""
        return GraphNetwork(self.hidden, owners(space), self.edges)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``GraphConfig``."""
    config = configure("kind graph", GraphConfig, settings)
    check_config(config)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        return fit(space, records, config, seed)

    return Kind("graph", written(config), fitted)
