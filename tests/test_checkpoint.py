"""Checkpoints: what goes in comes out, on any device count, with no plugin; what is damaged or foreign is refused."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import nagjax
from experiments import describe, generate
from nagjax import plugins
from nagjax.checkpoint import checkpoint, saving, steps
from nagjax.controllers import Artefact
from tests.generators import DEVICE, make_controller, make_generator

ROOT = Path(__file__).resolve().parent.parent
RUN = {"seed": 3, "seconds": 1.5, "flags": ["--steps=7"]}
STATE = {"weights": np.arange(32, dtype=np.float32).reshape(8, 4) / 7, "count": np.uint32(2**32 - 1)}

try:
    metadata.version("nagjax")
    plugins.load("spaces", "nas_bench_macro")
except (metadata.PackageNotFoundError, plugins.PluginError):
    pytest.skip("needs nagjax installed: pip install -e .", allow_module_level=True)


def save(folder, steps=(7,), state=None, artefact=None, controller=None):
    known = make_generator().generator
    controller = controller or make_controller(known.problem.spec)
    with checkpoint.Writer(folder) as writer:
        for step in steps:
            writer.save(
                step,
                controller,
                controller.default_params(),
                STATE if state is None else state,
                artefact or known.artefact,
                known.problem,
                known.description,
                {**RUN, "step": step},
            )
    return Path(folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return save(tmp_path_factory.mktemp("run"), steps=(3, 7))


@pytest.fixture
def copied(written, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "copy"))


def equal(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def controller_of(**changes):
    return make_controller(make_generator().generator.problem.spec, **changes)


def test_state_artefact_and_problem_come_back_exactly(written):
    state, step, run = checkpoint.read_state(written, controller_of(), STATE)
    assert step == 7
    assert run == {**RUN, "step": 7}
    equal(state, STATE)
    saved, known = checkpoint.read(written), make_generator().generator
    equal(saved.artefact, known.artefact)
    equal(saved.problem, known.problem)
    assert saved.problem.spec == known.problem.spec
    assert saved.description.costs == known.description.costs
    np.testing.assert_array_equal(saved.description.ranges, known.description.ranges)


def test_an_artefact_without_policy_or_archive_comes_back(tmp_path):
    for name in ("policy", "archive"):
        artefact = dataclasses.replace(make_generator().generator.artefact, **{name: None})
        saved = checkpoint.read(save(tmp_path / name, artefact=artefact))
        assert getattr(saved.artefact, name) is None
        equal(saved.artefact, artefact)


def test_a_loaded_generator_answers_as_the_one_that_was_saved(written):
    known = make_generator().generator
    budgets = np.linspace(*known.budget_range[0], 5)
    for mine, loaded in zip(known.generate(budgets), nagjax.load(written).generate(budgets), strict=True):
        assert (mine.text, mine.costs, mine.quality) == (loaded.text, loaded.costs, loaded.quality)


def test_the_configuration_says_how_it_was_made(written):
    config = checkpoint.read_config(written)
    assert json.loads(json.dumps(config)) == config
    assert config["nagjax"] == metadata.version("nagjax")
    assert config["space"] == {"name": "nas_bench_macro", "version": 1, "settings": {}}
    assert config["controller"] == {"name": "still", "settings": {"size": 8}, "params": {"rate": 0.5}}
    assert config["step"] == 7
    (cost,) = config["costs"]
    assert (cost["name"], cost["unit"], cost["device"]) == ("latency_ms", "ms", DEVICE)


def test_what_is_saved_is_a_copy(tmp_path):
    """Training gives its buffers away at the next chunk, while a save goes on in the background."""
    given = {"weights": jnp.asarray(STATE["weights"]), "count": jnp.asarray(STATE["count"])}
    known, controller = make_generator().generator, controller_of()
    with checkpoint.Writer(tmp_path) as writer:
        writer.save(1, controller, {}, given, known.artefact, known.problem, known.description, RUN)
        jax.tree.map(lambda leaf: leaf.delete(), given)
    equal(checkpoint.read_state(tmp_path, controller, STATE)[0], STATE)


def test_no_checkpoint_is_refused_naming_the_folder(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(
            ValueError, match=r"no complete checkpoint in .*checkpoints; give the --out folder"
        ) as caught:
            nagjax.load(folder)
        assert str(folder) in str(caught.value)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="no complete checkpoint"):
        nagjax.load(tmp_path)


def damage(folder, how):
    step = folder / "checkpoints" / "7"
    files = sorted(path for path in (step / "artefact").rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    if how == "truncated array":
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    elif how == "empty array":
        largest.write_bytes(b"")
    elif how == "missing array":
        largest.unlink()
    elif how == "missing artefact":
        shutil.rmtree(step / "artefact")
    elif how == "missing config":
        shutil.rmtree(step / "config")
    elif how == "truncated config":
        (path,) = (p for p in (step / "config").rglob("*") if p.is_file() and p.stat().st_size > 500)
        path.write_text(path.read_text()[:100])
    else:
        shutil.rmtree(step)
        step.mkdir()


@pytest.mark.parametrize(
    "how",
    [
        "truncated array",
        "empty array",
        "missing array",
        "missing artefact",
        "missing config",
        "truncated config",
        "empty step",
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_step_before_it_can_be_used(copied, how):
    damage(copied, how)
    with pytest.raises(
        ValueError, match=r"damaged or incomplete .*; remove that folder to use an earlier step"
    ) as caught:
        nagjax.load(copied)
    assert str(copied / "checkpoints" / "7") in str(caught.value)
    assert "\n" not in str(caught.value)
    shutil.rmtree(copied / "checkpoints" / "7")
    assert nagjax.load(copied).config["step"] == 3


def test_a_truncated_state_is_refused_but_inference_does_not_need_it(copied):
    shutil.rmtree(copied / "checkpoints" / "7" / "state")
    with pytest.raises(ValueError, match="cannot read 'state'"):
        checkpoint.read_state(copied, controller_of(), STATE)
    assert nagjax.load(copied).config["step"] == 7


def test_another_version_of_the_space_is_refused_with_both(written, monkeypatch):
    load = plugins.load

    def newer(kind, name):
        return lambda **settings: dataclasses.replace(load(kind, name)(**settings), version=12)

    monkeypatch.setattr(plugins, "load", newer)
    with pytest.raises(ValueError, match=r"nas_bench_macro version 1, installed is version 12"):
        nagjax.load(written)


def test_another_format_is_refused_with_both(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    with pytest.raises(ValueError, match=r"format 99 was written by nagjax .* reads formats 1 and 2"):
        nagjax.load(save(tmp_path))


def step_of(folder, step=7):
    return folder / "checkpoints" / str(step)


def edit_config(folder, **changes):
    path = step_of(folder) / "config" / "metadata"
    config = {key: value for key, value in json.loads(path.read_text()).items() if changes.get(key, "") is not None}
    path.write_text(json.dumps(config | {key: value for key, value in changes.items() if value is not None}))


def answers(generator):
    low, high = generator.budget_range[0]
    return [(a.text, a.costs, a.quality, a.source) for a in generator.generate([low, (low + high) / 2, high])]


def test_the_first_format_has_no_hash_and_is_read(copied):
    edit_config(copied, format=1, sha256=None, seal=None, empty=None)
    assert answers(nagjax.load(copied)) == answers(make_generator().generator)
    equal(checkpoint.read_state(copied, controller_of(), STATE)[0], STATE)
    edit_config(copied, format=2)
    with pytest.raises(ValueError, match="'config' of this checkpoint is not what was saved"):
        nagjax.load(copied)


def test_an_edited_configuration_is_refused_unless_one_says_so(copied):
    edit_config(copied, where={"layer1": "ratio3_kernel3"})
    readers = (
        nagjax.load,
        checkpoint.read_config,
        lambda *a, **k: checkpoint.read_state(*a, controller_of(), STATE, **k),
    )
    for read in readers:
        with pytest.raises(ValueError, match=r"'config' .* not what was saved.*--ignore_hash") as caught:
            read(copied)
        assert str(step_of(copied)) in str(caught.value)
        read(copied, ignore_hash=True)
    assert nagjax.load(copied, ignore_hash=True).description.where == {"layer1": "ratio3_kernel3"}


def test_jobs_take_the_flag_and_say_it_in_one_line(copied, capsys):
    edit_config(copied, where={"layer1": "ratio3_kernel3"})
    ask = [f"--checkpoint={copied}", "--compilation_cache="]
    for job, more in ((generate, ["--budgets_ms=20"]), (describe, [])):
        assert job.main([*ask, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {step_of(copied)}: 'config' of this checkpoint is not what was saved")
        assert error.count("\n") == 1
        assert job.main([*ask, *more, "--ignore_hash"]) == 0


@pytest.mark.parametrize("item", ["artefact", "state"])
def test_the_arrays_of_another_checkpoint_are_refused(copied, tmp_path, item):
    """They are whole, and of the same shapes: only what they are of differs."""
    known = make_generator().generator
    moved = dataclasses.replace(known.artefact.archive, quality=known.artefact.archive.quality * 0.5)
    other = save(
        tmp_path / "other",
        state={**STATE, "count": np.uint32(3)},
        artefact=dataclasses.replace(known.artefact, archive=moved),
    )
    shutil.rmtree(step_of(copied) / item)
    shutil.copytree(step_of(other) / item, step_of(copied) / item)
    read = nagjax.load if item == "artefact" else lambda f: checkpoint.read_state(f, controller_of(), STATE)
    with pytest.raises(ValueError, match=f"'{item}' of this checkpoint is not what was saved.*exchanged"):
        read(copied)
    checkpoint.read(copied, ignore_hash=True)


def asked(folder):
    """Answers and state as bytes, or what the checkpoint is refused with."""
    try:
        state = checkpoint.read_state(folder, controller_of(), STATE)[0]
        return (answers(nagjax.load(folder)), jax.tree.map(lambda leaf: np.asarray(leaf).tobytes(), state)), ""
    except ValueError as error:
        return None, str(error)


def test_no_flipped_bit_changes_an_answer_without_a_word(written):
    """Some bits in every file of a step: equal answers and an equal state, or a refusal."""
    rng, told, (unmoved, _) = np.random.default_rng(0), 0, asked(written)
    for path in sorted(path for path in step_of(written).rglob("*") if path.is_file()):
        content = path.read_bytes()
        for _ in range(min(5, len(content))):
            flipped = bytearray(content)
            flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            found, refusal = asked(written)
            path.write_bytes(content)
            assert found == unmoved or (found is None and str(step_of(written)) in refusal)
            assert found == unmoved or "remove that folder" in refusal or "use the version" in refusal
            told += found is None
    assert told > 20
    assert asked(written)[0] == unmoved


@pytest.mark.parametrize("place", ["policy", "quality"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, place):
    known = make_generator().generator
    weights = jax.tree.map(np.array, known.artefact.policy.params)
    next(iter(weights.values())).flat[3] = np.nan
    policy = dataclasses.replace(known.artefact.policy, params=weights)
    problem = known.problem
    if place == "quality":
        policy, problem = known.artefact.policy, dataclasses.replace(problem, pessimism=jnp.float32(np.nan))
    folder = tmp_path / "run"
    with checkpoint.Writer(folder) as writer:
        artefact = Artefact(policy, None)
        writer.save(7, controller_of(), {}, STATE, artefact, problem, known.description, RUN)
    with pytest.raises(ValueError, match=r"holds 1 NaN of \d+: training has diverged.*no earlier step") as caught:
        nagjax.load(folder)
    assert str(step_of(folder)) in str(caught.value)


def test_arrays_without_an_element_come_back(tmp_path):
    """Orbax cannot write them; a population of 0 is one."""
    state = {"none": np.zeros((0, 4), np.int32), "some": STATE["weights"], "nothing": np.zeros((2, 0), np.float32)}
    folder = save(tmp_path / "run", state=state)
    equal(checkpoint.read_state(folder, controller_of(), state)[0], state)
    nothing = {"none": np.zeros(0, np.float32)}
    folder = save(tmp_path / "empty", state=nothing)
    equal(checkpoint.read_state(folder, controller_of(), nothing)[0], nothing)


def test_empty_dictionaries_come_back_in_both_formats(tmp_path):
    tree = {"none": {}, "some": {"a": np.arange(3.0), "b": {"c": {}}}, "zero": np.zeros((0, 2), np.int8)}
    with saving.Steps(tmp_path / "steps") as writer:
        steps.save(writer, 1, {"format": 2}, {"tree": tree})
        del tree["zero"]
        old = ocp.args.Composite(tree=ocp.args.StandardSave(tree), config=ocp.args.JsonSave({"format": 1}))
        writer.save(2, old)
    for step, wanted in ((1, {**tree, "zero": np.zeros((0, 2), np.int8)}), (2, tree)):
        place = tmp_path / "steps" / str(step)
        equal(steps.read_arrays(place, "tree", steps.read_config(place, (1, 2))), wanted)


def test_a_state_that_is_no_array_names_the_controller(tmp_path):
    with pytest.raises(ValueError, match="controllers: 'still': its state is not made of arrays"):
        save(tmp_path, state={"key": jax.random.key(0)})


def test_an_archive_with_wrong_costs_is_not_saved(tmp_path):
    known = make_generator().generator
    archive = known.artefact.archive
    row = int(np.argmax(np.asarray(archive.occupied)))
    cases = {
        r"its archive says that .* costs .* ms, which is .* ms \(1 of \d+ rows are wrong\)": dataclasses.replace(
            archive, costs=archive.costs.at[row].add(-1)
        ),
        r"row \d+ of its archive, tokens .* is not an architecture": dataclasses.replace(
            archive, tokens=archive.tokens.at[row, 2].set(99)
        ),
        "row .* of its archive has quality nan": dataclasses.replace(
            archive, quality=archive.quality.at[row].set(jnp.nan)
        ),
    }
    for message, wrong in cases.items():
        with pytest.raises(ValueError, match=f"controllers: 'still': {message}"):
            save(tmp_path, artefact=dataclasses.replace(known.artefact, archive=wrong))
    empty = int(np.argmin(np.asarray(archive.occupied)))
    assert not archive.occupied[empty]
    unused = dataclasses.replace(archive, tokens=archive.tokens.at[empty].set(99))
    assert answers(nagjax.load(save(tmp_path, artefact=dataclasses.replace(known.artefact, archive=unused))))


def test_loading_while_a_run_saves(tmp_path):
    """A step is put away while it is read: the next one is read, and nobody is told to remove anything."""
    known, controller, done = make_generator().generator, controller_of(), threading.Event()

    def write():
        with checkpoint.Writer(tmp_path) as writer:
            for step in range(1, 10_000):
                writer.save(
                    step, controller, {}, STATE, known.artefact, known.problem, known.description, {"step": step}
                )
                if done.is_set():
                    break

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while checkpoint.latest_step(tmp_path) is None and thread.is_alive():
            pass
        seen = [checkpoint.read(tmp_path) for _ in range(40)]
    finally:
        done.set()
        thread.join()
    assert [saved.config["run"]["step"] for saved in seen] == [saved.config["step"] for saved in seen]
    assert len({saved.config["step"] for saved in seen}) > 1


def test_a_step_put_away_while_it_is_read_is_read_from_the_next(copied, monkeypatch):
    restored = steps.restored

    def slow(folder):
        if folder.parent.name == "7":
            shutil.copytree(step_of(copied, 3), step_of(copied, 9))
            shutil.rmtree(step_of(copied, 7))
        return restored(folder)

    monkeypatch.setattr(steps, "restored", slow)
    assert nagjax.load(copied).config["step"] == 3


def test_another_controller_or_settings_or_shape_is_refused_with_both(written):
    with pytest.raises(ValueError, match=r"'still' with .*asked for 'moving'"):
        checkpoint.read_state(written, controller_of(name="moving"), STATE)
    with pytest.raises(ValueError, match=r"'size': 8}, asked for .*'size': 9}"):
        checkpoint.read_state(written, controller_of(size=9), STATE)
    with pytest.raises(ValueError, match=r"\(8, 4\).* against .*\(8, 5\)"):
        checkpoint.read_state(written, controller_of(), {**STATE, "weights": np.zeros((8, 5), np.float32)})


ELSEWHERE = """
import sys, jax, numpy as np
from importlib import metadata
from pathlib import Path
from nagjax import plugins
from nagjax.checkpoint import checkpoint, steps
found = plugins.entry_points
plugins.entry_points = lambda group: found(group=group) if group == "nagjax.spaces" else metadata.EntryPoints()
assert jax.device_count() == 1, jax.devices()
assert plugins.names("controllers") == []
import nagjax
generator = nagjax.load(sys.argv[1])
state = steps.restored(Path(sys.argv[1]) / "checkpoints" / "7" / "state")
low, high = generator.budget_range[0]
print([answer.text for answer in generator.generate([low, (low + high) / 2, high])])
np.savez(sys.argv[2], **state, costs=generator.artefact.archive.costs)
"""


def test_written_on_two_devices_it_opens_on_one_without_plugin_or_table(tmp_path):
    if jax.device_count() < 2:
        pytest.skip("needs two devices")
    known = make_generator().generator
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("x",))
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    state = {"weights": jax.device_put(STATE["weights"], rows), "count": jax.device_put(STATE["count"], everywhere)}
    assert len(state["weights"].sharding.device_set) == 2
    artefact = dataclasses.replace(known.artefact, archive=jax.device_put(known.artefact.archive, rows))
    save(tmp_path / "run", state=state, artefact=artefact)
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    path = os.pathsep.join([str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "run"), str(tmp_path / "read.npz")],
        env={**environment, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read = np.load(tmp_path / "read.npz")
    leaves = jax.tree.leaves(STATE)
    for i, leaf in enumerate(leaves):
        np.testing.assert_array_equal(read[f"{i:04d}"], leaf)
    np.testing.assert_array_equal(read["costs"], np.asarray(known.artefact.archive.costs))
    low, high = known.budget_range[0]
    assert done.stdout.strip() == str([answer.text for answer in known.generate([low, (low + high) / 2, high])])
