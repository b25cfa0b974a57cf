"""Which choices of a space a device table is for."""

from __future__ import annotations

import numpy as np

from nagjax.spaces.space import Space


def cover(
    space: Space, priced: np.ndarray, measured: np.ndarray, sources: list[str | None]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Close choices of optional decisions that nothing in the table is for: edges left, bool ``[T, S, C]``, and texts.

    ``priced`` and ``measured`` are bool ``[num_operators]``: which operators have a price, and which have it from a
    row; ``sources`` says where each row was read, None without one.
    """
    open_edges = space.trellis.valid.copy()
    closed = []
    for t, decision in enumerate(space.decisions):
        if not decision.optional:
            continue
        used = [_operators_after(space, t, c) for c in range(len(decision.choices))]
        users: dict[str, set[int]] = {}
        for c, mask in enumerate(used):
            for index in np.flatnonzero(mask & measured):
                users.setdefault(str(sources[index]), set()).add(c)
        claimed = {next(iter(choices)) for choices in users.values() if len(choices) == 1}
        for c, mask in enumerate(used):
            if c not in claimed and not priced[mask].all():
                open_edges[t, :, c] = False
                closed.append(f"{decision.name}={next(iter(decision.choices[c].values()))}")
    return reachable(space, open_edges), tuple(closed)


def _operators_after(space: Space, t: int, choice: int) -> np.ndarray:
    """Operators of edges ``(t, :, choice)`` and of all that can follow, bool ``[num_operators]``."""
    graph = space.trellis
    used = np.zeros(len(space.operators) + 1, bool)
    edge = graph.valid[t] & (np.arange(graph.shape[2]) == choice)
    for layer in range(t, graph.shape[0]):
        used[graph.operators[layer][edge]] = True
        nodes = np.zeros(graph.shape[1], bool)
        nodes[graph.target[layer][edge]] = True
        if layer + 1 < graph.shape[0]:
            edge = graph.valid[layer + 1] & nodes[:, None]
    return used[:-1]


def reachable(space: Space, open_edges: np.ndarray) -> np.ndarray:
    """``open_edges`` bool ``[T, S, C]`` without those that no open path from the start reaches."""
    out = open_edges.copy()
    nodes = np.arange(out.shape[1]) == 0
    for t in range(out.shape[0]):
        out[t] &= nodes[:, None]
        nodes = np.zeros(out.shape[1], bool)
        nodes[space.trellis.target[t][out[t]]] = True
    return out
