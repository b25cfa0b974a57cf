"""A million budgets in one call: how long they take and how much memory.

``python -m benchmarks.many_budgets [--budgets=1000000] [--decode=best]``

An untrained generator on ``ofa_mobilenet_v3`` priced by shapes answers budgets drawn over its range; ``peak_mib`` is
what the process's peak memory grew by since just before the call, compilation included.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.exact_budgets import random_quality
from nagjax.controllers import Artefact
from nagjax.devices.pricing import analytic
from nagjax.generator.policy import init_policy
from nagjax.inference.generator import Generator
from nagjax.problems.build import make_problem
from nagjax.spaces import ofa_mobilenet_v3


def many_budgets(_data_dir: Path | None = None, budgets: int = 1_000_000, decode: str = "best") -> dict[str, Any]:
    """The result of this benchmark; no data are read."""
    space, rng = ofa_mobilenet_v3.make(width=1.2), np.random.default_rng(0)
    problem, description = make_problem(space, [analytic(space, "madds")], random_quality(space, rng))
    generator = Generator(Artefact(init_policy(jax.random.key(0), problem.spec), None), problem, description, {})
    low, high = generator.budget_range[0].tolist()
    asked = rng.uniform(low, high, budgets)
    before, started = _peak_mib(), time.perf_counter()
    found = generator.generate_arrays(budgets={"madds_m": asked}, decode=decode)
    seconds = time.perf_counter() - started
    over = int((~found.guaranteed).sum())
    return {"budgets": budgets, "seconds": seconds, "peak_mib": _peak_mib() - before, "over": over, "decode": decode}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    flags.DEFINE_integer("budgets", 1_000_000, "How many.")
    flags.DEFINE_enum("decode", "best", ["best", "greedy"], "How they are answered.")
    common.main(lambda data_dir: many_budgets(data_dir, flags.FLAGS.budgets, flags.FLAGS.decode))
