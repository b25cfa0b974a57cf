"""A sweep: parameters of a controller x seeds on one problem, many runs as one program over all devices.

``python -m experiments.sweep --problem=macro --data_dir=DATA --controller=nag --controller_param='entropy=0.01|0.02'
--controller_param='gradient=0.1|0.3' --seeds=0..15 --steps=2000 --out=runs/sweep``

Every combination of the values is run with every seed. Writes ``results.csv`` (a row a reading, appended batch by
batch), ``table.csv`` and ``comparison.html``. ``--resume`` goes on after Ctrl-C or a crash, and takes more values or
seeds; what is done is not run again.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags

from experiments import compare
from experiments.comparison import problems as compare_problems
from experiments.comparison import report as compare_report
from experiments.comparison import study as compare_study
from experiments.comparison.answers import DECODES
from experiments.comparison.limits import UPDATES, Limit
from experiments.comparison.tasks import EVERYWHERE, Contender, all_tasks
from experiments.comparison.together import Together
from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs.setup import define_kind_flags
from experiments.training.run_folder import FLAGS, flagfile
from nagjax import durable, many_runs


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    known = ", ".join(compare_problems.NAMES)
    define.string("problem", None, f"Problem: {known}, macro_N, or name=FLAGFILE.")
    define.string("controller", "nag", "Controller, by its registered name.")
    define.multi_string("controller_param", [], "A parameter that is swept, key=VALUE|VALUE|...; may be repeated.")
    define.multi_string("controller_params", [], "Parameters of all runs, key=value,key=value; may be repeated.")
    define.multi_string("controller_static", [], "Sizes of the controller, key=value,key=value; may be repeated.")
    define.string("data_dir", "", "Folder of the public data sets.")
    define.list("seeds", ["0..15"], "Seeds and ranges of them, such as 0..15.")
    define.integer("steps", 2000, "Updates of each run.", lower_bound=1)
    define.integer(
        "at_a_time", None, "Runs of a program, which are lost where it is interrupted; none: as many as devices make "
        "at the same moment, 64 where all stand side by side.", lower_bound=1,
    )  # fmt: skip
    define.integer(
        "beside", None, "Runs side by side on a device; none: one on a processor, all elsewhere.", lower_bound=1
    )
    define.list("decodes", ["greedy", "archive"], f"Ways of answering: {', '.join(DECODES)}.")
    define.integer("budgets", 400, "Budgets that are answered.", lower_bound=2)
    define.integer("checkpoints", 5, "Looks at a run, its end included.", lower_bound=1)
    define.integer("chunk", 25, "Updates between two looks at the runs.", lower_bound=1)
    define.string("base", None, "Label that others are compared with; default the first.")
    define.string("out", None, "Folder that is written.")
    define.bool("resume", False, "Go on with the sweep in --out.")
    define_kind_flags(values)
    runtime.define_flags(values)


def swept(entries: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of the values of ``--controller_param``, the last one changing first.

    >>> swept(["fill=0.2|0.3", "mask=true"])
    [{'fill': 0.2, 'mask': True}, {'fill': 0.3, 'mask': True}]

    Raises:
      ValueError: if an entry is not a name with values, or a name or a value stands twice.
    """
    columns: dict[str, list[Any]] = {}
    for key, text in settings.parse_pairs(entries, "controller_param").items():
        columns[key] = [settings.parse_value(part) for part in str(text).split("|")]
        if "" in columns[key] or len(set(columns[key])) < len(columns[key]):
            raise ValueError(f"--controller_param={key}={text}: write different values, {key}=VALUE|VALUE")
    return [dict(zip(columns, row, strict=True)) for row in itertools.product(*columns.values())]


def contenders(values: flags.FlagValues) -> list[Contender]:
    """A contender for every combination, under the label of its values.

    Raises:
      ValueError: if a parameter is both swept and given to all runs.
    """
    sizes = settings.parse_settings(values.controller_static, "controller_static")
    fixed = settings.parse_settings(values.controller_params, "controller_params")
    out = []
    for row in swept(values.controller_param):
        both = [key for key in row if key in fixed]
        if both:
            raise ValueError(f"--controller_param: {both[0]!r} stands in --controller_params too; remove one of them")
        label = ",".join(f"{key}={_text(value)}" for key, value in row.items()) or values.controller
        out.append(Contender(label, values.controller, {EVERYWHERE: sizes}, {EVERYWHERE: {**fixed, **row}}))
    return out


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def job(values: flags.FlagValues) -> int:
    """Check all flags, run what is missing, write the report."""
    with output.folder(values.out, "runs/sweep") as folder:
        return _sweep(values, folder)


def _sweep(values: flags.FlagValues, folder: Path) -> int:
    entry = str(values.problem or "")
    compare_problems.check_names([entry] if entry else [])
    every, limit = contenders(values), Limit(UPDATES, values.steps)
    seeds = settings.parse_seeds(values.seeds, "seeds")
    base = values.base or every[0].label
    labels = [one.label for one in every]
    if base not in labels:
        raise ValueError(f"--base={base}: is not swept{settings.nearest(base, labels)}")
    options, results = compare.options_of(values), compare.open_results(values, folder)
    runtime.use_compilation_cache(values.compilation_cache)
    runtime.use_cores()
    life.doing("building the problem")
    cases = compare.Cases(values.data_dir, values.budgets, compare.kind_flags(values))
    shown = cases(entry, seeds[0])
    for one in every:
        one.make(shown.problem.spec, limit)
    full_disk.persist(lambda: durable.replace(results.folder / FLAGS, flagfile(values)), "the flags")
    how: list[tuple[str, Any]] = [(name, values[name].value) for name in ("decodes", "checkpoints", "chunk")]
    tasks = all_tasks([entry], every, seeds, [limit], how)
    missing = [task for task in tasks if not results.has(task.key, task.settings)]
    try:
        at_a_time = values.at_a_time or many_runs.at_once(values.beside)
        runner = Together(options, missing, cases, at_a_time, values.beside)
        compare_study.run_missing(tasks, cases, runner, results)
        life.doing("writing the report")
        title = f"{values.controller} swept"
        write = partial(compare_report.write, results, [shown], base, flagfile(values), title)
        tables = full_disk.persist(write, "the report")
    except KeyboardInterrupt:
        console.say(f"interrupted; to go on: {cli.resume_command('experiments.sweep', str(results.folder / FLAGS))}")
        return cli.EXIT_INTERRUPTED
    console.say(*compare_report.lines(tables))
    console.say(f"page: {results.folder / compare_report.PAGE}")
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
