"""Draws of different architectures: spread over the range of costs, or any that were not drawn before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nagjax.spaces import trellis as tl
from nagjax.spaces.soundness import complete_edges
from nagjax.spaces.space import Space

POOL = 20_000
"""Architectures from which a spread draw takes its own, unless all can be listed."""


def spread(
    space: Space, valid: np.ndarray, costs_of: Callable[[np.ndarray], np.ndarray], num: int, seed: int
) -> np.ndarray:
    """Different architectures int32 ``[num, T]``, spread evenly over the logarithm of the cost.

    Nearly all architectures of a space cost about the same, so a uniform draw hardly reaches the cheap and the costly.
    ``valid`` are edges bool ``[T, S, C]`` that may be used; ``costs_of`` gives costs float64 ``[B]``, above 0, of
    tokens ``[B, T]``.

    Raises:
      ValueError: if there are not so many.
    """
    rng = np.random.default_rng([seed, 2])
    pool = rng.permutation(_pool(space, valid, rng))
    if num > len(pool):
        raise ValueError(f"{num} architectures are wanted, {space.identity} has {len(pool)} here; ask for fewer")
    return pool[in_turn(np.log(costs_of(pool)), num, num)]


def in_turn(values: np.ndarray, bins: int, num: int) -> np.ndarray:
    """Rows int64 ``[num]`` of values float64 ``[N]``: of each of ``bins`` equal parts of their range one in turn.

    A part that has no more is passed over; earlier rows come first.

    >>> in_turn(np.array([0.0, 0.1, 0.9, 1.0]), 2, 3).tolist()
    [0, 2, 1]
    """
    part = np.minimum((bins * (values - values.min()) / max(float(np.ptp(values)), 1e-300)).astype(int), bins - 1)
    turn = np.zeros(len(values), np.int64)
    for number in range(bins):
        turn[part == number] = np.arange(np.sum(part == number))
    return np.lexsort((part, turn))[:num]


def varied(space: Space, valid: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens int32 ``[num, T]``, each decision uniform over its choices: not uniform over architectures.

    Edges ``valid`` bool ``[T, S, C]`` may end before the last decision, as conditions leave them; those are not taken.
    """
    valid = complete_edges(space.trellis.target, valid)
    node, out = np.zeros(num, np.int64), np.zeros((num, len(space.decisions)), np.int32)
    for t in range(out.shape[1]):
        rank = np.cumsum(valid[t, node], -1)
        wanted = (rng.random(num) * rank[:, -1]).astype(int) + 1
        out[:, t] = np.argmax(rank >= wanted[:, None], -1)
        node = space.trellis.target[t, node, out[:, t]]
    return out


def unseen(space: Space, valid: np.ndarray, seen: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """Different architectures int32 ``[M, T]`` not among ``seen`` ``[N, T]``; M < ``num`` where no more exist."""
    known = {row.tobytes() for row in np.asarray(seen, np.int32)}
    if tl.count(space.trellis.target, valid)[0][0] <= POOL:
        every = rng.permutation(tl.enumerate_paths(space.trellis.target, valid))
        return every[[row.tobytes() not in known for row in every]][:num]
    found: list[np.ndarray] = []
    while len(found) < num:
        for row in varied(space, valid, num, rng):
            if row.tobytes() not in known:
                known.add(row.tobytes())
                found.append(row)
    return np.array(found[:num], np.int32).reshape(-1, len(space.decisions))


def _pool(space: Space, valid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if tl.count(space.trellis.target, valid)[0][0] <= POOL:
        return tl.enumerate_paths(space.trellis.target, valid)
    uniform = tl.sample_uniform(space.trellis.target, valid, rng, POOL // 2)
    return np.unique(np.concatenate([uniform, varied(space, valid, POOL // 2, rng)]), axis=0)
