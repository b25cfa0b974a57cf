"""A kind of operator: everything that the library asks of one, in one object that a plugin may bring."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import jax
import numpy as np

from nagjax.operators.operator import Operator, parse_common

Parameters: TypeAlias = Mapping[str, Any]
"""Arrays float32 of one operator, by name."""

Statistics: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Mean and variance float32 ``[C]`` of each batch norm of one operator, by name."""

Shapes: TypeAlias = dict[str, tuple[int, ...]]


class Graph(Protocol):
    """What the nodes of an operator are added to: an ONNX graph (``nagjax.deployment.nodes.Graph``)."""

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node of the ONNX operator ``kind``; the name of what it gives."""
        ...

    def constant(self, value: np.ndarray) -> str:
        """Add a constant; its name."""
        ...

    def conv(
        self, x: str, weights: np.ndarray, bias: np.ndarray | None = None, stride: int = 1, groups: int = 1
    ) -> str:
        """Add a convolution with weights ``[O, I / groups, k, k]``, padded by ``k // 2`` on every side."""
        ...


Used: TypeAlias = dict[str, tuple[jax.Array, jax.Array]]
"""Statistics that an operator computed or was given, as ``Statistics``."""

Applied: TypeAlias = tuple[jax.Array, Used]
"""What an operator gives, in the type of its input, and the statistics that it used."""

Apply: TypeAlias = Callable[[Any, Parameters, jax.Array, Statistics | None], Applied]
Watch: TypeAlias = Callable[[str, Callable[[jax.Array], jax.Array], jax.Array], jax.Array]
"""Name of an activation, its function and what goes into it ``[N, ..., C]``, to what comes out of it."""

Kept: TypeAlias = Mapping[str, jax.Array]
"""What an operator keeps of the tokens before, arrays by name."""

Step: TypeAlias = Callable[[Any, Parameters, jax.Array, Kept, Any], tuple[jax.Array, Kept]]
"""Operator, parameters, one more token ``[N, 1, ...]``, what is kept of those before it and how many they are (int32),
to what the token gives, and what is kept then."""

Watched: TypeAlias = Callable[[Any, Parameters, jax.Array, Watch], jax.Array]
Nodes: TypeAlias = Callable[[Graph, Any, Mapping[str, np.ndarray], Mapping[str, Any], str], str]


def feature_maps(op: Operator, batch: int) -> tuple[int, ...]:
    """Shape ``[N, H, W, C]`` of what an operator on feature maps takes."""
    return batch, op.in_size, op.in_size, op.in_channels


def normal_inputs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Made-up inputs float64 of a shape."""
    return rng.normal(size=shape)


@dataclasses.dataclass(frozen=True, eq=False)
class OperatorKind:
    """A kind of operator. All functions are pure, and take the operator first.

    Attributes:
      name: of letters, digits and _; the keys of its operators begin with it and ``-``.
      madds: multiply-adds of one inference; norms, activations and residual sums are not counted (the field's custom).
      shapes: shape of each parameter by name. Those of a batch norm ``n`` are ``n_scale`` and ``n_offset``, ``[C]``.
      examples: some operators of the kind, of different sizes, on which the suite checks it.
      init: key and operator to fresh parameters float32.
      apply: operator, parameters, input and statistics of its batch norms (those of the batch where None) to output,
        in the type of the input, and the statistics that were used. None for a kind that is priced only.
      watched: operator, parameters, input and a ``Watch`` that is called in place of each activation, to output; batch
        norms take the statistics of the batch. None where there is no activation to watch.
      nodes: adds its nodes to an ONNX graph; gives the name of the output. Maps are ``[N, C, H, W]`` there, everything
        else is laid out as in ``apply``. None for a kind that cannot be exported.
      step: text made token by token: called for each in turn, from zeros kept, it gives the rows of ``apply`` to 1e-5.
        None where a token has no output of its own.
      kept: operator and batch to shapes of what is kept of the tokens before, by name; empty where nothing is. None for
        an operator of the kind that has no ``step``.
      params: trained parameters, where they are not all those of ``shapes``.
      traffic: bytes that one inference reads and writes in float32, where they are not weights, input and output.
      peak: bytes of feature maps in float32 that are held at once while it runs, where they are not input and output.
      parse: key to operator, None for any other text; for a subclass of ``Operator`` with keys of its own.
      input_shape: operator and batch to the shape of what it takes.
      inputs: shape and random numbers to made-up inputs, such as token numbers.
    """

    name: str
    madds: Callable[[Any], int]
    shapes: Callable[[Any], Shapes]
    examples: tuple[Operator, ...]
    init: Callable[[jax.Array, Any], dict[str, jax.Array]] | None = None
    apply: Apply | None = None
    watched: Watched | None = None
    nodes: Nodes | None = None
    step: Step | None = None
    kept: Callable[[Any, int], Shapes | None] = lambda *_: {}
    params: Callable[[Any], int] | None = None
    traffic: Callable[[Any], int] | None = None
    peak: Callable[[Any], int] | None = None
    parse: Callable[[str], Operator | None] = parse_common
    input_shape: Callable[[Any, int], tuple[int, ...]] = feature_maps
    inputs: Callable[[tuple[int, ...], np.random.Generator], np.ndarray] = normal_inputs

    def kept_shapes(self, op: Operator, batch: int) -> Shapes | None:
        """Shapes of what is kept of the tokens before; None where an operator cannot make text token by token."""
        return None if self.step is None else self.kept(op, batch)

    def num_params(self, op: Operator) -> int:
        """Trained parameters: weights, biases, scale and offset of norms (running statistics are not counted)."""
        if self.params is not None:
            return self.params(op)
        return sum(math.prod(shape) for shape in self.shapes(op).values())

    def num_bytes(self, op: Operator) -> int:
        """Bytes that one inference reads and writes, of numbers of 4 bytes."""
        if self.traffic is not None:
            return self.traffic(op)
        return 4 * self.num_params(op) + _maps(op)

    def peak_bytes(self, op: Operator) -> int:
        """Bytes of feature maps that are held at once while it runs, of numbers of 4 bytes."""
        return _maps(op) if self.peak is None else self.peak(op)


def _maps(op: Operator) -> int:
    """Bytes of what an operator on feature maps takes and gives."""
    return 4 * (op.in_size**2 * op.in_channels + op.out_size**2 * op.out_channels)
