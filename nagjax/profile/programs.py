"""How a subject is timed on the present device.

What a user waits for is one call of a whole network, so that is what is timed of networks: a call, waited for. An
operator alone in a call would mostly show what a call costs, which a network pays once. So operators are timed inside a
compiled loop whose every turn depends on the one before, and the correction's offset stands for the call. (Tried with
mobilenet_v3_small28 on two busy x86 cores at batch 1: calls of single operators add up to almost three times the
network, loops to 0.6 of it.) Weights are constants of the program, as they are where a network is deployed: passed as
arguments they doubled the time of these networks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.operators import Operator, madds
from nagjax.profile.subjects import Subject

Stopwatch = Callable[[], float]
"""Times a subject once: seconds an inference."""

Prepare = Callable[[Subject], Stopwatch]
"""Makes a subject ready to be timed."""

LOOP_MADDS, LONGEST_LOOP, SHORTEST_LOOP = 2e8, 64, 4
"""A loop is about this many multiply-adds long (10 ms or so on a processor), within these numbers of turns."""


def preparation(batch: int, dtype: str, least_ms: float, clock: Callable[[], float] = time.perf_counter) -> Prepare:
    """How subjects are made ready on the default device: compiled, run once to warm up, and run for long enough.

    A run has ``batch`` images, ``"float32"`` or ``"bfloat16"``; one timing takes at least ``least_ms`` ms, far above
    the resolution of the clock (seconds) and a timer interrupt.
    """

    def prepare(subject: Subject) -> Stopwatch:
        turns = loop_turns(madds(subject.operators[0]), batch) if subject.kind == "operator" else 1
        return waited_for(compiled(subject, batch, dtype, turns), turns, least_ms, clock)

    return prepare


def waited_for(begin: Callable[[], Any], turns: int, least_ms: float, clock: Callable[[], float]) -> Stopwatch:
    """A stopwatch of a call of the default device that makes ``turns`` inferences and may return before it is done.

    An accelerator makes its calls one after another, so the end of the last one is waited for, and not each, which
    would add the way there and back. A processor may begin a call before the last one has ended: there each is waited
    for.
    """
    wait: Callable[[Any], Any] = jax.block_until_ready
    if jax.default_backend() != "cpu":
        return stopwatch(begin, turns, least_ms / 1000, clock, wait)
    return stopwatch(lambda: wait(begin()), turns, least_ms / 1000, clock)


def stopwatch(
    run: Callable[[], Any], turns: int, least_s: float, clock: Callable[[], float],
    wait: Callable[[Any], Any] = lambda _: None,
) -> Stopwatch:  # fmt: skip
    """A stopwatch of ``run``, a call of which is ``turns`` inferences; ``wait`` waits for what the last call gave.

    It finds out how many calls are long enough.
    """
    _elapsed(run, 1, clock, wait)  # the first call of a program is slower
    calls = max(1, math.ceil(least_s / max(_elapsed(run, 1, clock, wait), 1e-9)))
    return lambda: _elapsed(run, calls, clock, wait) / (calls * turns)


def loop_turns(work: int, batch: int, longest: int = LONGEST_LOOP) -> int:
    """How many turns a loop of so many multiply-adds a turn and input has, a power of two."""
    turns = LOOP_MADDS / (batch * max(work, 1))
    return int(2 ** round(math.log2(min(max(turns, SHORTEST_LOOP), longest))))


def compiled(subject: Subject, batch: int, dtype: str, turns: int) -> Callable[[], Any]:
    """A subject's program, a call of which may return before it is done; networks have one turn and no loop."""
    function = inference(subject, batch)
    made = blocks.made_up_input(subject.operators[0], batch, np.random.default_rng(0))
    x = jnp.asarray(made, dtype if made.dtype.kind == "f" else None)
    body = function if subject.kind == "network" else looped(function, turns)
    program = jax.jit(body).lower(x).compile()
    return lambda: program(x)


def inference(subject: Subject, batch: int) -> Callable[[jax.Array], jax.Array]:
    """The subject as a function of its input, with made-up weights and statistics inside."""
    rng = np.random.default_rng(0)
    parts = [(op, *made_up(op, batch, rng)) for op in subject.operators]

    def run(x: jax.Array) -> jax.Array:
        for op, weights, statistics in parts:
            x, _ = blocks.apply(op, weights, x, statistics)
        return x

    return run


def looped(function: Callable[[jax.Array], jax.Array], turns: int) -> Callable[[jax.Array], jax.Array]:
    """``function`` run ``turns`` times; nothing can be left out or moved out of the loop.

    One element of the output goes into the input of the next turn, and the output is carried whole, so that all of it
    is computed and stored each time.
    """

    def run(x: jax.Array) -> jax.Array:
        like = jax.eval_shape(function, x)

        def turn(_: Any, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x = told(*carry)
            return x, function(x)

        start = x, jnp.zeros(like.shape, like.dtype)
        return jax.lax.fori_loop(0, turns, turn, start)[1]

    return run


def told(x: jax.Array, y: jax.Array) -> jax.Array:
    """An input that depends on what the turn before gave."""
    return x.at[(0,) * x.ndim].add((1e-6 * y[(0,) * y.ndim]).astype(x.dtype))


def made_up(op: Operator, batch: int, rng: np.random.Generator) -> tuple[dict[str, jax.Array], Any]:
    """Weights that keep activations near 1 (subnormal numbers would be slow), and the statistics of norms."""
    weights = {}
    for name, shape in blocks.shapes(op).items():
        spread = math.sqrt(2 / math.prod(shape[:-1])) if len(shape) > 1 else 0.0
        drawn = rng.normal(float(name.endswith("scale")), spread, shape)
        weights[name] = jnp.asarray(drawn, jnp.float32)
    x = blocks.made_up_input(op, batch, np.random.default_rng(0))
    _, used = jax.eval_shape(lambda x: blocks.apply(op, weights, x), x)
    statistics = {name: (jnp.zeros(mean.shape), jnp.ones(mean.shape)) for name, (mean, _) in used.items()}
    return weights, statistics


def _elapsed(run: Callable[[], Any], calls: int, clock: Callable[[], float], wait: Callable[[Any], Any]) -> float:
    start, found = clock(), None
    for _ in range(calls):
        found = run()
    wait(found)
    return clock() - start
