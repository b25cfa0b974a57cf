"""Starting the jobs of ``experiments`` as a user does: a process of its own, from the repository's root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from benchmarks import common

ROOT = Path(__file__).resolve().parent.parent


def command(job: str, *arguments: str) -> list[str]:
    """The command line of ``experiments.<job>``."""
    return [sys.executable, "-m", f"experiments.{job}", *arguments]


def training(data_dir: Path, out: Path, steps: int, cache: Path, save_seconds: float = 1.0) -> list[str]:
    """The command line of the Note10 run with its own number of steps, folder and compilation cache."""
    return command(
        "run",
        "--flagfile=experiments/flags/note10.flags",
        f"--data_dir={(data_dir / common.OFA).resolve()}",
        f"--out={out}",
        f"--steps={steps}",
        "--seed=0",
        f"--save_seconds={save_seconds}",
        f"--compilation_cache={cache}",
    )


def start(arguments: list[str], log: IO[str]) -> subprocess.Popen[str]:
    """Start a job; what it prints goes to ``log``."""
    return subprocess.Popen(arguments, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True)


def run(arguments: list[str], log_path: Path) -> str:
    """Run a job to its end and return what it printed.

    Raises:
      RuntimeError: if it fails, with the end of what it printed.
    """
    with log_path.open("w", encoding="utf-8") as log:
        code = start(arguments, log).wait()
    printed = log_path.read_text(encoding="utf-8")
    if code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}:\n{printed[-2000:]}")
    return printed
