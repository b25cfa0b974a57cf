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

import jax
import numpy as np

from nagjax import arguments, plugins, several_devices
from nagjax.devices.formats import read_device_table
from nagjax.devices.measured import with_networks
from nagjax.devices.pricing import ANALYTIC, LATENCY, TOKEN, Prices, analytic, column_name, price
from nagjax.devices.table import DeviceTable
from nagjax.learned.fit import KIND as COST_KIND
from nagjax.learned.fit import LEVEL, LearnedCost, learn_cost
from nagjax.learned.fit import SETTINGS_OF as COST_SETTINGS
from nagjax.learned.measured import Measured, read_measured
from nagjax.names import suggestion
from nagjax.predictors.fitted import FittedPredictor, tested
from nagjax.predictors.formats.readers import foreign, read_predictor
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import DEFAULT, fit, load, make
from nagjax.predictors.records.columns import read_labelled
from nagjax.predictors.records.labels import Labels
from nagjax.predictors.records.records import Records, draw, read_texts
from nagjax.problems.build import make_problem
from nagjax.problems.finer import finer
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import pruning
from nagjax.spaces.space import Space, check_conditions
from nagjax.spaces.trellis import walk
from nagjax.tabular import Tabular, predicted_report, slip, unit_of


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A problem and what it was built from.

    Attributes:
      space: the search space.
      problem, description: see ``nagjax.problems.problem``.
      table: the device table; None where no cost column needs one.
      token_table: the device table of single tokens, likewise.
      quality: the predictor and what is known of its error; None where quality is looked up.
      judge: the problem with the measured quality of all, where ``problem`` has a predicted one; None where that is not
        known.
      learned: costs that were learned from measured networks, by column; of several devices by ``"DEVICE: COLUMN"``.
      devices: the tables by device, where there are several; ``quality`` is then of the space behind the device.
    """

    space: Space
    problem: Problem
    description: Description
    table: DeviceTable | None
    quality: FittedPredictor | None
    judge: Problem | None = None
    devices: Mapping[str, DeviceTable] = dataclasses.field(default_factory=dict)
    learned: Mapping[str, LearnedCost] = dataclasses.field(default_factory=dict)
    token_table: DeviceTable | None = None

    def __repr__(self) -> str:
        """A line: what it is of, not its arrays."""
        return f"{type(self).__name__}({self.description.summary})"


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
    table: str | Path | DeviceTable | Mapping[str, str | Path | DeviceTable] | None = None,
    *,
    token_table: str | Path | DeviceTable | None = None,
    predictor: str | Path | FittedPredictor | None = None,
    records: str | Path | Records | None = None,
    quality: Form | None = None,
    costs: Sequence[str] | None = None,
    measured: str | Path | Measured | Mapping[str, str | Path | Measured] | None = None,
    measured_columns: Mapping[str, str] | None = None,
    cost_kind: str | None = None,
    cost_settings: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    prune: str | Path | None = None,
    cost_quantile: float | None = None,
    quality_change: Mapping[str, float] | None = None,
    pessimism: float = 0.0,
    device_format: str = "auto",
    predictor_format: str = "auto",
    text_column: str = "architecture",
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    duplicate_tolerance: float = 0.0,
    units_are_right: bool = False,
    predictor_kind: str | None = None,
    predictor_settings: Mapping[str, Any] | None = None,
    fit_seed: int = 0,
    num_labels: int = 0,
    labels_seed: int = 0,
) -> Setup:
    """A problem: a space, what its architectures cost, and how good they are.

    Args:
      of: the space; or a tabular benchmark (``nagjax.tabular.read_tabular``), which brings costs and qualities.
      table: the device table, or its path; a folder where its format has several files. Of several devices a dict of
        them by name: the device is then the first decision of the space, and is given with every budget.
      token_table: the device table of one more token of a text (``column`` is ``token_ms``), or its path.
      predictor: a predictor, or the path of one.
      records: labelled architectures, or the path of a .csv or .parquet file of them: a predictor is fitted to them, or
        ``predictor`` is tested on them.
      quality: how good architectures are, in place of both.
      costs: names of the cost columns: ``latency_ms`` and ``token_ms`` from the tables, ``madds``, ``params`` and what
        the space counts itself from shapes; by default those that have a table. A benchmark's own come first, then
        those that are learned.
      measured: whole networks that were measured, or the path of a .csv or .parquet file of them. Without a table costs
        are learned from them; the table's sums are corrected by half of them and judged on the others. Of several
        devices a dict of them by name, as of tables, and without tables.
      measured_columns: column of that file for each cost, whose name ends in its unit; latency_ms of its own name where
        it is left out.
      cost_kind: how costs are learned, a kind of predictor whose values add up over edges, or residual; additive by
        default.
      cost_settings: settings of that kind.
      where: conditions as ``Space.where`` takes them.
      prune: path of a file of closed choices (``nagjax.spaces.pruning``): more conditions, and pairs of choices.
      cost_quantile: prices have headroom for this share of the networks that the table was validated on. Of learned
        costs always: 0.95 where it is left out.
      quality_change: what quality gains on some of several devices, fractions by name: ``{"int8": -0.004}`` where that
        table is of networks in 8 bits. Devices are then known by name, and no other is served.
      pessimism: the objective is mean - pessimism * std of the predictor.
      device_format: registered name of the table's format, or ``"auto"`` to tell it by a look.
      predictor_format: the same of the predictor's.
      text_column: column of the file of records: architecture as text. Beside a benchmark whose columns are the
        decisions the file may have those columns instead.
      quality_column: its column of quality.
      quality_unit: ``"fraction"`` (0 to 1) or ``"percent"``.
      duplicate_tolerance: rows of one architecture are averaged where qualities differ by at most this fraction.
      units_are_right: percentages below 1 among larger ones are right; without it they are refused as fractions.
      predictor_kind: how a predictor is fitted: mlp (the default), gp, ridge, auto, or a plugin's kind.
      predictor_settings: settings of that kind; those left out keep their defaults.
      fit_seed: of the random numbers of that fit.
      num_labels: draw so many of a benchmark's qualities and predict the others from them; 0 looks all up.
      labels_seed: of that draw.

    Raises:
      ValueError: for anything that is wrong in files or arguments; it names file, row or argument (``costs=``), and the
        remedy.
    """
    found = of if isinstance(of, Tabular) else None
    on = found.space if found is not None else of
    if not isinstance(on, Space):
        raise ValueError(f"problem: {type(of).__name__} is not a space; give nagjax.space(NAME) or a tabular benchmark")
    whole = on if found is None else found.whole
    several = several_devices.names(table, measured)
    gains = several_devices.changes(quality_change, several)
    if several is not None:
        named = None if costs is None else cost_names(costs, on)
        several_devices.refuse(found is not None, named, isinstance(table, Mapping), cost_kind or COST_KIND)
    # What arguments alone can tell is refused before large files are read.
    _refuse_two(quality, predictor, records, found, num_labels)
    _refuse_kind(quality, predictor, records, found, num_labels, predictor_kind, predictor_settings)
    kind = chosen_kind(predictor_kind, predictor_settings)
    measured_by = _measured_columns(measured, measured_columns, cost_kind, cost_settings, found)
    cost = _cost_kind(cost_kind, cost_settings)
    check_conditions(where or {})
    where, pairs = _pruned(where or {}, prune, on, several is None and found is None)
    own = {name: value for name, value in where.items() if not (several and name == several_devices.DEVICE)}
    allowed = on.where(own)
    tables = _read_tables(table, on, device_format)
    by_token = _read_token_table(token_table, several is None, on, device_format)
    networks = _networks(measured, on, measured_by, text_column)
    if tables and "" in networks:
        tables = {name: _corrected(one, on, networks[""], allowed) for name, one in tables.items()}
    learned_names = () if tables or not networks else tuple(next(iter(networks.values())).costs)
    # Before anything is fitted: what they refuse is told at once.
    others = {
        device: _prices(costs, tables.get(device), by_token, on, found, cost_quantile, allowed, learned_names)
        for device in several or ("",)
    }
    if isinstance(records, str | Path):
        labels = Labels(quality_column, quality_unit, (), duplicate_tolerance, units_are_right)
        read = read_labelled if whole.name == "tabular" else read_texts
        records = read(records, whole, text_column, labels)
    if isinstance(predictor, str | Path):
        predictor = read_predictor(Path(predictor), whole, predictor_format, foreign(predictor_format))
    fitted = predictor if records is None else _with_records(whole, predictor, records, kind, fit_seed)
    if fitted is None and quality is None and found is not None and (num_labels or found.quality is None):
        fitted = _fitted_to_some(found, kind, fit_seed, num_labels, labels_seed, quality_column)
    known, report = _known(quality, found, fitted)
    level = LEVEL if cost_quantile is None else 1 - cost_quantile
    learned = {
        (device, name): learn_cost(
            on, networks[device], name, unit_of(name), kind=cost, level=level, quality=known, allowed=allowed,
            seed=fit_seed,
        )
        for device in networks for name in learned_names
    }  # fmt: skip
    columns = {
        device: [*(learned[device, name].prices for name in learned_names), *priced]
        for device, priced in others.items()
    }
    if several is None:
        prices = columns[""]
    else:
        on, known, prices = several_devices.put_before(on, known, columns, list(tables.values()), gains)
    listing = None if found is None else found.listing
    made, description = make_problem(on, prices, known, where, pessimism, report, listing=listing)
    if pairs:
        on, left = pruning.apart(on, pairs)
        made, description = finer(made, description, on, left)
    judge = None
    if fitted is not None and found is not None and found.quality is not None:
        judge = dataclasses.replace(made, quality=found.quality)
    alone, devices = (None, tables) if several else (tables.get(""), {})
    told = {f"{device}: {name}" if several else name: one for (device, name), one in learned.items()}
    return Setup(on, made, description, alone, fitted, judge, devices, told, by_token)


def _pruned(
    where: Mapping[str, Any], prune: str | Path | None, on: Space, alone: bool
) -> tuple[dict[str, Any], list[pruning.Pair]]:
    """Conditions with what a file of closed choices adds, and the pairs that it closes.

    Raises:
      ValueError: if it cannot be read, or has pairs where there are several devices or a benchmark, not ``alone``.
    """
    closed, pairs = ({}, []) if prune is None else pruning.read(prune, on)
    if pairs and not alone:
        raise ValueError(
            f"prune={prune}: pairs of choices (together) are closed for one device, and not in a benchmark's list of "
            "architectures; leave them out of the file, or close single choices"
        )
    return pruning.both(where, closed), pairs


def chosen_kind(name: str | None, settings: Mapping[str, Any] | None = None) -> Kind:
    """The kind of predictor that arguments name; None is the default.

    Raises:
      ValueError: if the kind or a setting is not known, or a value is of another type or out of range.
    """
    try:
        load(name or DEFAULT)
    except ValueError as error:
        raise ValueError(f"predictor_kind: {error}") from None
    try:
        return make(name or DEFAULT, settings)
    except ValueError as error:
        raise ValueError(f"predictor_settings: {error}") from None


def flat(on: Space) -> Linear:
    """A quality that knows nothing: all architectures are equal."""
    num = len(on.feature_names)
    return Linear(*jax.device_put((np.zeros(num, np.float32), np.float32(0.5), np.ones(num, bool))))


def cost_names(costs: Sequence[str], on: Space | None = None) -> list[str]:
    """Names of cost columns that are not a benchmark's own, without their unit.

    Args:
      costs: names with or without it.
      on: the space, which may count costs of its own.

    Raises:
      ValueError: if one is not known, with the nearest.
    """
    counts = {**ANALYTIC, **(on.counts if on is not None else {})}
    plain = {column_name(name, count): name for name, count in counts.items()}
    given = arguments.names(costs, "costs")
    names, known = [plain.get(name.strip(), name.strip()) for name in given], (LATENCY, TOKEN, *counts)
    for name in names:
        if name not in known:
            hint = suggestion(name, known)
            raise ValueError(f"costs: {name!r} is not a cost column{hint}; known: {', '.join(known)}")
    return names


def _prices(
    costs: Sequence[str] | None, table: DeviceTable | None, by_token: DeviceTable | None, on: Space,
    found: Tabular | None, quantile: float | None, allowed: np.ndarray, learned: Sequence[str],
) -> list[Prices]:  # fmt: skip
    """The measured costs of a benchmark, then those that arguments name; the first is the one that reports plot."""
    own = [] if found is None else list(found.prices)
    given = {LATENCY: table, TOKEN: by_token}
    tables = {name: one for name, one in given.items() if one is not None}
    if costs is None:
        costs = tuple(tables) or (() if own or learned else (LATENCY,))
    names = [name for name in cost_names(costs, on) if name not in learned]
    known = (*given, *ANALYTIC, *on.counts)
    if LATENCY in names and table is None:
        raise ValueError(
            f"costs: {LATENCY} needs a device table: give table=FILE, measured=FILE (whole networks), costs=madds, or "
            "the cost_columns= of a benchmark"
        )
    if TOKEN in names and by_token is None:
        raise ValueError(f"costs: {TOKEN} needs a device table of one more token of a text: give token_table=FILE")
    if len(set(names)) < len(names) or not (names or own or learned):
        raise ValueError(f"costs={','.join(costs)}: name each cost column once, and at least one: {', '.join(known)}")
    if quantile is not None and not set(given) & set(names) and not learned:
        raise ValueError(f"cost_quantile={quantile:g} is of latencies priced by a table=FILE: add {LATENCY} to costs=")
    priced = [
        price(tables[name], on, name, quantile, allowed) if name in tables else analytic(on, name) for name in names
    ]
    for name in {column.name for column in own} & {column.name for column in priced}:
        raise ValueError(f"costs: {name} is measured (cost_columns=) and priced (table=, costs=): leave one out")
    return own + priced


def _networks(
    measured: str | Path | Measured | Mapping[str, str | Path | Measured] | None, on: Space,
    columns: Mapping[str, str], text_column: str,
) -> dict[str, Measured]:  # fmt: skip
    """Measured networks by device, read where a path says where they are; of one alone under the empty name.

    Raises:
      ValueError: if one cannot be read, or devices were measured for different costs.
    """
    given = measured if isinstance(measured, Mapping) else {} if measured is None else {"": measured}
    found = {
        name: one if isinstance(one, Measured) else read_measured(one, on, columns, text_column)
        for name, one in given.items()
    }
    costs = {name: list(one.costs) for name, one in found.items()}
    if any(one != next(iter(costs.values())) for one in costs.values()):
        raise ValueError(f"measured: devices differ in their costs, {costs}; give each the same")
    return found


def _measured_columns(
    measured: object, columns: Mapping[str, str] | None, kind: str | None, settings: Mapping[str, Any] | None,
    found: Tabular | None,
) -> dict[str, str]:  # fmt: skip
    """Column of the measured file for each cost.

    Raises:
      ValueError: if nothing is measured and an argument says how, or a cost's name does not end in its unit.
    """
    given = {"measured_columns": columns, "cost_kind": kind, "cost_settings": settings}
    for name, value in given.items():
        if value and measured is None:
            raise ValueError(f"{name}: nothing is learned from measured networks: give measured=FILE, or leave it out")
    if measured is not None and found is not None:
        raise ValueError("measured: a benchmark brings its own costs (cost_columns=): leave measured= out")
    if isinstance(measured, Measured):
        return {name: name for name in measured.costs}
    columns = dict(columns or {LATENCY: LATENCY})
    for name in columns:
        unit_of(name)
    return columns


def _cost_kind(name: str | None, settings: Mapping[str, Any] | None) -> Kind:
    """The kind that costs are learned by.

    Raises:
      ValueError: if the kind or a setting is not known, or a value is of another type or out of range.
    """
    given = {**COST_SETTINGS.get(name or COST_KIND, {}), **(settings or {})}
    try:
        return make(name or COST_KIND, given)
    except ValueError as error:
        raise ValueError(f"cost_kind: {error}") from None


def _corrected(table: DeviceTable, on: Space, measured: Measured, allowed: np.ndarray) -> DeviceTable:
    """The table with its sums corrected by half of the measured networks, if any, and judged on the others.

    Raises:
      ValueError: if the networks have no latency, or latencies do not rise with the sums at all.
    """
    if not measured.costs:
        return table
    if list(measured.costs) != [LATENCY]:
        raise ValueError(
            f"measured_columns: beside a table measured networks say what {LATENCY} they take, not "
            f"{', '.join(measured.costs)}; leave table= out to learn such costs"
        )
    try:
        plain = price(dataclasses.replace(table, correction=None, validation=()), on, allowed=allowed)
        _, priced = walk(on.trellis.target, plain.open_edges, measured.tokens)
        fine = np.flatnonzero(priced & ~np.isnan(measured.costs[LATENCY]))
        return with_networks(table, on, measured.tokens[fine], measured.costs[LATENCY][fine], allowed=allowed)
    except ValueError as error:
        raise ValueError(f"{measured.source} beside {table.source or table.device}: {error}") from None


def _read_tables(
    table: str | Path | DeviceTable | Mapping[str, str | Path | DeviceTable] | None, on: Space, device_format: str
) -> dict[str, DeviceTable]:
    """The tables by device; one alone under the empty name."""
    given = table if isinstance(table, Mapping) else {} if table is None else {"": table}
    return {
        name: one if isinstance(one, DeviceTable) else read_device_table(one, on, device_format)
        for name, one in given.items()
    }


def _read_token_table(
    table: str | Path | DeviceTable | None, of_one: bool, on: Space, device_format: str
) -> DeviceTable | None:
    """The table of one more token; of several devices there is none.

    Raises:
      ValueError: if there is one all the same, or it cannot be read.
    """
    if table is not None and not of_one:
        raise ValueError("token_table: is of one device, and several are given; leave it out")
    return _read_tables(table, on, device_format).get("")


def _refuse_two(
    quality: Form | None, predictor: object, records: object, found: Tabular | None, num_labels: int
) -> None:
    """Refuse two sources of quality; records may test a predictor."""
    given = {"quality": quality, "predictor": predictor, "records": records, "num_labels": num_labels or None}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1 and names != ["predictor", "records"]:
        shown = " and ".join(f"{name}=" for name in names)
        raise ValueError(f"problem: {shown} all say how good architectures are; leave all but one out")
    if num_labels and found is None:
        raise ValueError(
            f"num_labels={num_labels} draws from a benchmark's qualities: give benchmark=FILE, in Python "
            "nagjax.read_tabular(FILE, ...) in place of the space"
        )


def _refuse_kind(
    quality: Form | None, predictor: object, records: object, found: Tabular | None, num_labels: int,
    kind: str | None, settings: Mapping[str, Any] | None,
) -> None:  # fmt: skip
    """Refuse a kind, or settings of one, where nothing is fitted."""
    if quality is not None or predictor is not None:
        why = "quality= or predictor= says how good architectures are"
    elif found is not None and found.quality is not None and not (num_labels or records is not None):
        why = "every row of the benchmark has a quality that is looked up (num_labels=N fits to N of them)"
    else:
        return
    for name, value in (("predictor_kind", kind), ("predictor_settings", settings)):
        if value:
            raise ValueError(f"{name}: nothing is fitted, {why}: leave it out")


def _with_records(
    whole: Space, predictor: FittedPredictor | None, records: Records, kind: Kind, seed: int
) -> FittedPredictor:
    """The predictor that is given, tested on records, or one that is fitted to them."""
    return fit(kind, whole, records, seed) if predictor is None else tested(predictor, records, whole)


def _fitted_to_some(
    found: Tabular, kind: Kind, seed: int, num_labels: int, labels_seed: int, quality_column: str
) -> FittedPredictor:
    """A predictor fitted to what is labelled of a benchmark, or to a draw of it.

    Raises:
      ValueError: if nothing is labelled, or less than is to be drawn.
    """
    if not len(found.labelled.quality):
        raise ValueError(
            f"{found.labelled.source}: no row has a quality in column {quality_column!r}; write some, or give "
            "records=FILE"
        )
    if num_labels:
        return fit(kind, found.whole, draw(found.labelled, num_labels, labels_seed), seed)
    fitted = fit(kind, found.whole, found.labelled, seed)
    return dataclasses.replace(fitted, report={**slip(found), **fitted.report})


def _known(
    quality: Form | None, found: Tabular | None, fitted: FittedPredictor | None
) -> tuple[Form, Mapping[str, Any]]:
    """The quality of a problem, and what is known of its error."""
    if quality is not None:
        return quality, {}
    if fitted is not None:
        return fitted.predictor, fitted.report if found is None else predicted_report(found, fitted)
    if found is None or found.quality is None:
        raise ValueError(
            "nothing says how good an architecture is: give records=FILE (labelled architectures), predictor=FILE, or "
            "a benchmark in which every architecture is measured"
        )
    return found.quality, found.report
