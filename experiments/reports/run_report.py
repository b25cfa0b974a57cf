"""The report of a run: flags that say what it shows, and what its record says of inputs and machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import settings
from experiments.training import run_folder
from experiments.training.monitor import read_metrics
from nagjax.inference.asked import possible, refusal
from nagjax.problems.problem import Description
from nagjax.reports.front import UNITS, Reference, read_reference
from nagjax.reports.made import curves, made_facts, pairs, train_seconds
from nagjax.reports.report import Options, write_report
from nagjax.reports.report_data import Report


@dataclasses.dataclass(frozen=True)
class Request:
    """What a report is asked to show, from flags; see ``Options``."""

    quality_name: str
    budgets: Sequence[float]
    reference: Reference | None


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``read_request`` reads."""
    define = settings.Definer(values)
    define.string("quality_name", "quality", "What the quality is, such as ImageNet top-1.")
    define.list("budgets_ms", [], "Budgets that the report shows besides even ones, ms.")
    define.string("reference_front", None, "CSV file of a front to compare with.")
    define.string("reference_name", None, "What the report calls it; default its file name.")
    define.string("reference_cost_column", "latency_ms", "Its column of costs.")
    define.string("reference_quality_column", "quality", "Its column of quality.")
    define.enum("reference_quality_unit", "fraction", list(UNITS), "Unit of that column.")


def read_request(values: flags.FlagValues) -> Request:
    """What flags ask for; reads the reference front.

    Raises:
      ValueError: if a budget is not a number or the reference front cannot be read.
    """
    reference = None
    if values.reference_front:
        path = settings.input_path(values, "reference_front")
        columns = values.reference_cost_column, values.reference_quality_column
        reference = read_reference(path, *columns, values.reference_quality_unit, values.reference_name)
    return Request(values.quality_name, settings.parse_numbers(values.budgets_ms, "budgets_ms"), reference)


def check_request(request: Request, description: Description) -> None:
    """Refuse budgets that nothing can meet before an hour is spent.

    Raises:
      ValueError: naming the device and its range; or if there are several devices, whose budgets are not the same.
    """
    if description.space.decisions[0].context and (request.budgets or request.reference):
        raise ValueError(
            "--budgets_ms and --reference_front are of one device, and there are several, each with a report of its "
            "own; leave them out"
        )
    asked = {description.costs[0].name: np.array(request.budgets, np.float64)}
    if not possible(description, asked).all():
        raise ValueError(f"--budgets_ms: {refusal(description, asked)}")


def write(folder: Path, request: Request, ignore_hash: bool = False) -> Report:
    """Write the report of the run in ``folder`` from its last checkpoint; ``ignore_hash`` is that of ``load``.

    Of several devices each has one in a folder of its name; returned is the first.
    """
    from nagjax.inference.generator import load

    generator = load(folder, ignore_hash=ignore_hash)
    metrics = read_metrics(folder)
    options = Options(
        request.quality_name,
        request.budgets,
        request.reference,
        [*made_facts(generator, metrics), *record_facts(folder)],
        curves(metrics),
        (folder / run_folder.FLAGS).read_text(encoding="utf-8"),
        train_seconds(generator),
    )
    if not generator.devices:
        return write_report(generator, options, folder)
    reports = [write_report(generator.on(name), options, folder / name) for name in generator.devices]
    return reports[0]


def record_facts(folder: Path) -> list[tuple[str, str]]:
    """What the record of a run says of its inputs and its machine, name and value.

    Raises:
      ValueError: if the folder has no record of its run.
    """
    record = run_folder.read(folder)
    if record is None:
        raise ValueError(f"{folder}: has no {run_folder.RECORD}, the record of its run; restore it from a copy")
    facts = [(f"SHA-256 of {name}", value) for name, value in record["inputs"].items()]
    return [*facts, ("computed on", record["device"]), ("versions", pairs(record["versions"]))]
