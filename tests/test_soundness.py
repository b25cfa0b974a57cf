"""What a space is refused for when it is made: each fault is put into a small sound space, one at a time."""

import dataclasses
import re

import numpy as np
import pytest

from nagjax import testing
from nagjax.operators import Operator
from nagjax.spaces import trellis as tl
from nagjax.spaces.soundness import complete_edges, neighbours, size_fault
from nagjax.spaces.space import Decision, Space

WIDTHS = (8, 16, 24)
LAYER = tuple({"width": width} for width in WIDTHS)
NAMES = tuple(f"layer{i}.{width}" for i in range(3) for width in WIDTHS)


def edges(t, node):
    """A decision how many layers there are, 2 or 3, then the layers; the third is closed at 2."""
    if t == 0:
        return [tl.Edge(c, 2 + c) for c in (0, 1)]
    if t > node:
        return [tl.Edge(0, node)]
    operator = [Operator("conv", 8, 8, t, width, kernel=3) for width in WIDTHS]
    return [tl.Edge(c, node, (operator[c],), (f"layer{t - 1}.{WIDTHS[c]}",)) for c in range(3)]


def make(edges=edges, **changes):
    graph, operators = tl.build(4, "start", edges, NAMES)
    decisions = (
        Decision("depth", "depth", ({"depth": 2}, {"depth": 3})),
        *(Decision(f"layer{i}", "layer", LAYER) for i in (1, 2, 3)),
    )
    return Space(
        **{
            "name": "small",
            "version": 1,
            "settings": {},
            "decisions": decisions,
            "trellis": graph,
            "operators": operators,
            "feature_names": NAMES,
            "parse_text": lambda text: [int(digit) for digit in text],
            "format_tokens": lambda tokens: "".join(map(str, tokens)),
            "describe_tokens": lambda tokens: " ".join(map(str, tokens)),
            **changes,
        }
    )


def refused(*parts):
    """The error names the space, then every part, in this order."""
    return pytest.raises(ValueError, match="(?s)space small: .*" + ".*".join(re.escape(str(part)) for part in parts))


def changed(**arrays):
    """The sound graph with some of its arrays changed by functions."""
    graph = make().trellis
    copies = {name: change(getattr(graph, name).copy()) for name, change in arrays.items()}
    return {"trellis": dataclasses.replace(graph, **copies)}


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def test_the_sound_space_is_made():
    assert make().count() == 9 + 27


def without(t, choice):
    return lambda layer, node: [edge for edge in edges(layer, node) if (layer, edge.choice) != (t, choice)]


@pytest.mark.parametrize(("t", "choice"), [(0, 1), (1, 0), (2, 1), (3, 2)])
def test_a_choice_without_an_edge_is_named(t, choice):
    name, attribute = ("depth", "depth=3") if t == 0 else (f"layer{t}", f"width={WIDTHS[choice]}")
    with refused(f"'{name}': choice {choice} ({attribute})", "never be offered", "add the edge"):
        make(without(t, choice))


def test_a_choice_whose_edges_no_path_reaches_is_missing_too():
    """At a dead end: the node after it has no edge that goes on."""
    dead = changed(valid=put((2, 1), False))
    with refused("'depth': choice 1 (depth=3)", "never be offered"):
        make(**dead)


def test_a_choice_may_be_missing_where_the_space_says_why():
    assert make(without(1, 0), refinement="without narrow first layers").count() == 6 + 18


@pytest.mark.parametrize(("part", "left"), [("feature_names", 26), ("operators", 26)])
def test_one_name_too_few_is_not_taken_for_padding(part, left):
    """Each edge of this space has one feature and one operator: no padding shows what the last index would mean."""
    space = testing.tiny_space("wide")
    assert len(getattr(space, part)) == left + 1
    with pytest.raises(
        ValueError, match=f"space tiny: the graph was built with {left + 1} {part}, the space has {left}"
    ):
        dataclasses.replace(space, **{part: getattr(space, part)[:-1]})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"decisions": ()}, ["no decisions"]),
        ({"decisions": make().decisions[:3]}, ["4 layers for 3 decisions"]),
        ({"decisions": (*make().decisions[:3], Decision("layer1", "layer", LAYER))}, ["decision 'layer1'", "twice"]),
        (
            {"decisions": (*make().decisions[:3], Decision("layer3", "layer", LAYER[::-1]))},
            ["'layer1' and 'layer3'", "kind 'layer'", "'width': 8", "'width': 24"],
        ),
        ({"decisions": (*make().decisions[:3], Decision("layer3", "last", ()))}, ["'layer3'", "at least one choice"]),
        (
            {"decisions": (*make().decisions[:3], Decision("layer3", "last", (LAYER[0], {"size": 1}, LAYER[2])))},
            ["'layer3'", "[['width'], ['size'], ['width']]", "same attributes"],
        ),
        ({"decisions": (*make().decisions[:3], Decision("layer3", "last", LAYER[:2] + LAYER[:1]))}, ["choice twice"]),
        (
            {"decisions": (*make().decisions[:3], Decision("layer3", "last", LAYER[:2]))},
            ["'layer3'", "edge for choice 2 at node 1", "2 choices"],
        ),
        (
            {"decisions": (*make().decisions[:3], Decision("layer3", "last", (*LAYER, {"width": 32})))},
            ["'layer3': choice 3 (width=32)", "never be offered"],
        ),
        ({"feature_names": NAMES[:8]}, ["built with 9 feature_names, the space has 8", "give both the same"]),
        ({"feature_names": (*NAMES[:8], NAMES[0])}, ["feature 'layer0.8'", "twice"]),
        (
            {"operators": make().operators[:-1]},
            ["built with 9 operators, the space has 8", "give both the same"],
        ),
        (changed(operators=put((1, 0, 2), -1)), ["'layer1', choice 2 (width=24)", "operators is [-1]"]),
        (changed(target=put((0, 0, 1), 7)), ["'depth', choice 1 (depth=3)", "target is 7", "0 to 1"]),
        (changed(open=put((1, 0), False)), ["'layer1': node 0 is closed", "choice 1 (width=16)"]),
        (changed(target=lambda array: array.astype(float)), ["trellis.target is of type float64", "integers"]),
        (changed(valid=lambda array: array.astype(int)), ["trellis.valid is of type int64", "truth values"]),
        (changed(open=lambda array: array[:, :1]), ["trellis.open has shape [4, 1]", "[4, 2, 3]"]),
        (changed(valid=put((3,), False)), ["no path leads"]),
    ],
)
def test_what_does_not_fit_together_is_named(changes, parts):
    with refused(*parts):
        make(**changes)


# Text


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"format_tokens": lambda tokens: "".join(map(str, tokens[::-1]))}, ["parse_text reads", "not a path"]),
        (
            {"format_tokens": lambda tokens: f"{tokens[0]}{tokens[2]}{tokens[1]}{tokens[3]}"},
            ["decision 'layer1': choice", "is written as", "read back as", "invert"],
        ),
        (
            {"format_tokens": lambda tokens: "0000"},
            ["decision 'depth': choice 1 (depth=3) is written as '0000' and read back as 0"],
        ),
        ({"format_tokens": lambda tokens: "".join(map(str, tokens)) + "\n"}, ["format_tokens", "blanks"]),
        ({"format_tokens": lambda tokens: tokens}, ["format_tokens", "give text"]),
        ({"format_tokens": lambda tokens: str(tokens[9])}, ["format_tokens", "IndexError"]),
        ({"parse_text": int}, ["parse_text", "shape []", "one choice a decision"]),
        ({"parse_text": lambda text: {}[text]}, ["parse_text refuses", "KeyError"]),
        ({"parse_text": lambda text: [9, *map(int, text[1:])]}, ["parse_text reads", "[9, ", "not a path"]),
    ],
)
def test_a_text_that_is_read_as_another_architecture_is_refused(changes, parts):
    with refused(*parts):
        make(**changes)


def backwards(**names):
    return {
        "format_tokens": lambda tokens: "".join(map(str, tokens[::-1])),
        "parse_text": lambda text: [int(digit) for digit in text[::-1]],
        **names,
    }


def test_a_text_in_reverse_is_refused_though_it_is_read_back():
    with refused("kind 'layer' in reverse", "'layer1' is at character 2", "'layer3' at 0", "in their order"):
        make(**backwards())
    kinds = tuple(Decision(d.name, d.name, d.choices) for d in make().decisions)
    with refused("writes the decisions in reverse", "'depth' is at character 3", "'layer3' at 0"):
        make(decisions=kinds, **backwards())


def test_a_text_in_reverse_that_names_its_decisions_is_no_riddle():
    space = make(
        format_tokens=lambda tokens: ",".join(f"layer{t}={c}" for t, c in reversed(list(enumerate(tokens)))),
        parse_text=lambda text: [int(field.split("=")[1]) for field in reversed(text.split(","))],
    )
    assert space.parse("layer3=0,layer2=1,layer1=2,layer0=0").tolist() == [0, 2, 1, 0]


# Operators


@pytest.mark.parametrize(
    ("operator", "says"),
    [
        (Operator("conv", 32, 16, 3, 8, kernel=3, stride=2), ""),
        (Operator("conv", 31, 16, 3, 8, kernel=3, stride=2), ""),
        (Operator("conv", 31, 15, 3, 8, kernel=3, stride=2), ""),
        (Operator("conv", 32, 30, 3, 8, kernel=3), ""),
        (Operator("conv", 32, 32, 3, 8, kernel=3, stride=2), "gives 32 pixels of 32 with stride 2: 15 to 16 are"),
        (Operator("mbconv", 32, 16, 8, 8, 3, 1, 16), "gives 16 pixels of 32 with stride 1: 30 to 32 are"),
        (Operator("conv", 32, 17, 8, 8, kernel=1, stride=2), "gives 17 pixels of 32 with stride 2: 16 is"),
        (Operator("pool", 7, 1, 8, 8), ""),
        (Operator("pool", 8, 4, 8, 8, kernel=2, stride=2), ""),
        (Operator("pool", 8, 8, 8, 8, kernel=2, stride=2), "gives 8 pixels of 8"),
        (Operator("linear", 1, 1, 64, 10), ""),
        (Operator("mbconv", 8, 8, 8, 16, 3, 1, 16, skip=True), "skip from 8x8 to 8x16"),
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_sizes_that_kernel_and_stride_cannot_give(operator, says):
    fault = size_fault(operator)
    assert says in fault if says else not fault


def test_an_operator_of_impossible_size_is_named_with_the_choice_that_adds_it():
    def strided(t, node):
        return [
            dataclasses.replace(edge, operators=tuple(dataclasses.replace(op, stride=2) for op in edge.operators))
            if (t, edge.choice) == (2, 1)
            else edge
            for edge in edges(t, node)
        ]

    with refused("'layer2', choice 1 (width=16)", "conv-8x8x2-8x8x16-k3-s2-bn", "gives 8 pixels of 8", "3 to 4"):
        make(strided)


# Samples


@pytest.mark.parametrize("space", [make(), testing.tiny_space("wide")], ids=lambda space: space.name)
def test_neighbours_are_architectures_of_which_each_decision_is_changed_once(space):
    tokens = neighbours(space, complete_edges(space.trellis.target, space.trellis.valid), np.random.default_rng(1))
    space.check(tokens)
    assert (space.canonical(tokens) == tokens).all()
    first = [int(np.flatnonzero(row != tokens[0])[0]) for row in tokens[8:]]
    assert first == [t for t in range(len(space.decisions)) if t in first]
    assert len(first) >= len(space.decisions) - 1
