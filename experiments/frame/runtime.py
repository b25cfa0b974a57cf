"""What a job sets in its own process, in main and never at import, and what it records of its surroundings."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import console, settings

PRECISION, FLOAT32 = "JAX_DEFAULT_MATMUL_PRECISION", "float32"
RECORDED = ("nagjax", "jax", "jaxlib", "flax", "optax", "numpy")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flag that ``use_compilation_cache`` reads."""
    define = settings.Definer(values)
    define.string(
        "compilation_cache", _cache_home(),
        "Folder of compiled programs, so that a second start is quick; empty for none.",
    )  # fmt: skip


def use_compilation_cache(folder: str) -> None:
    """Keep compiled programs in ``folder`` from one process to the next; empty for not.

    A folder that cannot be written is done without, and a line says so.
    """
    _use_plot_settings()
    if not folder:
        return
    place = settings.user_path(folder, "compilation_cache")
    why = _unwritable(place)
    if why:
        console.complain(
            f"compiled programs are not kept: {place}: {why}; --compilation_cache=FOLDER names another place"
        )
        return
    import jax

    config: Any = jax.config
    config.update("jax_compilation_cache_dir", str(place))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def use_cores() -> None:
    """Make each core of the processor a device, where ``XLA_FLAGS`` do not say how many there are.

    For jobs that have several things to compute at a time: a core alone computes small arrays as fast as all together.
    """
    import jax

    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):  # jax has begun: called from a notebook
        config: Any = jax.config
        config.update("jax_num_cpu_devices", cores)


@contextlib.contextmanager
def float32_products() -> Iterator[None]:
    """A block in which products of float32 numbers are exact to float32 on every device, in all threads and children.

    GPUs round their factors to TF32 otherwise, and TPUs to bfloat16: what is predicted would differ from a processor's
    in the fourth digit, and by more where a Gaussian process adds up large numbers. The environment may say otherwise.
    """
    if PRECISION in os.environ:
        yield
        return
    jax: Any = sys.modules.get("jax")  # one that is imported later reads the environment
    before = jax and jax.config.jax_default_matmul_precision
    os.environ[PRECISION] = FLOAT32
    if jax:
        jax.config.update("jax_default_matmul_precision", FLOAT32)
    try:
        yield
    finally:
        del os.environ[PRECISION]
        if jax:
            jax.config.update("jax_default_matmul_precision", before)


@contextlib.contextmanager
def seldom_collecting() -> Iterator[None]:
    """A block in which cyclic garbage is looked for seldom.

    What is imported and traced lives on, and a tenth of a short job's time was spent looking through it.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    out = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def devices() -> str:
    """The devices that jax computes on: ``"2 x cpu"``."""
    import jax

    found = jax.devices()
    return f"{len(found)} x {found[0].device_kind}"


def commit() -> str:
    """The commit that the code was at, with ``+`` where files differ from it; ``"unknown"`` outside a repository."""
    here = Path(__file__).resolve().parent
    answers = []
    for arguments in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        try:
            done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return "unknown"
        answers.append(done.stdout.strip())
    return answers[0] + ("+" if answers[1] else "")


def _cache_home() -> str:
    """The user's folder for compiled programs; empty for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return str((Path(given) if given else Path.home() / ".cache") / "nagjax")
    except RuntimeError:  # neither HOME nor an entry among the users
        return ""


def _unwritable(folder: Path) -> str:
    """Why a folder cannot be made or written; empty if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _use_plot_settings() -> None:
    """Give matplotlib a folder of its own where the user's home has no place for one: it would complain at length."""
    if "MPLCONFIGDIR" in os.environ:
        return
    given = os.environ.get("XDG_CONFIG_HOME")
    try:
        place = (Path(given) if given else Path.home() / ".config") / "matplotlib"
        usable = os.access(next(one for one in (place, *place.parents) if one.exists()), os.W_OK)
    except (RuntimeError, OSError):
        usable = False
    if not usable:
        folder = tempfile.mkdtemp(prefix="nagjax-matplotlib-")
        os.environ["MPLCONFIGDIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
