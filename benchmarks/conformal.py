"""Do bounds of learned latency hold: for networks as they are drawn, and for those that are chosen?

``python -m benchmarks.conformal --data_dir=DIR`` ends with {worst_gap_points, selected_gap_points, splits, levels}.
The 5,000 networks of ``benchmarks.learned_latency`` at its twelve settings are dealt into five folds and each predicted
by a model fitted to the other four. Of 20 splits each calibrates bounds on 4,000 of these predictions and counts among
the other 1,000 how many exceed theirs: all of them, and those that are chosen, for each of 100 budgets the best by the
published accuracy predictor whose bound is within it (of the resolutions that it knows). Gaps are means over splits
minus the level, in points: of the marginal bound the largest to either side, among the chosen the largest above.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.learned_latency import SEED, read_gpu
from nagjax.learned.bound import BUDGETS, Bound, bands_of, best_within, fit_bound
from nagjax.learned.fit import HEADROOM, KIND, SETTINGS, held_out, how_often_chosen
from nagjax.learned.prices import known_edges
from nagjax.predictors.fitted import asked
from nagjax.predictors.formats.ofa_npz import import_ofa
from nagjax.predictors.kinds.registry import make
from nagjax.predictors.records.records import Records
from nagjax.reports.front import POINTS
from nagjax.spaces import trellis as tl

LEVELS, SPLITS, CALIBRATED = (0.01, 0.05, 0.1), 20, 4000
FIRST = 100
"""Seed of the first split: the sizes of pools in ``nagjax.learned`` were chosen on seeds 0 to 19."""


def conformal(data_dir: Path, splits: int = SPLITS) -> dict[str, Any]:
    """The figures, and under ``rows`` those of each setting and level, means over splits."""
    space, tokens, latencies = read_gpu(data_dir)
    quality = import_ofa(data_dir / common.OFA / "accuracy_predictor.npz", space).predictor
    told = asked(quality, tokens, space.features(tokens))
    answers = tl.walk(space.trellis.target, known_edges(space, quality), tokens)[1]
    kind = make(KIND, SETTINGS)
    rows: dict[str, dict[str, float]] = {}
    for name, measured in latencies.items():
        whole = HEADROOM * float(measured.max())
        predicted = held_out(kind, space, Records(tokens, measured / whole), SEED) * whole
        found: dict[str, list[dict[str, float]]] = {f"{name} {level:g}": [] for level in LEVELS}
        for split in range(FIRST, FIRST + splits):
            order = np.random.default_rng(split).permutation(len(tokens))
            some, test = order[:CALIBRATED], order[CALIBRATED:]
            often = how_often_chosen(space, quality, tokens[some], predicted[some], seed=split)
            pool = test[answers[test]]
            pool = pool[np.argsort(predicted[pool], kind="stable")]
            for level in LEVELS:
                plain = fit_bound(predicted[some], measured[some], level)
                mended = fit_bound(predicted[some], measured[some], level, often)
                picked = pool[best_within(mended.of(predicted[pool]), told[pool], BUDGETS)]
                found[f"{name} {level:g}"].append(
                    {
                        "all": over(plain, predicted, measured, test),
                        "worst_band": max(over(plain, predicted, measured, test[bands_of(predicted[test]) == b])
                                          for b in range(5)),
                        "all_mended": over(mended, predicted, measured, test),
                        "chosen": over(plain, predicted, measured, picked),
                        "chosen_mended": over(mended, predicted, measured, picked),
                        "width": float(np.median(mended.of(predicted[test]) / predicted[test])),
                        "different": float(len(np.unique(picked))),
                    }
                )  # fmt: skip
        for key, every in found.items():
            rows[key] = {figure: float(np.mean([one[figure] for one in every])) for figure in every[0]}
            print(f"{key}: {json.dumps(rows[key])}", flush=True)
    return {**summary(rows), "splits": splits, "levels": list(LEVELS), "rows": rows}


def over(bound: Bound, predicted: np.ndarray, measured: np.ndarray, rows: np.ndarray) -> float:
    """Share of networks that exceed their bound."""
    return float(np.mean(measured[rows] > bound.of(predicted[rows])))


def summary(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Gaps in points, the worst of settings and levels."""
    gaps = {
        figure: [POINTS * (row[figure] - float(key.split()[1])) for key, row in rows.items()]
        for figure in ("all", "chosen", "chosen_mended")
    }
    return {
        "worst_gap_points": float(np.max(np.abs(gaps["all"]))),
        "selected_gap_points": max(gaps["chosen_mended"]),
        "selected_gap_before": max(gaps["chosen"]),
    }


def _measured(data_dir: Path) -> dict[str, Any]:
    result = conformal(data_dir, flags.FLAGS.splits)
    common.write_result(flags.FLAGS.results or "", result)
    return {key: value for key, value in result.items() if key != "rows"}


if __name__ == "__main__":
    flags.DEFINE_integer("splits", SPLITS, "Random splits.", lower_bound=1)
    flags.DEFINE_string("results", None, "Also write the result to this file.")
    common.main(_measured)
