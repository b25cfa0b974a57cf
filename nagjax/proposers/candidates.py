"""Candidates within budgets, and the unseen ones of the highest score.

A score says of each architecture how much its evaluation is worth under a budget. Where all architectures can be listed
they are the candidates. Elsewhere the best that are evaluated within each budget are varied, generation after
generation, towards a higher mean, and the score chooses among what they end in: how far they are improved decides more
than the score does, and a mean takes a tenth of the time. Nothing is asked beyond what the best evaluated costs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.budgets import budget_at, budget_position, spread_budgets, spread_budgets_in_unit
from nagjax.populations import vary
from nagjax.problems.problem import Problem, evaluate, path_costs, path_features
from nagjax.proposers.proposer import Question
from nagjax.spaces import trellis as tl
from nagjax.spaces.members import Members, members

LISTED = 2**16
"""Architectures that are looked at one by one at most."""

GENERATIONS, MEMBERS, CHUNK = 300, 16, 1024
MUTATIONS = 1.5
"""Decisions of a child that are drawn anew, on average."""
NEAR = 2
"""Budgets on either side with whose members a child is crossed."""
REACH = 1.05
"""How far beyond the costs of the best evaluated budgets lie, on the logarithmic scale of the range."""

Score = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""``score(mean [N], std [N], best [N], key)``: ``best`` is the highest predicted quality of what is evaluated within
the budget, -inf where nothing is."""


def propose(question: Question, score: Score) -> np.ndarray:
    """The candidates of the highest score, tokens int32 ``[M, T]``, one for each of ``num`` budgets over the range."""
    key = jax.random.fold_in(jax.random.key(question.seed), question.number)
    budget_key, search_key = jax.random.split(key)
    graph = question.description.space.trellis.target
    allowed = np.asarray(question.problem.allowed)
    if tl.count(graph, allowed)[0][0] <= LISTED:
        budgets = spread_budgets_in_unit(budget_key, question.problem, question.num)
        every = tl.enumerate_paths(graph, allowed)
        return _of_all(question, every, budgets, best_evaluated(question, budgets), score, search_key)
    budgets = _useful_budgets(question, budget_key)
    evolve_key, score_key = jax.random.split(search_key)
    done = question.evaluated.tokens
    seen = members(done, len(done) + -len(done) % CHUNK)[0]
    pool = _evolve(question.problem, seen, parents(question, budgets, MEMBERS), budgets, evolve_key)
    worth = _scored_pool(question.problem, pool, best_evaluated(question, budgets), score, score_key)
    return unseen(question, np.asarray(pool), np.asarray(worth))


def _useful_budgets(question: Question, key: jax.Array) -> jax.Array:
    """Rising budgets int32 ``[B, K]`` up to the costs of the best evaluated: half on the log scale, half in the unit.

    Each half has strata of its own over the whole range: strata of both scales by turns would leave parts to neither.
    """
    problem, known = question.problem, question.evaluated.known
    best = question.evaluated.tokens[known][np.argmax(question.evaluated.quality[known])]
    top = budget_position(problem, path_costs(problem, jnp.asarray(best[None])))
    within = dataclasses.replace(problem, high=budget_at(problem, jnp.minimum(REACH * top, 1.0))[0])
    log_key, even_key = jax.random.split(key)
    log = spread_budgets(log_key, within, -(-question.num // 2))
    mixed = jnp.concatenate([log, spread_budgets_in_unit(even_key, within, question.num // 2)])
    return mixed[jnp.argsort(mixed[:, 0])]


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


def parents(question: Question, budgets: jax.Array, num: int) -> jax.Array:
    """Where evolution starts, int32 ``[B, num, T]``: of each budget the best half as many evaluated within it, in turn.

    Where nothing is within it, all that is evaluated: variation repairs them.
    """
    known = question.evaluated.known
    tokens, quality = question.evaluated.tokens[known], question.evaluated.quality[known]
    costs = np.asarray(_costs(question.problem, padded(tokens, CHUNK)))[: len(tokens)]
    groups = []
    for budget in np.asarray(budgets):
        fits = (costs <= budget).all(-1)
        rows = np.flatnonzero(fits if fits.any() else ~fits)
        best = rows[np.argsort(-quality[rows], kind="stable")][: max(num // 2, 1)]
        groups.append(tokens[best[np.arange(num) % len(best)]])
    return jnp.asarray(np.array(groups))


@jax.jit
def _evolve(problem: Problem, seen: Members, parents: jax.Array, budgets: jax.Array, key: jax.Array) -> jax.Array:
    """Architectures int32 ``[B, M, T]`` within each budget that evolved from parents towards a higher predicted mean.

    A child takes its parent's place where its mean is higher, and nobody has seen it. Half of them are crossed with a
    member of this budget or of a near one.
    """
    num, size, length = parents.shape
    slots = num * size
    asked, rates = jnp.repeat(budgets, size, 0), jnp.full(slots, MUTATIONS / length)
    start_key, key = jax.random.split(key)

    def mean(tokens: jax.Array) -> jax.Array:
        found, _ = problem.quality(tokens, path_features(problem, tokens))
        return jnp.where(jnp.isfinite(found) & ~seen.find(tokens)[1], found, -jnp.inf)

    def generation(state: tuple[jax.Array, jax.Array], key: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        tokens, value = state
        group_key, mate_key, cross_key, child_key = jax.random.split(key, 4)
        step = jax.random.randint(group_key, (num, size), -NEAR, NEAR + 1)
        group = jnp.clip(jnp.arange(num)[:, None] + step, 0, num - 1)
        mate = jax.random.randint(mate_key, (num, size), 0, size)
        partners = tokens.reshape(num, size, length)[group, mate].reshape(slots, length)
        crossed = jax.random.bernoulli(cross_key, 0.5, (slots, 1))
        child, _ = vary.children(problem, tokens, jnp.where(crossed, partners, tokens), asked, rates, child_key)
        better = (found := mean(child)) > value
        return (jnp.where(better[:, None], child, tokens), jnp.where(better, found, value)), None

    flat = parents.reshape(slots, length)
    tokens, _ = vary.children(problem, flat, flat, asked, rates, start_key)
    (tokens, _), _ = jax.lax.scan(generation, (tokens, mean(tokens)), jax.random.split(key, GENERATIONS))
    return tokens.reshape(num, size, length)


@functools.partial(jax.jit, static_argnums=3)
def _scored_pool(problem: Problem, pool: jax.Array, best: jax.Array, score: Score, key: jax.Array) -> jax.Array:
    """Scores float32 ``[B, M]`` of a pool int32 ``[B, M, T]``; -inf where a predictor gives no number."""
    tokens = pool.reshape(-1, pool.shape[-1])
    mean, std = problem.quality(tokens, path_features(problem, tokens))
    worth = score(mean, std, jnp.repeat(best, pool.shape[1]), key)
    return jnp.where(jnp.isfinite(worth), worth, -jnp.inf).reshape(pool.shape[:2])


def unseen(question: Question, pool: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Of each budget's pool ``[B, M, T]`` or ``[B * M, T]`` the best by worth ``[B, M]``, not evaluated nor chosen.

    Budgets take turns, so that what one lacks, whose pool others have chosen from, another one fills.
    """
    taken = {row.tobytes() for row in question.evaluated.tokens}
    chosen: list[np.ndarray] = []
    groups = pool.reshape(*worth.shape, pool.shape[-1])
    waiting = [iter(group[np.argsort(-scores, kind="stable")]) for group, scores in zip(groups, worth, strict=True)]
    while waiting and len(chosen) < question.num:
        going = []
        for group in waiting:
            row = next((row for row in group if row.tobytes() not in taken), None)
            if row is not None:
                taken.add(row.tobytes())
                chosen.append(row)
                going.append(group)
        waiting = going
    return np.array(chosen[: question.num], np.int32).reshape(-1, pool.shape[-1])


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


_costs = jax.jit(path_costs)


def padded(tokens: np.ndarray, to: int) -> jax.Array:
    """Tokens ``[N, T]`` filled up with the last to a multiple of ``to`` rows, so that few shapes are compiled."""
    return jnp.asarray(np.concatenate([tokens, np.repeat(tokens[-1:], -len(tokens) % to, 0)]), jnp.int32)


def among(tokens: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows of ``[N, T]`` are among others ``[M, T]``, bool ``[N]``."""
    known = {row.tobytes() for row in np.asarray(others, np.int32)}
    return np.array([row.tobytes() in known for row in np.asarray(tokens, np.int32)], bool)
