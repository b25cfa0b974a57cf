"""Answers: architectures for budgets, one by one for people and as arrays for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from nagjax.devices.token_rates import rate_of
from nagjax.inference.answering import SOURCES
from nagjax.inference.scope import Scope, predict_all
from nagjax.problems.problem import Description

T_co = TypeVar("T_co", covariant=True)


class Networks(Protocol[T_co]):
    """What holds the weights of many architectures."""

    def network(self, architecture: str, /) -> T_co:
        """The network of an architecture's text."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """An architecture for a budget.

    Attributes:
      budget: what was asked, by cost column, in its unit.
      tokens: int32 ``[T]``.
      text: the architecture as text; ``space.parse`` reads it.
      quality, quality_std: predicted, fractions.
      costs: by cost column, in its unit: what the file has, or the float64 sum of the table's rows, corrected as the
        table says; of a learned cost its upper bound. Asked as a budget it is answered with at least this quality
        (``best``).
      raw_costs: the same before correction; of a learned cost what is predicted.
      within: whether every cost is within its budget.
      guaranteed: whether that is certain: it is not where a cost is learned.
      levels: by learned cost column the share of networks, of those that are chosen too, that may cost more than
        ``costs`` says; empty where none is learned.
      source: what found it: greedy, sample, beam, archive, random, or listed (all architectures were looked at).
    """

    budget: Mapping[str, float]
    tokens: np.ndarray
    text: str
    quality: float
    quality_std: float
    costs: Mapping[str, float]
    raw_costs: Mapping[str, float]
    guaranteed: bool
    source: str
    within: bool = True
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float | None:
        """How many tokens a second a text grows by, where ``token_ms`` is a cost; rounded down, to be a budget."""
        return rate_of(self.costs)

    def network(self, supernet: Networks[T_co]) -> T_co:
        """The architecture with weights of its own, taken out of a supernet (``nagjax.load_supernet``).

        Raises:
          ValueError: if the supernet is of another space.
        """
        return supernet.network(self.text)


@dataclasses.dataclass(frozen=True, eq=False)
class AnswerArrays:
    """Architectures for B budgets, as arrays.

    Attributes:
      index: int64 ``[B]``, which of the budgets that were asked; all of them unless impossible ones were skipped.
      tokens: int32 ``[B, T]``.
      costs: float64 ``[B, K]``, in the units of the cost columns.
      quality, quality_std: float32 ``[B]``, predicted, fractions.
      guaranteed: bool ``[B]``, whether every cost is certain to be within its budget; never where one is learned.
      source: int32 ``[B]``, index into ``nagjax.inference.answering.SOURCES``.
      within: bool ``[B]``, whether every cost, as it stands there, is within its budget.
    """

    index: np.ndarray
    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray
    quality_std: np.ndarray
    guaranteed: np.ndarray
    source: np.ndarray
    within: np.ndarray


def as_arrays(
    scope: Scope, budgets: np.ndarray, index: np.ndarray, tokens: np.ndarray, source: np.ndarray
) -> AnswerArrays:
    """Costs, quality and guarantee of what was found for budgets float64 ``[B, K]``; each architecture counts once."""
    different, back = _unique_rows(tokens)
    costs = scope.description.costs_of(different)[back]
    quality, std = predict_all(scope.problem, different)
    within = scope.within(costs, budgets)
    certain = within & (not any(info.learned for info in scope.description.costs))
    return AnswerArrays(index, tokens, costs, quality[back], std[back], certain, source, within)


def best_of(each: Sequence[AnswerArrays], pessimism: float) -> AnswerArrays:
    """Of several that answer the same budgets the best for each: of highest quality less ``pessimism`` deviations.

    The first of equals counts; a budget that one of them left out is answered by the others.
    """
    rows = np.concatenate([np.arange(len(one.index)) for one in each])
    whose = np.repeat(np.arange(len(each)), [len(one.index) for one in each])
    index = np.concatenate([one.index for one in each])
    worth = np.concatenate([one.quality - pessimism * one.quality_std for one in each])
    order = np.lexsort((whose, -worth, index))
    first = order[np.unique(index[order], return_index=True)[1]]
    fields = {
        field.name: np.stack([getattr(each[whose[at]], field.name)[rows[at]] for at in first])
        if len(first) else getattr(each[0], field.name)
        for field in dataclasses.fields(AnswerArrays)
    }  # fmt: skip
    return AnswerArrays(**fields)


def _unique_rows(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of tokens int32 ``[B, T]``, and which of them each row is, int64 ``[B]``."""
    if not len(tokens):
        return tokens, np.zeros(0, int)
    as_bytes = np.ascontiguousarray(tokens).view(np.dtype((np.void, tokens.dtype.itemsize * tokens.shape[1])))
    _, first, back = np.unique(as_bytes.ravel(), return_index=True, return_inverse=True)
    return tokens[first], back.ravel()


def as_answers(description: Description, asked: Mapping[str, np.ndarray], found: AnswerArrays) -> list[Answer]:
    """What was found as answers; ``asked`` are budgets by column ``[B]``, which ``found.index`` counts."""
    texts: dict[bytes, str] = {}
    levels = {info.name: info.level for info in description.costs if info.level is not None}
    out = []
    for i, row in enumerate(found.index.tolist()):
        tokens = found.tokens[i]
        text = texts.setdefault(tokens.tobytes(), "") or description.space.format(tokens)
        texts[tokens.tobytes()] = text
        costs = {info.name: float(cost) for info, cost in zip(description.costs, found.costs[i], strict=True)}
        out.append(
            Answer(
                budget={name: values[row].item() for name, values in asked.items()},
                tokens=tokens,
                text=text,
                quality=float(found.quality[i]),
                quality_std=float(found.quality_std[i]),
                costs=costs,
                raw_costs={info.name: info.to_raw(costs[info.name]) for info in description.costs},
                guaranteed=bool(found.guaranteed[i]),
                source=SOURCES[found.source[i]],
                within=bool(found.within[i]),
                levels=levels,
            )
        )
    return out
