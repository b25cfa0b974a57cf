"""Does every answer keep its budget? Random tables, budgets and policies; the sum is taken outside the library.

``python -m benchmarks.guarantee`` ends with {samples, over_budget}. For every architecture that any way of decoding
gives, the raw values of its table rows are added up (or their maximum taken) in float64 with numpy, and compared with
the budget in float64 as it was asked for, before it became ticks. No tolerance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import common
from nagjax.devices.pricing import Prices, price
from nagjax.devices.table import DeviceTable, Row
from nagjax.generator.decode import greedy, sample
from nagjax.generator.policy import Policy, init_policy
from nagjax.generator.walk import decode_scores, repair
from nagjax.predictors.forms.linear import Linear
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3
from nagjax.spaces.space import Space

Rng = np.random.Generator


def no_quality(space: Space) -> Linear:
    """Zeros: quality plays no part in keeping a budget."""
    num = len(space.feature_names)
    return Linear(jnp.zeros(num), jnp.float32(0), jnp.ones(num, bool))


def dyadic_times(rng: Rng, num: int) -> np.ndarray:
    """Multiples of 1/16 ms: sums are exact, so budgets are met to the last bit and ties abound."""
    return rng.integers(1, 64, num) / 16


def decimal_times(rng: Rng, num: int) -> np.ndarray:
    """Few values that binary fractions do not hold: float sums of equal multisets differ by their order."""
    return rng.choice([0.1, 0.2, 0.3, 0.7], num)


def smooth_times(rng: Rng, num: int) -> np.ndarray:
    """Uniform in 0.01 to 5 ms."""
    return rng.uniform(0.01, 5.0, num)


def heavy_times(rng: Rng, num: int) -> np.ndarray:
    """Nine orders of magnitude: most operators cost less than a tick."""
    return 10.0 ** rng.uniform(-7, 2, num)


TIMES = (dyadic_times, decimal_times, smooth_times, heavy_times)
REDUCES = ("sum", "sum", "max")


def random_prices(space: Space, rng: Rng, times: Callable[[Rng, int], np.ndarray]) -> Prices:
    """Prices of a random table in which, where the space has them, half the resolutions were not measured."""
    resolutions = sorted({op.resolution for op in space.operators})
    kept = set(rng.choice(resolutions, (len(resolutions) + 1) // 2, replace=False).tolist())
    measured = [op for op in space.operators if op.resolution in kept]
    values = times(rng, len(measured)).tolist()
    rows = {(op.key, op.resolution or None): Row(value) for op, value in zip(measured, values, strict=True)}
    table = DeviceTable("random", "none", 1, "float32", "ms", "drawn", rows)
    return price(table, space)


def path_cost(space: Space, values: np.ndarray, tokens: np.ndarray, reduce: str) -> np.ndarray:
    """Cost float64 ``[N]`` of tokens ``[N, T]`` from operator times ``[num_operators]``: numpy alone, no ticks.

    Summed over all operators of the path at once; a maximum is over decisions of the slowest operator each adds.
    """
    graph, padded = space.trellis, np.append(values, 0.0)
    node, terms = np.zeros(len(tokens), np.int64), []
    for t in range(tokens.shape[1]):
        if not graph.valid[t, node, tokens[:, t]].all():
            raise ValueError(f"decision {t} holds a token that is not a choice there")
        terms.append(padded[graph.operators[t, node, tokens[:, t]]])
        node = graph.target[t, node, tokens[:, t]]
    every = np.concatenate(terms, -1)
    return every.sum(-1) if reduce == "sum" else every.max(-1)


def budgets_ms(
    space: Space, problem: Problem, description: Description, prices: Prices, rng: Rng, num: int
) -> np.ndarray:
    """Budgets float64 ``[num]``, none below the cheapest architecture: random ones, exact ties, and ties a bit off."""
    low, high = description.ranges[0]
    # The cheapest by ticks costs a little more than the cheapest; strict decoding begins there.
    low = max(low, float(description.costs[0].to_unit(int(problem.low[0]))))
    high = max(low, high)
    drawn = jnp.asarray(rng.integers(0, problem.spec.num_choices, (num, len(space.decisions))), jnp.int32)
    key = jax.random.key(int(rng.integers(2**31)))
    tokens, _ = jax.jit(repair)(problem, drawn, _ticks(description, np.full(num, high)), key)
    reported = description.costs_of(np.asarray(tokens))[:, 0]
    raw = path_cost(space, prices.values, np.asarray(tokens), prices.reduce)
    kinds = np.stack([
        rng.uniform(low, high, num), low * (high / low) ** rng.random(num), reported, raw, raw * (1 - 1e-12),
        np.nextafter(raw, np.inf), np.full(num, low), np.full(num, high), high * rng.uniform(1, 3, num),
    ])  # fmt: skip
    return np.maximum(kinds[rng.integers(len(kinds), size=num), np.arange(num)], low)


def _ticks(description: Description, budgets: np.ndarray) -> jax.Array:
    return jnp.asarray(description.exact[0].strict(budgets)[:, None], jnp.int32)


def spoil(rng: Rng, array: jax.Array) -> jax.Array:
    """Normal noise of any size up to the largest floats; sometimes with NaN and infinities in it."""
    out = rng.normal(size=array.shape) * rng.choice([0.1, 1.0, 1e3, 1e30, 3e37])
    if rng.random() < 0.4:
        spots = rng.random(array.shape) < 0.1
        out = np.where(spots, rng.choice([np.nan, np.inf, -np.inf], array.shape), out)
    return jnp.asarray(out, jnp.float32)


@jax.jit
def answers(
    policy: Policy, problem: Problem, budgets: jax.Array, scores: jax.Array, tokens: jax.Array, key: jax.Array
) -> jax.Array:
    """Architectures int32 ``[4, B, T]`` for budgets ``[B, 1]`` by greedy decoding, sampling, scores and repair."""
    first, second = jax.random.split(key)
    return jnp.stack([
        greedy(policy, problem, budgets)[0],
        sample(policy, problem, budgets, first)[0],
        decode_scores(problem, scores, budgets)[0],
        repair(problem, tokens, budgets, second)[0],
    ])  # fmt: skip


def trials(space: Space, rng: Rng, batch: int) -> Iterator[np.ndarray]:
    """For each random table: by how much architectures exceed their budgets, as a share, float64 ``[4, batch]``.

    A float64 sum is off by its rounding, another order of it by another; what lies within that is not an excess.
    """
    for times in TIMES:
        for reduce in REDUCES:
            prices = dataclasses.replace(random_prices(space, rng, times), reduce=reduce)
            problem, description = make_problem(space, [prices], no_quality(space))
            budgets = budgets_ms(space, problem, description, prices, rng, batch)
            key = jax.random.key(int(rng.integers(2**31)))
            fresh = init_policy(key, problem.spec, hidden=32)
            policy = jax.tree.map(partial(spoil, rng), fresh).replace(anchors=fresh.anchors)
            shape = (batch, problem.spec.num_layers)
            scores = spoil(rng, jnp.zeros((*shape, problem.spec.num_choices)))
            tokens = jnp.asarray(rng.integers(-3, problem.spec.num_choices + 3, shape), jnp.int32)
            found = np.asarray(answers(policy, problem, _ticks(description, budgets), scores, tokens, key))
            costs = np.stack([path_cost(space, prices.values, one, reduce) for one in found])
            yield costs / budgets - 1 - description.exact[0].tolerance


def guarantee(
    _data_dir: Path | None = None, samples: int = 1_000_000, batch: int = 8192, spaces: Sequence[Space] = ()
) -> dict[str, Any]:
    """The result of this benchmark, over both spaces unless others are given; no data are read."""
    rng, spaces = np.random.default_rng(0), spaces or (ofa_mobilenet_v3.make(width=1.2), nas_bench_macro.make())
    total = over = 0
    while total < samples:
        for space in spaces:
            for excess in trials(space, rng, batch):
                total, over = total + excess.size, over + int((excess > 0).sum())
    return {"samples": total, "over_budget": over}


if __name__ == "__main__":
    common.main(guarantee)
