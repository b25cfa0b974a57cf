"""The controller ``ctnas``: policy gradient on the chance to beat a rival that moves up (arXiv 2103.05471).

CTNAS (Chen et al.) rewards an architecture by a comparator's P(a beats the baseline architecture), and replaces that
baseline by a better one from time to time. Here every one of K budgets has a rival of its own. The comparator is the
problem's quality, a predictor of the kind ``pair``; any other compares by its deviations, and one without by its order.
It is a preset of ``learner``: what is not in the paper is the mean reward of a budget's samples as the baseline of the
gradient, as in ``nag_published``. ``period=0`` keeps the rivals that it began with.

``evaluations`` counts the first rivals, one a budget, and those drawn anew under a changed problem. Rivals that follow
were counted as samples, and what is compared again is not counted again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax

from nagjax.budgets import fixed_budgets
from nagjax.controllers import Params
from nagjax.factory import Methods, factory
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.judges import comparison
from nagjax_reinforce.learner import DEFAULTS, fixed_plan, methods

COMPARED: Mapping[str, float | bool | str] = {
    **{key: value for key, value in DEFAULTS.items() if key not in ("reward", "cost_weight")},
    "standardise": False,
    "entropy": 0.02,
    "period": 20,
}
"""``period``: updates between two moves of the rivals, 0 for never."""


@factory("ctnas")
def make(spec: Spec, hidden: int = 64, anchors: int = 16, samples: int = 8) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: K, number of budgets, each with a rival.
      samples: architectures an update samples for each budget.
    """

    def fixed(problem: Problem) -> jax.Array:
        return fixed_budgets(problem, anchors)

    def draw(_key: jax.Array, problem: Problem, _params: Params) -> jax.Array:
        return fixed(problem)

    plan = fixed_plan(spec, hidden, anchors, samples, draw, COMPARED)
    return methods(spec, dataclasses.replace(plan, judge=comparison(fixed)))
