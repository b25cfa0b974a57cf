"""The whole way from budgets to files that run: asked, taken out, exported, judged, timed, and described."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import arguments
from nagjax.deployment import cards, carried, summary, timing
from nagjax.deployment.building import FILES, FORMATS, How, build
from nagjax.deployment.cards import FLOAT32, INT8, Card
from nagjax.deployment.onnx_models import OPSET
from nagjax.deployment.runtime import name as runtime_name
from nagjax.deployment.supernets import TrainedSupernet, load_supernet
from nagjax.deployment.timing import Conditions, Latency
from nagjax.devices.pricing import TOKEN
from nagjax.devices.token_rates import RATE
from nagjax.inference.answers import Answer
from nagjax.inference.generator import Generator, load
from nagjax.spaces.space import Space
from nagjax.supernet.training import Recipe

ON_MISS = ("report", "tighten")
TRIES = 8
"""Architectures that are measured for one budget at most."""

LESS = 0.99
"""A tightened budget is at most this share of the one before."""

JOURNAL = "latency.rounds.jsonl"
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """A network to deploy: its folder, and what was asked and predicted."""

    name: str
    architecture: str
    budget_ms: float | None = None
    asked_ms: float | None = None
    predicted: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def deploy(
    supernet: str | Path | TrainedSupernet,
    out: str | Path,
    *,
    generator: str | Path | Generator | None = None,
    budgets_ms: Sequence[float] = (),
    architectures: Sequence[str] = (),
    decode: str = "best",
    where: Mapping[str, Any] | None = None,
    formats: Sequence[str] = FORMATS,
    finetune: int = 0,
    finetune_rate: float = 0.01,
    images: int | None = None,
    threads: int = 1,
    batch: int = 1,
    rounds: int = 15,
    on_miss: str = "report",
    data_dir: str | Path | None = None,
    made: Mapping[str, Any] | None = None,
    on_progress: Progress = lambda *_: None,
) -> list[Card]:
    """Networks for budgets as files that run, each with its card; and all of them side by side.

    A folder per network holds weights (safetensors), the exported files, ``card.json`` and ``card.html``. ``out`` holds
    ``summary.csv``, ``summary.png`` and ``index.html``. Called again, it goes on with what is missing.

    Args:
      supernet: folder of a trained supernet, or ``load_supernet(...)``.
      out: folder to write.
      generator: a checkpoint or a generator, which answers ``budgets_ms``.
      budgets_ms: latency budgets, ms.
      architectures: texts, in place of budgets or beside them.
      decode: as ``Generator.generate`` takes it.
      where: conditions, likewise.
      formats: of ``onnx``, ``int8`` and ``stablehlo``; only the first two are timed.
      finetune: updates of each network's own weights, taught by the supernet's largest; 0 for none.
      finetune_rate: learning rate of these.
      images: validation and test examples that qualities are of; None for all.
      threads: that one operator may use when files are timed in onnxruntime.
      batch: inputs of a run when they are timed.
      rounds: timings of each file.
      on_miss: ``report`` a network that takes longer than its budget, or ``tighten`` what the generator is asked by
        what was measured, until the budget holds.
      data_dir: folder of the data set's files, where it needs one.
      made: what the cards also say of how they were made.
      on_progress: is told how it goes.

    Returns:
      A card a network, budgets first, in the order in which they were given.

    Raises:
      ValueError: if nothing or something impossible is asked, generator and supernet are of different spaces, a package
        is missing, or ``out`` holds timings under other conditions.
    """
    if on_miss not in ON_MISS:
        raise ValueError(f"on_miss={on_miss!r} is not one of {', '.join(ON_MISS)}")
    opened = supernet if isinstance(supernet, TrainedSupernet) else load_supernet(supernet, data_dir)
    asked = generator if isinstance(generator, Generator) or generator is None else load(generator)
    _check(opened, asked, budgets_ms, architectures)
    recipe = None
    if finetune and carried.is_carried(opened.task):
        raise ValueError(
            f"finetune={finetune}: this supernet carries {len(opened.task.train)} images, too few to train on; give "
            "data_dir, the folder of the data set's files"
        )
    if finetune:
        recipe = Recipe(arguments.count(finetune, "finetune"), learning_rate=finetune_rate)
    job = _Job(
        opened, asked, Path(out), How(tuple(formats), recipe, images=images), Conditions(threads, batch, rounds),
        {"decode": decode, "where": where}, on_progress,
    )  # fmt: skip
    wanted = job.wanted(budgets_ms, architectures)
    built = job.built(wanted)
    timed = job.timed(wanted)
    about = {**_about(opened, asked, job.conditions), **(made or {})}
    found = []
    for one in wanted:
        tries = [_try(one, timed)]
        if on_miss == "tighten":
            one, tries = job.tightened(one, tries, built, timed)  # noqa: PLW2901
        card = Card(
            one.name, one.architecture, opened.space.describe(opened.space.parse(one.architecture)), one.budget_ms,
            one.asked_ms, one.predicted, timed.get(one.architecture, {}), built[one.architecture],
            [one for one in tries if one["asked_ms"] is not None and one["measured_ms"] is not None], about,
            opened.task.quality_name, opened.task.examples_name,
        )  # fmt: skip
        cards.write(card, job.out / one.name)
        found.append(card)
    summary.write(found, job.out)
    return found


def _check(
    supernet: TrainedSupernet, generator: Generator | None, budgets_ms: Sequence[float], architectures: Sequence[str]
) -> None:
    if not budgets_ms and not architectures:
        raise ValueError("nothing is to be deployed: give budgets_ms and a generator, or architectures")
    if budgets_ms and generator is None:
        raise ValueError(
            "budgets_ms need a generator (a checkpoint of nagjax run) to be answered; or give architectures"
        )
    if generator is not None and _networks_of(generator).identity != supernet.space.identity:
        raise ValueError(
            f"the generator is of {_networks_of(generator).identity}, the supernet of {supernet.space.identity}; "
            "both must be of one space"
        )


def _networks_of(generator: Generator) -> Space:
    """The space of its networks; where it serves several devices, the one behind the device."""
    return generator.description.space.behind or generator.description.space


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    """What stays the same while networks are deployed."""

    supernet: TrainedSupernet
    generator: Generator | None
    out: Path
    how: How
    conditions: Conditions
    ask: Mapping[str, Any]
    on_progress: Progress

    def wanted(self, budgets_ms: Sequence[float], architectures: Sequence[str]) -> list[_Wanted]:
        """What is to be deployed, by distinct names."""
        out = []
        if self.generator is not None and budgets_ms:
            answers = self.generator.generate(list(budgets_ms), **self.ask)
            out = [self._answered(f"budget_{budget:g}ms", budget, budget, answer)
                   for budget, answer in zip(budgets_ms, answers, strict=True)]  # fmt: skip
        for text in architectures:
            tokens = self.supernet.space.parse(text)
            out.append(_Wanted(f"network_{len(out) + 1}", self.supernet.space.format(tokens)))
        names = [one.name for one in out]
        double = [name for name in names if names.count(name) > 1]
        if double:
            raise ValueError(f"budgets {', '.join(sorted(set(double)))} are given more than once")
        return out

    def built(self, wanted: Sequence[_Wanted]) -> dict[str, dict[str, Any]]:
        """What is known of each architecture, its files written."""
        out = {}
        for number, one in enumerate(wanted):
            self.on_progress("building", number, len(wanted))
            out[one.architecture] = build(self.supernet, one.architecture, self.out / one.name, self.how)
        return out

    def timed(self, wanted: Sequence[_Wanted]) -> dict[str, dict[str, Latency]]:
        """Latency by format of each architecture, all timed in the same rounds."""
        files = {}
        for one in wanted:
            for name in (FLOAT32, INT8):
                if name in self.how.formats:
                    files[f"{one.architecture} {name}"] = self.out / one.name / FILES[name]
        total, done = len(files) * self.conditions.rounds, [0]

        def on_sample() -> None:
            done[0] += 1
            self.on_progress("timing", done[0], total)

        found = timing.latencies(files, self.conditions, self.out / JOURNAL, on_sample) if files else {}
        out: dict[str, dict[str, Latency]] = {}
        for key, latency in found.items():
            architecture, _, name = key.rpartition(" ")
            out.setdefault(architecture, {})[name] = latency
        return out

    def tightened(
        self, one: _Wanted, tries: list[dict[str, Any]], built: dict[str, Any], timed: dict[str, dict[str, Latency]]
    ) -> tuple[_Wanted, list[dict[str, Any]]]:
        """The first network for a budget that is within it when measured, asked for with ever smaller budgets.

        Where the budgets come to an end first, the last is what is left. ``built`` and ``timed`` grow.
        """
        while len(tries) < TRIES and self.generator is not None and one.budget_ms is not None:
            measured = tries[-1]["measured_ms"]
            if measured is None or measured <= one.budget_ms:
                break
            asked = tries[-1]["asked_ms"] * min(one.budget_ms / measured, LESS)
            answers = self.generator.generate([asked], on_infeasible="skip", **self.ask)
            if not answers:
                break
            one = self._answered(one.name, one.budget_ms, asked, answers[0])
            built |= self.built([one])
            timed |= self.timed([one])
            tries.append(_try(one, timed))
        return one, tries

    def _answered(self, name: str, budget: float, asked: float, answer: Answer) -> _Wanted:
        predicted = {"latency_ms": answer.costs["latency_ms"], "quality": answer.quality,
                     "quality_std": answer.quality_std, "guaranteed": answer.guaranteed}  # fmt: skip
        if answer.tokens_per_second is not None:
            predicted |= {TOKEN: answer.costs[TOKEN], RATE: answer.tokens_per_second}
        text = answer.text
        if self.generator is not None and self.generator.description.space.behind is not None:
            text = self.supernet.space.format(answer.tokens[1:])
        return _Wanted(name, text, float(budget), float(asked), predicted)


def _try(one: _Wanted, timed: Mapping[str, Mapping[str, Latency]]) -> dict[str, Any]:
    latency = timed.get(one.architecture, {}).get(FLOAT32)
    return {"asked_ms": one.asked_ms, "measured_ms": latency.median_ms if latency else None,
            "architecture": one.architecture}  # fmt: skip


def _about(supernet: TrainedSupernet, generator: Generator | None, conditions: Conditions) -> dict[str, Any]:
    """What cards say of how they were made."""
    about: dict[str, Any] = {
        "runtime": runtime_name(), "threads": conditions.threads, "batch": conditions.batch,
        "rounds": conditions.rounds, "opset": OPSET,
        "input": supernet.task.takes,
        "supernet": supernet.identity,
    }  # fmt: skip
    if generator is not None:
        for column in generator.description.costs:
            about[f"table of {column.name}"] = f"{column.device} ({column.source}, sha256 {column.content_hash})"
            if column.validation:
                about[f"validation of {column.name}"] = column.validation
        about["quality"] = json.loads(json.dumps(dict(generator.description.quality_report), default=str))
        trained = {name: generator.config[name] for name in ("controller", "step", "seal") if name in generator.config}
        about |= {"generator": trained} if trained else {}
    return about
