"""Settings of every test: two CPU devices, no silent promotion of ranks; and the public data sets."""

import gc
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

# Before jax is imported: flags are read once, when the backend starts. Tests compile far longer than they compute:
# without LLVM's optimisations a fifth less, and by XLA's older way of emitting fusions half of what is left. A program
# that is compiled as one part and not as 32 takes an eighth less of processor time, and fewer memory maps. Parts of
# small programs on several threads would have those threads look for work, a seventh of all the time.
_FLAGS = (
    "--xla_force_host_platform_device_count=2",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
    "--xla_cpu_collective_call_terminate_timeout_seconds=600",
)
os.environ["XLA_FLAGS"] = " ".join([*os.environ.get("XLA_FLAGS", "").split(), *_FLAGS])
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The two devices meet in sums over the batch, each on a thread of its own, and a process in which one of them waits for
# 40 s is ended. With as many threads as two cores have, one is often busy with something else.
os.environ.setdefault("PJRT_NPROC", "8")
# The suite's own processes fill the cores; threads of libraries would wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jax
import pytest
from hypothesis import settings
from jax.experimental.compilation_cache import compilation_cache

ROOT = Path(__file__).resolve().parent.parent

collect_ignore_glob = ["example_network/*"]
"""Its modules import each other, so they are there once they are installed; ``test_networks`` does that."""

jax.config.update("jax_numpy_rank_promotion", "raise")
# As in jobs, so that what a job has compiled serves the library's own calls, and the other way round.
jax.config.update("jax_default_matmul_precision", "float32")

# A shell that starts the suite in the background has it ignore Ctrl-C, which tests send to jobs here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is not a failure, and a commit that passed passes again.
settings.register_profile("nagjax", deadline=None, derandomize=True)
settings.load_profile("nagjax")


gc.set_threshold(20_000, 20, 20)
"""Tracing makes many objects that live: looking through them at every 700 new ones took a twentieth of the time."""


def pytest_collection_finish() -> None:
    """What is imported by now stays, so no collection has to look at it again."""
    gc.collect()
    gc.freeze()


_MANY_MAPS, _MOST_MAPS = 15_000, 35_000
"""Memory maps of a process from which on its compiled programs are let go, between tests that have few in common and
anywhere: each holds some, and Linux allows 65,530 in all, beyond which the next compilation ends the process with a
segmentation fault."""


_EACH = 8
"""Tests of a group between two looks at the list of maps, since reading a long one takes 10 ms."""
_tests = itertools.count(1)


def _group(test: pytest.Item | None) -> tuple[object, ...]:
    """Tests of a module, of one plugin if it goes through several by name, share most of what they compile."""
    named = getattr(test, "callspec", None)
    return (test and test.path, named and named.params.get("name"))


_CACHE = jax.config.jax_compilation_cache_dir


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Forgets compiled programs once they are many; a system without such a list has no such limit.

    And a folder of compiled programs that a job was given: jax keeps to the first one for all that follows.
    """
    if jax.config.jax_compilation_cache_dir != _CACHE:
        jax.config.update("jax_compilation_cache_dir", _CACHE)
        compilation_cache.reset_cache()
    ends, maps = _group(item) != _group(nextitem), Path("/proc/self/maps")
    if not (ends or next(_tests) % _EACH == 0) or not maps.exists():
        return
    if maps.read_bytes().count(b"\n") > (_MANY_MAPS if ends else _MOST_MAPS):
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Jobs that are not told where to keep compiled programs neither read nor fill the user's folder of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def strict_dtypes() -> Iterator[None]:
    """No silent promotion of types within a test; not for all tests, since optax's own updates need promotion."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """``shared_data("ofa_mobilenet_v3/i7-8700k.yaml")``: the path of a public data file; skips the test without it."""
    folder = Path(os.environ.get("NAGJAX_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"needs {name}: set NAGJAX_DATA to the folder that holds it")
        return path

    return find
