"""The learned ranker R(a|B): it ranks architectures under a budget.

Guo et al., arXiv 2103.00219; PNAG, arXiv 2210.07634. Inputs are an architecture's path features and the soft one-hot
w(B) of the budget over anchor budgets; the loss compares pairs of architectures at every anchor. The first layer is
linear, so between anchors the budget's part of it is interpolated. Scores have an arbitrary offset and scale for each
budget: compare them only under one budget.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax import arguments, shapes
from nagjax.predictors import batches
from nagjax.ranking.dominance import dominance_key, kendall_tau

LOSSES: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "hinge": lambda margin: jnp.maximum(0.0, 1.0 - margin),
    "logistic": lambda margin: jax.nn.softplus(-margin),
}
"""phi of the margin d * (R1 - R2): the hinge of the paper, the logistic loss of the released code."""
OPTIMISERS = ("sgd", "adam")


class RankerNetwork(nn.Module):
    """[path features; w(B)] -> hidden layers -> 1, ReLU."""

    hidden: tuple[int, ...] = (512, 512)

    @nn.compact
    def __call__(self, features: jax.Array, weights: jax.Array) -> jax.Array:
        """Scores ``[A', B]`` of every architecture ``[B, F]`` under every budget ``[A', A]``; or ``[B]`` of pairs.

        Leading axes of the two inputs broadcast after the first layer, so a grid costs that layer only once.
        """
        first = nn.Dense(self.hidden[0], name="architecture")(features)
        x = nn.relu(first + nn.Dense(self.hidden[0], use_bias=False, name="budget")(weights))
        for size in self.hidden[1:]:
            x = nn.relu(nn.Dense(size)(x))
        return nn.Dense(1)(x)[..., 0]


@flax.struct.dataclass
class Ranker:
    """A fitted ranker.

    Attributes:
      params: of the module.
      anchors: float32 ``[A]``, anchor budgets, increasing.
      module: the network.
    """

    params: Any
    anchors: jax.Array
    module: RankerNetwork = flax.struct.field(pytree_node=False)


@dataclasses.dataclass(frozen=True)
class FittedRanker:
    """A ranker and its report: record counts, ``kendall_tau`` at anchors and ``kendall_tau_between`` them."""

    ranker: Ranker
    report: Mapping[str, float | int]


@dataclasses.dataclass(frozen=True)
class RankerConfig:
    """Settings of a fit; the defaults are those of the released code, with fewer steps.

    Attributes:
      hidden: sizes of the hidden layers.
      loss: ``"hinge"`` or ``"logistic"``.
      optimiser: ``"sgd"`` (nesterov 0.9) or ``"adam"``.
      learning_rate: at the start; it falls to a hundredth along a cosine.
      weight_decay: as in AdamW for adam, added to the gradient for sgd.
      steps: optimiser steps, rounded up to a multiple of 10.
      batch_size: architectures per step; all their pairs are compared.
      validation_share: part of the architectures held out for the report, 0..1.
    """

    hidden: tuple[int, ...] = (512, 512)
    loss: str = "logistic"
    optimiser: str = "sgd"
    learning_rate: float = 0.2
    weight_decay: float = 3e-5
    steps: int = 1000
    batch_size: int = 128
    validation_share: float = 0.2


def score(ranker: Ranker, features: jax.Array, weights: jax.Array) -> jax.Array:
    """Scores ``[B]`` of path features ``[B, F]``, each under its budget's soft one-hot ``[B, A]``."""
    shapes.check("score: features", features, (None, None), float)
    shapes.check("score: weights", weights, (features.shape[0], ranker.anchors.shape[0]), float)
    return jnp.asarray(ranker.module.apply(ranker.params, features, weights))


def fit_ranker(
    features: np.ndarray,
    cost: np.ndarray,
    quality: np.ndarray,
    anchors: np.ndarray,
    config: RankerConfig | None = None,
    seed: int = 0,
    interpolate: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    progress: batches.Progress | None = None,
) -> FittedRanker:
    """Fit a ranker to labelled architectures.

    Args:
      features: path features float32 ``[N, F]``.
      cost: float64 ``[N]``, in one unit, for example ms.
      quality: float64 ``[N]``, fraction 0..1, labelled or predicted.
      anchors: float64 ``[A]``, increasing budgets in the unit of the cost.
      config: settings.
      seed: decides the split, the initial parameters and the order of batches.
      interpolate: ``interpolate(budgets [B], anchors [A]) -> [B, A]``, the generator's ``anchor_weights``; with it the
        report also holds the agreement midway between anchors.
      progress: called as ``progress(steps_done, steps_in_all)``.

    Raises:
      ValueError: if a setting, a shape or a value is not allowed.
    """
    config = config or RankerConfig()
    _check_config(config)
    seed = arguments.seed(seed)
    _check_data(features, cost, quality, anchors)
    order = np.random.default_rng(seed).permutation(len(cost))
    held = round(config.validation_share * len(order))
    valid, train = order[:held], order[held:]
    if len(train) < 2:
        raise ValueError(f"{len(cost)} architectures, {held} of them held out, leave no pair to compare; label more")
    ranks = np.stack([dominance_key(quality, cost, float(budget)) for budget in anchors]).astype(np.int32)
    module = RankerNetwork(config.hidden)
    params = _run(module, np.asarray(features, np.float32), ranks, train, config, seed, progress)
    ranker = Ranker(params, jnp.asarray(anchors, jnp.float32), module)
    report: dict[str, float | int] = {"train": len(train), "validation": held}
    if held > 1:
        part = (np.asarray(features, np.float32)[valid], quality[valid], cost[valid])
        report["kendall_tau"] = _agreement(ranker, *part, anchors, jnp.eye(len(anchors)))
        if interpolate is not None and len(anchors) > 1:
            between = (anchors[1:] + anchors[:-1]) / 2
            weights = interpolate(jnp.asarray(between, jnp.float32), ranker.anchors)
            report["kendall_tau_between"] = _agreement(ranker, *part, between, weights)
    return FittedRanker(ranker, report)


def _check_config(config: RankerConfig) -> None:
    for name, allowed in (("loss", tuple(LOSSES)), ("optimiser", OPTIMISERS)):
        if getattr(config, name) not in allowed:
            raise ValueError(f"{name} is {getattr(config, name)!r}; it is one of {', '.join(allowed)}")
    for name in ("learning_rate", "steps", "batch_size"):
        if getattr(config, name) <= 0:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be positive")
    for size in (config.steps, config.batch_size, *config.hidden):
        arguments.count(size, "steps, batch_size and hidden")
    arguments.finite(config.learning_rate, "learning_rate", above=0)
    arguments.finite(config.weight_decay, "weight_decay", least=0)
    if not 0 <= config.validation_share < 1:
        raise ValueError(f"validation_share is {config.validation_share}; it lies in 0 <= share < 1")


def _check_data(features: np.ndarray, cost: np.ndarray, quality: np.ndarray, anchors: np.ndarray) -> None:
    num = len(features)
    if cost.shape != (num,) or quality.shape != (num,):
        raise ValueError(f"features {features.shape}, cost {cost.shape} and quality {quality.shape} differ in length")
    for name, values in (("features", features), ("cost", cost), ("quality", quality), ("anchors", anchors)):
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise ValueError(f"{name}: row {row} is not finite; remove architectures without a label")
    if anchors.ndim != 1 or len(anchors) < 1 or (np.diff(anchors) <= 0).any():
        raise ValueError(f"anchors are {anchors.tolist()}; they are increasing budgets [A]")


def _agreement(
    ranker: Ranker,
    features: np.ndarray,
    quality: np.ndarray,
    cost: np.ndarray,
    budgets: np.ndarray,
    weights: jax.Array,
) -> float:
    """Mean Kendall tau over budgets ``[A']`` with soft one-hots ``[A', A]``; one under which all tie is left out."""
    inputs = jnp.asarray(features)
    rows = [jnp.broadcast_to(row, (len(features), len(row))) for row in weights]
    scores = [np.asarray(jax.jit(score)(ranker, inputs, row)) for row in rows]
    taus = [kendall_tau(own, quality, cost, float(budget)) for own, budget in zip(scores, budgets, strict=True)]
    return float(np.nanmean(taus))


def _optimiser(config: RankerConfig) -> optax.GradientTransformation:
    rate = optax.cosine_decay_schedule(config.learning_rate, batches.round_up(config.steps), 0.01)
    if config.optimiser == "adam":
        return optax.adamw(rate, weight_decay=config.weight_decay)
    return optax.chain(optax.add_decayed_weights(config.weight_decay), optax.sgd(rate, 0.9, nesterov=True))


def _run(
    module: RankerNetwork,
    features: np.ndarray,
    ranks: np.ndarray,
    train: np.ndarray,
    config: RankerConfig,
    seed: int,
    progress: batches.Progress | None,
) -> Any:
    steps = batches.round_up(config.steps)
    rows = batches.shuffled(train, (1, steps, config.batch_size), np.random.default_rng(seed))[0]
    inputs, labels = jnp.asarray(features), jnp.asarray(ranks)
    params, state = _start(jax.random.key(seed), inputs, labels, module, config)
    counter = batches.Counter(progress, steps)
    for chunk in np.split(rows, batches.CHUNKS):
        params, state = _train(params, state, inputs, labels, jnp.asarray(chunk), module, config)
        counter.add(len(chunk))
    return params


@partial(jax.jit, static_argnames=("module", "config"))
def _start(
    key: jax.Array, features: jax.Array, ranks: jax.Array, module: RankerNetwork, config: RankerConfig
) -> tuple[Any, Any]:
    """Parameters and optimiser state."""
    params = module.init(key, features[:1], jnp.eye(len(ranks))[:1])
    return params, _optimiser(config).init(params)


@partial(jax.jit, static_argnames=("module", "config"))
def _train(
    params: Any,
    state: Any,
    features: jax.Array,
    ranks: jax.Array,
    rows: jax.Array,
    module: RankerNetwork,
    config: RankerConfig,
) -> tuple[Any, Any]:
    """Some steps: rows int32 ``[steps, batch]``, ranks int32 ``[A, N]``."""
    optimiser = _optimiser(config)
    anchors = jnp.eye(len(ranks))[:, None]

    def loss(params: Any, batch: jax.Array) -> jax.Array:
        scores = jnp.asarray(module.apply(params, features[batch][None], anchors))
        return pair_loss(scores, ranks[:, batch], config.loss)

    def step(carry: tuple[Any, Any], batch: jax.Array) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        updates, state = optimiser.update(jax.grad(loss)(params, batch), state, params)
        return (optax.apply_updates(params, updates), state), None

    carry, _ = jax.lax.scan(step, (params, state), rows)
    return carry


def pair_loss(scores: jax.Array, ranks: jax.Array, loss: str) -> jax.Array:
    """Mean of phi(d * (R1 - R2)) over all pairs that do not tie, at every budget; phi is one of ``LOSSES``.

    R are scores float ``[A, B]``, d is by ranks int ``[A, B]`` (``dominance_key``).

    >>> pair_loss(jnp.array([[1.0, 0.5, 3.0]]), jnp.array([[1, 0, 0]]), "hinge").item()
    1.75
    """
    sign = jnp.sign(ranks[:, :, None] - ranks[:, None, :]).astype(scores.dtype)
    margin = sign * (scores[:, :, None] - scores[:, None, :])
    # Each pair stands there twice, with the same margin.
    return jnp.sum(LOSSES[loss](margin) * jnp.abs(sign)) / jnp.maximum(jnp.abs(sign).sum(), 1.0)
