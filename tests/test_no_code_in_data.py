"""Data is never run: no pickle, no eval, no unsafe YAML and no pickled arrays, anywhere in the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("nagjax", "plugins", "experiments", "benchmarks")

MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}
UNSAFE_LOADERS = {"Loader", "UnsafeLoader", "FullLoader", "CLoader", "CUnsafeLoader", "CFullLoader"}
YAML_CALLS = {"unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "load", "load_all"}


def faults(source: str) -> list[str]:
    """What in a source could run a file that it reads, as ``line: what``."""
    tree = ast.parse(source)
    loaders = safe_loaders(tree)
    return [f"{node.lineno}: {what}" for node in ast.walk(tree) for what in judged(node, loaders)]


def safe_loaders(tree: ast.Module) -> set[str]:
    """Names of YAML loaders that cannot run anything: the safe ones, and what is made of them in the module."""
    names = set(SAFE_LOADERS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(last(base) in names for base in node.bases):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and last(node.value) in names:
            names |= {last(target) for target in node.targets}
    return names


def judged(node: ast.AST, loaders: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"imports {name.name}" for name in node.names if name.name.partition(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
        yield f"imports from {node.module}"
    elif isinstance(node, ast.Call):
        yield from call_faults(node, loaders)


def call_faults(node: ast.Call, loaders: set[str]) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield f"calls {node.func.id}"
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    pickled = given.get("allow_pickle")
    if pickled is not None and not (isinstance(pickled, ast.Constant) and pickled.value is False):
        yield "allow_pickle is not False"
    if last(node.func) == "read_pickle":
        yield "reads a pickle"
    if last(node.func) in UNSAFE_LOADERS - loaders:
        yield f"makes a {last(node.func)}"
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if owner is not None and last(owner) == "yaml" and last(node.func) in YAML_CALLS:
        loader = given.get("Loader", node.args[1] if len(node.args) > 1 else None)
        if last(node.func) not in ("load", "load_all") or loader is None or last(loader) not in loaders:
            yield f"yaml.{last(node.func)} without SafeLoader"


def last(node: ast.AST) -> str:
    """The last part of a dotted name; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_no_source_runs_what_it_reads():
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 100
    found = [f"{path}:{fault}" for path in paths for fault in faults(path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import load",
        "def f():\n    import joblib.memory",
        "eval('1')",
        "exec(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "pandas.read_pickle(path)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, yaml.FullLoader)",
        "yaml.unsafe_load(text)",
        "yaml.UnsafeLoader(text)",
        "class Mine(yaml.Loader): pass\nyaml.load(text, Loader=Mine)",
    ],
)
def test_it_finds_what_it_looks_for(source):
    assert len(faults(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "yaml.safe_load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.load(text, yaml.CSafeLoader)",
        "class Strict(yaml.SafeLoader): pass\nyaml.load(text, Loader=Strict)",
        "np.load(path, allow_pickle=False)",
        "np.load(path)",
        "re.compile(pattern)",
        "model.eval()",
        "json.load(file)",
    ],
)
def test_what_is_safe_is_let_be(source):
    assert faults(source) == []
