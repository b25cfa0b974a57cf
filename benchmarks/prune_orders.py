"""What closing choices and pairs of choices by SHAP values cuts off of the true front of NAS-Bench-Macro.

``python -m benchmarks.prune_orders --data_dir=DIR [--seeds=10] [--labels=100,200] --results=FILE``

Trees are fitted to some accuracies, other ones for every seed. ``choices`` closes the four that are worth least (the
first order of GBDT-NAS-3S), ``pairs`` the eight pairs (its second), and ``both`` first the one and then the other; each
by what accuracy is beyond that of like multiply-adds, and with ``by accuracy`` by that itself, as the paper does.
``random`` closes as many drawn at random. ``left`` is the percentage of the architectures that is left, ``cut`` of
those on the true front that is closed, ``lost`` what the best left within each of 400 budgets even in cost loses,
points, mean over the budgets, and ``above`` the same over the upper half of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.rounds import BUDGETS, Macro, read
from experiments.frame import settings
from nagjax.predictors import shap
from nagjax.predictors.records.records import Records, draw
from nagjax.reports.front import best_within
from nagjax.spaces import pruning
from nagjax.spaces.pruning import Pair

CHOICES, PAIRS = 4, 8
COLUMNS = ("way", "seed", "left", "cut", "lost", "above")
Worth = tuple[np.ndarray, Mapping[Pair, float]]
"""What choices are worth, float64 ``[T, C]``, and pairs of them."""


def judged(macro: Macro, known: Records, explained: np.ndarray, seed: int) -> Worth:
    """By SHAP values of trees that explain something ``[N]`` of records."""
    return (
        shap.worth(macro.space, known.tokens, explained, seed=seed),
        shap.worth_together(macro.space, known.tokens, explained, seed=seed),
    )


def drawn(like: Worth, seed: int) -> Worth:
    """The same choices and pairs in an order of chance."""
    rng, (alone, together) = np.random.default_rng(seed), like
    return np.where(np.isnan(alone), np.nan, -rng.random(alone.shape)), {pair: -rng.random() for pair in together}


def ways(macro: Macro, worth: Worth) -> Iterator[tuple[str, np.ndarray]]:
    """Which of all architectures each order leaves, bool ``[N]``."""
    space, (alone, together) = macro.space, worth
    whole = space.trellis.valid
    closed = shap.as_closed(space, alone, shap.harmful(space, alone, whole, CHOICES), "")
    fewer = space.where(pruning.conditions(space, closed))
    for name, allowed, most in (("choices", fewer, 0), ("pairs", whole, PAIRS), ("both", fewer, PAIRS)):
        pairs = shap.harmful_together(space, together, allowed, most)
        yield name, pruning.stay(space, allowed, pairs, macro.records.tokens)


def figures(macro: Macro, left: np.ndarray) -> dict[str, str]:
    """What is left of all, bool ``[N]``, in figures."""
    quality = macro.records.quality
    front = np.unique(best_within(macro.cost, quality, np.sort(macro.cost)))
    losses = macro.losses(np.where(left, quality, -np.inf))
    found = (100 * left.mean(), 100 * (~left[front]).mean(), losses.mean(), losses[BUDGETS // 2 :].mean())
    return dict(zip(COLUMNS[2:], (f"{one:.5f}" for one in found), strict=True))


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values, macro, rows = flags.FLAGS, read(data_dir), []
    for labels in settings.parse_integers(values.labels, "labels"):
        for seed in common.seeds():
            known = draw(macro.records, labels, seed)
            beyond = judged(macro, known, shap.beyond_cost(known.quality, macro.cost[macro.rows(known.tokens)]), seed)
            plain = judged(macro, known, np.asarray(known.quality), seed)
            for suffix, worth in (("", beyond), (" by accuracy", plain), (" random", drawn(beyond, seed))):
                for name, left in ways(macro, worth):
                    rows.append({"way": f"{name}{suffix} {labels}", "seed": str(seed), **figures(macro, left)})
                    print(rows[-1], flush=True)
    common.write_so_far(values.results, rows)
    return {"rows": len(rows), "results": values.results}


if __name__ == "__main__":
    common.define_seeds(what="Draws of labels.")
    flags.DEFINE_list("labels", ["100", "200"], "Accuracies that trees see.")
    flags.DEFINE_string("results", "benchmarks/results/prune_orders.csv", "The file of rows.")
    common.main(_benchmark)
