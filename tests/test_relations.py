"""Relations of attention: what they are, that a tap tells them of any architecture, and how they are learned."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import blocks
from nagjax.elastic import RELATIONS
from nagjax.operators import attention
from nagjax.spaces import elastic_decoder
from nagjax.supernet import training
from nagjax.supernet.relations import Related, divergence, related
from nagjax.supernet.strategy import make_strategy
from nagjax.supernet.task import make_task
from nagjax.testing.small import small_space, small_task

TINY = {"length": 7, "vocabulary": 6, "widths": "4-8", "depths": "1-2", "heads": "2-4", "ratios": "2", "head_size": 2}
SPACE = elastic_decoder.make(**TINY, mixers="softmax")
TASK = make_task("recall", {"pairs": 2, "queries": 2, "vocabulary": 6, "training": 64, "validation": 8, "test": 8})


def test_relations_are_shares_of_scaled_products_head_by_head():
    op = attention.attention(5, 4, 2, 3, "softmax")
    parameters = jax.jit(blocks.init, static_argnums=1)(jax.random.key(0), op)
    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(np.float32)
    found = np.asarray(jax.jit(attention.relations, static_argnums=2)(parameters, x, 2))
    assert found.shape == (2, 3, 2, 5, 5)
    normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    for at, name in enumerate(("query", "key", "value")):
        for head in range(2):
            part = normed @ np.asarray(parameters[name])[:, 3 * head : 3 * head + 3]
            shares = np.exp(part @ part.swapaxes(1, 2) / np.sqrt(3))
            np.testing.assert_allclose(
                np.exp(found[:, at, head]), shares / shares.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6
            )


@pytest.mark.parametrize("text", ["width=4:softmax-h2-r2", "width=8:softmax-h2-r2:softmax-h4-r2"])
def test_the_network_tells_those_of_the_last_layer_that_an_architecture_has(text):
    """Of narrow and shallow ones in the shape of all: 2 heads divide 2 and 4."""
    elastic, tokens = training.elastic_of(SPACE), SPACE.parse(text)
    parameters = jax.jit(elastic.init)(jax.random.key(0))
    x = elastic.example(elastic.group(tokens), 3, np.random.default_rng(0))
    told = jax.jit(elastic.apply, static_argnums=4)(parameters, x, tokens, None, (RELATIONS,)).taps[RELATIONS]
    assert told.shape == (3, 3, 2, 7, 7)
    used, chain = elastic.used(parameters, tokens), elastic.alone(tokens).operators
    last = len(chain) - 3  # behind it an MLP and the head

    @jax.jit
    def before(used, x):
        for at, op in enumerate(chain[:last]):
            x = blocks.apply(op, used[f"op{at}"], x)[0]
        return attention.relations(used[f"op{last}"], x, 2)

    np.testing.assert_allclose(told, before(used, x), rtol=1e-4, atol=1e-5)


def test_a_divergence_by_hand():
    """Shares of a half each against a quarter and three: ln 2 / 2 + ln (2/3) / 2 nats; the mean over rows."""
    teacher = jnp.log(jnp.array([[[0.5, 0.5], [0.25, 0.75]]]))
    taught = jnp.log(jnp.array([[[0.25, 0.75], [0.25, 0.75]]]))
    assert float(divergence(teacher, taught)[0]) == pytest.approx((np.log(2) + np.log(2 / 3)) / 4, rel=1e-5)
    assert float(divergence(teacher, teacher)[0]) == 0


def test_who_learns_from_a_teacher_loses_by_relations_too_and_who_learns_from_labels_does_not():
    task = make_strategy("sandwich", {"relations": 3.0}).task(TASK, 0)
    rng = np.random.default_rng(0)
    logits, (own, others) = rng.normal(size=(2, 7, 6)), np.log(rng.dirichlet(np.ones(7), size=(2, 2, 3, 2, 7)))
    aims = TASK.aims(rng.integers(0, 6, (2, 7)))
    pair = logits, {RELATIONS: own}
    np.testing.assert_array_equal(task.loss(pair, aims), TASK.loss(logits, aims))
    taught = task.loss(pair, Related(aims, others))
    np.testing.assert_allclose(taught, TASK.loss(logits, aims) + 3 * divergence(others, own), rtol=1e-6)
    answers = task.answers(pair)
    np.testing.assert_array_equal(answers.outputs, TASK.answers(logits))
    np.testing.assert_array_equal(answers.relations, own)


PAIR = elastic_decoder.make(**TINY | {"depths": "1", "heads": "2", "ratios": "1"}, mixers="softmax")
"""Two decoders of one layer, narrow and wide."""


@pytest.mark.parametrize(("name", "settings"), [("given", {"teacher": "given"}), ("few_shot", {"lessons": "sandwich"})])
def test_what_is_taught_comes_closer_to_the_relations_of_its_teacher(name, settings):
    """Without, they come apart: 0.33 to 0.44 and to 0.49. Who teaches is held, or learns in the same step."""
    strategy = make_strategy(name, settings | {"relations": 100.0})
    recipe = training.Recipe(60, 16, 0.02, optimiser="adamw")
    learner = training.supernet_learner(PAIR, PAIR.trellis.valid, strategy)
    begun = training.start(learner, recipe)
    *_, (trained, _) = training.train(learner, TASK, recipe, begun)
    elastic, x = training.elastic_of(PAIR, form=strategy.form), TASK.validation.at(np.arange(8)).inputs
    told = jax.jit(lambda p, row: elastic.apply(p, x, row, None, (RELATIONS,)).taps[RELATIONS])

    def apart(state):
        teacher = state.parameters if strategy.held is None else strategy.held(state.memory)
        return float(divergence(told(teacher, PAIR.largest()), told(state.parameters, PAIR.smallest())).mean())

    assert apart(trained) < 0.8 * apart(begun)


def test_where_there_are_no_relations_it_says_so():
    strategy = make_strategy("sandwich", {"relations": 1.0})
    learner = training.supernet_learner(small_space(), small_space().trellis.valid, strategy)
    with pytest.raises(ValueError, match=r"relations=1\.0: the network of this space tells of none"):
        training.start(learner, training.Recipe(steps=1))
    with pytest.raises(ValueError, match="nobody teaches; give sandwich"):
        make_strategy("few_shot", {"relations": 1.0})
    with pytest.raises(ValueError, match=r"sandwich: relations=-1\.0: must be a finite number, at least 0"):
        make_strategy("sandwich", {"relations": -1.0})
    own = dataclasses.replace(make_strategy("sandwich"), loss=lambda *_: None)
    with pytest.raises(ValueError, match="a loss of its own"):
        related(own, 1.0)


def test_without_a_weight_the_strategy_is_as_it_was():
    plain = make_strategy("sandwich")
    assert plain.taps == ()
    assert plain.task is None


def test_bands_learn_from_the_labels_that_are_drawn():
    """Lessons of another task keep it: of ``random_labels`` few-shot training has the drawn labels."""
    task = make_strategy("few_shot", {"split_on": "block2", "lessons": "random_labels"}).task
    assert task is not None
    drawn, true = (one.train.at(np.arange(48)).targets for one in (task(small_task(), 0), small_task()))
    assert (drawn != true).any()
