"""Who may import whom: arrows run one way, heavy libraries wait, and importing changes nothing."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(path.name for path in (ROOT / "plugins").glob("nagjax_*"))

SPINE = (
    ("names", "numerals", "files", "arguments", "csv_cells", "durable", "shapes", "depthwise", "convolution", "mesh"),
    ("delimited",),
    ("tables",),
    ("plugins",),
    ("operators",),
    ("blocks", "elastic"),
    ("spaces",),
    ("devices", "predictors"),
    ("learned",),
    ("evaluators",),
    ("problems", "ranking"),
    ("budgets",),
    ("generator", "tabular"),
    ("populations",),
    ("verification",),
    ("controllers",),
    ("factory", "proposers", "many_runs"),
    ("rounds", "checkpoint"),
    ("inference",),
    ("several_devices", "reports"),
    ("posing",),
    ("training", "searching", "ranked"),
)
"""Parts of nagjax from the bottom up: each knows itself and the rows above its own, not its neighbours in the row."""

BRANCHES = {
    "supernet": {
        "files",
        "mesh",
        "arguments",
        "csv_cells",
        "operators",
        "spaces",
        "devices",
        "predictors",
        "evaluators",
        "problems",
        "blocks",
        "elastic",
        "plugins",
        "checkpoint",
        "durable",
    },
    "deployment": {
        "csv_cells",
        "arguments",
        "blocks",
        "devices",
        "durable",
        "elastic",
        "files",
        "inference",
        "operators",
        "plugins",
        "profile",
        "reports",
        "spaces",
        "supernet",
    },
    "pretrained": {"blocks", "files", "names", "operators", "spaces"},
    "profile": {"arguments", "durable", "operators", "spaces", "devices", "blocks"},
}
"""Parts beside the spine and what they may know; the spine knows none of them."""

LATE = (
    "chex", "evosax", "matplotlib", "moocore", "onnx", "onnxruntime", "orbax", "pyarrow", "safetensors", "tensorboardX",
    "tensorstore",
)  # fmt: skip
"""Libraries that `import nagjax` must not load: they cost start-up time and are needed only in places."""


def allowed() -> dict[str, set[str]]:
    """For every part of nagjax the parts that it may import, itself included."""
    out: dict[str, set[str]] = {}
    for row in SPINE:
        below = set(out)
        out |= {part: below | {part} for part in row}
    out |= {part: known | {part} for part, known in BRANCHES.items()}
    return out | {part: {*out, part} for part in ("authoring", "testing")}


def sources(*folders: str) -> list[Path]:
    """Python files under the folders, relative to the root."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, wherever in the file; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = [*path.parts[: len(path.parts) - node.level]] if node.level else []
            prefix = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def part_of(path: Path) -> str:
    """The part of nagjax that a file belongs to: `nagjax/spaces/space.py` to `spaces`."""
    return path.parts[1].removesuffix(".py")


def library_faults(path: Path) -> list[str]:
    """Imports of a library file that run against the arrows."""
    part, parts = part_of(path), allowed()
    faults = []
    for line, name in imported(path):
        top, _, rest = name.partition(".")
        known = rest.partition(".")[0]
        if top in PLUGINS or top in ("plugins", "experiments", "benchmarks", "tests"):
            faults.append(f"{path}:{line}: the library does not know {top}")
        elif top == "nagjax" and part != "__init__" and known not in parts[part]:
            faults.append(f"{path}:{line}: {part} does not know {name}; it knows {', '.join(sorted(parts[part]))}")
    return faults


def outside_faults(path: Path) -> list[str]:
    """Imports of a plugin, experiment or benchmark that name what it should reach through the registry."""
    own = path.parts[1] if path.parts[0] == "plugins" else path.parts[0]
    tops = [(line, name.partition(".")[0]) for line, name in imported(path)]
    if path.parts[0] == "plugins":
        barred = {*PLUGINS, "plugins", "experiments", "benchmarks", "tests"} - {own}
    else:
        barred = {*PLUGINS, "plugins", "tests"}
    return [f"{path}:{line}: {own} does not import {top}: use nagjax.plugins" for line, top in tops if top in barred]


def import_time_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Everything in a module that runs when it is imported: all but the bodies of functions."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        for field, value in ast.iter_fields(node):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and field == "body":
                continue
            pending += [
                child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
            ]


def side_effects(path: Path) -> list[str]:
    """Changes of jax's settings or of the environment while a module is imported."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    faults = []
    for node in import_time_nodes(tree):
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
        elif isinstance(node, ast.Assign):
            text = " ".join(map(ast.unparse, node.targets))
        else:
            continue
        if "config.update" in text or "os.environ[" in text or text in ("os.putenv", "os.environ.setdefault"):
            faults.append(f"{path}:{node.lineno}: {text} runs at import")
    return faults


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_part_of_the_library_has_its_place():
    strangers = {part_of(path) for path in sources("nagjax")} - {"__init__", *allowed()}
    assert not strangers, f"give {sorted(strangers)} a place in SPINE or BRANCHES of this file"


def test_the_spine_does_not_know_its_branches():
    parts = allowed()
    for row in SPINE:
        for part in row:
            assert not parts[part] & {*BRANCHES, "testing"}
    assert "problems" not in parts["devices"]
    assert "predictors" not in parts["devices"]


def test_library_arrows_run_one_way():
    placed = [path for path in sources("nagjax") if part_of(path) in {"__init__", *allowed()}]
    assert placed
    faults = [fault for path in placed for fault in library_faults(path)]
    assert not faults, "\n".join(faults)


def test_plugins_experiments_and_benchmarks_meet_only_through_the_registry():
    faults = [fault for path in sources("plugins", "experiments", "benchmarks") for fault in outside_faults(path)]
    assert not faults, "\n".join(faults)


def test_no_module_changes_settings_at_import():
    paths = sources("nagjax", "plugins", "experiments", "benchmarks")
    faults = [fault for path in paths for fault in side_effects(path)]
    assert not faults, "\n".join(faults)


def test_importing_nagjax_loads_no_heavy_library():
    done = run_python(f"import nagjax, sys; print([name for name in {LATE!r} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_importing_every_module_starts_no_device_and_changes_no_setting():
    """With a platform that does not exist, anything that builds an array at import fails."""
    modules = [".".join(path.with_suffix("").parts) for path in sources("nagjax", *(f"plugins/{p}" for p in PLUGINS))]
    names = [name.removesuffix(".__init__").removeprefix("plugins.") for name in modules]
    code = (
        "import importlib, jax\n"
        "before = dict(jax.config.values)\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "changed = [key for key, value in before.items() if jax.config.values[key] != value]\n"
        "print(changed)\n"
    )
    done = run_python(code, JAX_PLATFORMS="absent")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("place", "source", "finds"),
    [
        ("nagjax/spaces/x.py", "from nagjax.devices import table", library_faults),
        ("nagjax/devices/x.py", "import nagjax.predictors.mlp", library_faults),
        ("nagjax/operators/x.py", "from nagjax import problems", library_faults),
        ("nagjax/problems/x.py", "def f():\n    from nagjax import load", library_faults),
        ("nagjax/inference.py", "import experiments.run", library_faults),
        ("experiments/run.py", "import nagjax_nag", outside_faults),
        ("plugins/nagjax_nag/x.py", "from experiments import run", outside_faults),
        ("nagjax/problems/x.py", "import jax\njax.config.update('jax_enable_x64', True)", side_effects),
        ("nagjax/problems/x.py", "class A:\n    import os\n    os.environ['XLA_FLAGS'] = ''", side_effects),
    ],
)
def test_these_checks_find_what_they_look_for(tmp_path, monkeypatch, place, source, finds):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(source)
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PLUGINS", ["nagjax_nag"])
    assert len(finds(Path(place))) == 1
    path.write_text("import nagjax.operators\n\n\ndef f():\n    import jax\n    jax.config.update('x', 1)\n")
    assert finds(Path(place)) == []
