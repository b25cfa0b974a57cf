"""The task ``my_table``: a column of a CSV file of one's own is to be said from the others, which are numbers."""

import csv
from pathlib import Path

import numpy as np

from nagjax.authoring import Task, arrays, classification, regression, standardising, three_parts


def make(
    data_dir: str = "", file: str = "table.csv", target: str = "target", says: str = "classes", seed: int = 0
) -> Task:
    """Rows of ``file`` in the folder ``data_dir``; its column ``target`` holds ``classes`` or ``numbers``."""
    if says not in ("classes", "numbers"):
        raise ValueError(f"my_table: says={says!r}: give classes or numbers")
    path = Path(data_dir) / file
    names, rows = read(path)
    if target not in names:
        raise ValueError(f"{path} has no column {target!r}; give target= one of {', '.join(names)}")
    at = names.index(target)
    features = numbers(path, [row[:at] + row[at + 1 :] for row in rows])
    told, classes = [row[at] for row in rows], np.zeros(len(rows), np.int32)
    settings = {"file": file, "target": target, "says": says, "seed": seed}
    if says == "numbers":
        values, sizes = numbers(path, [[text] for text in told]), {"features": features.shape[1], "outputs": 1}
    else:
        known, found = np.unique(told, return_inverse=True)
        values, sizes = found.astype(np.int32), {"features": features.shape[1], "outputs": len(known)}
        classes = values
    parts = [arrays(features[own], values[own]) for own in three_parts(classes, 0.2, seed, f"my_table: {path}")]
    if says == "numbers":
        return standardising(regression("my_table", settings, parts, sizes))
    return standardising(classification("my_table", settings, parts, sizes, len(known)))


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and the rows, as text."""
    if not path.is_file():
        raise ValueError(f"my_table: there is no file {path}; give its folder by --data_dir, its name by file=")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        names, *rows = [row for row in csv.reader(lines) if row] or [[]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise ValueError(f"{path}: row {number} has {len(row)} fields, the first has {len(names)}: mend the row")
    return names, rows


def numbers(path: Path, rows: list[list[str]]) -> np.ndarray:
    """Rows as float32."""
    try:
        values = np.array(rows, np.float32)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; leave the column out, or write numbers instead of its words") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: row {np.argwhere(~np.isfinite(values))[0, 0] + 2} is not finite: remove or fill it")
    return values
