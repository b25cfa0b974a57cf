"""The controller ``nag_pathwise``: the policy trained by comparing edges of the trellis, without an archive.

Two estimators of the gradient. ``gates`` lets two choices of a decision compete at a time and takes any quality;
``gumbel`` differentiates the predictor through relaxed choices, and needs a quality that reads path features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import stratified_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator.policy import Policy, init_policy
from nagjax.generator.training import adam_start, adam_step, annealed, policy_gradient
from nagjax.problems.problem import Problem, Spec
from nagjax_nag import gates, gumbel, traced_walk
from nagjax_nag.traced_walk import Seen

ESTIMATORS: Mapping[str, Mapping[str, float | bool]] = {"gates": gates.DEFAULTS, "gumbel": gumbel.DEFAULTS}
"""Default parameters of each estimator. Both have

- ``learning_rate``, ``final_learning_rate``: of Adam, along a cosine;
- ``entropy``, ``final_entropy``: weight of the entropy at the start and the end, against rewards of deviation 1 in
  ``gates`` and against qualities as fractions in ``gumbel``;
- ``clip``: largest norm of a gradient, 0 for any.
"""


@flax.struct.dataclass
class State:
    """Generator, state of Adam, and calls of the quality function so far (uint32)."""

    policy: Policy
    optimiser: Any
    evaluations: jax.Array


@factory("nag_pathwise")
def make(
    spec: Spec,
    estimator: str = "gates",
    hidden: int = 64,
    anchors: int = 64,
    budgets: int = 16,
    group: int = 8,
    pairs: int = 2,
) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      estimator: ``gates`` or ``gumbel``.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      budgets: budgets an update samples for.
      group: architectures sampled for each of them; ``gumbel``, whose gradient varies less, does with 2.
      pairs: of ``gates``: decisions of each architecture at which a second choice is evaluated.

    Raises:
      ValueError: if the estimator is unknown or a size impossible; from ``init``, if the quality has no gradient.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"nag_pathwise: estimator={estimator!r} is not one of {', '.join(ESTIMATORS)}")
    if pairs > spec.num_layers:
        raise ValueError(f"nag_pathwise: pairs={pairs}: are at most the {spec.num_layers} decisions")

    def init(key: jax.Array, problem: Problem, _params: Params) -> State:
        if estimator == "gumbel":
            gumbel.check(problem)
        policy = init_policy(key, spec, hidden, anchors)
        return State(policy, adam_start(policy.params), jnp.uint32(0))

    def estimate(
        policy: Policy, problem: Problem, asked: jax.Array, params: Params, progress: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, Seen]:
        noise_key, key = jax.random.split(key)
        noise = traced_walk.gumbel_noise(noise_key, spec, len(asked))
        if estimator == "gumbel":
            return gumbel.loss(policy, problem, asked, noise, params, progress)
        return gates.loss(policy, problem, asked, noise, pairs, group, key)

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, key = jax.random.split(key)
        asked = jnp.repeat(stratified_budgets(budget_key, problem, budgets), group, 0)
        heat = params["entropy"] + (params["final_entropy"] - params["entropy"]) * progress

        def loss(policy: Policy) -> tuple[jax.Array, Seen]:
            total, seen = estimate(policy, problem, asked, params, progress, key)
            return total - heat * seen.entropy.mean(), seen

        grads, seen = policy_gradient(loss, state.policy)
        grads, norm = clipped(grads, params["clip"])
        rate = annealed(params["learning_rate"], params["final_learning_rate"], progress)
        weights, optimiser = adam_step(state.policy.params, state.optimiser, grads, rate)
        counted = state.evaluations + jnp.uint32(len(seen.quality))
        finite = jnp.isfinite(seen.quality)
        asked_each = jnp.concatenate([asked, jnp.repeat(asked, len(seen.costs) // len(asked) - 1, 0)])
        metrics = {
            "evaluations": counted.astype(jnp.float32),
            "infeasible": jnp.sum((seen.costs > asked_each).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~finite).astype(jnp.float32),
            "sampled_quality": jnp.mean(jnp.where(finite, seen.quality, 0.0)),
            "entropy": seen.entropy.mean(),
            "gradient_norm": norm,
        }
        return State(dataclasses.replace(state.policy, params=weights), optimiser, counted), metrics

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(state.policy, None),
        defaults=ESTIMATORS[estimator],
    )


def clipped(grads: Any, bound: jax.Array) -> tuple[Any, jax.Array]:
    """Gradients scaled down to a norm of at most ``bound`` (0: any), NaN taken as 0; and their norm before."""
    grads = jax.tree.map(jnp.nan_to_num, grads)
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(grads)))
    factor = jnp.where((bound > 0) & (norm > bound), bound / jnp.maximum(norm, 1e-30), 1.0)
    return jax.tree.map(lambda leaf: leaf * factor, grads), norm
