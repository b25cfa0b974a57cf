"""Views: what a kind may see of a path in place of its features, the levels of attributes that are numbers."""

from __future__ import annotations

import numpy as np

from nagjax.spaces.levels import level_columns
from nagjax.spaces.space import Space

FEATURES = ("auto", "plain", "levels")
PLAIN = 0.3
"""Share of plain features beside levels, in squared distance: a number may be unlike both of its neighbours."""


def check_features(features: str) -> None:
    """Refuse what is no setting of views.

    Raises:
      ValueError: with what is allowed.
    """
    if features not in FEATURES:
        raise ValueError(f"features is {features!r}; it is one of {', '.join(FEATURES)}")


def transforms(space: Space, features: str = "auto") -> dict[str, np.ndarray | None]:
    """What may be compared in place of path features: by name a matrix ``[F, G]``, or None for features as they are.

    Both matrices have one shape, so that nothing is compiled anew where one fit takes the first and the next the other.

    Raises:
      ValueError: if levels are asked for where no attribute is a number.
    """
    columns = level_columns(space)
    num, width = columns.shape
    if not width:
        if features == "levels":
            raise ValueError(f"features is 'levels', and no attribute of space {space.name} is a number; use 'plain'")
        return {"plain": None}
    # What has no level counts as a level does.
    beside = np.diag(np.where(columns.any(1), np.sqrt(PLAIN), 1.0))
    both: dict[str, np.ndarray | None] = {
        "plain": np.concatenate([np.zeros((num, width)), np.eye(num)], 1),
        "levels": np.concatenate([columns, beside], 1),
    }
    return both if features == "auto" else {features: None if features == "plain" else both[features]}
