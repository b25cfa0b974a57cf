"""Parts of the JSON format that are read field by field: nothing unknown, nothing twice, and its measured networks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from nagjax import numerals
from nagjax.devices.correction import Correction
from nagjax.devices.validation import MeasuredNetwork


def load(text: str, where: str) -> Any:
    """JSON text of the file ``where``; a field that stands twice is refused, and so are 1e999 and 1e-999."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in items:
            if name in out:
                raise ValueError(f"the field {name!r} stands twice in one object; remove one of them")
            out[name] = value
        return out

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_float=numerals.number, parse_int=numerals.integer)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}:{error.lineno}: is not JSON ({error.msg}, column {error.colno}): correct it there, or export "
            "the table again; JSON has no comments, and no comma after the last entry"
        ) from None
    except RecursionError:
        raise ValueError(f"{where}: is nested too deeply for a table; the form is in docs/device_tables.md") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def check_fields(given: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    """Check that an object has its fields. Unknown ones are refused too: a misspelt optional one would be lost.

    Raises:
      ValueError: if one is missing or unknown.
    """
    missing = [name for name in required if name not in given]
    unknown = [name for name in given if name not in required + optional]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown field {unknown[0]!r}"
        raise ValueError(f"{where}: {what}; fields are {', '.join(required)}; optional: {', '.join(optional)}")


def list_field(document: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """The value of a field.

    Raises:
      ValueError: if it is not a list.
    """
    value = document[name]
    if not isinstance(value, list):
        raise ValueError(f"{where}: {name} is a {type(value).__name__}; it must be a list")
    return value


def read_correction(entry: Any, factor: float, where: str) -> Correction:
    """The correction of a table whose unit is ``factor`` ms; its offset in ms.

    Raises:
      ValueError: if a field is unknown, missing or out of range, or the offset does not survive the change of unit.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: correction is {entry!r}; it must be an object with scale and offset")
    check_fields(entry, ("scale", "offset"), ("networks", "space"), f"{where}: correction")
    try:
        fitted = Correction(**entry)
        return dataclasses.replace(fitted, offset=numerals.scaled(fitted.offset, factor, "correction: offset"))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_validation(entries: list[Any], factor: float, where: str) -> tuple[MeasuredNetwork, ...]:
    """The measured networks of a table whose unit is ``factor`` ms; their times in ms.

    Raises:
      ValueError: if an entry is malformed or stands twice, or a time does not survive the change of unit.
    """
    networks: dict[str, MeasuredNetwork] = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where}: validation {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{place} is {entry!r}; it must be an object with architecture, raw and measured")
        check_fields(entry, ("architecture", "raw", "measured"), (), place)
        try:
            one = MeasuredNetwork(**entry)
            raw, measured = (numerals.scaled(getattr(one, name), factor, name) for name in ("raw", "measured"))
            one = dataclasses.replace(one, raw=raw, measured=measured)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if one.architecture in networks:
            raise ValueError(f"{place}: architecture {one.architecture} stands twice; remove one of them")
        networks[one.architecture] = one
    return tuple(networks.values())
