"""What published methods add to a loss of pairs, with it and without it, on NAS-Bench-Macro.

``python -m benchmarks.second_terms --data_dir=DIR [--seeds=10] [--labels=50,100,200,424] --results=FILE``

Kinds are fitted to some accuracies, other ones for every seed, the same for all kinds. ``mse`` is a regression,
``hinge`` the same network with a ranking loss, and ``consistent`` that with ReNAS's second term, by the weight that was
best of 0.1, 1 and 10 under the seeds 100 to 102. Of 200 accuracies ``pair`` compares two architectures; ``pseudo`` does
after a second fit, to pairs that the first was surest of as well, weighted by CTNAS's share of 0.5; ``longer`` is
``pair`` with as many steps as both fits have. ``tau`` is Kendall's over all 3,969; ``accuracy`` the percentage of
100,000 random pairs that are put in order, by the comparison itself where there is one; ``regret`` what the best
predicted within each of 400 budgets of multiply-adds loses to the best there is, points of true accuracy, the mean over
budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from scipy import stats

from benchmarks import common
from benchmarks.rounds import Macro, read
from experiments.frame import settings
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.pair import beats
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import draw

WEIGHT, SHARE, PAIRS = 10.0, 0.5, 100_000
COMPARED = {"pair": 200, "pseudo": 200, "longer": 200}
"""The only number of labels that a kind sees."""
HINGE: Mapping[str, Any] = {"loss": "hinge", "validation_share": 0.0}
PAIR: Mapping[str, Any] = {"validation_share": 0.0}


def kinds(weight: float = WEIGHT) -> dict[str, Kind]:
    """What is compared, by name; ``weight`` is of the second term of ReNAS."""
    return {
        "mse": make("mlp", {"validation_share": 0.0}),
        "hinge": make("mlp", HINGE),
        "consistent": make("mlp", {**HINGE, "consistency": weight}),
        "pair": make("pair", PAIR),
        "pseudo": make("pair", {**PAIR, "pseudo": SHARE}),
        "longer": make("pair", {**PAIR, "steps": 3000}),
    }


def ordered(macro: Macro, form: Form) -> float:
    """Percentage of random pairs whose better one is said to be it; ties of the truth do not count."""
    one, other = np.random.default_rng(0).integers(0, len(macro.cost), (2, PAIRS))
    features = macro.space.features(macro.records.tokens)
    asked = [(jnp.asarray(macro.records.tokens[rows]), jnp.asarray(features[rows])) for rows in (one, other)]
    said = np.asarray(jax.jit(beats)(form, *asked)) > 0.5
    lead = macro.records.quality[one] - macro.records.quality[other]
    return 100 * float((said == (lead > 0))[lead != 0].mean())


def judged(macro: Macro, kind: Kind, labels: int, seed: int) -> dict[str, float]:
    """How well a kind does that was fitted to a draw of labels."""
    form = fit(kind, macro.space, draw(macro.records, labels, seed), seed).predictor
    tokens = jnp.asarray(macro.records.tokens)
    predicted, _ = jax.jit(form.__call__)(tokens, jnp.asarray(macro.space.features(macro.records.tokens)))
    told = np.asarray(predicted, np.float64)
    tau = float(stats.kendalltau(told, macro.records.quality).statistic)
    return {"tau": tau, "accuracy": ordered(macro, form), "regret": macro.lost(told)}


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    macro, rows = read(data_dir), []
    for labels in settings.parse_integers(values.labels, "labels"):
        for name in (name for name in values.kinds if COMPARED.get(name, labels) == labels):
            for seed in common.seeds():
                found = judged(macro, kinds(values.weight)[name], labels, seed)
                rows.append({"labels": labels, "kind": name, "seed": seed, **found})
                print(rows[-1], flush=True)
    return {"seeds": values.seeds, "consistency": values.weight, "pseudo": SHARE, "rows": rows}


if __name__ == "__main__":
    common.define_seeds(what="Draws of labels.")
    flags.DEFINE_list("labels", ["50", "100", "200", "424"], "Accuracies that a fit sees.")
    flags.DEFINE_list("kinds", list(kinds()), "Which.")
    flags.DEFINE_float("weight", WEIGHT, "Of ReNAS's second term.")
    common.kept(_benchmark)
