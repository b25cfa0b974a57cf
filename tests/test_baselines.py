"""Random search, enumeration and the table lookup against lists made by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, plugins, testing
from nagjax.controllers import Limits
from nagjax.problems.problem import restrict
from nagjax_baselines import counting, lookup, shrink
from tests import tiny


def trained(name, problem, seed=0, steps=4, params=None, **static):
    controller = plugins.load("controllers", name)(problem.spec, **static)
    given = controllers.resolve_params(controller, params)
    state = controllers.init(controller, problem, seed, given)
    moment = controllers.train(controller, problem, state, seed, Limits(steps, chunk=steps), given)
    return controllers.artefact(controller, moment.state, problem).archive, moment


def front(oracle, rows):
    """Tokens of the rows that no other row beats or precedes as its equal, by comparing all pairs."""
    rows, kept = [i for i in rows if np.isfinite(oracle.quality[i])], set()
    for i in rows:
        within = (oracle.costs[rows] <= oracle.costs[i]).all(1)
        cheaper = (oracle.costs[rows] < oracle.costs[i]).any(1)
        better, equal = oracle.quality[rows] > oracle.quality[i], oracle.quality[rows] == oracle.quality[i]
        if not (within & (better | (equal & cheaper))).any():
            kept.add(tuple(oracle.tokens[i].tolist()))
    return kept


def held(archive):
    full = np.asarray(archive.occupied)
    return tiny.rows(np.asarray(archive.tokens)[full])


def test_counts_are_the_trellis_own():
    problem, _ = tiny.make()
    assert int(counting.completions(problem)[0, 0]) == 24
    assert float(jnp.exp(counting.log_completions(problem)[0, 0])) == pytest.approx(24, rel=1e-5)
    # Without depth 1: two sizes, two blocks of three kernels.
    deep = restrict(problem, problem.allowed.at[1, :, 0].set(False))
    assert int(counting.completions(deep)[0, 0]) == 18


def test_ranks_give_every_architecture_in_order():
    problem, _ = tiny.make()
    found = counting.architecture_at(problem, counting.completions(problem), jnp.arange(24))
    np.testing.assert_array_equal(found, sorted(tiny.architectures().tolist()))


def test_uniform_architectures_are_uniform():
    """24 architectures, 3 of 12 a size at depth 1: choosing each decision uniformly would give those a half."""
    problem, _ = tiny.make()
    num = 24_000
    tokens = np.asarray(jax.jit(counting.uniform_architectures, static_argnums=1)(problem, num, jax.random.key(0)))
    _, counts = np.unique(tokens, axis=0, return_counts=True)
    assert len(counts) == 24
    # A count has deviation 31; the sum of squares over 1000 is chi-square with 23 degrees of freedom.
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 60
    assert tiny.rows(tokens) == tiny.rows(tiny.architectures())


@pytest.mark.parametrize("masked", [0.0, 1.0])
def test_random_search_ends_in_the_front_of_the_space(masked):
    """After 2,560 draws of 24 architectures nothing is unseen."""
    problem, _ = tiny.make()
    archive, moment = trained("random", problem, steps=10, params={"masked": masked}, children=256, capacity=24)
    exact, _ = trained("enumeration", problem, steps=1, batch=24, capacity=24)
    assert held(archive) == held(exact)
    assert moment.metrics["evaluations"].tolist() == [256.0 * (i + 1) for i in range(10)]
    assert moment.metrics["infeasible"].tolist() == [0.0] * 10


@pytest.mark.parametrize("variant", ["depth", "two_costs"])
def test_enumeration_equals_brute_force(variant):
    known = testing.tiny_problem(variant=variant, gaps=0.2)
    rows = range(len(known.oracle.tokens))
    archive, moment = trained("enumeration", known.problem, steps=4, batch=100, capacity=200)
    assert held(archive) == front(known.oracle, rows)
    num = len(known.oracle.tokens)
    assert moment.metrics["evaluations"].tolist() == [min(num, 100.0 * (i + 1)) for i in range(4)]
    assert moment.metrics["nonfinite"].sum() == (~np.isfinite(known.oracle.quality)).sum()


@pytest.mark.parametrize(("name", "static"), [("enumeration", {"batch": 100}), ("lookup", {})])
def test_after_a_change_everything_that_is_still_allowed_is_seen_again(name, static):
    """Half-way through; other prices and qualities, and choices closed: the front is that of the new problem."""
    before = testing.tiny_problem().problem
    known = testing.tiny_problem(seed=1, device=1, where={"layer1": [8, 24], "layer3": [8, 16]})
    controller = plugins.load("controllers", name)(before.spec, capacity=200, **static)
    state = controllers.train(controller, before, controllers.init(controller, before, 0), 0, Limits(2)).state
    state = controllers.rebase(controller, state, known.problem)
    spent, allowed = int(state.findings.evaluations), np.flatnonzero(known.oracle.allowed)
    state = controllers.train(controller, known.problem, state, 0, Limits(4)).state
    assert held(state.findings.archive) == front(known.oracle, allowed)
    # The table is read by rebase itself; the enumeration begins anew.
    reads = len(known.oracle.tokens) + len(allowed) if name == "lookup" else spent + len(allowed)
    assert int(state.findings.evaluations) == reads


def test_enumeration_that_ends_early_has_repeated_nothing():
    known = testing.tiny_problem()
    controller = plugins.load("controllers", "enumeration")(known.problem.spec, batch=7)
    total = len(known.oracle.tokens)
    for start in (0, 5, 2**20 - 1):
        seen = [
            (start + index * 1048583) % total for index in range(total)
        ]  # the documented order, in Python's integers
        assert sorted(seen) == list(range(total))
        state = dataclasses.replace(
            controllers.init(controller, known.problem, 0),
            start=jnp.uint32(start), prime=jnp.uint32(1048583), seen=jnp.uint32(total - 3),
        )  # fmt: skip
        state, metrics = controller.update(state, jax.random.key(0), known.problem, {}, jnp.float32(0))
        assert float(metrics["evaluations"]) == 3
        assert held(state.findings.archive) == front(known.oracle, seen[-3:])


def test_enumeration_refuses_what_is_too_many():
    spec = dataclasses.replace(tiny.make()[0].spec, choices=(9,) * 20, kinds=("a",) * 20)
    with pytest.raises(ValueError, match=r"20 decisions allow up to 1\.22e\+19 architectures.*1,048,576"):
        plugins.load("controllers", "enumeration")(spec)


def test_lookup_reads_the_whole_table():
    known = testing.tiny_problem(gaps=0.2)
    archive, moment = trained("lookup", known.problem, steps=1, capacity=200)
    assert held(archive) == front(known.oracle, range(len(known.oracle.tokens)))
    assert moment.metrics["evaluations"].tolist() == [len(known.oracle.tokens)]
    assert moment.metrics["nonfinite"].tolist() == [(~np.isfinite(known.oracle.quality)).sum()]


def test_rows_of_the_table_are_its_architectures():
    """Also where a layer is closed: its one choice has the same offset as nothing before it."""
    known = testing.tiny_problem()
    total = len(known.oracle.tokens)
    tokens = lookup.labelled(known.problem.quality, jnp.arange(total))
    np.testing.assert_array_equal(tokens, sorted(known.oracle.tokens.tolist()))


def test_lookup_of_some_labels_knows_only_them():
    known = testing.tiny_problem()
    archive, moment = trained("lookup", known.problem, seed=3, steps=1, labels=20, capacity=64)
    ranks = np.asarray(moment.state.ranks)
    assert len(set(ranks.tolist())) == 20
    order = np.lexsort(known.oracle.tokens.T[::-1])
    assert held(archive) == front(known.oracle, order[ranks])
    assert moment.metrics["evaluations"].tolist() == [20.0]


def test_lookup_refuses_a_problem_without_labels():
    problem, _ = tiny.make()
    controller = plugins.load("controllers", "lookup")(problem.spec)
    with pytest.raises(ValueError, match="form mlp holds no labels"):
        controllers.init(controller, problem, 0)
    known = testing.tiny_problem()
    with pytest.raises(ValueError, match=r"labels=9999, but the table has 351"):
        controllers.init(plugins.load("controllers", "lookup")(known.problem.spec, labels=9999), known.problem, 0)


def test_shrinking_is_greedy_by_hand():
    """Against a plain loop: of all architectures that one choice makes smaller the one of the least loss per saving."""
    tiny_wide = testing.tiny_problem(seed=2, variant="wide")
    problem, oracle = tiny_wide.problem, tiny_wide.oracle
    ticks = np.asarray(problem.cost[0]).max(1)  # one node a layer
    here = ticks.argmax(1)
    archive, moment = trained("greedy_shrink", problem, steps=7)
    met = [here]
    for _ in range(7):
        edits = []
        for t, paid in enumerate(ticks[np.arange(9), here]):
            for choice in np.flatnonzero(ticks[t] < paid):
                edit = here.copy()
                edit[t] = choice
                lost = oracle.quality[oracle.rows([here, edit])] @ [1, -1]
                edits.append((lost / (paid - ticks[t, edit[t]]), edit))
        met += [edit for _, edit in edits]
        here = min(edits, key=lambda pair: pair[0])[1]
    np.testing.assert_array_equal(moment.state.tokens, here)
    assert float(moment.metrics["evaluations"][-1]) == len(met)
    full = np.asarray(archive.occupied)
    assert {tuple(row) for row in np.asarray(archive.tokens)[full].tolist()} == front(oracle, oracle.rows(met).tolist())


def test_shrinking_begins_again_and_takes_other_ways():
    """A descent of the tiny space has at most 2 edits a block, 1 of size and 1 of depth; then the largest is back."""
    problem, description = tiny.make()
    largest = shrink.largest(problem)
    costs = description.costs_of(tiny.architectures())[:, 0]
    assert description.costs_of(np.asarray(largest)[None])[0, 0] == costs.max()
    _, moment = trained("greedy_shrink", problem, steps=30)
    assert int(moment.state.descent) >= 2
    other = trained("greedy_shrink", problem, seed=1, steps=30)[1].state
    assert int(other.findings.evaluations) != int(moment.state.findings.evaluations)


def test_an_edit_of_depth_closes_what_it_cuts_off():
    one = testing.tiny_problem()
    largest = shrink.largest(one.problem)
    smaller, saved = shrink.edits(one.problem, largest)
    rows = one.oracle.rows(np.asarray(smaller)[np.asarray(saved) > 0])
    assert (rows >= 0).all()
    assert np.asarray(smaller)[1].tolist() == [1, *np.asarray(largest)[1:5].tolist(), 0]
    assert np.asarray(smaller)[0].tolist() == [0, *np.asarray(largest)[1:4].tolist(), 0, 0]
