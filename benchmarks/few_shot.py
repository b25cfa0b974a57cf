"""A new device from few measurements: how well are networks ranked that were not measured?

``python -m benchmarks.few_shot --data_dir=DIR`` ends with {spearman_10, spearman_20, spearman_50, scratch_20,
nearest_20, devices, ..., unseen_gpu}. Devices are 12 settings of 4 GPUs on which 5,000 once-for-all networks were
measured (HELP, Lee et al., arXiv 2106.08630). When one is new, all settings of its GPU are unknown; ``_setting``: only
the setting itself is. 4,000 networks, drawn by seed 0, can be measured and are what known devices are known by, 1,000
judge. ``unseen_gpu`` has the same of 10 GPUs and CPUs of HW-GPT-Bench at each of its three scales, 8,000 and 2,000.
All figures are means over devices, and over draws of the thousand networks from which the plan (``random_``: chance)
takes what is measured; the measurements are all that is known of the new device.

Rivals: ``scratch`` fits the measurements alone, the best of a ridge regression on path features or on operator terms, a
Gaussian process on path features (once-for-all networks, 20 measurements, first draw), and a line in multiply-adds, on
planned or on random networks; ``nearest`` takes the known device that ranks the measured networks best, rescaled by
their median ratio. ``all`` is the same linear model fitted to all that can be measured: what no few measurements reach.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from experiments.frame import runtime
from nagjax import durable
from nagjax.devices.operator_terms import OperatorTerms, operator_terms
from nagjax.devices.pricing import analytic
from nagjax.devices.transfer import adapt, device_weights, learn_prior, plan
from nagjax.devices.validation import spearman
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.kinds.ridge import solve
from nagjax.predictors.records.hw_gpt import read_measured
from nagjax.predictors.records.records import Records
from nagjax.spaces import hw_gpt, ofa_mobilenet_v3
from nagjax.spaces.space import Space

COUNTS = (10, 20, 50)
POOL, REFERENCE = 1000, 1000
SCALES = ("s", "m", "l")
CLOSE = 0.1
"""Relative error within which a prediction counts."""

Figures = dict[str, list[tuple[float, float]]]


class Family:
    """Devices on which the same networks were measured.

    Attributes:
      space, tokens, measured: the networks int32 ``[N, T]`` and their latency float64 by device ``[N]``, ms.
      unit: of each device, what is held out together with it.
      train, judged: indices of networks that can be measured, and of those that judge.
      terms, weights: operator terms of the networks, and what each device takes for them.
    """

    def __init__(
        self, space: Space, tokens: np.ndarray, measured: Mapping[str, np.ndarray], unit: Mapping[str, str], judged: int
    ) -> None:
        """Fit every device on what can be measured."""
        self.space, self.tokens, self.measured, self.unit = space, tokens, measured, unit
        order = np.random.default_rng(0).permutation(len(tokens))
        self.train, self.judged = order[:-judged], order[-judged:]
        self.model: OperatorTerms = operator_terms(space)
        self.terms = self.model.of(tokens)
        self.features = space.features(tokens).astype(np.float64)
        self.madds = space.operator_sum(tokens, analytic(space, "madds").values)
        self.weights = {
            name: device_weights(self.terms[self.train], times[self.train]) for name, times in measured.items()
        }

    def judge(self, name: str, predicted: np.ndarray) -> tuple[float, float]:
        """Spearman, and the share within ``CLOSE``, of predictions float64 ``[N]`` on the networks that judge."""
        guess, truth = predicted[self.judged], self.measured[name][self.judged]
        return spearman(guess, truth), float((np.abs(guess / truth - 1) < CLOSE).mean())


def new_device(family: Family, name: str, known: Sequence[str], seed: int, gp: bool) -> dict[str, tuple[float, float]]:
    """Figures of one device that is new, by way and number of measurements, for one draw of networks."""
    rng = np.random.default_rng([seed, 1])
    pool, reference = rng.permutation(family.train)[:POOL], family.terms[family.train[:REFERENCE]]
    prior = learn_prior([family.weights[one] for one in known], reference)
    designs = {"": pool[plan(prior, family.terms[pool], max(COUNTS))], "random_": pool[: max(COUNTS)]}
    out = {"all": family.judge(name, family.terms @ family.weights[name])}
    for design, order in designs.items():
        for count in COUNTS:
            chosen = order[:count]
            times = family.measured[name][chosen]
            out[f"{design}adapted_{count}"] = family.judge(
                name, family.terms @ adapt(prior, family.terms[chosen], times).weights
            )
            out[f"{design}nearest_{count}"] = family.judge(name, nearest(family, known, chosen, times))
            for way, predicted in scratch(family, chosen, times, gp and count == 20).items():
                out[f"{design}scratch_{way}_{count}"] = family.judge(name, predicted)
    return out


def nearest(family: Family, known: Sequence[str], chosen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Latencies of the known device that ranks the measured networks best, rescaled."""
    predicted = [family.terms @ family.weights[one] for one in known]
    best = max(predicted, key=lambda one: spearman(one[chosen], times))
    return best * float(np.median(times / best[chosen]))


def scratch(family: Family, chosen: np.ndarray, times: np.ndarray, gp: bool) -> dict[str, np.ndarray]:
    """Predictions float64 ``[N]`` of models that see the measurements alone."""
    out = {}
    sources = {"path": family.features, "terms": family.terms, "madds": family.madds[:, None]}
    for way, source in sources.items():
        weights, offset, *_ = solve(source[chosen], times)
        out[way] = source @ weights + offset
    if gp:
        scale = 2 * float(times.max())  # a quality is a fraction
        records = Records(family.tokens[chosen], times / scale)
        fitted = fit(make("gp", {"validation_share": 0.0}), family.space, records, 0)
        mean, _ = fitted.predictor(jnp.asarray(family.tokens), jnp.asarray(family.features, jnp.float32))
        out["gp"] = np.asarray(mean, np.float64) * scale
    return out


def study(family: Family, draws: int, together: bool, gp: bool) -> tuple[dict[str, Any], dict[str, Figures]]:
    """Means over devices and draws by way, and the figures of each device.

    If ``together``, what has the new device's ``unit`` is unknown as well. Gaussian processes are fitted at the first
    draw if ``gp``.
    """
    found: dict[str, Figures] = {}
    for name in family.measured:
        known = [
            one for one in family.measured if one != name and not (together and family.unit[one] == family.unit[name])
        ]
        figures: Figures = defaultdict(list)
        for seed in range(draws):
            for way, pair in new_device(family, name, known, seed, gp and seed == 0).items():
                figures[way].append(pair)
        found[name] = figures
        print(name, {way: round(float(np.mean(v, 0)[0]), 3) for way, v in figures.items() if "20" in way}, flush=True)
    return summary(found), found


def summary(found: Mapping[str, Figures]) -> dict[str, Any]:
    """Means over devices and draws; of rivals the best way at each number of measurements."""
    ways = list(next(iter(found.values())))
    mean = {way: np.mean([np.mean(figures[way], 0) for figures in found.values()], 0) for way in ways}
    out: dict[str, Any] = {}
    for count in COUNTS:
        out[f"spearman_{count}"], out[f"within_10_percent_{count}"] = map(float, mean[f"adapted_{count}"])
        out[f"random_{count}"] = float(mean[f"random_adapted_{count}"][0])
        for rival in ("nearest", "scratch"):
            mine = [way for way in ways if way.removeprefix("random_").startswith(rival) and way.endswith(f"_{count}")]
            best = max(mine, key=lambda way: float(mean[way][0]))
            out[f"{rival}_{count}"], out[f"{rival}_{count}_within_10_percent"] = map(float, mean[best])
            out[f"{rival}_{count}_way"] = best
    out["all"], out["all_within_10_percent"] = map(float, mean["all"])
    return out | {"devices": len(found)}


def gpus(data_dir: Path) -> Family:
    """The 12 settings of HELP's measurements."""
    space = ofa_mobilenet_v3.make()
    rows = common.read_csv(data_dir / common.OFA / "gpu_latency_5000x12.csv")
    tokens = np.stack([space.parse(common.architecture_text(row)) for row in rows])
    names = [column.removesuffix("_ms") for column in rows[0] if column.endswith("_ms")]
    measured = {name: np.array([float(row[f"{name}_ms"]) for row in rows]) for name in names}
    return Family(space, tokens, measured, {name: name.rpartition("_")[0] for name in names}, 1000)


def decoders(data_dir: Path, scale: str) -> Family:
    """The 10 devices of HW-GPT-Bench at a scale."""
    space = hw_gpt.make(scale)
    found = read_measured(data_dir / "hw_gpt_bench" / f"measured_{scale}.npz", space)
    return Family(space, found.tokens, found.latency_ms, {name: name for name in found.latency_ms}, 2000)


def few_shot(data_dir: Path, draws: int, gp: bool) -> dict[str, Any]:
    """The figures."""
    family = gpus(data_dir)
    out: dict[str, Any] = {}
    rows = []
    for together in (True, False):
        mean, found = study(family, draws, together, gp and together)
        out |= mean if together else {f"spearman_{count}_setting": mean[f"spearman_{count}"] for count in COUNTS}
        rows += _rows("gpus" if together else "gpus_setting", found)
    unseen: dict[str, Any] = {}
    for scale in SCALES:
        unseen[scale], found = study(decoders(data_dir, scale), draws, True, gp=False)
        rows += _rows(f"decoders_{scale}", found)
    return out | {"draws": draws, "unseen_gpu": unseen, "rows": rows}


def _rows(family: str, found: Mapping[str, Figures]) -> list[dict[str, Any]]:
    """One row a device: Spearman and share within 10 % by way."""
    return [
        {"family": family, "device": name}
        | {way: [round(float(one), 4) for one in np.mean(pairs, 0)] for way, pairs in figures.items()}
        for name, figures in found.items()
    ]


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    result = few_shot(data_dir, values.draws, values.gp)
    if values.results:
        durable.replace(values.results, json.dumps(result, indent=1) + "\n")
    return {key: value for key, value in result.items() if key != "rows"}


if __name__ == "__main__":
    flags.DEFINE_integer("draws", 3, "Draws of networks to choose from; seeds from 0.", lower_bound=1)
    flags.DEFINE_bool("gp", True, "Fit Gaussian processes from scratch as well.")
    flags.DEFINE_string("results", None, "File to write, with a row for each device.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
