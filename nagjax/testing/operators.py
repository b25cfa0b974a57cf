"""What kinds of operator have to keep, each a check of a factory; it runs over the kind's own examples."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.operators import Operator, OperatorKind
from nagjax.testing.runs import claim, same

MakeKind = Callable[..., OperatorKind]

BATCH = 3
STEP_TOLERANCE = 1e-5
"""By which the tokens of a text in turn may differ from all at once; relative to the largest."""

TOLERANCE = 1e-4
"""By which outputs may differ between a batch and one row of it, and between JAX and ONNX; relative to the largest."""


def check_operator_form(make: MakeKind) -> None:
    """The factory returns a kind with a name and at least two different examples, all of that kind."""
    name, kind = "operator form", make()
    claim(name, isinstance(kind, OperatorKind), f"the factory returned {type(kind).__name__}, no OperatorKind")
    claim(name, bool(re.fullmatch("[a-z][a-z0-9_]*", kind.name)), f"name is {kind.name!r}: letters, digits and _")
    examples = kind.examples
    claim(name, len(set(examples)) == len(examples) > 1, f"it has {len(examples)} examples: give two different or more")
    strange = [op for op in examples if not isinstance(op, Operator) or op.kind != kind.name]
    claim(name, not strange, f"{strange[:1]} among its examples is not an operator of the kind")


def check_operator_keys(make: MakeKind) -> None:
    """Keys begin with the name, are read back, tell operators apart, and other text is None."""
    name, kind = "operator keys", make()
    keys = [op.key for op in kind.examples]
    claim(name, len(set(keys)) == len(keys), f"two examples have one key: {keys}")
    for op, key in zip(kind.examples, keys, strict=True):
        claim(name, key.partition("-")[0] == kind.name, f"{key!r} does not begin with {kind.name!r} and -")
        claim(name, "/" not in key and key == key.strip(), f"{key!r} has a / or blanks")
        claim(name, kind.parse(key) == op, f"{key!r} is read back as {kind.parse(key)}, it was {op}")
        for text in (f"{key}?", f"{key} ", key[:-1] + "\u00e9", f"{key}-{key}"):
            claim(name, kind.parse(text) is None, f"{text!r} is read as an operator; give None")


def check_operator_counts(make: MakeKind) -> None:
    """Multiply-adds, parameters and bytes are whole numbers; parameters are those that it has."""
    name, kind = "operator counts", make()
    for op in kind.examples:
        counted = {"madds": kind.madds(op), "params": kind.num_params(op), "bytes": kind.num_bytes(op)}
        counted["peak"] = kind.peak_bytes(op)
        for what, value in counted.items():
            claim(name, type(value) is int and value >= 0, f"{op.key}: {what} is {value!r}, no whole number")
        if kind.apply is not None:
            held = sum(int(np.prod(shape)) for shape in kind.shapes(op).values())
            claim(name, counted["params"] == held, f"{op.key}: params is {counted['params']}, its shapes hold {held}")


def check_operator_apply(make: MakeKind) -> None:
    """Pure and jittable: fresh weights of its shapes, rows apart, finite, in the input's type, norms as it says."""
    name, kind = "operator apply", make()
    if kind.apply is None or kind.init is None:
        claim(name, (kind.apply is None) == (kind.init is None), "init and apply are given together, or neither is")
        return
    for op in kind.examples:
        _check_apply(name, kind, op)


def check_operator_gradients(make: MakeKind) -> None:
    """Gradients are finite, and every parameter has one."""
    name, kind = "operator gradients", make()
    if kind.apply is None or kind.init is None:
        return
    for op in kind.examples:
        parameters, x = _fresh(kind, op), _inputs(kind, op)
        apply = _jitted(kind, op)
        shape = jax.eval_shape(apply, parameters, x, None)[0].shape
        weight = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        total = jax.jit(jax.grad(lambda p, x, w, apply=apply: (apply(p, x, None)[0] * w).sum()))
        for part, grad in total(parameters, x, weight).items():
            slope = np.asarray(grad)
            claim(name, bool(np.isfinite(slope).all()), f"{op.key}: the gradient of {part} is not finite")
            claim(name, bool(np.any(slope != 0)), f"{op.key}: {part} has no gradient: it changes nothing")


def check_operator_nodes(make: MakeKind) -> None:
    """Its ONNX nodes compute what ``apply`` does, in onnxruntime; nothing is checked where that is not installed."""
    name, kind = "operator nodes", make()
    installed = all(importlib.util.find_spec(package) for package in ("onnx", "onnxruntime"))
    if kind.nodes is None or kind.apply is None or not installed:
        return
    from nagjax.deployment import onnx_models, runtime

    for op in kind.examples:
        parameters, x = _fresh(kind, op), _inputs(kind, op)
        y, statistics = _jitted(kind, op)(parameters, x, None)
        arrays = {part: np.asarray(value) for part, value in parameters.items()}
        norms = {part: (np.asarray(mean), np.asarray(variance)) for part, (mean, variance) in statistics.items()}
        model = onnx_models.operator_model(op, arrays, norms, BATCH, kind)
        found = runtime.run(runtime.session(model), np.asarray(x), BATCH)
        expected = np.asarray(y)
        expected = expected.transpose(0, 3, 1, 2) if y.ndim == onnx_models.MAPS else expected
        claim(name, found.shape == expected.shape, f"{op.key}: ONNX gives {found.shape}, apply {expected.shape}")
        far = _distance(found, expected)
        claim(name, far <= TOLERANCE, f"{op.key}: ONNX and apply differ by {far:.1e} of the largest output")


def check_operator_step(make: MakeKind) -> None:
    """Where it makes text token by token, tokens in turn give the rows of ``apply``; what is kept keeps its shape."""
    name, kind = "operator step", make()
    if kind.step is None or kind.apply is None:
        claim(name, kind.step is None, "it has a step and no apply, whose rows it gives; give both")
        return
    stepped = [op for op in kind.examples if kind.kept_shapes(op, BATCH) is not None]
    claim(name, bool(stepped), "it has a step, and kept is None of all its examples")
    for op in stepped:
        parameters, x = _fresh(kind, op), _inputs(kind, op)
        expected = np.asarray(_jitted(kind, op)(parameters, x, None)[0])
        step = functools.partial(jax.jit(kind.step, static_argnums=0), op)
        kept, rows = blocks.nothing_kept(op, BATCH), []
        shapes = jax.tree.map(np.shape, kept)
        for before in range(x.shape[1]):
            y, kept = step(parameters, x[:, before : before + 1], kept, before)
            rows.append(np.asarray(y))
        found = jax.tree.map(np.shape, kept)
        claim(name, found == shapes, f"{op.key}: keeps {found}, and said {shapes}")
        far = _distance(np.concatenate(rows, 1), expected)
        claim(name, far <= STEP_TOLERANCE, f"{op.key}: steps and apply differ by {far:.1e} of the largest output")


OPERATOR_CHECKS: tuple[Callable[..., None], ...] = (
    check_operator_form,
    check_operator_keys,
    check_operator_counts,
    check_operator_apply,
    check_operator_gradients,
    check_operator_nodes,
    check_operator_step,
)


def check_operator(make: MakeKind) -> None:
    """Run every check on a factory of a kind of operator, which must be registered: keys are read by its name.

    Raises:
      AssertionError: if a check fails; the text begins with its name.
    """
    for check in OPERATOR_CHECKS:
        check(make)


def _check_apply(name: str, kind: OperatorKind, op: Operator) -> None:
    assert kind.init is not None
    assert kind.apply is not None
    parameters, x = _fresh(kind, op), _inputs(kind, op)
    found = {part: value.shape for part, value in parameters.items()}
    claim(name, found == kind.shapes(op), f"{op.key}: init gives shapes {found}, shapes says {kind.shapes(op)}")
    typed = all(value.dtype == jnp.float32 for value in parameters.values())
    claim(name, typed, f"{op.key}: fresh parameters are not float32")
    claim(name, same(parameters, _fresh(kind, op)), f"{op.key}: one key gives two different sets of parameters")
    apply = _jitted(kind, op)
    y, used = apply(parameters, x, None)
    claim(name, y.shape[0] == BATCH, f"{op.key}: gives {y.shape} for a batch of {BATCH}")
    claim(name, y.shape[-1] == op.out_channels, f"{op.key}: gives {y.shape[-1]} channels, not {op.out_channels}")
    claim(name, bool(np.isfinite(np.asarray(y)).all()), f"{op.key}: its output is not finite")
    norms = {part.removesuffix("_scale") for part in parameters if part.endswith("_scale")}
    claim(name, set(used) == norms, f"{op.key}: it used statistics of {sorted(used)}, its norms are {sorted(norms)}")
    row = apply(parameters, np.asarray(x)[:1], used)[0]
    far = _distance(np.asarray(row), np.asarray(y)[:1])
    claim(name, far <= TOLERANCE, f"{op.key}: a row alone, with the same statistics, differs by {far:.1e}")
    if jnp.issubdtype(x.dtype, jnp.floating):
        half = jax.eval_shape(apply, parameters, jax.ShapeDtypeStruct(x.shape, jnp.bfloat16), None)[0]
        claim(name, half.dtype == jnp.bfloat16, f"{op.key}: gives {half.dtype} for bfloat16")


def _fresh(kind: OperatorKind, op: Operator) -> dict[str, Any]:
    """Fresh parameters, with biases and offsets that are not 0, so that they are seen."""
    assert kind.init is not None
    fresh = jax.jit(kind.init, static_argnums=1)(jax.random.key(0), op)
    rng, moved = np.random.default_rng(2), {}
    for part, value in fresh.items():  # by NumPy, which compiles nothing for a new shape
        moved[part] = jax.device_put(np.asarray(value) + 0.1 * rng.normal(size=value.shape).astype(value.dtype))
    return moved


def _jitted(kind: OperatorKind, op: Operator) -> Callable[..., Any]:
    """``(parameters, x, statistics) -> (output, statistics used)``, jitted: eagerly each step is compiled alone."""
    assert kind.apply is not None
    return functools.partial(jax.jit(kind.apply, static_argnums=0), op)


def _inputs(kind: OperatorKind, op: Operator) -> jax.Array:
    made = kind.inputs(kind.input_shape(op, BATCH), np.random.default_rng(0))
    return jax.device_put(made.astype(np.float32) if made.dtype.kind == "f" else made)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-6))
