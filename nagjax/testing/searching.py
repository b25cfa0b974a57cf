"""What evaluators and proposers have to keep, each a check of a factory and its settings.

Evaluators are asked about two architectures of a space; proposers about 135 architectures of which some are evaluated,
with failures among them, and a predictor that is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nagjax.evaluators.evaluator import Evaluator, evaluate_one
from nagjax.evaluators.journal import Evaluations
from nagjax.predictors.kinds.ridge import fit_ridge
from nagjax.predictors.records.records import Records
from nagjax.proposers.proposer import Proposer, Question
from nagjax.spaces.space import Space
from nagjax.testing.problems import Tiny, tiny_problem, tiny_space
from nagjax.testing.runs import as_json, check_refused, claim

MakeEvaluator = Callable[..., Evaluator]
MakeProposer = Callable[..., Proposer]

TOLERANCE = 1e-6
"""By which a quality may differ when it is evaluated again."""

EVALUATED, FAILED, WANTED = 30, 4, 6
WHERE = {"depth": [3, 4]}
SHARE = 0.75
"""Of the mean regret of all architectures within their own cost; that of what is proposed must be below."""


def check_evaluator_settings(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """Settings and identity are JSON, and the factory called with the settings makes the same evaluator."""
    name, on = "evaluator settings", space or tiny_space()
    made = make(on, **settings)
    claim(name, isinstance(made, Evaluator), f"the factory returned {type(made).__name__}, no Evaluator")
    claim(name, isinstance(made.name, str) and bool(made.name), f"name is {made.name!r}; it must be text")
    written, identity = (as_json(name, what, getattr(made, what)) for what in ("settings", "identity"))
    again = make(on, **written)
    same = (again.name, dict(again.settings), again.costs) == (made.name, written, made.costs)
    claim(name, same, f"made from its settings {written} it is another evaluator")
    claim(name, dict(again.identity) == identity, f"made from its settings it has the identity {again.identity}")
    lacking = sorted(set(settings) - set(written))
    claim(name, not lacking, f"settings lack {', '.join(lacking)}, which the factory was given")


def check_evaluator_values(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """Qualities are fractions, costs positive, scores finite: float64, one an architecture, also of one alone."""
    name = "evaluator values"
    made, tokens = _asked(make, space, settings)
    outcome = evaluate_one(made, tokens[0])
    claim(name, not outcome.failure, f"it fails: {outcome.failure}")
    given = tokens.copy()
    found = made.evaluate(given)
    claim(name, np.array_equal(given, tokens), "evaluate changes the tokens that it is given; copy them first")
    for column in made.columns:
        value = np.asarray(found[column])
        kind = (value.shape, str(value.dtype))
        claim(name, kind == ((len(tokens),), "float64"), f"{column} is {kind}, not float64 [{len(tokens)}]")


def check_evaluator_repeats(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """An architecture has one quality, or score: alone or among others, from this evaluator or one of its settings."""
    made, tokens = _asked(make, space, settings)
    again = make(space or tiny_space(), **dict(made.settings))
    column = made.columns[0]
    together = np.asarray(made.evaluate(tokens)[column])
    alone = [np.asarray(again.evaluate(row[None])[column])[0] for row in tokens[::-1]][::-1]
    same = bool(np.allclose(together, alone, rtol=TOLERANCE if made.scores else 0, atol=TOLERANCE))
    claim("evaluator repeats", same, f"{column} is {together.tolist()}, and {alone} when they are asked for again")


def check_evaluator_identity(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """A setting that changes what it says is in its identity: a search that goes on with another would mix the two."""
    made, tokens = _asked(make, space, settings)
    for left_out, value in settings.items():
        try:
            other = make(space or tiny_space(), **{key: settings[key] for key in settings if key != left_out})
        except (TypeError, ValueError, OSError):
            continue  # it cannot do without
        if dict(other.identity) != dict(made.identity):
            continue
        one, two = (np.asarray(which.evaluate(tokens)[made.columns[0]]) for which in (made, other))
        claim(
            "evaluator identity",
            bool(np.allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE)),
            f"with and without {left_out}={value!r} it says {one.tolist()} and {two.tolist()} under one "
            f"identity, {dict(made.identity)}; put {left_out} into it",
        )


def check_evaluator_refusals(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """A setting that does not exist is refused by a ValueError or a TypeError of the call."""
    check_refused("evaluator refusals", lambda: make(space or tiny_space(), **settings, a_setting_that_is_none=1))


def check_evaluator(make: MakeEvaluator, space: Space | None = None, **settings: Any) -> None:
    """All checks, one after the other."""
    for check in EVALUATOR_CHECKS:
        check(make, space, **settings)


def check_proposer_settings(make: MakeProposer, **settings: Any) -> None:
    """Settings are JSON, and the factory called with them makes an equal proposer."""
    name = "proposer settings"
    made = make(**settings)
    claim(name, isinstance(made, Proposer), f"the factory returned {type(made).__name__}, no Proposer")
    claim(name, isinstance(made.name, str) and bool(made.name), f"name is {made.name!r}; it must be text")
    written = as_json(name, "settings", made.settings)
    claim(name, make(**written) == made, f"made from its settings {written} it is another proposer")
    lacking = sorted(set(settings) - set(written))
    claim(name, not lacking, f"settings lack {', '.join(lacking)}, which the factory was given")


def check_proposer_new(make: MakeProposer, **settings: Any) -> None:
    """Proposals are architectures, different, not evaluated, within the conditions, and no more than are wanted."""
    for where in ({}, WHERE):
        tiny = tiny_problem(where=where)
        _check_new("proposer new", tiny, _question(tiny, _some(tiny)), make(**settings))


def check_proposer_last(make: MakeProposer, **settings: Any) -> None:
    """Where fewer architectures are left than are wanted it proposes some of them, or none, and nothing else."""
    tiny = tiny_problem()
    every = np.arange(len(tiny.oracle.tokens))
    for left in (2, 0):
        _check_new("proposer last", tiny, _question(tiny, every[left:]), make(**settings))


def check_proposer_determinism(make: MakeProposer, **settings: Any) -> None:
    """A question has one answer, whatever was asked before: an interrupted search goes on by a proposer made anew."""
    tiny, made = tiny_problem(), make(**settings)
    for _ in range(2):
        question = _question(tiny, _some(tiny))
        one, other = (which.propose(question) for which in (make(**settings), made))
        same = np.array_equal(one, other)
        claim("proposer determinism", same, "the same question has two answers; draw from its seed and number alone")
    kept = np.array_equal(question.evaluated.quality, _question(tiny, _some(tiny)).evaluated.quality, equal_nan=True)
    claim("proposer determinism", kept, "propose changes the evaluations that it is asked about; copy them first")


def check_proposer_order(make: MakeProposer, **settings: Any) -> None:
    """Where the predictor is nearly right, proposals are better for their cost than architectures are on average."""
    tiny = tiny_problem()
    tokens = make(**settings).propose(_question(tiny, _some(tiny)))
    regret = tiny.oracle.best(tiny.oracle.costs) - tiny.oracle.quality
    found, most = float(regret[tiny.oracle.rows(tokens)].mean()), SHARE * float(regret.mean())
    claim("proposer order", found < most, f"mean regret of what it proposes is {found:.4f}, not below {most:.4f}")


def check_proposer_refusals(make: MakeProposer, **settings: Any) -> None:
    """A setting that does not exist is refused by a ValueError or a TypeError of the call."""
    check_refused("proposer refusals", lambda: make(**settings, a_setting_that_is_none=1))


def check_proposer(make: MakeProposer, **settings: Any) -> None:
    """All checks, one after the other."""
    for check in PROPOSER_CHECKS:
        check(make, **settings)


EVALUATOR_CHECKS: tuple[Callable[..., None], ...] = (
    check_evaluator_settings,
    check_evaluator_values,
    check_evaluator_repeats,
    check_evaluator_identity,
    check_evaluator_refusals,
)
PROPOSER_CHECKS: tuple[Callable[..., None], ...] = (
    check_proposer_settings,
    check_proposer_new,
    check_proposer_last,
    check_proposer_determinism,
    check_proposer_order,
    check_proposer_refusals,
)


def _asked(make: MakeEvaluator, space: Space | None, settings: Mapping[str, Any]) -> tuple[Evaluator, np.ndarray]:
    on = space or tiny_space()
    drawn = np.unique(on.sample(np.random.default_rng(0), 20), axis=0)
    return make(on, **settings), drawn[[0, -1]]


def _some(tiny: Tiny) -> np.ndarray:
    rows = np.flatnonzero(tiny.oracle.allowed)
    return np.random.default_rng(0).permutation(rows)[:EVALUATED]


def _question(tiny: Tiny, rows: np.ndarray) -> Question:
    quality = tiny.oracle.quality[rows].copy()
    quality[:FAILED] = np.nan
    nothing = np.full(len(rows), np.nan)
    reasons = tuple("out of memory" if np.isnan(value) else "" for value in quality)
    evaluated = Evaluations(
        tiny.oracle.tokens[rows], quality, {}, np.zeros(len(rows), np.int64), nothing, nothing, reasons
    )
    # A linear predictor, since some proposers solve for the best of one exactly; of all there is, to be nearly right.
    every = Records(tiny.oracle.tokens, tiny.oracle.quality, source="the tiny problem")
    problem = dataclasses.replace(tiny.problem, quality=fit_ridge(tiny.space, every).predictor)
    return Question(problem, tiny.description, evaluated, WANTED, 1, 0)


def _check_new(check: str, tiny: Tiny, question: Question, proposer: Proposer) -> None:
    tokens = np.asarray(proposer.propose(question))
    claim(check, len(tokens) <= question.num, f"it proposed {len(tokens)} where {question.num} were wanted")
    if not len(tokens):
        return
    try:
        tiny.space.check(tokens)
    except ValueError as error:
        raise AssertionError(f"{check}: {error}") from error
    rows = tiny.oracle.rows(tokens)
    claim(check, bool(tiny.oracle.allowed[rows].all()), "it proposed what the conditions do not admit")
    claim(check, len(set(rows)) == len(rows), "it proposed one architecture twice")
    again = set(rows) & set(tiny.oracle.rows(question.evaluated.tokens))
    claim(check, not again, "it proposed what is evaluated already")
