"""What a job sets in its own process, in main and never at import, and what it records of its surroundings."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import flags

RECORDED = ("nagjax", "jax", "jaxlib", "flax", "optax", "numpy")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flag that ``use_compilation_cache`` reads."""
    flags.DEFINE_string(
        "compilation_cache",
        str(_cache_home() / "nagjax"),
        "Folder of compiled programs, so that a second start is quick; empty for none.",
        flag_values=values,
    )


def use_compilation_cache(folder: str) -> None:
    """Keep compiled programs in ``folder`` from one process to the next; empty for not."""
    if not folder:
        return
    import jax

    config: Any = jax.config
    config.update("jax_compilation_cache_dir", str(Path(folder).expanduser()))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)


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


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
