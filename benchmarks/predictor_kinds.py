"""Kinds of predictors on NAS-Bench-Macro: how well each ranks all architectures, and what its best ones lose.

``python -m benchmarks.predictor_kinds --data_dir=DIR [--seeds=10] [--labels=50,100,200] [--kinds=mse,ranking,trees]``

Each kind is fitted to some accuracies, other ones for every seed. ``tau`` is Kendall's over all 3,969; ``regret`` is
what the best predicted architecture within each of 400 budgets of multiply-adds loses to the best there is, points of
true accuracy, the mean over budgets and seeds. Keys end in the number of labels. ``mse``, ``ranking`` (hinge) and
``logistic`` are one network with other losses, ``pair`` compares two architectures, ``gp``, ``ridge``, ``trees`` and
``graph`` are kinds of their own; ``auto`` mixes the first two or takes one of ``mse``, ``ranking``, ``gp`` and
``ridge``, and ``chosen`` counts what. ``madds`` ranks by cost, ``lookup`` answers with the labels themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
ALL = {"validation_share": 0.0}


def kinds() -> dict[str, Kind]:
    """What is compared, by the name in the keys."""
    return {
        # What is held out for a report changes nothing of what is compared.
        "mse": make("mlp", ALL),
        "ranking": make("mlp", {"loss": "hinge", **ALL}),
        "logistic": make("mlp", {"loss": "logistic", **ALL}),
        "pair": make("pair", ALL),
        "graph": make("graph", ALL),
        "gp": make("gp", ALL),
        "ridge": make("ridge", ALL),
        "trees": make("trees", ALL),
        "auto": make("auto"),
    }


RIVALS = ("madds", "lookup")


def regret(predicted: np.ndarray, quality: np.ndarray, cost: np.ndarray) -> float:
    """Points that the best predicted within each budget loses, the mean over budgets; arrays ``[N]``."""
    budgets = np.linspace(cost.min(), cost.max(), BUDGETS)
    chosen = quality[best_within(cost, predicted, budgets)]
    return POINTS * float((quality[best_within(cost, quality, budgets)] - chosen).mean())


def looked_up(every: Records, labelled: Records) -> np.ndarray:
    """Quality float64 ``[N]`` of those that are labelled, -inf of the others."""
    known = {row.tobytes(): quality for row, quality in zip(labelled.tokens, labelled.quality, strict=True)}
    return np.array([known.get(row.tobytes(), -np.inf) for row in every.tokens])


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
            taus: list[float | None] = []
            regrets: list[float] = []
            for seed in common.seeds():
                labelled = draw(every, num, seed)
                if name in RIVALS:
                    predicted = cost if name == "madds" else looked_up(every, labelled)
                else:
                    fitted = fit(kinds()[name], space, labelled, seed)
                    predicted = np.asarray(ask(fitted.predictor), np.float64)
                    chosen.update([str(fitted.report["kind"])] if name == "auto" else [])
                taus.append(None if name == "lookup" else float(stats.kendalltau(predicted, quality).statistic))
                regrets.append(regret(predicted, quality, cost))
                rows.append({"labels": num, "kind": name, "seed": seed, "tau": taus[-1], "regret": regrets[-1]})
            out |= {f"tau_{name}_{num}": _mean(taus), f"regret_{name}_{num}": _mean(regrets)}
            print(f"{num} labels, {name}: tau {_mean(taus)}, regret {_mean(regrets)}", flush=True)
        out |= {f"chosen_{num}": dict(chosen)} if chosen else {}
    return out | {"rows": rows}


def _mean(values: Sequence[float | None]) -> float | None:
    """None where there are none: labels that are looked up rank nothing else."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


if __name__ == "__main__":
    common.define_seeds(what="Draws of labels.")
    flags.DEFINE_list("labels", ["50", "100", "200"], "Accuracies that a fit sees.")
    flags.DEFINE_list("kinds", [*kinds(), *RIVALS], "Which.")
    common.main(_benchmark)
