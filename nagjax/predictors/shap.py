"""Which choices harm, and which pairs, by SHAP values of boosted trees: GBDT-NAS-3S (Luo et al., arXiv 2007.04785).

Trees are fitted to what is known; a choice is worth the mean SHAP value of its path features over the architectures
that take it, and those that are worth least may be closed. The paper judges by accuracy, for one architecture in the
end. Where all budgets are asked that closes what is cheap, so by default the trees explain what accuracy is beyond that
of architectures of like cost: the residual of an isotonic regression on the logarithm of the cost.

The second order judges two choices by the SHAP interaction of their features (Lundberg et al., arXiv 1802.03888), the
mean over the architectures that take both. The authors' code then closes both choices for good; here the pair is
closed, and each choice stays without the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize

from nagjax.predictors.kinds.trees import TreesConfig, boosted, booster
from nagjax.spaces import trellis as tl
from nagjax.spaces.pruning import Closed, Pair, Together, apart, value_of
from nagjax.spaces.space import Space
from nagjax.spaces.trie import origins

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


def worth_together(
    space: Space, tokens: np.ndarray, explained: np.ndarray, config: TreesConfig | None = None, seed: int = 0
) -> dict[Pair, float]:
    """Mean SHAP interaction of two choices over the architectures that take both, by pair.

    Pairs that fewer than ``LEAST`` architectures take, or do not take, are left out. Arguments are those of ``worth``.

    Raises:
      ValueError: if LightGBM is not installed.
    """
    features = space.features(tokens).astype(np.float64)
    sums = interactions(boosted(features, explained, config or TreesConfig(), seed), features)
    out = {}
    for (one, own), (other, others) in itertools.combinations(sorted(features_of(space).items()), 2):
        both = int(((features[:, own[0]] > 0) & (features[:, others[0]] > 0)).sum())
        if one[0] < other[0] and LEAST <= both <= len(tokens) - LEAST:
            out[(*one, *other)] = float(sums[np.ix_(own, others)].sum()) / both
    return out


def interactions(trees: Sequence[Mapping[str, Any]], features: np.ndarray) -> np.ndarray:
    """What features i and j add beyond what each does, summed over the rows that have both, float64 ``[F, F]``.

    Trees are those that ``boosted`` dumps, features float64 ``[N, F]``; 0 on the diagonal. The value of a set of
    features is what the trees give where only these are known, and a split on another one goes both ways by the shares
    of its records (path-dependent TreeSHAP). A leaf then gives its value times a product over the features on its path:
    o_k, whether the row goes there, where k is known, and r_k, the share that does, where not. So its part of the
    interaction is value (o_i - r_i) (o_j - r_j) times the integral of prod_k (r_k (1 - u) + o_k u) over u in 0..1, all
    other k, which Gauss's rule gives exactly.
    """
    has = features > 0
    out = np.zeros((features.shape[1],) * 2)
    for value, path in (leaf for tree in trees for leaf in leaves(tree, features)):
        if len(path) < 2:
            continue
        on = list(path)
        goes = np.stack([path[k][0] for k in on]).astype(np.float64)
        share = np.array([path[k][1] for k in on])[:, None]
        at, weights = np.polynomial.legendre.leggauss(len(on) // 2 + 1)
        at, weights = (at + 1) / 2, weights / 2
        factors = share[..., None] * (1 - at) + goes[..., None] * at  # [d, N, Q], above 0 inside of 0..1
        slopes = (goes - share)[..., None] / factors * has[:, on].T[..., None]
        weighed = slopes * (value * factors.prod(0) * weights)
        out[np.ix_(on, on)] += weighed.reshape(len(on), -1) @ slopes.reshape(len(on), -1).T
    np.fill_diagonal(out, 0.0)
    return out


def leaves(
    node: Mapping[str, Any], features: np.ndarray, path: Mapping[int, tuple[np.ndarray, float]] | None = None
) -> Iterator[tuple[float, Mapping[int, tuple[np.ndarray, float]]]]:
    """Value of each leaf of a dumped tree, and by feature on its path which rows go there, and the share of records."""
    path = path or {}
    if "split_feature" not in node:
        yield float(node["leaf_value"]), path
        return
    feature, all_rows = int(node["split_feature"]), np.ones(len(features), bool)
    left = features[:, feature] <= node["threshold"]
    for child, goes in ((node["left_child"], left), (node["right_child"], ~left)):
        before, share = path.get(feature, (all_rows, 1.0))
        records = child.get("internal_count", child.get("leaf_count", 0)) / node["internal_count"]
        yield from leaves(child, features, {**path, feature: (before & goes, share * records)})


def harmful_together(space: Space, values: Mapping[Pair, float], allowed: np.ndarray, most: int) -> list[Pair]:
    """The ``most`` pairs that are worth least together, below 0, worst first; ``values`` are from ``worth_together``.

    Edges ``allowed`` are bool ``[T, S, C]``. A pair stays if one of its choices is closed, or a node that paths reach
    would be left without a choice.
    """
    closed: list[Pair] = []
    for pair in sorted(values, key=lambda pair: values[pair]):
        if len(closed) == most or not values[pair] < 0:
            break
        places = (pair[:2], pair[2:])
        named = all(value_of(space.decisions[layer], choice) is not None for layer, choice in places)
        if named and all(allowed[layer, :, choice].any() for layer, choice in places):
            closed += [pair] if _served(space, [*closed, pair], allowed) else []
    return closed


def _served(space: Space, pairs: Sequence[Pair], allowed: np.ndarray) -> bool:
    """Whether every node that paths reach has a choice when pairs are closed."""
    finer, left = apart(space, pairs)
    graph = finer.trellis
    left = left & allowed[np.arange(len(left))[:, None], origins(space.trellis, graph.target, graph.valid)]
    here = np.arange(graph.shape[1]) == 0
    for target, edges in zip(graph.target, left, strict=True):
        if not edges[here].any(-1).all():
            return False
        reached = target[here[:, None] & edges]
        here = np.zeros(graph.shape[1], bool)
        here[reached] = True
    return True


def as_together(space: Space, values: Mapping[Pair, float], closed: Sequence[Pair], what: str) -> list[Together]:
    """The pairs with their reasons."""
    out = []
    for pair in closed:
        (one, choice), (other, its) = ((space.decisions[t], c) for t, c in (pair[:2], pair[2:]))
        why = f"mean SHAP interaction of {what} {POINTS * values[pair]:+.3f} points"
        out.append(Together(one.name, value_of(one, choice), other.name, value_of(other, its), why))
    return out


def as_closed(space: Space, values: np.ndarray, closed: list[tuple[int, int]], what: str) -> list[Closed]:
    """The choices with their reasons."""
    return [
        Closed(
            space.decisions[layer].name, value_of(space.decisions[layer], choice),
            f"mean SHAP value of {what} {POINTS * values[layer, choice]:+.3f} points",
        )
        for layer, choice in closed
    ]  # fmt: skip
