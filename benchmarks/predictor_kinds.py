"""Kinds of predictors on NAS-Bench-Macro: how well each ranks all architectures, and what its best ones lose.

``python -m benchmarks.predictor_kinds --data_dir=DIR [--seeds=10] [--labels=50,100,200] [--kinds=mse,ranking,trees]``

Each kind is fitted to some accuracies, other ones for every seed. ``tau`` is Kendall's over all 3,969; ``regret`` is
what the best predicted architecture within each of 400 budgets of multiply-adds loses to the best there is, points of
true accuracy, the mean over budgets and seeds. Keys end in the number of labels. ``mse``, ``ranking`` (hinge),
``gp``, ``ridge`` and ``trees`` are single kinds; ``auto`` mixes the first two or takes one of the first four, and
``chosen`` counts what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from scipy import stats

from benchmarks import common
from experiments.comparison.problems import macro_accuracies
from experiments.frame import runtime, settings
from nagjax.devices.pricing import analytic
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records, draw
from nagjax.reports.front import best_within
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

BUDGETS, POINTS = 400, 100


def kinds() -> dict[str, Kind]:
    """What is compared, by the name in the keys."""
    return {
        "mse": make("mlp"),
        "ranking": make("mlp", {"loss": "hinge"}),
        "gp": make("gp"),
        "ridge": make("ridge"),
        "trees": make("trees"),
        "auto": make("auto"),
    }


def regret(predicted: np.ndarray, quality: np.ndarray, cost: np.ndarray) -> float:
    """Points that the best predicted within each budget loses, the mean over budgets; arrays ``[N]``."""
    budgets = np.linspace(cost.min(), cost.max(), BUDGETS)
    chosen = quality[best_within(cost, predicted, budgets)]
    return POINTS * float((quality[best_within(cost, quality, budgets)] - chosen).mean())


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    runtime.use_compilation_cache(values.compilation_cache)
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = macro_accuracies(data_dir / "nas_bench_macro" / "cifar10.json", tokens)
    cost = space.operator_sum(tokens, analytic(space, "madds").values)
    every = Records(tokens, quality, source="NAS-Bench-Macro")
    features = jnp.asarray(space.features(tokens))
    ask = jax.jit(lambda form: form(jnp.asarray(tokens), features)[0])
    labels = settings.parse_integers(values.labels, "labels")
    rows: list[dict[str, Any]] = []
    out: dict[str, Any] = {"labels": labels, "seeds": values.seeds, "budgets": BUDGETS}
    for num in labels:
        chosen: Counter[str] = Counter()
        for name in values.kinds:
            kind = kinds()[name]
            taus, regrets = [], []
            for seed in range(values.seeds):
                fitted = fit(kind, space, draw(every, num, seed), seed)
                predicted = np.asarray(ask(fitted.predictor), np.float64)
                taus.append(stats.kendalltau(predicted, quality).statistic)
                regrets.append(regret(predicted, quality, cost))
                rows.append({"labels": num, "kind": name, "seed": seed, "tau": taus[-1], "regret": regrets[-1]})
                chosen.update([str(fitted.report["kind"])] if name == "auto" else [])
            out |= {f"tau_{name}_{num}": float(np.mean(taus)), f"regret_{name}_{num}": float(np.mean(regrets))}
            print(f"{num} labels, {name}: tau {np.mean(taus):.3f}, regret {np.mean(regrets):.3f}", flush=True)
        out |= {f"chosen_{num}": dict(chosen)} if chosen else {}
    return out | {"rows": rows}


if __name__ == "__main__":
    flags.DEFINE_integer("seeds", 10, "Draws of labels.", lower_bound=1)
    flags.DEFINE_list("labels", ["50", "100", "200"], "Accuracies that a fit sees.")
    flags.DEFINE_list("kinds", list(kinds()), "Which.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
