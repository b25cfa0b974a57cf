"""The kind ``pair``: networks that say which of two architectures is better, fitted to all pairs of a batch of records.

The likelihood of the order of every two records is made large (CTNAS, arXiv 2103.05471, fits to pairs as well). The
references are records spread over the ranks, so the share of them that is beaten is a rank among the records.

With ``pseudo`` the fit teaches a second one (CTNAS, section 3.4): of twice as many pairs of random architectures as
there are records, the half that the first fit is surest of counts as if it were known. CTNAS draws them from its policy
while that is trained, and goes on with the same networks; here no policy is at hand, and networks start anew.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.predictors import batches
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.pair import Comparator, Pair
from nagjax.predictors.forms.scores import score_levels
from nagjax.predictors.kinds.kind import Kind, check_share, configured, held_out_first, known_features
from nagjax.predictors.network_fit import Loss, comparison, descend
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class PairConfig:
    """Settings of a fit.

    Attributes:
      hidden: sizes of the hidden layers of the tower that both architectures pass through.
      width: of the layer in which both meet.
      members: E, networks in the ensemble.
      steps: optimiser steps, rounded up to a multiple of 10.
      batch_size: records per step and member, all of whose pairs are compared.
      learning_rate: at the start; it falls to 0 along a cosine.
      weight_decay: of AdamW.
      validation_share: part of the records held out first, 0 <= share < 1 (0: no errors are reported).
      references: R, records that an architecture is compared with; of fewer some count twice.
      calibrate: give the quality at the share of references that are beaten, and not that share.
      pseudo: weight of pairs whose order a first fit says beside those whose order is known; 0: there is one fit alone.
    """

    hidden: tuple[int, ...] = (64,)
    width: int = 32
    members: int = 4
    steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    validation_share: float = 0.2
    references: int = 64
    calibrate: bool = False
    pseudo: float = 0.0

    def __post_init__(self) -> None:
        for name in ("width", "members", "steps", "references"):
            arguments.count(getattr(self, name), name)
        arguments.count(self.batch_size, "batch_size", least=2)
        for size in self.hidden:
            arguments.count(size, "hidden")
        arguments.finite(self.learning_rate, "learning_rate", above=0)
        arguments.finite(self.weight_decay, "weight_decay", least=0)
        arguments.finite(self.pseudo, "pseudo", least=0)
        check_share(self.validation_share)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``PairConfig``."""
    return configured("pair", PairConfig, settings, fit_pair)


def fit_pair(space: Space, records: Records, config: PairConfig, seed: int) -> FittedPredictor:
    """Fit the form ``pair`` to records."""
    return held_out_first(
        space, records, config.validation_share, seed, lambda some: compared(space, some, config, seed)
    )


def compared(space: Space, records: Records, config: PairConfig, seed: int) -> Pair:
    """The form fitted to records, and once more to what it says itself where ``pseudo`` asks for it."""
    features = space.features(records.tokens)
    form = _fitted(space, records, features, Comparator(config.hidden, config.width), comparison, config, seed)
    if not config.pseudo:
        return form
    # A row of the batch is a record and a pair.
    taught = np.concatenate([features, *believed(space, form, len(features), seed)], -1)
    return _fitted(space, records, taught, Taught(config.hidden, config.width), believing(config.pseudo), config, seed)


class Taught(Comparator):
    """The same networks on rows of a record and of a pair whose first is believed to be better."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits ``[B, B + 1]`` of inputs float32 ``[B, 3 F]``: of records, and at the end of the row's own pair."""
        records, first, second = jnp.split(x, 3, -1)
        return jnp.concatenate([super().__call__(records), self.between(first, second)[:, None]], -1)


@lru_cache(maxsize=16)  # one function for the same weight, since a loss is part of what is compiled
def believing(weight: float) -> Loss:
    """The loss of what ``Taught`` gives: -log P of the orders that are known and, ``weight`` as much, believed."""

    def both(found: jax.Array, targets: jax.Array) -> jax.Array:
        sure = jax.nn.softplus(-found[:, -1]).mean()
        return (comparison(found[:, :-1], targets) + weight * sure) / (1 + weight)

    return both


def believed(space: Space, form: Pair, num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Path features float32 ``[num, F]`` of the better and of the worse, by ``form``, of random pairs.

    They are the half of ``2 * num`` pairs whose order is surest.
    """
    tokens = space.sample(np.random.default_rng([seed, num]), 4 * num)
    first, second = np.split(space.features(tokens), 2)
    chance = np.asarray(jax.jit(form.chances)(first, second).mean(0))
    sure = np.argsort(-np.abs(chance - 0.5), kind="stable")[:num]
    swapped = (chance[sure] < 0.5)[:, None]
    return np.where(swapped, second[sure], first[sure]), np.where(swapped, first[sure], second[sure])


def _fitted(
    space: Space, records: Records, rows: np.ndarray, module: Comparator, loss: Loss, config: PairConfig, seed: int
) -> Pair:
    """The form whose networks are fitted to rows ``[N, ...]`` of records, which begin with their path features."""
    features, quality = rows[:, : len(space.feature_names)], records.quality
    num = len(quality)
    more = batches.padding(num)  # never drawn
    inputs = jnp.asarray(np.pad(rows, ((0, more), (0, 0))))
    targets = jnp.asarray(np.pad(_ranks(quality), (0, more)), jnp.float32)
    counter = batches.Counter(None, config.steps)
    network = descend(module, loss, inputs, targets, np.arange(num), config, seed, counter)
    chosen = np.argsort(quality, kind="stable")[spread(num, config.references)]
    return Pair(
        network=network, references=jnp.asarray(features[chosen]),
        levels=jnp.asarray(score_levels(quality), jnp.float32), known=jnp.asarray(known_features(space, features)),
        module=Comparator(config.hidden, config.width), values="quality" if config.calibrate else "rank",
    )  # fmt: skip


def spread(num: int, parts: int) -> np.ndarray:
    """Places int64 ``[parts]`` among ``num`` in order, in the middle of equal parts; some twice where they are few.

    >>> spread(10, 2).tolist(), spread(2, 4).tolist()
    ([2, 7], [0, 0, 1, 1])
    """
    return ((2 * np.arange(parts) + 1) * num // (2 * parts)).astype(np.int64)


def _ranks(quality: np.ndarray) -> np.ndarray:
    """Ranks int64 ``[N]``, equal where qualities are: float32 would make some equal that are not."""
    return np.unique(quality, return_inverse=True)[1]
