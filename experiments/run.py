"""The main job: train a generator for a device, write its checkpoint and a report.

``python -m experiments.run --flagfile=experiments/flags/note10.flags --data_dir=DATA --out=runs/note10``

Ctrl-C saves, and ``--resume`` goes on. On a finished run ``--resume`` only writes the report again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs import setup
from experiments.reports import run_report
from experiments.training import run_folder
from experiments.training import trainer as training
from nagjax.devices.pricing import LATENCY
from nagjax.inference.asked import place
from nagjax.posing import Setup
from nagjax.reports import report_data, wording


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_flags(values)
    training.define_flags(values)
    setup.define_ranker_flags(values)
    run_report.define_flags(values)
    runtime.define_flags(values)
    define.string("out", None, "Folder that the run writes.")
    define.bool("resume", False, "Continue the run in --out.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then train, then report; nothing that stays is written before all inputs are sound."""
    with output.folder(values.out, "runs/note10") as folder:
        return _train(values, folder)


def _train(values: flags.FlagValues, folder: Path) -> int:
    run_folder.check(values, folder)
    request = run_report.read_request(values)
    runtime.use_compilation_cache(values.compilation_cache)
    training.use_devices(values)
    output.try_checkpoints(folder)
    life.doing("reading the inputs, fitting a predictor where records are given")
    built = setup.with_ranker(setup.build_problem(values), values)
    run_report.check_request(request, built.description)
    trainer = training.prepare(values, built)
    tables = {f"table of {name}": table for name, table in built.devices.items()}
    alone = {"table": built.table, "token table": built.token_table}
    tables |= {name: table for name, table in alone.items() if table is not None}
    run_folder.claim(values, tables, folder)
    low, high = built.description.ranges[0]
    info = built.description.costs[0]
    on, _ = place(built.description, info)
    console.say(f"{built.space.identity} on {on}: {info.name} {info.span(low, high)}; writing {folder}")
    for name, (least, most) in devices_ranges(built).items():
        console.say(f"{name}: {info.name} {info.span(least, most)}")
    for line in [*wording.benchmark_lines(built.description), *report_data.warnings(built.description)]:
        console.say(line)
    try:
        trainer.run(folder)
        life.doing("writing the report")
        report = full_disk.persist(lambda: run_report.write(folder, request, values.ignore_hash), "the report")
    except KeyboardInterrupt:
        console.say(f"interrupted; to go on: {cli.resume_command('experiments.run', str(folder / run_folder.FLAGS))}")
        return cli.EXIT_INTERRUPTED
    for name, figures in report.comparisons.items():
        console.say(f"{name}: mean gap {figures.mean:+.3f} points, {figures.wins} of {figures.compared} won")
    asked = "--budgets_ms" if info.name == LATENCY else f"--budgets={info.name}"
    first, (low, high) = next(iter(devices_ranges(built).items()), ("", (float(low), float(high))))
    which = [f"--device={first}"] if first else []
    budgets = settings.example_budgets(float(low), float(high))
    ask = cli.command("experiments.generate", f"--checkpoint={folder}", *which, f"{asked}={budgets}")
    console.say(f"report: {folder / next(iter(built.devices), '') / 'report.html'}", f"ask it: {ask}")
    return 0


def devices_ranges(built: Setup) -> dict[str, tuple[float, float]]:
    """The cheapest and the costliest architecture of each of several devices, by the first cost column."""
    own, info = built.problem.contexts, built.description.costs[0]
    if own is None or not built.devices:
        return {}
    low, high = (info.to_unit(np.asarray(ends)[:, 0]) for ends in (own.low, own.high))
    every = {name: (float(low[place]), float(high[place])) for place, name in enumerate(built.devices)}
    return {name: ends for name, ends in every.items() if ends[0] <= ends[1]}  # a closed one has no range


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
