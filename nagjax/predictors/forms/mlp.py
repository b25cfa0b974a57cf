"""The form ``mlp``: a small network, or an ensemble of them, from path features to quality.

Parameters are leaves of a pytree: exchanging a predictor for another of the same shape compiles nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, check_inputs
from nagjax.predictors.forms.scores import at_score


class MLP(nn.Module):
    """A multilayer perceptron with ReLU and one output.

    Attributes:
      features: sizes of the hidden layers; empty for a linear model.
    """

    features: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map inputs float32 ``[B, F]`` to ``[B]``."""
        hidden = _hidden(x, self.features)
        return nn.Dense(1)(hidden)[:, 0]


class Shown(MLP):
    """The same network with the same parameters, which shows what its output is a weighted sum of."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map inputs float32 ``[B, F]`` to the output and the last hidden layer, ``[B, 1 + W]``."""
        hidden = _hidden(x, self.features)
        return jnp.concatenate([nn.Dense(1)(hidden), hidden], -1)


def _hidden(x: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    for size in sizes:
        x = nn.relu(nn.Dense(size)(x))
    return x


@flax.struct.dataclass
class Predictor(Defaults):
    """The form ``mlp``: a network, or an ensemble of E of them.

    Attributes:
      params: ``{"network": parameters of module, "offset": [E], "scale": [E]}``; every leaf has a leading axis E. The
        quality by a member is ``offset + scale * module(features)``, a fraction 0..1. With ``"levels": [E, M]`` that
        sum is the normal score of a rank among labels instead, and ``at_score`` makes it a quality.
      known: bool ``[F]``, path features that it has seen. A problem closes choices of optional decisions that need one
        it has not.
      module: the network, an ``MLP``.
      values: ``"quality"``; or ``"rank"``: the sum is a score of which only the order means anything, and what is given
        is ``share_of`` it; or ``"perplexity"``: the sum is the perplexity of a language model, and the quality is what
        its loss of nats per token makes of it, ``exp(-loss) = 1 / perplexity``.
    """

    form: ClassVar[str] = "mlp"

    params: Any
    known: jax.Array
    module: Any = flax.struct.field(pytree_node=False)
    values: str = flax.struct.field(pytree_node=False, default="quality")

    @property
    def rank_valued(self) -> bool:
        """See ``Form``."""
        return self.values == "rank"

    @property
    def feature_weights(self) -> jax.Array | None:
        """See ``Form``; an ensemble has none, since its deviation does not add up."""
        scale = self.params["scale"]
        if self.module.features or scale.shape[0] != 1 or "levels" in self.params or self.values != "quality":
            return None
        kernel: jax.Array = self.params["network"]["params"]["Dense_0"]["kernel"]
        return scale[0] * kernel[0, :, 0]

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        del tokens
        return predict(self, features)

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"hidden": list(self.module.features), "values": self.values}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``; what was kept before there were ranks says nothing of them."""
        module = MLP(tuple(static["hidden"]))
        return cls(arrays["params"], arrays["known"], module, static.get("values", "quality"))


def predict(predictor: Predictor, features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Quality by path features float32 ``[B, F]``, differentiable: mean and deviation, fractions float32 ``[B]``.

    Both are over the members of an ensemble; the deviation of a single network is 0.

    >>> layer = {"kernel": jnp.array([[[2.0]], [[4.0]]]), "bias": jnp.zeros((2, 1))}
    >>> params = {"network": {"params": {"Dense_0": layer}}, "offset": jnp.array([0.5, 0.5]), "scale": jnp.full(2, 0.1)}
    >>> mean, std = predict(Predictor(params, jnp.ones(1, bool), MLP(())), jnp.ones((1, 1)))
    >>> round(float(mean[0]), 3), round(float(std[0]), 3)
    (0.8, 0.1)
    """
    members = predictor.params["offset"].shape[0]
    # One plain matrix product a member and layer: on a CPU that is faster than a batched one.
    outputs = [_member(predictor, index, features) for index in range(members)]
    if members == 1:
        return outputs[0], jnp.zeros_like(outputs[0])
    stacked = jnp.stack(outputs)
    mean = stacked.mean(0)
    variance = jnp.square(stacked - mean[None]).mean(0)
    # The derivative of a square root at 0 is infinite: where all members agree the deviation is the constant 0.
    spread = variance > 0
    return mean, jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1.0)), 0.0)


def _member(predictor: Predictor, index: int, features: jax.Array) -> jax.Array:
    own = jax.tree.map(lambda leaf: leaf[index], predictor.params)
    output = jnp.asarray(predictor.module.apply(own["network"], features))
    figure = own["offset"] + own["scale"] * output
    if predictor.rank_valued:
        return share_of(figure)
    if predictor.values == "perplexity":
        return 1.0 / figure
    return at_score(figure, own["levels"]) if "levels" in own else figure


def share_of(score: jax.Array) -> jax.Array:
    """A score of any size as a number 0..1 of the same order; it levels off slowly, so that large ones stay apart.

    >>> share_of(jnp.array([-1.0, 0.0, 3.0])).tolist()
    [0.25, 0.5, 0.875]
    """
    return (1 + score / (1 + jnp.abs(score))) / 2
