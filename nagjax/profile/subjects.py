"""What a profile measures: the distinct operators of a space, and whole networks made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from nagjax.devices.coverage import reachable
from nagjax.operators import Operator
from nagjax.operators.stored import as_computed
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class Subject:
    """One thing that is timed.

    Attributes:
      kind: ``"operator"`` or ``"network"``.
      name: the operator's key, or the architecture's text.
      operators: what it runs, in order.
    """

    kind: str
    name: str
    operators: tuple[Operator, ...]


def used_operators(space: Space, edges: np.ndarray) -> tuple[Operator, ...]:
    """The operators that architectures with only ``edges`` bool ``[T, S, C]`` use, each key once; free kinds left out.

    The network's resolution is not part of a key, nor of what an operator computes.
    """
    used = np.zeros(len(space.operators) + 1, bool)
    used[space.trellis.operators[reachable(space, edges)]] = True
    wanted = (op for op, fine in zip(space.operators, used, strict=False) if fine and op.kind not in space.free)
    return tuple({op.key: op for op in wanted}.values())


def timed(operators: Sequence[Operator]) -> tuple[Subject, ...]:
    """What is timed of operators: those that differ in the bits of their weights alone are one."""
    return tuple(
        Subject("operator", key, (op,))
        for key, op in {as_computed(op).key: as_computed(op) for op in operators}.items()
    )


def network(space: Space, tokens: np.ndarray) -> Subject:
    """The network of canonical tokens int ``[T]``: as its elastic network has it, else its operators in order.

    Raises:
      ValueError: if its operators are not a chain.
    """
    own = space.elastic("float32").alone(tokens).operators if space.elastic is not None else ()
    if own:
        return Subject("network", space.format(tokens), tuple(op for op in own if op.kind not in space.free))
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    index = space.trellis.operators[np.arange(len(tokens)), nodes[0], tokens].ravel()
    found = [space.operators[i] for i in index if i < len(space.operators)]
    return Subject("network", space.format(tokens), in_order([op for op in found if op.kind not in space.free]))


def in_order(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Operators in the order in which an image passes them: each takes what the one before gives.

    A space lists the operators of a path as its decisions add them (a head may stand at the first decision). Those that
    keep the shape come before the one that changes it, in the order in which they are listed.

    Raises:
      ValueError: if there is no such order.
    """
    given = {_end(op) for op in operators}
    starts = [op for op in operators if _start(op) not in given] or list(operators)
    order = _follow(_start(starts[0]), list(operators)) if starts else []
    if order is None:
        raise ValueError(
            f"{len(operators)} operators are not a chain in which each takes what the one before gives: "
            f"{', '.join(op.key for op in operators)}"
        )
    return tuple(order)


def _follow(here: tuple[int, int], left: list[Operator]) -> list[Operator] | None:
    if not left:
        return []
    ready = [op for op in left if _start(op) == here]
    for op in sorted(dict.fromkeys(ready), key=lambda op: _end(op) != here):
        at = left.index(op)
        rest = _follow(_end(op), left[:at] + left[at + 1 :])
        if rest is not None:
            return [op, *rest]
    return None


def _start(op: Operator) -> tuple[int, int]:
    return op.in_size, op.in_channels


def _end(op: Operator) -> tuple[int, int]:
    return op.out_size, op.out_channels
