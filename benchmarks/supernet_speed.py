"""How fast a supernet trains: images/s of the elastic network, and what the depthwise convolution of our own gives.

``python -m benchmarks.supernet_speed`` ends with {images_per_s, speedup_over_native_depthwise}. One image is one image
through forward, backward and update of one random architecture (strategy single_path) at the highest resolution and
batch 128; data are random. Both variants are timed in alternation in one run; medians over the architectures.
"""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from nagjax import depthwise, plugins
from nagjax.operators import mbconv
from nagjax.spaces import mobilenet_v3_elastic
from nagjax.supernet import training
from nagjax.supernet.strategy import make_strategy, random_path

_NETWORKS = flags.DEFINE_integer("networks", 12, "Random architectures that are timed.", lower_bound=1)
_SPACE = flags.DEFINE_string("space", "mobilenet_v3_small28", "Space of the MobileNetV3 family.")
BATCH = 128


def speed() -> dict[str, Any]:
    """The result of this benchmark."""
    space = plugins.load("spaces", _SPACE.value)()
    elastic = training.elastic_of(space)
    side = elastic.group(space.largest())
    valid = space.where({"resolution": side})
    learner = training.supernet_learner(space, valid, make_strategy("single_path"))
    rng = np.random.default_rng(0)
    images = jnp.asarray(elastic.example(side, BATCH, rng))
    parameters = learner.init(jax.random.key(0))
    drawn = [random_path(rng, space, valid) for _ in range(_NETWORKS.value)]
    labels = rng.integers(0, elastic.sizes["classes"], BATCH)

    def step(parameters: Any, tokens: Any) -> Any:
        def loss(parameters: Any) -> Any:
            scores = jax.nn.log_softmax(learner.forward(parameters, images, tokens))
            return -scores[np.arange(BATCH), labels].mean()

        return jax.tree.map(lambda p, g: p - 1e-3 * g, parameters, jax.grad(loss)(parameters))

    ours = jax.jit(step).lower(parameters, drawn[0]).compile()
    # What was traced with one convolution must not be taken for the other.
    jax.clear_caches()
    mobilenet_v3_elastic.apply_elastic.cache_clear()
    with mock.patch.object(mbconv, "depthwise", depthwise.native):
        native = jax.jit(step).lower(parameters, drawn[0]).compile()
    times: dict[str, list[float]] = {"ours": [], "native": []}
    for tokens in drawn:
        for name, program in (("ours", ours), ("native", native)):
            times[name].append(min(_seconds(program, parameters, tokens) for _ in range(3)))
    rates = {name: BATCH / float(np.median(values)) for name, values in times.items()}
    print(f"images/s: {rates['ours']:.0f} with ours, {rates['native']:.0f} with XLA's grouped convolution")
    ratio = float(np.median(np.array(times["native"]) / np.array(times["ours"])))
    return {"images_per_s": rates["ours"], "speedup_over_native_depthwise": ratio}


def _seconds(program: Any, parameters: Any, tokens: np.ndarray) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(program(parameters, tokens))
    return time.perf_counter() - begin


if __name__ == "__main__":
    common.main(lambda _: speed())
