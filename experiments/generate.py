"""Ask a checkpoint for architectures: ``python -m experiments.generate --checkpoint=FOLDER --budgets_ms=15,20,30``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from experiments import cli, life, runtime, settings
from nagjax import durable

if TYPE_CHECKING:
    from nagjax.inference import Answer, Generator
    from nagjax.problem import Description

DECODES = ("best", "greedy", "sample", "beam")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    runtime.define_flags(values)
    flags.DEFINE_string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.", flag_values=values)
    flags.DEFINE_list("budgets_ms", [], "Latency budgets, ms.", flag_values=values)
    flags.DEFINE_multi_string(
        "budgets", [], "Budgets for any cost column, such as madds_m=300,400; may be repeated.", flag_values=values
    )
    flags.DEFINE_integer("num_samples", 1, "Distinct architectures a budget.", lower_bound=1, flag_values=values)
    flags.DEFINE_enum("decode", "best", DECODES, "How architectures are found.", flag_values=values)
    flags.DEFINE_multi_string(
        "where", [], "A condition, such as resolution=224 or kernel=3,5; may be repeated.", flag_values=values
    )
    flags.DEFINE_integer("seed", 0, "Seed of sampling.", flag_values=values)
    flags.DEFINE_string("json", None, "Also write the answers to this JSON file.", flag_values=values)
    flags.DEFINE_string("csv", None, "Also write the answers to this CSV file.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Load, ask, print, write."""
    if not values.checkpoint:
        raise ValueError("--checkpoint is not given: name the folder that experiments.run wrote")
    asked = _budgets(values)
    for flag in ("json", "csv"):
        _check_target(flag, values[flag].value)
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("answering")
    from nagjax.inference import load

    generator = load(values.checkpoint)
    answers = generator.generate(
        **asked,
        num_samples=values.num_samples,
        decode=values.decode,
        where=settings.parse_pairs(values.where, "where", many=True) or None,
        seed=values.seed,
    )
    _write(values, generator, answers)  # first: what is asked for as a file does not depend on a terminal
    _show(answers, generator.description)
    return 0


def _budgets(values: flags.FlagValues) -> dict[str, Any]:
    if bool(values.budgets_ms) == bool(values.budgets):
        raise ValueError("give budgets either as --budgets_ms=15,20,30 or as --budgets=NAME=300,400")
    if values.budgets_ms:
        return {"budgets_ms": settings.parse_numbers(values.budgets_ms, "budgets_ms")}
    columns = {}
    for name, value in settings.parse_pairs(values.budgets, "budgets", many=True).items():
        entries = value if isinstance(value, list) else [value]
        columns[name] = settings.parse_numbers([str(entry) for entry in entries], "budgets")
    return {"budgets": columns}


def _check_target(flag: str, name: str | None) -> None:
    if name and not settings.user_path(name, flag).resolve().parent.is_dir():
        raise ValueError(f"--{flag}={name}: there is no folder {Path(name).parent}; make it first")


def _show(answers: Sequence[Answer], description: Description) -> None:
    from rich.console import Console

    from experiments.answers import to_table
    from experiments.benchmark import quality_is
    from experiments.report_data import error_text, warnings

    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(to_table(answers, description))
    for warning in warnings(description):
        console.print(warning, highlight=False, markup=False)
    report = description.quality_report
    console.print(f"{quality_is(report).capitalize()} quality; its error: {error_text(report)}.", highlight=False)


def _write(values: flags.FlagValues, generator: Generator, answers: Sequence[Answer]) -> None:
    from experiments.answers import to_json, to_points
    from experiments.front import write_front_csv

    if values.json:
        text = json.dumps(to_json(generator, answers), indent=2, default=float) + "\n"
        durable.replace(settings.user_path(values.json, "json"), text)
    if values.csv:
        name = next(iter(answers[0].budget))
        write_front_csv(settings.user_path(values.csv, "csv"), to_points(generator, answers, name))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
