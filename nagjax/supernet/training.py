"""Training of weights: the supernet under a strategy, or one architecture alone under the same recipe.

A run is a function of its seed and step: batches, augmentation and architectures are drawn from them, so training that
was stopped and restored goes on as if it had not been.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax import arguments, blocks
from nagjax.spaces import mobilenet_v3
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet import strategies
from nagjax.supernet.datasets.images import Splits
from nagjax.supernet.inputs import Augmentation, Batches, standardise
from nagjax.supernet.network import Supernet
from nagjax.supernet.strategies import Lesson


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How weights are trained.

    Attributes:
      steps: updates.
      batch: images per update.
      learning_rate: the highest; it rises linearly over ``warmup`` and falls as a cosine to 0.
      warmup: share of the steps.
      momentum: Nesterov's.
      weight_decay: of weights; norms and biases have none.
      smoothing: of the labels, a fraction.
      clip: greatest global norm of a gradient.
      augmentation: of the images.
      seed: of everything random.
    """

    steps: int
    batch: int = 128
    learning_rate: float = 0.3
    warmup: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 3e-5
    smoothing: float = 0.1
    clip: float = 5.0
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.seed(self.seed)
        if self.steps < 1 or not self.learning_rate > 0:
            raise ValueError(f"steps is {self.steps}, learning_rate {self.learning_rate}; both must be above 0")
        for name in ("steps", "batch"):
            arguments.count(getattr(self, name), name)


class TrainState(NamedTuple):
    """What training remembers: parameters, the optimiser's state, and the updates done."""

    parameters: Any
    optimiser: Any
    step: int


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
    """What is trained.

    Attributes:
      init: key to parameters.
      forward: parameters, images ``[N, R, R, C]`` and tokens ``[T]`` to logits float32 ``[N, classes]``.
      lessons: random numbers of the step and progress 0..1 to the step's lessons.
      resolution: tokens to R, pixels.
    """

    init: Callable[[jax.Array], Any]
    forward: Callable[[Any, jax.Array, jax.Array], jax.Array]
    lessons: Callable[[np.random.Generator, float], Sequence[Lesson]]
    resolution: Callable[[np.ndarray], int]


def supernet_learner(space: Space, valid: np.ndarray, strategy: str, dtype: Any = jnp.float32) -> Learner:
    """The supernet of a space.

    Args:
      space: with a plan.
      valid: edges bool ``[T, S, C]`` that are trained.
      strategy: one of ``strategies.STRATEGIES``.
      dtype: of the computation.

    Raises:
      ValueError: if the space has no plan, the strategy is not known, or no architecture is left.
    """
    plan = checked_plan(space)
    if strategy not in strategies.STRATEGIES:
        raise ValueError(f"strategy {strategy!r} is not known; known: {', '.join(strategies.STRATEGIES)}")
    if not tl.count(space.trellis.target, valid)[0][0]:
        raise ValueError(f"no architecture of {space.identity} is left to train: allow more choices")
    draw = strategies.STRATEGIES[strategy]
    network = Supernet(plan, dtype)
    shape = (1, plan.resolutions[-1], plan.resolutions[-1], plan.image_channels)
    largest = strategies.largest(space, space.trellis.valid)
    return Learner(
        init=lambda key: network.init(key, jnp.zeros(shape), jnp.asarray(largest))["params"],
        forward=lambda parameters, images, tokens: network.apply({"params": parameters}, images, tokens)[0],
        lessons=lambda rng, progress: draw(rng, space, valid, progress),
        resolution=lambda tokens: int(plan.resolutions[tokens[0]]),
    )


def alone_learner(space: Space, tokens: np.ndarray, dtype: Any = jnp.float32) -> Learner:
    """One architecture, tokens int32 ``[T]``, as a network of its own."""
    plan = checked_plan(space)
    network = blocks.Network(mobilenet_v3.operators(plan, [int(token) for token in tokens]), dtype)
    resolution = int(plan.resolutions[tokens[0]])
    shape = (1, resolution, resolution, plan.image_channels)
    return Learner(
        init=lambda key: network.init(key, jnp.zeros(shape))["params"],
        forward=lambda parameters, images, _: network.apply({"params": parameters}, images)[0].astype(jnp.float32),
        lessons=lambda _rng, _progress: [Lesson(tokens)],
        resolution=lambda _: resolution,
    )


def checked_plan(space: Space) -> mobilenet_v3.Plan:
    """The plan of a space.

    Raises:
      ValueError: if the space has none.
    """
    if not isinstance(space.plan, mobilenet_v3.Plan):
        raise ValueError(f"space {space.name} has no supernet: only spaces of the MobileNetV3 family have a plan")
    return space.plan


def start(learner: Learner, recipe: Recipe) -> TrainState:
    """The state before the first update."""
    parameters = jax.jit(learner.init)(jax.random.key(recipe.seed))
    return TrainState(parameters, optimiser(recipe).init(parameters), 0)


def train(
    learner: Learner, splits: Splits, recipe: Recipe, state: TrainState
) -> Iterator[tuple[TrainState, jax.Array]]:
    """Updates from ``state`` on; yields the state and the loss of the first lesson after each.

    The loss is a device scalar converted late: reading it waits for the step.
    """
    batches = Batches(splits.train, recipe.batch, recipe.seed, recipe.augmentation)
    gradients, targets, update = _programs(learner, splits, recipe)
    while state.step < recipe.steps:
        images = batches.at(state.step)
        lessons = learner.lessons(np.random.default_rng([recipe.seed, 3, state.step]), state.step / recipe.steps)
        labels = targets(images.labels)
        total, teacher, first = None, labels, jnp.zeros(())
        for at, lesson in enumerate(lessons):
            aim = teacher if lesson.distilled else labels
            grads, loss, answers = gradients(
                learner.resolution(lesson.tokens), state.parameters, images.pixels, aim, lesson.tokens
            )
            total = grads if total is None else jax.tree.map(jnp.add, total, grads)
            if at == 0:
                teacher, first = answers, loss
        parameters, optimiser = update(state.parameters, state.optimiser, total, len(lessons))
        state = TrainState(parameters, optimiser, state.step + 1)
        yield state, first


def _programs(learner: Learner, splits: Splits, recipe: Recipe) -> tuple[Any, Any, Any]:
    """The compiled parts of an update: gradients of a lesson, smoothed labels, and the optimiser's step."""
    rule = optimiser(recipe)

    def lesson(resolution: int, parameters: Any, pixels: Any, aim: Any, tokens: Any) -> Any:
        def loss(parameters: Any) -> Any:
            logits = learner.forward(parameters, standardise(pixels, splits, resolution), tokens)
            return optax.softmax_cross_entropy(logits, aim).mean(), jax.nn.softmax(logits)

        (value, answers), grads = jax.value_and_grad(loss, has_aux=True)(parameters)
        return grads, value, answers

    def targets(labels: Any) -> Any:
        return optax.smooth_labels(jax.nn.one_hot(labels, splits.classes), recipe.smoothing)

    def update(parameters: Any, state: Any, grads: Any, count: Any) -> Any:
        changes, state = rule.update(jax.tree.map(lambda g: g / count, grads), state, parameters)
        return optax.apply_updates(parameters, changes), state

    return jax.jit(lesson, static_argnums=0), jax.jit(targets), jax.jit(update)


def optimiser(recipe: Recipe) -> optax.GradientTransformation:
    """How updates follow from gradients: SGD with Nesterov momentum under the recipe's schedule."""
    warmup = max(1, round(recipe.warmup * recipe.steps))
    rate = optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warmup, max(recipe.steps, warmup + 1))
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip),
        optax.add_decayed_weights(recipe.weight_decay, _decayed),
        optax.sgd(rate, recipe.momentum, nesterov=True),
    )


def _decayed(parameters: Any) -> Any:
    """Which parameters decay: weights; not norms and biases, and not kernel transforms, whose rest is the identity."""

    def decays(path: Any, leaf: jax.Array) -> bool:
        return leaf.ndim > 1 and not str(getattr(path[-1], "key", "")).startswith("transform")

    return jax.tree_util.tree_map_with_path(decays, parameters)
