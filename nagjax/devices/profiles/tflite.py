"""TFLite and LiteRT: ``benchmark_model --enable_op_profiling=true``, its CSV file or what it prints.

One file holds several blocks: the initialisation, the runs in order, the same by time, summaries. The layers are those
of the last block in run order. Times of layers are in milliseconds, those of the network in microseconds.
"""

from __future__ import annotations

import re
from pathlib import Path

from nagjax import numerals
from nagjax.devices.table import checked_time
from nagjax.devices.timings import Timing, Timings
from nagjax.files import read_text

_ORDER = re.compile(r"=+ Run Order =+")
_NETWORK = re.compile(r"(?:Inference \(avg\): |\(microseconds\):.* avg=)([0-9.eE+]+)")
_COLUMNS = ("node type", "avg_ms", "name")


def recognises(text: str) -> bool:
    """Whether a text is such a profile."""
    return _ORDER.search(text) is not None


def read(path: Path) -> Timings:
    """Mean time of each layer over the runs.

    Raises:
      ValueError: if the file has no layers in run order, or a line is not of their form.
    """
    where, rows = str(path), read_text(path, "the profile").splitlines()
    starts = [number for number, row in enumerate(rows, 1) if _ORDER.search(row)]
    if not starts:
        raise ValueError(
            f"{where}: has no block 'Run Order'; run benchmark_model with --enable_op_profiling=true, and keep it all"
        )
    if len(rows) <= starts[-1]:
        raise ValueError(f"{where}: line {starts[-1]}: the block 'Run Order' ends with its title; keep all of the file")
    header = [_plain(cell) for cell in _cells(rows[starts[-1]], 99)]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise ValueError(f"{where}: line {starts[-1] + 1}: lacks the column {missing[0]!r}; keep the file as it was")
    lines = []
    for number, row in enumerate(rows[starts[-1] + 1 :], starts[-1] + 2):
        if not row.strip() or row.startswith("="):
            break
        lines.append(_line(row, header, f"{where}: line {number}"))
    if not lines:
        raise ValueError(f"{where}: line {starts[-1]}: the block 'Run Order' has no layers; keep all of the file")
    networks = [match[1] for row in rows if (match := _NETWORK.search(row))]
    network = numerals.number(networks[-1]) / 1e3 if networks else None
    return Timings(where, "TFLite", tuple(lines), "ms", network)


def _cells(row: str, most: int) -> list[str]:
    """Cells of a line; the last, a name, may hold what separates the others."""
    cells = row.strip("\t").split("\t", most) if "\t" in row else row.split(",", most)
    return [cell.strip() for cell in cells]


def _plain(column: str) -> str:
    return column.strip("[]").lower().replace("avg ms", "avg_ms")


def _line(row: str, header: list[str], place: str) -> Timing:
    cells = _cells(row, len(header) - 1)
    if len(cells) != len(header):
        raise ValueError(f"{place}: has {len(cells)} fields, the header {len(header)}; keep the file as it was")
    fields = dict(zip(header, cells, strict=True))
    try:
        time = numerals.number(fields["avg_ms"])
    except ValueError as error:
        raise ValueError(f"{place}: avg_ms {error}; keep the file as it was written") from None
    name = re.sub(r":\d+$", "", fields["name"]).strip("[]")
    if not name:
        raise ValueError(f"{place}: the layer has no name; convert the model with its names kept")
    return Timing(name, checked_time(time, "avg_ms", place), place)
