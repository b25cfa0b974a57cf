"""Plugins that fail in their own ways, and files of predictors that are none."""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.fault_cases import device_tables, labelled
from benchmarks.fault_cases.case import REMEDY, Case, run_job, write
from benchmarks.fault_cases.device_tables import broken_files
from benchmarks.fault_cases.jobs import BENCHMARK, NO_CACHE
from experiments import describe, run
from nagjax import plugins
from nagjax.predictors.predictor import MLP, FittedPredictor, Predictor
from nagjax.predictors.readers import read_predictor
from nagjax.predictors.storage import HEADER, save_predictor
from nagjax.spaces import mobilenet_v3_small28, nas_bench_macro

_NUMBER = itertools.count()


def cases() -> Iterator[Case]:
    """All cases of plugins and predictors."""
    yield from _registered()
    yield from _called()
    yield from _predictors()


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
        "is no text": "\0\0",
        "exits": "import sys\nmake = sys.no_such_name\n",
        "has a module that is UTF-16": "\ufeff\ufffe",
    }
    for what, source in broken.items():
        for kind in plugins.KINDS:
            act = _with(kind, source, lambda folder, kind=kind: plugins.load(kind, "mine"))
            yield Case(f"plugin of {kind}: {what}", act, f"{kind}: 'mine' of distribution my-plugin")

    def twice(folder: Path) -> Any:
        first = distribution(folder / "a", "spaces", "def make(): ...\n", owner="first")
        second = distribution(folder / "b", "spaces", "def make(): ...\n", owner="second")
        with _installed(first, second):
            return plugins.load("spaces", "mine")

    yield Case("plugin: one name of two owners", twice, "first .* and second", "uninstall or rename one")
    for name in ("", "nag ", "NAG", "nga", "nag.make", "../nag"):
        yield Case(f"plugin: {name!r}", lambda folder, name=name: plugins.load("controllers", name), "controllers: '")
    for kind in ("controller", "", "engines"):
        yield Case(f"plugin: of kind {kind!r}", lambda folder, kind=kind: plugins.names(kind), "kind of plugin")


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
        "predictors": lambda folder: run_job(
            run.main, NO_CACHE, "--space=nas_bench_macro", "--costs=madds", f"--predictor={write(folder / 'a.x', '1')}",
            "--predictor_format=mine", f"--out={folder / 'new'}",
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


@functools.cache
def _fitted() -> FittedPredictor:
    space = nas_bench_macro.make()
    num, rng = len(space.feature_names), np.random.default_rng(0)
    layers = {
        f"Dense_{i}": {"kernel": jnp.asarray(rng.normal(size=(1, a, b)), jnp.float32), "bias": jnp.zeros((1, b))}
        for i, (a, b) in enumerate(((num, 4), (4, 1)))
    }
    params = {"network": {"params": layers}, "offset": jnp.full(1, 0.5), "scale": jnp.full(1, 0.1)}
    return FittedPredictor(Predictor(params, jnp.ones(num, bool), MLP((4,))), {"source": "made up"})


def _predictors() -> Iterator[Case]:
    space = nas_bench_macro.make()

    def saved(folder: Path) -> Path:
        save_predictor(_fitted(), space, folder / "p.npz")
        return folder / "p.npz"

    def changed(change: Callable[[dict[str, np.ndarray]], Any]) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            with np.load(saved(folder)) as loaded:
                arrays = dict(loaded)
            change(arrays)
            np.savez(folder / "p.npz", **arrays)
            return read_predictor(folder / "p.npz", space)

        return act

    def header(**fields: Any) -> Callable[[dict[str, np.ndarray]], Any]:
        def change(arrays: dict[str, np.ndarray]) -> None:
            given = {**json.loads(arrays[HEADER].tobytes()), **fields}
            arrays[HEADER] = np.frombuffer(json.dumps(given).encode(), np.uint8)

        return change

    remedy = f"{REMEDY}|, not |update it|weights must be|the file holds"
    headless = changed(lambda arrays: arrays.pop(HEADER))
    yield Case("predictor: no header", headless, r"p\.npz: cannot tell", remedy)
    for name in ("Dense_0_kernel", "Dense_1_bias", "offset", "scale", "known"):
        act = changed(lambda arrays, name=name: arrays.pop(name))
        yield Case(f"predictor: no {name}", act, rf"p\.npz: .*{name}", remedy)
    for name in ("Dense_0_kernel", "offset"):
        values: Mapping[str, Callable[[np.ndarray], Any]] = {
            "of another shape": lambda array: array[..., :0],
            "of text": lambda array: np.full(array.shape, "x"),
            "of truth values": lambda array: array > 0,
            "of complex numbers": lambda array: array + 1j,
            "with NaN": lambda array: np.full_like(array, np.nan),
            "with infinities": lambda array: np.full_like(array, np.inf),
            "beyond float32": lambda array: np.full(array.shape, 1e300),
            "of Python objects": lambda array: np.full(array.shape, None, object),
        }
        for what, value in values.items():
            act = changed(lambda arrays, name=name, value=value: arrays.update({name: value(arrays[name])}))
            yield Case(f"predictor: {name} {what}", act, rf"p\.npz: {name}", remedy)
    fields: list[dict[str, Any]] = [
        {"version": 2}, {"version": None}, {"space": "other()/v1"}, {"space": 3}, {"hidden": [0]}, {"hidden": "4"},
        {"hidden": [4, 4]}, {"members": 0}, {"members": 2}, {"members": True}, {"report": None},
    ]  # fmt: skip
    for given in fields:
        yield Case(f"predictor: header {given}", changed(header(**given)), r"p\.npz: ", remedy)
    torn: Mapping[str, bytes] = {"no JSON": b"{", "a list": b"[]", "no text": b"\xff\xfe"}
    for what, data in torn.items():
        act = changed(lambda arrays, data=data: arrays.update({HEADER: np.frombuffer(data, np.uint8)}))
        yield Case(f"predictor: a header of {what}", act, r"p\.npz: ", remedy)
    for what, make, says in broken_files("text", ".npz"):
        act = lambda folder, make=make: read_predictor(make(folder), space)  # noqa: E731
        said = says if says in ("no such file", "is a pipe", "is a device", "is no path") else "."
        yield Case(f"predictor: {what}", act, rf"(?s)(?:broken|nnn|a.*b).*(?:{said})", f"{remedy}|fetch or write")

    def cut(folder: Path) -> Any:
        path = saved(folder)
        path.write_bytes(path.read_bytes()[:-100])
        return read_predictor(path, space)

    def flipped(folder: Path) -> Any:
        path = saved(folder)
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 255
        path.write_bytes(bytes(data))
        return read_predictor(path, space)

    yield Case("predictor: cut short", cut, r"p\.npz: not a whole")
    yield Case("predictor: a byte turned", flipped, r"p\.npz: ", f"{remedy}|write the file again")
    other = mobilenet_v3_small28.make()
    yield Case(
        "predictor: of another space", lambda folder: read_predictor(saved(folder), other), r"p\.npz: ", "give its"
    )
    named = lambda folder: read_predictor(saved(folder), space, "nagjx")  # noqa: E731
    yield Case("predictor: an unknown format", named, "'nagjx'", "did you mean 'nagjax'")
    keys = lambda folder: (np.savez(folder / "p.npz", a=np.ones(2)), read_predictor(folder / "p.npz", space))[1]  # noqa: E731
    yield Case("predictor: other keys", keys, r"p\.npz: cannot tell", "write a reader")
    ofa = lambda folder: (
        np.savez(folder / "p.npz", **{"0_weight": np.ones(2)}),
        read_predictor(folder / "p.npz", space),
    )[1]  # noqa: E731
    yield Case("predictor: a part of another project's", ofa, r"p\.npz: ", remedy)
    sound = lambda folder: read_predictor(saved(folder), space).predictor.module.features  # noqa: E731
    yield Case("predictor: sound", sound, value=(4,))
    zipped = lambda folder: read_predictor(saved(folder).rename(folder / "p.zip"), space).report["source"]  # noqa: E731
    yield Case("predictor: with another ending", zipped, value="made up")
    table = lambda folder: read_predictor(write(folder / device_tables.FILE, "{}"), space)  # noqa: E731
    yield Case("predictor: a device table", table, device_tables.FILE)
