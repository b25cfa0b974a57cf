"""Softmax and linear attention in one decoder: is a mixture better than either alone at equal latency?

``python -m benchmarks.transformer --out=DIR [--tasks=recall,char_lm]`` ends with {front_hypervolume, all_softmax,
all_linear, mixed, uniform_scaling, seeds, ...} of each task. It goes on where it was stopped: everything is kept in
DIR. The decoder's operators are profiled in JAX on this machine, batch 1, at the task's length; an elastic decoder is
trained with AdamW; some architectures are labelled with its weights, a predictor is fitted and a generator trained.

Budgets are the latencies of ``uniform_scaling``: softmax alone, width 12 times the depth. Within each budget
``searched`` is the generator's answer, ``all_softmax`` and ``all_linear`` are its answers under that condition, and
``mixed`` is the best of its answers under conditions that two neighbouring layers have different mixers. All of them
are then trained alone from scratch, with the same recipe for everyone, and judged on the test part. A hypervolume is
that of a family's networks in ms times percentage points of quality, up to 1.1 times the largest budget and down to the
worst network that was judged, as mean over seeds and standard deviation; ``front_hypervolume`` is that of ``searched``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

import nagjax
from benchmarks import common, jobs
from experiments.comparison.metrics import hypervolume
from experiments.frame import runtime
from experiments.rank_supernet import append, read_runs
from nagjax import Answer, Generator, durable
from nagjax.devices import validation
from nagjax.devices.formats import read_table
from nagjax.profile.programs import preparation
from nagjax.profile.subjects import network
from nagjax.spaces.space import Space
from nagjax.supernet import training
from nagjax.supernet.evaluation import alone_assessor
from nagjax.supernet.task import Task, make_task

DEPTHS = (2, 3, 4)
CHOICES: Mapping[str, Any] = {
    "widths": "24-36-48", "depths": "2-3-4", "heads": "2-4", "ratios": "2-4", "head_size": 12,
}  # fmt: skip
UNIFORM = tuple(":".join([f"width={12 * depth}", *["softmax-h4-r4"] * depth]) for depth in DEPTHS)
"""All layers alike, and the width grows with the depth."""

FAMILIES = ("searched", "mixed", "all_softmax", "all_linear", "uniform_scaling")
ALONE = ("all_softmax", "all_linear", "uniform_scaling")
"""Those of one mixer."""
MIXERS = ("softmax", "linear")
LATENCY = "latency_ms"
GENERATOR_STEPS, SUPERNET_SEED = 300, 0
ROUNDS, LEAST_MS = 25, 10.0
"""Of the measurement of whole networks, and how long one takes at least."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A task, and how long is trained on it.

    Attributes:
      settings: of the task.
      length, vocabulary: of the decoder.
      batch: sequences an update.
      supernet, alone: updates of the elastic decoder, and of each network alone.
      labels: architectures that are labelled.
    """

    settings: Mapping[str, Any]
    length: int
    vocabulary: int
    batch: int
    supernet: int
    alone: int
    labels: int = 100


CASES: Mapping[str, Case] = {
    "recall": Case({"pairs": 8, "queries": 8, "vocabulary": 32, "validation": 250, "test": 1000}, 31, 32, 64, 700, 700),
    "char_lm": Case({"length": 256, "vocabulary": 96}, 256, 96, 8, 1000, 1000),
}


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A network that a family has within a budget; ``ms`` and ``predicted`` quality are the generator's."""

    family: str
    budget_ms: float
    architecture: str
    ms: float
    predicted: float


class Study:
    """One task's files, space and data."""

    def __init__(self, name: str, folder: Path, cache: str) -> None:
        """Make the space and the task; ``cache`` is the folder of compiled programs."""
        self.name, self.case, self.folder = name, CASES[name], folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = {"length": self.case.length, "vocabulary": self.case.vocabulary, **CHOICES}
        self.space: Space = nagjax.space("elastic_decoder", **self.settings)
        self.task: Task = make_task(name, self.case.settings)
        self._cache = f"--compilation_cache={cache}"

    def job(self, job: str, done: str, *arguments: str) -> None:
        """Run a job unless ``done`` says that it has ended; one that was stopped goes on."""
        mark = self.folder / f"{done}.done"
        if mark.exists():
            return
        begun = any(self.folder.glob(f"{done}*"))
        more = ["--resume"] if begun else []
        jobs.run(jobs.command(job, *arguments, self._cache, *more), self.folder / f"log_{done}.txt")
        mark.touch()

    def prepare(self) -> None:
        """Table, supernet and labels."""
        case, space = self.case, ["--space=elastic_decoder", f"--space_settings={_pairs(self.settings)}"]
        task = [f"--task={self.name}", f"--task_settings={_pairs(case.settings)}"]
        self.job(
            "profile_device", "table", *space, "--batch=1", "--rounds=9", "--validate=10", "--validate_fit=10",
            f"--out={self.folder / 'table.json'}",
        )  # fmt: skip
        self.job(
            "train_supernet", "supernet", *space, *task, "--optimiser=adamw", f"--steps={case.supernet}",
            f"--batch={case.batch}", "--weight_decay=0.01", f"--seed={SUPERNET_SEED}",
            f"--out={self.folder / 'supernet'}",
        )  # fmt: skip
        self.job(
            "label", "records", f"--supernet={self.folder / 'supernet'}", f"--num={case.labels}",
            f"--out={self.folder / 'records.csv'}",
        )  # fmt: skip

    def searched(self) -> Generator:
        """The generator of this task."""
        place = self.folder / "generator"
        if place.exists():
            return nagjax.load(place)
        problem = nagjax.problem(
            self.space, self.folder / "table.json", records=self.folder / "records.csv", predictor_kind="gp"
        )
        generator = nagjax.train(problem, "nag", steps=GENERATOR_STEPS, progress=False)
        generator.save(place)
        return generator

    def chosen(self) -> list[Chosen]:
        """The networks of every family within every budget; written down once."""
        path = self.folder / "chosen.json"
        if path.exists():
            return [Chosen(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
        found = list(_choose(self.searched(), self.space))
        durable.replace(path, json.dumps([dataclasses.asdict(one) for one in found], indent=1) + "\n")
        return found

    def judge(self, chosen: Sequence[Chosen], seeds: Sequence[int]) -> dict[tuple[str, int], float]:
        """Test quality by architecture and seed; networks that have no line yet are trained."""
        texts = list(dict.fromkeys(one.architecture for one in chosen))
        found = {(run["architecture"], run["seed"]): float(run["accuracy"]) for run in read_runs(self.folder)}
        for text in texts:
            for seed in seeds:
                if (text, seed) in found:
                    continue
                began = time.monotonic()
                quality = self._alone(text, seed)
                run = {"architecture": text, "seed": seed, "accuracy": quality, "seconds": time.monotonic() - began}
                append(self.folder / "alone.jsonl", run)
                print(self.name, text, seed, round(quality, 4), f"{run['seconds']:.0f} s", flush=True)
                found[text, seed] = quality
        return found

    def measured(self, chosen: Sequence[Chosen]) -> dict[str, float]:
        """Latency of whole networks, ms, by architecture; measured once.

        All are timed in every round, and the least of the rounds counts: others on the machine only add to it.
        """
        path = self.folder / "measured.json"
        if not path.exists():
            prepare = preparation(1, "float32", LEAST_MS)
            texts = sorted({one.architecture for one in chosen})
            watches = {text: prepare(network(self.space, self.space.parse(text))) for text in texts}
            rounds = [{text: watch() for text, watch in watches.items()} for _ in range(ROUNDS)]
            least = {text: 1000 * min(times[text] for times in rounds) for text in texts}
            durable.replace(path, json.dumps(least, indent=1) + "\n")
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def table(self) -> dict[str, float]:
        """How well the table tells the latency of networks that its correction was not fitted to."""
        table = read_table(self.folder / "table.json", self.space.operators)
        verdict = validation.judge(table.correction, table.validation)
        return {
            "networks": verdict.networks, "spearman": verdict.spearman, "median_error": verdict.median_relative_error,
        }  # fmt: skip

    def _alone(self, text: str, seed: int) -> float:
        recipe = training.Recipe(
            self.case.alone, self.case.batch, training.usual_rate("adamw"), weight_decay=0.01, seed=seed,
            optimiser="adamw",
        )  # fmt: skip
        tokens = self.space.parse(text)
        learner = training.alone_learner(self.space, tokens)
        state = training.start(learner, recipe)
        for reached, _ in training.train(learner, self.task, recipe, state):
            state = reached
        return alone_assessor(self.space, tokens, self.task).scores(state.parameters, tokens, self.task.test).quality


def _choose(generator: Generator, space: Space) -> Iterator[Chosen]:
    tokens = np.stack([space.parse(text) for text in UNIFORM])
    budgets = generator.description.costs_of(tokens)[:, 0]
    for text, budget in zip(UNIFORM, budgets.tolist(), strict=True):
        yield Chosen("uniform_scaling", budget, text, budget, float("nan"))
    families: dict[str, list[Any]] = {
        "searched": [None], **{f"all_{mixer}": [{"mixer": mixer}] for mixer in MIXERS}, "mixed": list(_mixed()),
    }  # fmt: skip
    for family, conditions in families.items():
        best: dict[float, Answer] = {}
        for where in conditions:
            for answer in generator.generate(budgets_ms=budgets, where=where, on_infeasible="skip"):
                budget = answer.budget[LATENCY]
                if budget not in best or answer.quality > best[budget].quality:
                    best[budget] = answer
        for budget, answer in best.items():
            yield Chosen(family, budget, answer.text, answer.costs[LATENCY], answer.quality)


def _mixed() -> Iterator[dict[str, Any]]:
    """Conditions of which every architecture with both mixers meets one: at some layer the mixer changes."""
    for layer in range(1, max(DEPTHS)):
        for mixers in itertools.permutations(MIXERS):
            changing = {f"layer{layer + at}.attention.mixer": mixer for at, mixer in enumerate(mixers)}
            yield {"depth": [depth for depth in DEPTHS if depth > layer], **changing}


def figures(
    chosen: Sequence[Chosen],
    quality: Mapping[tuple[str, int], float],
    measured: Mapping[str, float],
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Hypervolume of each family, mean and standard deviation over seeds, and what stands within each budget.

    Rows have the latency ``measured`` of each architecture beside that of the table.

    ``mixed_over_best_alone`` is by how many points ``mixed`` is above the best of ``ALONE`` within each budget, mean
    over seeds and its standard error; each seed's best, so chance favours them a little. That of the mean over budgets
    is ``mixed_over_best_alone_mean``.
    """
    budgets = sorted({one.budget_ms for one in chosen})
    corner = 1.1 * budgets[-1], 100 * min(quality[one.architecture, seed] for one in chosen for seed in seeds)
    volumes: dict[str, list[float]] = {}
    for family in FAMILIES:
        mine = [one for one in chosen if one.family == family]
        if mine:
            spread = [
                hypervolume(
                    np.array([one.ms for one in mine]),
                    np.array([100 * quality[one.architecture, seed] for one in mine]), corner,
                )
                for seed in seeds
            ]  # fmt: skip
            volumes[family] = [float(np.mean(spread)), float(np.std(spread, ddof=1)) if len(seeds) > 1 else 0.0]
    rows = [
        {**dataclasses.asdict(one), "predicted": None if np.isnan(one.predicted) else one.predicted,
         "measured_ms": measured[one.architecture], "quality": [quality[one.architecture, seed] for seed in seeds]}
        for one in chosen
    ]  # fmt: skip
    held = {(row["family"], row["budget_ms"]): np.array(row["quality"]) for row in rows}
    gaps = {
        budget: 100 * (held["mixed", budget] - np.max([held[family, budget] for family in ALONE], 0))
        for budget in budgets if ("mixed", budget) in held
    }  # fmt: skip
    return {
        "front_hypervolume": volumes.pop("searched"), **volumes, "seeds": len(seeds), "networks": rows,
        "mixed_over_best_alone": [{"budget_ms": budget, **_mean(gap)} for budget, gap in gaps.items()],
        "mixed_over_best_alone_mean": _mean(np.mean(list(gaps.values()), 0)),
    }  # fmt: skip


def _mean(points: np.ndarray) -> dict[str, float | None]:
    """Of one figure for each seed."""
    error = float(points.std(ddof=1) / len(points) ** 0.5) if len(points) > 1 else None
    return {"points": float(points.mean()), "standard_error": error}


def _pairs(settings: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in settings.items())


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    del data_dir
    values = flags.FLAGS
    if not values.out:
        raise ValueError("give --out, the folder of the study")
    runtime.use_compilation_cache(values.compilation_cache)
    seeds, found = range(values.seeds), {}
    for name in values.tasks:
        study = Study(name, Path(values.out), values.compilation_cache)
        study.prepare()
        chosen = study.chosen()
        found[name] = {
            **figures(chosen, study.judge(chosen, seeds), study.measured(chosen), seeds),
            "table": study.table(),
            "case": dataclasses.asdict(study.case),
        }
    if values.results:
        path = Path(values.results)
        held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        durable.replace(path, json.dumps({**held, **found}, indent=1) + "\n")
    return {name: {key: one[key] for key in one if key not in ("networks", "case")} for name, one in found.items()}


if __name__ == "__main__":
    flags.DEFINE_list("tasks", list(CASES), "Which.")
    flags.DEFINE_integer("seeds", 3, "Of the networks trained alone, from 0 on.", lower_bound=1)
    flags.DEFINE_string("out", None, "Folder that keeps everything.")
    flags.DEFINE_string("results", None, "File to write; what it holds of other tasks stays.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
