"""What ONNX files take in onnxruntime: every file once a round, in a new order each round, medians over the rounds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nagjax.deployment import runtime
from nagjax.profile import rounds
from nagjax.profile.journal import Journal
from nagjax.profile.programs import Prepare, Stopwatch, stopwatch
from nagjax.profile.subjects import Subject
from nagjax.profile.summary import median_and_spread

SEED = 0


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Under which conditions a file is timed.

    Attributes:
      threads: that one operator may use.
      batch: images of a run; times are of a whole batch.
      rounds: timings of each file.
      least_ms: how long one timing takes at least, ms.
    """

    threads: int = 1
    batch: int = 1
    rounds: int = 15
    least_ms: float = 10.0


@dataclasses.dataclass(frozen=True)
class Latency:
    """Median of the rounds and the spread between them (1.4826 x the median absolute deviation), ms."""

    median_ms: float
    spread_ms: float
    rounds: int


def latencies(
    files: Mapping[str, Path], conditions: Conditions, path: Path, on_sample: Callable[[], None] = lambda: None
) -> dict[str, Latency]:
    """Time ONNX files, or go on with it; what the journal ``path`` holds already is not timed again.

    A name stays that of its file. ``on_sample`` is called after each timing.

    Raises:
      ValueError: if onnxruntime is not installed, or the journal is of other conditions.
    """
    header = {"runtime": runtime.name(), "threads": conditions.threads, "batch": conditions.batch,
              "least_ms": conditions.least_ms}  # fmt: skip
    subjects = [Subject("network", name, ()) for name in files]
    with Journal(path, header, resume=True) as journal:
        rounds.measure(
            subjects, conditions.rounds, preparation(files, conditions), journal, SEED, lambda *_: on_sample()
        )
        out = {}
        for name in files:
            timed = journal.seconds["network", name][: conditions.rounds]
            median, spread = median_and_spread(timed)
            out[name] = Latency(1000 * median, 1000 * spread, len(timed))
    return out


def preparation(files: Mapping[str, Path], conditions: Conditions) -> Prepare:
    """How files are made ready: opened, run to warm up, and run for long enough."""

    def prepare(subject: Subject) -> Stopwatch:
        one = runtime.session(files[subject.name], conditions.threads)
        return stopwatch(call(one, conditions.batch), 1, conditions.least_ms / 1000, time.perf_counter)

    return prepare


def call(session: runtime.Session, batch: int) -> Callable[[], object]:
    """A run of a session on a batch of made-up images."""
    (given,) = session.get_inputs()
    feed = {given.name: runtime.made_up(given, batch)}
    return lambda: session.run(None, feed)
