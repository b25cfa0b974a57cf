"""The prefix trie against brute force: the listed architectures and no other, each with costs of its own."""

import dataclasses
import re

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagjax import tabular
from nagjax.inference.distinct import enumerate_within
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.problem import evaluate, path_costs, restrict
from nagjax.spaces import draws, trie
from nagjax.spaces import trellis as tl
from tests import tiny

SPACE, TOKENS = tiny.make_space(), tiny.architectures()
some = settings(max_examples=25)


def draw(seed):
    """Some architectures in any order, with costs that are not a sum of anything, and qualities."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(TOKENS))[: rng.integers(1, len(TOKENS) + 1)]
    return TOKENS[rows], rng.uniform(1, 9, len(rows)), rng.random(len(rows)).astype(np.float32)


def make(tokens, cost, quality, **other):
    found = tabular.from_records(
        SPACE, Records(tokens, quality.astype(float), {"latency_ms": cost, **other}, "toy.csv")
    )
    problem, description = make_problem(found.space, found.prices, found.quality, quality_report=found.report)
    return found, problem, description


def test_three_architectures_by_hand():
    """Size 8 with kernel 1, or with kernels 3 and 5; size 16 with kernel 5."""
    space = trie.narrow(SPACE, np.array([[1, 0, 2, 0], [0, 1, 1, 2], [0, 0, 0, 0]]))
    graph = space.trellis
    assert graph.shape == (4, 3, 3)
    assert np.argwhere(graph.valid).tolist() == [
        [0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [2, 0, 0], [2, 1, 1], [2, 2, 2],
        [3, 0, 0], [3, 1, 2], [3, 2, 0],
    ]  # fmt: skip
    assert graph.target[graph.valid].tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 0, 0, 0]
    # The second block is closed at depth 1; a single choice that is not forced by the space stays open.
    assert graph.open.tolist() == [[True, False, False], [True, True, False], [True] * 3, [False, True, False]]
    assert space.refinement.startswith("prefix trie of 3 architectures: 4 layers x 3 nodes x 3 choices")
    edges = trie.last_edges(space, np.array([[0, 1, 1, 2], [1, 0, 2, 0]]), np.array([7.0, 5.0]))
    assert {tuple(at): edges[tuple(at)] for at in np.argwhere(edges)} == {(3, 1, 2): 7.0, (3, 2, 0): 5.0}


@some
@given(st.integers(0, 2**32 - 1))
def test_the_trie_has_the_listed_paths_and_no_other(seed):
    tokens, _, _ = draw(seed)
    space = trie.narrow(SPACE, np.concatenate([tokens, tokens[:2]]))
    graph = space.trellis
    assert tiny.rows(tl.enumerate_paths(graph.target, graph.valid)) == tiny.rows(tokens)
    assert space.count() == len(tokens)
    assert space.canonical(tokens).tolist() == tokens.tolist()
    assert tiny.rows(space.sample(np.random.default_rng(0), 300)) <= tiny.rows(tokens)
    np.testing.assert_array_equal(space.features(tokens), SPACE.features(tokens))
    values = np.arange(1.0, len(SPACE.operators) + 1)
    np.testing.assert_array_equal(space.operator_sum(tokens, values), SPACE.operator_sum(tokens, values))
    for absent in tiny.rows(TOKENS) - tiny.rows(tokens):
        with pytest.raises(ValueError, match="not an architecture"):
            space.parse("".join(map(str, absent)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_measured_costs_are_exact_and_the_mask_leaves_what_fits(seed):
    tokens, cost, quality = draw(seed)
    found, problem, description = make(tokens, cost, quality)
    objective, ticks = evaluate(problem, jnp.asarray(tokens))
    np.testing.assert_array_equal(objective, quality)
    info = description.costs[0]
    reported = info.to_unit(np.asarray(ticks)[:, 0])
    assert (reported >= cost).all()
    assert (reported < cost + 2.0**-info.exponent).all(), "less than one tick above what was measured"
    assert description.ranges[0].tolist() == [cost.min(), cost.max()]
    assert description.costs_of(tokens)[:, 0].tolist() == cost.tolist()
    rng = np.random.default_rng(seed)
    for budget in [cost.min(), *rng.uniform(cost.min(), cost.max(), 4), cost.max() + 1]:
        fits = reported <= budget
        left, _ = enumerate_within(problem, np.array([info.to_ticks(budget)]), 1000)
        assert tiny.rows(left) == tiny.rows(tokens[fits])
        if fits.any():
            best = np.asarray(evaluate(problem, jnp.asarray(left))[0]).max()
            assert best == quality[fits].max(), "the oracle over rows"
    # Cost to go of every prefix is the least cost of the rows that begin with it.
    nodes, _ = tl.walk(found.space.trellis.target, found.space.trellis.valid, tokens)
    for t in range(4):
        for s in np.unique(nodes[:, t]):
            assert problem.togo[0, t, s] == np.asarray(ticks)[nodes[:, t] == s, 0].min()


def test_conditions_and_a_second_column():
    tokens, cost, quality = draw(3)
    found, problem, description = make(tokens, cost, quality, energy_mj=cost[::-1].copy())
    assert [info.unit for info in description.costs] == ["ms", "mJ"]
    reported = np.ldexp(np.asarray(path_costs(problem, tokens), float), [-info.exponent for info in description.costs])
    np.testing.assert_allclose(reported, np.stack([cost, cost[::-1]], 1), rtol=1e-8)
    left = restrict(problem, jnp.asarray(found.space.where({"size": 16})))
    kept = tl.enumerate_paths(found.space.trellis.target, np.asarray(left.allowed))
    assert tiny.rows(kept) == {row for row in tiny.rows(tokens) if row[0] == 1}


def test_what_is_no_row_is_refused_with_its_first_wrong_choice():
    space = trie.narrow(SPACE, np.array([[1, 0, 2, 0], [0, 1, 1, 2], [0, 0, 0, 0]]))
    for tokens, said in (
        ([1, 1, 2, 0], "depth may be 1, not 2"),
        ([1, 0, 9, 0], "block0 may be 5, not choice 9"),
        ([0, 0, 0, 1], "block1 is closed, so it is 0, not 1"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{tokens} is not an architecture of tiny") + f".*{said}"):
            space.check(np.array([tokens]))


def test_draws_of_a_large_trie_meet_conditions_on_late_decisions(monkeypatch):
    """Kernel 1 stands in one of the three only; other beginnings lead nowhere, and none of them is drawn."""
    space = trie.narrow(SPACE, np.array([[1, 0, 2, 0], [0, 1, 1, 2], [0, 0, 0, 0]]))
    allowed = space.where({"kernel": 1})
    (left,) = tl.enumerate_paths(space.trellis.target, allowed).tolist()
    monkeypatch.setattr(draws, "POOL", 0)
    assert draws.varied(space, allowed, 8, np.random.default_rng(0)).tolist() == [left] * 8
    none = np.zeros((0, 4), np.int32)
    assert draws.unseen(space, allowed, none, 1, np.random.default_rng(0)).tolist() == [left]


def test_operators_and_edges_add_up():
    tokens, cost, quality = draw(5)
    found, _, _ = make(tokens, cost, quality)
    values = np.linspace(0.5, 1.0, len(SPACE.operators))
    prices = dataclasses.replace(found.prices[0], values=values)
    problem, description = make_problem(found.space, [prices], found.quality)
    raw = cost + SPACE.operator_sum(tokens, values)
    ticks = np.asarray(path_costs(problem, tokens))[:, 0]
    np.testing.assert_allclose(description.costs[0].to_unit(ticks), raw, rtol=1e-7)
    largest = dataclasses.replace(prices, reduce="max")
    problem, description = make_problem(found.space, [largest], found.quality)
    reported = description.costs[0].to_unit(np.asarray(path_costs(problem, tokens))[:, 0])
    np.testing.assert_allclose(reported, np.maximum(cost, SPACE.path_values(tokens, np.append(values, 0)[
        SPACE.trellis.operators].max(-1)).max(-1)), rtol=1e-7)  # fmt: skip


def test_what_cannot_be_a_trie_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"no architecture of tiny.* is listed"):
        trie.narrow(SPACE, TOKENS[:0])
    with pytest.raises(ValueError, match=r"row 1, \[0, 0, 0, 1\], is not an architecture"):
        trie.narrow(SPACE, np.array([[0, 0, 0, 0], [0, 0, 0, 1]]))
    with pytest.raises(ValueError, match="share a last edge"):
        trie.last_edges(SPACE, TOKENS, np.ones(len(TOKENS)))
    whole = trie.narrow(SPACE, TOKENS)
    monkeypatch.setattr(trie, "MAX_EDGES", 4 * 12 * 3 - 1)
    text = "prefix trie of 24 architectures of tiny()/v1 has 4 layers x 12 nodes x 3 choices = 144 edges, above the 143"
    with pytest.raises(ValueError, match=re.escape(text) + r".*'block0' has the most choices, 3"):
        trie.narrow(SPACE, TOKENS)
    part = trie.narrow(SPACE, TOKENS[:3])
    with pytest.raises(ValueError, match="the graph allows choice"):
        trie.refine(part, whole.trellis.target, whole.trellis.valid, "all")
    with pytest.raises(ValueError, match="does not refine"):
        trie.refine(SPACE, whole.trellis.target[:3], whole.trellis.valid[:3], "three")


def test_a_long_setting_stands_in_the_identity_by_its_hash():
    long, other = (dataclasses.replace(SPACE, settings={"names": list(range(n))}) for n in (40, 41))
    assert re.fullmatch(r"tiny\(names=#[0-9a-f]{8}\)/v1", long.identity)
    assert long.identity != other.identity
    assert dataclasses.replace(SPACE, settings={"width": 1.2}).identity == "tiny(width=1.2)/v1"
