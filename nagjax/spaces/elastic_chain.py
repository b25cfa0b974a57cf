"""Elastic networks whose architectures are chains of operators: places, at each of which one of several may stand.

The operators of one kind at a place share their weights: each takes the first channels of the largest, and a smaller
kernel is made from the centre of the larger one by a learned matrix (once-for-all, Cai et al., arXiv 1908.09791,
section 3.3). Where the choices before decide how wide an operator is, it is computed as wide as it may be, with the
weights beyond its width set to 0: a norm whose scale and offset are 0 gives 0, and so do the activations of it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.elastic import Alone, Elastic, Outputs, switch
from nagjax.operators import Operator

Part = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Place:
    """A place of a chain.

    Attributes:
      name: of it, a point of the network.
      choices: what may stand there: for each choice its operator as wide as it may be in each case, the widest last;
        all the same length, and empty where the choice leaves the place out. Cases differ in channels and residual
        connection alone.
    """

    name: str
    choices: tuple[tuple[Operator, ...], ...]


@dataclasses.dataclass(frozen=True)
class Chain:
    """What an elastic network of a chain is made of.

    Attributes:
      stem, head: operators that every architecture has before and after the places.
      places: in the order in which an image passes them.
      pick: ``pick(tokens, np) -> (choices, cases)``, int ``[places]`` each; with ``jax.numpy`` tokens are traced.
      classes: of the data set.
    """

    stem: tuple[Operator, ...]
    places: tuple[Place, ...]
    head: tuple[Operator, ...]
    pick: Callable[[Any, Any], tuple[Sequence[Any], Sequence[Any]]]
    classes: int

    @property
    def fixed(self) -> dict[str, Operator]:
        """The operators that every architecture has, by what their parameters are called."""
        parts = {"stem": self.stem, "head": self.head}
        return {f"{name}{at}": op for name, ops in parts.items() for at, op in enumerate(ops)}

    def operators(self, tokens: np.ndarray) -> tuple[tuple[str, Operator], ...]:
        """What an image passes, in order, each with the name of its parameters."""
        choices, cases = self.pick(tokens, np)
        body = [
            (place.name, place.choices[choice][case])
            for place, choice, case in zip(self.places, choices, cases, strict=True)
            if place.choices[choice]
        ]
        fixed = list(self.fixed.items())
        return (*fixed[: len(self.stem)], *body, *fixed[len(self.stem) :])


def elastic_chain(chain: Chain, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a chain. Points are the places: what each gives, ``[N, H, W, C]`` as wide as it may be."""
    first = chain.stem[0]

    def alone(tokens: np.ndarray) -> Alone:
        return chain_alone(tuple(op for _, op in chain.operators(tokens)), dtype)

    def used(parameters: Any, tokens: np.ndarray) -> dict[str, Any]:
        named = chain.operators(tokens)
        return {
            f"op{at}": parameters.get(name, {}) if name in chain.fixed else shrink(op, parameters[name][op.kind])
            for at, (name, op) in enumerate(named)
        }

    def example(_: Any, num: int, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=blocks.input_shape(first, num)).astype(np.float32)

    return Elastic(
        sizes={"image_channels": first.in_channels, "classes": chain.classes},
        init=lambda key: _init(chain, key),
        apply=functools.partial(_apply, chain, dtype),
        group=lambda _: first.in_size,
        used=used,
        alone=alone,
        example=example,
        points=tuple(place.name for place in chain.places),
        quiet=lambda parameters: _quiet(chain, parameters),
    )


def shrink(op: Operator, part: Part) -> dict[str, jax.Array]:
    """Parameters of an operator as those of the largest of its kind have them.

    ``part`` also has ``transform{k}`` ``[k*k, k*k]`` to each smaller kernel k.
    """
    out = {}
    for name, shape in blocks.shapes(op).items():
        weights = centre(part[name], op.kernel, part) if len(shape) > 2 else part[name]
        out[name] = weights[tuple(slice(0, length) for length in shape)]
    return out


def centre(weights: jax.Array, kernel: int, part: Part) -> jax.Array:
    """Weights ``[kernel, kernel, ...]`` of a smaller kernel: centre and transform, from the largest kernel down."""
    sizes = sorted((int(name.removeprefix("transform")) for name in part if name.startswith("transform")), reverse=True)
    for size in sizes:
        if size < kernel:
            break
        edge = (weights.shape[0] - size) // 2
        inner = weights[edge : edge + size, edge : edge + size].reshape(size * size, -1)
        weights = (part[f"transform{size}"] @ inner).reshape(size, size, *weights.shape[2:])
    return weights


def _of_kind(place: Place) -> dict[str, list[Operator]]:
    """The widest operators that may stand at a place, by kind."""
    found: dict[str, list[Operator]] = {}
    for cases in place.choices:
        if cases:
            found.setdefault(cases[-1].kind, []).append(cases[-1])
    return found


def _largest(ops: Sequence[Operator]) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters that hold those of all operators of a kind."""
    out: dict[str, tuple[int, ...]] = {}
    for op in ops:
        for name, shape in blocks.shapes(op).items():
            out[name] = tuple(map(max, shape, out.get(name, shape)))
    return out


def _init(chain: Chain, key: jax.Array) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for at, (name, op) in enumerate(chain.fixed.items()):
        if blocks.shapes(op):
            parts[name] = blocks.init(jax.random.fold_in(key, at), op)
    for place in chain.places:
        own = jax.random.fold_in(key, len(parts))
        parts[place.name] = {kind: _fresh(own, ops) for kind, ops in _of_kind(place).items()}
    return parts


def _fresh(key: jax.Array, ops: Sequence[Operator]) -> dict[str, jax.Array]:
    """Fresh parameters of the largest, each drawn as the operator that has the most of it draws it."""
    kernels = sorted({op.kernel for op in ops})
    out: dict[str, jax.Array] = {f"transform{kernel}": jnp.eye(kernel**2) for kernel in kernels[:-1]}
    wanted = _largest(ops)
    for at, op in enumerate(ops):
        held = [name for name, shape in blocks.shapes(op).items() if name not in out and shape == wanted[name]]
        if held:
            fresh = blocks.init(jax.random.fold_in(key, at), op)
            out |= {name: fresh[name] for name in held}
    return out


def _quiet(chain: Chain, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with 0 as the scale of the last norm wherever a residual connection may be."""
    out = dict(parameters)
    for place in chain.places:
        if any(op.skip for cases in place.choices for op in cases):
            last = {
                kind: [name for name in blocks.shapes(ops[0]) if name.endswith("norm_scale")][-1]
                for kind, ops in _of_kind(place).items()
            }
            out[place.name] = {
                kind: {**part, last[kind]: jnp.zeros_like(part[last[kind]])} for kind, part in out[place.name].items()
            }
    return out


def _apply(
    chain: Chain, dtype: Any, parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None,
    taps: Sequence[str] = (),
) -> Outputs:  # fmt: skip
    """Logits; statistics are a mapping an operator or place by its name."""
    choices, cases = chain.pick(tokens, jnp)
    x, used, told = inputs.astype(dtype), {}, {}
    fixed, given = list(chain.fixed.items()), statistics or {}

    def pass_by(named: Sequence[tuple[str, Operator]], x: jax.Array) -> jax.Array:
        for name, op in named:
            x, used[name] = blocks.apply(op, parameters.get(name, {}), x, given.get(name))
        return x

    x = pass_by(fixed[: len(chain.stem)], x)
    for place, choice, case in zip(chain.places, choices, cases, strict=True):
        own = given.get(place.name), jnp.asarray(case, jnp.int32)
        x, used[place.name] = _switched(place)(jnp.asarray(choice, jnp.int32), parameters[place.name], x, own)
        told[place.name] = x
    x = pass_by(fixed[len(chain.stem) :], x)
    return Outputs(x.astype(jnp.float32), used, {name: told[name] for name in taps})


@functools.lru_cache(maxsize=256)
def _switched(place: Place) -> Any:
    """What a place does: ``(choice, parameters, x, (statistics, case)) -> (y, statistics)``."""
    widths = {
        f"{kind}.{name.removesuffix('_scale')}": shape[0]
        for kind, ops in _of_kind(place).items()
        for name, shape in _largest(ops).items()
        if name.endswith("_scale")
    }
    return switch([functools.partial(_chosen if cases else _skipped, cases, widths) for cases in place.choices])


def _skipped(_: Any, widths: Mapping[str, int], _part: Part, x: jax.Array, _given: Any) -> Any:
    return x, {name: (jnp.zeros(width), jnp.zeros(width)) for name, width in widths.items()}


def _chosen(cases: tuple[Operator, ...], widths: Mapping[str, int], part: Part, x: jax.Array, given: Any) -> Any:
    """One choice; statistics are padded to the widest, those of norms that it lacks are 0."""
    statistics, case = given
    residual = np.array([op.skip for op in cases])
    op = cases[-1] if residual.all() else dataclasses.replace(cases[-1], skip=False)
    own = _masked(cases, shrink(op, part[op.kind]), case)
    norms = {name.removesuffix("_scale"): len(value) for name, value in own.items() if name.endswith("_scale")}
    mine = None
    if statistics is not None:
        of_kind = {name: statistics[f"{op.kind}.{name}"] for name in norms}
        mine = {name: (mean[: norms[name]], variance[: norms[name]]) for name, (mean, variance) in of_kind.items()}
    y, used = blocks.apply(op, own, x, mine)
    if residual.any() and not op.skip:
        y = y + x * jnp.asarray(residual)[case].astype(x.dtype)
    told = {f"{op.kind}.{name}": pair for name, pair in used.items()}
    return y, {
        name: tuple(jnp.pad(value, (0, width - len(value))) for value in told.get(name, (jnp.zeros(0), jnp.zeros(0))))
        for name, width in widths.items()
    }


def _masked(cases: Sequence[Operator], parameters: Mapping[str, jax.Array], case: jax.Array) -> dict[str, jax.Array]:
    """Parameters of the widest case with 0 wherever those of the case at hand end."""
    every = [blocks.shapes(op) for op in cases]

    def kept(name: str, value: jax.Array) -> jax.Array:
        for axis, length in enumerate(value.shape):
            lengths = np.array([shapes[name][axis] for shapes in every])
            if (lengths < length).any():
                there = jnp.arange(length) < jnp.asarray(lengths)[case]
                value *= there.astype(value.dtype).reshape(*(-1 if at == axis else 1 for at in range(value.ndim)))
        return value

    return {name: kept(name, value) for name, value in parameters.items()}


def chain_alone(operators: tuple[Operator, ...], dtype: Any) -> Alone:
    """The network of a chain of operators."""
    network = blocks.Network(operators, dtype)

    def apply(parameters: Any, inputs: jax.Array, statistics: Any) -> tuple[jax.Array, Any]:
        logits, used = network.apply({"params": parameters}, inputs, statistics)
        return logits.astype(jnp.float32), used

    shape = blocks.input_shape(operators[0], 1)
    return Alone(lambda key: network.init(key, jnp.zeros(shape))["params"], apply, operators)
