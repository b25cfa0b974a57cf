"""The proposer ``bo_weights``: a weighted sum of scores that need no training, its weights by Bayesian optimisation.

RoBoT (He et al., arXiv 2403.07591): no single training-free score is good everywhere, so one searches for weights, each
query being the truth of the architecture that a weighted sum puts first; what is left of the queries goes down the
ranking of the best weights. Here the first architecture is the first within a budget, so that all budgets are served.
The weights that were tried need not be kept: the value of weights is known where the architecture that they put first
is evaluated. The predictor of the search is not asked.

Scores are the columns of a file, as ``experiments.score`` writes it (naswot, synflow and others); its architectures
are what is chosen among. Without a file they are ``madds`` and ``params`` where the space has operators, and for each
kind of decision how often each of its choices is taken.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.budgets import budget_position, spread_budgets_in_unit
from nagjax.devices.pricing import analytic
from nagjax.files import check_file
from nagjax.predictors.forms.form import Form
from nagjax.predictors.records.score_columns import read_scores
from nagjax.proposers.candidates import CHUNK, LISTED, among, padded, told_of
from nagjax.proposers.proposer import Proposer, Question
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

POOL = 5000
"""Architectures that are ranked where a space has more than can be listed."""
COUNTS = ("madds", "params")
"""Scores that add up over operators, beside the choices."""

LEAST, MOST = 5, 100
"""Known values before a process is fitted to them, and those that it is fitted to at most."""


def make_bo_weights(weights: int = 256, optimism: float = 1.0, file: str = "", columns: str = "") -> Proposer:
    """The proposer ``bo_weights``.

    Args:
      weights: weight vectors that are considered, uniform in -1..1.
      optimism: deviations that are added to the mean of the process.
      file: of architectures and their scores; what it lacks is not proposed.
      columns: which of its scores, separated by ``+``; all but the quality where empty.

    Raises:
      ValueError: if a number is out of range, there is no such file, or columns are named without one.
    """
    weights = arguments.count(weights, "weights", least=2)
    optimism = arguments.finite(optimism, "optimism", least=0)
    if file:
        check_file(Path(file), "file")
    elif columns:
        raise ValueError(f"columns={columns}: are of a file of scores; give file=, as experiments.score writes it")
    settings = {"weights": weights, "optimism": optimism, "file": file, "columns": columns}
    contents = {"file": hashlib.sha256(Path(file).read_bytes()).hexdigest()} if file else {}
    return Proposer("bo_weights", settings, partial(_propose, weights, optimism, file, columns), contents)


def _propose(num_weights: int, optimism: float, file: str, columns: str, question: Question) -> np.ndarray:
    pool, scored = _of_file(question, file, columns) if file else _of_sizes(question)
    if not len(pool) or not scored:
        return pool[:0]
    ranked = drawn_weights(scored, num_weights, question.seed)
    costs = np.asarray(told_of(question.problem, padded(pool, CHUNK))[2])[: len(pool)]
    asked = spread_budgets_in_unit(jax.random.key(question.seed + question.number), question.problem, question.num)
    position = np.asarray(budget_position(question.problem, asked))[:, 0]
    known, taken = _known(question, pool), among(pool, question.evaluated.tokens)
    values = Values(ranked.weights, position, first_within(ranked.value, costs, np.asarray(asked)), known)
    mean, std = values.told(question.seed)
    chosen: list[int] = []
    for budget in np.random.default_rng(question.seed).permutation(len(asked)):
        fits = (costs <= np.asarray(asked)[budget]).all(-1)
        row = query(
            values.first[budget], mean[budget] + optimism * std[budget], mean[budget], ranked.value, fits, taken
        )
        if row is not None:
            chosen.append(row)
            taken[row] = True
    return pool[chosen]


def query(
    first: np.ndarray, hopeful: np.ndarray, mean: np.ndarray, value: np.ndarray, fits: np.ndarray, taken: np.ndarray
) -> int | None:
    """The next architecture to evaluate under a budget.

    Args:
      first: int ``[W]``, what each weight vector puts first within the budget; -1 where nothing fits.
      hopeful: float ``[W]``, upper bound of its value.
      mean: float ``[W]``, expected value.
      value: float ``[W, N]``, the weighted sums.
      fits: bool ``[N]``, within the budget.
      taken: bool ``[N]``, evaluated or asked for already.

    Returns:
      what the most hopeful weights put first; where all firsts are taken, the next in the ranking of the best expected
      weights; None where nothing is left.
    """
    fresh = (first >= 0) & ~taken[first]
    if fresh.any():
        return int(first[np.argmax(np.where(fresh, hopeful, -np.inf))])
    left = fits & ~taken
    if not left.any():
        return None
    return int(np.argmax(np.where(left, value[np.argmax(mean)], -np.inf)))


@dataclasses.dataclass(frozen=True, eq=False)
class Ranked:
    """Weight vectors float64 ``[W, M]`` and the weighted sums float64 ``[W, N]`` of the pool's scores."""

    weights: np.ndarray
    value: np.ndarray


def drawn_weights(scored: Mapping[str, np.ndarray], num: int, seed: int) -> Ranked:
    """Weight vectors uniform in -1..1, the same for a seed, and the sums of M scores float64 ``[N]``."""
    weights = np.random.default_rng([seed, 7]).uniform(-1, 1, (num, len(scored)))
    return Ranked(weights, weights @ np.stack(list(scored.values())))


def scores(space: Space, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Scores by name, float64 ``[N]`` of tokens int32 ``[N, T]``, each 0 to 1 over them; constant ones left out."""
    columns = {name: space.operator_sum(tokens, analytic(space, name).values) for name in COUNTS if space.operators}
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens)
    is_open = space.trellis.open[np.arange(tokens.shape[1]), nodes]
    kinds = np.array([decision.kind for decision in space.decisions])
    for kind, decision in {decision.kind: decision for decision in space.decisions}.items():
        own = is_open & (kinds == kind)[None]
        for choice, attributes in enumerate(decision.choices):
            told = " ".join(f"{key}={value}" for key, value in attributes.items())
            columns[f"{kind}: {told}"] = ((tokens == choice) & own).sum(1)
    return from_0_to_1(columns)


def from_0_to_1(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns float64 ``[N]`` between their least and their highest value; constant ones left out.

    >>> {name: column.tolist() for name, column in from_0_to_1({"a": np.array([2, 4, 3]), "b": np.ones(3)}).items()}
    {'a': [0.0, 1.0, 0.5]}
    """
    return {
        name: (column - column.min()) / np.ptp(column) for name, column in columns.items() if np.ptp(column) > 0
    }  # fmt: skip


def first_within(value: np.ndarray, costs: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Row int ``[B, W]`` of the highest value ``[W, N]`` within budgets ``[B, K]``, costs ``[N, K]``; -1 where none is.

    >>> first_within(np.array([[1.0, 2.0, 3.0]]), np.array([[1], [2], [3]]), np.array([[2], [0]])).tolist()
    [[1], [-1]]
    """
    out = np.full((len(budgets), len(value)), -1)
    for number, budget in enumerate(budgets):
        fits = np.flatnonzero((costs <= budget).all(-1))
        if len(fits):
            out[number] = fits[np.argmax(value[:, fits], 1)]
    return out


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """What is known of weights under budgets.

    Attributes:
      weights: float64 ``[W, M]``.
      position: float64 ``[B]``, of the budgets.
      first: int ``[B, W]``, rows of the pool.
      known: float64 ``[N]``, quality of the pool where it is evaluated, else NaN.
    """

    weights: np.ndarray
    position: np.ndarray
    first: np.ndarray
    known: np.ndarray

    def told(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation float64 ``[B, W]`` of the quality that weights lead to under each budget."""
        value = np.where(self.first >= 0, self.known[self.first], np.nan)
        budget, row = np.nonzero(np.isfinite(value))
        shape = value.shape
        if len(budget) < LEAST:
            return np.zeros(shape), np.random.default_rng(seed).uniform(size=shape)
        from nagjax.predictors.kinds.gp import condition  # with what fits processes

        some = np.random.default_rng(seed).permutation(len(budget))[:MOST]
        features = self.features(budget[some], row[some])
        process = condition(features, value[budget[some], row[some]], np.ones(features.shape[1], bool), "quality")
        every = self.features(*(index.ravel() for index in np.indices(shape)))
        mean, std = _asked(process.padded(MOST), jnp.asarray(every, jnp.float32))
        return np.asarray(mean, np.float64).reshape(shape), np.asarray(std, np.float64).reshape(shape)

    def features(self, budget: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Weights of unit length, as their scale decides nothing, and the budget's position: float64 ``[n, M + 1]``."""
        unit = self.weights / np.linalg.norm(self.weights, axis=1, keepdims=True)
        return np.concatenate([unit[row], self.position[budget, None]], 1)


@jax.jit
def _asked(process: Form, features: jax.Array) -> tuple[jax.Array, jax.Array]:
    return process(jnp.zeros((len(features), 1), jnp.int32), features)


def _pool(question: Question) -> np.ndarray:
    graph, allowed = question.description.space.trellis.target, np.asarray(question.problem.allowed)
    if tl.count(graph, allowed)[0][0] <= LISTED:
        return tl.enumerate_paths(graph, allowed).astype(np.int32)
    drawn = tl.sample_uniform(graph, allowed, np.random.default_rng(question.seed), POOL)
    return np.unique(np.concatenate([drawn, question.evaluated.tokens]), axis=0).astype(np.int32)


def _of_sizes(question: Question) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    pool = _pool(question)
    return pool, scores(question.description.space, pool)


def _of_file(question: Question, file: str, columns: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Those of a file that the conditions admit, and their scores, 0 to 1 over them."""
    space = question.description.space
    tokens, found = read_scores(Path(file), space, [name for name in columns.split("+") if name])
    admitted = tl.walk(space.trellis.target, np.asarray(question.problem.allowed), tokens)[1]
    pool = tokens[admitted]
    return pool, from_0_to_1({name: column[admitted] for name, column in found.items()}) if len(pool) else {}


def _known(question: Question, pool: np.ndarray) -> np.ndarray:
    """Quality float64 ``[N]`` of the pool where it is evaluated, NaN elsewhere."""
    held = dict(zip((row.tobytes() for row in question.evaluated.tokens), question.evaluated.quality, strict=True))
    return np.array([held.get(row.tobytes(), np.nan) for row in pool])
