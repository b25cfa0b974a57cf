"""Does a fleet lose an evaluation when its workers, its scheduler and the search are killed, and what does it cost?

``python -m benchmarks.fleet [--evaluations=2000]`` ends with {evaluations, workers, killed, lost, repeated,
begun_again, overhead_ms, overhead_killed_ms, identical, peak_mib}. A Dask scheduler and four workers run on loopback;
the job ``experiments.search`` has them evaluate by a program that takes 50 ms. At drawn numbers of rows SIGKILL ends a
worker, the scheduler or the job, and whatever ended is started again. A row that stood in the file at a kill and is
another at the end is ``lost``; a program that finds the row of its architecture in the file when it starts is
``repeated``, and so is a second row. ``begun_again`` counts programs that were started again since their evaluation had
no row yet: the kill took its worker, the scheduler or the job along, and nobody knows what came of it. It is not more
than the evaluations that ran at the kills, one at that of a worker and all at the others. ``overhead_ms`` is what an
evaluation costs a worker beyond the 50 ms, with nobody killed: seconds between two rows far apart, times workers, by
evaluations between them; ``overhead_killed_ms`` the same of the search with kills. ``peak_mib`` is by how much the
memory of the job grew at most while rows came in. ``identical``: all rows are those of the search that nobody killed.
Dask's sampling of its own calls is off.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from absl import flags

from benchmarks import common, jobs
from benchmarks.evaluator_faults import evaluated
from nagjax.searching import EVALUATIONS

WORKERS, TAKES_MS, WAIT = 4, 50.0, 0.05
KILLS = ("worker", "worker", "scheduler", "worker", "job", "worker", "scheduler", "worker")
UNSAMPLED = "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False"
SKIPPED = 0.05
"""Share of the rows at either end that the overhead does not count: workers start, and the last of them idle."""
PROGRAM = """\
read -r line || exit 1
text=${line#*'"architecture": "'}
text=${text%%'"'*}
echo "$text" >> "${1%/*}/begun"
grep -q "^$text," "$1" && echo "$text" >> "${1%/*}/repeated"
tokens=${line#*'"tokens": ['}
IFS=', ' sum=0
for token in ${tokens%%']'*}; do sum=$((sum + token)); done
sleep 0.05
echo "{\\"quality\\": 0.$((500 + sum))}"
"""
"""A shell starts in 1 ms; an interpreter of Python would take the time of the processors that the fleet is on.

Rows are looked for at the beginning of lines: the eight digits of an architecture also occur within seconds.
"""


@dataclasses.dataclass
class Fleet:
    """A scheduler and its workers, started again when they end.

    Attributes:
      port: of the scheduler, on loopback.
      log: what they print.
      size: workers.
      scheduler, workers: processes.
    """

    port: int
    log: IO[str]
    size: int = WORKERS
    scheduler: subprocess.Popen[str] | None = None
    workers: list[subprocess.Popen[str]] = dataclasses.field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def keep(self) -> None:
        """Start what is not running, as the supervisor of a cluster does."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.scheduler = self._start("dask_scheduler", "--host=127.0.0.1", f"--port={self.port}", "--no-show")
        alive = [worker for worker in self.workers if worker.poll() is None]
        more = range(self.size - len(alive))
        self.workers = alive + [
            self._start("dask_worker", self.address, "--nthreads=1", "--no-nanny", "--memory-limit=0") for _ in more
        ]

    def kill(self, what: str, rng: np.random.Generator) -> None:
        """End a drawn worker, or the scheduler, by SIGKILL."""
        process = self.workers[int(rng.integers(len(self.workers)))] if what == "worker" else self.scheduler
        if process is not None:
            process.kill()
            process.wait()

    def end(self) -> None:
        """End all."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            process.kill()
            process.wait()
        self.scheduler, self.workers = None, []

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        command = ["env", UNSAMPLED, sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
        return jobs.start(command, self.log)


@contextmanager
def fleet(log: IO[str], size: int = WORKERS) -> Iterator[Fleet]:
    """A fleet on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Fleet(probe.getsockname()[1], log, size)
    try:
        made.keep()
        yield made
    finally:
        made.end()


def arguments(folder: Path, name: str, address: str, num: int) -> list[str]:
    """The command line of a search that writes ``folder/name``: one round, so that nothing but evaluations is timed."""
    program = f"sh {folder / 'evaluate.sh'} {folder / name / EVALUATIONS}"
    line = jobs.command(
        "search", "--space=nas_bench_macro", "--costs=madds", "--evaluator=command",
        f"--evaluator_settings=command={program}", f"--executor=dask:{address}", f"--workers={WORKERS}",
        "--retries=0", f"--evaluations={num}", f"--start={num}", "--predictor_kind=ridge", "--controller=random",
        "--steps=1", f"--compilation_cache={folder / 'cache'}", f"--out={folder / name}",
    )  # fmt: skip
    return [*line, "--resume"] if (folder / name / "run.json").exists() else line


@dataclasses.dataclass
class Seen:
    """What was seen of a search on its way.

    Attributes:
      moments: seconds and number of rows, whenever that grew.
      stood: rows that stood in the file at a kill.
      killed: by what was killed.
      peak_mib: by how much the job's memory grew at most since its first row.
    """

    moments: list[tuple[float, int]] = dataclasses.field(default_factory=list)
    stood: set[tuple[str, ...]] = dataclasses.field(default_factory=set)
    killed: dict[str, int] = dataclasses.field(default_factory=dict)
    peak_mib: float = 0.0

    def overhead_ms(self, num: int) -> float:
        """What an evaluation cost a worker beyond the time of the program, milliseconds."""
        inner = [moment for moment in self.moments if SKIPPED * num <= moment[1] <= (1 - SKIPPED) * num]
        (began, first), (ended, last) = inner[0], inner[-1]
        return 1000 * (ended - began) * WORKERS / (last - first) - TAKES_MS


def watched(folder: Path, name: str, num: int, kills: list[tuple[int, str]], rng: np.random.Generator) -> Seen:
    """Run a search to its end; ``kills`` are numbers of rows, rising, and what is killed then."""
    seen, path, log = Seen(), folder / name / EVALUATIONS, folder / f"{name}.txt"
    with log.open("w", encoding="utf-8") as printed, fleet(printed) as made:
        line = arguments(folder, name, made.address, num)
        job, base = jobs.start(line, printed), 0.0
        try:
            while job.poll() is None:
                time.sleep(WAIT)
                made.keep()
                now = resident_mib(job.pid)  # before rows are counted: behind the last of them the job trains
                rows = max(path.read_bytes().count(b"\n") - 1, 0) if path.exists() else 0
                if rows and (not seen.moments or seen.moments[-1][1] < rows):
                    seen.moments.append((time.perf_counter(), rows))
                    if rows < num:
                        base = base or now
                        seen.peak_mib = max(seen.peak_mib, now - base)
                if kills and rows >= kills[0][0]:
                    what = kills.pop(0)[1]
                    seen.stood |= {*evaluated(folder / name)}
                    seen.killed[what] = seen.killed.get(what, 0) + 1
                    if what == "job":
                        job.kill()
                        job.wait()
                        job, base = jobs.start(arguments(folder, name, made.address, num), printed), 0.0
                    else:
                        made.kill(what, rng)
        finally:
            job.kill()
    if job.wait():
        raise RuntimeError(f"the job ended with {job.returncode}: {log.read_text(encoding='utf-8')[-3000:]}")
    return seen


def resident_mib(process: int) -> float:
    """Memory of a process that is held now, MiB; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def lines(path: Path) -> list[str]:
    """Of a file; none of one that is not there."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def benchmark(_data_dir: Path, num: int) -> dict[str, Any]:
    """The result; no public data is in it."""
    rng = np.random.default_rng()
    at = np.sort(rng.choice(np.arange(num // 20, num - num // 20), len(KILLS), replace=False)).tolist()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "evaluate.sh").write_text(PROGRAM, encoding="utf-8")
        whole = watched(folder, "whole", num, [], rng)
        killed = watched(folder, "killed", num, list(zip(at, KILLS, strict=True)), rng)
        final, begun = evaluated(folder / "killed"), lines(folder / "killed" / "begun")
        repeated = len(lines(folder / "killed" / "repeated"))
        return {
            "evaluations": len(final),
            "workers": WORKERS,
            "killed": killed.killed,
            "lost": len(killed.stood - {*final}),
            "repeated": repeated + len(final) - len({row[0] for row in final}),
            "begun_again": len(begun) - len({*begun}) - repeated,
            "overhead_ms": round(whole.overhead_ms(num), 2),
            "overhead_killed_ms": round(killed.overhead_ms(num), 2),
            "identical": sorted(final) == sorted(evaluated(folder / "whole")),
            "peak_mib": round(max(whole.peak_mib, killed.peak_mib), 1),
            "load": round(os.getloadavg()[0], 1),
        }


if __name__ == "__main__":
    flags.DEFINE_integer("evaluations", 2000, "How many.", lower_bound=100)
    common.kept(lambda data_dir: benchmark(data_dir, flags.FLAGS.evaluations))
