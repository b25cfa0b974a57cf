"""Scores of networks that are not trained: by hand on small networks, and exactly the weights that are used."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import score as score_job
from experiments.reports import score_report
from nagjax import testing
from nagjax.elastic import Alone, Elastic, Outputs, Watched, Watcher
from nagjax.evaluators import evaluator as evaluators
from nagjax.spaces.chains import chain
from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.spaces.space import Decision
from nagjax.supernet import ranking
from nagjax_scores import activations, jacobian, score, weights

INPUTS = np.eye(2, dtype=np.float32)
CODES = np.array([[1, 1, 1], [1, -1, -1]], np.float32)


def space_of(elastic, choices):
    made = chain("by_hand", [Decision("size", "size", tuple({"size": size} for size in range(1, choices + 1)))])
    return dataclasses.replace(made, elastic=lambda dtype: elastic)


def elastic_of(parameters, run, watched=None):
    """A network with these weights, whatever the seed; ``run(parameters, inputs, how many, gates)``."""
    return Elastic(
        sizes={"features": 2},
        init=lambda key: jax.tree.map(jnp.asarray, parameters),
        apply=lambda parameters, inputs, tokens, statistics=None, taps=(): Outputs(
            run(parameters, inputs, tokens[0] + 1), (), {}
        ),
        group=lambda tokens: 2,
        used=lambda parameters, tokens: parameters,
        alone=lambda tokens: Alone(lambda key: parameters, run),
        example=lambda group, num, rng: np.zeros((num, group), np.float32),
        watched=watched,
    )


def linear():
    """``x @ w`` with w = (1, -2), of which the first inputs count."""

    def run(parameters, inputs, count):
        return inputs @ (parameters["w"] * (jnp.arange(2) < count)[:, None])

    return space_of(elastic_of({"w": np.array([[1.0], [-2.0]], np.float32), "bias": np.ones(1, np.float32)}, run), 2)


def rectified():
    """The sum of the first ReLUs of ``x @ CODES``."""

    def watched(parameters, inputs, tokens, gates=None):
        watch, there = Watcher(gates or {}), (jnp.arange(3) <= tokens[0])[None]
        y = watch("units", jax.nn.relu, inputs @ parameters["codes"])
        before = {name: jnp.where(there, value, jnp.nan) for name, value in watch.before.items()}
        return Watched(jnp.where(there, y, 0).sum(1, keepdims=True), before)

    def run(parameters, inputs, count):
        return watched(parameters, inputs, count[None] - 1).outputs

    return space_of(elastic_of({"codes": CODES}, run, watched), 3)


def value(made, space, size, aims=(0, 0)):
    """What a score says of the network of a size, with two inputs of one 1 each, and half of squares as loss."""

    def loss(outputs):
        return (0.5 * jnp.square(outputs[:, 0] - jnp.asarray(aims, jnp.float32))).mean()

    examples = score.Examples(lambda group: jnp.asarray(INPUTS), loss)
    found = score.evaluator(made, space, examples, score.weights_of(space, "", 1, 0), {}, {})
    outcome = evaluators.evaluate_one(found, np.array([size - 1], np.int32))
    return outcome.failure or outcome.values[made.name]


@pytest.mark.parametrize(
    ("traced", "of_one", "of_both"),
    [
        # Outputs 1 and -2 miss 0 and -4 by 1 and 2: slopes 1/2 and 1, and the Hessian is half of the identity.
        (weights.snip, 0.5, 0.5 + 2),
        (weights.grad_norm, 0.5, math.sqrt(0.25 + 1)),
        (weights.grasp, -0.25, -(0.25 - 1)),
    ],
)
def test_scores_of_weights_of_a_linear_network_by_hand(traced, of_one, of_both):
    made = score.Score("by_hand", traced, of_weights=True)
    assert value(made, linear(), 1, aims=(0, -4)) == pytest.approx(of_one)
    assert value(made, linear(), 2, aims=(0, -4)) == pytest.approx(of_both)


def test_synflow_of_a_linear_network_is_the_logarithm_of_the_sum_of_its_weights():
    made = weights.make_synflow(linear())
    found = made.evaluate(np.array([[0], [1]], np.int32))["synflow"]
    np.testing.assert_allclose(found, [0.0, math.log(3)], atol=1e-6)
    with pytest.raises(ValueError, match="the sum is inf"):
        weights.logarithm(np.float32(np.inf))


def test_codes_by_hand():
    """Codes 111 and 100: three in common with itself, one with the other."""
    made = score.Score("naswot", activations.code_matrix, activations.log_determinant)
    assert value(made, rectified(), 3) == pytest.approx(math.log(9 - 1))
    assert value(made, rectified(), 2) == pytest.approx(math.log(4 - 1))
    assert "two of 2 examples have one code" in value(made, rectified(), 1)


def test_fisher_by_hand():
    """Activations 1,1,1 and 1,0,0: outputs 3 and 1, so slopes of gates are 3/2 of three and 1/2 of one."""
    made = score.Score("fisher", activations.fisher)
    assert value(made, rectified(), 3) == pytest.approx((3 * 1.5**2 + 0.5**2) / 4)
    assert value(made, rectified(), 2) == pytest.approx((2 * 1.0**2 + 0.5**2) / 4)


def test_slopes_that_are_alike_have_one_eigenvalue():
    """A linear network has the same slopes everywhere: eigenvalues 2 and 0."""
    made = score.Score("jacov", jacobian.slopes, jacobian.of_eigenvalues)
    wanted = -sum(math.log(v + 1e-5) + 1 / (v + 1e-5) for v in (2.0, 0.0))
    assert value(made, linear(), 2) == pytest.approx(wanted, rel=1e-4)


def moved(parameters):
    """No weight is 0 or 1, no transform at rest."""
    leaves, tree = jax.tree.flatten(parameters)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(tree, [leaf + 0.1 * rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves])


def plain(depths, squeeze, activation):
    """A network of the MobileNetV3 family with one unit, at 8 pixels."""
    return make_space("plain", 1, {}, Plan(
        (8,), depths, (3, 5), (2,), 8, 1, 3, (8, 8, 8, 8, 8), (2,), (squeeze,), (activation,)))  # fmt: skip


def test_of_trained_weights_those_of_the_architecture_count_as_they_are():
    """A kernel of 3 is the centre of one of 5 times a matrix, and counts as what comes of it."""
    space = plain((1,), squeeze=False, activation="relu")
    elastic, tokens = space.elastic("float32"), space.parse("1:3:2:8")
    parameters = moved(jax.jit(elastic.init)(jax.random.key(0)))
    inputs = jnp.asarray(elastic.example(8, 4, np.random.default_rng(0)))
    alone, used = elastic.alone(tokens), elastic.used(parameters, tokens)

    def loss(own):
        return jnp.square(alone.apply(own, inputs, None)[0]).mean()

    wanted = jax.tree.map(lambda weight, slope: jnp.abs(weight * slope).sum(), used, jax.jit(jax.grad(loss))(used))
    kept = sum(one for one, leaf in zip(*map(jax.tree.leaves, (wanted, used)), strict=True) if leaf.ndim > 1)

    @jax.jit
    def snip(own, tokens):
        return weights.snip(score.Network(elastic, own, inputs, tokens, lambda outputs: jnp.square(outputs).mean()))

    own = score.own_weights(elastic, parameters, tokens)
    assert snip(own, jnp.asarray(tokens)) == pytest.approx(float(kept), rel=1e-4)
    assert snip(parameters, jnp.asarray(tokens)) != pytest.approx(float(kept), rel=1e-3)


def test_units_of_the_smallest_network_by_hand():
    """8 pixels: in the stem 4 x 4 maps of 8, in the block 4 x 4 and 2 x 2 of 16 and 8 squeezed, in the head 8 and 8."""
    space = plain((1, 2), squeeze=True, activation="h_swish")
    elastic = space.elastic("float32")
    parameters = jax.jit(elastic.init)(jax.random.key(0))
    inputs = jnp.asarray(elastic.example(8, 3, np.random.default_rng(0)))

    @jax.jit
    def matrix(parameters, tokens):
        return activations.code_matrix(score.Network(elastic, parameters, inputs, tokens, jnp.sum))

    found = np.asarray(matrix(parameters, jnp.asarray(space.smallest())))
    stem, block, head = 2 * 16 * 8, 16 * 16 + 4 * 16 + 8, 4 * 8 + 8
    assert np.diag(found).tolist() == [stem + block + head] * 3
    assert np.isfinite(activations.log_determinant(found))


def test_what_a_network_cannot_be_asked_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="does not tell what goes into its activations"):
        activations.make_naswot(linear())
    tokens = dataclasses.replace(linear().elastic("float32"), example=lambda *_: np.zeros((1, 2), np.int32))
    with pytest.raises(ValueError, match="here they are int32"):
        weights.make_synflow(space_of(tokens, 2))
    with pytest.raises(ValueError, match="inits=2: a supernet"):
        score.weights_of(linear(), "somewhere", 2, 0)
    monkeypatch.setattr(score, "weights_of", lambda *_: score.Weights((), True, {}))
    with pytest.raises(ValueError, match="leave out data='digits'"):
        weights.make_snip(linear(), data="digits", folder="somewhere")


TEXTS = ("00000000", "11111111", "22222222", "01210210", "21021021")


def job(folder, *more, out="out"):
    given = ["--space=nas_bench_macro", f"--records={folder / 'labels.csv'}", f"--out={folder / out}", *more]
    return score_job.main([*given, "--compilation_cache="])


@pytest.fixture
def labels(tmp_path):
    """Five networks, and what an evaluator says of four: the order of the labels, turned round."""
    rows = [f"{text},{0.5 + 0.1 * at}" for at, text in enumerate(TEXTS)]
    (tmp_path / "labels.csv").write_text("\n".join(["architecture,quality", *rows]) + "\n")
    rows = [f"{text},{0.5 - 0.1 * at}" for at, text in enumerate(TEXTS[:4])]
    (tmp_path / "truth.csv").write_text("\n".join(["architecture,quality", *rows]) + "\n")
    return tmp_path


def test_a_job_adds_columns_and_goes_on_where_it_stopped(labels, capsys, monkeypatch):
    monkeypatch.setattr(ranking, "RESAMPLES", 10)
    table = ["--evaluators=table", f"--evaluator_settings=file={labels / 'truth.csv'}"]
    assert job(labels, *table) == 0
    file = labels / "out" / "scores.csv"
    whole = file.read_text()
    header, *rows = whole.splitlines()
    assert header == "architecture,quality,madds,params,table"
    assert rows[1].split(",")[4] == "0.4"
    assert rows[4].split(",")[4] == ""
    assert "has no row of it" in capsys.readouterr().err
    found = json.loads((labels / "out" / "figures.json").read_text())["scores"]
    assert (found["table"]["tau"], found["table"]["scored"], found["madds"]["scored"]) == (-1.0, 4, 5)
    assert found["table"]["ms_per_architecture"] > 0
    # A crash cut the last row short.
    file.write_text(whole[:-9])
    assert job(labels, *table) == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert job(labels, *table, "--resume") == 0
    assert file.read_text() == whole
    (labels / "truth.csv").write_text("architecture,quality\n00000000,0.25\n")
    assert job(labels, *table, "--resume") == 2
    assert "was scored with evaluators" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--evaluators=table,table"], "table stands there twice"),
        (["--evaluators=tabel"], "did you mean 'table'"),
        (["--evaluators=table", "--evaluator_settings=batch=3"], "batch=...: is of none of table"),
        (["--evaluators=table", "--evaluator_settings=snip:batch=3"], "snip:batch=...: is of none of table"),
        ([], "--evaluators is not given"),
    ],
)
def test_what_a_job_cannot_score_with_is_told(labels, capsys, given, told):
    assert job(labels, *given) == 2
    assert told in capsys.readouterr().err


def test_a_search_is_not_of_scores(tmp_path):
    with pytest.raises(ValueError, match="evaluator 'synflow' tells scores that need no training, synflow, and no qua"):
        evaluators.check_quality(weights.make_synflow(linear()))


def test_settings_of_all_go_to_those_that_take_them():
    assert [evaluators.takes(name, "batch") for name in ("snip", "synflow", "table")] == [True, False, False]
    assert evaluators.takes("naswot", "smoothing")


def test_evaluators_of_scores_conform():
    testing.check_evaluator(weights.make_synflow, linear(), inits=2, seed=3)


def test_figures_by_hand(tmp_path, monkeypatch):
    """Two bands of multiply-adds; within each the score is right, but the cheap are scored above the costly."""
    monkeypatch.setattr(ranking, "RESAMPLES", 10)
    rows = ["a,0.1,1,1,5", "b,0.2,2,1,6", "c,0.3,9,1,1", "d,0.4,10,1,2"]
    (tmp_path / "s.csv").write_text("\n".join(["architecture,quality,madds,params,s", *rows]) + "\n")
    found = score_report.figures(tmp_path / "s.csv", {"s": 1}, {"s": 7.0}, 2)["scores"]
    assert found["s"]["tau"] == pytest.approx((2 - 4) / 6)
    assert (found["s"]["tau_within_bands"], found["s"]["pairs_within"]) == (1.0, 2)
    assert found["madds"]["tau"] == 1.0
    assert found["params"]["tau"] is None
    assert found["s"]["chance"] == pytest.approx(0.5**0.5)
    turned = score_report.figures(tmp_path / "s.csv", {"s": -1}, {}, 2)["scores"]["s"]
    assert (turned["tau_within_bands"], turned["ms_per_architecture"]) == (-1.0, None)
