"""One architecture with weights of its own, taken out of a supernet: what is deployed.

The file is safetensors: plain arrays, and a header of text that holds everything else, so that it can be read without
the space or the supernet that it is from.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks, durable, files
from nagjax.operators import Operator, parse_key

FORMAT, VERSION = "nagjax-network", "2"
READ = ("1", "2")
"""Versions that are read; the first lists the fields of operators, the second their keys."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subnet:
    """A network with its weights, for images in units of pixel / 255, or what else its task prepares.

    Attributes:
      architecture: its text.
      space: identity of the space that the text is of.
      operators: what an image passes, in order.
      parameters: float32 arrays of each operator by name (``nagjax.blocks.shapes``).
      statistics: mean and variance float32 ``[C]`` of each operator's batch norms by name.
      mean, std: of the training images, float32 ``[channels]``; images are standardised by them first. Empty where
        inputs come prepared.
    """

    architecture: str
    space: str
    operators: tuple[Operator, ...]
    parameters: tuple[Mapping[str, np.ndarray], ...]
    statistics: tuple[Mapping[str, tuple[np.ndarray, np.ndarray]], ...]
    mean: np.ndarray
    std: np.ndarray

    @property
    def resolution(self) -> int:
        """R, side of the images that it takes, pixels."""
        return self.operators[0].in_size

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.operators[0].in_channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.operators[-1].out_channels

    @property
    def num_weights(self) -> int:
        """Numbers that are trained; statistics are not counted."""
        return sum(array.size for part in self.parameters for array in part.values())

    def apply(self, images: jax.Array) -> jax.Array:
        """Logits float32 ``[N, classes]`` of images float32 ``[N, R, R, channels]``, 0..1; pure and jittable."""
        if not self.mean.size:
            return self.logits(images)
        wide = (1,) * (images.ndim - 1) + (-1,)
        return self.logits((images - jnp.asarray(self.mean).reshape(wide)) / jnp.asarray(self.std).reshape(wide))

    def logits(self, standardised: jax.Array) -> jax.Array:
        """Outputs float32, such as logits ``[N, classes]``, of inputs that are prepared: images are standardised."""
        parameters = {f"op{at}": part for at, part in enumerate(self.parameters)}
        logits, _ = blocks.Network(self.operators).apply({"params": parameters}, standardised, self.statistics)
        return jnp.asarray(logits, jnp.float32)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file that ``load_subnet`` reads.

        Raises:
          ValueError: if safetensors is not installed.
          OSError: if the file cannot be written.
        """
        arrays = {"image.mean": self.mean, "image.std": self.std} if self.mean.size else {}
        for at, (part, norms) in enumerate(zip(self.parameters, self.statistics, strict=True)):
            arrays |= {f"op{at}.{name}": array for name, array in part.items()}
            for name, (mean, variance) in norms.items():
                arrays |= {f"op{at}.{name}_mean": mean, f"op{at}.{name}_variance": variance}
        header = {
            "format": FORMAT, "version": VERSION, "architecture": self.architecture, "space": self.space,
            "operators": json.dumps([[op.key, op.resolution] for op in self.operators]),
        }  # fmt: skip
        packed = _safetensors().save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, header)
        with durable.replacing(path) as file:
            file.write(packed)


def load_subnet(path: str | Path) -> Subnet:
    """Read what ``Subnet.save`` wrote.

    Raises:
      ValueError: if safetensors is not installed, or the file is not of this format or does not hold what it names.
    """
    place = Path(path)
    data = files.read_bytes(place, "the network (a .safetensors file)")
    try:
        arrays = _safetensors().load(data)
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except Exception as error:  # the library has an error class of its own for each language
        raise ValueError(f"{place}: is not a whole safetensors file ({error}); write or fetch it again") from None
    if header.get("format") != FORMAT or header.get("version") not in READ:
        raise ValueError(f"{place}: is not a {FORMAT} of version {VERSION} but {header or 'without a header'}")
    operators = tuple(_operator(written) for written in json.loads(header["operators"]))
    parts = [_part(place, arrays, at, op) for at, op in enumerate(operators)]
    return Subnet(
        header["architecture"], header["space"], operators, tuple(part for part, _ in parts),
        tuple(norms for _, norms in parts), *_standard(place, arrays),
    )  # fmt: skip


def _standard(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if not any(name.startswith("image.") for name in arrays):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    return _array(path, arrays, "image.mean"), _array(path, arrays, "image.std")


def _operator(written: Mapping[str, Any] | Sequence[Any]) -> Operator:
    if isinstance(written, Mapping):
        return Operator(**written)
    key, resolution = written
    return dataclasses.replace(parse_key(key), resolution=resolution)


def _part(
    path: Path, arrays: Mapping[str, np.ndarray], at: int, op: Operator
) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]:
    part = {name: _array(path, arrays, f"op{at}.{name}", shape) for name, shape in blocks.shapes(op).items()}
    norms = {
        name: tuple(_array(path, arrays, f"op{at}.{name}_{kind}", shape) for kind in ("mean", "variance"))
        for name, shape in norm_shapes(op).items()
    }
    return part, norms  # type: ignore[return-value]


def norm_shapes(op: Operator) -> dict[str, tuple[int, ...]]:
    """Shape of the statistics of each batch norm of an operator, by name.

    >>> norm_shapes(Operator("conv", 28, 14, 1, 8, 3, 2))
    {'norm': (8,)}
    """
    scales = {name: shape for name, shape in blocks.shapes(op).items() if name.endswith("_scale")}
    return {name.removesuffix("_scale"): shape for name, shape in scales.items()}


def _array(path: Path, arrays: Mapping[str, np.ndarray], name: str, shape: Sequence[int] | None = None) -> np.ndarray:
    found = arrays.get(name)
    if found is None or (shape is not None and found.shape != tuple(shape)):
        held = "nothing" if found is None else f"shape {found.shape}"
        raise ValueError(f"{path}: {name} has {held}, its operator needs {tuple(shape or ())}; write the file again")
    if not np.isfinite(found).all():
        raise ValueError(f"{path}: {name} holds numbers that are not finite; write the file again")
    return found


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ValueError("weights are written as safetensors: pip install 'nagjax[deploy]'") from error
    return safetensors.numpy
