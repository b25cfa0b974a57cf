"""The NAS-Bench-Macro space (Su et al., arXiv 2103.11922): 8 layers of identity or one of two inverted bottlenecks.

The bottlenecks have ratio 3 and kernel 3, or ratio 6 and kernel 5. Three stages of 2, 3 and 3 layers on CIFAR images.
Within a stage the layers after the first keep their shape, so an identity may stand anywhere among them without
changing the network: 6,561 strings, 3,969 distinct networks. The trellis keeps those whose identities come last;
``parse`` accepts every string and puts them there. The identity of a stage's first layer, where shapes change, is a
1x1 convolution of stride 2.
Text: 8 digits 0 (identity), 1, 2. MAdds and parameters equal those of the published data exactly.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from nagjax.operators import Operator
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

STAGES = (2, 3, 3)
CHANNELS = (32, 64, 128, 256)
SIZES = (32, 16, 8, 4)
FIRST = tuple(sum(STAGES[:i]) for i in range(len(STAGES)))
LAYERS = sum(STAGES)
CHOICES = ("identity", "ratio3_kernel3", "ratio6_kernel5")
NAMES = tuple(f"layer{t}.{choice}" for t in range(LAYERS) for choice in CHOICES)


def make() -> Space:
    """The space of 3,969 distinct networks."""
    graph, operators = tl.build(LAYERS, "any", _edges, NAMES)
    return Space(
        name="nas_bench_macro",
        version=1,
        settings={},
        decisions=tuple(
            Decision(f"layer{t + 1}", "layer", tuple({"operation": choice} for choice in CHOICES))
            for t in range(LAYERS)
        ),
        trellis=graph,
        operators=operators,
        feature_names=NAMES,
        parse_text=_parse,
        format_tokens=lambda tokens: "".join(map(str, tokens)),
        describe_tokens=_describe,
    )


def _edges(t: int, node: Hashable) -> list[tl.Edge]:
    """Node ``"rest"``: an identity was taken among the later layers of this stage, so the others are identities too."""
    stage = sum(t >= first for first in FIRST) - 1
    last = t + 1 in (*FIRST, LAYERS)
    operations = [0] if node == "rest" else [0, 1, 2]
    edges = []
    for choice in operations:
        rest = choice == 0 and t != FIRST[stage] and not last
        operators = _operators(stage, t == FIRST[stage], choice) + (_frame() if t == 0 else ())
        features = () if node == "rest" else (f"layer{t}.{CHOICES[choice]}",)
        edges.append(tl.Edge(choice, "rest" if rest or (node == "rest" and not last) else "any", operators, features))
    return edges


def _operators(stage: int, first: bool, choice: int) -> tuple[Operator, ...]:
    inputs, outputs = CHANNELS[stage + (not first)], CHANNELS[stage + 1]
    side, size, stride = SIZES[stage + (not first)], SIZES[stage + 1], 2 if first else 1
    if choice == 0:
        return (Operator("conv", side, size, inputs, outputs, 1, stride),) if first else ()
    kernel, ratio = ((3, 3), (5, 6))[choice - 1]
    return (
        Operator(
            "mbconv", side, size, inputs, outputs, kernel, stride, inputs * ratio, activation="relu6", skip=not first
        ),
    )


def _frame() -> tuple[Operator, ...]:
    return (
        Operator("conv", 32, 32, 3, 32, kernel=3, activation="relu6"),
        Operator("conv", 4, 4, 256, 1280, activation="relu6"),
        Operator("pool", 4, 1, 1280, 1280, kernel=4, norm=False),
        Operator("linear", 1, 1, 1280, 10, norm=False),
    )


def _parse(text: str) -> list[int]:
    if len(text) != LAYERS or set(text) - set("012"):
        raise ValueError(f"architecture {text!r} is not {LAYERS} digits of 0, 1 and 2")
    tokens = []
    for first, length in zip(FIRST, STAGES, strict=True):
        head, tail = text[first], text[first + 1 : first + length]
        tokens += [int(digit) for digit in head + tail.replace("0", "").ljust(length - 1, "0")]
    return tokens


def _describe(tokens: Sequence[int]) -> str:
    lines = []
    for stage, (first, length) in enumerate(zip(FIRST, STAGES, strict=True)):
        names = ", ".join(CHOICES[tokens[t]] for t in range(first, first + length))
        lines.append(
            f"stage {stage + 1} ({SIZES[stage + 1]} x {SIZES[stage + 1]}, {CHANNELS[stage + 1]} channels): {names}"
        )
    return "\n".join(lines)
