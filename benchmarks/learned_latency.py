"""How well latency is learned from measured whole networks, beside what the noise in them leaves possible.

``python -m benchmarks.learned_latency --data_dir=DIR`` ends with {settings, worst_spearman, mean_spearman,
worst_within_10_percent, noise_floor_spearman, most_below_floor, seed}, and of the kind ``residual`` beside them with
{residual_mean_spearman, residual_worst_within_10_percent, masked_1, greedy_first, greedy_asked}, see
``benchmarks.residual_mask``. 5,000 once-for-all networks, each timed on four GPUs at three batch sizes (HELP): 4,000
drawn by a seed are fitted to, the others judge. Three facts beside each floor do not depend on how it is estimated: how
alike the residuals of near neighbours are, how alike those of networks that stand next to each other in the file
(measured one after the other) are, and how alike the residuals of the same networks at other settings are. Noise of a
setting has the second at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.residual_mask import greedy_figures, residual_figures
from nagjax.devices.validation import spearman
from nagjax.learned.fit import HEADROOM, KIND, SETTINGS, judged, noise_floor
from nagjax.predictors.fitted import asked
from nagjax.predictors.formats.ofa_npz import import_ofa
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records
from nagjax.spaces import ofa_mobilenet_v3
from nagjax.spaces.space import Space

GREEDY = "v100_64_ms"
"""The setting on which a generator is trained and asked."""

FILE, SEED, TRAIN = "gpu_latency_5000x12.csv", 0, 4000


def read_gpu(data_dir: Path) -> tuple[Space, np.ndarray, dict[str, np.ndarray]]:
    """The space, tokens int32 ``[N, T]`` of the measured networks, and latencies float64 ``[N]``, ms, by setting."""
    space = ofa_mobilenet_v3.make(width=1.2)
    rows = common.read_csv(data_dir / common.OFA / FILE)
    tokens = np.stack([space.parse(common.architecture_text(row)) for row in rows])
    settings = [name for name in rows[0] if name.endswith("_ms")]
    return space, tokens, {name: np.array([float(row[name]) for row in rows]) for name in settings}


def learned_latency(data_dir: Path) -> dict[str, Any]:
    """The figures, and under ``rows`` those of each setting."""
    space, tokens, latencies = read_gpu(data_dir)
    order = np.random.default_rng(SEED).permutation(len(tokens))
    train, test = order[:TRAIN], np.sort(order[TRAIN:])
    kind = make(KIND, SETTINGS)
    quality = import_ofa(data_dir / common.OFA / "accuracy_predictor.npz", space).predictor
    rows: dict[str, dict[str, Any]] = {}
    residuals = {}
    for name, latency in latencies.items():
        whole = HEADROOM * float(latency[train].max())
        fitted = fit(kind, space, Records(tokens[train], latency[train] / whole), SEED)
        predicted = asked(fitted.predictor, tokens[test], space.features(tokens[test])) * whole
        measured = latency[test]
        floor = noise_floor(space, tokens[test], np.arange(len(test)), measured, measured, predicted)
        residuals[name] = measured / predicted
        rows[name] = {
            **judged(predicted, measured), "floor_spearman": floor.spearman, "floor_within_10": 100 * floor.within_10,
            "floor_deviation": floor.deviation, "neighbours_share": floor.explained,
            "file_order": spearman(residuals[name][:-1], residuals[name][1:]),
        }  # fmt: skip
        beside, setup = residual_figures(space, tokens, latency, train, test, quality, SEED)
        beside |= greedy_figures(setup, SEED) if name == GREEDY else {}
        rows[name] |= {f"residual_{figure}": value for figure, value in beside.items()}
        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    for name, own in residuals.items():
        rows[name]["other_settings"] = max(spearman(own, residuals[other]) for other in residuals if other != name)
    return {**summary(rows), "rows": rows}


def summary(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The worst and the mean of the settings; the floor is that of the setting that is ordered worst."""
    ranks = {name: row["spearman"] for name, row in rows.items()}
    worst = min(ranks, key=lambda name: ranks[name])
    return {
        "settings": len(rows),
        "worst_spearman": ranks[worst],
        "mean_spearman": float(np.mean(list(ranks.values()))),
        "worst_within_10_percent": min(row["within_10_percent"] for row in rows.values()),
        "noise_floor_spearman": rows[worst]["floor_spearman"],
        "most_below_floor": max(row["floor_spearman"] - row["spearman"] for row in rows.values()),
        "residual_mean_spearman": float(np.mean([row["residual_spearman"] for row in rows.values()])),
        "residual_worst_within_10_percent": min(row["residual_within_10_percent"] for row in rows.values()),
        "masked_1": float(np.mean([row["residual_masked_1"] for row in rows.values()])),
        "greedy_first": rows[GREEDY]["residual_greedy_first"],
        "greedy_asked": rows[GREEDY]["residual_greedy_asked"],
        "seed": SEED,
    }


def _measured(data_dir: Path) -> dict[str, Any]:
    result = learned_latency(data_dir)
    common.write_result(flags.FLAGS.results or "", result)
    return {key: value for key, value in result.items() if key != "rows"}


if __name__ == "__main__":
    flags.DEFINE_string("results", None, "Also write the result to this file.")
    common.main(_measured)
