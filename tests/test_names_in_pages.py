"""Hostile names in pages, plots and answers: a benchmark whose file, columns and choices are instructions."""

import csv
import dataclasses
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import describe, generate, run
from experiments.comparison import html_table as compare_html_table
from experiments.comparison import page as compare_page
from experiments.comparison import plot as compare_plot
from experiments.comparison.rows import Row
from experiments.comparison.table import sections
from nagjax.inference.generator import load
from nagjax.names import HIDDEN
from nagjax.reports import explorer, plot, report_data
from nagjax.reports.escapes import html, plot_text
from nagjax.reports.front import Reference

TITLE = "\x1b]0;owned\x07"
BAD = f"<script>alert(1)</script> $x_ $\\frac{{ [b] [/b] \x1b[2J\u202e{TITLE}' \" & --> ]]>"
CHOICES = (
    "[relu]",
    "[/b]",
    TITLE,
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "$\\frac{",
    "<script>alert(1)</script>",
    "\u202evil",
)
COLUMN = "[act] \x1b[2J$\\frac{"


def obeyed(text):
    return [character for character in text if unicodedata.category(character) in HIDDEN and character != "\n"]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text.append(data)


def check_page(page):
    """Nothing in a page runs or hides, and all its plots are whole XML."""
    found = Tags()
    found.feed(page)
    assert not found.tags & {"script", "img", "iframe", "object", "link"}
    assert not obeyed(page)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert drawings
    for drawing in drawings:
        ET.fromstring(drawing)
    return "".join(found.text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run on the benchmark, by flags."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / f"dev {BAD.replace('/', '|')}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([COLUMN, "-w", "quality", "latency_ms"])
        rows = [(choice, width) for choice in CHOICES for width in (1, -2)]
        writer.writerows([*row, 0.5 + i / 100, 1 + i / 3] for i, row in enumerate(rows))
    reference = folder / "front.csv"
    reference.write_text("latency_ms,quality\n2,0.5\n4,0.55\n")
    assert run.main([
        f"--benchmark={path}", f"--decision_columns={COLUMN},-w", "--cost_columns=latency_ms", "--controller=lookup",
        "--steps=1", f"--out={folder / 'run'}", f"--quality_name={BAD}", "--compilation_cache=",
        f"--reference_front={reference}", f"--reference_name=_{BAD}",
    ]) == 0  # fmt: skip
    return folder


def test_a_report_shows_hostile_names_and_runs_none(hostile):
    page = (hostile / "run" / "report.html").read_text(encoding="utf-8")
    # The program that comes with the library, and its data, in which no tag can begin.
    own, data = (
        re.findall(r"<script>(.*?)</script>", page, re.DOTALL),
        re.findall(r"application/json.*?</script>", page),
    )
    assert own == [Path(explorer.__file__).with_name("explorer.js").read_text(encoding="utf-8")]
    assert [text.count("<") for text in data] == [1]
    text = check_page(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert "<script>alert(1)</script> $x_ $\\frac{ [b] [/b] \\x1b[2J\\u202e\\x1b]0;owned\\x07" in text
    assert "=\\u202evil" in text


def test_generate_and_describe_print_hostile_names_and_obey_none(hostile, capsys):
    flags = [f"--checkpoint={hostile / 'run'}", "--compilation_cache="]
    assert generate.main([*flags, "--budgets_ms=1.4,1.9,2.4,4.2,5.6,20"]) == 0
    assert describe.main([*flags, "--budgets_ms=4"]) == 0
    out, err = capsys.readouterr()
    assert not obeyed(out + err)
    for name in ("[relu]", "[/b]", "\\x1b]0;owned\\x07", "@SUM(1)", "$\\frac{", "<script>alert(1)</script>"):
        assert name in out


def test_doubts_and_reports_of_a_checkpoint_are_data(hostile):
    """What a checkpoint says of its costs and its predictor stands in pages and lines as it is, escaped."""
    description = load(hostile / "run").description
    info = dataclasses.replace(description.costs[0], doubts=(BAD,), validation=BAD)
    told = dataclasses.replace(description, costs=(info,), quality_report={"source": BAD, "measured": 1, "missing": 0,
                                                                           "averaged": 0})  # fmt: skip
    facts = [*report_data.asked_facts(told), *report_data.trust_facts(told)]
    page = compare_page.facts_table(facts)
    assert page.count("&lt;script&gt;") >= 4
    assert "<script" not in page
    assert not obeyed(page)


def row(problem, contender, **more):
    figures = dict.fromkeys(("regret", "regret_worst", "gap", "hypervolume", "igd_plus", "infeasible", "distinct"), 1.0)
    base = {
        "seed": 0, "limit": "200", "decode": "greedy", "final": True, "evaluations": 200, "labels": 0, "updates": 1,
        "over_budget": 0, "seconds": 1.0, "compile_seconds": 0.0, "settings": "{}", "problem_hash": "", "commit": "",
        "machine": "", "date": "",
    }  # fmt: skip
    return Row(**{"problem": problem, "contender": contender, **figures, **base, **more})


def test_a_page_of_a_comparison_shows_hostile_names_and_runs_none():
    rows = [row(BAD, BAD), row(BAD, f"_{BAD}", limit="none", decode="reference")]
    tables = sections(rows, BAD)
    budgets = np.array([1.0, 2.0])
    answered = {(r.contender, r.decode): [(budgets, np.array([0.5, 0.6]))] for r in rows}
    quality = plot.svg(compare_plot.quality_figure(rows, budgets, answered, BAD, np.array([0.6, 0.6]), BAD))
    progress = plot.svg(compare_plot.progress_figure(rows))
    chapter = compare_page.Chapter(BAD, [(BAD, BAD)], tables, quality, progress, "200", True, 0)
    page = compare_page.page(BAD, [(BAD, BAD)], [chapter], [(BAD, BAD)], BAD)
    text = check_page(page)
    assert compare_html_table.html_table(tables[0]) in page
    # Title, heading, tile, facts, legend and so on.
    assert text.count("\\x1b[2J\\u202e") > 10


def test_a_label_is_drawn_as_it_is_and_stands_in_the_legend():
    figure = plot.front_figure([], [], Reference("_a $x$ \\$", np.ones(1), np.ones(1)), "$\\frac{ b", "$y$")
    drawing = plot.svg(figure)
    texts = ["".join(node.itertext()).strip() for node in ET.fromstring(drawing).iter() if node.tag.endswith("}text")]
    for said in ("_a $x$ \\$", "$\\frac{ b", "$y$"):
        assert said in texts


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_can_be_drawn_and_stands_in_html(text):
    from matplotlib.cbook import is_math_text

    assert not is_math_text(plot_text(text))
    escaped = html(text)
    assert not set("<>\"'") & set(escaped)
    assert not obeyed(escaped)
    ET.fromstring(f"<a>{escaped}</a>")


def test_a_long_label_leaves_room_for_the_axes():
    text = plot_text("a" * 500 + "$" * 500)
    assert len(text.replace("\\$", "$")) == 80
    assert text.startswith("aaa")
    assert text.endswith("\\$" * 15)
    assert plot_text("a" * 80) == "a" * 80
