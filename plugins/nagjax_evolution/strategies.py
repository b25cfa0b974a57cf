"""evosax's distribution-based algorithms (Lange, arXiv 2212.04180) behind one interface, by name.

evosax is imported only when a strategy is made. An algorithm object is a static argument of evosax's own jits, so it is
made once, by the controller's factory; what users sweep is traced: the numbers of evosax's parameters, the step of the
mean (``learning_rate``: evosax moves the mean, and this share of the move is made) and, where evosax has a schedule
instead, the deviation ``std``.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax.controllers import Params

WORKING_COPIES = 3
"""Copies of state and population that a step holds at once, for the estimate of memory."""
GIB = 2**30


@dataclasses.dataclass(frozen=True, eq=False)
class Strategy:
    """An algorithm of evosax, ready to be asked and told inside jit.

    Attributes:
      algorithm: evosax's object.
      fixed: evosax's parameters.
      swept: names of those parameters that are traced.
      scheduled: whether the deviation is set from ``std`` at every step.
      defaults: names and numbers of all that is traced.
    """

    algorithm: Any
    fixed: Any
    swept: tuple[str, ...]
    scheduled: bool
    defaults: Mapping[str, float]

    def init(self, key: jax.Array, mean: Any, params: Params) -> Any:
        """A state around ``mean``, a tree of weights."""
        # evosax adds arrays of different ranks, which callers may have forbidden for their own code.
        with jax.numpy_rank_promotion("allow"):
            return strong(self.algorithm.init(key, mean, self._own(params)))

    def ask(self, key: jax.Array, state: Any, params: Params) -> tuple[Any, Any]:
        """A population of trees, leaves ``[P, ...]``, and the state to be told with."""
        if self.scheduled:
            state = state.replace(std=jnp.full_like(state.std, params["std"]))
        with jax.numpy_rank_promotion("allow"):
            population, state = self.algorithm.ask(key, state, self._own(params))
        return population, strong(state)

    def tell(self, key: jax.Array, population: Any, fitness: jax.Array, state: Any, params: Params) -> Any:
        """The state after fitness float32 ``[P]``, less is better."""
        with jax.numpy_rank_promotion("allow"):
            told, _ = self.algorithm.tell(key, population, fitness, state, self._own(params))
        return strong(told.replace(mean=state.mean + params["learning_rate"] * (told.mean - state.mean)))

    def mean(self, state: Any) -> Any:
        """The mean as a tree of weights."""
        return self.algorithm.get_mean(state)

    def _own(self, params: Params) -> Any:
        return self.fixed.replace(**{name: params[name] for name in self.swept})


def make_strategy(
    name: str, population: int, weights: Any, memory_gib: float = 2.0, defaults: Mapping[str, float] | None = None
) -> Strategy:
    """A strategy of evosax.

    Args:
      name: as evosax lists it, for example ``"SNES"``.
      population: solutions per generation, even (many strategies sample in mirrored pairs).
      weights: tree of what is optimised; only shapes are read.
      memory_gib: refuse what is estimated to need more.
      defaults: numbers in the place of ours and evosax's.

    Raises:
      ValueError: if the strategy is unknown or cannot be used, does not fit, or has no such number.
    """
    cls = _find(name)
    if population < 2 or population % 2:
        raise ValueError(f"{name}: population={population}; it is an even number, at least 2")
    arguments = inspect.signature(cls).parameters
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), weights)
    natural = arguments["fitness_shaping_fn"].default.__name__ == "weights_fitness_shaping_fn"
    adam = "optimizer" in arguments and not natural
    with jax.numpy_rank_promotion("allow"):
        algorithm = cls(population, blank, **({"optimizer": optax.adam(1.0)} if adam else {}))
        fixed = algorithm.default_params
    _refuse_large(name, algorithm, population, blank, fixed, memory_gib)
    numbers = {f.name: getattr(fixed, f.name) for f in dataclasses.fields(fixed)}
    swept = {key: float(value) for key, value in numbers.items() if np.ndim(value) == 0 and np.isfinite(value)}
    scheduled = "std_schedule" in arguments
    own = {"learning_rate": 0.03 if adam else 1.0, **swept, **({"std": 1.0} if scheduled else {})}
    unknown = [key for key in defaults or {} if key not in own]
    if unknown:
        raise ValueError(f"{name} has no number {unknown[0]!r}; it has {', '.join(own)}")
    made = Strategy(algorithm, fixed, tuple(swept), scheduled, {**own, **(defaults or {})})
    _refuse_changing(name, made, population, blank)
    return made


def _find(name: str) -> Any:
    from evosax.algorithms import distribution_based_algorithms as known

    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"strategy {name!r} is not one of evosax's{hint} It has: {', '.join(known)}")
    arguments = inspect.signature(known[name]).parameters
    if "params_path" in arguments:
        raise ValueError(
            f"strategy {name!r} is a learned one, whose weights evosax reads from a pickle: not loaded here"
        )
    given = ("population_size", "solution")
    needed = [key for key, one in arguments.items() if one.default is one.empty and key not in given]
    if needed:
        raise ValueError(f"strategy {name!r} also needs {', '.join(needed)}; take another, such as SNES")
    return known[name]


def _refuse_large(name: str, algorithm: Any, population: int, blank: Any, fixed: Any, memory_gib: float) -> None:
    needed = memory(algorithm, population, blank, fixed) / GIB
    if needed > memory_gib:
        raise ValueError(
            f"strategy {name!r} on {algorithm.num_dims:,} parameters with population {population} needs about "
            f"{needed:.1f} GiB, and memory_gib={memory_gib:g} is allowed: take a strategy without a full covariance "
            "(SNES, PGPE, Open_ES, Sep_CMA_ES), a smaller network (hidden, anchors), or raise memory_gib"
        )


def _refuse_changing(name: str, strategy: Strategy, population: int, blank: Any) -> None:
    """A state whose types change with the first step cannot be scanned."""

    def step(key: jax.Array, params: Params) -> tuple[Any, Any]:
        first = strategy.init(key, blank, params)
        solutions, state = strategy.ask(key, first, params)
        return first, strategy.tell(key, solutions, jnp.zeros(population), state, params)

    numbers = {key: jax.ShapeDtypeStruct((), jnp.float32) for key in strategy.defaults}
    first, second = jax.eval_shape(step, jax.eval_shape(lambda: jax.random.key(0)), numbers)
    if jax.tree.map(lambda leaf: leaf.dtype, first) != jax.tree.map(lambda leaf: leaf.dtype, second):
        raise ValueError(
            f"strategy {name!r} keeps whole numbers that cannot be swept (it is made for problems that are unrolled in "
            "time); take another, such as Open_ES"
        )


def memory(algorithm: Any, population: int, blank: Any, fixed: Any) -> int:
    """Estimated bytes of a step; nothing is allocated to find out."""
    with jax.numpy_rank_promotion("allow"):
        state = jax.eval_shape(lambda: algorithm.init(jax.random.key(0), blank, fixed))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return WORKING_COPIES * (held + population * algorithm.num_dims * 4)


def strong(tree: Any) -> Any:
    """Leaves of definite type: evosax starts from Python numbers, whose weak type would change after a step."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.asarray(leaf).dtype), tree)
