"""How one more token of a text is timed on the present device.

The last token of a text of full length is timed: where it stands and what is kept of the tokens before are arguments,
as they are in use. Text is made in one program, a compiled loop whose every turn makes the likeliest token and begins
with it; what is kept stays in the same memory. (Tried on two x86 cores: a call for each token took some 60 us more with
two layers and 160 us with six, since all that is kept goes in and out of it.)

So little is computed with each weight that most of the time goes into reading it. In a network it has left the nearest
cache by the time that its turn comes again; in a loop of one operator it would not, and sums of such times were half of
a network of width 256. So an operator that gives what it takes is timed as several in a row, with weights and keys of
their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.operators import Operator, madds
from nagjax.profile.programs import Prepare, Stopwatch, loop_turns, made_up, told, waited_for
from nagjax.profile.subjects import Subject

Step = Callable[[jax.Array, Any, jax.Array], tuple[jax.Array, Any]]
"""One token, what is kept of those before it and how many they are, to what it gives and what is kept then."""

IN_A_ROW = 8
"""Operators of one kind in a row, about as many as a small decoder has."""

LONGEST_LOOP = 1024
"""Turns at most."""


def preparation(batch: int, dtype: str, least_ms: float, clock: Callable[[], float] = time.perf_counter) -> Prepare:
    """How subjects are made ready to make one token of ``batch`` texts; as ``nagjax.profile.programs.preparation``.

    Raises:
      ValueError: when asked to prepare an operator without a step.
    """

    def prepare(subject: Subject) -> Stopwatch:
        row = in_a_row(subject)
        work = sum(madds(op) // op.in_size for op in row)
        turns = loop_turns(work, batch, LONGEST_LOOP)
        times = len(row) // len(subject.operators)
        return waited_for(compiled(row, batch, dtype, turns), turns * times, least_ms, clock)

    return prepare


def in_a_row(subject: Subject) -> tuple[Operator, ...]:
    """What a turn runs: a network, or an operator as often as that tells what it takes in one."""
    first, last = subject.operators[0], subject.operators[-1]
    chained = _is_rows(first) and (first.in_size, first.in_channels) == (last.out_size, last.out_channels)
    return subject.operators * (IN_A_ROW if subject.kind == "operator" and chained else 1)


def compiled(operators: tuple[Operator, ...], batch: int, dtype: str, turns: int) -> Callable[[], Any]:
    """A program that makes ``turns`` tokens, a call of which may return before it is done."""
    first = operators[0]
    made = blocks.made_up_input(first, batch, np.random.default_rng(0))[:, :1]
    x = jnp.asarray(made, dtype if _is_rows(first) else None)
    held_as = x.dtype if _is_rows(first) else jnp.float32  # rows that are looked up are float32
    kept = tuple(blocks.nothing_kept(op, batch, held_as) for op in operators)
    before = jnp.asarray(first.in_size - 1, jnp.int32)
    greedy = not _is_rows(first) and len(operators) > 1
    program = jax.jit(looped(step(operators, batch), turns, greedy)).lower(x, kept, before).compile()
    return lambda: program(x, kept, before)


def step(operators: tuple[Operator, ...], batch: int) -> Step:
    """Operators one after another as a function of one token, with made-up weights inside."""
    rng = np.random.default_rng(0)
    parts = [(op, made_up(op, batch, rng)[0]) for op in operators]

    def run(x: jax.Array, kept: Any, before: jax.Array) -> tuple[jax.Array, Any]:
        after = []
        for (op, weights), own in zip(parts, kept, strict=True):
            x, held = blocks.step(op, weights, x, own, before)
            after.append(held)
        return x, tuple(after)

    return run


def looped(function: Step, turns: int, greedy: bool) -> Callable[[jax.Array, Any, jax.Array], jax.Array]:
    """``function`` run ``turns`` times, each with the likeliest token of the last, or with one that depends on it.

    What is kept goes from turn to turn, and the output is carried whole, so that all is computed each time.
    """

    def run(x: jax.Array, kept: Any, before: jax.Array) -> jax.Array:
        like = jax.eval_shape(function, x, kept, before)[0]

        def turn(_: Any, carry: tuple[jax.Array, jax.Array, Any]) -> tuple[jax.Array, jax.Array, Any]:
            x, y, kept = carry
            x = y.argmax(-1).astype(x.dtype) if greedy else told(x, y)
            return x, *function(x, kept, before)

        return jax.lax.fori_loop(0, turns, turn, (x, jnp.zeros(like.shape, like.dtype), kept))[1]

    return run


def _is_rows(op: Operator) -> bool:
    """Whether it takes rows of numbers, and not numbers of tokens."""
    return blocks.made_up_input(op, 1, np.random.default_rng(0)).dtype.kind == "f"
