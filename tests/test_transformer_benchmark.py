"""The benchmark ``transformer``: its figures, worked by hand."""

import pytest

from benchmarks.transformer import Chosen, figures


def test_hypervolumes_and_gaps_are_those_worked_by_hand():
    """Budgets 1 and 2 ms; corner 2.2 ms and 10 points. Each seed of a family is a front of its own."""
    families = {"searched": "s", "mixed": "m", "all_softmax": "a", "all_linear": "b", "uniform_scaling": "u"}
    chosen = [
        Chosen(family, budget, f"{short}{budget}", budget, 0.5)
        for family, short in families.items()
        for budget in (1.0, 2.0)
    ]
    quality = {(one.architecture, seed): 0.1 for one in chosen for seed in (0, 1)}
    quality |= {("m1.0", 0): 0.3, ("m1.0", 1): 0.4, ("m2.0", 0): 0.5, ("m2.0", 1): 0.4}
    quality |= {("u2.0", 0): 0.4, ("a2.0", 0): 0.3, ("b2.0", 1): 0.6}
    measured = {one.architecture: 0.9 * one.ms for one in chosen}
    found = figures(chosen, quality, measured, (0, 1))
    # Seed 0: 20 points from 1 ms on and 20 more from 2 ms on; seed 1: 30 points from 1 ms on.
    assert found["mixed"] == pytest.approx([(28.0 + 36.0) / 2, 8 / 2**0.5])
    assert found["front_hypervolume"] == pytest.approx([0.0, 0.0])
    assert found["uniform_scaling"] == pytest.approx([3.0, 6 / 2**0.5])
    assert found["all_softmax"] == pytest.approx([2.0, 4 / 2**0.5])
    first, second = found["mixed_over_best_alone"]
    assert (first["budget_ms"], first["points"], first["standard_error"]) == pytest.approx((1.0, 25.0, 5.0))
    # 10 above the best of seed 0, 20 below that of seed 1.
    assert (second["points"], second["standard_error"]) == pytest.approx((-5.0, 15.0))
    # Means over both budgets: 15 and 5.
    assert found["mixed_over_best_alone_mean"] == pytest.approx({"points": 10.0, "standard_error": 5.0})
    assert found["seeds"] == 2
    assert [row["measured_ms"] for row in found["networks"]] == [0.9, 1.8] * 5
