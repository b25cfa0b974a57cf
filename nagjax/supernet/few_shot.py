"""The strategy ``few_shot``: several sets of weights, each of a region of the space (Zhao et al., arXiv 2006.06863).

Architectures of one set of weights disturb each other; of those in one region fewer do. For the first part of the
training all regions are one set, then each goes on alone from it. A region whose architectures are bands of size is
that of AutoDistil (Xu et al., arXiv 2201.12507), with lessons of a sandwich and the relations of its largest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.spaces.space import Space
from nagjax.supernet.forms import APART, SIZE, Regions
from nagjax.supernet.relations import related
from nagjax.supernet.strategy import Lesson, Memory, Strategy, make_strategy


def make(
    split_on: str = SIZE, parts: int = 3, together: float = 0.5, lessons: str = "single_path", relations: float = 0.0
) -> Strategy:
    """The strategy.

    Args:
      split_on: name of a decision, each choice of which is a region; or ``size``.
      parts: of ``size``: as many equal bands of the range from the smallest to the largest.
      together: share of the training in which all regions are one set of weights; 0 trains them apart from the start.
      lessons: strategy, with its defaults, that says what a step teaches. Where a decision is split on, a step is of
        one region, drawn evenly once regions are apart; of bands each lesson trains the weights of its own.
      relations: weight of the teacher's relations beside its answers (``nagjax.supernet.relations``).

    Raises:
      ValueError: if a number is out of range, the strategy is not known or needs more than lessons, or relations are
        asked for of one without a teacher; when training begins, if the space has no such decision or no relations.
    """
    arguments.count(parts, "few_shot: parts", 2)
    if not 0 <= together < 1:
        raise ValueError(f"few_shot: together={together!r}: must be a share of the training, at least 0 and below 1")
    base = make_strategy(lessons)
    if base.form or base.after or base.held or base.revise:
        raise ValueError(f"few_shot: lessons={lessons}: trains weights of its own kind; give sandwich or single_path")
    if relations and lessons == "single_path":
        raise ValueError(f"few_shot: relations={relations}: of lessons=single_path nobody teaches; give sandwich")
    form = Regions(split_on, parts if split_on == SIZE else 0)

    def drawn(
        rng: np.random.Generator, space: Space, edges: np.ndarray, progress: float, memory: Memory
    ) -> Sequence[Lesson]:
        own = form.edges(space, edges) if progress >= together else [edges]
        return base.lessons(rng, space, own[rng.integers(len(own))], progress, memory)

    def begin(key: jax.Array, elastic: Elastic, parameters: dict[str, Any]) -> tuple[Any, Memory]:
        first, memory = base.begin(key, elastic, parameters)
        return {**first, APART: jnp.float32(together == 0)}, memory

    def revise(_memory: Memory, parameters: dict[str, Any], progress: jax.Array) -> dict[str, Any]:
        """When the first part ends, every region gets the weights that all had."""
        apart = jnp.asarray(progress >= together)
        now, first = apart & (parameters[APART] < 0.5), parameters["region0"]
        regions = {
            name: jax.tree.map(lambda own, one: jnp.where(now, one, own), part, first)
            for name, part in parameters.items()
            if name != APART
        }
        return {**regions, APART: apart.astype(jnp.float32)}

    settings = {
        "split_on": split_on, "parts": parts, "together": together, "lessons": lessons, "relations": relations,
    }  # fmt: skip
    own = dataclasses.replace(
        base, name="few_shot", settings=settings, lessons=drawn, begin=begin, form=form, revise=revise
    )
    return related(own, relations)
