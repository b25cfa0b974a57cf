"""A device table of a new device from a few measured networks and devices that are known.

``python -m experiments.adapt --space=NAME --known=one.csv,two.csv --measured=plan.csv --out=table.json``

``nagjax measure_plan`` chooses what to measure. The table is used as any other: ``nagjax run --table=table.json``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, settings
from experiments.inputs import known, setup
from nagjax.devices import json_table
from nagjax.devices.adapting import adapted, doubts
from nagjax.devices.validation import spearman


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    known.define_flags(values)
    define.string("measured", None, "CSV file of networks measured on the new device: architecture, latency_ms.")
    define.string("device", "unknown", "What the table calls the device.")
    define.string("out", None, "The file to write: .json.")


def job(values: flags.FlagValues) -> int:
    """Adapt, write the table, and say how well measured networks are predicted by the others."""
    if not values.measured:
        raise ValueError("--measured is not given: name the file of networks measured on the new device")
    with output.new_file(values.out, "table.json") as out:
        return _adapt(values, out)


def _adapt(values: flags.FlagValues, out: Path) -> int:
    life.doing("fitting the known devices")
    space = setup.load_space(values)
    tokens, times = known.read(settings.input_path(values, "measured"), space, "measured")
    devices = known.load(values, space)
    table, found = adapted(devices, tokens, times, values.device)
    for doubt in doubts(devices, tokens, times):
        console.complain(f"warning: {doubt}")
    full_disk.persist(lambda: json_table.write_json(table, out), "the table")
    order = np.argsort(-found.likeness)[:3]
    console.say(
        f"{out}: {len(table.rows)} operators, from {len(times)} measured networks",
        "most like: " + ", ".join(f"{devices.names[i]} ({100 * found.likeness[i]:.0f} %)" for i in order),
        f"each measurement by the others: Spearman {spearman(found.left_out, times):.3f}, median error "
        f"{100 * float(np.median(np.abs(found.left_out / times - 1))):.1f} %"
        if len(times) > 1
        else "one network tells the device's scale; no other tells how well networks are predicted",
    )
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
