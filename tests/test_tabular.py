"""Tabular benchmarks: from a file to space, problem, trained generator and report; and what a file is refused for."""

import csv
import json
import re

import numpy as np
import pytest

import nagjax
from experiments import describe, generate, run
from experiments.comparison import problems as compare_problems
from experiments.frame import cli
from experiments.inputs import setup
from nagjax.inference.distinct import enumerate_within
from nagjax.problems.build import make_problem
from nagjax.spaces import nas_bench_201, nas_bench_macro
from nagjax.spaces import trellis as tl
from nagjax.tabular import read_tabular

COLUMNS = ["kernel", "width", "skip"]
TEXT = """kernel,width,skip,top1,ms
5,0.5,true,70,2.5
3,0.5,true,60,3
5,1.0,false,80,4.5
3,1,false,75,1.25
11,1.0,true,90,8
"""
SMALL = [
    *(f"--controller_static={pair}" for pair in
      ("hidden=8", "budgets=2", "group=2", "imitated=4", "children=64", "cells=32")),
    "--steps=12", "--chunk=4", "--compilation_cache=",
]  # fmt: skip


def write(folder, text=TEXT, name="bench.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(path, **changes):
    given = {"decision_columns": COLUMNS, "quality_column": "top1", "quality_unit": "percent"}
    return read_tabular(path, {"latency_ms": "ms"}, **{**given, **changes})


def refusal(path, **changes):
    with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
        read(path, **changes)
    return str(caught.value)


# Reading


def test_columns_become_a_space_with_measured_costs(tmp_path):
    """By hand: three kernels in the order of numbers, two widths, two skips; 5 of the 12 combinations."""
    path = write(tmp_path)
    found = read(path)
    assert [[*choice.values()] for d in found.space.decisions for choice in d.choices] == [
        [3], [5], [11], [0.5], [1.0], [False], [True],
    ]  # fmt: skip
    assert found.records.tokens.tolist() == [[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [2, 1, 1]]
    assert found.space.count() == 5
    report = dict(found.report)
    assert report.pop("graph").startswith("prefix trie of 5 architectures: 3 layers x 5 nodes x 3 choices")
    assert report == {"source": str(path), "measured": 5, "missing": 7, "averaged": 0}
    problem, description = make_problem(found.space, found.prices, found.quality, quality_report=found.report)
    (info,) = description.costs
    assert (info.name, info.unit, info.device, info.source) == ("latency_ms", "ms", "bench.csv", str(path))
    assert len(info.content_hash) == 64
    # These costs are whole multiples of a tick: reported as measured.
    assert description.ranges.tolist() == [[1.25, 8.0]]
    fits, _ = enumerate_within(problem, np.array([info.to_ticks(3.0)]), 100)
    assert [found.space.format(row) for row in fits] == [
        "kernel=3,width=0.5,skip=true", "kernel=3,width=1.0,skip=false", "kernel=5,width=0.5,skip=true",
    ]  # fmt: skip


def test_rows_of_one_architecture_are_averaged_within_the_tolerance(tmp_path):
    path = write(tmp_path, TEXT + "3,0.50,TRUE,61,3\n")
    text = refusal(path)
    assert "row 7, column 'top1': 61 for the architecture that row 3 gives 60, a fraction of 0.01 apart;" in text
    assert "a larger --duplicate_tolerance (now 0)" in text
    assert "(now 0.0099)" in refusal(path, duplicate_tolerance=0.0099)
    # Exactly the tolerance is within it, though 0.61 - 0.6 is not 0.01 in binary.
    found = read(path, duplicate_tolerance=0.01)
    assert found.records.averaged == 1
    np.testing.assert_allclose(found.records.quality, [0.7, 0.605, 0.8, 0.75, 0.9])


def test_costs_of_one_architecture_differ_by_a_share_of_the_larger(tmp_path):
    path = write(tmp_path, TEXT + "11,1.0,true,90,10\n")
    text = refusal(path, duplicate_tolerance=0.19)
    assert "row 7, column 'ms': 10 for the architecture that row 6 gives 8, a share of 0.2 apart;" in text
    assert read(path, duplicate_tolerance=0.2).records.costs["latency_ms"].tolist() == [2.5, 3.0, 4.5, 1.25, 9.0]


def test_words_numbers_and_truths(tmp_path):
    found = read(write(tmp_path, "a,b,c,top1,ms\nnone,True,10,60,1\n3,false,9,70,2\nnan,true,1e1,80,3\n"),
                 decision_columns=["a", "b", "c"])  # fmt: skip
    assert [choice["a"] for choice in found.space.decisions[0].choices] == [3, "nan", "none"]
    assert [choice["b"] for choice in found.space.decisions[1].choices] == [False, True]
    assert [choice["c"] for choice in found.space.decisions[2].choices] == [9, 10]
    assert found.records.tokens.tolist() == [[2, 1, 1], [0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("old", "new", "changes", "says"),
    [
        ("", "", {"decision_columns": ["kernal", "width", "skip"]}, "no column 'kernal'; did you mean 'kernel'"),
        ("", "", {"quality_column": "top"}, "no column 'top'; did you mean 'top1'"),
        (",80,", ",good,", {}, "row 4, column 'top1': 'good' is not a number; correct it"),
        (",4.5", ",nan", {}, "row 4, column 'ms': 'nan' is not finite"),
        (",4.5", ",0", {}, "row 4, column 'ms': cost 0.0 is not positive"),
        ("11,", ",", {}, "row 6, column 'kernel': is empty; write the choice"),
        (",90,", ",900,", {}, "row 6, column 'top1': 900.0 is not a percent"),
        ("", "", {"quality_unit": "fraction"}, "give --quality_unit=percent"),
        (TEXT[TEXT.index("\n") :], "\n", {}, "no rows below the header"),
        ("", "", {"decision_columns": []}, "give either decision_columns, or a space"),
    ],
)
def test_what_a_file_is_refused_for(tmp_path, old, new, changes, says):
    assert says in refusal(write(tmp_path, TEXT.replace(old, new, 1) if old else TEXT), **changes)


def test_one_column_cannot_be_two_things(tmp_path):
    path = write(tmp_path)
    for columns in (["kernel", "ms"], ["kernel", "kernel"], ["top1"]):
        with pytest.raises(ValueError, match=f"column '{columns[-1]}' cannot be a decision and something else"):
            read(path, decision_columns=columns)
    with pytest.raises(ValueError, match=r"cost 'latency' does not say its unit: end its name in one of _ms \(ms\)"):
        read_tabular(path, {"latency": "ms"}, decision_columns=COLUMNS)


def test_text_of_a_space_is_read_and_canonical(tmp_path):
    space = nas_bench_macro.make()
    text = "arch,top1,ms\n11101111,90,3\n22222222,93,4\n"
    found = read(write(tmp_path, text), space=space, text_column="arch", decision_columns=())
    assert [space.format(row) for row in found.records.tokens] == ["11110111", "22222222"]
    assert found.report["missing"] == 3969 - 2
    wrong = write(tmp_path, text.replace("22222222", "22222223"))
    text = refusal(wrong, space=space, text_column="arch", decision_columns=())
    assert "row 3, column 'arch': not of nas_bench_macro()/v1" in text
    both = write(tmp_path, text="arch,top1,ms\n11101111,90,3\n11110111,91,3\n")
    text = refusal(both, space=space, text_column="arch", decision_columns=())
    assert "row 3, column 'top1': 91 for the architecture that row 2 gives 90, a fraction of 0.01 apart" in text


# A NAS-Bench-201 file, from one command to answers


def write_nas_bench_201(path):
    """All 15,625 cells, made up: latency and accuracy are not sums over edges."""
    space = nas_bench_201.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    rng = np.random.default_rng(201)
    conv = (tokens == 3) @ rng.uniform(0.5, 1.0, 6)
    latency = 2.0 + conv + np.maximum((tokens == 4).sum(1), (tokens == 2).sum(1)) + rng.uniform(0, 0.5, len(tokens))
    accuracy = 94 * (1 - np.exp(-0.3 - conv - 0.2 * (tokens == 1).sum(1))) * rng.uniform(0.98, 1.0, len(tokens))
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["arch", "latency", "test_accuracy"])
        for row in rng.permutation(len(tokens)):
            rows.writerow([space.format(tokens[row]), f"{latency[row]:.4f}", f"{accuracy[row]:.4f}"])


@pytest.fixture(scope="module")
def file_201(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "nb201.csv"
    write_nas_bench_201(path)
    return path


@pytest.fixture(scope="module")
def flags_201(file_201):
    return [f"--benchmark={file_201}", "--space=nas_bench_201", "--text_column=arch", "--quality_column=test_accuracy",
            "--quality_unit=percent", "--cost_columns=latency_ms=latency"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(flags_201, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert run.main([*flags_201, *SMALL, f"--out={out}"]) == 0
    return out


def rows_of(path):
    """Latency and accuracy (fraction) by text, as the file says."""
    with path.open() as file:
        return {row["arch"]: (float(row["latency"]), float(row["test_accuracy"]) / 100) for row in csv.DictReader(file)}


def test_every_answer_is_a_row_of_the_file_within_its_budget(trained, file_201):
    known = rows_of(file_201)
    assert len(known) == 15625
    generator = nagjax.load(trained)
    budgets = np.linspace(*generator.budget_range[0], 40)
    cost = np.array([pair[0] for pair in known.values()])
    quality = np.array([pair[1] for pair in known.values()])
    for decode in ("best", "greedy", "sample"):
        for budget, answer in zip(budgets, generator.generate(budgets, decode=decode), strict=True):
            measured, accuracy = known[answer.text]
            assert measured <= answer.costs["latency_ms"] <= budget
            assert answer.costs["latency_ms"] - measured < 1e-6
            assert answer.guaranteed
            assert answer.quality == pytest.approx(accuracy, abs=1e-7)
            assert answer.quality <= quality[cost <= budget].max() + 1e-7


def test_the_checkpoint_alone_has_the_space_on_its_trie(trained, flags_201):
    generator = nagjax.load(trained)
    built = setup.build_problem(cli.parse(setup.define_flags, flags_201))
    space = generator.description.space
    assert space.refinement == built.space.refinement
    for name in ("target", "valid", "open", "operators", "features"):
        np.testing.assert_array_equal(getattr(space.trellis, name), getattr(built.space.trellis, name))
    (answer,) = generator.generate([8.0], where={"operation": ["none", "skip_connect", "nor_conv_1x1"]})
    assert set(answer.tokens.tolist()) <= {0, 1, 2}
    assert generator.description.costs[0].content_hash == built.description.costs[0].content_hash


def test_the_report_says_what_was_measured(trained):
    page = (trained / "report.html").read_text()
    assert "15,625 measured; none of the space is missing" in page
    assert "measured quality, %" in page
    assert "predicted" not in page.replace("predicted_quality", "").partition("<h2>How it was made")[0]
    record = json.loads((trained / "run.json").read_text())
    assert set(record["inputs"]) == {"nb201.csv"}
    assert record["flags"]["cost_columns"] == ["latency_ms=latency"]


def test_generate_and_describe_say_measured(trained, flags_201, capsys):
    assert generate.main([f"--checkpoint={trained}", "--budgets_ms=5,6", "--compilation_cache="]) == 0
    text = capsys.readouterr().out
    assert "measured quality" in text
    assert "none, each is one of 15,625 measured" in text.replace("\n", " ")
    assert describe.main([*flags_201, "--compilation_cache=", "--budgets_ms=5"]) == 0
    text = capsys.readouterr().out
    assert "15,625" in text
    assert "3,125 nodes" in text
    assert describe.main([f"--checkpoint={trained}", "--compilation_cache="]) == 0
    assert "3,125 nodes" in capsys.readouterr().out


def test_a_comparison_takes_its_flags_as_a_problem(flags_201, file_201, tmp_path):
    (tmp_path / "cells.flags").write_text("\n".join(flags_201), encoding="utf-8")
    case = compare_problems.build(f"cells={tmp_path / 'cells.flags'}", "", 0, 50)
    cost, quality = np.array(list(rows_of(file_201).values())).T
    budgets = case.description.costs[0].to_unit(case.budgets[:, 0].astype(np.int64))
    assert case.labels == 0
    np.testing.assert_allclose(case.yardstick.oracle, [quality[cost <= b].max() for b in budgets], atol=1e-7)


def test_a_finished_run_resumes_by_its_flagfile(trained, capsys):
    assert run.main([f"--flagfile={trained / 'flags.txt'}", "--resume"]) == 0
    assert "15,625 measured; none of the space is missing" in capsys.readouterr().out


def test_a_warm_start_needs_the_same_decisions(trained, tmp_path, capsys):
    flags = [f"--benchmark={write(tmp_path)}", f"--decision_columns={','.join(COLUMNS)}", "--quality_column=top1",
             "--quality_unit=percent", "--cost_columns=latency_ms=ms", *SMALL]  # fmt: skip
    assert run.main([*flags, f"--out={tmp_path / 'a'}"]) == 0
    missing = "5 measured; 7 of the space are missing and are never an answer"
    assert missing in capsys.readouterr().out
    assert missing in (tmp_path / "a" / "report.html").read_text()
    other = write(tmp_path, TEXT.replace("11,", "13,"), "other.csv")
    warm = [f"--init_from={tmp_path / 'a'}", f"--out={tmp_path / 'b'}"]
    capsys.readouterr()
    assert run.main([*flags, f"--benchmark={other}", *warm]) == cli.EXIT_ERROR
    assert "decisions or choices other than those of tabular" in capsys.readouterr().err
    generator = nagjax.load(tmp_path / "a")
    assert [a.text for a in generator.generate([1.25, 3.0, 100.0])] == [
        "kernel=3,width=1.0,skip=false", "kernel=3,width=1.0,skip=false", "kernel=11,width=1.0,skip=true",
    ]  # fmt: skip
    # As many budgets as above, so that nothing is compiled anew.
    assert generator.generate([8.0] * 3, where={"kernel": 5})[0].text == "kernel=5,width=1.0,skip=false"


# What a user sees

CELLS = [nas_bench_201.make().format(row) for row in ([3, 3, 3, 3, 3, 3], [1, 2, 3, 4, 0, 1], [0, 1, 0, 1, 0, 2])]


@pytest.mark.parametrize(
    ("rows", "flags", "says"),
    [
        ([f"{CELLS[0].replace('nor_conv_3x3~2', 'nor_conv_5x5~2')},3,90"], [],
         "row 2, column 'arch': .*: node3.from2 is 'nor_conv_5x5', which is not an operation; did you mean 'nor_conv"),
        ([f"{CELLS[1]},3,90", "|none~0|+|none~0|none~1|,2,80"], [], "row 3, column 'arch': .* is not of the form"),
        ([f"{CELLS[1]},3,90", f"{CELLS[2]},fast,80"], [], "row 3, column 'latency': 'fast' is not a number"),
        ([f"{CELLS[1]},3,90", f"{CELLS[2]},2"], [], "row 3 has 2 fields, the header 3"),
        ([f"{CELLS[1]},3,90", f"{CELLS[2]},2,80", f"{CELLS[1]},3,90.05"], ["--duplicate_tolerance=0.0004"],
         "row 4, .*: 90.05 for the architecture that row 2 gives 90, a fraction of 0.0005 apart; remove one row"),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_file_row_and_remedy(tmp_path, capsys, rows, flags, says):
    path = write(tmp_path, "\n".join(["arch,latency,test_accuracy", *rows, ""]), "cells.csv")
    given = [f"--benchmark={path}", "--space=nas_bench_201", "--text_column=arch", "--quality_column=test_accuracy",
             "--quality_unit=percent", "--cost_columns=latency_ms=latency", *flags]  # fmt: skip
    assert run.main([*given, *SMALL, f"--out={tmp_path / 'out'}"]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert text.startswith(f"error: {path}: ")
    assert re.search(says, text)
    assert "Traceback" not in text
    assert not (tmp_path / "out").exists()


# Flags


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--space="], "--decision_columns=a,b,c"),
        (["--decision_columns=arch"], "--space=NAME and --text_column"),
        (["--space=nas_bench_21"], "did you mean 'nas_bench_201'"),
        (["--space="  , "--decision_columns=archh"], "no column 'archh'; did you mean 'arch'"),
        (["--text_column=arc"], "no column 'arc'; did you mean 'arch'"),
        (["--cost_columns=latency"], "as in --cost_columns=latency_ms=latency"),
        (["--cost_columns=latency_ms"], "no column 'latency_ms'; did you mean 'latency'"),
        (["--cost_columns=latency_ms=latency,latency_ms=arch"], "name each cost once"),
        (["--cost_columns="], "--costs: latency_ms needs a device table: give --table=FILE"),
        (["--records=x.csv"], "--records: x.csv: no such file"),
        (["--records=BENCH", "--num_labels=20"], "--records= and --num_labels= all say how good"),
        (["--labels_seed=1"], "say how many by --num_labels=200"),
        (["--num_labels=15626"], "15,626 labels are asked for; 1 to 15,625 can be drawn"),
        (["--predictor_settings=members=2"], "nothing is fitted, every row of the benchmark has a quality"),
        (["--cost_columns=images_per_second"], "1000 / (images per second)"),
        (["--cost_columns=latency_ms=fps"], "'fps' is a rate by its name"),
        (["--cost_quantile=0.9"], "priced by a --table"),
        (["--benchmark=absent.csv"], "no such file"),
        (["--benchmark="], "--benchmark=FILE"),
        (["--where=operation=conv"], "is not a choice"),
        (["--where=operatoin=none"], "did you mean 'operation'"),
        (["--quality_unit=fraction"], "give --quality_unit=percent"),
        (["--controller_params=entropi=1"], "did you mean 'entropy'"),
        (["--decision_column=a"], "decision_columns"),
    ],
)  # fmt: skip
def test_bad_flags_are_refused_before_anything_is_written(flags_201, tmp_path, capsys, flags, says):
    out = tmp_path / "out"
    flags = [flag.replace("BENCH", flags_201[0].partition("=")[2]) for flag in flags]
    assert run.main([*flags_201, *SMALL, f"--out={out}", *flags]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert says in text
    assert "Traceback" not in text
    assert not out.exists()


def test_costs_of_a_file_that_differ_in_their_last_bit_are_told_apart(tmp_path):
    """5.4 and the float above it: the budget 5.4 does not buy the latter, as no sum could have given it."""
    above = float(np.nextafter(5.4, 6.0))
    path = tmp_path / "a.csv"
    path.write_text(f"a,top1,latency_ms\n0,60,5.4\n1,70,{above!r}\n", encoding="utf-8")
    found = read_tabular(
        path, {"latency_ms": "latency_ms"}, decision_columns=["a"], quality_column="top1", quality_unit="percent"
    )
    problem, description = make_problem(found.space, found.prices, found.quality)
    column = description.exact[0]
    assert column.within(np.array([5.4, above]), np.array([5.4])).tolist() == [True, False]
    low, high = column.offers(np.array([5.4, above])).tolist()
    assert low < high
    assert sorted(np.asarray(problem.cost).ravel().tolist())[-2:] == [low, high]
