"""Draws of architectures to label, the file of labels, and how rankings are compared."""

import json

import numpy as np
import pytest

import nagjax
from experiments import rank_supernet
from experiments.frame import settings
from experiments.reports import rank_report
from nagjax import operators as ops
from nagjax.predictors.records.records import read_records
from nagjax.spaces import mobilenet_v3_small28
from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.supernet import labelling, ranking
from nagjax.supernet.datasets.images import Images, Splits
from nagjax.supernet.image_tasks import image_task

TINY = Plan((8, 12), (1, 2), (3, 5), (2, 3), 8, 1, 10, (8, 8, 8, 16, 16), (2,), (True,), ("h_swish",))
SPACE = make_space("tiny", 1, {}, TINY)
SMALL28 = mobilenet_v3_small28.make()
MADDS = np.array([ops.madds(op) for op in SMALL28.operators])


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals are those of a library; 2,000 draws of each took longer than all else here."""
    monkeypatch.setattr(ranking, "RESAMPLES", 10)


def everything(space):
    return {tuple(row) for row in space.sample(np.random.default_rng(0), 4000).tolist()}


def test_a_uniform_draw_of_all_is_the_whole_space_without_repeats():
    drawn = labelling.draw_uniform(SPACE, SPACE.trellis.valid, 40, seed=3)
    assert SPACE.count() == 40  # 2 resolutions x (4 of depth 1 + 16 of depth 2)
    assert {tuple(row) for row in drawn.tolist()} == everything(SPACE)
    assert len(drawn) == 40


def test_a_longer_uniform_draw_begins_with_the_shorter():
    valid = SMALL28.trellis.valid
    long, short = (labelling.draw_uniform(SMALL28, valid, num, seed=5) for num in (60, 20))
    np.testing.assert_array_equal(long[:20], short)
    assert (labelling.draw_uniform(SMALL28, valid, 20, seed=6) != short).any()


def test_a_uniform_draw_is_uniform_over_architectures_not_decisions():
    """216 of a unit's 258 networks have depth 3."""
    drawn = labelling.draw_uniform(SMALL28, SMALL28.trellis.valid, 3000, seed=0)
    depth = next(t for t, decision in enumerate(SMALL28.decisions) if decision.kind == "depth")
    assert np.mean(drawn[:, depth] == 2) == pytest.approx(216 / 258, abs=0.03)


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"41 architectures .* has 40"):
        labelling.draw_uniform(SPACE, SPACE.trellis.valid, 41, seed=0)
    with pytest.raises(ValueError, match="40 different ones"):
        labelling.draw_stratified(SPACE, SPACE.trellis.valid, np.ones(len(SPACE.operators)), 41, 2, seed=0)


def test_a_stratified_draw_takes_parts_of_the_cost_range_in_turn():
    valid = SMALL28.trellis.valid
    drawn = labelling.draw_stratified(SMALL28, valid, MADDS, 40, 4, seed=0)
    cost = SMALL28.operator_sum(drawn, MADDS.astype(float))
    pool = labelling.draw_stratified(SMALL28, valid, MADDS, 15_000, 4, seed=0)
    ends = SMALL28.operator_sum(pool, MADDS.astype(float))
    part = np.minimum(4 * (cost - ends.min()) / np.ptp(ends), 3).astype(int)
    np.testing.assert_array_equal(np.bincount(part, minlength=4), [10, 10, 10, 10])
    np.testing.assert_array_equal(pool[:40], drawn)
    assert len(np.unique(drawn, axis=0)) == 40


def test_a_condition_holds_in_both_draws():
    valid = SMALL28.where({"resolution": 24, "kernel": 3})
    for drawn in (
        labelling.draw_uniform(SMALL28, valid, 30, 0),
        labelling.draw_stratified(SMALL28, valid, MADDS, 30, 3, 0),
    ):
        texts = [SMALL28.format(row) for row in drawn]
        assert all(text.endswith(":24") and "5" not in text.split(":")[1] for text in texts)


def test_labels_can_be_read_as_records(tmp_path):
    path = tmp_path / "labels.csv"
    tokens = labelling.draw_uniform(SPACE, SPACE.trellis.valid, 3, 0)
    with labelling.LabelFile(path) as file:
        for at, row in enumerate(tokens):
            file.add(SPACE.format(row), {"quality": 0.5 + at / 10, "loss": 1.0})
    records = read_records(path, SPACE)
    np.testing.assert_array_equal(records.tokens, tokens)
    np.testing.assert_array_equal(records.quality, [0.5, 0.6, 0.7])


def test_a_torn_label_is_cut_off_and_none_stands_twice(tmp_path):
    path = tmp_path / "labels.csv"
    with labelling.LabelFile(path) as file:
        file.add("1:3:2:8", {"quality": 0.25, "loss": 2.0})
    path.write_text(path.read_text() + "1:5:2:8,0.")
    with labelling.LabelFile(path) as file:
        assert file.labelled == {"1:3:2:8"}
        with pytest.raises(ValueError, match="labelled already"):
            file.add("1:3:2:8", {"quality": 0.3, "loss": 2.0})
        file.add("1:5:2:8", {"quality": 0.5, "loss": 1.5})
    assert path.read_text() == "architecture,quality,loss\n1:3:2:8,0.25,2.0\n1:5:2:8,0.5,1.5\n"


def test_another_file_is_not_appended_to(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="begins with 'a,b'"):
        labelling.LabelFile(path)
    assert path.read_text() == "a,b\n1,2\n"


def test_tau_by_hand():
    """Of the 6 pairs of 4 items 5 agree and 1 does not: (5 - 1) / 6."""
    tau = ranking.kendall(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3]))
    assert tau.value == pytest.approx(4 / 6)
    assert tau.low <= tau.value <= tau.high
    assert ranking.kendall(np.arange(9), -np.arange(9)).value == -1
    with pytest.raises(ValueError, match="3 values or more"):
        ranking.kendall(np.array([1, 2]), np.array([1, 2]))


def test_tau_among_equals_counts_only_pairs_of_a_group():
    score, truth = np.array([1, 2, 3, 10, 11]), np.array([1, 3, 2, 0, 5])
    # Group 0: pairs (0,1) +, (0,2) +, (1,2) -; group 1: (3,4) +.
    value, pairs = ranking.within(score, truth, np.array([0, 0, 0, 1, 1]))
    assert (value, pairs) == (pytest.approx(2 / 4), 4)
    assert np.isnan(ranking.within(score, truth, np.arange(5))[0])


def test_the_ceiling_is_the_mean_over_pairs_of_seeds():
    alone = np.array([[1, 1, 4], [2, 2, 3], [3, 3, 2], [4, 4, 1]], float)
    assert ranking.ceiling(alone) == pytest.approx((1 - 1 - 1) / 3)
    assert np.isnan(ranking.ceiling(alone[:, :1]))


def test_the_spread_of_networks_is_without_that_of_seeds():
    rng = np.random.default_rng(0)
    alone = 3.0 * rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 2))
    networks, seeds = ranking.spread(alone)
    assert (networks, seeds) == (pytest.approx(3, rel=0.05), pytest.approx(1, rel=0.05))
    assert ranking.expected_ceiling(networks / seeds) == pytest.approx(ranking.ceiling(alone), abs=0.01)
    with pytest.raises(ValueError, match="4000 networks of 1 seeds"):
        ranking.spread(alone[:, :1])


def test_the_networks_of_a_study_are_the_ends_and_a_spread_without_repeats():
    chosen = rank_supernet.choose(SMALL28, SMALL28.trellis.valid, 8, 4)
    assert len(np.unique(chosen, axis=0)) == len(chosen) == 10
    np.testing.assert_array_equal(chosen[0], SMALL28.smallest())
    np.testing.assert_array_equal(chosen[1], SMALL28.largest())
    np.testing.assert_array_equal(rank_supernet.choose(SMALL28, SMALL28.trellis.valid, 4, 4), chosen[:6])


def test_figures_of_a_study_by_hand(tmp_path):
    alone = np.array([[0.70, 0.72], [0.80, 0.82], [0.75, 0.73], [0.78, 0.76]])
    columns = {
        "supernet": np.array([0.6, 0.7, 0.65, 0.66]),
        "supernet_loss": -np.array([1.0, 0.5, 0.8, 0.9]),
        "madds": np.array([1e6, 4e6, 2e6, 1.5e6]),
        "params": np.array([1e3, 4e3, 2e3, 3e3]),
    }
    test = np.array([0.61, 0.71, 0.65, 0.66])
    result = rank_report.figures(["a", "b", "c", "d"], alone, columns, test, bins=2)
    assert result["tau"]["supernet"]["value"] == pytest.approx(1.0)  # means .71 .81 .74 .77
    assert result["tau"]["madds"]["value"] == pytest.approx(4 / 6)
    assert result["ceiling"] == pytest.approx(1.0)
    assert result["smallest_gap_points"] == pytest.approx(10.0)
    assert result["largest_gap_points"] == pytest.approx(10.0)
    assert result["tau"]["madds"]["pairs_within"] == 3  # a, c and d lie in the lower half
    rank_report.write(tmp_path, result)
    assert json.loads((tmp_path / rank_report.RESULT).read_text())["networks"][2]["architecture"] == "c"
    assert (tmp_path / rank_report.PLOT).stat().st_size > 1000
    lines = "\n".join(rank_report.lines(result))
    assert "1.00 of the ceiling" in lines
    twice = rank_report.figures(
        ["a", "b", "c", "d"], np.array([*alone[:2], [0.75, 0.78], alone[3]]), columns, test, bins=2
    )
    # Seeds disagree in c and d, so 4 / 6; the supernet agrees with the means and one seed, 4 / 6 with the other.
    assert (twice["ceiling"], twice["tau"]["supernet"]["value"]) == (pytest.approx(4 / 6), pytest.approx(1))
    assert "against one seed is 1.25 of the ceiling" in "\n".join(rank_report.lines(twice))
    reverse = rank_report.figures(["a", "b", "c", "d"], alone * np.array([[1, -1]]), columns, test, bins=2)
    assert "of the ceiling" not in "\n".join(rank_report.lines(reverse))
    # means .71 .81 .74 .77 have variance .001825, pairs .0002: sqrt(.001825 - .0001) = .0415 beside .0141
    assert "networks lie 4.15 points apart, seeds of one 1.41: 2.9 times" in lines


def test_a_contender_is_ranked_by_the_networks_that_it_tells(tmp_path):
    """Means .71 .81 .74 .77; of a, b and d the pairs a-b and b-d agree and a-d does not: (2 - 1) / 3."""
    alone = np.array([[0.70, 0.72], [0.80, 0.82], [0.75, 0.73], [0.78, 0.76]])
    columns = {"madds": np.array([1e6, 4e6, 2e6, 1.5e6]), "guess": np.array([2.0, 3.0, np.nan, 1.0])}
    result = rank_report.figures(["a", "b", "c", "d"], alone, columns, None, bins=2)
    assert result["tau"]["guess"]["value"] == pytest.approx(1 / 3)
    assert (result["tau"]["guess"]["networks"], result["tau"]["guess"]["pairs_within"]) == (3, 1)
    assert (result["networks"][2]["guess"], "supernet_test" in result["networks"][2]) == (None, False)
    rank_report.write(tmp_path, result)
    assert "guess: tau 0.333" in (told := "\n".join(rank_report.lines(result)))
    assert "of the 3 networks that it tells" in told
    assert "of the ceiling" not in told
    columns["guess"][:2] = np.nan
    with pytest.raises(ValueError, match="guess tells 1 of 4 networks"):
        rank_report.figures(["a", "b", "c", "d"], alone, columns, None, bins=2)


def test_any_evaluator_is_a_contender_of_a_study(tmp_path, monkeypatch, capsys):
    """Four networks that are trained alone already, and a file whose qualities have the opposite order."""
    space = nagjax.space("elastic_mlp")
    texts = [space.format(row) for row in rank_supernet.choose(space, space.trellis.valid, 2, 4)]

    def trained(folder, *_):
        for at, text in enumerate(texts):
            rank_supernet.append(folder / rank_supernet.RUNS, {"architecture": text, "seed": 0, "accuracy": 0.1 * at})

    monkeypatch.setattr(rank_supernet, "train_missing", trained)
    rows = ["architecture,quality", *(f"{text},{0.9 - 0.1 * at}" for at, text in enumerate(texts))]
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(rows) + "\n")
    flags = ["--space=elastic_mlp", "--task=tabular", "--networks=2", "--seeds=0", f"--out={tmp_path / 'out'}"]
    flags += ["--evaluators=table", f"--evaluator_settings=file={truth}", "--compilation_cache="]
    assert rank_supernet.main(flags) == 0, capsys.readouterr().err
    assert "table: tau -1.000" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / rank_report.RESULT).read_text())
    assert set(result["tau"]) == {"madds", "params", "table"}
    assert "sha256" in result["evaluators"]["table"]
    assert rank_supernet.main([*flags, "--evaluators=tabel"]) == 2
    assert "did you mean 'table'" in capsys.readouterr().err


def test_a_study_that_lacks_a_network_says_which(tmp_path):
    runs = [{"architecture": "a", "seed": s, "accuracy": 0.5} for s in (0, 1)]
    runs += [{"architecture": "b", "seed": 0, "accuracy": 0.5}]
    with pytest.raises(ValueError, match="b under seed 1"):
        rank_report.alone_table(runs, ["a", "b"])


def test_lines_of_a_study_survive_a_torn_one(tmp_path):
    path = tmp_path / rank_supernet.RUNS
    rank_supernet.append(path, {"architecture": "a", "seed": 0})
    path.write_text(path.read_text() + '{"architecture": "b", "se')
    assert [run["architecture"] for run in rank_supernet.read_runs(tmp_path)] == ["a"]
    rank_supernet.append(path, {"architecture": "b", "seed": 0})
    assert [run["architecture"] for run in rank_supernet.read_runs(tmp_path)] == ["a", "b"]


def test_integers_of_a_flag():
    assert settings.parse_integers(["0", "12"], "seeds") == [0, 12]
    for wrong in ([], ["-1"], ["a"], ["1.5"]):
        with pytest.raises(ValueError, match="--seeds="):
            settings.parse_integers(wrong, "seeds")


def test_labels_may_be_of_fewer_images_with_each_class_by_its_share():
    labels = np.repeat(np.arange(4, dtype=np.int32), [40, 40, 80, 40])
    images = Images(np.random.default_rng(0).integers(0, 256, (200, 2, 2, 1), np.uint8), labels)
    splits = Splits("made", 4, (0.5,), (0.2,), images, images, images)
    task = image_task(splits)
    assert labelling.label_part(task, None) is task.validation
    part = labelling.label_part(task, 50)
    some = part.at(np.arange(50))
    np.testing.assert_array_equal(np.bincount(some.targets), [10, 10, 20, 10])
    np.testing.assert_array_equal(some.inputs, labelling.label_part(task, 50).at(np.arange(50)).inputs)
    with pytest.raises(ValueError, match="201"):
        labelling.label_part(task, 201)
