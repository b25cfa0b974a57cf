"""The kind ``mlp``: a small ensemble of networks, fitted by ``nagjax.predictors.network_fit``.

Some records are held out first, and the errors on them reported; then the same fit is repeated on all records, because
labels are costly. The errors reported are therefore of a predictor that has seen a fifth fewer records than the one
that is returned.

Networks that failed to train (10 % on ten classes) lie far from the others and would dominate a squared error. Where
there are some the target is the rank among the labels instead, as its normal score (of N labels the n-th has that which
a share of (n - 0.5) / N of a normal distribution lies below); the quality then is that of the labels at the predicted
score.

A ranking loss (ReNAS, arXiv 1910.01523) asks for the order alone. With few labels it orders architectures better, and
what it gives is no quality: ``Predictor.values`` is ``"rank"``. ``consistency`` adds the second term of ReNAS, which
asks the same of distances between features.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nagjax import arguments
from nagjax.predictors import batches
from nagjax.predictors.fitted import FittedPredictor, agreement
from nagjax.predictors.forms.mlp import MLP, Predictor, Shown, predict
from nagjax.predictors.forms.scores import score_levels
from nagjax.predictors.kinds.kind import Kind, check_records, configure, known_features, written
from nagjax.predictors.network_fit import LOSSES, consistent, descend
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

TARGETS = ("auto", "quality", "rank")

FAR, SHARE, LEAST = 10.0, 0.03, 2
"""Labels that lie below the median by more than ``FAR`` times the best tenth's distance from it are far below; where at
least this share of the labels is, and at least so many, a squared error would be theirs."""


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Settings of a fit; the defaults suit 50 to 4,000 records.

    Attributes:
      hidden: sizes of the hidden layers; empty for a linear model.
      members: E, networks in the ensemble; 1 gives no standard deviation and trains and predicts fastest.
      steps: optimiser steps, rounded up to a multiple of 10.
      batch_size: records per step and member.
      learning_rate: at the start; it falls to 0 along a cosine.
      weight_decay: of AdamW.
      validation_share: part of the records held out, 0..1 (0: no errors are reported).
      refit: fit again on all records once the errors are known.
      target: what is fitted, ``"quality"``, ``"rank"``, or ``"auto"``: ranks where ``far_below`` counts labels.
      loss: ``"mse"``; or a ranking loss, ``"hinge"`` or ``"logistic"``: the predictor then tells ranks.
      calibrate: with a ranking loss, take its score for a normal score and give the quality of the labels there.
      consistency: with a ranking loss, weight of ``nagjax.predictors.network_fit.consistency`` beside it.
    """

    hidden: tuple[int, ...] = (64, 64)
    members: int = 4
    steps: int = 1500
    batch_size: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    validation_share: float = 0.2
    refit: bool = True
    target: str = "auto"
    loss: str = "mse"
    calibrate: bool = False
    consistency: float = 0.0

    form: ClassVar[type[Predictor]] = Predictor

    @property
    def ranks(self) -> bool:
        """Whether the loss asks for the order alone."""
        return self.loss != "mse"

    @property
    def values(self) -> str:
        """What the predictor gives, as ``Predictor.values`` has it."""
        return "rank" if self.ranks and not self.calibrate else "quality"

    def network(self, space: Space) -> nn.Module:
        """The network of path features ``[B, F]``."""
        del space
        return MLP(self.hidden)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``FitConfig``."""
    config = configure("kind mlp", FitConfig, settings)
    check_config(config)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        return fit(space, records, config, seed)

    return Kind("mlp", written(config), fitted)


def fit(
    space: Space,
    records: Records,
    config: FitConfig | None = None,
    seed: int = 0,
    progress: batches.Progress | None = None,
) -> FittedPredictor:
    """Fit a predictor; the seed decides the split, the initial parameters and the order of batches.

    ``progress`` is called as ``progress(steps_done, steps_in_all)``.

    Raises:
      ValueError: if there are too few records or a setting is out of range.
    """
    config = config or FitConfig()
    check_config(config)
    check_records(records)
    failed = far_below(records.quality) if config.target == "auto" and not config.ranks else 0
    if config.target == "auto":
        config = dataclasses.replace(config, target="rank" if failed else "quality")
    seed = arguments.seed(seed)
    rng = np.random.default_rng(seed)
    features, module = space.features(records.tokens), config.network(space)
    order = rng.permutation(len(records.quality))
    held = round(config.validation_share * len(order))
    valid, train = order[:held], order[held:]
    refit = config.refit and held > 0
    counter = batches.Counter(progress, (2 if refit else 1) * batches.round_up(config.steps))
    params = _fit_rows(module, features, records.quality, train, config, seed, counter)
    seen = train
    report: dict[str, float | int | str] = {"source": records.source, "train": len(train), "validation": held}
    if config.target == "rank":
        why = f", since {failed} of {len(order)} labels lie far below the others" if failed else ""
        report["target"] = f"rank{why}"
    if held:
        first = config.form(params, jnp.ones(features.shape[1], bool), module, config.values)
        found = np.asarray(jax.jit(predict)(first, jnp.asarray(features[valid]))[0])
        report |= agreement(found, records.quality[valid], config.values == "rank")
    if refit:
        params, seen = _fit_rows(module, features, records.quality, order, config, seed, counter), order
        report["refitted_on"] = len(order)
    if np.ptp(records.quality) == 0:
        report["doubt"] = (
            f"all {len(order)} labels are {records.quality[0]:g}: the predictor cannot tell architectures apart; label "
            "others, or correct the column"
        )
    known = jnp.asarray(known_features(space, features[seen]))
    return FittedPredictor(config.form(params, known, module, config.values), report)


def check_config(config: FitConfig) -> None:
    """Refuse settings that are out of range.

    Raises:
      ValueError: with the setting and what is allowed.
    """
    if not 0 <= arguments.finite(config.validation_share, "validation_share") < 1:
        raise ValueError(f"validation_share is {config.validation_share}; it lies in 0 <= share < 1")
    for name in ("members", "steps", "batch_size", "learning_rate"):
        value = getattr(config, name)
        if isinstance(value, int | float) and value <= 0:
            raise ValueError(f"{name} is {value}; it must be positive")
    for name in ("members", "steps", "batch_size"):
        arguments.count(getattr(config, name), name)
    for size in config.hidden:
        arguments.count(size, "hidden")
    arguments.finite(config.learning_rate, "learning_rate", above=0)
    arguments.finite(config.weight_decay, "weight_decay", least=0)
    for name, allowed in (("target", TARGETS), ("loss", LOSSES)):
        if getattr(config, name) not in allowed:
            raise ValueError(f"{name} is {getattr(config, name)!r}; it is one of {', '.join(allowed)}")
    _check_ranking(config)


def _check_ranking(config: FitConfig) -> None:
    if config.ranks and config.target != "auto":
        raise ValueError(f"target={config.target}: a ranking loss, {config.loss}, has no target; leave one of them out")
    if config.calibrate and not config.ranks:
        raise ValueError("calibrate=true: is for a ranking loss, hinge or logistic; loss is mse")
    if arguments.finite(config.consistency, "consistency", least=0) and not (
        config.ranks and config.hidden and config.form is Predictor
    ):
        raise ValueError(
            f"consistency={config.consistency:g}: is for kind mlp with a ranking loss, hinge or logistic, and a hidden "
            f"layer; loss is {config.loss}, hidden {'x'.join(map(str, config.hidden)) or 'none'}"
        )


def _fit_rows(
    module: nn.Module, features: np.ndarray, quality: np.ndarray, rows: np.ndarray, config: FitConfig, seed: int,
    counter: batches.Counter,
) -> dict[str, Any]:  # fmt: skip
    """Parameters of an ensemble fitted to some rows; both fits of a call share one compilation."""
    figure, levels = _target(quality, rows, config)
    offset, scale = float(figure[rows].mean()), float(figure[rows].std()) or 1.0
    more = batches.padding(len(quality))  # never drawn
    targets = jnp.asarray(np.pad((figure - offset) / scale, (0, more)), jnp.float32)
    inputs = jnp.asarray(np.pad(features, ((0, more), (0, 0))))
    taught, loss = module, LOSSES[config.loss]
    if config.consistency:
        taught, loss = Shown(config.hidden), consistent(config.loss, config.consistency)
    network = descend(taught, loss, inputs, targets, rows, config, seed, counter)
    members = config.members
    if config.ranks:
        levels = score_levels(quality[rows]) if config.calibrate else None
        return {
            "network": network,
            **_standardised(network, inputs, jnp.asarray(rows), module),
            **_levels(levels, members),
        }
    return {
        "network": network,
        "offset": jnp.full(members, offset, jnp.float32),
        "scale": jnp.full(members, scale, jnp.float32),
        **_levels(levels, members),
    }


def _levels(levels: np.ndarray | None, members: int) -> dict[str, jax.Array]:
    return {} if levels is None else {"levels": jnp.tile(jnp.asarray(levels, jnp.float32), (members, 1))}


@partial(jax.jit, static_argnames="module")
def _standardised(network: Any, inputs: jax.Array, rows: jax.Array, module: nn.Module) -> dict[str, jax.Array]:
    """Offset and scale ``[E]`` that give the scores of ``rows`` mean 0 and deviation 1; the loss leaves both open."""
    scores = jax.vmap(lambda params: jnp.asarray(module.apply(params, inputs[rows])))(network)
    scale = 1 / jnp.maximum(scores.std(-1), 1e-6)
    return {"offset": -scores.mean(-1) * scale, "scale": scale}


def _target(quality: np.ndarray, rows: np.ndarray, config: FitConfig) -> tuple[np.ndarray, np.ndarray | None]:
    """What is fitted, float64 ``[N]``, of which only ``rows`` count; and the levels of ``at_score``, or None."""
    if config.target == "quality" or config.ranks:
        return quality, None
    score = np.zeros(len(quality))
    score[rows] = stats.norm.ppf((stats.rankdata(quality[rows]) - 0.5) / len(rows))
    return score, score_levels(quality[rows])


def far_below(quality: np.ndarray) -> int:
    """Labels of ``[N]`` that lie far below the others, as networks that failed to train do; 0 where they are too few.

    >>> far_below(np.array([0.1, 0.1, *np.linspace(0.9, 0.92, 20)])), far_below(np.linspace(0.1, 0.9, 20))
    (2, 0)
    """
    median, good = np.quantile(quality, [0.5, 0.9])
    far = int((quality < median - FAR * (good - median)).sum()) if good > median else 0
    return far if far >= max(LEAST, SHARE * len(quality)) else 0
