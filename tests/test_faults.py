"""Malformed and odd inputs: each is refused with place and remedy, or read rightly; and the suite itself can fail."""

import time
from collections import Counter

import pytest

from benchmarks import faults
from benchmarks.fault_cases.case import Case
from nagjax.devices.table import Row

COSTLY = ("budgets: just the smallest, ", "columns: ", "checkpoint: a bit of", "data set: ")
"""Inputs that compile much or read much: ``python -m benchmarks.faults`` has them too."""


@pytest.mark.parametrize("module", faults.MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_input_is_refused_with_place_and_remedy_or_read_rightly(module):
    cases = [case for case in module.cases() if not case.name.startswith(COSTLY)]
    result, failing = faults.run_suite(cases)
    assert not failing, "\n".join(failing)
    assert result["tracebacks"] == result["wrong"] == 0
    assert result["inputs"] == len(cases) > 30


def test_the_suite_is_large_and_names_each_input_once():
    names = Counter(case.name for case in faults.all_cases())
    assert names.total() >= 300
    assert [name for name, count in names.items() if count > 1] == []


def fail():
    raise AssertionError("two messages")


def own(text):
    """An act that is refused by the library with a text."""
    return lambda folder: Row(1.0, count=-1, source=text)


def hang(folder):
    time.sleep(60)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (Case("a", own("t.csv: row 3"), "row 3"), faults.REFUSED),
        (Case("another place", own("t.csv: row 3"), "row 4"), faults.WRONG),
        (Case("no remedy", own("t.csv: row 3"), "row 3", "ask for help"), faults.WRONG),
        (Case("refused wrongly", own("t.csv: row 3"), value=3), faults.WRONG),
        (Case("read", lambda folder: 3, value=3), faults.READ),
        (Case("misread", lambda folder: 3, value=4), faults.WRONG),
        (Case("accepted", lambda folder: 3, "row 3"), faults.WRONG),
        (Case("either", lambda folder: 3, "row 3", value=3), faults.READ),
        (Case("another type", lambda folder: {}["row 3"], "row 3"), faults.TRACEBACK),
        (Case("not raised by us", lambda folder: int("row 3: must be"), "row 3"), faults.TRACEBACK),
        (Case("exits", lambda folder: (_ for _ in ()).throw(SystemExit("row 3: must be")), "row 3"), faults.TRACEBACK),
        (Case("fails a check", lambda folder: fail(), "row 3"), faults.WRONG),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else None,
)
def test_an_input_is_judged_by_what_comes_of_it(case, kind):
    assert faults.judge(case)[0] == kind


def test_a_hang_is_wrong(monkeypatch):
    monkeypatch.setattr(faults, "SECONDS", 0.05)
    kind, why = faults.judge(Case("hangs", hang, "x"))
    assert kind == faults.WRONG
    assert "hangs" in why
