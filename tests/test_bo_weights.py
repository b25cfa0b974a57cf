"""Weighted sums of scores: scores by hand, what is asked next, and a search that ends at what its weights put first."""

import dataclasses

import numpy as np
import pytest

from benchmarks import robot
from nagjax import testing
from nagjax.predictors.records.score_columns import read_scores
from nagjax.proposers import bo_weights
from nagjax.spaces import nas_bench_macro
from tests import tiny


def test_scores_are_sizes_and_how_often_a_choice_is_taken():
    space = nas_bench_macro.make()
    tokens = np.stack([space.parse(text) for text in ("00000000", "22222222", "12000000")])
    found = bo_weights.scores(space, tokens)
    # MAdds, parameters, identities that are open, ratio 3, ratio 6; all from 0 to 1.
    assert list(found) == ["madds", "params", *(f"layer: operation={name}" for name in nas_bench_macro.CHOICES)]
    least, most, third = np.stack(list(found.values()), 1)
    assert least[:2].tolist() == [0, 0]
    assert most.tolist() == [1, 1, 0, 0, 1]
    assert third[3:].tolist() == pytest.approx([1, 1 / 8])


def test_closed_decisions_take_no_choice():
    space = tiny.make_space()
    tokens = tiny.architectures()[:3]  # size 8, depth 1, kernels 1, 3 and 5 of the only block
    found = bo_weights.scores(space, tokens)
    blocks = np.stack([found[f"block: kernel={kernel}"] for kernel in tiny.KERNELS])
    np.testing.assert_array_equal(blocks, np.eye(3))


def test_the_next_query_is_the_most_hopeful_first_and_then_goes_down_the_ranking_of_the_best_weights():
    value = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    first, fits = np.array([0, 2]), np.array([True, True, True, False])
    none = np.zeros(4, bool)

    def ask(hopeful, mean, taken):
        return bo_weights.query(first, np.array(hopeful), np.array(mean), value, fits, taken)

    assert ask([0.1, 0.2], [0.5, 0.1], none) == 2
    assert ask([0.1, 0.2], [0.5, 0.1], np.array([False, False, True, False])) == 0
    both = np.array([True, False, True, False])
    assert ask([0.1, 0.2], [0.5, 0.1], both) == 1
    assert ask([0.1, 0.2], [0.5, 0.1], np.array([True, True, True, False])) is None


def test_weights_whose_first_is_evaluated_are_known_and_similar_ones_are_told_alike():
    angle = np.linspace(0, np.pi, 12)
    weights = np.stack([np.cos(angle), np.sin(angle)], 1)
    known = np.where(np.arange(12) % 2 == 0, 0.5 + 0.3 * np.cos(angle), np.nan)
    values = bo_weights.Values(weights, np.zeros(1), np.arange(12)[None], known)
    mean, std = values.told(0)
    np.testing.assert_allclose(mean[0], 0.5 + 0.3 * np.cos(angle), atol=0.02)
    assert std.max() < 0.05
    nothing = bo_weights.Values(weights, np.zeros(1), np.arange(12)[None], np.full(12, np.nan)).told(0)
    assert (nothing[0] == 0).all()


def test_a_search_by_mixed_scores_finds_what_one_of_them_puts_first():
    rng = np.random.default_rng(0)
    scored = dict(zip("abc", rng.uniform(size=(3, 200)), strict=True))
    quality, known, rows = 0.2 * scored["a"] - 0.1 * scored["b"], np.full(200, np.nan), np.arange(200)
    ask = robot.robot(scored, 0)
    for number in range(15):
        row = ask(rows, known, number)
        assert np.isnan(known[row])
        known[row] = quality[row]
    assert np.nanmax(known) >= np.sort(quality)[-3]


def test_scores_of_a_file_are_weighed_and_what_it_lacks_is_not_proposed(tmp_path):
    oracle, space = testing.tiny_problem().oracle, testing.tiny_space()
    rows = [f"{space.format(row)},{quality},{5 * at % 7}," for at, (row, quality) in
            enumerate(zip(oracle.tokens, oracle.quality, strict=True))]  # fmt: skip
    rows = [row + ("" if at == 9 else "2.5") for at, row in enumerate(rows[:40])]
    (tmp_path / "s.csv").write_text("\n".join(["architecture,a,b,c", *rows]) + "\n")
    tokens, columns = read_scores(tmp_path / "s.csv", space)
    assert list(columns) == ["a", "b", "c"]
    assert len(tokens) == 39
    assert list(bo_weights.from_0_to_1(columns)) == ["a", "b"]
    given = {"file": str(tmp_path / "s.csv"), "columns": "a+b"}
    seen = []

    def make(**settings):
        made = bo_weights.make_bo_weights(**settings)
        return dataclasses.replace(made, propose=lambda question: seen.append(made.propose(question)) or seen[-1])

    testing.check_proposer_new(make, **given)
    listed = {row.tobytes() for row in tokens}
    assert sum(map(len, seen)) > 0
    assert all(row.tobytes() in listed for rows in seen for row in np.asarray(rows, np.int32))
    with pytest.raises(ValueError, match="columns=a: are of a file"):
        bo_weights.make_bo_weights(columns="a")
    with pytest.raises(ValueError, match="no such file"):
        bo_weights.make_bo_weights(file=str(tmp_path / "none.csv"))
