"""Malformed and odd inputs: what is refused with place and remedy, what is read rightly, and what is neither.

``python -m benchmarks.faults [--only=WORD]``

Every input is made here, in a temporary folder. An input is *refused* rightly by one of the library's own errors (of a
job: exit status 2 and one message) whose text has the place of the fault and a way out. *Tracebacks* are all other
exceptions; *wrong* is what is accepted or refused wrongly, a refusal without place or remedy, and a hang.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import re
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from absl import flags

from benchmarks import common
from benchmarks.fault_cases import (
    checkpoints,
    device_tables,
    extensions,
    images,
    jobs,
    labelled,
    predictors,
    questions,
    spaces,
)
from benchmarks.fault_cases.case import Case, Refused

SECONDS = 20.0
"""An input that takes longer hangs."""

OWN = ("nagjax", "experiments", "plugins")
"""Folders whose code raises the library's own errors."""

ROOT = Path(__file__).resolve().parent.parent

MODULES = (device_tables, labelled, spaces, questions, checkpoints, extensions, predictors, images, jobs)

REFUSED, READ, TRACEBACK, WRONG = "refused_with_place_and_remedy", "read_rightly", "tracebacks", "wrong"


class HangError(BaseException):
    """An input took too long; no library catches it."""


def all_cases() -> list[Case]:
    """The suite."""
    return [case for module in MODULES for case in module.cases()]


def judge(case: Case) -> tuple[str, str]:
    """How the library took an input (``REFUSED``, ``READ``, ``TRACEBACK`` or ``WRONG``), and what there is to say."""
    with tempfile.TemporaryDirectory() as folder, _limited(SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = case.act(Path(folder))
        except HangError:
            return WRONG, f"hangs for more than {SECONDS:g} s"
        except AssertionError as error:
            return WRONG, str(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too is not a refusal
            return _judge_error(case, error)
    if case.place and case.value is None:
        return WRONG, f"accepted: {found!r:.200}"
    return (READ, "") if found == case.value else (WRONG, f"read as {found!r:.200}, right is {case.value!r:.200}")


def _judge_error(case: Case, error: BaseException) -> tuple[str, str]:
    text = str(error)
    if not isinstance(error, Refused) and not _is_own(error):
        return TRACEBACK, "".join(traceback.format_exception(error))[-1500:]
    if not case.place:
        return WRONG, f"refused, right is {case.value!r:.200}: {text:.500}"
    for what, pattern in (("place", case.place), ("remedy", case.remedy)):
        if not re.search(pattern, text, re.DOTALL):
            return WRONG, f"without {what} ({pattern:.80}): {text:.600}"
    return REFUSED, ""


def _is_own(error: BaseException) -> bool:
    """Whether an error was raised by the library on purpose: of its kinds, and in its own code."""
    if not isinstance(error, ValueError | FileNotFoundError | ImportError) or isinstance(error, UnicodeError):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(Path(last).is_relative_to(ROOT / name) for name in OWN)


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise ``HangError`` in what runs longer; only for the main thread."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_suite(cases: Sequence[Case]) -> tuple[dict[str, Any], list[str]]:
    """Counts of a suite, and a line for each input that was not taken rightly."""
    counts: collections.Counter[str] = collections.Counter()
    failing = []
    for case in cases:
        kind, why = judge(case)
        counts[kind] += 1
        if kind in (TRACEBACK, WRONG):
            failing.append(f"{kind}: {case.name}: {why}")
    return {"inputs": len(cases), **{kind: counts[kind] for kind in (REFUSED, READ, TRACEBACK, WRONG)}}, failing


def faults(_data_dir: Path | None = None, only: str = "") -> dict[str, Any]:
    """The result of this benchmark; no data are read."""
    logging.disable(logging.INFO)  # what libraries tell of each checkpoint
    try:
        result, failing = run_suite([case for case in all_cases() if only in case.name])
    finally:
        logging.disable(logging.NOTSET)
    for line in failing:
        print(line)
    return result


if __name__ == "__main__":
    flags.DEFINE_string("only", "", "Only inputs whose names hold this.")
    common.main(lambda data_dir: faults(data_dir, flags.FLAGS.only))
