"""The factorised hierarchical space of MnasNet (Tan et al., arXiv 1807.11626, section 4.1), for small images.

A block is a number of equal layers. It picks the operation, its kernel, squeeze-excite or not, channels by those of a
base network, layers by those of the base network, and whether layers after the first have a residual connection. The
first layer of a block has the block's stride. Of the paper's skip operations the pooling is left out.

A node remembers the channels that a block takes, and what it has picked so far; the last decision of a block brings the
operators of all its layers. Plain convolutions have no squeeze-excite and one layer no residual connection: those
decisions are closed then.

Text: ``conv-k3-f16-n1:mbconv6-k5-se-f24-n3-skip:sepconv-k3-f32-n2``: operation, kernel, squeeze-excite, channels,
layers and skip of each block.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Hashable, Sequence
from typing import Any, cast

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.names import suggestion
from nagjax.operators import Operator, make_divisible
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

RATIOS = {"sepconv": 1, "mbconv3": 3, "mbconv6": 6}
OPERATIONS = ("conv", *RATIOS)
MORE = (-1, 0, 1)
"""Layers by those of the base network."""

STEPS = ("operation", "kernel", "squeeze", "filters", "layers", "skip")
DIVISOR = 4

Layer = tuple[str, int, bool]
"""Operation, kernel and squeeze-excite of a layer."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks, and what is chosen.

    Attributes:
      image_size: side of the input, pixels; the stem halves it.
      image_channels, classes: of the data set.
      filters, layers, strides: of each block of the base network.
      operations: of ``OPERATIONS``.
      kernels: ascending.
      scales: by which the channels of the base network are multiplied, ascending.
      stem, head: channels before and after the blocks.
    """

    image_size: int
    image_channels: int
    classes: int
    filters: tuple[int, ...]
    layers: tuple[int, ...]
    strides: tuple[int, ...]
    operations: tuple[str, ...]
    kernels: tuple[int, ...]
    scales: tuple[float, ...]
    stem: int
    head: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.filters)

    @functools.cached_property
    def sides(self) -> tuple[int, ...]:
        """Side of the map after the stem and after each block, pixels."""
        out = [-(-self.image_size // 2)]
        for stride in self.strides:
            out.append(-(-out[-1] // stride))
        return tuple(out)

    @functools.cached_property
    def layer_choices(self) -> tuple[Layer, ...]:
        """What the layers of a block may be."""
        every = itertools.product(self.operations, self.kernels, (False, True))
        return tuple(layer for layer in every if layer[0] in RATIOS or not layer[2])

    def widths(self, block: int) -> tuple[int, ...]:
        """Channels that a block may have; block -1 is the stem."""
        return (self.stem,) if block < 0 else tuple(
            make_divisible(self.filters[block] * scale, DIVISOR) for scale in self.scales
        )  # fmt: skip

    def layer(self, block: int, layer: Layer, inputs: int, outputs: int, skip: bool | None) -> Operator:
        """A layer of a block: the first where ``skip`` is None, else a later one, with a residual connection or not."""
        operation, kernel, squeeze = layer
        first = skip is None
        side, size = self.sides[block if first else block + 1], self.sides[block + 1]
        stride = self.strides[block] if first else 1
        if operation == "conv":
            return Operator(
                "full_conv", side, size, inputs, outputs, kernel, stride, activation="relu", skip=bool(skip)
            )
        mid = inputs * RATIOS[operation]
        return Operator("mbconv", side, size, inputs, outputs, kernel, stride, mid, squeeze, "relu", bool(skip))

    def block(self, block: int, layer: Layer, inputs: int, outputs: int, number: int, skip: bool) -> list[Operator]:
        """The layers of a block."""
        later = self.layer(block, layer, outputs, outputs, skip)
        return [self.layer(block, layer, inputs, outputs, None), *[later] * (number - 1)]

    def start(self) -> Operator:
        """What an image passes first."""
        return Operator("conv", self.image_size, self.sides[0], self.image_channels, self.stem, 3, 2, activation="relu")

    def end(self, inputs: int) -> tuple[Operator, ...]:
        """What follows the last block, of so many channels."""
        side = self.sides[-1]
        return (
            Operator("conv", side, side, inputs, self.head, activation="relu"),
            Operator("pool", side, 1, self.head, self.head, kernel=side, norm=False),
            Operator("linear", 1, 1, self.head, self.classes, norm=False),
        )


def make(
    image_size: int = 28,
    image_channels: int = 1,
    classes: int = 10,
    filters: int | str = "16-24-40",
    layers: int | str = "2-2-2",
    strides: int | str = "1-2-2",
    operations: str = "conv-sepconv-mbconv3-mbconv6",
    kernels: int | str = "3-5",
    scales: float | str = "0.75-1-1.25",
    stem: int = 8,
    head: int = 128,
) -> Space:
    """The space; lists are written with ``-`` between their entries.

    >>> make(filters="16-24", layers="2-2", strides="1-2", operations="conv-mbconv3", kernels="3").count()
    2025

    Raises:
      ValueError: if a setting is out of range, or lists do not fit.
    """
    sizes = {"image_size": image_size, "image_channels": image_channels, "classes": classes, "stem": stem, "head": head}
    lists = {"filters": filters, "layers": layers, "strides": strides, "operations": operations, "kernels": kernels,
             "scales": scales}  # fmt: skip
    plan = Plan(
        **{name: arguments.count(value, f"mnasnet: {name}", 2 if name == "classes" else 1)
           for name, value in sizes.items()},
        filters=_numbers("filters", filters), layers=_numbers("layers", layers), strides=_numbers("strides", strides),
        operations=_operations(operations), kernels=_numbers("kernels", kernels), scales=_scales(scales),
    )  # fmt: skip
    _check(plan)
    return space_of(plan, {**sizes, **{name: str(value) for name, value in lists.items()}})


def space_of(plan: Plan, settings: dict[str, Any]) -> Space:
    """The space of a plan, which settings make again."""
    names = _feature_names(plan)
    graph, operators = tl.build(
        len(STEPS) * plan.blocks, (0,), lambda t, node: _edges(plan, t, cast("tuple[int, ...]", node)), names
    )
    return Space(
        name="mnasnet",
        version=1,
        settings=settings,
        decisions=_decisions(plan),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: _format(plan, tokens),
        describe_tokens=lambda tokens: _describe(plan, tokens),
        elastic=functools.partial(_elastic, plan),
    )


def _check(plan: Plan) -> None:
    for name in ("layers", "strides"):
        if len(getattr(plan, name)) != plan.blocks:
            raise ValueError(
                f"mnasnet: {name} has {len(getattr(plan, name))} entries, filters {plan.blocks}: give one a block"
            )
    if min(plan.layers) <= -MORE[0]:
        raise ValueError(f"mnasnet: layers={plan.layers}: must be 2 or more, since a block may have one less")
    if set(plan.operations) == {"conv"}:
        raise ValueError("mnasnet: operations=conv: nothing there squeezes; give one of the others as well")
    if set(plan.strides) - {1, 2}:
        raise ValueError(f"mnasnet: strides={plan.strides}: must be 1 or 2")
    if list(plan.kernels) != sorted(set(plan.kernels)) or any(kernel % 2 == 0 for kernel in plan.kernels):
        raise ValueError(f"mnasnet: kernels={plan.kernels}: must be odd, and ascend")
    for block in range(plan.blocks):
        widths = plan.widths(block)
        if list(widths) != sorted(set(widths)):
            raise ValueError(
                f"mnasnet: filters={plan.filters[block]} and scales {plan.scales} give block {block + 1} the channels "
                f"{widths}, multiples of {DIVISOR}: they must ascend; give more filters or other scales"
            )


def _entries(name: str, given: object, pattern: str, example: str) -> list[str]:
    parts = str(given).split("-")
    if not all(re.fullmatch(pattern, part, re.ASCII) for part in parts):
        raise ValueError(f"mnasnet: {name}={given!r}: write numbers above 0 with - between them, {example}")
    return parts


def _numbers(name: str, given: int | str) -> tuple[int, ...]:
    return tuple(int(part) for part in _entries(name, given, r"[1-9]\d{0,8}", "3-5"))


def _scales(given: float | str) -> tuple[float, ...]:
    values = tuple(float(part) for part in _entries("scales", given, r"\d{1,4}(\.\d{1,4})?", "0.75-1-1.25"))
    if list(values) != sorted(set(values)) or not values[0] > 0:
        raise ValueError(f"mnasnet: scales={given!r}: must be above 0, and ascend")
    return values


def _operations(given: str) -> tuple[str, ...]:
    values = tuple(str(given).split("-"))
    unknown = [value for value in values if value not in OPERATIONS]
    if unknown or len(set(values)) < len(values):
        hint = suggestion(unknown[0], OPERATIONS) if unknown else ""
        raise ValueError(f"mnasnet: operations={given!r}: write each once of {', '.join(OPERATIONS)}, - between{hint}")
    return values


def _choices(plan: Plan) -> dict[str, tuple[Any, ...]]:
    """The choices of each step of a block."""
    return {
        "operation": plan.operations, "kernel": plan.kernels, "squeeze": (False, True), "filters": plan.scales,
        "layers": MORE, "skip": (False, True),
    }  # fmt: skip


def _decisions(plan: Plan) -> tuple[Decision, ...]:
    return tuple(
        Decision(f"block{block}.{step}", step, tuple({step: value} for value in values))
        for block in range(1, plan.blocks + 1)
        for step, values in _choices(plan).items()
    )


def _feature(block: int, step: str, value: object) -> str:
    return f"block{block + 1}.{step}={str(value).lower() if isinstance(value, bool) else value}"


def _feature_names(plan: Plan) -> tuple[str, ...]:
    return tuple(
        _feature(block, step, value)
        for block in range(plan.blocks)
        for step, values in _choices(plan).items()
        for value in values
    )


def _edges(plan: Plan, t: int, node: tuple[int, ...]) -> list[tl.Edge]:
    """A node is the width that the block takes, an index, and the choices so far; without these, a block is done."""
    block, at = divmod(t, len(STEPS))
    step = STEPS[at]
    if len(node) <= at:  # the block is done: it has one layer
        return [tl.Edge(0, node)]
    if step == "squeeze" and plan.operations[node[1]] == "conv":
        return [tl.Edge(0, (*node, 0))]
    start = (plan.start(),) if t == 0 else ()
    return [
        _edge(plan, block, (*node, c), start, _feature(block, step, value))
        for c, value in enumerate(_choices(plan)[step])
    ]


def _edge(plan: Plan, block: int, node: tuple[int, ...], start: tuple[Operator, ...], feature: str) -> tl.Edge:
    """The edge of the last choice of ``node``; it brings the layers where the block is complete."""
    picked, number = node[1:], _number(plan, block, node[5]) if len(node) > len(STEPS) - 1 else 0
    if len(picked) < len(STEPS) and number != 1:
        return tl.Edge(node[-1], node, start, (feature,))
    operators = _layers(plan, block, node[0], [*picked, 0][: len(STEPS)])
    end = plan.end(plan.widths(block)[picked[3]]) if block == plan.blocks - 1 else ()
    after: Hashable = (0 if block == plan.blocks - 1 else picked[3],)
    return tl.Edge(node[-1], after, (*operators, *end), (feature,))


def _number(plan: Plan, block: int, token: int) -> int:
    return plan.layers[block] + MORE[token]


def _layers(plan: Plan, block: int, taken: int, tokens: Sequence[int]) -> list[Operator]:
    """The layers of a block that takes the width ``taken``, an index, of its tokens ``[6]``."""
    operation, kernel, squeeze, filters, layers, skip = tokens
    layer = plan.operations[operation], plan.kernels[kernel], bool(squeeze)
    inputs, outputs = plan.widths(block - 1)[taken], plan.widths(block)[filters]
    return plan.block(block, layer, inputs, outputs, _number(plan, block, layers), bool(skip))


def _elastic(plan: Plan, dtype: Any = "float32") -> Elastic:
    # Compiled networks are needed by those who train weights alone.
    from nagjax.spaces import mnasnet_elastic

    return mnasnet_elastic.elastic(plan, dtype)


def _blocks(plan: Plan, tokens: Sequence[int]) -> list[tuple[Layer, int, int, bool]]:
    """Layer, channels, number of layers and skip of each block."""
    out = []
    for block in range(plan.blocks):
        operation, kernel, squeeze, filters, layers, skip = tokens[len(STEPS) * block : len(STEPS) * (block + 1)]
        layer = plan.operations[operation], plan.kernels[kernel], bool(squeeze)
        out.append((layer, plan.widths(block)[filters], _number(plan, block, layers), bool(skip)))
    return out


def _format(plan: Plan, tokens: Sequence[int]) -> str:
    return ":".join(
        f"{operation}-k{kernel}{'-se' if squeeze else ''}-f{width}-n{number}{'-skip' if skip else ''}"
        for (operation, kernel, squeeze), width, number, skip in _blocks(plan, tokens)
    )


def _parse(plan: Plan, text: str) -> list[int]:
    blocks = text.split(":")
    if len(blocks) != plan.blocks:
        raise ValueError(f"architecture {text!r}: {len(blocks)} blocks, : between them; the space has {plan.blocks}")
    return [token for block, written in enumerate(blocks) for token in _parse_block(plan, text, block, written)]


_BLOCK = re.compile(
    r"(?P<op>[a-z]+\d?)-k(?P<kernel>\d{1,4})(?P<se>-se)?-f(?P<filters>\d{1,9})-n(?P<layers>\d{1,4})(?P<skip>-skip)?",
    re.ASCII,
)


def _parse_block(plan: Plan, text: str, block: int, written: str) -> list[int]:
    found, widths = _BLOCK.fullmatch(written), plan.widths(block)
    numbers = [_number(plan, block, token) for token in range(len(MORE))]
    if found is None:
        raise ValueError(
            f"architecture {text!r}: block {written!r} is not of the form {plan.operations[0]}-k{plan.kernels[0]}-se-"
            f"f{widths[0]}-n{numbers[1]}-skip, in which -se and -skip may be left out"
        )
    values: dict[str, tuple[Any, Sequence[Any]]] = {
        "op": (found["op"], plan.operations), "kernel": (int(found["kernel"]), plan.kernels),
        "filters": (int(found["filters"]), widths), "layers": (int(found["layers"]), numbers),
    }  # fmt: skip
    for name, (value, choices) in values.items():
        if value not in choices:
            raise ValueError(f"architecture {text!r}: {name} of {written!r} is one of {', '.join(map(str, choices))}")
    if (found["se"] and found["op"] == "conv") or (found["skip"] and found["layers"] == "1"):
        raise ValueError(f"architecture {text!r}: {written!r}: a conv has no -se, a single layer no -skip")
    operation, kernel, filters, layers = (list(choices).index(value) for value, choices in values.values())
    return [operation, kernel, int(found["se"] is not None), filters, layers, int(found["skip"] is not None)]


def _describe(plan: Plan, tokens: Sequence[int]) -> str:
    lines = []
    for at, ((operation, kernel, squeeze), width, number, skip) in enumerate(_blocks(plan, tokens)):
        more = (", squeeze-excite" if squeeze else "") + (", residual connections" if skip else "")
        noun = "layer" if number == 1 else "layers"
        side = plan.sides[at + 1]
        lines.append(
            f"block {at + 1} ({side} x {side}, {width} channels): {number} {noun} of {operation}, kernel {kernel}{more}"
        )
    return "\n".join(lines)
