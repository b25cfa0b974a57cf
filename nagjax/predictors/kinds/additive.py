"""The kind ``additive``: ridge regression on what a path adds up, weights being polynomials of the number it carries.

Each path feature has a weight; where the first decision is a number that every node remembers (the resolution of the
input), a weight is a polynomial of it, and each number has an offset of its own besides. What it says still adds up
over the edges of a path, so a learned cost of this kind is prices of edges (``nagjax.learned.prices``). Penalties are
those of the kind ``ridge``, chosen by leave-one-out errors. Measurements are disturbed now and then: with ``robust``
an error counts in full up to ``REACH`` deviations and beyond that by its size alone (Huber 1964, reweighted).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import linalg

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.kinds.kind import Kind, configure, held_out_first, known_features, written
from nagjax.predictors.kinds.ridge import PENALTIES, Solution, check_penalised, solve
from nagjax.predictors.kinds.views import check_features, transforms
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space
from nagjax.spaces.terms import Terms, make_terms

LEAST = 1e-3
"""Of a quality whose relative error counts."""

REACH, LEAST_REACH, ROUNDS = 1.0, 0.01, 4
"""Deviations (by the median absolute error) up to which an error counts in full, the least of that as a share of the
quality, and how often errors are weighted."""

OWN = 0.5
"""How far a number's own offset may go beside a weight."""


@dataclasses.dataclass(frozen=True)
class AdditiveConfig:
    """Settings of the regression.

    Attributes:
      degree: of the polynomials of the number, 0 or above.
      relative: errors count as shares of the quality, as they do for costs.
      robust: large errors count less.
      penalties: tried, as the kind ``ridge`` has them.
      features: whose weights are penalised, ``"plain"`` path features, the ``"levels"`` of attributes that are
        numbers, in their order, or ``"auto"``: whichever errs less on records that are left out.
      validation_share: part of the records held out, 0 <= share < 1 (0: no errors are reported).
    """

    degree: int = 2
    relative: bool = False
    robust: bool = False
    penalties: tuple[float, ...] = PENALTIES
    validation_share: float = 0.2
    features: str = "auto"

    def __post_init__(self) -> None:
        arguments.count(self.degree, "degree", least=0)
        check_features(self.features)
        check_penalised(self.penalties, self.validation_share)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``AdditiveConfig``."""
    config = configure("kind additive", AdditiveConfig, settings)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        terms = make_terms(space)
        return held_out_first(
            space, records, config.validation_share, seed, lambda some: fit_additive(terms, some, config)
        )

    return Kind("additive", written(config), fitted)


def fit_additive(terms: Terms, records: Records, config: AdditiveConfig) -> Additive:
    """The form ``additive``, fitted to all records."""
    behind, counts = terms.behind(records.tokens), terms.of(records.tokens)
    powers = _powers(terms.numbers, behind, config.degree)
    own = OWN * np.eye(len(terms.numbers))
    tried: list[tuple[Solution, np.ndarray]] = []
    for basis in _bases(terms.space, config.features):
        columns = counts @ basis
        used = np.flatnonzero(columns.any(0))
        crossed = (columns[:, used, None] * powers[behind][:, None]).reshape(len(counts), -1)
        tried.append((_solved(np.concatenate([crossed, own[behind]], 1), records.quality, config), basis[:, used]))
    # The first of equals: what does not help is not done.
    (weights, offset, _, _), basis = min(tried, key=lambda one: one[0].error)
    num = basis.shape[1] * powers.shape[1]
    values = basis @ weights[:num].reshape(basis.shape[1], -1) @ powers.T
    values[0] += offset + own @ weights[num:]
    edges = jnp.asarray(terms.edges(values), jnp.float32)
    known = jnp.asarray(_known(terms, records.tokens, behind))
    return Additive(jnp.asarray(terms.space.trellis.target), edges, known)


def _bases(space: Space, features: str) -> list[np.ndarray]:
    """What weights of terms are sums of, float64 ``[num, G]``: term 0 stands alone, the others by views of features."""
    num = len(space.feature_names)
    views = [np.eye(num) if view is None else view for view in transforms(space, features).values()]
    return [linalg.block_diag(np.eye(1), view) for view in views]


def _solved(design: np.ndarray, quality: np.ndarray, config: AdditiveConfig) -> Solution:
    """The regression on a design ``[N, J]``, large errors counting less where they do."""
    plain = 1 / np.square(np.maximum(quality, LEAST)) if config.relative else np.ones(len(quality))
    solution = solve(design, quality, config.penalties, plain)
    for _ in range(ROUNDS if config.robust else 0):
        predicted = design @ solution.weights + solution.offset
        # By what is predicted, not what was measured: a disturbed measurement is also a large one.
        plain = 1 / np.square(np.maximum(predicted, LEAST)) if config.relative else plain
        off = np.abs(quality - predicted) * np.sqrt(plain)
        least = LEAST_REACH * float(np.sqrt(np.mean(quality**2 * plain)))
        reach = max(REACH * 1.4826 * float(np.median(off)), least, np.finfo(float).tiny)
        counted = plain * reach / np.maximum(off, reach)
        solution = solve(design, quality, (solution.penalty,), counted)
    return solution


def _powers(numbers: np.ndarray, behind: np.ndarray, degree: int) -> np.ndarray:
    """What a weight is a sum of, float64 ``[R, P]``: powers of the number, from -1 to 1 over those that were seen."""
    seen = numbers[np.unique(behind)]
    half = (seen.max() - seen.min()) / 2
    if not half:
        return np.ones((len(numbers), 1))
    place = (numbers - seen.min()) / half - 1
    return np.stack([place**power for power in range(min(degree, len(seen) - 1) + 1)], 1)


def _known(terms: Terms, tokens: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Path features that are known, bool ``[F]``: those seen, and those of numbers between the least and largest."""
    space = terms.space
    known = known_features(space, space.features(tokens))
    seen = terms.numbers[np.unique(behind)]
    if len(terms.numbers) > 1:
        between = (terms.numbers >= seen.min()) & (terms.numbers <= seen.max())
        first = space.trellis.features[0, 0, : len(between)][between]
        known[first[first < len(known)]] = True
    return known
