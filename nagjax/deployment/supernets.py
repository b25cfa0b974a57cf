"""A trained supernet with its images: what networks are taken out of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import plugins
from nagjax.deployment.subnets import Subnet
from nagjax.spaces import mobilenet_v3
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.datasets.images import Images, Splits
from nagjax.supernet.datasets.load import load
from nagjax.supernet.evaluation import Assessor, alone_assessor, calibration_pixels, supernet_assessor
from nagjax.supernet.inputs import standardise
from nagjax.supernet.network import Supernet, subnet
from nagjax.supernet.training import checked_plan


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedSupernet:
    """Weights that hold every architecture of a space, and the images that they were trained on.

    Attributes:
      space: the search space.
      weights: parameters, and whose they are.
      splits: the images.
    """

    space: Space
    weights: storage.Weights
    splits: Splits

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the weights, as JSON values."""
        return {name: self.weights.config[name] for name in ("space", "where", "data", "recipe", "step")}

    @functools.cached_property
    def assessor(self) -> Assessor:
        """Evaluates architectures with these weights."""
        return supernet_assessor(self.space, self.splits)

    @functools.cached_property
    def _apply(self) -> Any:
        """Compiled once a resolution, which takes long."""
        return jax.jit(Supernet(checked_plan(self.space)).apply)

    def logits(self, pixels: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Logits float32 ``[N, classes]`` of an architecture with these weights, norms calibrated.

        Args:
          pixels: uint8 ``[N, H, W, C]``.
          tokens: int32 ``[T]``.
        """
        images = standardise(pixels, self.splits, int(checked_plan(self.space).resolutions[tokens[0]]))
        statistics = self.assessor.statistics(self.weights.parameters, tokens)
        return np.asarray(self._apply({"params": self.weights.parameters}, images, tokens, statistics)[0])

    def network(self, architecture: np.ndarray | str) -> Subnet:
        """An architecture with its own weights, its batch norms calibrated as they are where labels are taken.

        Its outputs equal the supernet's to rounding.

        Args:
          architecture: tokens int ``[T]``, or the text.

        Raises:
          ValueError: if it is not an architecture of the space.
        """
        tokens = self.space.parse(architecture) if isinstance(architecture, str) else np.asarray(architecture)
        self.space.check(tokens[None])
        parameters = subnet(checked_plan(self.space), self.weights.parameters, [int(token) for token in tokens])
        return self.calibrated(tokens, jax.tree.map(np.asarray, parameters))

    def calibrated(self, tokens: np.ndarray, parameters: Mapping[str, Any]) -> Subnet:
        """An architecture with parameters of its own, as ``nagjax.blocks.Network`` has them, norms calibrated."""
        statistics = alone_assessor(self.space, tokens.tolist(), self.splits).statistics(parameters, tokens)
        operators = mobilenet_v3.operators(checked_plan(self.space), [int(token) for token in tokens])
        return Subnet(
            architecture=self.space.format(tokens),
            space=self.space.identity,
            operators=operators,
            parameters=tuple(_arrays(parameters[f"op{at}"]) for at in range(len(operators))),
            statistics=tuple(
                {name: (np.asarray(mean), np.asarray(variance)) for name, (mean, variance) in part.items()}
                for part in statistics
            ),
            mean=np.asarray(self.splits.mean, np.float32),
            std=np.asarray(self.splits.std, np.float32),
        )

    def calibration_images(self, resolution: int, count: int) -> np.ndarray:
        """Training images float32 ``[N, R, R, channels]``, 0..1, that quantisation may look at."""
        return scaled(calibration_pixels(self.splits, count), resolution)


def load_supernet(
    folder: str | Path, data_dir: str | Path | None = None, image_cache: str | None = None
) -> TrainedSupernet:
    """Open the folder of a trained supernet, and the images that it was trained on.

    Args:
      folder: what ``nagjax train_supernet`` wrote.
      data_dir: folder of the data set's files, where it needs one.
      image_cache: of image folders, see ``nagjax.supernet.datasets.load.load``.

    Raises:
      ValueError: if there are no weights, the space is of another version, or the images cannot be read.
    """
    weights = storage.read_weights(Path(folder))
    written, data = weights.config["space"], weights.config["data"]
    made = plugins.load("spaces", written["name"])(**written["settings"])
    space = plugins.expect("spaces", written["name"], made, Space)
    if space.version != written["version"]:
        raise ValueError(
            f"{folder}: the supernet was trained for {written['name']} version {written['version']}, installed is "
            f"{space.version}; install the version that trained it, or train again"
        )
    splits = load(
        data["data"], data_dir, data["validation_images"], data["data_seed"], data["image_size"],
        data.get("image_background"), image_cache,
    )  # fmt: skip
    return TrainedSupernet(space, weights, splits)


def scaled(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Pixels uint8 ``[N, H, W, C]`` as networks take them: float32 ``[N, R, R, C]``, 0..1, bilinear, smoothed."""
    x = jnp.asarray(pixels, jnp.float32) / 255.0
    if x.shape[1:3] != (resolution, resolution):
        x = jax.image.resize(x, (len(x), resolution, resolution, x.shape[3]), "linear")
    return np.asarray(x)


def accuracy(logits: np.ndarray, images: Images) -> float:
    """Share of images whose greatest logit is that of their class."""
    return float(np.mean(np.argmax(logits, -1) == images.labels))


def _arrays(part: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in part.items()}
