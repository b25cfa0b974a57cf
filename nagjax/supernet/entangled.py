"""The strategy ``entangled``: weights of all choices mixed in one pass, and how much of each is learned with them.

TangleNAS (Sukthanker et al., arXiv 2312.10440): shared weights of several choices lie in one another, so their mixture
is one more set of weights of the largest network, and a pass costs what the largest costs, whatever is mixed. Logits of
choices are learned from the same batches as the weights (single-level).

Samplers say how shares follow from logits:

- ``darts``: their softmax (Liu et al., arXiv 1806.09055);
- ``gumbel``: the softmax of logits and Gumbel noise, at a temperature that falls (FBNet, Wu et al., arXiv 1812.03443);
- ``gdas``: one choice has all; its gradient is that of ``gumbel`` (Dong and Yang, arXiv 1910.04465);
- ``drnas``: drawn from a Dirichlet distribution of concentrations elu(logit) + 1 (Chen et al., arXiv 2006.10355);
- ``gates``: two choices are drawn and one of them has all; its gradient is that of the softmax of the two
  (ProxylessNAS, Cai et al., arXiv 1812.00332). Here the pass is as large as any other.

With ``neighbours`` the loss is the mean over so many mixtures near the shares, each with a little of a random
architecture, so that flat optima win (NA-DARTS, Wang et al., arXiv 2105.06369). Every one of them is another pass.

Updates of logits are ``adam``, or ``exponentiated``: shares times exp(-rate * slope) (GAEA, Li et al., arXiv
2004.07802). A ``price`` on the expected cost, by flow over the trellis, draws to cheaper networks (FBNet).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax import arguments
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import price as priced_by
from nagjax.elastic import Elastic
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.forms import ABSENT, LOGITS, NETWORK, Choices
from nagjax.supernet.strategy import Lesson, Memory, Strategy, random_path
from nagjax.supernet.task import Task

SAMPLERS = ("darts", "gumbel", "gdas", "drnas", "gates")
UPDATES = ("adam", "exponentiated")
CLIP, LEAST = 0.5, 1e-5
"""Most that an exponentiated update adds to a logit, and the least share that it divides by."""
NONE = 1e-12
"""Shares of a node that are no more in sum are none."""


def make(
    sampler: str = "darts",
    update: str = "adam",
    rate: float = 0.02,
    price: float = 0.0,
    warmup: float = 0.1,
    heat: float = 5.0,
    final_heat: float = 0.1,
    table: str = "",
    neighbours: int = 0,
) -> Strategy:
    """The strategy.

    Args:
      sampler: how shares follow from logits, one of ``SAMPLERS``.
      update: how logits follow from slopes, one of ``UPDATES``.
      rate: of these updates.
      price: of the expected cost, in units of the task's loss for the cost of the costliest.
      warmup: share of the training before the first update of logits.
      heat: temperature of ``gumbel`` and ``gdas`` at the start.
      final_heat: and at the end; it falls by the same factor in every step.
      table: file of a device, whose times are the cost; sizes, as a rule multiply-adds, where empty.
      neighbours: mixtures near the shares whose mean loss counts; 0: the loss of the shares.

    Raises:
      ValueError: if a setting is out of range; when training begins, if weights of the space cannot be mixed, or the
        table cannot be read or lacks an operator.
    """
    _check_names(sampler=(sampler, SAMPLERS), update=(update, UPDATES))
    for name, number in (("rate", rate), ("heat", heat), ("final_heat", final_heat)):
        arguments.finite(number, f"entangled: {name}", above=0)
    if not price >= 0 or not 0 <= warmup < 1:
        raise ValueError(f"entangled: price={price!r}, warmup={warmup!r}: at least 0, and a share below 1")
    neighbours = arguments.count(neighbours, "entangled: neighbours", least=0)

    @functools.lru_cache(maxsize=2)
    def costs(space: Space) -> np.ndarray:
        return edge_costs(space, table)

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, progress: float, _memory: Memory
    ) -> Sequence[Lesson]:
        given = {
            "seed": np.uint32(rng.integers(2**32)),
            "heat": np.float32(heat * (final_heat / heat) ** progress),
            "learns": np.float32(progress >= warmup),
            "edges": edges,
            "target": space.trellis.target,
            "added": costs(space),
        }
        return [Lesson(random_path(rng, space, edges), given=given)]

    def begin(_key: jax.Array, elastic: Elastic, parameters: Any) -> tuple[Any, Memory]:
        if elastic.mixed is None:
            raise ValueError(
                "strategy entangled: weights of this space cannot be mixed: its elastic network has no mixed=...; use "
                "another strategy, such as sandwich"
            )
        return parameters, ()

    def loss(
        elastic: Elastic, task: Task, parameters: Any, inputs: jax.Array, aims: Any, _tokens: jax.Array,
        given: Mapping[str, jax.Array],
    ) -> tuple[jax.Array, jax.Array]:  # fmt: skip
        assert elastic.mixed is not None
        held = jax.lax.stop_gradient(parameters[LOGITS])
        logits = held + given["learns"] * (parameters[LOGITS] - held)
        allowed, key = given["edges"].any(1), jax.random.key(given["seed"])
        probs = shares(sampler, logits, allowed, given["heat"], key)
        cost = expected(given["target"], given["edges"], given["added"], probs)
        if neighbours:
            keys = jax.random.split(jax.random.fold_in(key, 1), neighbours)
            every = jax.lax.map(lambda key: elastic.mixed(parameters, inputs, near(probs, allowed, key)), keys)
            return jax.vmap(lambda one: task.loss(one, aims).mean())(every).mean() + price * cost, every[0]
        outputs = elastic.mixed(parameters, inputs, probs)
        return task.loss(outputs, aims).mean() + price * cost, outputs

    def rule(given: optax.GradientTransformation) -> optax.GradientTransformation:
        own = optax.adam(rate, b1=0.5, b2=0.999) if update == "adam" else exponentiated(rate)
        return optax.multi_transform({NETWORK: given, LOGITS: own}, {NETWORK: NETWORK, LOGITS: LOGITS})

    settings = {
        "sampler": sampler, "update": update, "rate": rate, "price": price, "warmup": warmup, "heat": heat,
        "final_heat": final_heat, "table": table, **({"neighbours": neighbours} if neighbours else {}),
    }  # fmt: skip
    return Strategy("entangled", settings, lessons, begin, form=Choices(), loss=loss, rule=rule)


def _check_names(**given: tuple[str, Sequence[str]]) -> None:
    for name, (value, known) in given.items():
        if value not in known:
            raise ValueError(f"entangled: {name}={value!r}: must be one of {', '.join(known)}")


def edge_costs(space: Space, table: str = "") -> np.ndarray:
    """What each edge adds to the cost of an architecture, as a share of the costliest's, float32 ``[T, S, C]``.

    Costs are those of a device's table, sizes where it is empty.

    Raises:
      ValueError: if the file cannot be read or lacks an operator.
    """
    if table:
        priced = priced_by(read_table(table, space.operators), space)
        costs = np.append(priced.values, 0.0)[space.trellis.operators].sum(-1)
        costs = costs if priced.edges is None else costs + priced.edges
    else:
        costs = space.sizes()
    whole = tl.costliest(space.trellis.target, space.trellis.valid, costs)
    return (costs / max(whole, 1e-30)).astype(np.float32)


def shares(sampler: str, logits: jax.Array, allowed: jax.Array, heat: jax.Array, key: jax.Array) -> jax.Array:
    """Shares of the choices float32 ``[T, C]``, each decision's 1 in sum and 0 where it is not allowed.

    Logits are float32 ``[T, C]``, ``allowed`` bool, at least one of each decision; ``heat`` is a temperature.
    """
    scores = jnp.where(allowed, logits, ABSENT)
    if sampler == "darts":
        return jax.nn.softmax(scores)
    if sampler == "drnas":
        # Far below 0 a concentration is 0, of which nothing can be drawn.
        drawn = jax.random.gamma(key, jnp.where(allowed, jax.nn.elu(scores) + 1.0, 1.0) + 1e-3)
        kept = jnp.where(allowed, drawn, 0.0) + jnp.where(allowed, 1e-12, 0.0)
        return kept / kept.sum(-1, keepdims=True)
    noisy = jax.nn.log_softmax(scores) + jax.random.gumbel(key, scores.shape)
    noisy = jnp.where(allowed, noisy, ABSENT)
    if sampler == "gumbel":
        return jax.nn.softmax(noisy / heat)
    hard = jax.nn.one_hot(noisy.argmax(-1), scores.shape[1])
    if sampler == "gdas":
        return _through(hard, jax.nn.softmax(noisy / heat))
    second = jax.nn.one_hot(jnp.where(hard > 0, -jnp.inf, noisy).argmax(-1), scores.shape[1])
    return _through(hard, jax.nn.softmax(jnp.where((hard + second > 0) & allowed, scores, ABSENT)))


def learned_scores(folder: str | Path) -> np.ndarray:
    """Logits of the choices float32 ``[T, C]`` of a supernet that this strategy trained.

    Raises:
      ValueError: if the folder holds no trained weights, or they have no logits.
    """
    return logits_of(storage.read_weights(Path(folder)), folder)


def logits_of(weights: storage.Weights, folder: str | Path) -> np.ndarray:
    """Logits of the choices float32 ``[T, C]`` of weights that were read from a folder.

    Raises:
      ValueError: if they have none.
    """
    if not isinstance(weights.form, Choices):
        raise ValueError(f"{folder}: its weights have no logits of choices; give a supernet of --strategy=entangled")
    return np.asarray(weights.parameters[LOGITS], np.float32)


def _through(hard: jax.Array, soft: jax.Array) -> jax.Array:
    """The hard shares with the slopes of the soft ones."""
    return hard + (soft - jax.lax.stop_gradient(soft))


def near(probs: jax.Array, allowed: jax.Array, key: jax.Array) -> jax.Array:
    """Shares float32 ``[T, C]`` with 1 / T of a random architecture in them, uniform over what is allowed.

    In all it is one decision's worth, as a neighbour of an architecture differs in one.
    """
    drawn = jax.random.categorical(key, jnp.where(allowed, 0.0, ABSENT))
    reach = 1 / probs.shape[0]
    return (1 - reach) * probs + reach * jax.nn.one_hot(drawn, probs.shape[1])


def expected(target: jax.Array, edges: jax.Array, added: jax.Array, probs: jax.Array) -> jax.Array:
    """Expected sum over a path whose choices are drawn by shares float32 ``[T, C]``, among those that its node has.

    ``target`` is int32, ``edges`` bool and ``added`` float32 ``[T, S, C]``, what an edge adds.
    """

    def step(state: tuple[jax.Array, jax.Array], layer: Any) -> tuple[tuple[jax.Array, jax.Array], None]:
        weight, total = state
        following, is_open, more, share = layer
        own = jnp.where(is_open, share[None], 0.0)
        whole = own.sum(-1, keepdims=True)
        # Where a sampled choice leads to a node that has none of the shares, all of its choices are alike; so they are
        # where it has next to none, whose reciprocal squared, in the slope, float32 does not hold.
        held = whole > NONE
        even = is_open / jnp.maximum(is_open.sum(-1, keepdims=True), 1)
        flow = weight[:, None] * jnp.where(held, own / jnp.where(held, whole, 1.0), even)
        moved = jnp.zeros_like(weight).at[following.ravel()].add(flow.ravel())
        return (moved, total + (flow * more).sum()), None

    start = jnp.zeros(target.shape[1]).at[0].set(1.0), jnp.zeros(())
    return jax.lax.scan(step, start, (target, edges, added, probs))[0][1]


def exponentiated(rate: float) -> optax.GradientTransformation:
    """Exponentiated gradients of shares, as changes of their logits float32 ``[T, C]``.

    The slope along a share, up to what all of a decision have in common, is that along its logit over the share.
    """

    def update(slopes: Any, state: optax.EmptyState, parameters: Any) -> tuple[Any, optax.EmptyState]:
        def changed(slope: jax.Array, logits: jax.Array) -> jax.Array:
            return jnp.clip(-rate * slope / jnp.maximum(jax.nn.softmax(logits), LEAST), -CLIP, CLIP)

        return jax.tree.map(changed, slopes, parameters), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
