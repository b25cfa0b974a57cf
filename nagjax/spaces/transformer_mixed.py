"""Mixed weights of a family of transformers: all choices of a decision in one network, each by its share.

Heads, and hidden units of an MLP, are the first of the largest. What an operator adds is a sum over them, so what its
choices add, each times its share, is what the largest adds when each row of its last matrix is multiplied by the share
of the choices that have it: one pass for all (TangleNAS, Sukthanker et al., arXiv 2312.10440, mixes all of the
weights). A norm sees as many channels as a width has, so what widths add is summed behind each operator, as is what
mixers add; what comes out after each depth is mixed behind the last layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from nagjax import blocks
from nagjax.operators import Operator
from nagjax.spaces.elastic_parts import cut, mixed_first
from nagjax.spaces.transformer import FIRST, Plan

Part: TypeAlias = Mapping[str, jax.Array]


def mixed(plan: Plan, dtype: Any, parameters: Any, inputs: jax.Array, probs: jax.Array) -> jax.Array:
    """Outputs float32 ``[N, ...]`` by shares float32 ``[T, C]``; see ``Elastic.mixed``."""
    own, widths = plan.layers, probs[0]
    x = blocks.apply(plan.stem(own.widths[-1]), parameters["embedding"], inputs)[0].astype(dtype)
    x = x * mixed_first(own.widths, widths, dtype)[None, None]
    reached = []
    for at in range(own.deepest):
        part, (pair, ratio) = parameters[f"layer{at + 1}"], probs[FIRST + 2 * at : FIRST + 2 * at + 2]
        x = _added(x, widths, _attention(plan, part["attention"], pair))
        x = _added(x, widths, _feed_forward(plan, part["feed_forward"], ratio))
        reached.append(x)
    x = jnp.stack([p.astype(dtype) * reached[d - 1] for p, d in zip(probs[1], own.depths, strict=False)]).sum(0)
    heads = [plan.head(width) for width in own.widths]
    outputs = [blocks.apply(op, cut(op, parameters["head"]), x[..., : op.in_channels])[0] for op in heads]
    return jnp.stack([p * y.astype(jnp.float32) for p, y in zip(widths, outputs, strict=False)]).sum(0)


def _attention(plan: Plan, part: Part, share: jax.Array) -> Iterable[tuple[int, Operator, Part]]:
    """Attention with all heads, by number of the width and by mixer, whose heads count by their shares."""
    own = plan.layers
    of_mixers = share[: len(own.pairs)].reshape(len(own.mixers), len(own.heads))
    for number, width in enumerate(own.widths):
        for mixer, of_heads in zip(own.mixers, of_mixers, strict=True):
            rows = mixed_first([heads * own.head_size for heads in own.heads], of_heads, jnp.float32)
            op = plan.attention(width, mixer, own.heads[-1])
            yield number, op, {**part, "out": part["out"] * rows[:, None]}


def _feed_forward(plan: Plan, part: Part, share: jax.Array) -> Iterable[tuple[int, Operator, Part]]:
    """The MLP of the largest ratio, by number of the width, whose hidden units count by the shares of ratios."""
    for number, width in enumerate(plan.layers.widths):
        op = plan.feed_forward(width, plan.layers.ratios[-1])
        rows = mixed_first([ratio * width for ratio in plan.layers.ratios], share, jnp.float32)
        yield number, op, {**part, "down": part["down"][: len(rows)] * rows[:, None]}


def _added(x: jax.Array, widths: jax.Array, operators: Iterable[tuple[int, Operator, Part]]) -> jax.Array:
    """Rows ``[N, L, C]`` and what operators on their first channels add to them, each by the share of its width."""
    total = x
    for number, op, part in operators:
        own = x[..., : op.in_channels]
        more = blocks.apply(op, cut(op, part), own)[0] - own
        total += widths[number].astype(x.dtype) * jnp.pad(more, ((0, 0), (0, 0), (0, x.shape[2] - more.shape[2])))
    return total
