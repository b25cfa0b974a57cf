"""Spaces made of others: a context, such as the task or the device, as the first decision of a space.

What depends on the context (a quality, a price) may differ by node, since every node remembers the context. The policy
shares its parameters, and a condition fixes the context: ``generate(where={"task": "digits"})``. A context is given and
not chosen: what archives hold, where tournaments are held and what budgets are drawn is kept apart by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nagjax import plugins
from nagjax.spaces import trellis as tl
from nagjax.spaces.chains import choice_text
from nagjax.spaces.space import Decision, Space

BEFORE, BETWEEN = "/", "+"
"""What follows the context in the text of an architecture, and what separates choices in a setting."""

Choice = int | float | bool | str


def make_prefixed(
    space: str = "nas_bench_macro", decision: str = "task", choices: Sequence[Choice] | str = ("a", "b"),
    space_settings: Mapping[str, Any] | None = None,
) -> Space:  # fmt: skip
    """The space ``prefixed``, by names: a registered space behind a context, whose name is also its kind.

    Text is split at ``+`` into choices.

    >>> make_prefixed(choices="x+y").format([1, 1, 1, 1, 1, 1, 1, 1, 2])
    'y/11111112'
    """
    settings = dict(space_settings or {})
    made = plugins.checked_call(plugins.load("spaces", space), f"space {space}", settings)
    behind: Space = plugins.expect("spaces", space, made, Space)
    return prefix(behind, decision, choices.split(BETWEEN) if isinstance(choices, str) else choices)


def prefix(space: Space, name: str, choices: Sequence[Choice]) -> Space:
    """A space with a context as its first decision, whose name is also its kind; the text behind follows ``CHOICE/``.

    Returns:
      the space ``prefixed``. Its path features are one for each value, then those of ``space``; it has no supernet.

    Raises:
      ValueError: if a value cannot be told from another, has a ``/``, or the graph would be too large.
    """
    texts = [choice_text(choice) for choice in choices]
    if len(set(texts)) < len(texts) or not texts or any(BEFORE in text or not text.strip() for text in texts):
        raise ValueError(f"choices={list(choices)}: give different values without {BEFORE!r} in them, at least one")
    num = len(texts)

    def parse(text: str) -> list[int]:
        first, found, rest = text.partition(BEFORE)
        if not found or first not in texts:
            raise ValueError(f"architecture {text!r} does not begin with one of {', '.join(t + BEFORE for t in texts)}")
        return [texts.index(first), *(int(token) for token in space.parse(rest))]

    def describe(tokens: Sequence[int]) -> str:
        return f"{name}: {texts[tokens[0]]}\n{space.describe(np.asarray(tokens[1:], np.int32))}"

    return Space(
        name="prefixed",
        version=space.version,
        settings={
            "space": space.name, "decision": name, "choices": list(choices), "space_settings": dict(space.settings),
        },
        decisions=(Decision(name, name, tuple({name: choice} for choice in choices), context=True), *space.decisions),
        trellis=_prefixed(space.trellis, num),
        operators=space.operators,
        feature_names=(*(f"{name}={text}" for text in texts), *space.feature_names),
        parse_text=parse,
        format_tokens=lambda tokens: texts[tokens[0]] + BEFORE + space.format(np.asarray(tokens[1:], np.int32)),
        describe_tokens=describe,
        free=space.free,
        counts=space.counts,
        behind=space,
    )  # fmt: skip


def _prefixed(graph: tl.Trellis, num: int) -> tl.Trellis:
    """The graph ``num`` times side by side, behind a first node that chooses among the copies."""
    layers, nodes, choices = graph.shape
    shape = (layers + 1, num * nodes, max(choices, num))
    if np.prod(shape, dtype=np.int64) > tl.MAX_EDGES:
        raise ValueError(f"{num} contexts make {np.prod(shape, dtype=np.int64):,} edges; at most {tl.MAX_EDGES:,}")
    first = np.zeros((1, *shape[1:]), bool)
    first[0, 0, :num] = True

    def behind(values: np.ndarray, fill: Any) -> np.ndarray:
        """Edge values ``[T, S, C, ...]`` of all copies, choices padded, below a first layer of ``fill``."""
        wide = np.full((layers, nodes, shape[2], *values.shape[3:]), fill, values.dtype)
        wide[:, :, :choices] = values
        blank = np.full((1, num * nodes, *wide.shape[2:]), fill, values.dtype)
        return np.concatenate([blank, np.tile(wide, (1, num, *(1,) * (wide.ndim - 2)))])

    offset = np.repeat(np.arange(num) * nodes, nodes)[None, :, None]
    target = behind(graph.target, 0)
    target[1:-1] += np.where(behind(graph.valid, False)[1:-1], offset, 0).astype(np.int32)
    target[0, 0, :num] = np.arange(num) * nodes
    features = behind(graph.features + num, graph.num_features + num)
    features[0, 0, :num, 0] = np.arange(num)
    valid = behind(graph.valid, False)
    valid[:1] = first
    return dataclasses.replace(
        graph, target=target, valid=valid, open=np.concatenate([first.any(-1), np.tile(graph.open, (1, num))]),
        operators=behind(graph.operators, graph.num_operators), features=features,
        num_features=graph.num_features + num,
    )  # fmt: skip
