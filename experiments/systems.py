"""Published systems by name: list them, run one in small on made-up data, or write the page docs/systems.md.

``python -m experiments.systems``, ``python -m experiments.systems --run=autoshrink --out=runs/autoshrink``, and in a
copy of the repository ``python -m experiments.systems --write``.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from experiments import embedded
from experiments.frame import cli, console, settings
from experiments.published import page
from experiments.published.registry import SYSTEMS, find
from nagjax import durable
from nagjax.predictors.records.records import Records, write_records
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "systems.md"


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    define.string("run", None, "System that is run in small, by its name.")
    define.string("out", None, "Folder that --run writes.")
    define.bool("write", False, "Write docs/systems.md.")


def job(values: flags.FlagValues) -> int:
    """List, run or write."""
    if values.run:
        return run(values.run, values.out or f"runs/{values.run}")
    if values.write:
        if not RESULTS.is_dir():
            raise ValueError(f"--write: {RESULTS} is not there; the page is made in a copy of the repository")
        durable.replace(PAGE, page.page(RESULTS))
        console.say(PAGE)
        return 0
    width = max(len(system.name) for system in SYSTEMS)
    console.say(*(f"{system.name:{width}}  {system.verdict:11}  {system.title}: {system.claim}" for system in SYSTEMS))
    return 0


def run(name: str, out: str) -> int:
    """Run a system in small, without any data; returns the exit status of its job."""
    system = find(name)
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.csv"
        made_up(labels)
        arguments = system.trial(str(labels), str(embedded.find()), out)
        console.say(f"in small, on made-up data: {cli.command(f'experiments.{system.job}', *arguments)}")
        status: int = importlib.import_module(f"experiments.{system.job}").main(arguments)
    return status


def made_up(path: Path) -> None:
    """Write made-up qualities of all architectures of NAS-Bench-Macro: a linear sum, and an interaction."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid).astype(np.int32)
    features = space.features(tokens).astype(np.float64)
    weights = np.random.default_rng(0).uniform(0.0, 1.0, features.shape[1])
    score = features @ weights + features[:, 0] * features[:, -1]
    quality = 0.5 + 0.4 * (score - score.min()) / np.ptp(score)
    write_records(Records(tokens, quality, source="made up"), space, path)


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
