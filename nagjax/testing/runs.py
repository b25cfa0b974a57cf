"""How the checks run a controller: short trainings, answers to budgets, comparison of trees."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import controllers
from nagjax.budgets import even_ticks
from nagjax.controllers import Artefact, Controller, Limits, Moment
from nagjax.inference.answering import candidates
from nagjax.problems.problem import Problem
from nagjax.testing.problems import Tiny

Make = Callable[..., Controller]

CHUNK = 5
STEPS = 20


def claim(check: str, kept: bool, text: str) -> None:
    """Raise AssertionError unless ``kept``."""
    if not kept:
        raise AssertionError(f"{check}: {text}")


def as_json(check: str, what: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and the like as they come back from JSON; raises AssertionError where they are changed."""
    try:
        written: dict[str, Any] = json.loads(json.dumps(dict(value)))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{check}: {what} cannot be written as JSON: {error}") from error
    claim(check, written == dict(value), f"{what} {value} are changed by JSON: {written}")
    return written


def check_refused(check: str, call: Callable[[], object]) -> None:
    """Raise AssertionError unless a call with a setting that does not exist is refused."""
    try:
        call()
    except (ValueError, TypeError):
        return
    raise AssertionError(f"{check}: a setting that does not exist is taken")


def train(
    controller: Controller,
    problem: Problem,
    seed: int = 0,
    steps: int = STEPS,
    state: Any = None,
    first: int = 0,
    on_chunk: Callable[[Moment], None] | None = None,
    chunk: int = CHUNK,
) -> Moment:
    """Train for ``steps`` updates in chunks, from a fresh state unless one is given."""
    state = controllers.init(controller, problem, seed) if state is None else state
    limits = Limits(steps, chunk=chunk)
    return controllers.train(controller, problem, state, seed, limits, step=first, on_chunk=on_chunk)


def first_chunk(
    controller: Controller, problem: Problem, seed: int = 0, updates: int = CHUNK
) -> tuple[Any, dict[str, np.ndarray]]:
    """State and metrics after the first updates, as the controller gives them: nothing is checked yet."""
    state = controllers.init(controller, problem, seed)
    progress = jnp.arange(updates, dtype=jnp.float32) / STEPS
    key, params = jax.random.key(seed), controllers.resolve_params(controller)
    state, metrics = controllers.jit_chunk(controller, state, key, jnp.int32(0), problem, params, progress)
    return state, {name: np.asarray(value) for name, value in metrics.items()}


def budgets_between(problem: Problem, num: int) -> np.ndarray:
    """Budgets int32 ``[num, K]`` ticks over the first column's range, ends included; other columns at their highest."""
    low, high = np.asarray(problem.low, np.int64), np.asarray(problem.high, np.int64)
    out = np.repeat(high[None], num, 0)
    out[:, 0] = even_ticks(int(low[0]), int(high[0]), num)
    return out.astype(np.int32)


def ask(
    artefact: Artefact, problem: Problem, budgets: np.ndarray, how: str = "best"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All that an artefact has for budgets ``[B, K]``: tokens ``[B, M, T]``, costs (ticks), objective ``[B, M]``."""
    answer = jax.jit(candidates, static_argnames=("how", "draws"))
    found = answer(artefact, problem, jnp.asarray(budgets), jax.random.key(0), how=how, draws=4)
    return np.asarray(found.tokens), np.asarray(found.costs), np.asarray(found.objective)


def held(artefact: Artefact) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, costs and quality of the archive's occupied cells; empty without an archive."""
    archive = artefact.archive
    if archive is None:
        return np.zeros((0, 0), np.int32), np.zeros((0, 0), np.int32), np.zeros(0)
    tokens, costs, quality = np.asarray(archive.tokens), np.asarray(archive.costs), np.asarray(archive.quality)
    full = ~np.isneginf(quality)
    return tokens[full], costs[full], quality[full]


def raw_of(tiny: Tiny, costs: np.ndarray) -> np.ndarray:
    """Costs in ticks ``[..., K]`` as float64 units."""
    return np.stack([info.to_unit(costs[..., k]) for k, info in enumerate(tiny.description.costs)], -1)


def arrays(tree: Any) -> list[np.ndarray]:
    """The leaves of a tree as NumPy arrays."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def same(one: Any, other: Any) -> bool:
    """Whether two trees are equal, array by array and bit by bit (NaN equals NaN)."""
    if str(jax.tree.structure(one)) != str(jax.tree.structure(other)):
        return False
    pairs = zip(arrays(one), arrays(other), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def close(one: Any, other: Any, share: float = 0.95) -> bool:
    """Whether at least ``share`` of each array's entries agree up to float noise: a last bit may turn a draw over."""
    for a, b in zip(arrays(one), arrays(other), strict=True):
        fine = np.isclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True) if a.dtype.kind == "f" else a == b
        if fine.size and fine.mean() < share:
            return False
    return True
