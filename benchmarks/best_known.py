"""The best-known front of a problem: everything ever found, and a search that goes on from there.

``python -m benchmarks.best_known --problem=note10 --data_dir=DIR --minutes=60``

Goes on from ``PROBLEM.csv`` in ``--results`` (architectures that none dominates, by rising cost, and who found them),
from the published front where there is one, and from the architectures of the files in ``--add``. The search is cut
into slices: a controller with a new seed in a window of budgets (where an answer that a comparison kept is ahead of the
front, if one is), then Pareto local search from the front, and so on. After each the
front is written whole and a line is added to ``PROBLEM_search.csv``: a kill loses one slice. Without ``--minutes``
nothing is searched.

Mean quality is over 400 budgets even in cost, in percent; hypervolume is as in a comparison, in points. The last line
says what each quarter of all time searched has added to both, and by how much any answer that a comparison kept is
better than the front (0: none is).
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.front_search import ControllerSearch, Found, Front, LocalSearch, Points, ahead, judged, nothing
from experiments.comparison import problems
from experiments.comparison.best_known import read_architectures
from experiments.comparison.case import Case
from experiments.comparison.metrics import hypervolume
from nagjax import csv_cells, durable
from nagjax.problems.costs import rounded_up
from nagjax.reports.front import POINTS
from nagjax.tables import read_table

BUDGETS = 400
CONTROLLERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("regularised_evolution", {"budgets": 64, "workers": 8}), ("nag", {}), ("nsga2", {}),
)  # fmt: skip
"""Controllers that search, with their sizes: those of the study on the same problems."""
QUARTERS = 4


@dataclasses.dataclass(frozen=True)
class Slice:
    """A slice of the search, and where the front stands after it; number 0 is the union that the search began with.

    Attributes:
      number: from 1, also the seed.
      search: what searched.
      seconds: wall time, compilation included.
      evaluations: architectures evaluated, repeats included.
      architectures: on the front.
      mean_quality: percent, over budgets even in cost.
      hypervolume: points.
    """

    number: int
    search: str
    seconds: float
    evaluations: int
    architectures: int
    mean_quality: float
    hypervolume: float


COLUMNS = tuple(field.name for field in dataclasses.fields(Slice))


class Kept:
    """A problem's front and the record of its search, on disk."""

    def __init__(self, folder: Path, case: Case) -> None:
        self._case = case
        self.front_file, self.search_file = folder / f"{case.name}.csv", folder / f"{case.name}_search.csv"
        self._texts: dict[bytes, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def front(self) -> Front:
        """The front as it was left, evaluated anew."""
        if not self.front_file.exists():
            return nothing(self._case.judge)
        front, tokens = nothing(self._case.judge), read(self.front_file, self._case)
        found_by = np.array(list(read_table(self.front_file).column("found_by")))
        for who in dict.fromkeys(found_by.tolist()):
            front = front.join(judged(self._case.judge, tokens[found_by == who]).front(who))
        return front

    def slices(self) -> list[Slice]:
        """The slices so far."""
        return read_slices(self.search_file)

    def write(self, front: Front, done: Slice) -> None:
        """Keep the front, then the slice that it is of."""
        info = self._case.description.costs[0]
        costs = self._case.description.costs_of(front.tokens)[:, 0]
        rows = [["architecture", info.name, "quality", "found_by"]]
        for tokens, cost, quality, who in zip(front.tokens, costs, front.quality, front.found_by, strict=True):
            rows.append([self._text(tokens), rounded_up(cost, 9), f"{quality:.8g}", who])
        durable.replace(self.front_file, csv_cells.text(rows))
        line = csv_cells.line(str(value) for value in dataclasses.astuple(done))
        durable.append(self.search_file, line, header=csv_cells.line(COLUMNS))

    def _text(self, tokens: np.ndarray) -> str:
        key = tokens.tobytes()
        if key not in self._texts:
            self._texts[key] = self._case.description.space.format(tokens)
        return self._texts[key]


def read_slices(path: Path) -> list[Slice]:
    """The slices of a search; none of a file that is not there.

    Raises:
      ValueError: if the file is another one.
    """
    lines = csv_cells.read_rows(durable.whole_text(path))
    if lines and tuple(lines[0]) != COLUMNS:
        raise ValueError(f"{path}: has columns {lines[0]}, not {list(COLUMNS)}; give other --results")
    return [Slice(int(n), who, float(s), int(e), int(a), float(q), float(h)) for n, who, s, e, a, q, h in lines[1:]]


def read(path: Path, case: Case) -> np.ndarray:
    """Architectures int32 ``[N, T]`` of a file with a column ``architecture``."""
    return read_architectures(path, case.description.space, np.asarray(case.problem.allowed))


def figures(case: Case, front: Front) -> tuple[float, float]:
    """Mean quality over budgets even in cost, percent, and hypervolume, points, of a front with the cheapest."""
    yard = case.yardstick
    volume = hypervolume(front.costs.astype(np.float64), front.quality, yard.corner)
    return POINTS * float(front.best(yard.budgets).mean()), POINTS * volume / float(yard.budgets[-1] - yard.budgets[0])


def union(case: Case, kept: Front, others: Mapping[str, np.ndarray]) -> Front:
    """What is known before a search: the front that was kept, the cheapest architecture, and others ``[N, T]``."""
    front = kept
    for who, tokens in {"cheapest": case.cheapest[None], **others}.items():
        front = front.join(judged(case.judge, tokens).front(who))
    return front


def search(
    case: Case, kept: Kept, front: Front, answers: Points, minutes: float, slice_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Front:  # fmt: skip
    """Search for so long by a clock, slice by slice, and keep what each has found."""
    begin = clock()
    turns = searches(case, answers)
    number = len(kept.slices())
    while clock() - begin < 60 * minutes:
        started = clock()
        turn = turns[(number - 1) % len(turns)]
        found: Found = turn(front, number, slice_seconds)
        front = found.front
        done = Slice(
            number, turn.name, round(clock() - started, 3), found.evaluations, len(front), *figures(case, front)
        )
        kept.write(front, done)
        print(", ".join(f"{name} {getattr(done, name)}" for name in COLUMNS), flush=True)
        number += 1
    return front


def searches(case: Case, answers: Points) -> list[LocalSearch | ControllerSearch]:
    """What takes turns."""
    local = LocalSearch(case.judge)
    out: list[LocalSearch | ControllerSearch] = []
    for name, sizes in CONTROLLERS:
        out += [ControllerSearch(case.judge, name, sizes, answers), local]
    return out


def quarters(slices: Sequence[Slice]) -> list[tuple[float, float]]:
    """What each quarter of the time searched added to mean quality and hypervolume, points.

    A slice belongs to the quarter in which it ends.
    """
    ends = np.cumsum([one.seconds for one in slices])
    marks = [np.searchsorted(ends, share * ends[-1] * (1 - 1e-9)) for share in np.arange(1, QUARTERS + 1) / QUARTERS]
    at = [slices[0], *(slices[int(mark)] for mark in marks)]
    return [
        (after.mean_quality - before.mean_quality, after.hypervolume - before.hypervolume)
        for before, after in itertools.pairwise(at)
    ]


def kept_answers(folder: Path, case: Case) -> Points:
    """The answers that comparisons kept: their costs and qualities; what their architectures are is not known."""
    held = [np.load(path, allow_pickle=False) for path in sorted(folder.glob(f"*/answers/{case.name}__*.npy"))]
    cost, quality = np.concatenate([np.zeros((2, 0)), *held], 1)
    # A cost that is a whole number of ticks must not become one less.
    return case.description.costs[0].to_ticks(np.nextafter(cost, np.inf)), quality


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    case = problems.build(values.problem, str(data_dir), 0, BUDGETS)
    if len(case.description.costs) > 1:
        raise ValueError(f"--problem={values.problem}: has {len(case.description.costs)} costs; a front here has one")
    space, results = case.description.space, Path(values.results)
    kept = Kept(results / "best_known", case)
    others = {Path(name).stem: read(Path(name), case) for name in values.add}
    first = not kept.slices()
    if first and case.name == "note10":
        published = common.read_front(data_dir)
        others |= {next(iter(case.rivals)): np.stack([space.parse(text) for text in published.texts])}
    front = union(case, kept.front(), others)
    if first or others:
        kept.write(front, Slice(len(kept.slices()), "union", 0.0, 0, len(front), *figures(case, front)))
    answers = kept_answers(results, case)
    front = search(case, kept, front, answers, values.minutes, values.slice_seconds)
    slices = kept.slices()
    return {
        "problem": case.name,
        "architectures": len(front),
        "minutes": sum(one.seconds for one in slices) / 60,
        "evaluations": sum(one.evaluations for one in slices),
        "mean_quality": slices[-1].mean_quality,
        "hypervolume": slices[-1].hypervolume,
        "mean_quality_by_quarter": [quality for quality, _ in quarters(slices)],
        "hypervolume_by_quarter": [volume for _, volume in quarters(slices)],
        "answers_ahead": POINTS * float(ahead(front, answers).max(initial=0.0)),
    }


if __name__ == "__main__":
    flags.DEFINE_string("problem", "note10", "A problem of experiments.compare, with one cost.")
    flags.DEFINE_float("minutes", 0.0, "Wall time to search; the last slice is not cut.")
    flags.DEFINE_float("slice_seconds", 100.0, "Wall time of a slice, without compilation.")
    flags.DEFINE_list("add", [], "CSV files with a column architecture, whose architectures join the front.")
    flags.DEFINE_string("results", "benchmarks/results", "Folder of the results; it keeps best_known/.")
    common.main(_benchmark)
