"""The elastic network: one set of weights that holds every architecture of a MobileNetV3 space.

Each block owns the weights of its largest choice. A smaller choice takes the first channels of the expansion and a
kernel made from the centre of the larger one by a learned matrix (once-for-all, Cai et al., arXiv 1908.09791, section
3.3), and then is the same operator as in a network of its own: `subnet` gives exactly its parameters.
The choice is data, not shape: one compiled program serves all architectures of a resolution, and computes only the
chosen branch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from nagjax import blocks
from nagjax.operators import Operator
from nagjax.spaces import mobilenet_v3
from nagjax.spaces.mobilenet_v3 import Plan

Elastic = Mapping[str, jax.Array]
"""Parameters of an elastic block: those of its largest operator, and ``transform{k}`` ``[k*k, k*k]`` to kernel k."""

Used = tuple[blocks.Statistics, ...]


class Supernet(nn.Module):
    """The elastic network of a plan, as a flax module.

    Attributes:
      plan: sizes and choices.
      dtype: of the computation; parameters and statistics are float32.
    """

    plan: Plan
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Declare ``stem0`` ..., ``unit1_block1`` ..., ``head0`` ...; no shape depends on a resolution."""
        largest = self.plan.resolutions[-1]
        self.stem = [
            self.param(f"stem{at}", lambda key, op=op: blocks.init(key, op))
            for at, op in enumerate(self.plan.stem(largest))
        ]
        self.blocks = [
            self.param(f"unit{unit + 1}_block{slot + 1}", functools.partial(init_elastic, self.plan, unit, slot))
            for unit in range(self.plan.units)
            for slot in range(self.plan.slots)
        ]
        self.head = [
            self.param(f"head{at}", lambda key, op=op: blocks.init(key, op))
            for at, op in enumerate(self.plan.head(largest))
        ]

    def __call__(self, images: jax.Array, tokens: jax.Array, statistics: Used | None = None) -> tuple[jax.Array, Used]:
        """Logits of one architecture.

        Args:
          images: ``[N, R, R, C]`` at the architecture's resolution (``check_tokens`` refuses others), standardised.
          tokens: the architecture, int32 ``[T]``; traced.
          statistics: of the batch norms, from an earlier call with the same tokens; those of the batch where None.

        Returns:
          Logits float32 ``[N, classes]`` and the statistics that were used, one mapping an operator or block.
        """
        plan, resolution = self.plan, images.shape[1]
        x, used = images.astype(self.dtype), []
        given = iter(statistics) if statistics is not None else None

        def fixed(op: Operator, parameters: blocks.Parameters, x: jax.Array) -> jax.Array:
            y, taken = blocks.apply(op, parameters, x, next(given) if given else None)
            used.append(taken)
            return y

        for op, parameters in zip(plan.stem(resolution), self.stem, strict=True):
            x = fixed(op, parameters, x)
        for at, elastic in enumerate(self.blocks):
            unit, slot = divmod(at, plan.slots)
            branch = branch_index(plan, tokens, unit, slot)
            x, taken = apply_elastic(plan, resolution, unit, slot)(branch, elastic, x, next(given) if given else None)
            used.append(taken)
        for op, parameters in zip(plan.head(resolution), self.head, strict=True):
            x = fixed(op, parameters, x)
        return x.astype(jnp.float32), tuple(used)


def init_elastic(plan: Plan, unit: int, slot: int, key: jax.Array) -> dict[str, jax.Array]:
    """Fresh parameters of an elastic block; kernel transforms start as the identity."""
    out = blocks.init(key, _largest(plan, unit, slot))
    return out | {f"transform{k}": jnp.eye(k * k) for k in plan.kernels[:-1]}


def branch_index(plan: Plan, tokens: jax.Array, unit: int, slot: int) -> jax.Array:
    """Branch of a block, int32: 0 where it lies beyond the unit's depth, else 1 + its choice."""
    first = 1 + unit * (1 + plan.slots)
    depth = jnp.asarray(plan.depths)[tokens[first]]
    return jnp.where(slot < depth, 1 + tokens[first + 1 + slot], 0).astype(jnp.int32)


def shrink(op: Operator, elastic: Elastic, kernels: Sequence[int]) -> dict[str, jax.Array]:
    """Parameters of one choice of an elastic block, those of ``blocks.apply(op, ...)``.

    Args:
      op: the choice.
      elastic: parameters of the block.
      kernels: the plan's kernels, ascending.
    """
    out = {}
    for name, shape in blocks.shapes(op).items():
        weights = elastic[name]
        if name == "depthwise":
            weights = _kernel(weights, op.kernel, elastic, kernels)
        out[name] = weights[tuple(slice(0, length) for length in shape)]
    return out


def subnet(plan: Plan, parameters: Mapping[str, Any], tokens: Sequence[int]) -> dict[str, Any]:
    """Parameters of ``blocks.Network(mobilenet_v3.operators(plan, tokens))`` as they are in the supernet.

    Args:
      plan: of the supernet.
      parameters: of the supernet, ``variables["params"]``.
      tokens: canonical, ``[T]``.
    """
    _, kernels, _ = mobilenet_v3.settings(plan, tokens)
    resolution = plan.resolutions[tokens[0]]
    parts = [parameters[f"stem{at}"] for at in range(len(plan.stem(resolution)))]
    body = mobilenet_v3.operators(plan, tokens)[len(parts) :]
    slots = [at for at, kernel in enumerate(kernels) if kernel]
    for at, op in zip(slots, body[: len(slots)], strict=True):
        unit, slot = divmod(at, plan.slots)
        parts.append(shrink(op, parameters[f"unit{unit + 1}_block{slot + 1}"], plan.kernels))
    parts += [parameters[f"head{at}"] for at in range(len(plan.head(resolution)))]
    return {f"op{at}": part for at, part in enumerate(parts)}


def _largest(plan: Plan, unit: int, slot: int) -> Operator:
    return plan.block(plan.resolutions[-1], unit, slot, plan.kernels[-1], plan.ratios[-1])


def _kernel(weights: jax.Array, kernel: int, elastic: Elastic, kernels: Sequence[int]) -> jax.Array:
    """Depthwise weights ``[kernel, kernel, C]``: centre and transform, from the largest kernel down."""
    for size in reversed(kernels[:-1]):
        if size < kernel:
            break
        edge = (weights.shape[0] - size) // 2
        centre = weights[edge : edge + size, edge : edge + size].reshape(size * size, -1)
        weights = (elastic[f"transform{size}"] @ centre).reshape(size, size, -1)
    return weights


Apply = Callable[
    [jax.Array, Elastic, jax.Array, blocks.Statistics | None], tuple[jax.Array, dict[str, tuple[jax.Array, jax.Array]]]
]


@functools.lru_cache(maxsize=512)
def apply_elastic(plan: Plan, resolution: int, unit: int, slot: int) -> Apply:
    """What an elastic block does: ``(branch, parameters, x, statistics) -> (y, statistics)``.

    The gradient of a ``lax.switch`` keeps what every branch would need, filled with zeros for those not taken. Here the
    backward pass is a switch of its own that computes the taken branch anew from the block's input.
    """
    largest = _largest(plan, unit, slot)
    names = {name.removesuffix("_scale"): shape for name, shape in blocks.shapes(largest).items() if "scale" in name}
    branches = [functools.partial(_skipped, names)] if slot else []
    first = 0 if slot else 1
    branches += [
        functools.partial(_chosen, plan.block(resolution, unit, slot, *choice), plan.kernels, names)
        for choice in plan.blocks
    ]

    def forward(branch: jax.Array, elastic: Elastic, x: jax.Array, given: Any) -> Any:
        return lax.switch(branch - first, branches, elastic, x, given)

    def backward(saved: Any, grads: Any) -> Any:
        branch, elastic, x, given = saved
        pulls = [functools.partial(_pull, function) for function in branches]
        return None, *lax.switch(branch - first, pulls, elastic, x, given, grads[0]), None

    switched = jax.custom_vjp(forward)
    switched.defvjp(lambda *args: (forward(*args), args), backward)
    return switched


def _pull(function: Any, elastic: Elastic, x: jax.Array, given: Any, grad: jax.Array) -> Any:
    """Gradients of a branch; statistics are what it saw, not something to learn through."""
    return jax.vjp(lambda parameters, maps: function(parameters, maps, given)[0], elastic, x)[1](grad)


def _chosen(
    op: Operator,
    kernels: Sequence[int],
    names: Mapping[str, tuple[int, ...]],
    elastic: Elastic,
    x: jax.Array,
    given: Any,
) -> Any:
    """The block as one of its choices; statistics are padded to the widest, those of norms that it lacks are 0."""
    parameters = shrink(op, elastic, kernels)
    widths = {name: len(parameters[f"{name}_scale"]) for name in names if f"{name}_scale" in parameters}
    mine = None if given is None else {n: (given[n][0][:width], given[n][1][:width]) for n, width in widths.items()}
    y, used = blocks.apply(op, parameters, x, mine)
    nothing = {name: (jnp.zeros(shape), jnp.zeros(shape)) for name, shape in names.items()}
    return y, nothing | {n: (_widen(m, names[n][0]), _widen(v, names[n][0])) for n, (m, v) in used.items()}


def _skipped(names: Mapping[str, tuple[int, ...]], elastic: Elastic, x: jax.Array, given: Any) -> Any:
    """A block beyond the depth."""
    del elastic, given
    return x, {name: (jnp.zeros(shape), jnp.zeros(shape)) for name, shape in names.items()}


def _widen(values: jax.Array, width: int) -> jax.Array:
    return jnp.pad(values, (0, width - len(values)))
