"""``benchmarks.rivals``: both ways of a rival start from the same predictor, and differ in whether it moves."""

import dataclasses

import numpy as np
import pytest

from benchmarks import rivals
from benchmarks.few_evaluations import posed
from benchmarks.rounds import Macro
from nagjax import testing
from nagjax.devices.pricing import analytic
from nagjax.predictors.kinds.registry import make
from nagjax.predictors.records.records import Records


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The tiny problem, all of whose qualities are known."""
    tiny = testing.tiny_problem(variant="two_costs")
    cost = tiny.space.operator_sum(tiny.oracle.tokens, analytic(tiny.space, "madds").values)
    return posed(
        Macro(tiny.space, Records(tiny.oracle.tokens, tiny.oracle.quality), cost), tmp_path_factory.mktemp("m")
    )


def test_rivals_that_move_and_that_stay(study, monkeypatch):
    small = {"steps": 50, "members": 1, "hidden": "8"}
    monkeypatch.setattr(rivals, "make", lambda kind, settings: make(kind, {**settings, **small}))
    for name in ("moves", "stays"):
        sizes = {"hidden": 8, "anchors": 4, "samples": 2}
        monkeypatch.setitem(rivals.WAYS, name, dataclasses.replace(rivals.WAYS[name], sizes=sizes))
    monkeypatch.setattr(rivals, "LABELS", 100)
    monkeypatch.setattr(rivals, "UPDATES", 75)
    monkeypatch.setattr(rivals, "LOOKS", (25, 50, 75))
    moves, stays = (rivals.one(study, name, 0) for name in ("moves", "stays"))
    assert tuple(moves) == tuple(stays) == rivals.COLUMNS
    assert moves["best"] == stays["best"], "the predictor is the same"
    figures = np.array([[float(row[name]) for name in rivals.COLUMNS[2:]] for row in (moves, stays)])
    assert np.isfinite(figures).all()
    assert (figures >= 0).all()
    assert (figures[:, :3] <= 100).all()
    assert moves["certain_300"] != stays["certain_300"]
