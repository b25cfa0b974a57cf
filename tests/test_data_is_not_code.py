"""Nothing that is read can become code: no pickle, no eval, no unsafe YAML, no shell; by a look at the source."""

import ast
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("walkthroughs.py",)
"""Runs the code of our own pages, as their readers do."""
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "code"}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.load_all", "yaml.full_load",
    "yaml.unsafe_load", "yaml.UnsafeLoader", "yaml.Loader", "yaml.FullLoader", "pandas.read_pickle",
}  # fmt: skip


def faults(source: str) -> list[str]:
    """What of a module could make code of data, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if a.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in CALLS:
            found.append((node.lineno, ast.unparse(node)))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, what) for what in call_faults(node)]
    return [f"{line}: {what}" for line, what in found]


def call_faults(node: ast.Call) -> list[str]:
    name, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
    found = [name] if isinstance(node.func, ast.Name) and name in CALLS else []
    found += ["allow_pickle"] if given.get("allow_pickle", "False") != "False" else []
    found += ["shell"] if given.get("shell", "False") != "False" else []
    # numpy's own default is safe today; that it is asked for says that somebody thought of it.
    return found + ["np.load without allow_pickle=False"] * (name == "np.load" and "allow_pickle" not in given)


@pytest.mark.parametrize("folder", ["nagjax", "experiments", "plugins", "benchmarks"])
def test_no_module_makes_code_of_data(folder):
    paths = [path for path in (ROOT / folder).rglob("*.py") if path.name not in PAGES]
    found = {str(path): faults(path.read_text(encoding="utf-8")) for path in paths}
    assert found
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "eval(x)", "exec(x)", "np.load(p)", "np.load(p, allow_pickle=1)",
        "yaml.load(f, Loader=L)", "yaml.UnsafeLoader", "os.system(x)", "subprocess.run(x, shell=True)", "__import__(x)",
        "import joblib.externals",
    ],
)  # fmt: skip
def test_the_look_finds_what_it_looks_for(line):
    assert faults(textwrap.dedent(line))


def test_the_look_passes_what_is_safe():
    assert not faults(
        "import json, re\nre.compile(x)\nnp.load(p, allow_pickle=False)\nmodel.eval()\nf.lower().compile()"
    )
