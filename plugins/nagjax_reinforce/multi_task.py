"""The controller ``multi_task``: one stream of samples teaches the policies of all tasks.

FBNetV5 (Wu et al., arXiv 2111.10007, section 3.3) samples architectures from a mixture of the tasks' distributions, has
each evaluated once for all tasks, and weighs a sample in the gradient of a task by the ratio of that task's probability
to the mixture's, so the cost of a search does not grow with the number of tasks. Here a task is the choice of the first
decision (``nagjax.spaces.compose.prefix``), so the policies share their parameters; each sample's task is drawn
uniformly, which makes the mixture the mean of the policies, and its density bounds every ratio by the number of tasks
(the balance heuristic: Veach and Guibas, SIGGRAPH 1995). A sample teaches a task that admits it within its budget.

With ``shared=false`` a sample teaches the task it was drawn for alone: searches that divide the stream.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import stratified_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator import decode
from nagjax.generator.policy import Policy, init_policy
from nagjax.generator.training import FLAT, adam_start, adam_step, annealed, policy_gradient
from nagjax.populations import vary
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_reinforce.objective import entropy_weight

IMPOSSIBLE = -1e30
"""Log-probability of what a task does not admit; finite, so that nothing is NaN where no task does."""


@flax.struct.dataclass
class State:
    """The generator, the state of Adam, and calls of the quality function so far, uint32."""

    policy: Policy
    optimiser: Any
    evaluations: jax.Array


@flax.struct.dataclass
class Lessons:
    """What a stream teaches each of n tasks.

    Attributes:
      tokens: int32 ``[n, B, T]``, the samples as architectures of each task.
      budgets: int32 ``[B, K]``.
      weight: float32 ``[n, B]``, importance of a sample for a task; 0 where the task does not admit it.
      advantage: float32 ``[n, B]``.
    """

    tokens: jax.Array
    budgets: jax.Array
    weight: jax.Array
    advantage: jax.Array


@factory("multi_task")
def make(spec: Spec, hidden: int = 64, anchors: int = 32, budgets: int = 8, group: int = 12) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem; the first decision is the task.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      budgets: N, budgets an update samples for.
      group: G, architectures sampled for each of them, of all tasks together.
    """
    tasks = spec.choices[0]

    def init(key: jax.Array, _problem: Problem, _params: Params) -> State:
        policy = init_policy(key, spec, hidden, anchors)
        return State(policy, adam_start(policy.params), jnp.uint32(0))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, task_key, draw_key, repair_key = jax.random.split(key, 4)
        asked = jnp.repeat(stratified_budgets(budget_key, problem, budgets), group, 0)
        blank = jnp.full((len(asked), spec.num_layers), -1, jnp.int32)
        drawn_for = jax.random.randint(task_key, (len(asked),), 0, tasks)
        wanted = blank.at[:, 0].set(drawn_for)
        sampled, _ = decode.redraw(state.policy, problem, wanted, jnp.zeros_like(blank, bool), asked, draw_key)

        wanted = jnp.tile(sampled, (tasks, 1)).at[:, 0].set(jnp.repeat(jnp.arange(tasks), len(asked)))
        everywhere = jnp.tile(asked, (tasks, 1))
        tokens, costs = vary.reroll(problem, wanted, jnp.zeros_like(wanted, bool), everywhere, repair_key)
        quality, _ = evaluate(problem, tokens)
        admitted = (tokens == wanted).all(-1) & jnp.isfinite(quality)
        log_prob = given_task(state.policy, problem, tokens, everywhere)[0].reshape(tasks, -1)
        admitted, quality = admitted.reshape(tasks, -1), quality.reshape(tasks, -1)
        own = sampled[:, 0][None] == jnp.arange(tasks)[:, None]
        weight = jnp.where(params["shared"] > 0.5, balanced(log_prob, admitted), jnp.where(own, float(tasks), 0.0))
        weight = jnp.where(admitted, weight, 0.0)
        advantage = weighted_advantage(quality, weight, budgets)
        lessons = Lessons(tokens.reshape(tasks, len(asked), -1), asked, weight, advantage)
        policy, optimiser, entropy = learn(state, problem, lessons, params, progress)
        counted = state.evaluations + jnp.uint32(len(tokens))
        metrics = {
            "evaluations": counted.astype(jnp.float32),
            "infeasible": jnp.sum((costs > everywhere).any(-1)).astype(jnp.float32),
            "nonfinite": jnp.sum(~jnp.isfinite(quality)).astype(jnp.float32),
            "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality) & own, quality, 0.0)) * tasks,
            "entropy": entropy,
        }
        return State(policy, optimiser, counted), metrics

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(state.policy, None),
        defaults={
            "shared": True, "learning_rate": 1e-2, "final_learning_rate": 1e-4, "entropy": 0.2, "final_entropy": 0.0,
            "entropy_power": 1.0,
        },
    )  # fmt: skip


def given_task(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log-probability and entropy float32 ``[B]`` of architectures int32 ``[B, T]``, given their first decision."""
    scores = decode.score_decisions(policy, problem, tokens, budgets)
    return scores.log_prob[:, 1:].sum(-1), scores.entropy[:, 1:].sum(-1)


def balanced(log_prob: jax.Array, admitted: jax.Array) -> jax.Array:
    """A sample's probability for a task over its mean over the tasks, float32 ``[n, B]``, at most n.

    >>> weights = balanced(jnp.log(jnp.array([[0.3], [0.1]])), jnp.ones((2, 1), bool))
    >>> [round(float(weight), 3) for weight in weights[:, 0]]
    [1.5, 0.5]
    """
    share = jax.nn.softmax(jnp.where(admitted, log_prob, IMPOSSIBLE), 0)
    return jnp.where(admitted, log_prob.shape[0] * share, 0.0)


def weighted_advantage(quality: jax.Array, weight: jax.Array, budgets: int) -> jax.Array:
    """Quality ``[n, B]`` less its weighted mean over a budget's samples, over their deviation; 0 without a weight."""
    tasks, num = quality.shape
    shape = (tasks, budgets, num // budgets)
    grouped, share = quality.reshape(shape), weight.reshape(shape)
    grouped = jnp.where(share > 0, grouped, 0.0)
    share = share / jnp.maximum(share.sum(-1, keepdims=True), 1e-9)
    centred = grouped - (share * grouped).sum(-1, keepdims=True)
    deviation = jnp.sqrt((share * centred**2).sum(-1, keepdims=True))
    return (centred / (deviation + FLAT)).reshape(tasks, num)


def learn(
    state: State, problem: Problem, lessons: Lessons, params: Params, progress: jax.Array
) -> tuple[Policy, Any, jax.Array]:
    """A step of Adam; policy, state of Adam, and the mean entropy."""
    tasks, num, layers = lessons.tokens.shape
    budgets = jnp.tile(lessons.budgets, (tasks, 1))
    worth = jax.lax.stop_gradient((lessons.weight * lessons.advantage).reshape(-1))
    real = (lessons.weight > 0).reshape(-1)

    def loss(policy: Policy) -> tuple[jax.Array, jax.Array]:
        log_prob, entropy = given_task(policy, problem, lessons.tokens.reshape(-1, layers), budgets)
        told = jnp.sum(jnp.where(real, worth * log_prob, 0.0)) / (tasks * num)
        spread = jnp.sum(jnp.where(real, entropy, 0.0)) / jnp.maximum(real.sum(), 1)
        return -told - entropy_weight(params, progress) * spread, spread

    grads, entropy = policy_gradient(loss, state.policy)
    rate = annealed(params["learning_rate"], params["final_learning_rate"], progress)
    weights, optimiser = adam_step(state.policy.params, state.optimiser, grads, rate)
    return dataclasses.replace(state.policy, params=weights), optimiser, entropy
