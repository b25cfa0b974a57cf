"""A search space of 24 architectures that a test can list by hand, with problems and policies on it.

Four decisions: a size (optional), a depth, and two blocks; the second block is closed at depth 1. The lists of
architectures and their costs are made here without the trellis, so that it can be checked against them.
"""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from nagjax.devices.pricing import Prices
from nagjax.generator.policy import Policy, init_policy
from nagjax.operators import Operator
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem, Spec
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

KERNELS = (1, 3, 5)
SIZES = (8, 16)
MANY_SIZES = tuple(range(8, 26, 2))
"""Nine sizes, so many more than depths that a walk needs two scans."""


def stem(size: int) -> Operator:
    """What a choice of size adds."""
    return Operator("conv", size, size, 3, 4, resolution=size)


def identity(size: int) -> Operator:
    """What a choice of depth adds: free."""
    return Operator("identity", size, size, 4, 4, resolution=size)


def block(size: int, position: int, kernel: int) -> Operator:
    """The operator of a block."""
    return Operator("conv", size, size, 4 + position, 4, kernel=kernel, resolution=size)


def head(size: int) -> Operator:
    """What the last block adds beside its own operator."""
    return Operator("pool", size, 1, 4, 4, kernel=size, resolution=size)


def make_space(sizes: Sequence[int] = SIZES) -> Space:
    """The space; features tell the size and the kernel of each block."""
    decisions = (
        Decision("size", "size", tuple({"size": size} for size in sizes), optional=True),
        Decision("depth", "depth", ({"depth": 1}, {"depth": 2})),
        Decision("block0", "block", tuple({"kernel": kernel} for kernel in KERNELS)),
        Decision("block1", "block", tuple({"kernel": kernel} for kernel in KERNELS)),
    )
    names = [f"size={size}" for size in sizes] + [f"block{i}={k}" for i in (0, 1) for k in KERNELS]

    def edges(layer: int, node: Any) -> list[tl.Edge]:
        if layer == 0:
            return [tl.Edge(c, size, (stem(size),), (f"size={size}",)) for c, size in enumerate(sizes)]
        if layer == 1:
            return [tl.Edge(c, (node, c), (identity(node),)) for c in (0, 1)]
        size, depth = node
        if layer == 3 and depth == 0:
            return [tl.Edge(0, "end")]
        last = (head(size),) if layer == 2 + depth else ()
        return [
            tl.Edge(c, node, (block(size, layer - 2, k), *last), (f"block{layer - 2}={k}",))
            for c, k in enumerate(KERNELS)
        ]

    trellis, operators = tl.build(4, "start", edges, names)
    return Space(
        name="tiny",
        version=1,
        settings={},
        decisions=decisions,
        trellis=trellis,
        operators=operators,
        feature_names=tuple(names),
        parse_text=lambda text: [int(c) for c in text],
        format_tokens=lambda tokens: "".join(map(str, tokens)),
        describe_tokens=str,
    )


def architectures(sizes: Sequence[int] = SIZES) -> np.ndarray:
    """All canonical tokens int32 ``[N, 4]``."""
    every = itertools.product(range(len(sizes)), (0, 1), range(3), range(3))
    return np.array([row for row in every if row[1] or not row[3]], np.int32)


def operators_of(tokens: Sequence[int], sizes: Sequence[int] = SIZES) -> list[Operator]:
    """The operators of an architecture, by hand."""
    size, (_, depth, first, second) = sizes[tokens[0]], tokens
    blocks = [block(size, 0, KERNELS[first])] + ([block(size, 1, KERNELS[second])] if depth else [])
    return [stem(size), identity(size), *blocks, head(size)]


def path_costs(space: Space, tokens: np.ndarray, prices: Prices, exponent: int) -> np.ndarray:
    """Costs int64 ``[N]`` in ticks, in exact arithmetic; for ``"max"`` an edge costs its costliest operator."""
    sizes = [choice["size"] for choice in space.decisions[0].choices]
    value = dict(zip(space.operators, prices.values, strict=True))
    scale = Fraction(2) ** exponent
    out = []
    for row in tokens.tolist():
        parts = [-(-Fraction(float(value[op])) * scale // 1) for op in operators_of(row, sizes)]
        out.append(sum(parts) if prices.reduce == "sum" else max(parts))
    return np.array(out, np.int64)


def raw_costs(space: Space, tokens: np.ndarray, prices: Prices) -> list[Fraction]:
    """Costs in units without any rounding."""
    sizes = [choice["size"] for choice in space.decisions[0].choices]
    value = dict(zip(space.operators, prices.values, strict=True))
    combine = sum if prices.reduce == "sum" else max
    return [combine(Fraction(float(value[op])) for op in operators_of(row, sizes)) for row in tokens.tolist()]


def make_prices(space: Space, seed: int, reduce: str = "sum", scale: float = 1.0) -> Prices:
    """A column of made-up prices; identities are free."""
    rng = np.random.default_rng(seed)
    values = scale * rng.uniform(0.1, 1.0, len(space.operators))
    values[[op.kind == "identity" for op in space.operators]] = 0.0
    name, unit = ("latency_ms", "ms") if reduce == "sum" else ("memory_kib", "KiB")
    return Prices(name, unit, values, space.trellis.valid, reduce=reduce, device="made up")


def make_quality(space: Space, seed: int = 0, known: Sequence[bool] | None = None, members: int = 1) -> Predictor:
    """A linear predictor of made-up weights."""
    rng = np.random.default_rng(seed)
    num = len(space.feature_names)
    layer = {"kernel": rng.normal(0, 1, (members, num, 1)), "bias": np.zeros((members, 1))}
    arrays = {
        "network": {"params": {"Dense_0": layer}},
        "offset": np.full(members, 0.5),
        "scale": np.full(members, 0.1),
    }
    params = jax.device_put(jax.tree.map(np.float32, arrays))
    mask = np.ones(num, bool) if known is None else np.array(known)
    return Predictor(params, jax.device_put(mask), MLP(()))


def make(seed: int = 0, reduces: Sequence[str] = ("sum",), sizes: Sequence[int] = SIZES) -> tuple[Problem, Description]:
    """A problem on the space with made-up prices and quality."""
    space = make_space(sizes)
    prices = [make_prices(space, seed + 100 * k, reduce) for k, reduce in enumerate(reduces)]
    return make_problem(space, prices, make_quality(space, seed))


def make_policy(spec: Spec, seed: int = 0, noise: float = 0.5) -> Policy:
    """A policy of random parameters, so that no two choices are alike."""
    policy = init_policy(jax.random.key(seed), spec, 6, 3)
    rng = np.random.default_rng(seed)

    def noisy(leaf: jax.Array) -> jax.Array:
        # By NumPy, which compiles nothing for a new shape.
        return jax.device_put(np.asarray(leaf) + rng.normal(0, noise, leaf.shape).astype(np.float32))

    params = jax.tree.map(noisy, policy.params)
    return Policy(params, policy.anchors, policy.network)


def rows(tokens: Any) -> set[tuple[int, ...]]:
    """Tokens ``[N, T]`` as a set."""
    return {tuple(row) for row in np.asarray(tokens).tolist()}
