"""Elastic networks: one set of weights for every architecture of a space, and the contract that they keep.

A space that has one gives it by ``Space.elastic``. It is trained by a strategy on a task, its architectures are
labelled, and each can be taken out as a network of its own. ``nagjax.testing.check_elastic`` checks the contract.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import lax

from nagjax.operators import Operator

Tree: TypeAlias = Any
"""Nested dicts of float32 arrays."""

RELATIONS = "relations"
"""A point of networks of attention: of queries, keys and values of the last layer how alike those of two tokens are.

Logarithms float32 ``[N, 3, H, L, L]`` of shares (``nagjax.operators.attention.relations``), whose shape no choice
changes.
"""


class Outputs(NamedTuple):
    """What a network gives.

    Attributes:
      outputs: float32 ``[N, ...]``, what the task judges.
      statistics: of its batch norms, as ``apply`` takes them; a tree without arrays where there are none.
      taps: arrays ``[N, ...]`` at the points that were asked for, by name.
    """

    outputs: jax.Array
    statistics: Any
    taps: Mapping[str, jax.Array]


class Watched(NamedTuple):
    """What a network gives, and what goes into its activations.

    Attributes:
      outputs: as those of ``Outputs``.
      before: ``[N, ..., C]`` by the name of the activation; NaN beyond what the architecture has.
    """

    outputs: jax.Array
    before: Mapping[str, jax.Array]


class Watcher:
    """A ``Watch`` of one operator: notes what goes into each activation, and multiplies what comes out by its gate.

    Attributes:
      before: ``[N, ..., C]`` by the name of the activation.
    """

    def __init__(self, gates: Mapping[str, jax.Array]) -> None:
        """With gates ``[N, C]`` by the name of the activation; its first channels count, and what is left out is 1."""
        self._gates = gates
        self.before: dict[str, jax.Array] = {}

    def __call__(self, name: str, function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
        """What the activation gives of ``x``, gated."""
        self.before[name] = x
        y = function(x)
        if name not in self._gates:
            return y
        gate = self._gates[name][:, : x.shape[-1]].astype(y.dtype)
        return y * gate.reshape(len(x), *(1,) * (x.ndim - 2), x.shape[-1])


@dataclasses.dataclass(frozen=True, eq=False)
class Alone:
    """One architecture as a network of its own.

    Attributes:
      init: key to fresh parameters, a tree.
      apply: parameters, inputs and statistics (None: those of the batch) to outputs float32 ``[N, ...]`` and
        statistics.
      operators: what an input passes, where the network is a chain of operators; it can be deployed then. Parameters
        are ``{"op0": ..., "op1": ...}`` and statistics a mapping an operator, as ``nagjax.blocks.Network`` has them.
    """

    init: Callable[[jax.Array], Tree]
    apply: Callable[[Tree, jax.Array, Any], tuple[jax.Array, Any]]
    operators: tuple[Operator, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Elastic:
    """One set of weights for every architecture of a space; all functions are pure.

    Attributes:
      sizes: what a task has to have too, by name, such as image channels and classes.
      init: key to fresh parameters, a tree. Vectors do not decay in training, nor do arrays whose name begins with
        ``transform`` (their rest is the identity).
      apply: ``apply(parameters, inputs, tokens, statistics=None, taps=()) -> Outputs``. Inputs are as a task prepares
        them for the architecture's group; tokens int32 ``[T]`` are traced; statistics are from an earlier call with the
        same tokens, those of the batch where None; taps are names of ``points``.
      group: tokens to what a compiled program is for, such as the resolution; architectures of one group share it.
      used: ``used(parameters, tokens)``, parameters of ``alone(tokens)``: exactly the weights that the architecture
        reads.
      alone: tokens to the network of its own, whose outputs with ``used`` equal those of ``apply`` to 1e-5.
      example: ``example(group, num, rng)``, made-up inputs ``[num, ...]`` as ``apply`` takes them.
      points: names of what ``apply`` can tell of beside the outputs, in the order in which an input passes them.
      watched: ``watched(parameters, inputs, tokens, gates={}) -> Watched``, as ``apply`` with statistics of the batch.
        Gates, float32 ``[N, C]`` by names of what is watched, multiply what comes out of activations. What is watched
        has the same names and shapes for all architectures of a group. None where nothing can be watched.
      mixed: ``mixed(parameters, inputs, probs)``, outputs of the network of mixed weights: of each decision the weights
        of its choices are added up, each times its share, probs float32 ``[T, C]``; a decision that the group settles
        is not mixed. Where one choice of each has all, the outputs are those of ``apply``. Norms use the batch. None
        where weights cannot be mixed.
      quiet: parameters to those in which every residual branch gives 0 (the scale of its last norm), as some recipes
        begin; the same where there is none.
    """

    sizes: Mapping[str, int]
    init: Callable[[jax.Array], Tree]
    apply: Callable[..., Outputs]
    group: Callable[[np.ndarray], Hashable]
    used: Callable[[Tree, np.ndarray], Tree]
    alone: Callable[[np.ndarray], Alone]
    example: Callable[[Hashable, int, np.random.Generator], np.ndarray]
    points: tuple[str, ...] = ()
    watched: Callable[..., Watched] | None = None
    mixed: Callable[[Tree, jax.Array, jax.Array], jax.Array] | None = None
    quiet: Callable[[Tree], Tree] = lambda parameters: parameters


def switch(branches: Sequence[Callable[[Any, jax.Array, Any], Any]]) -> Callable[[jax.Array, Any, jax.Array, Any], Any]:
    """``lax.switch`` among branches, whose gradient needs no more memory than the branch that is taken.

    The gradient of a ``lax.switch`` keeps what every branch would need, filled with zeros for those not taken. Here the
    backward pass is a switch of its own that computes the taken branch anew from its input.

    Args:
      branches: each ``(parameters, x, given) -> (y, told)``. What it is given and tells is not learned through.

    Returns:
      ``(index, parameters, x, given) -> (y, told)``.
    """

    def forward(index: jax.Array, parameters: Any, x: jax.Array, given: Any) -> Any:
        return lax.switch(index, branches, parameters, x, given)

    def backward(saved: Any, grads: Any) -> Any:
        index, parameters, x, given = saved
        pulls = [functools.partial(_pull, function) for function in branches]
        return None, *lax.switch(index, pulls, parameters, x, given, grads[0]), None

    switched = jax.custom_vjp(forward)
    switched.defvjp(lambda *args: (forward(*args), args), backward)
    return switched


def _pull(function: Any, parameters: Any, x: jax.Array, given: Any, grad: jax.Array) -> Any:
    """Gradients of a branch; statistics are what it saw, not something to learn through."""
    return jax.vjp(lambda own, maps: function(own, maps, given)[0], parameters, x)[1](grad)
