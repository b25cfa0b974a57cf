"""A generator on a device that it was not trained for: its space priced by another table, its archive by that price.

The mask of the new table keeps the budgets. A policy that is told of devices by their traits is told those of the new
one; the architectures of its archive are looked up anew, and nothing is trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.controllers import Artefact
from nagjax.devices.formats import read_device_table
from nagjax.devices.pricing import ANALYTIC, Prices, analytic, column_name, price
from nagjax.devices.table import DeviceTable
from nagjax.populations.archive import Archive
from nagjax.problems.build import make_problem
from nagjax.problems.contexts import fixed
from nagjax.problems.problem import Description, Problem
from nagjax.problems.several import side_by_side
from nagjax.spaces.compose import BEFORE, prefix
from nagjax.spaces.space import Space


def elsewhere(
    artefact: Artefact, problem: Problem, description: Description, table: str | Path | DeviceTable,
    where: Mapping[str, Any], device_format: str = "auto",
) -> tuple[Artefact, Problem, Description]:  # fmt: skip
    """What a generator is on a device of another table, under further conditions (``Space.where``).

    The artefact was trained on the problem, for one device or for several.

    Raises:
      ValueError: if the table cannot be read or does not price the space, a cost column is neither its latency nor
        computed from shapes, or quality differs by the device.
    """
    space = description.space
    behind = space.behind or space
    context = space.decisions[0].name if space.behind is not None else None
    conditions = {name: value for name, value in {**description.where, **where}.items() if name != context}
    if not isinstance(table, DeviceTable):
        table = read_device_table(table, behind, device_format)
    columns = [_column(info.name, info.quantile, table, behind, conditions) for info in description.costs]
    pessimism, report = float(problem.pessimism), description.quality_report
    if problem.contexts is None or context is None:
        made, about = make_problem(behind, columns, problem.quality, conditions, pessimism, report)
        return _looked_up(artefact, made, 0, False), made, about
    names = [str(choice[context]) for choice in space.decisions[0].choices]
    title = table.device.replace(BEFORE, "-")
    slot = names.index(title) if title in names else 0
    names[slot] = title
    alone = prefix(behind, context, names)
    own = [side_by_side(alone, {n: column if i == slot else None for i, n in enumerate(names)}) for column in columns]
    references = problem.contexts.references
    made, about = make_problem(alone, own, problem.quality, conditions, pessimism, report, references=references)
    return _looked_up(artefact, made, slot, True), fixed(made, slot), about


def _column(name: str, quantile: float | None, table: DeviceTable, on: Space, where: Mapping[str, Any]) -> Prices:
    if name == table.column:
        return price(table, on, name, quantile, on.where(where))
    counted = {column_name(own, count): own for own, count in {**ANALYTIC, **on.counts}.items()}
    if name not in counted:
        raise ValueError(
            f"{table.source or table.device}: the generator answers budgets of {name} as well, which this device table "
            f"does not tell: only {table.column} and what is computed from shapes ({', '.join(counted)}) have another "
            "price"
        )
    return analytic(on, counted[name])


def _looked_up(artefact: Artefact, problem: Problem, slot: int, in_context: bool) -> Artefact:
    """The artefact with its archive's architectures at the new prices; those that are closed are dropped."""
    if artefact.archive is None:
        return artefact
    tokens = np.array(artefact.archive.tokens)
    if in_context:
        tokens[:, 0] = slot
    moved = dataclasses.replace(artefact.archive, tokens=jnp.asarray(tokens))
    quality, costs = _scored_anew(moved, problem)
    return Artefact(artefact.policy, Archive(moved.tokens, costs, quality))


@jax.jit
def _scored_anew(archive: Archive, problem: Problem) -> tuple[jax.Array, jax.Array]:
    return archive.scored_anew(problem)
