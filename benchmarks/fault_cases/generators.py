"""An untrained generator over all 3,969 architectures of NAS-Bench-Macro, in memory and as a checkpoint."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.checkpoint import checkpoint
from nagjax.controllers import Artefact, Controller
from nagjax.devices.pricing import Prices, analytic
from nagjax.generator.policy import init_policy
from nagjax.inference.generator import Generator
from nagjax.populations.cells import Cells
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Spec, evaluate
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

DEVICE = "toy phone"


@functools.cache
def make(num_costs: int = 1, seed: int = 0) -> Generator:
    """The generator; costs are quarters of a millisecond an operator, and quality grows with them."""
    space = nas_bench_macro.make()
    times = 0.25 * (1 + (np.arange(len(space.operators)) * (7 + seed)) % 5)
    prices = [Prices("latency_ms", "ms", times, space.trellis.valid, device=DEVICE, source="toy.json")]
    prices += [analytic(space, "madds")][: num_costs - 1]
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    cost = space.operator_sum(tokens, times)
    quality = (0.3 + 0.4 * cost / cost.max()).astype(np.float32)
    problem, description = make_problem(space, prices, tabular_quality(space, tokens, quality))
    some = jnp.asarray(tokens[:: 16 + seed])
    objective, costs = evaluate(problem, some)
    archive = Cells.empty(problem.spec, 32).insert(problem, some, costs, objective)
    policy = init_policy(jax.random.key(seed), problem.spec, 8, 8)
    return Generator(Artefact(policy, archive), problem, description, {})


def controller(spec: Spec, size: int = 4, name: str = "still", **parts: Callable[..., Any]) -> Controller:
    """A controller that does nothing, with other functions where ``parts`` gives them."""

    def update(state: Any, *_: Any) -> tuple[Any, Mapping[str, jax.Array]]:
        return state, {"evaluations": jnp.float32(1), "infeasible": jnp.float32(0)}

    given: dict[str, Any] = {
        "default_params": lambda: {"rate": 0.5},
        "init": lambda key, problem, params: {"weights": jnp.zeros(size)},
        "update": update,
        "rebase": lambda state, problem: state,
        "artefact": lambda state, problem: Artefact(None, Cells.empty(spec, 8)),
    }
    return Controller(name, spec, {"size": size}, **{**given, **parts})


def save(folder: Path, generator: Generator, steps: tuple[int, ...] = (3, 7)) -> Path:
    """A run's checkpoints of a generator, in ``folder``."""
    still = controller(generator.problem.spec)
    with checkpoint.Writer(folder) as writer:
        for step in steps:
            run = {"seed": 3, "seconds": 1.5, "flags": []}
            state = {"weights": np.arange(4, dtype=np.float32)}
            writer.save(
                step, still, {"rate": np.float32(0.5)}, state, generator.artefact, generator.problem,
                generator.description, run,
            )  # fmt: skip
    return folder


@functools.cache
def _written(seed: int) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    holder = tempfile.TemporaryDirectory()
    return holder, save(Path(holder.name) / "run", make(seed=seed))


def copied(folder: Path, seed: int = 0) -> Path:
    """A copy of a run with the steps 3 and 7, to be damaged."""
    return Path(shutil.copytree(_written(seed)[1], folder / f"run{seed}"))


def last(run: Path) -> Path:
    """The folder of the last step of a run."""
    return run / checkpoint.FOLDER / "7"


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The run with a changed configuration of its last step."""
    path = last(run) / "config" / "metadata"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    return run
