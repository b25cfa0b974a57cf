"""Prices of decoder blocks on several devices, fitted to the measured networks of HW-GPT-Bench (arXiv 2405.10299).

The file has a row for each device, width and bias: ``device``, ``embed_dim``, ``bias`` (0 or 1), ``base_ms`` (what
surrounds the blocks), a block's price for each MLP ratio and number of heads (``layer_ms_mlp3_headmid``), and errors
of their sums on measured networks that they were not fitted to (``held_out_mean_rel``, ``held_out_p99_rel``,
``held_out_max_rel``, fractions).

A path names the device behind a ``#``: ``additive_latency.csv#a100``. ``#a100+p99`` and ``#a100+max`` raise every price
by the held-out error of its width and bias: of networks like those, 99 % (or all) took no longer than their sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nagjax import tables
from nagjax.devices.row_faults import REPEATED, RowFault, refuse_rows, time_fault
from nagjax.devices.table import DeviceTable, Row
from nagjax.files import split_part
from nagjax.names import suggestion
from nagjax.operators import Operator
from nagjax.operators.on_tokens import BLOCK, TokenOperator
from nagjax.spaces.hw_gpt import SEQUENCE

HEADER = ("device", "embed_dim", "bias", "base_ms")
HEADS = ("low", "mid", "high")
MEAN, BOUNDS = "held_out_mean_rel", {"p99": "held_out_p99_rel", "max": "held_out_max_rel"}


def read(path: Path, operators: Sequence[Operator]) -> DeviceTable:
    """Prices on one device of those of ``operators`` that are parts of a decoder.

    Args:
      path: ``FILE#DEVICE``, or ``FILE#DEVICE+p99`` or ``+max`` for prices raised by their held-out error.
      operators: those of a space ``hw_gpt``.

    Raises:
      ValueError: if the file cannot be read, has no such device, lacks a width of the space, or a price is not above 0.
    """
    file, asked = split_part(path)
    device, _, bound = asked.partition("+")
    parts = [op for op in operators if isinstance(op, TokenOperator)]
    if not parts:
        raise ValueError(f"{path}: prices parts of decoders, and the space has none; give the space hw_gpt")
    if bound and bound not in BOUNDS:
        raise ValueError(f"{path}: +{bound} is no held-out error; write +{' or +'.join(BOUNDS)}, or leave it out")
    table = tables.read_table(file, HEADER)
    rows = _rows_of(table, device, {op.in_channels for op in parts})
    faults, prices = _prices(table, rows, parts, bound)
    refuse_rows(str(file), len(prices) + len(faults), faults)
    if not prices:
        raise ValueError(f"{path}: has no row of widths {sorted({op.in_channels for op in parts})}; is it of a scale?")
    mean = tables.numbers(table, MEAN)[list(rows.values())]
    raised = f", raised by the held-out error {BOUNDS[bound]}" if bound else ""
    return DeviceTable(
        device=device,
        runtime="unknown",
        batch=max(1, parts[0].in_size // SEQUENCE),
        dtype="unknown",
        unit="ms",
        measured=f"fitted to measured networks; held-out mean error {100 * mean.max():.2g} % at most{raised}",
        rows=prices,
        source=str(path),
    )


def _rows_of(table: tables.Table, device: str, widths: set[int]) -> dict[tuple[int, bool], int]:
    """Index of the row of each width and bias of a device.

    Raises:
      ValueError: if there is no such device, or a row stands twice.
    """
    devices = [str(one).strip() for one in table.column("device")]
    known = list(dict.fromkeys(devices))
    if device not in known:
        hint = suggestion(device, known) if device else f"; name one behind the file: {table.path.name}#{known[0]}"
        what = f"has no device {device!r}" if device else "holds several devices"
        raise ValueError(f"{table.path}: {what}{hint}; devices: {', '.join(known)}")
    found: dict[tuple[int, bool], int] = {}
    twice: list[RowFault] = []
    width, bias = tables.numbers(table, "embed_dim"), tables.numbers(table, "bias")
    for index, one in enumerate(devices):
        place = (int(width[index]), bool(bias[index]))
        if one != device or place[0] not in widths:
            continue
        if place in found:
            text = f"{table.place(index, 'embed_dim')}: {place[0]} with bias {int(place[1])} stands twice for {device}"
            twice.append(RowFault(REPEATED, f"{text}; remove one of the rows"))
        found.setdefault(place, index)
    refuse_rows(str(table.path), len(devices), twice)
    return found


def _prices(
    table: tables.Table, rows: Mapping[tuple[int, bool], int], parts: Sequence[TokenOperator], bound: str
) -> tuple[list[RowFault], dict[tuple[str, int | None], Row]]:
    """What is wrong with prices, and the prices by operator."""
    raised = 1.0 + tables.numbers(table, BOUNDS[bound]) if bound else np.ones(len(table.rows))
    heads = sorted({op.heads for op in parts if op.kind == BLOCK})
    faults: list[RowFault] = []
    prices: dict[tuple[str, int | None], Row] = {}
    for op in parts:
        index = rows.get((op.in_channels, op.bias))
        if index is None:
            continue
        name = _column(op, heads)
        mean, place = float(tables.numbers(table, name)[index]), f"{table.place(index, name)} ({op.key})"
        try:
            prices[op.key, None] = Row(mean, source=place).scaled(float(raised[index]))
        except ValueError as error:
            faults.append(time_fault(mean, str(error)))
    return faults, prices


def _column(op: TokenOperator, heads: Sequence[int]) -> str:
    """The column of a part's price.

    Raises:
      ValueError: if the space has other numbers of heads than three.
    """
    if op.kind != BLOCK:
        return "base_ms"
    if len(heads) != len(HEADS):
        raise ValueError(f"the file prices three numbers of heads, {', '.join(HEADS)}; the space has {heads}")
    return f"layer_ms_mlp{op.mid_channels // op.in_channels}_head{HEADS[heads.index(op.heads)]}"
