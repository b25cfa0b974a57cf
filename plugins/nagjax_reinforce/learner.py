"""The update that all controllers of this package share (REINFORCE: Williams 1992, Machine Learning 8, 229-256).

Sample G architectures for each of N budgets, reward them, take the baseline, follow the gradient with Adam, perhaps for
several epochs on the same samples with clipped ratios. A controller says which budgets, and how its policy begins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import budget_position, fixed_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods
from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_weights, init_policy
from nagjax.generator.training import adam_start
from nagjax.generator.walk import masked
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_reinforce import baselines, replay
from nagjax_reinforce.judges import TABLE, Judge, Sampled
from nagjax_reinforce.objective import Samples, descend
from nagjax_reinforce.rewards import REWARDS

DEFAULTS: Mapping[str, float | bool | str] = {
    "reward": "dominance",
    "cost_weight": 0.07,
    "reward_scale": 1.0,
    "mask": True,
    "baseline": "group",
    "baseline_decay": 0.95,
    "value_rate": 1e-2,
    "standardise": True,
    "entropy": 0.2,
    "final_entropy": 0.0,
    "entropy_power": 1.0,
    "clip": 0.0,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-4,
}
"""What all of these controllers sweep.

- ``reward``: one of ``rewards.REWARDS``; ``cost_weight``: its w; ``reward_scale``: factor of the advantage.
- ``mask``: whether samples meet their budget by construction; without it the reward alone can teach it, and
  ``infeasible`` counts those that do not. Answers of the trained policy are masked in either case.
- ``baseline``: one of ``baselines.BASELINES``; ``baseline_decay``: what ``moving`` keeps in an update;
  ``value_rate``: Adam's rate for ``value``.
- ``standardise``: whether advantages are divided by the deviation of their budget's samples, if they differ at all.
- ``entropy``, ``final_entropy``, ``entropy_power``: weight of the entropy at the start and end, and the curve between.
- ``clip``: bound on the ratios, 0 for none; it matters with several epochs.
- ``learning_rate``, ``final_learning_rate``: of Adam, along a cosine.
"""

CHOICES: Mapping[str, tuple[str, ...]] = {"reward": tuple(REWARDS), "baseline": baselines.BASELINES}
"""The parameters that are one of several by name."""


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      policy: the generator.
      optimiser: state of Adam.
      memory: of the baselines.
      evaluations: architectures whose quality was asked for so far, uint32: samples, and what the judge began with.
      past: what is replayed; None where nothing is.
      judged: what the judge remembers.
    """

    policy: Policy
    optimiser: Any
    memory: baselines.Memory
    evaluations: jax.Array
    past: replay.Past | None = None
    judged: Any = ()


Draw: TypeAlias = Callable[[jax.Array, Problem, Params], jax.Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What a controller has of its own.

    Attributes:
      defaults: as in ``Methods``.
      group: G, samples for each budget.
      epochs: steps of Adam on the same samples.
      begin: ``(key, problem) -> policy``.
      settle: ``(policy, problem) -> policy``, the policy under a changed problem.
      draw: ``(key, problem, params) -> budgets`` int32 ``[N, K]`` of an update.
      replayed: samples that are kept and replayed with the weight ``replay``, a parameter of its own; 0 for none.
      judge: of the samples.
    """

    defaults: Mapping[str, float | bool | str]
    group: int
    epochs: int
    begin: Callable[[jax.Array, Problem], Policy]
    settle: Callable[[Policy, Problem], Policy]
    draw: Draw
    replayed: int = 0
    judge: Judge = TABLE


def fixed_plan(
    spec: Spec, hidden: int, anchors: int, group: int, draw: Draw, defaults: Mapping[str, float | bool | str]
) -> Plan:
    """The plan of a policy whose anchors are ``anchors`` fixed budgets; arguments as ``Plan`` and ``init_policy``."""

    def settle(policy: Policy, problem: Problem) -> Policy:
        return dataclasses.replace(policy, anchors=budget_position(problem, fixed_budgets(problem, anchors)).T)

    def begin(key: jax.Array, problem: Problem) -> Policy:
        return settle(init_policy(key, spec, hidden, anchors), problem)

    return Plan(defaults, group, 1, begin, settle, draw)


def methods(spec: Spec, plan: Plan) -> Methods:
    """The functions of a plan's controller."""

    def init(key: jax.Array, problem: Problem, _params: Params) -> State:
        policy_key, memory_key = jax.random.split(key)
        judged = plan.judge.begin(jax.random.fold_in(memory_key, 1), problem)
        policy = plan.begin(policy_key, problem)
        memory = baselines.init_memory(memory_key, policy.anchors.size, spec.num_costs)
        past = replay.nothing(spec, plan.replayed) if plan.replayed else None
        return State(policy, adam_start(policy.params), memory, jnp.uint32(plan.judge.asks(judged)), past, judged)

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, sample_key = jax.random.split(key)
        drawn = plan.draw(budget_key, problem, params)
        asked = jnp.repeat(drawn, plan.group, 0)
        seen = masked(problem, params["mask"])
        tokens, costs = decode.sample(state.policy, seen, asked, sample_key)
        quality, _ = evaluate(problem, tokens)
        sampled = Sampled(tokens, quality, costs, asked)
        reward = plan.judge.reward(state.judged, problem, sampled, params)

        grouped = reward.reshape(len(drawn), plan.group)
        place = (budget_weights(state.policy, problem, drawn) / spec.num_costs, budget_position(problem, drawn))
        advantage, finite = baselines.advantages(state.memory, grouped, *place, params)
        memory = baselines.remember(state.memory, grouped, *place, params)

        samples = Samples(tokens, asked, advantage.ravel())
        given = (seen, samples, params, progress, plan.epochs, state.past)
        policy, optimiser, terms = descend(state.policy, state.optimiser, *given)
        past = None if state.past is None else replay.remember(state.past, tokens, asked)
        counted = state.evaluations + jnp.uint32(len(asked))
        metrics = {
            "evaluations": counted.astype(jnp.float32),
            "infeasible": jnp.sum((costs > asked).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~finite).astype(jnp.float32),
            "reward": jnp.mean(jnp.where(jnp.isfinite(reward), reward, 0.0)),
            "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality), quality, 0.0)),
            **plan.judge.measure(reward),
            **terms,
        }
        judged = plan.judge.follow(state.judged, problem, sampled, params)
        return State(policy, optimiser, memory, counted, past, judged), metrics

    def rebase(state: State, problem: Problem) -> State:
        policy = plan.settle(state.policy, problem)
        # Budgets of the past are ticks of another problem, and rivals keep to them.
        past = None if state.past is None else replay.nothing(spec, plan.replayed)
        judged, memory = plan.judge.begin(jax.random.key(0), problem), baselines.forget(state.memory)
        counted = state.evaluations + jnp.uint32(plan.judge.asks(judged))
        return dataclasses.replace(state, policy=policy, memory=memory, evaluations=counted, past=past, judged=judged)

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(state.policy, None),
        rebase=rebase,
        defaults=plan.defaults,
        choices={name: names for name, names in CHOICES.items() if name in plan.defaults},
    )
