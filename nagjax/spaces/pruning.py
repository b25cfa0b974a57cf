"""Choices that are closed for a reason: a file of them, and what they leave.

The file is JSON: ``space``, the identity of the space, and ``closed``, a list of ``{"decision", "choice", "why"}``.
Edges are only taken away. What is left goes where conditions go (``Space.where``), so a checkpoint keeps it with them.

Where ``together`` stands too, its ``{"decision", "choice", "other", "other_choice", "why"}`` are pairs of choices of
which an architecture may take one. Then nodes remember which was taken: that is another graph of the same space
(``nagjax.spaces.trie.refine``), and a checkpoint keeps it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nagjax import durable
from nagjax.names import nearest
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space
from nagjax.spaces.trie import refine

MOST_PAIRS = 8
"""Closed pairs at most: each may double the nodes between its decisions."""

Pair = tuple[int, int, int, int]
"""A decision and its choice, and a later decision and its choice, of which an architecture may take one."""


R = TypeVar("R", "Closed", "Together")


@dataclasses.dataclass(frozen=True)
class Closed:
    """A choice that is closed.

    Attributes:
      decision: its name.
      choice: the value of its only attribute.
      why: for people.
    """

    decision: str
    choice: Any
    why: str


@dataclasses.dataclass(frozen=True)
class Together:
    """Two choices that no architecture may take both.

    Attributes:
      decision, choice: the name of a decision, and the value of the only attribute of its choice.
      other, other_choice: the same of another decision.
      why: for people.
    """

    decision: str
    choice: Any
    other: str
    other_choice: Any
    why: str


def value_of(decision: Decision, choice: int) -> Any:
    """The value that names a choice; None where choices have several attributes and none names them."""
    (value, *more) = decision.choices[choice].values()
    return None if more else value


def conditions(space: Space, closed: Sequence[Closed]) -> dict[str, list[Any]]:
    """What is left of the decisions that lose a choice, as ``Space.where`` takes it.

    Raises:
      ValueError: if a decision or choice is not known, or a decision is left without one.
    """
    left: dict[str, list[Any]] = {}
    for one in closed:
        layer, _ = place_of(space, one.decision, one.choice)
        decision = space.decisions[layer]
        values = [value_of(decision, choice) for choice in range(len(decision.choices))]
        kept = left.setdefault(one.decision, values)
        if one.choice in kept:
            kept.remove(one.choice)
        if not kept:
            raise ValueError(f"closed: nothing is left of {one.decision}; at least one of {values} must stay")
    return left


def place_of(space: Space, decision: str, value: Any) -> tuple[int, int]:
    """Number of a decision and of its choice, by name and value.

    Raises:
      ValueError: if either is not known.
    """
    names = [one.name for one in space.decisions]
    if decision not in names:
        near = nearest(str(decision), names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"closed: {decision!r} is not a decision of {space.name}{hint}")
    layer = names.index(decision)
    found = space.decisions[layer]
    values = [value_of(found, choice) for choice in range(len(found.choices))]
    if value is None or value not in values:
        told = "have several attributes, and cannot be closed" if None in values else f"are {values}"
        raise ValueError(f"closed: {decision} has no choice {value!r}; its choices {told}")
    return layer, values.index(value)


def pairs_of(space: Space, together: Sequence[Together]) -> list[Pair]:
    """The pairs by numbers, the earlier decision first.

    Raises:
      ValueError: if a decision or choice is not known, or both are of one decision.
    """
    out = []
    for one in together:
        places = place_of(space, one.decision, one.choice), place_of(space, one.other, one.other_choice)
        first, second = sorted(places)
        if first[0] == second[0]:
            raise ValueError(f"together: {one.decision} stands in a pair twice, takes one choice anyway; name another")
        out.append((*first, *second))
    return out


def apart(space: Space, pairs: Sequence[Pair]) -> tuple[Space, np.ndarray]:
    """The space on a graph that remembers pairs, and the edges bool ``[T, S, C]`` of it that take no pair whole.

    A node remembers the pairs whose first choice was taken, as long as the second may still be. All architectures are
    paths of the graph, so that what is known of closed ones can still be read. Nodes are padded to a power of two, so
    that graphs of other pairs seldom compile anything again.

    Raises:
      ValueError: if there are too many pairs, the graph would be too large, or no architecture is left.
    """
    if len(pairs) > MOST_PAIRS:
        raise ValueError(f"together: {len(pairs)} pairs are too many; at most {MOST_PAIRS}, each may double the graph")
    base, nodes = space.trellis, [(0, frozenset[int]())]
    layers = []
    for t in range(base.shape[0]):
        edges = [(s, *edge) for s, (node, taken) in enumerate(nodes) for edge in _edges(base, pairs, t, node, taken)]
        nodes = list(dict.fromkeys(label for *_, label in edges)) if t + 1 < base.shape[0] else []
        layers.append((edges, {label: number for number, label in enumerate(nodes)}))
    shape = (base.shape[0], 2 ** (max(len(numbers) for _, numbers in layers) - 1).bit_length(), base.shape[2])
    if np.prod(shape, dtype=np.int64) > tl.MAX_EDGES:
        raise ValueError(
            f"together: these pairs need a graph of {np.prod(shape):,} edges, above {tl.MAX_EDGES:,}; close fewer"
        )
    target, valid, left = np.zeros(shape, np.int32), np.zeros(shape, bool), np.zeros(shape, bool)
    for t, (edges, numbers) in enumerate(layers):
        for s, choice, whole, label in edges:
            valid[t, s, choice], left[t, s, choice] = True, not whole
            target[t, s, choice] = numbers.get(label, 0)
    if not tl.count(target, left)[0][0]:
        raise ValueError(f"together: no architecture of {space.identity} is left without these pairs; close fewer")
    return refine(space, target, valid, f"remembers {len(pairs)} pairs of choices"), left


def _edges(
    base: tl.Trellis, pairs: Sequence[Pair], t: int, node: int, taken: frozenset[int]
) -> list[tuple[int, bool, tuple[int, frozenset[int]]]]:
    """Choices of a node that remembers pairs, whether each takes a pair whole, and the nodes that they lead to."""
    out = []
    for choice in np.flatnonzero(base.valid[t, node]).tolist():
        place = (t, choice) if base.open[t, node] else None  # a closed decision has a forced choice, which is none
        whole = any(pairs[number][2:] == place for number in taken)
        now = taken | {number for number, pair in enumerate(pairs) if pair[:2] == place}
        following = frozenset(number for number in now if pairs[number][2] > t)
        out.append((choice, whole, (int(base.target[t, node, choice]), following)))
    return out


def stay(space: Space, allowed: np.ndarray, pairs: Sequence[Pair], tokens: np.ndarray) -> np.ndarray:
    """Which architectures int ``[B, T]`` edges ``allowed`` bool ``[T, S, C]`` and closed pairs leave, bool ``[B]``."""
    finer, left = apart(space, pairs)
    graph = finer.trellis
    return tl.walk(space.trellis.target, allowed, tokens)[1] & tl.walk(graph.target, left, tokens)[1]


def both(where: Mapping[str, Any], pruned: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Conditions that hold where ``where`` and what was pruned hold.

    >>> both({"kernel": 3, "depth": [1, 2]}, {"depth": [2, 3]})
    {'kernel': 3, 'depth': [2]}

    Raises:
      ValueError: if nothing satisfies both.
    """
    out = dict(where)
    for name, kept in pruned.items():
        given = out.get(name, kept)
        asked = list(given) if isinstance(given, list | tuple) else [given]
        out[name] = [value for value in asked if value in kept]
        if not out[name]:
            raise ValueError(f"where: {name}={asked} is closed by the pruning, which leaves {list(kept)}")
    return out


def write(path: str | Path, space: Space, closed: Sequence[Closed], together: Sequence[Together] = ()) -> None:
    """Write a file of closed choices and of pairs."""
    content = {"space": space.identity, "closed": [dataclasses.asdict(one) for one in closed]}
    content |= {"together": [dataclasses.asdict(one) for one in together]} if together else {}
    durable.replace(path, json.dumps(content, indent=2) + "\n")


def read(path: str | Path, space: Space) -> tuple[dict[str, list[Any]], list[Pair]]:
    """What a file that ``write`` wrote leaves: see ``conditions``, and the pairs for ``apart``.

    Raises:
      ValueError: if it is no such file, is of another space, or closes what cannot be closed.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: is no file of closed choices ({error}); experiments.prune writes one") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, not an object; experiments.prune writes one")
    if content.get("space") != space.identity:
        raise ValueError(f"{path}: is of {content.get('space')!r}, not of {space.identity}; prune that space anew")
    closed, together = _rows(path, content, "closed", Closed), _rows(path, content, "together", Together)
    try:
        pairs = pairs_of(space, together)
        apart(space, pairs)
        return conditions(space, closed), pairs
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rows(path: Path, content: dict[str, Any], key: str, row: type[R]) -> list[R]:
    """The objects of a list of the file; only ``together`` may be left out."""
    found = content.get(key, [] if row is Together else None)
    keys = {field.name for field in dataclasses.fields(row)}
    if not isinstance(found, list) or not all(isinstance(one, dict) and set(one) == keys for one in found):
        raise ValueError(f"{path}: {key!r} has to be a list of objects with {', '.join(sorted(keys))}")
    return [row(**one) for one in found]
