"""Costs learned from measured whole networks, as edge prices: mask, archives, exports and explanations work unchanged.

A model whose values add up over the edges of a path *is* a table of prices, one an edge. ``additive_prices`` makes them
of a fitted form, ``linear`` or ``additive``, whatever fitted it. Of the form ``residual`` they are its sum, a lower
bound, and the rest travels with them::

    whole = 1.25 * costs.max()  # kinds are fitted to values in 0..1
    fitted = nagjax.predictors.kinds.registry.fit(kind, space, Records(tokens, costs / whole), seed)
    prices = additive_prices(space, fitted.predictor, whole, device="my phone")
    problem, description = make_problem(space, [prices], quality)

Edge values of a regression may be negative where a path's cost is not. So what the cheapest way to finish costs is
moved to the front of the path (the potentials of Johnson 1977): the first edge costs as much as its cheapest
architecture, every later edge what it adds to that. No path changes its cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nagjax.devices.coverage import reachable
from nagjax.devices.pricing import Prices
from nagjax.learned.bound import Bound
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.residual import Residual
from nagjax.spaces.space import Space


def edge_values(space: Space, form: Form) -> np.ndarray | None:
    """What each edge adds to the value of a form, float64 ``[T, S, C]``; None where its values do not add up so.

    Of the form ``residual`` what each edge adds to its sum.
    """
    if isinstance(form, Residual):
        return edge_values(space, form.base)
    if isinstance(form, Additive):
        return np.asarray(form.values, np.float64)
    if isinstance(form, Linear):
        weights = np.append(np.asarray(form.weights, np.float64), 0.0)
        out = weights[space.trellis.features].sum(-1)
        out[0] += float(form.offset)
        return np.where(space.trellis.valid, out, 0.0)
    return None


def additive_prices(
    space: Space,
    form: Form,
    whole: float = 1.0,
    *,
    name: str = "latency_ms",
    unit: str = "ms",
    bound: Bound | None = None,
    allowed: np.ndarray | None = None,
    **about: Any,
) -> Prices:
    """A cost column from a fitted form whose values add up over edges, but for a residual above their sum.

    Args:
      space: what it was fitted to.
      form: of the form ``linear``, ``additive`` or ``residual``.
      whole: ``unit`` that a value of 1 stands for; kinds are fitted to values in 0..1.
      name: of the column.
      unit: of its costs.
      bound: costs are this bound of what is predicted; None for what is predicted.
      allowed: bool ``[T, S, C]``, edges of the architectures that are asked for; None for all.
      about: further fields of ``nagjax.devices.pricing.Column`` (``device``, ``source``, ``validation``, ...).

    Raises:
      ValueError: if the form's values do not add up over edges, or some architecture would cost nothing or less.
    """
    values = edge_values(space, form)
    if values is None:
        raise ValueError(
            f"{name}: a predictor of the form {form.form} does not add up over edges, so it is no price of edges; fit "
            "one that does (kind additive or ridge), or a residual above a sum that does (kind residual)"
        )
    open_edges = known_edges(space, form)
    if allowed is not None and (asked := reachable(space, open_edges & allowed)).any():
        open_edges = asked
    edges, least = nonnegative(space, values * whole, open_edges)
    if not least > 0:
        raise ValueError(
            f"{about.get('source') or name}: the cheapest architecture is predicted to take {least:.3g} {unit}, and a "
            "cost is above 0; measure more networks as small as the smallest that are asked for, or leave those out "
            "(--where)"
        )
    if bound is not None:
        edges = edges * bound.scale
        about |= {"scale": bound.scale, "offset": bound.offset, "quantile": 1 - bound.level}
    about |= {"residual": form} if isinstance(form, Residual) else {}
    return Prices(name, unit, np.zeros(len(space.operators)), open_edges, edges=edges, learned=True, **about)


def known_edges(space: Space, form: Form) -> np.ndarray:
    """Edges bool ``[T, S, C]`` without choices of optional decisions that switch on what a form has not seen."""
    if form.known is None:
        return space.trellis.valid.copy()
    fine = np.append(np.asarray(form.known), True)[space.trellis.features].all(-1)
    optional = np.array([decision.optional for decision in space.decisions])[:, None, None]
    return reachable(space, space.trellis.valid & (fine | ~optional))


def nonnegative(space: Space, values: np.ndarray, open_edges: np.ndarray) -> tuple[np.ndarray, float]:
    """Edge values of 0 or above with the same sum on every path, but for a negative cheapest one, and the cheapest.

    Args:
      space: the space.
      values: float64 ``[T, S, C]``, of any sign.
      open_edges: bool ``[T, S, C]``; all others become 0.

    Returns:
      float64 ``[T, S, C]``, and the least sum of a path.
    """
    out, ahead = np.zeros(values.shape), np.zeros(values.shape[1])
    for t in reversed(range(len(values))):
        whole = np.where(open_edges[t], values[t] + ahead[space.trellis.target[t]], np.inf)
        ahead = whole.min(-1)
        behind = np.where(np.isfinite(ahead), ahead, 0.0)[:, None] if t else 0.0
        out[t] = np.where(np.isfinite(whole), whole - behind, 0.0)
    return out, float(ahead[0])
