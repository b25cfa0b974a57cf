"""``benchmarks.estimates``: exact estimates lose nothing, noise costs order, what a front closes is told."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from benchmarks import estimates
from benchmarks.rounds import Macro
from nagjax import testing
from nagjax.devices.pricing import analytic
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.records.records import Records

TINY = testing.tiny_problem(variant="two_costs")
TOKENS = TINY.oracle.tokens


def macro(quality):
    cost = TINY.space.operator_sum(TOKENS, analytic(TINY.space, "madds").values)
    return Macro(TINY.space, Records(TOKENS, quality), cost)


def additive(gains):
    """Qualities that are sums over layers of gains ``[T, C]``."""
    return macro(0.2 + gains[np.arange(TOKENS.shape[1]), TOKENS].sum(1))


def rows_of(known, kinds, seed=0):
    return {row["kind"]: row for row in estimates.of_macro(known, kinds, seed)}


@pytest.fixture(autouse=True)
def few_labels(monkeypatch):
    monkeypatch.setattr(estimates, "LABELS", 120)
    monkeypatch.setattr(estimates, "NOISE", 0.0)


def test_of_additive_qualities_without_noise_nothing_is_lost():
    """Ridge is exact there, so the front by which choices are closed is the true one."""
    found = rows_of(additive(np.random.default_rng(0).uniform(0, 0.1, (TOKENS.shape[1], 3))), ["ridge"])
    assert list(found) == ["estimates", "smoothed", "ridge", "ridge_pruned"]
    assert (found["estimates"]["tau"], found["estimates"]["regret"]) == (pytest.approx(1), 0)
    assert found["smoothed"]["tau"] == pytest.approx(1), "a mean over neighbours keeps the order of a sum over layers"
    assert found["ridge"]["tau"] > 0.99
    for name in ("ridge", "ridge_pruned"):
        assert found[name]["regret"] < 0.05
        assert found[name]["closed"] == 0


def test_noise_costs_order_and_another_seed_draws_other_noise(monkeypatch):
    monkeypatch.setattr(estimates, "NOISE", 0.1)
    known = macro(np.linspace(0.3, 0.7, len(TOKENS)))
    low, high = sorted(rows_of(known, [], seed)["estimates"]["tau"] for seed in (0, 1))
    assert 0.3 < low < high < 0.9


def test_what_a_wrong_front_closes_is_told(monkeypatch):
    """A kind that likes first choices alone closes all others, and with them the best of every budget but the first."""
    likes = jnp.asarray([float(name.endswith(".8")) for name in TINY.space.feature_names], jnp.float32)
    form = Linear(0.01 * likes, jnp.float32(0.5), jnp.ones(len(likes), bool))
    monkeypatch.setitem(estimates.KINDS, "ridge", Kind("backwards", {}, lambda *_: FittedPredictor(form, {})))
    found = rows_of(additive(np.tile([0.0, 0.05, 0.1], (TOKENS.shape[1], 1))), ["ridge"])["ridge_pruned"]
    assert found["tau"] is None
    assert found["closed"] > 90
    assert found["regret"] > 1


def test_networks_trained_alone_judge_the_labels_that_travel_along():
    networks = json.loads(estimates.RANKING.read_text(encoding="utf-8"))["networks"]
    found = {row["kind"]: row["tau"] for row in estimates.of_supernet(["ridge"], [0])}
    alone = [np.mean(one["alone"]) for one in networks]
    assert found["estimates"] == pytest.approx(stats.kendalltau([one["supernet"] for one in networks], alone).statistic)
    assert 0 < found["ridge"] <= 1


def test_perceptrons_are_judged_by_all_of_them_alone_and_a_kind_is_fitted_to_their_labels(monkeypatch):
    """A kind that keeps what it is given tells the order of the labels of its seed, so it adds nothing to them."""

    def kept(space, records, seed):
        table = tabular_quality(space, records.tokens, records.quality)
        return FittedPredictor(table, {"seed": seed})

    monkeypatch.setitem(estimates.KINDS, "ridge", Kind("kept", {}, kept))
    rows = list(estimates.of_signals(["ridge"], range(1, 3)))
    assert [(row["kind"], row["seed"]) for row in rows] == [
        ("estimates", 1), ("ridge", 1), ("estimates", 2), ("ridge", 2),
    ]  # fmt: skip
    study = json.loads(estimates.supernet_ranking.RESULT.read_text(encoding="utf-8"))
    alone = [np.mean([run["accuracy"] for run in one["alone"].values()]) for one in study["networks"]]
    ways = {run["way"]: run["label"] for run in study["shared"] if run["seed"] == 2 and "_long" not in run["way"]}
    assert len(ways) == 4
    assert rows[2]["tau"] == pytest.approx(np.mean([stats.kendalltau(one, alone).statistic for one in ways.values()]))
    assert rows[3]["tau"] == pytest.approx(rows[2]["tau"], abs=2e-3), "float32 tells apart all but ties of the labels"
    assert not list(estimates.of_signals([], [99])), "nothing was trained under that seed"
