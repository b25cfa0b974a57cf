"""What a report says, as plain data, and the sentences that follow from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nagjax.problems.costs import CostInfo
from nagjax.problems.problem import Description
from nagjax.reports.front import POINTS, Comparison, Point, Reference
from nagjax.reports.wording import fitted_text, judge_text, measured_text

if TYPE_CHECKING:
    from nagjax.inference.surface import Surface

RANKED = "The predictor tells ranks: only the order of architectures counts, and no figure is a quality."


@dataclasses.dataclass(frozen=True)
class Report:
    """A report before it is drawn.

    Attributes:
      title, subtitle: what and for what.
      cost_name, unit: the cost column that is plotted, and its unit.
      other_costs: further cost columns, for the table.
      quality_name: what the quality is, for example ``"ImageNet top-1"``.
      best, greedy: answers over the range of budgets, for the plot and the CSV file.
      table: answers at the budgets that the table shows.
      error_points: the predictor's error on held-out records (root mean square), points; None where it is not known.
      asked, trust, made: name and value of each fact.
      tiles: name and figure of what stands at the top.
      reference, comparisons, volumes: a published front, and ours against it, by name.
      volume_reference: reference point of the hypervolumes: cost, quality.
      curves: training metrics: x and y by name.
      flags: the flags of the run, one a line.
      quality_is: ``"predicted"``, ``"measured"`` or ``"ranked"``.
      explorer: what the part that can be asked holds (``nagjax.reports.explorer``); empty for none.
      surface: answers to pairs of budgets; None where there is one cost column.
    """

    title: str
    subtitle: str
    cost_name: str
    unit: str
    other_costs: tuple[str, ...]
    quality_name: str
    best: Sequence[Point]
    greedy: Sequence[Point]
    table: Sequence[Point]
    error_points: float | None
    asked: Sequence[tuple[str, str]]
    trust: Sequence[tuple[str, str]]
    made: Sequence[tuple[str, str]]
    tiles: Sequence[tuple[str, str]]
    reference: Reference | None = None
    comparisons: Mapping[str, Comparison] = dataclasses.field(default_factory=dict)
    volumes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    volume_reference: tuple[float, float] = (0.0, 0.0)
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = dataclasses.field(default_factory=dict)
    flags: str = ""
    quality_is: str = "predicted"
    explorer: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    surface: Surface | None = None

    @property
    def cost_label(self) -> str:
        """The cost column without its unit: ``latency``."""
        return cost_label(self.cost_name)

    @property
    def plot_note(self) -> str:
        """What stands below the plot."""
        return (
            f"Lines: the answer to each {self.cost_label} budget. Points, if any: a reference front at its "
            f"{self.cost_label}. "
            + {
                "measured": "Quality is measured.",
                "predicted": "Quality is predicted, not measured.",
                "ranked": RANKED,
            }[self.quality_is]
        )

    @property
    def error_note(self) -> str:
        """What the ± in the table means."""
        if self.quality_is == "measured":
            return "Quality is measured: each answer is a row of the benchmark."
        if self.quality_is == "ranked":
            return RANKED
        if self.error_points is None:
            return "Quality is predicted; the predictor's error is not known for this run."
        return f"± is the predictor's error on held-out records (root mean square, {self.error_points:.2f} points)."

    @property
    def guarantee_note(self) -> str:
        """What keeping a budget means."""
        if all(point.guaranteed for point in self.table):
            source = "as measured" if self.quality_is == "measured" or self.shows_rows else "by the device table"
            return f"Every cost is within its budget {source}; figures are rounded up." + self.raw_note
        if self.level is not None:
            return (
                "Costs are upper bounds of what a model of measured networks predicts, which stands beside them: up to "
                f"{100 * self.level:g} % of the networks that are chosen may take longer."
            )
        return "A cost that is not guaranteed is itself predicted."

    @property
    def level(self) -> float | None:
        """Share of networks that may exceed their cost, where it is learned; None where it is not."""
        return next((point.level for point in self.table if point.level is not None), None)

    @property
    def shows_rows(self) -> bool:
        """Whether answers are rows of a file, whose numbers stand beside them."""
        return any(point.row is not None for point in self.table)

    @property
    def shows_measured(self) -> bool:
        """Whether the measured quality of answers stands beside the predicted one."""
        return self.quality_is != "measured" and any(point.measured is not None for point in self.table)

    @property
    def shows_raw(self) -> bool:
        """Whether the plotted cost is corrected, so that the raw sum stands beside it."""
        return any(self.cost_name in point.raw_costs for point in self.table)

    @property
    def raw_note(self) -> str:
        """What a corrected cost is; empty where it is not corrected."""
        if not self.shows_raw:
            return ""
        return " Costs are corrected by measured networks; the raw sum of the table's rows stands beside them."

    @property
    def comparison_note(self) -> str:
        """How the comparison was made."""
        compared = next(iter(self.comparisons.values()))
        cost, quality = self.volume_reference
        skipped = (
            f" {compared.skipped} of its costs lie below our cheapest and were left out." if compared.skipped else ""
        )
        return (
            f"Gap: our predicted quality minus the reference's, at each of its costs as our budget.{skipped} "
            f"Hypervolume: {self.unit} x points, reference point {cost:.4g} {self.unit} and {POINTS * quality:.2f} %. "
            "The comparison holds as far as both qualities are by the same predictor."
        )


def asked_facts(description: Description) -> list[tuple[str, str]]:
    """The problem in words: space, cost columns and their ranges, conditions."""
    facts = [("search space", description.space.identity)]
    for info, (low, high) in zip(description.costs, description.ranges, strict=True):
        facts.append((info.name, f"{info.span(low, high)}, {info.device} ({info.source})"))
    where = ", ".join(f"{key} = {value}" for key, value in description.where.items())
    return [*facts, ("conditions", where or "none")]


def trust_facts(description: Description) -> list[tuple[str, str]]:
    """What is known of the predictor's error, and what the table leaves out."""
    report = description.quality_report
    facts = [("predictor", str(report.get("source", "not stated"))), ("error on held-out records", error_text(report))]
    if "measured" in report:
        facts = [("quality measured in", str(report["source"])), ("architectures", measured_text(report))]
    elif "graph" in report:
        facts += [("costs measured in", str(report["costs_source"])), ("architectures", measured_text(report))]
        facts.append(("labels", f"{fitted_text(report)}; {judge_text(report)}"))
    facts += [("target of the fit", str(report["target"]))] if "target" in report else []
    facts += [("features compared by the fit", str(report["features"]))] if "features" in report else []
    facts += [("labels: warning", str(report["doubt"]))] if "doubt" in report else []
    for info in description.costs:
        facts.append((f"{info.name}: priced 0", ", ".join(info.free) or "nothing"))
        facts.append((f"{info.name}: closed, not in the table", compact(info.closed)))
        facts += correction_facts(info)
    return facts


def correction_facts(info: CostInfo) -> list[tuple[str, str]]:
    """What a cost is beside the sum of its table's rows, and what measured networks say of it.

    >>> correction_facts(CostInfo("madds_m", "M", 20))
    []
    """
    facts = []
    if info.corrected:
        headroom = f", with headroom for {100 * info.quantile:g} % of networks" if info.quantile is not None else ""
        of = "predicted cost" if info.learned else "sum of rows"
        text = f"{info.scale:.4g} x {of} + {info.offset:.4g} {info.unit}{headroom}"
        facts.append((f"{info.name}: corrected cost", text))
    if info.validation:
        facts.append((f"{info.name}: against measured networks", info.validation))
    return facts + [(f"{info.name}: warning", doubt) for doubt in info.doubts]


def warnings(description: Description) -> list[str]:
    """What should be said aloud of costs and labels, a line each."""
    lines = [f"warning: {info.name} ({info.device}): {doubt}" for info in description.costs for doubt in info.doubts]
    report = description.quality_report
    return lines + ([f"warning: {report['source']}: {report['doubt']}"] if "doubt" in report else [])


def error_text(report: Mapping[str, Any]) -> str:
    """The predictor's held-out error in words.

    >>> error_text({"rmse_points": 0.312, "validation": 200, "kendall_tau": 0.9})
    '0.31 points (root mean square), Kendall tau 0.900, on 200 records'
    """
    if "measured" in report:
        return f"none, each is one of {report['measured']:,} measured in {report['source']}"
    if "rmse_points" not in report and "kendall_tau" not in report:
        return "not known: no held-out records were given"
    if "rmse_points" not in report:
        return f"Kendall tau {report['kendall_tau']:.3f} on {report.get('validation', '?')} records"
    tau = f", Kendall tau {report['kendall_tau']:.3f}" if "kendall_tau" in report else ""
    if "tau_undefined" in report:
        tau = f", Kendall tau undefined ({report['tau_undefined']})"
    return f"{report['rmse_points']:.2f} points (root mean square){tau}, on {report.get('validation', '?')} records"


def cost_label(name: str) -> str:
    """A cost column's name without its unit.

    >>> cost_label("latency_ms"), cost_label("madds_m")
    ('latency', 'madds')
    """
    label, _, unit = name.rpartition("_")
    return label if label and unit in ("ms", "m", "mj", "kib") else name


def compact(closed: Sequence[str]) -> str:
    """Closed choices grouped by decision: ``resolution = 96, 100``.

    >>> compact(["resolution=96", "resolution=100"])
    'resolution = 96, 100'
    """
    groups: dict[str, list[str]] = {}
    for entry in closed:
        name, _, value = entry.partition("=")
        groups.setdefault(name, []).append(value)
    return "; ".join(f"{name} = {', '.join(values)}" for name, values in groups.items()) or "nothing"
