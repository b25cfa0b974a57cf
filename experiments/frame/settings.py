"""Small readers of flag values: ``key=value`` pairs, paths below ``--data_dir``, the nearest of the known names."""

from __future__ import annotations

import contextlib
import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from nagjax import arguments, names, numerals
from nagjax.files import MissingFileError, check_file, is_folder, split_part


def parse_value(text: str) -> Any:
    """A flag's text as an integer, a float, a truth value or text, whichever it is first.

    What has no finite value, or is not plainly a number (``1_000``), is text.

    >>> [parse_value(text) for text in ("3", "1.5", "true", "relu", "1_000")]
    [3, 1.5, True, 'relu', '1_000']
    """
    text = text.strip()
    number = numerals.plain(text)
    return {"true": True, "false": False}.get(text.lower(), text) if number is None else number


def parse_pairs(entries: Sequence[str], flag: str, many: bool = False) -> dict[str, Any]:
    """``key=value`` entries of a repeated flag; if ``many``, values separated by commas become a list.

    >>> parse_pairs(["width=1.2"], "space_settings"), parse_pairs(["kernel=3,5"], "where", many=True)
    ({'width': 1.2}, {'kernel': [3, 5]})

    Raises:
      ValueError: if an entry is not a pair, or a key stands twice.
    """
    out: dict[str, Any] = {}
    for entry in entries:
        key, separator, text = entry.partition("=")
        key = key.strip()
        if not separator or not key or not text.strip():
            raise ValueError(f"--{flag}={entry}: write --{flag}=key=value")
        if key in out:
            more = f"; several values are written --{flag}={key}=a,b" if many else ""
            raise ValueError(f"--{flag}: {key!r} is given twice{more or '; remove one of them'}")
        parts = [parse_value(part) for part in text.split(",")] if many else [parse_value(text)]
        out[key] = parts if len(parts) > 1 else parts[0]
    return out


def separate(entries: Sequence[str], known: Callable[[str], bool]) -> list[str]:
    """The ``key=value`` of lists ``key=value,key=value`` whose values may hold commas.

    A comma ends a value where a key that is ``known`` and ``=`` follow.

    >>> separate(["command=train --at=1,2,seconds=8", "seed=1"], {"command", "seconds", "seed"}.__contains__)
    ['command=train --at=1,2', 'seconds=8', 'seed=1']
    """
    out: list[str] = []
    for entry in entries:
        first, *rest = re.split(r",(?=\s*[A-Za-z_][\w:]*=)", entry)
        out.append(first)
        for part in rest:
            if known(part.partition("=")[0].strip()):
                out.append(part)
            else:
                out[-1] += f",{part}"
    return out


def parse_settings(entries: Sequence[str], flag: str) -> dict[str, Any]:
    """Lists ``key=value,key=value`` of a repeated flag.

    >>> parse_settings(["children=8,spare=16", "mask=false"], "controller_static")
    {'children': 8, 'spare': 16, 'mask': False}

    Raises:
      ValueError: if a part is not a pair, or a key stands twice.
    """
    return parse_pairs([part for entry in entries for part in entry.split(",")], flag)


def parse_numbers(entries: Sequence[str], flag: str) -> list[float]:
    """Positive numbers of a list flag.

    Raises:
      ValueError: if one is not a positive number, or not a finite one.
    """
    numbers = parse_budgets(entries, flag)
    for entry, value in zip(entries, numbers, strict=True):
        if math.isinf(value):
            raise ValueError(f"--{flag}: {entry!r} is not a positive number; write --{flag}=15,20,30")
    return numbers


def parse_budgets(entries: Sequence[str], flag: str) -> list[float]:
    """Budgets of a list flag: positive numbers, or ``inf`` for no limit.

    >>> parse_budgets(["15", "inf"], "budgets_ms")
    [15.0, inf]

    Raises:
      ValueError: if one is not a positive number.
    """
    out = []
    for entry in entries:
        try:
            value = numerals.number(entry)
        except ValueError as error:
            raise ValueError(f"--{flag}: not a positive number: {error}; write --{flag}=15,20,30") from None
        if not value > 0:
            raise ValueError(f"--{flag}: {entry!r} is not a positive number; write --{flag}=15,20,30")
        out.append(value)
    return out


@contextlib.contextmanager
def told_of_flags(names: Iterable[str]) -> Iterator[None]:
    """Within it an error of the library about an argument, ``costs=``, is told of the flag of its name, ``--costs=``.

    >>> with told_of_flags(["costs", "table"]):
    ...     raise ValueError("costs: latency_ms needs table=FILE")
    Traceback (most recent call last):
    ValueError: --costs: latency_ms needs --table=FILE
    """
    name = "|".join(names)
    try:
        yield
    except ValueError as error:
        told = re.sub(rf"(?<![\w/.=-])(?=(?:{name})=)|^(?=(?:{name}):)", "--", str(error))
        if told == str(error):
            raise
        raise ValueError(told) from error.__cause__


def parse_integers(entries: Sequence[str], flag: str) -> list[int]:
    """Integers, 0 or above, of a list flag.

    Raises:
      ValueError: if one is not, or there is none.
    """
    if not entries or not all(entry.strip().isdecimal() and entry.isascii() for entry in entries):
        raise ValueError(f"--{flag}={','.join(entries)}: write integers of 0 or above, such as --{flag}=0,1")
    return [numerals.integer(entry) for entry in entries]


def parse_seeds(entries: Sequence[str], flag: str) -> list[int]:
    """Seeds of a list flag, whose entries are seeds or ranges ``FIRST..LAST``.

    >>> parse_seeds(["7", "0..3"], "seeds")
    [7, 0, 1, 2, 3]

    Raises:
      ValueError: if one is not an integer from 0 to 2^32 - 1 or stands twice, a range falls, or there is none.
    """
    out: list[int] = []
    for entry in entries or [""]:
        ends = parse_integers(entry.split("..", 1), flag)
        if ends[0] > ends[-1]:
            raise ValueError(f"--{flag}={entry}: a range rises; write --{flag}={ends[-1]}..{ends[0]}")
        first, last = (arguments.seed(value, f"--{flag}") for value in (ends[0], ends[-1]))
        if twice := sorted({*range(first, last + 1)} & {*out}):
            raise ValueError(f"--{flag}={','.join(entries)}: seed {twice[0]} is given twice; remove one of them")
        out += range(first, last + 1)
    return out


class Definer:
    """Adds flags to a job's own values: ``define.string("out", None, "...")`` is ``flags.DEFINE_string`` for these."""

    def __init__(self, values: flags.FlagValues) -> None:
        self._values = values

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        return functools.partial(getattr(flags, f"DEFINE_{kind}"), flag_values=self._values)


def define_seed(name: str, what: str, values: flags.FlagValues, default: int | None = 0) -> None:
    """Add the flag of a seed, 0 to 2^32 - 1."""
    flags.DEFINE_integer(name, default, what, lower_bound=0, upper_bound=arguments.LARGEST_SEED, flag_values=values)


def example_budgets(low: float, high: float) -> str:
    """Three budgets within a range, for an example in a message; rounded up, so that each can be met.

    >>> example_budgets(9.9, 92.4), example_budgets(1.03, 1.05)
    ('15,31,64', '1.1,1.1,1.1')
    """
    from nagjax.problems.costs import rounded_up

    ratio = high / low if low > 0 else 1.0
    return ",".join(f"{rounded_up(max(low * ratio**share, low * 1.01), 2)}" for share in (0.17, 0.5, 0.83))


def user_path(name: str, flag: str) -> Path:
    """A path as a user gives it, ``~`` expanded.

    Raises:
      ValueError: if it begins with ``~`` and nobody's home is known.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise ValueError(f"--{flag}={name}: there is no such home; write the path without ~") from None


def input_path(values: flags.FlagValues, flag: str, name: str | None = None) -> Path:
    """Path of the input file, or folder, that a flag names: a relative one starts from --data_dir.

    It may name a part of a file behind a ``#``. Of a flag that names several, ``name`` is one of them.

    Raises:
      ValueError: if there is no such path, or it is a pipe, a device or an empty file.
    """
    path = user_path(values.data_dir, "data_dir") / user_path(name or str(values[flag].value), flag)
    file, _ = split_part(path)
    try:
        if not is_folder(file):
            check_file(file, f"--{flag}")
    except MissingFileError:
        hint = "" if values.data_dir else " (relative paths start from --data_dir)"
        raise ValueError(f"--{flag}: {path}: no such file or folder; check the path{hint}") from None
    except ValueError as error:
        raise ValueError(f"--{flag}: {error}") from None
    return path


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, and all of them."""
    ordered = sorted(known)
    hint = names.suggestion(name, ordered)
    return f"{hint}; known: {', '.join(ordered) or 'none'}"
