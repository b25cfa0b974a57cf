"""The kind ``auto``: of several kinds the one of the smallest regret on records held out, fitted to all records.

Records are dealt into folds; each kind is fitted to the others and asked about each fold in turn. A budget leaves a
part of the architectures to choose from; so the best predicted of a random part of the fold is compared with the best
of that part, many times over. Regrets that differ by less than the standard error of their difference are a tie, which
Kendall's tau decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import stats

from nagjax import arguments
from nagjax.predictors.fit import check_records
from nagjax.predictors.kinds.kind import Kind, configure, written
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.records.records import Records, take
from nagjax.spaces.space import Space

PARTS = 200
"""Parts of a fold that regret is the mean over."""

OWN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mlp": ("mlp", {}),
    "ranking": ("mlp", {"loss": "hinge", "calibrate": True}),
    "gp": ("gp", {}),
    "ridge": ("ridge", {}),
}
"""Kind and settings of the library's own candidates; any other name is that of a kind."""

FOLD: Mapping[str, Any] = {"validation_share": 0.0}
"""Of the library's own within a fold: what is held out there would be held out twice."""


@dataclasses.dataclass(frozen=True)
class AutoConfig:
    """Settings of the choice.

    Attributes:
      candidates: kinds by name, and ``ranking``, which is ``mlp`` by a ranking loss, calibrated; of equal ones the
        first is taken.
      folds: parts that the records are dealt into.
    """

    candidates: tuple[str, ...] = ("gp", "ranking", "mlp", "ridge")
    folds: int = 5

    def __post_init__(self) -> None:
        arguments.count(self.folds, "folds", least=2)
        if not self.candidates or len(set(self.candidates)) < len(self.candidates) or "auto" in self.candidates:
            raise ValueError(
                f"candidates={list(self.candidates)}: name other kinds than auto, each once, such as mlp+gp+ridge"
            )


@dataclasses.dataclass(frozen=True)
class Score:
    """What a kind loses on records that it was not fitted to.

    Attributes:
      regrets: float64 ``[folds]``, points.
      tau: Kendall's, the mean over the folds.
    """

    regrets: np.ndarray
    tau: float


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``AutoConfig``."""
    from nagjax.predictors.kinds import registry

    config = configure("kind auto", AutoConfig, settings)
    candidates, tried = {}, {}
    for name in config.candidates:
        kind, given = OWN.get(name, (name, {}))
        candidates[name] = registry.make(kind, given)
        tried[name] = registry.make(kind, {**given, **FOLD}) if name in OWN else candidates[name]

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        check_records(records)
        seed = arguments.seed(seed)
        scores, refused = {}, {}
        for name, kind in tried.items():
            try:
                scores[name] = score(kind, space, records, config.folds, seed)
            except ValueError as error:  # such as too many records for a Gaussian process
                refused[name] = str(error)
        if not scores:
            raise ValueError(f"no kind can be fitted: {'; '.join(refused.values())}")
        name = choose(scores)
        found = candidates[name].fit(space, records, seed)
        told = ", ".join(f"{key} {s.regrets.mean():.2f} (tau {s.tau:.3f})" for key, s in scores.items())
        report = {**found.report, "kind": name, "held_out_regret_points": told}
        return FittedPredictor(found.predictor, report)

    return Kind("auto", written(config), fitted)


def score(kind: Kind, space: Space, records: Records, folds: int, seed: int) -> Score:
    """The score of a kind by cross-validation; the same folds and parts for the same seed."""
    rng = np.random.default_rng([seed, folds])
    dealt = np.array_split(rng.permutation(len(records.quality)), folds)
    regrets, taus = [], []
    for number, held in enumerate(dealt):
        rest = np.concatenate([fold for other, fold in enumerate(dealt) if other != number])
        predictor = kind.fit(space, take(records, rest), seed).predictor
        tokens = records.tokens[held]
        mean, _ = predictor(jnp.asarray(tokens), jnp.asarray(space.features(tokens)))
        predicted, quality = np.asarray(mean, np.float64), records.quality[held]
        regrets.append(100 * regret(predicted, quality, rng))
        taus.append(tau(predicted, quality))
    return Score(np.array(regrets), float(np.mean(taus)))


def regret(predicted: np.ndarray, quality: np.ndarray, rng: np.random.Generator) -> float:
    """What the best predicted of a random part ``[N]`` loses to the best of it, the mean over ``PARTS`` parts.

    >>> regret(np.array([1.0, 2.0]), np.array([0.5, 0.75]), np.random.default_rng(0))
    0.0
    """
    inside = rng.random((PARTS, len(quality))) < rng.uniform(0.2, 1.0, (PARTS, 1))
    inside[np.arange(PARTS), rng.integers(len(quality), size=PARTS)] = True
    picked = quality[np.argmax(np.where(inside, predicted[None], -np.inf), 1)]
    return float((np.where(inside, quality[None], -np.inf).max(1) - picked).mean())


def tau(predicted: np.ndarray, quality: np.ndarray) -> float:
    """Kendall's tau; 0 where one of them does not vary."""
    if np.ptp(predicted) == 0 or np.ptp(quality) == 0:
        return 0.0
    return float(stats.kendalltau(predicted, quality).statistic)


def choose(scores: Mapping[str, Score]) -> str:
    """The kind of the smallest regret; of those that tie with it the one of the largest tau."""
    best = min(scores, key=lambda name: float(scores[name].regrets.mean()))
    ties: Sequence[str] = [name for name in scores if _ties(scores[name].regrets - scores[best].regrets)]
    return max(ties, key=lambda name: scores[name].tau)


def _ties(difference: np.ndarray) -> bool:
    return bool(difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)))
