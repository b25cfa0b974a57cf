"""One table of rewards R(a|B) for policy gradients; a traced index chooses a row, so a sweep compiles nothing.

Name and formula, of quality Q, cost c and budget B; w is the weight of cost, 0.07 by default:

- ``mnasnet_soft``: Q (c/B)^-w (Tan et al., arXiv 1807.11626, as the authors of PNAG use it);
- ``mnasnet_hard``: Q where c <= B, Q (c/B)^-1 elsewhere (same paper);
- ``tunas``: Q - w |c/B - 1| (Bender et al., arXiv 2008.06120);
- ``dominance``: orders architectures by Deb's rule under B (Guo et al., arXiv 2103.00219): the problem's learned
  ranker, or without one its factored form, Q where c <= B and minus the excess as a share of B elsewhere;
- ``error_points``: the same order on the scale on which a learned ranker answers: that ranker itself, or
  without one 100 (``dominance`` - 1), minus the points of error where c <= B. For updates without baseline and scaling,
  to which offset and scale matter;
- ``mixed``: (1 - w) Q - w c/B, and ``constrained``: Q where c <= B, 0 elsewhere (MONAS: Hsu et al., arXiv 1806.10332,
  which has the largest cost of all in place of B in ``mixed``: its trade is then the same for every budget).

``mnasnet_soft`` is blind to the budget by construction: it is B^w times (Q c^-w), so one architecture is the best under
every budget, and advantages standardised for each budget lose even the factor. A generator conditioned on the budget
learns from it nothing about the budget but what a mask forces. The others prefer other architectures under other
budgets.

With several cost columns (c/B)^-w is a product over them, |c/B - 1| a sum, and the excess that of the worst one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from nagjax.budgets import anchor_weights
from nagjax.problems.problem import Problem, path_features
from nagjax.ranking import ranker

Reward = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def ratios(costs: jax.Array, budgets: jax.Array) -> jax.Array:
    """c/B float32 ``[B, K]`` of ticks int32 ``[B, K]``; nothing is cheaper than a tick."""
    return jnp.maximum(costs, 1).astype(jnp.float32) / jnp.maximum(budgets, 1).astype(jnp.float32)


def mnasnet_soft(quality: jax.Array, costs: jax.Array, budgets: jax.Array, weight: jax.Array) -> jax.Array:
    """Q (c/B)^-w float32 ``[B]``; its best architecture is the same for every budget.

    >>> mnasnet_soft(jnp.array([0.5]), jnp.array([[40]]), jnp.array([[10]]), jnp.array(0.5)).tolist()
    [0.25]
    """
    return quality * jnp.prod(ratios(costs, budgets) ** -weight, -1)


def mnasnet_hard(quality: jax.Array, costs: jax.Array, budgets: jax.Array, _weight: jax.Array) -> jax.Array:
    """Q within the budget, Q (c/B)^-1 beyond it, float32 ``[B]``.

    >>> [mnasnet_hard(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.0)).item() for c in (8, 20)]
    [0.5, 0.25]
    """
    return quality / jnp.prod(jnp.maximum(ratios(costs, budgets), 1.0), -1)


def tunas(quality: jax.Array, costs: jax.Array, budgets: jax.Array, weight: jax.Array) -> jax.Array:
    """Q - w |c/B - 1| float32 ``[B]``: cheaper than the budget costs as much as costlier.

    >>> [tunas(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.25)).item() for c in (5, 15)]
    [0.375, 0.375]
    """
    return quality - weight * jnp.sum(jnp.abs(ratios(costs, budgets) - 1.0), -1)


def dominance(quality: jax.Array, costs: jax.Array, budgets: jax.Array, _weight: jax.Array) -> jax.Array:
    """Q within the budget; beyond it minus the excess as a share of the budget, float32 ``[B]``.

    >>> [dominance(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.0)).item() for c in (8, 15)]
    [0.5, -0.5]
    """
    # What fits is decided on integers: a float32 ratio may round an excess of one tick away.
    excess = (costs - budgets).astype(jnp.float32) / jnp.maximum(budgets, 1).astype(jnp.float32)
    return jnp.where((costs <= budgets).all(-1), quality, -excess.max(-1))


def error_points(quality: jax.Array, costs: jax.Array, budgets: jax.Array, weight: jax.Array) -> jax.Array:
    """100 (``dominance`` - 1) float32 ``[B]``: minus the points of error, and below -100 where the budget is overspent.

    >>> [error_points(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.0)).item() for c in (8, 15)]
    [-50.0, -150.0]
    """
    return 100.0 * (dominance(quality, costs, budgets, weight) - 1.0)


def mixed(quality: jax.Array, costs: jax.Array, budgets: jax.Array, weight: jax.Array) -> jax.Array:
    """(1 - w) Q - w c/B float32 ``[B]``: a price on cost, whatever the budget leaves.

    >>> [mixed(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.25)).item() for c in (5, 15)]
    [0.25, 0.0]
    """
    return (1.0 - weight) * quality - weight * jnp.sum(ratios(costs, budgets), -1)


def constrained(quality: jax.Array, costs: jax.Array, budgets: jax.Array, _weight: jax.Array) -> jax.Array:
    """Q within the budget, 0 beyond it, float32 ``[B]``: it does not say by how much the budget is overspent.

    >>> [constrained(jnp.array([0.5]), jnp.array([[c]]), jnp.array([[10]]), jnp.array(0.0)).item() for c in (8, 15)]
    [0.5, 0.0]
    """
    return jnp.where((costs <= budgets).all(-1), quality, 0.0)


REWARDS: Mapping[str, Reward] = {
    "mnasnet_soft": mnasnet_soft,
    "mnasnet_hard": mnasnet_hard,
    "tunas": tunas,
    "dominance": dominance,
    "error_points": error_points,
    "mixed": mixed,
    "constrained": constrained,
}
"""The rows of the table, in the order of their index."""


def rewards(
    problem: Problem,
    tokens: jax.Array,
    quality: jax.Array,
    costs: jax.Array,
    budgets: jax.Array,
    index: jax.Array,
    weight: jax.Array,
) -> jax.Array:
    """R by row ``index`` of the table, float32 ``[B]``; -inf where there is no quality, NaN where there is no such row.

    Tokens are int32 ``[B, T]``, costs and budgets int32 ``[B, K]``, ticks, quality is a fraction float32 ``[B]``. A
    learned ranker of the problem takes the place of ``dominance`` and ``error_points``; ``weight`` is w, of cost, in
    ``mnasnet_soft``, ``tunas`` and ``mixed``.

    Returns:
      float32 ``[B]``; -inf where there is no quality, NaN where the table has no such row.

    Raises:
      ValueError: if the problem has a learned ranker and several cost columns.
    """
    rows = {name: row(quality, costs, budgets, weight) for name, row in REWARDS.items()}
    if problem.ranker is not None:
        rows["dominance"] = rows["error_points"] = _learned(problem, tokens, budgets)
    return jnp.where(jnp.isfinite(quality), choose(jnp.stack(list(rows.values())), index), -jnp.inf)


def choose(table: jax.Array, index: jax.Array) -> jax.Array:
    """Row of a table ``[R, ...]`` at a traced index, rounded; NaN where it has no such row."""
    row = jnp.round(index).astype(jnp.int32)
    known = (row >= 0) & (row < len(table))
    return jnp.where(known, table[jnp.clip(row, 0, len(table) - 1)], jnp.nan)


def _learned(problem: Problem, tokens: jax.Array, budgets: jax.Array) -> jax.Array:
    """Scores of the learned ranker, which have an arbitrary offset and scale for each budget."""
    if problem.spec.num_costs != 1:
        raise ValueError(
            f"the learned ranker knows one cost column, this problem has {problem.spec.num_costs} "
            f"({', '.join(problem.spec.reduces)}); leave the ranker out or make the problem with one column"
        )
    asked = budgets[:, 0].astype(jnp.float32) * problem.tick[0]
    return ranker.score(problem.ranker, path_features(problem, tokens), anchor_weights(asked, problem.ranker.anchors))
