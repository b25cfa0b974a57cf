"""A few more updates of a network's own weights, taught by the supernet's largest architecture."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax

from nagjax.deployment.subnets import Subnet
from nagjax.deployment.supernets import TrainedSupernet
from nagjax.supernet import training
from nagjax.supernet.training import Recipe


def finetuned(supernet: TrainedSupernet, tokens: np.ndarray, recipe: Recipe) -> Subnet:
    """An architecture int32 ``[T]`` after ``recipe.steps`` updates from its weights in the supernet, norms calibrated.

    It learns from the answers of the largest architecture of those that the supernet was trained for, which stay as
    they are (Hinton et al., arXiv 1503.02531). The learning rate should be well below that of the supernet.
    """
    space, task, elastic = supernet.space, supernet.task, supernet.elastic
    learner, rule = training.alone_learner(space, tokens), training.optimiser(recipe)
    first = space.largest(space.where(supernet.weights.config["where"]))
    teacher, group, group_of_teacher = supernet.network(first), elastic.group(tokens), elastic.group(first)

    def loss(parameters: Any, inputs: Any, aim: Any) -> jax.Array:
        outputs = learner.forward(parameters, task.prepare(inputs, group), jax.numpy.asarray(tokens))
        return task.loss(outputs, aim).mean()

    @jax.jit
    def answers(inputs: Any) -> Any:
        return task.answers(teacher.logits(task.prepare(inputs, group_of_teacher)))

    @jax.jit
    def update(parameters: Any, state: Any, inputs: Any, aim: Any) -> Any:
        changes, state = rule.update(jax.grad(loss)(parameters, inputs, aim), state, parameters)
        return optax.apply_updates(parameters, changes), state

    parameters: Any = elastic.used(supernet.weights.parameters, tokens)
    state = rule.init(parameters)
    for step in range(recipe.steps):
        inputs = task.batch(step, recipe.batch, recipe.seed).inputs
        parameters, state = update(parameters, state, inputs, answers(inputs))
    return supernet.calibrated(tokens, jax.tree.map(np.asarray, parameters))
