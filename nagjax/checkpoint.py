"""Self-describing checkpoints: what training needs to go on, and what inference needs, in one orbax folder a step.

A step holds ``state`` (the controller's, for training), ``artefact`` (policy, archive and priced problem, for
inference) and ``config`` (JSON: everything static, with names and versions). Arrays are restored as NumPy, so a
checkpoint written on one number of devices opens on another. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from nagjax import plugins
from nagjax.controllers import Artefact, Controller
from nagjax.packing import describe, pack, unpack
from nagjax.problem import Description, Problem
from nagjax.saving import Steps

FORMAT = 1
FOLDER = "checkpoints"


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
        self._steps = Steps(Path(run_dir) / FOLDER)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.__exit__(kind, error, trace)

    def close(self) -> None:
        """Wait for the last save."""
        self.__exit__(None, None, None)

    def finish(self) -> None:
        """Wait until the last save is on the disk.

        Raises:
          OSError, ValueError: if it could not be written; ``save`` may be called again.
        """
        self._steps.finish()

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
        """
        import orbax.checkpoint as ocp

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
        }
        # Training gives its buffers away at the next chunk, so what is written in the background must be a copy.
        leaves = {f"{i:04d}": np.array(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        arrays = jax.tree.map(np.array, pack(artefact, problem, description.space))
        items = {"state": ocp.args.StandardSave(leaves), "artefact": ocp.args.StandardSave(arrays)}
        self._steps.save(step, ocp.args.Composite(**items, config=ocp.args.JsonSave(config)))


def latest_step(run_dir: str | Path) -> int | None:
    """The last complete step in a run folder, or None."""
    folder = Path(run_dir).resolve() / FOLDER
    if not folder.is_dir():
        return None
    steps = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    return max(steps, default=None)


def read_config(run_dir: str | Path) -> dict[str, Any]:
    """The configuration of the last complete step.

    Raises:
      ValueError: if there is no checkpoint, or it was written in another format.
    """
    import orbax.checkpoint as ocp

    config = _read(run_dir, "config", lambda manager, step: manager.restore(
        step, args=ocp.args.Composite(config=ocp.args.JsonRestore())).config)  # fmt: skip
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{run_dir}: checkpoint format {config.get('format')} was written by nagjax {config.get('nagjax')}; this "
            f"nagjax {importlib.metadata.version('nagjax')} reads format {FORMAT}: use the version that wrote it"
        )
    return dict(config)


def read(run_dir: str | Path) -> Saved:
    """What inference needs of the last complete step.

    Raises:
      ValueError: if there is no complete checkpoint, or its space is not the one installed; both versions are named.
    """
    config = read_config(run_dir)
    wanted = config["space"]
    space = plugins.load("spaces", wanted["name"])(**wanted["settings"])
    if space.version != wanted["version"]:
        raise ValueError(
            f"{run_dir}: written for {wanted['name']} version {wanted['version']}, installed is version "
            f"{space.version}; tokens mean something else: install the version that wrote it, or train again"
        )
    arrays = _read(run_dir, "artefact", _restore_item("artefact"))
    artefact, problem, description = unpack(config, arrays, space)
    return Saved(artefact, problem, description, config, Path(run_dir))


def read_state(run_dir: str | Path, controller: Controller, template: Any) -> tuple[Any, int, Mapping[str, Any]]:
    """The training state of the last complete step, to go on from.

    Args:
      run_dir: folder of the run.
      controller: must equal the one that wrote it.
      template: a state of the same structure, arrays or shapes (``jax.eval_shape`` of ``init``).

    Returns:
      state, step and the ``run`` mapping that was saved.

    Raises:
      ValueError: if the controller, its settings or an array's shape differ; both are named.
    """
    config = read_config(run_dir)
    written = config["controller"]
    if written["name"] != controller.name or written["settings"] != dict(controller.settings):
        raise ValueError(
            f"{run_dir}: written by controller {written['name']!r} with {written['settings']}, asked for "
            f"{controller.name!r} with {dict(controller.settings)}; give the same controller and settings"
        )
    leaves = _read(run_dir, "state", _restore_item("state"))
    ordered = [leaves[key] for key in sorted(leaves)]
    expected, structure = jax.tree.flatten(template)
    if [leaf.shape for leaf in expected] != [leaf.shape for leaf in ordered]:
        raise ValueError(
            f"{run_dir}: the saved state has other shapes than controller {controller.name!r} has for this space: "
            f"{[leaf.shape for leaf in ordered]} against {[leaf.shape for leaf in expected]}"
        )
    state = jax.tree.unflatten(structure, [jax.numpy.asarray(leaf) for leaf in ordered])
    return state, int(config["step"]), config["run"]


def _restore_item(name: str) -> Callable[[Any, int], Any]:
    def restore(manager: Any, step: int) -> Any:
        import orbax.checkpoint as ocp

        shapes = manager.item_metadata(step)[name].tree
        target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        return manager.restore(step, args=ocp.args.Composite(**{name: ocp.args.StandardRestore(target)}))[name]

    return restore


def _read(run_dir: str | Path, item: str, restore: Callable[[Any, int], Any]) -> Any:
    import orbax.checkpoint as ocp

    step = latest_step(run_dir)
    if step is None:
        raise ValueError(
            f"{run_dir}: no complete checkpoint in {Path(run_dir) / FOLDER}; give the --out folder of a run"
        )
    folder = Path(run_dir).resolve() / FOLDER
    names = ("state", "artefact", "config")
    handlers = {"config": ocp.JsonCheckpointHandler(), "state": ocp.StandardCheckpointHandler(),
                "artefact": ocp.StandardCheckpointHandler()}  # fmt: skip
    try:
        with ocp.CheckpointManager(folder, item_names=names, item_handlers=handlers) as manager:
            return restore(manager, step)
    except Exception as error:  # orbax and tensorstore raise many kinds; to a user they all mean one thing
        raise ValueError(
            f"{folder / str(step)}: cannot read {item!r} of this checkpoint, it is damaged or incomplete "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); remove that folder to use "
            "an earlier step, or restore it from a copy"
        ) from error
