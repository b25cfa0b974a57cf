"""Files of other tools: every format on a sample, and at least five faulty variants of each.

``python -m benchmarks.import_formats`` ends with {formats, rows_read, variants, refused, refused_well}: a refusal is
well said if it is a ValueError that begins with the file and says what stands there and what to do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.fault_cases.profiles import FAULTS, OPERATORS, SAMPLES
from nagjax.devices.formats import PROFILES, detect
from nagjax.devices.table import DeviceTable
from nagjax.devices.timings import device_table


def import_formats(_data_dir: Path) -> dict[str, Any]:
    """Read all samples, and all faulty variants; ``data_dir`` is not read."""
    with tempfile.TemporaryDirectory() as folder:
        rows = sum(len(_read(Path(folder), name, SAMPLES[name][1]).rows) for name in SAMPLES)
        messages = [(said, _refusal(Path(folder), name, text)) for name, text, said in FAULTS]
    well = sum(said in message for said, message in messages)
    refused = sum(bool(message) for _, message in messages)
    return {
        "formats": len(SAMPLES), "rows_read": rows, "variants": len(FAULTS), "refused": refused, "refused_well": well,
    }  # fmt: skip


def _read(folder: Path, name: str, text: str, told: bool = True) -> DeviceTable:
    path = folder / SAMPLES[name][0]
    path.write_text(text, encoding="utf-8")
    chosen = detect(path) if told else name
    return device_table(PROFILES[chosen](path), OPERATORS, unit="ms" if name == "fbnet" else None)


def _refusal(folder: Path, name: str, text: str) -> str:
    """The message of the refusal; empty where the file is read, or the message does not begin with its path."""
    try:
        _read(folder, name, text, told=False)
    except ValueError as error:
        return str(error) if str(error).startswith(str(folder / SAMPLES[name][0])) else ""
    return ""


if __name__ == "__main__":
    common.main(import_formats)
