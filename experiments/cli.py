"""The frame of every job: flags of its own, and one clear message for whatever a user gets wrong.

A job's flags live in a ``FlagValues`` of its own, not in absl's global one: jobs are functions that tests and notebooks
call too, and no two of them meet.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from experiments import console, flagfile
from nagjax import numerals

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

_NOT_BOOLEAN = re.compile(r"flag --(?P<name>\w+)=(?P<value>.*): \('Non-boolean argument", re.DOTALL)

Define = Callable[[flags.FlagValues], None]
Job = Callable[[flags.FlagValues], int]


def execute(summary: str | None, define: Define, job: Job, argv: Sequence[str] | None = None) -> int:
    """Parse flags and run a job.

    Args:
      summary: what ``--help`` says first.
      define: adds the job's flags to the values it is given.
      job: what is to be done; returns the exit status.
      argv: arguments after the program's name; those of this process where None.

    Returns:
      The exit status: the job's, 2 for an error of the user's (one message on stderr, no traceback), 130 for Ctrl-C.
    """
    given = sys.argv[1:] if argv is None else argv
    debug = False
    try:
        values = parse(define, given)
        debug = values.debug
        if values.help:
            head = f"{(summary or '').strip()}\n\nFlags (--flagfile=FILE reads them from a file, one a line):"
            console.say(*f"{head}\n{values.get_help()}".splitlines())
        return 0 if values.help else job(values)
    except KeyboardInterrupt:
        console.complain("interrupted: nothing more was written")
        return EXIT_INTERRUPTED
    except flags.Error as error:
        return fail(_with_remark(_flag_message(error), given))
    except (ValueError, OSError, ImportError) as error:
        if debug:
            console.complain(traceback.format_exc())
        return fail(_with_remark(str(error), given))


def parse(define: Define, argv: Sequence[str]) -> flags.FlagValues:
    """Flags from arguments; what follows ``--flagfile`` overrides it.

    Raises:
      flags.Error: for an unknown flag, or a value out of range or not plainly a number.
      ValueError: for an argument that is no flag, or a flagfile that cannot be read.
    """
    make: Callable[[], flags.FlagValues] = flags.FlagValues
    values = make()
    flags.DEFINE_bool("help", False, "Show the flags.", short_name="h", flag_values=values)
    flags.DEFINE_bool("debug", False, "Show where in the code an error was raised.", flag_values=values)
    define(values)
    _read_numbers_strictly(values)
    extra = values(["job", *(argument.text for argument in flagfile.expand(argv))])[1:]
    _check_lines(values)
    if extra:
        raise ValueError(_positional(extra[0], values))
    return values


def fail(message: str) -> int:
    """Print one error message on stderr; returns the exit status."""
    console.complain(f"error: {message}")
    return EXIT_ERROR


def resume_command(module: str, flagfile: str) -> str:
    """The command that continues a run, ready to paste."""
    return f"python -m {module} --flagfile={shlex.quote(flagfile)} --resume"


def _check_lines(values: flags.FlagValues) -> None:
    """Refuse a value with a line break: in the flagfile that a run writes, what follows would be another flag."""
    for name in values:
        value = values[name].value
        for text in map(str, value if isinstance(value, list) else [value]):
            if "\n" in text or "\r" in text:
                raise ValueError(f"--{name}={text}: holds a line break; write it on one line")


def _positional(word: str, values: flags.FlagValues) -> str:
    name = word.partition("=")[0]
    if name in values:
        return f"{word!r} is not a flag: write --{word}"
    return f"{word!r} is not a flag, and no other arguments are taken: write --name=value (--help lists the flags)"


class _Integer(flags.IntegerParser):
    """Absl's own reads 1_000, 0x10 and digits of other scripts."""

    def convert(self, argument: int | str) -> int:
        return numerals.integer(argument) if isinstance(argument, str) else super().convert(argument)


class _Float(flags.FloatParser):
    """Absl's own reads 1_000, digits of other scripts, NaN and infinity."""

    def convert(self, argument: float | str) -> float:
        value = numerals.number(argument) if isinstance(argument, str) else super().convert(argument)
        if not math.isfinite(value):
            raise ValueError(f"{argument} is not a finite number")
        return value


def _read_numbers_strictly(values: flags.FlagValues) -> None:
    strict: dict[type, Any] = {flags.IntegerParser: _Integer, flags.FloatParser: _Float}
    for name in values:
        parser: Any = values[name].parser
        if type(parser) in strict:
            values[name].parser = strict[type(parser)](parser.lower_bound, parser.upper_bound)


def _with_remark(message: str, argv: Sequence[str]) -> str:
    """The message, and what is odd about how a flag that it speaks of was written."""
    try:
        found = flagfile.remarks(flagfile.expand(argv), message)
    except ValueError:  # the message is of a flagfile that cannot be read
        found = []
    return "\n".join([message, *found])


def _flag_message(error: flags.Error) -> str:
    text = str(error)
    if isinstance(error, flags.UnrecognizedFlagError):
        return f"{text.rstrip('.')} (--help lists the flags)"
    if match := _NOT_BOOLEAN.match(text):
        return f"flag --{match['name']}={match['value']}: must be true or false; write --{match['name']} or --no{match['name']}"
    return text
