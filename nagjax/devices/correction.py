"""What makes the sum of a table's rows the latency of a whole network: ``scale * sum + offset``.

A network costs more than its operators (a call has to be started) and less (what follows is still in the cache). A
profile fits the two numbers to networks that it measured, and they stand in the table.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Correction:
    """An affine correction of the sum of an architecture's rows.

    Attributes:
      scale: above 0.
      offset: ms, 0 or above.
      networks: how many measured networks it was fitted to.
      space: identity of the space whose networks they, and those that judge it, are.

    Raises:
      ValueError: if a field is not what it must be.
    """

    scale: float = 1.0
    offset: float = 0.0
    networks: int = 0
    space: str = "unknown"

    def __post_init__(self) -> None:
        if not is_number(self.scale) or self.scale <= 0:
            raise ValueError(f"correction: scale is {self.scale!r}; it must be a finite number above 0; fit it again")
        if not is_number(self.offset) or self.offset < 0:
            raise ValueError(f"correction: offset is {self.offset!r}; it must be a finite time, 0 or above; fit again")
        if isinstance(self.networks, bool) or not isinstance(self.networks, int) or self.networks < 0:
            raise ValueError(f"correction: networks is {self.networks!r}; it must be an integer, 0 or above")
        if not isinstance(self.space, str) or not self.space.strip():
            raise ValueError(f'correction: space is {self.space!r}; it must be text ("unknown" if you do not know)')

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Corrected costs of raw sums, float64 of any shape, ms."""
        return self.scale * raw + self.offset


def is_number(value: object) -> bool:
    """Whether a value is a finite number (a truth value is none)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False
