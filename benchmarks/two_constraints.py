"""Two budgets at once: does every answer keep both, and how much is lost by the bins of the second?

``python -m benchmarks.two_constraints --data_dir=DIR`` ends with {samples, violations, brute_force_loss_points, bins}.
Samples are random architectures of the once-for-all space under random pairs of Note10 latency and parameters that
something meets; both sums are taken again outside the library, and compared but for the rounding of a float64 sum in
another order, as in ``benchmarks.guarantee``. The loss is on NAS-Bench-Macro, under multiply-adds and parameters: the
best accuracy within both budgets, by looking at all, minus the best that the mask lets through, mean over pairs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.guarantee import no_quality, path_cost
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import Prices, analytic, price
from nagjax.generator.walk import decode_scores, follow, segments
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem, met_together, path_costs
from nagjax.reports.front import POINTS
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

BATCH, PAIRS = 8192, 200


def two_constraints(data_dir: Path, samples: int = 1_000_000) -> dict[str, Any]:
    """The figures."""
    space = ofa_mobilenet_v3.make(width=1.2)
    prices = [price(read_table(data_dir / common.OFA / "note10", space.operators), space), analytic(space, "params")]
    problem, description = make_problem(space, prices, no_quality(space))
    total, over = sample(space, prices, problem, description, samples)
    levels = problem.joint.levels if problem.joint is not None else jnp.zeros(0)
    loss = brute_force_loss(data_dir)
    return {"samples": total, "violations": over, "brute_force_loss_points": loss, "bins": int(levels.shape[0])}


def sample(
    space: Space, prices: list[Prices], problem: Problem, description: Description, samples: int
) -> tuple[int, int]:
    """How many architectures were drawn, and how many of them exceed one of their two budgets."""
    rng = np.random.default_rng(0)
    draw, met = jax.jit(decode_scores), jax.jit(met_together)
    shape = (BATCH, problem.spec.num_layers, problem.spec.num_choices)
    rounding = np.array([exact.tolerance for exact in description.exact])
    total = over = 0
    while total < samples:
        budgets = _pairs(space, description, rng)
        ticks = np.stack([exact.strict(budgets[:, k]) for k, exact in enumerate(description.exact)], -1)
        asked = jnp.asarray(ticks, jnp.int32)
        both = np.asarray(met(problem, asked))
        tokens = np.asarray(draw(problem, jnp.asarray(rng.random(shape), jnp.float32), asked)[0])[both]
        paid = np.stack([path_cost(space, one.values, tokens, one.reduce) for one in prices], -1)
        excess = paid / budgets[both] - 1 - rounding
        total, over = total + len(tokens), over + int((excess > 0).any(-1).sum())
    return total, over


def _pairs(space: Space, description: Description, rng: np.random.Generator) -> np.ndarray:
    """Budgets float64 ``[BATCH, 2]``: costs of one architecture by the first column, of another by the second."""
    costs = description.costs_of(space.sample(rng, BATCH))
    return np.stack([costs[:, 0], costs[rng.permutation(BATCH), 1]], -1)


def brute_force_loss(data_dir: Path) -> float:
    """Points of accuracy that the bins lose on NAS-Bench-Macro, mean over pairs of budgets that something meets."""
    space = nas_bench_macro.make()
    problem, _ = make_problem(space, [analytic(space, "madds"), analytic(space, "params")], no_quality(space))
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    measured = json.loads((data_dir / "nas_bench_macro" / "cifar10.json").read_text(encoding="utf-8"))
    accuracy = np.array([measured[space.format(row)]["mean_acc"] / POINTS for row in tokens])
    costs = np.asarray(path_costs(problem, jnp.asarray(tokens, jnp.int32)))
    through, every = jax.jit(_reachable), jnp.asarray(tokens, jnp.int32)
    rng = np.random.default_rng(0)
    lost: list[float] = []
    while len(lost) < PAIRS:
        one, other = rng.integers(0, len(tokens), 2)
        budgets = np.array([costs[one, 0], costs[other, 1]])
        fits = (costs <= budgets).all(1)
        if fits.any():
            open_to_mask = np.asarray(through(problem, every, jnp.asarray(budgets, jnp.int32))) & fits
            best = accuracy[open_to_mask].max(initial=0.0)
            lost.append(accuracy[fits].max() - best)
    return POINTS * float(np.mean(lost))


def _reachable(problem: Problem, tokens: jax.Array, budgets: jax.Array) -> jax.Array:
    """Which architectures ``[N, T]`` the mask lets through under budgets int32 ``[2]``."""
    masks, _, _ = follow(problem, tokens, jnp.broadcast_to(budgets, (len(tokens), 2)))
    taken = [
        jnp.take_along_axis(mask, tokens[:, first:last, None], 2)[..., 0]
        for mask, (first, last, _) in zip(masks, segments(problem.spec.choices), strict=True)
    ]
    return jnp.concatenate(taken, 1).all(1)


if __name__ == "__main__":
    flags.DEFINE_integer("samples", 1_000_000, "Architectures to draw.", lower_bound=1)
    common.main(lambda data_dir: two_constraints(data_dir, flags.FLAGS.samples))
