"""The controller ``pnag``: the update of the code released with PNAG (Guo et al., arXiv 2210.07634).

The code is github.com/guoyongcs/PNAG. Each update draws one of K fixed budgets, one architecture a for it, and follows

    loss = -log pi(a|B) * 1e-3 R(a|B) - 1e-3 H

without a baseline and without a mask, by Adam. It is a preset: the parameters are those of ``reinforce``, so its heirs
are one switch away: ``--controller_params=baseline=moving``, or ``mask=true`` for samples within the budget.

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

from collections.abc import Mapping

import jax

from nagjax.budgets import fixed_budgets
from nagjax.controllers import Params
from nagjax.factory import Methods, factory
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.learner import DEFAULTS, fixed_plan, methods

RELEASED: Mapping[str, float | bool | str] = {
    **DEFAULTS,
    "reward": "error_points",
    "reward_scale": 1e-3,
    "mask": False,
    "baseline": "none",
    "standardise": False,
    "entropy": 1e-3,
    "final_entropy": 1e-3,
    "clip": 0.0,
    "learning_rate": 3e-4,
    "final_learning_rate": 3e-4,
}


@factory("pnag")
def make(spec: Spec, hidden: int = 64, anchors: int = 5) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: K, number of budgets, evenly spaced over the range; 5 in the released code.
    """

    def draw(key: jax.Array, problem: Problem, _params: Params) -> jax.Array:
        return fixed_budgets(problem, anchors)[jax.random.randint(key, (1,), 0, anchors)]

    return methods(spec, fixed_plan(spec, hidden, anchors, 1, draw, RELEASED))
