"""The kind ``ridge``: a linear predictor in closed form, see ``nagjax.predictors.ridge``."""

from __future__ import annotations

from typing import Any

from nagjax.predictors.kinds.kind import Kind, configure, written
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.records.records import Records
from nagjax.predictors.ridge import RidgeConfig, fit_ridge
from nagjax.spaces.space import Space


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``RidgeConfig``."""
    config = configure("kind ridge", RidgeConfig, settings)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        return fit_ridge(space, records, config, seed)

    return Kind("ridge", written(config), fitted)
