"""Chains: what is made from decisions and operators alone, against the same space by hand."""

import itertools

import numpy as np
import pytest

from nagjax import testing
from nagjax.operators import madds
from nagjax.spaces import Decision, Edge, Operator, build, chain

WIDTHS = (8, 16, 24)
LAYERS = [Decision(f"layer{t}", "layer", tuple({"width": width} for width in WIDTHS)) for t in range(3)]
BLOCKS = [Decision(f"block{t}", "block", ({"kernel": 3, "wide": False}, {"kernel": 5, "wide": True})) for t in (0, 1)]


def conv(inputs, width):
    return Operator("conv", 8, 8, inputs, width, kernel=3)


def after_the_one_before(t, choice, before):
    return [conv(before["width"] if before else 3, choice["width"])]


def alone(t, choice, before):
    return [conv(8, choice["width"])] if choice["width"] > 8 else []


def test_a_chain_equals_the_graph_built_by_hand():
    space = chain("chained", LAYERS, after_the_one_before)
    names = [f"layer{t}={width}" for t in range(3) for width in WIDTHS]

    def edges(t, before):
        return [Edge(c, width, (conv(before, width),), (f"layer{t}={width}",)) for c, width in enumerate(WIDTHS)]

    graph, operators = build(3, 3, edges, names)
    assert space.operators == operators
    assert space.feature_names == tuple(names)
    for field in ("target", "valid", "open", "operators", "features"):
        assert np.array_equal(getattr(space.trellis, field), getattr(graph, field)), field


def test_a_node_remembers_the_choice_before_only_where_operators_differ_by_it():
    assert chain("chained", LAYERS, after_the_one_before).trellis.shape == (3, 3, 3)
    assert chain("chained", LAYERS, alone).trellis.shape == (3, 1, 3)
    assert chain("chained", LAYERS).trellis.shape == (3, 1, 3)

    def widened(t, choice, before):
        return [conv(3 if before is None else min(before["width"], 16), choice["width"])]

    assert chain("chained", LAYERS, widened).trellis.shape == (3, 2, 3)


@pytest.mark.parametrize("operators", [after_the_one_before, alone, None])
def test_costs_are_the_sum_of_the_operators_of_each_choice(operators):
    space = chain("chained", LAYERS, operators)
    every = list(itertools.product(range(3), repeat=3))
    assert space.count() == len(every)
    found = space.operator_sum(np.array(every), np.array([madds(op) for op in space.operators], np.int64))
    for row, total in zip(every, found.tolist(), strict=True):
        choices = [{"width": WIDTHS[c]} for c in row]
        by_hand = [
            madds(op)
            for t, choice in enumerate(choices)
            for op in (operators(t, choice, choices[t - 1] if t else None) if operators else ())
        ]
        assert total == sum(by_hand)


def test_choices_of_several_attributes_are_written_and_read():
    space = chain("blocks", BLOCKS)
    assert space.format(np.array([1, 0])) == "block0=5/true,block1=3/false"
    assert space.parse("block0=3/false,block1=5/true").tolist() == [0, 1]
    assert space.describe(np.array([1, 0])) == "block0: 5/true\nblock1: 3/false"
    with pytest.raises(ValueError, match="'7/true' is not a choice of block0; choices: 3/false, 5/true"):
        space.parse("block0=7/true,block1=5/true")


@pytest.mark.parametrize("operators", [after_the_one_before, None])
def test_a_chain_conforms(operators):
    testing.check_space(lambda: chain("chained", LAYERS, operators))


@pytest.mark.parametrize(
    ("decisions", "given", "says"),
    [
        ([], {}, "space c: has no decisions; give at least one"),
        (LAYERS[:1] * 2, {}, "space c: decision 'layer0' has choices .*must be different"),
        ([Decision("a", "a", ())], {}, r"space c: decision 'a' has choices \[\].*at least one"),
        ([Decision("a", "a", ({"n": "1/2", "m": 3}, {"n": 1, "m": "2/3"}))], {}, "'a' has choices .*must be different"),
        (LAYERS, {"texts": [["s", "m"]] * 3}, "space c: written are .*one text for each choice of each decision"),
        (
            LAYERS,
            {"operators": lambda t, choice, before: conv(3, 8)},
            r"operators\(0, {'width': 8}, None\) is Operator",
        ),
        (
            LAYERS,
            {"operators": lambda t, choice, before: ["conv"] if before else []},
            r"operators\(1, {'width': 8}, {'width': 8}\) is \['conv'\]; return a list of Operator",
        ),
    ],
)
def test_what_makes_no_chain_is_refused_with_place_and_remedy(decisions, given, says):
    with pytest.raises(ValueError, match=says):
        chain("c", decisions, **given)


def test_an_edge_with_an_unknown_feature_is_refused_with_place_and_remedy():
    for features, says in (
        (("widht",), r"layer 1: the edge of choice 0 to node 'x' switches on \('widht',\).*did you mean 'width'\?"),
        ((3,), r"switches on \(3,\), which is not a tuple of names"),
        ("width", "switches on 'width', which is not a tuple of names"),
    ):
        with pytest.raises(ValueError, match=says):
            build(2, "x", lambda t, _, on=features: [Edge(0, "x", features=on if t else ())], ["width"])
