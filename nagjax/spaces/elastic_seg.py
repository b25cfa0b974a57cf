"""Fully convolutional networks of one resolution: inverted bottlenecks that are chosen or left out; one set of weights.

A stem of 3 pixels, blocks with a residual connection, and a linear layer at each pixel, ``[N, S, S, classes]``. A block
of kernel 3 is the middle of that of kernel 5, a narrower one the first channels of the wider.

Text: ``block1=k5-r2,block2=none``, kernel and ratio of each block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, blocks
from nagjax.elastic import Elastic, Outputs, switch
from nagjax.operators import Operator
from nagjax.spaces import choices, elastic_parts
from nagjax.spaces.chains import chain
from nagjax.spaces.space import Decision, Space

NAME = "elastic_seg"
NORMS = ("expand_norm", "depthwise_norm", "project_norm")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks, and what is chosen.

    Attributes:
      side, channels, classes: of canvases, and of what is said of a pixel.
      width: channels between blocks.
      blocks: how many there are at most.
      kernels, ratios: choices, ascending; a block is ratio times the width wide.
    """

    side: int
    channels: int
    classes: int
    width: int
    blocks: int
    kernels: tuple[int, ...]
    ratios: tuple[int, ...]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Kernel and ratio of each choice of a block; (0, 0) leaves it out."""
        return (0, 0), *((kernel, ratio) for kernel in self.kernels for ratio in self.ratios)

    @property
    def stem(self) -> Operator:
        """What takes pixels."""
        return Operator("conv", self.side, self.side, self.channels, self.width, kernel=3, activation="relu")

    @property
    def head(self) -> Operator:
        """What gives logits of pixels."""
        return Operator("conv", self.side, self.side, self.width, self.classes, norm=False)

    def block(self, kernel: int, ratio: int) -> Operator:
        """A block that is there."""
        return Operator(
            "mbconv", self.side, self.side, self.width, self.width, kernel=kernel, mid_channels=ratio * self.width,
            activation="relu", skip=True,
        )  # fmt: skip

    def operators(self, tokens: Sequence[int]) -> tuple[Operator, ...]:
        """What a canvas passes."""
        return self.stem, *(self.block(*self.pairs[token]) for token in tokens if token), self.head


def make(
    side: int = 24,
    image_channels: int = 1,
    classes: int = 11,
    width: int = 16,
    blocks: int = 4,
    kernels: int | str = "3-5",
    ratios: int | str = "1-2",
) -> Space:
    """The space; choices are written with ``-`` between them.

    >>> make(blocks=2).count()
    25

    Raises:
      ValueError: if a size or choice is out of range, or choices do not ascend.
    """
    sizes = {"side": side, "image_channels": image_channels, "classes": classes, "width": width, "blocks": blocks}
    for name, value in sizes.items():
        arguments.count(value, f"{NAME}: {name}")
    numbers = choices.numbers(f"{NAME}: kernels", kernels), choices.numbers(f"{NAME}: ratios", ratios)
    plan = Plan(side, image_channels, classes, width, blocks, *numbers)
    if any(kernel % 2 == 0 for kernel in plan.kernels):
        raise ValueError(f"{NAME}: kernels={kernels!r}: must be odd, so that a map keeps its size")

    def operators(t: int, choice: Mapping[str, Any], _before: Mapping[str, Any] | None) -> Sequence[Operator]:
        own = [plan.block(choice["kernel"], choice["ratio"])] if choice["kernel"] else []
        return [*([plan.stem] if t == 0 else []), *own, *([plan.head] if t == plan.blocks - 1 else [])]

    pairs = tuple({"kernel": kernel, "ratio": ratio} for kernel, ratio in plan.pairs)
    texts = ["none", *(f"k{kernel}-r{ratio}" for kernel, ratio in plan.pairs[1:])]
    space = chain(
        NAME,
        [Decision(f"block{i}", "block", pairs) for i in range(1, plan.blocks + 1)],
        operators,
        settings={**sizes, "kernels": str(kernels), "ratios": str(ratios)},
        texts=[texts] * plan.blocks,
    )
    return dataclasses.replace(space, elastic=lambda dtype="float32": elastic(plan, dtype))


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Parameters are ``stem``, ``block1`` and so on, and ``head``. Statistics of a block are those of its largest, filled
    up. Points are the blocks: what each gives, ``[N, S, S, C]``.
    """
    names = [f"block{i}" for i in range(1, plan.blocks + 1)]
    largest = plan.block(plan.kernels[-1], plan.ratios[-1])
    parts = {"stem": plan.stem, **dict.fromkeys(names, largest), "head": plan.head}
    chosen = switch([_branch(largest, plan.block(*pair) if any(pair) else None) for pair in plan.pairs])

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        given = statistics or {}
        x, stem = blocks.apply(plan.stem, parameters["stem"], inputs.astype(dtype), given.get("stem"))
        seen, told = {"stem": stem}, {}
        for at, name in enumerate(names):
            x, seen[name] = chosen(tokens[at], parameters[name], x, given.get(name))
            told[name] = x
        logits = blocks.apply(plan.head, parameters["head"], x)[0].astype(jnp.float32)
        return Outputs(logits, seen, {name: told[name] for name in taps})

    def used(parameters: Any, tokens: np.ndarray) -> Any:
        body = [
            _own(plan.block(*plan.pairs[token]), parameters[name])
            for name, token in zip(names, tokens.tolist(), strict=True)
            if token
        ]
        return {f"op{at}": part for at, part in enumerate([parameters["stem"], *body, parameters["head"]])}

    def quiet(parameters: Any) -> Any:
        return {
            name: {**part, "project_norm_scale": jnp.zeros_like(part["project_norm_scale"])} if name in names else part
            for name, part in parameters.items()
        }

    return Elastic(
        sizes={"side": plan.side, "image_channels": plan.channels, "classes": plan.classes},
        init=lambda key: blocks.init_named(key, parts),
        apply=apply,
        group=lambda _: plan.side,
        used=used,
        alone=lambda tokens: elastic_parts.alone(plan.operators(tokens.tolist()), dtype),
        example=lambda _, num, rng: rng.normal(size=(num, plan.side, plan.side, plan.channels)).astype(np.float32),
        points=tuple(names),
        quiet=quiet,
    )


def _own(op: Operator, parameters: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Parameters of a block out of those of the largest: the middle of the kernel, the first channels."""
    edge = (parameters["depthwise"].shape[0] - op.kernel) // 2
    window = slice(edge, edge + op.kernel)
    return elastic_parts.cut(op, {**parameters, "depthwise": parameters["depthwise"][window, window]})


def _branch(largest: Operator, op: Operator | None) -> Any:
    """A block, or none, with statistics of each norm as wide as those of the largest."""
    wide = {name: shape[0] for name in NORMS for shape in [blocks.shapes(largest).get(f"{name}_scale")] if shape}

    def filled(used: Mapping[str, tuple[jax.Array, jax.Array]]) -> dict[str, tuple[jax.Array, jax.Array]]:
        empty = (jnp.zeros(0), jnp.zeros(0))
        return {
            name: tuple(jnp.pad(values, (0, size - len(values))) for values in used.get(name, empty))  # type: ignore[misc]
            for name, size in wide.items()
        }

    def run(part: Mapping[str, jax.Array], x: jax.Array, given: Any) -> tuple[jax.Array, Any]:
        if op is None:
            return x, filled({})
        shapes = blocks.shapes(op)
        own = None if given is None else {
            name: tuple(values[: shapes[f"{name}_scale"][0]] for values in pair)
            for name, pair in given.items()
            if f"{name}_scale" in shapes
        }  # fmt: skip
        y, used = blocks.apply(op, _own(op, part), x, own)
        return y, filled(used)

    return run
