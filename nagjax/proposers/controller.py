"""Any controller as a proposer: it is trained on the fitted predictor, and what it found there is proposed.

With the predictor's deviation as optimism, the controller's objective is mean + optimism * deviation.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, controllers, plugins
from nagjax.budgets import spread_budgets_in_unit
from nagjax.controllers import Controller
from nagjax.generator import decode
from nagjax.proposers.candidates import best_for_budgets
from nagjax.proposers.proposer import Proposer, Question

SAMPLES = 32
"""Architectures that a policy is asked for under each budget."""


def make_controller(name: str, steps: int = 100, optimism: float = 1.0, **sizes: Any) -> Proposer:
    """The proposer ``controller:NAME``.

    Args:
      name: registered name of the controller.
      steps: updates on each fitted predictor.
      optimism: deviations that are added to the mean; 0 where the predictor tells ranks.
      sizes: static settings of the controller.

    Raises:
      ValueError: if there is no such controller, or a number is out of range.
    """
    steps, optimism = arguments.count(steps, "steps"), arguments.finite(optimism, "optimism", least=0)
    factory = plugins.load("controllers", name)
    plugins.check_settings(factory, f"controller {name}", sizes, 1)
    settings = {"steps": steps, "optimism": optimism, **sizes}
    return Proposer(f"controller:{name}", settings, partial(_propose, name, factory, sizes, steps, optimism))


def _propose(
    name: str, factory: Any, sizes: dict[str, Any], steps: int, optimism: float, question: Question
) -> np.ndarray:
    problem = question.problem
    controller = plugins.expect("controllers", name, factory(problem.spec, **sizes), Controller)
    keen = jnp.float32(0.0 if problem.quality.rank_valued else -optimism)
    hopeful = dataclasses.replace(problem, pessimism=keen)
    seed = (question.seed + question.number) % (arguments.LARGEST_SEED + 1)
    state = controllers.init(controller, hopeful, seed)
    last = controllers.train(controller, hopeful, state, seed, controllers.Limits(steps))
    artefact = controllers.artefact(controller, last.state, hopeful)
    budgets = spread_budgets_in_unit(jax.random.key(seed), problem, question.num)
    pool = _found(artefact, hopeful, budgets, jax.random.key(seed + 1))
    return best_for_budgets(question, pool, budgets, hopeful)


def _found(artefact: controllers.Artefact, problem: Any, budgets: jax.Array, key: jax.Array) -> np.ndarray:
    """What the archive holds and the policy samples, int32 ``[N, T]``."""
    parts = []
    if artefact.archive is not None:
        parts.append(np.asarray(artefact.archive.tokens)[np.asarray(artefact.archive.occupied)])
    if artefact.policy is not None:
        tokens, _ = jax.jit(decode.sample)(artefact.policy, problem, jnp.repeat(budgets, SAMPLES, 0), key)
        parts.append(np.asarray(tokens))
    return np.unique(np.concatenate(parts), axis=0)
