"""Levels: what path features say of attributes that are numbers, in the order of the numbers.

Path features tell kernel 3 from 5 as they tell 3 from 7. A column for each value of an attribute, on where the
architecture has that value or a larger one, makes the squared distance of two choices the number of values between
them, and a choice that is not made is below the least (the thermometer code of an ordinal input).
"""

from __future__ import annotations

import math

import numpy as np

from nagjax.spaces.space import Space

LARGEST = 2**53
"""Integers below it differ as float64 as well."""


def level_columns(space: Space) -> np.ndarray:
    """Which path features stand for at least each value of an attribute: float64 ``[F, L]`` of zeros and ones.

    Features that the same decisions switch on belong together. Those that each stand for one value of an attribute
    have levels, if the attribute is a finite number in all choices of these decisions and two values differ. Words and
    truth values have no order, nor has a context, which is not chosen; there may be no attribute that has one (L is 0).

    >>> from nagjax.spaces.tabular import make
    >>> space = make({"kernel": [3, 5, 7], "skip": [False, True]})
    >>> space.feature_names
    ('kernel=3', 'kernel=5', 'kernel=7', 'skip=false', 'skip=true')
    >>> level_columns(space).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    together: dict[tuple[tuple[int, ...], str], dict[int, float]] = {}
    for feature, choices in enumerate(_choices(space)):
        decisions = tuple(sorted({t for t, _ in choices}))
        for attribute, value in _numbers(space, choices).items():
            together.setdefault((decisions, attribute), {})[feature] = value
    columns = [column for values in together.values() for column in _steps(values, len(space.feature_names))]
    return np.stack(columns, 1) if columns else np.zeros((len(space.feature_names), 0))


def _choices(space: Space) -> list[set[tuple[int, int]]]:
    """Which choices ``(t, c)`` of open decisions switch each path feature on, those of a context aside."""
    graph = space.trellis
    found: list[set[tuple[int, int]]] = [set() for _ in range(graph.num_features + 1)]
    for t, here in enumerate(graph.valid & graph.open[:, :, None]):
        if space.decisions[t].context:
            continue
        node, choice = np.nonzero(here)
        lit = np.stack(np.broadcast_arrays(graph.features[t, node, choice], choice[:, None]), -1).reshape(-1, 2)
        for feature, c in np.unique(lit, axis=0).tolist():
            found[feature].add((t, c))
    return found[:-1]  # the last is padding


def _numbers(space: Space, choices: set[tuple[int, int]]) -> dict[str, float]:
    """Attributes that are one number, the same in all of some choices."""
    rows = [space.decisions[t].choices[c] for t, c in choices]
    others = [choice for t in {t for t, _ in choices} for choice in space.decisions[t].choices]
    return {
        key: float(value)
        for key, value in (rows[0] if rows else {}).items()
        if all(row.get(key) == value for row in rows) and all(_is_number(other.get(key)) for other in others)
    }


def _is_number(value: object) -> bool:
    """Whether a value has a place among float64 numbers; a truth value has not."""
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < LARGEST)


def _steps(values: dict[int, float], num: int) -> list[np.ndarray]:
    """A column for each value, ``[F]``: the features that stand for it or a larger one."""
    distinct = sorted(set(values.values()))
    if len(distinct) < 2:
        return []
    rows = np.full(num, -np.inf)
    rows[list(values)] = list(values.values())
    return [(rows >= value).astype(np.float64) for value in distinct]
