"""A device table of a new device from a few measured networks and devices that are known.

``python -m experiments.adapt --space=NAME --known=one.csv,two.csv --measured=plan.csv --out=table.json``

``nagjax measure_plan`` chooses what to measure. The table is used as any other: ``nagjax run --table=table.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    setup.define_space_flags(values)
    known.define_flags(values)
    flags.DEFINE_string(
        "measured", None, "CSV file of networks measured on the new device: architecture, latency_ms.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_string("device", "unknown", "What the table calls the device.", flag_values=values)
    flags.DEFINE_string("out", None, "The file to write: .json.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Adapt, write the table, and say how well measured networks are predicted by the others."""
    if not values.measured:
        raise ValueError("--measured is not given: name the file of networks measured on the new device")
    with output.file(values.out, "table.json") as out:
        if out.exists():
            raise ValueError(f"--out={values.out}: exists; choose another name, or remove it")
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
        f"each network by the others: Spearman {spearman(found.left_out, times):.3f}, median error "
        f"{100 * float(np.median(np.abs(found.left_out / times - 1))):.1f} %",
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
