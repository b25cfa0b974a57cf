"""Elastic networks, tasks and strategies: all that are registered conform, what breaks the suites, a third party's."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import label, profile_device, train_supernet
from nagjax import plugins, testing
from nagjax.authoring import tabular_quality
from nagjax.deployment import onnx_models, runtime
from nagjax.deployment.subnets import Subnet, load_subnet
from nagjax.spaces import mnasnet, nas_bench_201, nas_bench_macro
from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet.strategy import make_strategy
from nagjax.testing.small import small_space, small_task

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "tests" / "example_network"


# What the library brings


def family():
    """The least of the MobileNetV3 family: 6 architectures at one resolution."""
    return make_space("least", 1, {}, Plan(
        (8,), (1, 2), (3, 5), (2,), 8, 1, 3, (8, 8, 8, 8, 8), (2,), (True,), ("h_swish",)))  # fmt: skip


def once(make):
    """A space whose elastic network is made once, so that what is compiled for one test serves the others."""

    @functools.cache
    def made():
        space = make()
        return dataclasses.replace(space, elastic=functools.cache(space.elastic))

    made.__name__ = make.__name__
    return made


@once
def cells():
    """NAS-Bench-201 of 4 channels and one cell a stage, on images of 4 pixels."""
    return nas_bench_201.make(channels=4, cells=1, image_size=4, image_channels=1, classes=3)


@once
def macro():
    """NAS-Bench-Macro of a stem of one channel, on images of 16 pixels."""
    return nas_bench_macro.make(width=1, image_size=16, image_channels=1, classes=3)


@once
def factorised():
    """MnasNet of one block of two widths and kernels, plain and inverted, with and without squeeze-excite."""
    return mnasnet.make(
        image_size=8, classes=3, filters="8", layers="2", strides="2", operations="conv-mbconv3", kernels="1-3",
        scales="0.5-1", stem=4, head=8,
    )  # fmt: skip


@pytest.mark.parametrize("check", testing.ELASTIC_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", [family, small_space, cells, factorised])
def test_elastic_networks_of_the_library_conform(make, check):
    check(make)


@pytest.mark.parametrize("check", [testing.check_elastic_alone, testing.check_elastic_operators])
def test_networks_of_nas_bench_macro_alone_equal_those_within(check, monkeypatch):
    """Of one with each choice; the rest of the suite is that of chains, which ``factorised`` goes through."""
    monkeypatch.setattr(testing.networks, "_architectures", lambda space: [space.parse("01201201")])
    check(macro)


def test_residual_branches_of_a_chain_begin_at_0_where_a_recipe_asks_for_it():
    """The scale of the last norm alone; a place whose layer changes the shape keeps its own."""
    elastic = macro().elastic("float32")
    fresh = jax.jit(elastic.init)(jax.random.key(0))
    quiet = elastic.quiet(fresh)
    assert not quiet["layer2"]["mbconv"]["project_norm_scale"].any()
    changed = jax.tree.map(lambda one, other: bool((one != other).any()), fresh, quiet)
    assert sum(jax.tree.leaves(changed)) == sum(changed["layer2"]["mbconv"].values()) * 5 == 5


DEAD, BARRED = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", "|nor_conv_3x3~0|+|none~0|none~1|+"
BARRED += "|none~0|none~1|nor_conv_1x1~2|"


def test_an_edge_on_no_path_is_neither_computed_nor_held():
    """Node 1 leads nowhere in the first cell; nothing leads through the second, and the bias is all that is told."""
    space = cells()
    elastic = space.elastic("float32")
    parameters = jax.jit(elastic.init)(jax.random.key(0))
    parameters["linear"]["bias"] = jnp.arange(3.0)
    apply = jax.jit(elastic.apply)
    x = jnp.asarray(elastic.example(4, 4, np.random.default_rng(0)))
    tokens = space.parse(DEAD)
    alone, used = elastic.alone(tokens), elastic.used(parameters, tokens)
    assert [op.kind for op in alone.operators[:3]] == ["conv", "cell", "reduction"]
    assert used["op1"] == {}
    found, own = apply(parameters, x, tokens).outputs, jax.jit(alone.apply)(used, x, None)[0]
    np.testing.assert_allclose(found, own, rtol=1e-5, atol=1e-5)
    tokens = space.parse(BARRED)
    alone, used = elastic.alone(tokens), elastic.used(parameters, tokens)
    assert alone.operators == ()
    assert [*used] == ["bias"]
    np.testing.assert_array_equal(apply(parameters, x, tokens).outputs, np.tile([0.0, 1.0, 2.0], (4, 1)))
    np.testing.assert_array_equal(alone.apply(used, x, None)[0], np.tile([0.0, 1.0, 2.0], (4, 1)))


def test_a_cell_is_written_to_onnx_as_its_graph():
    """The chain has a cell as one operator, whose nodes are the graph of its edges."""
    pytest.importorskip("onnxruntime")
    space = cells()
    elastic, tokens = (
        space.elastic("float32"),
        space.parse("|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
    )
    alone, x = elastic.alone(tokens), elastic.example(4, 16, np.random.default_rng(0))
    used = elastic.used(jax.jit(elastic.init)(jax.random.key(0)), tokens)
    outputs, statistics = jax.jit(alone.apply)(used, x, None)
    arrays = jax.tree.map(np.asarray, [used[f"op{at}"] for at in range(len(alone.operators))])
    nothing = np.zeros(0, np.float32)
    subnet = Subnet("", "", alone.operators, tuple(arrays), jax.tree.map(np.asarray, statistics), nothing, nothing)
    found = runtime.run(runtime.session(onnx_models.network_model(subnet, 16)), x, 16)
    np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("check", testing.TASK_CHECKS, ids=lambda check: check.__name__)
def test_images_conform(check):
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the digits")
    check(plugins.load("tasks", "digits"), smoothing=0.2)


@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_registered_strategies_conform(name, check):
    check(plugins.load("strategies", name))


def test_largest_and_smallest_go_by_size_and_not_by_the_order_of_choices():
    """The average pool is the last choice of a cell and none the first; the sizes say otherwise."""
    space = nas_bench_201.make()
    assert space.largest().tolist() == [3] * 6
    assert space.smallest().tolist() == [1] * 6
    sizes = np.broadcast_to(np.array([0.0, 0.0, 1.0, 9.0, 0.0]), space.trellis.shape)
    sized = dataclasses.replace(space, edge_sizes=sizes)
    assert sized.smallest().tolist() == [0] * 6
    assert sized.largest(sized.where({"operation": ["none", "skip_connect"]})).tolist() == [1] * 6
    unsized = dataclasses.replace(plugins.load("spaces", "tabular")([["kernel", [3, 5]]]))
    with pytest.raises(ValueError, match="declares neither operators nor edge_sizes"):
        unsized.largest()


def test_the_longest_path_equals_brute_force():
    space = make_space("plain", 1, {}, Plan(
        (6, 8), (1, 2), (3, 5), (2, 3), 8, 1, 3, (8, 8, 8, 16, 16), (2,), (True,), ("h_swish",)))  # fmt: skip
    every = enumerate_paths(space.trellis.target, space.trellis.valid)
    for seed in range(5):
        sizes = np.random.default_rng(seed).normal(size=space.trellis.shape)
        sized = dataclasses.replace(space, edge_sizes=sizes)
        summed = sized.path_values(every, sizes).sum(-1)
        assert sized.largest().tolist() == every[summed.argmax()].tolist()
        assert sized.smallest().tolist() == every[summed.argmin()].tolist()


# What the suites find


def bend(**changes):
    """A space whose elastic network has something else in it."""
    space = small_space()
    made = space.elastic("float32")
    given = {name: change(made) for name, change in changes.items()}
    return lambda: dataclasses.replace(space, elastic=lambda dtype: dataclasses.replace(made, **given))


def louder(made):
    """A weight of the second block comes into every architecture."""

    def apply(parameters, inputs, tokens, statistics=None, taps=()):
        found = made.apply(parameters, inputs, tokens, statistics, taps)
        return found._replace(outputs=found.outputs * (1 + parameters["block2"]["up"]["weights"][0, 15]))

    return apply


def silent(made):
    """Tells nothing."""
    return lambda *given: made.apply(*given)._replace(taps={})


def greedy(made):
    """Says that it uses a weight more."""
    return lambda p, tokens: {**made.used(p, tokens), "idle": p["block2"]["up"]["weights"]}


def with_idle(made):
    def alone(tokens):
        own = made.alone(tokens)
        return dataclasses.replace(own, init=lambda key: {**own.init(key), "idle": jnp.zeros((8, 16))}, operators=())

    return alone


def forgetful(made):
    """Tells no statistics where deployment wants a mapping an operator."""

    def alone(tokens):
        own = made.alone(tokens)
        return dataclasses.replace(own, apply=lambda *given: (own.apply(*given)[0], ()))

    return alone


@pytest.mark.parametrize(
    ("check", "changes", "text"),
    [
        ("alone", {"apply": louder}, "alone and elastic differ"),
        ("operators", {"alone": forgetful}, "alone tells tuple of statistics; give a mapping for each of its . op"),
        ("used", {"apply": louder}, "other weights that are not used differ"),
        ("used", {"used": greedy, "alone": with_idle}, r"\['idle'\] is used, and changing it changes nothing"),
        ("taps", {"apply": silent}, r"asked for \('block1', 'block2'\) it tells of \(\)"),
        ("form", {"sizes": lambda made: {}}, "sizes are {}"),
    ],
    ids=["alone", "statistics", "used", "idle", "taps", "form"],
)
def test_the_suite_of_elastic_networks_finds_what_breaks_it(check, changes, text):
    with pytest.raises(AssertionError, match=f"elastic {check}: .*{text}"):
        getattr(testing, f"check_elastic_{check}")(bend(**changes))


def uneven(made):
    """The middle of the three choices of the second block is computed otherwise."""

    def apply(parameters, inputs, tokens, *given):
        found = made.apply(parameters, inputs, tokens, *given)
        return found._replace(outputs=found.outputs * jnp.where(tokens[1] == 1, 2, 1))

    return apply


def test_a_choice_that_neither_largest_nor_smallest_has_is_looked_at():
    with pytest.raises(AssertionError, match="block2=1: alone and elastic differ"):
        testing.check_elastic_alone(bend(apply=uneven))


def test_sizes_that_say_the_reverse_are_found():
    space = small_space()
    reverse = dataclasses.replace(space, edge_sizes=-space.sizes())
    with pytest.raises(AssertionError, match=r"the largest by .* uses .*the smallest, .* more is larger"):
        testing.check_elastic_sizes(lambda: reverse)


def centred(made):
    """Images less the mean of the batch that they are in."""

    def prepare(inputs, group):
        found = made.prepare(inputs, group)
        return found - found.mean(0, keepdims=True)

    return prepare


@pytest.mark.parametrize(
    ("check", "changes", "text"),
    [
        (
            "batches",
            {"batch": lambda made: lambda step, size, seed: made.batch(0, size, seed)},
            "0 and 3 have the same",
        ),
        ("quality", {"quality": lambda made: lambda sums, number: float(sums["right"])}, "not a fraction"),
        ("quality", {"sums": lambda made: lambda o, t, w: made.sums(o, t, jnp.ones(len(o)))}, "do not add up"),
        ("quality", {"quality": lambda made: lambda *given: 1 - made.quality(*given)}, "more is better"),
        ("quality", {"quality": lambda made: lambda *given: made.quality(*given) ** 0 * 100}, "not a fraction, 0 to 1"),
        ("held_out", {"test": lambda made: made.train}, "48 of 48 examples of train stand in test"),
        ("loss", {"prepare": centred}, "prepared otherwise among others"),
        ("loss", {"answers": lambda made: lambda outputs: made.answers(-outputs)}, "more against their own answers"),
        ("settings", {"settings": lambda made: {"data_dir": "x"}}, "data_dir is among"),
    ],
    ids=["batches", "quality", "sums", "error", "percent", "parts", "prepare", "loss", "settings"],
)
def test_the_suite_of_tasks_finds_what_breaks_it(check, changes, text):
    made = small_task()
    bent = dataclasses.replace(made, **{name: change(made) for name, change in changes.items()})
    with pytest.raises(AssertionError, match=f"task {check}: .*{text}"):
        getattr(testing, f"check_task_{check}")(lambda: bent)


@pytest.mark.parametrize(
    ("check", "changes", "text"),
    [
        ("lessons", {"lessons": lambda made: lambda *given: made.lessons(*given)[1:]}, "taught by itself"),
        ("lessons", {"lessons": lambda made: lambda rng, space, *rest: made.lessons(
            rng, space, space.trellis.valid, *rest[1:])}, "do not admit it"),
        ("training", {"after": lambda made: lambda memory, parameters, progress: jnp.zeros(3)}, "memory changes"),
    ],
    ids=["first", "edges", "memory"],
)  # fmt: skip
def test_the_suite_of_strategies_finds_what_breaks_it(check, changes, text):
    made = make_strategy("sandwich")
    bent = dataclasses.replace(made, **{name: change(made) for name, change in changes.items()})
    with pytest.raises(AssertionError, match=f"strategy {check}: .*{text}"):
        getattr(testing, f"check_strategy_{check}")(lambda: bent)


# A third party's


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the example, as a user would."""
    pytest.importorskip("hatchling", reason="needs hatchling: make env")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--target", str(out), str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(out))
        yield out


@pytest.mark.usefixtures("site")
def test_its_operator_network_task_and_strategy_conform():
    testing.check_operator(plugins.load("operators", "perceptron"))
    testing.check_space(plugins.load("spaces", "vectors"), features=5)
    testing.check_elastic(plugins.load("spaces", "vectors"), features=5)
    testing.check_task(plugins.load("tasks", "waves"), seed=3)
    testing.check_strategy(plugins.load("strategies", "mean_taught"), share=0.5)


@pytest.mark.usefixtures("site")
def test_it_goes_the_whole_way(tmp_path, capsys):
    """Profiled, trained, labelled, generated from and deployed, by the jobs that everybody uses."""
    table, trained, records = tmp_path / "table.json", tmp_path / "supernet", tmp_path / "records.csv"
    cache = "--compilation_cache="
    profiling = ["--rounds=3", "--least_ms=0.1", "--validate=0", "--validate_fit=0"]
    assert profile_device.main(["--space=vectors", f"--out={table}", *profiling, cache]) == 0
    keys = [row["operator"] for row in json.loads(table.read_text())["rows"]]
    assert sum(key.startswith("perceptron-") for key in keys) == 3
    flags = ["--space=vectors", "--task=waves", "--strategy=mean_taught", "--strategy_settings=share=0.8"]
    flags += ["--steps=150", "--batch=64", "--learning_rate=0.02", "--chunk=50", f"--out={trained}", cache]
    assert train_supernet.main(flags) == 0
    recorded = json.loads((trained / "supernet.json").read_text())["config"]
    assert recorded["data"] == {"task": "waves", "settings": {}, "examples": [512, 128, 128]}
    assert recorded["recipe"]["strategy_settings"] == {"share": 0.8}
    assert label.main([f"--supernet={trained}", "--num=12", f"--out={records}", cache]) == 0
    space = nagjax.space("vectors")
    problem = nagjax.problem(space, table=table, records=records, predictor_kind="ridge")
    nagjax.train(problem, "random", steps=2, progress=False).save(tmp_path / "run")
    generator = nagjax.load(tmp_path / "run")
    most = float(generator.budget_range[0, 1])
    (card,) = nagjax.deploy(
        trained, tmp_path / "deployed", generator=generator, budgets_ms=[most], formats=["onnx", "stablehlo"], rounds=3
    )
    assert card.built["difference"]["supernet"] < 1e-5
    assert card.built["difference"]["onnx"] < 1e-5
    assert card.built["difference"]["stablehlo"] < 1e-5
    learned = card.built["accuracy"]["validation"]
    assert 0.3 < learned["jax"] < 1
    assert learned["onnx"] == pytest.approx(learned["jax"], abs=1e-4)
    found = load_subnet(tmp_path / "deployed" / card.name / "weights.safetensors")
    assert found.operators[0].kind == "perceptron"
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    assert jax.jit(found.apply)(x).shape == (2, 1)


@pytest.mark.usefixtures("site")
def test_a_task_of_other_sizes_is_refused_with_both(tmp_path, capsys):
    flags = ["--space=vectors", "--task=waves", "--compilation_cache=", f"--out={tmp_path / 'a'}"]
    assert train_supernet.main([*flags, "--task_settings=features=5"]) == 2
    assert "--task=waves has features=5, the space vectors(" in capsys.readouterr().err
    assert train_supernet.main([*flags, "--data=digits"]) == 2
    assert "--task=waves: leave out --data" in capsys.readouterr().err


def test_a_checkpoint_of_it_needs_no_operators_to_be_asked(site, tmp_path):
    """The plugin's operators are not imported where a generator is opened: prices are arrays."""
    code = (
        "import sys, numpy as np, nagjax\n"
        "from nagjax.operators import registry\n"
        "def refuse(*given): raise RuntimeError('a kind was asked for')\n"
        "registry.kind_of = registry._made = refuse\n"
        f"print(nagjax.load({str(tmp_path / 'run')!r}).generate(budgets={{'madds_m': [1.0]}})[0].text)\n"
    )
    space = nagjax.space("vectors")
    tokens = enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = tabular_quality(space, tokens, np.linspace(0.4, 0.6, len(tokens)))
    problem = nagjax.problem(space, quality=quality, costs=["madds"])
    nagjax.train(problem, "random", steps=2, progress=False).save(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path[1:]])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1500:]
    assert done.stdout.startswith("hidden1=")


def test_the_page_shows_the_files_that_are_tested():
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    for path in EXAMPLE.glob("*.py"):
        assert path.read_text(encoding="utf-8") in page, path.name
    shown = page.partition("```toml\n")[2].partition("```")[0]
    assert shown in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
