"""Plugins that fail in their own ways."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.fault_cases import labelled
from benchmarks.fault_cases.case import Case, bound, run_job, write
from benchmarks.fault_cases.jobs import BENCHMARK, NO_CACHE
from experiments import describe, run
from nagjax import plugins

_NUMBER = itertools.count()


def cases() -> Iterator[Case]:
    """All cases of plugins."""
    yield from _registered()
    yield from _called()


def distribution(folder: Path, kind: str, source: str, name: str = "mine", owner: str = "my-plugin") -> Path:
    """A folder in which a distribution with one plugin is installed; its module has a name of its own."""
    module = f"faulty_plugin_{next(_NUMBER)}"
    info = folder / f"{owner}-1.0.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
    write(info / "entry_points.txt", f"[nagjax.{kind}]\n{name} = {module}:make\n")
    write(folder / f"{module}.py", source)
    return folder


@contextlib.contextmanager
def _installed(*folders: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = map(str, folders)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
        for name in [name for name in sys.modules if name.startswith("faulty_plugin_")]:
            del sys.modules[name]


def _with(kind: str, source: str, ask: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def act(folder: Path) -> Any:
        with _installed(distribution(folder / "site", kind, source)):
            return ask(folder)

    return act


def _registered() -> Iterator[Case]:
    broken: Mapping[str, str] = {
        "raises on import": "raise RuntimeError('no engine')\n",
        "imports what is absent": "import no_such_module_here\n",
        "has a wrong syntax": "def make(:\n",
        "lacks the function": "other = 1\n",
        "names no function": "make = 3\n",
        "is not text": "\0\0",
        "exits": "import sys\nmake = sys.no_such_name\n",
        "has a module that is UTF-16": "\ufeff\ufffe",
    }
    for what, source in broken.items():
        for kind in plugins.KINDS:
            act = _with(kind, source, bound(lambda folder, kind: plugins.load(kind, "mine"), kind))
            yield Case(f"plugin of {kind}: {what}", act, f"{kind}: 'mine' of distribution my-plugin")

    def twice(folder: Path) -> Any:
        first = distribution(folder / "a", "spaces", "def make(): ...\n", owner="first")
        second = distribution(folder / "b", "spaces", "def make(): ...\n", owner="second")
        with _installed(first, second):
            return plugins.load("spaces", "mine")

    yield Case("plugin: one name of two owners", twice, "first .* and second", "uninstall or rename one")
    for name in ("", "nag ", "NAG", "nga", "nag.make", "../nag"):
        yield Case(
            f"plugin: {name!r}", bound(lambda folder, name: plugins.load("controllers", name), name), "controllers: '"
        )
    for kind in ("controller", "", "engines"):
        yield Case(f"plugin: of kind {kind!r}", bound(lambda folder, kind: plugins.names(kind), kind), "kind of plugin")


def _called() -> Iterator[Case]:
    raising: Mapping[str, str] = {
        "raises KeyError": "def make(*args, **settings):\n    return {}['missing']\n",
        "raises AttributeError": "def make(*args, **settings):\n    return None.x\n",
        "raises RecursionError": "def make(*args, **settings):\n    return make()\n",
        "raises OSError": "def make(*args, **settings):\n    return open('/gone/x')\n",
        "asserts": "def make(*args, **settings):\n    assert False, 'never'\n",
        "returns None": "def make(*args, **settings):\n    return None\n",
        "returns text": "def make(*args, **settings):\n    return 'x'\n",
        "takes no arguments": "def make(a, b, c, d):\n    return None\n",
        "raises a group": "def make(*args, **settings):\n    raise ExceptionGroup('all', [ValueError('x')])\n",
    }
    asks: Mapping[str, Callable[[Path], Any]] = {
        "spaces": lambda folder: run_job(describe.main, NO_CACHE, "--space=mine"),
        "device_formats": lambda folder: run_job(
            describe.main, NO_CACHE, "--space=nas_bench_macro", f"--table={write(folder / 'a.x', '1')}",
            "--device_format=mine",
        ),
        "predictor_formats": lambda folder: run_job(
            run.main, NO_CACHE, "--space=nas_bench_macro", "--costs=madds", f"--predictor={write(folder / 'a.x', '1')}",
            "--predictor_format=mine", f"--out={folder / 'new'}",
        ),
        "predictors": lambda folder: run_job(
            run.main, NO_CACHE, "--space=nas_bench_macro", "--costs=madds", f"--records={write(folder / 'a.x', '1')}",
            "--predictor_kind=mine", f"--out={folder / 'new'}",
        ),
        "controllers": lambda folder: run_job(
            run.main, NO_CACHE, f"--benchmark={write(folder / labelled.FILE, labelled.text())}", *BENCHMARK,
            "--controller=mine", f"--out={folder / 'new'}",
        ),
    }  # fmt: skip
    for kind, ask in asks.items():
        for what, source in raising.items():
            yield Case(f"plugin of {kind}: {what}", _with(kind, source, ask), f"{kind}: 'mine'", ".")
    setting = "def make(width: int = 3):\n    raise ValueError(f'width={width} is odd; give an even one')\n"
    own = _with("spaces", setting, asks["spaces"])
    yield Case("plugin of spaces: refuses a setting", own, "width=3 is odd", "give an even one")
