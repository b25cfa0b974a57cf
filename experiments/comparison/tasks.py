"""What a comparison is asked to run: contenders, seeds and limits from flags, and the list of tasks they make.

A contender is a controller under a label: ``nag``, or ``slow=nag`` for a second one; or ``rounds:NAME``, a search in
rounds of true evaluations by a proposer (``experiments.comparison.searches``). Its settings are written
``LABEL:KEY=VALUE,...``, or ``LABEL@LIMIT:KEY=VALUE,...`` under one limit alone:
``--controller_static=nag:children=8,spare=16,tournaments=0`` and ``--controller_static=nag@200:cells=64``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.comparison.limits import EVALUATIONS, SECONDS, Limit
from experiments.frame import settings
from nagjax import plugins
from nagjax.controllers import Controller, Params, resolve_params
from nagjax.plugins import checked_call
from nagjax.problems.problem import Spec

EVERYWHERE = ""
ROUNDS = "rounds:"
"""What the name of a search in rounds begins with; the proposer's follows."""

Settings = Mapping[str, Mapping[str, Any]]
"""Key and value, by limit; ``EVERYWHERE`` holds under every limit."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """A controller of the comparison, or a search in rounds.

    Attributes:
      label: its name in the results.
      name: its registered name, or ``rounds:`` and that of a proposer.
      static, params: its sizes and swept values, by limit.
    """

    label: str
    name: str
    static: Settings = dataclasses.field(default_factory=dict)
    params: Settings = dataclasses.field(default_factory=dict)

    @property
    def in_rounds(self) -> bool:
        """Whether it is a search in rounds."""
        return self.name.startswith(ROUNDS)

    def make(self, spec: Spec, limit: Limit) -> tuple[Controller, Params]:
        """The controller and its parameters under a limit.

        Raises:
          ValueError: if a setting is unknown (the nearest one is suggested), or the controller refuses it.
        """
        static = self.static_under(limit)
        make = plugins.load("controllers", self.name)
        made = checked_call(make, f"controller {self.label}", static, spec)
        controller = plugins.expect("controllers", self.name, made, Controller)
        return controller, resolve_params(controller, self.params_under(limit))

    def static_under(self, limit: Limit) -> dict[str, Any]:
        """Its sizes under a limit."""
        return _under(self.static, limit)

    def params_under(self, limit: Limit) -> dict[str, Any]:
        """Its swept values under a limit."""
        return _under(self.params, limit)

    def settings(self, limit: Limit) -> dict[str, Any]:
        """All that makes it differ from the registered controller's defaults, for the record."""
        return {"controller": self.name, "static": self.static_under(limit), "params": self.params_under(limit)}


@dataclasses.dataclass(frozen=True)
class Task:
    """One run: a contender on a problem (its entry in ``--problems``) with a seed under a limit.

    ``how`` names and values of what decides how it is run and read; part of its settings.
    """

    problem: str
    contender: Contender
    seed: int
    limit: Limit
    how: Sequence[tuple[str, Any]] = ()

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What names the run in the results."""
        return self.problem.partition("=")[0], self.contender.label, self.seed, self.limit.text

    @property
    def settings(self) -> str:
        """JSON of what a result of this run depends on, besides the problem."""
        return json.dumps({**self.contender.settings(self.limit), **dict(self.how)}, sort_keys=True)


def parse_limits(evaluations: Sequence[str], max_seconds: Sequence[str]) -> list[Limit]:
    """Limits from ``--evaluations`` and ``--max_seconds``, smallest first.

    Raises:
      ValueError: if one is not a positive number, stands twice, or there is none.
    """
    counts = settings.parse_numbers(evaluations, EVALUATIONS)
    if any(value != int(value) for value in counts):
        raise ValueError(f"--evaluations={','.join(evaluations)}: evaluations are whole numbers")
    found = [Limit(EVALUATIONS, value) for value in sorted(counts)]
    found += [Limit(SECONDS, value) for value in sorted(settings.parse_numbers(max_seconds, "max_seconds"))]
    if not found:
        raise ValueError("no limit is given: give --evaluations=200,500,1000,2000, or --max_seconds=60, or both")
    if len({limit.text for limit in found}) < len(found):
        raise ValueError(f"a limit is given twice: {', '.join(limit.text for limit in found)}")
    return found


def parse_contenders(
    controllers: Sequence[str], static: Sequence[str], params: Sequence[str], limits: Sequence[Limit]
) -> list[Contender]:
    """Contenders from ``--controllers``, ``--controller_static`` and ``--controller_params``.

    Raises:
      ValueError: if a controller, label or limit is unknown, with the nearest one; or a label stands twice.
    """
    named: dict[str, str] = {}
    known = plugins.names("controllers")
    for entry in controllers:
        label, separator, name = entry.partition("=")
        label, name = (label, name) if separator else (entry.replace(":", "_"), entry)
        if not re.fullmatch(r"[\w.-]+", label):
            raise ValueError(f"--controllers={entry}: a label is made of letters, digits, _ . -")
        if name not in known and not name.startswith(ROUNDS):
            near = settings.nearest(name, known)
            raise ValueError(f"--controllers={entry}: {name!r} is not registered{near}; or {ROUNDS}PROPOSER")
        if label in named:
            raise ValueError(f"--controllers: {label!r} is given twice; write other={name} for a second one")
        named[label] = name
    if not named:
        raise ValueError(f"--controllers is empty; known: {', '.join(known)}")
    texts = [limit.text for limit in limits]
    sizes = _by_label(static, "controller_static", list(named), texts)
    swept = _by_label(params, "controller_params", list(named), texts)
    return [Contender(label, name, sizes[label], swept[label]) for label, name in named.items()]


def all_tasks(
    problems: Sequence[str],
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    limits: Sequence[Limit],
    how: Sequence[tuple[str, Any]] = (),
) -> list[Task]:
    """Every combination, seed by seed, so that a study that is interrupted has the same seeds of everybody."""
    return [
        Task(problem, contender, seed, limit, how)
        for problem in problems
        for seed in seeds
        for limit in limits
        for contender in contenders
    ]


def _by_label(
    entries: Sequence[str], flag: str, labels: Sequence[str], limits: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    pairs: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        place, separator, pair = entry.partition(":")
        label, at, limit = place.partition("@")
        if not separator:
            raise ValueError(f"--{flag}={entry}: write --{flag}=LABEL:key=value,... or LABEL@LIMIT:key=value,...")
        if label not in labels:
            raise ValueError(f"--{flag}={entry}: {label!r} is not in --controllers{settings.nearest(label, labels)}")
        if at and limit not in limits:
            raise ValueError(f"--{flag}={entry}: {limit!r} is not a limit{settings.nearest(limit, limits)}")
        pairs.setdefault((label, limit if at else EVERYWHERE), []).append(pair)
    out: dict[str, dict[str, dict[str, Any]]] = {label: {} for label in labels}
    for (label, limit), given in pairs.items():
        out[label][limit] = settings.parse_settings(given, flag)
    return out


def _under(given: Settings, limit: Limit) -> dict[str, Any]:
    return {**given.get(EVERYWHERE, {}), **given.get(limit.text, {})}
