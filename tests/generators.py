"""A generator with everything known about it, without training: 3,969 architectures, for tests of what comes after."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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


class Known(NamedTuple):
    """A generator, every architecture, and raw costs in float64 by operator (not by trellis)."""

    generator: Generator
    tokens: np.ndarray
    raw: np.ndarray
    quality: np.ndarray

    def row(self, tokens: np.ndarray) -> int:
        (rows,) = np.nonzero((self.tokens == np.asarray(tokens)).all(1))
        return int(rows[0])


@functools.cache
def make_generator(num_costs: int = 1, policy: bool = True, archive: bool = True) -> Known:
    """An untrained policy and a few hundred random architectures on NAS-Bench-Macro."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    rng = np.random.default_rng(0)
    times = rng.uniform(0.1, 3.0, len(space.operators))
    prices = [Prices("latency_ms", "ms", times, space.trellis.valid, device=DEVICE, source="toy.json")]
    prices += [analytic(space, "madds")][: num_costs - 1]
    raw = np.stack([space.operator_sum(tokens, column.values) for column in prices], -1)
    quality = (0.5 + 0.1 * np.tanh(rng.normal(size=len(tokens)) + (raw[:, 0] - raw[:, 0].mean()))).astype(np.float32)
    problem, description = make_problem(space, prices, tabular_quality(space, tokens, quality))
    found = Cells.empty(problem.spec, 64)
    some = np.asarray(tokens[rng.permutation(len(tokens))[:400]], np.int32)
    objective, costs = jax.jit(evaluate)(problem, some)
    found = jax.jit(Cells.insert)(found, problem, some, costs, objective)
    artefact = Artefact(
        init_policy(jax.random.key(1), problem.spec, 8, 8) if policy else None, found if archive else None
    )
    return Known(Generator(artefact, problem, description, {}), tokens, raw, quality)


def make_controller(spec: Spec, size: int = 8, name: str = "still") -> Controller:
    """A controller that does nothing: its state is what a test gives it."""
    return Controller(
        name=name,
        spec=spec,
        settings={"size": size},
        default_params=lambda: {"rate": 0.5},
        init=lambda key, problem, params: {"weights": jax.random.normal(key, (size, 4)), "count": jnp.uint32(0)},
        update=lambda state, key, problem, params, progress: (state, {}),
        rebase=lambda state, problem: state,
        artefact=lambda state, problem: Artefact(None, None),
    )
