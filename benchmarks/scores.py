"""What scores of networks that are not trained are worth: tau, tau among equal multiply-adds, and twenty queries.

``python -m benchmarks.scores --scores=runs/scores --results=FOLDER`` reads what ``experiments.score`` wrote. Labels are
those of a supernet that ship with the package. ``ranked.json`` has Kendall's tau of each score with them, in all and
within bands of multiply-adds, and milliseconds an architecture. ``queries.csv`` has ways of spending 20 labels, by
seed: ``regret`` as in ``benchmarks.robot`` (three budgets, the best of 20 queries among the architectures of the file),
where ``robot`` weighs the scores and ``robot_sizes`` multiply-adds and parameters too; ``tau`` and ``tau_within`` of
what is fitted to 20 random labels with the others: ``gp`` and ``mlp`` on path features, ``gp_scores`` a Gaussian
process on both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common, robot
from benchmarks.rounds import Macro
from experiments.frame import record_file
from experiments.reports.score_report import COUNTS, in_bands, rated
from experiments.reports.score_report import figures as figures_of
from experiments.score import FIGURES, FILE, RECORD
from nagjax import durable
from nagjax.predictors.kinds import registry as kinds
from nagjax.predictors.kinds.gp import condition
from nagjax.predictors.records.records import Records, take
from nagjax.predictors.records.score_columns import read_scores
from nagjax.proposers.bo_weights import from_0_to_1
from nagjax.spaces import mobilenet_v3_small28

SHARES = (0.5, 0.75, 1.0)
"""Budgets, of the range of multiply-adds; below the least of them too few of the architectures fit."""

COLUMNS = ("way", "seed", "regret", "tau", "tau_within")


class Pool:
    """The labelled architectures of a file, and their scores.

    Attributes:
      signs: of the scores, 1 where more is better.
      all: space, records and multiply-adds.
      scored: by name, float64 ``[N]``, 0 to 1, more is better.
      sizes: multiply-adds and parameters in the same way.
      group: int ``[N]``, bands of multiply-adds.
    """

    def __init__(self, folder: Path, bands: int) -> None:
        """Read a folder of ``experiments.score``."""
        space = mobilenet_v3_small28.make()
        self.signs = signs = record_file.read(folder / RECORD, {"signs": dict}, "score again")["signs"]
        tokens, columns = read_scores(folder / FILE, space, ["quality", *COUNTS, *signs])
        self.all = Macro(space, Records(tokens, columns["quality"], source=str(folder)), columns["madds"])
        self.scored = from_0_to_1({name: sign * columns[name] for name, sign in signs.items()})
        self.sizes = from_0_to_1({name: columns[name] for name in COUNTS})
        self.group = in_bands(columns["madds"], bands)

    def features(self) -> np.ndarray:
        """Path features float64 ``[N, F]``."""
        return self.all.space.features(self.all.records.tokens).astype(np.float64)


def queries(pool: Pool, seed: int) -> list[list[str]]:
    """Regrets of the ways to choose 20 architectures."""
    asked = {
        "robot": robot.robot(pool.scored, seed),
        "robot_sizes": robot.robot({**pool.scored, **pool.sizes}, seed),
        **{f"single {name}": robot.ranked(column) for name, column in {**pool.scored, **pool.sizes}.items()},
        "equal_sum": robot.ranked(np.sum(list(pool.scored.values()), 0)),
        "gp": robot.by_process(pool.features()),
        "random": robot.random,
    }
    low, high = pool.all.cost.min(), pool.all.cost.max()
    fits = [np.flatnonzero(pool.all.cost <= low + share * (high - low)) for share in SHARES]
    regrets = {
        name: np.mean([robot.queried(pool.all, rows, ask, seed) for rows in fits]) for name, ask in asked.items()
    }
    return [[name, str(seed), f"{regret:.5f}", "", ""] for name, regret in regrets.items()]


def fitted(pool: Pool, seed: int) -> list[list[str]]:
    """Tau of what is fitted to 20 random labels, with all others."""
    records, features = pool.all.records, pool.features()
    rows = np.random.default_rng([seed, 1]).permutation(len(records.quality))[: robot.QUERIES]
    both = np.concatenate([features, np.stack(list(pool.scored.values()), 1)], 1)
    kind = kinds.fit(kinds.make("mlp", {}), pool.all.space, take(records, rows), seed)
    told = {
        "gp": _process(features, rows, records.quality),
        "gp_scores": _process(both, rows, records.quality),
        "mlp": np.asarray(_told(kind.predictor, records.tokens, features)),
    }
    others = np.setdiff1d(np.arange(len(records.quality)), rows)
    out = []
    for name, mean in told.items():
        found = rated(mean[others], records.quality[others], pool.group[others])
        out.append([f"20 labels: {name}", str(seed), "", f"{found['tau']:.5f}", f"{found['tau_within_bands']:.5f}"])
    return out


def _process(features: np.ndarray, rows: np.ndarray, quality: np.ndarray) -> np.ndarray:
    form = condition(features[rows], quality[rows], np.ones(features.shape[1], bool)).padded(robot.QUERIES)
    return np.asarray(_told(form, np.zeros((len(features), 1), np.int32), features))


@jax.jit
def _told(form: Any, tokens: jax.Array, features: jax.Array) -> jax.Array:
    mean: jax.Array = form(tokens, jnp.asarray(features, jnp.float32))[0]
    return mean


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    folder, out = Path(values.scores), Path(values.results)
    before = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    spent = {name: row["ms_per_architecture"] for name, row in before["scores"].items()}
    pool = Pool(folder, before["bands"])
    figures = figures_of(folder / FILE, pool.signs, spent, before["bands"])
    summed = np.sum(list(pool.scored.values()), 0)
    figures["scores"]["equal_sum"] = {
        **rated(summed, pool.all.records.quality, pool.group),
        "ms_per_architecture": None,
    }
    rows = []
    for seed in common.seeds():
        rows += queries(pool, seed) + fitted(pool, seed)
        print(rows[-1], flush=True)
    out.mkdir(parents=True, exist_ok=True)
    durable.replace(out / FILE, (folder / FILE).read_text(encoding="utf-8"))
    durable.replace(out / RECORD, (folder / RECORD).read_text(encoding="utf-8"))
    common.write_result(str(out / "ranked.json"), figures)
    common.write_rows(str(out / "queries.csv"), COLUMNS, rows)
    return {
        name: {key: row[key] for key in ("tau", "tau_within_bands", "ms_per_architecture")}
        for name, row in figures["scores"].items()
    }


if __name__ == "__main__":
    flags.DEFINE_string("scores", "runs/scores", "Folder that experiments.score wrote.")
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/scores", "Folder of results.")
    common.main(_benchmark)
