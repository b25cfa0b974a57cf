"""What a crash leaves: files that are empty, torn or damaged are repaired and that is said, or refused by name."""

import json
import logging

import numpy as np
import pytest

from experiments import rank_supernet, train_supernet
from experiments.comparison import results as compare_results
from experiments.comparison.results import RESULTS, Results
from experiments.frame import cli, record_file
from experiments.training import run_folder
from experiments.training.monitor import METRICS, Monitor, read_metrics
from nagjax import durable
from nagjax.controllers import Limits, Moment
from nagjax.profile.journal import Journal
from nagjax.supernet.labelling import LabelFile

HEADER = {"device": "toy", "space": "tiny"}


def test_a_torn_last_line_is_dropped_and_said(tmp_path, caplog):
    path = tmp_path / "lines.txt"
    path.write_bytes("eins\nzwei\ndré".encode())
    with caplog.at_level(logging.WARNING):
        assert durable.whole_text(path) == "eins\nzwei\n"
    assert f"{path}: line 3 was cut short (4 bytes without a line break) and is dropped" in caplog.text
    assert path.read_bytes().endswith("dré".encode()), "reading alone changes nothing"
    caplog.clear()
    with durable.Appender(path):
        assert path.read_text() == "eins\nzwei\n"
    assert f"{path}: line 3 was cut short" in caplog.text
    caplog.clear()
    with durable.Appender(path):
        assert path.read_text() == "eins\nzwei\n"
    assert not caplog.text


def test_a_job_says_so_once_and_as_it_says_everything(tmp_path, capsys, caplog):
    path = tmp_path / "\x1b[2Jlines.txt"
    path.write_bytes(b"one\ntw")

    def job(values):
        del values
        durable.whole_text(path)
        durable.whole_text(path)
        return 0

    assert cli.execute("A job.", lambda values: None, job, []) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path}")
    assert "\\x1b[2Jlines.txt: line 2 was cut short" in line
    assert not caplog.records, "nobody else prints it"


@pytest.mark.parametrize("content", [b"", b"half", b"\x00\x00\x00"])
def test_a_file_without_a_whole_line_has_none(tmp_path, content):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    assert durable.whole_text(path) == ""


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"good\n\xff\xfe\n")
    with pytest.raises(ValueError, match=r"lines\.txt:2: is damaged, it is not text in UTF-8"):
        durable.whole_text(path)


RECORDS = {
    "run.json": lambda path: run_folder.read(path.parent),
    "supernet.json": train_supernet.recorded_config,
    "labels.csv.json": lambda path: record_file.read(path, {"supernet": dict, "draw": dict}, "give another --out"),
}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"flags": {}, "config"', b"[]", b"3", b"null", b'"text"', b'{"flags": []}', b"\xff\xfe{}"]
)
@pytest.mark.parametrize("name", list(RECORDS))
def test_a_damaged_record_is_refused_by_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not the record of a run: it .*; .*give another") as caught:
        RECORDS[name](path)
    assert str(path) in str(caught.value)


def test_a_record_comes_back_and_leaves_no_partial_file(tmp_path):
    path = tmp_path / "run.json"
    for number in (1, 2):
        record_file.write(path, {"config": {"number": number}})
        assert train_supernet.recorded_config(path) == {"number": number}
    assert [found.name for found in tmp_path.iterdir()] == ["run.json"]


def moment(step):
    return Moment(None, step, float(step), {"loss": np.ones(2)}, Limits(8, chunk=2))


def test_metrics_go_on_after_a_torn_row(tmp_path):
    path = tmp_path / METRICS
    path.write_text("step,seconds,loss\n2,2.0,0.5\n4,4.0,0.")
    assert read_metrics(tmp_path) == {"step": [2], "seconds": [2.0], "loss": [0.5]}
    with Monitor(tmp_path, lambda moment: None, 60.0, quiet=True) as monitor:
        monitor.on_chunk(moment(4))
    assert path.read_text() == "step,seconds,loss\n2,2.0,0.5\n4,4.0,1.0\n"


@pytest.mark.parametrize("content", ["", "step,sec"])
def test_metrics_without_a_whole_row_begin_anew(tmp_path, content):
    (tmp_path / METRICS).write_text(content)
    assert read_metrics(tmp_path) == {}
    with Monitor(tmp_path, lambda moment: None, 60.0, quiet=True) as monitor:
        monitor.on_chunk(moment(2))
    assert read_metrics(tmp_path) == {"step": [2], "seconds": [2.0], "loss": [1.0]}


@pytest.mark.parametrize("row", ["4,4.0", "4,4.0,0.5,1", "4,four,0.5", "nan,4.0,0.5", "", "inf,1,1"])
def test_a_damaged_row_of_metrics_is_refused_with_its_number(tmp_path, row):
    (tmp_path / METRICS).write_text(f"step,seconds,loss\n2,2.0,0.5\n{row}\n")
    with pytest.raises(ValueError, match=r"metrics\.csv: row 3 .*remove the row"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text\n"])
def test_damaged_answers_of_a_comparison_are_refused_by_name(tmp_path, content):
    results = Results(tmp_path)
    key = ("macro", "nag", 0, "none")
    results.save_answers(key, "greedy", np.arange(3.0), np.arange(3.0))
    (path,) = (tmp_path / compare_results.ANSWERS).iterdir()
    path.write_bytes(path.read_bytes()[:-8] if content == b"" else content)
    with pytest.raises(ValueError, match=f"{path.name}: the answers of this run are damaged .*remove the file"):
        results.answers(key, "greedy")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="remove the file"):
        results.answers(key, "greedy")


@pytest.mark.parametrize("content", ["", "problem,cont"])
def test_results_without_a_whole_row_are_none(tmp_path, content):
    (tmp_path / RESULTS).write_text(content)
    assert Results(tmp_path).rows == []


@pytest.mark.parametrize("row", ["1:3:2:8,0.5", "", "1:3:2:8,0.5,1,2"])
def test_a_damaged_row_of_labels_is_refused_with_its_number(tmp_path, row):
    path = tmp_path / "labels.csv"
    path.write_text(f"architecture,quality,loss\n{row}\n1:5:2:8,0.5,1.5\n")
    with pytest.raises(ValueError, match=r"labels\.csv: row 2 has \d fields.*labelled again"):
        LabelFile(path)


@pytest.mark.parametrize(
    "line",
    ["3", "{}", "[]", '{"operator": "a"}', '{"operator": [], "seconds": 1}', "not json"]
    + [f'{{"operator": "a", "seconds": {seconds}}}' for seconds in ('"x"', "NaN", "-1", "0", "Infinity", "null")],
)
def test_a_damaged_line_of_a_profile_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "profile.jsonl"
    with Journal(path, HEADER) as journal:
        journal.add("operator", "conv", 0.5)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"profile\.jsonl:3: is not a line of a profile.*remove the line"):
        Journal(path, HEADER, resume=True)


@pytest.mark.parametrize("content", ["", '{"format": "nagj'])
def test_a_profile_without_a_whole_line_begins_anew(tmp_path, content):
    path = tmp_path / "profile.jsonl"
    path.write_text(content)
    with Journal(path, HEADER, resume=True) as journal:
        journal.add("operator", "conv", 0.5)
    assert [json.loads(line).get("seconds") for line in path.read_text().splitlines()] == [None, 0.5]


def test_a_damaged_line_of_a_study_is_refused_with_its_number(tmp_path):
    (tmp_path / rank_supernet.RUNS).write_text('{"seed": 0}\n{"seed": }\n')
    with pytest.raises(ValueError, match=r":2: is damaged.*trained again"):
        rank_supernet.read_runs(tmp_path)
