"""A device table as a CSV file for spreadsheets; ``nagjax.devices.profiles.plain_csv`` reads it."""

from __future__ import annotations

import os
from pathlib import Path

from nagjax import csv_cells, durable
from nagjax.devices.profiles.plain_csv import COLUMNS
from nagjax.devices.table import DeviceTable


def write_csv(table: DeviceTable, path: str | os.PathLike[str]) -> None:
    """Write the rows of a table in ms, whole or not at all; what is said of the device is left out.

    Raises:
      ValueError: if the file exists, or the table holds a correction or measured networks, which a CSV file cannot.
    """
    if table.correction or table.validation:
        raise ValueError(f"{path}: a CSV file holds no correction and no measured networks; write a .json file")
    if Path(path).exists():
        raise ValueError(f"{path}: exists; choose another name, or remove it")
    rows = [
        (key, repr(row.mean), "ms", repr(row.std), str(row.count), "" if size is None else str(size))
        for (key, size), row in sorted(table.rows.items(), key=lambda item: (item[0][0], item[0][1] or 0))
    ]
    try:
        durable.replace(Path(path), csv_cells.text([COLUMNS, *rows]))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); check that the folder exists") from None
