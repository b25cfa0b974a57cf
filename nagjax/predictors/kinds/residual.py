"""The kind ``residual``: a sum over edges that few records lie below, and another kind for what lies above it.

The sum is that of the kind ``additive``, its errors counted as shares and disturbed records weighing less, times the
largest factor under which at most a share ``below`` of the records lies below it, each told by a fit to other records.
The other kind is fitted to how far above it records lie, as a share of it. It counts as far as it helps: what it says
is drawn to the median by the weight that errs least on records held out (stacking, Wolpert 1992; Breiman 1996), and
counts for nothing where the gain may be chance, as it is where records are as noisy as the sum is wrong. Of a learned
cost the sum is what masks, and the whole is what is checked: see ``nagjax.learned.prices``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.fitted import FittedPredictor, asked
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.residual import Residual
from nagjax.predictors.kinds.additive import LEAST, AdditiveConfig, fit_additive
from nagjax.predictors.kinds.kind import Kind, configure, held_out_first, out_of_fold, written
from nagjax.predictors.records.records import Records, take
from nagjax.spaces.space import Space
from nagjax.spaces.terms import make_terms

FAR = 3.0
"""Deviations (by the median absolute error) above the median beyond which a record is taken as disturbed."""

WEIGHTS = np.linspace(0.0, 1.0, 11)
HELD, SURE = 0.2, 2.0
"""Share of the records that the weight is chosen on, and by how many standard errors it has to gain."""

LEAST_REACH = 1e-4
"""Share above the sum that a value of 1 stands for at least, where all lies on the sum."""


@dataclasses.dataclass(frozen=True)
class ResidualConfig:
    """Settings of both parts.

    Attributes:
      rest: kind that tells what lies above the sum, with its own defaults.
      below: share of records held out that may lie below the sum, 0 < share < 1.
      degree: of the sum's polynomials, as the kind ``additive`` has it.
      validation_share: part of the records held out first, 0 <= share < 1 (0: no errors are reported).
    """

    rest: str = "mlp"
    below: float = 0.05
    degree: int = 2
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        AdditiveConfig(degree=self.degree, validation_share=self.validation_share)
        if not 0 < self.below < 1:
            raise ValueError(f"below is {self.below}; it lies in 0 < share < 1, such as 0.05")
        if self.rest == "residual":
            raise ValueError("rest=residual: what lies above the sum is told by another kind, such as mlp or gp")


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``ResidualConfig``."""
    config = configure("kind residual", ResidualConfig, settings)
    rest = _without_validation(config.rest)

    def fitted(space: Space, records: Records, seed: int) -> FittedPredictor:
        def form_of(some: Records) -> Form:
            return fit_residual(space, some, config, rest, seed)

        return held_out_first(space, records, config.validation_share, seed, form_of)

    return Kind("residual", written(config), fitted)


def fit_residual(space: Space, records: Records, config: ResidualConfig, rest: Kind, seed: int) -> Residual:
    """The form ``residual``, fitted to all records.

    Args:
      space: what they are of.
      records: at least 10.
      config: settings.
      rest: the kind of what lies above the sum.
      seed: of the folds, and of that kind's fit.

    Raises:
      ValueError: if the other kind refuses the records, or tells ranks alone.
    """
    terms = make_terms(space)
    additive = AdditiveConfig(degree=config.degree, relative=True, robust=True, validation_share=0.0)

    def sums(some: Records) -> Additive:
        return fit_additive(terms, some, additive)

    held_out = np.maximum(out_of_fold(sums, space, records, seed), LEAST)
    base = sums(records)
    base = dataclasses.replace(base, values=base.values * lower_factor(records.quality / held_out, config.below))
    above = records.quality / np.maximum(asked(base, records.tokens, space.features(records.tokens)), LEAST) - 1
    middle, reach = _middle_and_reach(above)
    shares = Records(records.tokens, np.clip(above / reach, 0.0, 1.0), source=records.source)
    weight = _weight(space, shares, middle / reach, rest, seed)
    inner = rest.fit(space, shares, seed).predictor if weight else _constant(base.known)
    return Residual(inner, base, jnp.float32(weight * reach), jnp.float32((1 - weight) * middle))


def _weight(space: Space, shares: Records, middle: float, rest: Kind, seed: int) -> float:
    """How much what the other kind says counts beside the median: of ``WEIGHTS`` what errs least; 0 unless surely.

    Raises:
      ValueError: if the kind tells ranks alone, or refuses the records.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(shares.quality))
    held, others = np.split(order, [max(1, round(HELD * len(order)))])
    form = rest.fit(space, take(shares, others), seed).predictor
    if form.rank_valued:
        raise ValueError(f"rest={rest.name}: it tells ranks, and a share is a quantity; name another kind, such as mlp")
    told, true = (
        np.clip(asked(form, shares.tokens[held], space.features(shares.tokens[held])), 0.0, 1.0),
        shares.quality[held],
    )
    off = np.abs(np.outer(WEIGHTS, told - middle) + middle - true)
    best = int(np.argmin(off.mean(1)))
    gain = np.abs(middle - true) - off[best]
    return float(WEIGHTS[best]) if gain.mean() > SURE * gain.std() / np.sqrt(len(gain)) else 0.0


def _constant(known: jax.Array) -> Linear:
    """A form that says 0."""
    return Linear(jnp.zeros(len(known)), jnp.float32(0.0), known)


def lower_factor(ratios: np.ndarray, below: float) -> float:
    """The largest of ratios float64 ``[N]`` that one more falls below with a chance of at most ``below``.

    It is the split-conformal quantile from the other side; where there are too few of them it is the least.

    >>> lower_factor(np.array([0.9, 1.2, 1.0, 1.1]), 0.4), lower_factor(np.array([0.9, 1.2, 1.0, 1.1]), 0.1)
    (1.0, 0.9)
    """
    rank = max(int(np.floor((len(ratios) + 1) * below + 1e-9)), 1)
    return float(np.sort(ratios)[rank - 1])


def _middle_and_reach(above: np.ndarray) -> tuple[float, float]:
    """The median share above the sum, 0 at least, and the largest that is no disturbance."""
    middle = float(np.median(above))
    deviation = 1.4826 * float(np.median(np.abs(above - middle)))
    return max(middle, 0.0), max(min(float(above.max()), middle + FAR * deviation), LEAST_REACH)


def _without_validation(name: str) -> Kind:
    """A kind by its defaults, but that it holds nothing out: of all records that was done before."""
    from nagjax.predictors.kinds import registry

    kind = registry.make(name)
    return registry.make(name, {"validation_share": 0.0}) if "validation_share" in kind.settings else kind
