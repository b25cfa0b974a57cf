"""What follows from studies of shared weights: figures worked by hand from four networks."""

import json

import pytest

from experiments.published import entangled, page, shared_weights

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
    assert found["a"]["gained"] == {seed: pytest.approx(25 - 66) for seed in (0, 1)}
    assert found["a"]["by_loss"] == {0: pytest.approx(4 / 6), 1: pytest.approx(-1)}
    assert found["a"]["within_by_loss"] == {0: 0, 1: -1}
    assert found["a"]["largest"][0] == pytest.approx(40)  # the second network is the largest
    assert found["a angle"]["tau"] == {1: pytest.approx(-1)}
    assert found["madds"]["tau"] == {shared_weights.NO_SEED: pytest.approx(1)}
    assert shared_weights.difference(found, "b", "a", "tau") == [pytest.approx(4 / 6 - 1)]


def test_figures_of_entangled_weights():
    """Best is d; the way a chooses c, 10 points behind, and its shares are sparse at the third look of 20 updates."""
    texts = ("a", "b", "c", "d")
    study = {
        "every": 20,
        "networks": [{"architecture": text, **one} for text, one in zip(texts, STUDY["networks"], strict=True)],
        "shared": [
            {"way": "x", "seed": 0, "chosen": "c", "scores": [1, 2, 4, 3], "entropies": [0.5, 0.2, 0.09, 0.3]},
            {"way": "x", "seed": 1, "chosen": "d", "scores": [1, 2, 3, 4], "entropies": [0.5, 0.4, 0.3, 0.2]},
            {"way": "y", "seed": 0, "chosen": "a", "scores": [4, 3, 2, 1]},
        ],
    }
    found = entangled.figures(study)
    assert found["x"]["lost"] == {0: pytest.approx(10), 1: 0}
    assert found["x"]["tau"] == {0: pytest.approx(4 / 6), 1: pytest.approx(1)}
    assert found["x"]["steps"] == {0: 60, 1: 80}
    assert found["x"]["entropy"] == {0: 0.3, 1: 0.2}
    assert set(found["y"]) == {"tau", "lost", "within"}
    assert found["random"]["lost"][shared_weights.NO_SEED] == pytest.approx(15)
    assert found["madds"]["lost"][shared_weights.NO_SEED] == 0


def test_what_is_first_under_budgets_loses_what_was_worked_by_hand():
    """Networks of 1, 2, 3 multiply-adds have 50, 90, 80 %; the way puts the first before the third and the second."""
    networks = [
        {"architecture": text, "madds": madds, "alone": alone}
        for text, madds, alone in (
            ("a", 1, {"0": {"accuracy": 0.5}}), ("b", 2, {"0": {"accuracy": 0.9}}), ("c", 3, {"0": {"accuracy": 0.8}}),
            ("unknown", 2, {}),
        )
    ]  # fmt: skip
    run = {"way": "x", "seed": 5, "chosen": "a", "scores": [0.0, -2.0, -1.0, 9.0]}
    found = entangled.figures({"every": 10, "networks": networks, "shared": [run]})
    assert found["x"]["within"] == {5: pytest.approx((0 + 40 + 40) / 3)}
    assert list(found["madds"]["within"].values()) == pytest.approx([(0 + 0 + 10) / 3])
    assert list(found["random"]["within"].values()) == pytest.approx([(0 + (40 + 0) / 2 + (40 + 0 + 10) / 3) / 3])


def test_decoders_are_compared_budget_by_budget(tmp_path):
    rows = [
        {"family": family, "budget_ms": budget, "quality": quality}
        for family, budget, quality in (("m", 2.0, [0.3, 0.5]), ("m", 1.0, [0.2, 0.1]), ("s", 1.0, [0.1, 0.2]))
    ]
    (tmp_path / "transformer.json").write_text(json.dumps({"t": {"networks": rows}}))
    assert page.read(tmp_path / "transformer.json", "t m 2") == "40.000 ± 14.142"
    assert page.read(tmp_path / "transformer.json", "t m-s 1") == "0.000 ± 14.142"
