"""Ask a checkpoint for architectures: ``python -m experiments.generate --checkpoint=FOLDER --budgets_ms=15,20,30``."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from experiments.frame import cli, console, life, runtime, settings
from nagjax import durable

if TYPE_CHECKING:
    from nagjax.inference.answers import Answer
    from nagjax.inference.generator import Generator

EXIT_OVER = 3
"""Exit status where an answer is over a limit."""

SHOWN = 20
DECODES = ("best", "greedy", "sample", "beam")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    define.string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.")
    define.bool("ignore_hash", False, "Believe a checkpoint that was edited on purpose, although its hash differs.")
    define.string(
        "device", None,
        "Where the generator serves several devices, the name of one, or several with commas, of which it may choose; "
        "or the table of a device that it has never seen.",
    )  # fmt: skip
    define.list("budgets_ms", [], "Latency budgets, ms.")
    define.multi_string("budgets", [], "Budgets for any cost column, such as madds_m=300,400; may be repeated.")
    define.bool("grid", False, "Answer every combination of the budgets of several columns, not row by row.")
    define.integer("num_samples", 1, "Distinct architectures per budget.", lower_bound=1)
    define.enum("decode", "best", DECODES, "How architectures are found.")
    define.multi_string("where", [], "A condition, such as resolution=224 or kernel=3,5; may be repeated.")
    settings.define_seed("seed", "Seed of sampling.", values)
    define.enum(
        "on_infeasible", "raise", ("raise", "skip"),
        "Budgets that nothing meets are refused, all of them at once, or skipped.",
    )  # fmt: skip
    define.bool(
        "allow_unguaranteed", False, "Show answers over one of several limits as answers, and end with status 0."
    )
    define.string("json", None, "Also write the answers to this JSON file.")
    define.string("csv", None, "Also write the answers to this CSV file.")


def job(values: flags.FlagValues) -> int:
    """Load, ask, print, write."""
    if not values.checkpoint:
        raise ValueError("--checkpoint is not given: name the folder that experiments.run wrote")
    asked = _budgets(values)
    for flag in ("json", "csv"):
        _check_target(flag, values[flag].value)
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("answering")
    from nagjax.inference.generator import load

    generator = load(values.checkpoint, ignore_hash=values.ignore_hash)
    several = _several(values.device, generator)
    if values.device and not several:
        with settings.told_of_flags(["device"]):
            generator = generator.on(values.device)
    where = settings.parse_pairs(values.where, "where", many=True) or None
    with warnings.catch_warnings(record=True) as remarks, settings.told_of_flags(["device"]):
        warnings.simplefilter("always", UserWarning)
        answers = generator.generate(
            **asked,
            device=several,
            num_samples=values.num_samples,
            decode=values.decode,
            where=where,
            seed=values.seed,
            on_infeasible=values.on_infeasible,
        )
    kept = [answer for answer in answers if answer.within or values.allow_unguaranteed]
    _write(values, generator, kept)  # first: what is asked for as a file does not depend on a terminal
    _show(kept, generator)
    _judge(generator, kept, where)
    for remark in remarks:
        console.complain(f"remark: {remark.message}")
    return _missed(answers, kept)


def _several(device: str | None, generator: Generator) -> list[str] | None:
    """The names of several devices that the generator knows, where --device gives them."""
    names = (device or "").split(",")
    return names if len(names) > 1 and set(names) <= set(generator.devices) else None


def _missed(answers: Sequence[Answer], kept: Sequence[Answer]) -> int:
    """Say which budgets only something over a limit was found for; the exit status."""
    from nagjax.problems.costs import exactly, rounded_up

    over = [answer for answer in answers if not answer.within]
    for answer in over[:SHOWN]:
        asked = ", ".join(f"{name}={exactly(value)}" for name, value in answer.budget.items())
        costs = ", ".join(f"{name}={rounded_up(value)}" for name, value in answer.costs.items())
        console.complain(f"over a limit: {asked}: the nearest found is {answer.text} with {costs}")
    if len(kept) == len(answers):
        return 0
    left_out = f"{len(over)} of {len(answers)} answers are over a limit and are left out"
    console.complain(f"{left_out}; --allow_unguaranteed shows them")
    return EXIT_OVER


def _budgets(values: flags.FlagValues) -> dict[str, Any]:
    from nagjax.inference.surface import grid

    if bool(values.budgets_ms) == bool(values.budgets):
        raise ValueError("give budgets either as --budgets_ms=15,20,30 or as --budgets=NAME=300,400")
    if values.budgets_ms:
        return {"budgets_ms": settings.parse_budgets(values.budgets_ms, "budgets_ms")}
    columns = {}
    if unnamed := [entry for entry in values.budgets if "=" not in entry]:
        raise ValueError(
            f"--budgets={unnamed[0]} names no cost column: write --budgets=NAME={unnamed[0]} or --budgets_ms=15,20,30"
        )
    for name, value in settings.parse_pairs(values.budgets, "budgets", many=True).items():
        entries = value if isinstance(value, list) else [value]
        columns[name] = settings.parse_budgets([str(entry) for entry in entries], "budgets")
    return {"budgets": grid(columns) if values.grid else columns}


def _check_target(flag: str, name: str | None) -> None:
    if name and settings.user_path(name, flag).is_dir():
        raise ValueError(f"--{flag}={name}: is a folder; give the name of a file")
    if name and not settings.user_path(name, flag).resolve().parent.is_dir():
        raise ValueError(f"--{flag}={name}: there is no folder {Path(name).parent}; make it first")


def _show(answers: Sequence[Answer], generator: Generator) -> None:
    from nagjax.reports import report_data
    from nagjax.reports.answers import to_table
    from nagjax.reports.wording import compared_by, quality_is

    description = generator.description
    out = console.console(width=200)
    out.print(to_table(answers, description))
    for warning in report_data.warnings(description):
        out.print(warning)
    report = description.quality_report
    what = "Ranks by the predictor, of which only the order counts" if quality_is(report) == "ranked" else None
    out.print(f"{what or f'{quality_is(report).capitalize()} quality'}; its error: {report_data.error_text(report)}.")
    for name, value in compared_by(float(generator.problem.pessimism)):
        out.print(f"{name.capitalize()} {value}.")


def _judge(generator: Generator, answers: Sequence[Answer], where: Mapping[str, Any] | None) -> None:
    from nagjax.reports import judge

    # What is over a limit has no best architecture within it to be held against.
    kept = [answer for answer in answers if answer.within]
    budgets = {name: [answer.budget[name] for answer in kept] for name in kept[0].budget} if kept else {}
    regret = judge.regrets(generator, budgets, judge.measured_of(generator.description, kept), where)
    if regret is not None:
        console.say(judge.regret_text(regret))


def _write(values: flags.FlagValues, generator: Generator, answers: Sequence[Answer]) -> None:
    from nagjax.reports.answers import to_json, to_points
    from nagjax.reports.front import write_front_csv

    if values.json:
        text = json.dumps(to_json(generator, answers), indent=2, default=float) + "\n"
        durable.replace(settings.user_path(values.json, "json"), text)
    if values.csv:
        name = next(iter(answers[0].budget)) if answers else ""
        write_front_csv(settings.user_path(values.csv, "csv"), to_points(generator, answers, name))


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
