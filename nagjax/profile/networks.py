"""Whole networks that tell what the sum of operators is worth: which to measure, and what they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nagjax.devices.validation import MeasuredNetwork
from nagjax.profile.summary import median_and_spread
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

POOL = 20_000
"""Architectures that networks are chosen from."""

FIT, VALIDATE = "fit", "validate"


def draw(
    space: Space, edges: np.ndarray, values: np.ndarray, sizes: Mapping[str, int], seed: int
) -> dict[str, list[str]]:
    """Random architectures spread evenly over the range of costs, split at random: distinct texts by what for.

    Of a large space nearly all architectures cost about the same. So the range of a pool (half uniform over
    architectures, half over the choices at each decision, which reaches further out) is cut into as many equal parts as
    networks are wanted, and one is drawn from each; where a part is empty, from all that are left. Edges bool ``[T, S,
    C]`` may be used; ``values`` float64 ``[num_operators]`` are costs of operators, ``sizes`` how many networks by what
    for.

    Raises:
      ValueError: if the space has too few architectures.
    """
    rng = np.random.default_rng(seed)
    target = space.trellis.target
    pool = np.unique(
        np.concatenate([tl.sample_uniform(target, edges, rng, POOL // 2), _by_choices(target, edges, rng, POOL // 2)]),
        axis=0,
    )
    wanted = sum(sizes.values())
    if len(pool) < wanted:
        raise ValueError(
            f"{wanted} networks are to be measured, {space.identity} has {len(pool)} here: lower --validate and "
            "--validate_fit, or allow more choices"
        )
    costs = space.operator_sum(pool, values)
    part = np.minimum((wanted * (costs - costs.min()) / max(np.ptp(costs), 1e-300)).astype(int), wanted - 1)
    order = rng.permutation(len(pool))
    first = order[np.unique(part[order], return_index=True)[1]]
    rest = order[~np.isin(order, first)][: wanted - len(first)]
    texts = [space.format(pool[index]) for index in rng.permutation(np.concatenate([first, rest]))]
    ends = np.cumsum(list(sizes.values()))
    return {name: texts[end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}


def _by_choices(target: np.ndarray, edges: np.ndarray, rng: np.random.Generator, num: int) -> np.ndarray:
    """Tokens int32 ``[num, T]``, each choice uniform among those that can be finished."""
    totals = tl.count(target, edges)
    tokens, here = np.zeros((num, len(edges)), np.int32), np.zeros(num, np.int64)
    for t, layer in enumerate(edges):
        alive = np.array([total > 0 for total in totals[t + 1]])
        weight = rng.random((num, edges.shape[2])) * (layer & alive[target[t]])[here]
        tokens[:, t] = weight.argmax(-1)
        here = target[t, here, tokens[:, t]]
    return tokens


def measured_networks(
    space: Space, values: np.ndarray, texts: Sequence[str], seconds: Mapping[tuple[str, str], Sequence[float]]
) -> tuple[MeasuredNetwork, ...]:
    """Sum of ``values`` (ms, float64 ``[num_operators]``) beside the median measurement, for each architecture."""
    tokens = np.stack([space.parse(text) for text in texts])
    sums = space.operator_sum(tokens, values)
    return tuple(
        MeasuredNetwork(text, float(raw), 1000 * median_and_spread(seconds["network", text])[0])
        for text, raw in zip(texts, sums, strict=True)
    )
