"""Facts about spaces, tables, predictors and checkpoints, as name and value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nagjax.devices.pricing import price
from nagjax.devices.table import DeviceTable
from nagjax.devices.table_doubts import unused_rows
from nagjax.devices.template import needed_operators
from nagjax.inference.asked import place
from nagjax.problems.costs import exactly, rounded_up
from nagjax.problems.problem import Description, Problem
from nagjax.reports.report_data import compact, correction_facts, error_text
from nagjax.reports.wording import fitted_text, judge_text, measured_text
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

Facts = list[tuple[str, str]]

SAMPLES = 20_000
"""Uniform samples from which the share that fits a budget is told."""

SHOWN = 8
"""Missing operators listed by name."""

CHOICES = 60
"""Choices of a decision that are listed."""


def space_facts(space: Space) -> Facts:
    """Decisions, operators and the exact number of architectures."""
    layers, nodes, choices = space.trellis.shape
    kinds: dict[str, list[Decision]] = {}
    for decision in space.decisions:
        kinds.setdefault(decision.kind, []).append(decision)
    operators = Counter(operator.kind for operator in space.operators)
    facts = [
        ("name", space.identity),
        ("architectures", number(space.count())),
        ("trellis", f"{layers} layers, {nodes} nodes, {choices} choices"),
        ("operators", f"{len(space.operators)}: {', '.join(f'{n} {kind}' for kind, n in operators.items()) or 'none'}"),
        ("priced 0 by the space", ", ".join(space.free) or "nothing"),
        ("features", str(len(space.feature_names))),
    ]
    facts += [("narrowed", space.refinement)] if space.refinement else []
    return facts + [(f"decision: {kind}", _decision(group)) for kind, group in kinds.items()]


def table_facts(table: DeviceTable, space: Space, allowed: np.ndarray) -> tuple[Facts, bool]:
    """What a table is and what it lacks for a space's edges ``allowed``; and whether they can be priced by it."""
    needed = needed_operators(space, allowed)
    lacking = [op for op in needed if op.kind not in table.unmeasured and table.lookup(op) is None]
    unused = len(unused_rows(table, space))
    facts = [
        ("device", f"{table.device}, {table.runtime}, batch {table.batch}, {table.dtype}"),
        ("measured", table.measured),
        ("source", table.source),
        ("content hash", table.content_hash),
        ("rows", f"{len(table.rows)}; mean {_spread([row.mean for row in table.rows.values()])} {table.unit}"),
        ("never measured, priced 0", ", ".join(table.unmeasured) or "nothing"),
        ("rows that no operator of the space uses", str(unused)),
        ("operators without a row", f"{len(lacking)} of {len(needed)} that space and conditions need"),
    ]
    try:
        prices = price(table, space, allowed=allowed)
    except ValueError as error:
        keys = list(dict.fromkeys(op.key for op in lacking))
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        return [*facts, ("missing", ", ".join(keys[:SHOWN]) + more), ("cannot be priced", str(error))], False
    facts.append(("closed, since not in the table", compact(prices.closed)))
    facts.append(("operators priced 0", ", ".join(prices.free) or "none"))
    return facts, True


def predictor_facts(report: Mapping[str, Any]) -> Facts:
    """Where a predictor is from and what is known of its error."""
    if "measured" in report:
        return [("source", str(report["source"])), ("architectures", measured_text(report))]
    names = {"source": "source", "train": "records to train", "validation": "records held out"}
    facts = [(what, str(report[name])) for name, what in names.items() if name in report]
    if "graph" in report:
        facts += [("architectures", measured_text(report)), ("labels", f"{fitted_text(report)}; {judge_text(report)}")]
    return [*facts, ("error on held-out records", error_text(report))]


def problem_facts(problem: Problem, description: Description) -> Facts:
    """How many architectures are left, and the range and tick of each cost column."""
    left = tl.count(np.asarray(problem.target), np.asarray(problem.allowed))[0][0]
    where = ", ".join(f"{key} = {value}" for key, value in description.where.items())
    facts = [("conditions", where or "none"), ("architectures left", number(left))]
    for info, (low, high) in zip(description.costs, description.ranges, strict=True):
        facts.append((info.name, f"{info.span(low, high)}; tick {info.tick:.3g} {info.unit}"))
        facts += correction_facts(info)
    return facts + open_choices(problem, description.space)


def open_choices(problem: Problem, space: Space) -> Facts:
    """Choices that are left of each decision that conditions, table or predictor have narrowed."""
    facts = []
    allowed: np.ndarray = np.any(np.asarray(problem.allowed), axis=1, keepdims=False)
    valid: np.ndarray = np.any(space.trellis.valid, axis=1, keepdims=False)
    for t, decision in enumerate(space.decisions):
        if decision.optional and not np.array_equal(allowed[t], valid[t]):
            values = [choice for choice, fine in zip(decision.choices, allowed[t], strict=False) if fine]
            facts.append((f"open: {decision.name}", ", ".join(_choice(value) for value in values)))
    return facts


def fitting_facts(problem: Problem, description: Description, budgets: Sequence[float]) -> Facts:
    """The share of architectures within each budget of the first cost column, from uniform samples."""
    target, allowed = np.asarray(problem.target), np.asarray(problem.allowed)
    tokens = tl.sample_uniform(target, allowed, np.random.default_rng(0), SAMPLES)
    costs, column = description.costs_of(tokens)[:, 0], description.exact[0]
    info, low = column.info, description.ranges[0, 0]
    facts = []
    for budget in budgets:
        fit = int(column.within(costs, budget).sum())
        if not column.within(low, budget):
            share = f"none: the cheapest costs {rounded_up(low)} {info.unit} on {place(description, info)[0]}"
        else:
            share = f"about {100 * fit / SAMPLES:.3g} %" if fit else f"some, fewer than 1 in {SAMPLES:,}"
        facts.append((f"within {exactly(budget)} {info.unit}", share))
    return facts


def checkpoint_facts(generator: Any) -> Facts:
    """Where a checkpoint is from and what it was made with."""
    description, config = generator.description, generator.config
    controller = config["controller"]
    settings = ", ".join(f"{key} {value}" for key, value in controller["settings"].items())
    facts = [
        ("space", description.space.identity),
        ("controller", f"{controller['name']}: {settings}"),
        ("trained", f"{config['step']} steps in {float(config['run']['seconds']):.0f} s, seed {config['run']['seed']}"),
        ("written by", f"nagjax {config['nagjax']}, jax {config['jax']}"),
    ]
    for info in description.costs:
        facts.append((info.name, f"{info.device} ({info.source}), content hash {info.content_hash or 'none'}"))
        facts.append((f"{info.name}: priced 0", ", ".join(info.free) or "nothing"))
        facts.append((f"{info.name}: closed", compact(info.closed)))
    return facts + predictor_facts(description.quality_report)


def number(value: int) -> str:
    """An exact count, with its magnitude where it is long.

    >>> number(3969), number(2 * 10**19)
    ('3,969', '20,000,000,000,000,000,000 (2.0e+19)')
    """
    return f"{value:,}" + (f" ({float(value):.1e})" if value >= 10**9 else "")


def _decision(group: Sequence[Decision]) -> str:
    listed = [_choice(choice) for choice in group[0].choices]
    more = f" and {len(listed) - CHOICES:,} more" if len(listed) > CHOICES else ""
    choices = ", ".join(listed[:CHOICES]) + more
    times = f"{len(group)} times " if len(group) > 1 else ""
    optional = "; a table or predictor may lack some" if group[0].optional else ""
    return f"{times}one of {len(listed):,}: {choices}{optional}"


def _choice(choice: Mapping[str, Any]) -> str:
    values = list(choice.items())
    return str(values[0][1]) if len(values) == 1 else "/".join(f"{key} {value}" for key, value in values)


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g}"
