"""Which architectures a training step of the supernet teaches, and from whom each learns.

A strategy is a function of the step's random numbers, the space, the edges it may use and the progress 0..1; it returns
the step's lessons. The gradients of the lessons are averaged. A new strategy is a new function and a line in
``STRATEGIES``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True, eq=False)
class Lesson:
    """One architecture to teach in a step.

    Attributes:
      tokens: int32 ``[T]``, canonical.
      distilled: learns from the answers of the step's first lesson instead of the labels.
    """

    tokens: np.ndarray
    distilled: bool = False


Strategy = Callable[[np.random.Generator, Space, np.ndarray, float], list[Lesson]]


def single_path(rng: np.random.Generator, space: Space, valid: np.ndarray, progress: float) -> list[Lesson]:
    """One random architecture a step (Guo et al., arXiv 1904.00420)."""
    del progress
    return [Lesson(random_path(rng, space, valid))]


def sandwich(rng: np.random.Generator, space: Space, valid: np.ndarray, progress: float) -> list[Lesson]:
    """The largest, the smallest and two random ones, all but the first taught by it (BigNAS, arXiv 2003.11142)."""
    del progress
    others = [smallest(space, valid), random_path(rng, space, valid), random_path(rng, space, valid)]
    return [Lesson(largest(space, valid)), *(Lesson(tokens, distilled=True) for tokens in others)]


PHASES = ("kernel", "depth", "ratio")
"""What ``progressive`` opens, in this order, each after another quarter of the training."""


def progressive(rng: np.random.Generator, space: Space, valid: np.ndarray, progress: float) -> list[Lesson]:
    """From the largest to ever smaller choices (once-for-all, arXiv 1908.09791); the largest teaches throughout.

    In the first quarter only the largest is trained, at all resolutions; then smaller kernels, depths and ratios open.
    """
    closed = PHASES[min(int(4 * progress), 3) :]
    tokens = random_path(rng, space, _only_greatest(space, valid, closed))
    if len(closed) == len(PHASES):
        return [Lesson(tokens)]
    return [Lesson(largest(space, valid)), Lesson(tokens, distilled=True)]


def _only_greatest(space: Space, valid: np.ndarray, attributes: Sequence[str]) -> np.ndarray:
    """Of the edges ``valid``, those of the greatest allowed value of each attribute, decision by decision."""
    out = valid.copy()
    for t, decision in enumerate(space.decisions):
        is_open = space.trellis.open[t]
        for name in attributes:
            if name in decision.choices[0]:
                values = np.array([choice[name] for choice in decision.choices])
                allowed = out[t, is_open, : len(values)]
                out[t, is_open, : len(values)] &= values == values[allowed.any(0)].max(initial=0)
    return out


STRATEGIES: Mapping[str, Strategy] = {
    "sandwich": sandwich,
    "single_path": single_path,
    "progressive": progressive,
}


def random_path(rng: np.random.Generator, space: Space, valid: np.ndarray) -> np.ndarray:
    """Tokens int32 ``[T]``: each decision uniform over what is allowed.

    Not uniform over architectures: those are mostly deep, and shallow ones would hardly be taught.
    """
    return _path(space, valid, lambda choices: int(rng.choice(choices)))


def largest(space: Space, valid: np.ndarray) -> np.ndarray:
    """Tokens int32 ``[T]`` of the last allowed choice of every decision; choices ascend."""
    return _path(space, valid, lambda choices: int(choices[-1]))


def smallest(space: Space, valid: np.ndarray) -> np.ndarray:
    """Tokens int32 ``[T]`` of the first allowed choice of every decision."""
    return _path(space, valid, lambda choices: int(choices[0]))


def _path(space: Space, valid: np.ndarray, pick: Callable[[np.ndarray], int]) -> np.ndarray:
    node, tokens = 0, np.zeros(len(space.decisions), np.int32)
    for t in range(len(tokens)):
        tokens[t] = pick(np.flatnonzero(valid[t, node]))
        node = int(space.trellis.target[t, node, tokens[t]])
    return tokens
