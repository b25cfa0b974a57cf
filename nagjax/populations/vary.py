"""Variation: random architectures, crossover and mutation that respect the trellis and the mask."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.generator.walk import masked_walk
from nagjax.problems.problem import Problem
from nagjax.spaces.trellis import walk_nodes


def reroll(
    problem: Problem, tokens: jax.Array, change: jax.Array, budgets: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Keep tokens int32 ``[B, T]`` that fit, draw the others uniformly among the choices that can still be finished.

    ``change``, bool ``[B, T]``, are decisions to draw anew even though they fit. Gives canonical tokens within budgets
    int32 ``[B, K]``, ticks, and their costs.
    """
    uniform = jax.random.uniform(key, tokens.shape).T
    kept = jnp.where(change, -1, tokens).T

    def choose(
        carry: None, x: tuple[jax.Array, jax.Array], mask: jax.Array, _slack: jax.Array
    ) -> tuple[None, jax.Array, None]:
        token, draw = x
        inside = jnp.clip(token, 0, mask.shape[1] - 1)
        fits = jnp.take_along_axis(mask, inside[:, None], 1)[:, 0] & (inside == token)
        rank = jnp.cumsum(mask.astype(jnp.int32), -1)
        drawn = jnp.minimum((draw * rank[:, -1]).astype(jnp.int32), rank[:, -1] - 1)
        other = jnp.argmax(rank > drawn[:, None], -1).astype(jnp.int32)
        return carry, jnp.where(fits, token, other), None

    out, costs, _, _ = masked_walk(problem, budgets, choose, None, lambda a, b, _: (kept[a:b], uniform[a:b]))
    return out, costs


def random_architectures(
    problem: Problem, budgets: jax.Array, key: jax.Array, contexts: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Architectures within budgets int32 ``[B, K]``, each decision uniform among what can still be finished.

    Of contexts int32 ``[B]``, where they are given with the budgets.
    """
    blank = jnp.zeros((budgets.shape[0], problem.spec.num_layers), jnp.int32)
    change = jnp.ones_like(blank, bool)
    if contexts is not None:
        blank, change = blank.at[:, 0].set(contexts), change.at[:, 0].set(False)
    return reroll(problem, blank, change, budgets, key)


def children(
    problem: Problem, parents: jax.Array, partners: jax.Array, budgets: jax.Array, rates: jax.Array, key: jax.Array,
    given: int = 0,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """Cross parents with partners int32 ``[B, T]``, mutate, and repair within budgets int32 ``[B, K]``, ticks.

    A partner equal to its parent leaves it uncrossed; ``rates`` float32 ``[B]`` is the chance of each decision to be
    drawn anew; ``given``, static, first decisions stay the parents'. Gives tokens int32 ``[B, T]`` and costs int32
    ``[B, K]``.
    """
    cross, mutate, draw = jax.random.split(key, 3)
    mixed = jnp.where(jax.random.bernoulli(cross, 0.5, parents.shape), partners, parents)
    change = jax.random.uniform(mutate, parents.shape) < rates[:, None]
    if given:
        mixed, change = mixed.at[:, :given].set(parents[:, :given]), change.at[:, :given].set(False)
    return reroll(problem, mixed, change, budgets, draw)


def few_open(problem: Problem, tokens: jax.Array, number: jax.Array, key: jax.Array, given: int = 0) -> jax.Array:
    """Which decisions of tokens int32 ``[B, T]`` to draw anew, bool ``[B, T]``: ``number`` of the open ones.

    A fraction is the chance of one more. So many as are ``given``, static, are not drawn anew: the first ones.
    """
    order_key, more_key = jax.random.split(key)
    layers = jnp.arange(tokens.shape[1])
    nodes = walk_nodes(problem.target, tokens)
    free = problem.allowed[layers, nodes].sum(-1) > 1
    if given:
        free &= layers[None] >= given
    score = jnp.where(free, jax.random.uniform(order_key, tokens.shape), 2.0)
    rank = jnp.argsort(jnp.argsort(score, -1), -1)
    most = jnp.floor(number + jax.random.uniform(more_key, (tokens.shape[0], 1))).astype(jnp.int32)
    return (rank < most) & free
