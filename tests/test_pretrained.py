"""Decoders out of trained ones: networks written from the equations, weights by their usual names, order, bits."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import import_weights
from nagjax import blocks, testing
from nagjax.deployment import onnx_models, quantisation, runtime
from nagjax.deployment.subnets import Subnet
from nagjax.operators.gpt2_mlp import gpt2_mlp
from nagjax.operators.stored import levels_of, rounded, stored_bytes
from nagjax.pretrained import importance, loading, maps, reading
from nagjax.spaces import pretrained_decoder
from nagjax.spaces.pretrained_decoder import plan_of

safetensors = pytest.importorskip("safetensors.numpy", reason="weights are read from safetensors")

V, C, F, H, D, L, LAYERS, POSITIONS = 7, 8, 12, 4, 2, 5, 2, 6
TINY = {"length": L, "vocabulary": V, "width": C, "layers": LAYERS, "heads": H, "hidden": F, "keep_heads": "2-4",
        "keep_hidden": "6-12", "bits": "4-32"}  # fmt: skip


@pytest.mark.parametrize("check", testing.ELASTIC_CHECKS, ids=lambda check: check.__name__)
def test_one_set_of_weights_holds_every_part_of_gpt2(check):
    check(pretrained_decoder.make, **TINY)


def test_one_set_of_weights_holds_every_part_of_llama():
    testing.check_elastic_alone(pretrained_decoder.make, **TINY | {"family": "llama", "groups": 2})


# Networks from the papers' equations, on tensors by the names of usual files


def gpt2_tensors(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"wte.weight": (V, C), "wpe.weight": (POSITIONS, C), "ln_f.weight": (C,), "ln_f.bias": (C,)}
    for at in range(LAYERS):
        shapes |= {
            f"h.{at}.ln_1.weight": (C,), f"h.{at}.ln_1.bias": (C,),
            f"h.{at}.attn.c_attn.weight": (C, 3 * H * D), f"h.{at}.attn.c_attn.bias": (3 * H * D,),
            f"h.{at}.attn.c_proj.weight": (H * D, C), f"h.{at}.attn.c_proj.bias": (C,),
            f"h.{at}.ln_2.weight": (C,), f"h.{at}.ln_2.bias": (C,),
            f"h.{at}.mlp.c_fc.weight": (C, F), f"h.{at}.mlp.c_fc.bias": (F,),
            f"h.{at}.mlp.c_proj.weight": (F, C), f"h.{at}.mlp.c_proj.bias": (C,),
        }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def llama_tensors(groups=2, seed=1):
    rng = np.random.default_rng(seed)
    shapes = {"model.embed_tokens.weight": (V, C), "model.norm.weight": (C,), "lm_head.weight": (V, C)}
    for at in range(LAYERS):
        shapes |= {
            f"model.layers.{at}.input_layernorm.weight": (C,),
            f"model.layers.{at}.self_attn.q_proj.weight": (H * D, C),
            f"model.layers.{at}.self_attn.k_proj.weight": (groups * D, C),
            f"model.layers.{at}.self_attn.v_proj.weight": (groups * D, C),
            f"model.layers.{at}.self_attn.o_proj.weight": (C, H * D),
            f"model.layers.{at}.post_attention_layernorm.weight": (C,),
            f"model.layers.{at}.mlp.gate_proj.weight": (F, C),
            f"model.layers.{at}.mlp.up_proj.weight": (F, C),
            f"model.layers.{at}.mlp.down_proj.weight": (C, F),
        }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def softmax_heads(query, key, value):
    """Of one sequence, ``[L, D]`` each: what a token sees of those before it and of itself."""
    out = np.zeros_like(value)
    for at in range(len(query)):
        scores = np.exp(key[: at + 1] @ query[at] / np.sqrt(query.shape[1]))
        out[at] = scores / scores.sum() @ value[: at + 1]
    return out


def gpt2(tensors, tokens):
    """Logits ``[L, V]`` of one sequence: Radford et al. 2019, with the norm of Ba et al. and the GELU by tanh."""

    def norm(name, x):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def linear(name, x):
        return x @ tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    x = tensors["wte.weight"][tokens] + tensors["wpe.weight"][: len(tokens)]
    for at in range(LAYERS):
        query, key, value = np.split(linear(f"h.{at}.attn.c_attn", norm(f"h.{at}.ln_1", x)), 3, axis=1)
        heads = [softmax_heads(*(y[:, h * D : (h + 1) * D] for y in (query, key, value))) for h in range(H)]
        x = x + linear(f"h.{at}.attn.c_proj", np.concatenate(heads, 1))
        y = linear(f"h.{at}.mlp.c_fc", norm(f"h.{at}.ln_2", x))
        bent = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + linear(f"h.{at}.mlp.c_proj", bent)
    return norm("ln_f", x) @ tensors["wte.weight"].T


def llama(tensors, tokens, groups=2, theta=500.0):
    """Logits ``[L, V]`` of one sequence: Touvron et al., with each pair of channels turned as a complex number."""

    def norm(name, x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * tensors[f"model.{name}.weight"]

    def linear(name, x):
        return x @ tensors[f"model.{name}.weight"].T

    def turned(y):
        half = D // 2
        angle = np.outer(np.arange(len(y)), theta ** (-2 * np.arange(half) / D))
        z = (y[:, :half] + 1j * y[:, half:]) * np.exp(1j * angle)
        return np.concatenate([z.real, z.imag], 1)

    x = tensors["model.embed_tokens.weight"][tokens]
    for at in range(LAYERS):
        name = f"layers.{at}"
        y = norm(f"{name}.input_layernorm", x)
        query, key, value = (linear(f"{name}.self_attn.{p}_proj", y) for p in "qkv")
        heads = []
        for h in range(H):
            own, shared = slice(h * D, (h + 1) * D), slice(h * groups // H * D, (h * groups // H + 1) * D)
            heads.append(softmax_heads(turned(query[:, own]), turned(key[:, shared]), value[:, shared]))
        x = x + linear(f"{name}.self_attn.o_proj", np.concatenate(heads, 1))
        y = norm(f"{name}.post_attention_layernorm", x)
        gate = linear(f"{name}.mlp.gate_proj", y)
        x = x + linear(f"{name}.mlp.down_proj", gate / (1 + np.exp(-gate)) * linear(f"{name}.mlp.up_proj", y))
    return norm("norm", x) @ tensors["lm_head.weight"].T


CONFIGS = {
    "gpt2": {"n_head": H, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"},
    "llama": {"num_attention_heads": H, "rms_norm_eps": 1e-6, "rope_theta": 500.0, "hidden_act": "silu"},
}
MADE = {"gpt2": (gpt2_tensors, gpt2), "llama": (llama_tensors, llama)}
TOKENS = np.random.default_rng(5).integers(0, V, (3, L)).astype(np.int32)


def put_in(tensors, config, wanted):
    """Space, plan and parameters."""
    found = loading.given("model", tensors)
    space = nagjax.space("pretrained_decoder", **loading.settings_of(found, config, wanted))
    return space, plan_of(space), loading.parameters(found, plan_of(space))


def loaded(family, **wanted):
    """Those of a made-up model."""
    return put_in(MADE[family][0](), CONFIGS[family], {"length": L, "keep_hidden": "6-12", **wanted})


def logits(space, parameters, tokens, inputs=TOKENS):
    return np.asarray(jax.jit(space.elastic().apply)(parameters, inputs, tokens).outputs)


@pytest.mark.parametrize("family", MADE)
def test_with_everything_kept_it_is_the_given_model_in_any_order(family):
    tensors, model = MADE[family]
    space, plan, parameters = loaded(family)
    expected = np.stack([model(tensors(), row) for row in TOKENS])
    apply, whole = jax.jit(space.elastic().apply), space.largest()
    np.testing.assert_allclose(apply(parameters, TOKENS, whole).outputs, expected, atol=1e-4)
    for name, order in importance.ORDERS.items():
        moved = importance.ordered(plan, parameters, order(plan, parameters, TOKENS))
        np.testing.assert_allclose(apply(moved, TOKENS, whole).outputs, expected, atol=1e-4)
        same = all(np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (moved, parameters)), strict=True))
        assert same == (name == "given")


def test_what_is_left_out_is_not_computed():
    space, _, parameters = loaded("gpt2", bits="8-32", keep_heads="2-4")
    tensors = gpt2_tensors()
    for part in ("attn.c_proj", "mlp.c_proj"):  # a layer that adds nothing
        tensors[f"h.0.{part}.weight"] *= 0
        tensors[f"h.0.{part}.bias"] *= 0
    tensors["h.1.attn.c_proj.weight"][2 * D :] = 0  # heads 2 and 3, units from 6 on
    tensors["h.1.mlp.c_proj.weight"][6:] = 0
    tokens = space.parse("dropped:b32-h2-f6")
    np.testing.assert_allclose(
        logits(space, parameters, tokens), np.stack([gpt2(tensors, row) for row in TOKENS]), atol=1e-4
    )
    assert space.format(tokens) == "dropped:b32-h2-f6"
    assert space.count() == (1 + 2 * 2 * 2) ** 2


def test_what_is_worth_most_comes_first():
    space, plan, parameters = loaded("gpt2")
    part = {name: np.array(array) for name, array in parameters["layer1"]["attention"].items()}
    part["out"][: 3 * D] *= 0.01  # the last head alone says something
    loud = {**parameters, "layer1": {**parameters["layer1"], "attention": part}}
    worths = importance.by_contributions(plan, loud, TOKENS)
    assert worths[0].heads.argmax() == 3
    first = importance.ordered(plan, loud, worths)["layer1"]["attention"]
    np.testing.assert_array_equal(first["out"][:D], part["out"][3 * D :])
    np.testing.assert_array_equal(first["query"][:, :D], part["query"][:, 3 * D :])
    # Norms of activations by hand: hidden units of the first layer.
    op = plan.attention(H)
    x = blocks.apply(plan.stem, parameters["embedding"], jnp.asarray(TOKENS))[0]
    x = blocks.apply(op, parameters["layer1"]["attention"], x)[0]
    units = importance.HIDDEN["gpt2"](plan.feed_forward(F), parameters["layer1"]["feed_forward"], x)
    found = importance.by_activations(plan, parameters, TOKENS)[0].hidden
    np.testing.assert_allclose(found, np.sqrt((np.asarray(units) ** 2).mean((0, 1))), rtol=1e-4)
    up, down = parameters["layer2"]["feed_forward"]["up"], parameters["layer2"]["feed_forward"]["down"]
    bias = parameters["layer2"]["feed_forward"]["up_bias"]
    by_hand = np.sqrt((up[:, 3] ** 2).sum() + bias[3] ** 2 + (down[3] ** 2).sum())
    assert importance.by_magnitude(plan, parameters, TOKENS)[1].hidden[3] == pytest.approx(by_hand, rel=1e-5)
    assert space.largest().tolist() == [1, 3, 1] * LAYERS


# Bits


def test_rounded_weights_are_those_worked_by_hand():
    weights = jnp.asarray([[0.7, -2.0], [-0.34, 0.9], [0.0, 0.24]])
    found = rounded({"up": weights, "bias": jnp.ones(2) / 3}, levels_of(4))  # 7 steps of 0.1, and of 2 / 7
    step = 2 / 7
    np.testing.assert_allclose(found["up"], [[0.7, -2.0], [-0.3, 3 * step], [0.0, step]], atol=1e-6)
    np.testing.assert_array_equal(found["bias"], jnp.ones(2) / 3)
    np.testing.assert_array_equal(rounded({"up": weights}, levels_of(32))["up"], weights)
    assert (jax.grad(lambda w: (rounded({"up": w}, 7)["up"] * weights).sum())(weights) == weights).all()
    # 2 * 8 * 12 weights of 4 bits, 12 + 8 scales, and a norm and biases in single precision.
    assert stored_bytes(gpt2_mlp(6, 8, 12, 4)) == 96 + 4 * 20 + 4 * (16 + 12 + 8)
    assert stored_bytes(gpt2_mlp(6, 8, 12)) == 4 * (192 + 16 + 12 + 8)


def test_fewer_bits_are_further_from_the_given_model_and_smaller():
    space, _, parameters = loaded("gpt2", bits="4-8-16-32")
    apply = jax.jit(space.elastic().apply)
    rows = [space.parse(f"b{bits}-h4-f12:b{bits}-h4-f12") for bits in (4, 8, 16, 32)]
    given = [np.asarray(apply(parameters, TOKENS, row).outputs) for row in rows]
    far = [np.abs(one - given[-1]).max() for one in given]
    assert far[0] > 4 * far[1] > 40 * far[2] > 0
    sizes = space.operator_sum(np.stack(rows), np.array([stored_bytes(op) for op in space.operators]))
    assert (np.diff(sizes) > 0).all()
    fixed = 4 * (V * C + L * C + 2 * C + C * V + V)
    assert sizes[-1] == fixed + LAYERS * 4 * (4 * C * C + 4 * C + 2 * C + 2 * C * F + F + C + 2 * C)


# Files


def test_files_are_read_by_name_and_in_half_precision(tmp_path):
    tensors = {f"transformer.{name}": array for name, array in gpt2_tensors().items()}
    for at in range(LAYERS):
        tensors[f"transformer.h.{at}.attn.bias"] = np.tril(np.ones((1, 1, 4, 4), np.float32))
    names = sorted(tensors)
    for number, part in enumerate((names[:9], names[9:]), 1):
        safetensors.save_file(
            {name: tensors[name].astype(np.float16) for name in part}, tmp_path / f"m{number}.safetensors"
        )
    found = loading.given("model", reading.read_tensors(tmp_path))
    np.testing.assert_array_equal(found.tensors["wte.weight"], tensors["transformer.wte.weight"].astype(np.float16))
    assert loading.settings_of(found, {}, {"heads": 2, "length": 4}) == {
        "family": "gpt2", "layers": 2, "vocabulary": V, "width": C, "hidden": F, "heads": 2, "groups": 2,
        "head_size": 4, "length": 4,
    }  # fmt: skip
    # 0x3FC0 is the upper half of 1.5.
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\xc0\x3f")
    assert reading.read_tensors(tmp_path / "b.safetensors")["a"].tolist() == [1.5]


def without(tensors, name):
    return {key: array for key, array in tensors.items() if key != name}


GPT2 = gpt2_tensors()


@pytest.mark.parametrize(
    ("tensors", "config", "wanted", "text"),
    [
        (without(GPT2, "h.1.mlp.c_fc.bias"), {}, {}, r"has no tensor h\.1\.mlp\.c_fc\.bias"),
        (GPT2 | {"h.0.attn.extra": np.ones(3)}, {}, {}, r"h\.0\.attn\.extra is not a tensor of gpt2"),
        ({"encoder.weight": np.ones((2, 2))}, {}, {}, r"names of gpt2 are like h\.\{layer\}"),
        (
            GPT2 | {"h.1.ln_2.bias": np.ones(3, np.float32)},
            {"n_head": H},
            {},
            r"h\.1\.ln_2\.bias .* the space needs \[8\]",
        ),
        (GPT2, {}, {}, "shapes do not say how many heads"),
        (GPT2, {"n_head": 3}, {}, "not shared evenly by heads=3"),
        (GPT2, {"n_head": H}, {"width": 16}, "the model has width=8, the settings say 16"),
        (GPT2, {"n_head": H}, {"length": 9}, "length=9: the model knows 6 positions"),
        (GPT2, {"n_head": H, "activation_function": "relu"}, {}, "activation_function='relu'; of gpt2 only 'gelu_new'"),
        (llama_tensors(), {"num_attention_heads": H, "rope_scaling": {"factor": 8}}, {}, "rope_scaling="),
        (llama_tensors(), {"num_attention_heads": H, "model_type": "granite"}, {}, "model_type='granite'; of llama"),
        (llama_tensors(), {"num_attention_heads": H, "sliding_window": 4096}, {}, "sliding_window=4096"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tensors, config, wanted, text):
    with pytest.raises(ValueError, match=text):
        put_in(tensors, config, {"length": L, **wanted})


def test_names_of_ones_own_come_from_a_file(tmp_path):
    usual = maps.MAPS["gpt2"]
    written = {
        "family": "gpt2", "tensors": {f"my.{name}": list(slots) for name, slots in usual.tensors.items()},
        "transposed": ["my.lm_head.weight"], "instead": {"my.lm_head.weight": "my.wte.weight"}, "zeros": ["head.bias"],
    }  # fmt: skip
    path = tmp_path / "map.json"
    path.write_text(json.dumps(written))
    own = loading.given("model", {f"my.{name}": array for name, array in GPT2.items()}, maps.read_map(path))
    usually = loading.given("model", GPT2)
    plan = loaded("gpt2")[1]
    pairs = zip(*(jax.tree.leaves(loading.parameters(one, plan)) for one in (own, usually)), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)
    for change, text in (
        ({"family": "bert"}, "family 'bert' is not one of gpt2, llama"),
        ({"tensor": {}}, "'tensor' is not one of"),
        ({"zeros": "head.bias"}, "zeros is 'head.bias'"),
        ({"transposed": ["x"]}, "'x' is transposed"),
        ({"instead": {"my.wte.weight": "my.lm_head.weight", "my.lm_head.weight": "my.wte.weight"}}, "may be absent"),
    ):
        path.write_text(json.dumps(written | change))
        with pytest.raises(ValueError, match=text):
            maps.read_map(path)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"family": "bert"}, "family='bert' is not one of gpt2, llama"),
        ({"keep_heads": "1-2"}, "keep_heads='1-2': the last must be all, 4"),
        ({"family": "llama", "groups": 2, "keep_heads": "1-4"}, "2 heads share keys; give multiples of 2"),
        ({"groups": 2}, "heads of gpt2 share no keys"),
        ({"family": "llama", "head_size": 3}, "give an even number"),
        ({"bits": "8-64"}, "64 is not one of 2 to 16, or 32"),
        ({"keep_hidden": "12-6"}, "write each number once, ascending"),
    ],
)
def test_settings_that_make_no_space_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        pretrained_decoder.make(**TINY | settings)


@pytest.mark.parametrize("text", ["b32-h4-f12", "b32-h5-f12:dropped", "b8-h4-f12:dropped", "b32:dropped"])
def test_texts_that_name_no_part_are_refused(text):
    with pytest.raises(ValueError, match="architecture"):
        pretrained_decoder.make(**TINY).parse(text)


def decoder_model():
    """The largest decoder of a tiny GPT-2 in ONNX."""
    space, plan, parameters = loaded("gpt2")
    largest = space.largest()
    used = space.elastic().used(parameters, largest)
    operators = pretrained_decoder.operators_of(plan, largest)
    held = tuple({name: np.asarray(value) for name, value in used[f"op{at}"].items()} for at in range(len(operators)))
    none = np.zeros(0, np.float32)
    return onnx_models.network_model(Subnet("", "", operators, held, ({},) * len(operators), none, none))


def test_int8_of_a_decoder_attends_as_the_decoder_does(tmp_path):
    """Where scores and what hides later tokens share a scale, all scores become equal: 0.1 deviations off, not 0.01."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the network runs")
    onnx_models.save(decoder_model(), tmp_path / "a.onnx")
    quantisation.quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", TOKENS)
    answers = {}
    for name in ("a", "b"):
        session = onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        answers[name] = session.run(None, {onnx_models.TOKENS: TOKENS})[0]
    off = np.abs(answers["b"] - answers["a"]).mean()
    assert 0 < off < 0.03 * answers["a"].std(), off / answers["a"].std()


def test_a_decoder_takes_tokens_and_files_that_call_them_images_are_read(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the network runs")
    model = decoder_model()
    assert [one.name for one in model.graph.input] == ["tokens"]
    expected = runtime.run(runtime.session(model), TOKENS)
    model.graph.input[0].name = "images"
    for node in model.graph.node:
        node.input[:] = ["images" if name == "tokens" else name for name in node.input]
    onnx_models.save(model, tmp_path / "old.onnx")
    np.testing.assert_array_equal(runtime.run(runtime.session(tmp_path / "old.onnx"), TOKENS), expected)
    quantisation.quantise(tmp_path / "old.onnx", tmp_path / "int8.onnx", TOKENS)
    again = runtime.session(tmp_path / "int8.onnx")
    assert [one.name for one in again.get_inputs()] == ["images"]
    assert np.abs(runtime.run(again, TOKENS) - expected).mean() < 0.03 * expected.std()


def test_weights_become_a_supernet_that_is_labelled_and_deployed(tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the deployed network runs")
    model = tmp_path / "model"
    model.mkdir()
    safetensors.save_file(gpt2_tensors(), model / "model.safetensors")
    (model / "config.json").write_text(json.dumps(CONFIGS["gpt2"]))
    task = f"pairs=2,queries=1,vocabulary={V + 1},training=32,validation=8,test=8"
    flags = [
        f"--weights={model}",
        "--task=recall",
        "--space_settings=keep_hidden=6-12,bits=8-32",
        "--compilation_cache=",
    ]
    assert import_weights.main([*flags, f"--task_settings={task}", f"--out={tmp_path / 'no'}"]) == 2
    wide = gpt2_tensors()
    wide["wte.weight"] = np.concatenate([wide["wte.weight"], np.ones((1, C), np.float32)])
    safetensors.save_file(wide, model / "model.safetensors")
    assert import_weights.main([*flags, f"--task_settings={task}", f"--out={tmp_path / 'a'}"]) == 0
    recorded = json.loads((tmp_path / "a" / "supernet.json").read_text())["config"]
    given = ",".join(f"{name}={value}" for name, value in recorded["space"]["settings"].items())
    assert f"--space_settings={given} " in capsys.readouterr().out.replace("\n", " "), "what follows can be pasted"
    assert recorded["recipe"]["order"] == "contributions"
    assert len(recorded["recipe"]["weights"]["sha256"]) == 64
    (card,) = nagjax.deploy(
        tmp_path / "a", tmp_path / "b", architectures=["b8-h4-f6:b32-h2-f12"], formats=["onnx"], rounds=1
    )
    assert card.built["difference"]["onnx"] < 1e-5
    assert card.built["difference"]["supernet"] < 1e-5
