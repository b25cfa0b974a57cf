"""One input of the suite of faults: what is done with it, and what is right."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = (
    "add", "ask for", "check", "choose", "close quotes", "convert", "correct", "declare", "export", "fetch", "fill",
    "give", "install", "leave", "make", "measure", "must", "name a", "name each", "name the", "put", "quote text",
    "remove", "rename", "repair", "restore", "save it", "say", "set version", "take it out", "train again", "unpack",
    "write",
)  # fmt: skip
"""How a message says what to do."""

PHRASES = (
    r"\ballowed", r"\bat least\b", r"\bchoices: ", r"\bcolumns(?: \(.*\))?: ", r"\bfields are\b", r"\bknown: ",
    r"\bknown to\b", r"one of\b", r"\bpossible are\b", r"\bexample of the form\b", r"\blists the flags\b",
    r"\bis an integer\b", r"is not (?:a positive|an) integer", r"is not (?:an )?integer >=", r"\bonly spaces\b",
    r"\bare written --", r"; such as ", r"it lies in ", r"'s costs are ", r"\b0\.\.1\b",
)  # fmt: skip
"""How a message says what is allowed, regular expressions."""

REMEDY = "|".join([*(rf"\b{word}\b" for word in WORDS), *PHRASES])
"""Either; a case may ask for more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """An input and what is right for it.

    Attributes:
      name: kind of input and fault, ``"device table: unit ns"``.
      act: gives the input to the library; takes an empty folder of its own, returns what was read.
      place: what a refusal's text must have, a regular expression: the file, row, flag or argument that is wrong; ""
        for an input that is read. Where ``value`` is given too, either is right.
      remedy: likewise, what is allowed or what to do.
      value: what ``act`` must return where nothing is refused.
    """

    name: str
    act: Callable[[Path], Any]
    place: str = ""
    remedy: str = REMEDY
    value: Any = None


class Refused(Exception):  # noqa: N818  # it is what should happen
    """A job ended with status 2 and one message, the text of this error."""


def run_job(main: Callable[[list[str]], int], *argv: str) -> str:
    """What a job prints on the standard output.

    Raises:
      Refused: if it ends with status 2.
      AssertionError: if it ends with another status than 0, or its message is not one.
    """
    status, printed, said = call_job(main, *argv)
    if status == 2:
        assert "Traceback" not in said, said
        assert said.count("error: ") == 1, said
        assert said.startswith("error: "), said
        raise Refused(said)
    assert status == 0, (status, said)
    return printed


def call_job(main: Callable[[list[str]], int], *argv: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a job that is called in this process."""
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        status = main(list(argv))
    return status, printed.getvalue(), said.getvalue()


def has(text: str, *parts: str) -> bool:
    """Whether a text has every part."""
    return all(part in text for part in parts)


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """A file with this content; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def link(path: Path, target: Path) -> Path:
    """A symbolic link."""
    path.symlink_to(target)
    return path


def pipe(path: Path) -> Path:
    """A named pipe that nobody writes to."""
    os.mkfifo(path)
    return path


def without(path: Path, *folders: str) -> Path:
    """A folder after folders in it have been removed."""
    for name in folders:
        shutil.rmtree(path / name)
    return path


def bound(act: Callable[..., Any], *given: Any) -> Callable[[Any], Any]:
    """``act`` with all arguments but the first: a loop's variables as they are now."""
    return lambda first: act(first, *given)
