"""The elastic network of ``pretrained_decoder``: the given model's weights hold every architecture of a plan.

An architecture takes the first heads and hidden units of each layer that it keeps, rounded to the layer's bits. The
layers are scanned, so a layer is compiled once however many there are, and computes only the choice that is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax import blocks
from nagjax.elastic import Elastic, Outputs, switch
from nagjax.operators import Operator
from nagjax.operators.stored import levels_of, rounded
from nagjax.spaces.elastic_parts import alone_embedded, cut, skipped
from nagjax.spaces.pretrained_decoder import DECISIONS, DROPPED, Plan, layers_of, operators_of

PARTS = ("attention", "feed_forward")
"""Of a layer's parameters."""


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Parameters are ``embedding``, ``layer1`` and so on with ``attention`` and ``feed_forward`` each, and ``head``.
    Points are the layers: what each gives, ``[N, L, C]``.
    """
    names = layer_names(plan)

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        del statistics
        outputs, passed = _apply(plan, dtype, [parameters[name] for name in names], parameters, inputs, tokens, taps)
        return Outputs(outputs, (), {name: passed[names.index(name)] for name in taps})

    return Elastic(
        sizes={"length": plan.length, "vocabulary": plan.vocabulary},
        init=lambda key: _init(plan, key),
        apply=apply,
        group=lambda _: plan.length,
        used=lambda parameters, tokens: used(plan, parameters, tokens),
        alone=lambda tokens: alone_embedded(operators_of(plan, tokens.tolist()), dtype),
        example=lambda _, num, rng: rng.integers(0, plan.vocabulary, (num, plan.length), np.int32),
        points=tuple(names),
    )


def layer_names(plan: Plan) -> list[str]:
    """Names of the layers' parameters."""
    return [f"layer{i}" for i in range(1, plan.layers + 1)]


def largest(plan: Plan) -> dict[str, Any]:
    """The operators of the given model, as its parameters are named."""
    pair = {"attention": plan.attention(plan.heads), "feed_forward": plan.feed_forward(plan.hidden)}
    return {"embedding": plan.stem, **dict.fromkeys(layer_names(plan), pair), "head": plan.head}


def used(plan: Plan, parameters: Any, tokens: np.ndarray) -> dict[str, Any]:
    """Parameters of an architecture's own network, rounded to its bits."""
    kept = [
        (cut(op, parameters[name][part]), bits)
        for name, (bits, heads, hidden) in zip(layer_names(plan), layers_of(plan, tokens.tolist()), strict=True)
        if bits != DROPPED
        for part, op in zip(PARTS, (plan.attention(heads), plan.feed_forward(hidden)), strict=True)
    ]
    body = [rounded(part, levels_of(bits)) for part, bits in kept]
    return {f"op{at}": part for at, part in enumerate([parameters["embedding"], *body, parameters["head"]])}


def _init(plan: Plan, key: jax.Array) -> dict[str, Any]:
    operators, tree = jax.tree.flatten(largest(plan), is_leaf=lambda leaf: isinstance(leaf, Operator))
    fresh = [blocks.init(jax.random.fold_in(key, at), op) for at, op in enumerate(operators)]
    parameters: dict[str, Any] = jax.tree.unflatten(tree, fresh)
    return parameters


def _apply(
    plan: Plan, dtype: Any, layers: Sequence[Any], ends: Any, inputs: jax.Array, tokens: jax.Array, taps: Sequence[str]
) -> tuple[jax.Array, Any]:
    """Logits float32 ``[N, L, V]``, and what each layer gives, ``[layers, N, L, C]``, where something is asked for."""
    x = blocks.apply(plan.stem, ends["embedding"], inputs)[0].astype(dtype)
    bits, heads, hidden = tokens.reshape(plan.layers, DECISIONS).T
    levels = jnp.array([0, *map(levels_of, plan.bits)])[bits]
    attend = switch([skipped, *(_branch(plan.attention(number)) for number in plan.keep_heads)])
    feed = switch([skipped, *(_branch(plan.feed_forward(number)) for number in plan.keep_hidden)])

    def layer(x: jax.Array, own: Any) -> tuple[jax.Array, Any]:
        part, levels, heads, hidden = own
        x, _ = attend(heads, part["attention"], x, levels)
        x, _ = feed(hidden, part["feed_forward"], x, levels)
        return x, x if taps else None

    stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *layers)
    there = bits > 0
    x, passed = lax.scan(layer, x, (stacked, levels, jnp.where(there, 1 + heads, 0), jnp.where(there, 1 + hidden, 0)))
    logits, _ = blocks.apply(plan.head, ends["head"], x)
    return logits.astype(jnp.float32), passed


def _branch(op: Operator) -> Callable[[Mapping[str, jax.Array], jax.Array, Any], tuple[jax.Array, tuple[()]]]:
    """An operator with the first of the parameters, rounded."""

    def run(part: Mapping[str, jax.Array], x: jax.Array, levels: Any) -> tuple[jax.Array, tuple[()]]:
        return blocks.apply(op, rounded(cut(op, part), levels), x)[0], ()

    return run
