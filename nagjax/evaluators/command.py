"""The evaluator ``command``: a program of the user's own, started once for each architecture.

It reads one line of JSON from its standard input::

    {"architecture": "2,3:...", "tokens": [0, 2, ...], "operators": ["mbconv_...", ...], "seed": 0}

and its last line of output is JSON with the quality, a fraction 0..1, and the costs that were asked for::

    {"quality": 0.713, "latency_ms": 5.2}

Whatever else it prints is its own affair, and is shown where it fails. One that takes longer than ``seconds`` is ended
with all that it has started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

GRACE = 5.0
"""Seconds in which the output of a program that was ended is collected: what it left behind may hold the pipe open."""

LEFT_OPEN = " (the program had ended, and what it left behind held its output: wait for that, or send it to /dev/null)"

SHOWN = 1500
"""Characters of a failing program's output that its failure shows: the last ones."""


class Programs:
    """The programs that run now, so that an interruption can end them."""

    def __init__(self) -> None:
        """None runs."""
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()

    def run(self, words: list[str], line: str, seconds: float) -> str:
        """Standard output of a program that is given a line.

        Raises:
          ValueError: if it cannot be started, takes too long or ends with another status than 0; with its output.
        """
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ValueError(f"{words[0]}: cannot be started: {error.strerror}; check the command") from None
        with self._listed(process):
            try:
                out, err = process.communicate(line + "\n", seconds)
            except subprocess.TimeoutExpired:
                why = LEFT_OPEN if process.poll() is not None else ""
                end(process)
                raise ValueError(
                    f"took longer than {seconds:g} s and was ended{why}{_shown(*_rest(process))}"
                ) from None
        if process.returncode:
            raise ValueError(f"ended with status {process.returncode}{_shown(out, err)}")
        return out

    def stop(self) -> None:
        """End all of them."""
        with self._lock:
            for process in self._running:
                end(process)

    @contextlib.contextmanager
    def _listed(self, process: subprocess.Popen[str]) -> Any:
        with self._lock:
            self._running.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)
            if process.returncode is None:  # an interruption came while it ran
                end(process)


def make(space: Space, command: str, seconds: float = 86400.0, costs: str = "", seed: int = 0) -> Evaluator:
    """The evaluator.

    Args:
      space: what architectures are of.
      command: the program and its arguments, as a shell would take them apart; no shell is started.
      seconds: time limit of one evaluation.
      costs: names of the cost columns that the program measures, separated by ``+``.
      seed: handed to the program.

    Raises:
      ValueError: if the command is empty, or a number is out of range.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"command={command!r}: {error}; close the quotation") from None
    if not words:
        raise ValueError("command is empty; give a program, such as command='python evaluate.py'")
    limit, seed = arguments.finite(seconds, "seconds", above=0), arguments.seed(seed)
    columns = tuple(name for name in costs.split("+") if name)
    programs = Programs()

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        found = [answer(programs.run(words, question(space, row, seed), limit)) for row in tokens]
        names = (QUALITY, *columns)
        told = [name for name in names if all(name in one for one in found)]
        return {name: np.array([one[name] for one in found], np.float64) for name in told}

    settings = {"command": command, "seconds": limit, "costs": costs, "seed": seed}
    identity = {"command": command, "costs": costs, "seed": seed}
    return Evaluator("command", settings, identity, evaluate, columns, os.cpu_count() or 1, programs.stop)


def question(space: Space, tokens: np.ndarray, seed: int) -> str:
    """The line that the program reads, of tokens int32 ``[T]``."""
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    on_path = space.trellis.operators[np.arange(len(tokens)), nodes[0], tokens].ravel()
    operators = [space.operators[index].key for index in on_path if index < len(space.operators)]
    return json.dumps(
        {"architecture": space.format(tokens), "tokens": tokens.tolist(), "operators": operators, "seed": seed}
    )


def answer(output: str) -> Mapping[str, Any]:
    r"""What the last line of a program's output says.

    >>> answer('loading\n{"quality": 0.5}\n')
    {'quality': 0.5}

    Raises:
      ValueError: if it is not JSON with numbers by name.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(type(value) in (int, float) for value in found.values()):
        raise ValueError(
            f"the last line of its output is {last[:200]!r}; it must be JSON with numbers by name, such as "
            '{"quality": 0.713}'
        )
    return found


def end(process: subprocess.Popen[str]) -> None:
    """End a program and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=GRACE)
    return "", ""


def _shown(out: str, err: str) -> str:
    text = "\n".join(part.strip() for part in (out, err) if part.strip())
    return f"; its output ended with: {text[-SHOWN:]}" if text else "; it printed nothing"
