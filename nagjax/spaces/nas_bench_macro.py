"""The NAS-Bench-Macro space (Su et al., arXiv 2103.11922): 8 layers of identity or one of two inverted bottlenecks.

The bottlenecks have ratio 3 and kernel 3, or ratio 6 and kernel 5. Three stages of 2, 3 and 3 layers on CIFAR images.
Within a stage the layers after the first keep their shape, so an identity may stand anywhere among them without
changing the network: 6,561 strings, 3,969 distinct networks. The trellis keeps those whose identities come last;
``parse`` accepts every string and puts them there. The identity of a stage's first layer, where shapes change, is a
1x1 convolution of stride 2.
Text: 8 digits 0 (identity), 1, 2. MAdds and parameters equal those of the published data exactly. Settings make
smaller networks, which are trained as one set of weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.operators import Operator
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

STAGES = (2, 3, 3)
FIRST = tuple(sum(STAGES[:i]) for i in range(len(STAGES)))
LAYERS = sum(STAGES)
CHOICES = ("identity", "ratio3_kernel3", "ratio6_kernel5")
NAMES = tuple(f"layer{t}.{choice}" for t in range(LAYERS) for choice in CHOICES)
HEAD = 40
"""Channels before the classifier, by those of the stem."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks; the defaults are the benchmark's.

    Attributes:
      width: channels of the stem; each stage has twice those before it.
      image_size: side of the input, pixels; each stage halves it.
      image_channels, classes: of the data set.
    """

    width: int = 32
    image_size: int = 32
    image_channels: int = 3
    classes: int = 10

    def shape(self, stage: int) -> tuple[int, int]:
        """Side and channels after a stage, from 1; 0 is the stem."""
        return self.image_size >> stage, self.width << stage

    @property
    def stem(self) -> Operator:
        """What an image passes first."""
        side = self.image_size
        return Operator("conv", side, side, self.image_channels, self.width, kernel=3, activation="relu6")

    @property
    def head(self) -> tuple[Operator, ...]:
        """What follows the last stage."""
        (side, channels), wide = self.shape(len(STAGES)), HEAD * self.width
        return (
            Operator("conv", side, side, channels, wide, activation="relu6"),
            Operator("pool", side, 1, wide, wide, kernel=side, norm=False),
            Operator("linear", 1, 1, wide, self.classes, norm=False),
        )

    def layer(self, t: int, choice: int) -> Operator | None:
        """The operator of a choice of a layer, from 0; None for an identity."""
        stage, first = _stage(t), t in FIRST
        (side, inputs), (size, outputs) = self.shape(stage + (not first)), self.shape(stage + 1)
        stride = 2 if first else 1
        if choice == 0:
            return Operator("conv", side, size, inputs, outputs, 1, stride) if first else None
        kernel, ratio = ((3, 3), (5, 6))[choice - 1]
        return Operator(
            "mbconv", side, size, inputs, outputs, kernel, stride, inputs * ratio, activation="relu6", skip=not first
        )


def make(
    width: int = Plan.width,
    image_size: int = Plan.image_size,
    image_channels: int = Plan.image_channels,
    classes: int = Plan.classes,
) -> Space:
    """The space of 3,969 distinct networks; what they are made of follows from the settings, see ``Plan``.

    >>> make(width=8, image_size=16).identity
    'nas_bench_macro(image_size=16,width=8)/v1'

    Raises:
      ValueError: if a setting is out of range.
    """
    given = {"width": width, "image_size": image_size, "image_channels": image_channels, "classes": classes}
    plan = Plan(**{name: arguments.count(value, f"nas_bench_macro: {name}") for name, value in given.items()})
    most = 1 << len(STAGES)
    if image_size % most:
        raise ValueError(
            f"nas_bench_macro: image_size={image_size}: must be a multiple of {most}, each stage halves it"
        )
    graph, operators = tl.build(LAYERS, "any", lambda t, node: _edges(plan, t, node), NAMES)

    def elastic(dtype: Any = "float32") -> Elastic:
        return _elastic(plan, dtype)

    return Space(
        name="nas_bench_macro",
        version=1,
        settings={name: value for name, value in given.items() if value != getattr(Plan, name)},
        decisions=tuple(
            Decision(f"layer{t + 1}", "layer", tuple({"operation": choice} for choice in CHOICES))
            for t in range(LAYERS)
        ),
        trellis=graph,
        operators=operators,
        feature_names=NAMES,
        parse_text=_parse,
        format_tokens=lambda tokens: "".join(map(str, tokens)),
        describe_tokens=lambda tokens: _describe(plan, tokens),
        elastic=elastic,
    )


def _elastic(plan: Plan, dtype: Any) -> Elastic:
    # Compiled networks are needed by those who train weights alone.
    from nagjax.spaces.elastic_chain import Chain, Place, elastic_chain

    layers = [[plan.layer(t, choice) for choice in range(len(CHOICES))] for t in range(LAYERS)]
    places = tuple(Place(f"layer{t + 1}", tuple((op,) if op else () for op in ops)) for t, ops in enumerate(layers))
    chain = Chain((plan.stem,), places, plan.head, lambda tokens, _: (tokens, [0] * LAYERS), plan.classes)
    return elastic_chain(chain, dtype)


def _stage(t: int) -> int:
    return sum(t >= first for first in FIRST) - 1


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """Node ``"rest"``: an identity was taken among the later layers of this stage, so the others are identities too."""
    last = t + 1 in (*FIRST, LAYERS)
    operations = [0] if node == "rest" else [0, 1, 2]
    edges = []
    for choice in operations:
        rest = choice == 0 and t not in FIRST and not last
        own = plan.layer(t, choice)
        operators = ((own,) if own else ()) + ((plan.stem, *plan.head) if t == 0 else ())
        features = () if node == "rest" else (f"layer{t}.{CHOICES[choice]}",)
        edges.append(tl.Edge(choice, "rest" if rest or (node == "rest" and not last) else "any", operators, features))
    return edges


def _parse(text: str) -> list[int]:
    if len(text) != LAYERS or set(text) - set("012"):
        raise ValueError(f"architecture {text!r} is not {LAYERS} digits of 0, 1 and 2")
    tokens = []
    for first, length in zip(FIRST, STAGES, strict=True):
        head, tail = text[first], text[first + 1 : first + length]
        tokens += [int(digit) for digit in head + tail.replace("0", "").ljust(length - 1, "0")]
    return tokens


def _describe(plan: Plan, tokens: Sequence[int]) -> str:
    lines = []
    for stage, (first, length) in enumerate(zip(FIRST, STAGES, strict=True)):
        names = ", ".join(CHOICES[tokens[t]] for t in range(first, first + length))
        side, channels = plan.shape(stage + 1)
        lines.append(f"stage {stage + 1} ({side} x {side}, {channels} channels): {names}")
    return "\n".join(lines)
