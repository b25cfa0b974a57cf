"""Levels: which path features stand for numbers, and in which order."""

import numpy as np
import pytest

from nagjax import plugins
from nagjax.spaces import compose, tabular
from nagjax.spaces.levels import level_columns


def named(space):
    """For each column of levels the features in it."""
    return [{space.feature_names[f] for f in np.flatnonzero(column)} for column in level_columns(space).T]


def test_levels_of_a_convolutional_space():
    space = plugins.load("spaces", "mobilenet_v3_small28")()
    found = named(space)
    assert {"slot0.kernel3", "slot0.kernel5"} in found
    assert {"slot0.kernel5"} in found
    assert {"resolution24", "resolution28"} in found
    assert {"slot8.ratio3", "slot8.ratio4"} in found
    # Two kernels and three ratios in each of nine slots, three resolutions.
    assert len(found) == 9 * (2 + 3) + 3


def test_a_choice_that_is_not_made_is_below_the_least_level():
    space = plugins.load("spaces", "mobilenet_v3_small28")()
    columns = level_columns(space)
    slot = [c for c, names in enumerate(named(space)) if any(name.startswith("slot2.kernel") for name in names)]
    on = space.features(space.sample(np.random.default_rng(0), 300)) @ columns[:, slot]
    assert {tuple(row) for row in on.tolist()} == {(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)}  # absent, 3, 5


def test_features_of_two_numbers_have_levels_of_both_and_fractions_count_and_truth_values_do_not():
    segments = named(plugins.load("spaces", "elastic_seg")())
    assert {"block2=k5-r1", "block2=k5-r2"} in segments  # kernel 5
    assert {"block2=k3-r2", "block2=k5-r2"} in segments  # ratio 2
    mnasnet = named(plugins.load("spaces", "mnasnet")())
    assert {"block1.filters=1.0", "block1.filters=1.25"} in mnasnet
    assert not any("squeeze" in name or "operation" in name for names in mnasnet for name in names)


@pytest.mark.parametrize("name", ["nas_bench_201", "nas_bench_macro"])
def test_choices_that_are_words_have_no_levels(name):
    space = plugins.load("spaces", name)()
    assert level_columns(space).shape == (len(space.feature_names), 0)


def test_a_closed_decision_says_nothing_of_its_first_choice():
    space = plugins.load("spaces", "elastic_gnn")()
    # Layers beyond the depth are closed; none of their features is a number, and depth and width are.
    assert {name.rstrip("0123456789") for names in named(space) for name in names} == {"layers", "hidden"}


def test_words_among_numbers_a_context_and_what_is_no_float_have_no_levels():
    mixed = tabular.make({"width": ["auto", 8, 16], "kernel": [3, 5]})
    assert named(mixed) == [{"kernel=3", "kernel=5"}, {"kernel=5"}]
    for odd in (float("nan"), float("-inf"), 10**400):
        assert named(tabular.make({"width": [odd, 8, 16], "kernel": [3, 5]})) == named(mixed)
    tasks = compose.prefix(mixed, "task", [1, 2, 3])
    assert named(tasks) == named(mixed)
    assert named(tabular.make({"kernel": [3]})) == []
