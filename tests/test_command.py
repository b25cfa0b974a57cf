"""The one command of all jobs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __main__ as command

ROOT = Path(__file__).resolve().parent.parent


def test_every_job_is_listed_with_a_line_and_no_other_module_is_a_job(capsys):
    assert command.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for path in (ROOT / "experiments").glob("*.py"):
        body = ast.parse(path.read_text()).body
        names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        names |= {ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign)}
        assert (path.stem in command.JOBS) == ({"main", "define_flags"} <= names or path.stem == "embedded"), path.stem
        assert path.stem not in command.JOBS or f"  {path.stem} " in printed
    assert command.main([]) == 0


@pytest.mark.parametrize(("name", "near"), [("generat", "generate"), ("profile-devise", "profile_device")])
def test_an_unknown_job_suggests_the_nearest(name, near, capsys):
    assert command.main([name]) == 2
    assert f"{name!r} is not a job (did you mean {near!r}?)" in capsys.readouterr().err


def test_flags_and_status_are_the_jobs_own(capsys):
    assert command.main(["embedded", "--name=default"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "default.flags").is_file()
    assert command.main(["embedded", "--nme=default"]) == 2
    assert command.main(["train-supernet", "--help"]) == 0
    assert command.main(["profile", "--help"]) == 0


def test_a_folder_with_an_experiments_package_of_its_own_is_no_trouble(tmp_path):
    """As the installed script runs: its own folder, not the current one, comes first on the path."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("raise ImportError('another package')")
    program = (
        f"import sys; sys.path[0] = {str(ROOT)!r}\nfrom experiments.__main__ import main; sys.exit(main(['embedded']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
