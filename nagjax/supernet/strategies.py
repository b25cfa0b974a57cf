"""The library's strategies: single path, sandwich, progressive, and BigNAS's whole recipe."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.spaces.space import Space
from nagjax.supernet.relations import related
from nagjax.supernet.strategy import FIRST, Lesson, Memory, Strategy, random_path, unchanged

PHASES = "kernel+depth+ratio"
BETWEEN = "+"
"""What separates names in a setting."""


def make_single_path() -> Strategy:
    """The strategy ``single_path``: one random architecture a step (Guo et al., arXiv 1904.00420)."""

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, _progress: float, _memory: Memory
    ) -> list[Lesson]:
        return [Lesson(random_path(rng, space, edges))]

    return Strategy("single_path", {}, lessons)


def make_sandwich(random: int = 2, relations: float = 0.0) -> Strategy:
    """The strategy ``sandwich``: the largest, the smallest and ``random`` random ones (Yu and Huang, arXiv 1903.05134).

    All but the first are taught by it, as in BigNAS (arXiv 2003.11142): its answers, and where ``relations`` is not 0
    those of its last layer too, with that weight (``nagjax.supernet.relations``).

    Raises:
      ValueError: if one is below 0; when training begins, if the space has no relations to learn.
    """
    arguments.count(random, "sandwich: random", 0)

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, _progress: float, _memory: Memory
    ) -> list[Lesson]:
        others = [space.smallest(edges), *(random_path(rng, space, edges) for _ in range(random))]
        return [Lesson(space.largest(edges)), *(Lesson(tokens, FIRST) for tokens in others)]

    return related(Strategy("sandwich", {"random": random, "relations": relations}, lessons), relations)


def make_progressive(phases: str = PHASES) -> Strategy:
    """The strategy ``progressive``: from the largest to ever smaller choices (once-for-all, arXiv 1908.09791).

    In the first part of the training only the largest is trained, at all that ``phases`` does not name (resolutions);
    then smaller choices of the attributes open one after the other. The largest teaches throughout. Each opens after
    another equal part.

    Raises:
      ValueError: if there is none; when lessons are drawn, if the space has none of them.
    """
    names = [name.strip() for name in phases.split(BETWEEN)]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"progressive: phases={phases!r}: give different attributes of choices, such as {PHASES}")

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, progress: float, _memory: Memory
    ) -> list[Lesson]:
        closed = names[min(int((len(names) + 1) * progress), len(names)) :]
        tokens = random_path(rng, space, _only_greatest(space, edges, names, closed))
        if len(closed) == len(names):
            return [Lesson(tokens)]
        return [Lesson(space.largest(edges)), Lesson(tokens, FIRST)]

    return Strategy("progressive", {"phases": phases}, lessons)


def make_bignas(random: int = 2, final_rate: float = 0.05, quiet: bool = True, decay_largest: bool = True) -> Strategy:
    """The strategy ``bignas``: the sandwich with the rest of BigNAS's recipe (Yu et al., arXiv 2003.11142).

    Args:
      random: how many random ones a step teaches beside the largest and the smallest.
      final_rate: the learning rate at the end, a share of the highest.
      quiet: residual branches begin by giving 0 (the scale of their last norm).
      decay_largest: the weights of the largest decay, and no others.

    Raises:
      ValueError: if a number is out of range.
    """
    if not 0 <= final_rate <= 1:
        raise ValueError(f"bignas: final_rate={final_rate!r}: must be a share of the highest rate, 0 to 1")
    plain = make_sandwich(random)

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, progress: float, memory: Memory
    ) -> Sequence[Lesson]:
        first, *others = plain.lessons(rng, space, edges, progress, memory)
        return [first, *(Lesson(one.tokens, FIRST, regularised=False) for one in others)]

    def begin(_key: jax.Array, elastic: Elastic, parameters: object) -> tuple[object, Memory]:
        return elastic.quiet(parameters), ()

    return Strategy(
        "bignas",
        {"random": random, "final_rate": final_rate, "quiet": quiet, "decay_largest": decay_largest},
        lessons,
        begin if quiet else unchanged,
        final_rate=final_rate,
        lessons_decay=decay_largest,
    )


def _only_greatest(space: Space, edges: np.ndarray, names: Sequence[str], attributes: Sequence[str]) -> np.ndarray:
    """Of the edges, those of the greatest allowed value of each attribute, decision by decision.

    Raises:
      ValueError: if no decision of the space has one of the attributes ``names``.
    """
    known = {key for decision in space.decisions for key in decision.choices[0]}
    if not known & set(names):
        raise ValueError(
            f"strategy progressive: {space.name} has no attribute {', '.join(names)}; it has "
            f"{', '.join(sorted(known))}: give phases, joined by {BETWEEN}"
        )
    out = edges.copy()
    for t, decision in enumerate(space.decisions):
        is_open = space.trellis.open[t]
        for name in attributes:
            if name in decision.choices[0]:
                values = np.array([choice[name] for choice in decision.choices])
                allowed = out[t, is_open, : len(values)]
                out[t, is_open, : len(values)] &= values == values[allowed.any(0)].max(initial=0)
    return out
