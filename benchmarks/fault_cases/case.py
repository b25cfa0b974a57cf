"""One input of the suite of faults: what is done with it, and what is right."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REMEDY = (
    r"\bmust\b|\ballowed\b|\bgive\b|\bwrite\b|\bremove\b|\bcorrect\b|\bcheck\b|\bmeasure\b|\bknown: |one of\b|"
    r"\bknown to\b|\bchoose\b|\bchoices: |\bleave\b|\bsave it\b|\bexport\b|\bunpack\b|\bconvert\b|\bclose quotes\b|"
    r"\brename\b|\bquote text\b|\brestore\b|\btrain again\b|\bpossible are\b|\binstall\b|\bnot a kind\b|\bfields are\b|"
    r"\bcolumns(?: \(.*\))?: |\bset version\b|\btake it out\b|\bfill\b|\bput\b|\bat least\b|\bmake\b|\bgive either\b|"
    r"\bis an integer\b|\bcannot be both\b|\bis 0 or more\b|\bname each\b|\bshould be one of\b|\bdeclare\b|\bname the\b|"
    r"\brepair\b|\badd\b|\bexample of the form\b|\blists the flags\b|\bsay \b|\bfetch\b|\bneeded\b|\byours\b|\bsay what\b|\bask for\b|\bname a\b|is not (?:an )?integer >=|\bonly spaces\b|\bare written --|is not (?:a positive|an) integer|; such as |it lies in |'s costs are |\b0\.\.1\b"
)
"""How a message says what to do or what is allowed; a case may ask for more."""


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


def pieces(*groups: Iterator[Case]) -> list[Case]:
    """All cases of several families."""
    return [case for group in groups for case in group]
