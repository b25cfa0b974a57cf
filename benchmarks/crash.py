"""Does a killed run, continued, end where one that was never killed ends?

``python -m benchmarks.crash --data_dir=DIR`` ends with {kills, identical}. Training is killed with SIGKILL at moments
drawn uniformly over the length of a whole run, start-up and saving included, and continued with ``--resume`` until it
ends; every array of its training state, policy and archive is then compared with the uninterrupted run's.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import common, jobs
from nagjax import controllers, plugins
from nagjax.checkpoint import checkpoint

STEPS, KILLS = 200, 5


def final_arrays(run: Path) -> list[np.ndarray]:
    """The step and all arrays of a run's last checkpoint."""
    saved = checkpoint.read(run)
    written = saved.config["controller"]
    controller = plugins.load("controllers", written["name"])(saved.problem.spec, **written["settings"])
    template = jax.eval_shape(lambda: controllers.init(controller, saved.problem, 0))
    state, step, _ = checkpoint.read_state(run, controller, template)
    return [np.asarray(step), *map(np.asarray, jax.tree.leaves((state, saved.artefact)))]


def equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Whether all arrays are equal to the last bit."""
    return len(some) == len(others) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(some, others, strict=True)
    )


def run_killed(arguments: list[str], out: Path, log_path: Path, delays: list[float]) -> int:
    """Run to the end, killed after each of ``delays`` seconds (while it lasts) and continued; returns the kills."""
    kills = 0
    with log_path.open("w", encoding="utf-8") as log:
        for delay in delays:
            job = jobs.start(_continued(arguments, out), log)
            try:
                job.wait(delay)
            except subprocess.TimeoutExpired:
                job.kill()
                job.wait()
                kills += 1
    jobs.run(_continued(arguments, out), log_path)
    return kills


def _continued(arguments: list[str], out: Path) -> list[str]:
    return [*arguments, "--resume"] if (out / "run.json").exists() else arguments


def crash(data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    rng = np.random.default_rng()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def arguments(out: str) -> list[str]:
            return jobs.training(data_dir, folder / out, STEPS, folder / "cache")

        # The first run fills the compilation cache: kills fall within a run that finds it, as continued ones do.
        jobs.run(arguments("first"), folder / "log.txt")
        begin = time.perf_counter()
        jobs.run(arguments("whole"), folder / "log.txt")
        length = time.perf_counter() - begin
        whole = final_arrays(folder / "whole")
        kills, identical, attempt = 0, equal(final_arrays(folder / "first"), whole), 0
        while kills < KILLS:
            out = folder / f"killed{attempt}"
            delays = rng.uniform(0.0, length, KILLS - kills).tolist()
            kills += run_killed(arguments(out.name), out, folder / "log.txt", delays)
            identical &= equal(final_arrays(out), whole)
            attempt += 1
        return {"kills": kills, "identical": identical}


if __name__ == "__main__":
    common.main(crash)
