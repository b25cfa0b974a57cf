"""The folder of a run: what it records, and why a folder is refused.

``flags.txt`` is the flagfile that repeats or continues the run; ``run.json`` records versions, hashes of the inputs and
what decides the result. Nothing that stays is written before ``claim``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import output, record_file, runtime
from experiments.inputs.setup import input_files
from nagjax import durable
from nagjax.checkpoint import checkpoint
from nagjax.devices.table import DeviceTable

RECORD, FLAGS = "run.json", "flags.txt"
PARTS = {"flags": dict, "inputs": dict, "versions": dict, "device": str}
"""What the record holds."""

DECIDING = (
    "space", "space_settings", "device_format", "where", "costs", "pessimism", "text_column", "quality_column",
    "quality_unit", "duplicate_tolerance", "fit_seed", "controller", "controller_params", "controller_static", "steps",
    "seed", "init_from", "decision_columns", "cost_columns", "predictor_kind", "predictor_settings", "num_labels",
    "labels_seed", "evaluator", "evaluator_settings", "evaluations", "start", "per_round", "retries", "proposer",
    "proposer_settings",
)  # fmt: skip
"""Flags that decide the result of training; the input files do so by their content."""

GROWS = "evaluations"
"""The flag that may be higher when a run is resumed: a search goes on, and its generator is trained anew."""

ORDERED = ("costs", "decision_columns", "cost_columns")
"""Those whose order decides too."""


def decisive(values: flags.FlagValues) -> dict[str, Any]:
    """The values of the flags that decide the result; the order of pairs does not."""
    given = {name: values[name].value for name in DECIDING if name in values}
    return {
        name: sorted(value) if isinstance(value, list) and name not in ORDERED else value
        for name, value in given.items()
    }


def check(values: flags.FlagValues, folder: Path) -> None:
    """Refuse a folder that cannot be used, before anything slow is done.

    Raises:
      ValueError: if it holds something else, or --resume finds nothing or a run with other flags.
    """
    recorded = read(folder)
    if values.resume:
        if recorded is None:
            raise ValueError(f"--out={folder}: holds no run to resume; leave --resume out to begin one")
        grown = {GROWS: values[GROWS].value} if _more(recorded, values) else {}
        _refuse_other(folder, {**recorded["flags"], **grown}, decisive(values))
    elif recorded is not None:
        same = not _differences(recorded["flags"], decisive(values))
        what = "this run already" if same else "another run"
        raise ValueError(f"--out={folder}: holds {what}; give --resume to continue it, or another folder")
    elif set(output.contents(folder)) - {FLAGS}:  # flags alone: killed before anything was done
        raise ValueError(f"--out={folder}: holds other files; give a new or an empty folder")


def claim(values: flags.FlagValues, tables: Mapping[str, DeviceTable], folder: Path) -> None:
    """Record the run in its folder; on --resume compare the inputs with what was recorded.

    Where more evaluations are asked for than before, the generator of those so far is put away in ``after_N/``.

    Raises:
      ValueError: if an input file has changed since.
    """
    inputs = input_hashes(values, tables)
    recorded = read(folder)
    if recorded is not None:
        _refuse_other(folder, recorded["inputs"], inputs)
        if not _more(recorded, values):
            return
        _put_away(folder, recorded["flags"][GROWS])
    durable.replace(folder / FLAGS, flagfile(values))
    record = {"flags": decisive(values), "inputs": inputs, "versions": runtime.versions(), "device": runtime.devices()}
    record_file.write(folder / RECORD, record)


def _more(recorded: Mapping[str, Any], values: flags.FlagValues) -> bool:
    """Whether more evaluations are asked for than were."""
    before = recorded["flags"].get(GROWS)
    asked = values[GROWS].value if GROWS in values else None
    return isinstance(before, int) and isinstance(asked, int) and asked > before


def _put_away(folder: Path, evaluations: int) -> None:
    """Move a generator's checkpoints to where they can still be asked: the next one begins at update 0."""
    if (folder / checkpoint.FOLDER).is_dir():
        place = folder / f"after_{evaluations}"
        shutil.rmtree(place, ignore_errors=True)  # of the same search, interrupted here
        place.mkdir()
        (folder / checkpoint.FOLDER).rename(place / checkpoint.FOLDER)


def read(folder: Path) -> dict[str, Any] | None:
    """The record of the run that a folder holds; None where it holds none.

    Raises:
      ValueError: if the record cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    return record_file.read(path, PARTS, "restore it from a copy, or give another folder")


def flagfile(values: flags.FlagValues) -> str:
    """All flags as a flagfile that repeats the run, one a line."""
    names = ("help", "debug", "resume", "ignore_hash")
    passing = ("--flagfile", *(f"--{negated}{name}" for name in names for negated in ("", "no")))
    lines = [line for line in values.flags_into_string().split("\n") if line and not line.startswith(passing)]
    return "\n".join(lines) + "\n"


def input_hashes(values: flags.FlagValues, tables: Mapping[str, DeviceTable]) -> dict[str, str]:
    """SHA-256 of the input files by name; of device tables, by name, what they say, however they are laid out."""
    out: dict[str, str] = {}
    for path in input_files(values):
        if path.is_file():
            # A benchmark and its records may have one name in two folders.
            name = str(path) if path.name in out else path.name
            out[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out | {name: table.content_hash for name, table in tables.items()}


def _differences(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*recorded, *given])
    return [name for name in names if recorded.get(name) != given.get(name)]


def _refuse_other(folder: Path, recorded: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    differing = _differences(recorded, given)
    if differing:
        shown = "; ".join(f"{name} was {recorded.get(name)!r}, is {given.get(name)!r}" for name in differing)
        raise ValueError(f"--out={folder}: holds a run with other settings ({shown}); give these, or another folder")
