"""Random labels: what is drawn and what stays, and the angle by which training turns an architecture's weights."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from nagjax import testing
from nagjax.evaluators import evaluator
from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet import random_labels, storage, training
from nagjax.supernet.strategy import make_strategy
from nagjax.testing.small import CLASSES, small_space, small_task

SPACE, TASK = small_space(), small_task()


def test_each_image_has_one_label_that_is_drawn_once():
    """48 images in three classes: about 16 keep theirs; the parts that judge keep all."""
    drawn = TASK.relabelled(3)
    labels = drawn.train.at(np.arange(48)).targets
    np.testing.assert_array_equal(labels, TASK.relabelled(3).train.at(np.arange(48)).targets)
    assert (labels != TASK.relabelled(4).train.at(np.arange(48)).targets).any()
    assert set(labels) == set(range(CLASSES))
    assert 8 <= (labels == TASK.train.at(np.arange(48)).targets).sum() <= 24
    pixels, seen = drawn.batch(2, 8, 0)
    np.testing.assert_array_equal(pixels, TASK.batch(2, 8, 0).inputs)
    assert (seen != TASK.batch(2, 8, 0).targets).any()
    np.testing.assert_array_equal(drawn.validation.at(np.arange(12)).targets, TASK.validation.at(np.arange(12)).targets)


def test_training_takes_the_drawn_labels():
    """It equals that of ``single_path`` on the task with these labels, and not on the task itself."""
    recipe = training.Recipe(steps=2, batch=8, learning_rate=0.1, seed=3)

    def trained(name, task):
        learner = training.supernet_learner(SPACE, SPACE.trellis.valid, make_strategy(name))
        *_, (state, _) = training.train(learner, task, recipe, training.start(learner, recipe))
        return jax.tree.leaves(state.parameters)

    ours = trained("random_labels", TASK)
    assert all((a == b).all() for a, b in zip(ours, trained("single_path", TASK.relabelled(3)), strict=True))
    assert any((a != b).any() for a, b in zip(ours, trained("single_path", TASK), strict=True))


def test_a_task_without_classes_is_refused():
    with pytest.raises(ValueError, match="the task small has no classes that could be drawn"):
        random_labels.relabelled(dataclasses.replace(TASK, relabelled=None), 0)


def test_angles_worked_by_hand():
    one = {"a": np.array([[3.0, 0.0]]), "b": np.array([0.0])}
    assert random_labels.angle(one, one) == 0
    assert random_labels.angle(one, {"a": np.array([[0.0, 1.0]]), "b": np.array([1.0])}) == pytest.approx(math.pi / 2)
    assert random_labels.angle(one, {"a": np.array([[-1.0, 0.0]]), "b": np.array([1.0])}) == pytest.approx(
        3 * math.pi / 4
    )
    assert random_labels.angle(one, {"a": np.zeros((1, 2)), "b": np.zeros(1)}) == 0


@pytest.fixture(scope="module")
def supernet(tmp_path_factory):
    """A trained one, and the weights that it began with."""
    recipe = training.Recipe(steps=6, batch=8, learning_rate=0.2, seed=7)
    learner = training.supernet_learner(SPACE, SPACE.trellis.valid, make_strategy("random_labels"))
    begun = training.start(learner, recipe)
    *_, (state, _) = training.train(learner, TASK, recipe, begun)
    config = {
        "space": {"name": SPACE.name, "version": SPACE.version, "settings": dict(SPACE.settings)}, "where": {},
        "data": {"data": "small"}, "recipe": {"strategy": "random_labels", "seed": 7, "dtype": "float32"},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "supernet"
    with storage.Writer(folder, config) as writer:
        writer.save(state, 0.0)
    return folder, begun.parameters, state.parameters


def test_the_angle_is_of_the_weights_that_an_architecture_reads(supernet):
    """Initial weights are drawn anew from the recorded seed; two architectures of other weights have other angles."""
    folder, begun, last = supernet
    elastic = training.elastic_of(SPACE)
    every = enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    found = random_labels.make_angle(SPACE, str(folder)).evaluate(every)["quality"]
    expected = [random_labels.angle(elastic.used(begun, row), elastic.used(last, row)) / math.pi for row in every]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert len(set(np.round(found, 9))) == len(every)
    assert ((found > 0) & (found < 0.5)).all()


def test_the_evaluator_conforms_and_refuses_another_space(supernet):
    folder, *_ = supernet
    testing.check_evaluator(random_labels.make_angle, SPACE, folder=str(folder))
    with pytest.raises(ValueError, match=r"is a supernet of small\(\{\}\), not of tiny"):
        evaluator.make("angle", testing.tiny_space(), {"folder": str(folder)})


def test_a_strategy_of_random_labels_is_not_put_into_another():
    with pytest.raises(ValueError, match="changes the task itself"):
        make_strategy("random_labels", {"lessons": "random_labels"})
