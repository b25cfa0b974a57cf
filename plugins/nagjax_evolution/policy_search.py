"""Evolution strategies on the generator's parameters: the frame that every strategy's controller shares.

A generation is a population of generators. Each answers the same budgets with masked samples drawn from the same random
numbers, so that generators and not luck are compared; fitness is the mean quality of what it drew. The artefact is the
mean generator, with the front of everything that any generator drew.

The deviation in the space of parameters must be wide: a sample changes only where a logit moves by as much as the noise
it is drawn with, so deviations of 0.05 or 0.1, usual where outputs are continuous, give a population of generators that
draw nearly the same, with ties for fitness. At 1 they differ, and the mean learns several times faster.

``evosax`` is the controller for any of evosax's distribution-based strategies by name; those with controllers of their
own have numbers that were chosen for this use.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.budgets import random_budgets
from nagjax.controllers import Artefact, Controller, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator import decode
from nagjax.generator.policy import Policy, init_policy
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec
from nagjax_evolution.strategies import make_strategy


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      policy: the generator whose parameters are evolved; those it holds are the first mean.
      search: evosax's state.
      findings: the front of everything drawn.
    """

    policy: Policy
    search: Any
    findings: fd.Findings


def preset(name: str, strategy: str, defaults: Mapping[str, float]) -> Callable[..., Controller]:
    """The factory of a strategy's own controller."""

    def make(
        spec: Spec,
        population: int = 64,
        budgets: int = 16,
        hidden: int = 16,
        anchors: int = 16,
        capacity: int = 1024,
        memory_gib: float = 2.0,
    ) -> Methods:
        return _methods(spec, strategy, population, budgets, hidden, anchors, capacity, memory_gib, defaults)

    make.__doc__ = f"The controller ``{name}``; see ``make`` for the arguments."
    return factory(name)(make)


@factory("evosax")
def make(
    spec: Spec,
    strategy: str = "SNES",
    population: int = 64,
    budgets: int = 16,
    hidden: int = 16,
    anchors: int = 16,
    capacity: int = 1024,
    memory_gib: float = 2.0,
) -> Methods:
    """The controller ``evosax``.

    Args:
      spec: static shape of the problem.
      strategy: name of a distribution-based algorithm of evosax.
      population: generators per generation, which is an update; even.
      budgets: budgets that each of them answers.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      capacity: of the front.
      memory_gib: a strategy that is estimated to need more is refused.

    Raises:
      ValueError: if a size is below 1, or the strategy cannot be used.
    """
    return _methods(spec, strategy, population, budgets, hidden, anchors, capacity, memory_gib, {})


def _methods(
    spec: Spec, strategy: str, population: int, budgets: int, hidden: int, anchors: int, capacity: int,
    memory_gib: float, defaults: Mapping[str, float],
) -> Methods:  # fmt: skip
    shapes = jax.eval_shape(lambda: init_policy(jax.random.key(0), spec, hidden, anchors))
    chosen = make_strategy(strategy, population, shapes.params, memory_gib, defaults)

    def init(key: jax.Array, _problem: Problem, params: Params) -> State:
        policy_key, key = jax.random.split(key)
        policy = init_policy(policy_key, spec, hidden, anchors)
        return State(policy, chosen.init(key, policy.params, params), fd.nothing(spec, capacity))

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        budget_key, sample_key, ask_key, tell_key = jax.random.split(key, 4)
        asked = random_budgets(budget_key, problem, budgets)
        generators, search = chosen.ask(ask_key, state.search, params)

        def answer(weights: Any) -> tuple[jax.Array, jax.Array]:
            return decode.sample(dataclasses.replace(state.policy, params=weights), problem, asked, sample_key)

        tokens, costs = jax.vmap(answer)(generators)
        found, quality, _ = fd.record(state.findings, problem, tokens.reshape(population * budgets, -1))
        fitness = -mean_quality(quality.reshape(population, budgets))
        search = chosen.tell(tell_key, generators, fitness, search, params)
        metrics = fd.metrics(found, (costs > asked[None]).any(-1).sum(), (~jnp.isfinite(quality)).sum())
        return State(state.policy, search, found), {**metrics, "sampled_quality": -jnp.mean(fitness)}

    def rebase(state: State, problem: Problem) -> State:
        # The best fitness met so far was another problem's.
        search = state.search.replace(best_fitness=jnp.full_like(state.search.best_fitness, jnp.inf))
        return State(state.policy, search, fd.rescore(state.findings, problem))

    def artefact(state: State, _problem: Problem) -> Artefact:
        weights = chosen.mean(state.search)
        return Artefact(dataclasses.replace(state.policy, params=weights), state.findings.archive)

    return Methods(
        init=init,
        update=update,
        artefact=artefact,
        rebase=rebase,
        defaults=chosen.defaults,
    )


def mean_quality(quality: jax.Array) -> jax.Array:
    """Mean ``[P]`` of each row of quality ``[P, B]`` over what is finite; a row without any has the least of all."""
    finite = jnp.isfinite(quality)
    least = jnp.min(jnp.where(finite, quality, jnp.inf))
    least = jnp.where(jnp.isfinite(least), least, 0.0)
    mean = jnp.sum(jnp.where(finite, quality, 0.0), -1) / jnp.maximum(finite.sum(-1), 1)
    return jnp.where(finite.any(-1), mean, least)
