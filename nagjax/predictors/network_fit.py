"""The loop that fits networks: an ensemble by AdamW in one compiled scan, whatever the network and the loss.

Members differ by their initial parameters and the order of their batches (Lakshminarayanan et al., arXiv 1612.01474).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax.predictors import batches

MARGIN = 0.1
"""By which the score of the better of two records is to be above the other's, for the hinge."""

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""``loss(found, targets [B])``, a number; ``found`` is what the network makes of a batch's features ``[B, F]``."""


class Settings(Protocol):
    """What the loop reads of a fit's settings, which are hashable."""

    @property
    def members(self) -> int:
        """E, networks in the ensemble."""
        ...

    @property
    def steps(self) -> int:
        """Optimiser steps, rounded up to a multiple of 10."""
        ...

    @property
    def batch_size(self) -> int:
        """Records per step and member."""
        ...

    @property
    def learning_rate(self) -> float:
        """At the start; it falls to 0 along a cosine."""
        ...

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""
        ...


def descend(
    module: nn.Module, loss: Loss, features: jax.Array, targets: jax.Array, rows: np.ndarray, settings: Settings,
    seed: int, counter: batches.Counter,
) -> Any:  # fmt: skip
    """Parameters of an ensemble, every leaf with a leading axis E.

    Features are float32 ``[N, F]``, padded (``batches.padding``), targets float32 ``[N]``; ``rows`` int ``[M]`` are the
    records that are fitted to. The loss is a function of a module, so that its compilation is kept. The seed decides
    the initial parameters and the order of batches.
    """
    keys = jax.random.split(jax.random.key(seed), settings.members)
    network, state = _start(keys, features, module, settings)
    steps = batches.round_up(settings.steps)
    shape = (settings.members, steps, settings.batch_size)
    for chunk in np.split(batches.shuffled(rows, shape, np.random.default_rng(seed)), batches.CHUNKS, axis=1):
        network, state = _train(network, state, features, targets, jnp.asarray(chunk), module, loss, settings)
        counter.add(steps // batches.CHUNKS)
    return network


def _optimiser(settings: Settings) -> optax.GradientTransformation:
    rate = optax.cosine_decay_schedule(settings.learning_rate, batches.round_up(settings.steps))
    return optax.adamw(rate, weight_decay=settings.weight_decay)


@partial(jax.jit, static_argnames=("module", "settings"))
def _start(keys: jax.Array, features: jax.Array, module: nn.Module, settings: Settings) -> tuple[Any, Any]:
    """Parameters and optimiser state of every member, from keys ``[E]``."""
    network = jax.vmap(module.init, in_axes=(0, None))(keys, features[:1])
    return network, jax.vmap(_optimiser(settings).init)(network)


@partial(jax.jit, static_argnames=("module", "loss", "settings"))
def _train(
    network: Any, state: Any, features: jax.Array, targets: jax.Array, rows: jax.Array, module: nn.Module, loss: Loss,
    settings: Settings,
) -> tuple[Any, Any]:  # fmt: skip
    """Some steps of every member: rows int32 ``[E, steps, batch]``."""
    optimiser = _optimiser(settings)

    def lost(params: Any, rows: jax.Array) -> jax.Array:
        return loss(jnp.asarray(module.apply(params, features[rows])), targets[rows])

    def step(carry: tuple[Any, Any], rows: jax.Array) -> tuple[tuple[Any, Any], None]:
        params, moments = carry
        updates, moments = optimiser.update(jax.grad(lost)(params, rows), moments, params)
        return (optax.apply_updates(params, updates), moments), None

    def member(params: Any, moments: Any, rows: jax.Array) -> tuple[Any, Any]:
        carry, _ = jax.lax.scan(step, (params, moments), rows)
        return carry

    return jax.vmap(member)(network, state, rows)


def squared_error(found: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean of the squared errors of ``[B]``."""
    return jnp.mean(jnp.square(found - targets))


def hinge(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean over pairs of records ``[B]`` that differ in target: what a lead of scores lacks of ``MARGIN``.

    >>> round(float(hinge(jnp.array([0.0, 0.05]), jnp.array([1.0, 2.0]))), 3)
    0.05
    """
    return _of_pairs(_lacking, scores[:, None] - scores[None], targets[:, None] - targets[None])


def logistic(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """The same of -log P(in order), where P is the sigmoid of the lead: the model of Bradley and Terry."""
    return comparison(scores[:, None] - scores[None], targets)


def comparison(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean of -log P over pairs that differ in target; logits ``[B, B]`` of that the first beats the second."""
    return _of_pairs(_surprise, logits, targets[:, None] - targets[None])


@lru_cache(maxsize=16)  # one function for the same settings, since a loss is part of what is compiled
def consistent(name: str, weight: float) -> Loss:
    """A ranking loss and ``weight`` times its ``consistency``, of what ``Shown`` gives ``[B, 1 + W]``."""

    def both(found: jax.Array, targets: jax.Array) -> jax.Array:
        return LOSSES[name](found[:, 0], targets) + weight * consistency(name, found[:, 1:], targets)

    return both


def consistency(name: str, features: jax.Array, targets: jax.Array) -> jax.Array:
    """The same loss of distances: whose target is further off is to have features that are further off.

    The second term of ReNAS (Xu et al., arXiv 1910.01523): of three records i, j, k the Euclidean distances of features
    float32 ``[B, W]`` have the order of the differences of targets ``[B]``. Here k is the record before j in the batch,
    which is shuffled. The code that its authors published has the ranking loss alone.
    """
    squares = jnp.square(features[:, None] - features[None]).sum(-1)
    apart = squares > 0  # the derivative of a square root at 0 is infinite
    far = jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1.0)), 0.0)
    differ = jnp.abs(targets[:, None] - targets[None])
    return _of_pairs(_COSTS[name], far - jnp.roll(far, 1, 1), differ - jnp.roll(differ, 1, 1))


LOSSES: Mapping[str, Loss] = {"mse": squared_error, "hinge": hinge, "logistic": logistic}
"""By the names that settings have for them: the squared error, and two of pairs, which ask for the order alone."""


def _lacking(lead: jax.Array) -> jax.Array:
    return jnp.maximum(0.0, MARGIN - lead)


def _surprise(lead: jax.Array) -> jax.Array:
    return jax.nn.softplus(-lead)


_COSTS = {"hinge": _lacking, "logistic": _surprise}


def _of_pairs(cost: Callable[[jax.Array], jax.Array], leads: jax.Array, differences: jax.Array) -> jax.Array:
    sign = jnp.sign(differences)
    pairs = sign != 0
    return jnp.where(pairs, cost(leads * sign), 0.0).sum() / jnp.maximum(pairs.sum(), 1)
