"""One generator for many devices against one generator a device, and on devices that it never saw.

``python -m benchmarks.multi_device --data_dir=DIR [--seeds=0,1,2] [--updates=400] [--parts=NAMES] --results=FILE``. A
device is a Samsung Note10 or an Intel i7-8700K at one of three resolutions of the once-for-all space; architectures are
judged by the accuracy predictor. ``dedicated`` are six generators of ``updates`` each, ``together`` is one of six times
as many. ``held_out`` is trained without the i7 at 192 pixels, ``unseen`` without any i7, each with ``updates`` for
every device that it knows, and then asked about what it has not seen, without training. ``archive`` is what the
latter's archive answers alone, ``neighbour`` a dedicated generator of the Note10 asked about the i7. Every generator
is asked the same 100 budgets a device, even on the logarithm of its range, by ``best`` and by the policy alone
(``greedy``); costs of all answers are summed again from the tables and held against the budgets.

A row of the results is a way, a seed and a device: mean accuracies, percent, answers over their budget, and seconds of
training, all devices together. Rows that the file holds are not made again. The last line has the mean gaps to
``dedicated`` by ``best``, points, of ``together`` and of ``unseen``, violations, and the ratio of times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from experiments.frame import runtime
from nagjax import controllers, plugins
from nagjax.controllers import Artefact
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import Prices, price
from nagjax.devices.table import DeviceTable
from nagjax.inference.generator import Generator
from nagjax.predictors.formats.ofa_npz import import_ofa
from nagjax.predictors.forms.behind import Behind
from nagjax.predictors.forms.form import Form
from nagjax.problems.build import make_problem
from nagjax.problems.several import side_by_side
from nagjax.reports.front import POINTS, log_spaced
from nagjax.spaces import ofa_mobilenet_v3
from nagjax.spaces import trellis as tl
from nagjax.spaces.compose import prefix
from nagjax.spaces.space import Space

RESOLUTIONS = (160, 192, 224)
TABLES = {"note10": "note10", "i7": "i7-8700k.yaml"}
DEVICES = tuple(f"{name}@{resolution}" for name in TABLES for resolution in RESOLUTIONS)
HELD_OUT = "i7@192"
BUDGETS = 100
COLUMNS = ("way", "seed", "device", "best", "greedy", "violations", "seconds")
Row = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """What all generators share: the space, the tables by device, and how good architectures are."""

    space: Space
    tables: Mapping[str, DeviceTable]
    quality: Form

    def table(self, device: str) -> DeviceTable:
        """The table of a device."""
        return self.tables[device.partition("@")[0]]

    def conditions(self, device: str) -> dict[str, int]:
        """What of the space the device is about."""
        return {"resolution": int(device.partition("@")[2])}

    def prices(self, device: str) -> Prices:
        """What the device's architectures cost."""
        return price(self.table(device), self.space, allowed=self.space.where(self.conditions(device)))

    def span(self, device: str) -> tuple[float, float]:
        """The cheapest and the costliest architecture, ms."""
        edges = np.append(self.prices(device).values, 0.0)[self.space.trellis.operators].sum(-1)
        allowed, target = self.prices(device).open_edges, self.space.trellis.target
        return tl.cheapest(target, allowed, edges), tl.costliest(target, allowed, edges)

    def costs(self, device: str, tokens: np.ndarray) -> np.ndarray:
        """Costs float64 ``[B]`` in ms of architectures of the space, by the table alone."""
        rows = [self.table(device).lookup(op) for op in self.space.operators]
        return self.space.operator_sum(tokens, np.array([0.0 if row is None else row.mean for row in rows]))


def read(data_dir: Path) -> Case:
    """The case."""
    folder, space = data_dir / common.OFA, ofa_mobilenet_v3.make(width=1.2)
    tables = {name: read_table(folder / path, space.operators) for name, path in TABLES.items()}
    return Case(space, tables, import_ofa(folder / "accuracy_predictor.npz", space).predictor)


def trained(case: Case, devices: Sequence[str], updates: int, seed: int) -> tuple[Generator, float]:
    """A generator of some devices, and the seconds that it was trained for, compilation not counted."""
    if len(devices) == 1:
        where = case.conditions(devices[0])
        problem, description = make_problem(case.space, [case.prices(devices[0])], case.quality, where)
    else:
        space = prefix(case.space, "device", devices)
        prices = side_by_side(space, {device: case.prices(device) for device in devices})
        problem, description = make_problem(space, [prices], Behind(case.quality, len(devices)))
    controller = plugins.load("controllers", "nag")(problem.spec)
    state = controllers.init(controller, problem, seed)
    last = controllers.train(controller, problem, state, seed, controllers.Limits(updates * len(devices)))
    print(f"{', '.join(devices)}: {last.step} updates in {last.seconds:.1f} s", flush=True)
    return Generator(controllers.artefact(controller, last.state, problem), problem, description, {}), last.seconds


def asked(case: Case, generator: Generator, device: str) -> tuple[float, float, int]:
    """Mean accuracies by ``best`` and by the policy alone, percent, and how many answers are over their budget."""
    low, high = case.span(device)
    budgets = np.array(log_spaced(low, high, BUDGETS))
    behind = 1 if generator.description.space.behind is not None else 0
    found, over = [], 0
    for how in ("best", "greedy"):
        if how == "greedy" and generator.artefact.policy is None:
            found.append(float("nan"))
            continue
        answers = generator.generate_arrays(budgets, decode=how)
        costs = case.costs(device, answers.tokens[:, behind:])
        over += int((costs > budgets * (1 + 1e-12)).sum()) + int((~answers.guaranteed).sum())
        found.append(POINTS * float(answers.quality.mean()))
    return found[0], found[1], over


def dedicated(case: Case, updates: int, seed: int) -> Iterator[Row]:
    """A generator a device; those of the Note10 are asked about the i7 as well."""
    kept, rows, total = {}, [], 0.0
    for device in DEVICES:
        kept[device], seconds = trained(case, [device], updates, seed)
        total += seconds
        rows.append(("dedicated", device, kept[device]))
    for device in DEVICES:
        if device.startswith("i7"):
            there = kept[device.replace("i7", "note10")].on(case.table(device), where=case.conditions(device))
            rows.append(("neighbour", device, there))
    for way, device, generator in rows:
        yield row(way, seed, device, asked(case, generator, device), total)


def together(case: Case, updates: int, seed: int) -> Iterator[Row]:
    """One generator for all."""
    generator, seconds = trained(case, DEVICES, updates, seed)
    for device in DEVICES:
        yield row("together", seed, device, asked(case, generator.on(device), device), seconds)


def held_out(case: Case, updates: int, seed: int) -> Iterator[Row]:
    """One generator for all but one, asked about that."""
    generator, seconds = trained(case, [device for device in DEVICES if device != HELD_OUT], updates, seed)
    there = generator.on(case.table(HELD_OUT), where=case.conditions(HELD_OUT))
    yield row("held_out", seed, HELD_OUT, asked(case, there, HELD_OUT), seconds)


def unseen(case: Case, updates: int, seed: int) -> Iterator[Row]:
    """One generator for the Note10, asked about the i7; and what its archive answers without the policy."""
    generator, seconds = trained(case, [device for device in DEVICES if device.startswith("note10")], updates, seed)
    archive = dataclasses.replace(generator, artefact=Artefact(None, generator.artefact.archive))
    for way, one in (("unseen", generator), ("archive", archive)):
        for device in DEVICES:
            if device.startswith("i7"):
                there = one.on(case.table(device), where=case.conditions(device))
                yield row(way, seed, device, asked(case, there, device), seconds)


PARTS: Mapping[str, Callable[[Case, int, int], Iterator[Row]]] = {
    "dedicated": dedicated, "together": together, "held_out": held_out, "unseen": unseen,
}  # fmt: skip


def row(way: str, seed: int, device: str, found: tuple[float, float, int], seconds: float) -> Row:
    """A row of the results."""
    best, greedy, over = found
    return (way, str(seed), device, f"{best:.4f}", f"{greedy:.4f}", str(over), f"{seconds:.1f}")


def gaps(rows: Sequence[Mapping[str, str]], way: str, column: str) -> list[float]:
    """What a way's accuracies lack to those of dedicated generators, points, a figure a seed and device."""
    of = {(one["seed"], one["device"]): float(one[column]) for one in rows if one["way"] == "dedicated"}
    pairs = [one for one in rows if one["way"] == way and (one["seed"], one["device"]) in of]
    return [of[one["seed"], one["device"]] - float(one[column]) for one in pairs]


def summary(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The last line; null where nothing was run."""

    def mean(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if values else None

    seconds = {(one["way"], one["seed"]): float(one["seconds"]) for one in rows}
    ratios = [
        value / seconds["dedicated", seed]
        for (way, seed), value in seconds.items()
        if way == "together" and ("dedicated", seed) in seconds
    ]
    return {
        "dedicated_gap_points": mean(gaps(rows, "together", "best")),
        "dedicated_gap_points_greedy": mean(gaps(rows, "together", "greedy")),
        "unseen_gap_points": mean(gaps(rows, "unseen", "best")),
        "unseen_gap_points_greedy": mean(gaps(rows, "unseen", "greedy")),
        "held_out_gap_points": mean(gaps(rows, "held_out", "best")),
        "violations": sum(int(one["violations"]) for one in rows),
        "train_s_ratio": mean(ratios),
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    rows: list[Row] = [tuple(one.values()) for one in common.rows_so_far(values.results)]
    case = read(data_dir)
    for seed in values.seeds:
        for part in values.parts:
            if any(one[:2] == (part, seed) for one in rows):
                continue
            found = []
            for one in PARTS[part](case, values.updates, int(seed)):
                print(one, flush=True)
                found.append(one)
            rows += found
            common.write_rows(values.results, COLUMNS, rows)
    return summary([dict(zip(COLUMNS, one, strict=True)) for one in rows])


if __name__ == "__main__":
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds; what is tuned is tuned from 100 on.")
    flags.DEFINE_list("parts", list(PARTS), "Of dedicated, together, held_out and unseen.")
    flags.DEFINE_integer("updates", 400, "Updates for each device that a generator is trained for.", lower_bound=1)
    flags.DEFINE_string("results", "benchmarks/results/multi_device.csv", "Rows so far; they are not made again.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
