"""OpenVINO's counters: ``benchmark_app -report_type average_counters``, as CSV or JSON, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax import numerals
from nagjax.devices.profiles import fields
from nagjax.devices.table import checked_time
from nagjax.devices.timings import Timing, Timings
from nagjax.files import read_text

HEADER = "layerName;execStatus;"
_AWAY = "OPTIMIZED_OUT"


def recognises(root: Any) -> bool:
    """Whether a JSON document is such a report."""
    return isinstance(root, Mapping) and "avg_performance" in root


def read(path: Path) -> Timings:
    """Real time of each layer that was executed; layers that were optimised away have none.

    Raises:
      ValueError: if the file is not such a report.
    """
    return _json(path) if path.suffix.lower() == ".json" else _csv(path)


def _json(path: Path) -> Timings:
    where, root = str(path), fields.document(path)
    if not recognises(root):
        raise ValueError(f"{where}: is not an average report of OpenVINO: avg_performance is missing")
    lines, aside = [], []
    for number, node in enumerate(fields.items(root["avg_performance"], "nodes", where), 1):
        place = f"{where}: node {number}"
        name = fields.text(node, "name", place)
        if node.get("status") == _AWAY:
            aside.append(name)
        else:
            lines.append(Timing(name, fields.time(node, "real_time", place), place))
    total = fields.time(root["avg_performance"], "total_real_time", where)
    return _timings(where, lines, total, aside)


def _csv(path: Path) -> Timings:
    where, rows = str(path), read_text(path, "the report").splitlines()
    header = rows[0].split(";")
    if not rows[0].startswith(HEADER) or "realTime (ms)" not in header:
        raise ValueError(f"{where}: line 1: is not the header of OpenVINO's counters, {HEADER}...realTime (ms)")
    at = header.index("realTime (ms)")
    lines, aside, total = [], [], None
    for number, row in enumerate(rows[1:], 2):
        cells, place = row.split(";"), f"{where}: line {number}"
        if not row.strip():
            continue
        if len(cells) != len(header):
            raise ValueError(f"{place}: has {len(cells)} fields, the header {len(header)}; write the report again")
        if cells[0] == "layerName":
            raise ValueError(f"{place}: a second report begins; this is a detailed one: use average_counters")
        try:
            time = checked_time(numerals.number(cells[at]), "realTime (ms)", place)
        except ValueError as error:
            raise ValueError(f"{place}: {str(error).removeprefix(f'{place}: ')}; write the report again") from None
        if cells[0] == "Total":
            total = time
        elif cells[1] == _AWAY:
            aside.append(cells[0])
        else:
            lines.append(Timing(cells[0], time, place))
    return _timings(where, lines, total, aside)


def _timings(where: str, lines: list[Timing], total: float | None, aside: list[str]) -> Timings:
    if not lines:
        raise ValueError(f"{where}: no layer was executed; report a run of the network")
    return Timings(where, "OpenVINO", tuple(lines), "ms", total, tuple(aside))
