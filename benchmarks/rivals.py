"""Whether a rival that moves up keeps a comparison informative, and what that is worth: CTNAS with and without it.

``python -m benchmarks.rivals --data_dir=DIR [--seeds=10] --results=FILE`` fits predictors to 200 accuracies of
NAS-Bench-Macro, other ones for every seed, and trains policies on them for 300 updates of 128 samples. ``moves`` is
``ctnas``, whose rivals are replaced every 20 updates, ``stays`` keeps those that it began with. ``share`` is
``reinforce`` on the same comparison with 64 references, a mean that no curriculum moves, and ``regression`` is
``reinforce`` on a network fitted by squared error.

``certain_25``, ``certain_150`` and ``certain_300`` are percentages of samples, in the 25 updates that end there, whose
chance to beat the rival is above 0.95. ``greedy`` is the regret of the policy's answers to 400 budgets in true
accuracy, points; ``best`` that of the highest that the predictor gives within each budget, which no search needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.few_evaluations import Study, of_ways
from benchmarks.latent import lost_greedily
from nagjax import controllers, plugins
from nagjax.controllers import Limits, Moment
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import draw
from nagjax.problems.problem import evaluate

LABELS, UPDATES, LOOKS = 200, 300, (25, 150, 300)
COLUMNS = ("way", "seed", *(f"certain_{look}" for look in LOOKS), "greedy", "best")


@dataclasses.dataclass(frozen=True)
class Way:
    """A kind of predictor, and a controller with its sizes and parameters."""

    kind: str
    controller: str
    sizes: Mapping[str, int]
    params: Mapping[str, float] = dataclasses.field(default_factory=dict)


ANCHORED, GROUPED = {"anchors": 16, "samples": 8}, {"budgets": 16, "group": 8}
WAYS: Mapping[str, Way] = {
    "moves": Way("pair", "ctnas", ANCHORED),
    "stays": Way("pair", "ctnas", ANCHORED, {"period": 0}),
    "share": Way("pair", "reinforce", GROUPED),
    "regression": Way("mlp", "reinforce", GROUPED),
}


def one(study: Study, name: str, seed: int) -> dict[str, str]:
    """The row of one run."""
    way, macro = WAYS[name], study.macro
    kind = make(way.kind, {"validation_share": 0.0})
    predictor = fit(kind, macro.space, draw(macro.records, LABELS, seed), seed).predictor
    problem = dataclasses.replace(study.problem, quality=predictor)
    controller = plugins.load("controllers", way.controller)(problem.spec, **way.sizes)
    params = controllers.resolve_params(controller, way.params)
    certain: dict[int, float] = {}

    def look(moment: Moment) -> None:
        if "certain" in moment.metrics:
            certain[moment.step] = 100 * float(np.mean(moment.metrics["certain"]))

    state = controllers.init(controller, problem, seed, params)
    moment = controllers.train(controller, problem, state, seed, Limits(UPDATES, chunk=25), params, on_chunk=look)
    policy = controllers.artefact(controller, moment.state, problem).policy
    if policy is None:
        raise ValueError(f"{way.controller} ends in no policy")
    predicted, _ = jax.jit(evaluate)(problem, jnp.asarray(macro.records.tokens))
    figures = [*(certain.get(step) for step in LOOKS), lost_greedily(study, policy), macro.lost(np.asarray(predicted))]
    told = ["" if figure is None else f"{figure:.5f}" for figure in figures]
    return dict(zip(COLUMNS, (name, str(seed), *told), strict=True))


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return of_ways(data_dir, WAYS, one)


if __name__ == "__main__":
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/rivals.csv", "The file of rows.")
    common.main(_benchmark)
