"""The flags that describe a problem, and the arguments of ``nagjax.problem`` that they are.

A flag has the name of its argument. What the library says of an argument, ``costs=``, a job says of the flag.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import settings
from experiments.inputs.benchmark import check_benchmark_flags, define_benchmark_flags, load_benchmark
from nagjax import plugins, posing
from nagjax.devices.formats import read_device_table
from nagjax.devices.pricing import ANALYTIC, LATENCY, TOKEN
from nagjax.devices.table import DeviceTable
from nagjax.learned.fit import KIND as COST_KIND
from nagjax.learned.fit import LEVEL
from nagjax.posing import Setup
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import BUILT_IN, DEFAULT
from nagjax.predictors.records.labels import UNITS
from nagjax.predictors.records.records import Records, read_records
from nagjax.spaces import pruning
from nagjax.spaces.space import Space

ARGUMENTS = tuple(inspect.signature(posing.problem).parameters)[1:]
"""Arguments of ``nagjax.problem`` beside the space."""

SPELLED = (*ARGUMENTS, "benchmark", "cost_columns")
"""Arguments that errors of the library name, and that are flags here."""

FILES = ("table", "token_table", "predictor", "records", "prune", "measured")
"""Those that are files; as flags their paths start from --data_dir."""

PAIRS = ("where", "predictor_settings", "measured_columns", "cost_settings", "quality_change")
"""Those that flags give as ``key=value``."""


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``build_problem`` reads."""
    define = settings.Definer(values)
    define_space_flags(values)
    define_quality_flags(values)
    define_benchmark_flags(values)
    define_cost_flags(values)
    define.list(
        "devices", None, "Tables of several devices, NAME=PATH,NAME=PATH, in place of --table: one generator for all."
    )
    define.list("quality_change", None, "What quality gains on some of --devices, fractions, such as int8=-0.004.")
    define.float("pessimism", 0.0, "Optimise mean - pessimism * std of the predictor.", lower_bound=0.0)


def define_cost_flags(values: flags.FlagValues) -> None:
    """Add the flags of conditions and cost columns."""
    define = settings.Definer(values)
    define.multi_string(
        "where", [], "A condition on architectures, such as resolution=224 or kernel=3,5; may be repeated."
    )
    define.string("prune", None, "File of closed choices and pairs, as experiments.prune writes it: more conditions.")
    define.string("token_table", None, f"Device table of one more token of a text: the column {TOKEN}.")
    define.list("costs", [LATENCY], f"Cost columns: {LATENCY}, {TOKEN}, {', '.join(ANALYTIC)}.")
    define.string(
        "measured", None,
        "CSV or Parquet file of whole networks that were measured: costs are learned from them, or those of --table "
        "corrected.",
    )  # fmt: skip
    define.list(
        "measured_columns", None, "Columns of --measured by cost: latency_ms=COLUMN; latency_ms where it is left out."
    )
    define.string(
        "cost_kind", None, f"How a cost is learned: a kind of predictor that adds up over edges, or residual; if left "
        f"out {COST_KIND}.",
    )  # fmt: skip
    define.list("cost_settings", None, "Settings of that kind.")
    define.float(
        "cost_quantile", None,
        "Price with headroom, so that this share of measured networks takes no longer than its price, such as 0.9; of "
        f"learned costs {1 - LEVEL:g} where it is left out.", lower_bound=0.0, upper_bound=1.0,
    )  # fmt: skip


def define_space_flags(values: flags.FlagValues) -> None:
    """Add the flags that name a space, a device table and where files are."""
    define = settings.Definer(values)
    define.string("space", None, "Search space, by its registered name.")
    define.list("space_settings", [], "Settings of the space, such as width=1.2.")
    define.string("data_dir", "", "Folder that relative paths of input files start from.")
    define.string("table", None, "Device table: a file, or a folder where the format has several.")
    define.string("device_format", "auto", "Format of --table, or auto to tell it by a look.")


def define_quality_flags(values: flags.FlagValues) -> None:
    """Add the flags that say how good architectures are: a predictor, or labelled records."""
    define = settings.Definer(values)
    define.string("predictor", None, "File of a predictor.")
    define.string("predictor_format", "auto", "Format of --predictor, or auto.")
    define.string(
        "records", None,
        "CSV or Parquet file of labelled architectures: a predictor is fitted to them, or --predictor tested on them.",
    )  # fmt: skip
    define.string("text_column", "architecture", "Column of the file: architecture as text.")
    define.string("quality_column", "quality", "Column of the file: quality.")
    define.enum("quality_unit", "fraction", list(UNITS), "Unit of that column.")
    define.float(
        "duplicate_tolerance", 0.0,
        "Average rows of one architecture whose qualities differ by no more than this fraction.", lower_bound=0.0,
    )  # fmt: skip
    define.bool(
        "units_are_right", False,
        "Percentages below 1 among larger ones are right; without it they are taken for fractions, and refused.",
    )  # fmt: skip
    settings.define_seed("fit_seed", "Seed of fitting a predictor.", values)
    define_kind_flags(values)


def define_kind_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``predictor_kind`` reads."""
    define = settings.Definer(values)
    define.string(
        "predictor_kind", None,
        f"How a predictor is fitted: {', '.join(BUILT_IN)}, or a plugin's kind; {DEFAULT} where it is left out.",
    )  # fmt: skip
    define.list(
        "predictor_settings", None,
        "Settings of that kind; of mlp such as loss=hinge,target=rank,members=8,hidden=128x128, of auto such as "
        "candidates=mlp+gp.",
    )  # fmt: skip


def build_problem(values: flags.FlagValues) -> Setup:
    """The problem that flags describe; nothing is written.

    Raises:
      ValueError: for anything that is wrong in flags or files.
    """
    check_benchmark_flags(values)
    space = load_space(values) if values.space or not values.benchmark else None
    of = load_benchmark(values, space) if space is None or values.benchmark else space
    with settings.told_of_flags(SPELLED):
        posing.cost_names(
            values.costs, space if of is None else getattr(of, "space", space)
        )  # before files are looked for
        return posing.problem(of, **arguments(values, ARGUMENTS))


def without_quality(values: flags.FlagValues, space: Space) -> Setup:
    """A problem in which all architectures are equally good, to be described and not trained on."""
    names = (
        "table", "token_table", "costs", "measured", "measured_columns", "cost_kind", "cost_settings", "where", "prune",
        "cost_quantile", "device_format",
    )  # fmt: skip
    asked = arguments(values, names)
    with settings.told_of_flags(SPELLED):
        return posing.problem(space, quality=posing.flat(space), **asked)


def arguments(values: flags.FlagValues, names: Sequence[str]) -> dict[str, Any]:
    """The arguments of ``nagjax.problem`` that flags give; those left out keep their defaults.

    Raises:
      ValueError: if a file is not there, or a setting is not ``key=value``.
    """
    given = {name: values[name].value for name in names if name in values}
    given |= {name: settings.input_path(values, name) if given[name] else None for name in FILES if name in given}
    given |= {name: settings.parse_pairs(given[name] or (), name, name == "where") for name in PAIRS if name in given}
    if "devices" in values and values.devices:
        given["table"] = _device_paths(values)
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("costs") == [LATENCY]:
        del given["costs"]  # the default of the flag: where costs are measured, it is meant only if there is a table
    return given


def _device_paths(values: flags.FlagValues) -> dict[str, Path]:
    """The tables that --devices names.

    Raises:
      ValueError: if --table is given as well, an entry is not NAME=PATH, or a file is not there.
    """
    if values.table:
        raise ValueError("--table and --devices both name tables; leave one of the two out")
    pairs = settings.parse_pairs(values.devices, "devices")
    return {name: settings.input_path(values, "devices", str(path)) for name, path in pairs.items()}


def define_ranker_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``with_ranker`` reads."""
    define = settings.Definer(values)
    define.integer(
        "ranker_labels", 0, "Architectures to fit a ranker R(a|B) to; 0 for the factored form.", lower_bound=0
    )
    define.integer("ranker_anchors", 10, "Anchor budgets of the ranker.", lower_bound=2)


def with_ranker(built: Setup, values: flags.FlagValues) -> Setup:
    """The setup with a ranker in its problem if ``--ranker_labels`` says so."""
    if not values.ranker_labels:
        return built
    from nagjax import ranked  # with what fits networks, for those who ask for it

    return ranked.with_ranker(built, values.ranker_labels, values.ranker_anchors, values.seed)


def predictor_kind(values: flags.FlagValues) -> Kind:
    """The kind that --predictor_kind and --predictor_settings name; settings left out keep their defaults.

    Raises:
      ValueError: if the kind or a setting is not known, or a value is of another type or out of range.
    """
    given = settings.parse_pairs(values.predictor_settings or (), "predictor_settings")
    with settings.told_of_flags(SPELLED):
        return posing.chosen_kind(values.predictor_kind, given)


def conditions(values: flags.FlagValues, space: Space) -> tuple[dict[str, Any], list[pruning.Pair]]:
    """What --where asks and --prune leaves, as ``Space.where`` takes it; and the pairs that --prune closes.

    Raises:
      ValueError: if a condition is not written as one, or the file of closed choices cannot be used.
    """
    where = settings.parse_pairs(values.where, "where", many=True)
    if not values.prune:
        return where, []
    closed, pairs = pruning.read(settings.input_path(values, "prune"), space)
    return pruning.both(where, closed), pairs


def load_space(values: flags.FlagValues) -> Space:
    """The space that --space and --space_settings name.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested) or has no such setting.
    """
    if not values.space:
        raise ValueError(f"--space is not given; it is one of {', '.join(plugins.names('spaces'))}")
    return posing.space(values.space, **settings.parse_pairs(values.space_settings, "space_settings"))


def load_records(values: flags.FlagValues, space: Space) -> Records:
    """The labelled architectures that --records names.

    Raises:
      ValueError: if they cannot be read; the message names file, row and remedy.
    """
    return read_records(
        settings.input_path(values, "records"), space, values.text_column, values.quality_column, values.quality_unit,
        (), values.duplicate_tolerance, values.units_are_right,
    )  # fmt: skip


def load_table(values: flags.FlagValues, space: Space) -> DeviceTable:
    """The device table that --table names, in the units of the library.

    Raises:
      ValueError: if it cannot be read; the message names file, row and remedy.
    """
    return read_device_table(settings.input_path(values, "table"), space, values.device_format)


def input_files(values: flags.FlagValues) -> list[Path]:
    """Paths of the input files that flags name, for the record of a run."""
    several = list(_device_paths(values).values()) if "devices" in values and values.devices else []
    return several + [
        settings.input_path(values, name)
        for name in ("table", "token_table", "predictor", "records", "benchmark", "prune", "measured")
        if name in values and values[name].value
    ]
