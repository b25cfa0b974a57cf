"""Does a preempted run save in time, and end as one that was not?

``python -m benchmarks.preempt`` ends with {saved_within_s, resumed_equal, exit_status}. The supernet of
``benchmarks.processes`` is sent SIGTERM in the middle of training: once as one process of one device, and once as 2
processes of 2 virtual devices each, of which one is sent it. ``saved_within_s`` is the longest of the two from the
signal to the end of all processes; the runs then go on with ``--resume`` and are compared, bit for bit, with runs that
were not stopped. ``exit_status`` is what every process exited with, 143 where all did so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.processes import Jobs, arrays, ended, terminate, wait_for

STEPS = 200
CASES = {"one": (1, 1), "two": (2, 2)}
"""Processes, and devices of each."""


def preempt() -> dict[str, Any]:
    """The result of this benchmark."""
    seconds, statuses, equal = [], set(), True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = Jobs(folder)
        for case, (processes, devices) in CASES.items():
            whole, out = folder / f"{case}_whole", folder / case
            jobs.run(jobs.flags(whole, STEPS), processes, devices)
            with ended(jobs.start(jobs.flags(out, STEPS), processes, devices)) as started:
                wait_for(out, started, 2)
                took, codes = terminate(started, [processes - 1])
            seconds.append(took)
            statuses |= set(codes)
            jobs.run([*jobs.flags(out, STEPS), "--resume"], processes, devices)
            equal &= all(a.tobytes() == b.tobytes() for a, b in zip(arrays(out), arrays(whole), strict=True))
    status = statuses.pop() if len(statuses) == 1 else sorted(statuses)
    return {"saved_within_s": max(seconds), "resumed_equal": equal, "exit_status": status}


if __name__ == "__main__":
    common.kept(lambda _: preempt())
