"""The frame of every job: flags of its own, and one clear message for whatever a user gets wrong.

A job's flags live in a ``FlagValues`` of its own, not in absl's global one: jobs are functions that tests and notebooks
call too, and no two of them meet.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import re
import select
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any

from absl import flags

from experiments.frame import console, flagfile, full_disk, life, runtime, terminal
from nagjax import numerals

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
EXIT_TERMINATED = 143

_NOT_BOOLEAN = re.compile(r"flag --(?P<name>\w+)=(?P<value>.*): \('Non-boolean argument", re.DOTALL)

RENAMED = {
    "evaluator_anchors": "ranker_anchors",
    "evaluator_labels": "ranker_labels",
    "fit_settings": "predictor_settings",
}
"""Flags of earlier versions, which flagfiles of old runs still hold, and what they are called now."""


class Terminated(KeyboardInterrupt):
    """One of several processes was sent SIGTERM, which all were told of."""


def exit_status(stopped: KeyboardInterrupt) -> int:
    """The status with which a job exits that was stopped."""
    return EXIT_TERMINATED if isinstance(stopped, Terminated) else EXIT_INTERRUPTED


Define = Callable[[flags.FlagValues], None]
Job = Callable[[flags.FlagValues], int]


def execute(summary: str | None, define: Define, job: Job, argv: Sequence[str] | None = None) -> int:
    """Parse flags and run a job; ``summary`` is what ``--help`` says first.

    Returns:
      The exit status: the job's, 2 for an error of the user's (one message on stderr, no traceback), 130 for Ctrl-C,
      141 where nobody reads stdout any more, 143 for SIGTERM, which does what Ctrl-C does.
    """
    terminated: list[int] = []
    with terminal.forgiving(), runtime.seldom_collecting(), _sigterm_is_ctrl_c(terminated):
        code = _run(summary, define, job, sys.argv[1:] if argv is None else argv)
    return EXIT_TERMINATED if terminated and code == EXIT_INTERRUPTED else code


def entry(summary: str | None, define: Define, job: Job) -> functools.partial[int]:
    """The ``main`` of a job's module: ``execute``, of the arguments alone."""
    return functools.partial(execute, summary, define, job)


def _run(summary: str | None, define: Define, job: Job, argv: Sequence[str]) -> int:
    debug = False
    try:
        values = parse(define, argv)
        debug = values.debug
        if values.help:
            head = f"{(summary or '').strip()}\n\nFlags (--flagfile=FILE reads them from a file, one a line):"
            console.say(*f"{head}\n{values.get_help()}".splitlines())
            return 0
        quiet = sys.stdout is not None and sys.stdout.isatty()  # a terminal shows bars
        with _quiet_libraries(debug), _our_warnings(), life.signs(quiet=quiet), runtime.float32_products():
            return job(values)
    except KeyboardInterrupt:
        console.complain("interrupted: nothing more was written")
        return EXIT_INTERRUPTED
    except flags.Error as error:
        return fail(_with_remark(_flag_message(error), argv))
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return EXIT_PIPE
        if debug:
            console.complain(traceback.format_exc())
        return fail(_with_remark(_error_message(error), argv))


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more, as after ``| head``; what it still holds is then led nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stdout that is no file
        stdout, asked = sys.stdout.fileno(), select.poll()
        asked.register(stdout, select.POLLOUT)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stdout)
            os.close(nowhere)
            return True
    return False


def parse(define: Define, argv: Sequence[str]) -> flags.FlagValues:
    """Flags from arguments; what follows ``--flagfile`` overrides it.

    Raises:
      flags.Error: for an unknown flag, or a value out of range or not plainly a number.
      ValueError: for an argument that is not a flag, or a flagfile that cannot be read.
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
    return command(module, f"--flagfile={flagfile}", "--resume")


def command(module: str, *arguments: str) -> str:
    """The command that runs a job, quoted so that it can be pasted.

    >>> command("experiments.fit", "--records=my labels.csv")
    "python -m experiments.fit '--records=my labels.csv'"
    """
    return shlex.join(["python", "-m", module, *arguments])


def again(module: str, values: flags.FlagValues) -> str:
    """The command of this job with ``--resume``, quoted so that it can be pasted; without flags at their defaults."""
    given = []
    for name in values:
        flag = values[name]
        if flag.name == name and flag.present and name not in ("resume", "flagfile", "undefok", "help", "debug"):
            given += flag.serialize().split("\n")
    return command(module, *dict.fromkeys(given), "--resume")


@contextlib.contextmanager
def _sigterm_is_ctrl_c(received: list[int]) -> Iterator[None]:
    """Within the block SIGTERM does what Ctrl-C does at that moment, and is remembered in ``received``."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)
        else:  # started in the background of a script, where Ctrl-C is ignored
            raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: signals are not ours there
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _quiet_libraries(debug: bool) -> Iterator[None]:
    """Silence what libraries log of errors that they raise as well: a user gets one message."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels, hook = [logger.level for logger in loggers], sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        # After a save that failed tensorstore reports to an event loop that orbax has closed.
        if str(error) != "Event loop is closed":
            hook(kind, error, trace)

    try:
        if not debug:
            sys.excepthook = show
        for logger in () if debug else loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        sys.excepthook = hook


class _Warnings(logging.Handler):
    """Prints what the library logs as jobs print: names in it escaped, each message once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            console.complain(f"warning: {message}")


@contextlib.contextmanager
def _our_warnings() -> Iterator[None]:
    """Within the block what ``nagjax`` logs is printed by the job, and by nobody else."""
    logger, handler = logging.getLogger("nagjax"), _Warnings()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def _error_message(error: Exception) -> str:
    why = full_disk.reason(error)
    if why is None or isinstance(error, PermissionError):  # of something that is read, as likely as not
        return str(error)
    place = getattr(error, "filename", None)
    what = f"cannot write {place}: {why}" if place else f"cannot write: {why}"
    return f"{what}; make room, or give another place, and start the same command again (--resume where it began)"


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
        if error.flagname in RENAMED:
            return f"flag --{error.flagname} is called --{RENAMED[error.flagname]} now: write that"
        return f"{text.rstrip('.')} (--help lists the flags)"
    if match := _NOT_BOOLEAN.match(text):
        name = match["name"]
        return f"flag --{name}={match['value']}: must be true or false; write --{name} or --no{name}"
    return text
