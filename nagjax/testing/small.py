"""A space of 6 networks of linear layers with an elastic network, and a task for it: what strategies are checked on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.elastic import Alone, Elastic, Outputs, switch
from nagjax.operators import Operator
from nagjax.spaces.chains import chain
from nagjax.spaces.space import Decision, Space
from nagjax.supernet.datasets.images import Images, make_splits
from nagjax.supernet.image_tasks import image_task
from nagjax.supernet.task import Task

SIDE, WIDTH, CLASSES = 4, 8, 3
RATIOS = ((1, 2), (0, 1, 2))
"""Widths of the middle of both blocks, by that of the input; a block of 0 is left out."""

NAMES = ("block1", "block2")
STEM = Operator("linear", 1, 1, SIDE * SIDE, WIDTH, norm=False)
HEAD = Operator("linear", 1, 1, WIDTH, CLASSES, norm=False)

Pair = tuple[Operator, ...]


def small_space() -> Space:
    """The space; text ``block1=1,block2=0``."""

    def operators(t: int, choice: Mapping[str, Any], _before: Mapping[str, Any] | None) -> Sequence[Operator]:
        return [*((STEM,) if t == 0 else ()), *_pair(choice["ratio"]), *((HEAD,) if t == 1 else ())]

    decisions = [
        Decision(name, name, tuple({"ratio": ratio} for ratio in ratios))
        for name, ratios in zip(NAMES, RATIOS, strict=True)
    ]
    return dataclasses.replace(chain("small", decisions, operators), elastic=lambda _dtype: small_elastic())


def small_task() -> Task:
    """Made-up images of 4 pixels whose 3 classes differ in brightness."""

    def images(num: int, seed: int) -> Images:
        labels = np.arange(num, dtype=np.int32) % CLASSES
        noise = np.random.default_rng(seed).integers(0, 60, (num, SIDE, SIDE, 1))
        return Images((noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels)

    return image_task(make_splits("small", CLASSES, images(48, 0), images(12, 1), images(12, 2)))


def small_elastic() -> Elastic:
    """One set of weights for the 6 networks: a narrower middle is the first part of the wider one."""
    chosen = [switch([_branch(_pair(ratio)) for ratio in ratios]) for ratios in RATIOS]

    def init(key: jax.Array) -> dict[str, Any]:
        keys = jax.random.split(key, 6)
        (up, down), both = _pair(2), {}
        for at, name in enumerate(NAMES):
            both[name] = {"up": blocks.init(keys[2 * at], up), "down": blocks.init(keys[2 * at + 1], down)}
        return {"stem": blocks.init(keys[4], STEM), **both, "head": blocks.init(keys[5], HEAD)}

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        del statistics
        x, told = blocks.apply(STEM, parameters["stem"], inputs)[0], {}
        for at, name in enumerate(NAMES):
            x, _ = chosen[at](tokens[at], parameters[name], x, ())
            told[name] = x
        logits = blocks.apply(HEAD, parameters["head"], x)[0].astype(jnp.float32)
        return Outputs(logits, (), {name: told[name] for name in taps})

    def used(parameters: Any, tokens: np.ndarray) -> dict[str, Any]:
        parts = [parameters["stem"]]
        for name, ratios, token in zip(NAMES, RATIOS, tokens, strict=True):
            parts += _cut(parameters[name], _pair(ratios[token]))
        return {f"op{at}": part for at, part in enumerate([*parts, parameters["head"]])}

    def alone(tokens: np.ndarray) -> Alone:
        middle = [op for ratios, token in zip(RATIOS, tokens, strict=True) for op in _pair(ratios[token])]
        network = blocks.Network((STEM, *middle, HEAD))
        return Alone(
            lambda key: network.init(key, jnp.zeros((1, SIDE, SIDE, 1)))["params"],
            lambda parameters, inputs, statistics: network.apply({"params": parameters}, inputs, statistics),
            tuple(network.operators),
        )

    return Elastic(
        sizes={"image_channels": 1, "classes": CLASSES},
        init=init,
        apply=apply,
        group=lambda _tokens: SIDE,
        used=used,
        alone=alone,
        example=lambda _group, num, rng: rng.normal(size=(num, SIDE, SIDE, 1)).astype(np.float32),
        points=NAMES,
        mixed=_mixed,
    )


def _pair(ratio: int) -> Pair:
    """The two layers of a block, none where it is left out."""
    if not ratio:
        return ()
    middle = ratio * WIDTH
    return (
        Operator("linear", 1, 1, WIDTH, middle, norm=False),
        Operator("linear", 1, 1, middle, WIDTH, norm=False),
    )


def _cut(block: Mapping[str, Any], pair: Pair) -> list[dict[str, Any]]:
    """Parameters of the two layers of a choice."""
    if not pair:
        return []
    middle = slice(0, pair[0].out_channels)
    up = {"weights": block["up"]["weights"][:, middle], "bias": block["up"]["bias"][middle]}
    return [up, {"weights": block["down"]["weights"][middle], "bias": block["down"]["bias"]}]


def _mixed(parameters: Any, inputs: jax.Array, probs: jax.Array) -> jax.Array:
    """Logits of mixed weights: a block that is left out gives its input, by the share of that."""
    x = blocks.apply(STEM, parameters["stem"], inputs)[0]
    for name, ratios, share in zip(NAMES, RATIOS, probs, strict=True):
        wide, given, left = _pair(max(ratios)), x, jnp.zeros(())
        parts = []
        for ratio, p in zip(ratios, share, strict=False):
            pair = _cut(parameters[name], _pair(ratio))
            if pair:
                parts.append(jax.tree.map(lambda leaf, p=p: p * leaf, _widened(pair, wide)))
            else:
                left = p
        for op, part in zip(wide, jax.tree.map(lambda *each: sum(each), *parts), strict=True):
            x = blocks.apply(op, part, x)[0]
        x += left * given
    return blocks.apply(HEAD, parameters["head"], x)[0].astype(jnp.float32)


def _widened(parts: Sequence[Mapping[str, jax.Array]], wide: Pair) -> list[dict[str, jax.Array]]:
    """Parameters of the two layers of a choice with 0 up to the shapes of a wider pair."""
    shapes = [blocks.shapes(op) for op in wide]
    return [
        {name: jnp.pad(leaf, [(0, w - own) for w, own in zip(shape[name], leaf.shape, strict=True)])
         for name, leaf in part.items()}
        for part, shape in zip(parts, shapes, strict=True)
    ]  # fmt: skip


def _branch(pair: Pair) -> Any:
    def run(block: Mapping[str, Any], x: jax.Array, _given: Any) -> tuple[jax.Array, tuple[()]]:
        for op, part in zip(pair, _cut(block, pair), strict=True):
            x = blocks.apply(op, part, x)[0]
        return x, ()

    return run
