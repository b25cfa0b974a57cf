"""Ridge regression on path features against fits by hand and by brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.predictors.formats.storage import load_predictor, save_predictor
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.ridge import RidgeConfig, fit_ridge, solve
from nagjax.predictors.records.records import Records
from nagjax.spaces import nas_bench_macro
from tests import tiny

SPACE = nas_bench_macro.make()


def records(num, noise=0.0, seed=0):
    """Architectures whose quality is linear in the features, with noise."""
    rng = np.random.default_rng(seed)
    tokens = np.unique(SPACE.sample(rng, 2 * num), axis=0)
    tokens = tokens[rng.permutation(len(tokens))[:num]]
    weights = np.random.default_rng(7).normal(0, 0.01, len(SPACE.feature_names))
    quality = 0.8 + SPACE.features(tokens) @ weights + rng.normal(0, noise, len(tokens))
    return Records(tokens, quality, source="made up")


def test_the_weights_are_those_of_the_normal_equations():
    rng = np.random.default_rng(0)
    features, quality = rng.normal(size=(30, 4)), rng.random(30)
    weights, offset, penalty, _ = solve(features, quality, (0.1,))
    centred = features - features.mean(0)
    gram = centred.T @ centred
    expected = np.linalg.solve(gram + 0.1 * np.trace(gram) / 4 * np.eye(4), centred.T @ (quality - quality.mean()))
    np.testing.assert_allclose(weights, expected, rtol=1e-10)
    assert offset == pytest.approx(quality.mean() - features.mean(0) @ expected)
    assert penalty == 0.1


def test_the_penalty_is_the_one_that_leaving_each_record_out_prefers():
    """By as many fits as there are records: penalties in the same unit, which is that of all records."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(25, 6))
    quality = features[:, 0] * 0.1 + rng.normal(0, 0.3, 25)
    penalties = (1e-3, 1e-1, 1.0, 10.0, 1000.0)
    centred = features - features.mean(0)
    unit = np.square(centred).sum() / 6
    error = np.zeros(len(penalties))
    for i in range(25):
        rest = np.delete(np.arange(25), i)
        own, mean = features[rest] - features[rest].mean(0), quality[rest].mean()
        for p, penalty in enumerate(penalties):
            weights = np.linalg.solve(own.T @ own + penalty * unit * np.eye(6), own.T @ (quality[rest] - mean))
            error[p] += (mean + (features[i] - features[rest].mean(0)) @ weights - quality[i]) ** 2
    found = solve(features, quality, penalties)
    assert found.penalty == penalties[int(np.argmin(error))]
    assert found.error == pytest.approx(min(error) / len(quality))
    assert 0 < np.argmin(error) < len(penalties) - 1


def test_a_linear_quality_is_found_exactly():
    fitted = fit_ridge(SPACE, records(200), seed=1)
    assert isinstance(fitted.predictor, Linear)
    assert fitted.report["validation"] == 40
    assert fitted.report["refitted_on"] == 200
    assert fitted.report["mae_points"] < 1e-3
    assert fitted.report["kendall_tau"] > 0.999
    rest = records(300, seed=5)
    mean, std = fitted.predictor(jnp.asarray(rest.tokens), jnp.asarray(SPACE.features(rest.tokens)))
    np.testing.assert_allclose(mean, rest.quality, atol=1e-5)
    np.testing.assert_array_equal(std, 0)


def test_errors_are_those_on_records_that_were_held_out():
    noisy = records(100, noise=0.02)
    report = fit_ridge(SPACE, noisy, seed=3).report
    order = np.random.default_rng(3).permutation(100)
    features = SPACE.features(noisy.tokens).astype(np.float64)
    weights, offset, *_ = solve(features[order[20:]], noisy.quality[order[20:]])
    expected = 100 * np.abs(features[order[:20]] @ weights + offset - noisy.quality[order[:20]]).mean()
    assert report["mae_points"] == pytest.approx(expected)
    none = fit_ridge(SPACE, noisy, RidgeConfig(validation_share=0.0)).report
    assert "mae_points" not in none
    assert none["train"] == 100


def test_a_choice_that_was_never_seen_is_unknown_where_it_is_optional():
    space = tiny.make_space()
    tokens = tiny.architectures()[:12]
    assert (tokens[:, 0] == 0).all()
    known = np.asarray(fit_ridge(space, Records(tokens, np.linspace(0.6, 0.8, 12))).predictor.known)
    assert known.tolist() == [True, False] + [True] * 6


def test_equal_qualities_give_no_weights():
    flat = records(20)
    fitted = fit_ridge(SPACE, Records(flat.tokens, np.full(20, 0.75)))
    np.testing.assert_allclose(fitted.predictor.weights, 0, atol=1e-12)
    assert float(fitted.predictor.offset) == pytest.approx(0.75)


def test_it_is_saved_and_read(tmp_path):
    fitted = fit_ridge(SPACE, records(50))
    save_predictor(fitted, SPACE, tmp_path / "linear.npz")
    again = load_predictor(tmp_path / "linear.npz", SPACE)
    for one, two in zip(jax.tree.leaves(fitted.predictor), jax.tree.leaves(again.predictor), strict=True):
        np.testing.assert_array_equal(one, two)
    assert again.report == fitted.report


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"penalties": ()}, r"penalties=\(\)"),
        ({"penalties": (0.0,)}, "penalties"),
        ({"validation_share": 1.0}, r"validation_share is 1\.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, expected):
    with pytest.raises(ValueError, match=expected):
        RidgeConfig(**settings)


def test_too_few_records_are_refused():
    with pytest.raises(ValueError, match="9 records are too few"):
        fit_ridge(SPACE, records(9))
