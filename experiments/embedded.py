"""Data sets that travel with the package, found by name: ``python -m experiments.embedded`` prints where one is.

Each is a folder of ``nagjax/data`` with the flagfile ``default.flags``, ``table.json``, and ``records.csv`` or
``predictor.npz``; the paths in the flagfile start from the folder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, settings

FLAGFILE = "default.flags"
TABLE = "table.json"
QUALITY = ("records.csv", "predictor.npz")


def find(name: str = "default", root: Path | None = None) -> Path:
    """Folder of an embedded data set, among those of the installed package or of ``root``.

    Raises:
      ValueError: if there is no such data set, or a file of it is missing.
    """
    root = Path(str(files("nagjax"))) / "data" if root is None else root
    folder = root / name
    known = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    if name not in known:
        raise ValueError(f"embedded data: there is no {name!r}{settings.nearest(name, known)}")
    missing = [file for file in (FLAGFILE, TABLE) if not (folder / file).is_file()]
    if not any((folder / file).is_file() for file in QUALITY):
        missing.append(" or ".join(QUALITY))
    if missing:
        raise ValueError(f"{folder}: embedded data {name!r} lacks {', '.join(missing)}; install the library again")
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Print the folder of a data set."""

    def define(values: flags.FlagValues) -> None:
        flags.DEFINE_string("name", "default", "Name of the data set.", flag_values=values)

    def job(values: flags.FlagValues) -> int:
        console.say(find(values.name))
        return 0

    return cli.execute(__doc__, define, job, argv)


if __name__ == "__main__":
    sys.exit(main())
