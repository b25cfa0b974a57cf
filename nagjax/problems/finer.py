"""A problem on a finer graph of its space, whose nodes remember more of the path, so that other edges can be closed."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from nagjax.problems.problem import Description, Problem, close_jointly
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.spaces.trie import origins


def finer(problem: Problem, description: Description, space: Space, left: np.ndarray) -> tuple[Problem, Description]:
    """The problem on the graph of ``space``, which refines that of the description (``nagjax.spaces.trie.refine``).

    Of its edges those of ``left`` bool ``[T, S, C]`` stay. Tokens, costs and quality of an architecture are what they
    were, and ``high`` is that of the whole problem.

    Raises:
      ValueError: if no architecture is left.
    """
    base, graph = description.space.trellis, space.trellis
    origin, row = origins(base, graph.target, graph.valid), np.arange(graph.shape[0])[:, None]
    allowed = np.asarray(problem.allowed)[row, origin] & left
    if not tl.count(graph.target, allowed)[0][0]:
        raise ValueError(f"no architecture of {space.identity} is left by {dict(description.where)} and closed pairs")
    exact = tuple(
        dataclasses.replace(column, edges={t: values[origin[t]] for t, values in column.edges.items()})
        for column in description.exact
    )
    arrays = {
        "target": graph.target, "open": graph.open, "features": graph.features, "allowed": allowed,
        "cost": np.asarray(problem.cost)[:, row, origin],
    }  # fmt: skip
    spec = dataclasses.replace(problem.spec, num_nodes=graph.shape[1])
    closed = close_jointly(dataclasses.replace(problem, **jax.device_put(arrays), spec=spec))
    ranges = np.array([column.span(graph.target, allowed) for column in exact])
    low = jax.device_put(np.asarray(closed.togo)[:, 0, 0])
    return (
        dataclasses.replace(closed, low=low),
        dataclasses.replace(description, space=space, exact=exact, ranges=ranges),
    )
