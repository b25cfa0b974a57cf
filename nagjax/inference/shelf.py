"""Fronts kept beside a checkpoint: a generator that was asked once answers ``best`` without compiling what finds them.

Making a front compiles and runs the policy; what it ends in is a few arrays. They lie in ``RUN/kept``, a file for each
question (conditions, seed, prices), checkpoint, code and machine, so that an answer is what it would be without them. A
file that is damaged or is another's is not believed, and a line says so; where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nagjax import durable
from nagjax.checkpoint import sealing
from nagjax.inference.answering import SOURCES
from nagjax.inference.nondominated import NondominatedSet
from nagjax.predictors.formats import npz
from nagjax.problems.problem import Description
from nagjax.spaces import trellis as tl

_LOG = logging.getLogger(__name__)

FOLDER = "kept"

MOST = 64
"""Files of one checkpoint; more are not kept."""

HEADER = "nagjax_front"


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Where the fronts of one checkpoint are kept.

    Attributes:
      run: folder of the run.
      seal: hash of the checkpoint's configuration, which holds those of its arrays.
    """

    run: Path
    seal: str

    def read(self, description: Description, allowed: np.ndarray, seed: int) -> NondominatedSet | None:
        """The front that was kept for a description with edges bool ``[T, S, C]`` and a seed; None where none was."""
        key = self._key(description, seed)
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            return _front(npz.read_arrays(path), key, description, allowed)
        except (ValueError, OSError) as error:
            _LOG.warning("%s: is not believed, and made anew (%s)", path, error)
            return None

    def write(self, front: NondominatedSet, description: Description, seed: int) -> None:
        """Keep a front, where that is possible."""
        key = self._key(description, seed)
        path = self._path(key)
        arrays: dict[str, Any] = {name: getattr(front, name) for name in ("tokens", "objective", "source")}
        arrays["looks"] = np.array(front.looks)
        header = json.dumps({"key": key, "sha256": sealing.digest_arrays(arrays)})
        arrays[HEADER] = np.frombuffer(header.encode(), np.uint8)
        with contextlib.suppress(OSError):  # a folder that is only read, a full disk
            path.parent.mkdir(exist_ok=True)
            self._make_room(path.parent)
            if len(list(path.parent.iterdir())) < MOST:
                with durable.replacing(path) as file:
                    np.savez(file, **arrays)

    def _path(self, key: str) -> Path:
        return self.run / FOLDER / f"{self.seal[:16]}-{key[:16]}.npz"

    def _make_room(self, folder: Path) -> None:
        """Remove what belongs to earlier steps of the run."""
        for path in folder.glob("*-*.npz"):
            if not path.name.startswith(self.seal[:16]):
                path.unlink(missing_ok=True)

    def _key(self, description: Description, seed: int) -> str:
        """What a front depends on, as one hash: the question, the checkpoint, the code, and what it ran on."""
        # A generator on a device that it was not trained for has the checkpoint's seal, and other prices.
        priced = [(info.name, info.device, info.content_hash, info.scale, info.offset) for info in description.costs]
        asked = [self.seal, description.where or {}, priced, seed, _code(), *_machine()]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _front(
    arrays: Mapping[str, np.ndarray], key: str, description: Description, allowed: np.ndarray
) -> NondominatedSet:
    """A front from what a file holds.

    Raises:
      ValueError: if that is not what was written for this key, or no front of this problem.
    """
    held = dict(arrays)
    header: Any = json.loads(held.pop(HEADER, np.zeros(0, np.uint8)).tobytes())
    if header != {"key": key, "sha256": sealing.digest_arrays(held)}:
        raise ValueError("its hashes are not those of its content")
    tokens = held["tokens"]
    _, fine = tl.walk(description.space.trellis.target, allowed, tokens)
    if not (len(tokens) and fine.all() and (held["source"] < len(SOURCES)).all()):
        raise ValueError("it holds no architectures of this checkpoint")
    costs = description.costs_of(tokens)
    if len(description.costs) == 1 and not (np.diff(costs[:, 0]) > 0).all():
        raise ValueError("its architectures are not in order of cost")
    return NondominatedSet(description.exact, tokens, costs, held["objective"], held["source"], int(held["looks"]))


def _code() -> str:
    """Hash of the library's own files."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _machine() -> tuple[str, ...]:
    """What arithmetic depends on: versions, devices, the processor."""
    device = jax.devices()[0]
    processor = platform.machine()
    with contextlib.suppress(OSError):  # where the system has no such file, the kind of machine must do
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
    return (
        jax.__version__, metadata.version("jaxlib"), device.platform, device.device_kind, str(jax.device_count()),
        processor,
    )  # fmt: skip
