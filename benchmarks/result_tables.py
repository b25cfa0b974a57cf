"""Tables in Markdown of the results that are committed in benchmarks/results/."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import (
    best_known,
    common,
    hw_gpt,
    joint_search,
    published_latencies,
    quality_note10,
    residual_mask,
    studies,
)
from experiments.comparison.html_table import limit_text, overruns, side_text
from experiments.comparison.report import settings_text
from experiments.comparison.results import Results
from experiments.comparison.rows import NO_LIMIT
from experiments.comparison.table import Difference, Line, Lost, Section, Side, Spread, difference, sections, spread
from experiments.published import entangled as entangled_weights
from experiments.published import shared_weights
from experiments.reports.rank_report import NAMES
from nagjax.reports.front import POINTS, best_within
from nagjax.supernet import ranking as ranks

MISSING, BEST_KNOWN = "-", "best_known"
Cell = Callable[[Line], str]


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns are text, the others numbers.

    >>> print(markdown(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|---:|
    | x | 1 |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * texts + "---:|" * (len(heads) - texts), *lines[1:]])


def number(value: float | None, digits: int = 3) -> str:
    """A number in a cell; a dash where there is none.

    >>> number(1234.5, 0), number(0.1), number(None)
    ('1,234', '0.100', '-')
    """
    return MISSING if value is None or value != value else f"{value:,.{digits}f}"


def plus_minus(one: Spread | None, digits: int = 3) -> str:
    """Mean ± deviation; the mean alone for one seed.

    >>> plus_minus(Spread(2.0, 0.5, 3), 1)
    '2.0 ± 0.5'
    """
    if one is None:
        return MISSING
    return number(one.mean, digits) + ("" if one.std != one.std else f" ± {number(one.std, digits)}")


def mean(values: Collection[float], digits: int = 3) -> str:
    """Mean ± deviation of figures; a dash where there are none."""
    return plus_minus(spread(list(values)), digits) if values else MISSING


def lost(results: Results) -> Lost:
    """Regret to the best known, points, of runs with answers, on problems with a best-known front beside the study.

    Both are means over the same budgets, and a mean of differences is the difference of the means.
    """
    out = {}
    for problem in {row.problem for row in results.rows}:
        slices = best_known.read_slices(results.folder.parent / BEST_KNOWN / f"{problem}_search.csv")
        for row in (row for row in results.rows if slices and row.problem == problem and row.final):
            held = results.answers(row.key, row.decode)
            if held is not None and not row.infeasible:
                out[row.key, row.decode] = slices[-1].mean_quality - POINTS * float(held[1].mean())
    return out


class Study:
    """A comparison as it stands in its folder; differences are to the contender ``base``."""

    def __init__(self, folder: Path, base: str) -> None:
        """Read the results."""
        results = Results(folder)
        self.rows = results.rows
        self.tables = sections(self.rows, base, lost(results))
        self.base = name(self.tables[0].base or (base, ""))
        self._settings = {
            row.contender: settings_text(row.settings)
            for row in self.rows
            if row.limit != NO_LIMIT and row.contender != studies.NSGA2  # whose rows do not say its settings
        }

    def known(self) -> dict[str, Cell]:
        """The column with the regret to the best known, where a line knows it."""
        has = any("regret_to_best_known" in line.spreads for table in self.tables for line in table.lines)
        return {"regret to best known": figure("regret_to_best_known")} if has else {}

    def settings(self, line: Line) -> str:
        """A cell with the controller and its settings."""
        return self._settings.get(line.side[0], MISSING)

    def facts(self) -> str:
        """What is said of every comparison: runs, seeds, machines, and whether budgets and limits were kept."""
        last = [row for row in self.rows if row.final and row.limit != NO_LIMIT]
        over = sum(row.infeasible > 0 for row in last)
        spent = dict.fromkeys(row.contender for row in last if row.over_budget)
        machines = ", ".join(sorted({row.machine for row in self.rows}))
        held = Counter((row.contender, row.decode, row.problem, row.limit) for row in last)
        text = (
            f"{studies.made(self.rows)}; {machines}. Seeds: {studies.span(held.values())}. "
            f"Runs with an answer over its budget: {over or 'none'}."
        )
        if spent:
            text += f" Samples were over their budgets in training of {', '.join(spent)}."
        return text + "".join(map(overruns, self.tables))


def name(side: Side) -> str:
    """A contender and how it answers; what a problem brings itself stands without marks of code."""
    return side_text(side if side[1] == "reference" else (f"`{side[0]}`", side[1]))


def figure(metric: str, digits: int = 3) -> Cell:
    """A cell with a figure of ``experiments.comparison.table.METRICS``."""
    return lambda line: plus_minus(line.spreads.get(metric), digits)


def evaluations(line: Line) -> str:
    """A cell with the mean number of evaluations."""
    return MISSING if line.limit == NO_LIMIT else number(line.spreads["evaluations"].mean, 0)


def seeds(line: Line) -> str:
    """A cell with the number of seeds; a dash for what a problem brings itself."""
    return MISSING if line.limit == NO_LIMIT else str(max(one.count for one in line.spreads.values()))


def versus(line: Line) -> str:
    """A cell with the paired difference to the base, its interval, and in how many seeds the line is better."""
    return MISSING if line.difference is None else paired(line.difference)


def paired(found: Difference) -> str:
    """A paired difference, its interval, and in how many seeds it is for the better."""
    interval = "" if found.low != found.low else f" ({found.low:+.3f} to {found.high:+.3f})"
    return f"{found.mean:+.3f}{interval}, {found.better} of {found.count}"


def pivot(tables: Sequence[Section], cell: Cell) -> str:
    """A column for each limit or problem; the best under the last of them first."""
    one_problem = len({table.problem for table in tables}) == 1
    heads = [limit_text(table.limit) if one_problem else table.problem for table in tables]
    held = [{line.side: cell(line) for line in table.lines} for table in tables]
    sides = dict.fromkeys(side for each in reversed(held) for side in each)
    return markdown(["", *heads], [[name(side), *(each.get(side, MISSING) for each in held)] for side in sides])


def lines(table: Section, study: Study, columns: Mapping[str, Cell]) -> str:
    """A row for each contender and way of answering, best first, with its settings."""
    cells = {"settings": study.settings, **columns, "difference, better in": versus, "seeds": seeds}
    return markdown(
        ["", *cells], [[name(line.side), *(cell(line) for cell in cells.values())] for line in table.lines], 2
    )


def by_limit(folder: Path, base: str = "nag") -> Iterator[str]:
    """Regret under each limit or on each problem, and the paired differences."""
    study = Study(folder, base)
    yield study.facts()
    yield pivot(study.tables, figure("regret"))
    yield f"Paired differences to {study.base}, the 95 % interval of their mean, and seeds in which the row is better:"
    yield pivot(study.tables, versus)


def by_regret(folder: Path, base: str) -> Iterator[str]:
    """A study of one problem and limit with a known oracle."""
    study = Study(folder, base)
    yield study.facts()
    yield lines(study.tables[0], study, {"regret": figure("regret"), "evaluations": evaluations})


def by_hypervolume(folder: Path, base: str = "nag") -> Iterator[str]:
    """A study of one problem and limit without an oracle."""
    study = Study(folder, base)
    yield study.facts()
    columns = {"hypervolume": figure("hypervolume"), **study.known(), "evaluations": evaluations}
    yield lines(study.tables[0], study, columns)


def at_latencies(folder: Path, base: str = "nag") -> Iterator[str]:
    """The study on Note10, with the gap at the published latencies and the quality in bands of latency."""
    study = Study(folder, base)
    gaps = read(folder / published_latencies.GAPS)
    kept: dict[str, list[list[float]]] = {}
    for one in published_latencies.answers(Results(folder)):
        kept.setdefault(one.name, []).append(published_latencies.bands(one))

    def band(at: int) -> Cell:
        return lambda line: number(float(np.mean(kept[" ".join(line.side)], 0)[at]), 2)

    edges = itertools.pairwise(published_latencies.BANDS_MS)
    yield study.facts()
    yield lines(study.tables[0], study, {
        "hypervolume": figure("hypervolume"),
        **study.known(),
        "gap": lambda line: mean(gaps[" ".join(line.side)]),
        **{f"{low:g}-{high:g} ms": band(at) for at, (low, high) in enumerate(edges)},
        "evaluations": evaluations,
    })  # fmt: skip


def quality(path: Path) -> Iterator[str]:
    """The main job and runs of equal wall time against the published front: means over seeds, then every run."""
    makers = {"greedy": "nag", "best_of_64": "nag", "best": "nag", "nsga2": "nsga2"}
    limits = {f"{part} s": part for part in quality_note10.LIMITS} | {f"{quality_note10.FULL_STEPS:,} updates": "full"}
    runs = read(path)
    held = {
        (limit, way): {label.split("/")[-1]: run for label, run in runs.items()
                       if label.startswith(f"{maker}/{part}/") and f"{way}_mean" in run}
        for limit, part in limits.items() for way, maker in makers.items()
    }  # fmt: skip

    def cell(limit: str, way: str) -> str:
        gaps = [run[f"{way}_mean"] for run in held[limit, way].values()]
        return f"{mean(gaps)} ({len(gaps)})" if gaps else MISSING

    def row(way: str, run: Mapping[str, Any]) -> list[str]:
        figures = {f"{way}_mean": 3, f"{way}_wins": 0, f"{way}_worst": 3, "evaluations": 0}
        cells = [number(run.get(key), digits) for key, digits in figures.items()]
        return [*cells, number(run.get("train_s", run.get("wall_s")), 0), run["load"], run["commit"]]

    yield "Mean gap; in brackets the number of seeds:"
    yield markdown(["", *makers], [[limit, *(cell(limit, way) for way in makers)] for limit in limits])
    yield "Every run:"
    rows = [[limit, way, seed, *row(way, run)] for (limit, way), each in held.items() for seed, run in each.items()]
    heads = ["", "answers", "seed", "gap", "ahead at", "worst", "evaluations", "seconds", "load", "commit"]
    yield markdown(heads, rows, 2)


def best_fronts(folder: Path) -> Iterator[str]:
    """How far each best-known front has come, what each quarter of the search added, and who found its members."""
    rows = []
    for path in sorted(folder.glob("*_search.csv")):
        slices = best_known.read_slices(path)
        last, minutes = slices[-1], sum(one.seconds for one in slices) / 60
        added = [number(quality, 4) for quality, _ in best_known.quarters(slices)]
        evaluations = number(sum(one.evaluations for one in slices), 0)
        figures = [number(last.architectures, 0), number(last.mean_quality), number(last.hypervolume)]
        rows.append([path.stem.removesuffix("_search"), *figures, number(minutes, 0), evaluations, *added])
    quarters = [f"quarter {number}" for number in range(1, best_known.QUARTERS + 1)]
    heads = ["", "architectures", "mean quality", "hypervolume", "minutes", "evaluations", *quarters]
    yield markdown(heads, rows)
    for path in sorted(folder.glob("*_search.csv")):
        name = path.stem.removesuffix("_search")
        members = common.read_csv(folder / f"{name}.csv")
        found = Counter(row["found_by"].partition(",")[0] for row in members)
        who = ", ".join(f"{who} {num}" for who, num in found.most_common())
        yield f"Members of {name} by who found them: {who}.{_ahead(folder.parent, name, members)}"


def _ahead(source: Path, problem: str, members: Sequence[Mapping[str, str]]) -> str:
    """Where answers that studies kept are better than a front: it lacks what they were, which nobody kept."""
    held = [np.load(path, allow_pickle=False) for path in sorted(source.glob(f"*/answers/{problem}__*.npy"))]
    cost, quality = np.concatenate([np.zeros((2, 0)), *held], 1)
    _, own, best, _ = zip(*(row.values() for row in members), strict=True)
    # Costs in the file are rounded up.
    row = best_within(np.array(own, float), np.array(best, float), cost * (1 + 1e-7))
    above = POINTS * (quality - np.array(best, float)[row])
    better = above > 1e-4
    if not better.any():
        return ""
    return (
        f" It is not complete: answers that studies kept, without their architectures, are up to {above.max():.3f} "
        f"points ahead of it, between {cost[better].min():.1f} and {cost[better].max():.1f} ms."
    )


def nsga2(path: Path) -> Iterator[str]:
    """The search for NSGA-II's settings."""
    runs = read(path)["runs"]
    figures = {"gap_mean": 3, "gap_wins": 0, "gap_worst": 3, "evaluations": 0, "cpu_s": 0}
    settings = [key for key in runs[0] if key not in figures]
    rows = [
        [*(str(run[key]) for key in settings), *(number(run[key], digits) for key, digits in figures.items())]
        for run in sorted(runs, key=lambda run: -float(run["gap_mean"]))
    ]
    yield markdown([*settings, "gap", "ahead at", "worst", "evaluations", "seconds"], rows, len(settings) - 1)


def joint(path: Path) -> Iterator[str]:
    """One generator for five budgets against a search for each."""
    runs = joint_search.read(path)
    kinds = dict.fromkeys((run["problem"], run["way"], run["figure"]) for run in runs)
    rows = []
    for kind in kinds:
        held = [run for run in runs if (run["problem"], run["way"], run["figure"]) == kind]
        points = np.array([run["points"] for run in held])
        rows.append([
            *kind, number(held[0]["evaluations"], 0), str(len(held)), mean(points.mean(1).tolist()),
            *(number(value) for value in points.mean(0)),
        ])  # fmt: skip
    shares = [f"at {100 * share:.0f} %" for share in joint_search.SHARES]
    yield markdown(["problem", "way", "figure", "evaluations", "seeds", "mean", *shares], rows, 3)


def systems(path: Path, base: str = "gp") -> Iterator[str]:
    """Systems in rounds: regret of what was evaluated, and of what a generator answers; differences to a base."""
    rows = common.read_csv(path)
    counts = list(dict.fromkeys(row["evaluations"] for row in rows))
    heads = [(count, column) for count in counts for column in ("evaluated", "answered")]
    yield _compared(rows, "system", heads, (counts[-1], "evaluated"), base, f"{counts[-1]} evaluated")


def few_evaluations(path: Path, base: str = "nsga2") -> Iterator[str]:
    """Searchers by what they evaluated: regret by the number of evaluations, and all figures of the largest number."""
    every = common.read_csv(path)
    rows = [row for row in every if row["evaluations"] != "0"]
    counts = list(dict.fromkeys(row["evaluations"] for row in rows))
    heads = [*((count, "regret") for count in counts), *((counts[-1], column) for column in list(every[0])[4:])]
    yield _compared(rows, "searcher", heads, (counts[-1], "regret"), base, f"regret at {counts[-1]}")
    for row in every:
        if row["evaluations"] == "0":
            yield f"`{row['searcher']}`, without an evaluation: regret {float(row['regret']):.3f}."


def _compared(
    rows: Sequence[Mapping[str, str]], by: str, heads: Sequence[tuple[str, str]], judged: tuple[str, str], base: str,
    said: str,
) -> str:  # fmt: skip
    """A row for each value of the column ``by``, the least of ``judged`` first, and its paired difference to a base.

    ``heads`` are pairs of a number of evaluations and a column of figures; ``said`` is what is judged.
    """

    def held(name: str, head: tuple[str, str]) -> dict[int, float]:
        here = [row for row in rows if (row[by], row["evaluations"]) == (name, head[0]) and row[head[1]]]
        return {int(row["seed"]): float(row[head[1]]) for row in here}

    def against(name: str) -> str:
        found = difference(held(name, judged), held(base, judged), smaller=True)
        return MISSING if found is None or name == base else paired(found)

    def order(name: str) -> float:
        values = held(name, judged).values()
        return sum(values) / len(values)

    return markdown(
        ["", *(" ".join(head) for head in heads), f"{said}, difference to `{base}`"],
        [
            [f"`{name}`", *(mean(held(name, head).values()) for head in heads), against(name)]
            for name in sorted(dict.fromkeys(row[by] for row in rows), key=order)
        ],
    )


def crossed(rows: Sequence[Mapping[str, Any]], by: str, heads: Mapping[str, tuple[str, Mapping[str, Any]]]) -> str:
    """Means over rows: a line for each value of the column ``by``, a column for each head.

    A head says which figure is meant, and what else its rows have; where one of them lacks it, a dash stands.
    """

    def cell(name: str, column: str, where: Mapping[str, Any]) -> str:
        found: list[Any] = [row.get(column) for row in rows if row[by] == name and where.items() <= row.items()]
        return MISSING if None in found or "" in found else mean([float(value) for value in found])

    names = dict.fromkeys(row[by] for row in rows)
    return markdown(["", *heads], [[f"`{name}`", *(cell(name, *head) for head in heads.values())] for name in names])


def by_way(path: Path) -> Iterator[str]:
    """Ways of doing something, seed by seed: mean and deviation of each column."""
    rows = common.read_csv(path)
    yield crossed(rows, "way", {figure: (figure, {}) for figure in list(rows[0])[2:]})


def strategies(path: Path) -> Iterator[str]:
    """What ranks networks as training each alone does, by the strategy that trained the weights."""
    study = read(path)
    found = shared_weights.figures(study)
    columns = {"tau": 3, "by_loss": 3, "within": 3, "lost": 2, "test": 2, "gained": 2, "largest": 2}
    heads = ["ranked by", "tau", "tau by loss", "tau among like multiply-adds", "points lost by the first",
             "accuracy with these weights, %", "minus alone", "of the largest, %", "seeds"]  # fmt: skip
    yield _by_way_and_seed(found, heads, columns)
    alone = shared_weights.alone(study)
    yield (
        f"{len(alone)} networks, {alone.shape[1]} seeds each; alone the smallest has {100 * alone[0].mean():.1f} %, "
        f"the largest {100 * alone[1].mean():.1f} %. Tau between seeds of the truth: {number(ranks.ceiling(alone))}. "
        f"Each strategy saw {study['images']:,} {study.get('examples_name', 'images')}."
    )


def _by_way_and_seed(found: shared_weights.Figures, heads: Sequence[str], columns: Mapping[str, int]) -> str:
    """A row for each way: its columns, to so many digits, and the number of its seeds."""

    def seeds(name: str) -> str:
        own = found[name]["lost"]
        return MISSING if shared_weights.NO_SEED in own else str(len(own))

    def cells(name: str) -> list[str]:
        return [mean(found[name].get(column, {}).values(), digits) for column, digits in columns.items()]

    return markdown(heads, [[f"`{name}`", *cells(name), seeds(name)] for name in found])


def relations(path: Path) -> Iterator[str]:
    """Ways of sharing weights of decoders: ranks, losses and how far relations are from the largest network's."""
    yield from strategies(path)
    study = read(path)
    found, ways = shared_weights.figures(study), dict.fromkeys(run["way"] for run in study["shared"])
    columns = {"nats": 3, "divergence": 4}
    cells = [[f"`{way}`", *(mean(found[way][one].values(), digits) for one, digits in columns.items())] for way in ways]
    yield markdown(["way", "mean loss on test text, nats", "divergence of relations, nats"], cells)


def entangled(path: Path) -> Iterator[str]:
    """What shares learned with entangled weights choose, and when they become sparse."""
    study = read(path)
    found = entangled_weights.figures(study)
    columns = {"tau": 3, "lost": 2, "within": 2, "entropy": 3, "steps": 0}
    heads = ["way", "tau", "points lost by the chosen", "under budgets", "entropy at the end, nats",
             f"updates to {entangled_weights.SPARSE} nats", "seeds"]  # fmt: skip
    yield _by_way_and_seed(found, heads, columns)


def scores(path: Path) -> Iterator[str]:
    """Scores without training: how they rank labels, and ways of spending 20 labels."""
    found = read(path / "ranked.json")
    cells = [
        [f"`{name}`", number(row["tau"]), f"{number(row['low'])} to {number(row['high'])}",
         number(row["tau_within_bands"]), number(row["chance"]), number(row["ms_per_architecture"], 0)]
        for name, row in found["scores"].items()
    ]  # fmt: skip
    yield f"{found['architectures']} architectures, {found['bands']} bands."
    yield markdown(["", "tau", "95 %", "tau within bands", "by chance", "ms an architecture"], cells)
    yield from by_way(path / "queries.csv")


def multi_device(path: Path) -> Iterator[str]:
    """Ways of serving devices: what they lose to dedicated generators, answers over budget, seconds of training."""
    rows = common.read_csv(path)
    dedicated = {(row["seed"], row["device"]): row for row in rows if row["way"] == "dedicated"}

    def cells(way: str) -> list[str]:
        own = [row for row in rows if row["way"] == way]
        seconds = {row["seed"]: float(row["seconds"]) for row in own}
        out = []
        for how in ("best", "greedy"):
            lost = [float(dedicated[row["seed"], row["device"]][how]) - float(row[how]) for row in own]
            known = [one for one in lost if one == one]  # an archive alone has no policy to ask
            out += [number(sum(known) / len(known)), number(max(known))] if known else [MISSING] * 2
        over = sum(int(row["violations"]) for row in own)
        return [*out, str(over), str(len(seconds)), number(sum(seconds.values()) / len(seconds), 0)]

    heads = ["", "best", "worst", "greedy", "worst", "over", "seeds", "training, s"]
    yield markdown(heads, [[f"`{way}`", *cells(way)] for way in dict.fromkeys(row["way"] for row in rows)])


def losses(path: Path) -> Iterator[str]:
    """Kinds of predictors, seed by seed: Kendall's tau and other figures by the number of labels."""
    rows = read(path)["rows"]
    labels, names = dict.fromkeys(row["labels"] for row in rows), list(rows[0])[3:]
    heads = {f"{name}, {num} labels": (name, {"labels": num}) for name in names for num in labels}
    yield crossed(rows, "kind", heads)


def estimates(path: Path) -> Iterator[str]:
    """Fits to estimates that err, by problem: tau with the truth, and where it is known the regret of the best."""
    heads = (("macro", "tau"), ("macro", "regret"), ("macro", "closed"), ("supernet", "tau"), ("signals", "tau"))
    yield crossed(read(path)["rows"], "kind", {" ".join(head): (head[1], {"problem": head[0]}) for head in heads})


def ranking(path: Path) -> Iterator[str]:
    """What ranks networks as training each alone does."""
    study = read(path)
    yield markdown(
        ["ranked by", "tau", "95 % interval", "tau with one seed", "tau among like multiply-adds"],
        [
            [NAMES[column].format(quality="accuracy"), number(tau["value"]), f"{tau['low']:.2f} to {tau['high']:.2f}",
             number(tau["against_one_seed"]), f"{tau['within_bins']:.3f} ({tau['pairs_within']} pairs)"]
            for column, tau in study["tau"].items()
        ],
    )  # fmt: skip
    yield (
        f"{len(study['networks'])} networks, two seeds each. Tau between the seeds, the ceiling: "
        f"{number(study['ceiling'])}. Accuracy alone minus accuracy with the supernet's weights, test images: "
        f"{study['smallest_gap_points']:+.2f} points for the smallest network, {study['largest_gap_points']:+.2f} for "
        "the largest."
    )


def rounds(path: Path) -> Iterator[str]:
    """Regret after so many true evaluations, of the search and of what does without it."""
    study = read(path)
    names = {
        "regret_100": "in rounds, after 100", "regret_200": "after 200", "regret_300": "after 300",
        "regret_one_shot_200": "fitted once, to 200 random labels", "regret_random_200": "best of 200 random labels",
    }  # fmt: skip
    yield markdown(
        ["true evaluations", "regret"],
        [
            [shown, plus_minus(Spread(study[name], study.get(f"{name}_std", math.nan), study["seeds"]))]
            for name, shown in names.items()
        ],
    )
    yield f"{study['seeds']} seeds, kind `{study['kind']}`."


def rounds_note10(path: Path) -> Iterator[str]:
    """Gap after so many true evaluations, of the search and of what does without it."""
    from benchmarks.rounds_note10 import COUNTS

    runs: dict[str, Any] = read(path)
    most = max(COUNTS)
    names = {
        **{f"gap_{n}": f"in rounds, generator after {n:,}" for n in COUNTS},
        **{f"evaluated_{n}": f"best evaluated after {n:,}" for n in COUNTS},
        f"one_shot_gap_{most}": f"generator, fitted once to {most:,} spread over the costs",
        f"labels_{most}": "best of these", f"nsga2_gap_{most}": f"pymoo's NSGA-II, {most:,}",
    }  # fmt: skip
    rows = []
    for name, shown in names.items():
        values = [run[name] for run in runs.values() if name in run]
        rows.append([shown, mean(values), str(len(values))])
    yield markdown(["true evaluations", "gap", "seeds"], rows)
    seconds = [run["search_s"] for run in runs.values() if "search_s" in run]
    yield (
        f"A search took {min(seconds):.0f} to {max(seconds):.0f} s, with other work on the machine. {_commits(runs)}"
    )


def _commits(runs: Mapping[str, Any]) -> str:
    commits, loads = sorted({run["commit"] for run in runs.values()}), [float(run["load"]) for run in runs.values()]
    return f"Commits {', '.join(commits)}; machine load at the end of a run {studies.span(loads)}."


def faults(path: Path) -> Iterator[str]:
    """What kills cost a search."""
    study = read(path)
    cells = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in study.values()]
    yield markdown([name.replace("_", " ") for name in study], [cells], texts=0)


def by_name(path: Path) -> Iterator[str]:
    """Figures of several subjects, a row each; the columns are those of the first."""
    study = read(path)
    columns = list(next(iter(study.values())))
    cells = [
        [f"{row[one]:.4g}" if isinstance(row[one], float) else str(row[one]) for one in columns]
        for row in study.values()
    ]
    yield markdown(
        ["", *(one.replace("_", " ") for one in columns)],
        [[name, *row] for name, row in zip(study, cells, strict=True)],
    )


def sweep(path: Path) -> Iterator[str]:
    """Seconds of many runs one after another and as one program, by controller."""
    found = read(path)
    heads = ["controller", "s, one after another", "s, one program", "times as fast", "same archives", "difference"]
    rows = [
        [
            f"`{name}`", *(number(one[key], 2) for key in ("seconds_one_by_one", "seconds_together", "speedup")),
            str(one["same_tokens"]), f"{one['largest_difference']:g}",
        ]
        for name, one in found["of"].items()
    ]  # fmt: skip
    yield markdown(heads, rows)
    yield f"{found['runs']} runs of {found['steps']} updates each, {found['devices']} cores."


def scaling(path: Path) -> Iterator[str]:
    """Slopes of time against size, and the memory of many budgets."""
    found = read(path)
    rows = [[f"`{name}`", number(found[f"slope_{name}"])] for name in found["seconds"]]
    yield markdown(["against", "slope"], rows)
    yield (
        f"{found['budgets']:,} budgets: the peak of the memory grew by {found['peak_mib']:.0f} MiB, by "
        f"{found['grown_mib']:.0f} MiB of them after the first quarter."
    )


def decoders(path: Path) -> Iterator[str]:
    """Regret on decoders by contender, scale and device, and what measured networks say."""
    held = read(path)
    found, runs = hw_gpt.regrets(held), held["runs"]
    names = dict.fromkeys(name for by_contender in found.values() for name in by_contender)
    rows = [[f"`{name}`", *(mean(of.get(name, []), 4) for of in found.values())] for name in names]
    yield markdown(["contender", *found], rows)
    most, over = max(run["evaluations"] for run in runs.values()), sum(run["violations"] for run in runs.values())
    yield f"At most {most:,} evaluations per run; {over} of {6 * len(runs)} answers above the price. {_commits(runs)}"
    for name, said in held["measured"].items():
        yield (
            f"Measured networks, prices `{name}`: {100 * said['violation_share']:.0f} % of answers over the budget, by "
            f"{100 * said['worst_excess']:.2f} % at most; measured perplexity {said['regret']:.4f} above the best."
        )


def kinds(path: Path) -> Iterator[str]:
    """Kinds of predictors by number of labels, and how far ``auto`` is from the others on the same labels."""
    rows = common.read_csv(path)
    labels = dict.fromkeys(row["labels"] for row in rows)
    heads = {f"{name}, {num} labels": (name, {"labels": num}) for name in ("tau", "regret") for num in labels}
    yield crossed(rows, "kind", heads)
    draws = [f"`{kind}` {len({row['seed'] for row in rows if row['kind'] == kind})}" for kind in ("mse", "auto")]
    yield f"Draws of labels: {', '.join(draws)}."
    held: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        held.setdefault((row["kind"], row["labels"]), {})[int(row["seed"])] = float(row["regret"])
    nums = [num for num in labels if ("auto", num) in held]

    def against(kind: str, num: str) -> str:
        found = difference(held["auto", num], held.get((kind, num), {}), smaller=True)
        return MISSING if found is None else paired(found)

    yield "Regret of `auto` minus that of a kind on the same labels, and seeds in which `auto` is better:"
    yield markdown(
        ["", *(f"{num} labels" for num in nums)],
        [[f"`{kind}`", *(against(kind, num) for num in nums)] for kind in dict.fromkeys(kind for kind, _ in held)
         if kind != "auto"],
    )  # fmt: skip


def learned_latency(path: Path) -> Iterator[str]:
    """Agreement of learned with measured latency at each setting, beside the floor."""
    study = read(path)
    figures = {
        "spearman": "Spearman", "floor_spearman": "floor", "kendall_tau": "Kendall tau",
        "neighbours_share": "neighbours share", "file_order": "next in the file", "other_settings": "other settings",
    }  # fmt: skip
    shares = {"within_5_percent": "within 5 %", "within_10_percent": "within 10 %", "floor_within_10": "floor, 10 %"}
    yield markdown(
        ["setting", *figures.values(), *shares.values()],
        [
            [name, *(number(row[one]) for one in figures), *(f"{row[one]:.1f}" for one in shares)]
            for name, row in study["rows"].items()
        ],
    )
    yield (
        f"Spearman at worst {number(study['worst_spearman'])}, mean {number(study['mean_spearman'])}; at most "
        f"{number(study['most_below_floor'])} below its floor. Drawn by seed {study['seed']}."
    )


def learned_residual(path: Path) -> Iterator[str]:
    """The kind ``residual`` beside ``additive`` at each setting, and what the mask of its sum is worth."""
    study, shares = read(path), [100 * share for share in residual_mask.SHARES]
    head = ["setting", "Spearman, additive", "residual", "within 10 %, additive", "residual", "below the sum",
            "above it", "told by", *(f"asked, {share:g} %" for share in shares)]  # fmt: skip
    lines = []
    for name, row in study["rows"].items():
        own = {key.removeprefix("residual_"): value for key, value in row.items() if key.startswith("residual_")}
        lines.append(
            [
                name, number(row["spearman"]), number(own["spearman"]), f"{row['within_10_percent']:.1f}",
                f"{own['within_10_percent']:.1f}", f"{100 * own['below']:.1f} %", f"{100 * own['above']:.1f} %",
                "network" if own["residual"] else "median", *(f"{own[f'asked_{share:g}']:.2f}" for share in shares),
            ]
        )  # fmt: skip
    yield markdown(head, lines)
    yield (
        f"Spearman, mean of the residual {number(study['residual_mean_spearman'])} and of the sum "
        f"{number(study['mean_spearman'])}. Greedy answers of a trained generator: "
        f"{100 * study['greedy_first']:.0f} % are within their budget when first asked, which takes "
        f"{study['greedy_asked']:.2f} times at the mean."
    )


def conformal(path: Path) -> Iterator[str]:
    """How many networks exceed their bounds, by setting and level."""
    study = read(path)
    figures = {"all": "all", "chosen": "chosen, before", "chosen_mended": "chosen"}
    levels = [f"{level:g}" for level in study["levels"]]
    settings = dict.fromkeys(key.split()[0] for key in study["rows"])
    head = [f"{shown}, {100 * float(level):g} %" for shown in figures.values() for level in levels]
    yield markdown(
        ["setting", *head, *(f"width, {100 * float(level):g} %" for level in levels)],
        [
            [
                name,
                *(f"{100 * study['rows'][f'{name} {level}'][one]:.1f}" for one in figures for level in levels),
                *(f"{study['rows'][f'{name} {level}']['width']:.2f}" for level in levels),
            ]
            for name in settings
        ],
    )
    yield (
        f"Off the level by at most {study['worst_gap_points']:.2f} points for all, above it by at most "
        f"{study['selected_gap_points']:.2f} for the chosen, {study['selected_gap_before']:.2f} before. "
        f"{study['splits']} splits."
    )


def read(path: Path) -> Any:
    """A JSON file of results."""
    return json.loads(path.read_text(encoding="utf-8"))


def few_shot(source: Path) -> Iterator[str]:
    """Rank correlation by number of measurements and way, and what lies within 10 %."""
    found = read(source)
    families = {"gpus": found, **{f"decoders, {scale}": held for scale, held in found["unseen_gpu"].items()}}
    counts = sorted(int(key.removeprefix("random_")) for key in found if key.startswith("random_"))
    ways = ("spearman", "random", "nearest", "scratch")
    rows = [
        [name, str(count), *(number(held[f"{way}_{count}"]) for way in ways), number(held["all"])]
        for name, held in families.items()
        for count in counts
    ]
    yield markdown(["devices", "measured", "adapted", "random", "nearest", "scratch", "all"], rows, 1)
    close = [
        [name, str(count), number(POINTS * held[f"within_10_percent_{count}"], 1)]
        + [number(POINTS * held[f"{way}_{count}_within_10_percent"], 1) for way in ("nearest", "scratch")]
        + [number(POINTS * held["all_within_10_percent"], 1)]
        for name, held in families.items()
        for count in counts
    ]
    yield markdown(["devices", "measured", "adapted", "nearest", "scratch", "all"], close, 1)
    setting = ", ".join(f"{number(found[f'spearman_{count}_setting'])} from {count}" for count in counts)
    yield f"Where other settings of the same GPU are known: {setting}. Draws of networks: {found['draws']}."


def elastic_overhead(path: Path) -> Iterator[str]:
    """A step within the supernet and alone, by space."""
    rows = [
        [name, number(one["within_ms"], 0), number(one["alone_ms"], 0), number(one["ratio"], 2)]
        for name, one in sorted(read(path).items())
    ]
    yield markdown(["space", "within, ms", "alone, ms", "ratio"], rows)


def transformer(source: Path) -> Iterator[str]:
    """Hypervolumes by family, then what each reached within each budget, then the mixture against the better alone."""
    found = read(source)
    families = {"searched": "front_hypervolume"} | {
        name: name for name in ("mixed", "all_softmax", "all_linear", "uniform_scaling")
    }

    def volume(one: Mapping[str, Any], key: str) -> str:
        return plus_minus(Spread(one[key][0], one[key][1], one["seeds"]), 2) if key in one else MISSING

    rows = [[task, *(volume(one, key) for key in families.values())] for task, one in found.items()]
    yield markdown(["hypervolume", *families], rows, 1)
    cells = {
        (task, row["budget_ms"], row["family"]): f"{number(POINTS * float(np.mean(row['quality'])), 2)} "
        f"({number(row['measured_ms'], 2)})"
        for task, one in found.items()
        for row in one["networks"]
    }
    within = [
        [task, number(budget, 2), *(cells.get((task, budget, family), MISSING) for family in families)]
        for task, budget in dict.fromkeys(key[:2] for key in sorted(cells))
    ]
    yield markdown(["quality, % (measured, ms)", "ms", *families], within, 1)
    for task, one in found.items():
        times = np.array([[row["ms"], row["measured_ms"]] for row in one["networks"]])
        off = POINTS * float(np.median(np.abs(times[:, 0] / times[:, 1] - 1)))
        table = one["table"]
        gaps = "; ".join(
            f"{gap['points']:+.2f} ({number(gap['standard_error'], 2)}) within {gap['budget_ms']:.2f} ms"
            for gap in one["mixed_over_best_alone"]
        )
        mean = one["mixed_over_best_alone_mean"]
        yield (
            f"`{task}`, mixed over the best of one mixer, points (standard error, {one['seeds']} seeds): {gaps}; "
            f"{mean['points']:+.2f} ({number(mean['standard_error'], 2)}) on their mean. "
            f"Latencies by the table and of {table['networks']} whole networks that its correction was not fitted to "
            f"have a rank correlation of {number(table['spearman'], 2)} and differ by "
            f"{number(POINTS * table['median_error'], 0)} % (median), by {number(off, 0)} % from the networks here."
        )
