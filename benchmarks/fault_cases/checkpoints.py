"""Folders of runs: checkpoints that are damaged, exchanged, edited, of another version, or no checkpoints."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nagjax
from benchmarks.fault_cases import generators
from benchmarks.fault_cases.case import Case, bound, link, pipe, without, write
from benchmarks.fault_cases.generators import copied, edit, last
from nagjax.checkpoint import checkpoint


def cases() -> Iterator[Case]:
    """All cases of checkpoints."""
    yield from _damaged()
    yield from _edited()
    yield from _foreign()
    yield from _states()
    yield from _read()


def _answer(run: Path | str, **given: Any) -> float:
    """Quality of the answer without a limit, rounded."""
    return round(nagjax.load(run, **given).generate([float("inf")])[0].quality, 5)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _flipped(folder: Path, name: str, share: float) -> float:
    """The answer after one bit of a file of the last step has been turned."""
    run = copied(folder)
    path = last(run) / name
    data = bytearray(path.read_bytes())
    data[int(share * (len(data) - 1))] ^= 1
    path.write_bytes(bytes(data))
    return _answer(run)


def _flipped_data(folder: Path, share: float) -> float:
    base = last(copied(folder / "look"))
    name = max((n for n in _files(base) if n.startswith("artefact/")), key=lambda n: (base / n).stat().st_size)
    return _flipped(folder, name, share)


def _emptied(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _damaged() -> Iterator[Case]:
    place = r"checkpoints.*7"
    # The largest file of the arrays holds their bytes, and some that are not read; the configuration is JSON.
    for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        yield Case(f"checkpoint: a bit of config at {share:g}", bound(_flipped, "config/metadata", share), place)

    for share in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
        yield Case(f"checkpoint: a bit of the arrays at {share:g}", bound(_flipped_data, share), place, value=0.7)
    changes: dict[str, Callable[[Path], Any]] = {
        "removed": lambda path: path.unlink(),
        "emptied": lambda path: path.write_bytes(b""),
        "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "a folder": _emptied,
    }
    names = ["config/metadata", "artefact/_METADATA", "artefact/manifest.ocdbt"]
    for what, change in changes.items():
        for name in names:
            act = bound(lambda folder, change, name: _after(folder, lambda run: change(last(run) / name)), change, name)
            yield Case(f"checkpoint: {name} {what}", act, place)
    for item in ("artefact", "config"):
        act = bound(lambda folder, item: _after(folder, lambda run: shutil.rmtree(last(run) / item)), item)
        yield Case(f"checkpoint: no {item}", act, place)

    def swapped(folder: Path) -> Any:
        run, other = copied(folder), copied(folder, seed=1)
        shutil.rmtree(last(run) / "artefact")
        shutil.copytree(last(other) / "artefact", last(run) / "artefact")
        return _answer(run)

    yield Case("checkpoint: the arrays of another device", swapped, place, "restore it|remove that folder")


def _after(folder: Path, change: Callable[[Path], Any]) -> float:
    run = copied(folder)
    change(run)
    return _answer(run)


def _edited() -> Iterator[Case]:
    def edits(change: Callable[[dict[str, Any]], Any], **given: Any) -> Callable[[Path], Any]:
        return lambda folder: _answer(edit(copied(folder), change), **given)

    place = r"checkpoints.*7"
    yield Case("checkpoint: a format of the future", edits(lambda c: c.update(format=99)), place, "use the version")
    for value in (None, "2", 2.5, [2], True):
        act = edits(bound(lambda c, value: c.update(format=value), value))
        yield Case(f"checkpoint: format {value!r}", act, place, "use the version|restore|remove")
    yield Case("checkpoint: an edited step", edits(lambda c: c.update(step=8)), place, "--ignore_hash")
    yield Case(
        "checkpoint: an edited step that is believed", edits(lambda c: c.update(step=8), ignore_hash=True), value=0.7
    )
    wrong: dict[str, Callable[[dict[str, Any]], Any]] = {
        "a space that is not installed": lambda c: c["space"].update(name="my_space"),
        "a space of another version": lambda c: c["space"].update(version=2),
        "settings that the space lacks": lambda c: c["space"].update(settings={"depth": 2}),
        "no space": lambda c: c.pop("space"),
        "a space that is text": lambda c: c.update(space="nas_bench_macro"),
        "no costs": lambda c: c.pop("costs"),
        "a list": lambda c: c.clear(),
    }
    for what, change in wrong.items():
        yield Case(
            f"checkpoint: {what}, believed", edits(change, ignore_hash=True), "checkpoints.*7|spaces: |space ",
            "restore|remove that folder|known: |install|use the version|has no|unexpected",
        )  # fmt: skip
    for content in ("", "{", "[]", "3", "null", '"text"', "{}"):
        act = bound(
            lambda folder, content: _after(folder, lambda run: (last(run) / "config" / "metadata").write_text(content)),
            content,
        )
        yield Case(f"checkpoint: the configuration is {content!r}", act, place, "restore|remove|use the version")


def _foreign() -> Iterator[Case]:
    wrong: dict[str, Callable[[Path], Any]] = {
        "an empty folder": lambda folder: folder,
        "an absent folder": lambda folder: folder / "gone",
        "a file": lambda folder: write(folder / "run", "text"),
        "a pipe": lambda folder: pipe(folder / "run"),
        "a link to nothing": lambda folder: link(folder / "run", folder / "gone"),
        "an empty text": lambda folder: "",
        "a text with a zero": lambda folder: "a\0b",
        "a name too long": lambda folder: "n" * 300,
        "no steps": lambda folder: write(folder / "checkpoints" / "notes.txt", "x").parent.parent,
        "checkpoints that is a file": lambda folder: write(folder / "checkpoints", "x").parent,
        "a torn save alone": _with_torn,
    }  # fmt: skip
    for what, make in wrong.items():
        yield Case(
            f"checkpoint: {what}", bound(lambda folder, make: _answer(make(folder)), make), "checkpoint|path|folder"
        )
    for value in (None, 3, ["a"], b"run"):
        yield Case(f"checkpoint: {value!r} as path", bound(lambda folder, value: _answer(value), value), "path")

    def inside(folder: Path) -> Any:
        return _answer(last(copied(folder)))

    yield Case("checkpoint: the folder of a step", inside, "no complete checkpoint", "give the --out folder")

    def step(folder: Path) -> Any:
        return _after(folder, lambda run: write(run / "checkpoints" / "99" / "x", ""))

    yield Case("checkpoint: a step without anything", step, "checkpoints.*99", r"remove that folder .*\(7\)")


def _states() -> Iterator[Case]:
    spec = generators.make().problem.spec
    template = {"weights": np.zeros(4, np.float32)}

    def state(made: Any, template: Any, change: Callable[[Path], Any] = lambda run: None) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            run = copied(folder)
            change(run)
            found, step, about = checkpoint.read_state(run, made, template)
            return found["weights"].tolist(), step, about["seed"]

        return act

    still = generators.controller(spec)
    yield Case("state: sound", state(still, template), value=([0.0, 1.0, 2.0, 3.0], 7, 3))
    other = generators.controller(spec, size=5)
    yield Case("state: another size", state(other, template), "'size': 5", "give the same")
    yield Case("state: another shape", state(still, {"weights": np.zeros(5)}), "shapes", ".")
    yield Case("state: more arrays", state(still, {**template, "x": np.zeros(4)}), "shapes", ".")
    gone = state(still, template, lambda run: shutil.rmtree(last(run) / "state"))
    yield Case("state: gone", gone, "checkpoints.*7")
    odd = state(still, template, lambda run: edit(run, lambda c: c.update(controller=3)))
    yield Case("state: a configuration without a controller", odd, "checkpoints.*7")


def _read() -> Iterator[Case]:
    right: dict[str, Callable[[Path], Any]] = {
        "sound": copied,
        "as a text": lambda folder: str(copied(folder)),
        "under another name": lambda folder: copied(folder).rename(folder / "手机 é [b] $x"),
        "through a link": lambda folder: link(folder / "link", copied(folder)),
        "relative": lambda folder: os.path.relpath(copied(folder)),
        "beside a torn save": lambda folder: _with_torn(copied(folder)),
        "beside other files": lambda folder: write(copied(folder) / "checkpoints" / "notes.txt", "x").parent.parent,
        "without its state": lambda folder: without(copied(folder), "checkpoints/7/state"),
        "with one step": lambda folder: without(copied(folder), "checkpoints/3"),
        "JSON laid out anew": lambda folder: _laid_out(copied(folder)),
        "read-only": lambda folder: _read_only(copied(folder)),
    }
    for what, make in right.items():
        yield Case(f"checkpoint: {what}", bound(lambda folder, make: _answer(make(folder)), make), value=0.7)


def _with_torn(run: Path) -> Path:
    write(run / "checkpoints" / "9.orbax-checkpoint-tmp-0" / "config" / "metadata", "{")
    return run


def _laid_out(run: Path) -> Path:
    path = last(run) / "config" / "metadata"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2, sort_keys=True))
    return run


def _read_only(run: Path) -> Path:
    for path in run.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    return run
