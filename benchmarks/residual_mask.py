"""What a residual adds to a learned latency, and what the mask of the sum below it is worth: for ``learned_latency``.

A kind whose values do not add up has no mask: within a budget that few networks meet, nearly all that is drawn is over.
Of the kind ``residual`` the sum masks, and what is drawn is over by the residual at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.controllers import Artefact
from nagjax.generator import decode
from nagjax.inference.scope import RETRIES, Scope
from nagjax.learned.fit import HEADROOM, SETTINGS_OF, judged
from nagjax.learned.prices import additive_prices
from nagjax.populations import vary
from nagjax.posing import Setup
from nagjax.predictors.fitted import asked
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.residual import Residual
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.problem import cheapest
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.training import train as train_generator

KIND = "residual"
SHARES = (0.01, 0.1, 0.5)
"""Shares of random networks that budgets leave."""

DRAWS, POOL, BUDGETS = 1024, 8192, 100
STEPS = 1500
"""Updates of the generator whose greedy answers are counted."""

Draw: TypeAlias = Callable[[jax.Array, jax.Array], jax.Array]
"""Architectures within ticks int32 ``[B, 1]``, by a random key: int32 ``[B, T]``."""

jit_random = jax.jit(vary.random_architectures)
jit_greedy = jax.jit(decode.greedy)


def residual_figures(
    space: Space, tokens: np.ndarray, latency: np.ndarray, train: np.ndarray, test: np.ndarray, quality: Form, seed: int
) -> tuple[dict[str, Any], Setup]:
    """Figures of one setting, and its problem.

    ``spearman`` and the like as ``judged`` has them; ``below``, the share of the test networks that are measured below
    the sum; ``above``, the median share that is predicted above it; ``residual``, whether that share is told by a
    network, not by the median; ``masked_N``, of networks drawn under the mask of a budget that N % of random networks
    meet, the share that is within it when first asked (without a mask it is N %), and ``asked_N``, how often a budget
    was asked at the mean.
    """
    whole = HEADROOM * float(latency[train].max())
    form = fit(make(KIND, SETTINGS_OF[KIND]), space, Records(tokens[train], latency[train] / whole), seed).predictor
    assert isinstance(form, Residual)
    predicted, sums = (asked(one, tokens[test], space.features(tokens[test])) * whole for one in (form, form.base))
    problem, description = make_problem(space, [additive_prices(space, form, whole)], quality)
    setup = Setup(space, problem, description, None, None)
    found = {
        **judged(predicted, latency[test]), "below": float(np.mean(latency[test] < sums)),
        "above": float(np.median(predicted / sums - 1)), "residual": bool(form.reach > 0),
    }  # fmt: skip
    costs = description.costs_of(_random(setup, POOL, seed))[:, 0]
    for share in SHARES:
        budgets = np.full((DRAWS, 1), np.quantile(costs, share))
        first, times = first_and_times(setup, budgets, lambda ticks, key: jit_random(problem, ticks, key)[0], seed)
        found |= {f"masked_{100 * share:g}": first, f"asked_{100 * share:g}": times}
    return found, setup


def greedy_figures(setup: Setup, seed: int) -> dict[str, float]:
    """Share of a generator's greedy answers within 100 budgets when first asked, and how often they are asked."""
    policy = train_generator(setup, "nag", steps=STEPS, seed=seed, progress=False).artefact.policy
    low, high = setup.description.ranges[0].tolist()
    budgets = np.geomspace(low, high, BUDGETS)[:, None]
    first, times = first_and_times(setup, budgets, lambda ticks, _: jit_greedy(policy, setup.problem, ticks)[0], seed)
    return {"greedy_first": first, "greedy_asked": times}


def first_and_times(setup: Setup, budgets: np.ndarray, draw: Draw, seed: int) -> tuple[float, float]:
    """Share of architectures within budgets float64 ``[B, 1]`` when first asked, and how often they are asked.

    As ``generate`` asks: again for less, ``RETRIES`` times at most.
    """
    scope = Scope(Artefact(None, None), setup.problem, setup.description)
    least = np.asarray(cheapest(setup.problem))
    ticks, times = scope.ticks(budgets), np.ones(len(budgets))
    first = None
    for round_ in range(1 + RETRIES):
        tokens = np.asarray(draw(jnp.asarray(ticks), jax.random.key(seed + round_)))
        costs = setup.description.costs_of(tokens)
        fits = scope.within(costs, budgets)
        first = float(fits.mean()) if first is None else first
        if fits.all() or round_ == RETRIES:
            break
        ticks = np.where(fits[:, None], ticks, np.maximum(scope.lowered(budgets, tokens), least))
        times += ~fits
    return first or 0.0, float(times.mean())


def _random(setup: Setup, num: int, seed: int) -> np.ndarray:
    """Architectures int32 ``[num, T]`` drawn by the same walk without a budget."""
    free = jnp.full((num, 1), tl.INFINITE - 1, jnp.int32)
    return np.asarray(jit_random(setup.problem, free, jax.random.key(seed + 100))[0])
