"""Relation distillation: a taught network of attention learns the relations of its teacher's tokens, of any width.

Of queries, keys and values X of the last layer, split into heads of d channels, relations are softmax(X X' / sqrt d), a
row a token of each head. A lesson adds the mean of KL(those of the teacher | those of the taught) over rows, heads and
the three (AutoDistil, Xu et al., arXiv 2201.12507, after MiniLMv2, Wang et al., arXiv 2012.15828). There relations are
all that is learned, of a teacher that was trained before; here they are added to what a lesson loses anyway.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nagjax import arguments
from nagjax.elastic import RELATIONS, Elastic
from nagjax.supernet.strategy import Memory, Strategy
from nagjax.supernet.task import Task


class Related(NamedTuple):
    """What a network gives or is to give, and relations.

    Attributes:
      outputs: of the network; of a teacher its answers.
      relations: logarithms float32 ``[N, 3, H, L, L]``, as the point ``relations`` tells them.
    """

    outputs: Any
    relations: jax.Array


def related(strategy: Strategy, weight: float) -> Strategy:
    """The strategy, whose taught networks learn the relations of their teachers as well; as it is at a weight of 0.

    Lessons of labels are as before, since labels have no relations.

    Raises:
      ValueError: if the weight is below 0, or the strategy has a loss of its own; when training begins, if the network
        of the space tells of no relations.
    """
    arguments.finite(weight, f"{strategy.name}: relations", least=0)
    if not weight:
        return strategy
    if strategy.loss is not None:
        raise ValueError(f"strategy {strategy.name} has a loss of its own, to which relations cannot be added")

    def begin(key: jax.Array, elastic: Elastic, parameters: Any) -> tuple[Any, Memory]:
        if RELATIONS not in elastic.points:
            raise ValueError(
                f"strategy {strategy.name}: relations={weight}: the network of this space tells of none, as it has no "
                f"point {RELATIONS!r}; give relations=0, or a space of attention such as elastic_decoder or elastic_vit"
            )
        return strategy.begin(key, elastic, parameters)

    def task(given: Task, seed: int) -> Task:
        plain = given if strategy.task is None else strategy.task(given, seed)

        def loss(own: Any, aims: Any) -> jax.Array:
            outputs, taps = own
            if not isinstance(aims, Related):
                return plain.loss(outputs, aims)
            return plain.loss(outputs, aims.outputs) + weight * divergence(aims.relations, taps[RELATIONS])

        return dataclasses.replace(
            plain, loss=loss, answers=lambda own: Related(plain.answers(own[0]), own[1][RELATIONS])
        )

    return dataclasses.replace(strategy, begin=begin, task=task, taps=(*strategy.taps, RELATIONS))


def divergence(teacher: jax.Array, taught: jax.Array) -> jax.Array:
    """Mean Kullback-Leibler divergence of rows, nats float32 ``[N]``, of logarithms of shares ``[N, ..., L]``."""
    each = (jnp.exp(teacher) * (teacher - taught)).sum(-1)
    return each.reshape(len(each), -1).mean(1)
