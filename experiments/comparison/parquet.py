"""The results of a comparison as Parquet, for those who read them with other tools.

Written whole from the rows of ``results.csv``, which stays the file that grows run by run and survives a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.rows import COLUMNS, KINDS, Row
from nagjax import durable

PARQUET = "results.parquet"
_TYPES = {"str": "string", "int": "int64", "float": "float64", "bool": "bool_"}


def check() -> None:
    """Refuse a comparison whose results could not be written in the end.

    Raises:
      ValueError: if pyarrow is not installed.
    """
    _pyarrow()


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows, with the columns and values of ``results.csv``; what is not known is null.

    Raises:
      ValueError: if pyarrow is not installed.
    """
    pa, parquet = _pyarrow()
    schema = pa.schema([(name, getattr(pa, _TYPES[KINDS[name]])()) for name in COLUMNS])
    columns = {name: [_known(getattr(row, name)) for row in rows] for name in COLUMNS}
    with durable.replacing(path) as file:
        parquet.write_table(pa.table(columns, schema=schema), file)


def _known(value: Any) -> Any:
    return None if value != value else value


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            "--parquet needs pyarrow: pip install 'nagjax[parquet]', or leave the flag out (results.csv holds the same)"
        ) from None
    return pa, parquet
