"""What every form of predictor has: arrays and JSON that restore it, and what it knows of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import jax

from nagjax import shapes


@runtime_checkable
class Form(Protocol):
    """How good architectures are: a pytree that is called inside jit, and that a checkpoint can hold.

    Attributes:
      form: the name that it is restored by.
      looked_up: whether it reads a table, so that asking for every architecture costs next to nothing.
      differentiable: whether its quality has a derivative with respect to path features.
    """

    form: ClassVar[str]
    looked_up: ClassVar[bool]
    differentiable: ClassVar[bool]

    @property
    def known(self) -> jax.Array | None:
        """Bool ``[F]``, path features that it has seen; None where it answers for all architectures.

        A problem closes choices of optional decisions that need one it has not.
        """
        ...

    @property
    def rank_valued(self) -> bool:
        """Whether its values, still 0..1, tell the order of architectures and are no quality."""
        ...

    @property
    def feature_weights(self) -> jax.Array | None:
        """What each path feature adds to the quality, float32 ``[F]``, where quality adds up; None where not."""
        ...

    @property
    def edge_values(self) -> jax.Array | None:
        """What each edge adds to the quality, float32 ``[T, S, C]``, where that is all it is; None where not."""
        ...

    @property
    def evaluated(self) -> jax.Array | None:
        """Architectures whose quality it was told, tokens int32 ``[N, T]``; None where it only predicts."""
        ...

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and deviation, fractions float32 ``[B]``, of tokens ``[B, T]`` with path features float32 ``[B, F]``."""
        ...

    def padded(self, capacity: int) -> Self:
        """The same function, with arrays of one shape for up to ``capacity`` records."""
        ...

    def static(self) -> dict[str, Any]:
        """All that is not an array, as JSON values."""
        ...

    def arrays(self) -> dict[str, Any]:
        """All arrays, as nested dictionaries."""
        ...

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """The inverse of ``static`` and ``arrays``."""
        ...


class Defaults:
    """What most forms have in common; a base of flax dataclasses, whose static fields are JSON values."""

    looked_up: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True

    @property
    def rank_valued(self) -> bool:
        """See ``Form``."""
        return False

    @property
    def feature_weights(self) -> jax.Array | None:
        """See ``Form``."""
        return None

    @property
    def edge_values(self) -> jax.Array | None:
        """See ``Form``."""
        return None

    @property
    def evaluated(self) -> jax.Array | None:
        """See ``Form``."""
        return None

    def padded(self, capacity: int) -> Self:
        """See ``Form``: as it is, where no array grows with the records."""
        del capacity
        return self

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        return {name: getattr(self, name) for name, node in _fields(self).items() if not node}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        return {name: getattr(self, name) for name, node in _fields(self).items() if node}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        return cls(**static, **arrays)


def check_inputs(form: Form, tokens: jax.Array, features: jax.Array) -> None:
    """Refuse what a form cannot be asked about: tokens other than int ``[B, T]``, features other than float ``[B, F]``.

    Raises:
      ValueError: naming the form, the argument, its shape or type and what it should be.
    """
    known = form.known
    shapes.check(f"form {form.form}: tokens", tokens, (None, None), int)
    width = None if known is None else known.shape[0]
    shapes.check(f"form {form.form}: features", features, (tokens.shape[0], width), float)


def _fields(form: Any) -> dict[str, bool]:
    """Names of a flax dataclass's fields, and whether each is part of the pytree."""
    return {field.name: field.metadata.get("pytree_node", True) for field in dataclasses.fields(form)}
