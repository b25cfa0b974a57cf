"""The task ``waves``, a regression, and the strategy ``mean_taught``, whose teacher is a mean of past weights."""

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.authoring import HELD, Lesson, Strategy, Task, arrays, epochs, random_path


def make_waves(features: int = 4, seed: int = 0) -> Task:
    """Points of a cube, and the sum of a sine of each coordinate; quality is max(0, R2)."""

    def part(num, own):
        x = np.random.default_rng([seed, own]).uniform(-2, 2, (num, features)).astype(np.float32)
        return arrays(x, np.sin(x).sum(1, keepdims=True))

    def sums(outputs, targets, weight):
        missed = ((outputs - targets) ** 2).sum(1) * weight
        y = targets[:, 0]
        return {"loss": missed.sum(), "total": (y * weight).sum(), "squares": (y**2 * weight).sum()}

    def quality(sums, number):
        return max(0.0, 1.0 - float(sums["loss"] / (sums["squares"] - sums["total"] ** 2 / number)))

    train = part(512, 1)
    return Task(
        name="waves",
        settings={"features": features, "seed": seed},
        sizes={"features": features, "outputs": 1},
        train=train,
        validation=part(128, 2),
        test=part(128, 3),
        batch=epochs(train),
        prepare=lambda inputs, group: jnp.asarray(inputs),
        aims=lambda targets: targets,
        loss=lambda outputs, aims: ((outputs - aims) ** 2).sum(1),
        answers=lambda outputs: outputs,
        sums=sums,
        quality=quality,
    )


def make_mean_taught(share: float = 0.9) -> Strategy:
    """The largest learns from labels, a random one from what the largest said with the mean of past weights."""

    def lessons(rng, space, edges, progress, memory):
        largest = space.largest(edges)
        return [Lesson(largest), Lesson(random_path(rng, space, edges), HELD, of=largest)]

    def after(memory, parameters, progress):
        return jax.tree.map(lambda mean, now: share * mean + (1 - share) * now, memory, parameters)

    return Strategy(
        name="mean_taught",
        settings={"share": share},
        lessons=lessons,
        begin=lambda key, elastic, parameters: (parameters, parameters),
        after=after,
        held=lambda memory: memory,
    )
