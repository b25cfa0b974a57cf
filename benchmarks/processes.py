"""Do several processes train, and go on with, the same supernet as one?

``python -m benchmarks.processes`` ends with {max_difference, sharded_difference, labels_equal, restored_1_to_2,
restored_2_to_1, killed_and_equal}. A supernet of 9 architectures, two layers under batch norms, is trained on
handwritten digits by ``experiments.train_supernet`` in 2 processes of 2 virtual devices each, and in one process of one
device. ``max_difference`` is the greatest between two weights of the two, as a share of the greatest weight of that
array, and ``sharded_difference`` the same with parameters shared among the devices of both processes. ``labels_equal``:
all architectures get the same quality from both. The other three say whether a run that SIGTERM stopped in one kind and
that was continued in the other ends within ``TOLERANCE`` of the whole run, and whether a run of 2 processes, one of
which was killed, ends with the same arrays as one that was not, bit for bit, when it is started again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import common
from experiments.frame.cli import EXIT_TERMINATED
from nagjax.supernet import storage

STEPS, BATCH, DEVICES = 400, 32, 2
TOLERANCE = 1e-3
"""Of two trainings in float32 whose sums are taken in another order, as a share of an array's greatest value."""

SPACE = """
import dataclasses
import jax
import jax.numpy as jnp
import numpy as np
from nagjax.elastic import Alone, Elastic, Outputs
from nagjax.operators import Operator
from nagjax.spaces import Decision, chain

WIDTHS = (8, 16, 32)

def make():
    layers = [Decision(f"layer{t}", "layer", tuple({"width": width} for width in WIDTHS)) for t in (0, 1)]
    def operators(t, choice, before):
        return [Operator("linear", 1, 1, before["width"] if before else 64, choice["width"])]
    return dataclasses.replace(chain("two_layers", layers, operators), elastic=elastic)

def elastic(dtype="float32"):
    def init(key):
        keys = jax.random.split(key, 3)
        shapes = ((64, 32), (32, 32), (32, 10))
        return {f"w{at}": jax.random.normal(keys[at], shape) / 8 for at, shape in enumerate(shapes)}
    def apply(parameters, inputs, tokens, statistics=None, taps=()):
        x, used = inputs.reshape(len(inputs), -1), []
        for at in (0, 1):
            x = x @ parameters[f"w{at}"]
            seen = (x.mean(0, keepdims=True), x.var(0, keepdims=True)) if statistics is None else statistics[at]
            used.append(seen)
            inside = jnp.arange(32)[None] < jnp.asarray(WIDTHS)[tokens[at]]
            x = jnp.where(inside, jax.nn.relu((x - seen[0]) * jax.lax.rsqrt(seen[1] + 1e-3)), 0.0)
        return Outputs(x @ parameters["w2"], tuple(used), {})
    def alone(tokens):
        return Alone(init, lambda parameters, inputs, statistics: apply(parameters, inputs, tokens, statistics)[:2])
    return Elastic(
        sizes={"image_channels": 1, "classes": 10}, init=init, apply=apply, group=lambda tokens: 8,
        used=lambda parameters, tokens: parameters, alone=alone,
        example=lambda group, num, rng: rng.normal(size=(num, 8, 8, 1)).astype(np.float32))
"""
"""A space of two layers of three widths, each under a batch norm, as another distribution would bring it."""


def write_site(folder: Path) -> Path:
    """A folder for the module path that brings the space."""
    info = folder / "two_layers-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two-layers\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[nagjax.spaces]\ntwo_layers = two_layers:make\n")
    (folder / "two_layers.py").write_text(SPACE)
    return folder


class Jobs:
    """Starts supernet jobs on virtual devices; the folder is for the space, logs and compiled programs."""

    def __init__(self, folder: Path) -> None:
        self._site, self._folder = write_site(folder / "site"), folder

    def flags(self, out: Path, steps: int = STEPS) -> list[str]:
        """What trains the supernet."""
        return [
            "experiments.train_supernet", "--space=two_layers", "--data=digits", f"--steps={steps}",
            f"--batch={BATCH}", "--chunk=2", "--strategy=single_path", "--save_seconds=0.5",
            f"--out={out}", f"--compilation_cache={self._folder / 'cache'}",
        ]  # fmt: skip

    def labels(self, supernet: Path, out: Path, num: int = 3) -> list[str]:
        """What labels architectures with the supernet."""
        return [
            "experiments.label", f"--supernet={supernet}", f"--num={num}", f"--out={out}",
            f"--compilation_cache={self._folder / 'cache'}",
        ]  # fmt: skip

    def start(self, arguments: Sequence[str], processes: int, devices: int = DEVICES) -> list[subprocess.Popen[bytes]]:
        """Start a job in several processes."""
        count = f"--xla_force_host_platform_device_count={devices}"
        given = [one for one in os.environ.get("XLA_FLAGS", "").split() if "device_count" not in one]
        path = [str(self._site), *sys.path]
        # Devices of one process meet on its threads; of the two that two cores give, one may be busy otherwise.
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": " ".join([*given, count]),
                       "PJRT_NPROC": str(4 * devices), "PYTHONPATH": os.pathsep.join(filter(None, path))}  # fmt: skip
        port, started = free_port(), []
        for me in range(processes):
            several = [f"--coordinator=127.0.0.1:{port}", f"--num_processes={processes}", f"--process_id={me}"]
            with (self._folder / f"log{me}.txt").open("ab") as log:
                started.append(subprocess.Popen(
                    [sys.executable, "-m", *arguments, *(several if processes > 1 else [])],
                    stdout=log, stderr=log, env=environment,
                ))  # fmt: skip
        return started

    def run(self, arguments: Sequence[str], processes: int, devices: int = DEVICES) -> None:
        """Run a job to its end.

        Raises:
          RuntimeError: if a process fails, with the ends of all logs.
        """
        with ended(self.start(arguments, processes, devices)) as jobs:
            codes = [job.wait(600) for job in jobs]
        if any(codes):
            raise RuntimeError(f"{codes}\n{self.logs()}")

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self._folder.glob("log*.txt")))


@contextlib.contextmanager
def ended(jobs: list[subprocess.Popen[bytes]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes for a block, after which none is left."""
    try:
        yield jobs
    finally:
        for job in jobs:
            job.kill()
            job.wait()


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(folder: Path, jobs: Sequence[subprocess.Popen[bytes]], step: int) -> None:
    """Wait until a run has saved a step.

    Raises:
      RuntimeError: if a process ends before.
    """
    while not any(number >= step for number in saved_steps(folder)):
        if any(job.poll() is not None for job in jobs):
            raise RuntimeError(f"a process ended before step {step} was saved")
        time.sleep(0.02)


def saved_steps(folder: Path) -> list[int]:
    """Steps that a run has saved."""
    root = folder / storage.FOLDER
    return [int(one.name) for one in root.iterdir() if one.name.isdecimal()] if root.is_dir() else []


def terminate(jobs: Sequence[subprocess.Popen[bytes]], which: Sequence[int]) -> tuple[float, list[int]]:
    """Send SIGTERM to some; seconds until all have ended, and their exit statuses."""
    began = time.perf_counter()
    for number in which:
        jobs[number].send_signal(signal.SIGTERM)
    codes = [job.wait(600) for job in jobs]
    return time.perf_counter() - began, codes


def arrays(folder: Path) -> list[np.ndarray]:
    """All weights of a run's last checkpoint."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(storage.read_weights(folder).parameters)]


def read_labels(path: Path) -> dict[str, tuple[float, float]]:
    """Quality and loss of each labelled architecture."""
    return {row["architecture"]: (float(row["quality"]), float(row["loss"])) for row in common.read_csv(path)}


def difference(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The greatest difference of two numbers, as a share of the greatest of their array."""
    pairs = zip(some, others, strict=True)
    return max(float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-6)) for a, b in pairs)


def continued(jobs: Jobs, out: Path, before: int, after: int) -> list[np.ndarray]:
    """Weights of a run that SIGTERM stops half-way in ``before`` processes and that ``after`` processes continue."""
    devices = {1: 1, 2: DEVICES}
    with ended(jobs.start(jobs.flags(out), before, devices[before])) as started:
        wait_for(out, started, 2)
        _, codes = terminate(started, [0])
    if any(code != EXIT_TERMINATED for code in codes):
        raise RuntimeError(f"the processes did not stop half-way: {codes}\n{jobs.logs()}")
    jobs.run([*jobs.flags(out), "--resume"], after, devices[after])
    return arrays(out)


def killed(jobs: Jobs, out: Path) -> list[np.ndarray]:
    """Weights of a run of 2 processes of which one is killed, and which is then started again."""
    with ended(jobs.start(jobs.flags(out), 2)) as started:
        wait_for(out, started, 2)
        started[1].kill()
    jobs.run([*jobs.flags(out), "--resume"], 2)
    return arrays(out)


def processes() -> dict[str, Any]:
    """The result of this benchmark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = Jobs(folder)
        jobs.run(jobs.flags(folder / "one"), 1, 1)
        jobs.run(jobs.flags(folder / "two"), 2)
        one, two = arrays(folder / "one"), arrays(folder / "two")
        again = killed(jobs, folder / "killed")
        jobs.run([*jobs.flags(folder / "sharded"), "--shard_parameters"], 2)
        labels = []
        for count, devices in ((1, 1), (2, DEVICES)):
            out = folder / f"labels{count}.csv"
            jobs.run(jobs.labels(folder / "one", out, num=9), count, devices)
            labels.append({text: quality for text, (quality, _) in read_labels(out).items()})
        return {
            "max_difference": difference(two, one),
            "sharded_difference": difference(arrays(folder / "sharded"), one),
            "labels_equal": labels[0] == labels[1],
            "restored_1_to_2": difference(continued(jobs, folder / "to2", 1, 2), one) < TOLERANCE,
            "restored_2_to_1": difference(continued(jobs, folder / "to1", 2, 1), one) < TOLERANCE,
            "killed_and_equal": all(a.tobytes() == b.tobytes() for a, b in zip(again, two, strict=True)),
        }


if __name__ == "__main__":
    common.kept(lambda _: processes())
