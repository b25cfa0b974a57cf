"""The kind ``auto``: three networks mixed, unless another kind is clearly better on records held out.

With few labels the best kind differs from one draw of them to the next, and records held out cannot tell which it is:
whoever chooses the best chooses by chance. The mean of a network that regresses, of one that ranks and of one that
convolves over the choices is about as good as the best of them. So it stands, and gives way to a single kind only where
Kendall's tau on records held out is larger by more than three standard errors. Records are dealt into folds, each kind
is fitted to the others and asked about each fold in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from scipy import stats

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor, agreement
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.mix import mixed
from nagjax.predictors.forms.scores import score_levels
from nagjax.predictors.kinds.kind import BETWEEN_WORDS, Kind, check_records, configure, written
from nagjax.predictors.records.records import Records, take
from nagjax.spaces.space import Space

CLEARLY = 3.0
"""Standard errors by which a kind has to be ahead of the mix."""

# What is held out within a fold, and of all records afterwards, would be held out twice.
OWN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mlp": ("mlp", {"validation_share": 0.0}),
    "logistic": ("mlp", {"validation_share": 0.0, "loss": "logistic", "calibrate": True}),
    "graph": ("graph", {"validation_share": 0.0}),
    "gp": ("gp", {"validation_share": 0.0}),
    "ridge": ("ridge", {"validation_share": 0.0}),
}
"""Kind and settings of the library's own candidates; any other name is that of a kind."""


@dataclasses.dataclass(frozen=True)
class AutoConfig:
    """Settings of the choice.

    Attributes:
      candidates: kinds by name, and ``logistic``, which is ``mlp`` by that ranking loss, calibrated.
      mix: those of them that are mixed, in equal parts.
      folds: parts that the records are dealt into.
    """

    candidates: tuple[str, ...] = ("mlp", "logistic", "graph", "gp", "ridge")
    mix: tuple[str, ...] = ("mlp", "logistic", "graph")
    folds: int = 5

    def __post_init__(self) -> None:
        arguments.count(self.folds, "folds", least=2)
        if not self.candidates or len(set(self.candidates)) < len(self.candidates) or "auto" in self.candidates:
            raise ValueError(
                f"candidates={list(self.candidates)}: name other kinds than auto, each once, such as mlp+gp+ridge"
            )
        if not self.mix or not set(self.mix) <= set(self.candidates):
            raise ValueError(
                f"mix={list(self.mix)}: name at least one of the candidates, {BETWEEN_WORDS.join(self.candidates)}"
            )


MIX = "mix"
"""The mix among the candidates' names."""


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``AutoConfig``."""
    from nagjax.predictors.kinds import registry

    config = configure("kind auto", AutoConfig, settings)
    kinds = {name: registry.make(*OWN.get(name, (name, {}))) for name in config.candidates}

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        check_records(records)
        seed = arguments.seed(seed)
        refused: dict[str, str] = {}
        folds = deal(len(records.quality), config.folds, seed)
        held = [_held_out(kinds, config.mix, space, records, rows, seed, refused) for rows in folds]
        while True:
            mixable = [one for one in config.mix if one not in refused]
            left = [*([MIX] if mixable else []), *(name for name in kinds if name not in refused)]
            if not left:
                raise ValueError(f"no kind can be fitted: {'; '.join(refused.values())}")
            taus = {name: _taus([one[name] for one in held], records.quality, folds) for name in left}
            name = choose(taus)
            members = mixable if name == MIX else [name]
            forms = _forms({one: kinds[one] for one in members}, space, records, seed, refused)
            if len(forms) == len(members):
                predicted = np.zeros(len(records.quality))
                for one, rows in zip(held, folds, strict=True):
                    predicted[rows] = one[name]
                told = {"kind": " + ".join(members), "held_out_kendall_tau": _told(taus)}
                num = len(predicted)
                counts: dict[str, float | int | str] = {"source": records.source, "train": num, "validation": num}
                predictor = _mixed(forms, records)
                found = agreement(predicted, records.quality, predictor.rank_valued)
                return FittedPredictor(predictor, {**counts, **found, **told})

    return Kind("auto", written(config), fitted)


def deal(num: int, folds: int, seed: int) -> list[np.ndarray]:
    """Rows int64 of each fold."""
    return np.array_split(np.random.default_rng([seed, folds]).permutation(num), folds)


def choose(taus: Mapping[str, np.ndarray]) -> str:
    """The mix, unless a kind is clearly ahead of it by Kendall's tau float64 ``[folds]``; without a mix the best."""
    best = max(taus, key=lambda name: float(taus[name].mean()))
    if MIX not in taus:
        return best
    ahead = taus[best] - taus[MIX]
    return best if ahead.mean() > CLEARLY * ahead.std(ddof=1) / np.sqrt(len(ahead)) else MIX


def tau(predicted: np.ndarray, quality: np.ndarray) -> float:
    """Kendall's tau; 0 where one of them does not vary."""
    if np.ptp(predicted) == 0 or np.ptp(quality) == 0:
        return 0.0
    return float(stats.kendalltau(predicted, quality).statistic)


def _held_out(
    kinds: Mapping[str, Kind], mix: Sequence[str], space: Space, records: Records, rows: np.ndarray, seed: int,
    refused: dict[str, str],
) -> dict[str, np.ndarray]:  # fmt: skip
    """What each kind and the mix, fitted to the other records, predict for ``rows``."""
    rest = take(records, np.delete(np.arange(len(records.quality)), rows))
    forms = _forms(kinds, space, rest, seed, refused)
    members = {name: forms[name] for name in mix if name in forms}
    asked = {**forms, MIX: _mixed(members, rest)} if members else forms
    tokens = records.tokens[rows]
    features = space.features(tokens)
    return {name: np.asarray(_ask(form, tokens, features), np.float64) for name, form in asked.items()}


def _forms(
    kinds: Mapping[str, Kind], space: Space, records: Records, seed: int, refused: dict[str, str]
) -> dict[str, Form]:
    """The kinds fitted; one that cannot be, such as a Gaussian process to too many records, is left out with why."""
    out = {}
    for name, kind in kinds.items():
        try:
            out[name] = kind.fit(space, records, seed).predictor
        except ValueError as error:
            refused[name] = str(error)
    return out


def _mixed(forms: Mapping[str, Form], records: Records) -> Form:
    """The mix of forms in equal parts; of one alone itself."""
    several = list(forms.values())
    return several[0] if len(several) == 1 else mixed(several, [1.0] * len(several), score_levels(records.quality))


@jax.jit
def _ask(form: Form, tokens: jax.Array, features: jax.Array) -> jax.Array:
    return form(tokens, features)[0]


def _taus(predicted: Sequence[np.ndarray], quality: np.ndarray, folds: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([tau(found, quality[rows]) for found, rows in zip(predicted, folds, strict=True)])


def _told(taus: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {values.mean():.3f}" for name, values in taus.items())
