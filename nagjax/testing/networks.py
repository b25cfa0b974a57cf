"""What elastic networks have to keep, each a check of a factory of spaces, its settings and one of its architectures.

They compile the network, so give the factory settings that make it small.
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
from nagjax.elastic import Alone, Elastic, Outputs
from nagjax.operators import params
from nagjax.spaces.space import Space
from nagjax.testing.runs import claim, same

MakeSpace = Callable[..., Space]

BATCH, DRAWN = 4, 64
"""Inputs of a call; and random architectures, of which the one with most choices of its own is checked."""

TOLERANCE = 1e-5
"""By which outputs of the same weights may differ, relative to the largest of them."""

LOUD = 100.0
"""What weights that do not matter are changed by."""


def check_elastic_form(make: MakeSpace, **settings: Any) -> None:
    """An ``Elastic`` whose sizes are numbers by name, whose groups can be compared, whose parameters are float32."""
    name, space, elastic = "elastic form", *_made(make, settings)
    fine = all(isinstance(key, str) and type(value) is int for key, value in elastic.sizes.items())
    claim(name, bool(elastic.sizes) and fine, f"sizes are {dict(elastic.sizes)}: give whole numbers by name")
    for tokens in _architectures(space):
        claim(name, hash(elastic.group(tokens)) is not None, "a group has no hash")
    parameters = _init(elastic)
    claim(name, same(parameters, _init(elastic)), "one key gives two different sets of parameters")
    bad = [path for path, leaf in _leaves(parameters) if getattr(leaf, "dtype", None) != jnp.float32]
    claim(name, _nested(parameters) and not bad, f"parameters must be nested dicts of float32; {bad[:3]} are not")
    claim(name, len(set(elastic.points)) == len(elastic.points), f"a point stands twice in {elastic.points}")


def check_elastic_sizes(make: MakeSpace, **settings: Any) -> None:
    """The largest architecture is no smaller than any other by what the space declares, and the smallest no larger."""
    name, space, elastic = "elastic sizes", *_made(make, settings)
    rows = np.concatenate([space.sample(np.random.default_rng(0), 64), [space.smallest(), space.largest()]])
    sizes = space.path_values(rows, space.sizes()).sum(-1)
    claim(name, sizes[-1] == sizes.max(), f"{space.format(space.largest())} is not the largest")
    claim(name, sizes[-2] == sizes.min(), f"{space.format(space.smallest())} is not the smallest")
    claim(name, bool(np.isfinite(sizes).all()), "a size is not finite")
    parameters = jax.eval_shape(elastic.init, jax.random.key(0))
    ends = [jax.eval_shape(lambda p, row=row: elastic.used(p, row), parameters) for row in rows[-2:]]
    small, large = (sum(leaf.size for leaf in jax.tree.leaves(end)) for end in ends)
    told = f"{space.format(space.largest())}, the largest by what the space declares (edge_sizes), uses {large} weights"
    claim(name, large >= small, f"{told}, and {space.format(space.smallest())}, the smallest, {small}; more is larger")


def check_elastic_alone(make: MakeSpace, **settings: Any) -> None:
    """An architecture computes the same with all weights as with its own, whether statistics are given or not."""
    name, space, elastic = "elastic alone", *_made(make, settings)
    parameters, apply = _fresh(elastic), _jitted(elastic)
    for tokens in _architectures(space):
        x, text = _inputs(elastic, tokens), space.format(tokens)
        alone = elastic.alone(tokens)
        claim(name, isinstance(alone, Alone), f"alone gives {type(alone).__name__}, no Alone")
        used = elastic.used(parameters, tokens)
        fresh = jax.eval_shape(alone.init, jax.random.key(0))
        shapes = [jax.tree.map(lambda leaf: leaf.shape, tree) for tree in (used, fresh)]
        claim(name, shapes[0] == shapes[1], f"{text}: used has shapes {shapes[0]}, alone.init {shapes[1]}")
        both = apply(parameters, x, tokens, None)
        claim(name, isinstance(both, Outputs), f"apply gives {type(both).__name__}, no Outputs")
        claim(name, both.outputs.dtype == jnp.float32, f"{text}: outputs are {both.outputs.dtype}, not float32")
        claim(name, len(both.outputs) == BATCH, f"{text}: outputs are {both.outputs.shape} for {BATCH} inputs")
        own = jax.jit(alone.apply)
        outputs, statistics = own(used, x, None)
        _claim_close(name, both.outputs, outputs, f"{text}: alone and elastic")
        other = _inputs(elastic, tokens, seed=1)
        given = apply(parameters, other, tokens, both.statistics).outputs
        _claim_close(name, given, own(used, other, statistics)[0], f"{text}: with given statistics alone and elastic")


def check_elastic_used(make: MakeSpace, **settings: Any) -> None:
    """``used`` are exactly the weights that matter: changing any other changes nothing, changing each of them does."""
    name, space, elastic = "elastic used", *_made(make, settings)
    parameters, apply = _fresh(elastic), _jitted(elastic)
    for tokens in _architectures(space):
        x, text = _inputs(elastic, tokens), space.format(tokens)
        outputs = apply(parameters, x, tokens, None).outputs
        idle = _idle(elastic, parameters, tokens)
        loud = jax.tree.map(lambda leaf, off: np.where(off, leaf + np.float32(LOUD), leaf), _held(parameters), idle)
        _claim_close(
            name, apply(loud, x, tokens, None).outputs, outputs, f"{text}: with other weights that are not used"
        )
        own, used = jax.jit(elastic.alone(tokens).apply), _held(elastic.used(parameters, tokens))
        whole = np.asarray(own(used, x, None)[0])
        for at, (path, leaf) in enumerate(_leaves(used)):
            noise = np.random.default_rng(at).normal(size=leaf.shape).astype(leaf.dtype)
            moved = jax.tree_util.tree_map_with_path(
                lambda here, part, path=path, noise=noise: part + noise if here == path else part, used
            )
            told = f"{text}: {jax.tree_util.keystr(path)} is used, and changing it changes nothing"
            claim(name, bool(np.any(np.asarray(own(moved, x, None)[0]) != whole)), told)


def check_elastic_operators(make: MakeSpace, **settings: Any) -> None:
    """Where alone is a chain of operators, they compute it with its weights, and it tells statistics an operator.

    Of other architectures than the largest the space may count more weights: what stands in the text and nothing reads.
    """
    name, space, elastic = "elastic operators", *_made(make, settings)
    parameters = _fresh(elastic)
    counted = np.array([params(op) for op in space.operators], np.int64)
    for tokens in _architectures(space):
        alone, text = elastic.alone(tokens), space.format(tokens)
        if not alone.operators:
            continue
        used, x = elastic.used(parameters, tokens), _inputs(elastic, tokens)
        chain = jax.jit(lambda p, x, ops=alone.operators: blocks.Network(ops).apply({"params": p}, x)[0])
        outputs, statistics = jax.jit(alone.apply)(used, x, None)
        _claim_close(name, chain(used, x), outputs, f"{text}: its operators and alone")
        _claim_statistics(name, alone, statistics, text)
        held, own = sum(int(leaf.size) for _, leaf in _leaves(used)), sum(map(params, alone.operators))
        claim(name, held == own, f"{text}: used holds {held} weights, the operators of alone {own}")
        if space.operators:
            summed = int(space.operator_sum(tokens[None], counted)[0])
            fine = held <= summed if (tokens != space.largest()).any() else held == summed
            claim(name, fine, f"{text}: used holds {held} weights, the operators of the space {summed}")


def check_elastic_groups(make: MakeSpace, **settings: Any) -> None:
    """Tokens are traced: architectures of one group share a compiled program, and differ in what it gives."""
    name, space, elastic = "elastic groups", *_made(make, settings)
    parameters, apply, traced = _fresh(elastic), _jitted(elastic), []

    @jax.jit
    def counted(parameters: Any, x: jax.Array, tokens: jax.Array) -> jax.Array:
        traced.append(tokens)
        return elastic.apply(parameters, x, tokens).outputs

    rows = [space.largest(), *space.sample(np.random.default_rng(0), 16)]
    groups: dict[Any, list[np.ndarray]] = {}
    for tokens in rows:
        groups.setdefault(elastic.group(tokens), []).append(tokens)
    group, members = max(groups.items(), key=lambda item: len(item[1]))
    x = jax.device_put(elastic.example(group, BATCH, np.random.default_rng(0)))
    for tokens in members[:3]:  # tracing is what precedes a compilation, and enough to count it
        counted.eval_shape(parameters, x, tokens)
    found = [np.asarray(apply(parameters, x, tokens, None).outputs) for tokens in members[:3]]
    claim(name, len(traced) == 1, f"{len(found)} architectures of group {group!r} were compiled {len(traced)} times")
    distinct = len({row.tobytes() for row in members[:3]})
    claim(name, len({one.tobytes() for one in found}) == distinct, "different architectures give equal outputs")


def check_elastic_taps(make: MakeSpace, **settings: Any) -> None:
    """What it tells at its points has as many rows as the input, and changes no output."""
    name, space, elastic = "elastic taps", *_made(make, settings)
    if not elastic.points:
        return
    parameters, tokens = _fresh(elastic), space.largest()
    x, asked = _inputs(elastic, tokens), elastic.points
    plain = _jitted(elastic)(parameters, x, tokens, None)
    told = jax.jit(elastic.apply, static_argnums=4)(parameters, x, tokens, None, asked)
    claim(name, plain.taps == {}, "it tells of points that nobody asked for")
    claim(name, set(told.taps) == set(asked), f"asked for {asked} it tells of {tuple(told.taps)}")
    _claim_close(name, told.outputs, plain.outputs, "with and without taps")
    wrong = [point for point, value in told.taps.items() if value.shape[:1] != (BATCH,)]
    claim(name, not wrong, f"{wrong[:3]} have not a row an input")


def check_elastic_watched(make: MakeSpace, **settings: Any) -> None:
    """Watching activations changes no output; those of a group are alike, their gates count, size has more of them."""
    name, space, elastic = "elastic watched", *_made(make, settings)
    if elastic.watched is None:
        return
    parameters, apply, units = _fresh(elastic), _jitted(elastic), []
    watched, held = jax.jit(elastic.watched), dict[Any, Any]()
    for tokens in (space.smallest(), space.largest()):
        x, text, group = _inputs(elastic, tokens), space.format(tokens), elastic.group(tokens)
        before = jax.eval_shape(elastic.watched, parameters, x, tokens).before
        shapes = {key: value.shape for key, value in before.items()}
        alike = held.setdefault(group, shapes) == shapes and all(shape[0] == BATCH for shape in shapes.values())
        claim(name, alike, f"{text}: what is watched has shapes {shapes}, of group {group!r} {held[group]}")
        gates = {key: jnp.ones((shape[0], shape[-1])) for key, shape in shapes.items()}
        told = watched(parameters, x, tokens, gates)
        _claim_close(name, told.outputs, apply(parameters, x, tokens, None).outputs, f"{text}: watched and not")
        shut = watched(parameters, x, tokens, jax.tree.map(jnp.zeros_like, gates)).outputs
        claim(name, bool(jnp.any(shut != told.outputs)), f"{text}: gates of 0 change no output")
        there = [np.isfinite(np.asarray(value)) for value in told.before.values()]
        claim(name, all((one == one[:1]).all() for one in there), f"{text}: inputs have different units")
        units.append(sum(int(one[0].sum()) for one in there))
    claim(name, 0 < units[0] < units[1], f"the smallest and the largest architecture have {units} units")


def check_elastic_mixed(make: MakeSpace, **settings: Any) -> None:
    """Mixed weights of which one choice of each decision has all are those of the architecture; shares have slopes."""
    name, space, elastic = "elastic mixed", *_made(make, settings)
    if elastic.mixed is None:
        return
    mixed, parameters, apply = elastic.mixed, _fresh(elastic), _jitted(elastic)
    mix = jax.jit(mixed)
    for tokens in _architectures(space):
        x, text = _inputs(elastic, tokens), space.format(tokens)
        whole = jax.nn.one_hot(tokens, space.trellis.shape[2])
        _claim_close(name, mix(parameters, x, whole), apply(parameters, x, tokens, None).outputs, f"{text}: mixed")
    exists = np.array([np.arange(space.trellis.shape[2]) < len(d.choices) for d in space.decisions])
    even = jnp.asarray(exists / exists.sum(1, keepdims=True), jnp.float32)
    weight = jnp.asarray(np.random.default_rng(2).normal(size=mix(parameters, x, even).shape), jnp.float32)
    slopes = jax.jit(jax.grad(lambda probs: (mixed(parameters, x, probs) * weight).sum()))(even)
    claim(name, bool(jnp.isfinite(slopes).all()), "a share has no finite slope")
    claim(name, bool((slopes != 0).any()), "no share of a choice changes anything")


ELASTIC_CHECKS: tuple[Callable[..., None], ...] = (
    check_elastic_form,
    check_elastic_sizes,
    check_elastic_alone,
    check_elastic_used,
    check_elastic_operators,
    check_elastic_groups,
    check_elastic_taps,
    check_elastic_watched,
    check_elastic_mixed,
)


def check_elastic(make: MakeSpace, **settings: Any) -> None:
    """Run every check on the elastic network of a space.

    Args:
      make: what the entry point of the space names.
      **settings: its settings.

    Raises:
      AssertionError: if a check fails; the text begins with its name.
    """
    for check in ELASTIC_CHECKS:
        check(make, **settings)


def _made(make: MakeSpace, settings: Mapping[str, Any]) -> tuple[Space, Elastic]:
    return _made_once(make, tuple(sorted(settings.items())))


@functools.lru_cache(maxsize=4)
def _made_once(make: MakeSpace, settings: tuple[tuple[str, Any], ...]) -> tuple[Space, Elastic]:
    """Made once for all checks, so that they share what is compiled, which is what takes time."""
    space = make(**dict(settings))
    claim("elastic", space.elastic is not None, f"the space {space.name} has no elastic network")
    assert space.elastic is not None
    elastic = space.elastic("float32")
    claim("elastic", isinstance(elastic, Elastic), f"elastic gives {type(elastic).__name__}, no Elastic")
    return space, _compiled_once(elastic)


def _compiled_once(elastic: Elastic) -> Elastic:
    """The same with ``used`` jitted and each ``alone`` kept, so that checks share what they compile of it."""
    alone = functools.cache(lambda row: elastic.alone(np.array(row, np.int32)))
    used = jax.jit(lambda parameters, row: elastic.used(parameters, np.array(row, np.int32)), static_argnums=1)

    def row(tokens: np.ndarray) -> tuple[int, ...]:
        return tuple(np.asarray(tokens).tolist())

    return dataclasses.replace(
        elastic,
        alone=lambda tokens: alone(row(tokens)),
        used=lambda parameters, tokens: used(parameters, row(tokens)),
    )


def _architectures(space: Space) -> list[np.ndarray]:
    """The smallest, the largest, and of random ones that with most choices that neither of them has."""
    ends, drawn = [space.smallest(), space.largest()], space.sample(np.random.default_rng(3), DRAWN)
    return [*ends, drawn[np.argmax((drawn[:, None] != np.stack(ends)[None]).all(1).sum(1))]]


def _fresh(elastic: Elastic) -> Any:
    """Fresh parameters moved a little, so that none is 0, 1 or the identity."""
    leaves, tree = jax.tree.flatten(_held(_init(elastic)))
    rng = np.random.default_rng(0)
    moved = [jax.device_put(leaf + 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype)) for leaf in leaves]
    return jax.tree.unflatten(tree, moved)


def _held(tree: Any) -> Any:
    """As NumPy arrays, whose sums compile nothing for a new shape."""
    return jax.tree.map(np.asarray, tree)


def _init(elastic: Elastic) -> Any:
    return jax.jit(elastic.init)(jax.random.key(0))


def _inputs(elastic: Elastic, tokens: np.ndarray, seed: int = 0) -> jax.Array:
    return jax.device_put(elastic.example(elastic.group(tokens), BATCH, np.random.default_rng(seed)))


def _jitted(elastic: Elastic) -> Callable[..., Outputs]:
    compiled: Callable[..., Outputs] = jax.jit(elastic.apply)
    return compiled


def _idle(elastic: Elastic, parameters: Any, tokens: np.ndarray) -> Any:
    """Which numbers ``used`` does not depend on: those along which a random sum of what it gives has no slope."""
    shapes = jax.eval_shape(lambda p: elastic.used(p, tokens), parameters)
    rng = np.random.default_rng(1)
    weight = jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(1, 2, leaf.shape), jnp.float32), shapes)

    def total(parameters: Any) -> jax.Array:
        parts = jax.tree.map(lambda one, w: (one * w).sum(), elastic.used(parameters, tokens), weight)
        return sum(jax.tree.leaves(parts), jnp.zeros(()))

    return jax.tree.map(lambda slope: np.asarray(slope) == 0, jax.jit(jax.grad(total))(parameters))


def _leaves(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_leaves_with_path(tree)


def _nested(tree: Any) -> bool:
    """Whether a tree is made of dicts with text as keys, which is what a checkpoint keeps."""
    if isinstance(tree, Mapping):
        return all(isinstance(key, str) and _nested(value) for key, value in tree.items())
    return hasattr(tree, "shape")


def _claim_statistics(name: str, alone: Alone, statistics: Any, text: str) -> None:
    """Statistics are those that deployment writes: of each operator a mapping of its batch norms."""
    listed = isinstance(statistics, Sequence) and len(statistics) == len(alone.operators)
    mapped = listed and all(isinstance(part, Mapping) for part in statistics)
    told = f"{text}: alone tells {type(statistics).__name__} of statistics"
    claim(name, mapped, f"{told}; give a mapping for each of its {len(alone.operators)} operators, empty without norms")
    for op, part in zip(alone.operators, statistics, strict=True):
        norms = {norm.removesuffix("_scale") for norm in blocks.shapes(op) if norm.endswith("_scale")}
        claim(name, set(part) == norms, f"{text}: of {op.key} it tells {sorted(part)}, its norms are {sorted(norms)}")


def _claim_close(name: str, one: jax.Array, other: jax.Array, what: str) -> None:
    found, wanted = np.asarray(one), np.asarray(other)
    claim(name, found.shape == wanted.shape, f"{what} give shapes {found.shape} and {wanted.shape}")
    far = float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-6)) if found.size else 0.0
    claim(name, far <= TOLERANCE, f"{what} differ by {far:.1e} of the largest output, more than {TOLERANCE:g}")
