"""The controller ``reinforce``: one policy for all budgets by policy gradient, without archive or imitation.

The generator of Guo et al. (arXiv 2103.00219) trained by REINFORCE (Williams 1992, Machine Learning 8, 229-256) at
budgets drawn anew in every update, with the mean of each budget's samples as baseline. Parameters choose among the
rewards of MnasNet, TuNAS and dominance, the baselines, and PPO's clipping: see ``learner.DEFAULTS``. ``mnasnet_soft``
prefers the same architecture under every budget (see ``rewards``); it is here to be compared with.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.budgets import shuffled_budgets, stratified_budgets
from nagjax.factory import Methods, factory
from nagjax.generator.policy import init_policy
from nagjax.problems.problem import Problem, Spec
from nagjax_reinforce.learner import DEFAULTS, Plan, methods


@factory("reinforce", replayed=0)
def make(
    spec: Spec, hidden: int = 64, anchors: int = 32, budgets: int = 16, group: int = 8, epochs: int = 1,
    replayed: int = 0,
) -> Methods:  # fmt: skip
    """The controller; beside what ``learner.DEFAULTS`` has it sweeps ``jitter``, see ``draw``, and ``replay``.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      budgets: N, budgets an update samples for.
      group: G, architectures sampled for each of them; with one the baseline ``group`` leaves nothing to learn from.
      epochs: steps on the same samples; more than one want ``clip`` at 0.2 or so.
      replayed: past samples that are kept, and replayed with the weight ``replay`` (arXiv 1904.00438); 0 for none.
    """
    return methods(
        spec,
        Plan(
            defaults={**DEFAULTS, "jitter": True, "replay": 0.1},
            group=group,
            epochs=epochs,
            begin=lambda key, _: init_policy(key, spec, hidden, anchors),
            settle=lambda policy, _: policy,
            draw=lambda key, problem, params: draw(key, problem, budgets, params["jitter"]),
            replayed=replayed,
        ),
    )


def draw(key: jax.Array, problem: Problem, num: int, jitter: jax.Array) -> jax.Array:
    """Budgets int32 ``[num, K]`` over the whole range, one in each ``num``-th of it on a logarithmic scale.

    Without ``jitter`` they are the same in every update, evenly spaced from the cheapest to the costliest
    (one: the costliest), as a generator for K budgets is trained in the papers; only their order is drawn.
    """
    moving, same = stratified_budgets(key, problem, num), shuffled_budgets(key, problem, num)
    return jnp.where(jitter > 0.5, moving, same)
