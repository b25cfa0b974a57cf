"""Regions of shared weights: where architectures belong, what they read, how few-shot training splits them."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet import forms, storage, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.forms import APART, SIZE, Regions
from nagjax.supernet.strategy import make_strategy
from nagjax.testing import networks
from nagjax.testing.small import small_space, small_task

SPACE, TASK = small_space(), small_task()
EVERY = enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
BLOCK2 = Regions("block2")
"""Three regions, by the second block: left out, narrow, wide."""


def trained(strategy, steps, seed=0):
    """All states of a training."""
    recipe = training.Recipe(steps=steps, batch=8, learning_rate=0.1, seed=seed)
    learner = training.supernet_learner(SPACE, SPACE.trellis.valid, strategy)
    begun = training.start(learner, recipe)
    return [begun, *(state for state, _ in training.train(learner, TASK, recipe, begun))]


def differ(one, other):
    return any(bool(jnp.any(a != b)) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def split():
    """The space with a network of three regions."""
    return dataclasses.replace(SPACE, elastic=lambda dtype: training.elastic_of(SPACE, dtype, BLOCK2))


@pytest.mark.parametrize("check", [c for c in networks.ELASTIC_CHECKS if "sizes" not in c.__name__])
def test_a_network_of_regions_is_an_elastic_network(check):
    """With other weights in each region: fresh parameters are moved by the checks."""
    check(split)


def test_an_architecture_reads_the_weights_of_its_region_alone():
    elastic = training.elastic_of(SPACE, form=BLOCK2)
    parameters = jax.jit(elastic.init)(jax.random.key(0))
    rows = {name: jax.tree.map(lambda leaf, k=k: leaf + k, parameters[name]) for k, name in enumerate(parameters)}
    apart = {**rows, APART: jnp.float32(1)}
    plain = training.elastic_of(SPACE)
    for tokens in EVERY:
        for flag, region in ((1.0, tokens[1]), (0.0, 0)):
            used = elastic.used({**apart, APART: jnp.float32(flag)}, tokens)
            expected = plain.used(rows[f"region{region}"], tokens)
            jax.tree.map(np.testing.assert_array_equal, used, expected)


def test_bands_of_size_are_equal_parts_of_the_range():
    """Worked by hand from the multiply-adds of every architecture."""
    region = jax.jit(Regions(SIZE, 3).of(SPACE))
    sizes = SPACE.path_values(EVERY, SPACE.sizes()).sum(-1)
    third = (sizes.max() - sizes.min()) / 3
    wanted = [0 if size <= sizes.min() + third else 1 if size <= sizes.min() + 2 * third else 2 for size in sizes]
    assert [int(region(row)) for row in EVERY] == wanted
    assert set(wanted) == {0, 1, 2}


def test_edges_of_a_region_lead_into_it_and_empty_regions_are_left_out():
    for only, choice in zip(BLOCK2.edges(SPACE, SPACE.trellis.valid), range(3), strict=True):
        assert {row[1] for row in enumerate_paths(SPACE.trellis.target, only)} == {choice}
    assert len(BLOCK2.edges(SPACE, SPACE.where({"block2": [0, 2]}))) == 2


def test_regions_are_one_until_they_are_split_and_then_go_their_own_way():
    """Of four steps with progress 0, 1/4, 1/2 and 3/4 the third ends with a copy, and the fourth trains one region."""
    states = trained(make_strategy("few_shot", {"split_on": "block2", "together": 0.5}), 4)
    flags = [float(state.parameters[APART]) for state in states]
    assert flags == [0, 0, 0, 1, 1]
    third, last = states[3].parameters, states[4].parameters
    assert not differ(third["region0"], third["region1"])
    assert not differ(third["region0"], third["region2"])
    assert differ(third["region0"], states[0].parameters["region0"])
    assert differ(last["region0"], last["region1"]) or differ(last["region0"], last["region2"])


def test_before_the_split_it_is_the_one_shot_training_itself():
    one_shot = trained(make_strategy("single_path"), 8)
    split = trained(make_strategy("few_shot", {"split_on": "block2", "together": 0.9}), 8)
    for one, other in zip(one_shot[1:7], split[1:7], strict=True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one.parameters,
            other.parameters["region0"],
        )  # fmt: skip


def test_a_step_is_of_one_region_once_they_are_apart():
    strategy = make_strategy("few_shot", {"split_on": "block2", "lessons": "sandwich"})
    rng, met = np.random.default_rng(0), set()
    for _ in range(20):
        (region,) = {int(one.tokens[1]) for one in strategy.lessons(rng, SPACE, SPACE.trellis.valid, 0.6, ())}
        met.add(region)
    assert met == {0, 1, 2}
    assert len({int(one.tokens[1]) for one in strategy.lessons(rng, SPACE, SPACE.trellis.valid, 0.4, ())}) > 1


def test_labels_are_of_the_weights_of_the_region(tmp_path):
    """From the record alone, without the strategy; each label is that of the region's weights by themselves."""
    states = trained(make_strategy("few_shot", {"split_on": "block2", "together": 0}), 12)
    with storage.Writer(tmp_path, forms.written(BLOCK2)) as writer:
        writer.save(states[-1], 0.0)
    weights = storage.read_weights(tmp_path)
    assert json.loads(json.dumps(weights.config["form"])) == {"name": "regions", "split_on": "block2", "parts": 0}
    assert weights.form == BLOCK2
    of_form, plain = supernet_assessor(SPACE, TASK, form=weights.form), supernet_assessor(SPACE, TASK)
    for tokens in EVERY[:4]:
        own = weights.parameters[f"region{tokens[1]}"]
        label = of_form.scores(weights.parameters, tokens, TASK.validation)
        assert label.loss == pytest.approx(plain.scores(own, tokens, TASK.validation).loss, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"parts": 1}, "parts"),
        ({"together": 1.0}, "share of the training"),
        ({"lessons": "few_shot"}, "weights of its own kind"),
        ({"lessons": "snadwich"}, "did you mean 'sandwich'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        make_strategy("few_shot", settings)


def test_an_unknown_decision_and_an_unknown_form_are_refused():
    strategy = make_strategy("few_shot", {"split_on": "block7"})
    with pytest.raises(ValueError, match=r"small has no such decision; give size, or one of block1, block2"):
        training.supernet_learner(SPACE, SPACE.trellis.valid, strategy)
    with pytest.raises(ValueError, match="the form 'halves', which is not known here; known: regions"):
        forms.recorded({"form": {"name": "halves"}})
