"""The comparison: controllers x problems x seeds x limits, with equal evaluations or equal wall time.

A contender is a controller, or ``rounds:PROPOSER``: a search in rounds of as many true evaluations.

``python -m experiments.compare --flagfile=experiments/flags/compare_macro.flags --data_dir=DATA --out=runs/macro``

Writes ``results.csv`` (a row a reading, appended run by run; ``--parquet`` as ``results.parquet`` too), ``table.csv``
and ``comparison.html``. ``--resume`` goes on after Ctrl-C or a crash, and takes more seeds, limits, controllers or
problems; what is done is not run again.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from absl import flags

from experiments.comparison import best_known as compare_best_known
from experiments.comparison import parquet as compare_parquet
from experiments.comparison import problems as compare_problems
from experiments.comparison import report as compare_report
from experiments.comparison import searches
from experiments.comparison import study as compare_study
from experiments.comparison.answers import DECODES
from experiments.comparison.case import Case
from experiments.comparison.limits import Limit
from experiments.comparison.results import RESULTS, Results
from experiments.comparison.run import Options, Reading, Runner, Trainer
from experiments.comparison.table import Section
from experiments.comparison.tasks import Contender, Task, all_tasks, parse_contenders, parse_limits
from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs.setup import define_kind_flags, predictor_kind
from experiments.training.run_folder import FLAGS, flagfile
from nagjax import durable


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    known = ", ".join(compare_problems.NAMES)
    define.list("controllers", [], "Controllers by registered name, rounds:PROPOSER, or label=name.")
    define.multi_string(
        "controller_params", [], "Swept values, LABEL:key=value,... or LABEL@LIMIT:key=value,...; may be repeated."
    )
    define.multi_string(
        "controller_static", [], "Sizes, LABEL:key=value,... or LABEL@LIMIT:key=value,...; may be repeated."
    )
    define.list("problems", [], f"Problems: {known}, macro_N, or name=FLAGFILE.")
    define.string("data_dir", "", "Folder of the public data sets.")
    define.list("seeds", ["0"], "Seeds.")
    define.list("evaluations", [], "Limits in evaluations, such as 200,2000.")
    define.list("max_seconds", [], "Limits in seconds after compilation, such as 60.")
    define.list("decodes", ["greedy", "archive"], f"Ways of answering: {', '.join(DECODES)}.")
    define.integer("budgets", 400, "Budgets that are answered.", lower_bound=2)
    define.integer("checkpoints", 5, "Looks at a run, its end included.", lower_bound=1)
    define.integer("chunk", None, "Updates at a time; default 1 under evaluations, 25 under seconds.", lower_bound=1)
    define.integer("idle_updates", 1000, "End a run after so many updates without a new evaluation.", lower_bound=1)
    define.string("base", None, "Label that others are compared with; default the first.")
    define.string("out", None, "Folder that is written.")
    define.bool("resume", False, "Go on with the comparison in --out.")
    define.bool("parquet", False, f"Write {compare_parquet.PARQUET} too, at the end (needs pyarrow).")
    define.multi_string(
        "best_known", [], "PROBLEM=FILE: CSV of the best architectures known on a problem; may be repeated."
    )
    define_kind_flags(values)
    runtime.define_flags(values)


class Cases:
    """Problems of a comparison, each built once; labels that are drawn are another problem for every seed."""

    def __init__(
        self, data_dir: str, budgets: int, kind: Sequence[str] = (), best_known: Mapping[str, Path] | None = None
    ) -> None:
        self._data_dir, self._budgets, self._kind = data_dir, budgets, tuple(kind)
        self._best_known = best_known or {}
        self._held: dict[tuple[str, int], Case] = {}
        self._draws: dict[str, bool] = {}

    def __call__(self, entry: str, seed: int) -> Case:
        """The case of an entry of ``--problems``."""
        if entry not in self._draws:
            self._draws[entry] = compare_problems.draws_labels(entry, self._data_dir)
        key = (entry, seed if self._draws[entry] else 0)
        if key not in self._held:
            case = compare_problems.build(entry, self._data_dir, seed, self._budgets, self._kind)
            path = self._best_known.get(case.name)
            self._held[key] = case if path is None else compare_best_known.with_best_known(case, path)
        return self._held[key]


def job(values: flags.FlagValues) -> int:
    """Check all flags, run what is missing, write the report."""
    with output.folder(values.out, "runs/macro") as folder:
        return _compare(values, folder)


def _compare(values: flags.FlagValues, folder: Path) -> int:
    limits = parse_limits(values.evaluations, values.max_seconds)
    contenders = parse_contenders(values.controllers, values.controller_static, values.controller_params, limits)
    seeds = settings.parse_seeds(values.seeds, "seeds")
    compare_problems.check_names(values.problems)
    best_known = compare_best_known.parse_files(values.best_known, values.problems)
    options = dataclasses.replace(options_of(values), idle=values.idle_updates)
    base = _base(values, contenders)
    results = open_results(values, folder)
    # One that is there already is written anew, so that it never lags behind the results.
    parquet = values.parquet or (results.folder / compare_parquet.PARQUET).exists()
    if parquet:
        compare_parquet.check()
    runtime.use_compilation_cache(values.compilation_cache)
    cases = Cases(values.data_dir, values.budgets, kind_flags(values), best_known)
    for problem in values.problems:
        _check_settings(cases(problem, seeds[0]), contenders, limits)
    full_disk.persist(lambda: durable.replace(results.folder / FLAGS, flagfile(values)), "the flags")
    how = [(name, values[name].value) for name in ("decodes", "checkpoints", "chunk", "idle_updates")]
    tasks = all_tasks(values.problems, contenders, seeds, limits, how)
    try:
        compare_study.run_missing(tasks, cases, runner(options), results)
        life.doing("writing the report")
        shown = [cases(problem, seeds[0]) for problem in values.problems]
        write = partial(_write, results, shown, base, flagfile(values), parquet)
        tables = full_disk.persist(write, "the report")
    except KeyboardInterrupt:
        console.say(f"interrupted; to go on: {cli.resume_command('experiments.compare', str(results.folder / FLAGS))}")
        return cli.EXIT_INTERRUPTED
    console.say(*compare_report.lines(tables))
    console.say(f"page: {results.folder / compare_report.PAGE}")
    return 0


def _write(results: Results, shown: Sequence[Case], base: str, flagfile: str, parquet: bool) -> list[Section]:
    if parquet:
        compare_parquet.write(results.folder / compare_parquet.PARQUET, results.rows)
    return compare_report.write(results, shown, base, flagfile)


def runner(options: Options) -> Runner:
    """Trains controllers, and searches in rounds."""
    trainer, searcher = Trainer(options), searches.Searcher(options)

    def run(task: Task, case: Case) -> Sequence[Reading]:
        return searcher(task, case) if task.contender.in_rounds else trainer(task, case)

    return run


def options_of(values: flags.FlagValues) -> Options:
    """How runs are made and read.

    Raises:
      ValueError: if a way of answering is not known, or stands twice.
    """
    for decode in values.decodes:
        if decode not in DECODES:
            raise ValueError(f"--decodes: {decode!r} is not a way of answering{settings.nearest(decode, DECODES)}")
    if not values.decodes or len(set(values.decodes)) < len(values.decodes):
        raise ValueError(f"--decodes={','.join(values.decodes)}: name each way once; known: {', '.join(DECODES)}")
    return Options(values.decodes, values.checkpoints, values.chunk)


def kind_flags(values: flags.FlagValues) -> list[str]:
    """The flags that name a kind of predictor, as given; a wrong one is refused before anything is built."""
    predictor_kind(values)
    kind = [f"--predictor_kind={values.predictor_kind}"] if values.predictor_kind else []
    given = values.predictor_settings
    return [*kind, f"--predictor_settings={','.join(given)}"] if given else kind


def _base(values: flags.FlagValues, contenders: Sequence[Contender]) -> str:
    labels = [contender.label for contender in contenders]
    if values.base and values.base not in labels:
        raise ValueError(f"--base={values.base}: is not in --controllers{settings.nearest(values.base, labels)}")
    return str(values.base or labels[0])


def open_results(values: flags.FlagValues, folder: Path) -> Results:
    """The results in --out.

    Raises:
      ValueError: if the folder holds something else, or what --resume says is not so.
    """
    there = (folder / RESULTS).exists()
    if there and not values.resume:
        raise ValueError(f"--out={folder}: holds a comparison; give --resume to go on with it, or another folder")
    if not there and set(output.contents(folder)) - {FLAGS}:
        raise ValueError(f"--out={folder}: holds other files; give a new or an empty folder")
    if not there and values.resume and not (folder / FLAGS).exists():
        raise ValueError(f"--out={folder}: holds no comparison to resume; leave --resume out to begin one")
    return Results(folder)


def _check_settings(case: Case, contenders: Sequence[Contender], limits: Sequence[Limit]) -> None:
    """Make every controller once, so that a setting that does not exist is refused before hours are spent."""
    for contender in contenders:
        for limit in limits:
            if contender.in_rounds:
                searches.check(contender, limit, case)
            else:
                contender.make(case.problem.spec, limit)


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
