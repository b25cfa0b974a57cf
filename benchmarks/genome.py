"""Architectures as integer genes, for optimisers that know nothing of a trellis."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from nagjax.problems.problem import Problem
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True, eq=False)
class Genome:
    """Integer genes and what they mean.

    Attributes:
      high: int ``[G]``, the largest value of each gene.
      decode: genes int ``[N, G]`` to tokens int32 ``[N, T]``, not yet canonical.
    """

    high: np.ndarray
    decode: Callable[[np.ndarray], np.ndarray]


def genome_of(space: Space, problem: Problem, split: bool) -> Genome:
    """Genes over the choices that the problem leaves open: one a decision, or one an attribute of its choices."""
    open_choices = [np.flatnonzero(layer.any(0)) for layer in np.asarray(problem.allowed)]
    factors = []
    for decision, choices in zip(space.decisions, open_choices, strict=True):
        rows = [tuple(decision.choices[c].values()) for c in choices]
        sizes = [len(dict.fromkeys(row[i] for row in rows)) for i in range(len(rows[0]))]
        # Genes stand for a product of attributes only where all its combinations are open, in order.
        factors.append(sizes if split and int(np.prod(sizes)) == len(choices) else [len(choices)])

    def decode(genes: np.ndarray) -> np.ndarray:
        columns, at = [], 0
        for sizes, choices in zip(factors, open_choices, strict=True):
            index = np.ravel_multi_index(tuple(genes[:, at : at + len(sizes)].astype(int).T), sizes)
            columns.append(choices[index])
            at += len(sizes)
        return np.stack(columns, 1).astype(np.int32)

    return Genome(np.array([size - 1 for sizes in factors for size in sizes]), decode)
