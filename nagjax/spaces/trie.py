"""The prefix trie: a space narrowed to listed architectures, with a graph whose node is the whole prefix.

An edge of the last decision then belongs to one architecture, so any cost, a measured latency too, is a value on it:
cost to go, mask and counts are exact for costs that are not a sum over operators. Decisions, tokens and text stay those
of the space.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

MAX_EDGES = 2**25
"""Padded edges of the largest trie: about 1.5 GiB with all that a problem keeps of an edge."""


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
    """What a file says of architectures; of a prefix trie's, in lexicographic order: that of its last edges.

    Attributes:
      quality: float64 ``[N]``, measured, a fraction 0..1; NaN where it is not known.
      rows: int64 ``[N]``, the row of the file that each stands in, counted as errors about the file count; None where
        they are from no file.
    """

    quality: np.ndarray
    rows: np.ndarray | None = None

    def of(self, space: Space, tokens: np.ndarray) -> Listing:
        """The same of architectures int ``[B, T]`` of the prefix trie.

        Raises:
          ValueError: if one is not of the space.
        """
        space.check(tokens)
        last = space.trellis.valid[-1].ravel()
        place = (np.cumsum(last) - 1)[_last_edge(space, tokens)]
        return Listing(self.quality[place], None if self.rows is None else self.rows[place])


def list_out(quality: np.ndarray, rows: np.ndarray | None, tokens: np.ndarray) -> Listing:
    """The listing of the prefix trie of different architectures int ``[N, T]``, in any order."""
    order = np.lexsort(tokens.T[::-1])
    return Listing(quality[order], None if rows is None else rows[order])


def narrow(space: Space, tokens: np.ndarray) -> Space:
    """The space of the listed architectures alone, on their prefix trie, whose size ``refinement`` tells.

    Tokens int ``[N, T]`` are canonical, in any order; repeats count once.

    Raises:
      ValueError: if there are no tokens, they are not of the space, or the trie is too large.
    """
    if not len(tokens):
        raise ValueError(f"no architecture of {space.identity} is listed; at least one is needed")
    space.check(tokens)
    rows = tokens[np.lexsort(tokens.T[::-1])]
    # In lexicographic order a prefix of length t + 1 is new where one of its tokens differs from the row before.
    new = np.logical_or.accumulate(rows[1:] != rows[:-1], axis=1)
    distinct = np.append(True, new[:, -1])
    rows, new = rows[distinct], new[distinct[1:]]
    nodes = np.zeros(rows.shape, np.int32)
    nodes[1:, 1:] = np.cumsum(new[:, :-1], axis=0)
    shape = (rows.shape[1], int(nodes[-1, -1]) + 1, space.trellis.shape[2])
    _refuse_large(space, len(rows), shape)
    target, valid = np.zeros(shape, np.int32), np.zeros(shape, bool)
    for t in range(shape[0]):
        valid[t, nodes[:, t], rows[:, t]] = True
        if t + 1 < shape[0]:
            target[t, nodes[:, t], rows[:, t]] = nodes[:, t + 1]
    return refine(space, target, valid, f"prefix trie of {len(rows):,} architectures")


def refine(space: Space, target: np.ndarray, valid: np.ndarray, what: str) -> Space:
    """The space on another graph of the same decisions, some of whose paths may be missing.

    Operators, features and open decisions of a node are those of the space's node on the same path. ``target`` is
    int32, ``valid`` bool ``[T, S, C]``; ``what`` names the graph, and its size is added, unless it stands there
    already.

    Raises:
      ValueError: if the graph has a path that the space has not.
    """
    base = space.trellis
    layers, nodes, choices = valid.shape
    if (layers, choices) != (base.shape[0], base.shape[2]):
        raise ValueError(f"a graph of shape {list(valid.shape)} does not refine {space.identity}, {list(base.shape)}")
    origin, row = origins(base, target, valid), np.arange(layers)[:, None]
    if (valid & ~base.valid[row, origin]).any():
        t, s, c = np.argwhere(valid & ~base.valid[row, origin])[0]
        raise ValueError(f"the graph allows choice {c} at node {s} of {space.decisions[t].name}; {space.identity} not")
    graph = tl.Trellis(
        target,
        valid,
        base.open[row, origin] & valid.any(-1),
        base.operators[row, origin],
        base.features[row, origin],
        base.num_operators,
        base.num_features,
    )
    size = f"{layers} layers x {nodes:,} nodes x {choices} choices, {graph.nbytes / 2**20:.1f} MiB"
    sizes = None if space.edge_sizes is None else space.edge_sizes[row, origin]
    told = what if size in what else f"{what}: {size}"
    return dataclasses.replace(space, trellis=graph, edge_sizes=sizes, refinement=told)


def origins(base: tl.Trellis, target: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The node of ``base`` on the same path as each of a finer graph, int32 ``[T, S]``; see ``refine``."""
    origin = np.zeros(valid.shape[:2], np.int32)
    for t in range(len(valid) - 1):
        s, c = np.nonzero(valid[t])
        origin[t + 1, target[t, s, c]] = base.target[t, origin[t, s], c]
    return origin


def last_edges(space: Space, tokens: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values ``[N]`` of architectures int ``[N, T]`` as values float64 ``[T, S, C]`` on their last edges.

    Raises:
      ValueError: if two architectures share a last edge: the space is not on a prefix trie.
    """
    graph, edge = space.trellis, _last_edge(space, tokens)
    if len(np.unique(edge)) < len(edge):
        raise ValueError(f"architectures of {space.identity} share a last edge; narrow the space to them first")
    out = np.zeros(graph.shape)
    out[-1].reshape(-1)[edge] = values
    return out


def _last_edge(space: Space, tokens: np.ndarray) -> np.ndarray:
    """Index int64 ``[B]`` of the last edge of tokens ``[B, T]`` among all of the last layer, valid or not."""
    graph = space.trellis
    nodes, _ = tl.walk(graph.target, graph.valid, tokens)
    return nodes[:, -1].astype(np.int64) * graph.shape[2] + tokens[:, -1]


def _refuse_large(space: Space, num: int, shape: tuple[int, int, int]) -> None:
    layers, nodes, choices = shape
    size = layers * nodes * choices
    if size <= MAX_EDGES:
        return
    widest = max(space.decisions, key=lambda decision: len(decision.choices))
    raise ValueError(
        f"the prefix trie of {num:,} architectures of {space.identity} has {layers} layers x {nodes:,} nodes x "
        f"{choices:,} choices = {size:,} edges, above the {MAX_EDGES:,} that fit into memory: leave out rows or "
        f"decisions; {widest.name!r} has the most choices, {len(widest.choices):,} (put it last, or drop it if it is "
        "no decision)"
    )
