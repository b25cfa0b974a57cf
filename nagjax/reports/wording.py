"""Where figures of quality are from and how far they hold, in the words of reports and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nagjax.problems.problem import Description


def certainty(guaranteed: bool, level: float | None) -> str:
    """How certain it is that an answer is within its budget, after the word that says what found it; empty where it is.

    >>> certainty(True, None), certainty(False, 0.05)
    ('', ' (budget exceeded by up to 5 % of such)')
    """
    if guaranteed:
        return ""
    return " (budget not guaranteed)" if level is None else f" (budget exceeded by up to {100 * level:g} % of such)"


def raw_title(learned: bool, unit: str) -> str:
    """What stands beside a corrected or bounded cost, above it.

    >>> raw_title(False, "ms"), raw_title(True, "ms")
    ('raw sum, ms', 'predicted, ms')
    """
    return f"{'predicted' if learned else 'raw sum'}, {unit}"


def compared_by(pessimism: float) -> list[tuple[str, str]]:
    """What answers are compared by, name and value; nothing where it is their quality.

    >>> compared_by(0.0), compared_by(1.0)
    ([], [('answers are compared by', 'quality less 1 times its deviation')])
    """
    return [("answers are compared by", f"quality less {pessimism:g} times its deviation")] if pessimism else []


def benchmark_lines(description: Description) -> list[str]:
    """What should be said aloud of a tabular benchmark: its size, what is missing, what was averaged."""
    report = description.quality_report
    if "graph" not in report:
        return []
    lines = [f"{report.get('costs_source', report['source'])}: {measured_text(report)}", str(report["graph"])]
    if "measured" not in report:
        lines.append(f"{fitted_text(report)}; {judge_text(report)}")
    return lines


def fitted_text(report: Mapping[str, Any]) -> str:
    """Which predictor says how good architectures are.

    >>> fitted_text({"source": "records.csv", "train": 80, "validation": 20})
    'quality by a predictor fitted to 100 labels (records.csv)'
    """
    if "train" not in report:
        return f"quality by a predictor ({report['source']})"
    labels = int(report["train"]) + int(report.get("validation", 0))
    return f"quality by a predictor fitted to {labels:,} labels ({report['source']})"


def judge_text(report: Mapping[str, Any]) -> str:
    """How many architectures have a measured quality to judge the answers by, in words.

    >>> judge_text({"priced": 15625, "judged": 200})
    'the measured quality of 200 of 15,625 is known'
    """
    whole = "all" if report["judged"] == report["priced"] else f"{report['judged']:,} of {report['priced']:,}"
    return f"the measured quality of {whole} is known" if report["judged"] else "no measured quality judges it"


def quality_is(report: Mapping[str, Any]) -> str:
    """Whether quality is ``"predicted"``, ``"measured"``, or only ``"ranked"``: the predictor tells an order."""
    if report.get("values") == "rank":
        return "ranked"
    return "measured" if "measured" in report else "predicted"


def quality_title(which: str, name: str = "quality") -> str:
    """What figures of quality are, above them; those of ranks are not percentages of anything.

    >>> quality_title("predicted"), quality_title("ranked")
    ('predicted quality, %', 'rank by the predictor, 0 to 100')
    """
    return "rank by the predictor, 0 to 100" if which == "ranked" else f"{which} {name}, %"


def measured_text(report: Mapping[str, Any]) -> str:
    """How many architectures a benchmark has, in words; priced where not all are measured.

    >>> measured_text({"measured": 15620, "missing": 5, "averaged": 0})
    '15,620 measured; 5 of the space are missing and are never an answer'
    """
    missing = f"{report['missing']:,} of the space are missing and are never an answer"
    rows = "row" if report["averaged"] == 1 else "rows"
    averaged = f"; {report['averaged']:,} {rows} averaged with another row of their architecture"
    unpriced = f"; {report.get('unpriced', 0):,} without a cost are never an answer"
    counted = f"{report['measured']:,} measured" if "measured" in report else f"{report['priced']:,} priced"
    return (
        f"{counted}; {missing if report['missing'] else 'none of the space is missing'}"
        f"{averaged if report['averaged'] else ''}{unpriced if 'unpriced' in report else ''}"
    )
