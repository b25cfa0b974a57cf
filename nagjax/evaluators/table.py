"""The evaluator ``table``: looks qualities up in a file of labelled architectures, as if they were measured one by one.

To try a search on a benchmark, or to go on from what was labelled elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.predictors.records.records import read_records
from nagjax.spaces.space import Space


def make(
    space: Space,
    file: str,
    text_column: str = "architecture",
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    costs: str = "",
) -> Evaluator:
    """The evaluator.

    Args:
      space: what the file's architectures are of.
      file: a .csv or .parquet file, as ``read_records`` takes it.
      text_column: column of the architecture's text.
      quality_column: column of the quality.
      quality_unit: ``"fraction"`` or ``"percent"``.
      costs: names of columns of measured costs, separated by ``+``.

    Raises:
      ValueError: as ``read_records``.
    """
    columns = tuple(name for name in costs.split("+") if name)
    records = read_records(Path(file), space, text_column, quality_column, quality_unit, columns)
    rows = {row.tobytes(): index for index, row in enumerate(records.tokens)}

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        index = [rows.get(row.tobytes(), -1) for row in np.asarray(tokens, np.int32)]
        known = np.array(index) >= 0
        if not known.any():
            raise ValueError(f"{file} has no row of it")
        found = {QUALITY: records.quality, **records.costs}
        return {name: np.where(known, values[index], np.nan) for name, values in found.items()}

    content = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    settings = {
        "file": str(file), "text_column": text_column, "quality_column": quality_column, "quality_unit": quality_unit,
        "costs": costs,
    }  # fmt: skip
    identity = {"sha256": content, **{name: value for name, value in settings.items() if name != "file"}}
    return Evaluator("table", settings, identity, evaluate, columns)
