"""A search on a real cluster: a worker is killed, the scheduler is lost and restarted."""

import concurrent.futures as futures
import os
import signal

import numpy as np
import pytest

import nagjax
from benchmarks import fleet
from nagjax.evaluators import evaluator, pool
from nagjax.spaces import nas_bench_macro

distributed = pytest.importorskip("distributed", reason="needs distributed: pip install 'nagjax[dask]'")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


def pids(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def search(folder, name, **more):
    """A search of 24 evaluations by a file of labels."""
    space = nas_bench_macro.make()
    drawn = np.unique(space.sample(np.random.default_rng(0), 3000), axis=0)
    lines = [f"{space.format(row)},{0.5 + 0.01 * row.sum()}" for row in drawn]
    (folder / "truth.csv").write_text("\n".join(["architecture,quality", *lines]) + "\n")
    given = {"evaluator_settings": {"file": str(folder / "truth.csv")}, "costs": ["madds"], "evaluations": 24}
    given |= {"start": 12, "per_round": 6, "predictor_kind": "ridge"}
    return nagjax.search(space, "table", folder=folder / name, **given, **more).evaluations


def test_a_search_loses_nothing_when_a_worker_is_killed(cluster, tmp_path):
    killed = []

    def kill(evaluations, number):
        if number == 1 and not killed:
            killed.append(pids(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    address = f"dask:{cluster.scheduler_address}"
    found = search(tmp_path, "dask", executor=address, workers=2, on_evaluation=kill)
    here = search(tmp_path, "here")
    assert len(killed) == 1
    assert len({row.tobytes() for row in found.tokens}) == 24
    np.testing.assert_array_equal(found.tokens, here.tokens)
    np.testing.assert_array_equal(found.quality, here.quality)
    assert len(set(pids(cluster)) - set(killed)) >= 1, "the cluster goes on"


def test_a_cluster_is_left_as_it_is(cluster):
    executor = pool._dask(cluster.scheduler_address)
    assert executor.submit(max, 2, 3).result() == 3
    executor.shutdown(cancel_futures=True)
    assert pids(cluster)


def die(path):
    with path.open("a") as file:
        file.write("called\n")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_call_whose_worker_dies_is_made_again_by_nobody_but_us(cluster, tmp_path):
    path = tmp_path / "calls"
    executor = pool._dask(cluster.scheduler_address)
    error = executor.submit(die, path).exception(60)
    assert type(error).__name__ in pool.DIED
    assert path.read_text() == "called\n"
    executor.shutdown()


def note(path):
    with path.open("a") as file:
        file.write("called\n")
    return os.getpid()


def test_a_call_that_was_told_is_not_made_again_when_the_worker_that_holds_its_result_dies(cluster, tmp_path):
    path = tmp_path / "calls"
    executor = pool._dask(cluster.scheduler_address)
    worker = executor.submit(note, path).result(60)
    while not executor._finished:  # it is put there in another thread
        pass
    (_, remote), *_ = executor._finished
    os.kill(worker, signal.SIGKILL)
    while remote.status == "finished":  # until the scheduler knows
        executor.client.ncores()
    assert type(remote.exception(60)).__name__ in pool.DIED
    assert path.read_text() == "called\n"
    executor.submit(max, 2, 3).result(60)
    assert not any(held is remote for _, held in executor._finished), "it is released with the next call"
    executor.shutdown()


def test_evaluations_go_on_when_their_scheduler_is_lost_and_restarted(tmp_path):
    space, lost = nas_bench_macro.make(), []
    tokens = np.unique(space.sample(np.random.default_rng(0), 9), axis=0)
    (tmp_path / "evaluate.sh").write_text("read -r line; echo '{\"quality\": 0.5}'\n")
    truth = evaluator.make("command", space, {"command": f"sh {tmp_path / 'evaluate.sh'}"})
    with (tmp_path / "log.txt").open("w") as log, fleet.fleet(log, size=1) as made:
        with pool.open_pool(f"dask:{made.address}", 2, truth) as workers:
            found = []
            for row, outcome in pool.evaluate(truth, space, tokens, workers, retries=0):
                found.append((row, outcome.values, outcome.failure))
                if len(found) == 2:
                    lost.append(made.scheduler.pid)
                    made.end()
                    made.keep()
        assert lost != [made.scheduler.pid]
    assert sorted(row for row, _, _ in found) == list(range(len(tokens)))
    assert all(values == {"quality": 0.5} and not failure for _, values, failure in found)


class Forgetful(pool.Inline):
    """An executor that cancels every other call, as a client does whose scheduler is lost."""

    def __init__(self):
        self.calls = 0

    def submit(self, fn, /, *args, **kwargs):
        self.calls += 1
        if self.calls % 2 == 0:
            return super().submit(fn, *args, **kwargs)
        future = futures.Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_a_call_that_its_scheduler_took_along_is_no_failure_of_the_row():
    space, executor = nas_bench_macro.make(), Forgetful()
    tokens = np.unique(space.sample(np.random.default_rng(0), 9), axis=0)
    counted = evaluator.Evaluator("counted", {}, {}, lambda rows: {"quality": rows.sum(1) / 100})
    with pool.Pool(lambda: executor, 1, elsewhere=False) as workers:
        found = dict(pool.evaluate(counted, space, tokens, workers, retries=0))
    assert executor.calls == 2 * len(tokens)
    assert [found[row].values["quality"] for row in range(len(tokens))] == (tokens.sum(1) / 100).tolist()


def test_a_scheduler_is_waited_for_once_it_has_answered(monkeypatch):
    answers = iter([ValueError("no cluster"), "first", ValueError("no cluster"), ValueError("no cluster"), "again"])

    def answer(address):
        one = next(answers)
        if isinstance(one, ValueError):
            raise one
        return one

    monkeypatch.setattr(pool, "_dask", answer)
    asked = pool.Scheduler("tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="no cluster"):
        asked()
    assert [asked(), asked()] == ["first", "again"]
