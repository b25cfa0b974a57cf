"""The elastic network of ``nas_bench_201``: every edge of every cell holds weights for each of its operations.

An edge that no path passes is computed as ``none``, and reads no weights. Where no path leads through the cell, the
network is the bias of its classifier. The cells of a stage are scanned, so a stage is compiled once however many there
are, and an edge computes only the operation that is taken.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax import blocks
from nagjax.elastic import Alone, Elastic, Outputs, switch
from nagjax.operators import Operator
from nagjax.operators.cell import KERNELS, OPERATIONS, edge_name, on_a_path, operator_on
from nagjax.spaces.elastic_chain import chain_alone
from nagjax.spaces.nas_bench_201 import EDGES, NODES, STAGES, Plan, operators_of

Part = Mapping[str, Any]
HEAD = ("norm", "pool", "linear")


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Parameters are ``stem``, ``stage1_cell1`` and so on with an entry an edge and convolution, ``reduction1``,
    ``reduction2``, ``norm`` and ``linear``. Points are the stages: what each gives, ``[N, H, W, C]``.
    """

    def alone(tokens: np.ndarray) -> Alone:
        operators = operators_of(plan, tokens.tolist())
        return chain_alone(operators, dtype) if operators else _constant(plan)

    def example(_: Any, num: int, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=(num, plan.image_size, plan.image_size, plan.image_channels)).astype(np.float32)

    return Elastic(
        sizes={"image_channels": plan.image_channels, "classes": plan.classes},
        init=lambda key: _init(plan, key),
        apply=functools.partial(_apply, plan, dtype),
        group=lambda _: plan.image_size,
        used=lambda parameters, tokens: _used(plan, parameters, tokens.tolist()),
        alone=alone,
        example=example,
        points=tuple(f"stage{stage}" for stage in range(1, STAGES + 1)),
    )


def _fixed(plan: Plan) -> dict[str, Operator]:
    """The operators that every network has, by what their parameters are called."""
    downs = {f"reduction{at}": op for at, op in enumerate(plan.reductions, 1)}
    return {"stem": plan.stem, **downs, **dict(zip(HEAD, plan.head, strict=True))}


def _cells(plan: Plan, stage: int) -> list[str]:
    return [f"stage{stage + 1}_cell{at}" for at in range(1, plan.cells + 1)]


def _convolutions(plan: Plan, stage: int) -> dict[str, Operator]:
    """The operators with weights of an edge of a stage, by operation."""
    found = {operation: operator_on(operation, *plan.stage(stage)) for operation in KERNELS}
    return {operation: op for operation, op in found.items() if op}


def _init(plan: Plan, key: jax.Array) -> dict[str, Any]:
    parts: dict[str, Any] = {
        name: blocks.init(jax.random.fold_in(key, at), op)
        for at, (name, op) in enumerate(_fixed(plan).items())
        if blocks.shapes(op)
    }
    for stage in range(STAGES):
        names = _cells(plan, stage)
        parts |= {name: {edge_name(edge): {} for edge in EDGES} for name in names}
        for operation, op in _convolutions(plan, stage).items():
            own = jax.random.fold_in(key, len(parts) + op.kernel)
            keys = jax.random.split(own, (len(names), len(EDGES)))
            drawn = jax.vmap(jax.vmap(lambda key, op=op: blocks.init(key, op)))(keys)  # type: ignore[misc]
            for (cell, name), (at, edge) in itertools.product(enumerate(names), enumerate(EDGES)):
                parts[name][edge_name(edge)][operation] = {part: value[cell, at] for part, value in drawn.items()}
    return parts


def _apply(
    plan: Plan, dtype: Any, parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None,
    taps: Sequence[str] = (),
) -> Outputs:  # fmt: skip
    """Logits; statistics are a mapping an operator by its name, and for a stage those of its cells, ``[cells, C]``."""
    live = on_a_path([token > 0 for token in tokens], NODES)
    chosen = jnp.stack([jnp.where(on, token, 0) for on, token in zip(live, tokens, strict=True)])
    fixed, used, told = _fixed(plan), {}, {}
    x = inputs.astype(dtype)

    def pass_by(name: str, x: jax.Array) -> jax.Array:
        given = None if statistics is None else statistics[name]
        y, used[name] = blocks.apply(fixed[name], parameters.get(name, {}), x, given)
        return y

    x = pass_by("stem", x)
    for stage in range(STAGES):
        name = f"stage{stage + 1}"
        x = pass_by(f"reduction{stage}", x) if stage else x
        cells = jax.tree.map(lambda *parts: jnp.stack(parts), *(parameters[cell] for cell in _cells(plan, stage)))
        x, used[name] = _stage(plan, stage, chosen, cells, x, None if statistics is None else statistics[name])
        told[name] = x
    x = pass_by("pool", pass_by("norm", x))
    x = x * jnp.any(jnp.stack(live)).astype(x.dtype)
    return Outputs(pass_by("linear", x).astype(jnp.float32), used, {name: told[name] for name in taps})


def _stage(plan: Plan, stage: int, chosen: jax.Array, cells: Any, x: jax.Array, given: Any) -> tuple[jax.Array, Any]:
    """What the cells of a stage make of a map, and the statistics of their norms; both have the cells first."""
    _, channels = plan.stage(stage)
    nothing = jnp.zeros(channels), jnp.zeros(channels)
    branches = [_branch(operation, operator_on(operation, *plan.stage(stage)), nothing) for operation in OPERATIONS]
    edge_switch = switch(branches)

    def one(x: jax.Array, own: Any) -> tuple[jax.Array, Any]:
        cell, given = own
        nodes, used = {0: x}, {}
        for at, (node, source) in enumerate(EDGES):
            name = edge_name((node, source))
            told = None if given is None else given[name]
            y, used[name] = edge_switch(chosen[at], cell[name], nodes[source], told)
            nodes[node] = nodes[node] + y if node in nodes else y
        return nodes[NODES - 1], used

    if plan.cells > 1:
        return lax.scan(one, x, (cells, given))
    first = jax.tree.map(lambda part: part[0], (cells, given))
    y, used = one(x, first)
    return y, jax.tree.map(lambda part: part[None], used)


def _branch(operation: str, op: Operator | None, nothing: tuple[jax.Array, jax.Array]) -> Any:
    """An operation on an edge: its parameters, a map and given statistics to what it gives, and those it used."""

    def run(part: Part, x: jax.Array, given: Any) -> tuple[jax.Array, Any]:
        if op is None:
            return (x if operation == "skip_connect" else jnp.zeros_like(x)), nothing
        own = None if given is None else {"norm": given}
        y, used = blocks.apply(op, part.get(operation, {}), x, own)
        return y, used.get("norm", nothing)

    return run


def _used(plan: Plan, parameters: Any, tokens: Sequence[int]) -> dict[str, Any]:
    live = on_a_path([token > 0 for token in tokens], NODES)
    if not any(live):
        return {"bias": parameters["linear"]["bias"]}
    taken = {edge_name(edge): OPERATIONS[token] for edge, token, on in zip(EDGES, tokens, live, strict=True) if on}

    def own(cell: Mapping[str, Any]) -> dict[str, Any]:
        return {
            f"{edge}.{name}": value
            for edge, operation in taken.items()
            for name, value in cell[edge].get(operation, {}).items()
        }

    parts = [parameters["stem"]]
    for stage in range(STAGES):
        parts += [parameters[f"reduction{stage}"]] if stage else []
        parts += [own(parameters[cell]) for cell in _cells(plan, stage)]
    parts += [parameters.get(name, {}) for name in HEAD]
    return {f"op{at}": part for at, part in enumerate(parts)}


def _constant(plan: Plan) -> Alone:
    """The network of a cell through which no path leads."""

    def apply(parameters: Any, inputs: jax.Array, _statistics: Any) -> tuple[jax.Array, Any]:
        return jnp.broadcast_to(parameters["bias"], (inputs.shape[0], plan.classes)), ()

    return Alone(lambda _: {"bias": jnp.zeros(plan.classes)}, apply)
