"""Text in CSV files is not a formula to a spreadsheet, and comes back as it was."""

import ast
import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.comparison.results import Results
from experiments.comparison.rows import Row
from experiments.training.monitor import read_metrics
from nagjax import csv_cells
from nagjax.predictors.records.columns import read_columns
from nagjax.predictors.records.labels import Labels
from nagjax.predictors.records.records import read_records, write_records
from nagjax.reports.front import Point, write_front_csv
from nagjax.supernet.labelling import LabelFile

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


@pytest.mark.parametrize(
    ("cell", "stands"),
    [
        ("=1+1", "'=1+1"),
        ("+a", "'+a"),
        ("-w=3", "'-w=3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=x", "''=x"),
        ("''-x", "'''-x"),
        ("-", "'-"),
        ("-0x1f", "'-0x1f"),
        ("-1_000", "'-1_000"),
        ("-3", "-3"),
        ("-3.5e-7", "-3.5e-7"),
        ("+.5", "+.5"),
        ("-inf", "-inf"),
        ("relu", "relu"),
        ("'relu'", "'relu'"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_cells_by_hand(cell, stands):
    assert csv_cells.written(cell) == stands
    assert csv_cells.read(stands) == cell


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text("=+-@\t\r\n'\",ab1. ", max_size=6)


@given(st.lists(st.lists(cells, min_size=1, max_size=4), max_size=4))
def test_rows_come_back_and_no_text_in_them_is_a_formula(rows):
    text = csv_cells.text(rows)
    assert csv_cells.read_rows(text) == rows
    for cell in (cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row):
        if cell.startswith(FORMULAS):
            float(cell)


def text_point(text):
    return Point(2.0, 1.5, 0.5, 0.0, text, "", True, "archive", {"=cost_ms": 1.5, "low_m": -2.0})


def test_answers_are_neutral_and_read_back(tmp_path):
    write_front_csv(tmp_path / "a.csv", [text_point("-w=1,x==2")])
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "budget,'=cost_ms,low_m,predicted_quality,quality_std,architecture,guaranteed,source"
    assert lines[1] == '2.0,1.5,-2.0,0.5,0.0,"\'-w=1,x==2",true,archive'
    assert csv_cells.read_rows("\n".join(lines))[1][5] == "-w=1,x==2"


def test_an_architecture_that_begins_with_a_sign_goes_through_our_own_files(tmp_path):
    """From a benchmark whose columns and choices begin with signs: records and labels of it come back."""
    path = tmp_path / "bench.csv"
    path.write_text("-w,=f,quality\n=a,-1,0.5\n@b,-2,0.25\n=a,-2,0.75\n", encoding="utf-8")
    space, records = read_columns(path, ["-w", "=f"], Labels())
    assert space.format(records.tokens[0]) == "-w==a,=f=-1"
    write_records(records, space, tmp_path / "records.csv")
    assert (tmp_path / "records.csv").read_text().splitlines()[1] == '"\'-w==a,=f=-1",0.5'
    again = read_records(tmp_path / "records.csv", space)
    np.testing.assert_array_equal(again.tokens, records.tokens)
    np.testing.assert_array_equal(again.quality, records.quality)
    with LabelFile(tmp_path / "labels.csv") as labels:
        labels.add("-w==a,=f=-1", {"quality": 0.5, "loss": -1.0})
    assert (tmp_path / "labels.csv").read_text().splitlines()[1] == '"\'-w==a,=f=-1",0.5,-1.0'
    with LabelFile(tmp_path / "labels.csv") as labels:
        assert labels.labelled == {"-w==a,=f=-1"}
    assert read_records(tmp_path / "labels.csv", space).tokens.tolist() == records.tokens[:1].tolist()


def test_rows_of_a_comparison_and_metrics_read_back(tmp_path):
    figures = [1.0, 1.0, -0.25, 1.0, 1.0, 0.0, 1.0]
    row = Row("=p", "+c\u2028", 0, "200", "greedy", True, 200, 0, 1, 0, 1.0, 0.0, *figures, "{}", "-h", "", "@m", "")
    Results(tmp_path).add([row])
    assert Results(tmp_path).rows == [row]
    text = (tmp_path / "results.csv").read_text(encoding="utf-8")
    assert "\n'=p,'+c\u2028,0,200," in text
    assert ",-0.25," in text
    (tmp_path / "metrics.csv").write_text("step,'=loss\n1,-0.5\n")
    assert read_metrics(tmp_path) == {"step": [1.0], "=loss": [-0.5]}


def test_all_csv_files_are_written_by_one_writer():
    """The text of a tabular architecture is one line of CSV too, but no file."""
    root = Path(__file__).parent.parent
    found = []
    for path in [path for name in ("nagjax", "experiments", "plugins") for path in (root / name).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("csv.writer", "csv.DictWriter"):
                found += [str(path.relative_to(root))]
    assert found == [str(Path("nagjax/spaces/chains.py"))]
