"""Look-up tables of published searches that name operators in a dialect: ProxylessNAS (YAML) and FBNet (text).

A dialect's name holds less than our ``Operator``, so operators are mapped to names and never back, and only operators
that are exactly what the dialect means.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax.devices.table import checked_time
from nagjax.devices.timings import Timing, Timings
from nagjax.devices.yaml_rows import read_rows
from nagjax.files import read_text
from nagjax.operators import Operator

_RELU = ("relu", "relu6")


def proxyless_name(op: Operator) -> str:
    """What ProxylessNAS's tables call an operator; its key, which none of them has, where they have no name for it.

    >>> proxyless_name(Operator("mbconv", 7, 7, 96, 96, 5, 1, 576, activation="relu6", skip=True))
    'expanded_conv-input:7x7x96-output:7x7x96-expand:6-kernel:5-stride:1-idskip:1'
    """
    ends = f"input:{op.in_size}x{op.in_size}x{op.in_channels}-output:{op.out_size}x{op.out_size}x{op.out_channels}"
    if op.kind == "linear":
        return f"Logits-input:{op.in_size}x{op.in_size}x{op.in_channels}-output:{op.out_channels}"
    if op.kind == "pool" and op.out_size == 1:
        return f"AvgPool2D-{ends}"
    if op.kind == "conv" and op.norm and op.activation in _RELU:
        return f"{'Conv' if op.in_channels == 3 else 'Conv_1'}-{ends}"
    whole = op.kind == "mbconv" and op.norm and not op.squeeze_excite and op.mid_channels % op.in_channels == 0
    if not whole or op.activation not in _RELU:
        return op.key
    return (
        f"expanded_conv-{ends}-expand:{op.mid_channels // op.in_channels}-kernel:{op.kernel}-stride:{op.stride}"
        f"-idskip:{int(op.skip)}"
    )


def fbnet_name(op: Operator) -> str:
    """What FBNet's tables call an operator, with the shape that stands beside the name; else its key.

    >>> fbnet_name(Operator("mbconv", 112, 56, 16, 24, 3, 2, 48, activation="relu"))
    'mb_k3_e3 112x112 16 24 2'
    """
    whole = op.kind == "mbconv" and op.norm and not op.squeeze_excite and op.mid_channels % op.in_channels == 0
    if not whole or op.activation not in _RELU or op.skip != (op.stride == 1 and op.in_channels == op.out_channels):
        return op.key
    shape = f"{op.in_size}x{op.in_size} {op.in_channels} {op.out_channels} {op.stride}"
    return f"mb_k{op.kernel}_e{op.mid_channels // op.in_channels} {shape}"


def read_proxyless(path: Path) -> Timings:
    """A YAML table of ProxylessNAS: mean, variance and number of runs by name; the tables are in ms.

    Raises:
      ValueError: if the file is not such a table, or a row is not sound.
    """
    lines = []
    for name, (line, found) in read_rows(path).items():
        place = f"{path}: line {line}"
        variance = checked_time(found.get("var", 0.0), "var", place)
        std = checked_time(found.get("std", math.sqrt(variance)), "std", place)
        mean = checked_time(found["mean"], "mean", place)
        lines.append(Timing(name, mean, place, std, found.get("count", 0)))
    return Timings(str(path), "unknown", tuple(lines), "ms", dialect=proxyless_name)


def read_fbnet(path: Path) -> Timings:
    """A look-up table of FBNet: a Python dictionary a line, without a unit, which must be given.

    A name with a shape may stand there several times, one a layer.

    Raises:
      ValueError: if a line is not such a dictionary, its shape is not five numbers, or its type is not that of the
        first.
    """
    lines: list[Timing] = []
    dtypes: list[object] = []
    for number, row in enumerate(read_text(path, "the look-up table").splitlines(), 1):
        if row.strip():
            place = f"{path}: line {number}"
            entry = _literal(row, place)
            time = checked_time(entry.get("op_latency"), "op_latency", place)
            lines.append(Timing(_named(entry, place), time, place))
            dtypes.append(entry.get("op_dtype"))
            if dtypes[-1] != dtypes[0]:
                raise ValueError(
                    f"{place}: op_dtype is {dtypes[-1]!r}, and {dtypes[0]!r} in the first row; a table is of one type: "
                    "keep its rows in a file of their own"
                )
    return Timings(str(path), "unknown", tuple(lines), unit="", dialect=fbnet_name)


def _literal(row: str, place: str) -> Mapping[str, Any]:
    try:
        entry = ast.literal_eval(row.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        entry = None
    if not isinstance(entry, dict):
        raise ValueError(
            f"{place}: is {row.strip()!r:.60}, not a dictionary with op_name, op_data_shape and op_latency; "
            "correct the line or remove it"
        )
    return entry


def _named(entry: Mapping[str, Any], place: str) -> str:
    name, shape = entry.get("op_name"), entry.get("op_data_shape")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{place}: op_name is {name!r}; it must be the text of a name such as 'mb_k3_e3'")
    if not isinstance(shape, tuple | list) or len(shape) != 5 or not all(type(size) is int for size in shape):
        raise ValueError(f"{place}: op_data_shape is {shape!r}; it must be (width, height, in, out, stride)")
    width, height, ins, outs, stride = shape
    return f"{name} {width}x{height} {ins} {outs} {stride}"
