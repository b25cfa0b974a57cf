"""Fields of profiles in JSON: what must stand there, and of which type, with the place of what does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax.devices.json_fields import load
from nagjax.devices.table import checked_time
from nagjax.files import read_text


def document(path: Path) -> Any:
    """The JSON of a profile.

    Raises:
      ValueError: if it cannot be read or is not JSON.
    """
    return load(read_text(path, "the profile"), str(path))


def text(entry: Any, name: str, place: str) -> str:
    """A field of an object that must be text.

    Raises:
      ValueError: if the entry is not an object, or the field is missing, empty or something else.
    """
    value = _field(entry, name, place)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{place}: {name} is {value!r}; it must be text; write the profile again")
    return value


def time(entry: Any, name: str, place: str) -> float:
    """A field of an object that must be a time of 0 or above.

    Raises:
      ValueError: if the entry is not an object, or the field is missing, no number, below 0 or not finite.
    """
    return checked_time(_field(entry, name, place), name, place)


def items(root: Any, name: str, where: str) -> list[Any]:
    """A field of an object that must be a list with something in it.

    Raises:
      ValueError: otherwise.
    """
    value = _field(root, name, where)
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where}: {name} holds no entries; profile a run of the network, and export that")
    return value


def _field(entry: Any, name: str, place: str) -> Any:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{place}: is {entry!r:.60}; it must be an object with {name}; write the profile again")
    if name not in entry:
        raise ValueError(f"{place}: lacks {name}; it has {', '.join(map(str, entry)) or 'nothing'}: another tool's?")
    return entry[name]
