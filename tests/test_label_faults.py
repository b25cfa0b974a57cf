"""What is wrong with the labels of a file is told at once: counts, rows, and the tolerance that would do."""

import re

import pytest

from nagjax.predictors.records.columns import read_columns
from nagjax.predictors.records.labels import Labels

HEAD = "kernel,width,top1,ms,mj\n"


def read(path, text, tolerance=0.0):
    path.write_text(HEAD + text, encoding="utf-8")
    return read_columns(path, ["kernel", "width"], Labels("top1", "percent", ("ms", "mj"), tolerance))[1]


def refusal(path, text, tolerance=0.0):
    with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
        read(path, text, tolerance)
    return str(caught.value)


def test_gaps_words_and_negatives_of_all_columns_are_counted(tmp_path):
    text = refusal(tmp_path / "a.csv", "3,1,60,,5\n3,2,61,-0.5,\n5,1,nan,2,inf\n5,2,64,-1,many\n7,1,65,-0.25,4\n")
    assert "row 4, column 'top1'" in text.partition(". Of 5 rows")[0], "the first fault is told in full"
    tally = text.partition(". Of 5 rows ")[2]
    assert tally == (
        "column 'top1': 1 empty or NaN (row 4); column 'ms': 1 empty or NaN (row 2), 3 of 0 or below (rows 3, 5, 6) "
        "(least -1: was a base subtracted? Give what was measured); column 'mj': 1 empty or NaN (row 3), "
        "2 no finite number (rows 4, 5)"
    )


def test_what_is_counted_is_what_is_refused(tmp_path):
    """A cell is counted by the reading that refuses it: 1_0 and digits of other scripts are not numbers, 2,5 is one."""
    text = refusal(tmp_path / "a.csv", '3,1,60,1_0,"2,5"\n3,2,61,\u0663,"-1,5"\n5,1,62,1e999,"3,5"\n')
    tally = text.partition(". Of 3 rows ")[2]
    assert tally == "column 'ms': 3 no finite number (rows 2, 3, 4); column 'mj': 1 of 0 or below (row 3)"


def test_one_fault_is_told_once(tmp_path):
    assert "Of 2 rows" not in refusal(tmp_path / "a.csv", "3,1,60,1,5\n3,2,61,-0.5,4\n")


def test_many_rows_are_not_all_listed(tmp_path):
    text = refusal(tmp_path / "a.csv", "".join(f"{i},1,60,0,1\n" for i in range(8)))
    assert "column 'ms': 8 of 0 or below (rows 2, 3, 4, 5, 6 and 3 more)" in text
    assert "subtracted" not in text


def test_the_tolerance_that_would_do_is_told_and_does(tmp_path):
    """Qualities 0.6 and 0.61 differ by 0.01, costs 8 and 10 by 0.2 of the larger, energies 3 and 3.001 by 0.000334."""
    rows = "3,1,60,8,3\n3,1,61,8,3\n5,1,70,8,3\n5,1,70,10,3\n7,1,80,9,3\n7,1,80,9,3.001\n9,1,90,9,3\n9,1,90,9,3\n"
    path = tmp_path / "a.csv"
    text = refusal(path, rows)
    assert "row 3, column 'top1': 61 for the architecture that row 2 gives 60" in text
    assert text.endswith(
        "; 3 architectures stand in rows that differ by more, and --duplicate_tolerance=0.2 averages them all"
    )
    assert "; 1 architecture stands in rows that differ by more" in refusal(path, rows, 0.01)
    assert read(path, rows, 0.2).averaged == 4


@pytest.mark.parametrize("other", [3.0001, 4.7, 3.333, 2.9])
def test_the_told_tolerance_is_rounded_up(tmp_path, other):
    path = tmp_path / "a.csv"
    rows = f"3,1,60,8,3\n3,1,60,8,{other}\n"
    told = float(re.search(r"--duplicate_tolerance=([0-9.e-]+) averages", refusal(path, rows))[1])
    spread = abs(other - 3) / max(other, 3)
    assert spread * (1 - 1e-6) <= told <= spread * 1.01
    assert read(path, rows, told).averaged == 1
