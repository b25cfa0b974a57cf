"""Answers of a generator as plain points, and as a table in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nagjax.devices.pricing import TOKEN
from nagjax.devices.token_rates import RATE
from nagjax.problems.costs import exactly, rounded_up
from nagjax.problems.problem import Description
from nagjax.reports import judge
from nagjax.reports.front import POINTS, Point
from nagjax.reports.wording import certainty, quality_is, quality_title, raw_title

if TYPE_CHECKING:
    from rich.table import Table

    from nagjax.inference.answers import Answer
    from nagjax.inference.generator import Generator


def to_points(generator: Generator, answers: Iterable[Answer], cost_name: str) -> list[Point]:
    """Answers of ``Generator.generate`` as points on one cost column."""
    answers = list(answers)
    corrected = [info.name for info in generator.description.costs if info.corrected]
    known = zip(
        judge.rows_of(generator.description, answers), judge.measured_of(generator.description, answers), strict=True
    )
    return [
        Point(
            budget=float(answer.budget[cost_name]),
            cost=float(answer.costs[cost_name]),
            quality=float(answer.quality),
            quality_std=float(answer.quality_std),
            text=answer.text,
            description=generator.describe(answer),
            guaranteed=bool(answer.guaranteed),
            source=answer.source,
            costs={name: float(value) for name, value in answer.costs.items()},
            raw_costs={name: float(answer.raw_costs[name]) for name in corrected},
            row=row,
            measured=measured,
            level=_level(answer),
            limits={name: float(value) for name, value in answer.budget.items() if name != cost_name},
        )
        for answer, (row, measured) in zip(answers, known, strict=True)
    ]


def to_table(answers: Sequence[Answer], description: Description) -> Table:
    """A table for the terminal: one row an answer."""
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False)
    budgets = list(answers[0].budget) if answers else []
    units = {info.name: info.unit for info in description.costs}
    corrected = [info.name for info in description.costs if info.corrected]
    learned = {info.name for info in description.costs if info.learned}
    for name in budgets:
        table.add_column(
            f"{name} budget, {units[name]}" if len(units) > 1 else f"budget, {units[name]}", justify="right"
        )
    for name, unit in units.items():
        table.add_column(f"{name}, {unit}", justify="right")
    if TOKEN in units:
        table.add_column("tokens a second", justify="right")
    for name in corrected:
        table.add_column(raw_title(name in learned, units[name]), justify="right")
    table.add_column(quality_title(quality_is(description.quality_report)), justify="right")
    rows, measured = judge.rows_of(description, answers), judge.measured_of(description, answers)
    shows_row = any(row is not None for row in rows)
    judged = quality_is(description.quality_report) != "measured" and any(value is not None for value in measured)
    if judged:
        table.add_column("measured quality, %", justify="right")
    table.add_column("found by")
    if shows_row:
        table.add_column("row", justify="right")
    table.add_column("architecture", overflow="fold")
    for answer, row, true in zip(answers, rows, measured, strict=True):
        table.add_row(
            *(exactly(answer.budget[name]) for name in budgets),
            *(rounded_up(answer.costs[name]) for name in units),
            *([] if answer.tokens_per_second is None else [f"{answer.tokens_per_second:g}"]),
            *(rounded_up(answer.raw_costs[name]) for name in corrected),
            f"{POINTS * answer.quality:.2f}" + _error(description.quality_report),
            *(["" if true is None else f"{POINTS * true:.2f}"] if judged else []),
            answer.source + certainty(answer.guaranteed, _level(answer)),
            *([str(row)] if shows_row else []),
            answer.text,
        )
    return table


def to_json(generator: Generator, answers: Iterable[Answer]) -> dict[str, Any]:
    """A JSON document: the answers, and what is known of the figures in them."""
    description, answers = generator.description, list(answers)
    known = zip(judge.rows_of(description, answers), judge.measured_of(description, answers), strict=True)
    fields = ("costs", "raw_costs", "quality", "quality_std", "text", "within", "guaranteed", "levels", "source")
    return {
        "space": description.space.identity,
        "costs": [
            {
                "name": info.name,
                "unit": info.unit,
                "device": info.device,
                "table_hash": info.content_hash,
                "scale": info.scale,
                "offset": info.offset,
                "quantile": info.quantile,
                "learned": info.learned,
                "validation": info.validation,
                "doubts": list(info.doubts),
            }
            for info in description.costs
        ],
        "predictor": dict(description.quality_report),
        "answers": [
            {name: getattr(answer, name) for name in fields}
            | {"description": generator.describe(answer), "tokens": [int(token) for token in answer.tokens]}
            | {"budget": {name: _limit(value) for name, value in answer.budget.items()}}
            | ({} if answer.tokens_per_second is None else {RATE: answer.tokens_per_second})
            | {"row": row, "measured_quality": measured}
            for answer, (row, measured) in zip(answers, known, strict=True)
        ],
    }


def _level(answer: Answer) -> float | None:
    """Share of networks that may exceed one of an answer's budgets, where its costs are learned and within them."""
    return min(1.0, sum(answer.levels.values())) if answer.within and answer.levels else None


def _limit(budget: float) -> float | None:
    """A budget as JSON has it, which knows no infinity: null is no limit."""
    return None if math.isinf(budget) else float(budget)


def _error(report: Mapping[str, Any]) -> str:
    return f" ± {report['rmse_points']:.2f}" if "rmse_points" in report else ""
