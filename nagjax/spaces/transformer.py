"""Spaces of transformers: width, depth, and per layer the kind of attention, its heads and the width of its MLP.

All are trained as one set of weights (``nagjax.spaces.transformer_elastic``). A node remembers the width and the layers
that are left. Mixer and heads of a layer are one decision, so a device's price of the pair is exact without more nodes.
The operators of a layer stand in ``nagjax.operators.attention`` and ``feed_forward``; the width of a path brings what
stands before and behind the layers, which is what a family of transformers is told apart by.

Text: ``width=64:softmax-h4-r2:linear-h2-r4``, mixer, heads and MLP ratio of each layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.operators import Operator
from nagjax.operators.attention import MIXERS, attention
from nagjax.operators.feed_forward import feed_forward
from nagjax.spaces import choices
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Count, Decision, Space

FIRST = 2
"""Decisions before those of the layers: width and depth."""

CHOSEN = ("widths", "depths", "heads", "ratios", "mixers")
"""Settings that list choices."""


@dataclasses.dataclass(frozen=True, eq=False)
class Layers:
    """What is chosen in every transformer.

    Attributes:
      widths, depths, heads, ratios: choices, ascending; the MLP of a layer is ratio times the width wide.
      mixers: of ``nagjax.operators.attention.MIXERS``.
      head_size: of each head, whatever the width.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    ratios: tuple[int, ...]
    mixers: tuple[str, ...]
    head_size: int

    @property
    def deepest(self) -> int:
        """Layers of the deepest network."""
        return self.depths[-1]

    @property
    def pairs(self) -> tuple[tuple[str, int], ...]:
        """Mixer and heads of each choice of a layer's attention."""
        return tuple((mixer, heads) for mixer in self.mixers for heads in self.heads)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """A family of transformers.

    Attributes:
      layers: what is chosen.
      length: rows that pass the layers.
      causal: a row looks only at those before it.
      stem: width to the operator that gives rows ``[N, L, C]``.
      head: width to the operator behind the layers.
      sizes: what a task has to have too, by name.
      group: what inputs are prepared for.
      example: number and random numbers to made-up inputs.
    """

    layers: Layers
    length: int
    causal: bool
    stem: Callable[[int], Operator]
    head: Callable[[int], Operator]
    sizes: Mapping[str, int]
    group: Hashable
    example: Callable[[int, np.random.Generator], np.ndarray]

    def attention(self, width: int, mixer: str, heads: int) -> Operator:
        """A layer's attention."""
        return attention(self.length, width, heads, self.layers.head_size, mixer, self.causal)

    def feed_forward(self, width: int, ratio: int) -> Operator:
        """A layer's MLP."""
        return feed_forward(self.length, width, ratio * width)


def layers(space: str, given: Mapping[str, int | str], mixers: str, head_size: int) -> Layers:
    """Choices as settings have them: ``widths``, ``depths``, ``heads`` and ``ratios`` with ``-`` between the numbers.

    Raises:
      ValueError: if a choice is out of range, or choices do not ascend; it names the space and the setting.
    """
    numbers = {name: choices.numbers(f"{space}: {name}", value) for name, value in given.items()}
    return Layers(
        **numbers,
        mixers=choices.words(f"{space}: mixers", mixers, MIXERS),
        head_size=arguments.count(head_size, f"{space}: head_size", 1),
    )


def space_of(name: str, plan: Plan, settings: Mapping[str, Any], counts: Mapping[str, Count] | None = None) -> Space:
    """The space of a plan, which name and settings make again; lists among these are written as text.

    ``counts`` are costs that it counts beside multiply-adds and parameters.
    """
    own = plan.layers
    names = _feature_names(own)
    graph, operators = tl.build(FIRST + 2 * own.deepest, "start", lambda t, node: _edges(plan, t, node), names)

    def elastic(dtype: Any = "float32") -> Elastic:
        from nagjax.spaces import transformer_elastic  # it needs the plan

        return transformer_elastic.elastic(plan, dtype)

    return Space(
        name=name,
        version=1,
        settings={key: str(value) if key in CHOSEN else value for key, value in settings.items()},
        decisions=_decisions(own),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(own, text),
        format_tokens=lambda tokens: _format(own, tokens),
        describe_tokens=lambda tokens: _describe(own, tokens),
        elastic=elastic,
        counts=counts or {},
    )


def layers_of(own: Layers, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
    """Mixer, heads and MLP ratio of the layers that an architecture has."""
    body = [int(token) for token in tokens[FIRST : FIRST + 2 * own.depths[tokens[1]]]]
    return [(*own.pairs[pair], own.ratios[ratio]) for pair, ratio in zip(body[::2], body[1::2], strict=True)]


def operators_of(plan: Plan, tokens: Sequence[int]) -> tuple[Operator, ...]:
    """What a sequence passes, in order."""
    width = plan.layers.widths[tokens[0]]
    body = [
        (plan.attention(width, mixer, heads), plan.feed_forward(width, ratio))
        for mixer, heads, ratio in layers_of(plan.layers, tokens)
    ]
    return (plan.stem(width), *(op for pair in body for op in pair), plan.head(width))


def _feature_names(own: Layers) -> tuple[str, ...]:
    numbers = range(1, own.deepest + 1)
    return (
        *(f"width{width}" for width in own.widths),
        *(f"depth{depth}" for depth in own.depths),
        *(f"layer{i}.{mixer}" for i in numbers for mixer in own.mixers),
        *(f"layer{i}.heads{heads}" for i in numbers for heads in own.heads),
        *(f"layer{i}.ratio{ratio}" for i in numbers for ratio in own.ratios),
    )


def _decisions(own: Layers) -> tuple[Decision, ...]:
    pairs = tuple({"mixer": mixer, "heads": heads} for mixer, heads in own.pairs)
    ratios = tuple({"ratio": ratio} for ratio in own.ratios)
    body = [
        (
            Decision(f"layer{i}.attention", "attention", pairs),
            Decision(f"layer{i}.feed_forward", "feed_forward", ratios),
        )
        for i in range(1, own.deepest + 1)
    ]
    return (
        Decision("width", "width", tuple({"width": width} for width in own.widths)),
        Decision("depth", "depth", tuple({"depth": depth} for depth in own.depths)),
        *(decision for layer in body for decision in layer),
    )


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is the width; behind the depth it is width and layers left, then "done"."""
    if t == 0:
        return [
            tl.Edge(c, width, (plan.stem(width), plan.head(width)), (f"width{width}",))
            for c, width in enumerate(plan.layers.widths)
        ]
    if t == 1:
        return [tl.Edge(c, (node, depth), (), (f"depth{depth}",)) for c, depth in enumerate(plan.layers.depths)]
    if node == "done":
        return [tl.Edge(0, "done")]
    width, left = cast("tuple[int, int]", node)
    layer, second = divmod(t - FIRST, 2)
    name = f"layer{layer + 1}"
    if not second:
        return [
            tl.Edge(c, node, (plan.attention(width, mixer, heads),), (f"{name}.{mixer}", f"{name}.heads{heads}"))
            for c, (mixer, heads) in enumerate(plan.layers.pairs)
        ]
    after: Hashable = (width, left - 1) if left > 1 else "done"
    return [
        tl.Edge(c, after, (plan.feed_forward(width, ratio),), (f"{name}.ratio{ratio}",))
        for c, ratio in enumerate(plan.layers.ratios)
    ]


def _format(own: Layers, tokens: Sequence[int]) -> str:
    body = [f"{mixer}-h{heads}-r{ratio}" for mixer, heads, ratio in layers_of(own, tokens)]
    return ":".join([f"width={own.widths[tokens[0]]}", *body])


def _parse(own: Layers, text: str) -> list[int]:
    first, *body = text.split(":")
    known = {f"width={width}": at for at, width in enumerate(own.widths)}
    if first not in known:
        raise ValueError(f"architecture {text!r}: {first!r} is not one of {', '.join(known)}; it goes on with a layer, "
                         f":{own.mixers[0]}-h{own.heads[0]}-r{own.ratios[0]}, and so on")  # fmt: skip
    if len(body) not in own.depths:
        raise ValueError(f"architecture {text!r}: {len(body)} layers; the depth is one of {own.depths}")
    texts = {
        f"{mixer}-h{heads}-r{ratio}": (pair, last)
        for pair, (mixer, heads) in enumerate(own.pairs)
        for last, ratio in enumerate(own.ratios)
    }
    for layer in body:
        if layer not in texts:
            raise ValueError(f"architecture {text!r}: layer {layer!r} is not one of {', '.join(texts)}")
    tokens = [token for layer in body for token in texts[layer]]
    return [known[first], own.depths.index(len(body)), *tokens, *[0] * (2 * (own.deepest - len(body)))]


def _describe(own: Layers, tokens: Sequence[int]) -> str:
    width, body = own.widths[tokens[0]], layers_of(own, tokens)
    lines = [
        f"layer {i}: {mixer} attention of {heads} heads, MLP {ratio * width}"
        for i, (mixer, heads, ratio) in enumerate(body, 1)
    ]
    return "\n".join([f"width {width}, {len(body)} layers", *lines])
