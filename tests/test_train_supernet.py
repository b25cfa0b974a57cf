"""The job that trains a supernet, with made-up images and a learner of one bias: what it writes, resumes and refuses.

With a real supernet on handwritten digits, and killed, it runs in test_supernet_end_to_end.py.
"""

import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import train_supernet
from experiments.frame import cli
from experiments.training.monitor import METRICS, Monitor, read_metrics
from nagjax.supernet import recorded, storage, training
from nagjax.supernet.datasets.images import Images, make_splits
from nagjax.supernet.evaluation import Assessor
from nagjax.supernet.strategy import Lesson, random_path

FLAGS = ["--steps=8", "--chunk=2", "--batch=6", "--where=resolution=20", "--compilation_cache="]


def make_images(num, channels=1, classes=10):
    labels = np.arange(num, dtype=np.int32) % classes
    pixels = np.random.default_rng(num).integers(0, 256, (num, 28, 28, channels), np.uint8)
    return Images(pixels, labels)


def splits(channels=1, classes=10):
    return make_splits("made up", classes, *(make_images(num, channels, classes) for num in (40, 20, 20)))


def logits(parameters, images):
    return images.mean((1, 2, 3))[:, None] * parameters["slope"][None] + parameters["bias"][None]


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    """Images, and a learner that sees no more of them than how bright they are."""

    def learner(space, valid, strategy, dtype):
        checked = real(space, valid, strategy, dtype)
        return training.Learner(
            init=lambda key: {"bias": 0.1 * jax.random.normal(key, (10,)), "slope": jnp.zeros(10)},
            forward=lambda parameters, images, tokens: logits(parameters, images),
            lessons=lambda rng, progress, memory: [Lesson(random_path(rng, space, valid))],
            group=checked.group,
        )

    def assessor(space, task, dtype, place, form):
        return Assessor(lambda p, images, tokens, _: (logits(p, images), {}), lambda tokens: 20, task, place=place)

    real = training.supernet_learner
    monkeypatch.setattr(training, "supernet_learner", learner)
    monkeypatch.setattr(train_supernet, "supernet_assessor", assessor)
    monkeypatch.setattr(recorded, "load", lambda *_: splits())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A place for the run that `trained` makes once."""
    return tmp_path_factory.mktemp("runs") / "supernet"


@pytest.fixture
def trained(finished):
    if not finished.exists():
        assert train_supernet.main([*FLAGS, f"--out={finished}"]) == 0
    return finished


def test_each_resolution_is_trained_at_its_own_size(tmp_path, monkeypatch):
    sizes, real = set(), logits

    def seen(parameters, images):
        sizes.add(images.shape[1])
        return real(parameters, images)

    monkeypatch.setitem(globals(), "logits", seen)
    given = [flag for flag in FLAGS if "where" not in flag]
    assert train_supernet.main([*given, "--where=resolution=20,24", f"--out={tmp_path / 'supernet'}"]) == 0
    assert sizes == {20, 24}


def refused(capsys, *argv):
    """The message with which the job refuses its flags."""
    assert train_supernet.main([*map(str, argv)]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert "Traceback" not in text
    return text


def test_a_run_writes_weights_metrics_and_what_it_was(trained):
    assert storage.read_weights(trained).step == 8
    assert read_metrics(trained)["step"] == [2, 4, 6, 8]
    record = json.loads((trained / train_supernet.RECORD).read_text())
    config = record["config"]
    assert config["space"] == {
        "name": "mobilenet_v3_small28", "version": 1, "settings": {"image_channels": 1, "classes": 10},
    }  # fmt: skip
    assert config["where"] == {"resolution": 20}
    assert config["data"]["images"] == [40, 20, 20]
    assert (config["recipe"]["steps"], config["recipe"]["batch"], config["recipe"]["strategy"]) == (8, 6, "sandwich")
    assert storage.read_weights(trained).config["recipe"] == config["recipe"]
    assert {"versions", "device", "commit"} <= set(record)


def test_a_run_says_how_good_the_largest_and_smallest_allowed_are(capsys, tmp_path):
    assert train_supernet.main([*FLAGS, f"--out={tmp_path}", "--where=kernel=3"]) == 0
    shown = capsys.readouterr().out
    assert "% on the validation examples (3,3,3:3,3,3,3,3,3,3,3,3:4,4,4,4,4,4,4,4,4:20)" in shown
    assert "% on the validation examples (1,1,1:3,0,0,3,0,0,3,0,0:2,0,0,2,0,0,2,0,0:20)" in shown


def test_ctrl_c_saves_and_resume_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch, capsys):
    on_chunk = Monitor.on_chunk

    def pressed(self, moment):
        if moment.step == 4:
            signal.raise_signal(signal.SIGINT)
        on_chunk(self, moment)

    flags = [*FLAGS, f"--out={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "on_chunk", pressed)
        assert train_supernet.main(flags) == cli.EXIT_INTERRUPTED
    assert "--resume" in capsys.readouterr().out
    assert storage.read_weights(tmp_path).step == 4
    assert train_supernet.main([*flags, "--resume"]) == 0
    ours, theirs = storage.read_weights(tmp_path), storage.read_weights(trained)
    assert ours.step == theirs.step == 8
    assert ours.parameters["bias"].any()
    jax.tree.map(np.testing.assert_array_equal, ours.parameters, theirs.parameters)
    assert read_metrics(tmp_path)["loss"] == read_metrics(trained)["loss"]
    rows = (tmp_path / METRICS).read_text().splitlines()[1:]
    assert [row.partition(",")[0] for row in rows] == ["2", "4", "6", "8"], "no step was done twice"


def test_a_run_that_diverges_ends_and_keeps_what_was_before(tmp_path, monkeypatch, capsys):
    train = training.train

    def diverging(*given):
        for state, loss in train(*given):
            bias = state.parameters["bias"] * (np.nan if state.step >= 5 else 1.0)
            yield state._replace(parameters={**state.parameters, "bias": bias}), loss

    monkeypatch.setattr(training, "train", diverging)
    text = refused(capsys, *FLAGS, "--save_seconds=0", f"--out={tmp_path}", "--learning_rate=0.7")
    assert "after step 6" in text
    assert "below 0.7" in text
    assert storage.read_weights(tmp_path).step == 4


def test_a_finished_run_can_be_resumed_and_stays_what_it_is(trained, capsys):
    before = storage.read_weights(trained)
    assert train_supernet.main([*FLAGS, f"--out={trained}", "--resume", "--data_dir=my images"]) == 0
    jax.tree.map(np.testing.assert_array_equal, storage.read_weights(trained).parameters, before.parameters)
    said = capsys.readouterr().out
    assert "largest: " in said
    assert f"to label: python -m experiments.label --supernet={trained} '--data_dir=my images'" in said


def test_a_folder_is_needed(capsys):
    assert "--out is not given" in refused(capsys, *FLAGS)


def test_a_run_is_not_begun_twice(trained, capsys):
    assert "--resume to continue" in refused(capsys, *FLAGS, f"--out={trained}")


@pytest.mark.parametrize(
    ("flag", "name", "values"),
    [
        ("--batch=8", "recipe", ("'batch': 6", "'batch': 8")),
        ("--strategy=single_path", "recipe", ("'sandwich'", "'single_path'")),
        ("--where=kernel=3", "where", ("{'resolution': 20}", "'kernel': 3")),
        ("--data_seed=1", "data", ("'data_seed': 0", "'data_seed': 1")),
        ("--optimiser=adamw", "recipe", ("'learning_rate': 0.3", "'optimiser': 'adamw'", "'learning_rate': 0.003")),
    ],
)
@pytest.mark.parametrize("resume", ["--resume", "--noresume"])
def test_a_run_with_other_settings_is_left_alone(trained, capsys, resume, flag, name, values):
    text = refused(capsys, *FLAGS, flag, resume, f"--out={trained}")
    assert f"other settings ({name} was" in text
    assert all(value in text for value in values)
    assert "another folder" in text
    assert storage.read_weights(trained).step == 8


def test_files_of_somebody_else_are_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "holds other files" in refused(capsys, *FLAGS, f"--out={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_there_must_be_a_run_to_resume(tmp_path, capsys):
    assert "no run to resume" in refused(capsys, *FLAGS, "--resume", f"--out={tmp_path / 'absent'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("shape", "name"), [((3, 10), "image_channels=3"), ((1, 7), "classes=7")])
def test_images_must_fit_the_space(tmp_path, capsys, monkeypatch, shape, name):
    monkeypatch.setattr(recorded, "load", lambda *_: splits(*shape))
    text = refused(capsys, *FLAGS, f"--out={tmp_path / 'out'}")
    assert f"--data=fashion_mnist has {name}" in text
    assert "mobilenet_v3_small28(classes=10,image_channels=1)/v1" in text
    assert f"--space_settings={name}" in text
    assert not list(tmp_path.iterdir()), "nothing is written before everything was checked"


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        ("--space=hw_gpt", ("hw_gpt", "no supernet")),
        ("--where=resolution=21", ("resolution=[21]", "20, 24, 28")),
        ("--where=unit1.depth=4", ("unit1.depth=[4]", "1, 2, 3")),
        ("--strategy=burger", ("strategy", "sandwich")),
        ("--steps=0", ("steps",)),
        ("--learning_rate=-1", ("learning_rate", "above 0")),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(tmp_path, capsys, flag, parts):
    text = refused(capsys, *(one for one in FLAGS if "where" not in one), flag, f"--out={tmp_path / 'out'}")
    assert all(part in text for part in parts)
    assert not list(tmp_path.iterdir())


def test_conditions_that_exclude_each_other_are_refused(tmp_path, capsys):
    conditions = ["--where=kernel=3", "--where=unit1.block1.kernel=5"]
    assert "no architecture" in refused(capsys, *FLAGS, *conditions, f"--out={tmp_path / 'out'}")
