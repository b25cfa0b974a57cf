"""The once-for-all MobileNetV3 space (Cai et al., arXiv 1908.09791; PNAG, arXiv 2210.07634).

Five units of two to four inverted bottlenecks; each picks one of 9 (kernel, expand ratio) pairs. The resolution, 96 to
256 in steps of 4, is the first decision: a problem opens the resolutions that its table and predictor both know.
Text: ``depths:kernels:ratios:resolution``, the form of the released PNAG networks plus the resolution; kernels and
ratios have 20 entries, those beyond a unit's depth are 0. Without the last field the resolution is 224, as it is in the
paper.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Sequence
from typing import cast

from nagjax.operators import Operator, make_divisible
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

RESOLUTIONS = tuple(range(96, 257, 4))
DEPTHS, KERNELS, RATIOS = (2, 3, 4), (3, 5, 7), (3, 4, 6)
BLOCKS = tuple(itertools.product(KERNELS, RATIOS))
UNITS, SLOTS = 5, 4
WIDTHS = (16, 16, 24, 40, 80, 112, 160, 960, 1280)
STRIDES = (2, 2, 2, 1, 2)
SQUEEZE = (False, True, False, True, True)
ACTIVATIONS = ("relu", "relu", "h_swish", "h_swish", "h_swish")
LAYERS = 1 + UNITS * (1 + SLOTS)
PUBLISHED_RESOLUTION = 224

NAMES = tuple(
    [f"slot{s}.kernel{k}" for s in range(UNITS * SLOTS) for k in KERNELS]
    + [f"slot{s}.ratio{r}" for s in range(UNITS * SLOTS) for r in RATIOS]
    + [f"resolution{r}" for r in RESOLUTIONS]
)
_RATIO_BASE = UNITS * SLOTS * len(KERNELS)
_RESOLUTION_BASE = _RATIO_BASE + UNITS * SLOTS * len(RATIOS)


def make(width: float = 1.2) -> Space:
    """The space at width multiplier 1.0 or 1.2."""
    if width not in (1.0, 1.2):
        raise ValueError(f"ofa_mobilenet_v3: width {width} is not one of 1.0, 1.2")
    channels = tuple(make_divisible(base * width) for base in WIDTHS)
    graph, operators = tl.build(LAYERS, "start", lambda t, node: _edges(channels, t, node), len(NAMES))
    return Space(
        name="ofa_mobilenet_v3",
        version=1,
        settings={"width": float(width)},
        decisions=_decisions(),
        trellis=graph,
        operators=operators,
        feature_names=NAMES,
        parse_text=_parse,
        format_tokens=_format,
        describe_tokens=_describe,
    )


def _decisions() -> tuple[Decision, ...]:
    out = [Decision("resolution", "resolution", tuple({"resolution": r} for r in RESOLUTIONS), optional=True)]
    for unit in range(UNITS):
        out.append(Decision(f"unit{unit + 1}.depth", "depth", tuple({"depth": d} for d in DEPTHS)))
        out += [
            Decision(f"unit{unit + 1}.block{slot + 1}", "block", tuple({"kernel": k, "ratio": r} for k, r in BLOCKS))
            for slot in range(SLOTS)
        ]
    return tuple(out)


def _edges(channels: tuple[int, ...], t: int, node: Hashable) -> list[tl.Edge]:
    if t == 0:
        return [tl.Edge(c, r, _frame(channels, r), (_RESOLUTION_BASE + c,)) for c, r in enumerate(RESOLUTIONS)]
    unit, position = divmod(t - 1, 1 + SLOTS)
    if position == 0:
        return [tl.Edge(c, (node, depth)) for c, depth in enumerate(DEPTHS)]
    resolution, remaining = cast("tuple[int, int]", node)
    slot = position - 1
    following = resolution if slot == SLOTS - 1 else (resolution, max(remaining - 1, 0))
    if remaining == 0:
        return [tl.Edge(0, following)]
    index = unit * SLOTS + slot
    return [
        tl.Edge(
            c,
            following,
            (_block(channels, resolution, unit, slot, kernel, ratio),),
            (index * 3 + c // 3, _RATIO_BASE + index * 3 + c % 3),
        )
        for c, (kernel, ratio) in enumerate(BLOCKS)
    ]


def sizes(resolution: int) -> tuple[int, ...]:
    """Side of the feature map after the stem and after each unit.

    >>> sizes(224), sizes(164)
    ((112, 56, 28, 14, 14, 7), (82, 41, 21, 11, 11, 6))
    """
    out = [-(-resolution // 2)]
    for stride in STRIDES:
        out.append(-(-out[-1] // stride))
    return tuple(out)


def _frame(channels: tuple[int, ...], resolution: int) -> tuple[Operator, ...]:
    first, last = sizes(resolution)[0], sizes(resolution)[-1]
    wide, mix = channels[7], channels[8]
    operators = (
        Operator("conv", resolution, first, 3, channels[0], kernel=3, stride=2, activation="h_swish"),
        Operator("mbconv", first, first, channels[0], channels[1], 3, 1, channels[0], activation="relu", skip=True),
        Operator("conv", last, last, channels[6], wide, activation="h_swish"),
        Operator("pool", last, 1, wide, wide, kernel=last, norm=False),
        Operator("conv", 1, 1, wide, mix, activation="h_swish", norm=False),
        Operator("linear", 1, 1, mix, 1000, norm=False),
    )
    return tuple(dataclasses.replace(op, resolution=resolution) for op in operators)


def _block(channels: tuple[int, ...], resolution: int, unit: int, slot: int, kernel: int, ratio: int) -> Operator:
    side = sizes(resolution)
    stride = STRIDES[unit] if slot == 0 else 1
    inputs = channels[unit + 1] if slot == 0 else channels[unit + 2]
    return Operator(
        "mbconv",
        side[unit] if slot == 0 else side[unit + 1],
        side[unit + 1],
        inputs,
        channels[unit + 2],
        kernel,
        stride,
        make_divisible(inputs * ratio),
        SQUEEZE[unit],
        ACTIVATIONS[unit],
        skip=slot > 0,
        resolution=resolution,
    )


def _parse(text: str) -> list[int]:
    fields = text.split(":")
    if len(fields) not in (3, 4):
        raise ValueError(
            f"architecture {text!r} has {len(fields)} fields; the form is depths:kernels:ratios[:resolution]"
        )
    depths, kernels, ratios = (_numbers(text, field) for field in fields[:3])
    resolution = _numbers(text, fields[3]) if len(fields) == 4 else [PUBLISHED_RESOLUTION]
    for name, values, length in (("depths", depths, UNITS), ("kernels", kernels, 20), ("ratios", ratios, 20)):
        if len(values) != length:
            raise ValueError(f"architecture {text!r}: {name} has {len(values)} entries, not {length}")
    tokens = [_index(text, "resolution", RESOLUTIONS, resolution[0] if len(resolution) == 1 else resolution)]
    for unit, depth in enumerate(depths):
        tokens.append(_index(text, f"depth of unit {unit + 1}", DEPTHS, depth))
        for slot in range(SLOTS):
            at = unit * SLOTS + slot
            used, where = slot < depth, f"block {slot + 1} of unit {unit + 1}"
            kernel = _index(text, f"kernel of {where}", KERNELS, kernels[at]) if used else 0
            ratio = _index(text, f"ratio of {where}", RATIOS, ratios[at]) if used else 0
            tokens.append(kernel * 3 + ratio)
    return tokens


def _numbers(text: str, field: str) -> list[int]:
    try:
        return [int(number) for number in field.split(",")]
    except ValueError:
        raise ValueError(f"architecture {text!r}: {field!r} is not a list of integers separated by commas") from None


def _index(text: str, what: str, choices: Sequence[int], value: object) -> int:
    if value not in choices:
        raise ValueError(f"architecture {text!r}: {what} is {value}; choices: {', '.join(map(str, choices))}")
    return choices.index(value)  # type: ignore[arg-type]


def _format(tokens: Sequence[int]) -> str:
    depths, kernels, ratios = _settings(tokens)
    fields = [",".join(map(str, values)) for values in (depths, kernels, ratios)]
    return ":".join([*fields, str(RESOLUTIONS[tokens[0]])])


def _settings(tokens: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    depths, kernels, ratios = [], [], []
    for unit in range(UNITS):
        depth, *blocks = tokens[1 + unit * 5 : 6 + unit * 5]
        depths.append(DEPTHS[depth])
        for slot, block in enumerate(blocks):
            kernel, ratio = BLOCKS[block] if slot < DEPTHS[depth] else (0, 0)
            kernels.append(kernel)
            ratios.append(ratio)
    return depths, kernels, ratios


def _describe(tokens: Sequence[int]) -> str:
    depths, kernels, ratios = _settings(tokens)
    lines = [f"input {RESOLUTIONS[tokens[0]]} x {RESOLUTIONS[tokens[0]]} pixels"]
    for unit, depth in enumerate(depths):
        at = range(unit * SLOTS, unit * SLOTS + depth)
        blocks = ", ".join(f"{kernels[i]}x{kernels[i]} ratio {ratios[i]}" for i in at)
        lines.append(f"unit {unit + 1}: {depth} blocks, stride {STRIDES[unit]}: {blocks}")
    return "\n".join(lines)
