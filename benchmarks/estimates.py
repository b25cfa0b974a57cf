"""Estimates that err: what a fit to some of them knows of the truth, and what is due to a graph or to neighbours.

``python -m benchmarks.estimates --data_dir=DIR [--seeds=10] [--problems=macro] [--kinds=ridge,graph] --results=FILE``
ends with a row for every problem, kind and seed; rows of others that the file has already are kept. Each kind is fitted
to 400 estimates, other ones for every seed:

- ``macro``: accuracies of NAS-Bench-Macro with Gaussian noise of two points, made up. ``tau`` is Kendall's with the
  accuracies of all 3,969, ``regret`` what the best predicted within each of 400 budgets loses of accuracy, points.
- ``supernet``: accuracies with a supernet's weights that travel along (``nagjax/data/default/records.csv``); ``tau`` is
  that with 16 networks trained alone (``benchmarks/results/shipped_labels.json``), which no kind was fitted to.
- ``signals``: accuracies on validation signals of all 84 perceptrons of ``benchmarks.supernet_ranking``, with shared
  weights. ``tau`` is that with all of them trained alone, mean over four ways of training the weights under a seed. A
  kind is fitted to all 84, so it has no network to guess: what it adds to the estimates is what it averages out.

``estimates`` are the estimates themselves, of every architecture, and ``smoothed`` their means over neighbours.
``graph`` is a chain of decisions, ``complete`` joins all and ``unjoined`` none, which leaves a network per decision.
``NAME_pruned`` is fitted to 200 estimates, closes every choice that no best predicted within a budget has, draws the
other 200 from what is left, and is fitted again (GCN-fit, arXiv 2004.08423); ``closed`` is the percentage of budgets
whose best architecture is lost by that. ``smooth_NAME`` is ``nars`` around a kind.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from scipy import stats

import nagjax
from benchmarks import common, supernet_ranking
from benchmarks.jobs import ROOT
from benchmarks.rounds import BUDGETS, Macro, read
from experiments import embedded
from experiments.published import shared_weights
from nagjax import durable
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.neighbours import smoothed
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records, draw, read_records, take
from nagjax.reports.front import best_within

LABELS, NOISE = 400, 0.02
SHORT: Mapping[str, Any] = {"members": 2, "steps": 500, "validation_share": 0.0}
WHOLE: Mapping[str, Any] = {"validation_share": 0.0}
KINDS: Mapping[str, Kind] = {
    "ridge": make("ridge", WHOLE),
    "mlp": make("mlp", SHORT),
    "trees": make("trees", WHOLE),
    "graph": make("graph", SHORT),
    "complete": make("graph", {**SHORT, "edges": "complete"}),
    "unjoined": make("graph", {**SHORT, "edges": "none"}),
    "smooth_ridge": make("nars", {"inner": "ridge", **WHOLE}),
    "smooth_mlp": make("nars", {**SHORT, "inner": "mlp"}),
    "smooth_trees": make("nars", WHOLE),
}
PRUNED = ("ridge", "mlp", "graph")
RANKING = ROOT / "benchmarks" / "results" / "shipped_labels.json"
PROBLEMS = ("macro", "supernet", "signals")


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Architectures int32 ``[N, T]`` of a space, and their true quality float64 ``[N]``."""

    space: nagjax.Space
    tokens: np.ndarray
    quality: np.ndarray

    def predicted(self, form: Form) -> np.ndarray:
        """What a predictor says of them, float64 ``[N]``."""
        features = jnp.asarray(self.space.features(self.tokens))
        return np.asarray(_ask(form, jnp.asarray(self.tokens), features), np.float64)

    def tau(self, predicted: np.ndarray) -> float:
        """Kendall's tau with the truth."""
        return float(stats.kendalltau(predicted, self.quality).statistic)


@jax.jit
def _ask(form: Form, tokens: jax.Array, features: jax.Array) -> jax.Array:
    return form(tokens, features)[0]


def of_macro(macro: Macro, kinds: Sequence[str], seed: int) -> Iterator[dict[str, Any]]:
    """The rows of a seed on NAS-Bench-Macro."""
    every = macro.records
    noisy = every.quality + np.random.default_rng([seed, 1]).normal(0.0, NOISE, len(every.quality))
    estimates = Records(every.tokens, np.clip(noisy, 0.0, 1.0), source=f"noise of {NOISE}")
    asked = Asked(macro.space, every.tokens, every.quality)
    best = best_within(macro.cost, every.quality, _budgets(macro))

    def row(name: str, predicted: np.ndarray) -> dict[str, Any]:
        closed = ~np.isfinite(predicted)
        tau = None if closed.any() else asked.tau(predicted)
        figures = {"tau": tau, "regret": macro.lost(predicted), "closed": 100 * float(closed[best].mean())}
        return {"problem": "macro", "kind": name, "seed": seed, **figures}

    table = tabular_quality(macro.space, estimates.tokens, estimates.quality)
    yield row("estimates", estimates.quality)
    yield row("smoothed", asked.predicted(smoothed(macro.space, table)))
    some = draw(estimates, LABELS, seed)
    for name in kinds:
        yield row(name, asked.predicted(fit(KINDS[name], macro.space, some, seed).predictor))
        if name in PRUNED:
            yield row(f"{name}_pruned", _pruned(macro, asked, estimates, KINDS[name], seed))


def _pruned(macro: Macro, asked: Asked, estimates: Records, kind: Kind, seed: int) -> np.ndarray:
    """What a fit to half of the estimates at random and half from what it left predicts; -inf of what is closed."""
    half = LABELS // 2
    first = draw(estimates, half, seed)
    predicted = asked.predicted(fit(kind, macro.space, first, seed).predictor)
    front = estimates.tokens[np.unique(best_within(macro.cost, predicted, _budgets(macro)))]
    left = np.array([np.isin(column, chosen) for column, chosen in zip(estimates.tokens.T, front.T, strict=True)]).all(
        0
    )
    drawn = {row.tobytes() for row in first.tokens}
    fresh = np.flatnonzero(left & ~np.array([row.tobytes() in drawn for row in estimates.tokens]))
    more = np.random.default_rng([seed, 2]).permutation(fresh)[:half]
    rows = np.concatenate([macro.rows(first.tokens), more])
    again = asked.predicted(fit(kind, macro.space, take(estimates, rows), seed).predictor)
    return np.where(left, again, -np.inf)


def _budgets(macro: Macro) -> np.ndarray:
    return np.linspace(macro.cost.min(), macro.cost.max(), BUDGETS)


def of_supernet(kinds: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of the labels that travel along."""
    space = nagjax.space("mobilenet_v3_small28")
    networks = json.loads(RANKING.read_text(encoding="utf-8"))["networks"]
    tokens = np.stack([space.parse(one["architecture"]) for one in networks]).astype(np.int32)
    asked = Asked(space, tokens, np.array([np.mean(one["alone"]) for one in networks]))
    held = {row.tobytes() for row in tokens}
    labels = read_records(embedded.find() / "records.csv", space)
    others = take(labels, np.array([row.tobytes() not in held for row in labels.tokens]))
    for name, column in (("estimates", "supernet"), ("madds", "madds")):
        found = asked.tau(np.array([one[column] for one in networks]))
        yield {"problem": "supernet", "kind": name, "seed": 0, "tau": found}
    for name in kinds:
        for seed in seeds:
            predictor = fit(KINDS[name], space, draw(others, LABELS, seed), seed).predictor
            found = asked.tau(asked.predicted(predictor))
            yield {"problem": "supernet", "kind": name, "seed": seed, "tau": found}


def of_signals(kinds: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of perceptrons, for the seeds that all four ways were trained under."""
    study = json.loads(supernet_ranking.RESULT.read_text(encoding="utf-8"))
    space = supernet_ranking.space()
    tokens = np.stack([space.parse(one["architecture"]) for one in study["networks"]]).astype(np.int32)
    asked = Asked(space, tokens, shared_weights.alone(study).mean(1))
    labels = {(run["way"], run["seed"]): np.array(run["label"]) for run in study["shared"]}
    for seed in seeds:
        every = [labels[way, seed] for way in supernet_ranking.WAYS if (way, seed) in labels]
        if len(every) < len(supernet_ranking.WAYS):
            continue
        found = {"estimates": [asked.tau(quality) for quality in every]}
        for name in kinds:
            fits = [fit(KINDS[name], space, Records(tokens, quality, source="shared"), seed) for quality in every]
            found[name] = [asked.tau(asked.predicted(one.predictor)) for one in fits]
        for name, taus in found.items():
            yield {"problem": "signals", "kind": name, "seed": seed, "tau": float(np.mean(taus))}


def _rows(data_dir: Path, problem: str) -> Iterator[dict[str, Any]]:
    """The rows of a problem that the flags ask for."""
    kinds, seeds = flags.FLAGS.kinds, common.seeds()
    if problem == "macro":
        macro = read(data_dir)
        for seed in seeds:
            yield from of_macro(macro, kinds, seed)
    else:
        yield from {"supernet": of_supernet, "signals": of_signals}[problem](kinds, seeds)


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    path = Path(values.results)
    held = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    rows = {(row["problem"], row["kind"], row["seed"]): row for row in held}
    for problem in values.problems:
        for row in _rows(data_dir, problem):
            rows[row["problem"], row["kind"], row["seed"]] = row
            print(row, flush=True)
    study = {"labels": LABELS, "noise": NOISE, "rows": list(rows.values())}
    durable.replace(path, json.dumps(study, indent=1) + "\n")
    return {"rows": len(rows), "results": values.results}


if __name__ == "__main__":
    common.define_seeds(what="Draws of estimates.")
    flags.DEFINE_multi_enum("problems", list(PROBLEMS), PROBLEMS, "Which; repeatable.")
    flags.DEFINE_list("kinds", list(KINDS), "Which.")
    flags.DEFINE_string("results", "benchmarks/results/estimates.json", "The file of rows.")
    common.main(_benchmark)
