"""Whether an architecture is among listed ones, inside jit: by a hash of its tokens, and then by the tokens."""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

LARGEST = 2**31 - 1


@flax.struct.dataclass
class Members:
    """N different architectures, in the order of their hashes.

    Attributes:
      tokens: int32 ``[N, T]``, canonical.
      factors: int32 ``[T]``; a hash is the tokens' product with them, different for each of the N.
      hashes: int32 ``[N]``, rising.
    """

    tokens: jax.Array
    factors: jax.Array
    hashes: jax.Array

    def find(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Where each of tokens ``[B, T]`` would stand, int32 ``[B]``, and whether it does, bool ``[B]``."""
        place = jnp.searchsorted(self.hashes, tokens @ self.factors)
        row = jnp.minimum(place, self.hashes.shape[0] - 1)
        return row, (self.tokens[row] == tokens).all(-1)


def members(tokens: np.ndarray, capacity: int = 0) -> tuple[Members, np.ndarray]:
    """The members, and for each the row of tokens int ``[N, T]`` that it is, int64 ``[max(N, capacity)]``.

    Up to ``capacity`` the last is repeated, so that few shapes are compiled; N is at least 1.
    """
    rows = np.asarray(tokens, np.int32)
    factors, hashes = _hashed(rows)
    order = np.argsort(hashes)
    order = np.concatenate([order, np.repeat(order[-1:], max(capacity - len(order), 0))])
    return Members(*jax.device_put((rows[order], factors, hashes[order]))), order


def _hashed(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors int32 ``[T]`` and hashes int32 ``[N]`` that differ from each other; products wrap as XLA's do."""
    rng = np.random.default_rng(0)
    while True:
        factors = np.asarray(rng.integers(1, LARGEST, tokens.shape[1], dtype=np.int32))
        with np.errstate(over="ignore"):
            hashes = np.asarray((tokens * factors).sum(1, dtype=np.int32))
        if len(np.unique(hashes)) == len(hashes):
            return factors, hashes
