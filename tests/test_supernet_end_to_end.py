"""From a device and images to answers, on handwritten digits: profile, train, label, fit, generate; and kill -9."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import nagjax
from experiments import fit, generate, label, profile_device, run, train_supernet
from experiments.frame import runtime
from nagjax import testing
from nagjax.evaluators.evaluator import evaluate_one
from nagjax.supernet import evaluators, storage

ROOT = Path(__file__).resolve().parent.parent

SPACE = """
from nagjax.spaces.mobilenet_v3 import Plan, make_space

def make():
    return make_space("tiny_mobilenet", 1, {}, Plan(
        resolutions=(8, 12), depths=(1, 2), kernels=(3, 5), ratios=(2, 3), usual_resolution=8, image_channels=1,
        classes=10, channels=(8, 8, 8, 16, 16), strides=(2,), squeeze=(True,), activations=("h_swish",)))
"""
"""A space of a third party: 40 architectures, one unit."""

NUM = 16
"""Labels, of the 20 architectures at the resolution that is trained."""

DIES_IN_TRAINING = """
import os, signal, sys
from experiments import train_supernet
from experiments.training import monitor
on_chunk = monitor.Monitor.on_chunk
def dying(self, moment):
    on_chunk(self, moment)
    if moment.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)
monitor.Monitor.on_chunk = dying
sys.exit(train_supernet.main(sys.argv[1:]))
"""

DIES_IN_LABELLING = """
import os, signal, sys
from experiments import label
from nagjax.supernet import labelling
add = labelling.LabelFile.add
def dying(self, text, values):
    add(self, text, values)
    if len(self.labelled) == 7:
        self._file._write("1:3,0")
        os.kill(os.getpid(), signal.SIGKILL)
labelling.LabelFile.add = dying
sys.exit(label.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder on the path with the space, registered as an installed distribution registers it."""
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the digits: pip install scikit-learn")
    out = tmp_path_factory.mktemp("site")
    info = out / "tiny_mobilenet-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-mobilenet\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[nagjax.spaces]\ntiny_mobilenet = tiny_mobilenet:make\n")
    (out / "tiny_mobilenet.py").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(out))
        yield out


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return f"--compilation_cache={tmp_path_factory.mktemp('cache')}"


@pytest.fixture(scope="module")
def training_flags(site, cache):
    """One resolution of the two, since each is a program; that of test_train_supernet.py trains at both."""
    return [
        "--space=tiny_mobilenet", "--data=digits", "--where=resolution=8", "--steps=16", "--batch=32", "--chunk=4",
        "--save_seconds=0", cache,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(training_flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "supernet"
    assert train_supernet.main([*training_flags, f"--out={out}"]) == 0
    return out


@pytest.fixture(scope="module")
def labels(trained, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled") / "records.csv"
    assert label.main([f"--supernet={trained}", f"--num={NUM}", f"--out={out}", cache]) == 0
    return out


def killed(script: str, arguments: list[str], site: Path) -> None:
    """Run a job that ends by kill -9."""
    path = os.pathsep.join([str(site), str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr[-2000:]


def test_training_that_was_killed_goes_on_to_the_same_weights(trained, training_flags, site, tmp_path):
    out = tmp_path / "supernet"
    killed(DIES_IN_TRAINING, [*training_flags, f"--out={out}"], site)
    assert storage.read_weights(out).step in (4, 8)
    assert train_supernet.main([*training_flags, f"--out={out}", "--resume"]) == 0
    ours, theirs = storage.read_weights(out), storage.read_weights(trained)
    assert ours.step == theirs.step == 16
    jax.tree.map(np.testing.assert_array_equal, ours.parameters, theirs.parameters)


def test_labelling_that_was_killed_loses_nothing_and_repeats_nothing(labels, trained, cache, site, tmp_path):
    out = tmp_path / "records.csv"
    flags = [f"--supernet={trained}", f"--num={NUM}", f"--out={out}", cache]
    killed(DIES_IN_LABELLING, flags, site)
    before = out.read_text()
    assert before.endswith("1:3,0")
    assert label.main([*flags, "--resume"]) == 0
    assert out.read_text().startswith(before.removesuffix("1:3,0"))
    assert out.read_text() == labels.read_text()


def test_labels_are_accuracies_of_different_architectures(labels):
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["architecture"] for row in rows}) == len(rows) == NUM
    shares = np.array([float(row["quality"]) for row in rows]) * 300
    np.testing.assert_allclose(shares, shares.round(), atol=1e-9)  # of 300 validation images
    record = json.loads((labels.parent / "records.csv.json").read_text())
    assert record["supernet"]["data"]["data"] == "digits"
    assert record["supernet"]["step"] == 16


def test_labels_of_another_supernet_are_not_mixed_in(labels, trained, training_flags, cache, tmp_path, capsys):
    other = tmp_path / "other"
    assert train_supernet.main([*training_flags, "--seed=1", "--steps=4", f"--out={other}"]) == 0
    assert label.main([f"--supernet={other}", f"--num={NUM}", f"--out={labels}", "--resume", cache]) == 2
    assert "was labelled with supernet" in capsys.readouterr().err
    assert label.main([f"--supernet={trained}", f"--num={NUM}", f"--out={labels}", cache]) == 2
    assert "--resume" in capsys.readouterr().err


def test_from_device_and_images_to_answers(labels, cache, tmp_path, capsys):
    table, predictor, folder = tmp_path / "table.json", tmp_path / "predictor.npz", tmp_path / "run"
    profiling = ["--batch=2", "--rounds=3", "--least_ms=0.1"]
    assert profile_device.main(["--space=tiny_mobilenet", f"--out={table}", *profiling, cache]) == 0
    fitting = ["--space=tiny_mobilenet", f"--records={labels}", "--predictor_settings=steps=100,members=2,hidden=8"]
    assert fit.main([*fitting, f"--out={predictor}", cache]) == 0
    problem = ["--space=tiny_mobilenet", f"--table={table}", f"--predictor={predictor}"]
    assert run.main([*problem, "--controller=random", "--steps=20", f"--out={folder}", cache]) == 0
    assert (folder / "report.html").is_file()
    capsys.readouterr()
    costliest = 1.01 * sum(row["mean"] for row in json.loads(table.read_text())["rows"])
    assert generate.main([f"--checkpoint={folder}", f"--budgets_ms={costliest}", cache]) == 0
    shown = capsys.readouterr().out
    assert ":3," in shown or ":5," in shown


def test_accuracy_with_a_supernet_and_alone_conform(trained, cache):
    runtime.use_compilation_cache(cache.partition("=")[2])  # each evaluator compiles the same programs anew
    space = nagjax.space("tiny_mobilenet")
    testing.check_evaluator(evaluators.make_supernet, space, folder=str(trained), images=64)
    testing.check_evaluator_settings(evaluators.make_alone, space, data="digits", steps=2, batch=16)
    outcome = evaluate_one(
        evaluators.make_alone(space, data="digits", steps=2, batch=16), space.sample(np.random.default_rng(0), 1)[0]
    )
    assert 0 <= outcome.values["quality"] <= 1, outcome.failure


def test_a_supernet_of_another_space_is_refused(trained):
    with pytest.raises(ValueError, match=r"is a supernet of tiny_mobilenet\(\{\}\), not of nas_bench_macro"):
        evaluators.make_supernet(nagjax.space("nas_bench_macro"), folder=str(trained))
