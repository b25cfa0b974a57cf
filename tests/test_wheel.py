"""The built wheel, used outside the checkout: what a user who never sees this repository gets."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["project"]["entry-points"]

SESSION = """
import json, nagjax, experiments
from nagjax import plugins
space = plugins.load("spaces", "nas_bench_macro")()
print(json.dumps({
    "file": nagjax.__file__,
    "names": {f"nagjax.{kind}": plugins.names(kind) for kind in plugins.KINDS},
    "broken": {kind: dict(plugins.broken(kind)) for kind in plugins.KINDS},
    "count": space.count(),
}))
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs hatchling: make env")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT), cwd=out)
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_packages_typing_licence_and_nothing_else(wheel):
    files = zipfile.ZipFile(wheel).namelist()
    folders = {name.partition("/")[0] for name in files}
    expected = {Path(package).name for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == expected
    assert {"nagjax/py.typed", "nagjax/data/README.md"} <= set(files)
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert any(name.startswith("experiments/flags/") for name in files)


def test_the_wheel_works_in_an_empty_folder(wheel, tmp_path):
    """-S leaves out .pth files, hence the editable install: the checkout is not on the path."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel), cwd=empty)
    path = os.pathsep.join([str(site), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    answer = json.loads(run(sys.executable, "-S", "-c", SESSION, cwd=empty, PYTHONPATH=path).splitlines()[-1])
    assert Path(answer["file"]).is_relative_to(site)
    assert not any(answer["broken"].values()), answer["broken"]
    for group, entries in GROUPS.items():
        assert set(entries) <= set(answer["names"][group])
    assert answer["count"] == 3969
