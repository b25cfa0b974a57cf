"""Decoders of one's own: width, depth, and per layer the kind of attention, its heads and the width of its MLP.

All are trained as one set of weights. A node remembers the width and the layers that are left. Mixer and heads of a
layer are one decision, so a device's price of the pair is exact without more nodes. The operators of a layer stand in
``nagjax.operators.attention`` and ``feed_forward``; the width of a path brings embedding and head.

Text: ``width=64:softmax-h4-r2:linear-h2-r4``, mixer, heads and MLP ratio of each layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, cast

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.operators import Operator
from nagjax.operators.attention import MIXERS, attention, cache_bytes
from nagjax.operators.embedding import embedding
from nagjax.operators.feed_forward import feed_forward
from nagjax.operators.token_head import token_head
from nagjax.spaces import choices
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Count, Decision, Space

NAME = "elastic_decoder"
FIRST = 2
"""Decisions before those of the layers: width and depth."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks, and what is chosen.

    Attributes:
      length: tokens of a sequence.
      vocabulary: number of tokens that there are.
      widths, depths, heads, ratios: choices, ascending; the MLP of a layer is ratio times the width wide.
      mixers: of ``nagjax.operators.attention.MIXERS``.
      head_size: of each head, whatever the width.
    """

    length: int
    vocabulary: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    ratios: tuple[int, ...]
    mixers: tuple[str, ...]
    head_size: int

    @property
    def layers(self) -> int:
        """Layers of the deepest network."""
        return self.depths[-1]

    @property
    def pairs(self) -> tuple[tuple[str, int], ...]:
        """Mixer and heads of each choice of a layer's attention."""
        return tuple((mixer, heads) for mixer in self.mixers for heads in self.heads)

    def stem(self, width: int) -> Operator:
        """The embedding."""
        return embedding(self.length, self.vocabulary, width)

    def head(self, width: int) -> Operator:
        """What gives logits."""
        return token_head(self.length, width, self.vocabulary)

    def attention(self, width: int, mixer: str, heads: int) -> Operator:
        """A layer's attention."""
        return attention(self.length, width, heads, self.head_size, mixer)

    def feed_forward(self, width: int, ratio: int) -> Operator:
        """A layer's MLP."""
        return feed_forward(self.length, width, ratio * width)


def make(
    length: int = 64,
    vocabulary: int = 32,
    widths: int | str = "32-64",
    depths: int | str = "2-3-4",
    heads: int | str = "2-4",
    ratios: int | str = "2-4",
    mixers: str = "softmax-linear",
    head_size: int = 16,
) -> Space:
    """The space; choices are written with ``-`` between them.

    >>> make(widths="32", depths="1-2", mixers="softmax").count()
    20

    Raises:
      ValueError: if a size or choice is out of range, or choices do not ascend.
    """
    plan = Plan(
        length=arguments.count(length, "elastic_decoder: length", 2),
        vocabulary=arguments.count(vocabulary, "elastic_decoder: vocabulary", 2),
        widths=choices.numbers(NAME, "widths", widths),
        depths=choices.numbers(NAME, "depths", depths),
        heads=choices.numbers(NAME, "heads", heads),
        ratios=choices.numbers(NAME, "ratios", ratios),
        mixers=choices.words(NAME, "mixers", mixers, MIXERS),
        head_size=arguments.count(head_size, "elastic_decoder: head_size", 1),
    )
    lists = {"widths": widths, "depths": depths, "heads": heads, "ratios": ratios, "mixers": mixers}
    sizes = {"length": length, "vocabulary": vocabulary, "head_size": head_size}
    return space_of(plan, {**sizes, **{name: str(value) for name, value in lists.items()}})


def space_of(plan: Plan, settings: dict[str, Any]) -> Space:
    """The space of a plan, which settings make again."""
    names = _feature_names(plan)
    graph, operators = tl.build(FIRST + 2 * plan.layers, "start", lambda t, node: _edges(plan, t, node), names)

    def elastic(dtype: Any = "float32") -> Elastic:
        from nagjax.spaces import decoder_elastic  # it needs the plan

        return decoder_elastic.elastic(plan, dtype)

    return Space(
        name=NAME,
        version=1,
        settings=settings,
        decisions=_decisions(plan),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: _format(plan, tokens),
        describe_tokens=lambda tokens: _describe(plan, tokens),
        elastic=elastic,
        counts={"kv_cache": Count(lambda op: cache_bytes(op) if op.kind == "attention" else 0, "kB", 10**3)},
    )


def layers_of(plan: Plan, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
    """Mixer, heads and MLP ratio of the layers that an architecture has."""
    body = [int(token) for token in tokens[FIRST : FIRST + 2 * plan.depths[tokens[1]]]]
    return [(*plan.pairs[pair], plan.ratios[ratio]) for pair, ratio in zip(body[::2], body[1::2], strict=True)]


def operators_of(plan: Plan, tokens: Sequence[int]) -> tuple[Operator, ...]:
    """What a sequence passes, in order."""
    width = plan.widths[tokens[0]]
    layers = [
        (plan.attention(width, mixer, heads), plan.feed_forward(width, ratio))
        for mixer, heads, ratio in layers_of(plan, tokens)
    ]
    return (plan.stem(width), *(op for pair in layers for op in pair), plan.head(width))


def _feature_names(plan: Plan) -> tuple[str, ...]:
    layers = range(1, plan.layers + 1)
    return (
        *(f"width{width}" for width in plan.widths),
        *(f"depth{depth}" for depth in plan.depths),
        *(f"layer{i}.{mixer}" for i in layers for mixer in plan.mixers),
        *(f"layer{i}.heads{heads}" for i in layers for heads in plan.heads),
        *(f"layer{i}.ratio{ratio}" for i in layers for ratio in plan.ratios),
    )


def _decisions(plan: Plan) -> tuple[Decision, ...]:
    pairs = tuple({"mixer": mixer, "heads": heads} for mixer, heads in plan.pairs)
    ratios = tuple({"ratio": ratio} for ratio in plan.ratios)
    layers = [
        (
            Decision(f"layer{i}.attention", "attention", pairs),
            Decision(f"layer{i}.feed_forward", "feed_forward", ratios),
        )
        for i in range(1, plan.layers + 1)
    ]
    return (
        Decision("width", "width", tuple({"width": width} for width in plan.widths)),
        Decision("depth", "depth", tuple({"depth": depth} for depth in plan.depths)),
        *(decision for layer in layers for decision in layer),
    )


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is the width; behind the depth it is width and layers left, then "done"."""
    if t == 0:
        return [
            tl.Edge(c, width, (plan.stem(width), plan.head(width)), (f"width{width}",))
            for c, width in enumerate(plan.widths)
        ]
    if t == 1:
        return [tl.Edge(c, (node, depth), (), (f"depth{depth}",)) for c, depth in enumerate(plan.depths)]
    if node == "done":
        return [tl.Edge(0, "done")]
    width, left = cast("tuple[int, int]", node)
    layer, second = divmod(t - FIRST, 2)
    name = f"layer{layer + 1}"
    if not second:
        return [
            tl.Edge(c, node, (plan.attention(width, mixer, heads),), (f"{name}.{mixer}", f"{name}.heads{heads}"))
            for c, (mixer, heads) in enumerate(plan.pairs)
        ]
    after: Hashable = (width, left - 1) if left > 1 else "done"
    return [
        tl.Edge(c, after, (plan.feed_forward(width, ratio),), (f"{name}.ratio{ratio}",))
        for c, ratio in enumerate(plan.ratios)
    ]


def _format(plan: Plan, tokens: Sequence[int]) -> str:
    layers = [f"{mixer}-h{heads}-r{ratio}" for mixer, heads, ratio in layers_of(plan, tokens)]
    return ":".join([f"width={plan.widths[tokens[0]]}", *layers])


def _parse(plan: Plan, text: str) -> list[int]:
    first, *layers = text.split(":")
    known = {f"width={width}": at for at, width in enumerate(plan.widths)}
    if first not in known:
        raise ValueError(f"architecture {text!r}: {first!r} is not one of {', '.join(known)}; it goes on with a layer, "
                         f":{plan.mixers[0]}-h{plan.heads[0]}-r{plan.ratios[0]}, and so on")  # fmt: skip
    if len(layers) not in plan.depths:
        raise ValueError(f"architecture {text!r}: {len(layers)} layers; the depth is one of {plan.depths}")
    known_layers = {
        f"{mixer}-h{heads}-r{ratio}": (pair, last)
        for pair, (mixer, heads) in enumerate(plan.pairs)
        for last, ratio in enumerate(plan.ratios)
    }
    for layer in layers:
        if layer not in known_layers:
            raise ValueError(f"architecture {text!r}: layer {layer!r} is not one of {', '.join(known_layers)}")
    body = [token for layer in layers for token in known_layers[layer]]
    return [known[first], plan.depths.index(len(layers)), *body, *[0] * (2 * (plan.layers - len(layers)))]


def _describe(plan: Plan, tokens: Sequence[int]) -> str:
    width, layers = plan.widths[tokens[0]], layers_of(plan, tokens)
    lines = [
        f"layer {i}: {mixer} attention of {heads} heads, MLP {ratio * width}"
        for i, (mixer, heads, ratio) in enumerate(layers, 1)
    ]
    return "\n".join([f"width {width}, {len(layers)} layers", *lines])
