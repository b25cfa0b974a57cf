"""The elastic network of ``mnasnet``: a place for each layer that a block may have, as a chain of places."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax.elastic import Elastic
from nagjax.spaces.elastic_chain import Chain, Place, elastic_chain
from nagjax.spaces.mnasnet import MORE, STEPS, Plan


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan. Points are ``block1_layer1`` and so on, and ``mix``, what the last block feeds."""
    places = [place for block in range(plan.blocks) for place in _places(plan, block)]
    mix, *head = zip(*(plan.end(width) for width in plan.widths(plan.blocks - 1)), strict=True)
    chain = Chain(
        (plan.start(),), (*places, Place("mix", (mix,))), tuple(ops[0] for ops in head),
        lambda tokens, xp: _pick(plan, tokens, xp), plan.classes,
    )  # fmt: skip
    return elastic_chain(chain, dtype)


def _places(plan: Plan, block: int) -> list[Place]:
    """The layers of a block: cases of the first are the widths of both ends, of later ones the width, and skip."""
    before, own = plan.widths(block - 1), plan.widths(block)
    first = tuple(
        tuple(plan.layer(block, layer, inputs, outputs, None) for inputs in before for outputs in own)
        for layer in plan.layer_choices
    )
    later = tuple(
        tuple(plan.layer(block, layer, width, width, skip) for width in own for skip in (False, True))
        for layer in plan.layer_choices
    )
    names = [f"block{block + 1}_layer{at}" for at in range(1, plan.layers[block] + MORE[-1] + 1)]
    return [Place(names[0], first), *(Place(name, ((), *later)) for name in names[1:])]


def _pick(plan: Plan, tokens: Any, xp: Any) -> tuple[list[Any], list[Any]]:
    """Choice and case of every place; ``xp`` is numpy, or jax.numpy where tokens are traced."""
    table = xp.asarray(_table(plan))
    choices, cases, taken = [], [], 0
    for block in range(plan.blocks):
        operation, kernel, squeeze, filters, layers, skip = tokens[len(STEPS) * block : len(STEPS) * (block + 1)]
        layer = table[operation, kernel, squeeze]
        number = plan.layers[block] + MORE[0] + layers
        choices.append(layer)
        cases.append(taken * len(plan.scales) + filters)
        for at in range(1, plan.layers[block] + MORE[-1]):
            choices.append(xp.where(at < number, 1 + layer, 0))
            cases.append(2 * filters + skip)
        taken = filters
    return [*choices, 0], [*cases, taken]


def _table(plan: Plan) -> np.ndarray:
    """Index of a layer's choice by tokens of operation, kernel and squeeze-excite; 0 where there is none."""
    index = {layer: at for at, layer in enumerate(plan.layer_choices)}
    return np.array(
        [
            [[index.get((op, kernel, se), 0) for se in (False, True)] for kernel in plan.kernels]
            for op in plan.operations
        ]
    )
