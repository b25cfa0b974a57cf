"""Published systems as searches in rounds on NAS-Bench-Macro: regret after equal numbers of true evaluations.

``python -m benchmarks.systems --data_dir=DIR [--systems=gbdt_nas,linas] [--seeds=10] --results=FILE`` appends a row for
every system, seed and number of evaluations to a CSV file; what is there already is not run again.

``evaluated`` is what the best evaluated architecture within each of 400 budgets even in cost loses, points, the mean
over budgets: nothing but the truth that was paid for. ``answered`` is what a generator loses that knows these and has
the system's predictor of the others. ``random`` evaluates architectures spread over the range of costs, as all the
others begin; ``gp`` is this library's default.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.rounds import Macro, after, read
from nagjax.predictors.kinds.registry import make
from nagjax.predictors.records.records import write_records
from nagjax.searching import search
from nagjax.spaces import draws

COUNTS, PER_ROUND = (100, 200), 25
COLUMNS = ("system", "seed", "evaluations", "evaluated", "answered")


@dataclasses.dataclass(frozen=True)
class Rounds:
    """A system made of parts: a kind of predictor, and a proposer with its settings; ``of_kind`` are the kind's."""

    kind: str
    proposer: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    of_kind: Mapping[str, Any] = dataclasses.field(default_factory=dict)


SHORT = {"members": 2, "steps": 500, "validation_share": 0.0}
"""Of networks that are refitted every round."""
RANKED = {**SHORT, "calibrate": True}


SYSTEMS: Mapping[str, Rounds | None] = {
    "random": None,
    "gp": Rounds("gp", "improvement"),
    "gbdt_nas": Rounds("trees", "top_predicted"),
    "linas": Rounds("ridge", "controller:nsga2", {"steps": 40, "population": 50}),
    "dpp_net": Rounds("ridge", "progressive"),
    "puzzle": Rounds("ridge", "exact"),
    "renas": Rounds("mlp", "top_predicted", of_kind={**RANKED, "loss": "hinge"}),
    "pairs": Rounds("pair", "top_predicted", of_kind=RANKED),
    "ctnas": Rounds("pair", "controller:ctnas", {"steps": 100, "optimism": 0.0}, RANKED),
    "pareto_classifier": Rounds("pair", "pareto_classifier", of_kind=RANKED),
    "pareto_regression": Rounds("mlp", "pareto_classifier", of_kind=SHORT),
    "gcn_fit": Rounds("graph", "top_predicted", of_kind=SHORT),
    "nars": Rounds("nars", "top_predicted", of_kind={"validation_share": 0.0}),
}


def one(macro: Macro, file: Path, folder: Path, name: str, seed: int) -> list[dict[str, str]]:
    """The rows of one search."""
    system = SYSTEMS[name]
    if system is None:
        return [_row(name, seed, count, _evaluated(macro, _spread(macro, count, seed)), None) for count in COUNTS]
    found = search(
        macro.space, "table", folder=folder, evaluator_settings={"file": str(file)}, costs=["madds"],
        evaluations=max(COUNTS), per_round=PER_ROUND, predictor_kind=system.kind, proposer=system.proposer,
        proposer_settings=system.settings, predictor_settings=system.of_kind, seed=seed,
    )  # fmt: skip
    return [
        _row(
            name, seed, count, _evaluated(macro, found.evaluations.tokens[:count]),
            after(macro, found, make(system.kind, system.of_kind), count, seed),
        )
        for count in COUNTS
    ]  # fmt: skip


def _row(name: str, seed: int, count: int, evaluated: float, answered: float | None) -> dict[str, str]:
    shown = "" if answered is None else f"{answered:.5f}"
    return dict(zip(COLUMNS, (name, str(seed), str(count), f"{evaluated:.5f}", shown), strict=True))


def _spread(macro: Macro, count: int, seed: int) -> np.ndarray:
    """Random architectures spread over the range of costs, as every search begins."""
    cost = dict(zip((row.tobytes() for row in macro.records.tokens), macro.cost, strict=True))

    def cost_of(tokens: np.ndarray) -> np.ndarray:
        return np.array([cost[row.tobytes()] for row in np.asarray(tokens, np.int32)])

    return draws.spread(macro.space, macro.space.trellis.valid, cost_of, count, seed)


def _evaluated(macro: Macro, tokens: np.ndarray) -> float:
    """What the best of some architectures loses."""
    known = np.full(len(macro.cost), -np.inf)
    rows = macro.rows(tokens)
    known[rows] = macro.records.quality[rows]
    return macro.lost(known)


def means(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Mean and deviation over seeds, by system and number of evaluations."""
    out: dict[str, Any] = {}
    for name in dict.fromkeys(row["system"] for row in rows):
        for count in dict.fromkeys(row["evaluations"] for row in rows if row["system"] == name):
            here = [row for row in rows if (row["system"], row["evaluations"]) == (name, count)]
            figures: dict[str, float | int] = {"seeds": len(here)}
            for column in ("evaluated", "answered"):
                values = [float(row[column]) for row in here if row[column]]
                if values:
                    figures[column] = float(np.mean(values))
                    figures[f"{column}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            out[f"{name}_{count}"] = figures
    return out


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    rows = common.rows_so_far(values.results)
    done = {(row["system"], int(row["seed"])) for row in rows}
    macro = read(data_dir)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "macro.csv"
        write_records(macro.records, macro.space, file)
        for system in values.systems:
            for seed in common.seeds():
                if (system, seed) not in done:
                    rows += one(macro, file, Path(name) / f"{system}{seed}", system, seed)
                    common.write_so_far(values.results, rows)
                    print(rows[-1], flush=True)
    return means(rows)


if __name__ == "__main__":
    flags.DEFINE_list("systems", list(SYSTEMS), "Which.")
    common.define_seeds(what="Searches of each.")
    flags.DEFINE_string("results", "benchmarks/results/systems.csv", "The file of rows.")
    common.main(_benchmark)
