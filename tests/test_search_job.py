"""The job of true evaluations: from a table or a program to answers, and on after kill -9 and Ctrl-C."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from experiments import generate, search
from experiments.frame import cli
from experiments.inputs import setup
from experiments.published.registry import SYSTEMS, find
from experiments.reports import search_report
from nagjax import searching
from nagjax.checkpoint import checkpoint
from nagjax.evaluators import pool
from nagjax.evaluators.journal import Evaluations, Journal
from nagjax.reports import plot
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    "--space=nas_bench_macro", "--costs=madds", "--evaluations=24", "--start=12", "--per_round=6",
    "--predictor_kind=ridge", "--controller=random", "--steps=2", "--compilation_cache=",
]  # fmt: skip
DIES = """
import os, signal, sys
from experiments import search
from nagjax.evaluators.journal import Journal
add = Journal.add
def dying(self, *given):
    add(self, *given)
    if len(self.evaluations().tokens) == 15:
        self._file._write("0,1,2")
        os.kill(os.getpid(), signal.SIGKILL)
Journal.add = dying
sys.exit(search.main(sys.argv[1:]))
"""
PROGRAM = """
import csv, json, sys
asked = json.loads(sys.stdin.readline())
with open(sys.argv[1], newline="") as file:
    found = {row["architecture"]: row["quality"] for row in csv.DictReader(file)}
print(json.dumps({"quality": float(found[asked["architecture"]])}))
"""


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """A file with a made-up quality of every architecture; a tenth is missing, and fails."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    rng = np.random.default_rng(0)
    quality = 0.5 + 0.02 * (tokens > 0).sum(1) + rng.normal(0, 0.005, len(tokens))
    kept = np.flatnonzero(rng.random(len(tokens)) < 0.9)
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    rows = (f"{space.format(tokens[row])},{float(quality[row])!r}" for row in kept)
    path.write_text("\n".join(["architecture,quality", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def arguments(truth):
    return [*SMALL, "--evaluator=table", f"--evaluator_settings=file={truth}"]


@pytest.fixture(scope="module")
def searched(arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert search.main([*arguments, f"--out={out}"]) == 0
    return out


def evaluated(folder):
    """Rows of a search's file as they were proposed, without the time that each took."""
    with (folder / searching.EVALUATIONS).open(newline="", encoding="utf-8") as file:
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: (int(row["round"]), int(row["place"])))


def test_a_search_evaluates_trains_reports_and_answers(searched, capsys):
    rows = evaluated(searched)
    assert len({row["architecture"] for row in rows}) == len(rows) == 24
    failures = [row for row in rows if row["failure"]]
    assert failures
    assert all("has no row of it" in row["failure"] for row in failures)
    page = (searched / "search.html").read_text(encoding="utf-8")
    assert "has no row of it" in page
    assert [one["evaluations"] for one in json.loads((searched / "rounds.json").read_text())] == [12, 6, 6]
    assert generate.main([f"--checkpoint={searched}", "--budgets=madds_m=inf", "--compilation_cache="]) == 0
    assert "predicted quality" in capsys.readouterr().out


def test_a_killed_search_goes_on_as_if_it_had_not_been(searched, arguments, tmp_path, caplog):
    out = tmp_path / "run"
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", DIES, *arguments, f"--out={out}"], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr[-2000:]
    assert (out / searching.EVALUATIONS).read_text().endswith("0,1,2")
    assert search.main([*arguments, f"--out={out}", "--resume"]) == 0
    assert evaluated(out) == evaluated(searched)
    assert (out / "front.csv").read_text() == (searched / "front.csv").read_text()


def test_a_search_by_a_program_that_is_interrupted_says_how_to_go_on_and_does(
    searched, truth, tmp_path, capsys, monkeypatch
):
    (tmp_path / "evaluate.py").write_text(PROGRAM)
    out, ordinary = tmp_path / "run", Journal.add

    def press(self, *given):
        ordinary(self, *given)
        if len(self.evaluations().tokens) == 14:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Journal, "add", press)
    program = f"command={sys.executable} -S {tmp_path / 'evaluate.py'} {truth}"
    flags = [*SMALL, "--evaluator=command", f"--evaluator_settings={program}", "--executor=threads", "--workers=2"]
    assert search.main([*flags, "--retries=0", f"--out={out}"]) == cli.EXIT_INTERRUPTED
    said = capsys.readouterr().out
    assert f"what is evaluated is in {out / searching.EVALUATIONS}" in said
    monkeypatch.setattr(Journal, "add", ordinary)
    command = said.split("to go on: ")[1].split()
    assert command[:3] == ["python", "-m", "experiments.search"]
    assert search.main(command[3:]) == 0
    rows = evaluated(out)
    values = [[row[name] for name in ("architecture", "quality", "predicted")] for row in rows]
    assert values == [[row[name] for name in ("architecture", "quality", "predicted")] for row in evaluated(searched)]
    assert {row["failure"].split(";")[0] for row in rows} == {"", "ended with status 1"}


def test_a_finished_search_goes_on_when_more_evaluations_are_asked_for(searched, arguments, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(searched, out)
    argv = [*arguments, f"--out={out}", "--resume"]
    assert "evaluations was 24, is 20" in refused(capsys, *argv, "--evaluations=20")
    assert evaluated(out) == evaluated(searched)
    assert search.main([*argv, "--evaluations=30"]) == 0
    rows = evaluated(out)
    assert rows[:24] == evaluated(searched)
    assert [int(row["round"]) for row in rows[24:]] == [3] * 6
    # The new generator knows all; the one before can still be asked.
    reports = [checkpoint.read_config(place)["quality_report"] for place in (out, out / "after_24")]
    assert [report["evaluated"] for report in reports] == [
        sum(not row["failure"] for row in part) for part in (rows, rows[:24])
    ]
    assert "--evaluations=30" in (out / "flags.txt").read_text()


def refused(capsys, *argv):
    assert search.main([*map(str, argv)]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert "Traceback" not in text
    return text


def test_what_cannot_be_searched_is_refused(arguments, truth, tmp_path, capsys, monkeypatch):
    out = f"--out={tmp_path / 'run'}"
    assert "--evaluator is not given; it is one of alone, angle, command" in refused(capsys, *SMALL, out)
    for given, message in (
        (["--evaluator=tabel"], "did you mean 'table'?"),
        (["--evaluator=table", "--evaluator_settings=fiel=a.csv"], "has no setting 'fiel' (did you mean 'file'?)"),
        (["--evaluator=table", "--evaluator_settings=file=no.csv"], "no.csv"),
        (["--evaluator=command", "--evaluator_settings=command=true a,b,seconds=-3"], "seconds=-3"),
        ([*arguments, "--proposer=improvment"], "did you mean 'improvement'?"),
        ([*arguments, "--executor=thread"], "is not one of inline, threads"),
        ([*arguments, "--measured=none.csv"], "none.csv"),
        ([*arguments, "--costs=token_ms"], "give --token_table=FILE"),
        ([*arguments, "--start=30"], "start=30 is more than evaluations=24"),
    ):
        assert message in refused(capsys, *SMALL, *given, out)
        assert not (tmp_path / "run").exists(), "a folder is taken by what can be searched"
    pytest.importorskip("distributed", reason="needs distributed: pip install 'nagjax[dask]'")
    monkeypatch.setattr(pool, "ANSWER", "1s")
    text = refused(capsys, *arguments, "--executor=dask:127.0.0.1:9", out)
    assert "no cluster answers there" in text


def test_no_flag_of_costs_is_dropped():
    values = flags.FlagValues()
    setup.define_cost_flags(values)
    assert set(values) - {"where", "prune", "help", "?"} <= set(search.COSTS)


def test_settings_of_an_evaluator_end_at_its_next_setting():
    given = "--evaluator_settings=command=train --at=1,2 --x,seconds=60"
    values = cli.parse(search.define_flags, ["--evaluator=command", given, "--evaluator_settings=costs=latency_ms"])
    assert search.evaluator_settings(values) == {"command": "train --at=1,2 --x", "seconds": 60, "costs": "latency_ms"}


@pytest.mark.parametrize("name", [system.name for system in SYSTEMS if system.job == "search"])
def test_a_published_search_names_settings_one_by_one(name):
    values = cli.parse(search.define_flags, find(name).trial("labels.csv", "data", "out"))
    assert not [text for text in search.evaluator_settings(values).values() if "," in str(text)]


def test_another_truth_is_refused_by_a_search_that_is_resumed(arguments, truth, tmp_path, capsys, monkeypatch):
    mine = tmp_path / "mine.csv"
    mine.write_bytes(truth.read_bytes())
    flags = [*arguments[:-1], f"--evaluator_settings=file={mine}", f"--out={tmp_path / 'run'}"]

    def press(self, *given):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Journal, "add", press)
    assert search.main(flags) == cli.EXIT_INTERRUPTED
    mine.write_bytes(truth.read_bytes().replace(b"0.5", b"0.6"))
    text = refused(capsys, *flags, "--resume")
    assert "holds another search (evaluator was" in text


def test_a_round_counts_its_own_on_the_front_and_how_far_it_was_off():
    tokens = np.arange(6, dtype=np.int32)[:, None]
    quality = np.array([0.5, 0.6, np.nan, 0.6, 0.7, 0.6])
    predicted = np.array([np.nan] * 3 + [0.63, 0.66, 0.6])
    found = Evaluations(tokens, quality, {}, np.array([0, 0, 0, 1, 1, 1]), predicted, predicted, ("",) * 6)
    # The last has a cost of the front, 2, and a quality of the front, 0.6, and is not on it.
    costs = np.array([1.0, 2.0, 1.0, 1.0, 2.0, 2.0])
    start, first = search_report.rounds_of(found, costs, (1.0, 3.0))
    # On dark paper the page turns the colours of paths and not those of images: points and their legend are alike.
    assert "<image" not in plot.svg(search_report.figure_of(found, costs, [start, first], "latency_ms, ms"))
    assert (start.failed, start.on_front, start.error, start.best) == (1, 2, None, 60.0)
    assert (first.on_front, first.failed, first.best, first.tau) == (
        2,
        0,
        pytest.approx(70.0),
        pytest.approx(2 / np.sqrt(6)),
    )
    assert first.error == pytest.approx(100 * np.sqrt((0.03**2 + 0.04**2) / 3))
    assert first.hypervolume == pytest.approx((0.6 * 1 + 0.7 * 1) / 2)
