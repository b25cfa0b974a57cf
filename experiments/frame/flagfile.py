"""Flagfiles: one flag a line, as text editors and shells of any system write them, and what is odd about a flag.

absl reads flagfiles too, but takes a byte order mark for a part of the first flag, and waits for a pipe for ever.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.frame import console
from nagjax.files import read_text

_DIRECTIVE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)
_DASHES = "\u2212"
"""Signs beside those of Unicode's class of dashes that look like one: the minus sign."""


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument, and where it stands: file and line, or "" on the command line."""

    text: str
    place: str = ""


def expand(argv: Sequence[str]) -> list[Argument]:
    """The arguments with the lines of flagfiles in the places where ``--flagfile`` names them.

    Lines that are blank or begin with ``#`` or ``//`` are passed over; so is a file that names itself, the second time
    and with a warning.

    Raises:
      ValueError: if a flagfile cannot be read, or a line of it begins with a dash that is not ``-``.
    """
    return _expand([Argument(text) for text in argv], ())


def remarks(arguments: Sequence[Argument], message: str) -> list[str]:
    """What is odd about flags whose name or value an error's message speaks of: one line for each."""
    out = []
    for argument in arguments:
        name, _, value = argument.text.lstrip("-").partition("=")
        spoken_of = (value and value in message) or f"'{name}'" in message or f"--{name}" in message
        remark = _remark(name, value) if spoken_of else ""
        if remark:
            out.append(f"{argument.place or 'command line'}: {argument.text}: {remark}")
    return out


def _expand(arguments: Sequence[Argument], inside: tuple[str, ...]) -> list[Argument]:
    out: list[Argument] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if argument.text == "--":
            return [*out, argument, *left]
        directive = _DIRECTIVE.fullmatch(argument.text)
        if directive is None:
            out.append(argument)
            continue
        if directive[1] is None and not left:
            raise ValueError("--flagfile names no file; write --flagfile=FILE")
        name = directive[1] if directive[1] is not None else left.pop(0).text
        if name.strip():
            out += _included(str(Path(name.strip()).expanduser()), inside)
    return out


def _included(name: str, inside: tuple[str, ...]) -> list[Argument]:
    if name in inside:
        console.complain(f"warning: {name} includes itself; passed over the second time")
        return []
    return _expand(_lines(name), (*inside, name))


def _lines(name: str) -> list[Argument]:
    try:
        text = read_text(Path(name), "the flagfile")
    except ValueError as error:
        raise ValueError(f"--flagfile={name}: {error}") from None
    out = []
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.strip()
        if line and not line.startswith(("#", "//")):
            _refuse_other_dashes(line, f"{name}:{number}")
            out.append(Argument(line, f"{name}:{number}"))
    return out


def _refuse_other_dashes(line: str, place: str) -> None:
    other = next(
        (sign for sign in line[:2] if sign in _DASHES or (sign != "-" and unicodedata.category(sign) == "Pd")), ""
    )
    if other:
        right = "--" + line.lstrip(f"-{other}{_DASHES}")
        raise ValueError(
            f"{place}: {line!r} begins with {other!r} (U+{ord(other):04X}), which some editors make of two hyphens: "
            f"write {right}"
        )


def _remark(name: str, value: str) -> str:
    """What is odd about a flag, and how it is written; "" for nothing."""
    bare, first = value.strip(), name.strip()
    if value and (name != first or value != value.lstrip()):
        return f"no spaces stand around =: write --{first}={bare}"
    if " " in first and not value:
        return f"name and value are joined by =: write --{'='.join(first.split(None, 1))}"
    return next((remark.format(name=name, right=right(bare)) for odd, remark, right in _ODD if odd.search(bare)), "")


_ODD: Sequence[tuple[re.Pattern[str], str, Callable[[str], str]]] = (
    (
        re.compile(r"^(['\"]).*\1$"),
        "quotes would be part of the value: write --{name}={right}",
        lambda value: value[1:-1],
    ),
    (
        re.compile(r"\s(#|//)"),
        "a comment stands in a line of its own: write --{name}={right}",
        lambda value: re.split(r"\s+(?:#|//)", value)[0],
    ),
    (re.compile(r"\$"), "variables such as $HOME are not replaced: write the path itself", str),
    (
        re.compile("=.*;.*="),
        "pairs are separated by commas, --{name}={right}, or, if the flag takes one, each is a flag of its own",
        lambda value: value.replace(";", ","),
    ),
    (
        re.compile(";"),
        "values of a list are separated by commas: write --{name}={right}",
        lambda value: value.replace(";", ","),
    ),
)
