"""The controller ``exact``: a linear model of the quality, and the best architecture by it for every budget.

What additive scores and an exact solver reach, the family of Puzzle (Bercovich et al., arXiv 2411.19146). An update
evaluates ``children`` architectures drawn within budgets over the whole range, adds them to the normal equations of a
ridge regression on path features, solves that with the penalty of least generalised cross-validation error (Golub,
Heath and Wahba, Technometrics 21(2), 1979), and evaluates the best architectures by it for ``proposals`` budgets, found
by ``nagjax.populations.additive``. These are learned from as well.

The model of an update is drawn from the regression's posterior, ``exploration`` deviations wide (Thompson sampling):
otherwise one that no longer changes would propose the same again and again. ``exploration=0`` takes its mean.

``scores=replacement`` and ``scores=pairs`` score choices by replacing them in the largest architecture instead, see
``nagjax_baselines.replacement``.

Where the problem's quality itself adds up there is nothing to learn: all evaluations are its own exact solutions.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import spread_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import additive, vary
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec, path_features
from nagjax_baselines import replacement

SCORES = ("regression", "replacement", "pairs")
PENALTIES = tuple(10.0 ** (step / 2) for step in range(-10, 5))
"""Penalties tried, in units of the mean eigenvalue of the centred features' squares; less is lost in float32."""


@flax.struct.dataclass
class Sums:
    """What the normal equations need of the evaluations so far, float32; qualities are counted from ``origin``.

    Attributes:
      number: of evaluations with a finite quality.
      origin: a quality near their mean, so that sums of squares lose no digits.
      features: ``[F]``.
      products: ``[F, F]``, of features with features.
      quality: their sum.
      correlation: ``[F]``, of features with quality.
      square: of the qualities.
    """

    number: jax.Array
    origin: jax.Array
    features: jax.Array
    products: jax.Array
    quality: jax.Array
    correlation: jax.Array
    square: jax.Array


@flax.struct.dataclass
class State:
    """The front of everything evaluated, and what the model is fitted to."""

    findings: fd.Findings
    sums: Sums


@factory("exact")
def make(
    spec: Spec,
    children: int = 16,
    proposals: int = 16,
    bins: int = 1024,
    capacity: int = 1024,
    scores: str = "regression",
) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      children: random architectures an update draws to learn from; replaced blocks need no others than their own.
      proposals: budgets that an update solves; their architectures are evaluated.
      bins: of the solver, see ``nagjax.populations.additive.best_paths``.
      capacity: of the front.
      scores: what adds up: ``"regression"`` on everything evaluated; ``"replacement"``, of one choice in the largest
        architecture; or ``"pairs"``, of two neighbouring ones as well.

    Raises:
      ValueError: unless there is one cost column and it adds up, or the scores are others, or too many to be solved.
    """
    additive.check_spec(spec)
    if scores not in SCORES:
        raise ValueError(f"exact: scores={scores}: must be one of {', '.join(SCORES)}")
    if scores != "regression":
        return replacement.methods(spec, children + proposals, bins, capacity, scores == "pairs")

    def init(_key: jax.Array, _problem: Problem, _params: Params) -> State:
        return State(fd.nothing(spec, capacity), no_sums(spec.num_features))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        child_key, model_key, budget_key = jax.random.split(key, 3)
        gains, learned = additive.known_gains(problem), None
        if gains is None:
            state, learned = learn(state, problem, random_within(problem, children, child_key))
            weights = draw_weights(state.sums, params["exploration"], model_key)
            gains = additive.edge_gains(problem, weights)
        budgets = spread_budgets(budget_key, problem, proposals)
        tokens, _ = additive.best_paths(problem, gains, budgets, bins)
        state, proposed = learn(state, problem, (tokens, budgets))
        over, nonfinite = proposed if learned is None else (proposed[0] + learned[0], proposed[1] + learned[1])
        return state, fd.metrics(state.findings, over, nonfinite)

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        # Qualities may be others now, and what was summed up cannot be told apart again.
        rebase=lambda state, problem: State(fd.rescore(state.findings, problem), no_sums(spec.num_features)),
        defaults={"exploration": 1.0},
    )


def random_within(problem: Problem, num: int, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Architectures int32 ``[num, T]``, each drawn within a budget of its own, and the budgets int32 ``[num, 1]``."""
    budget_key, draw_key = jax.random.split(key)
    budgets = spread_budgets(budget_key, problem, num)
    tokens, _ = vary.random_architectures(problem, budgets, draw_key)
    return tokens, budgets


def learn(
    state: State, problem: Problem, drawn: tuple[jax.Array, jax.Array]
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    """Evaluate tokens int32 ``[B, T]`` drawn for budgets int32 ``[B, 1]``; how many are over, and without quality."""
    tokens, budgets = drawn
    found, quality, costs = fd.record(state.findings, problem, tokens)
    sums = add(state.sums, path_features(problem, tokens), quality)
    return State(found, sums), ((costs > budgets).any(-1).sum(), (~jnp.isfinite(quality)).sum())


def no_sums(num_features: int) -> Sums:
    """Nothing is evaluated yet."""
    zero, vector = jnp.float32(0), jnp.zeros(num_features)
    return Sums(zero, zero, vector, jnp.zeros((num_features, num_features)), zero, vector, zero)


def add(sums: Sums, features: jax.Array, quality: jax.Array) -> Sums:
    """The sums with path features float32 ``[B, F]`` and qualities float32 ``[B]``; those not finite do not count."""
    real = jnp.isfinite(quality)
    number = real.sum(dtype=jnp.float32)
    mean = jnp.where(real, quality, 0.0).sum() / jnp.maximum(number, 1.0)
    origin = jnp.where(sums.number > 0, sums.origin, mean)
    above = jnp.where(real, quality - origin, 0.0)
    counted = jnp.where(real[:, None], features, 0.0)
    return Sums(
        sums.number + number,
        origin,
        sums.features + counted.sum(0),
        sums.products + counted.T @ counted,
        sums.quality + above.sum(),
        sums.correlation + counted.T @ above,
        sums.square + jnp.square(above).sum(),
    )


def draw_weights(sums: Sums, exploration: jax.Array, key: jax.Array) -> jax.Array:
    """Weights float32 ``[F]`` of the ridge regression, plus ``exploration`` times a draw of its posterior's deviation.

    Everything is a function of the matrix and not of the basis that its eigenvectors happen to be.
    """
    number = jnp.maximum(sums.number, 1.0)
    centre = sums.features / number
    gram = sums.products - number * centre[:, None] * centre[None]
    correlation = sums.correlation - centre * sums.quality
    square = jnp.maximum(sums.square - sums.quality**2 / number, 0.0)
    eigenvalues, basis = jnp.linalg.eigh(gram)
    eigenvalues = jnp.maximum(eigenvalues, 0.0)
    unit = jnp.maximum(eigenvalues.mean(), 1e-30)
    projected = basis.T @ correlation
    penalties = unit * jnp.asarray(PENALTIES)
    shrunk = 1.0 / (eigenvalues[None] + penalties[:, None])
    explained = (shrunk * (1.0 + penalties[:, None] * shrunk)) @ jnp.square(projected)
    residual = jnp.maximum(square - explained, 1e-7 * square)
    freedom = jnp.maximum(number - 1.0 - (eigenvalues[None] * shrunk).sum(-1), 1e-3 * number)
    best = jnp.argmin(residual / jnp.square(freedom))
    deviation = jnp.sqrt(residual[best] / freedom[best])
    noise = basis.T @ jax.random.normal(key, centre.shape)
    return basis @ (shrunk[best] * projected + exploration * deviation * jnp.sqrt(shrunk[best]) * noise)
