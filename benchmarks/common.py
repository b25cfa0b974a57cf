"""What the benchmarks share: the Note10 problem and its reference front, flags, and the JSON line."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from experiments.frame import runtime
from nagjax import csv_cells, durable
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import price
from nagjax.predictors.formats.ofa_npz import import_ofa
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import ofa_mobilenet_v3
from nagjax.spaces.space import Space

OFA = "ofa_mobilenet_v3"


@dataclasses.dataclass(frozen=True, eq=False)
class Front:
    """A published front.

    Attributes:
      texts: architectures in the text form of ``ofa_mobilenet_v3``.
      latency_ms: float64 ``[N]``, increasing.
      quality: float64 ``[N]``, predicted accuracy, a fraction.
    """

    texts: tuple[str, ...]
    latency_ms: np.ndarray
    quality: np.ndarray


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by its header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows_so_far(path: str) -> list[dict[str, str]]:
    """Rows of a CSV file of results that grows; none where there is no file yet."""
    return read_csv(Path(path)) if Path(path).exists() else []


def architecture_text(row: Mapping[str, str]) -> str:
    """Text of a row with depths ``d``, kernels ``ks``, ratios ``e`` and perhaps ``resolution``, separated by spaces.

    >>> architecture_text({"d": "2 3", "ks": "3 5", "e": "4 6", "resolution": "160"})
    '2,3:3,5:4,6:160'
    """
    fields = [row[name].replace(" ", ",") for name in ("d", "ks", "e")]
    return ":".join(fields + ([row["resolution"]] if "resolution" in row else []))


def read_front(data_dir: Path) -> Front:
    """The published OFA2 NSGA-II front: 100 networks with Note10 latency and predicted error."""
    rows = read_csv(data_dir / OFA / "ofa2_nsga2_front.csv")
    error = np.array([float(row["predicted_error_percent"]) for row in rows])
    latency = np.array([float(row["latency_ms"]) for row in rows])
    order = np.argsort(latency, kind="stable")
    texts = tuple(architecture_text(rows[i]) for i in order)
    return Front(texts, latency[order], 1.0 - error[order] / 100)


def note10(data_dir: Path) -> tuple[Space, Problem, Description]:
    """OFA MobileNetV3 of width 1.2, priced by the Note10 tables, judged by the OFA accuracy predictor."""
    folder = data_dir / OFA
    space = ofa_mobilenet_v3.make(width=1.2)
    fitted = import_ofa(folder / "accuracy_predictor.npz", space)
    prices = price(read_table(folder / "note10", space.operators), space)
    report = dict(fitted.report)
    return space, *make_problem(space, [prices], fitted.predictor, quality_report=report)


def front_budgets(description: Description, front: Front) -> np.ndarray:
    """Latencies of the front as budgets that offer all that is within them, ticks int32 ``[N, 1]``."""
    return description.exact[0].offers(front.latency_ms).astype(np.int32)[:, None]


def gap_summary(gaps: np.ndarray, prefix: str) -> dict[str, float]:
    """Mean gap and worst gap, points, and wins, percent of the latencies, of gaps ``[N]`` in points."""
    return {
        f"{prefix}_mean": float(gaps.mean()),
        f"{prefix}_wins": 100 * float((gaps > 0).mean()),
        f"{prefix}_worst": float(gaps.min()),
    }


def write_rows(path: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of text under a header to a CSV file, whole or not at all."""
    durable.replace(Path(path), csv_cells.text([columns, *rows]))


def write_so_far(path: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows, all with the columns of the first, to a CSV file, whole or not at all."""
    write_rows(path, list(rows[0]), [list(row.values()) for row in rows])


def write_result(path: str, result: Mapping[str, Any]) -> None:
    """Write a benchmark's result to a file as one JSON object, whole or not at all; nowhere if the path is empty."""
    if path:
        durable.replace(Path(path), json.dumps(dict(result), indent=2) + "\n")


def define_seeds(number: int = 10, what: str = "Runs of each.") -> None:
    """Add the flags that ``seeds`` reads, and that of compiled programs."""
    flags.DEFINE_integer("seeds", number, what, lower_bound=1)
    flags.DEFINE_integer("first_seed", 0, "Of the first; what is tuned is tuned from 100 on.", lower_bound=0)
    runtime.define_flags(flags.FLAGS)


def seeds() -> range:
    """The seeds that the flags ask for."""
    return range(flags.FLAGS.first_seed, flags.FLAGS.first_seed + flags.FLAGS.seeds)


def report(result: Mapping[str, Any]) -> None:
    """Print a benchmark's result: the last line it writes."""
    print(json.dumps(dict(result)), flush=True)


def kept(benchmark: Callable[[Path], Mapping[str, Any]]) -> None:
    """``main`` with a flag ``--results``, which names a file that keeps the result too."""

    def run(data_dir: Path) -> Mapping[str, Any]:
        result = benchmark(data_dir)
        write_result(flags.FLAGS.results, result)
        return result

    flags.DEFINE_string("results", "", "File that the result is written to as well.")
    main(run)


def main(benchmark: Callable[[Path], Mapping[str, Any]]) -> None:
    """Run a benchmark from the command line; ``benchmark(data_dir)`` returns its result.

    Compiled programs are kept where a benchmark has the flags of that (``define_seeds``, ``runtime.define_flags``).
    """

    def run(arguments: list[str]) -> None:
        if arguments[1:]:
            raise app.UsageError(f"{arguments[1]!r} is not a flag; flags are written --name=value")
        if "compilation_cache" in flags.FLAGS:
            runtime.use_compilation_cache(flags.FLAGS.compilation_cache)
        report(benchmark(Path(flags.FLAGS.data_dir)))

    flags.DEFINE_string("data_dir", "../shared/data", "Folder of the public data sets; it holds ofa_mobilenet_v3/.")
    app.run(run)
