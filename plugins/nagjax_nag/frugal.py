"""The controller ``nag_frugal``: ``nag`` where evaluations are few, set by one number, how many a run may use.

An update is small, its children are ones not met lately, of parents of the archive's front, and the policy learns what
the archive holds by many steps of imitation; see ``rule``. A run makes 8 evaluations per update at first and 10 once
the policy samples.
"""

from __future__ import annotations

from collections.abc import Mapping

from nagjax.factory import Methods, factory
from nagjax.problems.problem import Spec
from nagjax_nag import evolution, learning, nag

CHILDREN, SPARE = 8, 16
BUDGETS, GROUP, IMITATED = 1, 2, 128
FEW, ENOUGH = 200, 500
"""Evaluations up to which a run can only refine what it met first, and from which it can search."""
STEPS, MOST_STEPS, LEAST_STEPS = 25_000, 120, 20
"""Steps of imitation, each ``evaluations`` times fewer: about 500 in a run; and bounds on those of an update."""

FRUGAL: Mapping[str, float] = {
    **nag.DEFAULTS,
    "budget_noise": 1.0,
    "elite": 1.0,
    "reach": 0.3,
    "margin": 0.0005,
}
"""What does not depend on the number of evaluations."""


def rule(evaluations: int) -> tuple[int, int, Mapping[str, float]]:
    """Steps of imitation an update, cells of the archive, and defaults, for a run of so many evaluations.

    From ``FEW`` to ``ENOUGH`` evaluations the archive grows (few cells keep only what is good over a band of costs),
    children change more and always have two parents less often, and the policy gets more of the run.

    >>> steps, cells, defaults = rule(350)
    >>> steps, cells, [round(defaults[name], 3) for name in ("fill", "mutations", "crossover")]
    (71, 256, [0.85, 0.375, 0.95])
    """
    share = min(max((evaluations - FEW) / (ENOUGH - FEW), 0.0), 1.0)
    steps = min(max(round(STEPS / evaluations), LEAST_STEPS), MOST_STEPS)
    varied = {"fill": 0.9 - 0.1 * share, "mutations": 0.25 + 0.25 * share, "crossover": 1.0 - 0.1 * share}
    return steps, round(64 * 16**share), {**FRUGAL, **varied}


@factory("nag_frugal")
def make(spec: Spec, evaluations: int = 1000, hidden: int = 32, anchors: int = 256) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      evaluations: how many a run is to use, about; they end nothing.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
    """
    steps, cells, defaults = rule(evaluations)
    learns = learning.Sizes(hidden, anchors, BUDGETS, GROUP, IMITATED, steps)
    return nag.methods(spec, learns, evolution.Sizes(CHILDREN, SPARE, cells, tournaments=0, members=1), defaults)
