"""Why an answer is what it is: where its cost goes, and what changes with a little more or less budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nagjax.problems.problem import Description
from nagjax.spaces import trellis as tl

if TYPE_CHECKING:
    from nagjax.inference.answers import Answer
    from nagjax.inference.generator import Generator

STEP = 0.05
"""Share of the budget by which more and less is asked."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What one decision adds to a cost.

    Attributes:
      decision: its name.
      choice: what was chosen, in words.
      operators: keys of the operators that the choice adds.
      cost: in the unit of the column.
      operator_costs: what each operator adds, in the same unit; empty where edges are priced as a whole (learned costs,
        several devices), or a checkpoint did not keep them.
    """

    decision: str
    choice: str
    operators: tuple[str, ...]
    cost: float
    operator_costs: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Change:
    """What another answer has that the explained one has not.

    Attributes:
      answer: the other answer.
      decisions: name, choice of the explained answer, choice of the other; ``"closed"`` where a decision is not open.
      cost: how much more it costs, in the unit of the column.
      quality: how much better it is, a fraction.
    """

    answer: Answer
    decisions: tuple[tuple[str, str, str], ...]
    cost: float
    quality: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """An answer explained.

    Attributes:
      answer: the answer.
      column, unit: the cost column that is explained.
      parts: what each open decision adds, in the order of the decisions.
      offset: what the column adds once an architecture, in its unit.
      reduce: ``"sum"`` or ``"max"`` over the parts.
      less, more: the answers to ``1 - step`` and ``1 + step`` of the budget; None where the answer is the same, or
        nothing is that cheap.
      cheaper, costlier: the neighbours on the front that ``best`` answers from; None at its ends.
      pessimism: deviations that answers are compared with, taken from their quality.
    """

    answer: Answer
    column: str
    unit: str
    parts: tuple[Part, ...]
    offset: float
    reduce: str
    less: Change | None
    more: Change | None
    cheaper: Change | None
    costlier: Change | None
    pessimism: float = 0.0


def explain(generator: Generator, budgets: Mapping[str, float], step: float = STEP, seed: int = 0) -> Explanation:
    """Explain the answer to one budget, by the first column that it names; columns that are left out do not bind.

    More and less is asked by ``step``, a share of the first budget above 0 and below 1.

    Raises:
      ValueError: as ``Generator.generate``, or if the step is out of range.
    """
    if not 0 < step < 1:
        raise ValueError(f"step is {step}; it must be a share of the budget above 0 and below 1, such as {STEP}")
    description = generator.description
    answer = generator.generate(budgets=dict(budgets), seed=seed)[0]
    column = next(iter(budgets))
    index = [info.name for info in description.costs].index(column)  # generate refused what is none
    info = description.costs[index]

    def other(amount: float) -> Change | None:
        asked = {**budgets, column: amount}
        found = generator.generate(budgets=asked, seed=seed, on_infeasible="skip")
        return _change(description, answer, found[0], column) if found else None

    budget = float(budgets[column])
    cheaper, costlier = _neighbours(generator, answer, index, seed)
    return Explanation(
        answer=answer,
        column=column,
        unit=info.unit,
        parts=parts(description, answer.tokens, index),
        offset=info.offset,
        reduce=info.reduce,
        less=other(budget * (1 - step)),
        more=other(budget * (1 + step)),
        cheaper=None if cheaper is None else other(cheaper),
        costlier=None if costlier is None else other(costlier),
        pessimism=float(generator.problem.pessimism),
    )


def parts(description: Description, tokens: np.ndarray, column: int = 0) -> tuple[Part, ...]:
    """What each open decision of an architecture, tokens int32 ``[T]``, adds to a cost column.

    With the column's offset they add up to the architecture's cost; of a column that takes the largest they are what
    is compared. Costs that were measured as a whole have no parts.
    """
    if description.exact[column].info.given:
        return ()
    costs = edge_costs(description, tokens[None], column)[0]
    space = description.space
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    out = []
    for t, decision in enumerate(space.decisions):
        if not space.trellis.open[t, nodes[0, t]] and not costs[t]:
            continue
        adds = space.trellis.operators[t, nodes[0, t], tokens[t]]
        own = [i for i in adds.tolist() if i < len(space.operators)]
        keys, prices = tuple(space.operators[i].key for i in own), description.exact[column].operators
        each = () if prices is None else tuple(float(prices[i]) for i in own)
        out.append(Part(decision.name, choice_text(decision.choices[tokens[t]]), keys, float(costs[t]), each))
    return tuple(out)


def edge_costs(description: Description, tokens: np.ndarray, column: int = 0) -> np.ndarray:
    """What each decision of tokens int ``[B, T]`` adds to a cost column, without its offset: float64 ``[B, T]``.

    What a residual lays above the sum is shared out as the sum is.
    """
    exact = description.exact[column]
    nodes, _ = tl.walk(description.space.trellis.target, description.space.trellis.valid, tokens)
    out = np.zeros(tokens.shape)
    for t, values in exact.edges.items():
        out[:, t] = values[nodes[:, t], tokens[:, t]]
    if exact.info.reduce == "sum":
        out[:, 0] -= exact.info.offset  # pricing lays it on the edges of the first decision
    if exact.residual is not None:
        out *= 1 + exact.residual(tokens)[:, None]
    return np.maximum(out, 0.0)


def choice_text(choice: Mapping[str, object]) -> str:
    """A choice in words.

    >>> choice_text({"kernel": 3, "ratio": 6})
    'kernel 3, ratio 6'
    """
    return ", ".join(f"{name} {value}" for name, value in choice.items()) or "-"


def _neighbours(generator: Generator, answer: Answer, column: int, seed: int) -> tuple[float | None, float | None]:
    """The next cost below an answer's and the next above at which better is found, within its other budgets."""
    description, front = generator.description, generator.front(seed=seed)
    names = [info.name for info in description.costs]
    limits = np.array([answer.budget.get(name, np.inf) for name in names])
    limits[column] = np.inf
    left = np.all([c.within(front.costs[:, k], limits[k]) for k, c in enumerate(description.exact)], 0)
    costs, cost = front.costs[:, column], answer.costs[names[column]]
    pessimism = float(generator.problem.pessimism)
    better = front.quality - pessimism * front.quality_std > answer.quality - pessimism * answer.quality_std
    below, above = costs[left & (costs < cost * (1 - 1e-12))], costs[left & better & (costs > cost * (1 + 1e-12))]
    return (float(below.max()) if len(below) else None, float(above.min()) if len(above) else None)


def _change(description: Description, answer: Answer, other: Answer, column: str) -> Change | None:
    if np.array_equal(answer.tokens, other.tokens):
        return None
    ours, theirs = (_choices(description, each.tokens) for each in (answer, other))
    changed = tuple(
        (decision.name, mine, its)
        for decision, mine, its in zip(description.space.decisions, ours, theirs, strict=True)
        if mine != its
    )
    return Change(other, changed, other.costs[column] - answer.costs[column], other.quality - answer.quality)


def _choices(description: Description, tokens: np.ndarray) -> list[str]:
    space = description.space
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    return [
        choice_text(decision.choices[tokens[t]]) if space.trellis.open[t, nodes[0, t]] else "closed"
        for t, decision in enumerate(space.decisions)
    ]
