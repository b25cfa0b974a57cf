"""Does a search lose an evaluation, or evaluate twice, when its workers and it itself are killed?

``python -m benchmarks.evaluator_faults`` ends with {evaluations, lost, repeated, workers_killed, jobs_killed,
failures_recorded, identical}. The job ``experiments.search`` runs a program on two worker processes. SIGKILL ends now a
worker, now the job, which is then continued, whenever the file of evaluations has grown to a drawn number of rows. A
row that stood in the file at a kill and is another at the end is ``lost``; a program that finds its architecture in the
file when it starts is ``repeated``, and so is a second row. The program fails for some architectures:
``failures_recorded`` counts their rows. ``identical``: all rows are those of a search that nobody killed.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common, jobs
from nagjax.searching import EVALUATIONS

KILLS, NUM, WAIT = 24, 200, 0.05
PROGRAM = """
import json, pathlib, sys, time
asked, file = json.loads(sys.stdin.readline()), pathlib.Path(sys.argv[1])
if any(line.split(",")[0] == asked["architecture"] for line in file.read_text().splitlines()):
    with file.with_name("repeated").open("a") as repeated:
        repeated.write(asked["architecture"] + "\\n")
time.sleep(0.2)
if sum(asked["tokens"]) % 7 == 3:
    sys.exit("out of memory")
print(json.dumps({"quality": 0.5 + 0.02 * sum(asked["tokens"])}))
"""


def arguments(folder: Path, name: str) -> list[str]:
    """The command line of a search that writes ``folder/name``."""
    program = f"{sys.executable} -S {folder / 'evaluate.py'} {folder / name / EVALUATIONS}"
    line = jobs.command(
        "search", "--space=nas_bench_macro", "--costs=madds", "--evaluator=command",
        f"--evaluator_settings=command={program}", "--executor=processes", "--workers=2", "--retries=0",
        f"--evaluations={NUM}", "--start=25", "--per_round=25", "--predictor_kind=ridge", "--controller=random",
        "--steps=1", f"--compilation_cache={folder / 'cache'}", f"--out={folder / name}",
    )  # fmt: skip
    return [*line, "--resume"] if (folder / name / "run.json").exists() else line


def evaluated(out: Path) -> list[tuple[str, ...]]:
    """Whole rows of a search's file: architecture, quality, round and failure."""
    path = out / EVALUATIONS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [tuple(row[name] for name in ("architecture", "quality", "round", "failure")) for row in rows]


def workers_of(job: int) -> list[int]:
    """Worker processes of a job, from /proc; the helper that multiprocessing starts beside them is none."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            line = status.with_name("cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if parent == job and b"spawn_main" in line:
            found.append(int(status.parent.name))
    return found


def run_killed(folder: Path, name: str, rng: np.random.Generator) -> tuple[dict[str, int], set[tuple[str, ...]]]:
    """Run a search to its end with kills on its way; how many of what were killed, and all rows that stood there."""
    rows = np.sort(rng.choice(np.arange(1, NUM - 1), KILLS, replace=False)).tolist()
    killed, stood, log = {"workers_killed": 0, "jobs_killed": 0}, set[tuple[str, ...]](), folder / "log.txt"
    with log.open("w", encoding="utf-8") as printed:
        job = jobs.start(arguments(folder, name), printed)
        while rows:
            time.sleep(WAIT)
            if job.poll() is not None:
                raise RuntimeError(f"the job ended with {job.returncode}: {log.read_text(encoding='utf-8')[-2000:]}")
            known, workers = evaluated(folder / name), workers_of(job.pid)
            if len(known) < rows[0] or not workers:
                continue
            stood |= {*known}
            if len(rows) % 2:
                os.kill(int(rng.choice(workers)), signal.SIGKILL)
                killed["workers_killed"] += 1
            else:
                job.kill()
                job.wait()
                killed["jobs_killed"] += 1
                job = jobs.start(arguments(folder, name), printed)
            rows.pop(0)
        if job.wait():
            raise RuntimeError(f"the job ended with {job.returncode}: {log.read_text(encoding='utf-8')[-2000:]}")
    return killed, stood


def benchmark(_data_dir: Path) -> dict[str, Any]:
    """The result; no public data is in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "evaluate.py").write_text(PROGRAM, encoding="utf-8")
        jobs.run(arguments(folder, "whole"), folder / "log.txt")
        killed, stood = run_killed(folder, "killed", np.random.default_rng())
        final, log = evaluated(folder / "killed"), folder / "killed" / "repeated"
        twice = len(final) - len({row[0] for row in final})
        return {
            "evaluations": len(final),
            "lost": len(stood - {*final}),
            "repeated": twice + (len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0),
            **killed,
            "failures_recorded": sum(bool(row[3]) for row in final),
            "identical": sorted(final) == sorted(evaluated(folder / "whole")),
        }


if __name__ == "__main__":
    common.main(benchmark)
