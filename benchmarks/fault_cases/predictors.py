"""Files of predictors that are damaged, of another kind, or of another space."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.fault_cases import device_tables
from benchmarks.fault_cases.case import REMEDY, Case, bound, write
from benchmarks.fault_cases.device_tables import broken_files
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats.readers import read_predictor
from nagjax.predictors.formats.storage import HEADER, save_predictor
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.spaces import mobilenet_v3_small28, nas_bench_macro
from nagjax.spaces.space import Space

FILE = "p.npz"
PLACE = r"p\.npz: "
ALLOWED = f"{REMEDY}|, not |weights must be|the file holds"
Arrays = dict[str, np.ndarray]


def cases() -> Iterator[Case]:
    """All cases of predictors."""
    yield from _arrays()
    yield from _headers()
    yield from _files()
    yield from _others()


@functools.cache
def _space() -> Space:
    return nas_bench_macro.make()


@functools.cache
def _fitted() -> FittedPredictor:
    num, rng = len(_space().feature_names), np.random.default_rng(0)
    layers = {
        f"Dense_{i}": {"kernel": jnp.asarray(rng.normal(size=(1, a, b)), jnp.float32), "bias": jnp.zeros((1, b))}
        for i, (a, b) in enumerate(((num, 4), (4, 1)))
    }
    params = {"network": {"params": layers}, "offset": jnp.full(1, 0.5), "scale": jnp.full(1, 0.1)}
    return FittedPredictor(Predictor(params, jnp.ones(num, bool), MLP((4,))), {"source": "made up"})


def _saved(folder: Path) -> Path:
    save_predictor(_fitted(), _space(), folder / FILE)
    return folder / FILE


def _written(folder: Path, arrays: Mapping[str, Any]) -> Path:
    np.savez(folder / FILE, **dict(arrays))
    return folder / FILE


def _changed(change: Callable[[Arrays], Any]) -> Callable[[Path], FittedPredictor]:
    def act(folder: Path) -> FittedPredictor:
        with np.load(_saved(folder), allow_pickle=False) as loaded:
            arrays = dict(loaded)
        change(arrays)
        return read_predictor(_written(folder, arrays), _space())

    return act


def _arrays() -> Iterator[Case]:
    headless = _changed(lambda arrays: arrays.pop(HEADER))
    yield Case("predictor: no header", headless, PLACE + "cannot tell", ALLOWED)
    for name in ("Dense_0_kernel", "Dense_1_bias", "offset", "scale", "known"):
        act = _changed(bound(lambda arrays, name: arrays.pop(name), name))
        yield Case(f"predictor: no {name}", act, PLACE + name, ALLOWED)
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
    for name in ("Dense_0_kernel", "offset"):
        for what, value in values.items():
            act = _changed(bound(lambda arrays, name, value: arrays.update({name: value(arrays[name])}), name, value))
            yield Case(f"predictor: {name} {what}", act, PLACE + name, ALLOWED)


def _headers() -> Iterator[Case]:
    def change(arrays: Arrays, fields: Mapping[str, Any]) -> None:
        given = {**json.loads(arrays[HEADER].tobytes()), **fields}
        arrays[HEADER] = np.frombuffer(json.dumps(given).encode(), np.uint8)

    wrong: list[dict[str, Any]] = [
        {"version": 2}, {"version": None}, {"space": "other()/v1"}, {"space": 3}, {"hidden": [0]}, {"hidden": "4"},
        {"hidden": [4, 4]}, {"members": 0}, {"members": 2}, {"members": True}, {"report": None},
    ]  # fmt: skip
    for fields in wrong:
        remedy = f"{ALLOWED}|update it"
        yield Case(f"predictor: header {fields}", _changed(bound(change, fields)), PLACE, remedy)
    torn: Mapping[str, bytes] = {"no JSON": b"{", "a list": b"[]", "no text": b"\xff\xfe"}
    for what, data in torn.items():
        act = _changed(bound(lambda arrays, data: arrays.update({HEADER: np.frombuffer(data, np.uint8)}), data))
        yield Case(f"predictor: a header of {what}", act, PLACE, f"{ALLOWED}|update it")


def _files() -> Iterator[Case]:
    for what, make, says in broken_files("text", ".npz"):
        act = bound(lambda folder, make: read_predictor(make(folder), _space()), make)
        said = says if says in ("no such file", "is a pipe", "is a device", "is not a path") else "."
        yield Case(f"predictor: {what}", act, rf"(?s)(?:broken|nnn|a.*b).*(?:{said})", ALLOWED)

    def damaged(folder: Path, damage: Callable[[bytes], bytes]) -> FittedPredictor:
        path = _saved(folder)
        path.write_bytes(damage(path.read_bytes()))
        return read_predictor(path, _space())

    cut = bound(damaged, lambda data: data[:-100])
    yield Case("predictor: cut short", cut, PLACE + "not a whole")

    def turned(data: bytes) -> bytes:
        third = len(data) // 3
        return data[:third] + bytes([data[third] ^ 255]) + data[third + 1 :]

    yield Case("predictor: a byte turned", bound(damaged, turned), PLACE, ALLOWED)


def _others() -> Iterator[Case]:
    other = mobilenet_v3_small28.make()
    foreign = bound(lambda folder: read_predictor(_saved(folder), other))
    yield Case("predictor: of another space", foreign, PLACE, "give its")
    named = bound(lambda folder: read_predictor(_saved(folder), _space(), "nagjx"))
    yield Case("predictor: an unknown format", named, "'nagjx'", "did you mean 'nagjax'")
    for what, key in (("other keys", "a"), ("a part of another project's", "0_weight")):
        act = bound(lambda folder, key: read_predictor(_written(folder, {key: np.ones(2)}), _space()), key)
        yield Case(f"predictor: {what}", act, PLACE, ALLOWED)
    table = bound(lambda folder: read_predictor(write(folder / device_tables.FILE, "{}"), _space()))
    yield Case("predictor: a device table", table, device_tables.FILE)
    sound = bound(lambda folder: read_predictor(_saved(folder), _space()).predictor.static()["hidden"])
    yield Case("predictor: sound", sound, value=[4])
    zipped = bound(lambda folder: read_predictor(_saved(folder).rename(folder / "p.zip"), _space()).report["source"])
    yield Case("predictor: with another ending", zipped, value="made up")
