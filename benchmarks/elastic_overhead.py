"""What choosing costs: a training step of the largest architecture inside its supernet, by one of it alone.

``python -m benchmarks.elastic_overhead [--spaces=NAMES] [--results=FILE]`` ends with {ratio: {SPACE: ratio}}. A step is
forward and backward pass of the same inputs with the same weights: once through the elastic program, whose tokens are
traced and whose gradients are of all weights, once through the network alone. Both are timed in alternation in one run,
and the ratio is that of the medians. Without --spaces all registered spaces that have an elastic network are timed, at
sizes of small images.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from nagjax import plugins
from nagjax.supernet.training import elastic_of

_SPACES = flags.DEFINE_list("spaces", [], "Registered spaces; all with an elastic network unless given.")
_TURNS = flags.DEFINE_integer("turns", 15, "Steps of each that are timed.", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch", 64, "Examples of a step.", lower_bound=1)
_RESULTS = flags.DEFINE_string("results", "", "File of the result.")

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "elastic_decoder": {"length": 64, "vocabulary": 96},
    "nas_bench_201": {"channels": 8, "cells": 1, "image_size": 28, "image_channels": 1},
    "nas_bench_macro": {"width": 8, "image_size": 32, "image_channels": 1},
}
"""Settings other than the defaults, at which two cores train a space."""

LEFT_OUT: Mapping[str, str] = {
    "ofa_mobilenet_v3": "is of the family of mobilenet_v3_small28, for images of up to 224 pixels",
    "tabular": "has no networks, and cannot be made without settings",
}


def overhead() -> dict[str, Any]:
    """The result of this benchmark; with --results what the file has is kept, and what is missing is measured."""
    path = Path(_RESULTS.value)
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in _SPACES.value or names():
        if name not in found:
            inside, beside = measure(name)
            found[name] = {
                "ratio": inside / beside, "within_ms": 1000 * inside, "alone_ms": 1000 * beside,
                "batch": _BATCH.value, "turns": _TURNS.value,
            }  # fmt: skip
            common.write_result(_RESULTS.value, found)
    return {"ratio": {name: one["ratio"] for name, one in found.items()}}


def names() -> list[str]:
    """The registered spaces that are timed."""
    every = [name for name in plugins.names("spaces") if name not in LEFT_OUT]
    return [name for name in every if plugins.load("spaces", name)(**SETTINGS.get(name, {})).elastic is not None]


def measure(name: str) -> tuple[float, float]:
    """Median seconds of a step of the largest architecture of a space, inside its supernet and alone."""
    space = plugins.load("spaces", name)(**SETTINGS.get(name, {}))
    elastic, tokens = elastic_of(space), space.largest()
    alone = elastic.alone(tokens)
    parameters = jax.jit(elastic.init)(jax.random.key(0))
    used = jax.tree.map(jnp.array, elastic.used(parameters, tokens))
    x = jnp.asarray(elastic.example(elastic.group(tokens), _BATCH.value, np.random.default_rng(0)))
    shape = jax.eval_shape(lambda p: alone.apply(p, x, None)[0], used).shape
    weight = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    within = _compiled(lambda p, x, row: (elastic.apply(p, x, row).outputs * weight).mean(), parameters, x, tokens)
    apart = _compiled(lambda p, x: (alone.apply(p, x, None)[0] * weight).mean(), used, x)
    times = np.array([(_seconds(within), _seconds(apart)) for _ in range(1 + _TURNS.value)][1:])
    inside, beside = np.median(times, axis=0).tolist()
    print(f"{name}: {1000 * inside:.1f} ms within, {1000 * beside:.1f} ms alone: {inside / beside:.3f}", flush=True)
    return inside, beside


def _compiled(loss: Any, parameters: Any, *given: Any) -> Any:
    """A step as a function of nothing: a loss and its gradients by the parameters.

    Inputs are given as well, since of constants a compiler computes what it can beforehand.
    """
    program = jax.jit(jax.value_and_grad(loss)).lower(parameters, *given).compile()
    return lambda: program(parameters, *given)


def _seconds(step: Any) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(step())
    return time.perf_counter() - begin


if __name__ == "__main__":
    common.main(lambda _: overhead())
