"""All networks of a deployment side by side: a CSV file, a page, and both fronts in a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagjax import csv_cells, durable
from nagjax.deployment import cards
from nagjax.deployment.cards import FLOAT32, INT8, Card
from nagjax.reports import plot, report_html
from nagjax.reports.escapes import html, plot_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CSV, PAGE, PLOT = "summary.csv", "index.html", "summary.png"
COLUMNS = (
    "name", "budget_ms", "asked_ms", "predicted_ms", "measured_ms", "spread_ms", "within_budget", "int8_ms",
    "predicted_quality", "validation_accuracy", "test_accuracy", "int8_test_accuracy", "architecture",
)  # fmt: skip
POINTS = 100
INT8_COLOR = "#5a8f3c"


def figures(shown: Sequence[Card]) -> dict[str, Any]:
    """What the networks say together.

    ``networks``; ``over_budget_measured``, how many took longer than their budget; ``median_latency_error``, relative,
    of predicted to measured; ``kendall_tau_predicted_measured_accuracy`` on validation examples;
    ``max_output_difference`` and ``onnx_max_difference``, of outputs; ``int8_accuracy_drop_points``, the mean on test
    examples. ``accuracy`` stands for the task's quality in these names and in the columns of the file, whatever the
    task calls it. What cannot be known is None.
    """
    from scipy import stats

    pairs = [(card.predicted["latency_ms"], card.measured_ms) for card in shown
             if card.measured_ms is not None and "latency_ms" in card.predicted]  # fmt: skip
    errors = [abs(predicted - measured) / measured for predicted, measured in pairs]
    quality = [(card.predicted["quality"], _accuracy(card, "validation", FLOAT32)) for card in shown
               if "quality" in card.predicted and _accuracy(card, "validation", FLOAT32) is not None]  # fmt: skip
    tau = stats.kendalltau(*zip(*quality, strict=True)).statistic if len(quality) > 2 else None
    drops = [float(one) - float(other) for one, other in
             ((_accuracy(card, "test", FLOAT32), _accuracy(card, "test", INT8)) for card in shown)
             if one is not None and other is not None]  # fmt: skip
    return {
        "networks": len(shown),
        "max_output_difference": _worst(shown, "supernet"),
        "onnx_max_difference": _worst(shown, "onnx"),
        "over_budget_measured": sum(card.within_budget is False for card in shown),
        "median_latency_error": float(np.median(errors)) if errors else None,
        "kendall_tau_predicted_measured_accuracy": None if tau is None or np.isnan(tau) else float(tau),
        "int8_accuracy_drop_points": POINTS * float(np.mean(drops)) if drops else None,
    }


def write(shown: Sequence[Card], folder: Path) -> None:
    """Write ``summary.csv``, ``summary.png`` and ``index.html``.

    Raises:
      OSError: if they cannot be written.
    """
    figure = fronts_figure(shown)
    durable.replace(folder / CSV, _csv(shown))
    plot.save_png(figure, folder / PLOT)
    durable.replace(folder / PAGE, page(shown, plot.svg(figure)))


def fronts_figure(shown: Sequence[Card]) -> Figure:
    """Predicted quality at predicted latency, and measured quality at measured latency."""
    figure, (axes,) = plot.new_figure(1, 8.4, 4.8)
    predicted = [(card.predicted["latency_ms"], card.predicted["quality"]) for card in shown if card.predicted]
    fronts = {
        "predicted": (predicted, plot.REFERENCE),
        "measured, float32": (_measured(shown, FLOAT32), plot.BEST),
        "measured, int8": (_measured(shown, INT8), INT8_COLOR),
    }
    for label, (points, color) in fronts.items():
        if points:
            x, y = zip(*sorted(points), strict=True)
            axes.plot(x, [POINTS * value for value in y], "o-", color=color, markersize=4, linewidth=1.2, label=label)
    axes.set_xlabel("latency, ms")
    axes.set_ylabel(plot_text(f"{shown[0].quality_name} on validation {shown[0].examples_name}, %"))
    if axes.lines:
        axes.legend(frameon=False, loc="lower right")
    return figure


def page(shown: Sequence[Card], fronts_svg: str) -> str:
    """The page of a deployment; links lead to the cards beside it."""
    found = figures(shown)
    error, over = found["median_latency_error"], found["over_budget_measured"]
    asked = sum(card.within_budget is not None for card in shown)
    tiles = [
        ("networks", str(len(shown))),
        ("measured within budget", f"{asked - over} of {asked}"),
        ("median error of predicted latency", "-" if error is None else f"{POINTS * error:.1f} %"),
    ]
    head, *body = _rows(shown)
    titles = "".join(f"<th class='number'>{html(name)}</th>" for name in head[1:])
    lines = "".join(
        f"<tr><td><a href='{html(row[0])}/{cards.PAGE}'>{html(row[0])}</a></td>"
        + "".join(f"<td class='number'>{html(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in body
    )  # fmt: skip
    parts = [
        "<h1>Deployed networks</h1>",
        report_html.tiles(tiles),
        f"<figure>{fronts_svg}<figcaption>Predicted, and measured in {html(_where(shown))}.</figcaption></figure>",
        f"<div class='wide'><table><thead><tr><th>network</th>{titles}</tr></thead>",
        f"<tbody>{lines}</tbody></table></div>",
    ]
    return report_html.document("Deployed networks", parts)


def text_rows(shown: Sequence[Card]) -> list[list[str]]:
    """The table of the page as text, its head first."""
    return _rows(shown)


def _rows(shown: Sequence[Card]) -> list[list[str]]:
    head = ["network", "budget, ms", "predicted, ms", "measured, ms", "int8, ms", "within",
            "predicted, %", "validation, %", "test, %", "int8 test, %"]  # fmt: skip
    out = [head]
    for card in shown:
        int8 = card.latency[INT8].median_ms if INT8 in card.latency else None
        out.append([
            card.name, _number(card.budget_ms), _number(card.predicted.get("latency_ms")), _number(card.measured_ms),
            _number(int8), {True: "yes", False: "no", None: ""}[card.within_budget],
            _percent(card.predicted.get("quality")), _percent(_accuracy(card, "validation", FLOAT32)),
            _percent(_accuracy(card, "test", FLOAT32)), _percent(_accuracy(card, "test", INT8)),
        ])  # fmt: skip
    return out


def _csv(shown: Sequence[Card]) -> str:
    rows: list[Sequence[object]] = [COLUMNS]
    for card in shown:
        latency = {name: one.median_ms for name, one in card.latency.items()}
        spread = card.latency[FLOAT32].spread_ms if FLOAT32 in card.latency else None
        rows.append([
            card.name, card.budget_ms, card.asked_ms, card.predicted.get("latency_ms"), latency.get(FLOAT32), spread,
            card.within_budget, latency.get(INT8), card.predicted.get("quality"),
            _accuracy(card, "validation", FLOAT32), _accuracy(card, "test", FLOAT32), _accuracy(card, "test", INT8),
            card.architecture,
        ])  # fmt: skip
    return csv_cells.text(["" if cell is None else str(cell) for cell in row] for row in rows)


def _measured(shown: Sequence[Card], name: str) -> list[tuple[float, float]]:
    found = [(card.latency[name].median_ms, _accuracy(card, "validation", name)) for card in shown
             if name in card.latency]  # fmt: skip
    return [(ms, value) for ms, value in found if value is not None]


def _accuracy(card: Card, part: str, name: str) -> float | None:
    found: Mapping[str, float] = card.built["accuracy"][part]
    return found.get(name)


def _worst(shown: Sequence[Card], name: str) -> float | None:
    found = [card.built["difference"][name] for card in shown if name in card.built["difference"]]
    return max(found) if found else None


def _where(shown: Sequence[Card]) -> str:
    made = shown[0].made if shown else {}
    return f"{made.get('runtime', '')}, {made.get('threads', '')} thread(s), batch {made.get('batch', '')}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{POINTS * value:.2f}"
