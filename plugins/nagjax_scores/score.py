"""What all scores share: examples, weights, one compiled program for all architectures of a group, and the evaluator.

A score is computed on the elastic network of a space, with fresh weights or with those of a trained supernet. Tokens
are traced, so an architecture costs a pass through a program that is there, milliseconds, and no compilation.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic, Tree
from nagjax.evaluators.evaluator import Evaluator
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.recorded import recorded_task
from nagjax.supernet.task import Task, check_sizes, make_task
from nagjax.supernet.training import elastic_of

DATA = "fashion_mnist"
"""The task where none is named."""


class Network(NamedTuple):
    """What a score is of.

    Attributes:
      elastic: the network.
      parameters: weights of all architectures.
      inputs: ``[N, ...]``, prepared.
      tokens: int32 ``[T]``, traced.
      loss: outputs to the mean loss of the examples.
    """

    elastic: Elastic
    parameters: Tree
    inputs: jax.Array
    tokens: jax.Array
    loss: Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Score:
    """A score of networks; more is better.

    Attributes:
      name: of the score and its column.
      traced: what is computed in the compiled program.
      told: that as a number, on the host; an error is a ValueError.
      of_weights: whether it adds up over weights, so that only those of the architecture may count.
    """

    name: str
    traced: Callable[[Network], Any]
    told: Callable[[np.ndarray], float] = float
    of_weights: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """What networks see.

    Attributes:
      inputs: of a group, prepared, ``[N, ...]``.
      loss: outputs to the mean loss.
    """

    inputs: Callable[[Hashable], jax.Array]
    loss: Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Weights:
    """With which weights networks are scored.

    Attributes:
      each: trees of parameters; a score is the mean over them.
      trained: whether they are those of a supernet, whose kernel transforms are not at rest.
      identity: what they are, JSON.
    """

    each: tuple[Tree, ...]
    trained: bool
    identity: Mapping[str, Any]


def on_examples(
    score: Score,
    space: Space,
    data: str,
    data_dir: str,
    folder: str,
    batch: int,
    inits: int,
    seed: int,
    task_settings: Mapping[str, Any],
) -> Evaluator:
    """The evaluator of a score that looks at examples of a task; arguments as those of ``make_naswot``.

    Raises:
      ValueError: if a number is out of range, or data or weights cannot be read or do not suit the space.
    """
    batch = arguments.count(batch, "batch", least=2)
    weights, task = weights_of(space, folder, inits, seed), None
    if folder:
        if data or task_settings:
            raise ValueError(
                f"folder={folder}: the supernet's own task is taken; leave out data={data!r} and settings of a task"
            )
        task = recorded_task(storage.read_weights(Path(folder)).config, data_dir or None)
    else:
        task = make_task(data or DATA, task_settings, data_dir or None)
    check_sizes(task, elastic_of(space).sizes, space.identity)
    settings = {
        "data": data if folder else data or DATA, "data_dir": data_dir, "folder": folder, "batch": batch,
        "inits": inits, "seed": seed, **task_settings,
    }  # fmt: skip
    identity = {name: value for name, value in settings.items() if name not in ("data_dir", "folder")}
    return evaluator(score, space, examples_of(task, batch, seed), weights, settings, {**identity, **weights.identity})


def evaluator(
    score: Score,
    space: Space,
    examples: Examples,
    weights: Weights,
    settings: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> Evaluator:
    """The evaluator of a score."""
    elastic = elastic_of(space)

    @functools.partial(jax.jit, static_argnums=0)
    def run(_group: Hashable, parameters: Tree, inputs: jax.Array, tokens: jax.Array) -> Any:
        return score.traced(Network(elastic, parameters, inputs, tokens, examples.loss))

    def value(row: np.ndarray, parameters: Tree) -> float:
        group = elastic.group(row)
        if score.of_weights and weights.trained:
            parameters = own_weights(elastic, parameters, row)
        found = score.told(np.asarray(run(group, parameters, examples.inputs(group), jnp.asarray(row, jnp.int32))))
        if not math.isfinite(found):
            raise ValueError(f"{score.name} is {found} for {space.format(row)}; numbers of float32 do not hold it")
        return found

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        means = [np.mean([value(row, one) for one in weights.each]) for row in tokens]
        return {score.name: np.array(means, np.float64)}

    decisive = json.loads(json.dumps({"score": score.name, **identity}))
    return Evaluator(score.name, dict(settings), decisive, evaluate, scores={score.name: 1})


def examples_of(task: Task, batch: int, seed: int) -> Examples:
    """Training examples of a task, not varied, each class by its share.

    Raises:
      ValueError: if there are not so many.
    """
    part = task.train.draw(batch, seed, "score")
    found = part.at(np.arange(batch))
    aims = jax.jit(task.aims)(found.targets)

    @functools.lru_cache(maxsize=8)
    def inputs(group: Hashable) -> jax.Array:
        prepared: jax.Array = jax.jit(task.prepare, static_argnums=1)(found.inputs, group)
        return prepared

    return Examples(inputs, lambda outputs: task.loss(outputs, aims).mean())


def weights_of(space: Space, folder: str, inits: int, seed: int) -> Weights:
    """Fresh weights of ``inits`` seeds from ``seed`` on, or those of the supernet in a folder.

    Raises:
      ValueError: if a number is out of range, or the folder holds no supernet of this space.
    """
    inits, seed = arguments.count(inits, "inits"), arguments.seed(seed)
    if not folder:
        init = jax.jit(elastic_of(space).init)
        return Weights(tuple(init(jax.random.key(seed + at)) for at in range(inits)), False, {})
    if inits > 1:
        raise ValueError(f"inits={inits}: a supernet in folder={folder} has one set of weights; leave inits out")
    found = storage.read_weights(Path(folder))
    written = found.config["space"]
    if (written["name"], written["version"], written["settings"]) != (space.name, space.version, dict(space.settings)):
        raise ValueError(
            f"{folder}: is a supernet of {written['name']}({written['settings']}), not of {space.identity}"
        )
    decisive = {name: found.config[name] for name in ("space", "where", "data", "recipe", "step")}
    return Weights((found.parameters,), True, {"supernet": decisive})


def counted(tree: Tree) -> Tree:
    """A tree like parameters with 0 where no weight stands: at vectors (norms and biases) and at kernel transforms."""

    def one(path: Any, leaf: jax.Array) -> jax.Array:
        return leaf if leaf.ndim > 1 and not _is_transform(path) else jnp.zeros_like(leaf)

    return jax.tree_util.tree_map_with_path(one, tree)


def own_weights(elastic: Elastic, parameters: Tree, tokens: np.ndarray) -> Tree:
    """Weights of all architectures by which this one computes the same, with transforms at rest, and 0 where unused.

    So each weight of the architecture stands there as it is in ``Elastic.used``, and not as what transforms make of it.
    """
    rest = _at_rest(parameters)
    used = elastic.used(parameters, tokens)
    _, pull = jax.vjp(lambda tree: elastic.used(tree, tokens), rest)
    (sums,), (times,) = pull(used), pull(jax.tree.map(jnp.ones_like, used))
    return _at_rest(jax.tree.map(lambda total, n: total / jnp.maximum(n, 1), sums, times))


def _at_rest(tree: Tree) -> Tree:
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.eye(*leaf.shape) if _is_transform(path) else leaf, tree
    )


def _is_transform(path: Any) -> bool:
    return str(getattr(path[-1], "key", "")).startswith("transform")
