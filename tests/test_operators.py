"""Operators: arithmetic worked by hand, keys that read back, kinds that conform; and what the suite finds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagjax import convolution, plugins, testing
from nagjax.operators import (
    ACTIVATIONS,
    BUILT_IN,
    Operator,
    average_pool,
    cell,
    kind_of,
    linear,
    madds,
    make_divisible,
    params,
    parse_key,
    peak_memory,
    reduction,
    traffic,
)

sizes = st.integers(1, 512)
operators = st.builds(
    Operator,
    kind=st.sampled_from([name for name in BUILT_IN if not name.startswith("decoder")]),  # with keys of their own
    in_size=sizes,
    out_size=sizes,
    in_channels=sizes,
    out_channels=sizes,
    kernel=st.integers(1, 9),
    stride=st.integers(1, 2),
    mid_channels=st.integers(0, 1024),
    squeeze_excite=st.booleans(),
    activation=st.sampled_from(ACTIVATIONS),
    skip=st.booleans(),
    norm=st.booleans(),
    attributes=st.sampled_from([(), (("heads", 4),), (("heads", 4), ("mixer", "linear"))]),
)


def test_peak_memory_is_that_of_the_widest_step():
    plain = Operator("conv", 4, 2, 3, 8, kernel=3, stride=2)
    assert peak_memory(plain) == 4 * (4 * 4 * 3 + 2 * 2 * 8)
    # 4x4x2 in, expanded to 4x4x6, narrowed to 2x2x6, 2x2x4 out: the expansion holds most, then the depthwise step.
    bottleneck = Operator("mbconv", 4, 2, 2, 4, kernel=3, stride=2, mid_channels=6)
    assert peak_memory(bottleneck) == 4 * max(32 + 96, 96 + 24, 24 + 16)
    # With a residual the input is held through the depthwise step, 4x4x6 to 4x4x6.
    residual = Operator("mbconv", 4, 4, 2, 2, kernel=3, mid_channels=6, skip=True)
    assert peak_memory(residual) == 4 * (32 + 96 + 96)
    # Nothing is expanded where the middle is as wide as the input.
    narrow = Operator("mbconv", 4, 2, 2, 16, kernel=3, stride=2, mid_channels=2)
    assert peak_memory(narrow) == 4 * max(32 + 8, 8 + 64)


@given(operators)
def test_keys_read_back(op):
    assert parse_key(op.key) == op


@given(operators, operators)
def test_different_operators_have_different_keys(first, second):
    assert (first.key == second.key) == (first == second)


def test_the_key_leaves_the_network_resolution_out():
    assert Operator("conv", 8, 8, 3, 4, resolution=32).key == Operator("conv", 8, 8, 3, 4, resolution=64).key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "conv",
        "conv-8x8x3-8x8x4",
        "conv-8x9x3-8x8x4-k1-s1",
        "conv-8x8x3-8x8x4-k1-s1-bn-skip",
        "conv-8x8x3-8x8x4-k1-s1 ",
        "conv-8x8x3-8x8x4-k1-s1-heads=",
        "warp-8x8x3-8x8x4-k1-s1",
    ],
)
def test_a_text_that_is_no_key_is_refused_with_an_example(key):
    with pytest.raises(
        ValueError, match=r"does not name an operator.*an example of the form is 'pool-7x7x960"
    ) as error:
        parse_key(key)
    assert repr(key) in str(error.value)


def test_unknown_kinds_and_activations_are_refused_with_the_known():
    with pytest.raises(ValueError, match="'warp' is not one of conv, mbconv"):
        Operator("warp", 1, 1, 1, 1)
    with pytest.raises(ValueError, match="'gelu' is not one of none, relu"):
        Operator("conv", 1, 1, 1, 1, activation="gelu")


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 8), (12, 16), (20, 24), (19.2, 24), (32, 32), (44, 48), (36.1, 40)]
)
def test_make_divisible(value, expected):
    assert make_divisible(value) == expected


@given(st.floats(8, 5000))
def test_make_divisible_loses_at_most_a_tenth(value):
    assert make_divisible(value) % 8 == 0
    assert 0.9 * value <= make_divisible(value) <= value + 8


# Input 4x4x8, expanded to 16 channels, output 2x2x8: expand 8*16*16, depthwise 9*16*4, project 16*8*4.
BLOCK = Operator("mbconv", 4, 2, 8, 8, kernel=3, stride=2, mid_channels=16)
CASES = [
    # 9 * 3 * 8 multiplications at each of 16 outputs; 9 * 3 * 8 weights, scale and offset of 8 channels
    (Operator("conv", 8, 4, 3, 8, kernel=3, stride=2), 9 * 3 * 8 * 16, 9 * 3 * 8 + 16),
    (Operator("conv", 1, 1, 3, 8, norm=False), 24, 24),
    (Operator("linear", 1, 1, 5, 7, norm=False), 35, 42),
    (Operator("pool", 7, 1, 9, 9, kernel=7, norm=False), 0, 0),
    (Operator("identity", 7, 7, 9, 9), 0, 0),
    (BLOCK, 2048 + 576 + 512, (8 + 2) * 16 + (9 + 2) * 16 + (16 + 2) * 8),
    # mid == in: no expansion
    (Operator("mbconv", 4, 4, 8, 8, kernel=3, mid_channels=8), 9 * 8 * 16 + 64 * 16, 11 * 8 + 10 * 8),
    # two of 3x3 to 2x2 outputs, 1x1 of the means beside them
    (reduction.reduction(4, 3, 5), 4 * (9 * 3 * 5 + 9 * 5 * 5 + 3 * 5), 9 * 3 * 5 + 9 * 5 * 5 + 3 * 5 + 4 * 5),
    # the edge from the input to node 1 leads nowhere
    (cell.cell(4, 3, ["nor_conv_3x3", "nor_conv_1x1", "none"]), 16 * 9, 9 + 6),
    # squeeze-excite of 64 channels through 16: two matrices, two biases
    (
        Operator("mbconv", 1, 1, 64, 8, kernel=1, mid_channels=64, squeeze_excite=True),
        64 + 2 * 64 * 16 + 64 * 8,
        3 * 64 + 2 * 64 * 16 + 64 + 16 + 66 * 8,
    ),
]


@pytest.mark.parametrize(("op", "expected", "_"), CASES, ids=lambda case: getattr(case, "key", None))
def test_madds_by_hand(op, expected, _):
    assert madds(op) == expected


@pytest.mark.parametrize(("op", "_", "expected"), CASES, ids=lambda case: getattr(case, "key", None))
def test_params_by_hand(op, _, expected):
    assert params(op) == expected


def test_bytes_by_hand():
    """8 x 8 x 3 and 4 x 4 x 8 numbers of maps, 27 x 8 weights, scale and offset of 8 channels."""
    assert traffic(Operator("conv", 8, 4, 3, 8, kernel=3, stride=2)) == 4 * (192 + 128 + 216 + 16)


@pytest.mark.parametrize("check", testing.OPERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.names("operators"))
def test_registered_kinds_conform(name, check):
    check(plugins.load("operators", name))


def test_all_kinds_of_the_library_are_registered():
    assert set(BUILT_IN) <= set(plugins.names("operators"))
    assert all(kind_of(name).name == name for name in BUILT_IN)


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        (["nor_conv_3x3", "none"], "a cell of 2, 3, 4 nodes has 1, 3, 6 edges, not 2"),
        (["nor_conv_7x7"], "edges names 'nor_conv_7x7'"),
        (["nor_conv_3x3", "none", "none"], "no path leads through the cell"),
    ],
)
def test_a_cell_that_is_none_is_refused(operations, says):
    with pytest.raises(ValueError, match=says):
        cell.cell(4, 8, operations)


def test_a_mean_of_a_window_counts_the_pixels_that_lie_in_the_map():
    found = kind_of("average_pool").apply(
        average_pool.average_pool(3, 1), {}, jnp.arange(9.0).reshape(1, 3, 3, 1), None
    )[0]
    assert found[0, :, :, 0].tolist() == [[2.0, 2.5, 3.0], [3.5, 4.0, 4.5], [5.0, 5.5, 6.0]]


@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (5, 2)])
def test_a_convolution_by_taps_and_its_gradients_equal_those_of_xla(kernel, stride):
    rng = np.random.default_rng(0)
    x, weights = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 5, 5, 3), (kernel, kernel, 3, 4)))

    def both(function):
        return jax.jit(jax.value_and_grad(lambda *own: (function(*own, stride) ** 2).sum(), (0, 1)))

    side = -(-5 // stride)
    assert jax.eval_shape(lambda: convolution.convolution(x, weights, stride)).shape == (2, side, side, 4)
    found, expected = both(convolution.taps)(x, weights), both(convolution.native)(x, weights)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4), found, expected)


@pytest.mark.parametrize("value", [-1, 2.5, "a b", True])
def test_attributes_that_no_key_could_hold_are_refused(value):
    with pytest.raises(ValueError, match="operator attribute 'heads'"):
        Operator("conv", 1, 1, 1, 1, attributes=(("heads", value),))


GOOD = linear.make()


def bent(op, parameters, x, statistics):
    """The sum over the batch comes into every row."""
    y, used = GOOD.apply(op, parameters, x, statistics)
    return y + y.sum(0)[None], used


@pytest.mark.parametrize(
    ("check", "changes", "text"),
    [
        ("form", {"examples": GOOD.examples[:1]}, "has 1 examples"),
        ("keys", {"parse": lambda text: GOOD.examples[0]}, "keys: .*is read"),
        ("counts", {"params": lambda op: 1}, "params is 1, its shapes hold 42"),
        ("counts", {"madds": lambda op: 0.5}, "madds is 0.5, no whole number"),
        ("apply", {"apply": bent}, "a row alone"),
        ("apply", {"apply": lambda *a: (GOOD.apply(*a)[0].astype(jnp.float32), {})}, "gives float32 for bfloat16"),
        ("apply", {"init": None}, "given together"),
        ("gradients", {"apply": lambda op, p, x, s: (x[:, 0, 0, :1] * p["bias"][None], {})}, "weights has no gradient"),
        ("nodes", {"nodes": lambda graph, op, p, s, x: GOOD.nodes(graph, op, p | {"bias": 0 * p["bias"]}, s, x)},
         "ONNX and apply differ"),
    ],
)  # fmt: skip
def test_the_suite_finds_what_breaks_it(check, changes, text):
    if check == "nodes":
        pytest.importorskip("onnxruntime")
    with pytest.raises(AssertionError, match=f"operator {check}: .*{text}" if "keys" not in text else text):
        getattr(testing, f"check_operator_{check}")(lambda: dataclasses.replace(GOOD, **changes))


def test_a_kind_that_is_priced_only_conforms_and_says_so_when_it_is_run():
    testing.check_operator(lambda: dataclasses.replace(GOOD, init=None, apply=None, nodes=None))
