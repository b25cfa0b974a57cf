"""The score ``jacov``: how much the slopes of the outputs along the inputs differ between examples."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from nagjax.evaluators.evaluator import Evaluator
from nagjax.spaces.space import Space
from nagjax.supernet.training import elastic_of
from nagjax_scores.score import Network, Score, on_examples
from nagjax_scores.weights import check_numbers

SHIFT = 1e-5
"""Added to eigenvalues."""


def make_jacov(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 64, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``jacov`` (Mellor et al., arXiv 2006.04647 version 1; Abdelfattah et al., arXiv 2101.08134).

    Of each example the slopes of the sum of its outputs along its inputs; with the eigenvalues v of the matrix of their
    correlations the score is -sum(ln(v + k) + 1 / (v + k)), k = 1e-5. Arguments as of ``make_naswot``; inputs must be
    numbers, not tokens.

    Raises:
      ValueError: if a number is out of range, data or weights cannot be read or do not suit the space, or its inputs
        are tokens.
    """
    elastic = elastic_of(space)
    rng = np.random.default_rng(0)
    check_numbers("jacov", elastic.example(elastic.group(space.sample(rng, 1)[0]), 1, rng))
    score = Score("jacov", slopes, of_eigenvalues)
    return on_examples(score, space, data, data_dir, folder, batch, inits, seed, task_settings)


def slopes(network: Network) -> jax.Array:
    """Slopes of the sum of an example's outputs along its inputs, float32 ``[N, D]``."""

    def total(inputs: jax.Array) -> jax.Array:
        return network.elastic.apply(network.parameters, inputs, network.tokens).outputs.sum()

    found: jax.Array = jax.grad(total)(network.inputs)
    return found.reshape(len(found), -1)


def of_eigenvalues(found: np.ndarray) -> float:
    """The score of slopes ``[N, D]``.

    >>> round(of_eigenvalues(np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])), 3)  # not correlated: v = 1, 1
    -2.0

    Raises:
      ValueError: if those of an example do not vary, so that they correlate with nothing.
    """
    values = np.asarray(found, np.float64)
    if not np.isfinite(values).all() or not np.ptp(values, axis=1).all():
        raise ValueError("jacov: the slopes of an example do not vary; other weights (seed=) or examples are needed")
    shifted = np.linalg.eigvalsh(np.corrcoef(values)) + SHIFT
    return float(-(np.log(shifted) + 1 / shifted).sum())
