"""What was evaluated lately: a table of hashes, so that evolution does not evaluate the same architecture again.

Direct-mapped: an architecture's hash decides its place, and a later one of the same place takes it over. So memory is
constant however long a run is; what is forgotten may be evaluated again, and is counted again.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

SIZE = 2**16


def nothing() -> jax.Array:
    """An empty memory, uint32 ``[SIZE]``."""
    return jnp.zeros(SIZE, jnp.uint32)


def remember(met: jax.Array, tokens: jax.Array) -> jax.Array:
    """The memory with architectures int32 ``[B, T]`` in it."""
    code = codes(tokens)
    return met.at[code % SIZE].set(code)


def known(met: jax.Array, tokens: jax.Array) -> jax.Array:
    """Which of tokens int32 ``[B, T]`` the memory holds or an earlier row equals, bool ``[B]``.

    Rows are compared by a hash of 32 bits: of two that differ, one is taken for known about once in 4 x 10^9.
    """
    code = codes(tokens)
    order = jnp.argsort(code, stable=True)
    again = jnp.concatenate([jnp.zeros(1, bool), code[order][1:] == code[order][:-1]])
    return (met[code % SIZE] == code) | jnp.zeros_like(again).at[order].set(again)


def codes(tokens: jax.Array) -> jax.Array:
    """Hashes uint32 ``[B]`` of tokens int32 ``[B, T]``, never 0: a polynomial, mixed (murmur3's last steps)."""

    def step(code: jax.Array, token: jax.Array) -> tuple[jax.Array, None]:
        return code * jnp.uint32(0x9E3779B1) + token.astype(jnp.uint32) + 1, None

    code, _ = jax.lax.scan(step, jnp.zeros(len(tokens), jnp.uint32), tokens.T)
    code = (code ^ (code >> 16)) * jnp.uint32(0x85EBCA6B)
    code = (code ^ (code >> 13)) * jnp.uint32(0xC2B2AE35)
    return jnp.maximum(code ^ (code >> 16), 1)
