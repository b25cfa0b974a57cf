"""Counting what the trellis leaves: exactly uniform architectures, and the i-th architecture for every i.

Each choice is weighted by its number of completions (the backward counting recursion), inside jit and under the mask.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.problems.problem import Problem


def log_completions(problem: Problem) -> jax.Array:
    """Natural logarithm of the number of allowed ways to finish from each node, float32 ``[T + 1, S]``."""

    def layer(ahead: jax.Array, edge: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        target, allowed = edge
        here = jax.nn.logsumexp(jnp.where(allowed, ahead[target], -jnp.inf), -1)
        return here, here

    end = jnp.zeros(problem.target.shape[1])
    _, counts = jax.lax.scan(layer, end, (problem.target, problem.allowed), reverse=True)
    return jnp.concatenate([counts, end[None]])


def uniform_architectures(problem: Problem, num: int, key: jax.Array) -> jax.Array:
    """``num`` architectures int32 ``[num, T]``, each of all that the problem allows equally likely (to float32)."""
    ahead = log_completions(problem)[1:]
    draws = jnp.minimum(jax.random.uniform(key, (problem.spec.num_layers, num)), 1.0 - 1e-6)

    def step(node: jax.Array, layer: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        target, allowed, following, draw = layer
        log_weight = jnp.where(allowed[node], following[target[node]], -jnp.inf)
        total = jnp.cumsum(jnp.exp(log_weight - log_weight.max(-1, keepdims=True)), -1)
        token = jnp.argmax(total > draw[:, None] * total[:, -1:], -1).astype(jnp.int32)
        return target[node, token], token

    start = jnp.zeros(num, jnp.int32)
    _, tokens = jax.lax.scan(step, start, (problem.target, problem.allowed, ahead, draws))
    return tokens.T


def completions(problem: Problem) -> jax.Array:
    """Number of allowed ways to finish from each node, int32 ``[T + 1, S]``; the caller knows that it is small."""

    def layer(ahead: jax.Array, edge: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        target, allowed = edge
        here = jnp.where(allowed, ahead[target], 0).sum(-1)
        return here, here

    end = jnp.ones(problem.target.shape[1], jnp.int32)
    _, counts = jax.lax.scan(layer, end, (problem.target, problem.allowed), reverse=True)
    return jnp.concatenate([counts, end[None]])


def architecture_at(problem: Problem, counts: jax.Array, rank: jax.Array) -> jax.Array:
    """Architectures int32 ``[B, T]`` of given ranks int32 ``[B]`` among all that are allowed, in lexicographic order.

    Ranks are below ``counts[0, 0]``; ``counts`` are from ``completions``.
    """

    def step(
        state: tuple[jax.Array, jax.Array], layer: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        node, left = state
        target, allowed, following = layer
        through = jnp.where(allowed[node], following[target[node]], 0)
        total = jnp.cumsum(through, -1)
        token = jnp.argmax(total > left[:, None], -1).astype(jnp.int32)
        before = jnp.take_along_axis(total - through, token[:, None], 1)[:, 0]
        return (target[node, token], left - before), token

    start = (jnp.zeros_like(rank), rank)
    _, tokens = jax.lax.scan(step, start, (problem.target, problem.allowed, counts[1:]))
    return tokens.T
