"""Scores that add up over the weights of an architecture: ``snip``, ``grad_norm``, ``grasp`` and ``synflow``.

They were made to prune weights; their sums rate networks in Abdelfattah et al. (arXiv 2101.08134). Counted
are the weights of convolutions and linear layers that the architecture uses. What it does not use has no slope.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.elastic import Tree
from nagjax.evaluators.evaluator import Evaluator
from nagjax.operators.layers import EPSILON
from nagjax.spaces.space import Space
from nagjax.supernet.training import elastic_of
from nagjax_scores.score import Examples, Network, Score, counted, evaluator, on_examples, weights_of

STEP = 0.01
"""Share of all weights by which ``grasp`` grows and shrinks them."""


def make_snip(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 64, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``snip``: the sum of |weight x slope of the loss| (Lee et al., arXiv 1810.02340).

    Arguments as of ``nagjax_scores.activations.make_naswot``; the network need not be one that can be watched.

    Raises:
      ValueError: if a number is out of range, or data or weights cannot be read or do not suit the space.
    """
    score = Score("snip", snip, of_weights=True)
    return on_examples(score, space, data, data_dir, folder, batch, inits, seed, task_settings)


def make_grad_norm(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 64, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``grad_norm``: the Euclidean norm of the slopes (Abdelfattah et al., arXiv 2101.08134).

    Arguments and errors as of ``make_snip``.
    """
    score = Score("grad_norm", grad_norm, of_weights=True)
    return on_examples(score, space, data, data_dir, folder, batch, inits, seed, task_settings)


def make_grasp(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 64, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``grasp``: the sum of -weight x (Hessian x slope) (Wang et al., arXiv 2002.07376).

    The sign is that of Abdelfattah et al., for whom more is better. Weights times Hessian times slopes is by how much
    half the squared norm of the slopes grows as all weights grow alike: a central difference over 1 percent more and
    less of them, since second derivatives of depthwise convolutions are not made for it. Arguments and errors as of
    ``make_snip``.
    """
    score = Score("grasp", grasp, of_weights=True)
    return on_examples(score, space, data, data_dir, folder, batch, inits, seed, task_settings)


def make_synflow(space: Space, folder: str = "", inits: int = 1, seed: int = 0) -> Evaluator:
    """The evaluator ``synflow``: the logarithm of the sum of weight x slope (Tanaka et al., arXiv 2006.05467).

    The slope is that of the sum of all outputs for an input of ones, where all weights are absolute values, and norms
    only scale and shift (mean 0, variance 1). The sum is above 0 and spans many powers of ten, so its natural logarithm
    is told, which ranks alike. It looks at no data.

    Args:
      space: with an elastic network whose inputs are numbers, not tokens.
      folder: of a trained supernet, whose weights are taken; fresh weights where empty.
      inits: sets of fresh weights that the score is the mean of.
      seed: of the first of them.

    Raises:
      ValueError: if a number is out of range, the weights are not of this space, or its inputs are tokens.
    """
    elastic = elastic_of(space)

    @functools.lru_cache(maxsize=8)
    def ones(group: Hashable) -> jax.Array:
        like = elastic.example(group, 1, np.random.default_rng(0))
        check_numbers("synflow", like)
        return jnp.ones(like.shape, jnp.float32)

    ones(elastic.group(space.sample(np.random.default_rng(0), 1)[0]))
    weights = weights_of(space, folder, inits, seed)
    settings = {"folder": folder, "inits": inits, "seed": seed}
    identity = {"inits": inits, "seed": seed, **weights.identity}
    score = Score("synflow", synflow, logarithm, of_weights=True)
    return evaluator(score, space, Examples(ones, jnp.sum), weights, settings, identity)


def snip(network: Network) -> jax.Array:
    """The score."""
    slopes = counted(jax.grad(_loss(network))(network.parameters))
    return _total(jax.tree.map(lambda weight, slope: jnp.abs(weight * slope), network.parameters, slopes))


def grad_norm(network: Network) -> jax.Array:
    """The score."""
    return jnp.sqrt(_total(jax.tree.map(jnp.square, counted(jax.grad(_loss(network))(network.parameters)))))


def grasp(network: Network) -> jax.Array:
    """The score; both sides of the difference run through one program."""
    grown = counted(network.parameters)

    def half_square(share: jax.Array) -> jax.Array:
        parameters = jax.tree.map(lambda leaf, more: leaf + share * more, network.parameters, grown)
        return 0.5 * _total(jax.tree.map(jnp.square, counted(jax.grad(_loss(network))(parameters))))

    more, less = jax.lax.map(half_square, jnp.array([STEP, -STEP]))
    return -(more - less) / (2 * STEP)


def synflow(network: Network) -> jax.Array:
    """The sum, before its logarithm."""
    elastic, inputs, tokens = network.elastic, network.inputs, network.tokens
    positive = jax.tree.map(jnp.abs, network.parameters)
    like = jax.eval_shape(elastic.apply, positive, inputs, tokens).statistics
    neutral = jax.tree.map(_neutral, like, is_leaf=_is_pair)

    def flow(parameters: Tree) -> jax.Array:
        return network.loss(elastic.apply(parameters, inputs, tokens, neutral).outputs)

    return _total(jax.tree.map(jnp.multiply, positive, counted(jax.grad(flow)(positive))))


def logarithm(value: np.ndarray) -> float:
    """Natural logarithm of a sum above 0.

    Raises:
      ValueError: if it is not a finite number above 0.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"synflow: the sum is {value:g}, which float32 does not hold; its logarithm is not a number")
    return math.log(value)


def check_numbers(score: str, inputs: Any) -> None:
    """Refuse inputs that have no slope.

    Raises:
      ValueError: if they are whole numbers, such as tokens of a text.
    """
    if not np.issubdtype(inputs.dtype, np.floating):
        raise ValueError(f"{score} is of slopes along inputs, and here they are {inputs.dtype}; take another score")


def _loss(network: Network) -> Any:
    return lambda parameters: network.loss(
        network.elastic.apply(parameters, network.inputs, network.tokens).outputs
    )  # fmt: skip


def _total(tree: Tree) -> jax.Array:
    return sum((leaf.sum() for leaf in jax.tree.leaves(tree)), jnp.zeros(()))


def _is_pair(node: Any) -> bool:
    """Whether a node is mean and variance of a norm."""
    return isinstance(node, tuple) and len(node) == 2 and all(hasattr(part, "shape") for part in node)


def _neutral(pair: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and variance by which a norm divides by 1."""
    return jnp.zeros(pair[0].shape), jnp.full(pair[1].shape, 1 - EPSILON)
