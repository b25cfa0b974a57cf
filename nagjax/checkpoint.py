"""Self-describing checkpoints: what training needs to go on, and what inference needs, in one orbax folder a step.

A step holds ``state`` (the controller's, for training), ``artefact`` (policy, archive and priced problem, for
inference) and ``config`` (JSON: everything static, with names, versions and the hashes of ``nagjax.sealing``). Arrays
are restored as NumPy, so a checkpoint written on one number of devices opens on another. Nothing is ever unpickled.

A step's folder appears whole and never changes, but a living run puts old ones away: everything is read from one step,
and from a newer one where it vanished meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from nagjax import plugins, sealing
from nagjax.controllers import Artefact, Controller
from nagjax.files import is_folder
from nagjax.packing import describe, pack, unpack
from nagjax.problem import Description, Problem
from nagjax.spaces.space import Space
from nagjax.verification import check_archive

FORMAT = 2
READ = (1, 2)
"""Formats that are read; the first had no hashes."""
FOLDER = "checkpoints"
KEEP = 2
TRIES = 50
"""Steps tried in turn before a run counts as saving faster than it can be read."""

T = TypeVar("T")


class DamagedError(ValueError):
    """A checkpoint whose files are not those that were written; the message names the folder and what to do."""


@dataclasses.dataclass(frozen=True)
class Saved:
    """A checkpoint as read for inference.

    Attributes:
      artefact: policy and archive.
      problem: the priced problem.
      description: its companion on the host.
      config: everything static, as it was written.
      path: folder of the run.
    """

    artefact: Artefact
    problem: Problem
    description: Description
    config: Mapping[str, Any]
    path: Path


class Writer:
    """Writes the checkpoints of one run into ``run_dir/checkpoints``; use as a context manager."""

    def __init__(self, run_dir: str | Path) -> None:
        import orbax.checkpoint as ocp

        # Orbax fails late, in a thread, on a relative path.
        folder = Path(run_dir).resolve() / FOLDER
        self._manager = ocp.CheckpointManager(
            folder, options=ocp.CheckpointManagerOptions(max_to_keep=KEEP, create=True)
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the last save."""
        self._manager.wait_until_finished()
        self._manager.close()

    def save(
        self,
        step: int,
        controller: Controller,
        params: Mapping[str, Any],
        state: Any,
        artefact: Artefact,
        problem: Problem,
        description: Description,
        run: Mapping[str, Any],
    ) -> None:
        """Save a step; ``run`` is what else to remember (seed, seconds, flags), as JSON values.

        Raises:
          ValueError: if the archive's costs are not those of its architectures, or the state is not made of arrays; the
            controller is named.
        """
        import orbax.checkpoint as ocp

        # Training gives its buffers away at the next chunk, so what is written in the background must be a copy.
        with plugins.raised_by("controllers", controller.name, "its state is not made of arrays"):
            leaves = {f"{i:04d}": np.array(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        if artefact.archive is not None:
            check_archive(controller.name, artefact.archive, problem, description)
        trees = {"state": leaves, "artefact": jax.tree.map(np.array, pack(artefact, problem, description))}
        config = {
            "format": FORMAT,
            "nagjax": importlib.metadata.version("nagjax"),
            "jax": jax.__version__,
            "step": step,
            "controller": {
                "name": controller.name,
                "settings": dict(controller.settings),
                "params": {key: np.asarray(value).tolist() for key, value in params.items()},
            },
            "run": dict(run),
            **describe(artefact, problem, description),
            "sha256": {name: sealing.digest_arrays(tree) for name, tree in trees.items()},
            "empty": {name: _empty_leaves(tree) for name, tree in trees.items()},
        }
        config[sealing.SEAL] = sealing.digest_config(config)
        kept = {name: _without_empty(tree) for name, tree in trees.items()}
        items = {name: ocp.args.StandardSave(tree) for name, tree in kept.items() if tree}
        self._manager.save(step, args=ocp.args.Composite(**items, config=ocp.args.JsonSave(config)))


def latest_step(run_dir: str | Path) -> int | None:
    """The last complete step in a run folder, or None."""
    return max(_steps(run_dir), default=None)


def read_config(run_dir: str | Path, *, ignore_hash: bool = False) -> dict[str, Any]:
    """The configuration of the last complete step.

    Args:
      run_dir: folder of the run.
      ignore_hash: believe it although its hash differs, after an edit on purpose.

    Raises:
      ValueError: if there is no checkpoint, it was written in another format, or it is not as it was written.
    """
    return _of_latest(run_dir, lambda place: _config(place, ignore_hash))


def read(run_dir: str | Path, *, ignore_hash: bool = False, space: Space | None = None) -> Saved:
    """What inference needs of the last complete step.

    Args:
      run_dir: folder of the run.
      ignore_hash: believe it although its hash differs, after an edit on purpose.
      space: the space it is for, where that is not registered (one made in a notebook).

    Raises:
      ValueError: if there is no complete checkpoint, it is not as it was written, or its space is not the one
        installed; both versions are named.
    """

    def both(place: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
        config = _config(place, ignore_hash)
        return place, config, _arrays(place, "artefact", config, ignore_hash)

    place, config, arrays = _of_latest(run_dir, both)
    _refuse_nan(place, arrays)
    space = _space(place, config, space)
    try:
        artefact, problem, description = unpack(config, arrays, space)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise DamagedError(
            f"{place}: its configuration and arrays do not make a generator ({type(error).__name__}: {error}); "
            f"{_remedy(place)}"
        ) from error
    return Saved(artefact, problem, description, config, Path(run_dir))


def read_state(
    run_dir: str | Path, controller: Controller, template: Any, *, ignore_hash: bool = False
) -> tuple[Any, int, Mapping[str, Any]]:
    """The training state of the last complete step, to go on from.

    Args:
      run_dir: folder of the run.
      controller: must equal the one that wrote it.
      template: a state of the same structure, arrays or shapes (``jax.eval_shape`` of ``init``).
      ignore_hash: believe it although its hash differs, after an edit on purpose.

    Returns:
      state, step and the ``run`` mapping that was saved.

    Raises:
      ValueError: if the controller, its settings or an array's shape differ; both are named; or if the checkpoint is
        not as it was written.
    """

    def both(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        config = _config(place, ignore_hash)
        with _reading(place, "config"):
            written = {name: config["controller"][name] for name in ("name", "settings")}
        if written["name"] != controller.name or written["settings"] != dict(controller.settings):
            raise _RefusedError(
                f"{run_dir}: written by controller {written['name']!r} with {written['settings']}, asked for "
                f"{controller.name!r} with {dict(controller.settings)}; give the same controller and settings"
            )
        return config, _arrays(place, "state", config, ignore_hash)

    config, leaves = _of_latest(run_dir, both)
    ordered = [leaves[key] for key in sorted(leaves)]
    expected, structure = jax.tree.flatten(template)
    if [leaf.shape for leaf in expected] != [leaf.shape for leaf in ordered]:
        raise ValueError(
            f"{run_dir}: the saved state has other shapes than controller {controller.name!r} has for this space: "
            f"{[leaf.shape for leaf in ordered]} against {[leaf.shape for leaf in expected]}"
        )
    state = jax.tree.unflatten(structure, [jax.numpy.asarray(leaf) for leaf in ordered])
    return state, int(config["step"]), config["run"]


class _RefusedError(ValueError):
    """What a sound step is refused for: to be said as it is, and not tried again."""


def _steps(run_dir: str | Path) -> list[int]:
    folder = _checked(run_dir).resolve() / FOLDER
    if not is_folder(folder):
        return []
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def _checked(run_dir: object) -> Path:
    if not isinstance(run_dir, str | os.PathLike) or "\0" in str(run_dir):
        raise ValueError(f"{run_dir!r}: is no path; give the --out folder of a run")
    return Path(run_dir)


def _of_latest(run_dir: str | Path, read_step: Callable[[Path], T]) -> T:
    """What ``read_step`` makes of the folder of the last complete step."""
    for _ in range(TRIES):
        step = latest_step(run_dir)
        if step is None:
            raise ValueError(
                f"{run_dir}: no complete checkpoint in {Path(run_dir) / FOLDER}; give the --out folder of a run"
            )
        try:
            return read_step(Path(run_dir).resolve() / FOLDER / str(step))
        except DamagedError:
            if latest_step(run_dir) == step:
                raise
            # A living run has saved a newer step and put this one away.
    raise ValueError(f"{run_dir}: a run is saving there faster than a checkpoint can be read; try again when it ends")


@contextlib.contextmanager
def _reading(place: Path, item: str) -> Iterator[None]:
    try:
        yield
    except (DamagedError, _RefusedError):
        raise
    except Exception as error:  # tensorstore raises many kinds; to a user they all mean one thing
        first_line = str(error).partition("\n")[0]
        raise DamagedError(
            f"{place}: cannot read {item!r} of this checkpoint, it is damaged or incomplete ({type(error).__name__}: "
            f"{first_line}); {_remedy(place)}"
        ) from error


def _config(place: Path, ignore_hash: bool) -> dict[str, Any]:
    with _reading(place, "config"):
        config: dict[str, Any] = json.loads((place / "config" / "metadata").read_text(encoding="utf-8"))
        if type(config.get("format")) is not int or config["format"] not in READ:
            raise _RefusedError(
                f"{place}: checkpoint format {config.get('format')} was written by nagjax {config.get('nagjax')}; this "
                f"nagjax {importlib.metadata.version('nagjax')} reads formats {' and '.join(map(str, READ))}: use the "
                "version that wrote it"
            )
        if (config["format"] > 1 or sealing.SEAL in config) and not ignore_hash:
            _compare(place, "config", sealing.digest_config(config), config.get(sealing.SEAL))
        return config


def _arrays(place: Path, item: str, config: Mapping[str, Any], ignore_hash: bool) -> dict[str, Any]:
    """The arrays of an item of a step, as nested dictionaries."""
    with _reading(place, item):
        empty = config.get("empty", {}).get(item, ())
        tree = {} if empty and not (place / item).exists() else _restored(place / item)
        for path, dtype, shape in empty:
            _put(tree, path, np.zeros(shape, dtype))
        if config["format"] > 1 and not ignore_hash:
            _compare(place, item, sealing.digest_arrays(tree), config["sha256"][item])
        return tree


def _restored(folder: Path) -> dict[str, Any]:
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
        # Without the last setting an array whose bytes are lost would be read as zeros.
        spec = {"driver": driver, "kvstore": {**store, "path": ".".join(path) + "/"}, "fill_missing_data_reads": False}
        opened = ts.open(spec, read=True, open=True, context=context).result()
        _put(tree, path, opened.read().result())
    return tree


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _compare(place: Path, item: str, found: str, written: str | None) -> None:
    if found != written:
        raise DamagedError(
            f"{place}: {item!r} of this checkpoint is not what was saved (its SHA-256 is {found[:12]}, recorded is "
            f"{str(written)[:12]}): a file is damaged, or was changed or exchanged; {_remedy(place)}; only if you have "
            "edited it on purpose, --ignore_hash (ignore_hash=True) believes it"
        )


def _remedy(place: Path) -> str:
    earlier = [step for step in _steps(place.parent.parent) if step < int(place.name)]
    if not earlier:
        return "there is no earlier step: restore it from a copy, or train again"
    return f"remove that folder to use an earlier step ({max(earlier)}), or restore it from a copy"


def _refuse_nan(place: Path, tree: Mapping[str, Any]) -> None:
    """Weights that are no numbers answer at random, and a mask or price that is none guarantees nothing."""
    for path, value in sealing.leaves(tree):
        judged = path[0] in ("problem", "policy") or path[:2] == ("quality", "params")
        if judged and value.dtype.kind == "f" and np.isnan(value).any():
            raise DamagedError(
                f"{place}: {'.'.join(path)} holds {np.isnan(value).sum()} NaN of {value.size}: training has diverged, "
                f"or the file was changed; train with smaller steps, or {_remedy(place)}"
            )


def _space(place: Path, config: Mapping[str, Any], given: Space | None) -> Space:
    with _reading(place, "config"):
        wanted = {name: config["space"][name] for name in ("name", "version", "settings")}
    made = given or plugins.load("spaces", wanted["name"])(**wanted["settings"])
    space = plugins.expect("spaces", wanted["name"], made, Space)
    if space.version != wanted["version"]:
        raise ValueError(
            f"{place}: written for {wanted['name']} version {wanted['version']}, installed is version "
            f"{space.version}; tokens mean something else: install the version that wrote it, or train again"
        )
    return space


def _empty_leaves(tree: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str, tuple[int, ...]]]:
    """Path, dtype and shape of the arrays without an element: orbax cannot write them."""
    return [(path, str(leaf.dtype), leaf.shape) for path, leaf in sealing.leaves(tree) if not leaf.size]


def _without_empty(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree without arrays that have no element, and without dictionaries that then have none."""
    out = {}
    for name, value in tree.items():
        kept = _without_empty(value) if isinstance(value, Mapping) else value
        if len(kept) if isinstance(kept, dict) else kept.size:
            out[name] = kept
    return out
