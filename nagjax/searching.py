"""From a space and a way to evaluate to a problem whose predictor has seen what it had to see.

A shell over ``nagjax.rounds``; the job ``experiments.search`` is another one, with flags and a report::

    found = nagjax.search(space, "command", table="table.json", folder="runs/mine",
                          evaluator_settings={"command": "python evaluate.py"}, evaluations=300)
    generator = nagjax.train(found.setup)
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import arguments, durable, posing, rounds
from nagjax.devices.measured import with_networks
from nagjax.devices.pricing import LATENCY
from nagjax.devices.table import DeviceTable
from nagjax.evaluators import evaluator as evaluators
from nagjax.evaluators.evaluator import Evaluator
from nagjax.evaluators.journal import Evaluations, Journal
from nagjax.evaluators.pool import open_pool
from nagjax.learned.measured import Measured
from nagjax.posing import Setup
from nagjax.predictors.kinds import registry as kinds
from nagjax.proposers import proposer as proposers
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular

RECORD, EVALUATIONS = "search.json", "evaluations.csv"
_LOG = logging.getLogger(__name__)

KIND = "gp"
"""The kind that is fitted between rounds unless another is named: it has a deviation of its own."""
SINCE: Mapping[str, Mapping[str, Any]] = {kind: {"features": "plain"} for kind in (KIND, "additive")}
"""What searches from before a kind had a setting were made with."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a search gave.

    Attributes:
      setup: a problem to train a generator on: what was evaluated is told as it is, all else predicted. Its latencies
        are corrected by those that came with the truth.
      evaluations: all of them, failed ones too.
    """

    setup: Setup
    evaluations: Evaluations


def search(
    of: Space | Tabular,
    evaluator: str | Evaluator,
    table: str | Path | DeviceTable | None = None,
    *,
    folder: str | Path,
    evaluator_settings: Mapping[str, Any] | None = None,
    token_table: str | Path | DeviceTable | None = None,
    costs: Sequence[str] | None = None,
    measured: Measured | str | Path | None = None,
    measured_columns: Mapping[str, str] | None = None,
    cost_kind: str | None = None,
    cost_settings: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    cost_quantile: float | None = None,
    device_format: str = "auto",
    evaluations: int = 300,
    start: int = 25,
    per_round: int | None = None,
    retries: int = 1,
    predictor_kind: str = KIND,
    predictor_settings: Mapping[str, Any] | None = None,
    proposer: str = proposers.DEFAULT,
    proposer_settings: Mapping[str, Any] | None = None,
    executor: str | Executor = "inline",
    workers: int | None = None,
    pessimism: float = 1.0,
    seed: int = 0,
    on_evaluation: Callable[[Evaluations, int], None] = lambda *_: None,
) -> Found:
    """Evaluate architectures in rounds, over the whole range of budgets.

    Args:
      of: the space; or a tabular benchmark, which brings costs.
      evaluator: the truth: ``command``, ``supernet``, ``alone``, ``table``, a plugin's, or one made in Python.
      table: the device table, or its path.
      folder: where evaluations are kept; a search that was interrupted goes on there, and never evaluates twice.
      evaluator_settings: of the evaluator's factory.
      token_table: the device table of one more token of a text, see ``nagjax.problem``.
      costs: names of the cost columns, see there.
      measured: whole networks that were measured, of one device; see there.
      measured_columns: columns of that file by cost.
      cost_kind: how a cost is learned, see there.
      cost_settings: settings of that kind.
      where: conditions, see there.
      cost_quantile: headroom of prices, see there.
      device_format: of the table.
      evaluations: true evaluations in all; a finished search given more goes on.
      start: evaluations spread over the costs, before anything is predicted.
      per_round: evaluations between two fits; by default 5 up to 100 evaluations, 10 up to 250, then 25.
      retries: how often a failed evaluation is tried again.
      predictor_kind: what is fitted between rounds.
      predictor_settings: of that kind.
      proposer: what chooses.
      proposer_settings: of the proposer.
      executor: ``inline``, ``threads``, ``processes``, ``dask:ADDRESS``, or an executor.
      workers: evaluations at a time; None: as many as the evaluator stands, with ``inline`` one.
      pessimism: deviations that the problem at the end takes from what is predicted, and not from what was evaluated.
      seed: of all that is drawn.
      on_evaluation: called after each evaluation with all so far and the number of the round.

    Raises:
      ValueError: for anything that is wrong in files or arguments, and if the folder holds another search.
    """
    on = of.space if isinstance(of, Tabular) else of
    if not isinstance(on, Space):
        raise ValueError(f"search: {type(on).__name__} is not a space; give nagjax.space(NAME) or a tabular benchmark")
    posed: dict[str, Any] = {
        "token_table": token_table, "costs": costs, "where": where, "cost_quantile": cost_quantile,
        "device_format": device_format,
    }  # fmt: skip
    learned: dict[str, Any] = {
        "measured": measured, "measured_columns": measured_columns, "cost_kind": cost_kind,
        "cost_settings": cost_settings,
    }  # fmt: skip
    setup = posing.problem(of, table, quality=posing.flat(on), **posed, **learned)
    truth = evaluator
    if not isinstance(truth, Evaluator):
        truth = evaluators.make(truth, setup.space, evaluator_settings)
    evaluators.check_quality(truth)
    wanted = rounds.Search(
        setup.problem, setup.description, truth, kinds.make(predictor_kind, predictor_settings),
        proposers.make(proposer, proposer_settings), rounds.Plan(evaluations, start, per_round, retries),
        arguments.seed(seed),
    )  # fmt: skip
    done = evaluate(wanted, Path(folder), executor, workers, on_evaluation)
    fitted = rounds.final_predictor(wanted, done)
    careful = 0.0 if fitted.predictor.rank_valued else pessimism
    priced_by = setup.table
    if priced_by is not None and LATENCY in truth.costs:
        priced_by, learned = refined(priced_by, setup, done), {}
    final = posing.problem(of, priced_by, predictor=fitted, pessimism=careful, **posed, **learned)
    return Found(final, done)


def refined(table: DeviceTable, setup: Setup, done: Evaluations) -> DeviceTable:
    """A device table whose correction is fitted to half of the latencies that came with the truth, and judged on half.

    Where latencies do not rise with the sums at all the correction stays as it was, and the report says what it is
    worth: all judge it then.
    """
    known = np.flatnonzero(done.known)
    networks = (done.tokens[known], done.costs[LATENCY][known])
    allowed = np.asarray(setup.problem.allowed)
    try:
        return with_networks(table, setup.space, *networks, allowed=allowed)
    except ValueError as error:
        _LOG.warning("%s; the device table is corrected as it was", error)
        return with_networks(table, setup.space, *networks, fit=0, allowed=allowed)


def evaluate(
    wanted: rounds.Search, folder: Path, executor: str | Executor, workers: int | None, seen: rounds.Seen
) -> Evaluations:
    """Run a search in a folder, which remembers it.

    Raises:
      ValueError: if the folder holds another search, another process searches there, or the search cannot go on.
    """
    claim(wanted, folder)
    costs = wanted.evaluator.costs
    with (
        durable.alone(folder / EVALUATIONS),
        Journal(folder / EVALUATIONS, wanted.description.space, costs) as journal,
        open_pool(executor, workers, wanted.evaluator) as pool,
    ):
        return rounds.run(wanted, journal, pool, seen)


def claim(wanted: rounds.Search, folder: Path) -> None:
    """Record in its folder what decides a search, or check that it is the same; the number of evaluations may grow.

    Raises:
      ValueError: if the folder holds another search; with what differs.
    """
    identity = json.loads(json.dumps(decisive(wanted)))
    path = folder / RECORD
    if not path.is_file():
        if (folder / EVALUATIONS).exists():
            raise ValueError(
                f"{folder}: holds {EVALUATIONS} without {RECORD}, which says what they are evaluations of; restore it, "
                "or give another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        durable.replace(path, json.dumps(identity, indent=2) + "\n")
        return
    try:
        recorded = dict(json.loads(path.read_text(encoding="utf-8")))
        recorded["predictor"] = {**SINCE.get(recorded["predictor"]["kind"], {}), **recorded["predictor"]}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: is damaged ({error}); restore it from a copy, or give another folder") from None
    differing = [name for name in identity if recorded.get(name) != identity[name]]
    if differing:
        shown = "; ".join(f"{name} was {recorded.get(name)!r}, is {identity[name]!r}" for name in differing)
        raise ValueError(f"{folder}: holds another search ({shown}); give these, or another folder")


def decisive(wanted: rounds.Search) -> dict[str, Any]:
    """What decides a search, JSON values."""
    return {
        "space": wanted.description.space.identity,
        "where": dict(wanted.description.where),
        "costs": [[info.name, info.device] for info in wanted.description.costs],
        "evaluator": {"name": wanted.evaluator.name, **wanted.evaluator.identity},
        "predictor": {"kind": wanted.kind.name, **wanted.kind.settings},
        "proposer": {"name": wanted.proposer.name, **wanted.proposer.settings, **wanted.proposer.contents},
        "start": wanted.plan.start,
        "per_round": wanted.plan.per_round,
        "seed": wanted.seed,
    }
