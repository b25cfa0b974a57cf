"""Rows of a YAML lookup table, ``key: {mean: .., std: ..}``, with the line of each and no silent loss of duplicates.

PyYAML keeps the last of two equal keys without a word, so the node tree is walked here, not loaded into a dict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nagjax.devices.files import read_text
from nagjax.devices.row_faults import REPEATED, RowFault, refuse_rows

_FIELDS = ("mean", "std", "var", "count")
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_rows(path: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """Line (from 1) and fields of every row by its key, in the order of the file.

    Raises:
      ValueError: if the file is not YAML, not a mapping of keys to mappings with a mean, or a key stands twice.
    """
    loader = _SafeLoader(read_text(path))
    try:
        root = loader.get_single_node()
        rows = {}
        for key, (line, node) in _mapping(root, path).items():
            fields = {name: _scalar(loader, value) for name, (_, value) in _mapping(node, path).items()}
            unknown = [name for name in fields if name not in _FIELDS]
            if "mean" not in fields or unknown:
                what = f"has the unknown field {unknown[0]!r}" if unknown else "lacks mean"
                raise ValueError(f"{path}:{line}: row {key!r} {what}; fields are mean and, optional, std or var, count")
            rows[key] = line, fields
        return rows
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


def _scalar(loader: Any, node: Any) -> Any:
    """The value as YAML reads it; what is no scalar becomes None, which no row accepts."""
    return loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
