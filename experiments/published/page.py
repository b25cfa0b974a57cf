"""The page docs/systems.md, made from the registry and from the committed results; no figure of it is typed by hand."""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from experiments.published import entangled, shared_weights
from experiments.published.registry import BUILT, NOT_BUILT
from experiments.published.system import VERDICTS, System

HEAD = """# Systems

Published systems by the name they run under here. `python -m experiments.systems` lists them, `--run=NAME` tries one
in small without any data, and `--write` makes this page from `experiments/published/registry.py` and from
`benchmarks/results/`.
Regret is in points of accuracy on NAS-Bench-Macro, over 400 budgets, mean ± deviation over seeds. DATA is the folder of
the public data sets, LABELS a CSV file of architectures and their quality, and EMBEDDED what `python -m
experiments.embedded` prints. A claim is *seen*, *refuted* or *not decided* by the rows that are named, in this small
setting and no other; [results.md](results.md) shows them.
"""

_FIGURE = re.compile(r"\{([^{}|]+) \| ([^{}]+)\}")


def page(results: Path) -> str:
    """The page as Markdown, from the folder benchmarks/results."""
    counted = ", ".join(f"{sum(s.verdict == verdict for s in BUILT)} {verdict}" for verdict in VERDICTS[:3])
    parts = [HEAD, f"{len(BUILT)} are built: {counted}. {len(NOT_BUILT)} are listed as not built.\n"]
    parts += [section(system, results) for system in BUILT]
    rows = [f"| {system.title} | {link(system)} | {system.claim} |" for system in NOT_BUILT]
    parts.append("\n".join(["## Not built", "", "| system | paper | claim |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def section(system: System, results: Path) -> str:
    """A section of the page."""
    source = ", ".join(f"`benchmarks/results/{name}`" for name in system.rows)
    return (
        f"## {system.title}\n\n`{system.name}`, {link(system)}. Claim: {system.claim}\n\n"
        f"**{system.verdict.capitalize()}.** {measured(system, results)} Rows: {source}.\n\n"
        f"```bash\n{system.command}\n```\n"
    )


def link(system: System) -> str:
    """A link to the paper."""
    return f"[{system.arxiv}](https://arxiv.org/abs/{system.arxiv})"


def measured(system: System, results: Path) -> str:
    """What was measured, with its figures.

    Raises:
      ValueError: if a figure is not in the results.
    """

    def figure(match: re.Match[str]) -> str:
        source, wanted = match.groups()
        if source not in system.rows:
            raise ValueError(f"{system.name}: a figure is from {source}, which is not among its rows")
        return read(results / source, wanted)

    return _FIGURE.sub(figure, system.measured)


def read(path: Path, wanted: str) -> str:
    """A figure of a file or folder of results, as text.

    Raises:
      ValueError: if it is not there.
    """
    words = wanted.split()
    values = _READERS[path.name](path, words) if path.name in _READERS else _compared(path, words)
    if not values:
        raise ValueError(f"{path}: has no {wanted!r}")
    return shown(values)


def shown(values: Sequence[float]) -> str:
    """Mean ± deviation.

    >>> shown([1.0, 3.0]), shown([0.5])
    ('2.000 ± 1.414', '0.500')
    """
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _compared(folder: Path, words: Sequence[str]) -> list[float]:
    """Regrets of a comparison: limit, contender, way of answering, and the column where it is another one.

    ``over_budget`` as the way of answering: the share of the samples of training that were over their budgets.
    """
    limit, contender, decode, column = (*words, "regret")[:4]
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["final"] == "true"]
    here = [row for row in rows if (row["limit"], row["contender"]) == (limit, contender)]
    if decode == "over_budget":
        return [int(row["over_budget"]) / int(row["evaluations"]) for row in here if row["decode"] == "greedy"]
    return [float(row[column]) for row in here if row["decode"] == decode]


def _systems(path: Path, words: Sequence[str], named: str = "system") -> list[float]:
    """A column of a study of searches: name, evaluations, column; ``A-B`` is the paired difference of two names."""
    name, count, column = words
    return _named(path, name, column, named, lambda row: row["evaluations"] == count)


def _by_way(path: Path, words: Sequence[str]) -> list[float]:
    """A column of a study of ways: way, which may have blanks, and column; differences as in ``_systems``."""
    *name, column = words
    return _named(path, " ".join(name), column, "way", lambda _: True)


def _scores(folder: Path, words: Sequence[str]) -> list[float]:
    """A figure of a score that needs no training, or of a way of spending labels by it: name, column."""
    *name, column = words
    ranked = json.loads((folder / "ranked.json").read_text(encoding="utf-8"))["scores"]
    row = ranked.get(" ".join(name), {})
    return [row[column]] if column in row else _by_way(folder / "queries.csv", words)


def _named(path: Path, name: str, column: str, by: str, wanted: Callable[[Mapping[str, str]], bool]) -> list[float]:
    """A column of a file of rows with seeds, for a name in the column ``by``; ``A-B`` is a paired difference."""
    held: dict[str, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if wanted(row) and row[column]:
                held.setdefault(row[by], {})[row["seed"]] = float(row[column])
    one, _, other = name.partition("-")
    first = held.get(one, {})
    return [value - held[other][seed] for seed, value in first.items()] if other else list(first.values())


def _kinds(path: Path, words: Sequence[str]) -> list[float]:
    """Tau or regret of a kind: column, kind, labels; ``A-B`` is the paired difference of two kinds."""
    column, name, labels = words
    rows = [row for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if row["labels"] == int(labels)]
    one, _, other = name.partition("-")
    held = {kind: {row["seed"]: row[column] for row in rows if row["kind"] == kind} for kind in (one, other)}
    return [value - held[other].get(seed, 0.0) if other else value for seed, value in held[one].items()]


def _estimates(path: Path, words: Sequence[str]) -> list[float]:
    """A column of the study of estimates: problem, kind, column; ``A-B`` is the paired difference of two kinds."""
    problem, name, column = words
    rows = [row for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if row["problem"] == problem]
    one, _, other = name.partition("-")
    held = {kind: {row["seed"]: row[column] for row in rows if row["kind"] == kind} for kind in (one, other)}
    return [value - held[other].get(seed, 0.0) if other else value for seed, value in held[one].items()]


def _joint(path: Path, words: Sequence[str]) -> list[float]:
    """Mean over the budgets, a seed each: problem, way of training."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [mean(row["points"]) for row in rows if [row["problem"], row["way"]] == list(words)]


def _ranking(path: Path, words: Sequence[str]) -> list[float]:
    """Kendall's tau of what ranks."""
    (ranked_by,) = words
    return [json.loads(path.read_text(encoding="utf-8"))["tau"][ranked_by]["value"]]


def _strategies(path: Path, words: Sequence[str]) -> list[float]:
    """A column of a study of strategies: what is ranked by, which may have blanks, and column; ``A-B`` as above."""
    return _of_figures(shared_weights.figures(json.loads(path.read_text(encoding="utf-8"))), words)


def _entangled(path: Path, words: Sequence[str]) -> list[float]:
    """A column of the study of entangled weights, as ``_strategies``."""
    return _of_figures(entangled.figures(json.loads(path.read_text(encoding="utf-8"))), words)


def _transformer(path: Path, words: Sequence[str]) -> list[float]:
    """Points of quality, a seed each: task, family, number of the budget; ``A-B`` is what A has more."""
    task, names, number = words
    rows = json.loads(path.read_text(encoding="utf-8"))[task]["networks"]
    budget = sorted({row["budget_ms"] for row in rows})[int(number) - 1]
    held = {row["family"]: np.array(row["quality"]) for row in rows if row["budget_ms"] == budget}
    one, _, other = names.partition("-")
    points = 100 * (held[one] - held[other] if other else held[one])
    return [float(value) for value in points]


def _of_figures(found: shared_weights.Figures, words: Sequence[str]) -> list[float]:
    *names, column = words
    one, _, other = " ".join(names).partition("-")
    return shared_weights.difference(found, one, other, column) if other else list(found[one][column].values())


_READERS: Mapping[str, Callable[[Path, Sequence[str]], list[float]]] = {
    "systems.csv": _systems,
    "latent.csv": _by_way,
    "long_training.csv": _by_way,
    "one_target.csv": _by_way,
    "multi_task.csv": _by_way,
    "pretrained.csv": _by_way,
    "robot.csv": _by_way,
    "few_evaluations.csv": functools.partial(_systems, named="searcher"),
    "rivals.csv": _by_way,
    "scores": _scores,
    "predictor_losses.json": _kinds,
    "few_labels.json": _kinds,
    "second_terms.json": _kinds,
    "prune_orders.csv": _by_way,
    "estimates.json": _estimates,
    "joint_search.json": _joint,
    "shipped_labels.json": _ranking,
    "strategies.json": _strategies,
    "supernet_ranking.json": _strategies,
    "relations.json": _strategies,
    "entangled.json": _entangled,
    "transformer.json": _transformer,
}
"""By name of the file; any other is the folder of a comparison."""
