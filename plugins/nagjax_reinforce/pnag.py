"""The controller ``pnag``: the update of the code released with PNAG (Guo et al., arXiv 2210.07634).

The code is github.com/guoyongcs/PNAG. Each update draws one of K fixed budgets, one architecture a for it, and follows

    loss = -log pi(a|B) * 1e-3 R(a|B) - 1e-3 H

without a baseline and without a mask, by Adam. It is a preset: the parameters are those of ``reinforce``, so its heirs
are one switch away: ``--controller_params=baseline=1`` for a moving average, ``mask=1`` for samples within the budget.

R is the problem's learned ranker, as released. What the released weights amount to depends on its scale: the two
1e-3 cancel in Adam, and R plus entropy is greatest at pi(a|B) proportional to exp R(a|B). Scores of a ranker fitted
with hinge margin 1 differ by units (on two problems of the conformance suite a point of quality was worth 0.6 to 1.8 of
them, and their mean lay 10 to 45 below 0), so that policy is sharp. Fractions differ by hundredths, exp R is nearly
uniform, and entropy wins. Without a ranker the reward is therefore ``error_points``, minus the points of error.
Its offset is as arbitrary as a learned ranker's and matters as much, since nothing is subtracted: below 0 what is
drawn becomes rarer until better is drawn, far above 0 whatever is drawn first becomes a habit.

Differences to the released code: decisions that depth closes count for nothing here, budgets between the K are
interpolated, and the learning rate is the paper's. An update is one evaluation: it takes tens of thousands.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from nagjax.controllers import Controller, Params
from nagjax.generator.policy import Policy, budget_at_share, budget_position, init_policy
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.learner import DEFAULTS, Plan, make_controller

RELEASED = {
    **DEFAULTS,
    "reward": 4.0,
    "reward_scale": 1e-3,
    "mask": 0.0,
    "baseline": 0.0,
    "standardise": 0.0,
    "entropy": 1e-3,
    "final_entropy": 1e-3,
    "clip": 0.0,
    "learning_rate": 3e-4,
    "final_learning_rate": 3e-4,
}


def make(spec: Spec, hidden: int = 64, anchors: int = 5) -> Controller:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: K, number of budgets, evenly spaced over the range; 5 in the released code.

    Raises:
      ValueError: if a size is below 1.
    """

    def settle(policy: Policy, problem: Problem) -> Policy:
        return dataclasses.replace(policy, anchors=budget_position(problem, fixed_budgets(problem, anchors)).T)

    def draw(key: jax.Array, problem: Problem, params: Params) -> jax.Array:
        del params
        return fixed_budgets(problem, anchors)[jax.random.randint(key, (1,), 0, anchors)]

    return make_controller(
        spec,
        Plan(
            name="pnag",
            settings={"hidden": hidden, "anchors": anchors},
            defaults=RELEASED,
            group=1,
            epochs=1,
            begin=lambda key, problem: settle(init_policy(key, spec, hidden, anchors), problem),
            settle=settle,
            draw=draw,
        ),
    )


def fixed_budgets(problem: Problem, num: int) -> jax.Array:
    """``num`` budgets int32 ``[num, K]`` evenly spaced from the cheapest to the dearest; one is the dearest."""
    share = jnp.linspace(0.0, 1.0, num) if num > 1 else jnp.ones(1)
    return budget_at_share(problem, share[:, None])
