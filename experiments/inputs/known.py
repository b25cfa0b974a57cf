"""The flag ``--known``: files of networks that were measured on known devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import settings
from nagjax.devices.adapting import KnownDevices, known_devices
from nagjax.devices.pricing import LATENCY
from nagjax.learned.measured import read_measured
from nagjax.spaces.space import Space


def define_flags(values: flags.FlagValues) -> None:
    """Add the flag."""
    define = settings.Definer(values)
    define.list("known", [], f"CSV files of known devices, one each: architecture, {LATENCY}.")


def load(values: flags.FlagValues, space: Space) -> KnownDevices:
    """The known devices, called by the names of their files.

    Raises:
      ValueError: if there are fewer than two, two have one name, or anything is wrong in a file.
    """
    if not values.known:
        raise ValueError("--known is not given: name two or more files of measured networks, one a device")
    paths = [settings.input_path(values, "known", name) for name in values.known]
    names = [path.stem for path in paths]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"--known: {twice[0]!r} stands twice; a device has one file, and files different names")
    return known_devices(space, {name: read(path, space, "known") for name, path in zip(names, paths, strict=True)})


def read(path: Path, space: Space, flag: str) -> tuple[np.ndarray, np.ndarray]:
    """Networks int32 ``[N, T]`` of a file and their latencies float64 ``[N]``, ms; rows without one are left out.

    Raises:
      ValueError: if anything is wrong in the file, or no row has a latency.
    """
    found = read_measured(path, space, {LATENCY: LATENCY})
    costs = found.costs[LATENCY]
    given = ~np.isnan(costs)
    if not given.any():
        raise ValueError(f"--{flag}: {path}: no row has a {LATENCY}; put there what each network took")
    return found.tokens[given], costs[given]
