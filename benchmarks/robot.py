"""Twenty queries of a mix of scores that need no training (RoBoT) on NAS-Bench-Macro, and its honest rivals.

``python -m benchmarks.robot --data_dir=DIR [--seeds=10] --results=FILE``. A search has 20 true evaluations for one of
four budgets, at 25, 50, 75 and 100 percent of the range of multiply-adds. ``robot`` asks as the proposer ``bo_weights``
does, one query at a time; ``single NAME`` and ``equal_sum`` evaluate the first 20 by one score and by their sum;
``gp`` is a Gaussian process on path features, 10 random labels and 10 by expected improvement; ``random`` is 20 random
ones. ``regret`` is what the best of them loses to the best within the budget, points, mean over the budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.rounds import Macro, read
from nagjax.predictors.kinds.gp import condition
from nagjax.proposers import bo_weights
from nagjax.proposers.acquisition import expected_improvement
from nagjax.reports.front import POINTS

QUERIES, RANDOM, WEIGHTS = 20, 10, 256
SHARES = (0.25, 0.5, 0.75, 1.0)
COLUMNS = ("way", "seed", "regret")

Ask = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Rows int ``[n]`` that fit, known qualities float64 ``[N]`` (NaN elsewhere) and a seed to the row to evaluate next."""


def queried(macro: Macro, rows: np.ndarray, ask: Ask, seed: int) -> float:
    """Points that the best of 20 queries among the rows loses."""
    known = np.full(len(macro.cost), np.nan)
    for number in range(QUERIES):
        row = ask(rows, known, 1000 * seed + number)
        known[row] = macro.records.quality[row]
    return float(POINTS * (macro.records.quality[rows].max() - np.nanmax(known)))


def ranked(value: np.ndarray) -> Ask:
    """Down a ranking."""

    def ask(rows: np.ndarray, known: np.ndarray, _seed: int) -> np.ndarray:
        left = rows[np.isnan(known[rows])]
        return left[np.argmax(value[left])]

    return ask


def random(rows: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """Any."""
    return np.random.default_rng(seed).choice(rows[np.isnan(known[rows])])


def by_process(features: np.ndarray) -> Ask:
    """Expected improvement of a Gaussian process on features float64 ``[N, F]``, after some random ones."""

    def ask(rows: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
        told = np.flatnonzero(np.isfinite(known))
        if len(told) < RANDOM:
            return random(rows, known, seed)
        form = condition(features[told], known[told], np.ones(features.shape[1], bool)).padded(QUERIES)
        worth = np.asarray(_improvement(form, jnp.asarray(features, jnp.float32), jnp.float32(np.nanmax(known))))
        left = rows[np.isnan(known[rows])]
        return left[np.argmax(worth[left])]

    return ask


@jax.jit
def _improvement(form: Any, features: jax.Array, best: jax.Array) -> jax.Array:
    mean, std = form(jnp.zeros((len(features), 1), jnp.int32), features)
    return expected_improvement(mean, std, jnp.broadcast_to(best, mean.shape), jax.random.key(0))


def robot(scored: Mapping[str, np.ndarray], seed: int, optimism: float = 1.0) -> Ask:
    """The proposer's queries under one budget."""
    weighed = bo_weights.drawn_weights(scored, WEIGHTS, seed)

    def ask(rows: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
        first = rows[np.argmax(weighed.value[:, rows], 1)]
        values = bo_weights.Values(weighed.weights, np.zeros(1), first[None], known)
        mean, std = (value[0] for value in values.told(seed))
        fits = np.isin(np.arange(len(known)), rows)
        row = bo_weights.query(first, mean + optimism * std, mean, weighed.value, fits, np.isfinite(known))
        if row is None:
            raise ValueError("fewer architectures fit than there are queries")
        return np.asarray(row)

    return ask


def ways(macro: Macro, seed: int) -> Mapping[str, Ask]:
    """Everything that is tried, by name."""
    scored = bo_weights.scores(macro.space, macro.records.tokens)
    singles = {f"single {name}": ranked(column) for name, column in scored.items()}
    features = macro.space.features(macro.records.tokens).astype(np.float64)
    return {
        "robot": robot(scored, seed), **singles, "equal_sum": ranked(np.sum(list(scored.values()), 0)),
        "gp": by_process(features), "random": random,
    }  # fmt: skip


def one_seed(macro: Macro, seed: int) -> list[dict[str, str]]:
    """The rows of a seed."""
    low, high = macro.cost.min(), macro.cost.max()
    out = []
    for name, ask in ways(macro, seed).items():
        lost = [queried(macro, np.flatnonzero(macro.cost <= low + s * (high - low)), ask, seed) for s in SHARES]
        out.append(dict(zip(COLUMNS, (name, str(seed), f"{np.mean(lost):.5f}"), strict=True)))
    return out


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    macro, rows = read(data_dir), []
    for seed in common.seeds():
        rows += one_seed(macro, seed)
        print(rows[-1], flush=True)
    common.write_so_far(values.results, rows)
    held = {
        name: [float(row["regret"]) for row in rows if row["way"] == name]
        for name in dict.fromkeys(r["way"] for r in rows)
    }
    return {name: float(np.mean(lost)) for name, lost in held.items()}


if __name__ == "__main__":
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/robot.csv", "The file of rows.")
    common.main(_benchmark)
