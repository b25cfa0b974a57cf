"""Tasks that the library brings beside images and texts: they conform, their parts do not overlap, and what is said."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import plugins, testing
from nagjax.authoring import arrays, classification, regression, standardising
from nagjax.deployment import carried
from nagjax.supernet.dense_tasks import segmentation
from nagjax.supernet.graph_tasks import nearest, trees
from nagjax.supernet.vector_tasks import TABLES, WAVES, wave

pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the tables and digits")

SMALL = {
    "signals": {"length": 16, "training": 40, "validation": 12, "test": 12, "noise": 0.1},
    "shapes_seg": {"canvas": 12, "training": 24, "validation": 6, "test": 6, "most": 2},
    "knn_graph": {"labels": 3, "neighbours": 3, "smoothing": 0.1},
}


def make(name, **settings):
    return plugins.load("tasks", name)(**{**SMALL.get(name, {}), **settings})


def whole(part):
    return part.at(np.arange(len(part)))


@pytest.mark.parametrize("name", SMALL)
def test_tasks_conform(name):
    testing.check_task(plugins.load("tasks", name), **SMALL[name], seed=3)


@pytest.mark.parametrize("data", TABLES)
def test_tables_conform(data):
    testing.check_task(plugins.load("tasks", "tabular"), data=data, held_out=0.3)


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("tabular", {"data": "irises"}, "data='irises' is not one of iris, wine"),
        ("tabular", {"held_out": 0.5}, "held_out=0.5: must be a fraction above 0 and below 0.5"),
        ("tabular", {"held_out": 0.001}, "test: 0 examples of 178 cannot be drawn"),
        ("tabular", {"data": "diabetes", "smoothing": 0.1}, "diabetes has numbers, not classes"),
        ("tabular", {"smoothing": 1.0}, "smoothing=1.0: must be a fraction"),
        ("tabular", {"seed": -1}, "tabular: seed=-1"),
        ("signals", {"length": 4}, "length=4: must be an integer, at least 8"),
        ("signals", {"noise": -0.1}, "noise=-0.1"),
        ("signals", {"validation": 3}, "validation=3: must be an integer, at least 4"),
        ("shapes_seg", {"items": "cats"}, "items='cats' is not one of digits, fashion_mnist"),
        ("shapes_seg", {"canvas": 7}, r"canvas \(items have 8 pixels\)=7"),
        ("shapes_seg", {"least": 3, "most": 2}, "not below least.*=2: must be an integer, at least 3"),
        ("shapes_seg", {"items": "fashion_mnist", "data_dir": "/nowhere", "canvas": 20}, "/nowhere"),
        ("knn_graph", {"labels": 0}, "labels=0"),
        ("knn_graph", {"labels": 500}, "some classes have 1.. nodes to train on"),
        ("knn_graph", {"neighbours": 1797}, "there are 1797 nodes; give fewer"),
    ],
)
def test_settings_out_of_range_are_refused(name, settings, text):
    with pytest.raises(ValueError, match=text):
        make(name, **settings)


@pytest.mark.parametrize(("name", "settings"), [("tabular", {"data": "iris"}), ("tabular", {"data": "diabetes"}),
                                                ("knn_graph", {})])  # fmt: skip
def test_no_example_is_in_two_parts_and_the_test_part_is_that_of_every_seed(name, settings):
    tasks = [make(name, **settings, seed=seed) for seed in (0, 1)]
    found = [
        [{row.tobytes() for row in np.atleast_2d(whole(part).inputs.T).T} for part in (t.train, t.validation, t.test)]
        for t in tasks
    ]
    for train, validation, test in found:
        # Two irises have equal measures; all else differs.
        assert len(train & validation) + len(train & test) + len(validation & test) <= (settings.get("data") == "iris")
    assert found[0][2] == found[1][2]
    assert found[0][1] != found[1][1]


def test_a_table_is_given_as_it_is_and_standardised_by_its_training_part():
    task = make("tabular", data="wine")
    assert (task.sizes, len(task.train)) == ({"features": 13, "outputs": 3}, 106)
    inputs = whole(task.train).inputs
    prepared = np.asarray(task.prepare(inputs, None))
    np.testing.assert_allclose(prepared.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(prepared.std(0), 1, atol=1e-4)
    np.testing.assert_array_equal(task.deployed(inputs, None), inputs)
    assert make("tabular", data="digits").std[0] == 1.0  # a corner that is always dark


def test_r2_is_that_of_scikit_learn_in_any_unit():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y = (1e6 + 3 * rng.normal(size=(40, 2))).astype(np.float32)
    part = arrays(np.zeros((40, 1), np.float32), y)
    task = regression("made_up", {}, (part, part, part), {"features": 1})
    said = np.asarray(task.aims(y)) + 0.3 * rng.normal(size=y.shape).astype(np.float32)
    sums = task.sums(jnp.asarray(said), y, jnp.ones(40))
    assert task.quality(sums, 40) == pytest.approx(
        r2_score(task.aims(y), said, multioutput="uniform_average"), abs=1e-4
    )
    assert task.quality(task.sums(jnp.asarray(-said), y, jnp.ones(40)), 40) == 0
    assert task.quality(task.sums(jnp.zeros((1, 2)), y[:1], jnp.ones(1)), 1) == 0  # one number has no variance


def test_waves_are_the_forms_of_textbooks_and_signals_have_as_many_of_each():
    turns = np.array([0.1, 0.4, 0.6, 0.9])
    np.testing.assert_allclose(wave("sine", turns), np.sin(2 * np.pi * turns))
    np.testing.assert_allclose(wave("triangle", turns), [-0.6, 0.6, 0.6, -0.6])
    np.testing.assert_allclose(wave("sawtooth", turns + 3), [-0.8, -0.2, 0.2, 0.8])
    quiet = make("signals", noise=0.0, length=400)
    inputs, classes = whole(quiet.train)
    assert np.bincount(classes).tolist() == [10] * 4
    heights = np.abs(inputs).max(1)
    assert 0.5 < heights.min() < heights.max() < 1.5
    square = np.abs(inputs[classes == WAVES.index("square")])
    np.testing.assert_allclose(square, square[:, :1].repeat(400, 1), rtol=1e-5)


def test_canvases_show_items_where_their_classes_say():
    task = make("shapes_seg")
    inputs, classes = whole(task.train)
    assert (inputs[classes > 0] >= 32).all()
    assert (inputs[classes == 0] == 0).all()
    shown = [len(set(np.unique(row)) - {0}) for row in classes]
    assert 1 <= min(shown) <= max(shown) == 2


def test_miou_is_that_worked_by_hand():
    part = arrays(np.zeros((1, 2, 2, 1), np.uint8), np.array([[[0, 0], [1, 1]]]))
    task = segmentation("made_up", {}, (part, part, part), {"side": 2}, 4)
    said = jax.nn.one_hot(jnp.array([[[0, 1], [1, 2]]]), 4)
    sums = task.sums(said, part.at(np.array([0])).targets, jnp.ones(1))
    # Class 0: 1 of 2. Class 1: 1 of 3. Class 2, said and not there: 0 of 1. Class 3 is nowhere.
    assert task.quality(sums, 1) == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)


def test_trees_are_walked_level_by_level():
    links = jnp.array([[1, 2], [3, 0], [1, 0], [2, 1]])
    assert trees(jnp.array([0, 3]), links, 2).tolist() == [[0, 1, 2, 3, 0, 1, 0], [3, 2, 1, 1, 0, 3, 0]]
    points = np.random.default_rng(0).integers(0, 5, (30, 3))
    far = ((points[:, None] - points[None]) ** 2).sum(-1)
    for at, found in enumerate(nearest(points, 4)):
        others = sorted((far[at, other], other) for other in range(30) if other != at)
        assert found.tolist() == [other for _, other in others[:4]]


def test_the_graph_carries_what_pixels_of_few_labels_do_not():
    """Logistic regression on pixels, and on pixels spread twice over the graph, with three labels a class."""
    from sklearn.linear_model import LogisticRegression

    def spread(nodes):
        x = np.asarray(task.prepare(nodes, 2))
        once = (x[:, :9] + x[:, 1:].reshape(-1, 9, 8, 64).sum(2)) / 9
        return once.mean(1)

    task = make("knn_graph", neighbours=8, seed=0)
    (nodes, classes), (asked, truth) = whole(task.train), whole(task.test)
    plain, far = (
        LogisticRegression(max_iter=300).fit(take(nodes), classes).score(take(asked), truth)
        for take in (lambda nodes: np.asarray(task.prepare(nodes, 0))[:, 0], spread)
    )
    assert 0.7 < plain < 0.88
    assert far > plain + 0.03


@pytest.mark.parametrize("name", ["tabular", "shapes_seg"])
def test_only_images_that_are_told_apart_are_carried(name, tmp_path):
    """Rows and canvases have a mean, too, and would be read back as images with a class each."""
    with pytest.raises(ValueError, match=f"{name}: only images are carried"):
        carried.write(types.SimpleNamespace(task=make(name)), tmp_path / "carried")


def test_what_others_set_stays_as_they_set_it():
    part = arrays(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 1]))
    task = classification("made_up", {}, (part, part, part), {"features": 2}, 2)
    named = standardising(dataclasses.replace(task, quality_name="share", examples_name="rows"))
    assert (named.quality_name, named.examples_name, task.quality_name) == ("share", "rows", "accuracy")
    assert named.mean == (2.0, 3.0)
    assert (named.percent(0.5), task.percent(0.5)) == ("50.00 % (share)", "50.00 %")
