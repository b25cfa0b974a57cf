"""Posing a problem: from names, files and settings to what a controller optimises.

Each function puts parts of the library together that can be had one by one; the jobs are shells over the same parts::

    space = nagjax.space("ofa_mobilenet_v3", width=1.2)
    problem = nagjax.problem(space, table="note10/", predictor="accuracy_predictor.npz")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import plugins
from nagjax.devices.formats import BUILT_IN, read_table
from nagjax.devices.pricing import ANALYTIC, Prices, analytic, price
from nagjax.devices.table import DeviceTable
from nagjax.names import nearest
from nagjax.predictors.formats.readers import foreign, read_predictor
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import DEFAULT, fit, make
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.records.records import Records, draw, read_records
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description, Problem
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, predicted_report

LATENCY = "latency_ms"


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A problem and what it was built from.

    Attributes:
      space: the search space.
      problem, description: see ``nagjax.problems.problem``.
      table: the device table; None where no cost column needs one.
      quality: the predictor and what is known of its error; None where quality is looked up.
      judge: the problem with the measured quality of all, where ``problem`` has a predicted one; None where that is not
        known.
    """

    space: Space
    problem: Problem
    description: Description
    table: DeviceTable | None
    quality: FittedPredictor | None
    judge: Problem | None = None


def space(name: str, **settings: Any) -> Space:
    """The search space registered under a name.

    >>> space("nas_bench_macro").count()
    3969

    Raises:
      ValueError: if no such space is registered (the nearest name is suggested), or it has no such setting.
    """
    made = plugins.checked_call(plugins.load("spaces", name), f"space {name}", settings)
    found: Space = plugins.expect("spaces", name, made, Space)
    return found


def problem(
    of: Space | Tabular,
    table: str | Path | DeviceTable | None = None,
    *,
    predictor: str | Path | FittedPredictor | None = None,
    records: str | Path | Records | None = None,
    quality: Form | None = None,
    costs: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    cost_quantile: float | None = None,
    pessimism: float = 0.0,
    device_format: str = "auto",
    predictor_format: str = "auto",
    text_column: str = "architecture",
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    duplicate_tolerance: float = 0.0,
    units_are_right: bool = False,
    predictor_kind: str = DEFAULT,
    predictor_settings: Mapping[str, Any] | None = None,
    fit_seed: int = 0,
    num_labels: int = 0,
    labels_seed: int = 0,
) -> Setup:
    """A problem: a space, what its architectures cost, and how good they are.

    Args:
      of: the space; or a tabular benchmark (``nagjax.tabular.read_tabular``), which brings costs and qualities.
      table: the device table, or its path; a folder where its format has several files.
      predictor: a predictor, or the path of one.
      records: labelled architectures, or the path of a .csv or .parquet file of them: a predictor is fitted to them, or
        ``predictor`` is tested on them.
      quality: how good architectures are, in place of both.
      costs: names of the cost columns: ``latency_ms`` from the table, ``madds`` and ``params`` from shapes; by default
        latency where there is a table. A benchmark's own come first.
      where: conditions as ``Space.where`` takes them.
      cost_quantile: prices have headroom for this share of the networks that the table was validated on.
      pessimism: the objective is mean - pessimism * std of the predictor.
      device_format: registered name of the table's format, or ``"auto"`` to tell it by a look.
      predictor_format: the same of the predictor's.
      text_column: column of the file of records: architecture as text.
      quality_column: its column of quality.
      quality_unit: ``"fraction"`` (0 to 1) or ``"percent"``.
      duplicate_tolerance: rows of one architecture are averaged where qualities differ by at most this fraction.
      units_are_right: percentages below 1 among larger ones are right; without it they are refused as fractions.
      predictor_kind: how a predictor is fitted: mlp, gp, ridge, auto, or a plugin's kind.
      predictor_settings: settings of that kind; those left out keep their defaults.
      fit_seed: of the random numbers of that fit.
      num_labels: draw so many of a benchmark's qualities and predict the others from them; 0 looks all up.
      labels_seed: of that draw.

    Raises:
      ValueError: for anything that is wrong in files or arguments; it names file, row or argument, and the remedy.
    """
    found = of if isinstance(of, Tabular) else None
    on = found.space if found is not None else of
    if not isinstance(on, Space):
        raise ValueError(f"problem: {type(of).__name__} is not a space; give nagjax.space(NAME) or a tabular benchmark")
    allowed = on.where(where or {})
    priced_by = _table(table, on, device_format)
    whole, kind = on if found is None else found.whole, make(predictor_kind, predictor_settings)
    own = [] if found is None else list(found.prices)
    prices = [*own, *_prices(costs, priced_by, on, cost_quantile, allowed, bool(own))]
    if isinstance(records, str | Path):
        records = read_records(
            records, whole, text_column, quality_column, quality_unit, (), duplicate_tolerance, units_are_right
        )
    if isinstance(predictor, str | Path):
        predictor = read_any_predictor(predictor, whole, predictor_format)
    _refuse_two(quality, predictor, records, num_labels)
    fitted = None
    if quality is None:
        fitted = _fitted(whole, found, predictor, records, kind, fit_seed, num_labels, labels_seed)
    known, report = _known(quality, found, fitted)
    listing = None if found is None else found.listing
    made, description = make_problem(on, prices, known, where, pessimism, report, listing=listing)
    judge = None
    if fitted is not None and found is not None and found.quality is not None:
        judge = dataclasses.replace(made, quality=found.quality)
    return Setup(on, made, description, priced_by, fitted, judge)


def read_device_table(path: str | Path, on: Space, device_format: str = "auto") -> DeviceTable:
    """A device table from a file, or a folder of files, in the units of the library.

    Raises:
      ValueError: if it cannot be read; the message names file, row and remedy.
    """
    foreign = device_format not in ("auto", *BUILT_IN) and device_format in plugins.names("device_formats")
    own = {device_format: plugins.load("device_formats", device_format)} if foreign else {}
    return read_table(Path(path), on.operators, device_format, own)


def read_any_predictor(path: str | Path, on: Space, predictor_format: str = "auto") -> FittedPredictor:
    """A predictor from a file.

    Raises:
      ValueError: if it cannot be read; the message names the file and the remedy.
    """
    return read_predictor(Path(path), on, predictor_format, foreign(predictor_format))


def _table(table: str | Path | DeviceTable | None, on: Space, device_format: str) -> DeviceTable | None:
    if table is None or isinstance(table, DeviceTable):
        return table
    return read_device_table(table, on, device_format)


def _prices(
    costs: Sequence[str] | None, table: DeviceTable | None, on: Space, quantile: float | None, allowed: Any,
    measured: bool,
) -> list[Prices]:  # fmt: skip
    if costs is None:
        costs = () if measured and table is None else (LATENCY,)
    names = [name.removesuffix("_m") for name in costs]
    for name in names:
        if name != LATENCY and name not in ANALYTIC:
            near = nearest(name, (LATENCY, *ANALYTIC))
            hint = f"did you mean {near!r}? " if near else ""
            raise ValueError(f"costs: {name!r} is not a cost column; {hint}known: {LATENCY}, {', '.join(ANALYTIC)}")
    if len(set(names)) < len(names) or (not names and not measured):
        raise ValueError(f"costs={list(costs)}: name each cost column once, and at least one")
    if LATENCY in names and table is None:
        raise ValueError(f"costs: {LATENCY} needs a device table: give table=, or costs=['madds']")
    if quantile is not None and LATENCY not in names:
        raise ValueError(f"cost_quantile={quantile:g} is of latencies priced by a table; none is given")
    return [
        price(table, on, LATENCY, quantile, allowed) if name == LATENCY and table is not None else analytic(on, name)
        for name in names
    ]


def _refuse_two(
    quality: Form | None, predictor: FittedPredictor | None, records: Records | None, num_labels: int
) -> None:
    """Refuse two sources of quality; records may test a predictor."""
    given = {"quality": quality, "predictor": predictor, "records": records, "num_labels": num_labels or None}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1 and names != ["predictor", "records"]:
        shown = " and ".join(f"{name}=" for name in names)
        raise ValueError(f"problem: {shown} all say how good architectures are; leave all but one out")


def _fitted(
    whole: Space, found: Tabular | None, predictor: FittedPredictor | None, records: Records | None, kind: Kind,
    seed: int, num_labels: int, labels_seed: int,
) -> FittedPredictor | None:  # fmt: skip
    """The predictor that arguments name; None where a benchmark is looked up."""
    if predictor is not None:
        if records is None:
            return predictor
        from nagjax.predictors.fit import tested  # fitting loads SciPy and optax, which few problems need

        return tested(predictor, records, whole)
    if records is not None:
        return fit(kind, whole, records, seed)
    if found is None:
        raise ValueError(
            "problem: nothing says how good an architecture is: give records= (labelled architectures), predictor=, "
            "quality=, or a tabular benchmark in place of the space"
        )
    if num_labels or found.quality is None:
        labelled = draw(found.labelled, num_labels, labels_seed) if num_labels else found.labelled
        return fit(kind, whole, labelled, seed)
    return None


def _known(
    quality: Form | None, found: Tabular | None, fitted: FittedPredictor | None
) -> tuple[Any, Mapping[str, Any]]:
    """The quality of a problem, and what is known of its error."""
    if quality is not None:
        return quality, {}
    if fitted is None:
        return (None, {}) if found is None else (found.quality, found.report)
    report = fitted.report if found is None else predicted_report(found, fitted)
    return fitted.predictor, report
