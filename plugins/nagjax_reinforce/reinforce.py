"""The controller ``reinforce``: one policy for all budgets by policy gradient, without archive or imitation.

The generator of Guo et al. (arXiv 2103.00219) trained by REINFORCE (Williams 1992, Machine Learning 8, 229-256) at
budgets drawn anew in every update, with the mean of each budget's samples as baseline. Parameters choose among the
rewards of MnasNet, TuNAS and dominance, the baselines, and PPO's clipping: see ``learner.DEFAULTS``. ``mnasnet_soft``
prefers the same architecture under every budget (see ``rewards``); it is here to be compared with.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.controllers import Controller
from nagjax.generator.policy import budget_at, init_policy
from nagjax.generator.training import strata, stratified_budgets
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.learner import DEFAULTS, Plan, make_controller


def make(
    spec: Spec, hidden: int = 64, anchors: int = 32, budgets: int = 16, group: int = 8, epochs: int = 1
) -> Controller:
    """The controller; beside what ``learner.DEFAULTS`` has it sweeps ``jitter``, see ``draw``.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets a cost column.
      budgets: N, budgets an update samples for.
      group: G, architectures sampled for each of them; with one the baseline ``group`` leaves nothing to learn from.
      epochs: steps on the same samples; more than one want ``clip`` at 0.2 or so.

    Raises:
      ValueError: if a size is below 1.
    """
    return make_controller(
        spec,
        Plan(
            name="reinforce",
            settings={
                "hidden": hidden, "anchors": anchors, "budgets": budgets, "group": group, "epochs": epochs,
            },
            defaults={**DEFAULTS, "jitter": 1.0},
            group=group,
            epochs=epochs,
            begin=lambda key, _: init_policy(key, spec, hidden, anchors),
            settle=lambda policy, _: policy,
            draw=lambda key, problem, params: draw(key, problem, budgets, params["jitter"]),
        ),
    )  # fmt: skip


def draw(key: jax.Array, problem: Problem, num: int, jitter: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]`` over the whole range, one in each ``num``-th of it on a logarithmic scale.

    With ``jitter`` at 0.5 or below they are the same in every update, evenly spaced from the cheapest to the dearest
    (one: the dearest), as a generator for K budgets is trained in the papers; only their order is drawn.
    """
    places = strata(key, num, problem.spec.num_costs)
    same = places / (num - 1) if num > 1 else jnp.ones(places.shape)
    return jnp.where(jitter > 0.5, stratified_budgets(key, problem, num), budget_at(problem, same))
