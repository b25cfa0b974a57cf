"""Kinds of predictors: what they fit, how they are chosen among, and how they are asked for."""

import dataclasses
import sys
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from experiments.comparison import problems as compare_problems
from experiments.frame import cli
from experiments.inputs.setup import define_quality_flags, predictor_kind
from nagjax import plugins, testing
from nagjax.authoring import FittedPredictor, Kind, export
from nagjax.inference.answers import Answer
from nagjax.predictors import network_fit
from nagjax.predictors.formats.readers import foreign
from nagjax.predictors.kinds import auto, gp, light, pair, registry, views
from nagjax.predictors.kinds.auto import choose
from nagjax.predictors.records.records import Records
from nagjax.reports.answers import to_table
from nagjax.reports.wording import quality_is, quality_title
from nagjax.spaces import tabular
from tests.test_plugins import install  # noqa: F401  # a fixture

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "additive": {}, "mlp": {"members": 2, "steps": 100, "hidden": [16]}, "gp": {}, "ridge": {}, "light": {},
    "trees": {"trees": 40, "leaves": 8},
    "graph": {"members": 2, "steps": 100, "hidden": [8]}, "nars": {"inner": "ridge"},
    "pair": {"members": 2, "steps": 100, "hidden": [16], "width": 8, "references": 8},
    "auto": {"candidates": ["ridge", "gp"], "mix": ["ridge", "gp"], "folds": 2},
    "residual": {"rest": "ridge"},
}  # fmt: skip
CASES = [*SMALL.items(), ("mlp", {**SMALL["mlp"], "loss": "hinge"})]


@pytest.mark.parametrize("check", testing.PREDICTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "settings"), CASES, ids=[*SMALL, "hinge"])
def test_our_kinds_conform(name, settings, check):
    if name in ("trees", "light"):
        pytest.importorskip({"trees": "lightgbm", "light": "sklearn"}[name], reason="make env")
    check(registry.load(name), **settings)


@pytest.mark.parametrize("name", ["ridge", "svr"])
def test_a_light_predictor_says_what_scikit_learn_says(name):
    skl = pytest.importorskip("sklearn.linear_model" if name == "ridge" else "sklearn.svm", reason="make env")
    tiny, known = records(80)
    features = tiny.space.features(known.tokens).astype(np.float64)
    config = light.LightConfig(candidates=(name,), penalties=(1.0,), costs=(10.0,))
    form, told, error = light.chosen(features, known.quality, np.ones(features.shape[1], bool), config)
    mean, spread = known.quality.mean(), known.quality.std()
    model = skl.Ridge(alpha=1.0) if name == "ridge" else skl.SVR(C=10.0)
    theirs = mean + spread * model.fit(features, (known.quality - mean) / spread).predict(features)
    np.testing.assert_allclose(light.asked(form, features), theirs, atol=1e-5)
    assert told == ("ridge 1" if name == "ridge" else "svr 10")
    assert 0 < error < 20


def test_the_lighter_predictor_is_the_one_that_errs_less_where_it_was_not_fitted():
    """A sum is a ridge regression's; what depends on whether two features agree is not."""
    pytest.importorskip("sklearn", reason="make env")
    features = np.random.default_rng(0).integers(0, 2, (90, 6)).astype(np.float64)
    known, config = np.ones(6, bool), light.LightConfig()
    added, agreeing = 0.3 + 0.1 * features.sum(1), 0.4 + 0.4 * (features[:, 0] == features[:, 1])
    assert light.chosen(features, added, known, config)[1].startswith("ridge")
    assert light.chosen(features, agreeing, known, config)[1].startswith("svr")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"candidates": ["forest"]}, r"candidates=\['forest'\]: name ridge, svr or both"),
        ({"costs": [0.0]}, "costs=0"),
        ({"folds": 1}, "folds=1"),
        ({"validation_share": 1.0}, "lies in 0 <= share < 1"),
    ],
)
def test_settings_of_a_light_predictor_are_checked(settings, told):
    with pytest.raises(ValueError, match=told):
        registry.make("light", settings)


def test_a_smoothed_kind_is_the_mean_over_neighbours_of_the_inner_one_and_reports_its_own_errors():
    tiny, known = records()
    kind = registry.make("nars", {"inner": "ridge", "penalties": [1.0]})
    assert kind.settings == {"inner": "ridge", "validation_share": 0.2, "penalties": [1.0]}
    fitted = registry.fit(kind, tiny.space, known)
    alone = registry.fit(registry.make("ridge", {"penalties": [1.0]}), tiny.space, known)
    assert fitted.predictor.form == "neighbours"
    np.testing.assert_allclose(fitted.predictor.inner.weights, alone.predictor.weights, atol=1e-6)
    assert fitted.report["rmse_points"] != alone.report["rmse_points"]
    assert (fitted.report["train"], fitted.report["validation"], fitted.report["refitted_on"]) == (48, 12, 60)


@pytest.mark.parametrize(
    ("kind", "settings", "fault"),
    [("nars", {"inner": "nars"}, "inner=nars: name another kind"),
     ("nars", {"inner": "ridge", "trees": 3}, "'trees' is not a setting of kind ridge"),
     ("graph", {"edges": "ring"}, "edges is 'ring'; it is one of chain, complete, none"),
     ("graph", {"hidden": "none"}, "hidden=none: give widths of convolutions"),
     ("pair", {"batch_size": 1}, "batch_size"), ("pair", {"references": 0}, "references"),
     ("pair", {"pseudo": -1.0}, "pseudo"), ("mlp", {"loss": "hinge", "consistency": -1.0}, "consistency"),
     ("mlp", {"consistency": 1.0}, "consistency=1: is for kind mlp with a ranking loss.*loss is mse"),
     ("mlp", {"loss": "hinge", "hidden": [], "consistency": 1.0}, "hidden none"),
     ("graph", {"loss": "hinge", "consistency": 1.0}, "consistency=1: is for kind mlp")],
)  # fmt: skip
def test_settings_of_kinds_are_refused(kind, settings, fault):
    with pytest.raises(ValueError, match=fault):
        registry.make(kind, settings)


def test_a_comparison_is_with_records_spread_over_the_ranks():
    tiny, known = records()
    settings = {**SMALL["pair"], "references": 3, "validation_share": 0.0}
    fitted = registry.fit(registry.make("pair", settings), tiny.space, known)
    order = np.argsort(known.quality)[[10, 30, 50]]
    np.testing.assert_array_equal(fitted.predictor.references, tiny.space.features(known.tokens[order]))
    assert fitted.predictor.rank_valued
    told = registry.fit(registry.make("pair", {**settings, "calibrate": True}), tiny.space, known).predictor
    mean, _ = told(jnp.asarray(known.tokens), jnp.asarray(tiny.space.features(known.tokens)))
    assert not told.rank_valued
    assert np.abs(np.asarray(mean) - known.quality).mean() < known.quality.std()


def test_our_kinds_are_registered_under_their_names():
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert entries["nagjax.predictors"] == {name: f"{module}:make" for name, module in registry.BUILT_IN.items()}
    assert set(entries["nagjax.predictor_formats"]) == {"hw_gpt", "nagjax", "ofa_npz", "shares"}
    assert set(SMALL) == set(registry.BUILT_IN)


def records(num=60, noise=0.0, seed=0):
    tiny = testing.tiny_problem()
    rows = np.random.default_rng(seed).permutation(len(tiny.oracle.tokens))[:num]
    quality = tiny.oracle.quality[rows] + np.random.default_rng(1).normal(0, noise, num)
    return tiny, Records(tiny.oracle.tokens[rows], np.clip(quality, 0, 1))


def test_a_calibrated_ranking_gives_qualities():
    tiny, known = records()
    kind = registry.make("mlp", {**SMALL["mlp"], "loss": "hinge", "calibrate": True})
    fitted = registry.fit(kind, tiny.space, known)
    assert not fitted.predictor.rank_valued
    assert fitted.report["rmse_points"] < 100 * known.quality.std()


@pytest.mark.parametrize(("loss", "consistency"), [("hinge", 0.0), ("logistic", 0.0), ("hinge", 1.0)])
def test_a_ranking_loss_gives_ranks(loss, consistency):
    tiny, known = records()
    settings = {**SMALL["mlp"], "loss": loss, "consistency": consistency}
    fitted = registry.fit(registry.make("mlp", settings), tiny.space, known)
    assert fitted.predictor.rank_valued
    assert "rmse_points" not in fitted.report
    assert fitted.report["kendall_tau"] > 0.3
    mean, _ = fitted.predictor(jnp.asarray(known.tokens), jnp.asarray(tiny.space.features(known.tokens)))
    assert 0.4 < float(mean.mean()) < 0.6


def test_ranking_losses_by_hand():
    scores, targets = jnp.array([1.0, 1.05, 0.0]), jnp.array([0.0, 1.0, 1.0])
    # Pairs that differ: (1, 0) leads by 0.05, (2, 0) lags by 1; each counts twice.
    assert float(network_fit.hinge(scores, targets)) == pytest.approx((0.05 + 1.1) / 2, abs=1e-6)
    by_hand = (np.log1p(np.exp(-0.05)) + np.log1p(np.exp(1.0))) / 2
    assert float(network_fit.logistic(scores, targets)) == pytest.approx(by_hand, rel=1e-5)
    assert float(network_fit.hinge(scores, jnp.ones(3))) == 0.0


def test_consistency_by_hand():
    """Features at 0, 1 and 3, targets 0, 1 and 1.5: of nine triples one is wrong, seen from the second record."""
    features, targets = jnp.array([[0.0], [1.0], [3.0]]), jnp.array([0.0, 1.0, 1.5])
    # The first lies 1 away and the third 2, and the first differs by 1 and the third by 0.5.
    assert float(network_fit.consistency("hinge", features, targets)) == pytest.approx(1.1 / 9, rel=1e-5)
    found = jnp.concatenate([jnp.array([[0.0], [1.0], [0.95]]), features], 1)
    both = network_fit.consistent("hinge", 2.0)(found, targets)
    assert float(both) == pytest.approx((0.1 + 0.05) / 3 + 2 * 1.1 / 9, rel=1e-5)
    slopes = jax.grad(lambda given: network_fit.consistency("hinge", given, targets))(jnp.zeros((3, 2)))
    assert np.isfinite(slopes).all(), "where features are the same"


def test_pairs_that_are_believed_are_the_surest_and_the_better_is_first():
    tiny, known = records(20)
    form = registry.fit(registry.make("pair", {**SMALL["pair"], "validation_share": 0.0}), tiny.space, known).predictor
    first, second = pair.believed(tiny.space, form, 20, seed=3)
    drawn = tiny.space.features(tiny.space.sample(np.random.default_rng([3, 20]), 80))
    chances = np.asarray(form.chances(drawn[:40], drawn[40:]).mean(0))
    told = np.asarray(form.chances(first, second).mean(0))
    np.testing.assert_allclose(told, np.sort(np.maximum(chances, 1 - chances))[::-1][:20], atol=1e-6)


def test_believed_pairs_are_compared_beside_the_known():
    """Two records, the second of which is better by logit 2, and pairs believed by logits 0 and 1; by hand."""
    found, targets = jnp.array([[0.0, -2.0, 0.0], [2.0, 0.0, 1.0]]), jnp.array([0.0, 1.0])
    known, sure = np.log1p(np.exp(-2.0)), (np.log(2) + np.log1p(np.exp(-1.0))) / 2
    assert float(pair.believing(0.5)(found, targets)) == pytest.approx((known + 0.5 * sure) / 1.5, rel=1e-5)
    module, rows = pair.Taught((3,), 2), np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    params = module.init(jax.random.key(0), rows.reshape(4, 15))
    logits = module.apply(params, rows.reshape(4, 15))
    plain = pair.Comparator((3,), 2)
    np.testing.assert_allclose(logits[:, :4], plain.apply(params, rows[:, 0]), atol=1e-6)
    own = plain.apply(params, rows[:, 1], rows[:, 2], method=pair.Comparator.between)
    np.testing.assert_allclose(logits[:, 4], own, atol=1e-6)


def test_believed_pairs_change_a_fit_and_leave_its_form():
    tiny, known = records(20)
    settings = {**SMALL["pair"], "validation_share": 0.0}
    alone, taught = (
        registry.fit(registry.make("pair", {**settings, "pseudo": pseudo}), tiny.space, known).predictor
        for pseudo in (0.0, 0.5)
    )
    assert jax.tree.structure(alone) == jax.tree.structure(taught)
    np.testing.assert_array_equal(alone.references, taught.references)
    same = jax.tree.map(lambda one, other: bool((one == other).all()), alone.network, taught.network)
    assert not all(jax.tree.leaves(same))


def test_a_process_finds_the_scales_it_was_drawn_from():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, 2))
    squares = np.square(features[:, None] - features[None]).sum(-1)
    covariance = np.exp(-squares / (2 * 0.8**2)) + 0.01 * np.eye(150)
    target = np.linalg.cholesky(covariance) @ rng.normal(size=150)
    found = gp.likeliest(squares, (target - target.mean()) / target.std())
    assert 0.5 < found.length < 1.2
    assert 0.003 < found.noise < 0.03
    better = gp.surprise(squares, target, found)
    assert better < gp.surprise(squares, target, gp.Scales(found.length * 3, found.noise))
    assert better < gp.surprise(squares, target, gp.Scales(found.length, found.noise * 30))


def test_a_process_tells_what_is_rough_from_noise():
    rng = np.random.default_rng(3)
    # Records are a few changes away from one of three architectures, as what a search evaluates is.
    bases, change = rng.random((3, 60)) < 0.5, rng.random((200, 60)) < 0.08
    features = (bases[rng.integers(3, size=200)] ^ change).astype(float)
    squares = np.square(features[:, None] - features[None]).sum(-1)
    unit = np.sqrt(squares.mean())
    smooth, rough = (np.exp(-squares / (2 * (of * unit) ** 2)) for of in (4.0, gp.SHORT))
    drawn = np.linalg.cholesky(smooth + 3e-3 * rough + 1e-5 * np.eye(200)) @ rng.normal(size=200)
    target = (drawn - drawn.mean()) / drawn.std()
    found = gp.likeliest(squares, target)
    assert found.short == pytest.approx(gp.SHORT * unit)
    assert found.rough > 10 * found.noise
    without = found._replace(rough=0.0, noise=found.noise + found.rough)
    assert gp.surprise(squares, target, found) < gp.surprise(squares, target, without) - 10


@pytest.mark.parametrize("rough", [0.0, 0.4])
def test_a_process_predicts_each_record_by_the_others_as_a_fit_without_it_does(rough):
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(12, 3)), rng.normal(size=12)
    squares = np.square(features[:, None] - features[None]).sum(-1)
    scales = gp.Scales(1.3, 0.05, rough, 0.6)
    for row, said in enumerate(gp.left_out(squares, target, scales)):
        rest = np.delete(np.arange(12), row)
        near = np.exp(-squares / (2 * 1.3**2)) + rough * np.exp(-squares / (2 * 0.6**2))
        weights = np.linalg.solve(near[np.ix_(rest, rest)] + 0.05 * np.eye(11), target[rest])
        assert said == pytest.approx(near[row, rest] @ weights)


def test_a_process_fits_ranks_where_a_tail_hides_the_order_and_else_the_quality():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(80, 3))
    even = features @ np.array([1.0, 0.5, 0.2])
    assert gp.chosen({"plain": features}, even, "auto").target == "quality"
    assert gp.chosen({"plain": features}, -np.exp(-4 * even), "auto").target == "rank"
    assert gp.chosen({"plain": features}, even, "rank").target == "rank"


def of_numbers():
    """A space of eight decisions of a number, another of a word, and 30 architectures of it."""
    numbers = {f"width{t}": [8, 16, 32, 64, 128] for t in range(8)}
    space = tabular.make({**numbers, "kind": ["a", "b"]})
    return space, space.sample(np.random.default_rng(0), 30)


@pytest.mark.parametrize(
    ("worth", "expected"),
    [((0.0, 1.0, 2.0, 3.0, 4.0), "levels"), ((0.0, 3.0, 1.0, 4.0, 0.5), "plain")],
    ids=["in order", "out of order"],
)
def test_a_process_compares_numbers_by_their_levels_where_they_matter_in_their_order(worth, expected):
    space, tokens = of_numbers()
    quality = 0.5 + 0.01 * np.array(worth)[tokens[:, :8]].sum(1)
    records = Records(tokens, quality, {})
    fitted = registry.make("gp", {"validation_share": 0.0}).fit(space, records, 0)
    assert fitted.report["features"] == expected
    asked = space.sample(np.random.default_rng(1), 200)
    truth = 0.5 + 0.01 * np.array(worth)[asked[:, :8]].sum(1)
    told = {}
    for features in ("auto", "plain", "levels"):
        kind = registry.make("gp", {"validation_share": 0.0, "features": features})
        form = kind.fit(space, records, 0).predictor
        mean, _ = form(jnp.asarray(asked), jnp.asarray(space.features(asked)))
        told[features] = np.sqrt(np.mean((np.asarray(mean) - truth) ** 2))
    assert told["auto"] == pytest.approx(told[expected], rel=1e-3)
    assert told["auto"] == pytest.approx(min(told.values()), rel=1e-3)


@pytest.mark.parametrize(
    "worth", [(0.0, 1.0, 2.0, 3.0, 4.0), (0.0, 3.0, 1.0, 4.0, 0.5)], ids=["in order", "out of order"]
)
def test_sums_over_numbers_are_learned_by_their_levels_where_they_matter_in_their_order(worth):
    space, tokens = of_numbers()
    asked = space.sample(np.random.default_rng(1), 200)
    quality, truth = (0.5 + 0.01 * np.array(worth)[some[:, :8]].sum(1) for some in (tokens, asked))
    off = {}
    for features in ("auto", "plain", "levels"):
        kind = registry.make("additive", {"validation_share": 0.0, "features": features})
        mean, _ = kind.fit(space, Records(tokens, quality), 0).predictor(
            jnp.asarray(asked), jnp.asarray(space.features(asked))
        )
        off[features] = np.sqrt(np.mean((np.asarray(mean) - truth) ** 2))
    assert (off["levels"] < 0.5 * off["plain"]) == (worth[1] < worth[2])
    assert off["auto"] == pytest.approx(min(off["plain"], off["levels"]), rel=1e-3)


def test_whichever_features_a_process_compares_it_has_one_shape():
    space, _ = of_numbers()
    shapes = {name: matrix.shape for name, matrix in views.transforms(space).items()}
    assert shapes == {"plain": (42, 82), "levels": (42, 82)}  # 40 levels beside 42 features
    rows = space.features(np.stack([space.parse(TEXT), space.parse(TEXT.replace("width0=8", "width0=64"))]))
    plain, levels = (rows @ matrix for matrix in views.transforms(space).values())
    assert np.square(plain[0] - plain[1]).sum() == 2
    assert np.square(levels[0] - levels[1]).sum() == pytest.approx(3 + 2 * 0.3)  # 8 to 16, 32, 64
    other = space.features(space.parse(TEXT.replace("kind=a", "kind=b"))[None])[0]
    assert np.square((rows[0] - other) @ views.transforms(space)["levels"]).sum() == 2  # a word, as ever


TEXT = ",".join([*(f"width{t}=8" for t in range(8)), "kind=a"])


def test_a_space_without_numbers_is_compared_by_plain_features():
    space = tabular.make({"kind": ["a", "b", "c"], "skip": [False, True]})
    assert views.transforms(space) == {"plain": None}
    with pytest.raises(ValueError, match="features is 'levels', and no attribute of space tabular is a number"):
        views.transforms(space, "levels")
    with pytest.raises(ValueError, match="features is 'steps'; it is one of auto, plain, levels"):
        registry.make("gp", {"features": "steps"})


def test_a_process_is_fitted_by_one_thread_and_leaves_the_others_to_who_had_them(monkeypatch):
    tiny, known = records(30)
    had, cholesky = [], gp.linalg.cholesky

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def watched(*args, **kwargs):
        had.append(threads())
        return cholesky(*args, **kwargs)

    monkeypatch.setattr(gp.linalg, "cholesky", watched)
    with threadpool_limits(2, "blas"):
        registry.fit(registry.make("gp"), tiny.space, known)
        assert threads() == {2}
    assert len(had) > 50
    assert all(found == {1} for found in had)


def test_the_deviation_of_a_process_is_that_of_its_errors():
    tiny, known = records(40)
    fitted = registry.fit(registry.make("gp"), tiny.space, known)
    tokens = tiny.oracle.tokens
    mean, std = fitted.predictor(jnp.asarray(tokens), jnp.asarray(tiny.space.features(tokens)))
    seen = (tokens[:, None] == known.tokens[None]).all(-1).any(1)
    off = np.abs(np.asarray(mean) - tiny.oracle.quality)
    assert 0.4 < np.sqrt(np.mean((off[~seen] / std[~seen]) ** 2)) < 2.5
    assert std[seen].mean() < std[~seen].mean()


def test_a_process_refuses_what_is_too_large_and_fits_equal_labels():
    tiny, known = records(30)
    with pytest.raises(ValueError, match=r"30 records are too many .* at most 20 .*kind mlp or ridge"):
        registry.make("gp", {"most": 20}).fit(tiny.space, known, 0)
    flat = dataclasses.replace(known, quality=np.full(30, 0.5))
    mean, std = registry.fit(registry.make("gp"), tiny.space, flat).predictor(
        jnp.asarray(tiny.oracle.tokens), jnp.asarray(tiny.space.features(tiny.oracle.tokens))
    )
    np.testing.assert_allclose(mean, 0.5, atol=1e-3)
    assert np.isfinite(std).all()


def test_auto_keeps_the_mix_unless_a_kind_is_clearly_ahead():
    level = np.array([0.5, 0.6, 0.4, 0.5, 0.5])
    assert choose({"mix": level, "gp": level + np.array([0.2, 0.21, 0.19, 0.2, 0.2])}) == "gp"
    # Ahead by 0.1 on average with a standard error of 0.045, which is not three of them.
    assert choose({"mix": level, "gp": level + np.array([0.2, 0.2, 0.1, 0.0, 0.0])}) == "mix"
    assert choose({"mix": level, "gp": level - 0.1}) == "mix"
    assert choose({"gp": level, "ridge": level - 0.1}) == "gp"


def test_auto_says_what_it_ends_in_and_leaves_out_what_cannot_be_fitted(monkeypatch):
    tiny, known = records(40)
    fitted = registry.fit(
        registry.make("auto", {**SMALL["auto"], "candidates": ["gp", "ridge", "mlp"]}), tiny.space, known
    )
    assert fitted.report["kind"] in ("ridge + gp", "gp", "ridge", "mlp")
    assert {"kendall_tau", "rmse_points"} <= set(fitted.report)
    assert fitted.report["validation"] == 40
    assert all(f"{name} 0." in fitted.report["held_out_kendall_tau"] for name in ("mix", "ridge", "gp", "mlp"))
    # Too many for the last fit, not for those of the folds; then for all of them.
    for most in (30, 10):
        monkeypatch.setattr(auto, "OWN", {**auto.OWN, "gp": ("gp", {"most": most})})
        report = registry.fit(registry.make("auto", SMALL["auto"]), tiny.space, known).report
        assert report["kind"] == "ridge"
    only = registry.make("auto", {"candidates": ["gp"], "mix": ["gp"], "folds": 2})
    with pytest.raises(ValueError, match=r"no kind can be fitted: .* too many for a Gaussian process"):
        registry.fit(only, tiny.space, known)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"candidates": "auto"}, r"candidates=\['auto'\]: name other kinds"),
     ({"mix": "gbdt"}, r"mix=\['gbdt'\]: name at least one of the candidates, mlp\+logistic")],
)  # fmt: skip
def test_auto_refuses_settings(settings, fault):
    with pytest.raises(ValueError, match=fault):
        registry.make("auto", settings)


def kind_of(*given):
    return predictor_kind(cli.parse(define_quality_flags, list(given)))


def test_flags_name_a_kind():
    assert kind_of().name == "mlp"
    assert kind_of("--predictor_kind=ridge", "--predictor_settings=penalties=0.1x1").settings["penalties"] == [0.1, 1.0]
    assert kind_of("--predictor_kind=auto", "--predictor_settings=candidates=gp+mlp,mix=mlp").settings[
        "candidates"
    ] == [
        "gp",
        "mlp",
    ]
    with pytest.raises(ValueError, match=r"--predictor_kind: .*'rigde' is not known \(did you mean 'ridge'\?\)"):
        kind_of("--predictor_kind=rigde")
    with pytest.raises(ValueError, match=r"--predictor_settings: 'loss' is not a setting of kind gp"):
        kind_of("--predictor_kind=gp", "--predictor_settings=loss=hinge")
    with pytest.raises(ValueError, match="loss is 'huber'; it is one of mse, hinge, logistic"):
        kind_of("--predictor_settings=loss=huber")
    with pytest.raises(ValueError, match="target=rank: a ranking loss, hinge, has no target"):
        kind_of("--predictor_settings=loss=hinge,target=rank")


READER = "def read(path, space):\n    return None\n"


def test_a_reader_in_the_group_of_kinds_is_told_the_new_group(install):  # noqa: F811
    install("third-party", {"old": "third_reader:read"}, {"third_reader": READER}, kind="predictors")
    for ask in (lambda: registry.load("old"), lambda: foreign("old")):
        with pytest.raises(plugins.PluginError, match=r"'old' of distribution third-party .*nagjax.predictor_formats"):
            ask()
    assert foreign("auto") == foreign("nagjax") == foreign("unheard_of") == {}


def restless():
    """Each fit of a kind leaves others out, by draws that go on from the one before."""
    rng = np.random.default_rng(0)

    def fit(space, records, seed):
        rows = rng.permutation(len(records.quality))[:-9]
        return registry.make("ridge").fit(space, Records(records.tokens[rows], records.quality[rows]), seed)

    return fit


def mingled():
    """A deviation that says how far a row is from the others that are asked about."""

    def fit(space, records, seed):
        inner = registry.make("ridge").fit(space, records, seed)

        def told(tokens, features):
            mean, _ = inner.predictor(tokens, features)
            return mean, jnp.abs(mean - mean.mean())

        return FittedPredictor(export(told, records.tokens.shape[1], inner.predictor.known), inner.report)

    return fit


@pytest.mark.parametrize(
    ("check", "fit", "text"),
    [
        (testing.check_predictor_determinism, restless, "two fits with the same seed"),
        (testing.check_predictor_form, mingled, "the deviation of a row depends on what else is asked"),
    ],
)
def test_the_suite_of_kinds_finds_what_breaks_it(check, fit, text):
    with pytest.raises(AssertionError, match=text):
        check(lambda **settings: Kind("broken", settings, fit()))


def test_a_kind_that_centres_in_place_leaves_the_records_as_they_were():
    def fit(space, records, seed):
        found = registry.make("ridge").fit(space, records, seed)
        records.quality[:] -= records.quality.mean()
        return found

    oracle = testing.tiny_problem().oracle
    records = Records(oracle.tokens, oracle.quality.copy())
    registry.fit(Kind("centring", {}, fit), testing.tiny_space(), records)
    np.testing.assert_array_equal(records.quality, oracle.quality)


def test_a_kind_that_ends_in_no_form_is_named():
    tiny, known = records(20)
    kind = registry.make("ridge")
    odd = dataclasses.replace(kind, name="mine", fit=lambda space, records, seed: 3)
    with pytest.raises(plugins.PluginError, match="predictors: 'mine': returned int, not a FittedPredictor"):
        registry.fit(odd, tiny.space, known)
    found = kind.fit(tiny.space, known, 0)
    stranger = dataclasses.replace(
        kind, name="mine", fit=lambda *given: dataclasses.replace(found, predictor=lambda tokens, features: None)
    )
    with pytest.raises(plugins.PluginError, match="predictors: 'mine': a quality of type function cannot be kept"):
        registry.fit(stranger, tiny.space, known)


def test_ranks_are_not_shown_as_percentages():
    report = {"values": "rank", "kendall_tau": 0.8, "validation": 20, "source": "here"}
    assert quality_title(quality_is(report)) == "rank by the predictor, 0 to 100"
    tiny = testing.tiny_problem()
    description = dataclasses.replace(tiny.description, quality_report=report)
    answer = Answer({"latency_ms": 9.0}, tiny.oracle.tokens[0], "0", 0.5, 0.0, {"latency_ms": 8.0}, {}, True, "listed")
    headers = [str(column.header) for column in to_table([answer], description).columns]
    assert "rank by the predictor, 0 to 100" in headers
    assert not [header for header in headers if "%" in header]


def test_a_comparison_fits_the_kind_that_is_asked(tmp_path, shared_data):
    macro = shared_data("nas_bench_macro/cifar10.json")
    case = compare_problems.build("macro_50", str(macro.parent.parent), 0, 10, ["--predictor_kind=ridge"])
    assert case.problem.quality.form == "linear"


def test_trees_say_what_lightgbm_says():
    library = pytest.importorskip("lightgbm", reason="needs lightgbm: make env")
    tiny, known = records()
    models, train = [], library.train

    def keep(*args, **kwargs):
        models.append(train(*args, **kwargs))
        return models[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "train", keep)
        fitted = registry.fit(registry.make("trees", {"trees": 30, "validation_share": 0.0}), tiny.space, known, 5)
    every = tiny.oracle.tokens
    mean, _ = fitted.predictor(jnp.asarray(every), jnp.asarray(tiny.space.features(every)))
    expected = models[-1].predict(tiny.space.features(every).astype(np.float64))
    assert len(np.unique(expected)) > 20
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    assert fitted.predictor.value.shape == (30, 61)


def test_trees_of_equal_labels_are_one_leaf():
    pytest.importorskip("lightgbm", reason="needs lightgbm: make env")
    tiny, known = records()
    flat = Records(known.tokens, np.full(len(known.quality), 0.75))
    form = registry.fit(registry.make("trees", {"validation_share": 0.0}), tiny.space, flat).predictor
    mean, _ = form(jnp.asarray(known.tokens), jnp.asarray(tiny.space.features(known.tokens)))
    np.testing.assert_allclose(mean, 0.75, rtol=1e-6)


def test_trees_without_lightgbm_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    tiny, known = records()
    with pytest.raises(ValueError, match=r"fitted by LightGBM: pip install 'nagjax\[trees\]'"):
        registry.fit(registry.make("trees"), tiny.space, known)


@pytest.mark.parametrize(("name", "value"), [("trees", 0), ("leaves", 1), ("learning_rate", 0.0), ("rows", 1.5)])
def test_settings_of_trees_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        registry.make("trees", {name: value})
