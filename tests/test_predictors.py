"""Predictors: worked numbers, the published predictor's golden rows, fitting, files and their refusals."""

import csv
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.predictors.fitted import FittedPredictor, errors
from nagjax.predictors.formats.ofa_npz import INPUTS, import_ofa
from nagjax.predictors.formats.readers import read_predictor
from nagjax.predictors.formats.storage import HEADER, load_predictor, save_predictor
from nagjax.predictors.forms.mlp import MLP, Predictor, predict
from nagjax.predictors.kinds.mlp import FitConfig, fit
from nagjax.predictors.records.records import Records
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3

MACRO = nas_bench_macro.make()
QUICK = FitConfig(hidden=(16,), members=2, steps=200)


def objective(predictor, features, pessimism):
    mean, std = predict(predictor, features)
    return mean - pessimism * std


run = jax.jit(predict)
initialise = jax.jit(
    lambda keys, inputs, module: jax.vmap(module.init, in_axes=(0, None))(keys, inputs), static_argnums=2
)


def ensemble(members, features=5, hidden=(4, 3), seed=0):
    module = MLP(hidden)
    keys = jax.random.split(jax.random.key(seed), members)
    network = initialise(keys, jnp.zeros((1, features)), module)
    params = {"network": network, "offset": jnp.full(members, 0.7), "scale": jnp.full(members, 0.1)}
    return Predictor(params, jnp.ones(features, bool), module)


def synthetic(num, seed=0):
    """Quality linear in the operations of NAS-Bench-Macro."""
    rng = np.random.default_rng(seed)
    tokens = np.unique(MACRO.sample(rng, num), axis=0)
    weights = np.random.default_rng(1).random(len(MACRO.feature_names)) * 0.05
    return Records(tokens, 0.5 + MACRO.features(tokens) @ weights, source="synthetic")


def test_one_network_by_hand():
    layers = {
        "Dense_0": {"kernel": jnp.array([[[1.0, -1.0], [2.0, 0.0]]]), "bias": jnp.array([[0.5, 0.0]])},
        "Dense_1": {"kernel": jnp.array([[[2.0], [10.0]]]), "bias": jnp.array([[-1.0]])},
    }
    params = {"network": {"params": layers}, "offset": jnp.array([0.5]), "scale": jnp.array([0.01])}
    mean, std = run(Predictor(params, jnp.ones(2, bool), MLP((2,))), jnp.array([[1.0, 1.0], [-1.0, 0.0]]))
    # Hidden [3.5, 0] and [0, 1]; outputs 6 and 9.
    np.testing.assert_allclose(mean, [0.56, 0.59], rtol=1e-6)
    assert std.tolist() == [0.0, 0.0]


def test_ensemble_is_mean_and_spread_of_its_members():
    predictor, inputs = ensemble(3), jax.random.normal(jax.random.key(1), (7, 5))
    members = [
        predictor.replace(params=jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], predictor.params)) for i in range(3)
    ]
    singles = [run(member, inputs)[0] for member in members]
    mean, std = jax.jit(predict)(predictor, inputs)
    np.testing.assert_allclose(mean, np.mean(singles, 0), rtol=1e-5)
    np.testing.assert_allclose(std, np.std(singles, 0), rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(objective(predictor, inputs, 2.0), mean - 2 * std, rtol=1e-5)


def test_gradients_are_finite_even_where_members_agree():
    predictor = ensemble(1)
    twins = predictor.replace(params=jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), predictor.params))
    inputs = jnp.ones((2, 5))
    gradient = jax.grad(lambda x: objective(twins, x, 1.0).sum())(inputs)
    expected = jax.grad(lambda x: run(predictor, x)[0].sum())(inputs)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_another_predictor_of_the_same_shape_compiles_nothing():
    compiled = jax.jit(objective, static_argnums=2)
    before = compiled._cache_size()
    for seed in range(3):
        compiled(ensemble(2, seed=seed), jnp.ones((4, 5)), 0.25)
    assert compiled._cache_size() - before == 1


def test_fit_learns_reports_and_repeats():
    records, seen = synthetic(300), []
    fitted = fit(MACRO, records, QUICK, 0, lambda *done: seen.append(done))
    report = fitted.report
    assert report["kendall_tau"] > 0.8
    assert report["train"] + report["validation"] == report["refitted_on"] == len(records.quality)
    assert (report["source"], seen[-1], len(seen)) == ("synthetic", (400, 400), 20)
    mean, std = run(fitted.predictor, jnp.asarray(MACRO.features(records.tokens)))
    assert errors(np.asarray(mean), records.quality)["mae_points"] < 1.0
    assert (std > 0).any()
    again = fit(MACRO, records, QUICK, 0).predictor
    jax.tree.map(np.testing.assert_array_equal, again, fitted.predictor)


def test_fit_without_validation_reports_no_errors():
    report = fit(MACRO, synthetic(40), FitConfig((8,), 1, 20, validation_share=0.0)).report
    assert report == {"source": "synthetic", "train": len(synthetic(40).quality), "validation": 0}


def test_constant_quality_is_fitted():
    records = synthetic(300)
    flat = Records(records.tokens, np.full(len(records.quality), 0.5))
    fitted = fit(MACRO, flat, QUICK)
    assert "kendall_tau" not in fitted.report
    np.testing.assert_allclose(run(fitted.predictor, jnp.asarray(MACRO.features(records.tokens)))[0], 0.5, atol=0.05)


def test_only_optional_decisions_can_be_unknown():
    space = ofa_mobilenet_v3.make()
    tokens = space.sample(np.random.default_rng(0), 20)
    tokens[:, 0] = np.arange(20) % 2
    predictor = fit(space, Records(tokens, np.linspace(0.6, 0.8, 20)), FitConfig((8,), 1, 10)).predictor
    unknown = [name for name, known in zip(space.feature_names, predictor.known, strict=True) if not known]
    assert unknown == [f"resolution{r}" for r in ofa_mobilenet_v3.RESOLUTIONS[2:]]


@pytest.mark.parametrize(
    ("quality", "config", "expected"),
    [
        (np.full(9, 0.5), FitConfig(), "9 records are too few"),
        (np.array([0.5] * 9 + [np.nan]), FitConfig(), "record 9 is nan; it is a fraction"),
        (np.full(10, 91.0), FitConfig(), "record 0 is 91.0"),
        (np.full(10, 0.5), FitConfig(members=0), "members is 0; it must be positive"),
        (np.full(10, 0.5), FitConfig(validation_share=1.0), "0 <= share < 1"),
    ],
)
def test_fit_refuses(quality, config, expected):
    tokens = MACRO.sample(np.random.default_rng(0), len(quality))
    with pytest.raises(ValueError, match=expected):
        fit(MACRO, Records(tokens, quality), config)


def ofa_arrays():
    rng = np.random.default_rng(0)
    sizes = (128, 400, 400, 400, 1)
    arrays = {}
    for key, inputs, outputs in zip((0, 2, 4, 6), sizes[:-1], sizes[1:], strict=True):
        arrays[f"{key}_weight"] = rng.normal(0, 0.05, (outputs, inputs)).astype(np.float32)
        arrays[f"{key}_bias"] = rng.normal(0, 0.05, outputs).astype(np.float32)
    return arrays


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_import_places_the_inputs_by_name(tmp_path, width):
    arrays, space = ofa_arrays(), ofa_mobilenet_v3.make(width)
    np.savez(tmp_path / "p.npz", **arrays)
    predictor = import_ofa(tmp_path / "p.npz", space).predictor
    tokens = space.sample(np.random.default_rng(1), 8)
    features = space.features(tokens)
    theirs = features[:, [space.feature_names.index(name) for name in INPUTS]]
    for key in (0, 2, 4):
        theirs = np.maximum(theirs @ arrays[f"{key}_weight"].T + arrays[f"{key}_bias"], 0)
    expected = theirs @ arrays["6_weight"][0] + arrays["6_bias"][0]
    np.testing.assert_allclose(run(predictor, jnp.asarray(features))[0], expected, rtol=1e-4, atol=1e-5)
    known = {name for name, fine in zip(space.feature_names, predictor.known, strict=True) if fine}
    assert known == set(INPUTS)


@pytest.mark.data
@pytest.mark.parametrize("width", [1.0, 1.2])
def test_published_front_is_reproduced(shared_data, width):
    space = ofa_mobilenet_v3.make(width)
    fitted = read_predictor(shared_data("ofa_mobilenet_v3/accuracy_predictor.npz"), space)
    with shared_data("ofa_mobilenet_v3/ofa2_nsga2_front.csv").open() as file:
        rows = list(csv.DictReader(file))
    texts = [":".join(row[name].replace(" ", ",") for name in ("d", "ks", "e", "resolution")) for row in rows]
    features = space.features(np.stack([space.parse(text) for text in texts]))
    error = 100 - 100 * np.asarray(run(fitted.predictor, jnp.asarray(features))[0], np.float64)
    assert len(rows) == 100
    np.testing.assert_allclose(error, [float(row["predicted_error_percent"]) for row in rows], atol=1e-3)


@pytest.mark.data
def test_fit_on_nas_bench_macro(shared_data):
    published = json.loads(shared_data("nas_bench_macro/cifar10.json").read_text())
    tokens = np.random.default_rng(0).permutation(np.unique(MACRO.sample(np.random.default_rng(0), 2000), axis=0))
    quality = np.array([published[MACRO.format(row)]["mean_acc"] / 100 for row in tokens])
    fitted = fit(MACRO, Records(tokens[:200], quality[:200]))
    mean, _ = run(fitted.predictor, jnp.asarray(MACRO.features(tokens[200:])))
    assert errors(np.asarray(mean), quality[200:])["kendall_tau"] > 0.86


def drop(arrays):
    del arrays["4_bias"]


def transpose(arrays):
    arrays["0_weight"] = arrays["0_weight"].T


def spoil(arrays):
    arrays["2_weight"][1, 2] = np.nan


def add(arrays):
    arrays["8_weight"] = np.zeros(1)


def words(arrays):
    arrays["6_bias"] = np.array(["x"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop, r"4_bias is missing, an array of shape \(400,\)"),
        (transpose, r"0_weight has shape \(128, 400\), not \(400, 128\)"),
        (spoil, r"2_weight\[1, 2\] is nan"),
        (add, "key 8_weight is not part"),
        (words, "6_bias has type"),
    ],
)
def test_import_refuses_what_does_not_fit(tmp_path, change, expected):
    arrays = ofa_arrays()
    change(arrays)
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(ValueError, match=f"p.npz: {expected}"):
        import_ofa(tmp_path / "p.npz", ofa_mobilenet_v3.make())


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_import_refuses_broken_files_and_never_loads_a_pickle(tmp_path):
    space, path = ofa_mobilenet_v3.make(), tmp_path / "p.npz"
    with pytest.raises(FileNotFoundError, match=r"p\.npz"):
        import_ofa(path, space)
    np.savez(path, **ofa_arrays())
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    pickled = pickle.dumps(Boom())
    for content, expected in (
        (b"", "is empty"),
        (whole[: len(whole) // 2], "not a whole .npz"),
        (bytes(flipped), "cannot be read"),
        (pickled, "not a whole .npz"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=expected):
            import_ofa(path, space)
    np.savez(path, **ofa_arrays() | {"0_bias": np.array([Boom()], object)})
    with pytest.raises(ValueError, match="0_bias holds pickled Python objects"):
        import_ofa(path, space)


def test_import_refuses_another_space(tmp_path):
    with pytest.raises(ValueError, match="of ofa_mobilenet_v3, not of nas_bench_macro"):
        import_ofa(tmp_path / "p.npz", MACRO)


def test_saved_predictor_is_loaded_exactly(tmp_path):
    fitted = fit(MACRO, synthetic(300), QUICK)
    save_predictor(fitted, MACRO, tmp_path / "mine.npz")
    again = read_predictor(tmp_path / "mine.npz", MACRO)
    jax.tree.map(np.testing.assert_array_equal, again.predictor, fitted.predictor)
    assert again.report == fitted.report


def saved(folder, **changes):
    """A saved predictor whose arrays, or entries of its header, are replaced (None: removed)."""
    path = folder / "mine.npz"
    save_predictor(FittedPredictor(ensemble(2, len(MACRO.feature_names)), {"source": "test"}), MACRO, path)
    with np.load(path) as loaded:
        arrays = dict(loaded)
    header = json.loads(arrays[HEADER].tobytes())
    header |= {key: value for key, value in changes.items() if key in header}
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    arrays |= {key: value for key, value in changes.items() if key not in header}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"space": "mine()/v2"}, r"fitted to mine\(\)/v2, not to nas_bench_macro\(\)/v1"),
        ({"version": 99}, "version 99; this library reads 1"),
        ({"hidden": [4, 5]}, r"Dense_1_kernel has shape \(2, 4, 3\), not \(2, 4, 5\)"),
        ({"hidden": "wide"}, "hidden is 'wide'"),
        ({"members": 3}, r"Dense_0_kernel has shape \(2, 24, 4\), not \(3, 24, 4\)"),
        ({"scale": None}, "scale is missing"),
        ({"known": np.ones(24)}, "known has shape"),
        ({"offset": np.array([np.inf, 0.0], np.float32)}, r"offset\[0\] is inf"),
        ({HEADER: None}, "nagjax_predictor is missing"),
        ({HEADER: np.frombuffer(b"{", np.uint8)}, "is not JSON"),
    ],
)
def test_load_refuses_what_does_not_fit(tmp_path, changes, expected):
    with pytest.raises(ValueError, match=f"mine.npz: .*{expected}"):
        load_predictor(saved(tmp_path, **changes), MACRO)


def test_formats(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(ValueError, match=r"'nagjx' is not known; did you mean 'nagjax'\?"):
        read_predictor(path, MACRO, "nagjx")
    given = FittedPredictor(ensemble(1), {"source": "plugin"})
    assert read_predictor(path, MACRO, "mine", {"mine": lambda path, space: given}) is given
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(ValueError, match="cannot tell the predictor's format from its keys weights"):
        read_predictor(path, MACRO)
