"""True evaluations in rounds on OFA MobileNetV3 and the Note10: the gap to the published front after 200 and 1,000.

``python -m benchmarks.rounds_note10 --data_dir=DIR [--seeds=0,1,2,3,4,5] [--results=FILE]`` ends with {evaluations,
gap_200, gap_1000, regret_to_best_known_1000, one_shot_gap_1000, nsga2_gap_1000}. The OFA accuracy predictor stands in
for the truth: it is asked about one architecture at a time, and counted.

Gap: true accuracy minus that of the published OFA2 NSGA-II front, points, mean over its 100 latencies. ``gap_N`` is
that of a generator (``nag``, trained for ``UPDATES`` updates on what N evaluations taught, asked by ``best``),
``evaluated_N`` that of the best which was evaluated; ``one_shot`` trains the same generator on as many labels spread
over the costs and one fit, ``nsga2`` is pymoo's NSGA-II, whose population is a tenth of its evaluations. Regret to the
best known is what the generator's answers lose to the front that ``benchmarks.best_known`` keeps.

Runs that ``--results`` holds are not repeated, so that a study can be interrupted.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common, nsga2
from benchmarks.quality_note10 import best_known_gap, made
from experiments.comparison.case import truth
from experiments.frame import runtime
from nagjax import controllers, durable, plugins, rounds, searching
from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.evaluators.journal import Evaluations
from nagjax.inference.generator import Generator
from nagjax.predictors.kinds import registry as kinds
from nagjax.problems.build import make_spec
from nagjax.problems.problem import Description, Problem
from nagjax.proposers import proposer as proposers
from nagjax.reports.front import POINTS, best_within
from nagjax.spaces import draws

COUNTS, PESSIMISM, PER_ROUND = (200, 1000), 1.0, 25
UPDATES = 400
"""Of a generator: 1,500 find nothing that is better by the predictor, 100 lose 0.08 points."""
Run = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Note10:
    """The problem, whose quality is the truth, and the published front."""

    problem: Problem
    description: Description
    front: common.Front

    def gap(self, tokens: np.ndarray, trusted: np.ndarray) -> float:
        """Points that architectures ``[N, T]`` are ahead of the front, the highest trusted ``[N]`` of each latency."""
        quality, costs = truth(self.problem, tokens)
        row = best_within(costs[:, 0], trusted, common.front_budgets(self.description, self.front)[:, 0])
        if (row < 0).any():
            cheapest = int(np.argmin(costs[:, 0]))  # the nearest that it has
            row = np.where(row < 0, cheapest, row)
        return POINTS * float(np.mean(quality[row] - self.front.quality))

    def search(self, evaluations: int, start: int) -> Callable[[int], rounds.Search]:
        """The search by the defaults of ``nagjax.search`` but for ``PER_ROUND`` in every round, by seed."""
        judge = Evaluator("ofa_predictor", {}, {}, lambda tokens: {QUALITY: truth(self.problem, tokens)[0]})
        kind, proposer = kinds.make(searching.KIND), proposers.make(proposers.DEFAULT)
        plan = rounds.Plan(evaluations, start, PER_ROUND)
        return lambda seed: rounds.Search(self.problem, self.description, judge, kind, proposer, plan, seed)


def read(data_dir: Path) -> Note10:
    """The problem of the main job."""
    _, problem, description = common.note10(data_dir)
    return Note10(problem, description, common.read_front(data_dir))


def answered(note10: Note10, wanted: rounds.Search, done: Evaluations) -> float:
    """The gap of a generator that is trained on what some evaluations taught."""
    form = rounds.final_predictor(wanted, done).predictor
    problem = dataclasses.replace(note10.problem, quality=form, pessimism=jnp.float32(PESSIMISM))
    controller = plugins.load("controllers", "nag")(make_spec(note10.description.space))
    state = controllers.init(controller, problem, wanted.seed)
    moment = controllers.train(controller, problem, state, wanted.seed, controllers.Limits(UPDATES))
    generator = Generator(controllers.artefact(controller, moment.state, problem), problem, note10.description, {})
    found = generator.generate_arrays(note10.front.latency_ms, decode="best")
    return POINTS * float(np.mean(truth(note10.problem, found.tokens)[0] - note10.front.quality))


def in_rounds(note10: Note10, seed: int) -> Run:
    """One search in rounds."""
    wanted = note10.search(max(COUNTS), rounds.Plan().start)(seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = searching.evaluate(wanted, Path(folder) / "search", "inline", 1, lambda *_: None)
    out: Run = {"search_s": time.perf_counter() - began}
    for count in COUNTS:
        some = done.first(count)
        out[f"evaluated_{count}"] = note10.gap(some.tokens, some.quality)
        out[f"gap_{count}"] = answered(note10, wanted, some)
    return out


def one_shot(note10: Note10, seed: int) -> Run:
    """As many labels at once, spread over the costs, and one fit."""
    most, description = max(COUNTS), note10.description
    wanted = note10.search(most, most)(seed)
    tokens = draws.spread(
        description.space, np.asarray(note10.problem.allowed), lambda rows: description.costs_of(rows)[:, 0], most, seed
    )
    nan, quality = np.full(most, np.nan), truth(note10.problem, tokens)[0]
    done = Evaluations(tokens, quality, {}, np.zeros(most, np.int64), nan, nan, ("",) * most)
    return {f"one_shot_gap_{most}": answered(note10, wanted, done), f"labels_{most}": note10.gap(tokens, quality)}


def by_nsga2(note10: Note10, seed: int) -> Run:
    """NSGA-II of pymoo with as many evaluations."""
    most = max(COUNTS)
    chosen = dataclasses.replace(nsga2.BEST, population=most // 10)
    found = nsga2.run(note10.problem, note10.description, seed, float("inf"), chosen, evaluations=most)
    gap = note10.gap(found.tokens, found.quality)
    return {f"nsga2_gap_{most}": gap, "nsga2_evaluations": found.evaluations}


PARTS: Mapping[str, Callable[[Note10, int], Run]] = {"rounds": in_rounds, "one_shot": one_shot, "nsga2": by_nsga2}


def held(path: Path) -> dict[str, Run]:
    """Runs that a file of results holds, by part and seed."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def summary(runs: Mapping[str, Run], best_known: float) -> dict[str, Any]:
    """Means and deviations over seeds of every figure, and the regret to the best known, a gap in points."""
    out: dict[str, Any] = {"evaluations": max(COUNTS)}
    for part in PARTS:
        mine = [run for label, run in runs.items() if label.startswith(f"{part}/")]
        for key in mine[0] if mine else ():
            if key not in ("commit", "date", "machine", "load"):
                values = [run[key] for run in mine]
                out[key] = float(np.mean(values))
                out[f"{key}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        out[f"{part}_seeds"] = len(mine)
    gap = out.get(f"gap_{max(COUNTS)}")
    out[f"regret_to_best_known_{max(COUNTS)}"] = None if gap is None else best_known - gap
    return out


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    path, note10 = Path(values.results), read(data_dir)
    for seed in map(int, values.seeds):
        for part in values.parts:
            label = f"{part}/{seed}"
            if label not in held(path):
                run = {**PARTS[part](note10, seed), **made()}
                print(label, json.dumps(run), flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                durable.replace(path, json.dumps({**held(path), label: run}, indent=1, sort_keys=True) + "\n")
    return summary(held(path), best_known_gap(data_dir, Path(values.best_known)))


if __name__ == "__main__":
    flags.DEFINE_list("seeds", list("012345"), "Seeds of each part; what is tuned is tuned from 100 on.")
    flags.DEFINE_list("parts", list(PARTS), "What is run.")
    flags.DEFINE_string("results", "benchmarks/results/rounds_note10.json", "Runs so far; they are not repeated.")
    flags.DEFINE_string("best_known", "benchmarks/results/best_known/note10.csv", "The best architectures known, CSV.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
