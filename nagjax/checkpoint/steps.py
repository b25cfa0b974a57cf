"""Folders of steps: what a run saves now and then, one orbax folder a step, sealed, and read from one step.

A step's folder appears whole and never changes, but a living run puts old ones away: everything is read from one step,
and from a newer one where it vanished meanwhile. Its ``config`` (JSON) keeps the hashes of ``sealing``.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nagjax.checkpoint import sealing
from nagjax.checkpoint.saving import Steps
from nagjax.files import is_folder

TRIES = 50
"""Steps tried in turn before a run counts as saving faster than it can be read."""

UNSEALED = 1
"""The format before hashes."""

NO_ARRAY = "dict"
"""What stands for the type of an empty dictionary among arrays without an element."""

T = TypeVar("T")


class DamagedError(ValueError):
    """A step whose files cannot be read, or are not those that were written; the message says what to do."""


class ChangedError(DamagedError):
    """A step that can be read, and is not what was written."""


class RefusedError(ValueError):
    """What a sound step is refused for: to be said as it is, and not tried again."""


def save(steps: Steps, step: int, config: Mapping[str, Any], trees: Mapping[str, Mapping[str, Any]]) -> None:
    """Save a step in the background: JSON values, to which hashes are added, and trees of NumPy arrays by name.

    Nobody may change the arrays any more.

    Raises:
      OSError, ValueError: if this or the save before could not be written; it may be called again.
    """
    import orbax.checkpoint as ocp

    sealed = {
        **config,
        "sha256": {name: sealing.digest_arrays(tree) for name, tree in trees.items()},
        "empty": {name: _empty_leaves(tree) for name, tree in trees.items()},
    }
    sealed[sealing.SEAL] = sealing.digest_config(sealed)
    kept = {name: _without_empty(tree) for name, tree in trees.items()}
    items = {name: ocp.args.StandardSave(tree) for name, tree in kept.items() if tree}
    steps.save(step, ocp.args.Composite(**items, config=ocp.args.JsonSave(sealed)))


def numbers(root: Path) -> list[int]:
    """The complete steps in a folder, in no order."""
    return [int(path.name) for path in root.iterdir() if path.name.isdecimal()] if is_folder(root) else []


def of_latest(root: Path, read_step: Callable[[Path], T], absent: str) -> T:
    """What ``read_step`` makes of the folder of the last complete step; it raises ``DamagedError`` where it cannot.

    Raises:
      ValueError: if there is no step, or it is damaged, with the folder and the remedy.
    """
    for _ in range(TRIES):
        step = max(numbers(root), default=None)
        if step is None:
            raise ValueError(absent)
        try:
            return read_step(root / str(step))
        except DamagedError:
            if max(numbers(root), default=None) == step:
                raise
            # A living run has saved a newer step and put this one away.
    raise ValueError(f"{root}: a run is saving there faster than a checkpoint can be read; try again when it ends")


@contextlib.contextmanager
def reading(place: Path, item: str) -> Iterator[None]:
    """A context in which an item of a step is read: what fails in it is raised as ``DamagedError``."""
    try:
        yield
    except (DamagedError, RefusedError):
        raise
    except Exception as error:  # tensorstore raises many kinds; to a user they all mean one thing
        first_line = str(error).partition("\n")[0]
        raise DamagedError(
            f"{place}: cannot read {item!r} of this checkpoint, it is damaged or incomplete ({type(error).__name__}: "
            f"{first_line}); {remedy(place)}"
        ) from error


def read_config(place: Path, formats: Sequence[int], ignore_hash: bool = False) -> dict[str, Any]:
    """The configuration of a step.

    Raises:
      RefusedError: if it is of a format that is not among ``formats``.
      DamagedError: if it cannot be read, or is not as it was written.
    """
    with reading(place, "config"):
        config: dict[str, Any] = json.loads((place / "config" / "metadata").read_text(encoding="utf-8"))
        if type(config.get("format")) is not int or config["format"] not in formats:
            ours, known = importlib.metadata.version("nagjax"), " and ".join(map(str, formats))
            raise RefusedError(
                f"{place}: checkpoint format {config.get('format')} was written by nagjax {config.get('nagjax')}; this "
                f"nagjax {ours} reads formats {known}: use the version that wrote it"
            )
        if (config["format"] > UNSEALED or sealing.SEAL in config) and not ignore_hash:
            _compare(place, "config", sealing.digest_config(config), config.get(sealing.SEAL))
        return config


def read_arrays(place: Path, item: str, config: Mapping[str, Any], ignore_hash: bool = False) -> dict[str, Any]:
    """The arrays of an item of a step, as nested dictionaries of NumPy arrays.

    Raises:
      DamagedError: if they cannot be read, or are not as they were written.
    """
    with reading(place, item):
        empty = config.get("empty", {}).get(item, ())
        tree = {} if empty and not (place / item).exists() else restored(place / item)
        for path, dtype, shape in empty:
            _put(tree, path, {} if dtype == NO_ARRAY else np.zeros(shape, dtype))
        if config["format"] > UNSEALED and not ignore_hash:
            _compare(place, item, sealing.digest_arrays(tree), config["sha256"][item])
        return tree


def restored(folder: Path) -> dict[str, Any]:
    """The arrays that orbax wrote into a folder, as NumPy.

    They are read with tensorstore, as orbax does, but one after the other: where a file is damaged, orbax's own reading
    leaves tasks behind whose errors asyncio prints later. It is also quicker by the import of orbax.
    """
    import tensorstore as ts

    metadata = json.loads((folder / "_METADATA").read_text(encoding="utf-8"))
    store = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}
    driver, context = "zarr3" if metadata["use_zarr3"] else "zarr", ts.Context()
    tree: dict[str, Any] = {}
    for leaf in metadata["tree_metadata"].values():
        path = tuple(key["key"] for key in leaf["key_metadata"])
        if leaf["value_metadata"]["value_type"] == "Dict":  # an empty one, in the first format
            _put(tree, path, {})
            continue
        # Without the last setting an array whose bytes are lost would be read as zeros.
        spec = {"driver": driver, "kvstore": {**store, "path": ".".join(path) + "/"}, "fill_missing_data_reads": False}
        opened = ts.open(spec, read=True, open=True, context=context).result()
        _put(tree, path, opened.read().result())
    return tree


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def remedy(place: Path) -> str:
    """What to do about a step that is damaged."""
    earlier = [step for step in numbers(place.parent) if step < int(place.name)]
    if not earlier:
        return "there is no earlier step: restore it from a copy, or train again"
    return f"remove that folder to use an earlier step ({max(earlier)}), or restore it from a copy"


def _compare(place: Path, item: str, found: str, written: str | None) -> None:
    if found != written:
        raise ChangedError(
            f"{place}: {item!r} of this checkpoint is not what was saved (its SHA-256 is {found[:12]}, recorded is "
            f"{str(written)[:12]}): a file is damaged, or was changed or exchanged; {remedy(place)}"
        )


def _empty_leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str, list[int]]]:
    """Path, dtype and shape of what orbax cannot write: arrays without an element, and dictionaries (of no dtype)."""
    out = []
    for name, value in tree.items():
        path = (*above, name)
        if isinstance(value, Mapping):
            out += _empty_leaves(value, path) if value else [(path, NO_ARRAY, list[int]())]
        elif not value.size:
            out.append((path, str(value.dtype), list(value.shape)))
    return out


def _without_empty(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree without arrays that have no element, and without dictionaries that then have none."""
    out = {}
    for name, value in tree.items():
        kept = _without_empty(value) if isinstance(value, Mapping) else value
        if len(kept) if isinstance(kept, dict) else kept.size:
            out[name] = kept
    return out
