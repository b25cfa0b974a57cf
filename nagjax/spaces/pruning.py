"""Choices that are closed for a reason: a file of them, and the conditions they amount to.

The file is JSON: ``space``, the identity of the space, and ``closed``, a list of ``{"decision", "choice", "why"}``.
Edges are only taken away. What is left goes where conditions go (``Space.where``), so a checkpoint keeps it with them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import durable
from nagjax.names import nearest
from nagjax.spaces.space import Decision, Space


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


def value_of(decision: Decision, choice: int) -> Any:
    """The value that names a choice; None where choices have several attributes and none names them."""
    (value, *more) = decision.choices[choice].values()
    return None if more else value


def conditions(space: Space, closed: Sequence[Closed]) -> dict[str, list[Any]]:
    """What is left of the decisions that lose a choice, as ``Space.where`` takes it.

    Raises:
      ValueError: if a decision or choice is not known, or a decision is left without one.
    """
    decisions = {decision.name: decision for decision in space.decisions}
    left: dict[str, list[Any]] = {}
    for one in closed:
        if one.decision not in decisions:
            near = nearest(str(one.decision), decisions)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"closed: {one.decision!r} is not a decision of {space.name}{hint}")
        decision = decisions[one.decision]
        values = [value_of(decision, choice) for choice in range(len(decision.choices))]
        if one.choice is None or one.choice not in values:
            told = "have several attributes, and cannot be closed" if None in values else f"are {values}"
            raise ValueError(f"closed: {one.decision} has no choice {one.choice!r}; its choices {told}")
        kept = left.setdefault(one.decision, values)
        if one.choice in kept:
            kept.remove(one.choice)
        if not kept:
            raise ValueError(f"closed: nothing is left of {one.decision}; at least one of {values} must stay")
    return left


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


def write(path: str | Path, space: Space, closed: Sequence[Closed]) -> None:
    """Write a file of closed choices."""
    content = {"space": space.identity, "closed": [dataclasses.asdict(one) for one in closed]}
    durable.replace(path, json.dumps(content, indent=2) + "\n")


def read(path: str | Path, space: Space) -> dict[str, list[Any]]:
    """The conditions of a file that ``write`` wrote; see ``conditions``.

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
    closed = content.get("closed")
    if content.get("space") != space.identity:
        raise ValueError(f"{path}: is of {content.get('space')!r}, not of {space.identity}; prune that space anew")
    keys = {field.name for field in dataclasses.fields(Closed)}
    if not isinstance(closed, list) or not all(isinstance(one, dict) and set(one) == keys for one in closed):
        raise ValueError(f"{path}: 'closed' has to be a list of objects with {', '.join(sorted(keys))}")
    try:
        return conditions(space, [Closed(**one) for one in closed])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
