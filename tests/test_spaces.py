"""The spaces: text forms, canonical tokens, masks, exact counts; and their numbers against published data."""

import csv
import functools
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagjax import operators as ops
from nagjax.spaces import (
    Decision,
    chain,
    mnasnet,
    mobilenet_v3,
    mobilenet_v3_small28,
    nas_bench_201,
    nas_bench_macro,
    ofa_mobilenet_v3,
    tabular,
)
from nagjax.spaces import trellis as tl

MACRO, OFA, SMALL28 = nas_bench_macro.make(), ofa_mobilenet_v3.make(1.2), mobilenet_v3_small28.make()
NAS201 = nas_bench_201.make()
COLUMNS = tabular.make({"kernel": [3, 5, 7], "width": [0.5, 1.0], "skip": [False, True], "block, kind": ["a,b", 'c"=']})
SPACES = pytest.mark.parametrize("space", [MACRO, OFA, SMALL28, NAS201, COLUMNS], ids=lambda space: space.name)
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def pool(space):
    return space.sample(np.random.default_rng(0), 1024)


def draw(space, seed, num=8):
    """Some of a fixed sample: drawing anew for every example would take most of the time."""
    return np.random.default_rng(seed).choice(pool(space), num)


def refused(*parts):
    """The error's message names every part, in this order."""
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(str(part)) for part in parts))


def ofa_text(row):
    """Text of a row of the published files, whose fields are separated by blanks."""
    fields = [row[name].replace(" ", ",") for name in ("d", "ks", "e")]
    return ":".join(fields + [row[name] for name in ("resolution",) if name in row])


# Every space


@SPACES
@given(seed=seeds)
def test_text_round_trip(space, seed):
    for tokens in draw(space, seed):
        assert space.parse(space.format(tokens)).tolist() == tokens.tolist()
        assert space.parse(f" {space.format(tokens)}\n").tolist() == tokens.tolist()


@SPACES
@given(seed=seeds)
def test_canonical_clears_closed_decisions_only(space, seed):
    tokens = draw(space, seed)
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens)
    is_open = space.trellis.open[np.arange(tokens.shape[1]), nodes]
    assert (tokens[~is_open] == 0).all()
    disturbed = np.where(is_open, tokens, 1)
    assert (space.canonical(disturbed) == tokens).all()
    assert (disturbed[~is_open] == 1).all(), "the argument is left alone"


@SPACES
def test_tokens_outside_the_space_are_refused(space):
    tokens = draw(space, 0)
    with refused("shape", f"[B, {len(space.decisions)}]"):
        space.check(tokens[:, :-1])
    with refused("shape"):
        space.check(tokens[0])
    for wrong in (-1, 99):
        broken = tokens.copy()
        broken[3, 0] = wrong
        with refused("row 3", space.name, wrong):
            space.canonical(broken)
        with refused(space.name, wrong):
            space.format(broken[3])


@SPACES
def test_decisions_match_the_trellis(space):
    layers, _, choices = space.trellis.shape
    assert len(space.decisions) == layers == len({decision.name for decision in space.decisions})
    assert max(len(decision.choices) for decision in space.decisions) == choices
    kinds = {decision.kind: decision.choices for decision in space.decisions}
    for t, decision in enumerate(space.decisions):
        assert kinds[decision.kind] == decision.choices
        assert space.trellis.valid[t].any(0).nonzero()[0].tolist() == list(range(len(decision.choices)))
    assert len(set(space.feature_names)) == len(space.feature_names)
    assert len(set(space.operators)) == len(space.operators)


@SPACES
@given(seed=seeds)
def test_features_and_operator_sums_follow_the_path(space, seed):
    """Worked edge by edge in plain Python."""
    (tokens,) = draw(space, seed, 1)
    node, features, values = 0, np.zeros(len(space.feature_names)), np.arange(1, len(space.operators) + 1)
    total = 0
    for t, c in enumerate(tokens):
        total += sum(int(values[i]) for i in space.trellis.operators[t, node, c] if i < len(values))
        for j in space.trellis.features[t, node, c]:
            if j < len(features):
                features[j] += 1
        node = space.trellis.target[t, node, c]
    assert space.operator_sum(tokens[None], values).tolist() == [total]
    assert space.features(tokens[None])[0].tolist() == features.tolist()
    assert space.features(tokens[None]).dtype == np.float32


def test_identity_is_name_settings_and_version():
    assert MACRO.identity == "nas_bench_macro()/v1"
    assert ofa_mobilenet_v3.make().identity == OFA.identity == "ofa_mobilenet_v3(width=1.2)/v1"
    assert ofa_mobilenet_v3.make(1.0).identity == "ofa_mobilenet_v3(width=1.0)/v1"


# Masks


def test_where_keeps_what_satisfies_every_condition():
    mask = OFA.where({"resolution": [160, 224], "kernel": (3, 5), "unit2.depth": 3})
    tokens = tl.sample_uniform(OFA.trellis.target, mask, np.random.default_rng(0), 256)
    OFA.check(tokens)
    assert set(tokens[:, 0].tolist()) == {16, 32}, "both resolutions are there"
    for row in tokens:
        depths, kernels, _, resolution = ([*map(int, f.split(","))] for f in OFA.format(row).split(":"))
        assert resolution[0] in (160, 224)
        assert set(kernels) <= {0, 3, 5}
        assert depths[1] == 3


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({}, 41 * (9**2 + 9**3 + 9**4) ** 5),
        ({"resolution": 224}, (9**2 + 9**3 + 9**4) ** 5),
        ({"resolution": range(160, 225, 4)}, 17 * (9**2 + 9**3 + 9**4) ** 5),
        ({"kernel": [3, 5]}, 41 * (6**2 + 6**3 + 6**4) ** 5),
        ({"kernel": 3, "ratio": 6, "resolution": 96}, 3**5),
        ({"depth": 2}, 41 * (9**2) ** 5),
        ({"unit5.depth": 2, "resolution": 96}, (9**2 + 9**3 + 9**4) ** 4 * 9**2),
        ({"unit1.block4.kernel": 3, "resolution": 96}, (9**2 + 9**3 + 9**3 * 3) * (9**2 + 9**3 + 9**4) ** 4),
    ],
    ids=str,
)
def test_where_leaves_exactly_the_right_number(conditions, count):
    assert tl.count(OFA.trellis.target, OFA.where(conditions))[0][0] == count


def test_where_on_nas_bench_macro():
    mask = MACRO.where({"operation": ["identity", "ratio3_kernel3"], "layer1": "ratio3_kernel3"})
    # Of two operations a stage of three layers has 2 * 3 networks, and the first stage is fixed in its first layer.
    assert tl.count(MACRO.trellis.target, mask)[0][0] == 2 * 6 * 6


@pytest.mark.parametrize(
    ("conditions", "parts"),
    [
        ({"resolutions": 224}, ["'resolutions'", "known", "resolution"]),
        ({"unit6.depth": 2}, ["'unit6.depth'", "known", "depth"]),
        ({"resolution": 225}, ["resolution", "225", "choices", "224"]),
        ({"kernel": [3, 9]}, ["kernel", "[9]", "choices", "3, 5, 7"]),
        ({"kernel": []}, ["kernel", "choices", "3, 5, 7"]),
    ],
    ids=str,
)
def test_where_refuses_what_it_does_not_know(conditions, parts):
    with refused("where", *parts):
        OFA.where(conditions)


def test_a_condition_on_a_decision_of_several_attributes_names_one():
    choices = ({"kernel": 3, "width": 16}, {"kernel": 3, "width": 32}, {"kernel": 5, "width": 16})
    space = chain("pairs", [Decision(f"layer{t}", "layer", choices) for t in range(2)])
    assert tl.count(space.trellis.target, space.where({"layer1.width": 16}))[0][0] == 3 * 2
    with refused("layer1", "several attributes", "layer1.kernel, layer1.width"):
        space.where({"layer1": "3/16"})
    with refused("'layer'", "several attributes", "kernel, width"):
        space.where({"layer": 3})


# NAS-Bench-Macro


def test_settings_of_nas_bench_macro_leave_texts_and_identity():
    small = nas_bench_macro.make(width=8, image_size=16, image_channels=1)
    assert small.identity == "nas_bench_macro(image_channels=1,image_size=16,width=8)/v1"
    assert small.describe(small.parse("12100200")).splitlines()[2] == (
        "stage 3 (2 x 2, 64 channels): ratio6_kernel5, identity, identity"
    )
    with refused("nas_bench_macro: image_size=28", "multiple of 8"):
        nas_bench_macro.make(image_size=28)


def test_nas_bench_macro_has_3969_networks():
    assert MACRO.count() == 3969
    assert len(tl.enumerate_paths(MACRO.trellis.target, MACRO.trellis.valid)) == 3969


@pytest.mark.parametrize(
    ("text", "canonical"), [("01001002", "01010020"), ("10200000", "10200000"), ("20022012", "20022012")]
)
def test_identities_move_to_the_end_of_their_stage(text, canonical):
    """Stages are layers 1-2, 3-5 and 6-8; the first layer of each stays where it is."""
    assert MACRO.format(MACRO.parse(text)) == canonical


@pytest.mark.parametrize("text", ["", "0120120", "012012012", "01201203", "0120120a"])
def test_nas_bench_macro_refuses_other_texts(text):
    with refused(repr(text), "8 digits", "0, 1 and 2"):
        MACRO.parse(text)


def test_nas_bench_macro_describes_stages():
    lines = MACRO.describe(MACRO.parse("12100200")).splitlines()
    assert lines == [
        "stage 1 (16 x 16, 64 channels): ratio3_kernel3, ratio6_kernel5",
        "stage 2 (8 x 8, 128 channels): ratio3_kernel3, identity, identity",
        "stage 3 (4 x 4, 256 channels): ratio6_kernel5, identity, identity",
    ]


@pytest.mark.data
def test_nas_bench_macro_equals_the_published_data(shared_data):
    published = json.loads(shared_data("nas_bench_macro/cifar10.json").read_text())
    tokens = np.stack([MACRO.parse(text) for text in published])
    assert len(tokens) == 6561
    assert len(np.unique(tokens, axis=0)) == 3969
    for name, function in (("flops", ops.madds), ("params", ops.params)):
        values = np.array([function(op) for op in MACRO.operators])
        assert MACRO.operator_sum(tokens, values).tolist() == [entry[name] for entry in published.values()], name


# once-for-all MobileNetV3


def test_ofa_count():
    assert OFA.count() == ofa_mobilenet_v3.make(1.0).count() == 41 * (9**2 + 9**3 + 9**4) ** 5


def slots(values):
    """20 entries from the two of each unit; the rest are 0."""
    return ",".join(",".join([*map(str, pair), "0", "0"]) for pair in values)


SMALL = f"2,2,2,2,2:{slots([(3, 5)] * 5)}:{slots([(3, 6)] * 5)}"


def test_ofa_text_without_resolution_is_at_224():
    assert OFA.format(OFA.parse(SMALL)) == f"{SMALL}:224"
    assert OFA.parse(f"{SMALL}:96")[0] == 0
    first = OFA.parse(SMALL)[:6].tolist()
    # resolution 224 is the 33rd; depth 2; (kernel 3, ratio 3) and (kernel 5, ratio 6); two closed slots
    assert first == [32, 0, 0, 5, 0, 0]


def test_ofa_text_ignores_unused_slots():
    noisy = SMALL.replace("0,0", "7,7")
    assert noisy != SMALL
    assert OFA.parse(noisy).tolist() == OFA.parse(SMALL).tolist()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2,2", ["1 fields", "depths:kernels:ratios"]),
        (SMALL + ":224:1", ["5 fields"]),
        ("2," + SMALL, ["depths has 6 entries, not 5"]),
        (SMALL.replace(":3,5", ":5"), ["kernels has 19 entries, not 20"]),
        (SMALL.replace("2:3,5", "2:3,9"), ["kernel of block 2 of unit 1 is 9", "3, 5, 7"]),
        (SMALL.replace(":3,6", ":3,5"), ["ratio of block 2 of unit 1 is 5", "3, 4, 6"]),
        (SMALL.replace("2,2:", "2,5:"), ["depth of unit 5 is 5", "2, 3, 4"]),
        (SMALL + ":225", ["resolution is 225", "224, 228"]),
        (SMALL + ":224,224", ["resolution is [224, 224]", "224, 228"]),
        (SMALL + ":large", ["'large'", "integers"]),
    ],
)
def test_ofa_refuses_other_texts(text, parts):
    with refused("architecture", *parts):
        OFA.parse(text)


def test_ofa_knows_two_widths():
    with refused("width 1.1", "1.0, 1.2"):
        ofa_mobilenet_v3.make(1.1)


def test_ofa_describes_units():
    lines = OFA.describe(OFA.parse(SMALL)).splitlines()
    assert lines[0] == "input 224 x 224 pixels"
    assert lines[1] == "unit 1: 2 blocks, stride 2: 3x3 ratio 3, 5x5 ratio 6"
    assert len(lines) == 6


@given(seed=seeds)
def test_ofa_shapes_connect(seed):
    """Along a path each operator takes what the one before it gives."""
    (tokens,) = draw(OFA, seed, 1)
    nodes, _ = tl.walk(OFA.trellis.target, OFA.trellis.valid, tokens[None])
    met = [
        OFA.operators[i]
        for t, (s, c) in enumerate(zip(nodes[0], tokens, strict=True))
        for i in OFA.trellis.operators[t, s, c]
        if i < len(OFA.operators)
    ]
    # The first decision adds the stem and the first block, and the four operators of the head, which come last.
    chain = [*met[:2], *met[6:], *met[2:6]]
    for before, after in itertools.pairwise(chain):
        assert (before.out_size, before.out_channels) == (after.in_size, after.in_channels)
    assert all(not op.skip or (op.in_size, op.in_channels) == (op.out_size, op.out_channels) for op in chain)
    assert {op.resolution for op in chain} == {chain[0].in_size}
    assert (chain[-1].kind, chain[-1].out_channels) == ("linear", 1000)


@pytest.mark.data
def test_ofa_madds_of_the_released_networks(shared_data):
    with shared_data("ofa_mobilenet_v3/pnag_released.csv").open() as file:
        released = list(csv.DictReader(file))
    madds = np.array([ops.madds(op) for op in OFA.operators])
    ours = OFA.operator_sum(np.stack([OFA.parse(ofa_text(row)) for row in released]), madds) / 1e6
    assert len(released) == 15
    np.testing.assert_allclose(ours, [float(row["madds_m"]) for row in released], rtol=0.005)


# The small MobileNetV3 for 28-pixel images


def test_small28_count():
    """Three resolutions; a unit of one to three blocks, each of six (kernel, ratio) pairs."""
    assert SMALL28.count() == 3 * (6 + 6**2 + 6**3) ** 3


def test_small28_madds_of_the_least_network_by_hand():
    values = np.array([ops.madds(op) for op in SMALL28.operators])
    least = SMALL28.parse("1,1,1:3,0,0,3,0,0,3,0,0:2,0,0,2,0,0,2,0,0:20")
    stem = 9 * 8 * 100 + (9 * 8 + 8 * 8) * 100  # 20 pixels become 10; 8 channels are not expanded
    first = (8 * 16 + 9 * 16 + 16 * 16) * 100
    second = 16 * 32 * 100 + (9 * 32 + 32 * 24) * 25 + 2 * 32 * 8  # 10 pixels become 5
    third = 24 * 48 * 25 + (9 * 48 + 48 * 40) * 9 + 2 * 48 * 16  # 5 pixels become 3
    head = 40 * 120 * 9 + 120 * 128 + 128 * 10
    assert SMALL28.operator_sum(least[None], values).tolist() == [stem + first + second + third + head]


def test_small28_text_without_resolution_is_at_28():
    text = "1,2,3:3,0,0,3,5,0,5,5,5:2,0,0,3,4,0,2,3,4"
    assert SMALL28.format(SMALL28.parse(text)) == f"{text}:28"
    with refused("resolution is 26", "20, 24, 28"):
        SMALL28.parse(f"{text}:26")


def test_small28_takes_the_channels_and_classes_of_the_data():
    space = mobilenet_v3_small28.make(image_channels=3, classes=100)
    assert space.identity == "mobilenet_v3_small28(classes=100,image_channels=3)/v1"
    assert space.count() == SMALL28.count()
    plan = mobilenet_v3_small28.plan(image_channels=3, classes=100)
    chain = mobilenet_v3.operators(plan, space.sample(np.random.default_rng(0), 1)[0].tolist())
    assert (chain[0].in_channels, chain[-1].out_channels) == (3, 100)


@pytest.mark.parametrize("settings", [{"image_channels": 2}, {"classes": 1}], ids=str)
def test_small28_refuses_other_settings(settings):
    ((name, value),) = settings.items()
    with refused(f"{name} is {value}" if name == "image_channels" else f"{name} {value}", "must be 1 or 3"):
        mobilenet_v3_small28.make(**settings)


@pytest.mark.parametrize(
    ("space", "plan"), [(OFA, ofa_mobilenet_v3.plan()), (SMALL28, mobilenet_v3_small28.plan())], ids=["ofa", "small28"]
)
@given(seed=seeds)
def test_operators_of_a_plan_are_those_of_the_path_and_connect(space, plan, seed):
    """Each takes what the one before it gives; as a multiset they are what the trellis adds up."""
    (tokens,) = draw(space, seed, 1)
    chain = mobilenet_v3.operators(plan, tokens.tolist())
    for before, after in itertools.pairwise(chain):
        assert (before.out_size, before.out_channels) == (after.in_size, after.in_channels)
    counts = [chain.count(op) for op in space.operators]
    numbers = np.random.default_rng(0).integers(1, 2**40, len(space.operators))
    assert space.operator_sum(tokens[None], numbers).tolist() == [int(numbers @ counts)]
    assert sum(counts) == len(chain)


# NAS-Bench-201

FIRST_201 = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
"""The architecture of index 0 in the published file."""


def test_nas_bench_201_strings_are_read_and_written():
    assert NAS201.parse(FIRST_201).tolist() == [4, 2, 1, 2, 1, 1]
    assert NAS201.format(np.array([4, 2, 1, 2, 1, 1])) == FIRST_201
    tokens = np.array(list(itertools.product(range(5), repeat=6)))
    texts = {NAS201.format(row) for row in tokens}
    assert len(texts) == NAS201.count() == 5**6 == 15625
    assert all(NAS201.parse(NAS201.format(row)).tolist() == row.tolist() for row in tokens[::37])
    assert NAS201.describe(np.array([4, 0, 1, 0, 0, 0])).splitlines() == [
        "node 1: avg_pool_3x3 of node 0", "node 2: skip_connect of node 1", "node 3: nothing",
    ]  # fmt: skip
    left = NAS201.where({"operation": ["none", "nor_conv_3x3"], "node3.from2": "none"})
    assert tl.count(NAS201.trellis.target, left)[0][0] == 2**5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["is not of the form", "|nor_conv_3x3~0|+"]),
        (FIRST_201 + "|", ["is not of the form"]),
        (FIRST_201[:-1], ["is not of the form"]),
        (FIRST_201.replace("+", "", 1), ["is not of the form"]),
        (FIRST_201.replace("skip_connect~2", "skip_connect~3"), ["is not of the form"]),
        (FIRST_201.replace("skip_connect~2", "skip_conect~2"), ["node3.from2", "'skip_connect'"]),
    ],
)
def test_nas_bench_201_refuses_other_strings(text, says):
    with refused(*says):
        NAS201.parse(text)


@pytest.mark.parametrize(
    ("operation", "flops", "parameters"),
    [("nor_conv_3x3", 220.11968, 1.531546), ("skip_connect", 7.78304, 0.073306)],
)
def test_nas_bench_201_counts_what_the_benchmark_published(operation, flops, parameters):
    """Millions of the cells of one operation, as the published file has them for CIFAR-10 (without the biases)."""
    tokens = np.full((1, 6), nas_bench_201.OPERATIONS.index(operation))
    for function, millions in ((ops.madds, flops), (ops.params, parameters)):
        values = np.array([function(op) for op in NAS201.operators])
        assert NAS201.operator_sum(tokens, values)[0] / 1e6 == pytest.approx(millions, rel=1e-9)


def test_settings_of_nas_bench_201_leave_texts_and_identity():
    assert NAS201.identity == "nas_bench_201()/v1"
    small = nas_bench_201.make(channels=8, cells=2, image_size=28, image_channels=1)
    assert small.identity == "nas_bench_201(cells=2,channels=8,image_channels=1,image_size=28)/v1"
    assert small.parse(FIRST_201).tolist() == NAS201.parse(FIRST_201).tolist()
    # Of an edge: a convolution in each of two cells of three stages, and its halved sides and doubled channels.
    edge = small.trellis.operators[1, 0, nas_bench_201.OPERATIONS.index("nor_conv_3x3")]
    assert [(small.operators[i].in_size, small.operators[i].in_channels) for i in edge if i < len(small.operators)] == [
        (28, 8), (28, 8), (14, 16), (14, 16), (7, 32), (7, 32),
    ]  # fmt: skip
    with refused("nas_bench_201: image_size=30", "multiple of 4"):
        nas_bench_201.make(image_size=30)


# MnasNet


def test_mnasnet_is_read_written_and_counted():
    space = mnasnet.make()
    text = "conv-k3-f16-n1:mbconv6-k5-se-f32-n3-skip:sepconv-k3-f32-n2"
    tokens = space.parse(text)
    assert tokens.tolist() == [0, 0, 0, 1, 0, 0, 3, 1, 1, 2, 2, 1, 1, 0, 0, 0, 1, 0]
    assert space.format(tokens) == text
    assert space.describe(tokens).splitlines()[1] == (
        "block 2 (7 x 7, 32 channels): 3 layers of mbconv6, kernel 5, squeeze-excite, residual connections"
    )
    # 2 plain convolutions and 3 x 2 x 2 others, 3 widths; one layer, or two or three with skips or without.
    assert space.count() == ((2 + 12) * 3 * (1 + 2 * 2)) ** 3
    index = [i for i in space.trellis.operators[*_last_edge(space, tokens, 11)] if i < len(space.operators)]
    assert [space.operators[i].key for i in index] == [
        "mbconv-14x14x16-7x7x32-k5-s2-m96-se-relu-bn",
        "mbconv-7x7x32-7x7x32-k5-s1-m192-se-relu-skip-bn",
        "mbconv-7x7x32-7x7x32-k5-s1-m192-se-relu-skip-bn",
    ]


def _last_edge(space, tokens, t):
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    return t, nodes[0, t], tokens[t]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("conv-k3-f16-n1", ["1 blocks", "the space has 3"]),
        ("conv-k3-f16:conv-k3-f24-n1:conv-k3-f40-n1", ["'conv-k3-f16' is not of the form conv-k3-se-f12-n2-skip"]),
        ("conv-k7-f16-n1:conv-k3-f24-n1:conv-k3-f40-n1", ["kernel of 'conv-k7-f16-n1' is one of 3, 5"]),
        ("conv-k3-se-f16-n1:conv-k3-f24-n1:conv-k3-f40-n1", ["a conv has no -se"]),
        ("conv-k3-f16-n1-skip:conv-k3-f24-n1:conv-k3-f40-n1", ["a single layer no -skip"]),
    ],
)
def test_mnasnet_refuses_other_texts(text, says):
    with refused(*says):
        mnasnet.make().parse(text)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"layers": "2-2"}, "layers has 2 entries, filters 3"),
        ({"layers": "1-2-2"}, "must be 2 or more"),
        ({"scales": "1-1.05"}, "they must ascend"),
        ({"operations": "conv-mbconv4"}, "did you mean 'mbconv3'"),
        ({"kernels": "3-4"}, "must be odd"),
        ({"filters": "16-x"}, "write numbers above 0"),
    ],
)
def test_mnasnet_refuses_other_settings(settings, says):
    with refused("mnasnet", says):
        mnasnet.make(**settings)


# Columns


def test_columns_make_a_space():
    assert COLUMNS.count() == 3 * 2 * 2 * 2
    text = 'kernel=5,width=0.5,skip=true,"block, kind=a,b"'
    assert COLUMNS.parse(text).tolist() == [1, 0, 1, 0]
    assert COLUMNS.format(np.array([1, 0, 1, 0])) == text
    assert COLUMNS.describe(np.array([2, 1, 0, 1])).splitlines()[0::3] == ["kernel: 7", 'block, kind: c"=']
    assert tl.count(COLUMNS.trellis.target, COLUMNS.where({"kernel": [3, 7], "skip": True}))[0][0] == 2 * 2 * 2
    again = tabular.make(**json.loads(json.dumps(COLUMNS.settings)))
    assert again.decisions == COLUMNS.decisions
    assert again.identity == COLUMNS.identity


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kernel=5", ["1 fields", "kernel, width"]),
        ("kernel=5,skip=true,width=0.5,x", ["'skip=true' stands where width=choice"]),
        ("kernel=4,width=0.5,skip=true,x", ["'4' is not a choice of kernel", "3, 5, 7"]),
    ],
)
def test_columns_refuse_other_texts(text, says):
    with refused(*says):
        COLUMNS.parse(text)


@pytest.mark.parametrize(
    ("decisions", "says"),
    [((), "--decision_columns"), ({"a": []}, "'a' has choices"), ({"a": [1, 1]}, "'a' has choices"),
     ([("a", [1]), ("a", [2])], "'a' has choices")],
)  # fmt: skip
def test_columns_refuse_what_is_no_space(decisions, says):
    with refused(says):
        tabular.make(decisions)
