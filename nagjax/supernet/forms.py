"""Forms of shared weights: what a supernet's parameters are, where they are not those of the space's network alone.

A strategy decides how weights are trained, and its form is what they end in. The record of a supernet names the form,
so labels, networks that are taken out and evaluations need no strategy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.elastic import Elastic, Outputs, Watched
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space

FORM = "form"
"""Where a record names the form."""

SIZE = "size"
"""What regions are split on that are bands of the size of architectures."""

NETWORK, LOGITS = "network", "logits"
"""Parameters of the form ``choices``."""

ABSENT = -1e4
"""Logit of a choice that does not exist: its share is 0."""

APART = "apart"
"""The parameter that says whether regions have weights of their own (1) or all take those of the first (0)."""


class Form(Protocol):
    """What parameters are.

    Attributes:
      name: it is recorded by.
    """

    @property
    def name(self) -> str:
        """It is recorded by."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What makes it again, JSON."""
        ...

    def elastic(self, space: Space, plain: Elastic) -> Elastic:
        """The network of parameters of this form, from that of the space."""
        ...


@dataclasses.dataclass(frozen=True)
class Regions:
    """A set of weights for each region of a space; an architecture takes those of its region.

    Parameters are ``{"apart": 0 or 1, "region0": ..., "region1": ...}``.

    Attributes:
      split_on: name of a decision, each choice of which is a region (a closed one belongs to the first); or ``size``.
      parts: of ``size``: equal bands of the range of sizes, ascending.
    """

    split_on: str
    parts: int = 0
    name: ClassVar[str] = "regions"

    @property
    def settings(self) -> Mapping[str, Any]:
        """What makes it again, JSON."""
        return {"split_on": self.split_on, "parts": self.parts}

    def number(self, space: Space) -> int:
        """How many regions there are.

        Raises:
          ValueError: if the space has no such decision.
        """
        return self.parts if self.split_on == SIZE else len(space.decisions[self.decision(space)].choices)

    def decision(self, space: Space) -> int:
        """Index of the decision that is split on.

        Raises:
          ValueError: if the space has none of that name.
        """
        names = [decision.name for decision in space.decisions]
        if self.split_on not in names:
            raise ValueError(
                f"split_on={self.split_on}: {space.name} has no such decision; give {SIZE}, or one of "
                f"{', '.join(names)}"
            )
        return names.index(self.split_on)

    def edges(self, space: Space, edges: np.ndarray) -> list[np.ndarray]:
        """Of edges bool ``[T, S, C]``, for each region that has an architecture those that lead only into it.

        Bands of size are no matter of single edges: there it is the edges themselves, once.
        """
        if self.split_on == SIZE:
            return [edges]
        t, out = self.decision(space), []
        for choice in range(self.number(space)):
            only = edges.copy()
            only[t] &= (np.arange(edges.shape[2]) == choice)[None]
            if tl.count(space.trellis.target, only)[0][0]:
                out.append(only)
        return out

    def of(self, space: Space) -> Callable[[Any], jax.Array]:
        """Tokens ``[T]``, which may be traced, to their region, int32."""
        if self.split_on != SIZE:
            t = self.decision(space)
            return lambda tokens: jnp.asarray(tokens)[t].astype(jnp.int32)
        sizes = space.sizes()
        low, high = (float(space.path_values(row[None], sizes).sum()) for row in (space.smallest(), space.largest()))
        bounds = jnp.asarray([low + (high - low) * part / self.parts for part in range(1, self.parts)], jnp.float32)
        target, added = jnp.asarray(space.trellis.target), jnp.asarray(sizes, jnp.float32)

        def band(tokens: Any) -> jax.Array:
            rows = jnp.asarray(tokens)[None]
            size = added[jnp.arange(rows.shape[1]), tl.walk_nodes(target, rows)[0], rows[0]].sum()
            return (size > bounds).sum().astype(jnp.int32)

        return band

    def elastic(self, space: Space, plain: Elastic) -> Elastic:
        """The network of these parameters.

        Raises:
          ValueError: if the space has no such decision.
        """
        names, region = [f"region{at}" for at in range(self.number(space))], self.of(space)

        def own(parameters: Any, tokens: Any) -> Any:
            at = jnp.where(parameters[APART] > 0.5, region(tokens), 0)
            return jax.tree.map(lambda *each: jnp.stack(each)[at], *(parameters[name] for name in names))

        def apply(
            parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: tuple[str, ...] = ()
        ) -> Outputs:
            return plain.apply(own(parameters, tokens), inputs, tokens, statistics, taps)

        watch = plain.watched

        def watched(parameters: Any, inputs: jax.Array, tokens: Any, *gates: Any) -> Watched:
            assert watch is not None
            return watch(own(parameters, tokens), inputs, tokens, *gates)

        def init(key: jax.Array) -> dict[str, Any]:
            return self.split(plain.init(key), space)

        def quiet(parameters: Any) -> Any:
            return {APART: parameters[APART], **{name: plain.quiet(parameters[name]) for name in names}}

        return dataclasses.replace(
            plain,
            init=init,
            apply=apply,
            used=lambda parameters, tokens: plain.used(own(parameters, tokens), tokens),
            watched=None if watch is None else watched,
            mixed=None,
            quiet=quiet,
        )

    def split(self, parameters: Any, space: Space) -> dict[str, Any]:
        """Parameters of this form of one set of weights: every region has them."""
        return {APART: jnp.ones(()), **{f"region{at}": parameters for at in range(self.number(space))}}


@dataclasses.dataclass(frozen=True)
class Choices:
    """A set of weights, and a logit for each choice of each decision.

    Parameters are ``{"network": ..., "logits": float32 [T, C]}``; choices that do not exist have ``ABSENT``.
    """

    name: ClassVar[str] = "choices"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing: it has none."""
        return {}

    def elastic(self, space: Space, plain: Elastic) -> Elastic:
        """The network of these parameters; an architecture does not depend on the logits."""
        exists = np.array([np.arange(space.trellis.shape[2]) < len(d.choices) for d in space.decisions])
        mixed, watched = plain.mixed, plain.watched

        def apply(
            parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: tuple[str, ...] = ()
        ) -> Outputs:
            return plain.apply(parameters[NETWORK], inputs, tokens, statistics, taps)

        return dataclasses.replace(
            plain,
            init=lambda key: {NETWORK: plain.init(key), LOGITS: jnp.where(exists, 0.0, ABSENT)},
            apply=apply,
            used=lambda parameters, tokens: plain.used(parameters[NETWORK], tokens),
            watched=None if watched is None else lambda parameters, *given: watched(parameters[NETWORK], *given),
            mixed=None if mixed is None else lambda parameters, *given: mixed(parameters[NETWORK], *given),
            quiet=lambda parameters: {**parameters, NETWORK: plain.quiet(parameters[NETWORK])},
        )


FORMS: Mapping[str, Callable[..., Form]] = {Regions.name: Regions, Choices.name: Choices}


def written(form: Form | None) -> dict[str, Any]:
    """What a record says of a form: nothing where the parameters are those of the network."""
    return {} if form is None else {FORM: {"name": form.name, **form.settings}}


def recorded(config: Mapping[str, Any]) -> Form | None:
    """The form that a record names.

    Raises:
      ValueError: if this version does not know it.
    """
    if FORM not in config:
        return None
    given = dict(config[FORM])
    name = given.pop("name", None)
    if name not in FORMS:
        raise ValueError(f"these weights have the form {name!r}, which is not known here; known: {', '.join(FORMS)}")
    return FORMS[name](**given)
