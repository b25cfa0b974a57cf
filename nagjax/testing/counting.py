"""Whether a controller counts the samples that overspend: on a problem where most architectures fit no budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax import controllers
from nagjax.controllers import Controller
from nagjax.problems.problem import Problem, path_costs
from nagjax.testing.problems import tiny_problem
from nagjax.testing.runs import CHUNK, Make, claim, first_chunk


def check_counting(make: Make, **static: Any) -> None:
    """Evaluated architectures that fit no budget of the problem are counted in ``infeasible``.

    Budgets are drawn up to the problem's ``high``, here a quarter of the range. What costs more has no quality: a
    controller that counts ``nonfinite`` tells itself how many it evaluated. Of one that does not, the quality function
    tells whether it evaluated any.
    """
    tiny = tiny_problem(variant="deep")
    low, high = np.asarray(tiny.problem.low), np.asarray(tiny.problem.high)
    capped = dataclasses.replace(tiny.problem, high=jnp.asarray(low + (high - low) // 4))
    over = np.asarray((_costs(capped, jnp.asarray(tiny.oracle.tokens)) > capped.high[None]).any(-1))
    rank = tiny.space.path_values(tiny.oracle.tokens, np.asarray(capped.quality.offset)).sum(-1)
    values = np.array(capped.quality.values)
    values[rank[over]] = np.nan
    capped = dataclasses.replace(capped, quality=dataclasses.replace(capped.quality, values=jnp.asarray(values)))
    controller = make(capped.spec, **static)
    _, metrics = first_chunk(controller, capped)
    if "nonfinite" in metrics:
        evaluated = np.diff(metrics["evaluations"], prepend=metrics["evaluations"][0])
        met = int(np.minimum(metrics["nonfinite"], evaluated)[1:].sum())
        counted = int(metrics["infeasible"][1:].sum())
        fine = counted >= met
    else:
        met, counted = _met(controller, capped), int(metrics["infeasible"].sum())
        fine = counted > 0 or met == 0
    claim(
        "counting",
        fine,
        f"{met} architectures that cost more than every budget were evaluated, 'infeasible' counts {counted}; it "
        "counts those over the budget they were drawn for, or over problem.high where they are drawn for none",
    )


_costs = jax.jit(path_costs)


@flax.struct.dataclass
class _Overheard:
    """A quality function that also hands on what it is asked for."""

    quality: Any
    hear: Callable[[np.ndarray], None] = flax.struct.field(pytree_node=False)

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``nagjax.predictors.forms.form.Form``."""
        jax.debug.callback(self.hear, tokens)
        mean, std = self.quality(tokens, features)
        return mean, std


def _met(controller: Controller, problem: Problem) -> int:
    """How many architectures over the highest budget a few updates evaluate."""
    heard: list[np.ndarray] = []
    overheard = dataclasses.replace(problem, quality=_Overheard(problem.quality, heard.append))
    state = controllers.init(controller, problem, 0)
    progress, params = jnp.zeros(CHUNK), controllers.resolve_params(controller)
    jax.block_until_ready(
        controllers.jit_chunk(controller, state, jax.random.key(0), jnp.int32(0), overheard, params, progress)
    )
    jax.effects_barrier()
    if not heard:
        return 0
    tokens = np.concatenate([np.asarray(rows).reshape(-1, problem.spec.num_layers) for rows in heard])
    return int((np.asarray(_costs(problem, tokens)) > np.asarray(problem.high)[None]).any(-1).sum())
