"""The learned dominance evaluator for the main job: fitted to architectures that the problem's own quality labels."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from nagjax.budgets import anchor_weights
from nagjax.front_door import Setup
from nagjax.predictors.evaluator import fit_evaluator
from nagjax.problems import evaluate
from nagjax.spaces import trellis


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``with_evaluator`` reads."""
    flags.DEFINE_integer(
        "evaluator_labels", 0, "Architectures to fit a dominance evaluator R(a|B) to; 0 for the factored form.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer("evaluator_anchors", 10, "Anchor budgets of the evaluator.", lower_bound=2, flag_values=values)


def with_evaluator(built: Setup, values: flags.FlagValues) -> Setup:
    """The setup with an evaluator in its problem, fitted to uniform samples, if ``--evaluator_labels`` says so."""
    if not values.evaluator_labels:
        return built
    graph = built.space.trellis
    allowed = np.asarray(built.problem.allowed)
    rng = np.random.default_rng(values.seed)
    tokens = trellis.sample_uniform(graph.target, allowed, rng, values.evaluator_labels)
    quality, _ = jax.jit(evaluate)(built.problem, jnp.asarray(tokens))
    cost = built.description.costs_of(tokens)[:, 0]
    low, high = built.description.ranges[0].tolist()
    anchors = np.linspace(low, high, values.evaluator_anchors)
    fitted = fit_evaluator(
        built.space.features(tokens), cost, np.asarray(quality, np.float64), anchors, seed=values.seed,
        interpolate=anchor_weights,
    )  # fmt: skip
    report = {**built.description.quality_report, **{f"evaluator_{key}": v for key, v in fitted.report.items()}}
    return dataclasses.replace(
        built,
        problem=dataclasses.replace(built.problem, evaluator=fitted.evaluator),
        description=dataclasses.replace(built.description, quality_report=report),
    )
