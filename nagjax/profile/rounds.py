"""Interleaved rounds: every subject once a round, in a new order, so that no drift of the machine favours one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nagjax.profile.journal import Journal
from nagjax.profile.programs import Prepare, Stopwatch
from nagjax.profile.subjects import Subject


def measure(
    subjects: Sequence[Subject],
    rounds: int,
    prepare: Prepare,
    journal: Journal,
    seed: int = 0,
    on_sample: Callable[[Subject, int], None] = lambda *_: None,
) -> None:
    """Time every subject until the journal holds ``rounds`` measurements of it.

    ``prepare`` is called once each, when it is first timed; ``seed`` is of the orders; ``on_sample`` is called after
    each measurement with the subject and the round, from 0.
    """
    ready: dict[str, Stopwatch] = {}
    for turn in range(rounds):
        for index in np.random.default_rng([seed, turn]).permutation(len(subjects)):
            subject = subjects[index]
            if len(journal.seconds[subject.kind, subject.name]) > turn:
                continue
            if subject.name not in ready:
                ready[subject.name] = prepare(subject)
            journal.add(subject.kind, subject.name, ready[subject.name]())
            on_sample(subject, turn)
        journal.sync()


def missing(subjects: Sequence[Subject], rounds: int, journal: Journal) -> int:
    """How many measurements ``measure`` would make."""
    return sum(max(0, rounds - len(journal.seconds[subject.kind, subject.name])) for subject in subjects)
