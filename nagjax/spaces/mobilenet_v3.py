"""The MobileNetV3 family of once-for-all spaces (Cai et al., arXiv 1908.09791), from a plan of its sizes.

Units of inverted bottlenecks: each unit picks its depth, each of its blocks one (kernel, expand ratio) pair. The
resolution of the input is the first decision. Before the units stand a stem and one fixed block, after them a 1x1
expansion, a global pool, a 1x1 mix and the classifier.
Text: ``depths:kernels:ratios:resolution``; kernels and ratios have an entry for every slot, those beyond a unit's depth
are 0. Without the last field the resolution is the plan's ``usual_resolution``.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, cast

from nagjax import numerals
from nagjax.elastic import Elastic
from nagjax.operators import Operator, make_divisible
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of one space of the family.

    Attributes:
      resolutions, depths, kernels, ratios: the choices of each kind of decision, ascending.
      usual_resolution: what a text without a resolution means, pixels.
      image_channels, classes: of the data set.
      channels: widths of the stem, the fixed block, each unit, the 1x1 expansion and the 1x1 mix.
      strides, squeeze, activations: of each unit; a stride belongs to its first block.
    """

    resolutions: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    ratios: tuple[int, ...]
    usual_resolution: int
    image_channels: int
    classes: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    squeeze: tuple[bool, ...]
    activations: tuple[str, ...]

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.strides)

    @property
    def slots(self) -> int:
        """Blocks of a unit at its greatest depth."""
        return max(self.depths)

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The (kernel, ratio) of every choice of a block."""
        return tuple(itertools.product(self.kernels, self.ratios))

    def sizes(self, resolution: int) -> tuple[int, ...]:
        """Side of the feature map after the stem and after each unit, pixels."""
        out = [-(-resolution // 2)]
        for stride in self.strides:
            out.append(-(-out[-1] // stride))
        return tuple(out)

    def stem(self, resolution: int) -> tuple[Operator, ...]:
        """Operators before the units."""
        side, channels = self.sizes(resolution)[0], self.channels
        return (
            Operator("conv", resolution, side, self.image_channels, channels[0], 3, 2, activation="h_swish",
                     resolution=resolution),
            Operator("mbconv", side, side, channels[0], channels[1], 3, 1, channels[0], activation="relu", skip=True,
                     resolution=resolution),
        )  # fmt: skip

    def head(self, resolution: int) -> tuple[Operator, ...]:
        """Operators after the units."""
        side = self.sizes(resolution)[-1]
        last, wide, mix = self.channels[-3:]
        operators = (
            Operator("conv", side, side, last, wide, activation="h_swish"),
            Operator("pool", side, 1, wide, wide, kernel=side, norm=False),
            Operator("conv", 1, 1, wide, mix, activation="h_swish", norm=False),
            Operator("linear", 1, 1, mix, self.classes, norm=False),
        )
        return tuple(dataclasses.replace(op, resolution=resolution) for op in operators)

    def block(self, resolution: int, unit: int, slot: int, kernel: int, ratio: int) -> Operator:
        """Operator of one block; units and slots count from 0."""
        side = self.sizes(resolution)
        inputs = self.channels[unit + 1] if slot == 0 else self.channels[unit + 2]
        return Operator(
            "mbconv",
            side[unit] if slot == 0 else side[unit + 1],
            side[unit + 1],
            inputs,
            self.channels[unit + 2],
            kernel,
            self.strides[unit] if slot == 0 else 1,
            make_divisible(inputs * ratio),
            self.squeeze[unit],
            self.activations[unit],
            skip=slot > 0,
            resolution=resolution,
        )


def make_space(name: str, version: int, settings: Mapping[str, Any], plan: Plan) -> Space:
    """The space of a plan; ``name``, ``version`` and ``settings`` identify it."""

    @functools.cache
    def blocks(resolution: int, unit: int, slot: int) -> tuple[tuple[Operator], ...]:
        """What each choice of a block adds; many nodes have the same."""
        return tuple((plan.block(resolution, unit, slot, kernel, ratio),) for kernel, ratio in plan.blocks)

    graph, operators = tl.build(
        1 + plan.units * (1 + plan.slots), "start", lambda t, node: _edges(plan, blocks, t, node), _names(plan)
    )
    return Space(
        name=name,
        version=version,
        settings=settings,
        decisions=_decisions(plan),
        trellis=graph,
        operators=operators,
        feature_names=_names(plan),
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: _format(plan, tokens),
        describe_tokens=lambda tokens: _describe(plan, tokens),
        elastic=functools.partial(_elastic, plan),
    )


def _elastic(plan: Plan, dtype: Any = "float32") -> Elastic:
    # Compiled networks are needed by those who train weights alone.
    from nagjax.spaces import mobilenet_v3_elastic

    return mobilenet_v3_elastic.elastic(plan, dtype)


def _names(plan: Plan) -> tuple[str, ...]:
    """Features: kernel and ratio of every slot, and the resolution (the inputs of the released predictor, PNAG)."""
    slots = range(plan.units * plan.slots)
    return tuple(
        [f"slot{s}.kernel{k}" for s in slots for k in plan.kernels]
        + [f"slot{s}.ratio{r}" for s in slots for r in plan.ratios]
        + [f"resolution{r}" for r in plan.resolutions]
    )


def _decisions(plan: Plan) -> tuple[Decision, ...]:
    out = [Decision("resolution", "resolution", tuple({"resolution": r} for r in plan.resolutions), optional=True)]
    blocks = tuple({"kernel": kernel, "ratio": ratio} for kernel, ratio in plan.blocks)
    for unit in range(1, plan.units + 1):
        out.append(Decision(f"unit{unit}.depth", "depth", tuple({"depth": d} for d in plan.depths)))
        out += [Decision(f"unit{unit}.block{slot}", "block", blocks) for slot in range(1, plan.slots + 1)]
    return tuple(out)


def _edges(
    plan: Plan, blocks: Callable[[int, int, int], tuple[tuple[Operator], ...]], t: int, node: Hashable
) -> list[tl.Edge]:
    """A node holds the resolution, which sizes the operators, and within a unit how many of its blocks remain."""
    if t == 0:
        return [tl.Edge(c, r, plan.stem(r) + plan.head(r), (f"resolution{r}",)) for c, r in enumerate(plan.resolutions)]
    unit, position = divmod(t - 1, 1 + plan.slots)
    if position == 0:
        return [tl.Edge(c, (node, depth)) for c, depth in enumerate(plan.depths)]
    resolution, remaining = cast("tuple[int, int]", node)
    slot = position - 1
    following = resolution if slot == plan.slots - 1 else (resolution, max(remaining - 1, 0))
    if remaining == 0:
        return [tl.Edge(0, following)]
    added = blocks(resolution, unit, min(slot, 1))  # all but the first of a unit are alike
    name = f"slot{unit * plan.slots + slot}"
    return [
        tl.Edge(c, following, added[c], (f"{name}.kernel{kernel}", f"{name}.ratio{ratio}"))
        for c, (kernel, ratio) in enumerate(plan.blocks)
    ]


def _parse(plan: Plan, text: str) -> list[int]:
    fields = text.split(":")
    if len(fields) not in (3, 4):
        raise ValueError(
            f"architecture {text!r} has {len(fields)} fields; the form is depths:kernels:ratios[:resolution]"
        )
    depths, kernels, ratios = (_numbers(text, field) for field in fields[:3])
    resolution = _numbers(text, fields[3]) if len(fields) == 4 else [plan.usual_resolution]
    slots = plan.units * plan.slots
    for name, values, length in (
        ("depths", depths, plan.units),
        ("kernels", kernels, slots),
        ("ratios", ratios, slots),
    ):
        if len(values) != length:
            raise ValueError(f"architecture {text!r}: {name} has {len(values)} entries, not {length}")
    tokens = [_index(text, "resolution", plan.resolutions, resolution[0] if len(resolution) == 1 else resolution)]
    for unit, depth in enumerate(depths):
        tokens.append(_index(text, f"depth of unit {unit + 1}", plan.depths, depth))
        for slot in range(plan.slots):
            at = unit * plan.slots + slot
            used, where = slot < depth, f"block {slot + 1} of unit {unit + 1}"
            kernel = _index(text, f"kernel of {where}", plan.kernels, kernels[at]) if used else 0
            ratio = _index(text, f"ratio of {where}", plan.ratios, ratios[at]) if used else 0
            tokens.append(kernel * len(plan.ratios) + ratio)
    return tokens


def _numbers(text: str, field: str) -> list[int]:
    try:
        return [numerals.integer(number) for number in field.split(",")]
    except ValueError:
        raise ValueError(f"architecture {text!r}: {field!r} is not a list of integers separated by commas") from None


def _index(text: str, what: str, choices: Sequence[int], value: object) -> int:
    if value not in choices:
        raise ValueError(f"architecture {text!r}: {what} is {value}; choices: {', '.join(map(str, choices))}")
    return choices.index(value)  # type: ignore[arg-type]


def _format(plan: Plan, tokens: Sequence[int]) -> str:
    depths, kernels, ratios = settings(plan, tokens)
    fields = [",".join(map(str, values)) for values in (depths, kernels, ratios)]
    return ":".join([*fields, str(plan.resolutions[tokens[0]])])


def settings(plan: Plan, tokens: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Depth of each unit, kernel and ratio of each slot (0 beyond the depth) of canonical tokens ``[T]``."""
    depths, kernels, ratios = [], [], []
    for unit in range(plan.units):
        depth, *blocks = tokens[1 + unit * (1 + plan.slots) : 1 + (unit + 1) * (1 + plan.slots)]
        depths.append(plan.depths[depth])
        for slot, block in enumerate(blocks):
            kernel, ratio = plan.blocks[block] if slot < plan.depths[depth] else (0, 0)
            kernels.append(kernel)
            ratios.append(ratio)
    return depths, kernels, ratios


def operators(plan: Plan, tokens: Sequence[int]) -> tuple[Operator, ...]:
    """Operators of canonical tokens ``[T]`` in the order in which an image passes them."""
    resolution = plan.resolutions[tokens[0]]
    _, kernels, ratios = settings(plan, tokens)
    body = [
        plan.block(resolution, *divmod(at, plan.slots), kernel, ratio)
        for at, (kernel, ratio) in enumerate(zip(kernels, ratios, strict=True))
        if kernel
    ]
    return (*plan.stem(resolution), *body, *plan.head(resolution))


def _describe(plan: Plan, tokens: Sequence[int]) -> str:
    depths, kernels, ratios = settings(plan, tokens)
    lines = [f"input {plan.resolutions[tokens[0]]} x {plan.resolutions[tokens[0]]} pixels"]
    for unit, depth in enumerate(depths):
        at = range(unit * plan.slots, unit * plan.slots + depth)
        blocks = ", ".join(f"{kernels[i]}x{kernels[i]} ratio {ratios[i]}" for i in at)
        noun = "block" if depth == 1 else "blocks"
        lines.append(f"unit {unit + 1}: {depth} {noun}, stride {plan.strides[unit]}: {blocks}")
    return "\n".join(lines)
