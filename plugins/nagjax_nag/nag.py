"""The controller ``nag``, default method: policy gradient and imitation of an archive that evolution fills as well.

Every sample meets its budget by construction, and a sample of cost c is an answer for every budget >= c (hindsight), so
an archive of the best architecture in each band of cost is free. Three things happen in an update:

- cheap evolution breeds children from neighbouring cells of the archive, at first on islands;
- the policy samples a group of architectures for each of a few budgets: REINFORCE with the group as baseline, and
  entropy;
- the policy imitates the archive's best within other budgets.

The policy starts once evolution has used ``fill`` of the run. Policy samples enter the archive as well: they lead
evolution out of local optima, and evolution gives the policy what sampling alone would take long to find.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nagjax import pareto
from nagjax.controllers import Artefact, Controller, Metrics, Params
from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_at, budget_position, init_policy
from nagjax.problem import Problem, Spec, evaluate
from nagjax_nag import evolution

DEFAULTS: Mapping[str, float] = {
    "learning_rate": 2e-2,
    "final_learning_rate": 1e-4,
    "entropy": 0.02,
    "gradient": 0.1,
    "imitation": 1.0,
    "margin": 0.002,
    "fill": 0.3,
    "apart": 0.7,
    "crossover": 0.5,
    "reach": 0.04,
    "mutations": 1.5,
    "budget_noise": 0.03,
}
ABOVE_TOP = 0.06
"""Share of the budgets drawn above the cost of the best architecture: the policy has to know that nothing changes."""


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      policy: the generator.
      optimiser: state of Adam.
      population: the archive, its islands and the count of evaluations.
    """

    policy: Policy
    optimiser: Any
    population: evolution.Population


def make(
    spec: Spec,
    hidden: int = 64,
    anchors: int = 256,
    budgets: int = 16,
    group: int = 8,
    imitated: int = 128,
    children: int = 1024,
    cells: int = 1024,
    islands: int = 4,
) -> Controller:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets a cost column.
      budgets: budgets an update samples for.
      group: architectures sampled for each of them.
      imitated: budgets an update imitates the archive at.
      children: children an update breeds.
      cells: capacity of the archive and of each island.
      islands: populations that evolve apart at first; a divisor of ``children``.
    """
    settings = {
        "hidden": hidden, "anchors": anchors, "budgets": budgets, "group": group, "imitated": imitated,
        "children": children, "cells": cells, "islands": islands,
    }  # fmt: skip
    if any(size < 1 for size in settings.values()) or children % islands:
        raise ValueError(f"nag: sizes must be at least 1 and islands a divisor of children; got {settings}")
    adam = optax.scale_by_adam()

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        del params
        policy_key, key = jax.random.split(key)
        policy = init_policy(policy_key, spec, hidden, anchors)
        population = evolution.start(problem, cells, islands, children, key)
        return State(policy, adam.init(policy.params), population)

    def learn(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        draw_key, sample_key, imitate_key = jax.random.split(key, 3)
        asked = jnp.repeat(_draw_budgets(state.population.archive, problem, budgets, draw_key), group, 0)
        tokens, costs = decode.sample(state.policy, problem, asked, sample_key)
        quality, _ = evaluate(problem, tokens)
        population = evolution.add(state.population, problem, evolution.Brood(tokens, costs, quality))
        archive = population.archive
        advantage = group_advantage(quality.reshape(budgets, group)).ravel()

        targets = _draw_budgets(archive, problem, imitated, imitate_key)
        row, best = pareto.best_within(archive, shrink(targets, params["margin"], problem))
        all_tokens = jnp.concatenate([tokens, archive.tokens[row]])
        all_budgets = jnp.concatenate([asked, targets])
        share = (progress - params["fill"]) / jnp.maximum(1 - params["fill"], 1e-6)

        def loss(weights: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            scores = decode.score(dataclasses.replace(state.policy, params=weights), problem, all_tokens, all_budgets)
            sampled, copied = scores.log_prob[: len(tokens)], scores.log_prob[len(tokens) :]
            entropy = scores.entropy[: len(tokens)].mean()
            imitation = -jnp.mean(jnp.where(best > -jnp.inf, copied, 0.0))
            total = params["imitation"] * imitation - params["gradient"] * jnp.mean(advantage * sampled)
            return total - params["entropy"] * (1 - share) * entropy, (entropy, imitation)

        grads, (entropy, imitation) = jax.grad(loss, has_aux=True)(state.policy.params)
        grads = jax.tree.map(jnp.nan_to_num, grads)
        rate = _cosine(params["learning_rate"], params["final_learning_rate"], share)
        updates, optimiser = adam.update(grads, state.optimiser, state.policy.params)
        weights = jax.tree.map(lambda weight, step: weight - rate * step, state.policy.params, updates)
        policy = dataclasses.replace(state.policy, params=weights)
        metrics = {
            "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality), quality, 0.0)),
            "entropy": entropy,
            "imitation": imitation,
            "infeasible": jnp.sum((costs > asked).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~jnp.isfinite(quality)).astype(jnp.float32),
        }
        return State(policy, optimiser, population), metrics

    def wait(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        del key, problem, params, progress
        names = ("sampled_quality", "entropy", "imitation", "infeasible", "nonfinite")
        return state, {name: jnp.float32(0) for name in names}

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        breed_key, learn_key = jax.random.split(key)
        population = jax.lax.cond(
            progress < params["fill"] * params["apart"],
            lambda: evolution.breed_apart(state.population, problem, children, params, breed_key),
            lambda: evolution.breed_together(state.population, problem, children, params, breed_key),
        )
        state = dataclasses.replace(state, population=population)
        late = progress >= params["fill"]
        state, metrics = jax.lax.cond(late, learn, wait, state, learn_key, problem, params, progress)
        archive = state.population.archive
        held = pareto.occupied(archive)
        found = {
            "evaluations": state.population.evaluations.astype(jnp.float32),
            "archive_quality": jnp.max(archive.quality),
            "archive_mean": jnp.sum(jnp.where(held, archive.quality, 0.0)) / jnp.maximum(held.sum(), 1),
        }
        return state, {**metrics, **found}

    def rebase(state: State, problem: Problem) -> State:
        return dataclasses.replace(state, population=evolution.rescore(state.population, problem))

    return Controller(
        name="nag",
        spec=spec,
        settings=settings,
        default_params=lambda: dict(DEFAULTS),
        init=init,
        update=update,
        rebase=rebase,
        artefact=lambda state, _: Artefact(state.policy, state.population.archive),
    )


def group_advantage(quality: jax.Array) -> jax.Array:
    """Advantage ``[B, G]`` within the group of each budget, standardised; 0 where a quality is not finite."""
    finite = jnp.isfinite(quality)
    count = jnp.maximum(finite.sum(-1, keepdims=True), 1)
    centred = jnp.where(finite, quality - jnp.sum(jnp.where(finite, quality, 0.0), -1, keepdims=True) / count, 0.0)
    deviation = jnp.sqrt(jnp.sum(centred**2, -1, keepdims=True) / count)
    return centred / (deviation + 1e-6)


def shrink(budgets: jax.Array, margin: jax.Array, problem: Problem) -> jax.Array:
    """Budgets less a share ``margin``, but not below the cheapest.

    The policy blurs budgets that lie closer together than its anchors. What it imitates must therefore fit a slightly
    smaller budget as well: an architecture that just misses the budget leaves the mask no choice but a bad last block.
    """
    return jnp.maximum((budgets * (1 - margin)).astype(jnp.int32), problem.low[None])


def _draw_budgets(archive: pareto.Archive, problem: Problem, num: int, key: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]``, stratified; few above the cost of the best, where there is nothing left to gain."""
    top = budget_position(problem, archive.costs[jnp.argmax(archive.quality)][None])
    top = jnp.minimum(top * 1.02 + 0.01, 1.0)
    order_key, key = jax.random.split(key)
    columns = jax.random.split(order_key, problem.spec.num_costs)
    strata = jnp.stack([jax.random.permutation(column, num) for column in columns], -1)
    drawn = (strata + jax.random.uniform(key, strata.shape)) / num
    below, above = drawn / (1 - ABOVE_TOP), (drawn - (1 - ABOVE_TOP)) / ABOVE_TOP
    return budget_at(problem, jnp.where(drawn < 1 - ABOVE_TOP, below * top, top + above * (1 - top)))


def _cosine(first: jax.Array, last: jax.Array, share: jax.Array) -> jax.Array:
    return last + (first - last) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0.0, 1.0)))
