"""Networks taken out of a supernet: their outputs, their files, and what ONNX Runtime and jax make of these."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import blocks
from nagjax.deployment import onnx_models, profiled, programs, quantisation, runtime, subnets, supernets
from nagjax.deployment.timing import call
from nagjax.devices.formats import read_table
from nagjax.inference.answers import Answer
from nagjax.operators import ACTIVATIONS, BUILT_IN, Operator, kind_of
from nagjax.profile.subjects import Subject
from tests.deployed import LARGE, PLAN, SMALL, SPACE, make_images, make_supernet

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'nagjax[deploy]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'nagjax[deploy]'")
IMAGES = make_images(20, 3)


@functools.cache
def taken(text):
    return make_supernet().network(text)


@functools.cache
def outputs(text):
    """The images that the network takes, and its own logits."""
    net = taken(text)
    images = supernets.scaled(IMAGES.pixels, net.resolution)
    return images, np.asarray(jax.jit(net.apply)(images))


def test_a_network_taken_out_computes_what_the_supernet_does():
    text = SMALL
    supernet, net = make_supernet(), taken(text)
    tokens = SPACE.parse(text)
    np.testing.assert_allclose(outputs(text)[1], supernet.logits(IMAGES.pixels, tokens), atol=1e-5, rtol=1e-5)
    assert (net.architecture, net.resolution, net.classes) == (text, PLAN.resolutions[tokens[0]], 3)


def test_an_answer_is_taken_out_by_its_tokens():
    tokens = SPACE.parse(SMALL)
    answer = Answer({}, tokens, SMALL, 0.5, 0.0, {}, {}, True, "greedy")
    assert answer.network(make_supernet()).architecture == SMALL


def test_weights_are_read_back_without_space_or_supernet(tmp_path):
    net = taken(LARGE)
    net.save(tmp_path / "a.safetensors")
    again = subnets.load_subnet(tmp_path / "a.safetensors")
    assert (again.operators, again.architecture, again.space) == (net.operators, LARGE, SPACE.identity)
    jax.tree.map(
        np.testing.assert_array_equal, [again.parameters, again.statistics, again.mean, again.std],
        [net.parameters, net.statistics, net.mean, net.std],
    )  # fmt: skip


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    net = taken(SMALL)
    net.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        subnets.load_subnet(path)
    path.write_bytes(whole.replace(b"nagjax-network", b"nagjax-netw0rk"))
    with pytest.raises(ValueError, match="is not a nagjax-network"):
        subnets.load_subnet(path)
    bent = ({"weights": np.zeros(2, np.float32)}, *net.parameters[1:])
    dataclasses.replace(net, parameters=bent).save(path)
    with pytest.raises(ValueError, match=r"op0\.weights"):
        subnets.load_subnet(path)
    nan = np.full_like(net.mean, np.nan)
    dataclasses.replace(net, mean=nan).save(path)
    with pytest.raises(ValueError, match=r"image\.mean .* not finite"):
        subnets.load_subnet(path)


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_onnx_computes_the_same_for_any_batch(text):
    images, logits = outputs(text)
    session = runtime.session(onnx_models.network_model(taken(text)))
    for batch in (1, 7, 20):
        np.testing.assert_allclose(runtime.run(session, images, batch), logits, atol=1e-4)


def test_what_onnxruntime_times_belongs_to_the_operators_of_the_network(tmp_path):
    """The names of nodes outlive the runtime's own fusions and layouts."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "run")
    model = onnx_models.network_model(taken(LARGE)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {"images": np.zeros((1, 1, 8, 8), np.float32)})
    table = read_table(session.end_profiling(), ())
    timed = {op.key for op in taken(LARGE).operators if op.kind != "identity"}
    assert {key for key, _ in table.rows} == timed


def test_the_file_says_what_it_is():
    model = onnx_models.network_model(taken(SMALL))
    assert [(one.domain, one.version) for one in model.opset_import] == [("", onnx_models.OPSET)]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {one.key: one.value for one in model.metadata_props} == {"architecture": SMALL, "space": SPACE.identity}


def made_up(op, seed=0):
    rng = np.random.default_rng(seed)
    parameters = {name: rng.normal(0.5, 0.5, shape).astype(np.float32) for name, shape in blocks.shapes(op).items()}
    statistics = {
        name: (rng.normal(size=shape).astype(np.float32), rng.uniform(0.5, 2, shape).astype(np.float32))
        for name, shape in subnets.norm_shapes(op).items()
    }
    return parameters, statistics


ALL = [
    *[Operator("conv", 7, 4, 3, 8, 3, 2, activation=name) for name in ACTIVATIONS],
    Operator("conv", 5, 5, 3, 8, norm=False, activation="h_swish"),
    Operator("mbconv", 7, 4, 8, 16, 5, 2, 24, squeeze_excite=True, activation="h_swish"),
    Operator("mbconv", 5, 5, 8, 8, 3, 1, 8, activation="relu", skip=True),
    Operator("pool", 5, 1, 8, 8, 5, norm=False),
    Operator("linear", 1, 1, 8, 3, norm=False),
    Operator("identity", 5, 5, 8, 8),
]


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.key)
def test_every_kind_of_operator_is_in_onnx_what_it_is_in_jax(op):
    parameters, statistics = made_up(op)
    x = np.random.default_rng(1).normal(size=blocks.input_shape(op, 2)).astype(np.float32)
    expected, _ = blocks.apply(op, parameters, jnp.asarray(x), statistics)
    found = runtime.run(runtime.session(onnx_models.operator_model(op, parameters, statistics, 2)), x)
    expected = np.asarray(expected if op.kind == "linear" else expected.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_no_kind_of_operator_that_is_computed_is_without_nodes():
    """What nodes of kinds on token numbers and rows compute is checked with their kinds (tests/test_operators.py)."""
    computed = {name for name in BUILT_IN if kind_of(name).apply is not None}
    assert all(kind_of(name).nodes is not None for name in computed)
    assert {op.kind for op in ALL} <= computed


@pytest.mark.parametrize("op", [ALL[5], ALL[-2]], ids=lambda op: op.key)
def test_copies_side_by_side_are_the_operator_with_other_weights(op):
    made = [made_up(op, seed) for seed in range(3)]
    x = np.random.default_rng(1).normal(size=blocks.input_shape(op, 2)).astype(np.float32)
    found = runtime.session(onnx_models.operators_model(op, made, 2)).run(None, {"images": x.transpose(0, 3, 1, 2)})
    for own, (parameters, statistics) in zip(found, made, strict=True):
        expected = np.asarray(blocks.apply(op, parameters, jnp.asarray(x), statistics)[0])
        pooled = expected if op.kind == "linear" else expected.mean((1, 2))
        np.testing.assert_allclose(own.reshape(pooled.shape), pooled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", profiled.DTYPES)
@pytest.mark.parametrize("kind", ["operator", "network"])
def test_the_profiler_gets_times_of_what_runs(kind, dtype):
    net = taken(SMALL)
    subject = Subject(kind, "x", net.operators if kind == "network" else net.operators[1:2])
    session, turns = profiled.session(subject, 2, dtype, threads=1)
    call(session, 2)()
    assert (turns == 1) == (kind == "network")
    seconds = profiled.preparation(2, dtype, 1, least_ms=0.01)(subject)()
    assert 0 < seconds < 10


def test_what_is_not_the_operators_own_is_taken_off():
    assert profiled.without(lambda: 5.0, lambda: 2.0)() == 3.0
    assert profiled.without(lambda: 5.0, lambda: 7.0)() == 0.25


@pytest.mark.parametrize("skip", [False, True])
def test_int8_pools_alone_are_what_stands_behind_an_int8_copy(skip, tmp_path):
    """What is taken off is, node by node, what the runtime itself puts around the end of a copy."""
    op = next(op for op in SPACE.operators if op.kind == "mbconv" and op.skip == skip)
    whole, small, optimised = (tmp_path / f"{name}.onnx" for name in ("float32", "int8", "optimised"))
    onnx_models.save(onnx_models.operators_model(op, [made_up(op, seed) for seed in range(2)], 1), whole)
    quantisation.quantise(whole, small, np.random.default_rng(0).random(blocks.input_shape(op, 8), np.float32), 1)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(optimised), 3
    onnxruntime.InferenceSession(str(small), options, providers=["CPUExecutionProvider"])
    copy = [node.op_type for node in onnx.load(optimised).graph.node]
    pools = onnx_models.int8_pools_model((1, 2, 2, 3), 1, channels_last=not skip)
    assert [name for name in copy[-4:] if name not in ("QLinearConv", "QLinearAdd")] == [
        node.op_type for node in pools.graph.node
    ]
    pixels = np.full((1, 2, 2, 3), 200, np.uint8)
    pixels[..., 1] = [[0, 100], [100, 200]]
    found = runtime.session_as_written(pools).run(None, {"images0": pixels})[0]
    np.testing.assert_allclose(found.ravel(), [0.72, -0.28, 0.72], rtol=1e-6)


def test_the_profiler_refuses_a_type_it_has_not():
    with pytest.raises(ValueError, match="float32, int8"):
        profiled.preparation(1, "bfloat16", 1, 1.0)


def test_int8_stays_near_and_is_calibrated_on_training_images(tmp_path):
    images, logits = outputs(LARGE)
    onnx_models.save(onnx_models.network_model(taken(LARGE)), tmp_path / "a.onnx")
    looked_at = make_supernet().calibration_inputs(SPACE.parse(LARGE), 24)
    quantisation.quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", looked_at)
    found = runtime.run(runtime.session(tmp_path / "b.onnx"), images)
    spread = logits.std()
    assert 0 < np.abs(found - logits).mean() < 0.25 * spread
    model = onnx.load(tmp_path / "b.onnx")
    scales = [len(one.float_data) or len(one.raw_data) // 4 for one in model.graph.initializer if "scale" in one.name]
    assert max(scales) >= 16, "weights have a scale for each channel"
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in model.graph.node}


def test_stablehlo_runs_for_any_batch_on_both_platforms():
    images, logits = outputs(SMALL)
    found = jax.export.deserialize(bytearray(programs.serialized(taken(SMALL))))
    assert set(found.platforms) == {"cpu", "cuda"}
    for batch in (1, 20):
        np.testing.assert_allclose(found.call(jnp.asarray(images[:batch])), logits[:batch], atol=1e-5)
