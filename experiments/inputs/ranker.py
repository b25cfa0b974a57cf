"""The learned ranker for the main job: fitted to architectures that the problem's own quality labels."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from nagjax.generator.budget import anchor_weights
from nagjax.posing import Setup
from nagjax.problems.problem import evaluate
from nagjax.ranking.ranker import fit_ranker
from nagjax.spaces import trellis


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``with_ranker`` reads."""
    flags.DEFINE_integer(
        "ranker_labels", 0, "Architectures to fit a ranker R(a|B) to; 0 for the factored form.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer("ranker_anchors", 10, "Anchor budgets of the ranker.", lower_bound=2, flag_values=values)


def with_ranker(built: Setup, values: flags.FlagValues) -> Setup:
    """The setup with a ranker in its problem, fitted to uniform samples, if ``--ranker_labels`` says so."""
    if not values.ranker_labels:
        return built
    graph = built.space.trellis
    allowed = np.asarray(built.problem.allowed)
    rng = np.random.default_rng(values.seed)
    tokens = trellis.sample_uniform(graph.target, allowed, rng, values.ranker_labels)
    quality, _ = jax.jit(evaluate)(built.problem, jnp.asarray(tokens))
    cost = built.description.costs_of(tokens)[:, 0]
    low, high = built.description.ranges[0].tolist()
    anchors = np.linspace(low, high, values.ranker_anchors)
    fitted = fit_ranker(
        built.space.features(tokens), cost, np.asarray(quality, np.float64), anchors, seed=values.seed,
        interpolate=anchor_weights,
    )  # fmt: skip
    report = {**built.description.quality_report, **{f"ranker_{key}": v for key, v in fitted.report.items()}}
    return dataclasses.replace(
        built,
        problem=dataclasses.replace(built.problem, ranker=fitted.ranker),
        description=dataclasses.replace(built.description, quality_report=report),
    )
