"""The page on a task of one's own: its listing is the plugin that is checked, refused and deployed here."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import nagjax
from experiments import train_supernet
from nagjax import plugins, testing
from nagjax.supernet.task import make_task

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "tests" / "example_task"


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """The example beside the record that an installation would leave of it."""
    about = tmp_path / "site" / "nagjax_my_table-0.1.0.dist-info"
    about.mkdir(parents=True)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((group, points),) = project["entry-points"].items()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: nagjax-my-table\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in points.items()))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(about.parent))
    return plugins.load("tasks", "my_table")


@pytest.fixture
def flowers(tmp_path):
    """Three kinds that differ in two measures, in units of their own."""
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    measures = np.stack([1000 + 50 * kinds, 0.01 * kinds], 1) + rng.normal(size=(90, 2)) * [5, 0.001]
    lines = [f"{long},{wide},{'abc'[kind]}" for (long, wide), kind in zip(measures, kinds, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["long,wide,kind", *lines]), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("settings", [{"target": "kind"}, {"target": "wide", "says": "numbers", "file": "numbers.csv"}])
def test_it_conforms(registered, flowers, settings):
    rows = (flowers / "table.csv").read_text().splitlines()
    (flowers / "numbers.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    testing.check_task(registered, data_dir=str(flowers), **settings)


def test_it_is_trained_and_deployed_and_takes_the_columns_as_they_stand(registered, flowers, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the deployed network runs")
    flags = ["--space=elastic_mlp", "--space_settings=features=2,outputs=3,depths=1,widths=4-8", "--task=my_table"]
    flags += ["--task_settings=target=kind", f"--data_dir={flowers}", "--steps=60", "--batch=54", "--chunk=60"]
    assert train_supernet.main([*flags, f"--out={tmp_path / 'a'}", "--compilation_cache="]) == 0
    (card,) = nagjax.deploy(
        tmp_path / "a", tmp_path / "b", architectures=["widths=8"], formats=["onnx"], rounds=3, data_dir=flowers
    )
    assert card.built["accuracy"]["test"]["onnx"] > 0.9
    from nagjax.deployment import runtime

    one = runtime.session(tmp_path / "b" / card.name / "network.onnx")
    asked = np.array([[1000, 0], [1050, 0.01], [1100, 0.02]], np.float32)
    assert runtime.run(one, asked).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "settings", "text"),
    [
        (None, {}, r"there is no file .*table\.csv; give its folder by --data_dir, its name by file="),
        ("a,b\n1,2\n", {}, "has no column 'target'; give target= one of a, b"),
        ("a,target\n1,x\n2\n", {}, "row 3 has 1 fields, the first has 2"),
        ("a,target\nred,x\n", {}, "'red'; leave the column out"),
        ("a,target\n1,x\n,y\n", {}, "leave the column out"),
        ("a,target\n1,x\nnan,y\n", {}, "row 3 is not finite"),
        ("a,target\n1,x\n2,y\n", {}, "test: 0 examples of 2 cannot be drawn"),
        ("a,target\n1,x\n", {"says": "words"}, "says='words': give classes or numbers"),
        ("", {}, "has no column"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_a_remedy(registered, tmp_path, table, settings, text):
    if table is not None:
        (tmp_path / "table.csv").write_text(table, encoding="utf-8")
    with pytest.raises(ValueError, match=text):
        make_task("my_table", settings, str(tmp_path))


def test_the_page_shows_the_file_that_is_tested():
    page = (ROOT / "docs" / "my_task.md").read_text(encoding="utf-8")
    code = (EXAMPLE / "nagjax_my_table.py").read_text(encoding="utf-8")
    assert f"```python\n{code}```" in page
    assert len(code.splitlines()) <= 60
    shown = page.partition("```toml\n")[2].partition("```")[0]
    assert shown in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
