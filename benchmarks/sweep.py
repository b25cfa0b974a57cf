"""Sixteen seeds as one program against the same seeds one after another.

``python -m benchmarks.sweep [--runs=16] [--steps=200]`` ends with {runs, steps, vmapped_speedup, of, ...}. On a space
of 24 architectures: ``nag`` in the sizes of the comparison under few evaluations, and ``regularised_evolution``, which
has no gradients; ``vmapped_speedup`` is that of ``nag``, ``of`` has both. Each core is a device, and the program is
shared among them; one after another runs are on one device, whose operations use all cores where they are large. Both
sides are compiled before the clock starts; they take turns, and the best of each counts. ``same_tokens``: all archives
hold the same architectures; ``largest_difference`` is that of any parameter of the policies. ``quality_spread`` says
what the seeds found: quartiles of the mean quality of the answers in the archive. ``--beside`` has so many runs of a
device stand side by side.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from experiments.frame import runtime
from nagjax import controllers, many_runs, plugins, testing
from nagjax.controllers import Artefact, Limits

SIZES = {"children": 8, "spare": 16, "tournaments": 0, "budgets": 1, "group": 2, "hidden": 32}
CONTROLLERS: Mapping[str, Mapping[str, int]] = {"nag": SIZES, "regularised_evolution": {}}
REPEATS = 3


def benchmark(_data_dir: Path, runs: int, steps: int, beside: int | None) -> dict[str, Any]:
    """The result; no public data is in it."""
    runtime.use_cores()
    of = {name: compared(name, runs, steps, beside) for name in CONTROLLERS}
    return {
        "runs": runs,
        "steps": steps,
        "vmapped_speedup": of["nag"]["speedup"],
        "of": of,
        "devices": len(jax.devices()),
        "load": round(os.getloadavg()[0], 1),
    }


def compared(name: str, runs: int, steps: int, beside: int | None) -> dict[str, Any]:
    """Seconds and arrays of one controller both ways."""
    problem = testing.tiny_problem(variant="depth").problem
    controller = plugins.load("controllers", name)(problem.spec, **CONTROLLERS[name])
    limits, seeds, params = Limits(steps), list(range(runs)), controllers.resolve_params(controller)

    def one_by_one() -> list[Artefact]:
        found = []
        for seed in seeds:
            state, key = controllers.init(controller, problem, seed), jax.random.key(seed)
            for first in range(0, steps, limits.length):
                progress = jnp.asarray((first + np.arange(limits.length)) / steps, jnp.float32)
                state, counted = controllers.jit_chunk(
                    controller, state, key, jnp.int32(first), problem, params, progress
                )
                jax.tree.map(np.asarray, counted)
            found.append(controllers.artefact(controller, state, problem))
        return found

    def together() -> list[Artefact]:
        return many_runs.train_many(controller, problem, seeds, limits, beside=beside)

    pairs = [(_timed(one_by_one), _timed(together)) for _ in range(1 + REPEATS)]
    singles, found_together = pairs[-1][0][1], pairs[-1][1][1]
    alone, shared = (min(pair[side][0] for pair in pairs[1:]) for side in (0, 1))
    same = all(
        np.array_equal(one.archive.tokens, other.archive.tokens)
        for one, other in zip(singles, found_together, strict=True)
        if one.archive is not None and other.archive is not None
    )
    policies = [jax.tree.leaves(one.policy) for one in singles], [jax.tree.leaves(one.policy) for one in found_together]
    furthest = [
        float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())
        for one, other in zip(*policies, strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    return {
        "seconds_one_by_one": round(alone, 3),
        "seconds_together": round(shared, 3),
        "speedup": round(alone / shared, 2),
        "same_tokens": same,
        "largest_difference": max(furthest, default=0.0),
        "quality_spread": [round(float(value), 5) for value in np.quantile(_best(found_together), [0.25, 0.5, 0.75])],
    }


def _timed(call: Callable[[], list[Artefact]]) -> tuple[float, list[Artefact]]:
    started = time.perf_counter()
    found = jax.block_until_ready(call())
    return time.perf_counter() - started, found


def _best(found: list[Artefact]) -> list[float]:
    """Mean quality of what each run's archive holds."""
    held = [np.asarray(one.archive.quality) for one in found if one.archive is not None]
    return [float(quality[np.isfinite(quality)].mean()) for quality in held]


if __name__ == "__main__":
    flags.DEFINE_integer("runs", 16, "Seeds.", lower_bound=2)
    flags.DEFINE_integer("steps", 200, "Updates of each run.", lower_bound=1)
    flags.DEFINE_integer("beside", None, "Runs side by side on a device; none: one.", lower_bound=1)
    given = flags.FLAGS
    common.kept(lambda data_dir: benchmark(data_dir, given.runs, given.steps, given.beside))
