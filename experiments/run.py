"""The main job: train a generator for a device, write its checkpoint and a report.

``python -m experiments.run --flagfile=experiments/flags/note10.flags --data_dir=DATA --out=runs/note10``

Ctrl-C saves, and ``--resume`` goes on. On a finished run ``--resume`` only writes the report again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

from experiments import (
    benchmark,
    cli,
    console,
    costs,
    evaluator,
    report_data,
    run_folder,
    run_report,
    runtime,
    settings,
    setup,
    training,
)


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    setup.define_flags(values)
    training.define_flags(values)
    evaluator.define_flags(values)
    run_report.define_flags(values)
    runtime.define_flags(values)
    flags.DEFINE_string("out", None, "Folder that the run writes.", flag_values=values)
    flags.DEFINE_bool("resume", False, "Continue the run in --out.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Check everything, then train, then report; nothing is written before all inputs are sound."""
    run_folder.check(values)
    request = run_report.read_request(values)
    runtime.use_compilation_cache(values.compilation_cache)
    built = evaluator.with_evaluator(setup.build_problem(values), values)
    run_report.check_request(request, built.description)
    trainer = training.prepare(values, built)
    folder = run_folder.claim(values, built)
    low, high = built.description.ranges[0]
    info = built.description.costs[0]
    console.say(f"{built.space.identity} on {info.device}: {info.name} {info.span(low, high)}; writing {folder}")
    for line in [*benchmark.benchmark_lines(built.description), *report_data.warnings(built.description)]:
        console.say(line)
    try:
        trainer.run(folder)
    except KeyboardInterrupt:
        console.say(f"interrupted; to go on: {cli.resume_command('experiments.run', str(folder / run_folder.FLAGS))}")
        return cli.EXIT_INTERRUPTED
    report = run_report.write(folder, request, values.ignore_hash)
    for name, figures in report.comparisons.items():
        console.say(f"{name}: mean gap {figures.mean:+.3f} points, {figures.wins} of {figures.compared} won")
    asked = "--budgets_ms" if info.name == costs.LATENCY else f"--budgets={info.name}"
    example = settings.example_budgets(float(low), float(high))
    console.say(
        f"report: {folder / 'report.html'}",
        f"ask it: python -m experiments.generate --checkpoint={folder} {asked}={example}",
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
