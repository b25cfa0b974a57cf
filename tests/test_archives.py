"""The archive against a dictionary of the best of each cell."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.inference.nondominated import nondominated
from nagjax.populations.cells import Cells, cell_of
from nagjax.problems.problem import evaluate, restrict
from nagjax.spaces.trellis import INFINITE
from tests import tiny

TOKENS = tiny.architectures()
CELLS = 7
insert, best_within, rescore = jax.jit(Cells.insert), jax.jit(Cells.best_within), jax.jit(Cells.rescore)
several = pytest.mark.parametrize("seed", range(3))
columns = pytest.mark.parametrize("reduces", [("sum",), ("sum", "max")], ids=["one column", "two columns"])


def by_hand(problem, tokens, costs, quality):
    """The best of each cell, a later one winning a draw within a batch."""
    held = {}
    cell = np.asarray(cell_of(problem, jnp.asarray(costs), CELLS))
    for one, row, paid, good in zip(cell.tolist(), tokens.tolist(), costs.tolist(), quality.tolist(), strict=True):
        if good > -np.inf and (one not in held or good >= held[one][2]):
            held[one] = (row, paid, good)
    return held


def contents(archive):
    live = np.flatnonzero(archive.occupied)
    tokens, costs, quality = (np.asarray(x) for x in (archive.tokens, archive.costs, archive.quality))
    return {int(i): (tokens[i].tolist(), costs[i].tolist(), float(quality[i])) for i in live}


def filled(problem, seed=0):
    """All architectures in random order, some drawn twice and some of no quality."""
    rng = np.random.default_rng(seed)
    tokens = TOKENS[rng.integers(0, len(TOKENS), 32)]
    objective, costs = evaluate(problem, jnp.asarray(tokens))
    quality = np.where(rng.random(32) < 0.2, -np.inf, np.round(objective, 1)).astype(np.float32)
    return tokens, np.asarray(costs), quality


@columns
@several
def test_each_cell_keeps_its_best(seed, reduces):
    problem, _ = tiny.make(seed, reduces)
    tokens, costs, quality = filled(problem, seed)
    archive = insert(Cells.empty(problem.spec, CELLS), problem, tokens, costs, quality)
    assert contents(archive) == by_hand(problem, tokens, costs, quality)
    again = insert(archive, problem, tokens, costs, quality)
    assert contents(again) == contents(archive)
    assert (np.asarray(again.costs)[~np.asarray(again.occupied)] == INFINITE).all()
    draw = insert(archive, problem, np.zeros_like(archive.tokens), archive.costs, archive.quality)
    assert contents(draw) == contents(archive)
    better = insert(archive, problem, tokens[:4], costs[:4], np.full(4, 2.0, np.float32))
    assert set(contents(better)) == set(contents(archive)) | set(by_hand(problem, tokens[:4], costs[:4], np.ones(4)))
    assert max(q for _, _, q in contents(better).values()) == 2.0


def test_an_empty_cell_is_no_answer_and_what_is_no_number_never_enters():
    problem, _ = tiny.make()
    empty = Cells.empty(problem.spec, CELLS)
    _, costs, _ = filled(problem)
    for bad in (np.nan, -np.inf):
        archive = insert(empty, problem, TOKENS, costs[: len(TOKENS)], np.full(len(TOKENS), bad, np.float32))
        assert contents(archive) == {}
        assert not np.isnan(archive.quality).any()
    _, quality = best_within(empty, jnp.full((3, 1), INFINITE - 1))
    assert (np.asarray(quality) == -np.inf).all()


@columns
@several
def test_the_best_within_a_budget(seed, reduces):
    problem, _ = tiny.make(seed, reduces)
    archive = insert(Cells.empty(problem.spec, CELLS), problem, *filled(problem, seed))
    held = contents(archive)
    budgets = np.concatenate(
        [np.asarray(archive.costs), np.asarray(problem.low)[None] - 1, np.asarray(problem.high)[None]]
    )
    rows, quality = best_within(archive, budgets)
    for budget, row, good in zip(budgets, np.asarray(rows).tolist(), np.asarray(quality).tolist(), strict=True):
        fitting = [q for _, paid, q in held.values() if (np.array(paid) <= budget).all()]
        assert good == max(fitting, default=-np.inf)
        if fitting:
            assert held[row][2] == good
            assert (np.array(held[row][1]) <= budget).all()


@several
def test_rescoring_prices_anew_and_drops_what_is_closed(seed):
    old, _ = tiny.make(seed)
    new, _ = tiny.make(seed + 10)
    new = restrict(new, jnp.asarray(tiny.make_space().where({"size": 8})))
    archive = insert(Cells.empty(old.spec, CELLS), old, *filled(old, seed))
    kept = np.array([row for row, _, _ in contents(archive).values() if row[0] == 0], np.int32)
    objective, costs = evaluate(new, jnp.asarray(kept))
    found = contents(rescore(archive, new))
    wanted = by_hand(new, kept, np.asarray(costs), np.asarray(objective))
    assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in wanted.items()}
    for key, (_, _, quality) in found.items():
        assert quality == pytest.approx(wanted[key][2], rel=1e-5)


def test_cells_are_even_on_a_logarithmic_scale():
    problem, _ = tiny.make()
    problem = dataclasses.replace(problem, low=jnp.array([1000]), high=jnp.array([16000]))
    costs = jnp.array([[1], [1000], [1999], [2001], [4001], [8001], [16000], [10**6]], jnp.int32)
    assert cell_of(problem, costs, 4).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]


def test_rows_that_no_other_beats():
    quality = np.array([0.5, 0.4, 0.7, 0.7, -np.inf])
    assert nondominated(np.array([[2.0], [3.0], [4.0], [5.0], [1.0]]), quality).tolist() == [4, 0, 2]
    costs = np.array([[2.0, 3.0], [3.0, 2.0], [4.0, 4.0], [5.0, 4.0], [1.0, 9.0]])
    assert nondominated(costs, quality).tolist() == [4, 0, 1, 2]
