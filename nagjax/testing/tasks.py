"""What tasks and strategies have to keep, each a check of a factory and its settings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.spaces.space import Space
from nagjax.supernet import storage, training
from nagjax.supernet.strategy import FIRST, HELD, Lesson, Strategy
from nagjax.supernet.task import DATA_DIR, Part, Task
from nagjax.testing.runs import as_json, check_refused, claim, same
from nagjax.testing.small import small_space, small_task

MakeTask = Callable[..., Task]
MakeStrategy = Callable[..., Strategy]

SIZE, STEPS = 8, (3, 0, 7)
"""Examples of a batch, and steps that are asked for, out of order."""

MOST = 1000
"""Examples of a part that are looked for in others."""

RECIPE = training.Recipe(steps=4, batch=SIZE, learning_rate=0.05)


def check_task_settings(make: MakeTask, **settings: Any) -> None:
    """Settings are JSON, and the factory called with them makes the same task; what is not known is refused."""
    name, task = "task settings", make(**settings)
    claim(name, isinstance(task, Task), f"the factory returned {type(task).__name__}, no Task")
    claim(name, isinstance(task.name, str) and bool(task.name), f"name is {task.name!r}; it must be text")
    written = as_json(name, "settings", task.settings)
    own = {key: value for key, value in settings.items() if key != DATA_DIR}
    lacking = sorted(set(own) - set(written))
    claim(name, not lacking, f"settings lack {', '.join(lacking)}, which the factory was given")
    claim(name, DATA_DIR not in written, f"{DATA_DIR} is among its settings: it is of this machine")
    again = make(**written, **{key: value for key, value in settings.items() if key == DATA_DIR})
    claim(name, same(_batch(again, 0), _batch(task, 0)), f"made from its settings {written} it has other batches")
    fine = all(isinstance(key, str) and type(value) is int for key, value in task.sizes.items())
    claim(name, bool(task.sizes) and fine, f"sizes are {dict(task.sizes)}: give whole numbers by name")
    check_refused(name, lambda: make(**settings, a_setting_that_is_none=1))


def check_task_batches(make: MakeTask, **settings: Any) -> None:
    """A batch is a function of step, size and seed alone, whatever was asked before; its first axis is the size."""
    name, task, other = "task batches", make(**settings), make(**settings)
    forward = {step: _batch(task, step) for step in sorted(STEPS)}
    for step in STEPS:
        batch = _batch(other, step)
        claim(name, same(batch, forward[step]), f"the batch of step {step} depends on what was asked before")
        sizes = {len(leaf) for leaf in jax.tree.leaves(batch)}
        claim(name, sizes == {SIZE}, f"a batch of {SIZE} has first axes of {sorted(sizes)}")
    claim(name, not same(forward[0], _batch(task, 0, seed=1)), "another seed gives the same batch")
    claim(name, not same(forward[0], forward[3]), "steps 0 and 3 have the same batch")


def check_task_parts(make: MakeTask, **settings: Any) -> None:
    """Each part gives the examples that are asked for, in that order; draws are repeated."""
    name, task = "task parts", make(**settings)
    for what in ("train", "validation", "test"):
        part = getattr(task, what)
        claim(name, len(part) > 0, f"{what} is empty")
        rows = np.array([len(part) - 1, 0])
        pair, one = part.at(rows), part.at(rows[1:])
        last = jax.tree.map(lambda leaf: leaf[1:], pair)
        claim(name, same(last, one), f"{what}: example 0 differs when it is asked for with another")
        half = max(1, len(part) // 3)
        drawn = [part.draw(half, 5, what).at(np.arange(half)) for _ in range(2)]
        claim(name, same(*drawn), f"{what}: two draws of one seed differ")


def check_task_loss(make: MakeTask, **settings: Any) -> None:
    """Inputs can be prepared; a loss an example, least where outputs are what is aimed at; quality is a fraction."""
    name, task = "task loss", make(**settings)
    inputs, targets = _batch(task, 0)
    prepared = jax.jit(task.prepare, static_argnums=1)(inputs, task.group)
    claim(name, len(prepared) == SIZE, f"prepared inputs have shape {prepared.shape} for {SIZE} examples")
    few = task.prepare(jax.tree.map(lambda leaf: leaf[:2], inputs), task.group)
    moved = jnp.abs(few.astype(jnp.float32) - prepared[:2].astype(jnp.float32)).max()
    claim(name, float(moved) < 1e-3, "an example is prepared otherwise among others; prepare each alone")
    if task.given is not None and task.mean:
        wide = (1,) * (prepared.ndim - 1) + (-1,)
        mean, std = (jnp.asarray(value, jnp.float32).reshape(wide) for value in (task.mean, task.std))
        far = jnp.abs((jnp.asarray(task.deployed(inputs, task.group)) - mean) / std - prepared).max()
        claim(name, float(far) < 1e-3, "what a deployed network is given, standardised, is not what is prepared")
    outputs = _outputs(task, targets)
    loss = jax.jit(task.loss)(outputs, jax.jit(task.aims)(targets))
    claim(name, loss.shape == (SIZE,), f"loss has shape {loss.shape}, not [{SIZE}]")
    claim(name, bool(jnp.isfinite(loss).all()), "a loss is not finite")
    answers, judge = jax.jit(task.answers)(outputs), jax.jit(task.loss)
    own, swapped = (np.asarray(judge(one, answers)) for one in (outputs, np.asarray(outputs)[::-1]))
    claim(name, bool((own <= swapped + 1e-6).all()), "outputs lose more against their own answers than others do")


def check_task_quality(make: MakeTask, **settings: Any) -> None:
    """Sums add up over examples, weight 0 leaves one out; quality is a fraction of any outputs, most of right ones."""
    name, task = "task quality", make(**settings)
    _, targets = _batch(task, 0)
    outputs, sums = _outputs(task, targets), jax.jit(task.sums)
    whole = sums(outputs, targets, jnp.ones(SIZE))
    claim(name, "loss" in whole, f"sums are {sorted(whole)}: loss is not among them")
    first = (np.arange(SIZE) < SIZE // 2).astype(np.float32)
    halves = [sums(outputs, targets, jnp.asarray(weight)) for weight in (first, 1 - first)]
    added = jax.tree.map(lambda one, other: one + other, *halves)
    for key, value in whole.items():
        close = np.allclose(value, added[key], rtol=1e-4, atol=1e-4)
        claim(name, close, f"the sums {key!r} of two halves do not add up to that of all")
    judged = {"random": outputs, "right": jax.jit(task.aims)(targets), "wild": 1000 * outputs}
    quality = {}
    for what, said in judged.items():
        found = whole if what == "random" else sums(said, targets, jnp.ones(SIZE))
        quality[what] = float(task.quality({key: np.asarray(value, np.float64) for key, value in found.items()}, SIZE))
        claim(name, 0 <= quality[what] <= 1, f"quality of {what} outputs is {quality[what]:g}, not a fraction, 0 to 1")
    best = max(quality, key=lambda what: quality[what])
    told = f"quality of what is aimed at is {quality['right']:g}, of {best} outputs {quality[best]:g}; more is better"
    claim(name, quality["right"] == quality[best], told)


def check_task_held_out(make: MakeTask, **settings: Any) -> None:
    """What is trained on is not what is validated on, and neither is what is tested on, but for a few equal rows."""
    name, task = "task held_out", make(**settings)
    shown = {"train": _rows(task.train), "a batch": _rows_of(_batch(task, 0))}
    for what, part in (("validation", task.validation), ("test", task.test)):
        held = _rows(part)
        for other, rows in shown.items():
            shared = sum(row in held for row in rows)
            told = f"{shared} of {len(rows)} examples of {other} stand in {what}; give each part its own (three_parts)"
            claim(name, 2 * shared < len(rows), told)
        shown[what] = held


TASK_CHECKS: tuple[Callable[..., None], ...] = (
    check_task_settings,
    check_task_batches,
    check_task_parts,
    check_task_held_out,
    check_task_loss,
    check_task_quality,
)


def check_task(make: MakeTask, **settings: Any) -> None:
    """Run every check on a factory of tasks.

    Raises:
      AssertionError: if a check fails; the text begins with its name.
    """
    for check in TASK_CHECKS:
        check(make, **settings)


def check_strategy_settings(make: MakeStrategy, **settings: Any) -> None:
    """Settings are JSON, and the factory called with them makes the same strategy; what is not known is refused."""
    name, strategy = "strategy settings", make(**settings)
    claim(name, isinstance(strategy, Strategy), f"the factory returned {type(strategy).__name__}, no Strategy")
    claim(name, isinstance(strategy.name, str) and bool(strategy.name), f"name is {strategy.name!r}; it must be text")
    written = as_json(name, "settings", strategy.settings)
    lacking = sorted(set(settings) - set(written))
    claim(name, not lacking, f"settings lack {', '.join(lacking)}, which the factory was given")
    again = make(**written)
    claim(name, dict(again.settings) == written, f"made from its settings {written} it has {dict(again.settings)}")
    claim(name, 0 <= strategy.final_rate <= 1, f"final_rate is {strategy.final_rate!r}, not a share")
    check_refused(name, lambda: make(**settings, a_setting_that_is_none=1))


def check_strategy_lessons(make: MakeStrategy, **settings: Any) -> None:
    """Lessons repeat for one step, are architectures within the edges, and the first learns from no other."""
    name, strategy, space = "strategy lessons", make(**settings), small_space()
    memory = training.start(_learner(strategy, space, space.trellis.valid), RECIPE).memory
    for conditions in ({}, {"block1": 1}):
        edges = space.where(conditions)
        for progress in (0.0, 0.3, 0.6, 1.0):
            for seed in range(4):
                one, other = (
                    strategy.lessons(np.random.default_rng(seed), space, edges, progress, memory) for _ in range(2)
                )
                claim(name, len(one) > 0, f"at {progress} there is no lesson")
                rows = [[lesson.tokens.tolist() for lesson in lessons] for lessons in (one, other)]
                claim(name, rows[0] == rows[1], "the same random numbers give different lessons")
                _check_lessons(name, space, edges, one, strategy)


def check_strategy_training(make: MakeStrategy, **settings: Any) -> None:
    """It trains: weights change and stay finite, and a run that was stored and restored goes on bit for bit."""
    name, strategy, space = "strategy training", make(**settings), small_space()
    learner, task = _learner(strategy, space, space.trellis.valid), small_task()
    begun = training.start(learner, RECIPE)
    states = [begun, *(state for state, _ in training.train(learner, task, RECIPE, begun))]
    leaves = jax.tree.leaves(states[-1].parameters)
    claim(name, all(bool(jnp.isfinite(leaf).all()) for leaf in leaves), "weights are not finite after four steps")
    claim(name, not same(states[-1].parameters, begun.parameters), "weights are what they were before training")
    shapes = [jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), s.memory) for s in states]
    claim(name, all(one == shapes[0] for one in shapes), "its memory changes shape or type")
    with tempfile.TemporaryDirectory() as folder:
        with storage.Writer(Path(folder), {}) as writer:
            writer.save(states[2], 0.0)
        restored, _ = storage.read_state(Path(folder), begun)
    claim(name, same(restored.memory, states[2].memory), "its memory is not what was stored")
    *_, (end, _) = training.train(learner, task, RECIPE, restored)
    claim(
        name, same((end.parameters, end.memory), (states[-1].parameters, states[-1].memory)), "a restored run differs"
    )


STRATEGY_CHECKS: tuple[Callable[..., None], ...] = (
    check_strategy_settings,
    check_strategy_lessons,
    check_strategy_training,
)


def check_strategy(make: MakeStrategy, **settings: Any) -> None:
    """Run every check on a factory of strategies, in a space of 6 architectures on made-up images.

    Raises:
      AssertionError: if a check fails; the text begins with its name.
    """
    for check in STRATEGY_CHECKS:
        check(make, **settings)


def _learner(strategy: Strategy, space: Space, edges: np.ndarray) -> training.Learner:
    return training.supernet_learner(space, edges, strategy)


def _check_lessons(name: str, space: Space, edges: np.ndarray, lessons: Any, strategy: Strategy) -> None:
    for at, lesson in enumerate(lessons):
        claim(name, isinstance(lesson, Lesson), f"a lesson is {type(lesson).__name__}, no Lesson")
        tokens = lesson.tokens
        claim(name, tokens.dtype == np.int32, f"tokens are {tokens.dtype}, not int32")
        space.check(tokens[None])
        inside = space.path_values(tokens[None], edges).all()
        claim(name, bool(inside), f"{space.format(tokens)} is taught, and the conditions do not admit it")
        claim(name, at > 0 or lesson.teacher != FIRST, "the first lesson is taught by itself")
        held = lesson.teacher != HELD or strategy.held is not None
        claim(name, held, "a lesson is taught by held weights, and there is no held")


def _batch(task: Task, step: int, seed: int = 0) -> Any:
    return task.batch(step, SIZE, seed)


def _rows(part: Part) -> set[bytes]:
    return _rows_of(part.at(np.arange(min(len(part), MOST))))


def _rows_of(examples: Any) -> set[bytes]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(examples)]
    return {b"".join(leaf[row].tobytes() for leaf in leaves) for row in range(len(leaves[0]))}


def _outputs(task: Task, targets: Any) -> jax.Array:
    """Random outputs that the task can judge: of the shape of its aims."""
    shape = jax.tree.leaves(jax.eval_shape(task.aims, targets))[0].shape
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
