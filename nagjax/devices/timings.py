"""What another tool's profile says, and how its names become operators of a device table.

A profiler names what it timed in its own words. A name is attributed to an operator in one of three ways: a list of
names says so; one of its parts between slashes is an operator's key, as in the networks that nagjax exports; or it is
what the dialect of the file calls the operator.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nagjax import tables
from nagjax.devices.row_faults import RowFault, refuse_rows, time_fault
from nagjax.devices.table import MS_PER_UNIT, DeviceTable, Row, foreign_table, ms_per_unit
from nagjax.operators import Operator, parse_key

SHOWN = 4
"""Names told in an error."""

OUTSIDE = "network/"
"""How names begin, in networks that nagjax exports, that belong to no operator."""

_FUSED = re.compile(r" \+ | \|\| |;")
"""How runtimes join the names of layers that they fused."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """One line of a profile.

    Attributes:
      name: what the tool calls the operator, or the part of one.
      time: of one inference, in the unit of the profile.
      place: file and line or entry, to begin an error with.
      std, count: spread in the same unit, and runs; 0 where the file does not say.
      resolution: side of the network's input, pixels; None where the time holds for any, or the file does not say.
      unit: of this line; empty where it is the profile's.
    """

    name: str
    time: float
    place: str
    std: float = 0.0
    count: int = 0
    resolution: int | None = None
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Timings:
    """A profile as a file holds it.

    Attributes:
      source: its path.
      runtime: what wrote it, for the table's ``runtime``.
      lines: times by the tool's names.
      unit: of the times: ``ms``, ``us`` or ``s``; empty where the file does not say.
      network: time of the whole network, in ``unit``; None where the file does not say.
      aside: names of lines that belong to no operator, such as copies between layouts.
      dialect: what the file calls an operator; None where it names layers of one network.
    """

    source: str
    runtime: str
    lines: tuple[Timing, ...]
    unit: str = "ms"
    network: float | None = None
    aside: tuple[str, ...] = ()
    dialect: Callable[[Operator], str] | None = None


@dataclasses.dataclass(frozen=True)
class Name:
    """Which operator a profiler's name belongs to.

    Attributes:
      operator: its key; empty for a name that belongs to none and is left out.
      layer: which layer of the network; names of one layer and operator are its parts and are added.
    """

    operator: str
    layer: str = ""


def read_names(path: str | Path) -> dict[str, Name]:
    """A CSV file that attributes a profiler's names: columns ``name``, ``operator`` and, optional, ``layer``.

    Raises:
      ValueError: if the file cannot be read, lacks a column, names one twice, or an operator is none.
    """
    table = tables.read_table(Path(path), ["name", "operator", "layer"])
    names: dict[str, Name] = {}
    layers = table.columns.get("layer", [""] * len(table.rows))
    for index, (name, key, layer) in enumerate(
        zip(table.column("name"), table.column("operator"), layers, strict=True)
    ):
        if name in names:
            raise ValueError(f"{table.place(index, 'name')}: {name!r} stands twice; remove one of the rows")
        try:
            names[name] = Name(parse_key(key.strip()).key if key.strip() else "", layer.strip())
        except ValueError as error:
            raise ValueError(f"{table.place(index, 'operator')}: {error}; leave it empty for a name to skip") from None
    return names


def device_table(
    timings: Timings,
    operators: Sequence[Operator] = (),
    names: Mapping[str, Name] | None = None,
    unit: str | None = None,
) -> DeviceTable:
    """A device table of the operators that a profile timed, in ms.

    Parts of one layer are added; of several layers of one operator the median is taken, its spread and their number
    stand in the row. A dialect is read for the space's ``operators`` only. ``names`` says which operator each of the
    tool's names belongs to (``read_names``), ``unit`` that of times where the file does not.

    Raises:
      ValueError: if the unit is not known or said twice, a name belongs to no operator, or a time is not above 0.
    """
    if timings.dialect is not None and not operators and not names:
        raise ValueError(
            f"{timings.source}: names operators in the dialect of a published table, which is read for those of a "
            "space: give it (--space)"
        )
    if timings.dialect is not None and not names:
        layers = _by_dialect(timings.lines, {op.key: timings.dialect(op) for op in operators})
    else:
        layers = _by_name(timings, names or {})
    faults: list[RowFault] = []
    found: dict[tuple[str, int | None], list[Row]] = {}
    for (key, size, _), lines in layers.items():
        try:
            row = _added([_row(line, timings, unit) for line in lines])
        except ValueError as error:
            faults.append(time_fault(min(line.time for line in lines), str(error)))
            continue
        found.setdefault((key, size), []).append(row)
    refuse_rows(timings.source, len(timings.lines), faults)
    if not found:
        name = timings.dialect or (lambda op: op.key)
        wanted = name(operators[0]) if operators else "an operator's key"
        raise foreign_table(timings.source, wanted, (line.name for line in timings.lines))
    return DeviceTable(
        device="unknown",
        runtime=timings.runtime,
        batch=1,
        dtype="unknown",
        unit="ms",
        measured=f"imported from {Path(timings.source).name}; batch 1 is assumed",
        rows={key: _median(rows) for key, rows in found.items()},
        source=timings.source,
    )


def whole_network(timings: Timings, unit: str | None = None) -> float:
    """Time of the whole network, ms.

    Raises:
      ValueError: if the profile does not say it, or in no known unit.
    """
    if timings.network is None:
        raise ValueError(
            f"{timings.source}: does not say what the whole network took, only its layers, whose sum is not the same; "
            "give the time itself"
        )
    return timings.network * _factor(timings, "", unit, timings.source)


def _by_dialect(timed: Sequence[Timing], names: Mapping[str, str]) -> dict[tuple[str, int | None, str], list[Timing]]:
    """Lines by operator; where a look-up table has several of one name, each is a layer of its own."""
    lines: dict[str, list[Timing]] = {}
    for line in timed:
        lines.setdefault(line.name, []).append(line)
    return {
        (key, None, str(number)): [line]
        for key, name in names.items()
        for number, line in enumerate(lines.get(name, ()))
    }


def _by_name(timings: Timings, names: Mapping[str, Name]) -> dict[tuple[str, int | None, str], list[Timing]]:
    """Lines by operator, resolution and layer.

    Raises:
      ValueError: for names that belong to no operator or to several, all in one error.
    """
    layers: dict[tuple[str, int | None, str], list[Timing]] = {}
    unknown: list[Timing] = []
    torn: list[Timing] = []
    for line in timings.lines:
        of = {names[line.name]} if line.name in names else _layers_in(line.name)
        if len(of) == 1:
            (one,) = of
            if one.operator:
                layers.setdefault((one.operator, line.resolution, one.layer), []).append(line)
        else:
            (torn if of else unknown).append(line)
    unused = [name for name in names if all(line.name != name for line in timings.lines)]
    if unknown or torn or unused:
        raise _unattributed(timings, unknown, torn, unused)
    _refuse_unlayered(layers, names)
    return layers


def _layers_in(name: str) -> set[Name]:
    """Operators that the parts of a fused name hold; copies and activations without a key add none."""
    if name.startswith(OUTSIDE):
        return {Name("")}
    return {found for part in _FUSED.split(name) for found in _key_in(part)}


def _key_in(name: str) -> Iterable[Name]:
    parts = name.strip(" []{}").split("/")
    for index, part in enumerate(parts):
        try:
            key = parse_key(part).key
        except ValueError:
            continue
        return [Name(key, "/".join(parts[:index]))]
    return []


def _unattributed(
    timings: Timings, unknown: Sequence[Timing], torn: Sequence[Timing], unused: Sequence[str]
) -> ValueError:
    told = []
    if unknown:
        told.append(f"{len(unknown)} of {len(timings.lines)} names belong to no operator: {_some(unknown)}")
    if torn:
        told.append(f"{len(torn)} were fused from several operators and cannot be parted: {_some(torn)}")
    if unused:
        shown = ", ".join(map(repr, unused[:SHOWN]))
        told.append(f"the list of names has {len(unused)} that the profile lacks: {shown}")
    return ValueError(
        f"{timings.source}: {'; '.join(told)}. Say whose they are in a CSV file with columns name, operator, layer "
        "(nagjax convert-table --names=FILE; an empty operator leaves a name out), or profile a network that nagjax "
        "exported, whose nodes carry the keys"
    )


def _some(lines: Sequence[Timing]) -> str:
    shown = ", ".join(f"{line.name!r} ({line.place.rpartition(': ')[2]})" for line in lines[:SHOWN])
    return shown + (f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")


def _refuse_unlayered(layers: Mapping[tuple[str, int | None, str], list[Timing]], names: Mapping[str, Name]) -> None:
    """Refuse several lines of one operator of which nothing says whether they are its parts or further layers."""
    for (key, _, layer), lines in layers.items():
        if layer or len(lines) < 2:
            continue
        if all(line.name == key for line in lines):
            second = lines[1]
            raise ValueError(f"{second.place}: operator {key!r} stands twice; remove one of the rows")
        if any(line.name in names for line in lines):
            raise ValueError(
                f"{lines[1].place}: operator {key!r} has {len(lines)} names and no layer: put in the column layer of "
                "the list of names which belong to one layer (they are added), and which are another (of them the "
                "median is taken)"
            )


def _row(line: Timing, timings: Timings, unit: str | None) -> Row:
    place = f"{line.place} ({line.name})"
    return Row(line.time, line.std, line.count, place).scaled(_factor(timings, line.unit, unit, line.place))


def _factor(timings: Timings, of_line: str, given: str | None, place: str) -> float:
    """What a time is multiplied by to give ms: the file says its unit, or the user, and not both differently."""
    said = of_line or timings.unit
    if not said and given is None:
        raise ValueError(
            f"{place}: nothing says the unit of the times; give it: nagjax convert-table --unit=ms "
            f"({', '.join(MS_PER_UNIT)})"
        )
    if said and given is not None and said != given:
        raise ValueError(f"{place}: the file gives times in {said!r}, not in {given!r}; leave the unit out")
    return ms_per_unit(said or given, place)


def _added(rows: Sequence[Row]) -> Row:
    """Parts of one layer as one row; their spreads are taken as independent."""
    if len(rows) == 1:
        return rows[0]
    std = float(np.sqrt(sum(row.std**2 for row in rows)))
    return Row(sum(row.mean for row in rows), std, min(row.count for row in rows), rows[0].source)


def _median(rows: Sequence[Row]) -> Row:
    """Layers of one operator as one row."""
    if len(rows) == 1:
        return rows[0]
    times = np.array([row.mean for row in rows])
    middle = float(np.median(times))
    spread = 1.4826 * float(np.median(np.abs(times - middle)))
    return Row(middle, spread, len(rows), rows[0].source)
