"""The jobs, called as functions: one run from made-up data to report and answers, and what each of them refuses."""

import csv
import dataclasses
import json
import os
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import describe, embedded, generate, run
from experiments.frame import cli, settings
from experiments.inputs import setup
from experiments.reports.description import space_facts
from experiments.training import run_folder
from experiments.training.monitor import Monitor, read_metrics
from nagjax import plugins, spaces
from nagjax.controllers import Limits, Moment
from nagjax.devices.json_table import write_json
from nagjax.devices.table import DeviceTable, Row
from nagjax.predictors.formats.storage import save_predictor
from nagjax.predictors.records.records import Records, write_records
from nagjax.spaces import nas_bench_macro

ROOT = Path(__file__).resolve().parent.parent
SIZES = ("hidden=8", "budgets=2", "group=2", "imitated=4", "children=16", "cells=32", "tournaments=4")
SMALL = [*(f"--controller_static={pair}" for pair in SIZES), "--steps=12", "--chunk=4", "--compilation_cache="]
"""A run of seconds."""
FITTED = "--predictor_settings=steps=200,members=2,hidden=16"
"""A predictor that is fitted in a moment, by most tests anew."""


def write_inputs(folder):
    """A table and records of nas_bench_macro with made-up figures: costlier is better, with some noise."""
    space = nas_bench_macro.make()
    rng = np.random.default_rng(0)
    rows = {(op.key, None): Row(float(rng.uniform(0.1, 1.0))) for op in space.operators}
    table = DeviceTable("toy", "none", 1, "float32", "ms", "made up", rows)
    write_json(table, folder / "table.json")
    tokens = np.unique(space.sample(rng, 120), axis=0)
    quality = 0.5 + 0.02 * (tokens > 0).sum(1) + rng.normal(0, 0.005, len(tokens))
    write_records(Records(tokens, quality), space, folder / "records.csv")
    (folder / "front.csv").write_text("ms,error\n0.1,60\n4.5,40\n6.0,35\n", encoding="utf-8")
    flags = ["# made up", "--space=nas_bench_macro", "--table=table.json", "--records=records.csv"]
    flags += [FITTED]
    (folder / "default.flags").write_text("\n".join(flags) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def arguments(data):
    """Flags of a small run, all but --out."""
    reference = ["--reference_front=front.csv", "--reference_cost_column=ms", "--reference_quality_column=error",
                 "--reference_quality_unit=error_percent"]  # fmt: skip
    return [f"--flagfile={data / 'default.flags'}", f"--data_dir={data}", *SMALL, *reference]


@pytest.fixture(scope="module")
def trained(arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert run.main([*arguments, f"--out={out}"]) == 0
    return out


def refused(capsys, main, *argv):
    """The message with which a job refuses its flags."""
    assert main([*map(str, argv)]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert "Traceback" not in text
    return text


def test_a_run_writes_checkpoint_report_and_record(trained, data):
    names = {path.name for path in trained.iterdir()}
    assert {"checkpoints", "report.html", "front.csv", "front.png", "budgets.csv", "metrics.csv", "run.json"} <= names
    record = json.loads((trained / "run.json").read_text())
    assert record["flags"]["seed"] == 0
    assert set(record["inputs"]) == {"table", "table.json", "records.csv"}
    assert read_metrics(trained)["step"] == [4, 8, 12]
    page = (trained / "report.html").read_text()
    assert "toy" in page
    assert "<svg" in page
    assert "Kendall tau" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", "")  # fmt: skip


def test_the_front_rises_and_keeps_its_budgets(trained):
    with (trained / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    costs = [float(row["latency_ms"]) for row in rows]
    quality = [float(row["predicted_quality"]) for row in rows]
    assert costs == sorted(costs)
    assert quality == sorted(quality)
    assert all(float(row["latency_ms"]) <= float(row["budget"]) for row in rows)
    for row in rows:
        nas_bench_macro.make().parse(row["architecture"])


def test_generate_prints_and_writes_answers(trained, tmp_path, capsys):
    targets = [f"--json={tmp_path / 'a.json'}", f"--csv={tmp_path / 'a.csv'}"]
    flags = [f"--checkpoint={trained}", "--budgets_ms=5,6", "--compilation_cache=", *targets]
    assert generate.main(flags) == 0
    assert "predicted quality" in capsys.readouterr().out
    answers = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert [answer["budget"] for answer in answers] == [{"latency_ms": 5.0}, {"latency_ms": 6.0}]
    assert all(answer["costs"]["latency_ms"] <= answer["budget"]["latency_ms"] for answer in answers)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3


def test_an_infinite_budget_is_no_limit(trained, tmp_path, capsys):
    flags = [f"--checkpoint={trained}", "--budgets_ms=inf,1e9", "--compilation_cache=", f"--json={tmp_path / 'a.json'}"]
    assert generate.main(flags) == 0
    assert "1e+09 is" in capsys.readouterr().err, "only the finite one may be in another unit"
    free, far = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)["answers"]
    assert free["budget"] == {"latency_ms": None}
    assert far["budget"] == {"latency_ms": 1e9}
    assert free["tokens"] == far["tokens"]


def test_generate_refuses_what_cannot_be(trained, capsys, tmp_path):
    asked = [f"--checkpoint={trained}", "--compilation_cache="]
    below = refused(capsys, generate.main, *asked, "--budgets_ms=0.01")
    assert "toy" in below
    assert "possible" in below
    assert "--budgets_ms" in refused(capsys, generate.main, *asked, "--budgets_ms=ten")
    assert "no folder" in refused(capsys, generate.main, *asked, "--budgets_ms=5", f"--csv={tmp_path}/no/a.csv")
    assert "--checkpoint" in refused(capsys, generate.main, "--budgets_ms=5")
    assert "names no cost column" in refused(capsys, generate.main, *asked, "--budgets=5,6")
    assert "checkpoint" in refused(capsys, generate.main, f"--checkpoint={tmp_path}", "--budgets_ms=5")


def test_describe_shows_a_problem_and_a_checkpoint(data, trained, capsys):
    flags = [f"--flagfile={data / 'default.flags'}", f"--data_dir={data}", "--compilation_cache=", "--budgets_ms=0.1,6"]
    assert describe.main(flags) == 0
    text = capsys.readouterr().out
    assert "3,969" in text
    assert "toy" in text
    assert "none: the cheapest" in text
    assert describe.main([f"--checkpoint={trained}", "--compilation_cache="]) == 0
    assert "Kendall tau" in capsys.readouterr().out


def test_describe_names_missing_operators(data, tmp_path, capsys):
    document = json.loads((data / "table.json").read_text())
    gone = document["rows"].pop()["operator"]
    (tmp_path / "table.json").write_text(json.dumps(document), encoding="utf-8")
    flags = ["--space=nas_bench_macro", f"--table={tmp_path / 'table.json'}", "--compilation_cache="]
    assert describe.main(flags) == 0
    assert gone in capsys.readouterr().out


def test_an_occupied_folder_is_refused_and_a_finished_run_resumes(arguments, trained, tmp_path, capsys):
    out = f"--out={trained}"
    before = (trained / "run.json").read_bytes()
    assert "--resume" in refused(capsys, run.main, *arguments, out)
    assert "another run" in refused(capsys, run.main, *arguments, out, "--seed=1")
    assert "seed was 0, is 1" in refused(capsys, run.main, *arguments, out, "--seed=1", "--resume")
    (tmp_path / "notes.txt").write_text("mine")
    assert "other files" in refused(capsys, run.main, *arguments, f"--out={tmp_path}")
    assert "no run" in refused(capsys, run.main, *arguments, f"--out={tmp_path / 'new'}", "--resume")
    assert (trained / "run.json").read_bytes() == before
    assert run.main([f"--flagfile={trained / run_folder.FLAGS}", "--resume"]) == 0
    assert read_metrics(trained)["step"] == [4, 8, 12]


def test_an_interrupted_run_says_how_to_go_on_and_does(arguments, trained, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    ordinary = Monitor.on_chunk

    def press(self, moment):
        if moment.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        ordinary(self, moment)

    monkeypatch.setattr(Monitor, "on_chunk", press)
    assert run.main([*arguments, f"--out={out}"]) == cli.EXIT_INTERRUPTED
    command = capsys.readouterr().out.split("to go on: ")[1].split()
    monkeypatch.setattr(Monitor, "on_chunk", ordinary)
    assert not (out / "report.html").exists()
    assert command[:3] == ["python", "-m", "experiments.run"]
    assert run.main(command[3:]) == 0
    figures = [(folder / "front.csv").read_text() for folder in (out, trained)]
    assert figures[0] == figures[1]


def test_a_warm_start_takes_another_run(arguments, trained, tmp_path, capsys):
    out = tmp_path / "warm"
    assert run.main([*arguments, f"--out={out}", f"--init_from={trained}", "--where=layer1=ratio3_kernel3"]) == 0
    assert "init_from" in (out / "run.json").read_text()
    assert "checkpoint" in refused(capsys, run.main, *arguments, f"--out={tmp_path / 'b'}", f"--init_from={tmp_path}")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--controller=nga"], "'nag'"),
        (["--space=nas_bench_makro"], "did you mean 'nas_bench_macro'"),
        (["--device_format=jason"], "did you mean 'json'"),
        (["--space_settings=depth=2"], "no setting 'depth'"),
        (["--controller_params=entropi=1"], "did you mean 'entropy'"),
        (["--controller_params=entropy=much"], "entropy=much: must be a finite number"),
        (["--controller_static=hiden=8"], "did you mean 'hidden'"),
        (["--costs=latency"], "did you mean 'latency_ms'"),
        (["--where=layer1"], "--where=key=value"),
        (["--where=layer1=kernel9"], "not a choice"),
        (["--table=absent.json"], "no such file"),
        (["--records=absent.csv"], "no such file"),
        (["--records="], "--records=FILE"),
        (["--reference_quality_column=top1"], "no column 'top1'"),
        (["--reference_quality_unit=fraction"], "row 2"),
        (["--budgets_ms=0.001"], "toy"),
        (["--quality_unit=percent"], "fraction"),
        (["lr=1"], "--name=value"),
        (["seed=1"], "write --seed=1"),
        (["--stepz=3"], "Did you mean: steps"),
        (["--flagfile=absent.flags"], "--flagfile=absent.flags"),
        (["--steps=0"], "steps"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_written(arguments, tmp_path, capsys, flags, says):
    out = tmp_path / "out"
    assert says in refused(capsys, run.main, *arguments, f"--out={out}", *flags)
    assert not out.exists()


def test_a_resolution_that_nobody_knows_names_the_intersection(capsys, shared_data):
    folder = shared_data("ofa_mobilenet_v3/note10").parent
    flags = ["--space=ofa_mobilenet_v3", f"--data_dir={folder}", "--table=note10", "--predictor=accuracy_predictor.npz",
             "--where=resolution=100", "--compilation_cache="]  # fmt: skip
    text = refused(capsys, describe.main, *flags)
    assert "known to all of them: [160," in text


@pytest.mark.parametrize("name", ["note10", "i7_8700k"])
def test_the_flagfiles_name_flags_that_exist(name):
    values = cli.parse(run.define_flags, [f"--flagfile={ROOT / 'experiments' / 'flags' / name}.flags"])
    assert values.space in plugins.names("spaces")
    assert values.controller in plugins.names("controllers")


def test_records_beside_a_predictor_measure_it(data, tmp_path):
    flags = ["--space=nas_bench_macro", f"--table={data / 'table.json'}", f"--records={data / 'records.csv'}"]
    fitted = setup.build_problem(cli.parse(setup.define_flags, [*flags, FITTED])).quality
    save_predictor(fitted, nas_bench_macro.make(), tmp_path / "predictor.npz")
    values = cli.parse(setup.define_flags, [*flags, f"--predictor={tmp_path / 'predictor.npz'}"])
    report = setup.build_problem(values).description.quality_report
    assert report["validation"] == len((data / "records.csv").read_text().splitlines()) - 1
    assert 0 < report["rmse_points"] < 2


def test_embedded_data_is_found_by_name(tmp_path, capsys):
    (tmp_path / "default").mkdir()
    write_inputs(tmp_path / "default")
    folder = embedded.find("default", tmp_path)
    values = cli.parse(run.define_flags, [f"--flagfile={folder / embedded.FLAGFILE}", f"--data_dir={folder}"])
    assert setup.build_problem(values).description.costs[0].device == "toy"
    (folder / "table.json").unlink()
    with pytest.raises(ValueError, match=r"lacks table\.json"):
        embedded.find("default", tmp_path)
    with pytest.raises(ValueError, match="did you mean 'default'"):
        embedded.find("defualt", tmp_path)
    with pytest.raises(ValueError, match="known: none"):
        embedded.find("default", tmp_path / "absent")


def test_a_second_interrupt_ends_at_once(tmp_path):
    saved = []
    moment = Moment(None, 1, 1.0, {"evaluations": np.ones(1)}, Limits(10))
    with Monitor(tmp_path, saved.append, 1e9, quiet=True) as monitor:
        monitor.on_chunk(moment)
        assert not saved
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            monitor.on_chunk(dataclasses.replace(moment, step=2))
    assert [m.step for m in saved] == [2]


def test_pairs_and_numbers():
    assert settings.parse_pairs(["a=1", "b=x,2"], "where", many=True) == {"a": 1, "b": ["x", 2]}
    with pytest.raises(ValueError, match="twice"):
        settings.parse_pairs(["a=1", "a=2"], "where")
    for text in ("-1", "inf", "nan"):
        with pytest.raises(ValueError, match="positive"):
            settings.parse_numbers([text], "budgets_ms")
    for text in ("0", "-inf", "nan"):
        with pytest.raises(ValueError, match="positive"):
            settings.parse_budgets([text], "budgets_ms")


@given(low=st.floats(1e-3, 1e6), ratio=st.floats(1.02, 1e3))
def test_budgets_of_an_example_can_be_met(low, ratio):
    assert all(float(text) >= low for text in settings.example_budgets(low, low * ratio).split(","))


JOBS = (
    "run", "generate", "export", "deploy", "describe", "embedded", "profile_device", "train_supernet", "label",
    "fit", "rank_supernet", "import_weights",
)  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_every_job_explains_itself(name, capsys, monkeypatch):
    """As ``python -m`` runs it, in this process: in one of its own each would import jax again."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"experiments.{name}", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "Flags" in said
    assert "python -m experiments" in said


def test_of_many_choices_the_first_are_listed():
    """A benchmark of one decision, such as a column of names, has thousands."""
    names = tuple({"arch": f"net{number}"} for number in range(3000))
    facts = dict(space_facts(spaces.chain("listed", [spaces.Decision("arch", "arch", names)])))
    assert facts["decision: arch"].startswith("one of 3,000: net0, net1, ")
    assert facts["decision: arch"].endswith("net59 and 2,940 more")
