"""What heads and hidden units are worth, and weights in that order: "the first k" then keeps those worth most.

What all of them compute is not changed by an order. Norms of activations are taken on text of the task, as in Minitron
(Muralidharan et al., arXiv 2407.14679, section 2.2) and for channels in LLaMA-NAS (arXiv 2405.18377).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.operators import gpt2_attention, gpt2_mlp, llama_attention, llama_mlp
from nagjax.spaces.pretrained_decoder import Plan
from nagjax.spaces.pretrained_elastic import layer_names

MIXED: Mapping[str, Callable[..., jax.Array]] = {"gpt2": gpt2_attention.mixed, "llama": llama_attention.mixed}
HIDDEN: Mapping[str, Callable[..., jax.Array]] = {"gpt2": gpt2_mlp.hidden, "llama": llama_mlp.hidden}
"""What heads and hidden units give, by family."""

OF_HEADS = {"query": 1, "query_bias": 0, "key": 1, "key_bias": 0, "value": 1, "value_bias": 0, "out": 0}
OF_HIDDEN = {"up": 1, "up_bias": 0, "gate": 1, "down": 0}
"""The axis of each parameter along which heads, or hidden units, lie."""

CHUNK = 16
"""Sequences at a time."""


class Worth(NamedTuple):
    """Of a layer: float ``[G]``, of heads (groups of them where they share keys), and ``[F]``, of hidden units."""

    heads: np.ndarray
    hidden: np.ndarray


def by_activations(plan: Plan, parameters: Any, inputs: np.ndarray) -> list[Worth]:
    """Root mean square over tokens of what each head and each hidden unit gives (its norm).

    Parameters are the given model's, as the elastic network has them; inputs token numbers int32 ``[N, L]`` of the
    task.
    """
    return [Worth(heads, hidden) for heads, hidden, _, _ in _squares(plan, parameters, inputs)]


def by_contributions(plan: Plan, parameters: Any, inputs: np.ndarray) -> list[Worth]:
    """Root mean square over tokens of what each adds to the residual stream: its activation times its weights there.

    Arguments as ``by_activations``.
    """
    found = []
    for (_, hidden, added, _), name in zip(_squares(plan, parameters, inputs), layer_names(plan), strict=True):
        down = np.asarray(parameters[name]["feed_forward"]["down"])
        found.append(Worth(added, hidden * np.linalg.norm(down, axis=1)))
    return found


def by_magnitude(plan: Plan, parameters: Any, _inputs: np.ndarray) -> list[Worth]:
    """Norm of the weights of each; the text is not looked at. Arguments as ``by_activations``."""

    def norms(part: Mapping[str, Any], axes: Mapping[str, int], number: int) -> np.ndarray:
        rows = [_along(np.asarray(part[name]), axis, number) for name, axis in axes.items() if name in part]
        return np.sqrt(sum((row**2).reshape(number, -1).sum(1) for row in rows))

    layers = [parameters[name] for name in layer_names(plan)]
    return [
        Worth(norms(one["attention"], OF_HEADS, plan.groups), norms(one["feed_forward"], OF_HIDDEN, plan.hidden))
        for one in layers
    ]


def as_given(plan: Plan, _parameters: Any, _inputs: np.ndarray) -> list[Worth]:
    """The order of the file: first is worth most. Arguments as ``by_activations``."""
    return [Worth(-np.arange(plan.groups), -np.arange(plan.hidden))] * plan.layers


ORDERS: Mapping[str, Callable[[Plan, Any, np.ndarray], list[Worth]]] = {
    "contributions": by_contributions,
    "activations": by_activations,
    "magnitude": by_magnitude,
    "given": as_given,
}
"""Orders by name."""


def ordered(plan: Plan, parameters: Any, worths: list[Worth]) -> dict[str, Any]:
    """Parameters with heads and hidden units of each layer in falling worth; of equal, as they were."""
    out = dict(parameters)
    for name, worth in zip(layer_names(plan), worths, strict=True):
        heads, hidden = (np.argsort(-np.asarray(one), kind="stable") for one in worth)
        out[name] = {
            "attention": _permuted(parameters[name]["attention"], OF_HEADS, heads),
            "feed_forward": _permuted(parameters[name]["feed_forward"], OF_HIDDEN, hidden),
        }
    return out


def _permuted(part: Mapping[str, Any], axes: Mapping[str, int], order: np.ndarray) -> dict[str, np.ndarray]:
    out = {name: np.asarray(array) for name, array in part.items()}
    for name, axis in axes.items():
        if name in out:
            rows = _along(out[name], axis, len(order))[order].reshape(np.moveaxis(out[name], axis, 0).shape)
            out[name] = np.ascontiguousarray(np.moveaxis(rows, 0, axis))
    return out


def _along(array: np.ndarray, axis: int, number: int) -> np.ndarray:
    """An array with ``number`` equal parts of an axis first, ``[number, part, ...]``."""
    moved = np.moveaxis(array, axis, 0)
    return moved.reshape(number, -1, *moved.shape[1:])


def _squares(plan: Plan, parameters: Any, inputs: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Of each layer root mean squares: of groups of heads, of hidden units, of what those groups add; and tokens."""
    attention, feed_forward = plan.attention(plan.heads), plan.feed_forward(plan.hidden)

    @jax.jit
    def layer(part: Any, x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        mixed = MIXED[plan.family](attention, part["attention"], x)
        shares = mixed.reshape(*mixed.shape[:2], plan.groups, -1)
        out = part["attention"]["out"].reshape(plan.groups, -1, plan.width)
        added = jnp.einsum("nlgd,gdc->nlgc", shares, out)
        x = blocks.apply(attention, part["attention"], x)[0]
        units = HIDDEN[plan.family](feed_forward, part["feed_forward"], x)
        sums = (shares**2).sum((0, 1, 3)), (units**2).sum((0, 1)), (added**2).sum((0, 1, 3))
        return blocks.apply(feed_forward, part["feed_forward"], x)[0], sums

    stem = jax.jit(lambda part, tokens: blocks.apply(plan.stem, part, tokens)[0])
    names = layer_names(plan)
    totals: list[list[Any]] = [[0.0, 0.0, 0.0] for _ in names]
    for first in range(0, len(inputs), CHUNK):
        x = stem(parameters["embedding"], jnp.asarray(inputs[first : first + CHUNK]))
        for at, name in enumerate(names):
            x, sums = layer(parameters[name], x)
            totals[at] = [total + np.asarray(one, np.float64) for total, one in zip(totals[at], sums, strict=True)]
    tokens = np.asarray(inputs.size, np.float64)
    return [(*(np.sqrt(total / tokens) for total in layer_totals), tokens) for layer_totals in totals]
