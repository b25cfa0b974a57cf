"""TensorRT's profile: ``trtexec --exportProfile=FILE``, a list of layers in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax import arguments
from nagjax.devices.profiles import fields
from nagjax.devices.timings import Timing, Timings

_COPY = "Reformatting CopyNode"


def recognises(root: Any) -> bool:
    """Whether a JSON document is such a profile: its first object holds only the number of runs."""
    return isinstance(root, list) and bool(root) and isinstance(root[0], Mapping) and set(root[0]) == {"count"}


def read(path: Path) -> Timings:
    """Median time of each layer, the mean where an older trtexec wrote no median.

    ``timeMs`` is the sum over all runs and is never taken. Copies between layouts belong to no operator.

    Raises:
      ValueError: if the file is not such a profile, or a layer has no time of one run.
    """
    where, root = str(path), fields.document(path)
    if not recognises(root):
        raise ValueError(f"{where}: is not a profile of trtexec, a list that begins with the count of runs")
    runs = arguments.count(root[0]["count"], f"{where}: entry 1: count", 1)
    if len(root) < 2:
        raise ValueError(f"{where}: holds no layers; export a profile of a network that ran")
    lines, aside = [], []
    for number, entry in enumerate(root[1:], 2):
        place = f"{where}: entry {number}"
        name = fields.text(entry, "name", place)
        field = "medianMs" if "medianMs" in entry else "averageMs"
        line = Timing(name, fields.time(entry, field, place), place, count=runs)
        if name.startswith(_COPY):
            aside.append(name)
        else:
            lines.append(line)
    return Timings(where, "TensorRT", tuple(lines), "ms", aside=tuple(aside))
