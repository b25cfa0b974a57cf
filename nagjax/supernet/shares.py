"""Shares that the strategy ``entangled`` ended with, as a predictor: how probable an architecture is by them.

Where each choice is drawn by its share among those that its node has, the logarithm of an architecture's probability
adds up over the edges of its path. So the most probable one within any budget is found exactly, by the controller
``exact``. Only the order of architectures means anything: the probability of few choices is larger than that of many.
"""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.additive import Additive
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.entangled import logits_of

LEAST = 1e-12
"""Least share, so that its logarithm is finite; that of choices which the training had closed."""


def read(path: str | Path, space: Space) -> FittedPredictor:
    """The predictor of a supernet's folder: 0 for the least probable architecture, 1 for a certain one.

    Args:
      path: folder of a supernet that ``entangled`` trained.
      space: its space.

    Raises:
      ValueError: if the folder holds no supernet of this space, or it has no logits.
    """
    weights = storage.read_weights(Path(path))
    storage.check_space(weights, space, path)
    logs = log_shares(space, space.where(weights.config["where"]), logits_of(weights, path))
    least = tl.costliest(space.trellis.target, space.trellis.valid, -logs)
    values = np.where(space.trellis.valid, 1 / len(logs) + logs / max(least, np.finfo(np.float32).tiny), 0.0)
    known = np.ones(len(space.feature_names), bool)
    target, added, known = jax.device_put((space.trellis.target, values.astype(np.float32), known))
    source = f"shares of {Path(path).name} after {weights.step} updates"
    return FittedPredictor(Additive(target, added, known, ranks=True), {"source": source})


def log_shares(space: Space, edges: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Logarithm of each choice's share among those that its node has, float64 ``[T, S, C]``; 0 where there is no edge.

    Args:
      space: the space.
      edges: bool ``[T, S, C]``, those that have a share; others of the space have ``LEAST``.
      logits: float32 ``[T, C]``.
    """
    scores = np.where(edges, logits[:, None].astype(np.float64), -np.inf)
    raised = np.exp(scores - np.where(edges.any(-1), scores.max(-1), 0.0)[..., None])
    parts = raised / np.maximum(raised.sum(-1, keepdims=True), 1.0)
    return np.where(space.trellis.valid, np.log(np.maximum(parts, LEAST)), 0.0)
