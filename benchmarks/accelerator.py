"""What an accelerator does: generation, a supernet's training, many runs as one program, and which convolution.

``python -m benchmarks.accelerator [--force]`` ends with {accelerator, generation_per_s, supernet_images_per_s,
supernet_images_per_s_bfloat16, runs_updates_per_s, depthwise_taps_over_native}. No data are read. Where jax finds no
accelerator, ``accelerator`` is none, no other figure is given, and nothing is timed; ``--force`` times all the same.

Generation is of a fresh generator of the size that ``nag`` trains, on OFA MobileNetV3, in batches of ``BATCH``. The
supernet is ``mobilenet_v3_small28`` at its highest resolution, ``IMAGES`` an update, one random architecture each, and
images are counted through forward, backward and update. ``runs_updates_per_s`` are updates of ``RUNS`` runs of ``nag``
in all. The last figure is the time of a depthwise convolution with its gradients by shifted multiply-adds, as they are
on processors, over that of XLA's own, the least of a MobileNet's shapes: above 1 the choice that is made is the right
one for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.exact_budgets import random_quality
from benchmarks.sweep import SIZES
from nagjax import depthwise, many_runs, plugins, testing
from nagjax.budgets import budget_at
from nagjax.controllers import Limits
from nagjax.devices.pricing import analytic
from nagjax.generator.decode import sample
from nagjax.generator.policy import init_policy
from nagjax.problems.build import make_problem
from nagjax.spaces import ofa_mobilenet_v3
from nagjax.supernet import training
from nagjax.supernet.strategy import make_strategy, random_path

BATCH, IMAGES, RUNS, CALLS = 4096, 512, 64, 10
SHAPES = (((128, 56, 56, 72), 3, 1), ((128, 56, 56, 72), 5, 2), ((128, 28, 28, 240), 5, 1), ((128, 14, 14, 480), 3, 1))
"""Feature maps, side of the kernel and stride."""


def least_s(call: Callable[[], Any]) -> float:
    """The least seconds of some calls, after one that compiles."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def generation_per_s(batch: int = BATCH) -> float:
    """Architectures a second that a fresh generator draws."""
    space = ofa_mobilenet_v3.make(width=1.2)
    problem, _ = make_problem(space, [analytic(space, "madds")], random_quality(space, np.random.default_rng(0)))
    policy = init_policy(jax.random.key(0), problem.spec, hidden=64, num_anchors=256)
    budgets = budget_at(problem, jnp.linspace(0.0, 1.0, batch)[:, None])
    draw, key = jax.jit(sample), jax.random.key(1)
    return batch / least_s(lambda: draw(policy, problem, budgets, key))


def supernet_images_per_s(dtype: Any, batch: int = IMAGES) -> float:
    """Images a second through forward, backward and update of one random architecture."""
    space = plugins.load("spaces", "mobilenet_v3_small28")()
    elastic = training.elastic_of(space, dtype)
    side = elastic.group(space.largest())
    valid, rng = space.where({"resolution": side}), np.random.default_rng(0)
    learner = training.supernet_learner(space, valid, make_strategy("single_path"), dtype)
    images = jnp.asarray(elastic.example(side, batch, rng))
    labels = rng.integers(0, elastic.sizes["classes"], batch)
    tokens = jnp.asarray(random_path(rng, space, valid))

    @jax.jit
    def step(parameters: Any) -> Any:
        def loss(parameters: Any) -> Any:
            scores = jax.nn.log_softmax(learner.forward(parameters, images, tokens))
            return -scores[np.arange(batch), labels].mean()

        return jax.tree.map(lambda p, g: p - 1e-3 * g, parameters, jax.grad(loss)(parameters))

    parameters = learner.init(jax.random.key(0))
    return batch / least_s(lambda: step(parameters))


def runs_updates_per_s(runs: int = RUNS, steps: int = 50) -> float:
    """Updates a second of runs of ``nag`` in one program, all runs counted."""
    problem = testing.tiny_problem(variant="wide").problem
    controller = plugins.load("controllers", "nag")(problem.spec, **SIZES)
    return runs * steps / least_s(lambda: many_runs.train_many(controller, problem, range(runs), Limits(steps)))


def taps_over_native(shapes: Any = SHAPES) -> float:
    """The least ratio of two ways to compute a depthwise convolution and its gradients."""
    return min(_convolution_s(depthwise.taps, *shape) / _convolution_s(depthwise.native, *shape) for shape in shapes)


def _convolution_s(way: Callable[..., jax.Array], shape: tuple[int, ...], kernel: int, stride: int) -> float:
    keys = jax.random.split(jax.random.key(0))
    x, weights = jax.random.normal(keys[0], shape), jax.random.normal(keys[1], (kernel, kernel, shape[-1]))
    both = jax.jit(jax.grad(lambda x, weights: jnp.sum(way(x, weights, stride) ** 2), (0, 1)))
    return least_s(lambda: both(x, weights))


def benchmark(_data_dir: Path, results: str, force: bool) -> dict[str, Any]:
    """The result; no public data is in it."""
    device = jax.devices()[0]
    found: dict[str, Any] = {"accelerator": "none" if device.platform == "cpu" else device.device_kind}
    if device.platform == "cpu" and not force:
        print("no accelerator: jax finds processors alone; nothing is timed (--force times them)")
        return found
    found |= {
        "generation_per_s": round(generation_per_s()),
        "supernet_images_per_s": round(supernet_images_per_s(jnp.float32)),
        "supernet_images_per_s_bfloat16": round(supernet_images_per_s(jnp.bfloat16)),
        "runs_updates_per_s": round(runs_updates_per_s()),
        "depthwise_taps_over_native": round(taps_over_native(), 2),
    }
    common.write_result(results, found)
    return found


if __name__ == "__main__":
    flags.DEFINE_bool("force", False, "Time processors too.")
    flags.DEFINE_string("results", "", "File that the result is written to as well.")
    common.main(lambda data_dir: benchmark(data_dir, flags.FLAGS.results, flags.FLAGS.force))
