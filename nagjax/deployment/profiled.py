"""onnxruntime as a device of the profiler: how operators and networks are made ready to be timed in it.

A network is timed as it is deployed: one call of the file's graph. An operator alone in a call would mostly show the
call, and the change of layout that the runtime makes once a network around its convolutions. So several copies of the
operator, with weights of their own, stand side by side on one input in one graph; each ends in a global average pool,
which takes the runtime's own layout and leaves nearly nothing to copy out. From the time of a call that of the pools
alone is taken, timed right after it, and the rest divided by their number. In int8 the runtime pools integers and
changes the layout, which whole networks do not: the pools alone do both, node by node as it does.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import blocks
from nagjax.deployment import onnx_models, quantisation, runtime
from nagjax.deployment.subnets import Subnet
from nagjax.deployment.timing import call
from nagjax.operators import Operator, madds
from nagjax.profile.programs import Prepare, Stopwatch, made_up, stopwatch
from nagjax.profile.subjects import Subject

DTYPES = ("float32", "int8")
COPIES_MADDS, MOST_COPIES, LEAST_COPIES = 2e7, 16, 4
"""Copies of an operator are about this many multiply-adds together, within these numbers."""

LEAST_SHARE = 0.05
"""Of a call that counts as the operators' own: noise must not make a time 0 or less."""

CALIBRATION = 8
"""Made-up images that int8 models are calibrated on: only the time counts here."""


def describe(threads: int) -> str:
    """The runtime as tables name it.

    Raises:
      ValueError: if it is not installed.
    """
    return f"{runtime.name()}, {threads} {'thread' if threads == 1 else 'threads'}"


def preparation(batch: int, dtype: str, threads: int, least_ms: float) -> Prepare:
    """How subjects are made ready in onnxruntime: built, opened, run once to warm up, and run for long enough.

    A run has ``batch`` images of a type of ``DTYPES``, on at most ``threads`` threads; a timing takes ``least_ms`` ms
    or longer.

    Raises:
      ValueError: if the type is not known.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one that onnxruntime is profiled with: {', '.join(DTYPES)}")

    pools: dict[tuple[int, ...], Stopwatch] = {}

    def prepare(subject: Subject) -> Stopwatch:
        one, turns = session(subject, batch, dtype, threads)
        if subject.kind == "network":
            return stopwatch(call(one, batch), turns, least_ms / 1000, time.perf_counter)
        whole = stopwatch(bound(one, batch), turns, least_ms / 1000, time.perf_counter)
        (op,) = subject.operators
        shape = onnx_models.turned(blocks.output_shape(op, batch))
        if len(shape) != onnx_models.MAPS or op.kind == "pool":
            return whole  # nothing was pooled after it, or it is itself what would be taken off
        place = (*shape, op.skip)
        if place not in pools:
            alone = pools_alone(shape, op.skip, dtype, threads)
            pools[place] = stopwatch(bound(alone, batch), MOST_COPIES, least_ms / 1000, time.perf_counter)
        return without(whole, pools[place])

    return prepare


def pools_alone(shape: tuple[int, ...], skip: bool, dtype: str, threads: int) -> runtime.Session:
    """``MOST_COPIES`` pools of what an operator gives, ``[N, C, H, W]``, as the runtime pools it in that type.

    In int8 the runtime changes the layout behind the pool, but before it where a residual is added (``skip``): the sum
    is in the layout of the input.
    """
    if dtype == "float32":
        return runtime.session(onnx_models.pools_model(shape, MOST_COPIES), threads)
    batch, channels, *size = shape
    model = onnx_models.int8_pools_model((batch, *size, channels), MOST_COPIES, channels_last=not skip)
    return runtime.session_as_written(model, threads)


def without(whole: Stopwatch, part: Stopwatch) -> Stopwatch:
    """A stopwatch of what ``whole`` does beside ``part``, at least ``LEAST_SHARE`` of it."""

    def timed() -> float:
        seconds = whole()
        return max(seconds - part(), LEAST_SHARE * seconds)

    return timed


def bound(one: runtime.Session, batch: int) -> Callable[[], object]:
    """A run of a session whose inputs are bound before, and whose outputs stay where they are."""
    binding = one.io_binding()
    for given in one.get_inputs():
        binding.bind_cpu_input(given.name, runtime.made_up(given, batch))
    for found in one.get_outputs():
        binding.bind_output(found.name)
    return lambda: one.run_with_iobinding(binding)


def session(subject: Subject, batch: int, dtype: str, threads: int) -> tuple[runtime.Session, int]:
    """A subject's session, and how many inferences of it a call is."""
    turns = 1
    if subject.kind == "network":
        model = onnx_models.network_model(made_up_network(subject.operators))
    else:
        (op,) = subject.operators
        turns = copies(op, batch)
        model = onnx_models.operators_model(op, [_made_up(op, seed) for seed in range(turns)], batch)
    if dtype == "float32":
        return runtime.session(model, threads), turns
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx_models.save(model, whole)
        first = subject.operators[0]
        images = blocks.made_up_input(first, CALIBRATION * batch, np.random.default_rng(0))
        quantisation.quantise(whole, small, images, batch)
        return runtime.session(small, threads), turns


def copies(op: Operator, batch: int) -> int:
    """How many copies of an operator stand side by side.

    >>> copies(Operator("conv", 28, 28, 8, 8, kernel=3), batch=1)
    16
    """
    return int(min(max(COPIES_MADDS / (batch * max(madds(op), 1)), LEAST_COPIES), MOST_COPIES))


def made_up_network(operators: tuple[Operator, ...]) -> Subnet:
    """A network of made-up weights: only its time counts."""
    parts = [_made_up(op, at) for at, op in enumerate(operators)]
    channels = operators[0].in_channels if len(blocks.input_shape(operators[0], 1)) == onnx_models.MAPS else 0
    return Subnet(
        "made up", "made up", operators, tuple(part for part, _ in parts), tuple(norms for _, norms in parts),
        np.full(channels, 0.5, np.float32), np.full(channels, 0.25, np.float32),
    )  # fmt: skip


def _made_up(op: Operator, seed: int) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
    weights, statistics = made_up(op, 1, np.random.default_rng(seed))
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    return arrays, {name: (np.asarray(mean), np.asarray(variance)) for name, (mean, variance) in statistics.items()}
