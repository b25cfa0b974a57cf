"""Perceptrons on vectors: how many layers, and how wide each; and one set of weights for all of them.

A layer takes the first units of the one before, so an architecture is the corner of the largest. A node of the graph is
the width of the layer before and the layers that are left.

Text: ``widths=64-32``, the layers in order.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, blocks
from nagjax.elastic import Elastic, Outputs, Watched, Watcher
from nagjax.operators import Operator
from nagjax.operators.dense import OUT, dense
from nagjax.spaces import choices, elastic_parts
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

NAME = "elastic_mlp"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks, and what is chosen.

    Attributes:
      features, outputs: numbers in and out.
      depths, widths: choices, ascending.
    """

    features: int
    outputs: int
    depths: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def layers(self) -> int:
        """Layers of the deepest network."""
        return self.depths[-1]

    def taken(self, tokens: Sequence[int]) -> list[int]:
        """Widths of an architecture's layers."""
        return [self.widths[token] for token in tokens[1 : 1 + self.depths[tokens[0]]]]

    def operators(self, tokens: Sequence[int]) -> tuple[Operator, ...]:
        """What a vector passes."""
        sizes = [self.features, *self.taken(tokens)]
        return (*(dense(*pair) for pair in itertools.pairwise(sizes)), dense(sizes[-1], self.outputs, "none"))


def make(features: int = 13, outputs: int = 3, depths: int | str = "1-2-3", widths: int | str = "8-16-32-64") -> Space:
    """The space; choices are written with ``-`` between them.

    >>> make(depths="1-2", widths="8-16").count()
    6

    Raises:
      ValueError: if a size or choice is out of range, or choices do not ascend.
    """
    plan = Plan(
        arguments.count(features, f"{NAME}: features"),
        arguments.count(outputs, f"{NAME}: outputs"),
        choices.numbers(f"{NAME}: depths", depths),
        choices.numbers(f"{NAME}: widths", widths),
    )
    layers = range(1, plan.layers + 1)
    names = (
        *(f"depth{depth}" for depth in plan.depths),
        *(f"layer{i}.width{width}" for i in layers for width in plan.widths),
    )
    graph, operators = tl.build(1 + plan.layers, "start", lambda t, node: _edges(plan, t, node), names)
    width = tuple({"width": width} for width in plan.widths)
    return Space(
        name=NAME,
        version=1,
        settings={"features": features, "outputs": outputs, "depths": str(depths), "widths": str(widths)},
        decisions=(
            Decision("depth", "depth", tuple({"depth": depth} for depth in plan.depths)),
            *(Decision(f"layer{i}", "layer", width) for i in layers),
        ),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: "widths=" + "-".join(map(str, plan.taken(tokens))),
        describe_tokens=lambda tokens: "\n".join(
            f"layer {i}: {width} units" for i, width in enumerate(plan.taken(tokens), 1)
        ),
        elastic=lambda dtype="float32": elastic(plan, dtype),
    )


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Parameters are ``layer1`` and so on, and ``head``. Points are the layers: what each gives, ``[N, C]`` of the largest
    width, 0 beyond that of the architecture. They are what can be watched, too.
    """
    names, most = [f"layer{i}" for i in range(1, plan.layers + 1)], plan.widths[-1]
    largest = dict(zip(names, [dense(plan.features, most), *[dense(most, most)] * (plan.layers - 1)], strict=True))
    head = dense(most, plan.outputs, "none")

    def passed(parameters: Any, inputs: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array]) -> Any:
        """Outputs, and of each layer what it gives and what goes into its activation."""
        x, told, before, depth = inputs.astype(dtype), {}, {}, jnp.asarray(plan.depths)[tokens[0]]
        for at, (name, op) in enumerate(largest.items()):
            units = elastic_parts.first(plan.widths, tokens[1 + at], dtype)[None]
            watch = Watcher({OUT: gates[name]} if name in gates else {})
            y = blocks.watched(op, parameters[name], x, watch)
            before[name] = jnp.where((units > 0) & (at < depth), watch.before[OUT], jnp.nan)
            x = y * units if at == 0 else jnp.where(at < depth, y * units, x)
            told[name] = x
        return blocks.apply(head, parameters["head"], x)[0].astype(jnp.float32), told, before

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        del statistics
        outputs, told, _ = passed(parameters, inputs, tokens, {})
        return Outputs(outputs, (), {name: told[name] for name in taps})

    def watched(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array] | None = None
    ) -> Watched:
        outputs, _, before = passed(parameters, inputs, tokens, gates or {})
        return Watched(outputs, before)

    def mixed(parameters: Any, inputs: jax.Array, probs: jax.Array) -> jax.Array:
        x, reached = inputs.astype(dtype), []
        for at, (name, op) in enumerate(largest.items()):
            units = elastic_parts.mixed_first(plan.widths, probs[1 + at], dtype)[None]
            x = blocks.apply(op, parameters[name], x)[0] * units
            reached.append(x)
        x = jnp.stack([p.astype(dtype) * reached[d - 1] for p, d in zip(probs[0], plan.depths, strict=False)]).sum(0)
        return blocks.apply(head, parameters["head"], x)[0].astype(jnp.float32)

    return Elastic(
        sizes={"features": plan.features, "outputs": plan.outputs},
        init=lambda key: blocks.init_named(key, {**largest, "head": head}),
        apply=apply,
        group=lambda _: plan.features,
        used=lambda parameters, tokens: elastic_parts.chain(plan.operators(tokens.tolist()), names, parameters),
        alone=lambda tokens: elastic_parts.alone(plan.operators(tokens.tolist()), dtype),
        example=lambda _, num, rng: rng.normal(size=(num, plan.features)).astype(np.float32),
        points=tuple(names),
        watched=watched,
        mixed=mixed,
    )


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is the width of the layer before and the layers left, then "done"."""
    if t == 0:
        return [tl.Edge(c, (plan.features, depth), (), (f"depth{depth}",)) for c, depth in enumerate(plan.depths)]
    if node == "done":
        return [tl.Edge(0, "done")]
    before, left = cast("tuple[int, int]", node)
    last = left == 1
    return [
        tl.Edge(
            c,
            "done" if last else (width, left - 1),
            (dense(before, width), *([dense(width, plan.outputs, "none")] if last else [])),
            (f"layer{t}.width{width}",),
        )
        for c, width in enumerate(plan.widths)
    ]


def _parse(plan: Plan, text: str) -> list[int]:
    name, _, written = text.partition("=")
    widths = written.split("-")
    known = [str(width) for width in plan.widths]
    if name != "widths" or len(widths) not in plan.depths or not set(widths) <= set(known):
        raise ValueError(
            f"architecture {text!r}: write widths= and {', '.join(map(str, plan.depths))} of {', '.join(known)} with - "
            f"between them, such as widths={'-'.join([known[0]] * plan.depths[0])}"
        )
    left = plan.layers - len(widths)
    return [plan.depths.index(len(widths)), *(known.index(width) for width in widths), *[0] * left]
