"""The kind ``nars``: any other kind, smoothed over the neighbours of an architecture.

Wang et al. (neighbourhood-aware search, arXiv 2105.06369) take the mean over what differs in one decision for the
quality that a search follows, so that flat optima win. The form ``neighbours`` does that around a fitted predictor.
"""

from __future__ import annotations

from typing import Any

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.neighbours import smoothed
from nagjax.predictors.kinds.kind import Kind, held_out_first
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

SHARE = "validation_share"


def make(inner: str = "trees", validation_share: float = 0.2, **settings: Any) -> Kind:
    """The kind; ``settings`` are those of the kind ``inner``, which is smoothed.

    A share of the records is held out first, 0 <= share < 1 (0: no errors are reported).

    Raises:
      ValueError: if there is no such kind, it is this one, or it refuses a setting.
    """
    from nagjax.predictors.kinds import registry

    if inner == "nars":
        raise ValueError("inner=nars: name another kind, such as trees, gp or mlp")
    if not 0 <= arguments.finite(validation_share, SHARE) < 1:
        raise ValueError(f"{SHARE} is {validation_share}; it lies in 0 <= share < 1")
    kind = registry.make(inner, settings)
    if SHARE in kind.settings:  # records are held out here, once
        kind = registry.make(inner, {**settings, SHARE: 0.0})

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        return held_out_first(
            space, records, validation_share, seed, lambda some: smoothed(space, kind.fit(space, some, seed).predictor)
        )

    own = {key: value for key, value in kind.settings.items() if key != SHARE}
    return Kind("nars", {"inner": inner, SHARE: validation_share, **own}, fitted)
