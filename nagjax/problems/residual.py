"""What a learned cost has above the sum of a path's edges, on the host.

A mask adds up edges, and a model of measured networks may say more than a sum can. Then the sum is a lower bound that
the mask keeps, and what lies above it is added here, where costs of architectures are told and held against budgets.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from nagjax.predictors.forms.residual import Residual
from nagjax.spaces.space import Space

CHUNK = 512

ROUNDING = 2.0**-20
"""What a cost in float32 can be off by, as a share, whatever else is asked with it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Above:
    """How far the cost of an architecture lies above the sum of its edges.

    Attributes:
      space: the search space.
      form: the model, whose sum the edges are.
    """

    space: Space
    form: Residual

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Shares of the sum float64 ``[B]``, 0 or above, of tokens int ``[B, T]``; in chunks of one shape."""
        out = [np.zeros(0)]
        for first in range(0, len(tokens), CHUNK):
            chunk = np.asarray(tokens[first : first + CHUNK], np.int32)
            padded = np.concatenate([chunk, np.repeat(chunk[-1:], CHUNK - len(chunk), 0)])
            out.append(np.asarray(_share(self.form, padded, self.space.features(padded)), np.float64)[: len(chunk)])
        return np.concatenate(out)


@jax.jit
def _share(form: Residual, tokens: jax.Array, features: jax.Array) -> jax.Array:
    return form.share(tokens, features)[0]
