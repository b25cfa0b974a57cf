"""The front door: from names, files and settings to a problem, and from a problem to a trained generator.

Each function puts parts of the library together that can be had one by one; the jobs are shells over the same parts::

    space = nagjax.space("ofa_mobilenet_v3", width=1.2)
    problem = nagjax.problem(space, table="note10/", predictor="accuracy_predictor.npz")
    generator = nagjax.train(problem, controller="nag", steps=12_000, seed=0)
    generator.save("runs/note10")
    generator.generate(budgets_ms=[15, 20, 30])
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from nagjax import checkpoint, controllers, plugins
from nagjax.controllers import Artefact, Controller, Limits, Moment
from nagjax.devices.formats import BUILT_IN, read_table
from nagjax.devices.pricing import ANALYTIC, Prices, analytic, price
from nagjax.devices.table import DeviceTable
from nagjax.inference.generator import Generator, Training
from nagjax.names import nearest
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import DEFAULT, fit, make
from nagjax.predictors.predictor import FittedPredictor
from nagjax.predictors.readers import foreign, read_predictor
from nagjax.predictors.records import Records, draw, read_records
from nagjax.problems import Description, Problem, make_problem
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular, predicted_report

LATENCY = "latency_ms"


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A problem and what it was built from.

    Attributes:
      space: the search space.
      problem, description: see ``nagjax.problems``.
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
    made = checked_call(plugins.load("spaces", name), f"space {name}", settings)
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
      records: labelled architectures, or the path of a .csv or .parquet file of them: a predictor is fitted to them.
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
        raise ValueError(f"problem: {type(of).__name__} is no space; give nagjax.space(NAME) or a tabular benchmark")
    allowed = on.where(where or {})
    priced_by = _table(table, on, device_format)
    own = [] if found is None else list(found.prices)
    prices = [*own, *_prices(costs, priced_by, on, cost_quantile, allowed, bool(own))]
    fitted = None
    if quality is None:
        fitted = _fitted(on, found, predictor, records, predictor_format, text_column, quality_column, quality_unit,
                         make(predictor_kind, predictor_settings), fit_seed, num_labels, labels_seed)  # fmt: skip
    known, report = _known(quality, found, fitted)
    listing = None if found is None else found.listing
    made, description = make_problem(on, prices, known, where, pessimism, report, listing=listing)
    judge = None
    if fitted is not None and found is not None and found.quality is not None:
        judge = dataclasses.replace(made, quality=found.quality)
    return Setup(on, made, description, priced_by, fitted, judge)


def train(
    setup: Setup,
    controller: str = "nag",
    *,
    steps: int = 2000,
    seed: int = 0,
    max_seconds: float | None = None,
    sizes: Mapping[str, Any] | None = None,
    params: Mapping[str, float] | None = None,
    chunk: int = 25,
    resume: str | Path | None = None,
    start: str | Path | None = None,
    on_chunk: Callable[[Moment], None] | None = None,
    progress: bool = True,
) -> Generator:
    """Train a generator of architectures.

    Args:
      setup: from ``problem``.
      controller: registered name of the search method.
      steps: updates; fewer where ``max_seconds`` ends them.
      seed: of the random numbers; the same one gives the same generator, chunk by chunk, as the job does.
      max_seconds: end after this time, compilation not counted.
      sizes: static settings of the controller.
      params: swept values of the controller.
      chunk: updates between two looks.
      resume: folder that ``Generator.save`` or the job wrote, with fewer updates done: training goes on from there.
      start: folder of another run on the same space, whose state is scored anew under this problem to begin with.
      on_chunk: called after each chunk; an exception it raises ends training.
      progress: show a bar.

    Returns:
      A generator, which also holds what is needed to save it and to go on.

    Raises:
      ValueError: if a name, size or parameter is unknown or out of range, or a folder is of another run.
    """
    made = make_controller(controller, setup, sizes or {})
    swept = controllers.resolve_params(made, params)
    limits = Limits(steps, max_seconds, chunk)
    state, step, seconds = _begin(made, setup, seed, swept, resume, start)
    metrics: dict[str, list[float]] = {}
    with _Bar(shown=progress) as bar:

        def looked(moment: Moment) -> None:
            bar.update(moment)
            for name, value in moment.row.items():
                metrics.setdefault(name, []).append(value)
            if on_chunk is not None:
                on_chunk(moment)

        last = controllers.train(made, setup.problem, state, seed, limits, swept, step, seconds, looked)
    artefact: Artefact = controllers.artefact(made, last.state, setup.problem)
    training = Training(made, swept, last.state, last.step, {"seed": seed, "seconds": last.seconds}, metrics)
    return Generator(artefact, setup.problem, setup.description, {}, training)


def make_controller(name: str, setup: Setup, sizes: Mapping[str, Any]) -> Controller:
    """The controller registered under a name, for a problem.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested), or refuses a size.
    """
    made = checked_call(plugins.load("controllers", name), f"controller {name}", sizes, setup.problem.spec)
    found: Controller = plugins.expect("controllers", name, made, Controller)
    return found


def warm_start(folder: str | Path, controller: Controller, setup: Setup, ignore_hash: bool = False) -> Any:
    """The state of another run's last checkpoint, scored anew under this problem.

    Raises:
      ValueError: if the run was on other decisions or with another controller.
    """
    wanted = setup.space
    written = checkpoint.read_config(folder, ignore_hash=ignore_hash)["space"]
    if (written["name"], written["version"]) != (wanted.name, wanted.version):
        raise ValueError(
            f"{folder}: was trained on {written['name']} version {written['version']}, this run is on "
            f"{wanted.name} version {wanted.version}; start from a run on the same space"
        )
    if plugins.load("spaces", written["name"])(**written["settings"]).decisions != wanted.decisions:
        raise ValueError(
            f"{folder}: was trained on decisions or choices other than those of {wanted.identity}, so its "
            "tokens mean something else; start from a run with the same ones"
        )
    state, _, _ = checkpoint.read_state(folder, controller, template(controller, setup), ignore_hash=ignore_hash)
    return controllers.rebase(controller, state, setup.problem)


def template(controller: Controller, setup: Setup) -> Any:
    """Shapes of the controller's state, without computing one."""
    return jax.eval_shape(lambda: controllers.init(controller, setup.problem, 0))


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


def checked_call(make: Any, what: str, given: Mapping[str, Any], *arguments: Any) -> Any:
    """``make(*arguments, **given)``, with an error that lists the settings where one is not known.

    Raises:
      ValueError: if a setting is not known, or ``make`` refuses its value.
    """
    parameters = inspect.signature(make).parameters.values()
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    names = [p.name for p in list(parameters)[len(arguments) :] if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for key in given:
        if key not in names and not free:
            near = nearest(key, names)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise ValueError(f"{what} has no setting {key!r}{hint}; known: {', '.join(sorted(names)) or 'none'}")
    _check_numbers(what, given, {p.name: p.annotation for p in parameters})
    try:
        return make(*arguments, **given)
    except (TypeError, plugins.PluginError) as error:
        if not given or not isinstance(error.__cause__ or error, TypeError):
            raise
        shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise ValueError(f"{what} refuses its settings {shown}: {error}") from error


def _check_numbers(what: str, given: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
    """A float where the signature has an integer, or text where it has a number, is refused by name."""
    for key, value in given.items():
        wanted = {"int": (int,), int: (int,), "float": (int, float), float: (int, float)}.get(annotations.get(key))
        if wanted and (isinstance(value, bool) or not isinstance(value, wanted)):
            raise ValueError(f"{what}: {key}={value!r}: must be {'an integer' if wanted == (int,) else 'a number'}")


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


def _fitted(
    on: Space, found: Tabular | None, predictor: str | Path | FittedPredictor | None,
    records: str | Path | Records | None, predictor_format: str, text_column: str, quality_column: str,
    quality_unit: str, kind: Kind, seed: int, num_labels: int, labels_seed: int,
) -> FittedPredictor | None:  # fmt: skip
    """The predictor that arguments name; None where a benchmark is looked up."""
    whole = on if found is None else found.whole
    if predictor is not None:
        if records is not None or num_labels:
            raise ValueError("problem: predictor= and records= (or num_labels=) both say how good architectures are")
        return (
            predictor
            if isinstance(predictor, FittedPredictor)
            else read_any_predictor(predictor, whole, predictor_format)
        )
    if records is not None:
        known = (
            records
            if isinstance(records, Records)
            else read_records(records, whole, text_column, quality_column, quality_unit)
        )
        return fit(kind, whole, known, seed)
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


def _begin(
    controller: Controller, setup: Setup, seed: int, params: Mapping[str, Any], resume: str | Path | None,
    start: str | Path | None,
) -> tuple[Any, int, float]:  # fmt: skip
    if resume is not None:
        state, step, run = checkpoint.read_state(resume, controller, template(controller, setup))
        if run["seed"] != seed:
            raise ValueError(f"{resume}: was begun with seed={run['seed']}, seed={seed} is given; give the same one")
        return state, step, float(run["seconds"])
    if start is not None:
        return warm_start(start, controller, setup), 0, 0.0
    return controllers.init(controller, setup.problem, seed, params), 0, 0.0


class _Bar:
    """A progress bar of a training; numbers alone stand in it."""

    def __init__(self, shown: bool) -> None:
        from rich.progress import Progress

        self._bar = Progress(disable=not shown, transient=True)
        self._task = self._bar.add_task("compiling", total=1.0)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, moment: Moment) -> None:
        rate = moment.step / max(moment.seconds, 1e-9)
        text = f"{moment.step} of {moment.limits.steps} steps, {rate:.1f}/s"
        self._bar.update(self._task, completed=moment.progress, description=text)
