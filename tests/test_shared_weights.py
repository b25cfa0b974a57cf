"""What follows from the study of strategies: figures worked by hand from four networks."""

import pytest

from experiments.published import shared_weights

TEST = [0.1, 0.4, 0.3, 0.2]
STUDY = {
    "bins": 2,
    "networks": [
        {"madds": madds, "params": 1, "alone": {"0": {"accuracy": low}, "1": {"accuracy": low + 0.02}}}
        for madds, low in ((1, 0.5), (2, 0.6), (9, 0.7), (10, 0.8))
    ],
    "shared": [
        {"way": "a", "seed": 0, "label": [1, 2, 4, 3], "label_loss": [4, 3, 1, 2], "test": TEST},
        {"way": "a", "seed": 1, "label": [1, 2, 3, 4], "label_loss": [1, 2, 3, 4], "test": TEST, "angle": [4, 3, 2, 1]},
        {"way": "b", "seed": 1, "label": [2, 1, 3, 4]},
    ],
}


def test_figures_of_four_networks():
    found = shared_weights.figures(STUDY)
    assert found["a"]["tau"] == {0: pytest.approx(4 / 6), 1: pytest.approx(1)}
    assert found["a"]["within"] == {0: 0, 1: 1}  # of the pairs 1, 2 and 9, 10
    assert found["a"]["lost"] == {0: pytest.approx(10), 1: 0}
    assert found["a"]["test"] == {0: pytest.approx(25), 1: pytest.approx(25)}
    assert found["a"]["by_loss"] == {0: pytest.approx(4 / 6), 1: pytest.approx(-1)}
    assert found["a"]["within_by_loss"] == {0: 0, 1: -1}
    assert found["a"]["largest"][0] == pytest.approx(40)  # the second network is the largest
    assert found["a angle"]["tau"] == {1: pytest.approx(-1)}
    assert found["madds"]["tau"] == {shared_weights.NO_SEED: pytest.approx(1)}
    assert shared_weights.difference(found, "b", "a", "tau") == [pytest.approx(4 / 6 - 1)]
