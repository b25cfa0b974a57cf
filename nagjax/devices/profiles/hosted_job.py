"""Profile jobs of hosted devices: JSON with a summary of the network and its layers, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax.devices.profiles import fields
from nagjax.devices.timings import Timing, Timings


def recognises(root: Any) -> bool:
    """Whether a JSON document is such a profile."""
    return isinstance(root, Mapping) and "execution_summary" in root


def read(path: Path) -> Timings:
    """Time of each layer, and the estimate for the whole network.

    Layers that a device fused have a time of 0. They stand as they are: a table of them is refused, the time of the
    whole network can be used.

    Raises:
      ValueError: if the file is not such a profile.
    """
    where, root = str(path), fields.document(path)
    if not recognises(root):
        raise ValueError(f"{where}: is not the profile of a hosted device: execution_summary is missing")
    total = fields.time(root["execution_summary"], "estimated_inference_time", f"{where}: execution_summary")
    lines = []
    for number, layer in enumerate(fields.items(root, "execution_detail", where), 1):
        place = f"{where}: layer {number}"
        lines.append(Timing(fields.text(layer, "name", place), fields.time(layer, "execution_time", place), place))
    return Timings(where, "hosted device", tuple(lines), "us", total)
