"""An evaluator: how good architectures are in truth, and what it costs to know is not counted in milliseconds.

A plugin is a factory ``make(space, **settings) -> Evaluator`` under the entry-point group ``nagjax.evaluators``.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from nagjax import plugins
from nagjax.names import suggestion
from nagjax.spaces.space import Space

QUALITY = "quality"

BUILT_IN: Mapping[str, str] = {
    "alone": "nagjax.supernet.evaluators:make_alone",
    "angle": "nagjax.supernet.random_labels:make_angle",
    "command": "nagjax.evaluators.command:make",
    "supernet": "nagjax.supernet.evaluators:make_supernet",
    "table": "nagjax.evaluators.table:make",
}
"""Module and factory of each."""

LONGEST = 2000
"""Characters of a failure's reason that are kept: the last ones say why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluator:
    """How good architectures are.

    Attributes:
      name: the name it is registered under.
      settings: what its factory was given, JSON values; the factory called with them gives the same evaluator, in
        another process too.
      identity: what decides its values, JSON: evaluations of another identity are not mixed in.
      evaluate: tokens int32 ``[N, T]``, canonical, to float64 ``[N]`` by column: ``quality``, a fraction 0..1, and
        costs in their units; or scores. NaN is a failure; an error is one of all N, and its message the reason.
      costs: names of the cost columns that it measures.
      workers: evaluations at a time that it stands, where the user names no number.
      scores: names of columns that rank architectures and are no quality, any finite numbers: 1 where more is better,
        -1 where less is. An evaluator that has some tells no quality, and a search cannot be of it.
      stop: ends what is running here, when the search is interrupted; what runs later is none of its affair.
    """

    name: str
    settings: Mapping[str, Any]
    identity: Mapping[str, Any]
    evaluate: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    costs: tuple[str, ...] = ()
    workers: int = 1
    stop: Callable[[], None] = lambda: None
    scores: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns that it gives."""
        return (*self.scores, *self.costs) if self.scores else (QUALITY, *self.costs)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an evaluation gave.

    Attributes:
      values: by column; empty where it failed.
      failure: why it failed; empty where it did not.
      seconds: how long it took.
    """

    values: Mapping[str, float]
    failure: str = ""
    seconds: float = 0.0


def make(name: str, space: Space, settings: Mapping[str, Any] | None = None) -> Evaluator:
    """An evaluator by its registered name.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested) or refuses a setting.
    """
    made = plugins.checked_call(_factory(name), f"evaluator {name}", dict(settings or {}), space)
    return plugins.expect("evaluators", name, made, Evaluator)


def takes(name: str, setting: str) -> bool:
    """Whether an evaluator has a setting, or hands on those that it does not know.

    Raises:
      ValueError: if it is not registered.
    """
    known = inspect.signature(_factory(name)).parameters
    return setting in list(known)[1:] or any(one.kind is one.VAR_KEYWORD for one in known.values())


def _factory(name: str) -> Callable[..., Any]:
    if name in BUILT_IN:
        module, _, factory = BUILT_IN[name].partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), factory)
        return found
    if name not in plugins.claimed("evaluators"):
        hint = suggestion(name, {*BUILT_IN, *plugins.names("evaluators")})
        known = ", ".join(sorted({*BUILT_IN, *plugins.names("evaluators")}))
        raise ValueError(f"evaluator {name!r} is not known{hint}; known: {known}, and those of plugins")
    return plugins.load("evaluators", name)


def evaluate_one(evaluator: Evaluator, tokens: np.ndarray) -> Outcome:
    """What an evaluator says of one architecture, tokens int32 ``[T]``; an error of any kind is a failure's reason."""
    began = time.monotonic()
    try:
        found = evaluator.evaluate(tokens[None].copy())  # what it does to them is not written into the file
        values = {column: _number(found, column) for column in evaluator.columns}
        check_values(values, evaluator.scores)
    except Exception as error:  # a user's training run may fail in any way, and the search goes on
        return Outcome({}, _reason(error), time.monotonic() - began)
    return Outcome(values, "", time.monotonic() - began)


def evaluate_by_name(
    name: str, settings: Mapping[str, Any], space: tuple[str, Mapping[str, Any]], tokens: Sequence[int]
) -> Outcome:
    """``evaluate_one`` in another process: evaluator and space are made there from their names and settings, once."""
    made = _made(json.dumps([name, dict(settings), space[0], dict(space[1])], sort_keys=True))
    return evaluate_one(made, np.asarray(tokens, np.int32))


def check_remade(evaluator: Evaluator) -> None:
    """Refuse an evaluator that another process could not make by its name.

    Raises:
      ValueError: if its name is not registered.
    """
    if evaluator.name not in {*BUILT_IN, *plugins.claimed("evaluators")}:
        raise ValueError(
            f"evaluator {evaluator.name!r} is not registered, and workers in other processes make it by its name; use "
            "executor=inline or threads, or register it (docs/plugins.md)"
        )


def check_quality(evaluator: Evaluator) -> None:
    """Refuse an evaluator that tells no quality.

    Raises:
      ValueError: with what to do with one that tells scores.
    """
    if evaluator.scores:
        raise ValueError(
            f"evaluator {evaluator.name!r} tells scores that need no training, {', '.join(evaluator.scores)}, and no "
            "quality; make columns of them (experiments.score), and search with an evaluator that tells the truth and "
            "proposer=bo_weights on them"
        )


def check_values(values: Mapping[str, float], scores: Collection[str] = ()) -> None:
    """Refuse what is no quality or no cost; of ``scores`` what is not finite.

    Raises:
      ValueError: if one is not finite, a quality is no fraction, or a cost is not positive.
    """
    for column, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{column} is {value}; it must be a finite number")
        if column == QUALITY and not 0 <= value <= 1:
            hint = "divide percentages by 100" if 1 < value <= 100 else "return a fraction"
            raise ValueError(f"quality is {value:g}; it must be a fraction, 0 to 1: {hint}")
        if column != QUALITY and column not in scores and value <= 0:
            raise ValueError(f"{column} is {value:g}; a cost is positive: measure it again")


@functools.lru_cache(maxsize=1)
def _made(asked: str) -> Evaluator:
    """A worker evaluates many architectures with one evaluator, and to read weights or a table again takes long."""
    name, settings, space, space_settings = json.loads(asked)
    return make(name, plugins.load("spaces", space)(**space_settings), settings)


def _number(found: Mapping[str, Any], column: str) -> float:
    if column not in found:
        raise ValueError(f"{column!r} is missing; found: {', '.join(found) or 'nothing'}")
    return float(np.asarray(found[column], np.float64).reshape(-1)[0])


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    shown = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
    return shown if len(shown) <= LONGEST else "..." + shown[-LONGEST:]
