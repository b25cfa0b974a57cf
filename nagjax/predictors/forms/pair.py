"""The form ``pair``: the chance that one architecture beats another, and of one alone the share of references it beats.

CTNAS (Chen et al., arXiv 2103.05471) compares by sigmoid(FC[g(a); g(b)]), which may prefer a to b and b to a. Here a
function u of two towers is taken in both orders, P(a beats b) = sigmoid(u(a, b) - u(b, a)), so the chances of either
order add up to 1. It is a comparison and not a difference of two scores (Bradley and Terry), which need not be
transitive; the difference of scores is the form ``mlp`` fitted with ``loss=logistic``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from nagjax.predictors.forms.form import Defaults, Form, check_inputs
from nagjax.predictors.forms.scores import at_score

LEAST = 1e-4
"""Share of references beyond which normal scores hardly rise: no more labels tell what the quality is there."""

RISE = 0.01
"""What a normal score still rises by where the share left is e times smaller: those that beat all keep an order."""

TINY = float(np.finfo(np.float32).tiny)

Asked = tuple[jax.Array, jax.Array]
"""Tokens int ``[B, T]`` and path features float32 ``[B, F]``."""


class Comparator(nn.Module):
    """Two towers with ReLU on path features, and a function of both.

    Attributes:
      features: sizes of the tower's hidden layers.
      width: of the layer in which both meet.
    """

    features: tuple[int, ...]
    width: int

    def setup(self) -> None:
        """Layers by name."""
        self.tower = [nn.Dense(size) for size in self.features]
        self.first, self.second = nn.Dense(self.width), nn.Dense(self.width, use_bias=False)
        self.weigh = nn.Dense(1, use_bias=False)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits ``[B, B]`` of that the first of path features float32 ``[B, F]`` beats the second."""
        first, second = self._embedded(x)
        one = self._met(first[:, None], second[None])
        return one - one.T

    def between(self, one: jax.Array, other: jax.Array) -> jax.Array:
        """Logits of path features ``[..., F]`` against others ``[..., F]``; leading axes broadcast."""
        (first, second), (first_of, second_of) = self._embedded(one), self._embedded(other)
        return self._met(first, second_of) - self._met(first_of, second)

    def _embedded(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        for layer in self.tower:
            x = nn.relu(layer(x))
        return self.first(x), self.second(x)

    def _met(self, first: jax.Array, second: jax.Array) -> jax.Array:
        return jnp.asarray(self.weigh(nn.relu(first + second))[..., 0])


@flax.struct.dataclass
class Pair(Defaults):
    """Comparisons by an ensemble of E networks, and R architectures that others are compared with.

    Attributes:
      network: parameters of the module, every leaf with a leading axis E.
      references: float32 ``[R, F]``, path features.
      levels: float32 ``[M]``, the quality at normal scores, as ``at_score`` takes them.
      known: bool ``[F]``, path features that it has seen.
      module: the network.
      values: ``"rank"``: what is given is the share of references that are beaten, 0..1; or ``"quality"``: the quality
        at that share of the labels. The deviation is that of the members.
    """

    form: ClassVar[str] = "pair"

    network: Any
    references: jax.Array
    levels: jax.Array
    known: jax.Array
    module: Comparator = flax.struct.field(pytree_node=False)
    values: str = flax.struct.field(pytree_node=False, default="rank")

    @property
    def rank_valued(self) -> bool:
        """See ``Form``."""
        return self.values == "rank"

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        leads = self.leads(features[:, None], self.references[None])
        share = jax.nn.sigmoid(leads).mean(-1)
        if not self.rank_valued:
            score = tailed(share, jax.nn.sigmoid(-leads).mean(-1))
            share = at_score(score.ravel(), self.levels).reshape(share.shape)
        variance = jnp.square(share - share.mean(0)[None]).mean(0)
        spread = variance > 0  # the derivative of a square root at 0 is infinite
        return share.mean(0), jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1.0)), 0.0)

    def chances(self, one: jax.Array, other: jax.Array) -> jax.Array:
        """P that path features ``[..., F]`` beat others ``[..., F]`` by each member, ``[E, ...]``; axes broadcast."""
        return jax.nn.sigmoid(self.leads(one, other))

    def leads(self, one: jax.Array, other: jax.Array) -> jax.Array:
        """Logits of ``chances``."""

        def by(member: Any) -> jax.Array:
            return jnp.asarray(self.module.apply(member, one, other, method=Comparator.between))

        return jax.vmap(by)(self.network)

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"hidden": list(self.module.features), "width": self.module.width, "values": self.values}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        module = Comparator(tuple(static["hidden"]), static["width"])
        return cls(**arrays, module=module, values=static["values"])


def tailed(won: jax.Array, lost: jax.Array) -> jax.Array:
    """Normal scores of shares that are won, with those that are lost, which tell more than 1 - ``won`` does.

    >>> print(tailed(jnp.array([0.5, 1.0, 1.0]), jnp.array([0.5, 1e-6, 1e-8])).round(3))
    [0.    3.765 3.811]
    """
    beyond = jnp.log(jnp.maximum(jnp.minimum(won, lost), TINY) / LEAST)
    further = RISE * jnp.maximum(-beyond, 0.0)
    return norm.ppf(jnp.clip(won, LEAST, 1 - LEAST)) + jnp.where(won > lost, further, -further)


def beats(form: Form, one: Asked, other: Asked) -> jax.Array:
    """P that architectures beat others, float32 ``[B]``, by any form: that of its deviations where it does not compare.

    NaN where a quality is.

    >>> even = jnp.zeros((1, 1), int), jnp.zeros((1, 1))
    >>> from nagjax.predictors.forms.linear import Linear
    >>> beats(Linear(jnp.ones(1), jnp.array(0.5), jnp.ones(1, bool)), even, (even[0], even[1] - 1)).tolist()
    [1.0]
    """
    if isinstance(form, Pair):
        return form.chances(one[1], other[1]).mean(0)
    (mean, std), (mean_of, std_of) = form(*one), form(*other)
    lead, variance = mean - mean_of, jnp.square(std) + jnp.square(std_of)
    unsure = variance > 0
    return jnp.where(
        unsure, norm.cdf(lead / jnp.sqrt(jnp.where(unsure, variance, 1.0))), (jnp.sign(lead) + 1) / 2
    ).astype(jnp.float32)
