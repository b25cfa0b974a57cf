"""Networks built from operators: their parameters, and what each does to its input.

An operator's parameters are a dict of arrays, so that a supernet can hold the largest and slice the others out of it;
``init`` and ``apply`` are pure. What an operator computes belongs to its kind (``nagjax.operators``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.operators import Operator, kind_of
from nagjax.operators.kind import Applied, Kept, Parameters, Statistics, Watch

__all__ = ["Network", "Parameters", "Statistics", "apply", "init", "init_named", "input_shape",
           "made_up_input", "nothing_kept", "output_shape", "shapes", "step", "watched"]  # fmt: skip


def shapes(op: Operator) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter of an operator.

    >>> shapes(Operator("linear", 1, 1, 128, 10, norm=False))
    {'weights': (128, 10), 'bias': (10,)}
    """
    return kind_of(op.kind).shapes(op)


def init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    """Fresh parameters float32 of an operator.

    Raises:
      ValueError: if its kind is priced only.
    """
    kind = kind_of(op.kind)
    if kind.init is None:
        raise _priced_only(op)
    return kind.init(key, op)


def init_named(key: jax.Array, operators: Mapping[str, Operator]) -> dict[str, dict[str, jax.Array]]:
    """Fresh parameters of several operators, each drawn by a key of its own: ``fold_in`` of its place.

    Raises:
      ValueError: if the kind of one is priced only.
    """
    return {name: init(jax.random.fold_in(key, at), op) for at, (name, op) in enumerate(operators.items())}


def apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None = None) -> Applied:
    """Output of an operator for what it takes, maps ``[N, H, W, C]`` or other, and the statistics of its norms it used.

    The type of the input is that of the computation; without ``statistics`` those of the batch are taken. ``pool``
    gives ``[N, 1, 1, C]``, ``linear`` ``[N, C]``.

    Raises:
      ValueError: if its kind is priced only.
    """
    kind = kind_of(op.kind)
    if kind.apply is None:
        raise _priced_only(op)
    return kind.apply(op, parameters, x, statistics)


def step(op: Operator, parameters: Parameters, x: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    """What an operator gives of one more token ``[N, 1, ...]`` behind ``before`` others, and what it keeps then.

    Raises:
      ValueError: if it cannot make text token by token.
    """
    own = kind_of(op.kind).step
    if own is None:
        raise _no_step(op)
    return own(op, parameters, x, kept, before)


def nothing_kept(op: Operator, batch: int, dtype: Any = "float32") -> Kept:
    """What an operator keeps before the first token, zeros.

    >>> nothing_kept(Operator("feed_forward", 64, 64, 32, 32, mid_channels=128), 1)
    {}

    Raises:
      ValueError: if it cannot make text token by token.
    """
    found = kind_of(op.kind).kept_shapes(op, batch)
    if found is None:
        raise _no_step(op)
    return {name: jnp.zeros(shape, dtype) for name, shape in found.items()}


def watched(op: Operator, parameters: Parameters, x: jax.Array, watch: Watch) -> jax.Array:
    """What an operator gives, batch norms with statistics of the batch; ``watch`` is called in place of activations.

    Raises:
      ValueError: if its kind is priced only.
    """
    kind = kind_of(op.kind)
    return apply(op, parameters, x)[0] if kind.watched is None else kind.watched(op, parameters, x, watch)


class Network(nn.Module):
    """Operators one after another, as a flax module.

    Attributes:
      operators: what an image passes, in order.
      dtype: of the computation; parameters and statistics are float32. Numbers of tokens stay as they are.
    """

    operators: Sequence[Operator]
    dtype: jnp.dtype = jnp.dtype("float32")

    def setup(self) -> None:
        """Declare the parameters: one dict an operator, ``op0``, ``op1`` and so on."""
        self.parts = [self.param(f"op{at}", lambda key, op=op: init(key, op)) for at, op in enumerate(self.operators)]

    def __call__(
        self, x: jax.Array, statistics: Sequence[Statistics] | None = None
    ) -> tuple[jax.Array, tuple[Statistics, ...]]:
        """Output of the last operator for inputs such as ``[N, H, W, C]``, and the norms' statistics by operator."""
        x = x.astype(self.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x
        used = []
        for at, (op, parameters) in enumerate(zip(self.operators, self.parts, strict=True)):
            x, taken = apply(op, parameters, x, None if statistics is None else statistics[at])
            used.append(taken)
        return x, tuple(used)


def input_shape(op: Operator, batch: int) -> tuple[int, ...]:
    """Shape of what an operator takes.

    >>> input_shape(Operator("pool", 7, 1, 960, 960, 7, norm=False), 2)
    (2, 7, 7, 960)
    """
    return kind_of(op.kind).input_shape(op, batch)


def output_shape(op: Operator, batch: int) -> tuple[int, ...]:
    """Shape of what an operator gives; nothing is computed.

    >>> output_shape(Operator("pool", 7, 1, 960, 960, 7, norm=False), 2)
    (2, 1, 1, 960)
    """
    x = made_up_input(op, batch, np.random.default_rng(0))
    parameters = jax.eval_shape(lambda: init(jax.random.key(0), op))
    found: Any = jax.eval_shape(lambda parameters, x: apply(op, parameters, x)[0], parameters, x)
    return tuple(found.shape)


def made_up_input(op: Operator, batch: int, rng: np.random.Generator) -> np.ndarray:
    """What an operator takes, made up: maps and rows are normal."""
    kind = kind_of(op.kind)
    return kind.inputs(kind.input_shape(op, batch), rng)


def _no_step(op: Operator) -> ValueError:
    return ValueError(f"operator {op.key}: text is not made token by token with it, its kind {op.kind!r} has no step")


def _priced_only(op: Operator) -> ValueError:
    return ValueError(f"operator {op.key}: its kind {op.kind!r} says what it costs, not what it computes")
