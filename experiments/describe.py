"""Show a space, a device table, a predictor or a checkpoint before an hour is spent on it.

``python -m experiments.describe --space=ofa_mobilenet_v3 --table=FILE --predictor=FILE`` or ``--checkpoint=FOLDER``.
It takes the flagfile of a run; ``--budgets_ms`` says which share of the architectures fits each budget.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from experiments import cli, costs, run, runtime, settings, setup
from experiments.description import (
    Facts,
    checkpoint_facts,
    fitting_facts,
    predictor_facts,
    problem_facts,
    space_facts,
    table_facts,
)

if TYPE_CHECKING:
    from nagjax.problem import Description, Problem


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    run.define_flags(values)  # so that a run's flagfile can be described before it is run
    flags.DEFINE_string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Collect what flags name, and print it."""
    runtime.use_compilation_cache(values.compilation_cache)
    budgets = settings.parse_numbers(values.budgets_ms, "budgets_ms")
    collect = _from_checkpoint if values.checkpoint else _from_files
    for title, facts in collect(values, budgets):
        _show(title, facts)
    return 0


def _from_checkpoint(values: flags.FlagValues, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    if values.space or values.table or values.benchmark:
        raise ValueError("--checkpoint holds its own space and table: give it alone, or --space and --table without it")
    from nagjax.inference import load

    generator = load(values.checkpoint, ignore_hash=values.ignore_hash)
    description = generator.description
    sections = [("checkpoint", checkpoint_facts(generator)), ("space", space_facts(description.space))]
    return sections + _problem(generator.problem, description, budgets)


def _from_files(values: flags.FlagValues, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    if values.benchmark:
        built = setup.build_problem(values)
        facts = predictor_facts(built.description.quality_report)
        sections = [("space", space_facts(built.space)), ("benchmark", facts)]
        return sections + _problem(built.problem, built.description, budgets)
    space = setup.load_space(values)
    sections = [("space", space_facts(space))]
    if not values.table:
        values["costs"].value = [name for name in values.costs if name != costs.LATENCY] or ["madds", "params"]
    table = setup.load_table(values, space) if values.table else None
    if table is not None:
        facts, complete = table_facts(table, space)
        sections.append(("device table", facts))
        if not complete:
            return sections
    if values.predictor or values.records:
        built = setup.build_problem(values)
        sections.append(("predictor", predictor_facts(built.description.quality_report)))
        return sections + _problem(built.problem, built.description, budgets)
    problem, description = setup.without_quality(values, space, table)
    return sections + _problem(problem, description, budgets)


def _problem(problem: Problem, description: Description, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    sections = [("problem", problem_facts(problem, description))]
    if budgets:
        sections.append(("budgets", fitting_facts(problem, description, budgets)))
    return sections


def _show(title: str, facts: Facts) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name), Text(value))
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
