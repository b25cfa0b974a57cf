"""What the generator costs without what this library adds to it: the same LSTM, drawing freely, in plain jax.

Same width, heads, token feedback, budget embedding and noise; no masks, no costs, no view of what is left of the
budget, so what comes out may cost anything.
"""

from __future__ import annotations

import itertools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import anchor_weights
from nagjax.problems.problem import Spec


def runs(choices: tuple[int, ...]) -> list[tuple[int, int]]:
    """Layers that one scan serves, (first, last + 1): a layer of more than 16 choices is on its own.

    >>> runs((41, 3, 9, 9))
    [(0, 1), (1, 4)]
    """
    out, first = [], 0
    for _, group in itertools.groupby(enumerate(choices), lambda item: item[0] if item[1] > 16 else -1):
        last = first + len(list(group))
        out.append((first, last))
        first = last
    return out


@flax.struct.dataclass
class Network:
    """Random parameters, of the sizes of a ``PolicyNetwork`` of hidden width H with A anchors.

    Attributes:
      embedding: ``[A, 4H]``.
      recurrent: ``[H, 4H]``.
      inputs: ``[T, C, 4H]``, what the token before adds to the gates, and the layer's own part.
      heads: for each run of layers ``[L, H, C']``.
      anchor_logits: for each run ``[A, L, C']``, logits by budget alone.
      bias: for each run ``[L, C']``, -inf where a layer has fewer choices than its run.
    """

    embedding: jax.Array
    recurrent: jax.Array
    inputs: jax.Array
    heads: list[jax.Array]
    anchor_logits: list[jax.Array]
    bias: list[jax.Array]


def init(key: jax.Array, spec: Spec, hidden: int, anchors: int) -> Network:
    """A network; layers of a kind share a head and token embeddings."""
    keys = iter(jax.random.split(key, 100))
    gates = 4 * hidden

    def normal(*shape: int) -> jax.Array:
        return 0.1 * jax.random.normal(next(keys), shape)

    kinds = dict(zip(spec.kinds, spec.choices, strict=True))
    heads = {kind: normal(hidden, width) for kind, width in kinds.items()}
    tokens = {kind: jnp.pad(normal(n, gates), ((0, spec.num_choices - n), (0, 0))) for kind, n in kinds.items()}
    feedback = jnp.stack([jnp.zeros((spec.num_choices, gates)), *(tokens[kind] for kind in spec.kinds[:-1])])
    by_run: list[tuple[jax.Array, ...]] = []
    for first, last in runs(spec.choices):
        choices = spec.choices[first:last]
        width = max(choices)
        stacked = [jnp.pad(heads[kind], ((0, 0), (0, width - kinds[kind]))) for kind in spec.kinds[first:last]]
        exists = jnp.arange(width)[None] < jnp.array(choices)[:, None]
        by_run.append((jnp.stack(stacked), normal(anchors, last - first, width), jnp.where(exists, 0.0, -jnp.inf)))
    own = feedback + normal(spec.num_layers, 1, gates)
    per_run = [list(column) for column in zip(*by_run, strict=True)]
    return Network(normal(anchors, gates), normal(hidden, gates), own, *per_run)


def _pick(logits: jax.Array, noise: jax.Array) -> jax.Array:
    """A choice int32 ``[B]`` by the inverse of the cumulative distribution."""
    weight = jnp.exp(logits - logits.max(-1, keepdims=True))
    total = jnp.cumsum(weight, -1)
    return jnp.argmax(total > jnp.minimum(noise, 1.0 - 1e-6)[:, None] * total[:, -1:], -1).astype(jnp.int32)


def sample(network: Network, spec: Spec, position: jax.Array, key: jax.Array) -> jax.Array:
    """Tokens int32 ``[B, T]`` for budgets at ``position`` float32 ``[B]``, 0..1 of the range."""
    num = len(position)
    weights = anchor_weights(position, jnp.linspace(0.0, 1.0, len(network.embedding)))
    budget = weights @ network.embedding
    noise = jax.random.uniform(key, (spec.num_layers, num))

    def step(carry: Any, x: Any) -> tuple[Any, jax.Array]:
        h, c, token = carry
        head, own, free, uniform = x
        i, f, g, o = jnp.split(budget + own[token] + h @ network.recurrent, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        token = _pick(h @ head + free, uniform)
        return (h, c, token), token

    zeros = jnp.zeros((num, len(network.recurrent)))
    carry, out = (zeros, zeros, jnp.zeros(num, jnp.int32)), []
    for at, (first, last) in enumerate(runs(spec.choices)):
        free = jnp.einsum("ba,alc->lbc", weights, network.anchor_logits[at]) + network.bias[at][:, None]
        carry, tokens = jax.lax.scan(
            step, carry, (network.heads[at], network.inputs[first:last], free, noise[first:last])
        )
        out.append(tokens)
    return jnp.concatenate(out).T
