"""Tournaments in which the oldest dies (regularised evolution: Real et al., arXiv 1802.01548), many side by side.

Each has a population of its own. Since a member dies of age however good it is, a population does not settle for good
in the first optimum it finds.
"""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.populations.archive import allowed_rows
from nagjax.problems.problem import Problem, Spec, evaluate


@flax.struct.dataclass
class Tournaments:
    """B populations of P architectures, rings in the order of birth.

    Attributes:
      tokens: int32 ``[B, P, T]``.
      quality: float32 ``[B, P]``; -inf where there is no member, or one that wins no tournament.
      oldest: int32, where the oldest of every population stands.
    """

    tokens: jax.Array
    quality: jax.Array
    oldest: jax.Array


def unborn(spec: Spec, num: int, members: int) -> Tournaments:
    """``num`` populations without members."""
    tokens = jnp.zeros((num, members, spec.num_layers), jnp.int32)
    return Tournaments(tokens, jnp.full((num, members), -jnp.inf, jnp.float32), jnp.int32(0))


def winners(tournaments: Tournaments, num: int, size: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The winners of ``num`` tournaments in each population: tokens int32 ``[B, num, T]``, quality ``[B, num]``.

    The best of ``size`` members drawn with replacement has the least of ``size`` uniform ranks; drawing that least
    directly leaves ``size`` free to be swept.
    """
    population = tournaments.quality.shape[-1]
    least = 1.0 - (1.0 - jax.random.uniform(key, (tournaments.quality.shape[0], num))) ** (1.0 / size)
    rank = jnp.minimum((least * population).astype(jnp.int32), population - 1)
    row = jnp.take_along_axis(jnp.argsort(-tournaments.quality, -1), rank, -1)
    tokens = jnp.take_along_axis(tournaments.tokens, row[..., None], 1)
    return tokens, jnp.take_along_axis(tournaments.quality, row, 1)


def succeed(tournaments: Tournaments, tokens: jax.Array, quality: jax.Array) -> Tournaments:
    """The populations after children int32 ``[B, num, T]`` of quality ``[B, num]`` took the places of the oldest."""
    population, num = tournaments.quality.shape[1], quality.shape[1]
    places = (tournaments.oldest + jnp.arange(num)) % population
    return Tournaments(
        tournaments.tokens.at[:, places].set(tokens),
        tournaments.quality.at[:, places].set(quality),
        (tournaments.oldest + num) % population,
    )


def rescore(tournaments: Tournaments, problem: Problem, budgets: jax.Array) -> Tournaments:
    """The populations under a changed problem, with budgets int32 ``[B, K]``; B * P evaluations.

    What the problem no longer allows, or no longer fits, dies of age like the others, but wins no tournament.
    """
    num, members, _ = tournaments.tokens.shape
    tokens = tournaments.tokens.reshape(num * members, -1)
    quality, costs = evaluate(problem, tokens)
    fits = allowed_rows(problem, tokens) & (costs <= jnp.repeat(budgets, members, 0)).all(-1)
    return dataclasses.replace(tournaments, quality=jnp.where(fits, quality, -jnp.inf).reshape(num, members))
