"""Perceptrons, message passing and segmentation: operators by hand, elastic networks, and the whole way of one each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import train_supernet
from nagjax import blocks, plugins, testing
from nagjax.operators import kind_of, madds, params
from nagjax.operators.aggregate import aggregate
from nagjax.spaces import elastic_gnn, elastic_mlp, elastic_seg
from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet.graph_tasks import trees

SMALL = {
    "elastic_mlp": {"features": 5, "outputs": 3, "depths": "1-2", "widths": "4-8"},
    "elastic_gnn": {
        "features": 4,
        "neighbours": 2,
        "outputs": 3,
        "layers": "1-2",
        "hidden": "3-6",
        "aggregators": "mean-max-sum",
    },
    "elastic_seg": {"side": 6, "classes": 3, "width": 4, "blocks": 1},
}


def make(name, **settings):
    return plugins.load("spaces", name)(**SMALL[name] | settings)


@pytest.mark.parametrize("name", SMALL)
def test_one_set_of_weights_holds_every_network(name):
    testing.check_elastic(plugins.load("spaces", name), **SMALL[name])


@pytest.mark.parametrize("name", SMALL)
def test_spaces_conform(name):
    testing.check_space(plugins.load("spaces", name), **SMALL[name])


@pytest.mark.parametrize(
    ("name", "number", "text", "tokens"),
    [
        ("elastic_mlp", 2 + 4, "widths=8-4", [1, 1, 0]),
        ("elastic_gnn", 2 * (3 + 9), "hidden=6:max-sum", [1, 1, 1, 2]),
        ("elastic_seg", 5, "block1=k5-r1", [3]),
    ],
)
def test_architectures_have_a_number_a_text_and_weights_worked_by_hand(name, number, text, tokens):
    space = make(name)
    assert space.count() == number == len(enumerate_paths(space.trellis.target, space.trellis.valid))
    assert space.parse(text).tolist() == tokens
    assert space.format(np.array(tokens)) == text
    counted = [
        space.operator_sum(np.array([tokens]), np.array([count(op) for op in space.operators]))[0]
        for count in (params, madds)
    ]
    by_hand = {
        "elastic_mlp": (5 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3, 5 * 8 + 8 * 4 + 4 * 3),
        # Two matrices a layer. The first gives 3 nodes of 7, the second 1 of 3.
        "elastic_gnn": (2 * 4 * 6 + 6 + 2 * 6 * 6 + 6 + 6 * 3 + 3, 3 * 2 * 4 * 6 + 2 * 6 * 6 + 6 * 3),
        # Stem, a block of ratio 1, which does not expand, and the head; two numbers a norm and channel.
        "elastic_seg": (9 * 4 + 8 + 25 * 4 + 8 + 16 + 8 + 12, 36 * (9 * 4 + 25 * 4 + 16 + 12)),
    }
    assert counted == list(by_hand[name])


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("elastic_mlp", {"widths": "8-4"}, "widths='8-4': write each number once, ascending"),
        ("elastic_mlp", {"features": 0}, "elastic_mlp: features=0"),
        ("elastic_gnn", {"aggregators": "median"}, "aggregators='median': write one or more of mean, max, sum"),
        ("elastic_gnn", {"layers": "1-20"}, "reach more than 100000 nodes"),
        ("elastic_seg", {"kernels": "3-4"}, "kernels='3-4': must be odd"),
        ("elastic_seg", {"blocks": 0}, "elastic_seg: blocks=0"),
    ],
)
def test_settings_that_make_no_network_are_refused(name, settings, text):
    with pytest.raises(ValueError, match=text):
        make(name, **settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [("elastic_mlp", "widths=4-5"), ("elastic_mlp", "4-8"), ("elastic_mlp", "widths=4-4-4"),
     ("elastic_gnn", "hidden=6"), ("elastic_gnn", "hidden=6:mean-mean-mean"), ("elastic_gnn", "hidden=4:mean")],
)  # fmt: skip
def test_texts_that_name_no_network_are_refused_with_one_that_does(name, text):
    with pytest.raises(ValueError, match=r"architecture .*such as (widths=4|hidden=3:mean)$"):
        make(name).parse(text)


@pytest.mark.parametrize("how", ["mean", "max", "sum"])
def test_messages_on_trees_are_those_on_the_whole_graph(how):
    """Two layers on trees against two on all nodes."""
    rng = np.random.default_rng(0)
    features, links = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(12, size=(12, 2))
    operators = aggregate(3, 2, 4, 5, how), aggregate(1, 2, 5, 3, how)
    weights = [blocks.init(jax.random.key(at), op) for at, op in enumerate(operators)]
    x = jnp.asarray(features)[trees(jnp.arange(12), jnp.asarray(links), 2)]
    for op, own in zip(operators, weights, strict=True):
        x = blocks.apply(op, own, x)[0]
    whole = features
    for own in weights:
        seen = getattr(whole[links], how)(1)
        whole = np.maximum(whole @ own["own"] + seen @ own["near"] + np.asarray(own["bias"])[None], 0)
    np.testing.assert_allclose(x[:, 0], whole, rtol=1e-4, atol=1e-5)


def test_a_tree_of_another_size_is_refused():
    elastic = make("elastic_gnn").elastic("float32")
    with pytest.raises(ValueError, match=r"inputs have 4 nodes; trees by layers have \{1: 3, 2: 7\}"):
        elastic.apply({}, jnp.zeros((1, 4, 4)), jnp.zeros(4, jnp.int32))


def test_a_smaller_kernel_is_the_middle_of_the_larger():
    elastic = make("elastic_seg").elastic("float32")
    parameters = elastic.init(jax.random.key(0))
    small = elastic.used(parameters, np.array([1]))["op1"]["depthwise"]
    np.testing.assert_array_equal(small, parameters["block1"]["depthwise"][1:4, 1:4, :4])


def test_quiet_blocks_give_what_they_take():
    elastic = make("elastic_seg").elastic("float32")
    parameters = elastic.quiet(elastic.init(jax.random.key(0)))
    x = elastic.example(6, 2, np.random.default_rng(0))
    apply = jax.jit(elastic.apply)
    deep, none = (apply(parameters, x, jnp.array([token])).outputs for token in (4, 0))
    np.testing.assert_array_equal(deep, none)


WAYS = {
    "elastic_gnn": ("knn_graph", "labels=3,neighbours=2", "neighbours=2,layers=1,hidden=8", "accuracy", "nodes", 30,
                    "hidden=8:max"),
    "elastic_seg": ("shapes_seg", "canvas=10,training=32,validation=8,test=8", "side=10,width=4,blocks=1,ratios=1",
                    "mIoU", "images", 16, "block1=k5-r1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_each_goes_the_whole_way_in_its_own_words(name, tmp_path):
    """Trained and deployed by the jobs; the card says what the task calls quality. (Perceptrons: ``test_my_task``.)"""
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the deployed network runs")
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the data")
    task, given, sizes, quality, examples, batch, text = WAYS[name]
    trained, cache = tmp_path / "supernet", "--compilation_cache="
    flags = [f"--space={name}", f"--space_settings={sizes}", f"--task={task}", f"--task_settings={given}"]
    flags += ["--steps=4", f"--batch={batch}", "--learning_rate=0.05", "--chunk=4", f"--out={trained}", cache]
    assert train_supernet.main(flags) == 0
    (card,) = nagjax.deploy(trained, tmp_path / "out", architectures=[text], formats=["onnx", "stablehlo"], rounds=1)
    differences = card.built["difference"]
    assert max(differences.values()) < 1e-4
    assert set(differences) == {"supernet", "onnx", "stablehlo"}
    learned = card.built["accuracy"]["validation"]
    assert learned["onnx"] == pytest.approx(learned["jax"], abs=1e-4)
    assert (card.quality_name, card.examples_name) == (quality, examples)
    assert f"validation {quality}, %" in (tmp_path / "out" / card.name / "card.html").read_text()
    assert f"{quality} on validation {examples}, %" in (tmp_path / "out" / "index.html").read_text()


def test_kinds_have_their_own_inputs():
    assert blocks.input_shape(aggregate(3, 2, 4, 5, "max"), 2) == (2, 7, 4)
    assert kind_of("dense").input_shape(elastic_mlp.dense(4, 5), 2) == (2, 4)
    assert elastic_gnn.NAME in plugins.names("spaces")
    assert elastic_seg.NAME in plugins.names("spaces")
