"""ONNX Runtime's profile: trace events of every run, in microseconds (``SessionOptions.enable_profiling``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax.devices.profiles import fields
from nagjax.devices.timings import Timing, Timings

_SUFFIX = "_kernel_time"
_RUN = "model_run"
_COPY = re.compile(r"Reorder(Input|Output)(_token_\d+)?$")
"""Copies between layouts, which the runtime puts in; they belong to no operator."""


def recognises(root: Any) -> bool:
    """Whether a JSON document is such a profile."""
    return isinstance(root, list) and any(isinstance(entry, Mapping) and "cat" in entry for entry in root[:50])


def read(path: Path) -> Timings:
    """Median time of each node over the runs; the first run, which warms up, is left out where there are more.

    Raises:
      ValueError: if the file is not such a profile, or holds no run.
    """
    where, root = str(path), fields.document(path)
    if not recognises(root):
        raise ValueError(f"{where}: is not a profile of ONNX Runtime, a list of events with cat, name and dur")
    times: dict[str, list[float]] = {}
    first: dict[str, int] = {}
    for number, event in enumerate(root, 1):
        place = f"{where}: event {number}"
        if not isinstance(event, Mapping) or event.get("cat") not in ("Node", "Session"):
            continue
        name = fields.text(event, "name", place)
        if event["cat"] == "Node" and not name.endswith(_SUFFIX):
            continue  # fences before and after a node are not its time
        label = name if event["cat"] == "Session" else _node(event, name)
        times.setdefault(label, []).append(fields.time(event, "dur", place))
        first.setdefault(label, number)
    nodes = {name: found for name, found in times.items() if name.endswith(_SUFFIX)}
    if not nodes:
        raise ValueError(f"{where}: holds no run of the network: end profiling after the session has run several times")
    named = {name.removesuffix(_SUFFIX): (found, f"{where}: event {first[name]}") for name, found in nodes.items()}
    lines = tuple(_line(name, *found) for name, found in named.items() if not _COPY.match(name))
    aside = tuple(name for name in named if _COPY.match(name))
    runs = times.get(_RUN)
    return Timings(where, "ONNX Runtime", lines, "us", _median(runs)[0] if runs else None, aside)


def _node(event: Mapping[str, Any], name: str) -> str:
    """Its name; nodes without one are told apart by their number."""
    arguments = event.get("args") or {}
    return name if name != _SUFFIX else f"node {arguments.get('node_index', '?')}{_SUFFIX}"


def _line(name: str, times: list[float], place: str) -> Timing:
    middle, spread, count = _median(times)
    return Timing(name, middle, place, spread, count)


def _median(times: list[float]) -> tuple[float, float, int]:
    kept = np.array(times[1:] or times)
    middle = float(np.median(kept))
    return middle, 1.4826 * float(np.median(np.abs(kept - middle))), len(kept)
