"""Whole networks that somebody timed: what a table's sums are corrected by, and judged on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nagjax import tables
from nagjax.devices.pricing import LATENCY, price
from nagjax.devices.table import DeviceTable, checked_time, ms_per_unit
from nagjax.devices.validation import MeasuredNetwork, fit_correction
from nagjax.spaces.space import Space


def read_networks(
    path: str | Path, space: Space, unit: str | None, of_profile: Callable[[Path], float]
) -> tuple[np.ndarray, np.ndarray]:
    """Measured networks of a CSV file: tokens int32 ``[N, T]``, and float64 ``[N]`` ms.

    Columns are ``architecture`` and ``latency``, in ``unit``, or ``latency_ms``, or ``profile``, the name of a file
    beside it, of which ``of_profile`` tells the whole network's time, ms.

    Raises:
      ValueError: if the file cannot be read, lacks a column or rows, an architecture is none of the space, a time is
        not above 0, or nothing says the unit.
    """
    file = Path(path)
    table = tables.read_table(file, ["architecture", "latency", LATENCY, "profile"])
    texts = table.column("architecture")
    if not texts:
        raise ValueError(f"{file}: has a header and no rows; write a row a measured network")
    tokens = np.stack([_parsed(space, str(text), table.place(i, "architecture")) for i, text in enumerate(texts)])
    if "profile" in table.columns:
        return tokens, np.array([of_profile(file.parent / str(name).strip()) for name in table.column("profile")])
    column = LATENCY if LATENCY in table.columns and "latency" not in table.columns else "latency"
    if column == LATENCY and unit not in (None, "ms"):
        raise ValueError(f"{file}: the column {LATENCY} is in ms, and --networks_unit={unit}; leave the unit out")
    unit = "ms" if column == LATENCY else unit
    times = tables.numbers(table, column)
    if unit is None:
        raise ValueError(f"{file}: nothing says the unit of the column latency; give it (--networks_unit=ms)")
    for index, time in enumerate(times):
        checked_time(float(time), column, table.place(index, column), above=True)
    return tokens, times * ms_per_unit(unit, str(file))


def _parsed(space: Space, text: str, place: str) -> np.ndarray:
    try:
        return space.parse(text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def with_networks(
    table: DeviceTable,
    space: Space,
    tokens: np.ndarray,
    measured: np.ndarray,
    fit: float = 0.5,
    allowed: np.ndarray | None = None,
) -> DeviceTable:
    """The table with a correction fitted to a share of measured networks and judged on the others.

    Networks are int32 ``[N, T]``, their latencies float64 ``[N]``, ms. ``fit`` is the share that the correction is
    fitted to, spread evenly over their order by cost; with 0 the table's own is judged. ``allowed`` are edges bool
    ``[T, S, C]`` that the table prices; None for all.

    Raises:
      ValueError: if the table misses an operator, the share is not in [0, 1), or the latencies do not rise with the
        sums at all.
    """
    if not 0 <= fit < 1:
        raise ValueError(f"the share of networks to fit is {fit}; it must be 0 or above and below 1: some must judge")
    prices = price(dataclasses.replace(table, correction=None, validation=()), space, allowed=allowed)
    raw = space.operator_sum(tokens, prices.values)
    order = np.argsort(raw, kind="stable")
    networks = [MeasuredNetwork(space.format(tokens[i]), float(raw[i]), float(measured[i])) for i in order]
    # Every network whose number crosses a multiple of 1 / fit: the first of each such step.
    fitted = [math.floor((i + 1) * fit) > math.floor(i * fit) for i in range(len(networks))]
    correction = table.correction
    if any(fitted):
        correction = fit_correction([n for n, on in zip(networks, fitted, strict=True) if on], space.identity)
    validation = tuple(n for n, on in zip(networks, fitted, strict=True) if not on)
    return dataclasses.replace(table, correction=correction, validation=validation)
