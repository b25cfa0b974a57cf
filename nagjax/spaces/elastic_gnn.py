"""Networks that pass messages between neighbours: layers, width, and how each layer aggregates; one set of weights.

A network of L layers takes trees of L steps over neighbours, ``[N, 1 + k + ... + k**L, F]``, level by level, as the
task ``knn_graph`` prepares them, and gives a class for the node where they begin. A layer takes the first units of the
one before. A node of the space's graph is the width and the layers that are left.

Text: ``hidden=32:mean-max``, what each layer does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, blocks
from nagjax.elastic import Elastic, Outputs, Watched, Watcher, switch
from nagjax.operators import Operator
from nagjax.operators.aggregate import HOWS, OUT, aggregate, combined, gathered
from nagjax.spaces import choices, elastic_parts
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

NAME = "elastic_gnn"
FIRST = 2
"""Decisions before those of the layers: layers and width."""

Seen: TypeAlias = Callable[[int, int, jax.Array], jax.Array]
"""Number of a layer, of the nodes that it gives, and what it takes, to what these see of their neighbours."""

MOST_NODES = 100_000
"""Of the trees of the deepest network."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks, and what is chosen.

    Attributes:
      features, neighbours, outputs: of the graph and of what is said of a node.
      layers, hidden: choices, ascending.
      hows: of ``nagjax.operators.aggregate.HOWS``.
    """

    features: int
    neighbours: int
    outputs: int
    layers: tuple[int, ...]
    hidden: tuple[int, ...]
    hows: tuple[str, ...]

    def nodes(self, steps: int) -> int:
        """Nodes of a tree of so many steps."""
        return sum(self.neighbours**step for step in range(steps + 1))

    def layer(self, hidden: int, left: int, how: str, first: bool) -> Operator:
        """A layer behind which ``left`` more come."""
        return aggregate(self.nodes(left), self.neighbours, self.features if first else hidden, hidden, how)

    def head(self, hidden: int) -> Operator:
        """What gives logits."""
        return Operator("linear", 1, 1, hidden, self.outputs, norm=False)

    def taken(self, tokens: Sequence[int]) -> tuple[int, list[str]]:
        """Width, and how each layer aggregates."""
        body = tokens[FIRST : FIRST + self.layers[tokens[0]]]
        return self.hidden[tokens[1]], [self.hows[token] for token in body]

    def operators(self, tokens: Sequence[int]) -> tuple[Operator, ...]:
        """What a tree passes."""
        hidden, hows = self.taken(tokens)
        body = [self.layer(hidden, len(hows) - 1 - at, how, at == 0) for at, how in enumerate(hows)]
        return *body, self.head(hidden)


def make(
    features: int = 64,
    neighbours: int = 8,
    outputs: int = 10,
    layers: int | str = "1-2-3",
    hidden: int | str = "16-32-64",
    aggregators: str = "mean-max",
) -> Space:
    """The space; choices are written with ``-`` between them.

    Where each node has as many neighbours, a sum is that many times the mean: another scale, no other network. So
    ``sum`` has to be asked for.

    >>> make(layers="1-2", hidden="16").count()
    6

    Raises:
      ValueError: if a size or choice is out of range, choices do not ascend, or trees would be too large.
    """
    plan = Plan(
        arguments.count(features, f"{NAME}: features"),
        arguments.count(neighbours, f"{NAME}: neighbours"),
        arguments.count(outputs, f"{NAME}: outputs"),
        choices.numbers(f"{NAME}: layers", layers),
        choices.numbers(f"{NAME}: hidden", hidden),
        choices.words(f"{NAME}: aggregators", aggregators, tuple(HOWS)),
    )
    if plan.layers[-1] > MOST_NODES or plan.nodes(plan.layers[-1]) > MOST_NODES:
        raise ValueError(
            f"{NAME}: layers={layers!r} of neighbours={neighbours} reach more than {MOST_NODES} nodes; give fewer"
        )
    names = _feature_names(plan)
    graph, operators = tl.build(FIRST + plan.layers[-1], "start", lambda t, node: _edges(plan, t, node), names)
    settings = {"features": features, "neighbours": neighbours, "outputs": outputs, "layers": str(layers),
                "hidden": str(hidden), "aggregators": aggregators}  # fmt: skip
    how = tuple({"aggregator": one} for one in plan.hows)
    return Space(
        name=NAME,
        version=1,
        settings=settings,
        decisions=(
            Decision("layers", "layers", tuple({"layers": number} for number in plan.layers)),
            Decision("hidden", "hidden", tuple({"hidden": width} for width in plan.hidden)),
            *(Decision(f"layer{i}", "layer", how) for i in range(1, plan.layers[-1] + 1)),
        ),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: _format(*plan.taken(tokens)),
        describe_tokens=lambda tokens: _describe(*plan.taken(tokens)),
        elastic=lambda dtype="float32": elastic(plan, dtype),
    )


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan; parameters are ``layer1`` and so on, and ``head``.

    Groups are numbers of layers, which the size of the inputs tells. Aggregators have no weights: they alone are
    chosen, and all share the products behind them, which a backward pass so does not compute anew. The activations of
    layers can be watched; their number is not mixed, nor are their weights: aggregators are, and units.
    """
    most = plan.hidden[-1]
    names = [f"layer{i}" for i in range(1, plan.layers[-1] + 1)]

    def init(key: jax.Array) -> Any:
        body = [plan.layer(most, 0, plan.hows[0], at == 0) for at in range(len(names))]
        return blocks.init_named(key, {**dict(zip(names, body, strict=True)), "head": plan.head(most)})

    def passed(parameters: Any, inputs: jax.Array, units: jax.Array, seen: Seen, gates: Mapping[str, jax.Array]) -> Any:
        """Logits, and what goes into the activation of each layer, by the units of all and what each has seen."""
        x, layers, before = inputs.astype(dtype), _steps(plan, inputs.shape[1]), {}
        for at, name in enumerate(names[:layers]):
            watch = Watcher({OUT: gates[name]} if name in gates else {})
            x = combined(parameters[name], x, seen(at, plan.nodes(layers - 1 - at), x), watch) * units
            before[name] = jnp.where(units > 0, watch.before[OUT], jnp.nan)
        return blocks.apply(plan.head(most), parameters["head"], x)[0].astype(jnp.float32), before

    def chosen(parameters: Any, inputs: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array]) -> Any:
        def seen(at: int, nodes: int, x: jax.Array) -> jax.Array:
            y: jax.Array = switch([_branch(nodes, how) for how in plan.hows])(tokens[FIRST + at], (), x, ())[0]
            return y

        units = elastic_parts.first(plan.hidden, tokens[1], dtype)[None, None]
        return passed(parameters, inputs, units, seen, gates)

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        del statistics, taps
        return Outputs(chosen(parameters, inputs, tokens, {})[0], (), {})

    def watched(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array] | None = None
    ) -> Watched:
        return Watched(*chosen(parameters, inputs, tokens, gates or {}))

    def mixed(parameters: Any, inputs: jax.Array, probs: jax.Array) -> jax.Array:
        def seen(at: int, nodes: int, x: jax.Array) -> jax.Array:
            each = [gathered(x, nodes, how) for how in plan.hows]
            return jnp.stack([p.astype(dtype) * y for p, y in zip(probs[FIRST + at], each, strict=False)]).sum(0)

        units = elastic_parts.mixed_first(plan.hidden, probs[1], dtype)[None, None]
        logits: jax.Array = passed(parameters, inputs, units, seen, {})[0]
        return logits

    return Elastic(
        sizes={"features": plan.features, "neighbours": plan.neighbours, "outputs": plan.outputs},
        init=init,
        apply=apply,
        group=lambda tokens: plan.layers[tokens[0]],
        used=lambda parameters, tokens: elastic_parts.chain(plan.operators(tokens.tolist()), names, parameters),
        alone=lambda tokens: elastic_parts.alone(plan.operators(tokens.tolist()), dtype),
        example=lambda layers, num, rng: rng.normal(size=(num, plan.nodes(cast("int", layers)), plan.features)).astype(
            np.float32
        ),
        watched=watched,
        mixed=mixed,
    )


def _branch(nodes: int, how: str) -> Any:
    return lambda _part, x, _given: (gathered(x, nodes, how), ())


def _steps(plan: Plan, nodes: int) -> int:
    """Steps of trees of so many nodes.

    Raises:
      ValueError: if no network takes such trees.
    """
    for layers in plan.layers:
        if plan.nodes(layers) == nodes:
            return layers
    sizes = {layers: plan.nodes(layers) for layers in plan.layers}
    raise ValueError(f"inputs have {nodes} nodes; trees by layers have {sizes}: prepare them for the layers")


def _feature_names(plan: Plan) -> tuple[str, ...]:
    return (
        *(f"layers{number}" for number in plan.layers),
        *(f"hidden{width}" for width in plan.hidden),
        *(f"layer{i}.{how}" for i in range(1, plan.layers[-1] + 1) for how in plan.hows),
    )


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is the layers, then the width and the layers left, then "done"."""
    if t == 0:
        return [tl.Edge(c, number, (), (f"layers{number}",)) for c, number in enumerate(plan.layers)]
    if t == 1:
        return [
            tl.Edge(c, (width, node), (plan.head(width),), (f"hidden{width}",)) for c, width in enumerate(plan.hidden)
        ]
    if node == "done":
        return [tl.Edge(0, "done")]
    width, left = cast("tuple[int, int]", node)
    after: Hashable = (width, left - 1) if left > 1 else "done"
    return [
        tl.Edge(c, after, (plan.layer(width, left - 1, how, t == FIRST),), (f"layer{t - 1}.{how}",))
        for c, how in enumerate(plan.hows)
    ]


def _format(hidden: int, hows: Sequence[str]) -> str:
    return f"hidden={hidden}:{'-'.join(hows)}"


def _describe(hidden: int, hows: Sequence[str]) -> str:
    lines = [f"layer {i}: {how} of the neighbours" for i, how in enumerate(hows, 1)]
    return "\n".join([f"width {hidden}, {len(hows)} layers", *lines])


def _parse(plan: Plan, text: str) -> list[int]:
    first, _, body = text.partition(":")
    hows, widths = body.split("-"), {f"hidden={width}": at for at, width in enumerate(plan.hidden)}
    if first not in widths or len(hows) not in plan.layers or not set(hows) <= set(plan.hows):
        raise ValueError(
            f"architecture {text!r}: write one of {', '.join(widths)}, then : and "
            f"{', '.join(map(str, plan.layers))} of {', '.join(plan.hows)} with - between them, such as "
            f"{_format(plan.hidden[0], [plan.hows[0]] * plan.layers[0])}"
        )
    left = plan.layers[-1] - len(hows)
    return [plan.layers.index(len(hows)), widths[first], *(plan.hows.index(how) for how in hows), *[0] * left]
