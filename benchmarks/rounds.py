"""True evaluations in rounds on NAS-Bench-Macro: regret after 100, 200 and 300, by the defaults of ``nagjax.search``.

``python -m benchmarks.rounds --data_dir=DIR [--seeds=10] [--kinds=gp,mlp]`` ends with {evaluations, regret_100,
regret_200, regret_300, regret_one_shot_200, regret_random_200, seeds, best_kind}, deviations beside them.

Regret: points of accuracy that the answers of a generator lose to the best architecture within each of 400 budgets even
in cost, mean over budgets. The space can be listed, so ``best`` answers with the highest objective of all, and no
training is in it. ``one_shot`` fits the same kind to as many random labels and answers in the same way; ``random``
answers with the best of those labels.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from experiments.comparison.problems import macro_accuracies
from nagjax.devices.pricing import analytic
from nagjax.evaluators.journal import Evaluations
from nagjax.posing import Setup, problem
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records, draw, write_records
from nagjax.problems.problem import evaluate
from nagjax.reports.front import POINTS, best_within
from nagjax.searching import KIND, Found, search
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

BUDGETS, COUNTS, ONE_SHOT, PESSIMISM = 400, (100, 200, 300), 200, 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Macro:
    """The benchmark: every architecture, its accuracy, and its multiply-adds float64 ``[N]``."""

    space: Space
    records: Records
    cost: np.ndarray

    def lost(self, objective: np.ndarray) -> float:
        """Points that answers by an objective ``[N]`` lose, mean over the budgets; -inf is not an answer."""
        return float(self.losses(objective).mean())

    def losses(self, objective: np.ndarray) -> np.ndarray:
        """The same under each budget, rising, float64 ``[BUDGETS]``."""
        budgets = np.linspace(self.cost.min(), self.cost.max(), BUDGETS)
        known = np.flatnonzero(np.isfinite(objective))
        row = best_within(self.cost[known], objective[known], budgets)
        served = np.where(row < 0, self.records.quality[np.argmin(self.cost)], self.records.quality[known[row]])
        best = self.records.quality[best_within(self.cost, self.records.quality, budgets)]
        losses: np.ndarray = POINTS * (best - served)
        return losses

    def lost_by(self, tokens: np.ndarray) -> float:
        """The same where the best of some architectures, tokens ``[M, T]``, answers."""
        known, rows = np.full(len(self.cost), -np.inf), self.rows(tokens)
        known[rows] = self.records.quality[rows]
        return self.lost(known)

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """Which of all architectures tokens ``[M, T]`` are."""
        index = {row.tobytes(): i for i, row in enumerate(self.records.tokens)}
        return np.array([index[row.tobytes()] for row in np.asarray(tokens, np.int32)])


def read(data_dir: Path) -> Macro:
    """The benchmark from its published file."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid).astype(np.int32)
    quality = macro_accuracies(data_dir / "nas_bench_macro" / "cifar10.json", tokens)
    cost = space.operator_sum(tokens, analytic(space, "madds").values)
    return Macro(space, Records(tokens, quality, source="NAS-Bench-Macro"), cost)


def answered(macro: Macro, fitted: FittedPredictor, known: Records) -> float:
    """What a generator loses that knows some architectures and has a predictor of the others."""
    form = with_evaluated(fitted.predictor, known.tokens, known.quality)
    setup: Setup = problem(macro.space, quality=form, costs=["madds"], pessimism=PESSIMISM)
    objective, _ = jax.jit(evaluate)(setup.problem, jnp.asarray(macro.records.tokens))
    return macro.lost(np.asarray(objective, np.float64))


def after(macro: Macro, found: Found, kind: Kind, count: int, seed: int) -> float:
    """What the generator of a search's first evaluations loses."""
    done: Evaluations = found.evaluations
    known = Records(done.tokens[:count], done.quality[:count], source=f"{count} evaluations")
    return answered(macro, fit(kind, macro.space, known, seed), known)


def one_seed(macro: Macro, file: Path, folder: Path, kind: str, seed: int) -> dict[str, float]:
    """Regrets of one search and of its rivals."""
    found = search(
        macro.space, "table", folder=folder, evaluator_settings={"file": str(file)}, costs=["madds"],
        evaluations=max(COUNTS), predictor_kind=kind, seed=seed,
    )  # fmt: skip
    labels = draw(macro.records, ONE_SHOT, seed)
    random = np.full(len(macro.cost), -np.inf)
    random[macro.rows(labels.tokens)] = labels.quality
    return {
        **{f"regret_{count}": after(macro, found, make(kind), count, seed) for count in COUNTS},
        f"regret_one_shot_{ONE_SHOT}": answered(macro, fit(make(kind), macro.space, labels, seed), labels),
        f"regret_random_{ONE_SHOT}": macro.lost(random),
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    macro = read(data_dir)
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in values.kinds}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "macro.csv"
        write_records(macro.records, macro.space, file)
        for kind, rows in figures.items():
            for seed in common.seeds():
                rows.append(one_seed(macro, file, Path(name) / f"{kind}{seed}", kind, seed))
                print(kind, seed, {key: round(value, 3) for key, value in rows[-1].items()}, flush=True)
    means = {
        kind: {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for kind, rows in figures.items()
    }
    main = KIND if KIND in figures else values.kinds[0]
    spread = {f"{key}_std": float(np.std([row[key] for row in figures[main]], ddof=1)) for key in means[main]}
    best = min(means, key=lambda kind: means[kind][f"regret_{ONE_SHOT}"])
    return {
        "evaluations": max(COUNTS), **means[main], **(spread if values.seeds > 1 else {}), "seeds": values.seeds,
        "kind": main, "best_kind": best, "kinds": means,
    }  # fmt: skip


if __name__ == "__main__":
    common.define_seeds(what="Searches of each kind.")
    flags.DEFINE_list("kinds", [KIND], "Kinds of predictors that are tried.")
    common.main(_benchmark)
