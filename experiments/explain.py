"""Where the cost of an answer goes, and what changes with a little less and more budget.

``python -m experiments.explain --checkpoint=FOLDER --budget_ms=30`` draws a bar for what each decision adds and, where
a device table priced them, for each operator of it. It lists which decisions change with 5 % less and more, and what
stands beside the answer on the front.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

from experiments.frame import cli, console, life, runtime, settings
from experiments.inputs import asked
from nagjax import durable

if TYPE_CHECKING:
    from nagjax.inference.answers import Answer
    from nagjax.inference.explaining import Change, Explanation

BAR = 32
"""Characters of the longest bar."""

DECISION, OPERATOR = "#", "-"
"""What bars are drawn with."""

NEARBY = ("less", "more", "cheaper", "costlier")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    asked.define_flags(values)
    define.float("budget_ms", None, "A latency budget, ms.")
    define.multi_string("budget", [], "A budget for any cost column, such as madds_m=300; the first is explained.")
    define.float("step", 0.05, "Share of the budget by which less and more is asked.")
    settings.define_seed("seed", "Seed of the answers.", values)
    define.string("json", None, "Also write the explanation to this JSON file.")


def job(values: flags.FlagValues) -> int:
    """Load, ask, explain."""
    budgets = _budgets(values)
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("answering")
    with settings.told_of_flags(["device"]):
        found = asked.read(values).explain(budgets=budgets, step=values.step, seed=values.seed)
    if values.json:
        path = settings.user_path(values.json, "json")
        durable.replace(path, json.dumps(to_json(found), indent=2) + "\n")
    console.say(*lines(found, values.step))
    return 0


def _budgets(values: flags.FlagValues) -> dict[str, float]:
    if (values.budget_ms is None) == (not values.budget):
        raise ValueError("give one budget, either as --budget_ms=30 or as --budget=NAME=300")
    if values.budget_ms is not None:
        return {"latency_ms": values.budget_ms}
    return {
        name: settings.parse_budgets([str(value)], "budget")[0]
        for name, value in settings.parse_pairs(values.budget, "budget").items()
    }


def lines(found: Explanation, step: float) -> list[str]:
    """The explanation for a terminal."""
    from nagjax.problems.costs import rounded_up
    from nagjax.reports.wording import compared_by

    answer, unit = found.answer, found.unit
    out = [f"{answer.text}: {rounded_up(answer.costs[found.column])} {unit}, {_quality(found, answer)}"]
    out += [*(f"{name} {value}" for name, value in compared_by(found.pessimism)), ""]
    names = max((len(part.decision) for part in found.parts), default=0)
    bars = [("each call", found.offset, DECISION)] if found.offset else []
    for part in found.parts:
        bars.append((f"{part.decision:{names}s}  {part.choice}", part.cost, DECISION))
        if len(part.operator_costs) > 1:
            bars += [
                (f"  {key}", cost, OPERATOR) for key, cost in zip(part.operators, part.operator_costs, strict=True)
            ]
    if not bars:
        out.append("its cost was measured as a whole: it has no parts")
    largest = max((cost for _, cost, _ in bars), default=0.0) or 1.0
    wide = max((len(name) for name, _, _ in bars), default=0)
    for name, cost, mark in bars:
        out.append(f"{name:{wide}s}  {cost:9.4g} {unit}  {mark * round(BAR * cost / largest)}".rstrip())
    if found.reduce == "max":
        out.append("the largest is the cost")
    heads = {"less": f"{100 * step:g} % less budget", "more": f"{100 * step:g} % more budget",
             "cheaper": "next cheaper on the front", "costlier": "next costlier on the front"}  # fmt: skip
    for name, head in heads.items():
        out += ["", *_change(head, getattr(found, name), found)]
    return out


def _quality(found: Explanation, answer: Answer) -> str:
    """Quality of an answer, with its deviation where answers are compared by both."""
    return f"quality {100 * answer.quality:.2f}" + (f" ± {100 * answer.quality_std:.2f}" if found.pessimism else "")


def _change(head: str, change: Change | None, found: Explanation) -> list[str]:
    if change is None:
        return [f"{head}: none, or the same"]
    points = f"{100 * change.quality:+.2f} points"
    points += f" to {_quality(found, change.answer)}" if found.pessimism else ""
    shown = [f"  {name}: {ours} -> {theirs}" for name, ours, theirs in change.decisions]
    return [f"{head}: {change.cost:+.4g} {found.unit}, {points}: {change.answer.text}", *shown]


def to_json(found: Explanation) -> dict[str, Any]:
    """The explanation as JSON has it."""

    def answer(of: Any) -> dict[str, Any]:
        return {"text": of.text, "costs": dict(of.costs), "quality": of.quality, "quality_std": of.quality_std}

    nearby = {name: getattr(found, name) for name in NEARBY}
    return {
        "answer": answer(found.answer),
        "pessimism": found.pessimism,
        "column": found.column,
        "unit": found.unit,
        "reduce": found.reduce,
        "offset": found.offset,
        "parts": [
            {"decision": one.decision, "choice": one.choice, "operators": list(one.operators),
             "operator_costs": list(one.operator_costs), "cost": one.cost}
            for one in found.parts
        ],
    } | {
        name: None if change is None else {
            "answer": answer(change.answer), "cost": change.cost, "quality": change.quality,
            "decisions": [list(one) for one in change.decisions],
        }
        for name, change in nearby.items()
    }  # fmt: skip


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
