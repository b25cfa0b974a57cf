"""Decoders on a GPU: one generator for a scale and device against rivals that are given the same evaluations.

``python -m benchmarks.hw_gpt --data_dir=DIR [--cases=s/a100,...] [--contenders=...] [--seeds=0,1,2] [--results=FILE]``

The quality is HW-GPT-Bench's perplexity network of the scale, the latency a sum of layer prices fitted to measured
networks. Answers are asked for six budgets: the quantiles 5, 10, 25, 50, 75 and 90 % of the latencies of its 10,000
random networks. Regret is perplexity above the best known within a budget, mean over budgets and seeds. Best known are
the networks of the data's own file, found by additive fit, dynamic programme and an unlimited local search; below 0 is
better than they are. Where the file has none for a device, it is the least that any run here found.

Every contender makes the same number of evaluations of the network, to within an update, those that answering takes
included. ``nag``, ``nsga2`` and ``regularised_evolution`` search for all budgets, ``uniform`` and ``dp`` know the six:

- ``nag`` answers by ``generate()``, ``nag_greedy`` is the policy alone; it breeds 256 children an update, a number that
  was chosen at scale l on seed 100, ``nag_1024`` as many as by default, for millions of evaluations;
- ``uniform`` takes, for each budget, the best of exactly uniform draws of what is within it;
- ``dp`` is an additive fit for each width, a dynamic programme and local search (``benchmarks.decoder_rivals``);
  ``dp_alone`` is the programme's answer without the search.

``measured_*`` need no run: at scale s on the A100, 100 budgets are answered by the best predicted of the 10,000
measured networks whose price is within them; a violation is a measured latency above the budget, regret is measured
perplexity above the best measured within it. ``bound`` prices with the held-out error of 99 %, ``max`` with the
largest. What ``--results`` holds is not run again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, decoder_rivals
from benchmarks.quality_note10 import made
from experiments.comparison.case import Case, make_case
from experiments.comparison.limits import EVALUATIONS, Limit
from experiments.comparison.run import Options, Trainer
from experiments.comparison.tasks import EVERYWHERE, Contender, Task
from experiments.frame import runtime
from nagjax import durable
from nagjax.devices.formats import read_table
from nagjax.inference.scope import predict_all
from nagjax.posing import Setup, problem
from nagjax.predictors.records.hw_gpt import Measured, read_measured
from nagjax.reports.front import best_within
from nagjax.spaces import hw_gpt

FOLDER, DEVICE_TABLE = "hw_gpt_bench", "additive_latency.csv"
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
CASES = ("s/a100", "m/a6000", "l/a6000")
ASKED = 100
"""Budgets at which measured networks are judged."""

CONTROLLERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "nag": ("nag", {"children": 256}),
    "nag_1024": ("nag", {}),
    "nsga2": ("nsga2", {}),
    "regularised_evolution": ("regularised_evolution", {"budgets": 64, "workers": 8}),
}
"""Controller and sizes by the name under which it is told; the others are those of the studies at many evaluations."""
LOOKS = 25_000
"""Evaluations kept back for the answers of a policy."""

OTHERS = ("uniform", "dp")
Entry = dict[str, Any]


def pose(data_dir: Path, scale: str, device: str, bound: str = "") -> Setup:
    """The problem of a scale and device; ``bound`` is ``"+p99"`` for prices raised by their held-out error."""
    folder = data_dir / FOLDER
    space = hw_gpt.make(scale)
    table = read_table(f"{folder / DEVICE_TABLE}#{device}{bound}", space.operators)
    return problem(space, table, predictor=folder / f"surrogate_perplexity_{scale}.npz", costs=["latency_ms"])


def measured(data_dir: Path, scale: str) -> Measured:
    """The measured networks of a scale."""
    return read_measured(data_dir / FOLDER / f"measured_{scale}.npz", hw_gpt.make(scale))


def case_of(setup: Setup, name: str, budgets: np.ndarray) -> Case:
    """A case of the comparison job that is asked these budgets float64 ``[B]``, ms."""
    case = make_case(name, setup.problem, setup.description, len(budgets))
    ticks = setup.description.exact[0].strict(budgets).astype(np.int32)[:, None]
    return dataclasses.replace(case, budgets=ticks)


def controlled(case: Case, name: str, evaluations: int, seed: int) -> dict[str, Entry]:
    """What a controller answers after so many evaluations, by the name under which it is told."""
    controller, sizes = CONTROLLERS[name]
    decodes = ("greedy", "best") if controller == "nag" else ("archive",)
    kept = LOOKS if controller == "nag" else 0
    contender = Contender(name, controller, {EVERYWHERE: dict(sizes)})
    task = Task(case.name, contender, seed, Limit(EVALUATIONS, evaluations - kept))
    readings = Trainer(Options(decodes, checkpoints=1))(task, case)
    out = {}
    for reading in readings:
        label = f"{name}_greedy" if reading.decode == "greedy" else name
        out[label] = {
            "tokens": reading.answers.tokens,
            "evaluations": reading.evaluations,
            "seconds": round(reading.seconds, 2),
            "infeasible": reading.over_budget,
        }
    return out


def told(setup: Setup, name: str, budgets: np.ndarray, evaluations: int, seed: int) -> dict[str, Entry]:
    """What a rival that knows the budgets answers, by the name under which it is told."""
    began = time.perf_counter()
    given = (setup.problem, setup.description, budgets, evaluations, seed)
    if name == "uniform":
        tokens, asked = decoder_rivals.uniform(*given)
        answers = {name: tokens}
    else:
        tokens, alone, asked = decoder_rivals.additive_search(*given)
        answers = {name: tokens, f"{name}_alone": alone}
    seconds = round(time.perf_counter() - began, 2)
    return {
        label: {"tokens": found, "evaluations": asked, "seconds": seconds, "infeasible": 0}
        for label, found in answers.items()
    }


def judged(setup: Setup, budgets: np.ndarray, entry: Entry) -> Entry:
    """Perplexity and latency of answers, and how many are over their budget."""
    tokens = entry.pop("tokens")
    cost = setup.description.costs_of(tokens)[:, 0]
    perplexity = 1.0 / predict_all(setup.problem, tokens)[0].astype(np.float64)
    over = ~setup.description.exact[0].within(cost, budgets)
    return {
        "perplexity": [round(float(value), 5) for value in perplexity],
        "latency_ms": [round(float(value), 5) for value in cost],
        "violations": int(over.sum()),
        **entry,
        "answers": [setup.space.format(row) for row in tokens],
    }


def budgets_of(data_dir: Path, scale: str, device: str) -> np.ndarray:
    """The six budgets, ms: those of the data's own file, or the quantiles that they are."""
    known = [float(row["budget_ms"]) for row in _known(data_dir, scale, device)]
    return np.array(known) if known else np.quantile(measured(data_dir, scale).latency_ms[device], QUANTILES)


def _known(data_dir: Path, scale: str, device: str) -> list[dict[str, str]]:
    rows = common.read_csv(data_dir / FOLDER / "best_known.csv")
    return [row for row in rows if (row["scale"], row["device"]) == (scale, device)]


def _run_missing(
    data_dir: Path, cases: Sequence[str], names: Sequence[str], seeds: Sequence[int], evaluations: int, path: Path
) -> Entry:
    empty: Entry = {"best_known": {}, "measured": {}, "runs": {}}
    held: Entry = json.loads(path.read_text(encoding="utf-8")) if path.exists() else empty
    runs = held["runs"]
    print(f"{path}: holds {len(runs)} runs, which are not repeated", flush=True)
    for bound in ("", "+p99", "+max"):
        held["measured"].setdefault(f"s/a100{bound}", judged_by_measurements(data_dir, bound))
    for place in cases:
        scale, device = place.split("/")
        held["best_known"][place] = [float(row["perplexity_surrogate"]) for row in _known(data_dir, scale, device)]
        setup = None
        for seed, name in itertools.product(seeds, names):
            if f"{place}/{name}/{seed}" in runs:
                continue
            setup = setup or pose(data_dir, scale, device)
            budgets, began = budgets_of(data_dir, scale, device), made()
            found = (
                told(setup, name, budgets, evaluations, seed)
                if name in OTHERS
                else controlled(case_of(setup, place, budgets), name, evaluations, seed)
            )
            for label, entry in found.items():
                runs[f"{place}/{label}/{seed}"] = {**judged(setup, budgets, entry), **began}
                print(f"{place}/{label}/{seed}", runs[f"{place}/{label}/{seed}"]["perplexity"], flush=True)
            durable.replace(path, json.dumps(held, indent=1) + "\n")
    durable.replace(path, json.dumps(held, indent=1) + "\n")
    return held


def judged_by_measurements(data_dir: Path, bound: str = "") -> dict[str, float]:
    """Share of measured latencies above the budget and measured regret, of answers among the measured networks of s."""
    known, setup = measured(data_dir, "s"), pose(data_dir, "s", "a100", bound)
    latency = known.latency_ms["a100"]
    low, high = np.quantile(latency, [0.05, 0.95])
    budgets = np.linspace(low, high, ASKED)
    cost = setup.description.costs_of(known.tokens)[:, 0]
    quality = predict_all(setup.problem, known.tokens)[0].astype(np.float64)
    row, best = best_within(cost, quality, budgets), best_within(latency, -known.perplexity, budgets)
    return {
        "violation_share": float((latency[row] > budgets).mean()),
        "worst_excess": float((latency[row] / budgets - 1).max()),
        "regret": float((known.perplexity[row] - known.perplexity[best]).mean()),
    }


def regrets(held: Entry) -> dict[str, dict[str, list[float]]]:
    """Perplexity above the best known, mean over budgets, of each seed, by place and contender."""
    out: dict[str, dict[str, list[float]]] = {}
    for place, known in held["best_known"].items():
        runs = {label: entry for label, entry in held["runs"].items() if label.startswith(f"{place}/")}
        found = [entry["perplexity"] for entry in runs.values()]
        best = np.array(known) if known else np.min(found, 0)
        for (label, _), perplexity in zip(runs.items(), found, strict=True):
            of = out.setdefault(place, {}).setdefault(label.split("/")[2], [])
            of.append(float(np.mean(np.array(perplexity) - best)))
    return out


def summary(held: Entry) -> dict[str, Any]:
    """The benchmark's keys: for each scale and device regrets by contender, and what measurements say at scale s."""
    out: dict[str, Any] = {}
    for place, by_contender in regrets(held).items():
        runs = [entry for label, entry in held["runs"].items() if label.startswith(f"{place}/")]
        out[place] = {
            **{
                "regret_to_best_known_perplexity" if name == "nag" else f"{name}_regret": float(np.mean(values))
                for name, values in by_contender.items()
            },
            "seeds": max(map(len, by_contender.values())),
            "evaluations": max(entry["evaluations"] for entry in runs),
            "violations": sum(entry["violations"] for entry in runs),
        }
    plain, raised, most = (held["measured"][f"s/a100{bound}"] for bound in ("", "+p99", "+max"))
    return {
        **out,
        "measured_violation_share_s": plain["violation_share"],
        "measured_violation_share_s_bound": raised["violation_share"],
        "measured_violation_share_s_max": most["violation_share"],
        "measured_worst_excess_s": plain["worst_excess"],
        "measured_regret_s": plain["regret"],
        "measured_regret_s_bound": raised["regret"],
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    seeds = [int(seed) for seed in values.seeds]
    path = Path(values.results)
    return summary(_run_missing(data_dir, values.cases, values.contenders, seeds, values.evaluations, path))


if __name__ == "__main__":
    flags.DEFINE_list("cases", list(CASES), "Scale and device of each case.")
    flags.DEFINE_list("contenders", [*CONTROLLERS, *OTHERS], "Which.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each; what is tuned is tuned from 100 on.")
    flags.DEFINE_integer("evaluations", 200_000, "Of the perplexity network, for each run.", lower_bound=20_000)
    flags.DEFINE_string("results", "benchmarks/results/hw_gpt.json", "Runs so far; what it holds is not repeated.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
