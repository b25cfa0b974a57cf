"""The controller ``conservative``: of the best found so far a few decisions are drawn anew, by a policy that learns.

The explorer of Auto-GNN (Zhou et al., arXiv 1909.03184, section 4.2) keeps the best architecture, changes it where the
policy is least sure, and moves on only to what is better; the policy learns by REINFORCE, from the changed decisions
alone, how much better a child is than children were (a moving average). Here it does so for ``budgets`` budgets at
once, drawn anew in every update: a parent is the best found within its budget, whoever found it. Which decisions are
changed is drawn, without replacement, in proportion to the policy's entropy there; the paper takes the highest, which
at first, when all are alike, would always be the same ones. With ``changed`` at the number of decisions an update
resamples whole architectures: the rival in the paper.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import budget_position, stratified_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator import decode
from nagjax.generator.policy import Policy, budget_weights, init_policy
from nagjax.generator.training import adam_start, adam_step, annealed, policy_gradient
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce import baselines

CERTAIN = 1e-6
"""Entropy, nats, below which a decision counts as decided: it is changed only where no other is left."""

BASELINE = {"baseline": baselines.BASELINES.index("moving"), "standardise": 0, "reward_scale": 1, "value_rate": 0}


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      findings: the front of everything evaluated.
      policy: draws what is changed.
      optimiser: state of Adam.
      memory: the moving average of rewards.
    """

    findings: fd.Findings
    policy: Policy
    optimiser: Any
    memory: baselines.Memory


@factory("conservative")
def make(spec: Spec, hidden: int = 64, anchors: int = 32, budgets: int = 16, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      budgets: children of an update, one for each budget.
      capacity: of the front.
    """

    def init(key: jax.Array, _problem: Problem, _params: Params) -> State:
        policy_key, memory_key = jax.random.split(key)
        policy = init_policy(policy_key, spec, hidden, anchors)
        memory = baselines.init_memory(memory_key, policy.anchors.size, spec.num_costs)
        return State(fd.nothing(spec, capacity), policy, adam_start(policy.params), memory)

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, change_key, draw_key = jax.random.split(key, 3)
        asked = stratified_budgets(budget_key, problem, budgets)
        row, best = state.findings.archive.best_within(asked)
        begun = jnp.isfinite(best)
        # Where nothing is known within a budget, the policy draws all of the child.
        parents = jnp.where(begun[:, None], state.findings.archive.tokens[row], -1)
        sure = decode.score_decisions(state.policy, problem, jnp.maximum(parents, 0), asked).entropy
        change = uncertain(sure, params["changed"], change_key) | ~begun[:, None]
        tokens, costs = decode.redraw(state.policy, problem, parents, change, asked, draw_key)
        found, quality, _ = fd.record(state.findings, problem, tokens)
        place = (budget_weights(state.policy, problem, asked) / spec.num_costs, budget_position(problem, asked))
        given = {**BASELINE, "baseline_decay": params["baseline_decay"]}
        advantage, _ = baselines.advantages(state.memory, quality[:, None], *place, given)
        memory = baselines.remember(state.memory, quality[:, None], *place, given)
        drawn = change | (tokens != parents)
        learned = learn(state, problem, tokens, drawn, asked, advantage[:, 0], params, progress)
        metrics = fd.metrics(found, (costs > asked).any(-1).sum(), (~jnp.isfinite(quality)).sum())
        better = (quality > best).mean(dtype=jnp.float32)
        return State(found, *learned, memory), {**metrics, "better": better, "entropy": sure.sum(-1).mean()}

    def rebase(state: State, problem: Problem) -> State:
        found = fd.rescore(state.findings, problem)
        return dataclasses.replace(state, findings=found, memory=baselines.forget(state.memory))

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(state.policy, state.findings.archive),
        rebase=rebase,
        defaults={
            "changed": 3.0, "learning_rate": 1e-2, "final_learning_rate": 1e-3, "entropy": 0.2, "baseline_decay": 0.95,
        },
    )  # fmt: skip


def uncertain(entropy: jax.Array, number: jax.Array, key: jax.Array) -> jax.Array:
    """``number`` decisions a row, drawn without replacement in proportion to entropy float32 ``[B, T]``; bool."""
    # The largest of log weights with Gumbel noise are such a draw (Efraimidis and Spirakis, 2006).
    noise = jax.random.gumbel(key, entropy.shape)
    rank = jnp.argsort(jnp.argsort(-(jnp.log(jnp.maximum(entropy, CERTAIN)) + noise), -1), -1)
    return rank < number


def learn(
    state: State, problem: Problem, tokens: jax.Array, drawn: jax.Array, budgets: jax.Array, advantage: jax.Array,
    params: Params, progress: jax.Array,
) -> tuple[Policy, Any]:  # fmt: skip
    """A step of Adam on the decisions ``drawn`` bool ``[B, T]`` of tokens int32 ``[B, T]``; advantage float32 ``[B]``.

    Advantages are divided by the root of their mean square, so that the entropy weighs the same for every problem.
    """
    scale = jnp.sqrt(jnp.mean(advantage**2))
    weight = advantage / jnp.where(scale > 0, scale, 1.0)

    def loss(policy: Policy) -> tuple[jax.Array, None]:
        scores = decode.score_decisions(policy, problem, tokens, budgets)
        gain = weight * jnp.sum(jnp.where(drawn, scores.log_prob, 0.0), -1)
        return -gain.mean() - params["entropy"] * scores.entropy.sum(-1).mean(), None

    grads, _ = policy_gradient(loss, state.policy)
    rate = annealed(params["learning_rate"], params["final_learning_rate"], progress)
    weights, optimiser = adam_step(state.policy.params, state.optimiser, grads, rate)
    return dataclasses.replace(state.policy, params=weights), optimiser
