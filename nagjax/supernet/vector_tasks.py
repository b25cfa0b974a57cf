"""Tasks on vectors: ``tabular``, the tables that scikit-learn brings along, and ``signals``, made-up wave forms.

Inputs are float32 ``[N, F]``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.supernet.datasets.draw import three_parts
from nagjax.supernet.task import Part, Task, arrays
from nagjax.supernet.usual_tasks import classification, regression, standardising

CLASSES = {"iris": 3, "wine": 3, "breast_cancer": 2, "digits": 10}
"""Tables whose classes are to be told, and how many there are."""

TABLES = (*CLASSES, "diabetes")

WAVES = ("sine", "square", "triangle", "sawtooth")
"""Forms of a signal; their places are the classes."""

PERIODS = (1.0, 3.0)
AMPLITUDES = (0.5, 1.5)
"""Least and greatest periods in a signal, and its heights, drawn uniformly."""


def make_tabular(*, data: str = "wine", held_out: float = 0.2, smoothing: float = 0.0, seed: int = 0) -> Task:
    """A table of scikit-learn: classes of ``iris``, ``wine``, ``breast_cancer`` or ``digits``, numbers of ``diabetes``.

    Features are standardised as the training part has them; a deployed network does that itself. Classes are told by
    logits, quality is the share that is right. Of ``diabetes`` the progression after a year is said, in deviations of
    the training part from its mean; quality is max(0, R2). The share ``held_out`` is for validation, and as much for
    test, each class by its share; the test part is the same for all seeds. Labels of classes are smoothed by a
    fraction.

    Raises:
      ValueError: if a setting is out of range, or scikit-learn is not installed.
    """
    if data not in TABLES:
        raise ValueError(f"tabular: data={data!r} is not one of {', '.join(TABLES)}")
    if smoothing and data not in CLASSES:
        raise ValueError(f"tabular: smoothing={smoothing!r}: {data} has numbers, not classes; leave it out")
    features, targets = _read(data)
    number = CLASSES.get(data, 0)
    classes = targets.astype(np.int32) if number else np.zeros(len(targets), np.int32)
    parts = [
        arrays(features[rows], classes[rows], classes[rows]) if number else arrays(features[rows], targets[rows, None])
        for rows in three_parts(classes, held_out, seed, "tabular")
    ]
    sizes = {"features": features.shape[1], "outputs": number or 1}
    settings = {"data": data, "held_out": held_out, "smoothing": smoothing, "seed": seed}
    if number:
        made = classification("tabular", settings, parts, sizes, number, smoothing)
    else:
        made = regression("tabular", settings, parts, sizes)
    return dataclasses.replace(standardising(made), examples_name="rows")


def _read(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 ``[N, F]`` and targets ``[N]`` of a table."""
    try:
        from sklearn import datasets  # type: ignore[import-not-found, import-untyped]
    except ImportError as error:
        raise ValueError(
            f"tabular: scikit-learn brings the tables and cannot be imported ({error}); pip install scikit-learn"
        ) from None
    found: Any = getattr(datasets, f"load_{data}")()
    return np.asarray(found.data, np.float32), np.asarray(found.target, np.float32)


def make_signals(
    *,
    length: int = 64,
    noise: float = 0.3,
    training: int = 4000,
    validation: int = 500,
    test: int = 500,
    smoothing: float = 0.0,
    seed: int = 0,
) -> Task:
    """Wave forms in noise: which of ``WAVES`` a signal of ``length`` samples is; quality is the share that is right.

    A signal is ``amplitude * form(periods * t + phase) + noise``, t from 0 to 1; the form has height 1, amplitude,
    periods and phase are uniform, noise is normal. Classes are equally frequent. ``noise`` is the standard deviation;
    ``training``, ``validation`` and ``test`` are numbers of signals.

    Raises:
      ValueError: if a setting is out of range.
    """
    arguments.count(length, "signals: length", 8)
    arguments.finite(noise, "signals: noise", least=0.0)
    arguments.seed(seed, "signals: seed")
    counts = {"training": training, "validation": validation, "test": test}
    for name, value in counts.items():
        arguments.count(value, f"signals: {name}", len(WAVES))
    parts = [
        _signals(np.random.default_rng([seed, own]), count, length, noise) for own, count in enumerate(counts.values())
    ]
    settings = {"length": length, "noise": noise, **counts, "smoothing": smoothing, "seed": seed}
    sizes = {"features": length, "outputs": len(WAVES)}
    made = classification("signals", settings, parts, sizes, len(WAVES), smoothing)
    return dataclasses.replace(made, takes="float32 samples [N, length]", examples_name="signals")


def _signals(rng: np.random.Generator, count: int, length: int, noise: float) -> Part:
    classes = (np.arange(count) % len(WAVES)).astype(np.int32)
    periods, heights = (rng.uniform(*limits, (count, 1)) for limits in (PERIODS, AMPLITUDES))
    turns = periods * np.linspace(0, 1, length)[None] + rng.uniform(size=(count, 1))
    forms = np.stack([wave(name, turns) for name in WAVES])[classes, np.arange(count)]
    samples = heights * forms + noise * rng.normal(size=(count, length))
    return arrays(samples.astype(np.float32), classes, classes)


def wave(name: str, turns: np.ndarray) -> np.ndarray:
    """A form of ``WAVES``, between -1 and 1, after so many turns.

    >>> [wave(name, np.array([0.0, 0.25, 0.6])).round(2).tolist() for name in WAVES[1:]]
    [[1.0, 1.0, -1.0], [-1.0, 0.0, 0.6], [-1.0, -0.5, 0.2]]
    """
    part = turns % 1.0
    if name == "sine":
        return np.sin(2 * np.pi * turns)
    if name == "square":
        return np.where(part < 0.5, 1.0, -1.0)
    return 2 * part - 1 if name == "sawtooth" else 1 - 4 * np.abs(part - 0.5)
