"""The strategy ``given``: where it begins, who teaches, and which weights it refuses."""

import jax
import numpy as np
import pytest

from nagjax import testing
from nagjax.supernet import given, storage, training
from nagjax.supernet.strategy import FIRST, HELD, LABELS, make_strategy
from nagjax.testing.small import small_space, small_task

SPACE, TASK = small_space(), small_task()
RECIPE = training.Recipe(steps=3, batch=8, learning_rate=0.1, seed=5)


def begun(strategy, recipe=RECIPE):
    learner = training.supernet_learner(SPACE, SPACE.trellis.valid, strategy)
    return learner, training.start(learner, recipe)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of three steps, with which the example begins."""
    learner, state = begun(make_strategy("single_path"))
    *_, (state, _) = training.train(learner, TASK, RECIPE, state)
    out = tmp_path_factory.mktemp("runs") / "first"
    with storage.Writer(out, {}) as writer:
        writer.save(state, 0.0)
    return out


def test_it_begins_from_the_weights_of_the_folder(folder):
    _, state = begun(make_strategy("given", {"weights": str(folder)}), training.Recipe(steps=3, batch=8, seed=9))
    jax.tree.map(np.testing.assert_array_equal, state.parameters, storage.read_weights(folder).parameters)
    assert state.step == 0
    assert state.memory == ()


def test_the_given_largest_teaches_where_it_is_asked_to(folder):
    """Its answers are those of the weights of the folder, which a step does not change."""
    strategy = make_strategy("given", {"weights": str(folder), "teacher": "given", "random": 2})
    learner, state = begun(strategy)
    *_, (last, _) = training.train(learner, TASK, RECIPE, state)
    first = storage.read_weights(folder).parameters
    jax.tree.map(np.testing.assert_array_equal, strategy.held(last.memory), first)
    assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (last.parameters, first)), strict=True))
    taught = strategy.lessons(np.random.default_rng(0), SPACE, SPACE.trellis.valid, 0.5, last.memory)
    assert [lesson.teacher for lesson in taught] == [LABELS, HELD, HELD]
    assert all((lesson.of == SPACE.largest()).all() for lesson in taught[1:])
    assert (taught[0].tokens == SPACE.largest()).all()


def test_else_the_largest_of_the_step_teaches(folder):
    taught = make_strategy("given", {"weights": str(folder)}).lessons(
        np.random.default_rng(0), SPACE, SPACE.trellis.valid, 0.5, ()
    )
    assert [lesson.teacher for lesson in taught] == [LABELS, FIRST]


def test_it_conforms_with_a_held_teacher(folder):
    testing.check_strategy(given.make, weights=str(folder), teacher="given")


def test_weights_of_another_network_are_refused_with_both_shapes(folder):
    strategy = make_strategy("given", {"weights": str(folder)})
    with pytest.raises(ValueError, match=r"another network: \['block1'\].* is \(8,\), here not there"):
        strategy.begin(jax.random.key(0), training.elastic_of(SPACE), {"stem": {"weights": np.zeros((16, 8))}})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"weights": "absent"}, "holds no trained weights"),
        ({"teacher": "me"}, "running, given"),
        ({"random": -1}, "-1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        make_strategy("given", settings)
