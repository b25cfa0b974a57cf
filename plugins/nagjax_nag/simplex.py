"""The controller ``nag_simplex``: exponentiated gradient on one simplex a decision and anchor budget.

GAEA (Li et al., arXiv 2004.07802) keeps the choices of each decision as a point theta of a simplex and multiplies,

    theta <- theta * exp(-rate * dL/dtheta), then normalised,

instead of adding to logits. Here each anchor budget has its simplexes. Budgets between anchors mix the logarithms of
theta, and the mask renormalises over what still fits. L is minus the expected advantage within each budget's group, by
the score function. The artefact is an ordinary policy: ``log theta`` are its logits that depend on the budget alone,
everything else is 0, so decisions do not see each other.

Weights stay away from 0 in two ways: after each update every simplex is mixed with a share ``floor`` of the uniform
one, so that theta >= floor / C and dL/dtheta = (dL/dlog theta) / theta is bounded; and an update multiplies no weight
by more than exp(``clip``) or less than exp(-``clip``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.budgets import stratified_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_weights, init_policy
from nagjax.generator.training import standardised
from nagjax.generator.walk import segments
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax.supernet.entangled import learned_scores

DEFAULTS: Mapping[str, float] = {"rate": 0.1, "entropy": 0.05, "final_entropy": 0.0, "floor": 1e-3, "clip": 0.5}
"""Step size; weight of the entropy at the start and the end; and what keeps weights away from 0."""

LEAST = 1e-12
"""Least share that is begun from, so that its logarithm is finite."""

HIDDEN = 1
"""Width of the LSTM that the artefact has to have; all its parameters are 0."""


@flax.struct.dataclass
class State:
    """Policy, and calls of the quality function so far (uint32)."""

    policy: Policy
    evaluations: jax.Array


@factory("nag_simplex", group=2)
def make(spec: Spec, anchors: int = 64, budgets: int = 16, group: int = 8, start: str = "") -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      anchors: anchor budgets per cost column, each with its own simplexes.
      budgets: budgets an update samples for.
      group: architectures sampled for each of them, at least 2: their mean is the baseline.
      start: folder of a supernet of the strategy ``entangled``, whose shares every anchor begins from; the middle of
        the simplexes where empty. With the parameters ``rate=0`` and ``floor=0`` they stay what they are.

    Raises:
      ValueError: if a size is too small, or the folder holds no shares of these decisions.
    """
    logits = read_scores(spec, start) if start else None

    def init(key: jax.Array, _problem: Problem, _params: Params) -> State:
        policy = init_policy(key, spec, HIDDEN, anchors)
        policy = dataclasses.replace(policy, params=jax.tree.map(jnp.zeros_like, policy.params))
        begun = uniform(spec, policy) if logits is None else of_scores(spec, policy, logits)
        return State(with_simplexes(policy, begun), jnp.uint32(0))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, sample_key = jax.random.split(key)
        asked = jnp.repeat(stratified_budgets(budget_key, problem, budgets), group, 0)
        tokens, costs = decode.sample(state.policy, problem, asked, sample_key)
        quality, _ = evaluate(problem, tokens)
        advantage = standardised(quality.reshape(budgets, group)).ravel()
        heat = params["entropy"] + (params["final_entropy"] - params["entropy"]) * progress
        thetas = simplexes(state.policy)

        def loss(thetas: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
            scores = decode.score(with_simplexes(state.policy, thetas), problem, tokens, asked)
            # A sum over budgets, as each has simplexes of its own; a mean over those that share them.
            each = (advantage * scores.log_prob + heat * scores.entropy).reshape(budgets, group).mean(-1)
            return -each.sum(), scores.entropy.mean()

        grads, entropy = jax.grad(loss, has_aux=True)(thetas)
        seen = budget_weights(state.policy, problem, asked).reshape(budgets, group, -1)[:, 0].sum(0)
        share = 1.0 / jnp.maximum(seen, 1.0)
        grads = [jnp.nan_to_num(share[:, None, None] * grad) for grad in grads]
        moved = [
            exponentiated(theta, grad, params["rate"], params["clip"], params["floor"], exists)
            for theta, grad, exists in zip(thetas, grads, real_choices(spec), strict=True)
        ]
        counted = state.evaluations + jnp.uint32(len(asked))
        metrics = {
            "evaluations": counted.astype(jnp.float32),
            "infeasible": jnp.sum((costs > asked).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~jnp.isfinite(quality)).astype(jnp.float32),
            "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality), quality, 0.0)),
            "entropy": entropy,
        }
        return State(with_simplexes(state.policy, moved), counted), metrics

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(state.policy, None),
        defaults=DEFAULTS,
    )


def exponentiated(
    theta: jax.Array, grad: jax.Array, rate: jax.Array, clip: jax.Array, floor: jax.Array, exists: jax.Array
) -> jax.Array:
    """Points of simplexes after a multiplicative step down a gradient.

    Args:
      theta: float32 ``[A, L, C]``, positive where a choice exists; a simplex along the last axis.
      grad: float32 ``[A, L, C]``, dL/dtheta.
      rate: step size.
      clip: bound on the logarithm of the factor, before normalising.
      floor: share of the uniform point that is mixed in.
      exists: bool ``[L, C]``, choices that are real; the others keep 0.
    """
    step = jnp.where(exists[None], jnp.clip(-rate * grad, -clip, clip), -jnp.inf)
    # Normalising forgets a common factor; without the largest no exponential overflows.
    raised = theta * jnp.exp(step - step.max(-1, keepdims=True))
    raised /= raised.sum(-1, keepdims=True)
    return (1 - floor) * raised + floor * (exists / exists.sum(-1, keepdims=True))[None]


def real_choices(spec: Spec) -> list[jax.Array]:
    """Of each segment of the walk, which of the padded choices exist, bool ``[L, C']``."""
    return [
        jnp.arange(width)[None] < jnp.array(spec.choices[first:last])[:, None]
        for first, last, width in segments(spec.choices)
    ]


def uniform(spec: Spec, policy: Policy) -> list[jax.Array]:
    """The middle of every simplex, for each segment float32 ``[A, L, C']``."""
    return [
        jnp.broadcast_to((exists / exists.sum(-1, keepdims=True))[None], (policy.anchors.size, *exists.shape))
        for exists in real_choices(spec)
    ]


def of_scores(spec: Spec, policy: Policy, logits: np.ndarray) -> list[jax.Array]:
    """Shares of logits float32 ``[T, C]``, the same at every anchor, for each segment float32 ``[A, L, C']``."""
    cut = [logits[first:last, :width] for first, last, width in segments(spec.choices)]
    shares = [
        jax.nn.softmax(jnp.where(exists, own, -jnp.inf)) for own, exists in zip(cut, real_choices(spec), strict=True)
    ]
    return [jnp.broadcast_to(jnp.maximum(one, LEAST)[None], (policy.anchors.size, *one.shape)) for one in shares]


def read_scores(spec: Spec, folder: str) -> np.ndarray:
    """Logits float32 ``[T, C]`` that were learned with a supernet's weights.

    Raises:
      ValueError: if there are none, or they are of other decisions.
    """
    logits = learned_scores(folder)
    if logits.shape != (spec.num_layers, spec.num_choices):
        raise ValueError(
            f"nag_simplex: start={folder}: has logits of {list(logits.shape)} decisions and choices, the problem has "
            f"{[spec.num_layers, spec.num_choices]}; give a supernet of the same space"
        )
    return logits


def simplexes(policy: Policy) -> list[jax.Array]:
    """Theta for each segment, float32 ``[A, L, C']``."""
    names, spec = _names(policy), policy.network.spec
    return [
        jnp.where(exists[None], jnp.exp(policy.params[name]), 0.0)
        for name, exists in zip(names, real_choices(spec), strict=True)
    ]


def with_simplexes(policy: Policy, thetas: list[jax.Array]) -> Policy:
    """The policy whose logits are log theta; choices that do not exist have 0."""
    logs: dict[str, Any] = {
        name: jnp.log(jnp.where(exists[None], theta, 1.0))
        for name, theta, exists in zip(_names(policy), thetas, real_choices(policy.network.spec), strict=True)
    }
    return dataclasses.replace(policy, params={**policy.params, **logs})


def _names(policy: Policy) -> list[str]:
    return [f"anchor_logits_{first}" for first, _, _ in segments(policy.network.spec.choices)]
