"""Checkpoints of trained weights: one orbax folder a step, with what says whose weights they are. Never a pickle."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from nagjax.saving import Steps
from nagjax.supernet.training import TrainState

FORMAT = 1
FOLDER = "weights"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Trained weights as read from a folder.

    Attributes:
      parameters: of the supernet, float32 arrays.
      step: updates behind them.
      config: space, data, recipe and versions, as they were written.
    """

    parameters: Any
    step: int
    config: Mapping[str, Any]


class Writer:
    """Writes the checkpoints of one run; use as a context manager.

    Args:
      folder: of the run.
      config: JSON values that say whose weights these are.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._steps = Steps(folder / FOLDER)
        self._config = {"format": FORMAT, "nagjax": importlib.metadata.version("nagjax"), **config}

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.__exit__(kind, error, trace)

    def finish(self) -> None:
        """Wait until the last save is on the disk.

        Raises:
          OSError, ValueError: if it could not be written; ``save`` may be called again.
        """
        self._steps.finish()

    def save(self, state: TrainState, seconds: float) -> None:
        """Save a state in the background; ``seconds`` is the time that training took so far.

        Raises:
          OSError, ValueError: if this or the save before could not be written; it may be called again.
        """
        import orbax.checkpoint as ocp

        leaves = {f"{at:04d}": np.array(leaf) for at, leaf in enumerate(jax.tree.leaves(state.optimiser))}
        items = {
            "parameters": ocp.args.StandardSave(jax.tree.map(np.array, state.parameters)),
            "optimiser": ocp.args.StandardSave(leaves),
            "config": ocp.args.JsonSave({**self._config, "step": state.step, "seconds": seconds}),
        }
        self._steps.save(state.step, ocp.args.Composite(**items))


def has_weights(folder: Path) -> bool:
    """Whether a folder holds a complete checkpoint."""
    return _latest(folder) is not None


def read_weights(folder: Path) -> Weights:
    """Weights of the last complete step.

    Raises:
      ValueError: if there is none, or it cannot be read.
    """
    config = _read(folder, "config")
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: weights of format {config.get('format')!r}, written by nagjax {config.get('nagjax')}; this one "
            f"reads format {FORMAT}: use the version that wrote them"
        )
    return Weights(_read(folder, "parameters"), int(config["step"]), config)


def read_state(folder: Path, fresh: TrainState) -> tuple[TrainState, float]:
    """The last complete state, and the seconds behind it, to go on from.

    Args:
      folder: of the run.
      fresh: a state of the same structure.

    Raises:
      ValueError: if shapes differ, or it cannot be read.
    """
    weights, leaves = read_weights(folder), _read(folder, "optimiser")
    ordered = [leaves[name] for name in sorted(leaves)]
    template, structure = jax.tree.flatten(fresh.optimiser)
    shapes = jax.tree.map(np.shape, weights.parameters), [np.shape(leaf) for leaf in ordered]
    if shapes != (jax.tree.map(np.shape, fresh.parameters), [np.shape(leaf) for leaf in template]):
        raise ValueError(f"{folder}: the weights there have other shapes than this space; give its own folder")
    typed = [jax.numpy.asarray(leaf, old.dtype) for leaf, old in zip(ordered, template, strict=True)]
    parameters = jax.tree.map(jax.numpy.asarray, weights.parameters)
    state = TrainState(parameters, jax.tree.unflatten(structure, typed), weights.step)
    return state, float(weights.config["seconds"])


def _latest(folder: Path) -> int | None:
    place = folder.resolve() / FOLDER
    steps = [int(path.name) for path in place.iterdir() if path.name.isdigit()] if place.is_dir() else []
    return max(steps, default=None)


def _read(folder: Path, item: str) -> Any:
    import orbax.checkpoint as ocp

    step = _latest(folder)
    if step is None:
        raise ValueError(f"{folder}: no complete checkpoint in {folder / FOLDER}; give the --out of a training run")
    handlers: dict[str, Any] = {
        "config": ocp.JsonCheckpointHandler(),
        "parameters": ocp.StandardCheckpointHandler(),
        "optimiser": ocp.StandardCheckpointHandler(),
    }
    try:
        with ocp.CheckpointManager(
            folder.resolve() / FOLDER, item_names=tuple(handlers), item_handlers=handlers
        ) as manager:
            if item == "config":
                return manager.restore(step, args=ocp.args.Composite(config=ocp.args.JsonRestore())).config
            shapes = manager.item_metadata(step)[item].tree
            target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
            return manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(target)}))[item]
    except Exception as error:  # orbax and tensorstore raise many kinds; to a user they all mean one thing
        raise ValueError(
            f"{folder / FOLDER / str(step)}: cannot read {item!r}, the checkpoint is damaged or incomplete "
            f"({type(error).__name__}); remove that folder to use an earlier step"
        ) from error
