"""Self-describing checkpoints: what training needs to go on, and what inference needs, in one orbax folder a step.

A step holds ``state`` (the controller's, for training), ``artefact`` (policy, archive and priced problem, for
inference) and ``config`` (JSON: everything static, with names, versions and the hashes of ``sealing``). Arrays are
restored as NumPy, so a checkpoint written on one number of devices opens on another. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from nagjax import plugins
from nagjax.checkpoint import sealing, steps
from nagjax.checkpoint.packing import describe, pack, unpack
from nagjax.checkpoint.saving import StepWriter
from nagjax.checkpoint.steps import ChangedError, DamagedError, RefusedError, read_arrays
from nagjax.controllers import Artefact, Controller, named_params
from nagjax.problems.problem import Description, Problem
from nagjax.spaces.space import Space
from nagjax.verification import check_archive

FORMAT = 3
READ = (1, 2, 3)
"""Formats that are read; the first had no hashes, the first two knew two forms of quality."""
FOLDER = "checkpoints"
T = TypeVar("T")


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


class Writer(StepWriter):
    """Writes the checkpoints of one run into ``run_dir/checkpoints``; use as a context manager."""

    def __init__(self, run_dir: str | Path) -> None:
        super().__init__(Path(run_dir) / FOLDER)

    def close(self) -> None:
        """Wait for the last save."""
        self.__exit__(None, None, None)

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
        """Save a step in the background; ``run`` is what else to remember (seed, seconds, flags), as JSON values.

        Raises:
          OSError, ValueError: if this or the save before could not be written; it may be called again.
          ValueError: if the archive's costs are not those of its architectures, or the state is not made of arrays; the
            controller is named.
        """
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
                "params": named_params(controller, params),
            },
            "run": dict(run),
            **describe(artefact, problem, description),
        }
        steps.save(self._steps, step, config, trees)


def latest_step(run_dir: str | Path) -> int | None:
    """The last complete step in a run folder, or None."""
    return max(steps.numbers(_root(run_dir)), default=None)


def read_config(run_dir: str | Path, *, ignore_hash: bool = False) -> dict[str, Any]:
    """The configuration of the last complete step; with ``ignore_hash`` even if it was edited on purpose.

    Raises:
      ValueError: if there is no checkpoint, it was written in another format, or it is not as it was written.
    """
    return _of_latest(run_dir, lambda place: steps.read_config(place, READ, ignore_hash))


def read(run_dir: str | Path, *, ignore_hash: bool = False, space: Space | None = None) -> Saved:
    """What inference needs of the last complete step; ``ignore_hash`` as in ``read_config``.

    ``space`` is the one it is for, where that is not registered (one made in a notebook).

    Raises:
      ValueError: if there is no complete checkpoint, it is not as it was written, or its space is not the one
        installed; both versions are named.
    """

    def both(place: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
        config = steps.read_config(place, READ, ignore_hash)
        return place, config, read_arrays(place, "artefact", config, ignore_hash)

    place, config, arrays = _of_latest(run_dir, both)
    _refuse_nan(place, arrays)
    space = _space(place, config, space)
    try:
        artefact, problem, description = unpack(config, arrays, space)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise DamagedError(
            f"{place}: its configuration and arrays do not make a generator ({type(error).__name__}: {error}); "
            f"{steps.remedy(place)}"
        ) from error
    return Saved(artefact, problem, description, config, Path(run_dir))


def read_state(
    run_dir: str | Path, controller: Controller, template: Any, *, ignore_hash: bool = False
) -> tuple[Any, int, Mapping[str, Any]]:
    """The training state of the last complete step, the step and the ``run`` mapping that was saved, to go on from.

    ``template`` is a state of the same structure, arrays or shapes (``jax.eval_shape`` of ``init``); ``ignore_hash`` as
    in ``read_config``.

    Raises:
      ValueError: if the controller, its settings or an array's shape differ; both are named; or if the checkpoint is
        not as it was written.
    """

    def both(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        config = steps.read_config(place, READ, ignore_hash)
        with steps.reading(place, "config"):
            written = {name: config["controller"][name] for name in ("name", "settings")}
        if written["name"] != controller.name or written["settings"] != dict(controller.settings):
            raise RefusedError(
                f"{run_dir}: written by controller {written['name']!r} with {written['settings']}, asked for "
                f"{controller.name!r} with {dict(controller.settings)}; give the same controller and settings"
            )
        return config, read_arrays(place, "state", config, ignore_hash)

    config, leaves = _of_latest(run_dir, both)
    ordered = [leaves[key] for key in sorted(leaves)]
    expected, structure = jax.tree.flatten(template)
    if [leaf.shape for leaf in expected] != [leaf.shape for leaf in ordered]:
        raise ValueError(
            f"{run_dir}: the saved state has other shapes than controller {controller.name!r} has for this space: "
            f"{[leaf.shape for leaf in ordered]} against {[leaf.shape for leaf in expected]}"
        )
    state = jax.tree.unflatten(structure, jax.device_put(ordered))
    return state, int(config["step"]), config["run"]


def _root(run_dir: str | Path) -> Path:
    """Absolute folder of a run's steps."""
    if not isinstance(run_dir, str | os.PathLike) or "\0" in str(run_dir):
        raise ValueError(f"{run_dir!r:.80}: is not a path; give the --out folder of a run")
    return Path(run_dir).resolve() / FOLDER


def _of_latest(run_dir: str | Path, read_step: Callable[[Path], T]) -> T:
    root = _root(run_dir)
    absent = f"{run_dir}: no complete checkpoint in {Path(run_dir) / FOLDER}; give the --out folder of a run"
    try:
        return steps.of_latest(root, read_step, absent)
    except ChangedError as error:
        raise ChangedError(
            f"{error}; only if you have edited it on purpose, --ignore_hash (ignore_hash=True) believes it"
        ) from error


def _refuse_nan(place: Path, tree: Mapping[str, Any]) -> None:
    """Weights that are not numbers answer at random, and a mask or price that is none guarantees nothing."""
    for path, value in sealing.leaves(tree):
        judged = path[0] in ("problem", "policy") or path[:2] == ("quality", "params")
        if judged and value.dtype.kind == "f" and np.isnan(value).any():
            raise DamagedError(
                f"{place}: {'.'.join(path)} holds {np.isnan(value).sum()} NaN of {value.size}: training has diverged, "
                f"or the file was changed; train with smaller steps, or {steps.remedy(place)}"
            )


def _space(place: Path, config: Mapping[str, Any], given: Space | None) -> Space:
    with steps.reading(place, "config"):
        wanted = {name: config["space"][name] for name in ("name", "version", "settings")}
    made = given or plugins.load("spaces", wanted["name"])(**wanted["settings"])
    space = plugins.expect("spaces", wanted["name"], made, Space)
    if space.version != wanted["version"]:
        raise ValueError(
            f"{place}: written for {wanted['name']} version {wanted['version']}, installed is version "
            f"{space.version}; tokens mean something else: install the version that wrote it, or train again"
        )
    return space
