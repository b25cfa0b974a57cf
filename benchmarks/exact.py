"""The exact rival: additive quality and the budgeted Viterbi, on NAS-Bench-Macro and on Note10.

``python -m benchmarks.exact --data_dir=DIR [--seeds=10]``

Macro: a ridge regression on 200 true accuracies, other ones for every seed (those of ``macro_200`` in a comparison), is
solved for 400 budgets. Regret is the accuracy lost to the best architecture within each, in points, mean over budgets
and seeds. Note10: a ridge regression on 5,000 labels by the OFA predictor, drawn uniformly, is solved for the latencies
of the published front. The gap is what the OFA predictor says of the answers minus the front, in points, mean over
latencies and seeds. Seconds are of the solver alone, after fitting and compilation, median of 5 calls.

The lines before the last give the spread over seeds, and the same for other ways to gains: fewer labels, a regression
with a weight for every edge beside those of the features (what a node knows, here resolution and depth, with every
choice), and scores of one replaced choice in the largest network.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from experiments.comparison import problems as compare_problems
from experiments.comparison.case import truth
from nagjax.populations import additive
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.ridge import fit_ridge, solve
from nagjax.predictors.records.records import Records
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

POINTS = 100.0
BINS = 2048
MACRO_LABELS, NOTE10_LABELS, FEW = 200, 5_000, 200
BUDGETS = 400
REPEATS = 5
Gains: TypeAlias = "jax.Array | np.ndarray"


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """A problem and the budgets it is asked for.

    Attributes:
      space, problem, description: the problem; its quality is the truth.
      budgets: int32 ``[B, 1]``, ticks.
      limits: float64 ``[B]``, the budgets in the column's unit.
      goal: float64 ``[B]``, quality that answers are held against.
    """

    space: Space
    problem: Problem
    description: Description
    budgets: jax.Array
    limits: np.ndarray
    goal: np.ndarray


@dataclasses.dataclass(frozen=True)
class Solved:
    """How far above its goal a solution is, points, mean over budgets, and how many answers are over their budget."""

    points: float
    over: int


def solved(asked: Asked, gains: Gains) -> Solved:
    """The exact solution of some gains ``[T, S, C]``, judged by the truth."""
    tokens, _ = additive.best_paths(asked.problem, jnp.asarray(gains, jnp.float32), asked.budgets, BINS)
    answers = np.asarray(tokens)
    quality, _ = truth(asked.problem, answers)
    within = asked.description.exact[0].within(asked.description.costs_of(answers)[:, 0], asked.limits)
    return Solved(POINTS * float(np.mean(quality - asked.goal)), int((~within).sum()))


def seconds(asked: Asked) -> float:
    """Median time of the solver for all budgets, compiled."""
    gains = jnp.asarray(np.random.default_rng(0).normal(size=asked.problem.target.shape), jnp.float32)
    spent = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        jax.block_until_ready(additive.best_paths(asked.problem, gains, asked.budgets, BINS))
        spent.append(time.perf_counter() - started)
    return float(np.median(spent[1:]))


def linear_gains(asked: Asked, predictor: Form) -> jax.Array:
    """Gains of a linear predictor.

    Raises:
      ValueError: if it is not linear.
    """
    weights = predictor.feature_weights
    if weights is None:
        raise ValueError(f"the predictor, of the form {predictor.form}, does not add up over features")
    return additive.edge_gains(asked.problem, weights)


def regression(asked: Asked, tokens: np.ndarray, seed: int) -> jax.Array:
    """Gains by a ridge regression on path features, fitted to the truth of tokens ``[N, T]``."""
    records = Records(tokens, truth(asked.problem, tokens)[0], source="labels")
    return linear_gains(asked, fit_ridge(asked.space, records, seed=seed).predictor)


def edge_regression(asked: Asked, tokens: np.ndarray, share: float = 0.3) -> np.ndarray:
    """Gains by a ridge regression on path features and on every edge met, each edge counting ``share`` of a feature."""
    quality, _ = truth(asked.problem, tokens)
    nodes, _ = tl.walk(asked.space.trellis.target, np.asarray(asked.problem.allowed), tokens)
    shape = asked.problem.target.shape
    edges = np.ravel_multi_index((np.arange(tokens.shape[1])[None], nodes, tokens), shape)
    met, column = np.unique(edges, return_inverse=True)
    beside = np.zeros((len(tokens), len(met)))
    beside[np.arange(len(tokens))[:, None], column.reshape(edges.shape)] = share
    features = asked.space.features(tokens).astype(np.float64)
    weights = solve(np.concatenate([features, beside], 1), quality).weights
    gains = np.array(additive.edge_gains(asked.problem, jnp.asarray(weights[: features.shape[1]], jnp.float32)))
    gains.ravel()[met] += share * weights[features.shape[1] :]
    return gains


def replacement_scores(asked: Asked) -> tuple[np.ndarray, int]:
    """Gains of a choice: what it does to the quality of the largest network alone; and evaluations that took."""
    allowed, is_open = np.asarray(asked.problem.allowed), asked.space.trellis.open
    some: np.ndarray = np.asarray(allowed.any(1))
    largest = asked.space.canonical((some.shape[1] - 1 - np.argmax(some[:, ::-1], 1))[None])
    layers, choices = np.nonzero(some)
    changed = np.repeat(largest, len(layers), 0)
    changed[np.arange(len(layers)), layers] = choices
    quality, _ = truth(asked.problem, asked.space.canonical(changed))
    scores = np.zeros(some.shape)
    scores[layers, choices] = quality - truth(asked.problem, largest)[0]
    return np.where(is_open[:, :, None], scores[:, None], 0.0), len(layers) + 1


def macro(data_dir: Path) -> Asked:
    """NAS-Bench-Macro with its true accuracies, asked for 400 budgets as a comparison does."""
    case = compare_problems.build("macro", str(data_dir), 0, BUDGETS)
    if case.yardstick.oracle is None:
        raise ValueError("NAS-Bench-Macro was not enumerated")
    limits = case.description.costs[0].to_unit(case.budgets[:, 0])
    budgets = jnp.asarray(case.budgets)
    return Asked(
        case.description.space, case.problem, case.description, budgets, limits, case.yardstick.oracle
    )  # fmt: skip


def note10(data_dir: Path) -> Asked:
    """Note10, asked for the latencies of the published front."""
    space, problem, description = common.note10(data_dir)
    front = common.read_front(data_dir)
    budgets = jnp.asarray(common.front_budgets(description, front))
    return Asked(space, problem, description, budgets, front.latency_ms, front.quality)


def macro_labels(asked: Asked, seed: int) -> np.ndarray:
    """The architectures whose accuracy is known, tokens ``[200, T]``, as a comparison draws them."""
    tokens = tl.enumerate_paths(asked.space.trellis.target, asked.space.trellis.valid)
    rows = np.random.default_rng([seed, MACRO_LABELS]).choice(len(tokens), MACRO_LABELS, replace=False)
    return tokens[np.sort(rows)]


def note10_labels(asked: Asked, seed: int) -> np.ndarray:
    """5,000 architectures, tokens ``[5000, T]``, uniform over what the problem allows."""
    rng = np.random.default_rng(seed)
    return tl.sample_uniform(asked.space.trellis.target, np.asarray(asked.problem.allowed), rng, NOTE10_LABELS)


def over_seeds(name: str, seeds: int, one: Callable[[int], Solved]) -> tuple[float, int]:
    """Mean points over seeds and answers over budget in all; both are printed."""
    found = [one(seed) for seed in range(seeds)]
    points, over = [run.points for run in found], sum(run.over for run in found)
    print(
        f"{name}: {np.mean(points):+.3f} points, deviation {np.std(points):.3f}, {seeds} seeds, {over} over", flush=True
    )
    return float(np.mean(points)), over


def exact(data_dir: Path, seeds: int) -> Mapping[str, Any]:
    """The result of this benchmark."""
    small, large = macro(data_dir), note10(data_dir)
    regret, over_small = over_seeds(
        f"macro, {MACRO_LABELS} labels, minus regret", seeds,
        lambda seed: solved(small, regression(small, macro_labels(small, seed), seed)),
    )  # fmt: skip
    gap, over_large = over_seeds(
        f"note10, {NOTE10_LABELS} labels, gap", seeds,
        lambda seed: solved(large, regression(large, note10_labels(large, seed), seed)),
    )  # fmt: skip
    variants(small, large, seeds)
    return {
        "macro_regret_200_labels": -regret,
        "note10_gap": gap,
        "seconds_macro": seconds(small),
        "seconds_note10": seconds(large),
        "over_budget": over_small + over_large,
    }


def variants(small: Asked, large: Asked, seeds: int) -> None:
    """Print what other ways to gains reach."""
    over_seeds(
        f"macro, {MACRO_LABELS} labels, a weight an edge, minus regret", seeds,
        lambda seed: solved(small, edge_regression(small, macro_labels(small, seed))),
    )  # fmt: skip
    over_seeds(
        f"note10, {FEW} labels, gap", seeds,
        lambda seed: solved(large, regression(large, note10_labels(large, seed)[:FEW], seed)),
    )  # fmt: skip
    over_seeds(
        f"note10, {NOTE10_LABELS} labels, a weight an edge, gap", min(seeds, 2),
        lambda seed: solved(large, edge_regression(large, note10_labels(large, seed))),
    )  # fmt: skip
    for name, asked in (("macro, minus regret", small), ("note10, gap", large)):
        scores, evaluations = replacement_scores(asked)
        print(f"{name}, {evaluations} replacement scores: {solved(asked, scores).points:+.3f} points", flush=True)


if __name__ == "__main__":
    flags.DEFINE_integer("seeds", 10, "Draws of the labels.")
    common.main(lambda data_dir: exact(data_dir, flags.FLAGS.seeds))
