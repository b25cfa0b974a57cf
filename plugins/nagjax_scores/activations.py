"""Scores that look at activations: ``naswot`` and ``fisher``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.elastic import Watched
from nagjax.evaluators.evaluator import Evaluator
from nagjax.spaces.space import Space
from nagjax_scores.score import Network, Score, on_examples


def make_naswot(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 128, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``naswot`` (Mellor et al., arXiv 2006.04647).

    The code of an example has a bit for each activation: whether what goes into it is above 0. ``K[i, j]`` is how many
    bits the codes of examples i and j have in common, and the score is ln det K. Bits are of every ReLU, of squeezing
    too; an h_swish is no ReLU and has no linear pieces, and the sign of what goes into it is taken all the same.

    Args:
      space: with an elastic network that can be watched.
      data: name of a task; Fashion-MNIST where empty. Not with a folder.
      data_dir: folder of its files, where it needs one.
      folder: of a trained supernet, whose weights and task are taken; fresh weights where empty.
      batch: training examples.
      inits: sets of fresh weights that the score is the mean of.
      seed: of the first of them, and of the draw of examples.
      **task_settings: settings of the task.

    Raises:
      ValueError: if a number is out of range, data or weights cannot be read or do not suit the space, or its network
        cannot be watched.
    """
    _watch_of(space)
    score = Score("naswot", code_matrix, log_determinant)
    return on_examples(score, space, data, data_dir, folder, batch, inits, seed, task_settings)


def make_fisher(
    space: Space, data: str = "", data_dir: str = "", folder: str = "", batch: int = 64, inits: int = 1, seed: int = 0,
    **task_settings: Any,
) -> Evaluator:  # fmt: skip
    """The evaluator ``fisher`` (Theis et al., arXiv 1801.05787; of networks Turner et al., arXiv 1906.04113).

    Of each channel that comes out of an activation, the mean over examples of (sum over places of activation times
    slope of the loss) squared, halved; added up over channels. Arguments and errors as of ``make_naswot``.
    """
    _watch_of(space)
    return on_examples(
        Score("fisher", fisher), space, data, data_dir, folder, batch, inits, seed, task_settings
    )  # fmt: skip


def code_matrix(network: Network) -> jax.Array:
    """K float32 ``[N, N]``: activations in common; whole numbers."""
    before = _watched(network)(network.parameters, network.inputs, network.tokens).before
    num = len(network.inputs)
    alike, units = jnp.zeros((num, num)), jnp.zeros((), jnp.int32)
    for value in before.values():
        there = ~jnp.isnan(value)
        code = jnp.where(there, jnp.where(value > 0, 1.0, -1.0), 0.0).reshape(num, -1)
        alike += code @ code.T  # in common minus not in common
        units += there[0].sum()
    return (units + alike) / 2


def log_determinant(matrix: np.ndarray) -> float:
    """Natural logarithm of the determinant of K.

    >>> round(log_determinant(np.array([[4.0, 2.0], [2.0, 4.0]])), 6) == round(float(np.log(12)), 6)
    True

    Raises:
      ValueError: if it is 0.
    """
    sign, value = np.linalg.slogdet(np.asarray(matrix, np.float64))
    if sign <= 0:
        raise ValueError(
            f"naswot: two of {len(matrix)} examples have one code, or there are fewer activations than examples; give "
            "a smaller batch="
        )
    return float(value)


def fisher(network: Network) -> jax.Array:
    """The score: gates of 1, one an example and channel, have the slopes that are added up over places."""
    watched = _watched(network)
    shapes = jax.eval_shape(watched, network.parameters, network.inputs, network.tokens).before
    gates = {name: jnp.ones((like.shape[0], like.shape[-1])) for name, like in shapes.items()}

    def loss(gates: Any) -> jax.Array:
        return network.loss(watched(network.parameters, network.inputs, network.tokens, gates).outputs)

    slopes = jax.tree.leaves(jax.grad(loss)(gates))
    return sum(((0.5 * jnp.square(slope)).mean(0).sum() for slope in slopes), jnp.zeros(()))


def _watched(network: Network) -> Callable[..., Watched]:
    assert network.elastic.watched is not None
    return network.elastic.watched


def _watch_of(space: Space) -> None:
    from nagjax.supernet.training import elastic_of

    if elastic_of(space).watched is None:
        raise ValueError(
            f"space {space.name}: its elastic network does not tell what goes into its activations; take a score of "
            "weights, such as snip, or give it watched=..."
        )
