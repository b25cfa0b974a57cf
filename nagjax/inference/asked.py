"""What a user asks for: budgets as arrays, and what is said where they cannot be met."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from nagjax.devices.pricing import TOKEN
from nagjax.devices.token_rates import RATE, budget_ms
from nagjax.names import joined
from nagjax.problems.costs import CostInfo, exactly, rounded_up
from nagjax.problems.problem import Description

Numbers: TypeAlias = Sequence[float] | np.ndarray | float

SHOWN = 20
"""Impossible budgets that a refusal lists one by one."""

FAR = 100
"""A budget this many times the costliest architecture is remarked upon: it may be in another unit."""


def read_budgets(
    description: Description, budgets_ms: Numbers | None, budgets: Mapping[str, Numbers] | None
) -> dict[str, np.ndarray]:
    """Budgets float64 ``[B]`` by cost column; infinity is no limit. Tokens a second become milliseconds a token.

    Raises:
      ValueError: if both or neither are given, a column is unknown, lengths differ, or a value is not a number.
    """
    if (budgets_ms is None) == (budgets is None):
        raise ValueError("give either budgets_ms or budgets")
    if budgets is not None and not isinstance(budgets, Mapping):
        raise ValueError(f"budgets is a {type(budgets).__name__}; give a dict such as {{'latency_ms': [15, 20]}}")
    given = {"latency_ms": budgets_ms} if budgets is None else dict(budgets)
    names = [info.name for info in description.costs]
    if RATE in given and TOKEN in names:
        if TOKEN in given:
            raise ValueError(f"budgets: {RATE} and {TOKEN} say the same; give one of the two")
        given[TOKEN] = np.vectorize(budget_ms, [np.float64])(read_numbers(given.pop(RATE), RATE))
    unknown = [name for name in given if name not in names]
    if unknown or not given:
        short = " (budgets_ms are of latency_ms)" if budgets is None else ""
        raise ValueError(
            f"budgets: {unknown or 'none'} given{short}; this checkpoint's costs are {', '.join(names)}: write "
            f"--budgets={names[0]}=..., in Python budgets={{{names[0]!r}: ...}}"
        )
    columns = {name: read_numbers(values, name) for name, values in given.items()}
    deep = [f"{name} of the shape {values.shape}" for name, values in columns.items() if values.ndim != 1]
    if deep:
        raise ValueError(f"budgets: {', '.join(deep)}; give each column as a flat list")
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{len(values)} of {name}" for name, values in columns.items())
        raise ValueError(
            f"budgets: {lengths}; give as many of each, every combination (--grid, in Python nagjax.grid), or leave a "
            "column out, which is then no limit"
        )
    return columns


def read_numbers(values: Any, name: str) -> np.ndarray:
    """Budgets of the column ``name`` as float64, at least ``[1]``.

    Raises:
      ValueError: if they are not numbers.
    """
    if isinstance(values, jax.core.Tracer):
        raise ValueError(
            f"budgets of {name} are traced: a generator checks budgets and is compiled itself; call it outside of "
            "jax.jit, vmap and grad, with an array of any length (generate_arrays)"
        )
    what = f"budgets of {name}: a {type(values).__name__} is not a list of numbers"
    if isinstance(values, str | bytes | bytearray | memoryview | bool | Mapping | set | frozenset) or (
        isinstance(values, Iterable) and not hasattr(values, "__len__") and not hasattr(values, "__array__")
    ):
        raise ValueError(f"{what}; give a number, a list or an array")
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{what} of equal depth; give one flat list or array: {error}") from None
    if not found.size:
        return np.zeros(found.shape if found.ndim else 0)
    if found.dtype.kind not in "iuf":
        raise ValueError(
            f"budgets of {name}: {values!r:.60} holds something that is not a number; give a list or an array of them"
        )
    wrong = np.isnan(found.astype(np.float64))
    if wrong.any():
        raise ValueError(
            f"budget {name}=nan is not a number (budget {int(np.argmax(wrong)) + 1} of {found.size}); "
            "leave it out, or give inf for no limit"
        )
    return np.atleast_1d(found.astype(np.float64))


def possible(description: Description, asked: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether each budget admits the cheapest architecture of its column, bool ``[B]``; columns one by one."""
    fine = np.ones(len(next(iter(asked.values()))), bool)
    for column, (low, _) in zip(description.exact, description.ranges, strict=True):
        if column.info.name in asked:
            fine &= column.within(low, asked[column.info.name])
    return fine


def with_cheaper(description: Description, costs: np.ndarray) -> Description:
    """The description with ranges that begin no later than costs float64 ``[N, K]`` of architectures that are known.

    With a residual an architecture of a larger sum may cost less than that of the least, where ranges begin.
    """
    ranges = description.ranges.copy()
    ranges[:, 0] = np.minimum(ranges[:, 0], costs.min(0, initial=np.inf))
    return dataclasses.replace(description, ranges=ranges)


def refusal(description: Description, asked: Mapping[str, np.ndarray]) -> str:
    """Why the budgets that ``possible`` rejects are impossible, all of them, and what could be asked instead."""
    parts = []
    for column, (low, high) in zip(description.exact, description.ranges, strict=True):
        info = column.info
        values = asked.get(info.name, np.zeros(0))
        short = values[~column.within(low, values)]
        if len(short):
            on, others = place(description, info)
            where = f" where {others}" if others else ""
            parts.append(
                f"budget {listed(info.name, short)} is below the cheapest architecture on {on}: possible are "
                f"{info.span(low, high)}{where}"
            )
    return "; ".join(parts) + "; on_infeasible=skip answers the others"


def place(description: Description, info: CostInfo) -> tuple[str, dict[str, Any]]:
    """The device of a cost column, and the conditions that are left to say; of several devices those that are open."""
    first, where = description.space.decisions[0], dict(description.where)
    every = [str(value) for choice in first.choices for value in choice.values()] if first.context else []
    if info.device != ", ".join(every) or not every:
        return info.device or info.source, where
    asked = where.pop(first.name, every)
    chosen = {str(value) for value in (asked if isinstance(asked, list | tuple) else [asked])}
    return joined([name for name in every if name in chosen] or every), where


def listed(name: str, values: np.ndarray) -> str:
    """Values of a column to be read.

    >>> listed("latency_ms", np.array([1.5, 2.0]))
    'latency_ms=1.5, 2'
    """
    shown = ", ".join(exactly(value) for value in values[:SHOWN].tolist())
    return f"{name}={shown}" + (f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else "")


def remarks(description: Description, asked: Mapping[str, np.ndarray]) -> list[str]:
    """What is strange about budgets that can be met: far above the costliest architecture, so perhaps another unit."""
    out = []
    for info, (_, high) in zip(description.costs, description.ranges, strict=True):
        values = asked.get(info.name, np.zeros(0))
        far = values[np.isfinite(values) & (values >= FAR * high)]
        if len(far) and high > 0:
            out.append(
                f"budget {listed(info.name, far)} is {_times(far.min() / high)} times or more what the costliest "
                f"architecture costs ({rounded_up(float(high))} {info.unit}): is it in another unit?"
            )
    return out


def _times(factor: float) -> str:
    """A factor to be read.

    >>> _times(1234.5), _times(7.5e28)
    ('1234', '7.5e+28')
    """
    return f"{factor:.0f}" if factor < 1e6 else f"{factor:.2g}"
