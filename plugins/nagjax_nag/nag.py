"""The controller ``nag``, default method: policy gradient and imitation of an archive that evolution fills as well.

Every sample meets its budget by construction, and a sample of cost c is an answer for every budget >= c (hindsight), so
an archive of the best architecture in each band of cost is free. Three things happen in an update:

- cheap evolution breeds children, at first in tournaments, then from neighbouring cells of the archive;
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

from nagjax.controllers import Artefact, Controller, Metrics, Params
from nagjax.generator import decode
from nagjax.generator.policy import Policy, init_policy
from nagjax.generator.training import annealed
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_nag import evolution, learning

DEFAULTS: Mapping[str, float] = {
    "learning_rate": 2e-2,
    "final_learning_rate": 1e-4,
    "entropy": 0.02,
    "gradient": 0.1,
    "imitation": 1.0,
    "margin": 0.002,
    "fill": 0.3,
    "apart": 0.7,
    "tournament": 8.0,
    "crossover": 0.5,
    "reach": 0.04,
    "elite": 0.0,
    "mutations": 1.5,
    "budget_noise": 0.3,
}
"""What users sweep.

- ``learning_rate``, ``final_learning_rate``: of Adam, along a cosine once the policy learns.
- ``entropy``: weight of the entropy, falling to 0; ``gradient``: of REINFORCE; ``imitation``: of imitation.
- ``margin``: share by which an imitated architecture stays below its budget.
- ``fill``: share of the run that evolution has to itself; ``apart``: share of that in which tournaments are
  held, each among ``tournament`` members of a population.
- ``crossover``: chance of a child to have two parents, ``reach`` of a parent's neighbours as a share of all;
  ``mutations``: decisions of a child drawn anew, on average; ``budget_noise``: of a child's budget, about its parent's
  cost; ``elite``: chance that a parent is of the archive's front instead of any cell.
"""


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      policy: the generator.
      optimiser: state of Adam.
      population: the archive, the tournaments and the count of evaluations.
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
    shared: int = 0,
    imitated: int = 128,
    imitations: int = 1,
    children: int = 1024,
    spare: int = 1,
    cells: int = 1024,
    tournaments: int = 64,
    members: int = 32,
) -> Controller:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets a cost column.
      budgets: budgets an update samples for.
      group: architectures sampled for each of them.
      shared: other budgets of the update whose samples a budget also learns from; less than ``budgets``.
      imitated: budgets a step imitates the archive at.
      imitations: steps an update takes; the first learns from samples and archive, further ones from the archive.
        Where evaluations are few, the policy learns what the archive holds only by many.
      children: children an update breeds and evaluates.
      spare: children bred for each that is evaluated; those not met lately come first. With 1 all are evaluated, as is
        right where evaluations are cheap.
      cells: capacity of the archive.
      tournaments: populations that evolve apart at first, each within a budget of its own; a divisor of ``children``.
        With 0 children are bred in the archive from the first, as is right where evaluations are few.
      members: architectures of each of them; at least as many as its children in an update.

    Raises:
      ValueError: if a size cannot be.
    """
    settings = {
        "hidden": hidden, "anchors": anchors, "budgets": budgets, "group": group, "shared": shared,
        "imitated": imitated, "imitations": imitations, "children": children, "spare": spare, "cells": cells,
        "tournaments": tournaments, "members": members,
    }  # fmt: skip
    _check_sizes(settings)

    def init(key: jax.Array, problem: Problem, params: Params) -> State:
        del params
        policy_key, key = jax.random.split(key)
        policy = init_policy(policy_key, spec, hidden, anchors)
        population = evolution.start(problem, cells, tournaments, members, children, key)
        return State(policy, optax.scale_by_adam().init(policy.params), population)

    def learn(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        draw_key, sample_key, imitate_key = jax.random.split(key, 3)
        drawn = learning.draw_budgets(state.population.archive, problem, budgets, draw_key)
        asked = jnp.repeat(drawn, group, 0)
        tokens, costs = decode.sample(state.policy, problem, asked, sample_key)
        quality, _ = evaluate(problem, tokens)
        population = evolution.add(state.population, problem, evolution.Brood(tokens, costs, quality))
        samples = learning.Samples(tokens, costs, quality, drawn)
        share = (progress - params["fill"]) / jnp.maximum(1 - params["fill"], 1e-6)
        rate = annealed(params["learning_rate"], params["final_learning_rate"], share)
        archive = population.archive

        def imitate(policy: Policy, key: jax.Array) -> jax.Array:
            targets = learning.draw_budgets(archive, problem, imitated, key)
            return learning.imitation(policy, problem, archive, targets, params["margin"])

        def loss(weights: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            policy = dataclasses.replace(state.policy, params=weights)
            gain, entropy = learning.surrogate(policy, problem, samples, shared)
            copied = imitate(policy, imitate_key)
            total = params["imitation"] * copied - params["gradient"] * gain
            return total - params["entropy"] * (1 - share) * entropy, (entropy, copied)

        grads, (entropy, copied) = jax.grad(loss, has_aux=True)(state.policy.params)
        policy, optimiser = learning.descend(state.policy, state.optimiser, grads, rate)

        def again(carry: tuple[Policy, Any], key: jax.Array) -> tuple[tuple[Policy, Any], None]:
            policy, optimiser = carry
            grads = jax.grad(lambda weights: imitate(dataclasses.replace(policy, params=weights), key))(policy.params)
            return learning.descend(policy, optimiser, grads, rate), None

        keys = jax.random.split(imitate_key, imitations)[1:]
        (policy, optimiser), _ = jax.lax.scan(again, (policy, optimiser), keys)
        metrics = {
            "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality), quality, 0.0)),
            "entropy": entropy,
            "imitation": copied,
            "infeasible": jnp.sum((costs > asked).any(-1)).astype(jnp.float32),
        }
        return State(policy, optimiser, population), metrics

    def wait(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        del key, problem, params, progress
        names = ("sampled_quality", "entropy", "imitation", "infeasible")
        return state, {name: jnp.float32(0) for name in names}

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        breed_key, learn_key = jax.random.split(key)
        broken = state.population.nonfinite
        population = evolution.evolve(state.population, problem, children, spare, params, progress, breed_key)
        state = dataclasses.replace(state, population=population)
        late = progress >= params["fill"]
        state, metrics = jax.lax.cond(late, learn, wait, state, learn_key, problem, params, progress)
        archive = state.population.archive
        held = archive.occupied
        found = {
            "evaluations": state.population.evaluations.astype(jnp.float32),
            "nonfinite": (state.population.nonfinite - broken).astype(jnp.float32),
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


def _check_sizes(settings: Mapping[str, int]) -> None:
    if any(size < 1 for name, size in settings.items() if name not in ("shared", "tournaments")):
        raise ValueError(f"nag: sizes must be at least 1; got {settings}")
    children, tournaments, members = (settings[name] for name in ("children", "tournaments", "members"))
    if tournaments < 0 or (tournaments and (children % tournaments or children // tournaments > members)):
        raise ValueError(
            f"nag: tournaments={tournaments} must be a divisor of children={children}, each with at most "
            f"members={members} children in an update; 0 holds none"
        )
    if not 0 <= settings["shared"] < settings["budgets"]:
        raise ValueError(f"nag: shared={settings['shared']} must lie in 0..{settings['budgets'] - 1} (budgets less 1)")
