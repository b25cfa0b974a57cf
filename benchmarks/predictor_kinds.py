"""Kinds of predictors on NAS-Bench-Macro: how well each ranks all architectures, and what its best ones lose.

``python -m benchmarks.predictor_kinds --data_dir=DIR [--seeds=30] [--labels=50,100,200] [--kinds=mse,ranking]
--results=FILE`` appends a row for every kind, number of labels and seed to a CSV file; what is there already is not run
again.

Each kind is fitted to some accuracies, other ones for every seed. ``tau`` is Kendall's over all 3,969; ``regret`` is
what the best predicted architecture within each of 400 budgets of multiply-adds loses to the best there is, points of
true accuracy, the mean over budgets. ``mse``, ``ranking`` (hinge) and ``logistic`` are one network with other losses,
``pair`` compares two architectures, ``gp``, ``ridge``, ``trees`` and ``graph`` are kinds of their own; ``auto`` mixes
networks or takes one kind, and ``chosen`` says what. ``madds`` ranks by cost, ``lookup`` answers with the labels
themselves. The last line has means over seeds, keys end in the number of labels; ``error_KIND`` is the standard error
of its mean regret, ``auto-KIND`` the mean difference of regrets on the same labels and its standard error.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from scipy import stats

from benchmarks import common
from experiments.comparison.problems import macro_accuracies
from experiments.frame import settings
from nagjax.devices.pricing import analytic
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records, draw
from nagjax.reports.front import best_within
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

BUDGETS, POINTS = 400, 100
COLUMNS = ("kind", "labels", "seed", "tau", "regret", "chosen")
Row = Mapping[str, str]
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
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = macro_accuracies(data_dir / "nas_bench_macro" / "cifar10.json", tokens)
    cost = space.operator_sum(tokens, analytic(space, "madds").values)
    every = Records(tokens, quality, source="NAS-Bench-Macro")
    features = jnp.asarray(space.features(tokens))
    ask = jax.jit(lambda form: form(jnp.asarray(tokens), features)[0])
    labels = settings.parse_integers(values.labels, "labels")
    rows = common.rows_so_far(values.results)
    done = {(row["kind"], int(row["labels"]), int(row["seed"])) for row in rows}
    for seed, num, name in itertools.product(common.seeds(), labels, values.kinds):
        if (name, num, seed) in done:
            continue
        labelled, chosen = draw(every, num, seed), ""
        if name in RIVALS:
            predicted = cost if name == "madds" else looked_up(every, labelled)
        else:
            fitted = fit(kinds()[name], space, labelled, seed)
            predicted = np.asarray(ask(fitted.predictor), np.float64)
            chosen = str(fitted.report["kind"]) if name == "auto" else ""
        tau = "" if name == "lookup" else f"{stats.kendalltau(predicted, quality).statistic:.5f}"
        figures = (name, f"{num}", f"{seed}", tau, f"{regret(predicted, quality, cost):.5f}", chosen)
        rows.append(dict(zip(COLUMNS, figures, strict=True)))
        common.write_so_far(values.results, rows)
        print(*figures, flush=True)
    return summary([row for row in rows if int(row["labels"]) in labels and row["kind"] in values.kinds])


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """Means over seeds and standard errors, by kind and number of labels; and what ``auto`` loses to each kind."""
    held: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        held.setdefault((row["kind"], row["labels"]), {})[row["seed"]] = row
    out: dict[str, Any] = {"labels": sorted({int(num) for _, num in held}), "budgets": BUDGETS}
    out["seeds"] = max(map(len, held.values()), default=0)
    for (name, num), by_seed in held.items():
        if name != "lookup":  # labels that are looked up rank nothing else
            out[f"tau_{name}_{num}"], _ = mean_error([float(row["tau"]) for row in by_seed.values()])
        regrets = {seed: float(row["regret"]) for seed, row in by_seed.items()}
        out[f"regret_{name}_{num}"], out[f"error_{name}_{num}"] = mean_error(list(regrets.values()))
        ours = held.get(("auto", num), {})
        both = [float(ours[seed]["regret"]) - lost for seed, lost in regrets.items() if seed in ours]
        if name == "auto":
            out[f"chosen_{num}"] = dict(Counter(row["chosen"] for row in by_seed.values()))
        elif both:
            out[f"auto-{name}_{num}"] = mean_error(both)
    return out


def mean_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of some figures and its standard error, None of one alone.

    >>> mean_error([1.0, 3.0])
    (2.0, 1.0)
    """
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(np.mean(values)), error


if __name__ == "__main__":
    common.define_seeds(30, what="Draws of labels.")
    flags.DEFINE_list("labels", ["50", "100", "200"], "Accuracies that a fit sees.")
    flags.DEFINE_list("kinds", [*kinds(), *RIVALS], "Which.")
    flags.DEFINE_string("results", "benchmarks/results/predictor_kinds.csv", "The file of rows.")
    common.main(_benchmark)
