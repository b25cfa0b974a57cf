"""The device table: what each operator costs on one device, in ms, however the file it came from looks.

Readers build ``Row`` and ``DeviceTable`` objects; these check themselves, so a table that exists is a sound one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import numbers
from collections.abc import Iterable, Mapping

from nagjax import numerals
from nagjax.devices.correction import Correction
from nagjax.devices.validation import MeasuredNetwork
from nagjax.operators import Operator, known

COLUMNS = ("latency_ms", "token_ms")
"""Cost columns that a table may price: a pass over a whole input, or one more token of a text."""

MS_PER_UNIT: Mapping[str, float] = {"ms": 1.0, "us": 1e-3, "s": 1e3}
"""Units that a file may declare, and what readers multiply by."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Measured time of one operator.

    Attributes:
      mean: ms, above 0.
      std: ms; 0 where the file does not say.
      count: number of runs behind the mean; 0 where the file does not say.
      source: where it was read, for example ``"note10/160_lookup_table.yaml:12"``; it stands first in error messages.

    Raises:
      ValueError: if a number is not one, not finite, or out of range.
    """

    mean: float
    std: float = 0.0
    count: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or "device table row"
        object.__setattr__(self, "mean", checked_time(self.mean, "mean", where, above=True))
        object.__setattr__(self, "std", checked_time(self.std, "std", where))
        count = self.count
        if isinstance(count, bool) or not isinstance(count, numbers.Integral) or count < 0:
            raise ValueError(
                f"{where}: count is {count!r}; it must be an integer, 0 or above, or left out if not known"
            )
        object.__setattr__(self, "count", int(count))

    def scaled(self, factor: float) -> Row:
        """The same row with times multiplied by ``factor`` (another unit).

        Raises:
          ValueError: if a time would become 0 or infinite.
        """
        if factor == 1:
            return self
        try:
            mean, std = numerals.scaled(self.mean, factor, "mean"), numerals.scaled(self.std, factor, "std")
        except ValueError as error:
            raise ValueError(f"{self.source or 'device table row'}: {error}") from None
        return dataclasses.replace(self, mean=mean, std=std)


@dataclasses.dataclass(frozen=True)
class DeviceTable:
    """Operator times on one device.

    Attributes:
      device, runtime, dtype: what was measured with what, for reports; ``"unknown"`` where the file does not say.
      batch: images a run.
      unit: ``"ms"``; readers convert.
      measured: how and when.
      rows: by ``(Operator.key, network resolution)``; the resolution is None where the table does not distinguish it.
      unmeasured: kinds of operator that the table's dialect never measures; pricing takes 0 for them and lists them.
      source: path as the user gave it.
      correction: makes sums of rows into latencies of whole networks; None where none was fitted.
      validation: whole networks that were measured to judge the sum, none of which the correction was fitted to.
      column: the cost column that it prices, one of ``COLUMNS``. A row of ``token_ms`` is the time of an operator of
        length L for the last of L tokens, whose predecessors' keys and values, or sums, are kept.

    Raises:
      ValueError: if there is no row, or a field is not what it must be.
    """

    device: str
    runtime: str
    batch: int
    dtype: str
    unit: str
    measured: str
    rows: Mapping[tuple[str, int | None], Row]
    unmeasured: tuple[str, ...] = ()
    source: str = ""
    correction: Correction | None = None
    validation: tuple[MeasuredNetwork, ...] = ()
    column: str = COLUMNS[0]

    def __post_init__(self) -> None:
        where = self.source or "device table"
        for name in ("device", "runtime", "dtype", "measured"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f'{where}: {name} is {value!r}; it must be text ("unknown" if you do not know)')
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise ValueError(f"{where}: batch is {self.batch!r}; it must be an integer above 0, the images a run")
        if self.unit != "ms":
            raise ValueError(f"{where}: unit is {self.unit!r}; a table in memory is in ms, convert with ms_per_unit")
        if self.column not in COLUMNS:
            raise ValueError(f"{where}: column is {self.column!r}; it must be one of {', '.join(COLUMNS)}")
        if not self.rows:
            raise ValueError(f"{where}: the table has no rows; give it one row an operator")
        for kind in self.unmeasured:
            if kind not in known():
                kinds = ", ".join(known())
                raise ValueError(f"{where}: unmeasured names {kind!r}; it must name operator kinds: {kinds}")
        measured = [(key, row) for (key, _), row in self.rows.items() if key.partition("-")[0] in self.unmeasured]
        if measured:
            key, row = measured[0]
            raise ValueError(
                f"{where}: unmeasured names {key.partition('-')[0]!r}, so it is priced 0, but {len(measured)} rows "
                f"are of unmeasured kinds, for example {row.source or key}; take it out, or remove the rows"
            )

    def lookup(self, operator: Operator) -> Row | None:
        """The operator's row: at its network resolution where the table distinguishes it; None if missing."""
        row = self.rows.get((operator.key, operator.resolution))
        return row if row is not None else self.rows.get((operator.key, None))

    @property
    def content_hash(self) -> str:
        """SHA-256 in hex of what the table says; row order, sources and the path do not count."""
        rows = [[key, size or 0, row.mean, row.std, row.count] for (key, size), row in self.rows.items()]
        head = [self.device, self.runtime, self.batch, self.dtype, self.unit, self.measured, sorted(self.unmeasured)]
        content: list[object] = [head, sorted(rows)]
        if self.correction or self.validation:  # a table without keeps the hash it had before there were corrections
            correction = dataclasses.astuple(self.correction) if self.correction else None
            content.append([correction, sorted(map(dataclasses.astuple, self.validation))])
        if self.column != COLUMNS[0]:  # likewise one that prices what all did
            content.append(self.column)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def checked_time(value: object, field: str, where: str, above: bool = False) -> float:
    """``value`` as a float, if it is a finite number of 0 or above (``above``: above 0).

    Raises:
      ValueError: otherwise, naming ``where``, the field, what it is and what it must be.
    """
    place = f"{where}: {field} is {value!r}; it must be"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{place} a number: no quotes, no unit, a decimal point and no comma")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{place} a finite number; measure the operator again, or leave the row out")
    if above and number <= 0:
        raise ValueError(f"{place} a time above 0; measure the operator again, or leave the row out")
    if number < 0:
        raise ValueError(f"{place} 0 or above; leave the field out if it is not known")
    return number


def ms_per_unit(unit: object, where: str) -> float:
    """What times in ``unit`` are multiplied by to give ms.

    >>> ms_per_unit("us", "table.json")
    0.001

    Raises:
      ValueError: if the unit is not known.
    """
    if not isinstance(unit, str) or unit not in MS_PER_UNIT:
        raise ValueError(f"{where}: unit is {unit!r}; allowed: {', '.join(MS_PER_UNIT)}; declare the unit of the times")
    return MS_PER_UNIT[unit]


def foreign_table(where: str, wanted: str, found: Iterable[str]) -> ValueError:
    """The error for a table that has no operator at all of the space, with one example of either side."""
    example = next(iter(found), None)
    return ValueError(
        f"{where}: has none of the space's operators; it is a table of another space, width or resolution. "
        f"Looked for, for example, {wanted!r}; the file has, for example, {example!r}. "
        "Give the space the settings that were measured, or give the table of this space"
    )
