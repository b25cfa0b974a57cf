"""Checkpoints of trained weights: one orbax folder a step, with what says whose weights they are. Never a pickle."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from nagjax.checkpoint import sealing, steps
from nagjax.checkpoint.saving import Steps, StepWriter
from nagjax.spaces.space import Space
from nagjax.supernet.forms import Form, recorded
from nagjax.supernet.training import TrainState

FORMAT = 2
READ = (1, 2)
"""Formats that are read; the first had no hashes."""
FOLDER, MEMORY = "weights", "memory"

T = TypeVar("T")


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

    @property
    def form(self) -> Form | None:
        """What the parameters are; None where they are those of the space's network."""
        return recorded(self.config)


class Writer(StepWriter):
    """Writes the checkpoints of one run, a context manager; ``config`` says whose weights these are, JSON."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder / FOLDER)
        self._config = {"format": FORMAT, "nagjax": importlib.metadata.version("nagjax"), **config}

    def save(self, state: TrainState, seconds: float) -> None:
        """Save a state in the background; ``seconds`` is the time that training took so far.

        Raises:
          OSError, ValueError: if this or the save before could not be written; it may be called again.
        """
        leaves = {f"{at:04d}": np.array(leaf) for at, leaf in enumerate(jax.tree.leaves(state.optimiser))}
        trees = {"parameters": jax.tree.map(np.array, state.parameters), "optimiser": leaves}
        if memory := {f"{at:04d}": np.array(leaf) for at, leaf in enumerate(jax.tree.leaves(state.memory))}:
            trees[MEMORY] = memory
        steps.save(self._steps, state.step, {**self._config, "step": state.step, "seconds": seconds}, trees)


def keep(folder: Path, weights: Weights) -> None:
    """Write weights alone, without what training needs to go on.

    Raises:
      OSError, ValueError: if they cannot be written.
    """
    config = {**weights.config, "format": FORMAT, "nagjax": importlib.metadata.version("nagjax")}
    config.pop(sealing.SEAL, None)
    with Steps(folder / FOLDER) as written:
        steps.save(written, weights.step, config, {"parameters": weights.parameters})


def has_weights(folder: Path) -> bool:
    """Whether a folder holds a complete checkpoint."""
    return bool(steps.numbers(folder.resolve() / FOLDER))


def read_weights(folder: Path) -> Weights:
    """Weights of the last complete step.

    Raises:
      ValueError: if there is none, or it cannot be read.
    """
    return _of_latest(folder, _weights)


def check_space(weights: Weights, space: Space, folder: str | Path) -> None:
    """Refuse weights of another space.

    Raises:
      ValueError: with both.
    """
    written = weights.config["space"]
    if (written["name"], written["version"], written["settings"]) != (space.name, space.version, dict(space.settings)):
        raise ValueError(
            f"{folder}: is a supernet of {written['name']}({written['settings']}), not of {space.identity}"
        )


def read_state(folder: Path, fresh: TrainState) -> tuple[TrainState, float]:
    """The last complete state, as NumPy arrays, and the seconds behind it; ``fresh`` is a state of the same structure.

    Raises:
      ValueError: if shapes differ, or it cannot be read.
    """

    def all_of(place: Path) -> tuple[Weights, dict[str, Any], dict[str, Any]]:
        weights = _weights(place)
        memory = steps.read_arrays(place, MEMORY, weights.config) if jax.tree.leaves(fresh.memory) else {}
        return weights, steps.read_arrays(place, "optimiser", weights.config), memory

    weights, optimiser, memory = _of_latest(folder, all_of)
    if jax.tree.map(np.shape, weights.parameters) != jax.tree.map(np.shape, fresh.parameters):
        raise _other_shapes(folder)
    state = TrainState(
        weights.parameters, _restored(folder, optimiser, fresh.optimiser), weights.step,
        _restored(folder, memory, fresh.memory),
    )  # fmt: skip
    return state, float(weights.config["seconds"])


def _restored(folder: Path, leaves: Mapping[str, Any], fresh: Any) -> Any:
    """A tree like ``fresh`` of the leaves that were stored of one."""
    ordered = [leaves[name] for name in sorted(leaves)]
    template, structure = jax.tree.flatten(fresh)
    if [np.shape(leaf) for leaf in ordered] != [np.shape(leaf) for leaf in template]:
        raise _other_shapes(folder)
    typed = [np.asarray(leaf, old.dtype) for leaf, old in zip(ordered, template, strict=True)]
    return jax.tree.unflatten(structure, typed)


def _other_shapes(folder: Path) -> ValueError:
    return ValueError(f"{folder}: the weights there have other shapes than this space; give its own folder")


def _weights(place: Path) -> Weights:
    config = steps.read_config(place, READ)
    return Weights(steps.read_arrays(place, "parameters", config), int(config["step"]), config)


def _of_latest(folder: Path, read_step: Callable[[Path], T]) -> T:
    absent = f"{folder}: no complete checkpoint in {folder / FOLDER}; give the --out of a training run"
    return steps.of_latest(folder.resolve() / FOLDER, read_step, absent)
