"""Records of how something was made, as JSON beside it: written whole or not at all, and refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax import durable


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record; a crash leaves the old file or the new one, never half of one."""
    durable.replace(path, _text(record))


def create(path: Path, record: Mapping[str, Any]) -> bool:
    """Write a record where none is; whether it was written. Of several processes exactly one does."""
    return durable.create(path, _text(record))


def read(path: Path, parts: Mapping[str, type], remedy: str) -> dict[str, Any]:
    """Read a record whose parts are of these types; the remedy says what to do where it is not one.

    Raises:
      ValueError: if it is empty, torn, of another kind, or lacks a part; the file is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
        record = json.loads(text)
    except ValueError as error:  # not UTF-8, or not JSON
        what = "is empty" if not path.stat().st_size else f"is damaged ({error})"
        raise ValueError(f"{path}: is not the record of a run: it {what}; {remedy}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: is not the record of a run: it holds a {type(record).__name__}; {remedy}")
    for name, kind in parts.items():
        if not isinstance(record.get(name), kind):
            raise ValueError(f"{path}: is not the record of a run: it has no {name!r}; {remedy}")
    return record


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2) + "\n"
