"""The part of a report that can be asked: every answer of the front, by a slider, without a server or another file.

The members of the front stand in the page as JSON, and ``explorer.js`` draws them: the front as a staircase, the answer
to the budget of the slider, and a bar for what each decision adds to its cost. Without JavaScript the page is the
report without this part.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nagjax.inference.explaining import choice_text, edge_costs
from nagjax.inference.nondominated import can_be_listed
from nagjax.names import shown
from nagjax.problems.costs import rounded_up
from nagjax.problems.problem import Description
from nagjax.reports.front import POINTS, worth
from nagjax.spaces import trellis as tl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nagjax.inference.answers import AnswerArrays
    from nagjax.inference.generator import Generator

MOST = 1000
"""Members of a front that stand in a page; of more, these many, even over their order by cost."""


def members(generator: Generator, budgets: Sequence[float], seed: int = 0) -> AnswerArrays:
    """All answers of ``best``; where several cost columns cannot be listed, those to budgets of the first."""
    if len(generator.description.costs) == 1 or can_be_listed(generator.problem, generator.description):
        return generator.front(seed=seed)
    return generator.generate_arrays(budgets={generator.description.costs[0].name: list(budgets)}, seed=seed)


def data(
    description: Description, found: AnswerArrays, labels: tuple[str, str], pessimism: float = 0.0
) -> dict[str, Any]:
    """What the page holds of members of a front, as JSON has it; ``labels`` are of cost and quality, for people.

    Answers are compared by quality less ``pessimism`` deviations, as ``best`` compares them.

    Returns:
      ``members`` rise in cost and in what they are compared by; each has ``cost`` as text, rounded up, ``at`` as a
      number, ``quality`` in points, ``text``, the ``choices`` of its decisions (-1 where closed) and, unless costs were
      measured as a whole, what each adds, ``parts``.
    """
    info, space = description.costs[0], description.space
    if len(description.costs) == 1:  # a front of one column is such a staircase
        rows = np.arange(len(found.quality))
    else:
        rows = _staircase(found.costs[:, 0], worth(found.quality, found.quality_std, pessimism))
    kept = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int))]
    tokens = found.tokens[kept]
    parts = edge_costs(description, tokens)
    whole = description.exact[0].info.given
    nodes = _nodes(description, tokens)
    return {
        "unit": info.unit,
        "cost": shown(labels[0]),
        "quality": shown(labels[1]),
        "offset": info.offset,
        "left": len(rows) - len(kept),
        "largest": info.reduce == "max",
        "decisions": [
            {"name": shown(one.name), "choices": [shown(choice_text(choice)) for choice in one.choices]}
            for one in space.decisions
        ],
        "members": [
            {
                "at": float(found.costs[row, 0]),
                "cost": rounded_up(float(found.costs[row, 0])),
                "quality": round(POINTS * float(found.quality[row]), 3),
                "text": shown(space.format(found.tokens[row])),
                "choices": [
                    int(token) if space.trellis.open[t, nodes[i, t]] else -1 for t, token in enumerate(tokens[i])
                ],
                "parts": [] if whole else [float(f"{value:.6g}") for value in parts[i]],
            }
            for i, row in enumerate(kept.tolist())
        ],
    }


def section(content: Mapping[str, Any]) -> str:
    """The part of the page as HTML: its frame, its data and its program."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    # No tag can begin within the data, whatever a name holds.
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    program = resources.files("nagjax.reports").joinpath("explorer.js").read_text(encoding="utf-8")
    return (
        "<section id='explorer' hidden><h2>Ask for a budget</h2><div class='ask'><label for='budget'></label>"
        "<input id='budget' type='range' min='0' max='1000' step='1'>"
        "<input id='exact' type='number' step='any' min='0' aria-label='budget, exactly'></div>"
        "<p id='answer' aria-live='polite'></p><div class='explored'><div id='stairs'></div><div id='bars'></div></div>"
        "<p class='note' id='left'></p></section>"
        f"<script type='application/json' id='front'>{safe}</script><script>{program}</script>"
    )


CSS = """
.ask { display: flex; flex-wrap: wrap; gap: 10px 14px; align-items: center } .ask label { color: var(--soft) }
.ask input[type=range] { flex: 1 1 260px; accent-color: var(--accent); min-width: 0 }
.ask input[type=number] { width: 9em; font: inherit; color: inherit; background: var(--wash);
  border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px }
.ask input:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
#answer b { color: var(--accent) } #answer code { display: block; margin-top: 2px }
.explored { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 4fr); gap: 24px; align-items: start }
#stairs svg { width: 100%; height: auto; touch-action: none; cursor: crosshair }
#stairs text { fill: var(--soft); font: 11px system-ui, sans-serif } #stairs .grid { stroke: var(--line) }
#stairs .line { fill: none; stroke: var(--accent); stroke-width: 2 } #stairs .now { stroke: var(--ink); opacity: .5 }
#stairs .dot { fill: var(--accent) } #stairs .hover { fill: none; stroke: var(--ink); stroke-width: 1.5 }
#bars table { font-size: 12.5px } #bars td { padding: 2px 8px 2px 0; border: 0; vertical-align: middle }
#bars td:nth-child(3) { width: 38% }
#bars .bar { height: 11px; border-radius: 2px; background: var(--accent); min-width: 1px }
@media (max-width: 760px) { .explored { grid-template-columns: minmax(0, 1fr) } }
"""


def _staircase(cost: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Rows of which each costs more and is better than the one before."""
    order = np.lexsort((-quality, cost))
    best = np.maximum.accumulate(np.concatenate([[-np.inf], quality[order][:-1]]))
    return order[quality[order] > best]


def _nodes(description: Description, tokens: np.ndarray) -> np.ndarray:
    nodes, _ = tl.walk(description.space.trellis.target, description.space.trellis.valid, tokens)
    return nodes
