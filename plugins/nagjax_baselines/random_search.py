"""The controller ``random``: random search (Li and Talwalkar, arXiv 1902.07638, on why it has to be shown).

An update draws ``children`` architectures. A share ``masked`` of them is drawn each within a budget of its own (budgets
are uniform on the logarithmic scale of the range; each decision is uniform among what still fits), so that small
budgets are served as well as large ones; the others are exactly uniform over everything that the problem allows,
whatever it costs. ``masked=1``, the default, is the stronger baseline where all budgets are asked; ``masked=0`` is the
textbook's.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.budgets import random_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.populations import vary
from nagjax.populations.findings import Findings
from nagjax.problems.problem import Problem, Spec
from nagjax_baselines.counting import uniform_architectures


@factory("random")
def make(spec: Spec, children: int = 256, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      children: architectures an update draws.
      capacity: of the front.
    """

    def init(_key: jax.Array, _problem: Problem, _params: Params) -> Findings:
        return fd.nothing(spec, capacity)

    def update(
        state: Findings, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[Findings, Metrics]:
        budget_key, masked_key, uniform_key, share_key = jax.random.split(key, 4)
        budgets = random_budgets(budget_key, problem, children)
        masked, _ = vary.random_architectures(problem, budgets, masked_key)
        uniform = uniform_architectures(problem, children, uniform_key)
        within = jax.random.uniform(share_key, (children,)) < params["masked"]
        state, quality, spent = fd.record(state, problem, jnp.where(within[:, None], masked, uniform))
        # Those drawn for no budget are over where they fit none.
        infeasible = (spent > jnp.where(within[:, None], budgets, problem.high[None])).any(-1).sum()
        return state, fd.metrics(state, infeasible, (~jnp.isfinite(quality)).sum())

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.archive),
        rebase=fd.rescore,
        defaults={"masked": 1.0},
    )
