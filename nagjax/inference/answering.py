"""The pure function underneath ``generate``: from artefact, problem and budgets to architectures, in any jit."""

from __future__ import annotations

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Artefact
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.mesh import Placement
from nagjax.populations import vary
from nagjax.populations.archive import Archive, allowed_rows
from nagjax.problems.problem import Problem, evaluate, path_features

DECODES = ("best", "greedy", "sample", "beam")
SOURCES = ("greedy", "sample", "beam", "archive", "random", "listed", "evaluated")
DRAWS, BEAMS = 16, 4
"""Samples and beams that ``best`` looks at for each budget."""


@flax.struct.dataclass
class Candidates:
    """Architectures within each budget, M of them.

    Attributes:
      tokens: int32 ``[B, M, T]``.
      costs: int32 ``[B, M, K]``, ticks.
      objective: float32 ``[B, M]``; -inf where there is none.
      source: int32 ``[M]``, index into ``SOURCES``.
    """

    tokens: jax.Array
    costs: jax.Array
    objective: jax.Array
    source: jax.Array


def candidates(
    artefact: Artefact,
    problem: Problem,
    budgets: jax.Array,
    key: jax.Array,
    how: str = "best",
    draws: int = DRAWS,
    turn: jax.Array | None = None,
) -> Candidates:
    """Architectures for each budget, pure and jittable.

    Budgets are int32 ``[B, K]`` ticks, at least the cheapest architecture's cost. What a row draws depends on the key,
    the row's budget and its ``turn`` int32 ``[B]`` alone: how often that budget stood before, 0 where None. ``how`` is
    static, one of ``DECODES``, of which only ``best`` has an answer without a policy; ``draws`` is static too, samples
    (``sample``, ``best``) or beams (``beam``) a budget.

    Raises:
      ValueError: if there is no policy and ``how`` needs one.
    """
    turn = jnp.zeros(budgets.shape[0], jnp.int32) if turn is None else turn
    keys = jax.vmap(functools.partial(_row_key, key))(budgets, turn)
    parts, sources = [], []
    if artefact.policy is None:
        if how != "best" or artefact.archive is None:
            raise ValueError(
                f"decode={how!r} needs a policy, and this checkpoint has only an archive; use decode='best'"
            )
        # The archive may hold nothing within a small budget, and an architecture exists.
        tokens, costs = vary.random_architectures(problem, budgets, key)
        objective, _ = evaluate(problem, tokens)
        parts.append((tokens[:, None], costs[:, None], objective[:, None]))
        sources.append(SOURCES.index("random"))
    else:
        for name in ("greedy", "sample", "beam"):
            if how in (name, "best"):
                count = {"greedy": 1, "sample": draws, "beam": draws if how == "beam" else BEAMS}[name]
                parts.append(_decode(artefact.policy, problem, budgets, keys, name, count))
                sources += [SOURCES.index(name)] * count
    if artefact.archive is not None and how == "best":
        parts.append(_from_archive(artefact.archive, problem, budgets))
        sources.append(SOURCES.index("archive"))
    tokens, costs, objective = (jnp.concatenate(columns, 1) for columns in zip(*parts, strict=True))
    return Candidates(tokens, costs, objective, jnp.array(sources, jnp.int32))


def _row_key(key: jax.Array, budget: jax.Array, turn: jax.Array) -> jax.Array:
    for number in (*budget, turn):
        key = jax.random.fold_in(key, number)
    return key


def _decode(
    policy: Policy, problem: Problem, budgets: jax.Array, keys: jax.Array, name: str, count: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    num = budgets.shape[0]
    real = jnp.ones((num, count), bool)
    if name == "greedy":
        tokens, costs = decode.greedy(policy, problem, budgets)
    elif name == "sample":
        noise = jax.vmap(lambda key: jax.random.uniform(key, (count, problem.spec.num_layers)))(keys)
        noise = noise.reshape(num * count, -1).T
        tokens, costs = decode.sample_by(policy, problem, jnp.repeat(budgets, count, 0), noise)
    else:
        tokens, costs, log_prob = decode.beam(policy, problem, budgets, count)
        real = log_prob > -jnp.inf
        tokens, costs = tokens.reshape(num * count, -1), costs.reshape(num * count, -1)
    objective, _ = evaluate(problem, tokens)
    shape = (num, count)
    return (
        tokens.reshape(*shape, -1),
        costs.reshape(*shape, -1),
        jnp.where(real, objective.reshape(shape), -jnp.inf),
    )


def _from_archive(archive: Archive, problem: Problem, budgets: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    allowed = allowed_rows(problem, archive.tokens)
    left = dataclasses.replace(archive, quality=jnp.where(allowed, archive.quality, -jnp.inf))
    row, quality = left.best_within(budgets)
    return archive.tokens[row][:, None], archive.costs[row][:, None], quality[:, None]


jit_candidates = jax.jit(candidates, static_argnames=("how", "draws"))
"""``candidates`` compiled; one compilation a shape, whatever the device table."""


@functools.partial(jax.jit, static_argnames=("place", "how", "draws"))
def spread_candidates(
    place: Placement,
    artefact: Artefact,
    problem: Problem,
    budgets: jax.Array,
    key: jax.Array,
    how: str,
    draws: int,
    turn: jax.Array,
) -> Candidates:
    """``jit_candidates`` with the rows shared among devices: each answers its own as it would answer them alone."""

    def own(shared: tuple[Artefact, Problem, jax.Array], rows: tuple[jax.Array, jax.Array]) -> Candidates:
        found = candidates(*shared[:2], rows[0], shared[2], how, draws, rows[1])
        return dataclasses.replace(found, source=found.source[None])

    found: Candidates = place.by_rows(own, (artefact, problem, key), (budgets, turn))
    return dataclasses.replace(found, source=found.source[0])


@jax.jit
def jit_evaluate(problem: Problem, tokens: jax.Array) -> jax.Array:
    """Objective float32 ``[B]`` of tokens ``[B, T]``, -inf where quality is not finite."""
    return evaluate(problem, tokens)[0]


@jax.jit
def jit_quality(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation float32 ``[B]`` of tokens ``[B, T]``."""
    mean, std = problem.quality(tokens, path_features(problem, tokens))
    return mean, std
