"""A context before a space: paths, costs, features and text are those of the space behind it."""

import numpy as np
import pytest

from nagjax.spaces import compose
from nagjax.spaces import trellis as tl
from tests import tiny

BEHIND = tiny.make_space()
SPACE = compose.prefix(BEHIND, "task", ["x", "y", "z"])


def behind(tokens, task):
    return np.pad(tokens, ((0, 0), (1, 0)), constant_values=task)


def test_a_prefixed_space_is_the_one_behind_for_each_value():
    tokens = tiny.architectures()
    every = np.concatenate([behind(tokens, task) for task in range(3)])
    assert SPACE.count() == 3 * 24
    found = tl.enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    np.testing.assert_array_equal(found, every[np.lexsort(every.T[::-1])])
    values = np.random.default_rng(0).uniform(size=len(SPACE.operators))
    for task in range(3):
        np.testing.assert_allclose(
            SPACE.operator_sum(behind(tokens, task), values), BEHIND.operator_sum(tokens, values), rtol=1e-12
        )
        features = SPACE.features(behind(tokens, task))
        np.testing.assert_array_equal(features[:, :3], np.broadcast_to(np.eye(3)[task], (24, 3)))
        np.testing.assert_array_equal(features[:, 3:], BEHIND.features(tokens))
    assert SPACE.format(every[30]) == f"y/{BEHIND.format(every[30][1:])}"
    assert tl.count(SPACE.trellis.target, SPACE.where({"task": "y", "depth": 1}))[0][0] == 6


def test_more_values_than_choices_and_none_that_cannot_be_told_apart():
    wide = compose.prefix(BEHIND, "device", list(range(7)))
    assert wide.count() == 7 * 24
    one = tiny.architectures()[5]
    np.testing.assert_array_equal(wide.parse(f"6/{BEHIND.format(one)}"), [6, *one])
    with pytest.raises(ValueError, match="does not begin with one of 0/, 1/"):
        wide.parse("7/0000")
    for choices in ([], ["a", "a"], ["a/b"], [1, "1"]):
        with pytest.raises(ValueError, match="give different values"):
            compose.prefix(BEHIND, "task", choices)
