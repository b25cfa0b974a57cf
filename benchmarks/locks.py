"""Do two jobs that are started with one ``--out`` leave what one job alone leaves?

``python -m benchmarks.locks`` ends with {pairs_started, corrupted}. Pairs of small jobs are started on one place:
at the same moment, with ``--resume`` beside a living run, and both with ``--resume`` after a kill. Exactly one must
proceed, the other end with one line of error, and what is there in the end must equal what an undisturbed job wrote; of
measured times none may be missing and none be there twice. It needs no data but what travels with the package.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks import common, crash, jobs
from experiments import embedded, train_supernet
from experiments.frame import cli
from experiments.inputs import setup, supernet_setup
from experiments.training.monitor import METRICS
from nagjax.supernet import storage, training

ROUNDS = 3
"""Measurements of each operator by the profile."""

TIMED = ("seconds", "compile_seconds", "date")
"""Columns of a comparison that differ from one time to the next."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A small job.

    Attributes:
      name: of the place that it writes.
      arguments: its command line without ``--out``.
      written: what it left there, to compare by ``==``.
      repeats: pairs started at the same moment.
    """

    name: str
    arguments: list[str]
    written: Callable[[Path], Any]
    repeats: int = 2

    def command(self, out: Path) -> list[str]:
        """Its command line."""
        return [*self.arguments, f"--out={out}"]


def run_files(out: Path) -> Any:
    """Last step and arrays of a run, and the steps of its metrics."""
    with (out / METRICS).open(newline="", encoding="utf-8") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    return steps, [(array.dtype.str, array.shape, array.tobytes()) for array in crash.final_arrays(out)]


def comparison_rows(out: Path) -> Any:
    """Rows of a comparison but for what took how long, and its answers."""
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [{name: value for name, value in row.items() if name not in TIMED} for row in csv.DictReader(file)]
    return rows, {path.name: path.read_bytes() for path in sorted((out / "answers").iterdir())}


def predictor_arrays(out: Path) -> Any:
    """The arrays of a fitted predictor."""
    with np.load(out, allow_pickle=False) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


def measured(out: Path) -> Any:
    """How often each operator was measured, and the rows of the table."""
    lines = [json.loads(line) for line in Path(f"{out}.rounds.jsonl").read_text(encoding="utf-8").splitlines()]
    counts = Counter(line["operator"] for line in lines if "operator" in line)
    rows = [(row["operator"], row["count"]) for row in json.loads(out.read_text(encoding="utf-8"))["rows"]]
    return sorted(counts.items()), sorted(rows), sum("format" in line for line in lines)


def untrained_supernet(folder: Path) -> None:
    """A checkpoint of a supernet that has learned nothing: what it labels is poor, and takes as long."""
    given = ["--data=digits", "--where=resolution=20", f"--out={folder}"]
    values = cli.parse(train_supernet.define_flags, given)
    space = setup.load_space(values)
    task, recipe = supernet_setup.load_task(values, space), supernet_setup.recipe(values)
    strategy = supernet_setup.strategy(values)
    learner = training.supernet_learner(space, space.where({"resolution": 20}), strategy, jnp.dtype("float32"))
    with storage.Writer(folder, supernet_setup.identity(values, space, task)) as writer:
        writer.save(training.start(learner, recipe), 0.0)


def small_jobs(folder: Path) -> list[Job]:
    """The jobs; what they read is made in ``folder``."""
    data, cache = embedded.find(), f"--compilation_cache={folder / 'cache'}"
    untrained_supernet(folder / "supernet")
    run = ["--steps=120", "--chunk=10", "--controller_static=hidden=16", "--save_seconds=0.2"]
    flags = [f"--flagfile={data / embedded.FLAGFILE}", f"--data_dir={data}", *run]
    compared = ["--controllers=random,nsga2", "--problems=tiny", "--evaluations=200", "--seeds=0,1"]
    fitted = ["--space=mobilenet_v3_small28", f"--records={data / 'records.csv'}"]
    labelled = [f"--supernet={folder / 'supernet'}", "--num=6", "--images=20"]
    profiled = ["--space=nas_bench_macro", f"--rounds={ROUNDS}", "--least_ms=0.1"]
    return [
        Job("run", jobs.command("run", *flags, cache), run_files),
        Job("compare", jobs.command("compare", *compared, cache), comparison_rows),
        Job("predictor.npz", jobs.command("fit", *fitted, cache), predictor_arrays),
        Job("labels.csv", jobs.command("label", *labelled, cache), Path.read_bytes),
        Job("table.json", jobs.command("profile_device", *profiled, cache), measured),
    ]


def _at_once(out: Path) -> None:
    """Do not wait between two starts."""


def settle(processes: list[subprocess.Popen[str]], logs: list[Path]) -> bool:
    """Wait for a pair; whether one proceeded and the other was refused by one line."""
    codes = [process.wait() for process in processes]
    refusals = [log.read_text(encoding="utf-8") for code, log in zip(codes, logs, strict=True) if code == 2]
    one_line = all(text.startswith("error: --out=") and text.count("\n") == 1 for text in refusals)
    if sorted(codes) != [0, 2] or not one_line:
        print(f"not as it should be: {codes}", *(log.read_text(encoding="utf-8") for log in logs), sep="\n")
    return sorted(codes) == [0, 2] and one_line


class Pairs:
    """Starts pairs in a folder and counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started = self.corrupted = 0

    def at_once(self, job: Job, whole: Any) -> None:
        """Two new jobs at the same moment."""
        self._finish(job, whole, self._place(job), [], _at_once)

    def beside(self, job: Job, whole: Any) -> None:
        """A job, and once it has begun another with ``--resume``."""

        def begun(out: Path) -> None:
            while not (out / "run.json").exists():
                time.sleep(0.05)

        self._finish(job, whole, self._place(job), ["--resume"], begun)

    def both_resumed(self, job: Job, whole: Any) -> None:
        """Two jobs that go on with a killed one, at the same moment."""
        out = self._place(job)
        with (self._folder / "killed.log").open("w", encoding="utf-8") as log:
            killed = jobs.start(job.command(out), log)
            while not any(path.name.isdigit() for path in out.glob("checkpoints/*")) and killed.poll() is None:
                time.sleep(0.05)
            killed.kill()
            killed.wait()
        resumed = dataclasses.replace(job, arguments=[*job.arguments, "--resume"])
        self._finish(resumed, whole, out, [], _at_once)

    def _place(self, job: Job) -> Path:
        parent = self._folder / f"pair{self.started}"
        parent.mkdir()
        return parent / job.name

    def _finish(self, job: Job, whole: Any, out: Path, more: list[str], between: Callable[[Path], None]) -> None:
        logs = [out.parent / f"{name}.log" for name in ("first", "second")]
        with logs[0].open("w", encoding="utf-8") as first, logs[1].open("w", encoding="utf-8") as second:
            started = [jobs.start(job.command(out), first)]
            between(out)
            started.append(jobs.start([*job.command(out), *more], second))
            sound = settle(started, logs)
        self.started += 1
        equal = job.written(out) == whole
        self.corrupted += not (sound and equal)
        if not equal:
            print(f"{out} is not what an undisturbed job wrote")
        print(f"{job.name}: {self.started} pairs, {self.corrupted} corrupted", flush=True)


def locks(_data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = Pairs(folder)
        for job in small_jobs(folder):
            (folder / "whole").mkdir(exist_ok=True)
            out = folder / "whole" / job.name
            jobs.run(job.command(out), folder / "log.txt")
            whole = job.written(out)
            for _ in range(job.repeats):
                pairs.at_once(job, whole)
                if job.name == "run":
                    pairs.beside(job, whole)
                    pairs.both_resumed(job, whole)
        return {"pairs_started": pairs.started, "corrupted": pairs.corrupted}


if __name__ == "__main__":
    common.main(locks)
