"""A learned cost: fitted to measured networks, judged on those it had not seen, bounded, and made prices.

All is done with one set of measurements, dealt into folds: each network is predicted by a model fitted to the other
folds. These predictions are what the figures judge and what the bound is calibrated on (cross-conformal prediction,
Vovk, arXiv 1208.0806; Barber et al., arXiv 1905.02928); the model that prices is then fitted to all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.devices.cost_doubts import cost_doubts
from nagjax.devices.pricing import Prices
from nagjax.devices.validation import LEAST_SPEARMAN, spearman
from nagjax.learned.bound import Bound, check_level, choices, fit_bound
from nagjax.learned.measured import Measured, networks
from nagjax.learned.noise import NoiseFloor, by_neighbours, by_repeats
from nagjax.learned.prices import additive_prices, known_edges
from nagjax.predictors.fitted import asked
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.kind import Kind, out_of_fold
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space
from nagjax.spaces.terms import make_terms
from nagjax.spaces.trellis import walk

KIND = "additive"
"""How a cost is fitted unless another kind is named: it is as good as any that does not add up, and is prices."""

SETTINGS: Mapping[str, Any] = {"relative": True, "robust": True, "validation_share": 0.0}
"""Of that kind, where costs are fitted: errors are shares of the cost, and the folds judge."""

SETTINGS_OF: Mapping[str, Mapping[str, Any]] = {KIND: SETTINGS, "residual": {"validation_share": 0.0}}
"""The same of each of the library's kinds whose own defaults are for qualities."""

LEVEL = 0.05
"""Share of networks that may exceed their bound unless another is asked for."""

HEADROOM = 1.25
"""Of the largest measured cost, what a value of 1 of the form stands for."""

PARTS = (4, 16)
"""How many times a pool goes into the networks that can be answers. Large pools choose as sharply as a generator does,
and always the same few; small ones choose many. A bound holds for both."""

FLOOR_GAP = 0.05
"""Spearman below what noise leaves possible from which the model, and not the noise, is to blame."""


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedCost:
    """A cost column learned from measured networks.

    Attributes:
      prices: what a problem takes; costs are bounds.
      form: the model; a value of 1 stands for ``whole`` units.
      whole: see there.
      bound: from predicted costs to costs.
      floor: what noise leaves possible.
      report: ``source``, counts, and errors on networks held out in turn: ``spearman``, ``kendall_tau``,
        ``within_5_percent``, ``within_10_percent``, ``median_relative_error``.
    """

    prices: Prices
    form: Form
    whole: float
    bound: Bound
    floor: NoiseFloor
    report: Mapping[str, Any]


def learn_cost(
    space: Space,
    measured: Measured,
    name: str,
    unit: str,
    *,
    kind: Kind | None = None,
    level: float = LEVEL,
    quality: Form | None = None,
    allowed: np.ndarray | None = None,
    seed: int = 0,
) -> LearnedCost:
    """Learn a cost column.

    Args:
      space: what the networks are of.
      measured: the measurements; those of NaN do not count.
      name: of the column.
      unit: of its costs.
      kind: how it is fitted; None for ``KIND``. It must end in a form whose values add up over edges, or in a residual
        above such a sum.
      level: share of networks that may exceed their cost.
      quality: how good architectures are, by which they are chosen; None where that is not known: the bound then holds
        for networks as they were drawn.
      allowed: bool ``[T, S, C]``, edges of the architectures that are asked for; None for all.
      seed: of the folds, the fits and the pools that are chosen from.

    Raises:
      ValueError: if there are too few networks, or they cannot be fitted to; or the fitted form does not add up.
    """
    kind = make(KIND, SETTINGS) if kind is None else kind
    seed = arguments.seed(seed)
    known = np.flatnonzero(~np.isnan(measured.costs[name]))
    costs = measured.costs[name][known]
    tokens, mean, group = networks(measured.tokens[known], costs)
    try:
        check_level(level, len(tokens))
        whole = HEADROOM * float(mean.max())
        records = Records(tokens, mean / whole, source=measured.source)
        predicted = held_out(kind, space, records, seed) * whole
    except ValueError as error:
        raise ValueError(f"{measured.source}: {name}: {error}") from None
    doubts = [*cost_doubts(costs, unit, lambda index: measured.place(int(known[index])))]
    if (below := int((predicted <= 0).sum())) > 0:
        doubts.append(
            f"{below} of {len(mean)} networks were predicted to take 0 {unit} or less when they were held out"
        )
        predicted = np.maximum(predicted, mean.min() / 2)
    floor = noise_floor(space, tokens, group, costs, mean, predicted)
    report = judged(predicted, mean) | {"source": measured.source, "networks": len(mean), "measurements": len(costs)}
    doubts += _misfit(report, floor)
    chosen = None if quality is None else how_often_chosen(space, quality, tokens, predicted, allowed, seed)
    bound = fit_bound(predicted, mean, level, chosen)
    form = fit(kind, space, records, seed).predictor
    prices = additive_prices(
        space, form, whole, name=name, unit=unit, bound=bound, allowed=allowed,
        device=Path(measured.source).name, source=measured.source,
        validation=f"{_text(report)}; {floor}; {bound}", doubts=tuple(doubts),
    )  # fmt: skip
    return LearnedCost(prices, form, whole, bound, floor, report)


def held_out(kind: Kind, space: Space, records: Records, seed: int) -> np.ndarray:
    """What each record is predicted to be by the kind fitted to the folds that it is not in: float64 ``[N]``."""
    return out_of_fold(lambda some: fit(kind, space, some, seed).predictor, space, records, seed)


def judged(predicted: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    """Agreement of predicted with measured costs float64 ``[N]``, above 0.

    >>> judged(np.array([1.0, 2.0, 3.2]), np.array([1.0, 2.15, 3.0]))["within_5_percent"]
    33.33333333333333
    """
    from scipy import stats  # few problems need it, and it takes long to load

    off = np.abs(predicted / measured - 1)
    varies = np.ptp(predicted) > 0 and np.ptp(measured) > 0
    return {
        "spearman": spearman(predicted, measured),
        "kendall_tau": float(stats.kendalltau(predicted, measured).statistic) if varies else 0.0,
        "within_5_percent": 100 * float(np.mean(off <= 0.05)),
        "within_10_percent": 100 * float(np.mean(off <= 0.1)),
        "median_relative_error": float(np.median(off)),
    }


def noise_floor(
    space: Space, tokens: np.ndarray, group: np.ndarray, costs: np.ndarray, mean: np.ndarray, predicted: np.ndarray
) -> NoiseFloor:
    """The floor by repeats where there are enough, else by near neighbours.

    Args:
      space: what the networks are of.
      tokens: int32 ``[M, T]``, the different networks.
      group: int ``[N]``, which of them each measurement is of.
      costs: float64 ``[N]``, the measurements.
      mean: float64 ``[M]``, their means.
      predicted: float64 ``[M]``, held out.
    """
    if (repeated := by_repeats(group, costs, predicted)) is not None:
        return repeated
    terms = make_terms(space)
    places = terms.of(tokens)
    spread = terms.numbers.std()
    number = terms.numbers[terms.behind(tokens)][:, None] / (spread or 1.0)
    return by_neighbours(np.concatenate([places, number], 1), mean, predicted)


def how_often_chosen(
    space: Space,
    quality: Form,
    tokens: np.ndarray,
    predicted: np.ndarray,
    allowed: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """How often each network is the best within a budget, of pools of a part of those that can be answers.

    Args:
      space: what the networks are of.
      quality: how good architectures are; what it does not know is no answer.
      tokens: int32 ``[N, T]``.
      predicted: costs float64 ``[N]``, above 0.
      allowed: bool ``[T, S, C]``, edges of the architectures that are asked for; None for all.
      seed: of the pools.

    Returns:
      float64 ``[K, N]``, for pools of each of ``PARTS``; all 0 where nothing is chosen.
    """
    edges = known_edges(space, quality) & (True if allowed is None else allowed)
    rows = np.flatnonzero(walk(space.trellis.target, edges, tokens)[1])
    out = np.zeros((len(PARTS), len(tokens)))
    told = asked(quality, tokens[rows], space.features(tokens[rows])) if len(rows) else np.zeros(1)
    for k, parts in enumerate(PARTS if np.ptp(told) > 0 else ()):
        out[k, rows] = choices(predicted[rows], told, max(1, len(rows) // parts), seed=seed)
    return out


def _misfit(report: Mapping[str, Any], floor: NoiseFloor) -> list[str]:
    """Why the model should not be trusted."""
    found = report["spearman"]
    if found >= LEAST_SPEARMAN:
        return []
    if found < floor.spearman - FLOOR_GAP:
        why = "the model misses something: measure more networks, or fit another kind (cost_kind=)"
    else:
        why = "the measurements are too noisy to tell networks apart: measure on a quieter device, or larger batches"
    what = f"the rank correlation of predicted with measured cost is {found:.2f}, below {LEAST_SPEARMAN:g}"
    return [f"{what}, where noise leaves {floor.spearman:.2f} possible: {why}"]


def _text(report: Mapping[str, Any]) -> str:
    return (
        f"Spearman {report['spearman']:.3f}, Kendall tau {report['kendall_tau']:.3f}, "
        f"{report['within_5_percent']:.1f} % within 5 %, {report['within_10_percent']:.1f} % within 10 % on "
        f"{report['networks']} networks, each held out once"
    )
