"""The controller ``reinforce_single``: a search for one budget, as architecture search was before generators.

REINFORCE with an LSTM policy whose embedding of the budget is one constant (Zoph and Le, arXiv 1611.01578; with the
rewards of MnasNet, arXiv 1807.11626, and TuNAS, arXiv 2008.06120). The budget is a parameter, so independent searches
for many budgets are one ``vmap`` over ``params``: what the joint training of ``reinforce`` is compared with.

It ends in a policy with a single anchor. Of the budget it knows only what is left of it at each decision. Asked for
another budget than its own, the mask still keeps its answers within it, but it was not trained for that.
"""

from __future__ import annotations

import jax.numpy as jnp

from nagjax.budgets import budget_at_share
from nagjax.factory import Methods, factory
from nagjax.generator.policy import init_policy
from nagjax.problems.problem import Spec
from nagjax_reinforce.learner import DEFAULTS, Plan, methods


@factory("reinforce_single")
def make(spec: Spec, hidden: int = 64, group: int = 128, epochs: int = 1) -> Methods:
    """The controller; its parameter ``budget`` lies in 0..1 between the cheapest and the costliest architecture's cost.

    Args:
      spec: static shape of the problem; with several cost columns ``budget`` is the same share of each range.
      hidden: width of the policy's LSTM.
      group: architectures an update samples.
      epochs: steps on the same samples; more than one want ``clip`` at 0.2 or so.
    """
    return methods(
        spec,
        Plan(
            defaults={**DEFAULTS, "budget": 0.5},
            group=group,
            epochs=epochs,
            begin=lambda key, _: init_policy(key, spec, hidden, 1),
            settle=lambda policy, _: policy,
            draw=lambda _, problem, params: budget_at_share(problem, jnp.reshape(params["budget"], (1, 1))),
        ),
    )
