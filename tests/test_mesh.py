"""Training over several devices and processes: the same numbers as on one."""

import jax
import numpy as np
import pytest

from benchmarks import processes
from experiments import label, train_supernet
from experiments.training import monitor
from nagjax import mesh
from nagjax.supernet import storage, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.image_tasks import make_digits
from nagjax.supernet.strategies import make_sandwich
from nagjax.supernet.training import Recipe

RECIPE = Recipe(steps=4, batch=32)


@pytest.fixture(scope="module")
def space():
    made = {}
    exec(processes.SPACE, made)
    return made["make"]()


@pytest.fixture(scope="module")
def task():
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the digits: pip install scikit-learn")
    return make_digits()


def trained(space, task, place):
    learner = training.supernet_learner(space, space.trellis.valid, make_sandwich(1))
    *_, (state, loss) = training.train(learner, task, RECIPE, training.start(learner, RECIPE, place), place)
    return state, float(loss)


@pytest.fixture(scope="module")
def on_one(space, task):
    return trained(space, task, mesh.ONE)


@pytest.mark.parametrize("shard_parameters", [False, True])
def test_two_devices_train_and_judge_as_one(space, task, on_one, shard_parameters):
    place = mesh.all_devices(shard_parameters)
    state, loss = trained(space, task, place)
    alone, alone_loss = on_one
    assert loss == pytest.approx(alone_loss, rel=1e-5)
    assert state.parameters["w1"].sharding.is_fully_replicated is not shard_parameters
    assert state.parameters["w2"].sharding.is_fully_replicated  # 320 numbers are not worth it
    for got, expected in zip(jax.tree.leaves(mesh.on_host(state)), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    tokens = space.largest()
    scores = supernet_assessor(space, task, place=place).scores(state.parameters, tokens, task.validation)
    expected = supernet_assessor(space, task).scores(alone.parameters, tokens, task.validation)
    assert (scores.quality, scores.loss) == pytest.approx((expected.quality, expected.loss), rel=1e-4)


def test_a_state_read_from_a_checkpoint_goes_on_on_other_devices(space, task, on_one, tmp_path):
    with storage.Writer(tmp_path, {}) as writer:
        writer.save(on_one[0], 1.0)
    learner = training.supernet_learner(space, space.trellis.valid, make_sandwich(1))
    place = mesh.all_devices(shard_parameters=True)
    state, _ = storage.read_state(tmp_path, training.start(learner, RECIPE, place))
    lies = training.placed(state, place)
    assert len(lies.parameters["w1"].addressable_shards[0].data) == 16
    for got, written in zip(jax.tree.leaves(mesh.on_host(lies)), jax.tree.leaves(on_one[0]), strict=True):
        assert np.array_equal(got, written)


def test_a_batch_that_devices_cannot_share_is_refused(space, task):
    place = mesh.all_devices()
    assert place.rounded(251) == 252
    with pytest.raises(ValueError, match="--batch is 5; it must be a multiple of the 2 devices: give 4 or 6"):
        place.check_batch(5, "--batch")
    odd, even = place.examples((np.zeros((5, 2)), np.zeros((6, 2))))
    assert odd.sharding.is_fully_replicated
    assert even.addressable_shards[0].data.shape == (3, 2)


def test_each_device_is_called_with_its_own_rows_alone():
    place, seen = mesh.own_devices(), []

    def call(shared, rows):
        seen.append(rows.shape)
        return shared + rows - rows[:1]  # what a device cannot know of the others' rows

    rows = place.examples(np.array([[1.0], [2.0], [5.0], [7.0]], np.float32))
    found = jax.jit(lambda shared, rows: place.by_rows(call, shared, rows))(np.float32(10), rows)
    assert set(seen) == {(2, 1)}
    assert found.ravel().tolist() == [10, 11, 10, 12]
    assert mesh.own_devices(1) is mesh.ONE


def test_rows_are_shared_by_a_program_of_several_devices_alone():
    place, seen = mesh.own_devices(), []
    even, odd = np.arange(12.0).reshape(6, 2), np.zeros((5, 2))
    shared = jax.jit(mesh.rows)
    with place.context():
        found = shared(even)
        again = jax.jit(lambda x: mesh.whole(mesh.rows(x)))(even)
        jax.make_jaxpr(lambda x: seen.append(mesh.rows(x) is x))(odd)
        jax.jit(lambda x: place.by_rows(lambda _, own: seen.append(mesh.rows(own) is own) or own, 0, x))(even)
    jax.make_jaxpr(lambda x: seen.append(mesh.rows(x) is x))(even)
    assert [one.data.tolist() for one in found.addressable_shards] == [even[:3].tolist(), even[3:].tolist()]
    assert again.sharding.is_fully_replicated
    assert len(again.sharding.device_set) == 2
    assert seen == [True] * 3, "an odd number, a part that each device makes by itself, and a program of one device"


@pytest.mark.parametrize("flags", [["--num_processes=2"], ["--coordinator=127.0.0.1:1", "--process_id=0"]])
def test_processes_that_are_not_all_told_of_each_other_are_refused(flags, tmp_path, capsys):
    assert train_supernet.main([*flags, f"--out={tmp_path / 'run'}"]) == 2
    assert "num_processes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_two_processes_go_on_from_the_checkpoint_of_one_end_as_it_does_and_label_alike(tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the digits: pip install scikit-learn")
    jobs = processes.Jobs(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    whole, other = ([*jobs.flags(tmp_path / name, steps=8)[1:]] for name in ("whole", "other"))
    assert train_supernet.main(whole) == 0
    on_chunk = monitor.Monitor.on_chunk

    def stopped(self, moment):
        if moment.step == 4:
            self.interrupt()
        on_chunk(self, moment)

    with monkeypatch.context() as patch:
        patch.setattr(monitor.Monitor, "on_chunk", stopped)
        assert train_supernet.main(other) == 130
    assert storage.read_weights(tmp_path / "other").step == 4
    jobs.run(["experiments.train_supernet", *other, "--resume", "--shard_parameters"], 2)
    assert storage.read_weights(tmp_path / "other").step == 8
    assert processes.difference(*(processes.arrays(tmp_path / name) for name in ("other", "whole"))) < 1e-4
    assert monitor.read_metrics(tmp_path / "other")["step"] == [2, 4, 6, 8]
    labels = jobs.labels(tmp_path / "other", tmp_path / "two.csv")
    assert label.main([*labels[1:], f"--out={tmp_path / 'one.csv'}"]) == 0  # the last flag wins
    jobs.run(labels, 2)
    one, two = (processes.read_labels(tmp_path / f"{name}.csv") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for text, (quality, loss) in one.items():
        assert two[text] == (quality, pytest.approx(loss, rel=1e-5))
