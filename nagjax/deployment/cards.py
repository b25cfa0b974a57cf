"""A network's card: what was predicted, what was measured, what it is made of; as JSON and as a page."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import durable
from nagjax.deployment.timing import Latency
from nagjax.devices.token_rates import RATE
from nagjax.reports import report_html
from nagjax.reports.escapes import html

FORMAT, VERSION = "nagjax-card", 1
CARD, PAGE = "card.json", "card.html"
FLOAT32, INT8 = "onnx", "int8"


@dataclasses.dataclass(frozen=True, eq=False)
class Card:
    """What is known of a deployed network.

    Attributes:
      name: of its folder.
      architecture, description: as text, and for a person.
      budget_ms: what was asked for; None where the architecture was given.
      asked_ms: what the generator was asked last, below the budget where that was tightened.
      predicted: ``latency_ms``, ``quality`` (a fraction) and ``guaranteed`` by the generator, and ``token_ms`` and
        ``tokens_per_second`` where it knows them, which are not measured; empty without one.
      latency: measured, by format.
      built: what ``nagjax.deployment.building.build`` found.
      tries: each architecture that was measured for the budget, with what it was asked for and took.
      made: runtime, table, generator, supernet and so on, name and value.
      quality_name, examples_name: as the task calls them.
    """

    name: str
    architecture: str
    description: str
    budget_ms: float | None
    asked_ms: float | None
    predicted: Mapping[str, Any]
    latency: Mapping[str, Latency]
    built: Mapping[str, Any]
    tries: Sequence[Mapping[str, Any]]
    made: Mapping[str, Any]
    quality_name: str = "accuracy"
    examples_name: str = "images"

    @property
    def measured_ms(self) -> float | None:
        """Median of the float32 file, ms; None where there is none."""
        return self.latency[FLOAT32].median_ms if FLOAT32 in self.latency else None

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured time is within the budget; None where one of them is not known."""
        if self.budget_ms is None or self.measured_ms is None:
            return None
        return self.measured_ms <= self.budget_ms

    def to_json(self) -> dict[str, Any]:
        """The card as JSON values; ``accuracy`` stands for the task's quality, whose name is ``quality_name``."""
        return {
            "format": FORMAT, "version": VERSION, "name": self.name, "architecture": self.architecture,
            "budget_ms": self.budget_ms, "asked_ms": self.asked_ms, "within_budget": self.within_budget,
            "predicted": dict(self.predicted),
            "measured": {
                "latency": {name: dataclasses.asdict(one) for name, one in self.latency.items()},
                "accuracy": self.built["accuracy"],
                "quality_name": self.quality_name,
                "examples_name": self.examples_name,
            },
            "difference": self.built["difference"],
            "network": {name: self.built[name] for name in ("resolution", "weights", "madds")},
            "tries": list(self.tries), "made": dict(self.made),
        }  # fmt: skip


def write(card: Card, folder: Path) -> None:
    """Write ``card.json`` and ``card.html``.

    Raises:
      OSError: if they cannot be written.
    """
    durable.replace(folder / PAGE, page(card))
    durable.replace(folder / CARD, json.dumps(card.to_json(), indent=2, default=str) + "\n")


def page(card: Card) -> str:
    """The card as a page for a person."""
    qualities, latencies = card.built["accuracy"], card.latency
    rows = [("", "predicted", *(_title(name) for name in latencies))]
    if latencies:
        predicted = card.predicted.get("latency_ms")
        rows.append(
            ("latency, ms", _number(predicted),
             *(f"{one.median_ms:.4g} ± {one.spread_ms:.2g}" for one in latencies.values()))
        )  # fmt: skip
    quality = card.predicted.get("quality")
    for part, found in qualities.items():
        predicted_text = _percent(quality) if part == "validation" else ""
        rows.append(
            (f"{part} {card.quality_name}, %", predicted_text, *(_percent(found.get(name)) for name in latencies))
        )
    tiles = [("budget, ms", _number(card.budget_ms)), ("measured, ms", _number(card.measured_ms)),
             ("within budget", {True: "yes", False: "no", None: "not asked"}[card.within_budget]),
             ("multiply-adds, M", f"{card.built['madds'] / 1e6:.3g}"),
             ("weights", f"{card.built['weights']:,}")]  # fmt: skip
    if RATE in card.predicted:
        tiles.append(("tokens a second, predicted", f"{card.predicted[RATE]:g}"))
    differences = [(f"largest difference, {name}", f"{value:.1e}") for name, value in card.built["difference"].items()]
    tries = [(f"asked {one['asked_ms']:.4g} ms", f"{one['measured_ms']:.4g} ms, {one['architecture']}")
             for one in card.tries]  # fmt: skip
    parts = [
        f"<h1>{html(card.name)}</h1><p class='soft'><code>{html(card.architecture)}</code></p>",
        report_html.tiles(tiles),
        "<h2>Predicted and measured</h2>" + table(rows),
        f"<h2>Architecture</h2><pre>{html(card.description)}</pre>",
        "<h2>Asked and measured on the way</h2>" + report_html.facts_table(tries) if len(tries) > 1 else "",
        "<h2>Outputs compared</h2>" + report_html.facts_table(differences),
        "<h2>How it was made</h2>"
        + report_html.facts_table([(name, value if isinstance(value, str) else json.dumps(value, default=str))
                                   for name, value in card.made.items()]),
    ]  # fmt: skip
    return report_html.document(f"{card.name}: a deployed network", parts)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as a table, the first its head, the first column its names."""
    head, *body = rows
    titles = "".join(f"<th{_aligned(at)}>{html(cell)}</th>" for at, cell in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{_aligned(at)}>{html(cell)}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in body
    )
    return f"<div class='wide'><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"


def _aligned(column: int) -> str:
    return " class='number'" if column else ""


def _title(name: str) -> str:
    return {FLOAT32: "measured, float32", INT8: "measured, int8"}[name]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
