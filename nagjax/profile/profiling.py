"""The whole way from a space to a table: operators, then networks, then the correction and what judges it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from nagjax.devices.correction import Correction
from nagjax.devices.pricing import LATENCY
from nagjax.devices.table import DeviceTable
from nagjax.devices.validation import MeasuredNetwork, fit_correction
from nagjax.operators.stored import as_computed
from nagjax.profile import networks, rounds, summary
from nagjax.profile.journal import Journal
from nagjax.profile.programs import Prepare
from nagjax.profile.subjects import Subject, network, timed, used_operators
from nagjax.spaces.space import Space

Stage = Callable[[str, int], Callable[[Subject, int], None]]
"""Called with what is measured next and how many measurements it takes; gives what is called after each."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
      rounds: measurements of each operator and network.
      fit: networks that the correction is fitted to; 0 for no correction.
      validate: further networks that judge it.
      seed: of orders and of the draw of networks.
    """

    rounds: int = 15
    fit: int = 30
    validate: int = 50
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class About:
    """What a table says of how it was made; see ``DeviceTable``."""

    device: str
    runtime: str
    batch: int
    dtype: str
    measured: str
    column: str = LATENCY


def profile(
    space: Space, edges: np.ndarray, plan: Plan, about: About, prepare: Prepare, journal: Journal, on_stage: Stage
) -> tuple[DeviceTable, list[summary.Outlier]]:
    """Measure a space on the present device: the table, and the operators that should be looked at.

    What the journal holds already is not measured again. Edges bool ``[T, S, C]`` are those that matter: a profile of
    one resolution needs only its operators.

    Raises:
      ValueError: if there are too few architectures, an architecture is not a chain, or no correction can be fitted.
    """
    operators = used_operators(space, edges)
    subjects = timed(operators)
    _measure("operators", subjects, plan, prepare, journal, on_stage)
    measured = summary.rows(subjects, journal.seconds)
    rows = {op.key: measured[as_computed(op).key] for op in operators}
    values = np.array([rows[op.key].mean if op.key in rows else 0.0 for op in space.operators])
    correction: Correction | None = None
    validation: tuple[MeasuredNetwork, ...] = ()
    if plan.fit or plan.validate:
        correction, validation = _networks(space, edges, values, plan, prepare, journal, on_stage)
    table = DeviceTable(
        about.device, about.runtime, about.batch, about.dtype, "ms", about.measured,
        {(key, None): row for key, row in rows.items()}, correction=correction, validation=validation,
        column=about.column,
    )  # fmt: skip
    return table, summary.outliers(subjects, measured)


def _networks(
    space: Space, edges: np.ndarray, values: np.ndarray, plan: Plan, prepare: Prepare, journal: Journal, on_stage: Stage
) -> tuple[Correction | None, tuple[MeasuredNetwork, ...]]:
    sizes = {networks.FIT: plan.fit, networks.VALIDATE: plan.validate}
    if {name: len(texts) for name, texts in journal.chosen.items()} != sizes:
        journal.choose(networks.draw(space, edges, values, sizes, plan.seed))
    chosen = journal.chosen
    subjects = [network(space, space.parse(text)) for texts in chosen.values() for text in texts]
    _measure("networks", subjects, plan, prepare, journal, on_stage)
    measured = {
        name: networks.measured_networks(space, values, texts, journal.seconds) if texts else ()
        for name, texts in chosen.items()
    }
    fitted = fit_correction(measured[networks.FIT], space.identity) if plan.fit else None
    return fitted, measured[networks.VALIDATE]


def _measure(
    what: str, subjects: Sequence[Subject], plan: Plan, prepare: Prepare, journal: Journal, on_stage: Stage
) -> None:
    left = rounds.missing(subjects, plan.rounds, journal)
    on_sample = on_stage(f"{len(subjects)} {what}", left)
    rounds.measure(subjects, plan.rounds, prepare, journal, plan.seed, on_sample)
