"""The trellis against brute force: every recursion is compared with a walk over all paths of small random graphs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagjax.operators import Operator
from nagjax.spaces import trellis as tl

seeds = st.integers(0, 2**32 - 1)
LAYERS, NODES, CHOICES = 4, 3, 3
togo_jitted = jax.jit(tl.cost_to_go, static_argnames="reduce")


def random_graph(seed, density=0.6):
    """Target, mask and costs, with dead ends and unreachable nodes; of one shape, so the recursions compile once."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, NODES, (LAYERS, NODES, CHOICES)).astype(np.int32)
    return target, rng.random(target.shape) < density, rng.integers(0, 50, target.shape).astype(np.int32)


def paths_from(target, valid, t, s):
    """Every way to finish from a node, as tuples of (t, s, c)."""
    if t == len(target):
        return [()]
    return [
        ((t, s, c), *rest)
        for c in range(valid.shape[2])
        if valid[t, s, c]
        for rest in paths_from(target, valid, t + 1, int(target[t, s, c]))
    ]


def tokens_of(path):
    return tuple(c for _, _, c in path)


every_node = list(itertools.product(range(LAYERS), range(NODES)))


@given(seeds)
def test_count_and_enumeration(seed):
    target, valid, _ = random_graph(seed)
    totals = tl.count(target, valid)
    assert totals == [
        [len(paths_from(target, valid, t, s)) for s in range(NODES)] for t in range(LAYERS + 1)
    ]  # fmt: skip
    found = [tuple(row) for row in tl.enumerate_paths(target, valid).tolist()]
    assert found == sorted(tokens_of(path) for path in paths_from(target, valid, 0, 0))


def test_enumeration_refuses_more_than_the_limit():
    target, valid = np.zeros((4, 1, 3), np.int32), np.ones((4, 1, 3), bool)
    assert len(tl.enumerate_paths(target, valid, limit=81)) == 81
    with pytest.raises(ValueError, match=r"81 architectures are more than the 80 .* sample"):
        tl.enumerate_paths(target, valid, limit=80)


def test_count_is_exact_beyond_machine_integers():
    target, valid = np.zeros((60, 1, 10), np.int32), np.ones((60, 1, 10), bool)
    assert tl.count(target, valid)[0] == [10**60]


@given(seeds)
def test_walk_accepts_the_paths_and_nothing_else(seed):
    target, valid, _ = random_graph(seed)
    tokens = np.array(list(itertools.product(range(-1, CHOICES + 1), repeat=LAYERS)), np.int32)
    nodes, fine = tl.walk(target, valid, tokens)
    paths = {tokens_of(path): [s for _, s, _ in path] for path in paths_from(target, valid, 0, 0)}
    assert {tuple(row) for row in tokens[fine].tolist()} == set(paths)
    assert all(paths[tuple(row.tolist())] == at.tolist() for row, at in zip(tokens[fine], nodes[fine], strict=True))


@given(seeds)
def test_sampling_stays_on_the_paths(seed):
    target, valid, _ = random_graph(seed)
    paths = {tokens_of(path) for path in paths_from(target, valid, 0, 0)}
    rng = np.random.default_rng(seed)
    if paths:
        drawn = {tuple(row) for row in tl.sample_uniform(target, valid, rng, 64).tolist()}
        assert drawn <= paths
    else:
        with pytest.raises(ValueError, match=r"no architecture is left .* allow"):
            tl.sample_uniform(target, valid, rng, 1)


def test_sampling_is_uniform_over_paths_not_over_choices():
    """Choice 0 leads to 1 path, choice 1 to 2 * 3, choice 2 nowhere: 1/7 and 6/7, not 1/2 and 1/2."""
    target = np.zeros((3, 2, 3), np.int32)
    valid = np.zeros(target.shape, bool)
    target[0, 0] = [0, 1, 1]
    valid[0, 0, :2] = valid[1, 0, :1] = valid[1, 1, 1:] = True
    target[1, 1] = 1
    valid[2, 0, 1] = valid[2, 1] = True
    draws = 14_000
    drawn, times = np.unique(
        tl.sample_uniform(target, valid, np.random.default_rng(0), draws), axis=0, return_counts=True
    )
    assert drawn.tolist() == [[0, 0, 1], *([1, c, d] for c in (1, 2) for d in (0, 1, 2))]
    # One standard deviation of a frequency is 0.003 here; the seed is fixed.
    np.testing.assert_allclose(times / draws, 1 / 7, atol=0.015)


@pytest.mark.parametrize("reduce", ["sum", "max"])
@given(seed=seeds)
def test_cost_to_go(reduce, seed):
    target, valid, cost = random_graph(seed)
    togo = np.asarray(togo_jitted(jnp.asarray(target), jnp.asarray(valid), jnp.asarray(cost), reduce=reduce))
    total = {"sum": sum, "max": lambda values: max(values, default=0)}[reduce]
    for t, s in every_node:
        costs = [total([int(cost[edge]) for edge in path]) for path in paths_from(target, valid, t, s)]
        assert togo[t, s] == min(costs, default=tl.INFINITE)
    assert togo.shape == (LAYERS + 1, NODES)
    assert togo.dtype == np.int32
    assert not togo[LAYERS].any()


def test_cost_to_go_of_the_largest_costs_does_not_wrap():
    shape = (2, 1, 2)
    target, cost = jnp.zeros(shape, jnp.int32), jnp.full(shape, tl.INFINITE - 1, jnp.int32)
    allowed = jnp.ones(shape, bool).at[1].set(False)
    assert tl.cost_to_go(target, allowed, cost).tolist() == [[tl.INFINITE], [tl.INFINITE], [0]]
    assert tl.cost_to_go(target, jnp.ones(shape, bool), cost).min() == 0
    assert tl.cost_to_go(target, jnp.ones(shape, bool), cost)[0, 0] == tl.INFINITE


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("reduce", ["sum", "max"])
@given(seed=seeds)
def test_dearest(reduce, dtype, seed):
    target, valid, cost = random_graph(seed)
    paths = paths_from(target, valid, 0, 0)
    total = {"sum": sum, "max": max}[reduce]
    expected = max((total([int(cost[edge]) for edge in path]) for path in paths), default=0)
    assert tl.costliest(target, valid, cost.astype(dtype), reduce) == expected


@given(seeds)
def test_edge_need_is_cost_plus_cheapest_finish(seed):
    target, valid, cost = random_graph(seed)
    ahead = np.array([5, tl.INFINITE, 7], np.int32)
    need = np.asarray(tl.edge_need(jnp.asarray(target[0]), jnp.asarray(valid[0]), jnp.asarray(cost[0]), ahead, "sum"))
    for s, c in itertools.product(range(NODES), range(CHOICES)):
        onward = int(ahead[target[0, s, c]])
        dead = not valid[0, s, c] or onward == tl.INFINITE
        assert need[s, c] == (tl.INFINITE if dead else int(cost[0, s, c]) + onward)


# Building

CONV = [Operator("conv", 4, 4, n, n) for n in range(1, 6)]


def toy_edges(t, node):
    """Layer 0: 0 ends the path, 1 goes on; layer 1 is closed after 0; layer 2 is forced but costs something."""
    if t == 0:
        return [tl.Edge(0, "end", (CONV[0],), ("a",)), tl.Edge(1, "on", (CONV[1], CONV[0]))]
    if t == 1:
        return (
            [tl.Edge(0, "x")] if node == "end" else [tl.Edge(0, "x", (CONV[2],), ("b",)), tl.Edge(2, "y", (CONV[1],))]
        )
    return [tl.Edge(0, "done", (CONV[3],), ("c", "a"))]


def test_build_lays_the_graph_out():
    graph, operators = tl.build(3, "start", toy_edges, "abc")
    assert graph.shape == (3, 2, 3)
    assert operators == (CONV[0], CONV[1], CONV[2], CONV[3])
    assert np.argwhere(graph.valid).tolist() == [
        [0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [1, 1, 2], [2, 0, 0], [2, 1, 0],
    ]  # fmt: skip
    assert graph.open.tolist() == [[True, False], [False, True], [True, True]]
    assert graph.target[graph.valid].tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert graph.operators[graph.valid].tolist() == [[0, 4], [1, 0], [4, 4], [2, 4], [1, 4], [3, 4], [3, 4]]
    assert graph.features[graph.valid].tolist() == [[0, 3], [3, 3], [3, 3], [1, 3], [3, 3], [2, 0], [2, 0]]
    assert not graph.target[~graph.valid].any()
    assert graph.nbytes == sum(
        a.nbytes for a in (graph.target, graph.valid, graph.open, graph.operators, graph.features)
    )


def test_build_has_one_end_however_many_labels_the_last_edges_name():
    graph, _ = tl.build(1, 0, lambda t, node: [tl.Edge(c, c) for c in range(3)])
    assert graph.target.tolist() == [[[0, 0, 0]]]
    assert tl.count(graph.target, graph.valid) == [[3], [1]]


def test_build_refuses_a_graph_that_is_too_large_and_names_what_multiplies():
    def edges(t, node):
        return [tl.Edge(c, (*node, c)) for c in range(2)]

    assert tl.build(6, (), edges, max_edges=6 * 32 * 2)[0].shape == (6, 32, 2)
    with pytest.raises(
        ValueError, match=r"passes 383 edges at layer 5 \(64 nodes .*\(0, 0, 0, 0, 0, 0\).*remember less"
    ):
        tl.build(6, (), edges, max_edges=6 * 32 * 2 - 1)


def test_build_refuses_a_node_without_choices():
    with pytest.raises(ValueError, match="layer 1: node 'b' has no choice"):
        tl.build(2, "a", lambda t, node: [tl.Edge(0, "b")] if t == 0 else [])
