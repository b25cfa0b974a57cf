"""Measure a device table: time every operator of a space on the device that JAX finds, and judge its sums on networks.

``python -m experiments.profile_device --space=mobilenet_v3_small28 --out=table.json --validate=50``

``--column=token_ms`` times one more token of a text, behind as many as the space's length less one.
``--runtime=onnxruntime`` times them as ONNX in onnxruntime on the processor, float32 or int8.

Ctrl-C or a crash loses one measurement at most; ``--resume`` goes on. Leave the machine alone while it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, full_disk, output, runtime, settings
from experiments.inputs import profile_machine, setup
from experiments.reports.profile_summary import summary_lines
from nagjax.devices.json_table import write_json
from nagjax.devices.pricing import LATENCY, TOKEN
from nagjax.devices.table import COLUMNS
from nagjax.profile import by_token
from nagjax.profile.journal import Journal
from nagjax.profile.profiling import About, Plan, profile
from nagjax.profile.programs import Prepare, preparation

DTYPES = {"jax": ("float32", "bfloat16"), "onnxruntime": ("float32", "int8")}
"""Types of the computation by runtime."""


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    define.string("space", None, "Search space, by its registered name.")
    define.list("space_settings", [], "Settings of the space, such as width=1.2.")
    define.multi_string("where", [], "Measure only what such architectures need, such as resolution=224.")
    define.string("out", None, "The table to write; raw measurements go beside it.")
    define.bool("resume", False, "Go on with the measurements beside --out.")
    define.string("device", None, "What the table calls the device; default what it says.")
    define.integer("batch", 1, "Images a run; times are of a whole batch.", lower_bound=1)
    define.enum("column", LATENCY, COLUMNS, "Cost column: a pass over a whole input, or one more token of a text.")
    define.enum("runtime", "jax", list(DTYPES), "What runs the operators and networks.")
    define.string("dtype", "float32", "Type of the computation: float32, bfloat16 (jax), int8 (onnxruntime).")
    define.integer("threads", 1, "Threads that an operator may use in onnxruntime; jax takes all cores.", 1)
    define.integer("rounds", 15, "Measurements of each operator and network.", lower_bound=3)
    define.float("least_ms", 10.0, "Least time of one measurement, ms.", lower_bound=0.1)
    define.integer("validate", 0, "Networks that judge the sum; 0 for no correction either.", lower_bound=0)
    define.integer("validate_fit", 30, "Further networks that the correction is fitted to.", lower_bound=0)
    settings.define_seed("seed", "Seed of orders and of the draw of networks.", values)


def job(values: flags.FlagValues) -> int:
    """Check everything, measure, write the table, say how far to trust it."""
    _check(values)
    with output.file(values.out, "table.json") as out:
        return _profile(values, out)


def _profile(values: flags.FlagValues, out: Path) -> int:
    if out.exists() and not values.resume:
        raise ValueError(f"--out={values.out}: exists; go on with its profile by --resume, or choose another name")
    space = setup.load_space(values)
    where = settings.parse_pairs(values.where, "where", many=True)
    edges = space.where(where)
    runtime.use_compilation_cache(values.compilation_cache)
    for warning in profile_machine.busy_warnings():
        console.say(warning)
    runtime_name, prepare = chosen_runtime(values)
    about = About(
        values.device or profile_machine.device_name(), runtime_name, values.batch, values.dtype,
        profile_machine.how_measured(values), values.column,
    )  # fmt: skip
    plan = Plan(values.rounds, values.validate_fit if values.validate else 0, values.validate, values.seed)
    header = {"device": about.device, "runtime": about.runtime, "space": space.identity, "where": where,
              "batch": about.batch, "dtype": about.dtype, "least_ms": values.least_ms}  # fmt: skip
    if values.column != LATENCY:  # journals from before there were others have none
        header["column"] = values.column
    path = journal_path(out)
    try:
        with Journal(path, header, values.resume, _persist) as journal, profile_machine.Progress() as progress:
            table, outliers = profile(space, edges, plan, about, prepare, journal, progress.stage)
        full_disk.persist(lambda: write_json(table, out, overwrite=values.resume), "the table")
    except KeyboardInterrupt:
        command = cli.again("experiments.profile_device", values)
        console.say(f"interrupted; all measurements are in {path}; to go on: {command}")
        return cli.EXIT_INTERRUPTED
    for line in summary_lines(table, outliers, space, out):
        console.say(line)
    return 0


def chosen_runtime(values: flags.FlagValues) -> tuple[str, Prepare]:
    """Name of the runtime that flags choose, and how it makes subjects ready.

    Raises:
      ValueError: if it is not installed.
    """
    if values.runtime == "jax":
        prepare = (by_token.preparation if values.column == TOKEN else preparation)(
            values.batch, values.dtype, values.least_ms
        )
        return profile_machine.runtime_name(), prepare
    from nagjax.deployment import profiled

    prepare = profiled.preparation(values.batch, values.dtype, values.threads, values.least_ms)
    return profiled.describe(values.threads), prepare


def _persist(save: Callable[[], None]) -> None:
    full_disk.persist(save, "a measurement")


def journal_path(out: Path) -> Path:
    """Where raw measurements go: beside the table, under its name and ``.rounds.jsonl``."""
    return out.with_name(out.name + ".rounds.jsonl")


def _check(values: flags.FlagValues) -> None:
    if not values.out:
        raise ValueError("--out is not given: name the table to write, such as --out=table.json")
    if not values.out.endswith(".json"):
        raise ValueError(f"--out={values.out}: must end in .json")
    if values.column == TOKEN and values.runtime != "jax":
        raise ValueError(
            f"--column={TOKEN} --runtime={values.runtime}: ONNX files take whole texts; single tokens are timed with "
            "--runtime=jax"
        )
    if values.dtype not in DTYPES[values.runtime]:
        raise ValueError(
            f"--dtype={values.dtype}: {values.runtime} is profiled with {' or '.join(DTYPES[values.runtime])}; "
            "another --runtime may have it"
        )
    if values.threads > 1 and values.runtime == "jax":
        raise ValueError(
            f"--threads={values.threads}: jax takes all cores; give --runtime=onnxruntime, or leave it out"
        )
    if 0 < values.validate < 10 or (values.validate and values.validate_fit < 10):
        raise ValueError(
            f"--validate={values.validate} --validate_fit={values.validate_fit}: fewer than 10 networks say little; "
            "give at least 10 of each, or --validate=0"
        )


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
