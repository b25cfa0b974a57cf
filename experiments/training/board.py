"""Metrics for TensorBoard, written by the calling thread.

TensorboardX's own writer hands them to a thread that dies on a full disk, and whoever waits for it then waits for ever.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path


class Board:
    """One event file in a folder, made with the first metrics."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the metrics of a step.

        Raises:
          OSError: if they cannot be written; then none of them is in the file.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        now = time.time()
        values = [value for name, figure in metrics.items() for value in scalar(name, figure).value]
        event = Event(wall_time=now, step=step)
        event.summary.value.extend(values)
        records = _record(event.SerializeToString())
        if self._path is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"
            _append(path, _record(Event(wall_time=now, file_version="brain.Event:2").SerializeToString()) + records)
            self._path = path
        else:
            _append(self._path, records)


def _record(data: bytes) -> bytes:
    """A record of TensorFlow's format: length and data, each with its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def _append(path: Path, data: bytes) -> None:
    """Append all or nothing."""
    with path.open("ab", buffering=0) as file:
        begin = file.tell()
        left = memoryview(data)
        try:
            while left:
                left = left[file.write(left) or 0 :]
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(begin)
            raise
