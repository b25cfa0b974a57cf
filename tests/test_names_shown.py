"""Names from files are data: hostile ones through everything a person sees, none obeyed, none lost."""

import ast
import io
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import MofNCompleteColumn
from rich.table import Table

from experiments import embedded
from experiments.comparison.results import Results
from experiments.frame import cli, console
from experiments.training.run_folder import flagfile
from nagjax.names import HIDDEN, LONGEST, safe_name, shown, shown_lines

ROOT = Path(__file__).parent.parent
TITLE = "\x1b]0;owned\x07"
"""Sets the title of a terminal."""
CLEAR = "\x1b[2J"
HOSTILE = f"[relu] [/b] {TITLE}{CLEAR}\r\b\x9b\u202e\u2066\u2028$\\frac{{ <script>:smile:"


def obeyed(text):
    return [character for character in text if unicodedata.category(character) in HIDDEN and character != "\n"]


# What is shown


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_that_a_terminal_obeys_is_shown_and_showing_again_changes_nothing(text):
    once = shown(text)
    assert not obeyed(once)
    assert "\n" not in once
    assert shown(once) == once
    once.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Mn"], include_characters=" ")))
def test_what_a_person_sees_anyway_stays_as_it_is(text):
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\r", "a\\tb\\r"),
        ("\x9b1m", "\\x9b1m"),  # the control sequence introducer in one character
        ("a\u202eb", "a\\u202eb"),
        ("\u2066\u2069", "\\u2066\\u2069"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("Größe, 設備", "Größe, 設備"),
    ],
)
def test_shown_by_hand(text, says):
    assert shown(text) == says


def test_lines_stay_lines():
    assert shown_lines("a\n\x1bb\n") == "a\n\\x1bb\n"


# Where it is printed


def test_lines_and_errors_are_shown_escaped(capsys):
    console.say(HOSTILE, "a\nb")
    assert cli.fail(HOSTILE) == cli.EXIT_ERROR
    out, err = capsys.readouterr()
    assert not obeyed(out + err)
    assert out.endswith("\na\\nb\n")
    assert out.startswith("[relu] [/b] \\x1b]0;owned\\x07")
    assert err.startswith("error: [relu] [/b] \\x1b")


def test_an_error_of_a_job_is_shown_escaped(capsys):
    def job(values):
        raise ValueError(f"table of {CLEAR}: wrong")

    assert cli.execute("x", lambda values: None, job, []) == 2
    assert capsys.readouterr().err == "error: table of \\x1b[2J: wrong\n"
    assert cli.execute("x", lambda values: None, job, ["--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in job" in err
    assert not obeyed(err)


def test_text_in_tables_is_data(monkeypatch):
    out = io.StringIO()
    table = Table(title=f"title {HOSTILE}")
    table.add_column(f"head {HOSTILE}")
    table.add_row(f"cell {HOSTILE}")
    made = console.console(width=300, file=out)
    made.print(table)
    made.print(f"line {HOSTILE}")
    text = out.getvalue()
    assert not obeyed(text)
    for what in ("title", "head", "cell", "line"):
        assert f"{what} [relu] [/b] \\x1b]0;owned\\x07\\x1b[2J" in text
    assert text.count(":smile:") == 4


def test_text_of_progress_bars_is_data(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with console.bars(MofNCompleteColumn()) as bars:
        task = bars.add_task("[relu] \x1b[2J", total=2)
        bars.update(task, advance=1, description="[/b] \x1b]0;x\x07")
    assert "[/b] \\x1b]0;x\\x07" in out.getvalue()
    assert not obeyed(out.getvalue())


APART = {
    "experiments/frame/console.py": "it is the console",
    "nagjax/training.py": "shows a bar of numbers alone",
    "nagjax/inference/portable.py": "stands alone beside an exported generator, and prints JSON, whose text is escaped",
}
"""Modules that print by themselves, and why they may."""


def test_jobs_and_the_library_print_through_the_console_alone():
    """No module but one calls print or makes a console, a bar or markup of its own."""
    calls = {"print", "Console", "TextColumn", "track"}
    imports = {*calls, "Progress", "Text"}
    found = []
    for path in [p for name in ("nagjax", "experiments", "plugins") for p in (ROOT / name).rglob("*.py")]:
        if str(path.relative_to(ROOT)) in APART:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
                found.append(f"{path}:{node.lineno}: {node.func.id}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich"):
                found += [f"{path}:{node.lineno}: {a.name}" for a in node.names if a.name in imports]
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout.write", "sys.stderr.write"):
                found.append(f"{path}:{node.lineno}")
    assert found == []


# What becomes a path


NAMES = st.text(st.characters(exclude_categories=[]), max_size=150)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_safe_name_is_one_plain_name(parts):
    name = safe_name(*parts)
    assert 0 < len(name) <= LONGEST
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert name[0] not in ".-"
    assert name[-1] not in "._ "
    assert Path(name).name == name
    assert name.split(".")[0] not in {"con", "nul", "prn", "aux", "com1", "lpt1"}


part = st.sampled_from(["a", "A", "a_", "_a", "a__a", "b", "", ".", "..", "a/b", "a b", "a_b", "con", "é", "e\u0301"])


@given(st.lists(part, min_size=1, max_size=3), st.lists(part, min_size=1, max_size=3))
def test_two_names_never_meet_in_one_file(one, other):
    assert (safe_name(*one) == safe_name(*other)) == (one == other)


def test_the_name_of_a_hash_is_hashed_itself():
    made = safe_name("../../x")
    assert made == "x-b2ecd05322dbaaf5"
    assert safe_name(made) != made
    assert safe_name("note10", "nag", "0", "60s") == "note10__nag__0__60s"


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "..", "", "con", "A" * 300, "\ud800", "OFA2 NSGA-II"])
def test_answers_of_any_name_stay_in_their_folder_and_come_back(tmp_path, name):
    held = Results(tmp_path / "deep" / "study")
    cost, quality = np.array([1.0]), np.array([0.5])
    held.save_answers((name, name, 0, "none"), name, cost, quality)
    held.save_answers((name.lower() + "x", name, 0, "none"), name, quality, cost)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.parent for path in files} == {tmp_path / "deep" / "study" / "answers"}
    assert held.answers((name, name, 0, "none"), name)[0].tolist() == [1.0]


def test_answers_under_the_names_of_earlier_versions_are_read_and_nothing_outside(tmp_path):
    held = Results(tmp_path / "study")
    (tmp_path / "study" / "answers").mkdir(parents=True)
    array = np.array([[1.0], [0.5]])
    np.save(tmp_path / "study" / "answers" / "note10__OFA2_NSGA-II__0__none__reference.npy", array)
    np.save(tmp_path / "x__0__none__reference.npy", array)
    assert held.answers(("note10", "OFA2 NSGA-II", 0, "none"), "reference")[1].tolist() == [0.5]
    assert held.answers(("../../x", "", 0, "none"), "reference") is None


def test_embedded_data_is_a_folder_of_the_package_alone(tmp_path):
    (tmp_path / "data" / "own").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"there is no '\.\./other'"):
        embedded.find("../other", tmp_path / "data")


@pytest.mark.parametrize("given", ["--x=a\n--steps=5", "--x=a\r--steps=5", "--many=b\n--steps=5"])
def test_a_value_that_would_be_another_flag_of_a_flagfile_is_refused(given):
    def define(values):
        flags.DEFINE_string("x", "", "X.", flag_values=values)
        flags.DEFINE_multi_string("many", [], "Many.", flag_values=values)

    with pytest.raises(ValueError, match="holds a line break"):
        cli.parse(define, [given])


@pytest.mark.parametrize(
    "value", ["a\u2028--steps=5", "a\x0b--steps=5", "a\x85--steps=5", "--steps=5", "$x #", "\x1b[2J"]
)
def test_a_flagfile_that_is_written_is_read_as_it_was(tmp_path, value):
    def define(values):
        flags.DEFINE_string("x", "", "X.", flag_values=values)
        flags.DEFINE_list("several", [], "Several.", flag_values=values)
        flags.DEFINE_integer("steps", 1, "Steps.", flag_values=values)

    values = cli.parse(define, [f"--x={value}", f"--several={value},b"])
    (tmp_path / "flags.txt").write_text(flagfile(values), encoding="utf-8")
    again = cli.parse(define, [f"--flagfile={tmp_path / 'flags.txt'}"])
    assert (again.x, again.several, again.steps) == (value, [value, "b"], 1)
