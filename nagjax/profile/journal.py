"""Raw measurements on disk: one JSON line each, appended as it is made; whatever ends a profile loses one at most."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import durable

FORMAT, VERSION = "nagjax-profile", 1
_Place = tuple[str, str]


class Journal:
    """The measurements of one profile, in memory and on disk; a context manager.

    Attributes:
      seconds: by kind and name of a subject, seconds an inference, one a round.
      chosen: texts of the networks to be measured, by what for (``"fit"``, ``"validate"``); empty before.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        resume: bool = False,
        persist: Callable[[Callable[[], None]], None] = lambda save: save(),
    ) -> None:
        """Begin a journal, or go on with one.

        Args:
          path: the file.
          header: what measurements depend on: device, runtime, space and so on; JSON values.
          resume: go on with the file if it exists.
          persist: calls what writes to the disk, again if it likes: what raises has written nothing.

        Raises:
          ValueError: if the file exists and is not to be resumed, is of another device, space or setting, or damaged.
        """
        self.path, self._header = path, {"format": FORMAT, "version": VERSION, **header}
        self.seconds: dict[_Place, list[float]] = defaultdict(list)
        self.chosen: dict[str, Sequence[str]] = {}
        if path.exists() and not resume:
            raise ValueError(f"{path}: measurements are there already; go on with --resume, or choose another --out")
        lines = durable.whole_lines(path)
        for number, line in enumerate(lines, 1):
            self._take(number, line)
        self._persist = persist
        self._file = durable.Appender(path)
        if not lines:
            self._append(self._header)
            self.sync()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self.sync()
        finally:
            self._file.close()

    def add(self, kind: str, name: str, seconds: float) -> None:
        """Append a measurement."""
        self._append({kind: name, "seconds": seconds})
        self.seconds[kind, name].append(seconds)

    def choose(self, chosen: Mapping[str, Sequence[str]]) -> None:
        """Append which networks are measured; it replaces an earlier choice."""
        self._append({"chosen": dict(chosen)})
        self.chosen = dict(chosen)
        self.sync()

    def sync(self) -> None:
        """Wait until all is on the disk; not after each line, since that would disturb what is timed next."""
        self._persist(self._file.sync)

    def _append(self, record: Mapping[str, Any]) -> None:
        self._persist(lambda: self._file.add_soon(json.dumps(record) + "\n"))

    def _take(self, number: int, line: str) -> None:
        try:
            record = json.loads(line)
            if number == 1:
                self._check(record)
            elif "chosen" in record:
                self.chosen = record["chosen"]
            else:
                kind = "operator" if "operator" in record else "network"
                seconds = record["seconds"]
                if not 0 < seconds < float("inf"):
                    raise TypeError("no time")
                self.seconds[kind, record[kind]].append(float(seconds))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{self.path}:{number}: is not a line of a profile: {line[:60]!r}; remove the line to go on without it"
            ) from None

    def _check(self, record: Mapping[str, Any]) -> None:
        if record.get("format") != FORMAT or record.get("version") != VERSION:
            raise ValueError(
                f"{self.path}: begins with {record.get('format')!r} version {record.get('version')!r}, not with "
                f"{FORMAT!r} version {VERSION}: it is another file; choose another --out"
            )
        for name in {**self._header, **record}:
            value = self._header.get(name)
            if record.get(name) != value:
                raise ValueError(
                    f"{self.path}: was measured with {name} {record.get(name)!r}, now it is {value!r}: these do not "
                    "belong into one table; resume as it was begun, or choose another --out"
                )
