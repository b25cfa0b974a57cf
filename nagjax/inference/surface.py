"""The front in several budgets: answers to every combination of some budgets of each cost column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nagjax.inference.asked import Numbers, read_numbers

if TYPE_CHECKING:
    from nagjax.inference.answers import AnswerArrays


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """What a generator answers on a grid of budgets.

    Attributes:
      axes: budgets float64 ``[N_k]`` of each cost column that is asked for, in its unit.
      answers: the answers; ``index`` counts the cells of the grid, the last column fastest.
      quality: float32 ``[N_1, N_2, ...]``, predicted, fractions; NaN where nothing within all the budgets is known.
    """

    axes: Mapping[str, np.ndarray]
    answers: AnswerArrays
    quality: np.ndarray


def grid(budgets: Mapping[str, Numbers]) -> dict[str, np.ndarray]:
    """Budgets of each column to every combination of them, as ``generate`` takes them: float64 ``[N_1 * N_2 * ...]``.

    The last column changes fastest.

    Raises:
      ValueError: if there is no column, or the budgets of one are not a flat list of numbers.

    >>> {name: values.tolist() for name, values in grid({"latency_ms": [15, 20], "params_m": [3, 4]}).items()}
    {'latency_ms': [15.0, 15.0, 20.0, 20.0], 'params_m': [3.0, 4.0, 3.0, 4.0]}
    """
    if not budgets:
        raise ValueError("a grid needs budgets of at least one cost column, such as {'latency_ms': [15, 20]}")
    axes = [read_numbers(values, name) for name, values in budgets.items()]
    corners = np.meshgrid(*axes, indexing="ij")
    return {name: corner.ravel() for name, corner in zip(budgets, corners, strict=True)}


def surface(axes: Mapping[str, np.ndarray], answers: AnswerArrays) -> Surface:
    """The surface of answers to the grid of ``axes``; those that may be over a budget are left blank."""
    quality = np.full(int(np.prod([len(axis) for axis in axes.values()])), np.nan, np.float32)
    quality[answers.index[answers.guaranteed]] = answers.quality[answers.guaranteed]
    return Surface(axes, answers, quality.reshape([len(axis) for axis in axes.values()]))
