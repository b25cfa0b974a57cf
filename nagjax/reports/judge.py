"""What a benchmark's file says of answers: their rows, and their measured quality where the answers' is predicted.

Regret is what an answer's measured quality lacks to the best architecture within its budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nagjax.problems.problem import Description, Problem
from nagjax.reports.front import POINTS, best_within
from nagjax.spaces import trellis as tl
from nagjax.spaces.trie import Listing

if TYPE_CHECKING:
    from nagjax.inference.answers import Answer
    from nagjax.inference.generator import Generator


def rows_of(description: Description, answers: Sequence[Answer]) -> list[int | None]:
    """The row of the file that each answer's architecture stands in; None where the problem has no file of them."""
    listing = _listing(description, answers)
    return [None] * len(answers) if listing is None or listing.rows is None else listing.rows.tolist()


def measured_of(description: Description, answers: Sequence[Answer]) -> list[float | None]:
    """The measured quality of each answer, a fraction; None where it is not known."""
    listing = _listing(description, answers)
    if listing is None:
        return [None] * len(answers)
    return [None if np.isnan(value) else float(value) for value in listing.quality]


def is_judge(description: Description) -> bool:
    """Whether quality is predicted, and that of every architecture is measured too."""
    report, listing = description.quality_report, description.listing
    return "measured" not in report and listing is not None and not np.isnan(listing.quality).any()


def regrets(
    generator: Generator,
    budgets: Mapping[str, Sequence[float]],
    measured: Sequence[float | None],
    where: Mapping[str, Any] | None = None,
) -> np.ndarray | None:
    """Regret of answers, points float64 ``[B]``; None where not every architecture's quality is measured.

    Budgets by cost column, and the measured quality, are of each answer.
    """
    description, listing = generator.description, generator.description.listing
    if listing is None or not is_judge(description) or not len(measured):
        return None
    quality, costs = _all(generator.problem, description, listing, where)
    # A cost is within a budget as ``ExactCosts.within`` has it.
    slack = {column.info.name: 1 + column.tolerance for column in description.exact}
    limits = {name: np.asarray(values, np.float64) * slack[name] for name, values in budgets.items()}
    return POINTS * (_best(quality, costs, limits) - np.array(measured, np.float64))


def regret_text(regret: np.ndarray) -> str:
    """Regrets in words.

    >>> regret_text(np.array([0.0, 0.5]))
    'measured quality is 0.25 points below the best within each budget (mean of 2; worst 0.50)'
    """
    mean, worst = float(regret.mean()), float(regret.max())
    return (
        f"measured quality is {mean:.2f} points below the best within each budget (mean of {len(regret)}; worst "
        f"{worst:.2f})"
    )


def _listing(description: Description, answers: Sequence[Answer]) -> Listing | None:
    if description.listing is None or not answers:
        return None
    return description.listing.of(description.space, np.stack([answer.tokens for answer in answers]))


def _all(
    problem: Problem, description: Description, listing: Listing, where: Mapping[str, Any] | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Measured quality, and costs by column in their unit, of every architecture that the conditions allow."""
    allowed = np.asarray(problem.allowed) & description.space.where(where or {})
    target = np.asarray(problem.target)
    tokens = tl.enumerate_paths(target, allowed, description.space.count())
    exact = description.costs_of(tokens)
    costs = {info.name: exact[:, k] for k, info in enumerate(description.costs)}
    return listing.of(description.space, tokens).quality, costs


def _best(quality: np.ndarray, costs: Mapping[str, np.ndarray], budgets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Quality float64 ``[B]`` of the best architecture that keeps all budgets; NaN where none does."""
    if len(budgets) == 1:
        ((name, values),) = budgets.items()
        row = best_within(costs[name], quality, values)
        return np.where(row < 0, np.nan, quality[row])
    limits = np.stack(list(budgets.values()), 1)
    own = np.stack([costs[name] for name in budgets], 1)
    order = np.argsort(-quality, kind="stable")
    fits = [(own[order] <= limit).all(1) for limit in limits]
    return np.array([quality[order[np.argmax(fit)]] if fit.any() else np.nan for fit in fits])
