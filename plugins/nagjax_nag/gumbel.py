"""The estimator ``gumbel``: straight-through Gumbel-softmax over edges (Jang et al., arXiv 1611.01144).

A sampled architecture is judged and priced as it is; its gradient is that of the softmax of the same logits and noise
at a temperature that falls, as in FBNet (Wu et al., arXiv 1812.03443). Probabilities flow through the whole trellis
(``edge_flow``), to the features that the predictor reads and to the priced edges alike. The reward is

    R = Q(features) - price * max(0, cost / budget - 1), summed over cost columns that are sums.

It takes two things. A price: within the mask no sample ever overspends, so nothing tells a relaxed choice that it costs
something; every decision asks for the largest block, and what the mask leaves of that is bad. So samples are drawn
without the mask, which answers of the trained policy keep in either case. The price must exceed what a budget larger
by a share of itself would gain, or overspending pays. And the flow: relaxed on the sampled nodes alone, a choice
without features of its own, such as how many layers there are, gets no gradient at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from nagjax.controllers import Params
from nagjax.generator.policy import Policy
from nagjax.generator.walk import masked
from nagjax.problems.problem import Problem
from nagjax_nag import edge_flow, traced_walk
from nagjax_nag.traced_walk import Seen

DEFAULTS: Mapping[str, float | bool] = {
    "learning_rate": 2e-2,
    "final_learning_rate": 1e-4,
    "entropy": 3e-4,
    "final_entropy": 0.0,
    "clip": 0.0,
    "temperature": 5.0,
    "final_temperature": 0.1,
    "price": 0.2,
    "mask": False,
    "flow": 1.0,
    "straight": 1.0,
}
"""What is swept, beside what ``pathwise.ESTIMATORS`` says.

- ``temperature``, ``final_temperature``: of the softmax, falling by the same factor in every update.
- ``price``: see the module.
- ``mask``: whether samples are drawn within the budget.
- ``flow``: share of the probability that flows through the trellis; at 0 all of it is on the sampled nodes, and
  choices without features of their own have no gradient.
- ``straight``: share of the sampled architecture in what the predictor reads; at 0 it reads expected features.
"""


def check(problem: Problem) -> None:
    """Refuse a quality that does not depend on path features.

    Raises:
      ValueError: with what to do.
    """
    if not problem.quality.differentiable:
        raise ValueError(
            "nag_pathwise: estimator=gumbel differentiates the quality through path features, and this problem's "
            f"quality, of the form {problem.quality.form}, has no derivative; set estimator=gates, or fit a predictor"
        )


def temperature(params: Params, progress: jax.Array) -> jax.Array:
    """From ``temperature`` to ``final_temperature``, by the same factor in every update."""
    first, last = params["temperature"], params["final_temperature"]
    return first * (last / first) ** progress


def loss(
    policy: Policy, problem: Problem, budgets: jax.Array, noise: jax.Array, params: Params, progress: jax.Array
) -> tuple[jax.Array, Seen]:
    """Minus the mean reward of a sample for each budget int32 ``[B, K]``, by noise float32 ``[T, B, C]``."""
    free = masked(problem, params["mask"])
    trace = traced_walk.walk(policy, free, budgets, noise)
    scores = (trace.logits + jnp.moveaxis(noise, 0, 1)) / temperature(params, progress)
    hard = edge_flow.hard(problem, trace.tokens)
    soft = edge_flow.soft(free, scores, trace.tokens, budgets, params["flow"])
    mixed = edge_flow.straight_through(hard, soft, params["straight"])
    mean, std = problem.quality(trace.tokens, mixed.features)
    quality = mean - problem.pessimism * std
    reward = quality - params["price"] * edge_flow.excess(problem, mixed, budgets)
    total = -jnp.mean(jnp.where(jnp.isfinite(quality), reward, 0.0))
    return total, Seen(quality, trace.costs, traced_walk.entropy(trace))
