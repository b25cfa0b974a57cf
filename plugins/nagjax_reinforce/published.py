"""The controller ``nag_published``: policy gradient on a dominance reward at K fixed budgets (arXiv 2103.00219).

K budgets evenly spaced over the latency range, N samples for each, the reward R(a|B) of the ranker,
entropy regularised, Adam at 3e-4. The ranker is the problem's learned one; without it the factored form (quality
where feasible, ranked by cost where not). As in the paper nothing is masked in training.
Not in the paper: the mean reward of a budget's samples as baseline, since R has an arbitrary offset for each budget.
It is a preset of ``learner``, with its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax

from nagjax.budgets import fixed_budgets
from nagjax.controllers import Params
from nagjax.factory import Methods, factory
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.learner import DEFAULTS, fixed_plan, methods

PUBLISHED: Mapping[str, float | bool | str] = {
    **DEFAULTS,
    "mask": False,
    "standardise": False,
    "entropy": 1e-3,
    "final_entropy": 1e-3,
    "learning_rate": 3e-4,
    "final_learning_rate": 3e-4,
}


@factory("nag_published")
def make(spec: Spec, hidden: int = 64, anchors: int = 10, samples: int = 8) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem; one cost column, as in the paper.
      hidden: width of the policy's LSTM.
      anchors: K, number of budgets.
      samples: N, architectures an update samples for each budget.

    Raises:
      ValueError: if there are several cost columns.
    """
    if spec.num_costs != 1:
        raise ValueError(f"nag_published: takes one cost column, as in the paper; this problem has {spec.num_costs}")

    def draw(_key: jax.Array, problem: Problem, _params: Params) -> jax.Array:
        return fixed_budgets(problem, anchors)

    return methods(spec, fixed_plan(spec, hidden, anchors, samples, draw, PUBLISHED))
