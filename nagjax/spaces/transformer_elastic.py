"""The elastic network of a family of transformers: one set of weights that holds every architecture of a plan.

An architecture takes the first channels, the first heads and the first hidden units of the largest; both mixers take
the same projections. The layers are scanned, so a layer is compiled once however many there are, and a layer computes
only the choice that is taken.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax import blocks
from nagjax.elastic import RELATIONS, Elastic, Outputs, Watched, Watcher, switch
from nagjax.operators import Operator, attention
from nagjax.operators.feed_forward import HIDDEN
from nagjax.spaces import transformer_mixed
from nagjax.spaces.elastic_parts import alone_embedded, cut, first, skipped
from nagjax.spaces.transformer import FIRST, Plan, operators_of

Branch = Callable[[Mapping[str, jax.Array], jax.Array, Any], tuple[jax.Array, tuple[()]]]


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Parameters are ``embedding``, ``layer1`` and so on with ``attention`` and ``feed_forward`` each, and ``head``.
    Points are the layers: what each gives, ``[N, L, C]`` of the largest width, 0 beyond that of the architecture; and
    ``relations``, of the last layer that it has, in as many heads as divide any number of heads of a layer.
    ``layer1.hidden`` and so on can be watched.
    """
    names = [f"layer{i}" for i in range(1, plan.layers.deepest + 1)]

    def init(key: jax.Array) -> Any:
        return _init(plan, names, key)

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        del statistics
        outputs, told = _apply(plan, dtype, names, parameters, inputs, tokens, taps)
        return Outputs(outputs, (), told)

    def used(parameters: Any, tokens: np.ndarray) -> Any:
        body = [parameters[name][part] for name in names for part in ("attention", "feed_forward")]
        operators = operators_of(plan, tokens.tolist())
        parts = [parameters["embedding"], *body[: len(operators) - 2], parameters["head"]]
        return {f"op{at}": cut(op, part) for at, (op, part) in enumerate(zip(operators, parts, strict=True))}

    return Elastic(
        sizes=plan.sizes,
        init=init,
        apply=apply,
        group=lambda _: plan.group,
        used=used,
        alone=lambda tokens: alone_embedded(operators_of(plan, tokens.tolist()), dtype),
        example=lambda _, num, rng: plan.example(num, rng),
        points=(*names, RELATIONS),
        watched=functools.partial(_watched, plan, dtype, names),
        mixed=functools.partial(transformer_mixed.mixed, plan, dtype),
    )


def _init(plan: Plan, names: Sequence[str], key: jax.Array) -> dict[str, Any]:
    own = plan.layers
    width = own.widths[-1]
    pair = {
        "attention": plan.attention(width, own.mixers[0], own.heads[-1]),
        "feed_forward": plan.feed_forward(width, own.ratios[-1]),
    }

    def fresh(at: int, op: Operator) -> dict[str, jax.Array]:
        return blocks.init(jax.random.fold_in(key, at), op)

    layers = {
        name: {part: fresh(2 * at + second, op) for second, (part, op) in enumerate(pair.items())}
        for at, name in enumerate(names, 1)
    }
    return {"embedding": fresh(0, plan.stem(width)), **layers, "head": fresh(1, plan.head(width))}


def _apply(
    plan: Plan, dtype: Any, names: Sequence[str], parameters: Any, inputs: jax.Array, tokens: jax.Array,
    taps: Sequence[str],
) -> tuple[jax.Array, dict[str, jax.Array]]:  # fmt: skip
    """Outputs float32 ``[N, ...]``, and what was asked for."""
    x, pair, ratio = _begun(plan, dtype, parameters, inputs, tokens)
    attend, feed, head = _switches(plan)

    def layer(x: jax.Array, of_layer: Any) -> tuple[jax.Array, Any]:
        part, pair, ratio = of_layer
        x, _ = attend(pair, part["attention"], x, ())
        x, _ = feed(ratio, part["feed_forward"], x, ())
        return x, x if taps else None

    stacked = _stacked(names, parameters)
    last, passed = lax.scan(layer, x, (stacked, pair, ratio))
    outputs, _ = head(tokens[0], parameters["head"], last, ())
    told = {name: passed[at] for at, name in enumerate(names) if name in taps}
    if RELATIONS in taps:
        at = jnp.asarray(plan.layers.depths)[tokens[1]] - 1
        before = jnp.where(at == 0, x, passed[jnp.maximum(at - 1, 0)])
        part, number = jax.tree.map(lambda leaf: leaf[at], stacked["attention"]), len(plan.layers.heads)
        heads = tokens[0] * number + tokens[FIRST + 2 * at] % number  # a pair is a mixer, then heads
        told[RELATIONS], _ = _relate(plan)(heads, part, before, ())
    return outputs.astype(jnp.float32), told


def _watched(
    plan: Plan, dtype: Any, names: Sequence[str], parameters: Any, inputs: jax.Array, tokens: jax.Array,
    gates: Mapping[str, jax.Array] | None = None,
) -> Watched:  # fmt: skip
    """Outputs, and what goes into the activation of each MLP."""
    x, pair, ratio = _begun(plan, dtype, parameters, inputs, tokens)
    (attend, _, head), most = _switches(plan), plan.layers.ratios[-1] * plan.layers.widths[-1]
    feed = switch([functools.partial(_seen, None, most), *(functools.partial(_seen, op, most) for op in _mlps(plan))])

    def layer(x: jax.Array, of_layer: Any) -> tuple[jax.Array, jax.Array]:
        part, gate, pair, ratio = of_layer
        x, _ = attend(pair, part["attention"], x, ())
        x, before = feed(ratio, (part["feed_forward"], gate), x, ())
        return x, before

    known, open_gate = [f"{name}.{HIDDEN}" for name in names], jnp.ones((len(x), most))
    given = jnp.stack([(gates or {}).get(name, open_gate) for name in known])
    x, before = lax.scan(layer, x, (_stacked(names, parameters), given, pair, ratio))
    outputs, _ = head(tokens[0], parameters["head"], x, ())
    return Watched(outputs.astype(jnp.float32), dict(zip(known, before, strict=True)))


def _seen(op: Operator | None, most: int, both: Any, x: jax.Array, _: Any) -> tuple[jax.Array, jax.Array]:
    """An MLP, or none, with its gate; and what goes into its activation, NaN up to ``most`` hidden units."""
    if op is None:
        return x, jnp.full((*x.shape[:2], most), jnp.nan, x.dtype)
    part, gate = both
    watch = Watcher({HIDDEN: gate})
    y = blocks.watched(op, cut(op, part), x[..., : op.in_channels], watch)
    filled = jnp.pad(watch.before[HIDDEN], ((0, 0), (0, 0), (0, most - op.mid_channels)), constant_values=jnp.nan)
    return jnp.pad(y, ((0, 0), (0, 0), (0, x.shape[2] - y.shape[2]))), filled


def _begun(plan: Plan, dtype: Any, parameters: Any, inputs: jax.Array, tokens: jax.Array) -> tuple[jax.Array, ...]:
    """Rows before the first layer, 0 beyond the width, and branches of attention and MLP, int32 ``[layers]``."""
    own, width = plan.layers, tokens[0]
    x = blocks.apply(plan.stem(own.widths[-1]), parameters["embedding"], inputs)[0].astype(dtype)
    x = x * first(own.widths, width, dtype)[None, None]
    there = jnp.arange(own.deepest) < jnp.asarray(own.depths)[tokens[1]]
    body = tokens[FIRST:].reshape(own.deepest, 2)
    pair = jnp.where(there, 1 + width * len(own.pairs) + body[:, 0], 0)
    return x, pair, jnp.where(there, 1 + width * len(own.ratios) + body[:, 1], 0)


def _stacked(names: Sequence[str], parameters: Any) -> Any:
    """Parameters of the layers, which come first."""
    return jax.tree.map(lambda *parts: jnp.stack(parts), *(parameters[name] for name in names))


def _switches(plan: Plan) -> tuple[Any, Any, Any]:
    """Of attention and MLP, whose branch 0 is a layer beyond the depth, and of the head."""
    own = plan.layers
    most = own.widths[-1]
    attend = [_branch(plan.attention(width, *pair), most) for width in own.widths for pair in own.pairs]
    feed = [_branch(op, most) for op in _mlps(plan)]
    head = [_branch(plan.head(width)) for width in own.widths]
    return switch([skipped, *attend]), switch([skipped, *feed]), switch(head)


def _mlps(plan: Plan) -> list[Operator]:
    """By width and ratio."""
    return [plan.feed_forward(width, ratio) for width in plan.layers.widths for ratio in plan.layers.ratios]


def _relate(plan: Plan) -> Any:
    """Relations of a layer, by its width and heads."""
    own = plan.layers
    common = math.gcd(*own.heads)

    def branch(op: Operator) -> Branch:
        return lambda part, x, _: (attention.relations(cut(op, part), x[..., : op.in_channels], common), ())

    choices = [(width, heads) for width in own.widths for heads in own.heads]
    return switch([branch(plan.attention(width, own.mixers[0], heads)) for width, heads in choices])


def _branch(op: Operator, channels: int = 0) -> Branch:
    """An operator on the first channels of ``[N, L, C]``; what it gives is filled up with 0 to ``channels``."""

    def run(part: Mapping[str, jax.Array], x: jax.Array, _: Any) -> tuple[jax.Array, tuple[()]]:
        y = blocks.apply(op, cut(op, part), x[..., : op.in_channels])[0]
        missing = max(0, channels - op.out_channels)
        return jnp.pad(y, [*[(0, 0)] * (y.ndim - 1), (0, missing)]), ()

    return run
