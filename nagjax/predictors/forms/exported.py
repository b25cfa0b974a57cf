"""The form ``exported``: a function of a third party's, compiled to StableHLO, which runs without their code.

Saving and restoring need the library flatbuffers (``pip install 'nagjax[exported]'``).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, check_inputs

PLATFORMS = ("cpu", "cuda")
Pair = tuple[jax.Array, jax.Array]


@flax.struct.dataclass
class Exported(Defaults):
    """A function ``(tokens int32 [B, T], features float32 [B, F]) -> mean, std float32 [B]`` as StableHLO.

    Attributes:
      known: bool ``[F]``, path features that it has seen.
      program: what ``jax.export`` serialized. It is data: loading it runs no Python of its author.
      values: ``"quality"``, or ``"rank"`` where only their order means anything.

    It has no derivatives. Batches of batches are run as one batch, since rows do not depend on each other.
    """

    form: ClassVar[str] = "exported"
    differentiable: ClassVar[bool] = False

    known: jax.Array
    program: bytes = flax.struct.field(pytree_node=False)
    values: str = flax.struct.field(pytree_node=False, default="quality")

    @property
    def rank_valued(self) -> bool:
        """See ``Form``."""
        return self.values == "rank"

    def __call__(self, tokens: jax.Array, features: jax.Array) -> Pair:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        return _runner(self.program)(jnp.asarray(tokens, jnp.int32), jnp.asarray(features, jnp.float32))

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"values": self.values}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"known": self.known, "program": np.frombuffer(self.program, np.uint8)}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        program = np.asarray(arrays["program"]).astype(np.uint8).tobytes()
        _runner(program)  # what cannot run is refused now
        return cls(arrays["known"], program, **static)


def export(
    function: Callable[[jax.Array, jax.Array], Pair], num_decisions: int, known: np.ndarray, values: str = "quality"
) -> Exported:
    """A function of tokens and path features as a predictor that needs the function no more.

    Args:
      function: pure, ``(tokens int32 [B, T], features float32 [B, F]) -> mean, std float32 [B]``; rows are independent.
      num_decisions: T.
      known: bool ``[F]``.
      values: ``"quality"`` or ``"rank"``.

    Raises:
      ValueError: if the function gives other shapes or types, or flatbuffers is not installed.
    """
    from jax import export as jax_export

    if values not in ("quality", "rank"):
        raise ValueError(f"values={values!r}: write 'quality' or 'rank'")
    (batch,) = jax_export.symbolic_shape("b")
    tokens = jax.ShapeDtypeStruct((batch, num_decisions), jnp.int32)
    features = jax.ShapeDtypeStruct((batch, len(known)), jnp.float32)
    found = jax_export.export(jax.jit(function), platforms=PLATFORMS)(tokens, features)
    given = [(str(one.shape), str(one.dtype)) for one in found.out_avals]
    if given != [("(b,)", "float32")] * 2:
        raise ValueError(f"the function gives {given}; it must give mean and std, float32 [B] each")
    with _flatbuffers():
        program = bytes(found.serialize())
    return Exported(jnp.asarray(known, bool), program, values)


@functools.lru_cache(maxsize=8)
def _runner(program: bytes) -> Callable[[jax.Array, jax.Array], Pair]:
    """The program as a function that may be called under jit and vmap."""
    from jax import export as jax_export

    with _flatbuffers():
        whole = jax_export.deserialize(bytearray(program))

    @jax.custom_batching.custom_vmap
    def run(tokens: jax.Array, features: jax.Array) -> Pair:
        mean, std = whole.call(tokens, features)
        return mean, std

    @run.def_vmap
    def rows(size: int, batched: list[bool], tokens: jax.Array, features: jax.Array) -> tuple[Pair, tuple[bool, bool]]:
        full = [
            value if has else jnp.broadcast_to(value[None], (size, *value.shape))
            for value, has in zip((tokens, features), batched, strict=True)
        ]
        mean, std = run(*(value.reshape(-1, value.shape[-1]) for value in full))
        return (mean.reshape(size, -1), std.reshape(size, -1)), (True, True)

    return run  # type: ignore[no-any-return]  # custom_vmap has no annotations


@contextlib.contextmanager
def _flatbuffers() -> Iterator[None]:
    """Says what to install where jax misses the library that it serializes with."""
    try:
        yield
    except ImportError as error:
        raise ValueError("an exported predictor needs flatbuffers: pip install 'nagjax[exported]'") from error
