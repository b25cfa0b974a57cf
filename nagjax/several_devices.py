"""A problem of several devices: the device is the first decision, and each prices what follows by its own costs.

What can be said of one device alone is posed as for one (``nagjax.posing``); here its copies are put side by side.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence

import jax.numpy as jnp

from nagjax.devices.pricing import LATENCY, Prices
from nagjax.devices.table import DeviceTable
from nagjax.devices.table_doubts import disagreement
from nagjax.names import suggestion
from nagjax.predictors.forms.behind import Behind
from nagjax.predictors.forms.form import Form
from nagjax.problems.several import side_by_side
from nagjax.spaces.compose import BEFORE, prefix
from nagjax.spaces.space import Space

DEVICE = "device"
"""The decision that says the device."""


def names(table: object, measured: object) -> tuple[str, ...] | None:
    """The devices that a dict of tables or of measured files names; None where neither is one.

    Raises:
      ValueError: if both are given, or a dict is empty or a name is not a text, is blank or has a ``/``.
    """
    both = (("table", "table", table, measured), ("measured", "file of measured networks", measured, table))
    for what, one, given, other in both:
        if not isinstance(given, Mapping):
            continue
        if other is not None:
            raise ValueError(
                f"{what}: names several devices; give either a table or measured networks of each, not both: tables "
                "are corrected each by itself (nagjax convert_table)"
            )
        if not given or not all(isinstance(name, str) for name in given):
            raise ValueError(f"{what}={list(given)}: give at least one {one}, each by the name of its device")
        odd = [name for name in given if BEFORE in name or not name.strip()]
        if odd:
            raise ValueError(
                f"device {odd[0]!r}: its name begins texts, NAME{BEFORE}..., so it is not blank and has no {BEFORE!r}; "
                "call it otherwise"
            )
        return tuple(given)
    return None


def refuse(of_benchmark: bool, costs: Sequence[str] | None, tables: bool, cost_kind: str) -> None:
    """Refuse several devices where there is nothing that they price, or not so.

    Args:
      of_benchmark: whether costs are those of a tabular benchmark.
      costs: names of the cost columns that were asked for; None where that was left out.
      tables: whether devices have tables, which price latency.
      cost_kind: how their costs are learned where they have none.

    Raises:
      ValueError: if so.
    """
    if of_benchmark:
        raise ValueError(
            "several devices price the operators of a space, and a benchmark brings measured costs; give one device's "
            "costs, or a space"
        )
    if tables and costs is not None and LATENCY not in costs:
        raise ValueError(f"costs={','.join(costs)}: tables of several devices price {LATENCY}; name it")
    if not tables and cost_kind == "residual":
        raise ValueError(
            "cost_kind=residual: costs of several devices take no residual; learn them by the kind additive"
        )


def changes(given: Mapping[str, float] | None, devices: Collection[str] | None) -> jnp.ndarray | None:
    """What quality gains on each of N devices, float32 ``[N]``; None where they are alike.

    Raises:
      ValueError: if there are not several devices, a name is none of them, or a change is no fraction.
    """
    if not given:
        return None
    if devices is None:
        raise ValueError("quality_change: says how devices differ; give table= as a dict of several, or leave it out")
    for name, value in given.items():
        if name not in devices:
            raise ValueError(
                f"quality_change: {name!r} is not a device{suggestion(name, list(devices))}; {', '.join(devices)} are"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1 < value < 1:
            raise ValueError(
                f"quality_change: {name} gains {value!r}; give a fraction above -1 and below 1, such as -0.004"
            )
    return jnp.asarray([given.get(name, 0.0) for name in devices], jnp.float32)


def put_before(
    on: Space, known: Form, columns: Mapping[str, Sequence[Prices]], tables: Sequence[DeviceTable],
    gains: jnp.ndarray | None,
) -> tuple[Space, Form, list[Prices]]:  # fmt: skip
    """Space, quality and cost columns with the device before them.

    Args:
      on: the space that each device prices.
      known: how good its architectures are.
      columns: by device, the same cost columns of each.
      tables: of the devices, where they have some; of two that disagree the columns say so.
      gains: see ``changes``.

    Raises:
      ValueError: if columns differ in name, unit or how they add up, or one has a residual.
    """
    whole = prefix(on, DEVICE, list(columns))
    doubts = tuple(text for pair in itertools.combinations(tables, 2) if (text := disagreement(*pair)))
    beside = [side_by_side(whole, dict(zip(columns, one, strict=True))) for one in zip(*columns.values(), strict=True)]
    prices = [dataclasses.replace(column, doubts=column.doubts + doubts) for column in beside]
    return whole, Behind(known, len(columns), gains), prices
