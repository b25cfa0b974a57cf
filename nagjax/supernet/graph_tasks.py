"""Nodes of a graph as a task: ``knn_graph``, handwritten digits, each linked to those most like it, few with a label.

An input is the number of a node. What a network of L layers takes is the tree of L steps over neighbours that begins
there, ``[N, 1 + k + ... + k**L, F]``: the node, its k neighbours, the k neighbours of each of these. Message passing on
it gives exactly what it gives on the whole graph, rows do not depend on each other, and a batch of all labelled nodes
is the full batch. (Hamilton et al., GraphSAGE, arXiv 1706.02216, compute on such trees too, of drawn neighbours.)
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.supernet.datasets.digits import CLASSES, read_digits
from nagjax.supernet.datasets.draw import three_parts
from nagjax.supernet.task import Task, arrays
from nagjax.supernet.usual_tasks import classification

HELD_OUT = 0.2
"""Of the nodes for validation, and as much for test."""


def make_knn_graph(*, neighbours: int = 8, labels: int = 5, smoothing: float = 0.0, seed: int = 0) -> Task:
    """Which digit a node is, from its pixels and those of its neighbours; quality is the share that is right.

    The 1,797 digits of scikit-learn are the nodes. Features are their 64 pixels, mean 0 and deviation 1 over all. A
    node is linked to those whose pixels are nearest. All nodes are seen in training, few of them have a label then. So
    many nodes of each class as ``labels`` have one, smoothed by a fraction; the seed draws them and those for
    validation, the test nodes are the same for all seeds.

    Raises:
      ValueError: if a setting is out of range, or scikit-learn is not installed.
    """
    images = read_digits()
    arguments.count(neighbours, "knn_graph: neighbours")
    if neighbours >= len(images):
        raise ValueError(f"knn_graph: neighbours={neighbours}: there are {len(images)} nodes; give fewer")
    arguments.count(labels, "knn_graph: labels")
    classes = images.labels
    rest, validation, test = three_parts(classes, HELD_OUT, seed, "knn_graph")
    fewest = int(np.bincount(classes[rest]).min())
    if labels > fewest:
        raise ValueError(
            f"knn_graph: labels={labels}: some classes have {fewest} nodes to train on; give at most these"
        )
    train = few_of_each(classes, rest, labels, seed)
    parts = [arrays(rows.astype(np.int32), classes[rows], classes[rows]) for rows in (train, validation, test)]
    pixels = np.asarray(images.pixels[np.arange(len(images))]).reshape(len(images), -1)
    features, links = ((pixels - pixels.mean()) / pixels.std()).astype(np.float32), nearest(pixels, neighbours)
    settings = {"neighbours": neighbours, "labels": labels, "smoothing": smoothing, "seed": seed}
    sizes = {"features": features.shape[1], "neighbours": neighbours, "outputs": CLASSES}
    made = classification("knn_graph", settings, parts, sizes, CLASSES, smoothing)
    return dataclasses.replace(
        made,
        prepare=lambda nodes, layers: jnp.asarray(features)[trees(jnp.asarray(nodes), jnp.asarray(links), layers)],
        group=2,
        takes="float32 features of a node and of those within reach [N, 1 + k + ..., F], level by level",
        examples_name="nodes",
    )


def few_of_each(classes: np.ndarray, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` of ``rows`` of each class, ascending."""
    order = np.random.default_rng([seed, 5]).permutation(rows)
    return np.sort(np.concatenate([order[classes[order] == one][:count] for one in np.unique(classes)]))


def nearest(points: np.ndarray, count: int) -> np.ndarray:
    """Of each point int ``[V, F]`` the others nearest to it, int32 ``[V, count]``; of equally near the first.

    >>> nearest(np.array([[0], [3], [4], [9]]), 2).tolist()
    [[1, 2], [2, 0], [1, 0], [2, 1]]
    """
    exact = points.astype(np.int64)
    squares = (exact**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * exact @ exact.T
    np.fill_diagonal(distances, np.iinfo(np.int64).max)
    return np.argsort(distances, 1, kind="stable")[:, :count].astype(np.int32)


def trees(nodes: jax.Array, links: jax.Array, layers: Any) -> jax.Array:
    """Nodes within ``layers`` steps of nodes int ``[N]``, level by level, int ``[N, 1 + k + ... + k**layers]``.

    The children of the node at place i stand at ``1 + i * k`` to ``k + i * k``. ``links`` are neighbours of each node,
    int ``[V, k]``.
    """
    level = nodes[:, None]
    levels = [level]
    for _ in range(layers):
        level = links[level].reshape(len(nodes), -1)
        levels.append(level)
    return jnp.concatenate(levels, 1)
