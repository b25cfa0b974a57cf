"""An exported generator against the library: the same answers, with NumPy alone, and how long a user waits.

``python -m benchmarks.artefact [--steps=300] [--budgets=100] [--results=FILE]``

A generator is trained for a moment on the data that travel with the package and exported. A new process without the
library loads the export and answers budgets even over the range by ``decode=greedy``; ``load_and_answer_s`` is that
process from start to end, Python and NumPy included, the shortest of five. ``imports`` lists what it imported that is
not Python's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

import nagjax
from benchmarks import common
from experiments import embedded

RUNS = 5
PROGRAM = """
import json, sys
before = set(sys.modules)
sys.path.insert(0, {folder!r})
import answer
found = answer.Generator({folder!r} + "/generator.npz").answer({budgets!r}, "greedy")
used = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names) - {{"answer"}}
print(json.dumps([[one["tokens"] for one in found], sorted(used)]))
"""


def artefact(_data_dir: Path | None = None, steps: int = 300, budgets: int = 100) -> dict[str, Any]:
    """The result of this benchmark; no data are read but the embedded ones."""
    data = embedded.find()
    space = nagjax.space("mobilenet_v3_small28")
    setup = nagjax.problem(space, table=str(data / "table.json"), predictor=str(data / "predictor.npz"))
    generator = nagjax.train(setup, controller="nag", steps=steps, seed=0)
    low, high = generator.budget_range[0].tolist()
    asked = np.linspace(low, high, budgets).tolist()
    with tempfile.TemporaryDirectory() as folder:
        generator.export(folder)
        command = [sys.executable, "-I", "-c", PROGRAM.format(folder=folder, budgets=asked)]
        runs = [_timed(command) for _ in range(RUNS)]
    tokens, used = json.loads(runs[0][1])
    theirs = [answer.tokens.tolist() for answer in generator.generate(asked, decode="greedy")]
    same = sum(one == other for one, other in zip(tokens, theirs, strict=True))
    return {
        "load_and_answer_s": min(seconds for seconds, _ in runs), "same_as_greedy": same, "budgets": budgets,
        "imports": used,
    }  # fmt: skip


def _timed(command: Sequence[str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 300, "Updates of training.")
    flags.DEFINE_integer("budgets", 100, "How many are asked.")
    common.kept(lambda data_dir: artefact(data_dir, flags.FLAGS.steps, flags.FLAGS.budgets))
