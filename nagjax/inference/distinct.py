"""Several distinct architectures for one budget, or how many exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.controllers import Artefact
from nagjax.inference.answering import BEAMS, SOURCES, jit_candidates, jit_evaluate
from nagjax.populations import vary
from nagjax.problems.problem import Problem, cheapest

ROUNDS = 8
LEAST_DRAWS = 64

MOST = 2**16
"""Architectures that are listed at most to tell whether enough exist; so many open ones are over only by a residual."""

LESS = 0.97
"""Of a budget, what is asked next where all that was answered is over."""

Row: TypeAlias = tuple[np.ndarray, float, str]
Fits: TypeAlias = Callable[[np.ndarray], np.ndarray]


def enumerate_within(problem: Problem, budget: np.ndarray, limit: int) -> tuple[np.ndarray, bool]:
    """Architectures within a budget int32 ``[K]``, as tokens ``[N, T]``, and whether they are all that there are.

    Once there are more than ``limit`` prefixes, the others are cut. With one cost column every prefix can be finished,
    so that ``limit`` architectures remain; with several those that remain may run into dead ends.
    """
    need, cost, target = (np.asarray(a, np.int64) for a in (problem.need, problem.cost, problem.target))
    reduces = problem.spec.reduces
    prefixes, nodes, all_of_them = np.zeros((1, 0), np.int32), np.zeros(1, np.int64), True
    spent = np.zeros((1, len(reduces)), np.int64)
    for t in range(problem.spec.num_layers):
        left = [budget[k] - (spent[:, k] if reduce == "sum" else 0) for k, reduce in enumerate(reduces)]
        fits = np.logical_and.reduce([need[k, t, nodes] <= left[k][..., None] for k in range(len(reduces))])
        rows, choices = np.nonzero(fits)
        all_of_them &= len(rows) <= limit
        rows, choices = rows[:limit], choices[:limit]
        paid = cost[:, t, nodes[rows], choices].T
        before = spent[rows]
        spent = np.where(np.array(reduces) == "sum", before + paid, np.maximum(before, paid))
        prefixes = np.concatenate([prefixes[rows], choices[:, None].astype(np.int32)], 1)
        nodes = target[t, nodes[rows], choices]
    return prefixes, all_of_them


def distinct_architectures(
    artefact: Artefact, problem: Problem, budget: np.ndarray, num: int, how: str, key: jax.Array, fits: Fits,
    known: Sequence[Row],
) -> list[Row]:  # fmt: skip
    """``num`` distinct architectures within a budget int32 ``[K]``, ticks: tokens, objective and source of each.

    Those that are known to be within it come first. Then the policy is asked, by one of ``DECODES``; where it repeats
    itself, random architectures within the budget fill up. The ticks leave open whatever is within the budget; ``fits``
    says of tokens int32 ``[N, T]`` which are so by their exact costs, bool ``[N]``.

    Raises:
      ValueError: if fewer exist or are found, with their number.
    """
    exist, all_of_them = _exist(problem, budget, num, fits)
    if len(exist) < num and all_of_them:
        raise too_few(num, f"the architectures that fit the budget are {len(exist)}")
    found = {row[0].tobytes(): row for row in known}
    row = jnp.asarray(budget, jnp.int32)[None]
    draws = max(LEAST_DRAWS, 1 << (num - 1).bit_length())
    for attempt in range(1 if how == "beam" else ROUNDS):
        key, draw_key = jax.random.split(key)
        width = min(num, 256) if how == "beam" else draws
        one = jit_candidates(artefact, problem, row, draw_key, how, max(width, BEAMS))
        fitting = _collect(found, np.asarray(one.tokens)[0], np.asarray(one.objective)[0],
                           [SOURCES[s] for s in np.asarray(one.source)], fits)  # fmt: skip
        if not fitting:
            row = jnp.maximum((row * LESS).astype(jnp.int32), cheapest(problem)[None])
        if len(found) >= num and (how != "best" or attempt > 0):
            break
    if len(found) < num:
        _fill(found, problem, row, num, exist, key, fits)
    if len(found) < num:
        raise too_few(num, f"only {len(found)} architectures within the budget were found, though others may exist")
    rows = list(found.values())
    if how == "best":
        rows.sort(key=lambda r: -r[1])
    return rows[:num]


def _exist(problem: Problem, budget: np.ndarray, num: int, fits: Fits) -> tuple[np.ndarray, bool]:
    """Architectures within the budget, tokens ``[N, T]``, and whether there are no others."""
    limit = num
    while True:
        found, all_of_them = enumerate_within(problem, budget, limit)
        within = found[fits(found)]
        if len(within) >= num or all_of_them or limit >= MOST:
            return within, all_of_them
        limit = limit * 4


def too_few(num: int, there: str) -> ValueError:
    """The refusal of ``num`` samples where so many are not ``there``."""
    return ValueError(f"num_samples={num}: {there}; ask for at most that many")


def _collect(
    found: dict[bytes, Row], tokens: np.ndarray, objective: np.ndarray, sources: list[str], fits: Fits
) -> bool:
    """Keep those that are within the budget; whether any is."""
    within = fits(tokens)
    for t, q, s, fine in zip(tokens, objective, sources, within, strict=True):
        if q > -np.inf and fine:
            found.setdefault(t.tobytes(), (t, float(q), s))
    return bool(within.any())


def _fill(
    found: dict[bytes, Row], problem: Problem, row: jax.Array, num: int, exist: np.ndarray, key: jax.Array, fits: Fits
) -> None:
    size = max(LEAST_DRAWS, 4 * num)
    tokens, _ = jax.jit(vary.random_architectures)(problem, jnp.repeat(row, size, 0), key)
    for batch in (np.asarray(tokens), exist):
        objective = np.asarray(jit_evaluate(problem, jnp.asarray(batch)))
        _collect(found, batch.astype(np.int32), objective, ["random"] * len(batch), fits)
        if len(found) >= num:
            return
