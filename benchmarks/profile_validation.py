"""How well sums of operator times predict whole networks that the correction was not fitted to.

It measures mobilenet_v3_small28 on this machine (some minutes; leave the machine alone), or with ``--table=FILE`` reads
what a table says of its own validation.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.common import report
from experiments import profile_device
from nagjax.devices.json_table import read_json
from nagjax.devices.table import DeviceTable
from nagjax.devices.validation import judge

SPACE, NETWORKS = "mobilenet_v3_small28", 50


def measure(batch: int, rounds: int) -> DeviceTable:
    """Measure a table on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "table.json"
        status = profile_device.main(
            [f"--space={SPACE}", f"--out={out}", f"--validate={NETWORKS}", f"--batch={batch}", f"--rounds={rounds}"]
        )
        if status:
            raise SystemExit(status)
        return read_json(out)


def profile_validation(table: DeviceTable) -> dict[str, Any]:
    """The result of this benchmark.

    Raises:
      ValueError: if the table has no validation.
    """
    verdict = judge(table.correction, table.validation)
    return {
        "spearman": verdict.spearman,
        "median_relative_error": verdict.median_relative_error,
        "networks": verdict.networks,
    }


def main(arguments: list[str]) -> None:
    if arguments[1:]:
        raise app.UsageError(f"{arguments[1]!r} is not a flag; flags are written --name=value")
    values = flags.FLAGS
    table = read_json(values.table) if values.table else measure(values.batch, values.rounds)
    if values.table:
        print(f"read from {values.table}, not measured now: {table.device}; {table.measured}")
    report(profile_validation(table))


if __name__ == "__main__":
    flags.DEFINE_string("table", None, "Read the validation of this table instead of measuring.")
    flags.DEFINE_integer("batch", 16, "Images a run.")
    flags.DEFINE_integer("rounds", 15, "Measurements of each operator and network.")
    app.run(main)
