"""A trained supernet with its task: what networks are taken out of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nagjax import plugins
from nagjax.deployment import carried
from nagjax.deployment.subnets import Subnet
from nagjax.elastic import Elastic
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.evaluation import Assessor, alone_assessor, calibration_inputs, supernet_assessor
from nagjax.supernet.inputs import scaled
from nagjax.supernet.recorded import recorded_task
from nagjax.supernet.task import Task
from nagjax.supernet.training import elastic_of

__all__ = ["TrainedSupernet", "load_supernet", "scaled"]


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedSupernet:
    """Weights that hold every architecture of a space, and the task that they were trained on.

    Attributes:
      space: the search space.
      weights: parameters, and whose they are.
      task: the data, and what is judged on them.
    """

    space: Space
    weights: storage.Weights
    task: Task

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the weights, as JSON values."""
        return {name: self.weights.config[name] for name in ("space", "where", "data", "recipe", "step")}

    @functools.cached_property
    def assessor(self) -> Assessor:
        """Evaluates architectures with these weights."""
        return supernet_assessor(self.space, self.task, form=self.weights.form)

    @functools.cached_property
    def elastic(self) -> Elastic:
        """The network that the weights are of."""
        return elastic_of(self.space, form=self.weights.form)

    @functools.cached_property
    def _apply(self) -> Any:
        """Compiled once a group, which takes long."""
        return jax.jit(lambda *given: self.elastic.apply(*given).outputs)

    def logits(self, inputs: Any, tokens: np.ndarray) -> np.ndarray:
        """Outputs float32 ``[N, ...]`` of an architecture int32 ``[T]`` for inputs of the task, norms calibrated."""
        prepared = self.task.prepare(inputs, self.elastic.group(tokens))
        statistics = self.assessor.statistics(self.weights.parameters, tokens)
        return np.asarray(self._apply(self.weights.parameters, prepared, tokens, statistics))

    def network(self, architecture: np.ndarray | str) -> Subnet:
        """An architecture, tokens int ``[T]`` or text, with its own weights, norms calibrated as they are for labels.

        Its outputs equal the supernet's to rounding.

        Raises:
          ValueError: if it is not an architecture of the space, or its network is not a chain of operators.
        """
        tokens = self.space.parse(architecture) if isinstance(architecture, str) else np.asarray(architecture)
        self.space.check(tokens[None])
        parameters = self.elastic.used(self.weights.parameters, tokens)
        return self.calibrated(tokens, jax.tree.map(np.asarray, parameters))

    def calibrated(self, tokens: np.ndarray, parameters: Mapping[str, Any]) -> Subnet:
        """An architecture with parameters of its own, as ``nagjax.blocks.Network`` has them, norms calibrated."""
        operators = self.elastic.alone(tokens).operators
        if not operators:
            raise ValueError(
                f"{self.space.format(tokens)}: its network is not a chain of operators, which is all that is deployed; "
                f"the elastic network of {self.space.name} names them in alone(...).operators"
            )
        statistics = alone_assessor(self.space, tokens.tolist(), self.task).statistics(parameters, tokens)
        return Subnet(
            architecture=self.space.format(tokens),
            space=self.space.identity,
            operators=operators,
            parameters=tuple(_arrays(parameters[f"op{at}"]) for at in range(len(operators))),
            statistics=tuple(
                {name: (np.asarray(mean), np.asarray(variance)) for name, (mean, variance) in part.items()}
                for part in statistics
            ),
            mean=np.asarray(self.task.mean, np.float32),
            std=np.asarray(self.task.std, np.float32),
        )

    def calibration_inputs(self, tokens: np.ndarray, count: int) -> np.ndarray:
        """Training inputs ``[N, ...]``, as the deployed network takes them, that quantisation may look at."""
        return self.task.deployed(calibration_inputs(self.task, count), self.elastic.group(tokens))


def load_supernet(
    folder: str | Path, data_dir: str | Path | None = None, image_cache: str | None = None
) -> TrainedSupernet:
    """Open the folder of a trained supernet, and the task that it was trained on.

    Args:
      folder: what ``nagjax train_supernet`` wrote, or ``nagjax export --supernet``; the latter carries what deploying
        needs of the images, and is judged on none unless ``data_dir`` is given.
      data_dir: folder of the data set's files, where it needs one.
      image_cache: of image folders, see ``nagjax.supernet.datasets.load.load``.

    Raises:
      ValueError: if there are no weights, the space is of another version, or the data cannot be read.
    """
    weights = storage.read_weights(Path(folder))
    written = weights.config["space"]
    made = plugins.load("spaces", written["name"])(**written["settings"])
    space = plugins.expect("spaces", written["name"], made, Space)
    if space.version != written["version"]:
        raise ValueError(
            f"{folder}: the supernet was trained for {written['name']} version {written['version']}, installed is "
            f"{space.version}; install the version that trained it, or train again"
        )
    if data_dir is None and carried.has_images(Path(folder)):
        return TrainedSupernet(space, weights, carried.read_task(Path(folder), str(weights.config["data"].get("data"))))
    task = recorded_task(weights.config, str(data_dir) if data_dir else None, image_cache)
    return TrainedSupernet(space, weights, task)


def _arrays(part: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in part.items()}
