"""A search on a real cluster of two worker processes, one of which is killed."""

import os
import signal

import numpy as np
import pytest

import nagjax
from nagjax.evaluators import pool
from nagjax.spaces import nas_bench_macro

distributed = pytest.importorskip("distributed", reason="needs distributed: pip install 'nagjax[dask]'")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


def pids(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_search_loses_nothing_when_a_worker_is_killed(cluster, tmp_path):
    space = nas_bench_macro.make()
    drawn = np.unique(space.sample(np.random.default_rng(0), 3000), axis=0)
    lines = [f"{space.format(row)},{0.5 + 0.01 * row.sum()}" for row in drawn]
    (tmp_path / "truth.csv").write_text("\n".join(["architecture,quality", *lines]) + "\n")
    killed = []

    def kill(evaluations, number):
        if number == 1 and not killed:
            killed.append(pids(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    given = {"evaluator_settings": {"file": str(tmp_path / "truth.csv")}, "costs": ["madds"], "evaluations": 24}
    given |= {"start": 12, "per_round": 6, "predictor_kind": "ridge"}
    found = nagjax.search(
        space, "table", folder=tmp_path / "dask", executor=f"dask:{cluster.scheduler_address}", workers=2,
        on_evaluation=kill, **given,
    )  # fmt: skip
    here = nagjax.search(space, "table", folder=tmp_path / "here", **given)
    assert len(killed) == 1
    assert len({row.tobytes() for row in found.evaluations.tokens}) == 24
    np.testing.assert_array_equal(found.evaluations.tokens, here.evaluations.tokens)
    np.testing.assert_array_equal(found.evaluations.quality, here.evaluations.quality)
    assert len(set(pids(cluster)) - set(killed)) >= 1, "the cluster goes on"


def test_a_cluster_is_left_as_it_is(cluster):
    executor = pool._dask(cluster.scheduler_address)
    assert executor.submit(max, 2, 3).result() == 3
    executor.shutdown(cancel_futures=True)
    assert pids(cluster)
