"""A few more updates of a network's own weights, taught by the supernet's largest architecture."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

from nagjax.deployment.subnets import Subnet
from nagjax.deployment.supernets import TrainedSupernet
from nagjax.supernet import training
from nagjax.supernet.inputs import Batches, standardise
from nagjax.supernet.network import subnet
from nagjax.supernet.strategies import largest
from nagjax.supernet.training import Recipe


def finetuned(supernet: TrainedSupernet, tokens: np.ndarray, recipe: Recipe) -> Subnet:
    """An architecture after ``recipe.steps`` updates from its weights in the supernet, norms calibrated.

    It learns from the answers of the largest architecture of those that the supernet was trained for, which stay as
    they are (Hinton et al., arXiv 1503.02531).

    Args:
      supernet: the weights to begin with, and the images.
      tokens: int32 ``[T]``.
      recipe: how; the learning rate should be well below that of the supernet.
    """
    space, splits = supernet.space, supernet.splits
    learner, rule = training.alone_learner(space, tokens), training.optimiser(recipe)
    teacher = supernet.network(largest(space, space.where(supernet.weights.config["where"])))
    plan, resolution = training.checked_plan(space), learner.resolution(tokens)

    def loss(parameters: Any, pixels: jax.Array, aim: jax.Array) -> jax.Array:
        logits = learner.forward(parameters, standardise(pixels, splits, resolution), jax.numpy.asarray(tokens))
        return optax.softmax_cross_entropy(logits, aim).mean()

    @jax.jit
    def answers(pixels: jax.Array) -> jax.Array:
        return jax.nn.softmax(teacher.logits(standardise(pixels, splits, teacher.resolution)))

    @jax.jit
    def update(parameters: Any, state: Any, pixels: jax.Array, aim: jax.Array) -> Any:
        changes, state = rule.update(jax.grad(loss)(parameters, pixels, aim), state, parameters)
        return optax.apply_updates(parameters, changes), state

    parameters: Any = subnet(plan, supernet.weights.parameters, [int(token) for token in tokens])
    state = rule.init(parameters)
    batches = Batches(splits.train, recipe.batch, recipe.seed, recipe.augmentation)
    for step in range(recipe.steps):
        pixels = batches.at(step).pixels
        parameters, state = update(parameters, state, pixels, answers(pixels))
    return supernet.calibrated(tokens, jax.tree.map(np.asarray, parameters))
