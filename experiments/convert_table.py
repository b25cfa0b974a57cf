"""Make a device table of what another tool measured: a profile of a network, a look-up table, a spreadsheet.

``python -m experiments.convert_table --table=profile.json --names=names.csv --out=table.json``

``--networks=FILE`` adds whole networks that were measured: half of them correct the sums, half judge them.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from experiments.frame import cli, console, full_disk, output, runtime, settings
from experiments.inputs import setup
from nagjax.devices import csv_table, formats, json_table, measured, timings
from nagjax.devices.table import MS_PER_UNIT
from nagjax.devices.validation import doubts, judge

if TYPE_CHECKING:
    from nagjax.devices.table import DeviceTable
    from nagjax.spaces.space import Space

_ABOUT = {"device": "device", "runtime": "runtime", "dtype": "type of the computation, such as int8"}


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    setup.define_space_flags(values)
    units = list(MS_PER_UNIT)
    define.string("names", None, "CSV file: which operator each name of the profile is (name, operator, layer).")
    define.enum("unit", None, units, "Unit of the times, where the file says none.")
    define.string("networks", None, "CSV file of measured networks: architecture; latency, latency_ms or profile.")
    define.enum("networks_unit", None, units, "Unit of the column latency in --networks.")
    define.float(
        "fit_share", 0.5, "Share of the networks that the correction is fitted to; the others judge it.",
        lower_bound=0.0, upper_bound=1.0,
    )  # fmt: skip
    for name, what in _ABOUT.items():
        define.string(name, None, f"What the table calls the {what}.")
    define.integer("batch", None, "Images a run.", lower_bound=1)
    define.string("out", None, "The file to write: .json, or .csv for a spreadsheet.")


def job(values: flags.FlagValues) -> int:
    """Read, attribute, correct, write, and say what was found."""
    if not values.table:
        raise ValueError("--table is not given: name the file that another tool wrote")
    if values.networks and not values.space:
        raise ValueError("--networks needs --space: the sums of its architectures are priced")
    with output.new_file(values.out, "table.json") as out:
        if out.suffix not in (".json", ".csv"):
            raise ValueError(f"--out={values.out}: must end in .json or .csv")
        space = setup.load_space(values) if values.space else None
        table = _described(_read(values, space), values)
        if values.networks and space is not None:  # without --space it was refused
            table = _with_networks(table, space, values)
        write = json_table.write_json if out.suffix == ".json" else csv_table.write_csv
        full_disk.persist(lambda: write(table, out), "the table")
    for line in _summary(table, space, out):
        console.say(line)
    return 0


def _read(values: flags.FlagValues, space: Space | None) -> DeviceTable:
    path = settings.input_path(values, "table")
    operators = space.operators if space is not None else ()
    name = formats.detect(path) if values.device_format == "auto" else values.device_format
    if name not in formats.PROFILES:
        if values.names or values.unit:
            raise ValueError(f"--names and --unit are for profiles; {path} is read as {name!r}, which says both itself")
        return setup.load_table(values, space) if space is not None else formats.read_table(path, operators, name)
    names = timings.read_names(settings.input_path(values, "names")) if values.names else None
    return timings.device_table(formats.PROFILES[name](path), operators, names, values.unit)


def _described(table: DeviceTable, values: flags.FlagValues) -> DeviceTable:
    said: dict[str, Any] = {name: values[name].value for name in (*_ABOUT, "batch") if values[name].value is not None}
    return dataclasses.replace(table, **said)


def _with_networks(table: DeviceTable, space: Space, values: flags.FlagValues) -> DeviceTable:
    path = settings.input_path(values, "networks")

    def of_profile(file: Path) -> float:
        name = formats.detect(file)
        if name not in formats.PROFILES:
            raise ValueError(f"{file}: is read as {name!r}, which does not time whole networks")
        return timings.whole_network(formats.PROFILES[name](file), values.networks_unit)

    networks = measured.read_networks(path, space, values.networks_unit, of_profile)
    return measured.with_networks(table, space, *networks, fit=values.fit_share)


def _summary(table: DeviceTable, space: Space | None, out: Path) -> list[str]:
    means = [row.mean for row in table.rows.values()]
    lines = [f"{out}: {len(means)} operators, {min(means):.4g} to {max(means):.4g} ms, {table.runtime}"]
    if table.correction:
        fitted = table.correction
        lines.append(
            f"correction: {fitted.scale:.4g} x sum + {fitted.offset:.4g} ms, fitted to {fitted.networks} networks"
        )
    if len(table.validation) > 1:
        lines.append(f"judged: {judge(table.correction, table.validation)}")
    return lines + [f"note: {doubt}" for doubt in doubts(table, space.identity if space else None)]


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
