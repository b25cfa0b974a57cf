"""The controller ``nag_published``: policy gradient on a dominance reward at K fixed budgets (arXiv 2103.00219).

K budgets evenly spaced over the latency range, N samples for each, the reward R(a|B) of the ranker,
entropy regularised, Adam at 3e-4. The ranker is the problem's learned one; without it the factored form (quality
where feasible, ranked by cost where not). As in the paper nothing is masked in training.
Not in the paper: the mean reward of a budget's samples as baseline, since R has an arbitrary offset for each budget.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nagjax.controllers import Artefact, Controller, Metrics, Params
from nagjax.generator import decode
from nagjax.generator.budget import anchor_weights
from nagjax.generator.policy import Policy, budget_at_share, budget_position, init_policy
from nagjax.generator.walk import unmasked
from nagjax.problems.problem import Problem, Spec, evaluate, path_features
from nagjax.ranking import dominance, ranker

DEFAULTS: Mapping[str, float] = {"learning_rate": 3e-4, "entropy": 1e-3}


@flax.struct.dataclass
class State:
    """Generator, state of Adam, and calls of the quality function or ranker so far (uint32)."""

    policy: Policy
    optimiser: Any
    evaluations: jax.Array


def make(spec: Spec, hidden: int = 64, anchors: int = 10, samples: int = 8) -> Controller:
    """The controller.

    Args:
      spec: static shape of the problem; one cost column, as in the paper.
      hidden: width of the policy's LSTM.
      anchors: K, number of budgets.
      samples: N, architectures an update samples for each budget.
    """
    settings = {"hidden": hidden, "anchors": anchors, "samples": samples}
    if min(hidden, anchors, samples) < 1 or spec.num_costs != 1:
        raise ValueError(f"nag_published: one cost column and sizes of at least 1; got {settings}, {spec.reduces}")
    adam = optax.scale_by_adam()

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        del params
        policy = init_policy(key, spec, hidden, anchors)
        policy = dataclasses.replace(policy, anchors=budget_position(problem, anchor_budgets(problem, anchors)).T)
        return State(policy, adam.init(policy.params), jnp.uint32(0))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        del progress
        relaxed = unmasked(problem)
        budgets = jnp.repeat(anchor_budgets(problem, anchors), samples, 0)
        tokens, costs = decode.sample(state.policy, relaxed, budgets, key)
        reward = rewards(problem, tokens, costs, budgets)
        grouped = reward.reshape(anchors, samples)
        advantage = jnp.nan_to_num(grouped - grouped.mean(-1, keepdims=True), posinf=0.0, neginf=0.0).ravel()

        def loss(weights: Any) -> tuple[jax.Array, jax.Array]:
            scores = decode.score(dataclasses.replace(state.policy, params=weights), relaxed, tokens, budgets)
            entropy = scores.entropy.mean()
            return -jnp.mean(advantage * scores.log_prob) - params["entropy"] * entropy, entropy

        grads, entropy = jax.grad(loss, has_aux=True)(state.policy.params)
        updates, optimiser = adam.update(grads, state.optimiser, state.policy.params)
        rate = params["learning_rate"]
        weights = jax.tree.map(lambda weight, step: weight - rate * step, state.policy.params, updates)
        counted = state.evaluations + jnp.uint32(anchors * samples)
        metrics = {
            "reward": jnp.mean(jnp.where(jnp.isfinite(reward), reward, 0.0)),
            "entropy": entropy,
            "infeasible": jnp.sum((costs > budgets).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~jnp.isfinite(reward)).astype(jnp.float32),
            "evaluations": counted.astype(jnp.float32),
        }
        return State(dataclasses.replace(state.policy, params=weights), optimiser, counted), metrics

    def rebase(state: State, problem: Problem) -> State:
        positions = budget_position(problem, anchor_budgets(problem, anchors)).T
        return dataclasses.replace(state, policy=dataclasses.replace(state.policy, anchors=positions))

    return Controller(
        name="nag_published",
        spec=spec,
        settings=settings,
        default_params=lambda: dict(DEFAULTS),
        init=init,
        update=update,
        rebase=rebase,
        artefact=lambda state, _: Artefact(state.policy, None),
    )


def anchor_budgets(problem: Problem, num: int) -> jax.Array:
    """``num`` budgets int32 ``[num, 1]`` evenly spaced from the cheapest to the dearest; one is the dearest."""
    share = jnp.linspace(0.0, 1.0, num)[:, None] if num > 1 else jnp.ones((1, 1))
    return budget_at_share(problem, share)


def rewards(problem: Problem, tokens: jax.Array, costs: jax.Array, budgets: jax.Array) -> jax.Array:
    """R(a|B) float32 ``[B]`` of tokens ``[B, T]`` with costs and budgets int32 ``[B, 1]``."""
    if problem.ranker is None:
        quality, _ = evaluate(problem, tokens)
        return dominance.factored_score(quality, costs[:, 0], budgets[:, 0])
    asked = budgets[:, 0].astype(jnp.float32) * problem.tick[0]
    weights = anchor_weights(asked, problem.ranker.anchors)
    return ranker.score(problem.ranker, path_features(problem, tokens), weights)
