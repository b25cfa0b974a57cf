"""Searchers on NAS-Bench-Macro, judged by what they evaluated, in the order in which they did.

``python -m benchmarks.few_evaluations --data_dir=DIR [--searchers=nsga2,random] [--seeds=10] --results=FILE`` appends a
row for every searcher, seed and number of evaluations to a CSV file; what is there already is not run again.

An evaluation is the true accuracy of one architecture, repeats included. Of the first 100, 200 and 300: ``regret`` is
what the best of them within each of 400 budgets even in cost loses, points, mean over the budgets; ``below`` the same
over the lower half of the budgets; ``hypervolume`` what they dominate, points of accuracy over the range of cost;
``trained`` their multiply-adds on average, millions, which training them would cost; ``distinct`` how many of them are
different. ``madds`` evaluates nothing and answers with the costliest architecture that fits.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.rounds import BUDGETS, Macro, read
from experiments.comparison.metrics import hypervolume
from nagjax import controllers, plugins
from nagjax.controllers import Controller
from nagjax.posing import problem
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.records.records import draw, write_records
from nagjax.problems.problem import Problem
from nagjax.reports.front import POINTS
from nagjax.searching import search
from nagjax.spaces import draws

COUNTS, PER_ROUND = (100, 200, 300), 25
FIGURES = ("regret", "below", "hypervolume", "trained", "distinct")
COLUMNS = ("searcher", "seed", "evaluations", *FIGURES)


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """What searchers are given.

    Attributes:
      macro: the benchmark.
      problem: its true accuracies, looked up.
      file: of all accuracies, for an evaluator.
      folder: for what searches write.
    """

    macro: Macro
    problem: Problem
    file: Path
    folder: Path


Searcher = Callable[[Study, int], np.ndarray]
"""A study and a seed to what was evaluated, tokens int32 ``[N, T]`` in order, N >= 300."""


def controlled(name: str, static: Mapping[str, Any] | None = None, **params: Any) -> Searcher:
    """A controller on the truth."""

    def run(study: Study, seed: int) -> np.ndarray:
        controller = plugins.load("controllers", name)(study.problem.spec, **(static or {}))
        return evaluated_by(controller, study.problem, seed, params)[0]

    return run


def searched(kind: str, proposer: str, **settings: Any) -> Searcher:
    """A search in rounds, by a kind of predictor and a proposer with its settings."""

    def run(study: Study, seed: int) -> np.ndarray:
        found = search(
            study.macro.space, "table", folder=study.folder / f"{kind}_{proposer.replace(':', '_')}_{seed}",
            evaluator_settings={"file": str(study.file)}, costs=["madds"], evaluations=max(COUNTS), per_round=PER_ROUND,
            predictor_kind=kind, proposer=proposer, proposer_settings=settings, seed=seed,
        )  # fmt: skip
        return found.evaluations.tokens

    return run


def spread(study: Study, seed: int) -> np.ndarray:
    """Random architectures spread over the range of costs, as every search in rounds begins; in random order."""
    macro = study.macro

    def cost_of(tokens: np.ndarray) -> np.ndarray:
        return macro.cost[macro.rows(tokens)]

    found = draws.spread(macro.space, macro.space.trellis.valid, cost_of, max(COUNTS), seed)
    return np.random.default_rng(seed).permutation(found)


def lookup(study: Study, seed: int) -> np.ndarray:
    """Labels drawn as they come: what is left of a search without one."""
    return draw(study.macro.records, max(COUNTS), seed).tokens


SMALL_NSGA2 = {"population": 30}
SMALL_TOURNAMENTS = {"budgets": 16, "population": 8}

MADDS = "madds"

SEARCHERS: Mapping[str, Searcher] = {
    "random": spread,
    "lookup": lookup,
    "regularised_evolution": controlled("regularised_evolution", SMALL_TOURNAMENTS, mutations=3.0, tournament=4.0),
    "nsga2": controlled("nsga2", SMALL_NSGA2),
    "nsga2_open": controlled("nsga2", SMALL_NSGA2, first="open"),
    "eeea_net": controlled("nsga2", SMALL_NSGA2, first="early_exit"),
    "agnn": controlled("conservative"),
    "agnn_one": controlled("conservative", changed=1.0),
    "agnn_unlearned": controlled("conservative", learning_rate=0.0, final_learning_rate=0.0),
    "gbdt_nas": searched("trees", "top_predicted"),
    "gbdt_nas_3s": searched("trees", "pruned"),
    "gbdt_nas_3s_pairs": searched("trees", "pruned", pairs=8),
    "gbdt_nas_3s_quality": searched("trees", "pruned", beyond_cost=False),
    "linas": searched("light", "controller:nsga2", steps=40, population=50),
    "resampling": controlled("conservative", changed=8.0),
}
"""Sizes are those of experiments/flags/compare_shrink.flags."""


@flax.struct.dataclass
class Heard:
    """A quality that tells what it is asked for, in order."""

    quality: Any
    hear: Callable[[Any], None] = flax.struct.field(pytree_node=False)

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``nagjax.predictors.forms.form.Form``."""
        jax.debug.callback(self.hear, tokens, ordered=True)
        mean, std = self.quality(tokens, features)
        return mean, std


class Log:
    """What was heard."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def __call__(self, tokens: Any) -> None:
        """Keep tokens int32 ``[B, T]``."""
        self.rows.append(np.asarray(tokens))

    def tokens(self) -> np.ndarray:
        """All of them, int32 ``[N, T]``."""
        jax.effects_barrier()
        return np.concatenate(self.rows)


LOG = Log()
"""One for all seeds: what is called back is part of what is compiled."""


def evaluated_by(
    controller: Controller, problem: Problem, seed: int, given: Mapping[str, Any], wanted: int = max(COUNTS)
) -> tuple[np.ndarray, Any]:
    """What a controller evaluates until there are ``wanted``, tokens int32 ``[N, T]`` in order; and its last state."""
    LOG.rows.clear()
    heard = dataclasses.replace(problem, quality=Heard(problem.quality, LOG))
    params = controllers.resolve_params(controller, given)
    state = controllers.init(controller, heard, seed, params)
    key = jax.random.key(seed)
    done, updates = int(_evaluations(LOG)), 0
    while done < wanted:
        progress = jnp.array([done / wanted], jnp.float32)
        state, _ = controllers.jit_chunk(controller, state, key, jnp.int32(updates), heard, params, progress)
        done, updates = int(_evaluations(LOG)), updates + 1
    return LOG.tokens(), state


def _evaluations(log: Log) -> int:
    jax.effects_barrier()
    return sum(map(len, log.rows))


def figures(macro: Macro, tokens: np.ndarray) -> dict[str, float]:
    """What evaluated architectures int32 ``[N, T]`` are worth, by column."""
    rows = macro.rows(tokens)
    known = np.full(len(macro.cost), -np.inf)
    known[rows] = macro.records.quality[rows]
    losses = macro.losses(known)
    least = int(np.argmin(macro.cost))
    corner = (float(macro.cost.max()), float(macro.records.quality[least]))
    volume = hypervolume(macro.cost[rows], macro.records.quality[rows], corner)
    return {
        "regret": float(losses.mean()),
        "below": float(losses[: BUDGETS // 2].mean()),
        "hypervolume": POINTS * volume / float(np.ptp(macro.cost)),
        "trained": float(macro.cost[rows].mean()),
        "distinct": len(np.unique(rows)),
    }


def rows_of(study: Study, name: str, seed: int) -> list[dict[str, str]]:
    """The rows of one searcher and seed."""
    if name == MADDS:
        return [{**dict.fromkeys(COLUMNS, ""), "searcher": name, "seed": str(seed), "evaluations": "0",
                 "regret": f"{study.macro.lost(study.macro.cost):.5f}"}]  # fmt: skip
    tokens = SEARCHERS[name](study, seed)
    out = []
    for count in COUNTS:
        found = figures(study.macro, tokens[:count])
        told = [name, seed, count, *(f"{found[column]:.5f}".removesuffix(".00000") for column in FIGURES)]
        out.append(dict(zip(COLUMNS, map(str, told), strict=True)))
    return out


def means(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Mean regret over seeds, by searcher and number of evaluations."""
    held: dict[str, list[float]] = {}
    for row in rows:
        held.setdefault(f"{row['searcher']}_{row['evaluations']}", []).append(float(row["regret"]))
    return {name: float(np.mean(values)) for name, values in held.items()}


def posed(macro: Macro, folder: Path) -> Study:
    """The benchmark as a problem, and as a file in a folder."""
    file = folder / "macro.csv"
    write_records(macro.records, macro.space, file)
    quality = tabular_quality(macro.space, macro.records.tokens, macro.records.quality)
    return Study(macro, problem(macro.space, quality=quality, costs=["madds"]).problem, file, folder)


def of_ways(
    data_dir: Path, ways: Iterable[str], one: Callable[[Study, str, int], Mapping[str, str]]
) -> Mapping[str, Any]:
    """A row for each way and seed that the flags ask for and the file of rows lacks, written when it is made."""
    values = flags.FLAGS
    rows = common.rows_so_far(values.results)
    done = {(row["way"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as name:
        study = posed(read(data_dir), Path(name))
        for way, seed in itertools.product(ways, map(str, common.seeds())):
            if (way, seed) not in done:
                rows.append(dict(one(study, way, int(seed))))
                common.write_so_far(values.results, rows)
                print(rows[-1], flush=True)
    return {"rows": len(rows), "results": values.results}


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    rows = common.rows_so_far(values.results)
    done = {(row["searcher"], int(row["seed"])) for row in rows}
    with tempfile.TemporaryDirectory() as name:
        study = posed(read(data_dir), Path(name))
        for searcher in values.searchers:
            for seed in common.seeds():
                if (searcher, seed) not in done and not (searcher == MADDS and seed > values.first_seed):
                    rows += rows_of(study, searcher, seed)
                    common.write_so_far(values.results, rows)
                    print(rows[-1], flush=True)
    return means(rows)


if __name__ == "__main__":
    flags.DEFINE_list("searchers", [MADDS, *SEARCHERS], "Which.")
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/few_evaluations.csv", "The file of rows.")
    common.main(_benchmark)
