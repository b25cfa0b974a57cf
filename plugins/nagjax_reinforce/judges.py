"""What judges the samples of a policy gradient: a reward of the table, or a comparison with a rival of each budget.

A judge is pure functions alone. The table remembers nothing. A comparison (CTNAS: Chen et al., arXiv 2103.05471)
remembers an architecture for each budget, the rival, and rewards a sample by the chance that it beats it. The rival is
replaced every ``period`` updates by the one that beats most among the samples and itself: a curriculum, without which
the chance is soon 1 for nearly all samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Metrics, Params
from nagjax.populations.vary import random_architectures
from nagjax.predictors.forms.pair import beats
from nagjax.problems.problem import Problem, evaluate, path_costs, path_features
from nagjax_reinforce.rewards import rewards

CERTAIN = 0.95
"""Chance from which on a comparison tells nothing more."""


@flax.struct.dataclass
class Sampled:
    """What is judged: tokens int32 ``[B, T]``, quality float32 ``[B]``, costs and budgets int32 ``[B, K]``."""

    tokens: jax.Array
    quality: jax.Array
    costs: jax.Array
    budgets: jax.Array


@dataclasses.dataclass(frozen=True)
class Judge:
    """How samples are rewarded.

    Attributes:
      begin: ``(key, problem) -> memory``, also under a changed problem.
      asks: ``memory -> int``, architectures of a fresh memory that are no samples, whose quality will be asked for.
      reward: ``(memory, problem, samples, params) -> rewards`` float32 ``[B]``, -inf where there is no quality.
      follow: ``(memory, problem, samples, params) -> memory`` after an update.
      measure: ``rewards -> metrics``.
    """

    begin: Callable[[jax.Array, Problem], Any]
    asks: Callable[[Any], int]
    reward: Callable[[Any, Problem, Sampled, Params], jax.Array]
    follow: Callable[[Any, Problem, Sampled, Params], Any]
    measure: Callable[[jax.Array], Metrics]


def _of_table(_memory: Any, problem: Problem, samples: Sampled, params: Params) -> jax.Array:
    asked = (samples.tokens, samples.quality, samples.costs, samples.budgets)
    return rewards(problem, *asked, params["reward"], params["cost_weight"])


TABLE = Judge(lambda *_: (), lambda _: 0, _of_table, lambda memory, *_: memory, lambda _: {})
"""The rewards of ``nagjax_reinforce.rewards``."""


@flax.struct.dataclass
class Rivals:
    """Of each of N budgets an architecture, int32 ``[N, T]``; and updates so far, int32."""

    tokens: jax.Array
    updates: jax.Array


def comparison(draw: Callable[[Problem], jax.Array]) -> Judge:
    """The judge that compares; ``draw`` gives the same budgets int32 ``[N, K]`` in every update, in the same order."""

    def begin(key: jax.Array, problem: Problem) -> Rivals:
        return Rivals(random_architectures(problem, draw(problem), key)[0], jnp.int32(0))

    def reward(rivals: Rivals, problem: Problem, samples: Sampled, _params: Params) -> jax.Array:
        group = len(samples.tokens) // len(rivals.tokens)
        return chance(problem, samples, jnp.repeat(rivals.tokens, group, 0))

    def follow(rivals: Rivals, problem: Problem, samples: Sampled, params: Params) -> Rivals:
        updates = rivals.updates + 1
        period = jnp.maximum(jnp.round(params["period"]), 0).astype(jnp.int32)
        due = (period > 0) & (updates % jnp.maximum(period, 1) == 0)
        return Rivals(jax.lax.cond(due, _best, lambda rivals, *_: rivals.tokens, rivals, problem, samples), updates)

    return Judge(begin, _count, reward, follow, _certain)


def chance(problem: Problem, samples: Sampled, others: jax.Array) -> jax.Array:
    """P that samples within their budgets beat others int32 ``[B, T]``, 0 beyond; -inf where there is no quality.

    Others that have no quality are beaten.
    """
    asked = [(tokens, path_features(problem, tokens)) for tokens in (samples.tokens, others)]
    found = beats(problem.quality, *asked)
    found = jnp.where(jnp.isnan(found), 1.0, found)
    within = (samples.costs <= samples.budgets).all(-1)
    return jnp.where(jnp.isfinite(samples.quality), jnp.where(within, found, 0.0), -jnp.inf)


def _count(rivals: Rivals) -> int:
    """The first rivals; those that follow were samples, and an architecture that is compared again is known."""
    return len(rivals.tokens)


def _best(rivals: Rivals, problem: Problem, samples: Sampled) -> jax.Array:
    """Of each budget's samples and its rival the one of the most expected wins, int32 ``[N, T]``."""
    num, length = rivals.tokens.shape
    tokens = jnp.concatenate([samples.tokens.reshape(num, -1, length), rivals.tokens[:, None]], 1)
    group = tokens.shape[1]
    each, others = jnp.repeat(tokens, group, 1).reshape(-1, length), jnp.tile(tokens, (1, group, 1)).reshape(-1, length)
    quality = jnp.repeat(evaluate(problem, tokens.reshape(-1, length))[0], group)
    budgets = jnp.repeat(samples.budgets[:: group - 1], group**2, 0)
    wins = chance(problem, Sampled(each, quality, path_costs(problem, each), budgets), others)
    place = jnp.argmax(wins.reshape(num, group, group).sum(-1), 1)
    return jnp.take_along_axis(tokens, place[:, None, None], 1)[:, 0]


def _certain(reward: jax.Array) -> Metrics:
    """Share of samples whose reward tells nothing more."""
    return {"certain": jnp.mean((reward > CERTAIN).astype(jnp.float32))}
