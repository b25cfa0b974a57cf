"""What a controller claims, held against the problem: the costs in its archive, and the counts of its metrics.

A controller comes from a plugin; what can be recomputed is not believed. Quantities that only it knows (which budget a
sample was drawn for) are checked by the conformance suite, ``nagjax.testing``.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from nagjax import plugins
from nagjax.populations.archive import Archive, allowed_rows
from nagjax.problems.problem import Description, Problem, path_costs

COUNTS = ("evaluations", "infeasible")
"""Metrics that every controller gives."""

WRAPS_FROM = 2**31
"""A count in uint32 begins anew beyond twice this; below it a count that falls is an error."""

_costs = jax.jit(path_costs)
_allowed = jax.jit(allowed_rows)


def check_archive(name: str, archive: Archive, problem: Problem, description: Description) -> None:
    """Refuse a controller's archive whose rows are not architectures of the problem at their own costs.

    Cells whose quality is -inf are empty and not looked at.

    Raises:
      PluginError: naming the controller, the first such row and what it should be.
    """
    tokens, claimed, quality = (np.asarray(array) for array in (archive.tokens, archive.costs, archive.quality))
    full = np.asarray(quality != -np.inf)
    within = np.asarray(((tokens >= 0) & (tokens < np.array(problem.spec.choices))).all(-1))
    clipped = np.where(within[:, None], tokens, 0)
    strange = full & ~(within & np.asarray(_allowed(problem, clipped)))
    if strange.any():
        row = int(np.argmax(strange))
        raise _fault(
            name,
            f"row {row} of its archive, tokens {tokens[row].tolist()}, is not an architecture that the problem allows "
            f"({strange.sum()} of {full.sum()} are not); closed decisions carry 0, and rebase drops what is closed",
        )
    real = np.asarray(_costs(problem, clipped))
    wrong = full & (real != claimed).any(-1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _fault(
            name,
            f"its archive says that {description.space.format(tokens[row])} costs "
            f"{_costs_text(description, claimed[row])}, which is {_costs_text(description, real[row])} "
            f"({wrong.sum()} of {full.sum()} rows are wrong); costs are those of nagjax.problems.problem.evaluate",
        )
    if not np.isfinite(quality[full]).all():
        row = int(np.argmax(full & ~np.isfinite(quality)))
        raise _fault(
            name,
            f"row {row} of its archive has quality {quality[row]}; what has no finite quality is not kept "
            "(nagjax.problems.problem.evaluate makes it -inf, which marks an empty row)",
        )


def check_metrics(name: str, metrics: Mapping[str, np.ndarray], length: int) -> None:
    """Refuse a controller's metrics of a chunk, ``[length]`` by name, that cannot be true.

    Raises:
      PluginError: if a count is missing, of another shape, NaN, infinite or below 0, ``evaluations`` falls, or an
        update counts more infeasible samples than evaluations.
    """
    missing = [count for count in COUNTS if count not in metrics]
    if missing:
        given = ", ".join(sorted(metrics)) or "(none)"
        raise _fault(name, f"its metrics {given} lack {missing[0]!r}; update returns at least {' and '.join(COUNTS)}")
    for metric, values in metrics.items():
        if values.shape != (length,):
            shape = list(values.shape[1:])
            raise _fault(name, f"its metric {metric!r} of one update has shape {shape}; metrics are scalars")
    for count in COUNTS:
        wrong = ~(np.isfinite(metrics[count]) & (metrics[count] >= 0))
        if wrong.any():
            raise _fault(name, f"its metric {count!r} is {metrics[count][wrong][0]:g}; it is a count, 0 or above")
    _check_steps(name, np.asarray(metrics["evaluations"], np.float64), np.asarray(metrics["infeasible"], np.float64))


def _check_steps(name: str, evaluations: np.ndarray, infeasible: np.ndarray) -> None:
    step = np.diff(evaluations)
    if ((step < 0) & (evaluations[:-1] < WRAPS_FROM)).any():
        raise _fault(name, f"its metric 'evaluations' falls: {evaluations.tolist()}; it counts all so far")
    rounding = evaluations[1:] * 2.0**-22  # metrics are float32
    over = (infeasible[1:] > step + rounding) & (step >= 0)
    if over.any():
        at = int(np.argmax(over))
        raise _fault(
            name,
            f"its metric 'infeasible' is {infeasible[1 + at]:g} for an update that evaluated {step[at]:g}; it counts "
            "those evaluated in the update that cost more than the budget they were made for",
        )


def _costs_text(description: Description, ticks: np.ndarray) -> str:
    return ", ".join(
        f"{float(info.to_unit(int(cost))):.6g} {info.unit}" for info, cost in zip(description.costs, ticks, strict=True)
    )


def _fault(name: str, what: str) -> plugins.PluginError:
    return plugins.fault("controllers", name, what)
