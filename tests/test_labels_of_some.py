"""Costs of all, labels of some: what is read, what is fitted, what judges the answers, how they join with the file."""

import csv
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nagjax
from benchmarks import labels_of_some
from experiments import generate, run
from experiments.compare import Cases
from experiments.comparison import problems as compare_problems
from experiments.frame import cli
from experiments.inputs import setup
from experiments.inputs.setup import define_quality_flags, predictor_kind
from experiments.training import run_folder
from nagjax.predictors.fitted import errors
from nagjax.predictors.formats.storage import load_predictor, save_predictor
from nagjax.predictors.forms.mlp import predict
from nagjax.predictors.forms.scores import KNOTS, REACH, at_score, score_levels
from nagjax.predictors.kinds import mlp
from nagjax.predictors.kinds.mlp import FitConfig, far_below, fit
from nagjax.predictors.records.columns import read_labelled
from nagjax.predictors.records.labels import Labels
from nagjax.predictors.records.records import Records, draw, take
from nagjax.reports import judge
from nagjax.reports.report_data import error_text, warnings
from nagjax.spaces import nas_bench_macro, tabular, trie
from nagjax.tabular import check_direction, from_records, read_tabular
from tests import tiny

COLUMNS = ["kernel", "skip"]
TEXT = """kernel,skip,top1,phone,board
3,False,60,1.5,
5,False,,2.5,8
3,True,62,2,7
5,True,66,3,9
7,False,68,,10
"""
SMALL = [
    *(f"--controller_static={pair}" for pair in
      ("hidden=8", "budgets=2", "group=2", "imitated=4", "children=64", "cells=32")),
    "--steps=12", "--chunk=4", "--compilation_cache=", "--predictor_settings=steps=100,members=2,hidden=8",
]  # fmt: skip


def write(folder, text=TEXT, name="bench.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(path, column="phone", **changes):
    given = {"decision_columns": COLUMNS, "quality_column": "top1", "quality_unit": "percent"}
    return read_tabular(path, {"latency_ms": column}, **{**given, **changes})


# Reading


def test_an_empty_cell_is_no_label_and_devices_share_the_labels(tmp_path):
    """By hand: row 6 has no phone latency and row 2 none of the board; row 3 has no quality."""
    path = write(tmp_path)
    phone, board = read(path), read(path, "board")
    assert [found.records.rows.tolist() for found in (phone, board)] == [[2, 3, 4, 5], [3, 4, 5, 6]]
    for found in (phone, board):
        assert found.labelled.rows.tolist() == [2, 4, 5, 6]
        np.testing.assert_allclose(found.labelled.quality, [0.6, 0.62, 0.66, 0.68])
        assert found.quality is None
        report = dict(found.report)
        assert (report["priced"], report["missing"], report["unpriced"]) == (4, 1, 1)
        assert "measured" not in report
    # Of the whole space, so that a predictor can read architectures that are not answers.
    assert phone.whole.features(phone.labelled.tokens).shape == (4, 5)
    with pytest.raises(ValueError, match="not an architecture"):
        phone.space.check(phone.labelled.tokens)
    complete = read(write(tmp_path, TEXT.replace("5,False,,", "5,False,61,")))
    assert complete.quality is not None
    assert complete.report["measured"] == 4


def test_rows_of_one_architecture_complete_each_other(tmp_path):
    found = read(write(tmp_path, TEXT + "5,false,64,,8\n7,false,68,4,10\n"))
    assert found.records.averaged == 2
    assert found.records.rows.tolist() == [2, 3, 4, 5, 6]
    np.testing.assert_allclose(found.records.quality, [0.6, 0.64, 0.62, 0.66, 0.68])
    np.testing.assert_allclose(found.records.costs["latency_ms"], [1.5, 2.5, 2, 3, 4])
    with pytest.raises(ValueError, match="row 7, column 'top1': 67 for the architecture that row 5 gives 66"):
        read(write(tmp_path, TEXT + "5,True,67,,9\n"))


def test_quality_may_be_absent_only_where_it_comes_from_elsewhere(tmp_path):
    path = write(tmp_path, "kernel,skip,phone\n3,a,1\n5,a,2\n")
    with pytest.raises(ValueError, match="no column 'top1'"):
        read(path)
    found = read(path, required="costs")
    assert np.isnan(found.listing.quality).all()
    assert len(found.labelled.quality) == 0
    with pytest.raises(ValueError, match="no row has all of latency_ms"):
        read(write(tmp_path, "kernel,skip,top1,phone\n3,a,50,\n5,a,60,\n"))


def test_labels_that_may_be_missing_are_read_as_strictly(tmp_path):
    """Decimal commas as elsewhere; choices are written with a point whatever the mark, so one table is one space."""
    text = "kernel;skip;top1;phone\n0,50;False;60,5;1,234\n0,75;False;;2,5\n0,75;True;62;\n"
    found = read(write(tmp_path, text))
    np.testing.assert_allclose(found.labelled.quality, [0.605, 0.62])
    assert found.records.costs["latency_ms"].tolist() == [1.234, 2.5]
    assert found.whole.format([0, 0]) == "kernel=0.50,skip=False"
    more = write(tmp_path, "kernel;skip;top1\n0,5;true;50\n", "labels.csv")
    assert read_labelled(more, found.whole, "architecture", Labels("top1", "percent")).tokens.tolist() == [[0, 1]]
    with pytest.raises(ValueError, match=r"row 2, column 'phone': '1,234' may be 1.234 or 1234, since column 'top1'"):
        read(write(tmp_path, text.replace("60,5", "60.5").replace("2,5", "")))


def test_only_cells_that_may_be_empty_are_left_out_of_the_count_of_faults(tmp_path):
    with pytest.raises(ValueError, match=r"row 3, column 'top1': 'nan' is not finite.*leave the cell empty") as caught:
        read(write(tmp_path, "kernel,skip,top1,phone\n3,a,,1\n5,a,nan,0\n7,a,60,-1\n"))
    assert str(caught.value).endswith(
        ". Of 3 rows column 'top1': 1 empty or NaN (row 3); column 'phone': 2 of 0 or below (rows 3, 4) (least -1: was "
        "a base subtracted? Give what was measured)"
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_listing_finds_row_and_quality_of_every_architecture(seed):
    rng = np.random.default_rng(seed)
    every = tiny.architectures()
    tokens = every[rng.permutation(len(every))[: rng.integers(1, len(every) + 1)]]
    records = Records(tokens, rng.random(len(tokens)), {"latency_ms": rng.uniform(1, 9, len(tokens))},
                      rows=rng.permutation(len(tokens)) + 2)  # fmt: skip
    found = from_records(tiny.make_space(), records)
    at = rng.integers(0, len(tokens), 7)
    known = found.listing.of(found.space, tokens[at])
    assert known.rows.tolist() == records.rows[at].tolist()
    assert known.quality.tolist() == records.quality[at].tolist()


# Labels as the file writes them


def test_choices_stand_as_the_file_writes_them(tmp_path):
    path = write(tmp_path, TEXT.replace("\n3,", "\n03,", 1).replace("\n5,", "\n5.0,", 1))
    space = read(path).whole
    assert [space.decisions[0].choices[i]["kernel"] for i in range(3)] == [3, 5, 7]
    assert space.format([0, 1]) == "kernel=03,skip=True"
    assert space.parse("kernel=3,skip=true").tolist() == [0, 1], "the usual form is read too"
    assert space.where({"skip": True}).any()
    again = tabular.make(**space.settings)
    assert again.format([1, 0]) == "kernel=5.0,skip=False"
    assert again.identity == space.identity
    plain = tabular.make({"kernel": [3, 5]}, [["3", "5"]])
    assert plain.identity == tabular.make({"kernel": [3, 5]}).identity
    with pytest.raises(ValueError, match="one text for each choice"):
        tabular.make({"kernel": [3, 5]}, [["3"]])


def test_records_of_another_file_are_read_in_their_own_spelling(tmp_path):
    space = read(write(tmp_path)).whole
    labels = Labels("top1", "percent")
    path = write(tmp_path, "skip,top1,kernel\nTRUE,50,3.0\nfalse,60,7\n", "labels.csv")
    assert read_labelled(path, space, "architecture", labels).tokens.tolist() == [[0, 1], [2, 0]]
    texts = write(tmp_path, 'architecture,top1\n"kernel=5,skip=true",50\n"kernel=7,skip=False",60\n', "texts.csv")
    assert read_labelled(texts, space, "architecture", labels).tokens.tolist() == [[1, 1], [2, 0]]
    wrong = write(tmp_path, "skip,top1,kernel\nTrue,50,3\nFalse,60,9\n", "wrong.csv")
    with pytest.raises(ValueError, match=r"wrong.csv: row 3, column 'kernel': 9 is not a choice .*choices: 3, 5, 7"):
        read_labelled(wrong, space, "architecture", labels)
    with pytest.raises(ValueError, match=r"row 2, column 'skip': 1 is not a choice"):
        read_labelled(write(tmp_path, "skip,top1,kernel\n1,50,3\n"), space, "architecture", labels)


def test_costs_alone_say_where_the_quality_may_come_from(tmp_path):
    path = write(tmp_path, "kernel,skip,phone\n3,False,1.5\n5,True,2\n")
    with pytest.raises(ValueError, match=r"no column 'top1'.*give the quality by --records or --predictor"):
        read(path, required="columns")
    with pytest.raises(ValueError, match=r"no column 'board'; columns [^-]*$"):
        read(write(tmp_path, "kernel,skip,phone,top1\n3,False,1.5,60\n"), "board", required="columns")


# Labels that are drawn


def test_a_draw_depends_on_architectures_not_on_their_order():
    tokens = tiny.architectures()
    records = Records(tokens, np.linspace(0, 1, len(tokens)), source="toy.csv")
    mixed = take(records, np.random.default_rng(1).permutation(len(tokens)))
    drawn = draw(records, 9, 3)
    assert drawn.tokens.tolist() == draw(mixed, 9, 3).tokens.tolist()
    assert drawn.quality.tolist() == draw(mixed, 9, 3).quality.tolist()
    assert drawn.tokens.tolist() != draw(records, 9, 4).tokens.tolist()
    assert drawn.source == "9 of 24 labels of toy.csv, drawn by seed 3"
    with pytest.raises(ValueError, match=r"toy.csv: 25 labels are asked for; 1 to 24 can be drawn"):
        draw(records, 25, 0)


# Settings of the fit


def parse_fit(*texts):
    return predictor_kind(cli.parse(define_quality_flags, [f"--predictor_settings={','.join(texts)}"] if texts else []))


def test_predictor_settings_by_hand():
    assert parse_fit() == mlp.make()
    assert parse_fit("members=2", "hidden=128x32", "learning_rate=1", "target=rank", "refit=false") == mlp.make(
        hidden=(128, 32), members=2, learning_rate=1.0, refit=False, target="rank"
    )
    assert parse_fit("hidden=none").settings["hidden"] == []
    assert parse_fit("hidden=16").settings["hidden"] == [16]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("member=3", r"'member' is not a setting of kind mlp \(did you mean 'members'\?\)"),
        ("members=2.5", "members=2.5: is not a whole number; such as members=4"),
        ("members=0", "--predictor_settings: members is 0; it must be positive"),
        ("learning_rate=fast", "is not a number"),
        ("learning_rate=inf", "learning_rate=inf: is not a number"),
        ("weight_decay=-1", "weight_decay=-1.0: must be a finite number, at least 0"),
        ("refit=1", "is not true or false"),
        ("hidden=64,32", "write --predictor_settings=key=value"),
        ("hidden=64x", "write sizes of layers as 64x64"),
        ("hidden=0", "hidden=0: must be an integer, at least 1"),
        ("target=ranks", "target is 'ranks'; it is one of auto, quality, rank"),
        ("members=1,members=2", "'members' is given twice"),
    ],
)
def test_predictor_settings_are_checked(text, says):
    with pytest.raises(ValueError, match=says):
        parse_fit(text)


# A fit on ranks


@given(st.lists(st.floats(0, 1), min_size=10, max_size=60))
def test_levels_rise_and_pass_through_the_labels(labels):
    quality = np.array(labels)
    levels = score_levels(quality)
    assert levels.shape == (KNOTS,)
    assert (np.diff(levels) >= 0).all()
    assert np.ptp(quality) < 1e-9 or (np.diff(levels) > 0).all()
    median = levels[(KNOTS - 1) // 2]
    assert median == pytest.approx(np.median(quality), abs=1e-12)


def test_levels_by_hand():
    """Ten labels 0.0 to 0.9: beyond the best (score 1.64) quality goes on by the quartiles, 0.45 in 1.349."""
    levels = score_levels(np.arange(10) / 10)
    slope = 0.45 / 1.3489795
    assert levels[-1] == pytest.approx(0.9 + (4 - 1.6448536) * slope + 4 * 0.9e-4)
    score = jnp.array([0.0, REACH, 2 * REACH])
    np.testing.assert_allclose(
        at_score(score, jnp.asarray(levels)), [0.45, levels[-1], levels[-1] + 32 * (levels[-1] - levels[-2])], rtol=1e-5
    )


def test_failed_networks_do_not_dominate_a_fit_on_ranks(tmp_path):
    """A sixth of the architectures, those with the least quality, stay at chance."""
    space = nas_bench_macro.make()
    tokens = np.unique(space.sample(np.random.default_rng(0), 240), axis=0)
    tokens = tokens[np.random.default_rng(1).permutation(len(tokens))]
    true = space.features(tokens) @ np.random.default_rng(1).random(len(space.feature_names))
    true = 0.8 + 0.1 * (true - true.min()) / np.ptp(true)
    quality = np.where(true < np.quantile(true, 1 / 6), 0.1, true)
    seen = Records(tokens[:60], quality[:60])
    fine = quality[60:] > 0.1
    taus, fitted = {}, {}
    for target in ("quality", "rank"):
        fitted[target] = fit(space, seen, FitConfig((16,), 1, 300, target=target, validation_share=0.0))
        mean = np.asarray(predict(fitted[target].predictor, jnp.asarray(space.features(tokens[60:])))[0])
        taus[target] = errors(mean[fine], quality[60:][fine])["kendall_tau"]
    assert taus["rank"] > taus["quality"] + 0.02
    assert "target" not in fitted["quality"].report
    assert fitted["rank"].report["target"] == "rank"
    assert far_below(seen.quality) == (seen.quality == 0.1).sum() > 2
    path = tmp_path / "ranks.npz"
    save_predictor(fitted["rank"], space, path)
    jax.tree.map(np.testing.assert_array_equal, load_predictor(path, space).predictor, fitted["rank"].predictor)
    save_predictor(fitted["quality"], space, path)
    assert "levels" not in load_predictor(path, space).predictor.params


def test_ranks_are_taken_where_networks_failed():
    """Of 100 labels from 0.90 to 0.92 the median is 0.91 and the best tenth 0.918: far below is below 0.83."""
    quality = np.linspace(0.90, 0.92, 100)
    for failed, at, counted in ((2, 0.1, 0), (3, 0.1, 3), (40, 0.1, 40), (30, 0.84, 0), (0, 0.1, 0)):
        mixed = quality.copy()
        mixed[:failed] = at
        assert far_below(mixed) == counted
    assert far_below(np.full(20, 0.5)) == 0
    tokens = tiny.architectures()
    labels = np.where(np.arange(len(tokens)) < 4, 0.1, 0.9 + np.arange(len(tokens)) / 1000)
    report = fit(tiny.make_space(), Records(tokens, labels), FitConfig((), 1, 10)).report
    assert report["target"] == "rank, since 4 of 24 labels lie far below the others"


# Labels without variance


def test_what_does_not_vary_has_no_rank_correlation():
    level, rising = np.full(12, 0.5), np.linspace(0.4, 0.6, 12)
    assert errors(rising, level)["tau_undefined"] == "all 12 labels are equal"
    assert errors(level, rising)["tau_undefined"] == "all 12 predictions are equal"
    assert "kendall_tau" not in errors(level, level)
    text = error_text({**errors(level, level), "validation": 12})
    assert text == (
        "0.00 points (root mean square), Kendall tau undefined (all 12 labels and predictions are equal), on 12 records"
    )


# What is not a cost


@pytest.mark.parametrize(
    "name", ["throughput", "Images/s", "images_per_second", "GPU FPS", "samples per sec", "throughput_ms", "speed"]
)
def test_a_rate_is_no_cost(name):
    with pytest.raises(ValueError, match=r"is a rate by its name.*latency_ms = 1000 / "):
        check_direction(name)


@pytest.mark.parametrize("name", ["accuracy", "val_acc", "top1 (%)"])
def test_a_quality_is_no_cost(name):
    with pytest.raises(ValueError, match=r"is a quality by its name.*--quality_column"):
        check_direction(name)


@pytest.mark.parametrize(
    "name",
    ["latency_ms", "energy_at_30_fps_mj", "acc_latency_ms", "s_per_step", "ms_per_image", "memory_kib", "macs_m"],
)
def test_costs_are_not_taken_for_rates(name):
    check_direction(name)


def test_costs_are_held_against_qualities():
    tokens = tiny.architectures()
    quality = np.linspace(0.5, 0.9, len(tokens))

    def doubts(cost):
        return (
            from_records(tiny.make_space(), Records(tokens, quality, {"latency_ms": cost}, "toy.csv")).prices[0].doubts
        )

    assert doubts(quality**2) == ()
    (doubt,) = doubts(1 / quality)
    assert doubt.startswith("the more it costs the worse an architecture is (rank correlation -1.00)")
    with pytest.raises(ValueError, match=r"toy.csv: cost 'latency_ms' is the quality times a constant"):
        doubts(100 * quality)


# From flags to answers


def make_rows(seed=0):
    """36 architectures in any order: three kernels, six widths, two skips; two devices, of which one lacks six."""
    rng = np.random.default_rng(seed)
    rows = []
    for kernel in (3, 5, 7):
        for width in ("0.50", "0.75", "1.0", "1.25", "1.5", "2.0"):
            for skip in ("False", "True"):
                cost = kernel * float(width) + 0.5 * (skip == "True") + rng.uniform(0, 0.4)
                quality = 60 + 8 * np.log(cost) + rng.uniform(-0.5, 0.5)
                rows.append({"kernel": kernel, "width": width, "skip": skip, "top1": f"{quality:.2f}",
                             "phone": f"{cost:.3f}", "board": f"{2 * cost:.3f}"})  # fmt: skip
    rows = [rows[i] for i in rng.permutation(len(rows))]
    for row in rows[:6]:
        row["board"] = ""
    return rows


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return path


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def given_flags(rows, tmp_path_factory):
    path = write_rows(tmp_path_factory.mktemp("data") / "bench.csv", rows)
    return [f"--benchmark={path}", "--decision_columns=kernel,width,skip", "--quality_column=top1",
            "--quality_unit=percent", "--cost_columns=latency_ms=board"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(given_flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert run.main([*given_flags, "--num_labels=24", "--labels_seed=5", *SMALL, f"--out={out}"]) == 0
    return out


def build(arguments):
    define = setup.define_flags
    return setup.build_problem(cli.parse(define, arguments))


def test_answers_join_with_the_file_and_are_judged_by_it(trained, rows, tmp_path, capsys):
    budgets = [6.0, 9.5, 15.0, 28.0]
    asked = f"--budgets_ms={','.join(map(str, budgets))}"
    target = tmp_path / "answers.json"
    arguments = [
        f"--checkpoint={trained}",
        asked,
        "--compilation_cache=",
        f"--json={target}",
        f"--csv={tmp_path / 'a.csv'}",
    ]
    assert generate.main(arguments) == 0
    printed = capsys.readouterr().out
    answers = json.loads(target.read_text())["answers"]
    lost = []
    for budget, answer in zip(budgets, answers, strict=True):
        row = rows[answer["row"] - 2]  # the header is row 1
        assert answer["text"] == f"kernel={row['kernel']},width={row['width']},skip={row['skip']}"
        assert answer["measured_quality"] == pytest.approx(float(row["top1"]) / 100)
        assert answer["costs"]["latency_ms"] == pytest.approx(float(row["board"]), abs=1e-5)
        fits = [float(r["top1"]) for r in rows if r["board"] and float(r["board"]) <= budget]
        lost.append(max(fits) - float(row["top1"]))
    mean, worst = np.mean(lost), max(lost)
    assert f"{mean:.2f} points below the best within each budget (mean of 4; worst {worst:.2f})" in printed
    with (tmp_path / "a.csv").open() as file:
        assert [int(line["row"]) for line in csv.DictReader(file)] == [answer["row"] for answer in answers]
    # Under a condition the best is that of the condition.
    assert generate.main([*arguments[:3], "--where=skip=False"]) == 0
    assert "points below the best within each budget (mean of 4;" in capsys.readouterr().out


def test_the_report_says_what_is_predicted_from_what(trained):
    page = (trained / "report.html").read_text()
    assert "30 priced; none of the space is missing; 6 without a cost are never an answer" in page
    assert "24 of 36 labels of" in page
    assert "the measured quality of all is known" in page
    assert "measured quality is" in page
    assert "predicted quality, %" in page
    assert json.loads((trained / "run.json").read_text())["flags"]["num_labels"] == 24
    generator = nagjax.load(trained)
    assert generator.description.listing.rows.dtype.kind == "i"


@pytest.mark.parametrize("kind", ["records", "some rows"])
def test_labels_of_another_file_or_of_some_rows(kind, rows, tmp_path):
    """The rows that lack the board's latency are six of the sixteen labels."""
    some = rows[:16]
    if kind == "records":
        records = write_rows(tmp_path / "labels.csv", [{name: row[name] for name in ("skip", "kernel", "width", "top1")}
                                                       for row in some])  # fmt: skip
        bench = write_rows(tmp_path / "bench.csv", [{k: v for k, v in row.items() if k != "top1"} for row in rows])
        more = [f"--records={records}"]
    else:
        bench = write_rows(tmp_path / "bench.csv", some + [{**row, "top1": ""} for row in rows[16:]])
        more = []
    built = build([f"--benchmark={bench}", "--decision_columns=kernel,width,skip", "--quality_column=top1",
                   "--quality_unit=percent", "--cost_columns=latency_ms=board", SMALL[-1], *more])  # fmt: skip
    report = built.description.quality_report
    assert (report["train"] + report["validation"], report["priced"], report["unpriced"]) == (16, 30, 6)
    assert report["judged"] == (0 if kind == "records" else 10)
    assert built.judge is None
    assert built.space.count() == 30


def test_a_comparison_draws_by_seed_and_judges_by_all(given_flags, rows, tmp_path):
    flagfile = write(tmp_path, "\n".join([*given_flags, "--num_labels=12", SMALL[-1]]), "some.flags")
    entry = f"some={flagfile}"
    assert compare_problems.draws_labels(entry, "")
    assert not compare_problems.draws_labels(f"all={write(tmp_path, chr(10).join(given_flags), 'all.flags')}", "")
    cases = Cases("", 20)
    first, second = cases(entry, 0), cases(entry, 1)
    assert first is not second
    assert (first.labels, first.content_hash) == (12, second.content_hash)
    assert not np.array_equal(first.problem.quality.params["offset"], second.problem.quality.params["offset"])
    cost, quality = np.array([(float(r["board"]), float(r["top1"]) / 100) for r in rows if r["board"]]).T
    budgets = first.description.costs[0].to_unit(first.budgets[:, 0].astype(np.int64))
    np.testing.assert_allclose(first.yardstick.oracle, [quality[cost <= b].max() for b in budgets], atol=1e-6)


def test_a_few_missing_qualities_may_be_a_slip(rows, tmp_path):
    bench = write_rows(tmp_path / "bench.csv", [*rows[:20], {**rows[20], "top1": ""}, *rows[21:]])
    built = build([f"--benchmark={bench}", "--decision_columns=kernel,width,skip", "--quality_column=top1",
                   "--quality_unit=percent", "--cost_columns=latency_ms=phone", SMALL[-1]])  # fmt: skip
    (warning,) = warnings(built.description)
    assert "1 of 36 rows have no quality, the first is row 22, so quality is predicted, for all" in warning


def test_without_any_label_the_way_out_is_named(rows, tmp_path):
    bench = write_rows(tmp_path / "bench.csv", [{**row, "top1": ""} for row in rows])
    arguments = [f"--benchmark={bench}", "--decision_columns=kernel,width,skip", "--quality_column=top1",
                 "--cost_columns=latency_ms=phone"]  # fmt: skip
    with pytest.raises(ValueError, match="no row has a quality in column 'top1'; write some, or give --records=FILE"):
        build(arguments)


def test_labels_are_drawn_from_a_benchmark():
    for arguments, says in (
        (["--space=nas_bench_macro", "--num_labels=20"], "give --benchmark=FILE"),
        (["--benchmark=a.csv", "--labels_seed=1"], "--num_labels=200"),
    ):
        with pytest.raises(ValueError, match=says):
            build(arguments)


def test_two_files_of_one_name_are_two_inputs(tmp_path):
    for folder in ("costs", "labels"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, folder, "macro.csv")
    arguments = [f"--benchmark={tmp_path / 'costs' / 'macro.csv'}", f"--records={tmp_path / 'labels' / 'macro.csv'}"]
    hashes = run_folder.input_hashes(cli.parse(setup.define_flags, arguments), {})
    assert len(set(hashes.values())) == 2
    assert "macro.csv" in hashes


def test_the_benchmark_writes_what_flags_read(tmp_path):
    """Accuracies are made up: 50 % and half a point for each step of a layer; the best of all is 58 %."""
    digits = [np.base_repr(number, 3).zfill(8) for number in range(3**8)]
    published = {text: {"test_acc": [50 + sum(map(int, text)) / 2] * 3} for text in digits}
    (tmp_path / "nas_bench_macro").mkdir()
    (tmp_path / "nas_bench_macro" / "cifar10.json").write_text(json.dumps(published))
    known, index = labels_of_some.benchmark_file(tmp_path, tmp_path / "macro.csv")
    found = read_tabular(tmp_path / "macro.csv", {"madds_m": "madds_m"}, nas_bench_macro.make(), "architecture",
                         quality_column="accuracy")  # fmt: skip
    assert found.report["measured"] == 3969 == len(index)
    assert found.records.costs["madds_m"].tolist() == known.costs["madds_m"].tolist()
    assert known.quality[index["22222222"]] == pytest.approx(0.58)
    assert labels_of_some.lookup(known, 3969, 0).max() == 0, "with all labels nothing is lost"
    assert labels_of_some.lookup(known, 20, 0).mean() > 0


def test_the_best_within_two_limits():
    quality = np.array([0.7, 0.9, 0.8])
    costs = {"latency_ms": np.array([1.0, 3.0, 2.0]), "energy_mj": np.array([5.0, 1.0, 9.0])}
    limits = {"latency_ms": np.array([3.0, 2.0, 0.5]), "energy_mj": np.array([9.0, 5.0, 9.0])}
    np.testing.assert_array_equal(judge._best(quality, costs, limits), [0.9, 0.7, np.nan])


def test_a_listing_can_do_without_rows():
    space = trie.narrow(tiny.make_space(), tiny.architectures())
    listing = trie.list_out(np.arange(24.0), None, tiny.architectures())
    assert listing.of(space, tiny.architectures()[3:5]).rows is None
