"""A problem with a learned ranker R(a|B) in place of the factored form."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.budgets import anchor_weights
from nagjax.posing import Setup
from nagjax.problems.problem import evaluate
from nagjax.ranking.ranker import fit_ranker
from nagjax.spaces import trellis


def with_ranker(setup: Setup, labels: int, anchors: int = 10, seed: int = 0) -> Setup:
    """The same problem with a learned ranker R(a|B) in it, fitted to architectures that its own quality labels.

    Args:
      setup: from ``problem``.
      labels: architectures drawn uniformly to fit it to.
      anchors: budgets, even over the range of the first cost column, at which it ranks.
      seed: of the draw and the fit.

    Raises:
      ValueError: if there are too few of either.
    """
    labels, anchors = arguments.count(labels, "labels"), arguments.count(anchors, "anchors", 2)
    target, allowed = setup.space.trellis.target, np.asarray(setup.problem.allowed)
    tokens = trellis.sample_uniform(target, allowed, np.random.default_rng(seed), labels)
    quality, _ = jax.jit(evaluate)(setup.problem, jnp.asarray(tokens))
    cost = setup.description.costs_of(tokens)[:, 0]
    low, high = setup.description.ranges[0].tolist()
    fitted = fit_ranker(
        setup.space.features(tokens), cost, np.asarray(quality, np.float64), np.linspace(low, high, anchors), seed=seed,
        interpolate=anchor_weights,
    )  # fmt: skip
    report = {**setup.description.quality_report, **{f"ranker_{key}": v for key, v in fitted.report.items()}}
    return dataclasses.replace(
        setup,
        problem=dataclasses.replace(setup.problem, ranker=fitted.ranker),
        description=dataclasses.replace(setup.description, quality_report=report),
    )
