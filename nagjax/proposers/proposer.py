"""A proposer: which architectures are worth an evaluation.

A plugin is a factory ``make(**settings) -> Proposer`` under the entry-point group ``nagjax.proposers``; any controller
is one as ``controller:NAME``.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nagjax import plugins
from nagjax.evaluators.journal import Evaluations
from nagjax.names import suggestion
from nagjax.problems.problem import Description, Problem

BUILT_IN: Mapping[str, str] = {
    "bo_weights": "nagjax.proposers.bo_weights",
    "controller": "nagjax.proposers.controller",
    "improvement": "nagjax.proposers.acquisition",
    "pareto_classifier": "nagjax.proposers.classifier",
    "progressive": "nagjax.proposers.progressive",
    "pruned": "nagjax.proposers.pruned",
    "thompson": "nagjax.proposers.acquisition",
    "top_predicted": "nagjax.proposers.acquisition",
    "ucb": "nagjax.proposers.acquisition",
}
"""Module of each; its ``make_NAME`` is the factory."""

DEFAULT = "improvement"
NAMES = (*sorted({*BUILT_IN} - {"controller"}), "controller:NAME")


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """What a proposer is asked.

    Attributes:
      problem: its quality is the predictor that was fitted to what is evaluated.
      description: its companion.
      evaluated: all evaluations so far, failed ones too: none of them is proposed again.
      num: architectures wanted.
      number: the round, from 1.
      seed: of this round.
    """

    problem: Problem
    description: Description
    evaluated: Evaluations
    num: int
    number: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Proposer:
    """What to evaluate next.

    Attributes:
      name: the name it is registered under.
      settings: what its factory was given, JSON values.
      propose: a question to tokens int32 ``[M, T]``, M <= ``num``: canonical, different, not evaluated, the most wanted
        first. Fewer where it finds no more: the rest is then drawn at random.
      contents: SHA-256 of files that settings name, by setting: a search is of what a file holds, wherever it lies.
    """

    name: str
    settings: Mapping[str, Any]
    propose: Callable[[Question], np.ndarray] = dataclasses.field(compare=False)
    contents: Mapping[str, str] = dataclasses.field(default_factory=dict)


def make(name: str, settings: Mapping[str, Any] | None = None) -> Proposer:
    """A proposer by its registered name, or ``controller:NAME``.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested) or refuses a setting.
    """
    given = dict(settings or {})
    own, _, rest = name.partition(":")
    if own in BUILT_IN and bool(rest) == (own == "controller"):
        factory = getattr(importlib.import_module(BUILT_IN[own]), f"make_{own}")
        found: Proposer = plugins.checked_call(factory, f"proposer {name}", given, *([rest] if rest else []))
        return found
    if name not in plugins.claimed("proposers"):
        known = sorted({*NAMES, *plugins.names("proposers")})
        hint = suggestion(name, known)
        raise ValueError(f"proposer {name!r} is not known{hint}; known: {', '.join(known)}")
    made = plugins.checked_call(plugins.load("proposers", name), f"proposer {name}", given)
    return plugins.expect("proposers", name, made, Proposer)
