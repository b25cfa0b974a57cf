"""Training of weights: the supernet under a strategy, or one architecture alone under the same recipe.

A run is a function of its seed and step: batches, augmentation and architectures are drawn from them, so training that
was stopped and restored goes on as if it had not been.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax import arguments, mesh, plugins
from nagjax.elastic import Elastic
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet.forms import Form
from nagjax.supernet.strategy import FIRST, HELD, Lesson, Memory, Strategy
from nagjax.supernet.task import Task

RATES = {"momentum": 0.3, "adamw": 3e-3}
"""The optimisers, and a highest learning rate of each from which to begin."""


def usual_rate(optimiser: str) -> float:
    """The rate of ``RATES``.

    Raises:
      ValueError: if there is no such optimiser.
    """
    if optimiser not in RATES:
        raise ValueError(f"optimiser={optimiser!r} is not one of {', '.join(RATES)}")
    return RATES[optimiser]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How weights are trained.

    Attributes:
      steps: updates.
      batch: examples per update.
      learning_rate: the highest; it rises linearly over ``warmup`` and falls as a cosine to 0, or to the share of it
        that the strategy says.
      warmup: share of the steps.
      momentum: Nesterov's; of Adam the decay of its mean of gradients.
      weight_decay: of weights; norms and biases have none. Of Adam it is decoupled (AdamW).
      clip: greatest global norm of a gradient.
      seed: of everything random.
      optimiser: one of ``RATES``; transformers want ``adamw``.
    """

    steps: int
    batch: int = 128
    learning_rate: float = 0.3
    warmup: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 3e-5
    clip: float = 5.0
    seed: int = 0
    optimiser: str = "momentum"

    def __post_init__(self) -> None:
        arguments.seed(self.seed)
        usual_rate(self.optimiser)
        if self.steps < 1 or not self.learning_rate > 0:
            raise ValueError(f"steps is {self.steps}, learning_rate {self.learning_rate}; both must be above 0")
        for name in ("steps", "batch"):
            arguments.count(getattr(self, name), name)


class TrainState(NamedTuple):
    """What training remembers: parameters, the optimiser's state, the updates done, and the strategy's memory."""

    parameters: Any
    optimiser: Any
    step: int
    memory: Memory = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
    """What is trained.

    Attributes:
      init: key to parameters.
      forward: parameters, prepared inputs and tokens ``[T]`` to outputs float32 ``[N, ...]``; where the strategy has
        taps, to a pair of these and what the points tell.
      lessons: random numbers of the step, progress 0..1 and memory to the step's lessons.
      group: tokens to what a compiled program is for.
      begin: key and fresh parameters to those that training begins with, and the memory.
      after, held, revise, task, rule, final_rate: as in ``Strategy``.
      loss: task, parameters, prepared inputs, aims, tokens and what the lesson gives to what it loses and its outputs;
        None: the mean of the task's loss of what ``forward`` gives.
      penalised: parameters and tokens to the weights of a lesson that decay, where lessons decide; None where all do.
    """

    init: Callable[[jax.Array], Any]
    forward: Callable[[Any, jax.Array, jax.Array], Any]
    lessons: Callable[[np.random.Generator, float, Memory], Sequence[Lesson]]
    group: Callable[[np.ndarray], Hashable]
    begin: Callable[[jax.Array, Any], tuple[Any, Memory]] = lambda _, parameters: (parameters, ())
    after: Callable[[Memory, Any, Any], Memory] | None = None
    held: Callable[[Memory], Any] | None = None
    revise: Callable[[Memory, Any, Any], Any] | None = None
    task: Callable[[Task, int], Task] | None = None
    loss: Callable[..., tuple[jax.Array, jax.Array]] | None = None
    rule: Callable[[optax.GradientTransformation], optax.GradientTransformation] | None = None
    final_rate: float = 0.0
    penalised: Callable[[Any, np.ndarray], Any] | None = None


def supernet_learner(space: Space, valid: np.ndarray, strategy: Strategy, dtype: Any = jnp.float32) -> Learner:
    """The supernet of a space with an elastic network, of which edges ``valid``, bool ``[T, S, C]``, are trained.

    Raises:
      ValueError: if the space has no elastic network, or no architecture is left.
    """
    elastic = elastic_of(space, dtype, strategy.form)
    if not tl.count(space.trellis.target, valid)[0][0]:
        raise ValueError(f"no architecture of {space.identity} is left to train: allow more choices")

    def lessons(rng: np.random.Generator, progress: float, memory: Memory) -> Sequence[Lesson]:
        with plugins.raised_by("strategies", strategy.name, "lessons", passing=(ValueError,)):
            return strategy.lessons(rng, space, valid, progress, memory)

    def forward(parameters: Any, inputs: jax.Array, tokens: jax.Array) -> Any:
        if not strategy.taps:
            return elastic.apply(parameters, inputs, tokens).outputs
        found = elastic.apply(parameters, inputs, tokens, taps=strategy.taps)
        return found.outputs, found.taps

    return Learner(
        init=elastic.init,
        forward=forward,
        lessons=lessons,
        group=elastic.group,
        begin=lambda key, parameters: strategy.begin(key, elastic, parameters),
        after=strategy.after,
        held=strategy.held,
        revise=strategy.revise,
        task=strategy.task,
        loss=None if strategy.loss is None else functools.partial(strategy.loss, elastic),
        rule=strategy.rule,
        final_rate=strategy.final_rate,
        penalised=elastic.used if strategy.lessons_decay else None,
    )


def alone_learner(space: Space, tokens: np.ndarray, dtype: Any = jnp.float32) -> Learner:
    """One architecture, tokens int32 ``[T]``, as a network of its own."""
    elastic = elastic_of(space, dtype)
    alone = elastic.alone(tokens)
    return Learner(
        init=alone.init,
        forward=lambda parameters, inputs, _: alone.apply(parameters, inputs, None)[0],
        lessons=lambda _rng, _progress, _memory: [Lesson(tokens)],
        group=elastic.group,
    )


def elastic_of(space: Space, dtype: Any = jnp.float32, form: Form | None = None) -> Elastic:
    """The elastic network of a space, which computes in ``dtype``, for parameters of a form.

    Raises:
      ValueError: if the space has none, or the form does not suit it.
    """
    if space.elastic is None:
        raise ValueError(
            f"space {space.name} has no supernet: give it elastic=..., one set of weights for all its architectures"
        )
    with plugins.raised_by("spaces", space.name, "elastic", passing=(ValueError,)):
        made = space.elastic(jnp.dtype(dtype))
    plain = plugins.expect("spaces", space.name, made, Elastic)
    return plain if form is None else form.elastic(space, plain)


def start(learner: Learner, recipe: Recipe, place: mesh.Placement = mesh.ONE) -> TrainState:
    """The state before the first update, which lies on devices as ``place`` says."""

    def begin(key: jax.Array, fresh: Any) -> tuple[Any, Memory]:
        parameters, memory = learner.begin(key, fresh)
        return place.held(parameters), place.held_everywhere(memory)

    key = jax.random.key(recipe.seed)
    fresh = jax.jit(lambda key: place.held(learner.init(key)))(key)
    parameters, memory = jax.jit(begin)(jax.random.fold_in(key, 1), fresh)
    state = jax.jit(lambda parameters: place.held(_rule(learner, recipe).init(parameters)))(parameters)
    return TrainState(parameters, state, 0, memory)


def placed(state: TrainState, place: mesh.Placement) -> TrainState:
    """A state of NumPy arrays, such as a checkpoint's, on devices. Every device holds a strategy's memory whole."""
    return TrainState(
        place.parameters(state.parameters), place.parameters(state.optimiser), int(state.step),
        place.everywhere(state.memory),
    )  # fmt: skip


def train(
    learner: Learner, task: Task, recipe: Recipe, state: TrainState, place: mesh.Placement = mesh.ONE
) -> Iterator[tuple[TrainState, jax.Array]]:
    """Updates from ``state`` on; yields the state and the loss of the first lesson after each.

    The loss is a device scalar converted late: reading it waits for the step.

    Args:
      learner: what is trained.
      task: what on.
      recipe: how.
      state: lies on devices as ``place`` says.
      place: where; over several devices the batch is shared among them, and norms see all of it.

    Raises:
      ValueError: if the devices do not divide the batch.
    """
    place.check_batch(recipe.batch)
    if learner.task is not None:
        task = learner.task(task, recipe.seed)
    run = _programs(learner, task, recipe, place)
    while state.step < recipe.steps:
        inputs, targets = place.examples(task.batch(state.step, recipe.batch, recipe.seed))
        progress = state.step / recipe.steps
        lessons = learner.lessons(np.random.default_rng([recipe.seed, 3, state.step]), progress, state.memory)
        aims = run.aims(targets)
        total, first_answers, first_loss = None, aims, jnp.zeros(())
        for at, lesson in enumerate(lessons):
            group = learner.group(lesson.tokens)
            aim = aims
            if lesson.teacher == FIRST:
                aim = first_answers
            elif lesson.teacher == HELD:
                of = lesson.tokens if lesson.of is None else lesson.of
                aim = run.told(learner.group(of), state.memory, inputs, of)
            grads, loss, answers = run.gradients(group, state.parameters, inputs, aim, lesson.tokens, lesson.given)
            if learner.penalised is not None and lesson.regularised:
                grads = _added(grads, run.decay(tuple(lesson.tokens.tolist()), state.parameters))
            total = grads if total is None else _added(total, grads)
            if at == 0:
                first_answers, first_loss = answers, loss
        parameters, optimiser = run.update(state.parameters, state.optimiser, total, len(lessons))
        if learner.revise is not None:
            parameters = run.revise(state.memory, parameters, progress)
        memory = state.memory if learner.after is None else run.after(state.memory, parameters, progress)
        state = TrainState(parameters, optimiser, state.step + 1, memory)
        yield state, first_loss


def train_whole(learner: Learner, task: Task, recipe: Recipe, place: mesh.Placement = mesh.ONE) -> TrainState:
    """The state at the end of a training; arguments and errors are those of ``train``."""
    state = start(learner, recipe, place)
    for reached, _ in train(learner, task, recipe, state, place):
        state = reached
    return state


@jax.jit
def are_finite(parameters: Any) -> jax.Array:
    """Whether all parameters are numbers, bool; once one is not, all that is learned after it is lost."""
    floats = [leaf for leaf in jax.tree.leaves(parameters) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in floats])) if floats else jnp.array(True)


@jax.jit
def _added(one: Any, other: Any) -> Any:
    """The sum of two trees, in one program."""
    return jax.tree.map(jnp.add, one, other)


class _Programs(NamedTuple):
    """The compiled parts of an update."""

    gradients: Any
    aims: Any
    update: Any
    told: Any
    decay: Any
    after: Any
    revise: Any


def _programs(learner: Learner, task: Task, recipe: Recipe, place: mesh.Placement) -> _Programs:
    """The parts, each compiled when it is first used."""
    rule = _rule(learner, recipe)

    def lesson(group: Hashable, parameters: Any, inputs: Any, aim: Any, tokens: Any, given: Any) -> Any:
        def loss(parameters: Any) -> Any:
            value, outputs = _judged(learner, task, parameters, task.prepare(inputs, group), aim, tokens, given)
            return value, task.answers(outputs)

        (value, answers), grads = jax.value_and_grad(loss, has_aux=True)(parameters)
        return place.held(grads), value, answers

    def told(group: Hashable, memory: Memory, inputs: Any, tokens: Any) -> Any:
        if learner.held is None:
            raise ValueError(f"a lesson has the teacher {HELD!r}, and its strategy holds no weights: give it held=...")
        return task.answers(learner.forward(learner.held(memory), task.prepare(inputs, group), tokens))

    def update(parameters: Any, state: Any, grads: Any, count: Any) -> Any:
        changes, state = rule.update(jax.tree.map(lambda g: g / count, grads), state, parameters)
        return place.held((optax.apply_updates(parameters, changes), state))

    def decay(tokens: tuple[int, ...], parameters: Any) -> Any:
        def penalty(parameters: Any) -> jax.Array:
            assert learner.penalised is not None
            used = learner.penalised(parameters, np.array(tokens, np.int32))
            kept = jax.tree.leaves(jax.tree.map(lambda leaf, on: leaf if on else jnp.zeros(()), used, _decayed(used)))
            return 0.5 * recipe.weight_decay * sum((jnp.square(leaf).sum() for leaf in kept), jnp.zeros(()))

        return place.held(jax.grad(penalty)(parameters))

    def after(memory: Memory, parameters: Any, progress: Any) -> Memory:
        assert learner.after is not None
        return place.held_everywhere(learner.after(memory, parameters, progress))

    def revise(memory: Memory, parameters: Any, progress: Any) -> Any:
        assert learner.revise is not None
        return place.held(learner.revise(memory, parameters, progress))

    return _Programs(
        jax.jit(lesson, static_argnums=0), jax.jit(task.aims), jax.jit(update), jax.jit(told, static_argnums=0),
        jax.jit(decay, static_argnums=0), jax.jit(after), jax.jit(revise),
    )  # fmt: skip


def _judged(
    learner: Learner, task: Task, parameters: Any, prepared: jax.Array, aim: Any, tokens: jax.Array, given: Any
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """What a lesson loses, and its outputs."""
    if learner.loss is not None:
        return learner.loss(task, parameters, prepared, aim, tokens, given)
    outputs = learner.forward(parameters, prepared, tokens)
    return task.loss(outputs, aim).mean(), outputs


def _rule(learner: Learner, recipe: Recipe) -> optax.GradientTransformation:
    """How a learner's parameters follow from gradients."""
    rule = optimiser(recipe, learner.final_rate, decays=learner.penalised is None)
    return rule if learner.rule is None else learner.rule(rule)


def optimiser(recipe: Recipe, final_rate: float = 0.0, decays: bool = True) -> optax.GradientTransformation:
    """How updates follow from gradients: SGD with Nesterov momentum, or AdamW, under the recipe's schedule.

    AdamW is that of Loshchilov and Hutter (arXiv 1711.05101), with optax's ``b2`` and ``eps``. ``final_rate`` is the
    last learning rate, a share of the highest. Weights decay here if ``decays``, else by lessons, whose decay is part
    of the gradient.
    """
    warmup = max(1, round(recipe.warmup * recipe.steps))
    highest = recipe.learning_rate
    rate = optax.warmup_cosine_decay_schedule(
        0.0, highest, warmup, max(recipe.steps, warmup + 1), end_value=final_rate * highest
    )
    decay = recipe.weight_decay if decays else 0.0
    if recipe.optimiser == "adamw":
        adam = optax.adamw(rate, recipe.momentum, weight_decay=decay, mask=_decayed)
        return optax.chain(optax.clip_by_global_norm(recipe.clip), adam)
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip),
        optax.add_decayed_weights(decay, _decayed),
        optax.sgd(rate, recipe.momentum, nesterov=True),
    )


def _decayed(parameters: Any) -> Any:
    """Which parameters decay: weights; not norms and biases, and not kernel transforms, whose rest is the identity."""

    def decays(path: Any, leaf: jax.Array) -> bool:
        return leaf.ndim > 1 and not str(getattr(path[-1], "key", "")).startswith("transform")

    return jax.tree_util.tree_map_with_path(decays, parameters)
