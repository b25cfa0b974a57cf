"""Which networks to measure on a new device, chosen by what known devices have in common.

``python -m experiments.measure_plan --space=NAME --known=one.csv,two.csv --networks=20 --out=plan.csv``

A file of a known device has the columns ``architecture`` and ``latency_ms``. So has the plan: fill in what is measured,
and ``nagjax adapt`` makes a device table of it. The networks stand in the order in which they teach most.
"""

from __future__ import annotations

import sys
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, full_disk, life, output, settings
from experiments.inputs import known, setup
from nagjax import csv_cells, durable
from nagjax.devices.adapting import planned
from nagjax.devices.pricing import LATENCY


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    known.define_flags(values)
    define.multi_string("where", [], "A condition on networks, such as resolution=224; may be repeated.")
    define.integer("networks", 20, "Networks to measure.", lower_bound=2)
    settings.define_seed("seed", "Seed of the draw from which networks are chosen.", values)
    define.string("out", None, "The file to write: .csv.")


def job(values: flags.FlagValues) -> int:
    """Choose, and write the file to fill in."""
    with output.new_file(values.out, "plan.csv") as out:
        return _plan(values, out)


def _plan(values: flags.FlagValues, out: Path) -> int:
    life.doing("fitting the known devices")
    space = setup.load_space(values)
    where = space.where(settings.parse_pairs(values.where, "where", many=True))
    tokens = planned(known.load(values, space), where, values.networks, values.seed)
    rows = [("architecture", LATENCY), *((space.format(row), "") for row in tokens)]
    full_disk.persist(lambda: durable.replace(out, csv_cells.text(rows)), "the plan")
    console.say(f"{out}: {len(tokens)} networks to measure; put what each takes in the column {LATENCY}")
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
