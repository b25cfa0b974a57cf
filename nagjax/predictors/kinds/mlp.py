"""The kind ``mlp``: a small ensemble of networks, see ``nagjax.predictors.fit``."""

from __future__ import annotations

from typing import Any

from nagjax.predictors.fit import FitConfig, check_config, fit
from nagjax.predictors.kinds.kind import Kind, configure, written
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``FitConfig``."""
    config = configure("kind mlp", FitConfig, settings)
    check_config(config)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        return fit(space, records, config, seed)

    return Kind("mlp", written(config), fitted)
