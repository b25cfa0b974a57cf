"""Candidates within budgets, and the unseen ones of the highest score.

A score says of each architecture how much its evaluation is worth under a budget. Where all architectures can be listed
they are the candidates; elsewhere the best evaluated of each budget are varied, generation after generation, towards
higher scores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.budgets import spread_budgets_in_unit
from nagjax.populations import vary
from nagjax.problems.problem import Problem, evaluate, path_costs, path_features
from nagjax.proposers.proposer import Question
from nagjax.spaces import trellis as tl
from nagjax.spaces.members import Members, members

LISTED = 2**16
"""Architectures that are looked at one by one at most."""

GENERATIONS, MEMBERS, CHUNK = 40, 32, 4096
MUTATIONS = 1.5
"""Decisions of a child that are drawn anew, on average."""

Score = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""``score(mean [N], std [N], best [N], key)``: ``best`` is the highest predicted quality of what is evaluated within
the budget, -inf where nothing is."""


def propose(question: Question, score: Score) -> np.ndarray:
    """The candidates of the highest score, tokens int32 ``[M, T]``, one for each of ``num`` budgets over the range."""
    key = jax.random.fold_in(jax.random.key(question.seed), question.number)
    budget_key, search_key = jax.random.split(key)
    budgets = spread_budgets_in_unit(budget_key, question.problem, question.num)
    best = best_evaluated(question, budgets)
    graph = question.description.space.trellis.target
    allowed = np.asarray(question.problem.allowed)
    if tl.count(graph, allowed)[0][0] <= LISTED:
        every = tl.enumerate_paths(graph, allowed)
        return _of_all(question, every, budgets, best, score, search_key)
    seen = members(question.evaluated.tokens, CHUNK)[0]
    pool, value = _evolve(question.problem, seen, *parents(question, budgets), budgets, best, score, search_key)
    return unseen(question, np.asarray(pool), np.asarray(value))


def best_evaluated(question: Question, budgets: jax.Array) -> jax.Array:
    """Highest predicted quality float32 ``[B]`` of what is evaluated within each budget; -inf where nothing is."""
    known = question.evaluated.tokens[question.evaluated.known]
    quality, costs = scored(question.problem, padded(known, CHUNK))
    fits = (costs[None, : len(known)] <= budgets[:, None]).all(-1)
    return jnp.max(jnp.where(fits, quality[None, : len(known)], -jnp.inf), -1)


def _of_all(
    question: Question, every: np.ndarray, budgets: jax.Array, best: jax.Array, score: Score, key: jax.Array
) -> np.ndarray:
    mean, std, costs = told_of(question.problem, padded(every, CHUNK))
    free = ~among(every, question.evaluated.tokens)
    chosen: list[int] = []
    for row in np.asarray(jax.random.permutation(key, len(budgets))):
        worth = np.array(_worth(score, mean, std, best[row], jax.random.fold_in(key, int(row))))[: len(every)]
        fits = (np.asarray(costs)[: len(every)] <= np.asarray(budgets[row])).all(-1)
        inside = free & fits if (free & fits).any() else free
        if not inside.any():
            break
        chosen.append(int(np.argmax(np.where(inside, worth, -np.inf))))
        free[chosen[-1]] = False
    return every[chosen]


def parents(question: Question, budgets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where evolution starts: the best evaluated within each budget, int32 ``[B, T]``, and whether there is one."""
    known = question.evaluated.known
    tokens, quality = question.evaluated.tokens[known], question.evaluated.quality[known]
    costs = np.asarray(scored(question.problem, padded(tokens, CHUNK))[1])[: len(tokens)]
    fits = (costs[None] <= np.asarray(budgets)[:, None]).all(-1)
    row = np.argmax(np.where(fits, quality[None], -np.inf), -1)
    return jnp.asarray(tokens[row]), jnp.asarray(fits.any(-1))


@functools.partial(jax.jit, static_argnums=6)
def _evolve(
    problem: Problem, seen: Members, parents: jax.Array, begun: jax.Array, budgets: jax.Array, best: jax.Array,
    score: Score, key: jax.Array,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """Candidates int32 ``[B * M, T]`` that evolved towards the score under each budget, and their scores ``[B, M]``."""
    num, length = parents.shape
    slots = num * MEMBERS
    asked, top = jnp.repeat(budgets, MEMBERS, 0), jnp.repeat(best, MEMBERS)
    rates = jnp.full(slots, MUTATIONS / length)
    start_key, draw_key, noise_key, key = jax.random.split(key, 4)

    def worth(tokens: jax.Array) -> jax.Array:
        mean, std = problem.quality(tokens, path_features(problem, tokens))
        # One draw for all generations: a child is compared with its parent under the same one.
        value = score(mean, std, top, noise_key)
        return jnp.where(jnp.isfinite(value) & ~seen.find(tokens)[1], value, -jnp.inf)

    def generation(state: tuple[jax.Array, jax.Array], key: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        tokens, value = state
        mate_key, child_key = jax.random.split(key)
        groups = tokens.reshape(num, MEMBERS, length)
        mates = jax.random.randint(mate_key, (num, MEMBERS), 0, MEMBERS)
        partners = jnp.take_along_axis(groups, mates[..., None], 1).reshape(slots, length)
        child, _ = vary.children(problem, tokens, partners, asked, rates, child_key)
        better = (found := worth(child)) > value
        return (jnp.where(better[:, None], child, tokens), jnp.where(better, found, value)), None

    random, _ = vary.random_architectures(problem, asked, draw_key)
    near, _ = vary.children(problem, jnp.repeat(parents, MEMBERS, 0), random, asked, rates, start_key)
    half = (jnp.arange(slots) % 2 == 0) & jnp.repeat(begun, MEMBERS)
    tokens = jnp.where(half[:, None], near, random)
    (tokens, value), _ = jax.lax.scan(generation, (tokens, worth(tokens)), jax.random.split(key, GENERATIONS))
    return tokens, value.reshape(num, MEMBERS)


def unseen(question: Question, pool: np.ndarray, value: np.ndarray) -> np.ndarray:
    """For each budget its best candidate that is neither evaluated nor chosen already."""
    taken = {row.tobytes() for row in question.evaluated.tokens}
    chosen = []
    for group, scores in zip(pool.reshape(*value.shape, -1), value, strict=True):
        best_first = np.argsort(-scores, kind="stable")
        fresh = [row for row in best_first if group[row].tobytes() not in taken]
        if fresh:
            chosen.append(group[fresh[0]])
            taken.add(group[fresh[0]].tobytes())
    return np.array(chosen, np.int32).reshape(-1, pool.shape[1])


def best_for_budgets(question: Question, pool: np.ndarray, budgets: jax.Array, problem: Problem) -> np.ndarray:
    """For each budget the best of the pool int32 ``[N, T]`` within it that is neither evaluated nor chosen already."""
    pool = pool[~among(pool, question.evaluated.tokens)]
    if not len(pool):
        return pool
    quality, costs = (np.array(values)[: len(pool)] for values in scored(problem, padded(pool, CHUNK)))
    chosen: list[int] = []
    for budget in np.asarray(budgets)[::-1]:
        worth = np.where((costs <= budget).all(-1), quality, -np.inf)
        row = int(np.argmax(worth))
        if np.isfinite(worth[row]):
            chosen.append(row)
            quality[row] = -np.inf
    return pool[chosen]


@functools.partial(jax.jit, static_argnums=0)
def _worth(score: Score, mean: jax.Array, std: jax.Array, best: jax.Array, key: jax.Array) -> jax.Array:
    value = score(mean, std, jnp.broadcast_to(best, mean.shape), key)
    return jnp.where(jnp.isfinite(value), value, -jnp.inf)


@jax.jit
def told_of(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Predicted mean and deviation float32 ``[N]`` of tokens ``[N, T]``, and costs int32 ``[N, K]``, ticks."""
    mean, std = problem.quality(tokens, path_features(problem, tokens))
    return mean, std, path_costs(problem, tokens)


@jax.jit
def scored(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``nagjax.problems.evaluate``, compiled."""
    return evaluate(problem, tokens)


def padded(tokens: np.ndarray, to: int) -> jax.Array:
    """Tokens ``[N, T]`` filled up with the last to a multiple of ``to`` rows, so that few shapes are compiled."""
    return jnp.asarray(np.concatenate([tokens, np.repeat(tokens[-1:], -len(tokens) % to, 0)]), jnp.int32)


def among(tokens: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows of ``[N, T]`` are among others ``[M, T]``, bool ``[N]``."""
    known = {row.tobytes() for row in np.asarray(others, np.int32)}
    return np.array([row.tobytes() in known for row in np.asarray(tokens, np.int32)], bool)
