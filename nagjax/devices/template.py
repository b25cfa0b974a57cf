"""A device table to be filled in: the keys that a space needs, without times; the reader refuses it until then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from nagjax.devices.json_table import FORMAT
from nagjax.operators import Operator
from nagjax.spaces.soundness import complete_edges
from nagjax.spaces.space import Space


def needed_operators(space: Space, allowed: np.ndarray) -> tuple[Operator, ...]:
    """Operators that a table must price: those of whole paths over ``allowed``, bool ``[T, S, C]``.

    Kinds that are free by declaration of the space need no row.
    """
    edges = complete_edges(space.trellis.target, space.trellis.valid & allowed)
    used = np.zeros(len(space.operators) + 1, bool)
    used[space.trellis.operators[edges]] = True
    return tuple(op for op, on in zip(space.operators, used, strict=False) if on and op.kind not in space.free)


def write_template(space: Space, allowed: np.ndarray, path: str | os.PathLike[str]) -> int:
    """Write a table in our JSON format whose times are null to a new file; the number of rows, one a key.

    ``allowed`` are edges of the architectures that are asked for, bool ``[T, S, C]`` (``Space.where``).

    Raises:
      ValueError: if the space declares no operators, the file exists or cannot be written.
    """
    keys = dict.fromkeys(op.key for op in needed_operators(space, allowed))
    if not keys:
        raise ValueError(f"{space.identity} declares no operators: it is priced by measured costs, not by a table")
    head = {"format": FORMAT, "version": 1, "device": "unknown", "runtime": "unknown", "batch": 1, "dtype": "unknown",
            "unit": "ms", "measured": "unknown"}  # fmt: skip
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = [f"    {json.dumps({'operator': key, 'mean': None})}" for key in keys]
    text = "{\n" + ",\n".join([*lines, '  "rows": [\n' + ",\n".join(rows) + "\n  ]"]) + "\n}\n"
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{path}: exists; choose another name for the template, or remove it") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); check that the folder exists") from None
    return len(rows)
