"""How long a user waits for an answer: ``experiments.generate`` from its start to its end, the second time.

``python -m benchmarks.startup --data_dir=DIR`` ends with {second_run_s}. The checkpoint is of a short Note10 run; how
long it trained does not matter here.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import common, jobs

STEPS = 25


def startup(data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache"
        jobs.run(jobs.training(data_dir, folder / "run", STEPS, cache), folder / "log.txt")
        ask = jobs.command(
            "generate", f"--checkpoint={folder / 'run'}", "--budgets_ms=15,20,30", f"--compilation_cache={cache}"
        )
        jobs.run(ask, folder / "log.txt")
        begin = time.perf_counter()
        print(jobs.run(ask, folder / "log.txt"))
        return {"second_run_s": time.perf_counter() - begin}


if __name__ == "__main__":
    common.main(startup)
