"""Which measured costs of whole networks are hard to believe: fillers, values in another unit, the unit of a column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nagjax.devices.plausible import implausible
from nagjax.devices.units import unit_doubt

NETWORK_GAP = 100.0
"""A step by which the costs of networks of one space never differ; in published benchmarks it is below 3."""

SHOWN = 5
"""Values named in one sentence."""


def cost_doubts(cost: np.ndarray, unit: str, place: Callable[[int], str]) -> tuple[str, ...]:
    """Why costs of networks float ``[N]``, above 0, should not be believed, as sentences; empty where nothing is odd.

    A value far above the others, or far below them (``implausible`` of it, or of its reciprocal), is named. Latencies
    are asked whether their unit is right. ``place`` says where the cost of an index stands.

    >>> cost_doubts(np.array([2.0, 1e9, 3.0]), "ms", str)[0][:66]
    '1 of 3 values are implausible beside the others, which are 2 to 3 '
    >>> cost_doubts(np.array([2.0, 4.0, 3.0]), "ms", str)
    ()
    """
    odd = implausible(cost, NETWORK_GAP) | implausible(1.0 / cost, NETWORK_GAP)
    rest = cost[~odd]
    if not len(rest):
        return ()
    out = []
    if odd.any():
        # The farthest first: it is what does harm.
        middle = np.log(np.median(rest))
        at = sorted(np.flatnonzero(odd).tolist(), key=lambda i: -abs(np.log(cost[i]) - middle))
        named = ", ".join(f"{cost[i]:g} ({place(i)})" for i in at[:SHOWN])
        more = f" and {len(at) - SHOWN} more" if len(at) > SHOWN else ""
        out.append(
            f"{len(at)} of {len(cost)} values are implausible beside the others, which are {rest.min():.3g} to "
            f"{rest.max():.3g} {unit}: {named}{more}; leave such rows out, or give them what was measured"
        )
    if unit == "ms" and (sentence := unit_doubt(float(rest.min()), float(rest.max()))):
        out.append(sentence)
    return tuple(out)
