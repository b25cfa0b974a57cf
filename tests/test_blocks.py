"""Blocks: the depthwise convolution against XLA's own, each operator by hand or in numpy, parameters counted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import blocks
from nagjax.depthwise import depthwise, native, taps
from nagjax.operators import Operator, layers, params
from nagjax.spaces import mobilenet_v3, ofa_mobilenet_v3


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def count(op):
    return sum(int(np.prod(shape)) for shape in blocks.shapes(op).values())


# Depthwise convolution

SIZES = ((5, 4), (2, 3))
"""Odd and even both ways; the second is smaller than every kernel but the least."""


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_depthwise_and_its_gradients_equal_xla(kernel, stride):
    weights = normal(0, kernel, kernel, 3)
    maps = [normal(1, 2, *size, 3) for size in SIZES]
    grads = [normal(2, 2, -(-h // stride), -(-w // stride), 3) for h, w in SIZES]

    def everything(function, maps, weights, grads):
        out = []
        for x, grad in zip(maps, grads, strict=True):
            y, pull = jax.vjp(functools.partial(function, stride=stride), x, weights)
            out.append((y, *pull(grad)))
        return out

    ours = jax.jit(functools.partial(everything, depthwise))(maps, weights, grads)
    theirs = jax.jit(functools.partial(everything, native))(maps, weights, grads)
    for size, got, expected in zip(SIZES, ours, theirs, strict=True):
        for what, a, b in zip(("maps", "gradient of maps", "gradient of weights"), got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=f"{what} at {size}")


def test_taps_can_be_asked_for_on_any_platform():
    x, weights = normal(0, 2, 5, 4, 3), normal(1, 3, 3, 3)
    ways = [jax.jit(jax.grad(lambda x, w, way=way: (way(x, w, 2) ** 2).sum(), (0, 1))) for way in (taps, native)]
    for got, expected in zip(*(way(x, weights) for way in ways), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("tap", "expected"),
    [((0, 0), [[0, 0], [0, 6]]), ((1, 1), [[1, 3], [9, 11]]), ((2, 2), [[6, 8], [14, 16]])],
)
def test_padding_at_stride_2_is_the_same_on_every_side(tap, expected):
    """Images 4 x 4 of 1 to 16 seen through one tap; SAME would see 1, 3, 9, 11 through the first."""
    x = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)
    weights = np.zeros((3, 3, 1), np.float32)
    weights[tap] = 1
    assert jax.jit(depthwise, static_argnums=2)(x, weights, 2)[0, :, :, 0].tolist() == expected
    conv = Operator("conv", 4, 2, 1, 1, kernel=3, stride=2, norm=False)
    assert blocks.apply(conv, {"weights": jnp.asarray(weights[..., None])}, x)[0][0, :, :, 0].tolist() == expected


@pytest.mark.parametrize(("platform", "grouped"), [("cpu", False), ("cuda", True), ("tpu", True)])
def test_only_processors_sum_over_taps(platform, grouped):
    """Lowered, not compiled: this needs no such device."""

    def total(x, weights):
        return depthwise(x, weights, 1).sum()

    traced = jax.jit(jax.grad(total, (0, 1))).trace(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 2)))
    assert ("stablehlo.convolution" in traced.lower(lowering_platforms=(platform,)).as_text()) is grouped


# Parameters

EVERY_KIND = (
    Operator("identity", 8, 8, 4, 4),
    Operator("pool", 8, 1, 4, 4, kernel=8, norm=False),
    Operator("linear", 1, 1, 5, 7, norm=False),
    Operator("conv", 8, 4, 3, 8, kernel=3, stride=2),
    Operator("conv", 1, 1, 3, 8, norm=False),
    Operator("mbconv", 8, 8, 8, 8, kernel=3, mid_channels=8),
    Operator("mbconv", 8, 4, 8, 16, kernel=5, stride=2, mid_channels=24),
    Operator("mbconv", 8, 8, 8, 8, kernel=7, mid_channels=8, squeeze_excite=True),
    Operator("mbconv", 8, 8, 8, 8, kernel=3, mid_channels=64, squeeze_excite=True, skip=True),
)


@pytest.mark.parametrize("op", EVERY_KIND, ids=lambda op: op.key)
def test_as_many_parameters_as_the_operator_says(op):
    assert count(op) == params(op)
    fresh = jax.eval_shape(lambda key: blocks.init(key, op), jax.random.key(0))
    assert {name: (leaf.shape, leaf.dtype) for name, leaf in fresh.items()} == {
        name: (shape, np.float32) for name, shape in blocks.shapes(op).items()
    }


LARGE = (  # input channels, kernel, middle, output channels, squeeze-excite: table 1 of arXiv 1905.02244
    (16, 3, 16, 16, False), (16, 3, 64, 24, False), (24, 3, 72, 24, False), (24, 5, 72, 40, True),
    (40, 5, 120, 40, True), (40, 5, 120, 40, True), (40, 3, 240, 80, False), (80, 3, 200, 80, False),
    (80, 3, 184, 80, False), (80, 3, 184, 80, False), (80, 3, 480, 112, True), (112, 3, 672, 112, True),
    (112, 5, 672, 160, True), (160, 5, 960, 160, True), (160, 5, 960, 160, True),
)  # fmt: skip


def test_mobilenet_v3_large_has_the_published_number_of_parameters():
    """torchvision gives 5,483,032 for its ``mobilenet_v3_large``; between its two last layers stands a bias."""
    body = [Operator("mbconv", 8, 8, i, o, k, 1, mid, squeeze) for i, k, mid, o, squeeze in LARGE]
    stem, last = Operator("conv", 8, 4, 3, 16, 3, 2), Operator("conv", 8, 8, 160, 960)
    layers = [Operator("linear", 1, 1, i, o, norm=False) for i, o in ((960, 1280), (1280, 1000))]
    assert sum(map(count, [stem, *body, last, *layers])) == 5_483_032


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_networks_of_once_for_all_have_the_parameters_of_their_operators(width):
    space, plan = ofa_mobilenet_v3.make(width), ofa_mobilenet_v3.plan(width)
    values = np.array([params(op) for op in space.operators])
    tokens = space.sample(np.random.default_rng(0), 20)
    counts = [sum(map(count, mobilenet_v3.operators(plan, row))) for row in tokens.tolist()]
    assert space.operator_sum(tokens, values).tolist() == counts


def test_fresh_weights_are_of_he_and_norms_of_scale_1():
    operators = (
        Operator("conv", 8, 8, 32, 64, kernel=3),
        Operator("mbconv", 8, 8, 64, 32, kernel=3, mid_channels=512),
        Operator("linear", 1, 1, 64, 64, norm=False),
    )
    conv, block, linear = jax.jit(lambda key: [blocks.init(key, op) for op in operators])(jax.random.key(3))
    for weights, expected in (
        (conv["weights"], (2 / (9 * 64)) ** 0.5),
        (block["expand"], (2 / 512) ** 0.5),
        (block["depthwise"], (2 / 9) ** 0.5),
        (block["project"], (2 / 32) ** 0.5),
        (linear["weights"], 0.01),
    ):
        assert float(weights.std()) == pytest.approx(expected, rel=0.05)
    for name, value in {**conv, **block, **linear}.items():
        if value.ndim == 1:
            assert (value == float(name.endswith("scale"))).all(), name


# What each operator does


def test_batch_norm_takes_the_statistics_of_the_batch_or_those_given():
    """Products 2, 4, 6, 8 have mean 5 and variance (9 + 1 + 1 + 9) / 4; then scale 3 and offset 1."""
    op = Operator("conv", 2, 2, 1, 1)
    parameters = {"weights": jnp.full((1, 1, 1, 1), 2.0), "norm_scale": jnp.array([3.0]), "norm_offset": jnp.ones(1)}
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    y, used = blocks.apply(op, parameters, x)
    assert [float(value[0]) for value in used["norm"]] == [5.0, 5.0]
    np.testing.assert_allclose(y.ravel(), [3 * d / 5.00001**0.5 + 1 for d in (-3, -1, 1, 3)], rtol=1e-6)
    given = {"norm": (jnp.array([6.0]), jnp.array([4.0 - layers.EPSILON]))}
    y, used = blocks.apply(op, parameters, x, given)
    assert used == given
    np.testing.assert_allclose(y.ravel(), [-5.0, -2.0, 1.0, 4.0], rtol=1e-5)


def test_operators_without_norms_by_hand():
    x = jnp.arange(8.0).reshape(1, 2, 2, 2)
    assert blocks.apply(EVERY_KIND[0], {}, x)[0] is x
    pooled, used = blocks.apply(Operator("pool", 2, 1, 2, 2, kernel=2, norm=False), {}, x)
    assert (pooled.tolist(), used) == ([[[[3.0, 4.0]]]], {})
    linear = {"weights": jnp.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), "bias": jnp.array([0.0, 0.0, 5.0])}
    assert blocks.apply(Operator("linear", 1, 1, 2, 3, norm=False), linear, pooled)[0].tolist() == [[43.0, 86.0, 134.0]]
    conv = Operator("conv", 2, 2, 2, 1, activation="relu6", norm=False)
    assert blocks.apply(conv, {"weights": jnp.array([1.0, -1.5]).reshape(1, 1, 2, 1)}, -x)[0].ravel().tolist() == [
        1.5, 2.5, 3.5, 4.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [-4.0, -1.0, 1.0, 7.0]),
        ("relu", [0.0, 0.0, 1.0, 7.0]),
        ("relu6", [0.0, 0.0, 1.0, 6.0]),
        ("h_swish", [0.0, -1 / 3, 2 / 3, 7.0]),
    ],
)
def test_activations_by_hand(name, expected):
    np.testing.assert_allclose(layers.activate(name, jnp.array([-4.0, -1.0, 1.0, 7.0])), expected, rtol=1e-6)


def mbconv_in_numpy(op, p, x):
    """An inverted bottleneck step by step; norms by the batch."""
    act = {"relu": lambda v: np.maximum(v, 0), "h_swish": lambda v: v * np.clip(v + 3, 0, 6) / 6}[op.activation]

    def norm(name, v):
        v = (v - v.mean((0, 1, 2))) / np.sqrt(v.var((0, 1, 2)) + 1e-5)
        return v * p[f"{name}_scale"] + p[f"{name}_offset"]

    y = act(norm("expand_norm", x @ p["expand"])) if op.mid_channels != op.in_channels else x
    pad = op.kernel // 2
    padded = np.pad(y, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    y = np.zeros((len(x), op.out_size, op.out_size, op.mid_channels))
    for i in range(op.out_size):
        for j in range(op.out_size):
            a, b = i * op.stride, j * op.stride
            y[:, i, j] = (padded[:, a : a + op.kernel, b : b + op.kernel] * p["depthwise"]).sum((1, 2))
    y = act(norm("depthwise_norm", y))
    if op.squeeze_excite:
        hidden = np.maximum(y.mean((1, 2)) @ p["squeeze"] + p["squeeze_bias"], 0)
        gate = np.clip(hidden @ p["excite"] + p["excite_bias"] + 3, 0, 6) / 6
        y = y * gate[:, None, None, :]
    y = norm("project_norm", y @ p["project"])
    return y + x if op.skip else y


@pytest.mark.parametrize(
    "op",
    [
        Operator("mbconv", 5, 5, 4, 4, 3, 1, 4, activation="relu", skip=True),
        Operator("mbconv", 5, 3, 4, 6, 5, 2, 12, activation="relu"),
        Operator("mbconv", 4, 4, 4, 4, 3, 1, 12, True, "h_swish", skip=True),
        Operator("mbconv", 4, 2, 4, 6, 3, 2, 8, True, "relu"),
    ],
    ids=lambda op: op.key,
)
def test_inverted_bottlenecks_equal_numpy(op):
    parameters = {name: normal(at, *shape) for at, (name, shape) in enumerate(blocks.shapes(op).items())}
    x = normal(99, 3, op.in_size, op.in_size, op.in_channels)
    y, used = jax.jit(functools.partial(blocks.apply, op))(parameters, x)
    np.testing.assert_allclose(y, mbconv_in_numpy(op, parameters, x), rtol=1e-4, atol=1e-4)
    norms = {name.removesuffix("_scale") for name in parameters if name.endswith("scale")}
    assert {name: mean.shape for name, (mean, _) in used.items()} == {
        name: parameters[f"{name}_scale"].shape for name in norms
    }


# Whole networks

SMALL = (
    Operator("conv", 6, 3, 1, 4, 3, 2, activation="h_swish"),
    Operator("mbconv", 3, 3, 4, 4, 3, 1, 8, True, "h_swish", skip=True),
    Operator("pool", 3, 1, 4, 4, kernel=3, norm=False),
    Operator("linear", 1, 1, 4, 3, norm=False),
)


def test_a_network_is_its_operators_one_after_another():
    network, x = blocks.Network(SMALL), normal(0, 2, 6, 6, 1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
    parameters = jax.tree.map(lambda leaf: jnp.asarray(normal(leaf.size, *leaf.shape)), shapes)
    y, used = jax.jit(network.apply)({"params": parameters}, x)

    @jax.jit
    def one_after_another(x):
        every = []
        for at, op in enumerate(SMALL):
            x, taken = blocks.apply(op, parameters[f"op{at}"], x)
            every.append(taken)
        return x, tuple(every)

    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, (y, used), one_after_another(x))
    # The same images with the statistics they gave, and one of them alone with the statistics of both.
    alone, both = (jax.jit(network.apply)({"params": parameters}, images, used)[0] for images in (x[:1], x))
    close(both, y)
    close(alone, y[:1])


def test_a_network_computes_in_its_type_and_keeps_statistics_in_float32():
    network, x = blocks.Network(SMALL, jnp.dtype("bfloat16")), normal(0, 2, 6, 6, 1)
    (y, used), variables = jax.eval_shape(network.init_with_output, jax.random.key(0), x)
    assert (y.shape, y.dtype) == ((2, 3), jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves((used, variables))} == {jnp.dtype("float32")}


def test_the_least_network_of_once_for_all_runs():
    space = ofa_mobilenet_v3.make()
    least = ",".join(["3,3,0,0"] * 5)
    operators = mobilenet_v3.operators(ofa_mobilenet_v3.plan(), space.parse(f"2,2,2,2,2:{least}:{least}:96").tolist())
    network, x = blocks.Network(operators), normal(0, 2, 96, 96, 3)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)
    y, _ = jax.jit(network.apply)(jax.tree.map(lambda leaf: 0.1 * normal(leaf.size, *leaf.shape), shapes), x)
    assert y.shape == (2, 1000)
    assert np.isfinite(y).all()
    assert np.ptp(y, 0).max() > 0, "the two images differ"
