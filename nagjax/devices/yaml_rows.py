"""Rows of a YAML lookup table, ``key: {mean: .., std: ..}``, with the line of each and no silent loss of duplicates.

PyYAML keeps the last of two equal keys without a word, so the node tree is walked here, not loaded into a dict.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from nagjax import numerals
from nagjax.devices.row_faults import REPEATED, RowFault, refuse_rows
from nagjax.files import read_text

_QUOTES = ("'", '"', "|", ">")
_DIGIT = re.compile(r"[+-]?\.?\d")
_OCTAL = re.compile(r"[+-]?0[0-9]+")
_FIELDS = ("mean", "std", "var", "count")
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_rows(path: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """Line (from 1) and fields of every row by its key, in the order of the file.

    Raises:
      ValueError: if the file is not YAML, not a mapping of keys to mappings with a mean, or a key stands twice.
    """
    loader = _SafeLoader(read_text(path, "the device table"))
    try:
        root = loader.get_single_node()
        rows = {}
        for key, (line, node) in _mapping(root, path).items():
            fields = {
                name: _scalar(loader, value, f"{path}:{at}: row {key!r}, {name}")
                for name, (at, value) in _mapping(node, path).items()
            }
            unknown = [name for name in fields if name not in _FIELDS]
            if "mean" not in fields or unknown:
                what = f"has the unknown field {unknown[0]!r}" if unknown else "lacks mean"
                raise ValueError(f"{path}:{line}: row {key!r} {what}; fields are mean and, optional, std or var, count")
            rows[key] = line, fields
        return rows
    except RecursionError:
        raise ValueError(f"{path}: is nested too deeply for a table; a row is a key, then mean and std") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "no YAML document"
        raise ValueError(f"{place}: is not YAML ({problem}); export the table again, or correct the line") from None
    finally:
        loader.dispose()


def _mapping(node: Any, path: Path) -> dict[str, tuple[int, Any]]:
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node else 1
        value = getattr(node, "value", None)
        found = repr(value) if isinstance(value, str) else "a list" if value else "nothing"
        raise ValueError(f"{path}:{line}: {found} where a mapping must stand; a row is a key, then mean and std")
    out: dict[str, tuple[int, Any]] = {}
    twice = []
    for key, value in node.value:
        line, name = key.start_mark.line + 1, key.value
        if not isinstance(name, str):
            raise ValueError(f"{path}:{line}: a list or mapping stands as a key; a key names an operator")
        if name in out:
            text = f"{path}:{line}: {name!r} stands twice (first in line {out[name][0]}); remove one of them"
            twice.append(RowFault(REPEATED, text))
        out.setdefault(name, (line, value))
    refuse_rows(str(path), len(node.value), twice)
    return out


def _scalar(loader: Any, node: Any, place: str) -> Any:
    """The value of a scalar; what is none becomes None, which no row accepts."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        begins_as_number = node.style not in _QUOTES and _DIGIT.match(node.value)
        return _number(node.value) if begins_as_number else loader.construct_object(node)
    except ValueError as error:
        raise ValueError(f"{place}: {error}; write a plain decimal number of ms") from None


def _number(text: str) -> int | float:
    """A number without quotes.

    YAML 1.1 reads 1:30 in base 60, 017 in base 8, 0x1f in base 16 and 1_000 without its underscore, YAML 1.2 reads them
    otherwise: what is not plainly one number is refused.
    """
    if _OCTAL.fullmatch(text):
        raise ValueError(f"{text!r} begins with 0, which makes it octal to some; write it without the 0")
    value = numerals.plain(text)
    return numerals.number(text) if value is None else value
