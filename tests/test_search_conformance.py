"""Evaluators and proposers of the library keep what the suites ask, and the suites find what breaks it."""

import dataclasses
import sys

import numpy as np
import pytest

from nagjax import plugins, testing
from nagjax.evaluators import evaluator
from nagjax.evaluators.evaluator import Evaluator
from nagjax.proposers import proposer

SPACE = testing.tiny_space()
PROPOSERS = [*sorted({*proposer.BUILT_IN, *plugins.names("proposers")} - {"controller"}), "controller:nsga2"]


def truth(space, best=0.9):
    """As a plugin makes one."""
    return Evaluator("truth", {"best": best}, {"best": best}, lambda tokens: {"quality": tokens.mean(1) / 2 * best})


@pytest.mark.parametrize("name", PROPOSERS)
@pytest.mark.parametrize("check", testing.PROPOSER_CHECKS, ids=lambda check: check.__name__)
def test_proposers_conform(name, check):
    small = {"controller:nsga2": {"steps": 5, "population": 32}, "pruned": {"after": 10, "pairs": 2}}.get(name, {})
    check(lambda **settings: proposer.make(name, settings), **small)


@pytest.mark.parametrize("check", testing.EVALUATOR_CHECKS, ids=lambda check: check.__name__)
def test_a_table_and_a_command_conform(tmp_path, check):
    rows = testing.tiny_problem().oracle
    lines = [
        f"{SPACE.format(row)},{quality},{3 + i}"
        for i, (row, quality) in enumerate(zip(rows.tokens, rows.quality, strict=True))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["architecture,quality,latency_ms", *lines]) + "\n")
    (tmp_path / "p.py").write_text('print(\'{"quality": 0.5, "latency_ms": 3.0}\')\n')
    settings = {"table": {"file": str(tmp_path / "t.csv")}, "command": {"command": f"{sys.executable} {tmp_path}/p.py"}}
    for name, given in settings.items():
        check(
            lambda space, _name=name, **found: evaluator.make(_name, space, found), SPACE, costs="latency_ms", **given
        )


def test_a_plugin_of_an_evaluator_conforms():
    testing.check_evaluator(truth, SPACE, best=0.7)


def changed(make, **replaced):
    return lambda *args, **settings: dataclasses.replace(make(*args, **settings), **replaced)


def drifting():
    """Another value whenever it is asked."""
    asked = iter(range(1, 1000))
    return lambda tokens: {"quality": np.full(len(tokens), 1 / next(asked))}


def spoiling(tokens):
    """Counts in what it was handed."""
    tokens += 1
    return {"quality": tokens.mean(1) / 4}


def test_an_evaluator_that_spoils_its_tokens_spoils_no_others():
    tokens = SPACE.smallest()
    evaluator.evaluate_one(changed(truth, evaluate=spoiling)(SPACE), tokens)
    assert tokens.tolist() == SPACE.smallest().tolist()


def test_a_setting_that_decides_and_is_in_no_identity_is_found():
    testing.check_evaluator_identity(truth, SPACE, best=0.7)
    with pytest.raises(AssertionError, match=r"with and without best=0.7 .* put best into it"):
        testing.check_evaluator_identity(changed(truth, identity={}), SPACE, best=0.7)


@pytest.mark.parametrize(
    ("check", "replaced", "message"),
    [
        (testing.check_evaluator_settings, {"settings": {"f": print}}, "settings cannot be written"),
        (testing.check_evaluator_settings, {"identity": {"f": (1, 2)}}, "are changed by JSON"),
        (
            testing.check_evaluator_values,
            {"evaluate": lambda tokens: {"quality": 71.0 + 0 * tokens[:, 0]}},
            "it fails: quality is 71",
        ),
        (
            testing.check_evaluator_values,
            {"evaluate": lambda tokens: {"quality": np.float32(0.5)}},
            r"quality is \(\(\), 'float32'\)",
        ),
        (testing.check_evaluator_values, {"costs": ("latency_ms",)}, "it fails: 'latency_ms' is missing"),
        (testing.check_evaluator_values, {"evaluate": spoiling}, "changes the tokens that it is given"),
        (testing.check_evaluator_repeats, {"evaluate": drifting()}, "when they are asked for again"),
    ],
)
def test_the_suite_finds_what_breaks_an_evaluator(check, replaced, message):
    with pytest.raises(AssertionError, match=message):
        check(changed(truth, **replaced), SPACE)


def test_settings_of_which_an_evaluator_knows_nothing_are_found():
    with pytest.raises(AssertionError, match="a setting that does not exist is taken"):
        testing.check_evaluator_refusals(lambda space, **settings: truth(space))


def every(question):
    """All there is, evaluated or not."""
    return testing.tiny_problem().oracle.tokens


@pytest.mark.parametrize(
    ("check", "propose", "message"),
    [
        (testing.check_proposer_new, lambda q: every(q)[:7], "it proposed 7 where 6 were wanted"),
        (testing.check_proposer_new, lambda q: q.evaluated.tokens[:1], "what is evaluated already"),
        (testing.check_proposer_new, lambda q: np.full((1, 6), 9), "is not an architecture"),
        (testing.check_proposer_new, lambda q: np.repeat(fresh(q)[:1], 2, 0), "one architecture twice"),
        (testing.check_proposer_new, lambda q: fresh(q)[-1:], "the conditions do not admit"),
        (testing.check_proposer_last, lambda q: every(q)[:3], "what is evaluated already"),
        (testing.check_proposer_order, lambda q: fresh(q)[np.argsort(worth(fresh(q)))[:6]], "mean regret"),
    ],
)
def test_the_suite_finds_what_breaks_a_proposer(check, propose, message):
    with pytest.raises(AssertionError, match=message):
        check(lambda **settings: proposer.Proposer("broken", settings, propose))


def one_draw():
    """Draws from what it drew before, and not from the question's seed."""
    rng = np.random.default_rng(0)
    return lambda question: rng.permutation(fresh(question))[:6]


def filling(question):
    """Takes failures for bad ones, in the search's own arrays."""
    question.evaluated.quality[np.isnan(question.evaluated.quality)] = 0
    return fresh(question)[:6]


@pytest.mark.parametrize(
    ("propose", "message"),
    [(one_draw, "same question has two answers"), (lambda: filling, "changes the evaluations")],
)
def test_a_proposer_that_remembers_or_changes_what_it_is_asked_is_found(propose, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_proposer_determinism(lambda **settings: proposer.Proposer("broken", settings, propose()))


def fresh(question):
    taken = {row.tobytes() for row in question.evaluated.tokens}
    return np.array([row for row in every(question) if row.tobytes() not in taken])


def worth(tokens):
    oracle = testing.tiny_problem().oracle
    rows = oracle.rows(tokens)
    return oracle.quality[rows] - oracle.best(oracle.costs[rows])
