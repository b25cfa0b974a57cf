"""Show a space, a device table, a predictor or a checkpoint before an hour is spent on it.

``python -m experiments.describe --space=ofa_mobilenet_v3 --table=FILE --predictor=FILE`` or ``--checkpoint=FOLDER``.
It takes the flagfile of a run; ``--budgets_ms`` says which share of the architectures fits each budget.
``--write_template=FILE`` writes the keys that a device table needs for the space and ``--where``, to be filled in.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from experiments import run
from experiments.frame import cli, console, runtime, settings
from experiments.inputs import setup
from experiments.inputs.benchmark import check_benchmark_flags
from experiments.reports.description import (
    Facts,
    checkpoint_facts,
    fitting_facts,
    predictor_facts,
    problem_facts,
    space_facts,
    table_facts,
)
from nagjax.devices.pricing import LATENCY, TOKEN

if TYPE_CHECKING:
    from nagjax.problems.problem import Description, Problem


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    run.define_flags(values)  # so that a run's flagfile can be described before it is run
    define.string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.")
    define.string("write_template", None, "File to write: a device table of the space and --where without times.")


def job(values: flags.FlagValues) -> int:
    """Collect what flags name, and print it."""
    runtime.use_compilation_cache(values.compilation_cache)
    budgets = settings.parse_numbers(values.budgets_ms, "budgets_ms")
    collect = _from_checkpoint if values.checkpoint else _from_files
    for title, facts in collect(values, budgets):
        _show(title, facts)
    return 0


def _from_checkpoint(values: flags.FlagValues, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    if values.space or values.table or values.benchmark or values.write_template:
        raise ValueError("--checkpoint holds its own space and table: give it alone, or --space and --table without it")
    from nagjax.inference.generator import load

    generator = load(values.checkpoint, ignore_hash=values.ignore_hash)
    description = generator.description
    sections = [("checkpoint", checkpoint_facts(generator)), ("space", space_facts(description.space))]
    return sections + _problem(generator.problem, description, budgets)


def _from_files(values: flags.FlagValues, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    check_benchmark_flags(values)
    if values.write_template:
        return [("template", _template(values))]
    if values.benchmark:
        built = setup.build_problem(values)
        facts = predictor_facts(built.description.quality_report)
        sections = [("space", space_facts(built.space)), ("benchmark", facts)]
        return sections + _problem(built.problem, built.description, budgets)
    space = setup.load_space(values)
    sections = [("space", space_facts(space))]
    if not values.table:
        others = [TOKEN] if values.token_table else ["madds", "params"]
        values["costs"].value = [name for name in values.costs if name != LATENCY] or others
    table = setup.load_table(values, space) if values.table else None
    if table is not None:
        facts, complete = table_facts(table, space, space.where(setup.conditions(values, space)[0]))
        sections.append(("device table", facts))
        if not complete:
            return sections
    if values.predictor or values.records:
        built = setup.build_problem(values)
        sections.append(("predictor", predictor_facts(built.description.quality_report)))
        return sections + _problem(built.problem, built.description, budgets)
    built = setup.without_quality(values, space)
    return sections + _problem(built.problem, built.description, budgets)


def _template(values: flags.FlagValues) -> Facts:
    from nagjax.devices.template import write_template

    space = setup.load_space(values)
    num = write_template(space, space.where(setup.conditions(values, space)[0]), values.write_template)
    return [
        ("written", values.write_template),
        ("rows", f"{num}, one an operator of {space.identity}"),
        ("conditions", ", ".join(values.where) or "none"),
        ("to do", "put a time above 0 for each null, and say device, unit and batch; it is refused until then"),
    ]


def _problem(problem: Problem, description: Description, budgets: Sequence[float]) -> list[tuple[str, Facts]]:
    sections = [("problem", problem_facts(problem, description))]
    if budgets:
        sections.append(("budgets", fitting_facts(problem, description, budgets)))
    return sections


def _show(title: str, facts: Facts) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    out = console.console(width=140)
    out.print(table)
    out.print()


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
