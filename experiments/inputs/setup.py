"""The flags that describe a problem, and the problem built from them: a space, what it costs, how good it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from absl import flags

from experiments.frame import settings
from experiments.inputs.benchmark import check_benchmark_flags, define_benchmark_flags, load_benchmark
from experiments.inputs.costs import LATENCY, benchmark_prices, load_prices
from experiments.inputs.quality import benchmark_quality, define_quality_flags, load_quality
from nagjax import plugins, posing
from nagjax.devices.pricing import ANALYTIC
from nagjax.devices.table import DeviceTable
from nagjax.posing import Setup
from nagjax.predictors.forms.table import TabularQuality
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import pruning
from nagjax.spaces.space import Space


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``build_problem`` reads."""
    define_space_flags(values)
    define_quality_flags(values)
    define_benchmark_flags(values)
    define_cost_flags(values)
    flags.DEFINE_float(
        "pessimism", 0.0, "Optimise mean - pessimism * std of the predictor.", lower_bound=0.0, flag_values=values
    )


def define_cost_flags(values: flags.FlagValues) -> None:
    """Add the flags of conditions and cost columns."""
    flags.DEFINE_multi_string(
        "where",
        [],
        "A condition on architectures, such as resolution=224 or kernel=3,5; may be repeated.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "prune", None, "File of closed choices, as experiments.prune writes it: more conditions.", flag_values=values
    )
    flags.DEFINE_list("costs", [LATENCY], f"Cost columns: {LATENCY}, {', '.join(ANALYTIC)}.", flag_values=values)
    flags.DEFINE_float(
        "cost_quantile",
        None,
        "Price with headroom, so that this share of measured networks takes no longer than its price, such as 0.9.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )


def define_space_flags(values: flags.FlagValues) -> None:
    """Add the flags that name a space, a device table and where files are."""
    flags.DEFINE_string("space", None, "Search space, by its registered name.", flag_values=values)
    flags.DEFINE_list("space_settings", [], "Settings of the space, such as width=1.2.", flag_values=values)
    flags.DEFINE_string("data_dir", "", "Folder that relative paths of input files start from.", flag_values=values)
    flags.DEFINE_string(
        "table", None, "Device table: a file, or a folder where the format has several.", flag_values=values
    )
    flags.DEFINE_string("device_format", "auto", "Format of --table, or auto to tell it by a look.", flag_values=values)


def build_problem(values: flags.FlagValues) -> Setup:
    """The problem that flags describe; nothing is written.

    Raises:
      ValueError: for anything that is wrong in flags or files.
    """
    check_benchmark_flags(values)
    if values.benchmark:
        return _from_benchmark(values)
    space = load_space(values)
    where = conditions(values, space)
    allowed = space.where(where)  # a condition that cannot hold is refused before large files are read
    table = load_table(values, space) if values.table else None
    prices = load_prices(values.costs, table, space, values.cost_quantile, allowed)
    quality = load_quality(values, space)
    problem, description = make_problem(space, prices, quality.predictor, where, values.pessimism, quality.report)
    return Setup(space, problem, description, table, quality)


def _from_benchmark(values: flags.FlagValues) -> Setup:
    """Measured costs, and qualities measured or predicted; a device table may price what was not measured.

    Raises:
      ValueError: as ``build_problem``, and if one cost would come from two sources.
    """
    found = load_benchmark(values, load_space(values) if values.space else None)
    where = conditions(values, found.space)
    table = load_table(values, found.space) if values.table else None
    prices = benchmark_prices(values, found, table)
    quality, report, fitted = benchmark_quality(values, found)
    problem, description = make_problem(
        found.space, prices, quality, where, values.pessimism, report, listing=found.listing
    )
    judge = None
    if fitted is not None and found.quality is not None:
        judge = dataclasses.replace(problem, quality=found.quality)
    return Setup(found.space, problem, description, table, fitted, judge)


def without_quality(values: flags.FlagValues, space: Space, table: DeviceTable | None) -> tuple[Problem, Description]:
    """A problem in which all architectures are equally good, to be described and not trained on."""
    blank = TabularQuality(jnp.zeros_like(space.trellis.target), jnp.asarray(space.trellis.target), jnp.zeros(1))
    where = conditions(values, space)
    prices = load_prices(values.costs, table, space, values.cost_quantile, space.where(where))
    return make_problem(space, prices, blank, where)


def define_ranker_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``with_ranker`` reads."""
    flags.DEFINE_integer(
        "ranker_labels", 0, "Architectures to fit a ranker R(a|B) to; 0 for the factored form.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer("ranker_anchors", 10, "Anchor budgets of the ranker.", lower_bound=2, flag_values=values)


def with_ranker(built: Setup, values: flags.FlagValues) -> Setup:
    """The setup with a ranker in its problem if ``--ranker_labels`` says so."""
    if not values.ranker_labels:
        return built
    from nagjax import ranked  # with what fits networks, for those who ask for it

    return ranked.with_ranker(built, values.ranker_labels, values.ranker_anchors, values.seed)


def conditions(values: flags.FlagValues, space: Space) -> dict[str, Any]:
    """What --where asks and --prune leaves, as ``Space.where`` takes it.

    Raises:
      ValueError: if a condition is not written as one, or the file of closed choices cannot be used.
    """
    where = settings.parse_pairs(values.where, "where", many=True)
    return pruning.both(where, pruning.read(settings.input_path(values, "prune"), space)) if values.prune else where


def load_space(values: flags.FlagValues) -> Space:
    """The space that --space and --space_settings name.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested) or has no such setting.
    """
    if not values.space:
        raise ValueError(f"--space is not given; it is one of {', '.join(plugins.names('spaces'))}")
    return posing.space(values.space, **settings.parse_pairs(values.space_settings, "space_settings"))


def load_table(values: flags.FlagValues, space: Space) -> DeviceTable:
    """The device table that --table names, in the units of the library.

    Raises:
      ValueError: if it cannot be read; the message names file, row and remedy.
    """
    return posing.read_device_table(settings.input_path(values, "table"), space, values.device_format)


def input_files(values: flags.FlagValues) -> list[Path]:
    """Paths of the input files that flags name, for the record of a run."""
    return [
        settings.input_path(values, name)
        for name in ("table", "predictor", "records", "benchmark", "prune")
        if name in values and values[name].value
    ]
