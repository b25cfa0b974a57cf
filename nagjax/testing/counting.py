"""Whether a controller counts what it evaluates, and what overspends: on a problem where most fit no budget."""

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
from nagjax.testing.runs import CHUNK, Make, claim


def check_counting(make: Make, **static: Any) -> None:
    """What is evaluated is counted in ``evaluations``, and what of it fits no budget of the problem in ``infeasible``.

    Budgets are drawn up to the problem's ``high``, here a quarter of the range. What costs more has no quality: a
    controller that counts ``nonfinite`` tells itself how many it evaluated. Of one that does not, the quality function
    tells whether it evaluated any. It also tells how many different architectures each was asked for in the whole range
    of budgets, by the artefact too: no controller may count fewer.
    """
    tiny = tiny_problem(variant="deep")
    low, high = np.asarray(tiny.problem.low), np.asarray(tiny.problem.high)
    capped = dataclasses.replace(tiny.problem, high=jnp.asarray(low + (high - low) // 4))
    over = np.asarray((_costs(capped, jnp.asarray(tiny.oracle.tokens)) > capped.high[None]).any(-1))
    rank = tiny.space.path_values(tiny.oracle.tokens, np.asarray(capped.quality.offset)).sum(-1)
    values = np.array(capped.quality.values)
    values[rank[over]] = np.nan
    capped = dataclasses.replace(capped, quality=dataclasses.replace(capped.quality, values=jnp.asarray(values)))
    controller, calls = make(capped.spec, **static), list[np.ndarray]()
    metrics, updates = _heard(controller, capped, calls)
    if "nonfinite" in metrics:
        evaluated = np.diff(metrics["evaluations"], prepend=metrics["evaluations"][0])
        met = int(np.minimum(metrics["nonfinite"], evaluated)[1:].sum())
        counted = int(metrics["infeasible"][1:].sum())
        fine = counted >= met
    else:
        met = int((np.asarray(_costs(capped, updates)) > np.asarray(capped.high)[None]).any(-1).sum())
        counted = int(metrics["infeasible"].sum())
        fine = counted > 0 or met == 0
    claim(
        "counting",
        fine,
        f"{met} architectures that cost more than every budget were evaluated, 'infeasible' counts {counted}; it "
        "counts those over the budget they were drawn for, or over problem.high where they are drawn for none",
    )
    calls.clear()
    told = int(_heard(controller, tiny.problem, calls)[0]["evaluations"][-1])
    asked = len(np.unique(_rows(calls, tiny.problem), axis=0))
    claim(
        "counting",
        asked <= told,
        f"the quality function was asked for {asked} different architectures, 'evaluations' counts {told}; it counts "
        "all that init, update and artefact ask for, repeats too: comparisons are at equal numbers of them",
    )


_costs = jax.jit(path_costs)


@flax.struct.dataclass
class _Overheard:
    """A quality function that also hands on what it is asked for."""

    quality: Any
    hear: Callable[[np.ndarray], None] = flax.struct.field(pytree_node=False)

    def __getattr__(self, name: str) -> Any:
        """What else the form has: some controllers solve it, or look it up."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.quality, name)

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``nagjax.predictors.forms.form.Form``."""
        jax.debug.callback(self.hear, tokens)
        mean, std = self.quality(tokens, features)
        return mean, std


def _heard(
    controller: Controller, problem: Problem, calls: list[np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics of a few updates, and the tokens int32 ``[N, T]`` that these ask for; ``calls`` has the artefact's too.

    With the same list nothing is compiled for another problem.
    """
    overheard = dataclasses.replace(problem, quality=_Overheard(problem.quality, calls.append))
    state = _done(controllers.init(controller, overheard, 0))
    begun, params = len(calls), controllers.resolve_params(controller)
    given = (jax.random.key(0), jnp.int32(0), overheard, params, jnp.zeros(CHUNK))
    state, metrics = _done(controllers.jit_chunk(controller, state, *given))
    updates = _rows(calls[begun:], problem)
    _done(controllers.artefact(controller, state, overheard))
    return {name: np.asarray(value) for name, value in metrics.items()}, updates


def _done(found: Any) -> Any:
    """What was computed, once all that it asked for is heard."""
    jax.block_until_ready(found)
    jax.effects_barrier()
    return found


def _rows(calls: list[np.ndarray], problem: Problem) -> np.ndarray:
    width = problem.spec.num_layers
    return np.concatenate([np.zeros((0, width), np.int32), *(np.asarray(call).reshape(-1, width) for call in calls)])
