"""Which choices harm, by SHAP values of boosted trees: GBDT-NAS-3S (Luo et al., arXiv 2007.04785, section 3.3).

Trees are fitted to what is known; a choice is worth the mean SHAP value of its path features over the architectures
that take it, and those that are worth least may be closed. The paper judges by accuracy, for one architecture in the
end. Where all budgets are asked that closes what is cheap, so by default the trees explain what accuracy is beyond that
of architectures of like cost: the residual of an isotonic regression on the logarithm of the cost.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from nagjax.predictors.kinds.trees import TreesConfig, booster
from nagjax.spaces import trellis as tl
from nagjax.spaces.pruning import Closed, value_of
from nagjax.spaces.space import Space

POINTS = 100
"""In a quality of 1."""
LEAST = 5
"""Architectures that take a choice, and that do not, before anything is said of it."""


def beyond_cost(quality: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Quality ``[N]`` less what the best rising function of the cost ``[N]`` says of it.

    >>> beyond_cost(np.array([0.5, 0.25, 0.75]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.125, -0.125, 0.0]
    """
    order = np.argsort(costs, kind="stable")
    said = np.empty_like(quality)
    said[order] = optimize.isotonic_regression(quality[order]).x
    found: np.ndarray = quality - said
    return found


def worth(
    space: Space, tokens: np.ndarray, explained: np.ndarray, config: TreesConfig | None = None, seed: int = 0
) -> np.ndarray:
    """Mean SHAP value of each choice over the architectures that take it, float64 ``[T, C]``.

    NaN where fewer than ``LEAST`` of them take it or do not, and where no path feature is that choice's alone. Tokens
    are int32 ``[N, T]``, what is explained of them float64 ``[N]``; the seed decides what each tree sees.

    Raises:
      ValueError: if LightGBM is not installed.
    """
    features = space.features(tokens).astype(np.float64)
    found = booster(features, explained, config or TreesConfig(), seed).predict(features, pred_contrib=True)
    shap = np.asarray(found)[:, :-1]  # the last column is the mean
    out = np.full((len(space.decisions), space.trellis.shape[2]), np.nan)
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens)
    for (layer, choice), own in features_of(space).items():
        taken = (tokens[:, layer] == choice) & space.trellis.open[layer, nodes[:, layer]]
        if LEAST <= taken.sum() <= len(taken) - LEAST:
            out[layer, choice] = shap[np.ix_(taken, own)].sum(1).mean()
    return out


def features_of(space: Space) -> dict[tuple[int, int], list[int]]:
    """Path features that only one choice of one decision switches on, by decision and choice."""
    owners: dict[int, set[tuple[int, int]]] = {}
    graph = space.trellis
    for layer, node, choice in zip(*np.nonzero(graph.valid), strict=True):
        for feature in graph.features[layer, node, choice]:
            if feature < graph.num_features:
                owners.setdefault(int(feature), set()).add((int(layer), int(choice)))
    out: dict[tuple[int, int], list[int]] = {}
    for feature, places in owners.items():
        if len(places) == 1:
            out.setdefault(next(iter(places)), []).append(feature)
    return out


def harmful(space: Space, values: np.ndarray, allowed: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Decision and choice of the ``most`` that are worth least, below 0, worst first; ``values`` are from ``worth``.

    Edges ``allowed`` are bool ``[T, S, C]``; a choice that is the last of a node that paths reach stays.
    """
    order = [divmod(int(place), values.shape[1]) for place in np.argsort(values, axis=None, kind="stable")]
    closed: list[tuple[int, int]] = []
    left = allowed.copy()
    for layer, choice in order:
        if len(closed) == most or not values[layer, choice] < 0:
            break
        fewer = left.copy()
        # A closed decision has one forced choice, which is none to be taken away.
        fewer[layer, space.trellis.open[layer], choice] = False
        if value_of(space.decisions[layer], choice) is not None and _serves(left, fewer, layer):
            closed.append((layer, choice))
            left = fewer
    return closed


def _serves(before: np.ndarray, after: np.ndarray, layer: int) -> bool:
    """Whether every node of a layer that had a choice still has one, and something was taken."""
    had, has = before[layer].any(-1), after[layer].any(-1)
    return bool((has | ~had).all() and (before[layer] != after[layer]).any())


def as_closed(space: Space, values: np.ndarray, closed: list[tuple[int, int]], what: str) -> list[Closed]:
    """The choices with their reasons."""
    return [
        Closed(
            space.decisions[layer].name, value_of(space.decisions[layer], choice),
            f"mean SHAP value of {what} {POINTS * values[layer, choice]:+.3f} points",
        )
        for layer, choice in closed
    ]  # fmt: skip
