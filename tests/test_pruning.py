"""Choices closed for a reason: what SHAP values say of made-up qualities, the file, and where it goes."""

import itertools
import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import describe, prune, search
from nagjax.authoring import tabular_quality
from nagjax.checkpoint import packing
from nagjax.controllers import Artefact
from nagjax.posing import problem
from nagjax.predictors import shap
from nagjax.predictors.kinds.trees import TreesConfig, boosted
from nagjax.predictors.records.records import Records, write_records
from nagjax.problems.problem import path_costs
from nagjax.spaces import nas_bench_macro, pruning, trie
from nagjax.spaces import trellis as tl
from tests import tiny

MACRO = nas_bench_macro.make()
EVERY = tl.enumerate_paths(MACRO.trellis.target, MACRO.trellis.valid)
PAIRS = [(0, 1, 3, 2), (0, 1, 1, 0), (2, 0, 3, 2), (0, 2, 7, 0)]


def together(decision, other):
    return {"decision": decision, "choice": "identity", "other": other, "other_choice": "identity", "why": ""}


def takes_one(tokens, pairs=PAIRS):
    """Brute force: which architectures take no pair whole. A closed decision has a forced 0, which is no choice."""
    nodes, _ = tl.walk(MACRO.trellis.target, MACRO.trellis.valid, tokens)
    taken = np.where(MACRO.trellis.open[np.arange(8), nodes], tokens, -1)
    return ~np.any([(taken[:, a] == b) & (taken[:, c] == d) for a, b, c, d in pairs], axis=0)


@pytest.fixture(scope="module")
def labelled():
    """Choice 1 of the first layer costs 20 points and choice 2 of the fourth 10; the rest is worth nothing."""
    tokens = MACRO.sample(np.random.default_rng(0), 200)
    return tokens, 0.9 - 0.2 * (tokens[:, 0] == 1) - 0.1 * (tokens[:, 3] == 2)


def test_the_choices_that_harm_are_worth_least(labelled):
    values = shap.worth(MACRO, *labelled)
    assert values[0, 1] < -0.05
    assert values[3, 2] < -0.03
    found = shap.harmful(MACRO, values, MACRO.trellis.valid, 2)
    assert found == [(0, 1), (3, 2)]
    (first, _) = shap.as_closed(MACRO, values, found, "quality")
    assert (first.decision, first.choice) == ("layer1", "ratio3_kernel3")
    assert first.why.startswith("mean SHAP value of quality -")


def test_every_decision_keeps_a_choice():
    """However bad all are: of three choices two are closed, and of what is worth nothing or more none."""
    values = np.full((8, 3), -1.0)
    found = shap.harmful(MACRO, values, MACRO.trellis.valid, 99)
    left = MACRO.where(pruning.conditions(MACRO, shap.as_closed(MACRO, values, found, "x")))
    assert tl.count(MACRO.trellis.target, left)[0][0] >= 1
    assert max(np.bincount([layer for layer, _ in found])) <= 2
    assert shap.harmful(MACRO, -values, MACRO.trellis.valid, 99) == []
    assert shap.harmful(MACRO, np.full((8, 3), np.nan), MACRO.trellis.valid, 99) == []


def test_what_is_beyond_cost_is_what_a_rising_function_does_not_say():
    costs = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(shap.beyond_cost(np.array([0.9, 0.5, 0.7]), costs), 0)
    # At costs 1, 2, 3 qualities 0.7, 0.5, 0.9: the first two are pooled at 0.6.
    np.testing.assert_allclose(shap.beyond_cost(np.array([0.9, 0.7, 0.5]), costs), [0, 0.1, -0.1])


def test_features_that_several_choices_share_are_nobodys():
    space = tiny.make_space()
    owned = shap.features_of(space)
    # Size and the kernels of two blocks have features of their own, depth has none.
    assert {layer for layer, _ in owned} == {0, 2, 3}
    assert all(len(features) == 1 for features in owned.values())


def test_a_file_becomes_conditions_beside_others(tmp_path):
    file = tmp_path / "prune.json"
    pruning.write(file, MACRO, [pruning.Closed("layer1", "identity", "bad"), pruning.Closed("layer2", "identity", "x")])
    found, pairs = pruning.read(file, MACRO)
    assert pairs == []
    assert "together" not in json.loads(file.read_text())
    assert found["layer1"] == ["ratio3_kernel3", "ratio6_kernel5"]
    where = pruning.both({"layer1": "ratio3_kernel3", "layer3": "identity"}, found)
    assert where == {"layer1": ["ratio3_kernel3"], "layer3": "identity", "layer2": found["layer2"]}
    # 27 strings of the last three layers but for the order of identities: 3 * 7; the third layer is fixed.
    assert tl.count(MACRO.trellis.target, MACRO.where(found))[0][0] == 2 * 2 * 21 * 21


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no file of closed choices"),
        ("[]", "holds a list"),
        ('{"space": "other/v1", "closed": []}', "is of 'other/v1', not of nas_bench_macro"),
        ({"closed": [{"decision": "layer1"}]}, "a list of objects with choice, decision, why"),
        ({"closed": [{"decision": "layr1", "choice": "identity", "why": ""}]}, "did you mean 'layer1'"),
        ({"closed": [{"decision": "layer1", "choice": "pool", "why": ""}]}, "its choices are"),
        (
            {"closed": [{"decision": "layer1", "choice": c, "why": ""} for c in nas_bench_macro.CHOICES]},
            "nothing is left of layer1",
        ),
        ({"closed": [], "together": [{"decision": "layer1"}]}, "'together' has to be a list of objects with choice, "),
        ({"closed": [], "together": [together("layer1", "layr2")]}, "did you mean 'layer2'"),
        ({"closed": [], "together": [together("layer1", "layer1")]}, "layer1 stands in a pair twice"),
        ({"closed": [], "together": 9 * [together("layer1", "layer2")]}, "9 pairs are too many; at most 8"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, content, told):
    file = tmp_path / "prune.json"
    text = content if isinstance(content, str) else json.dumps({"space": MACRO.identity, **content})
    file.write_text(text)
    with pytest.raises(ValueError, match=told):
        pruning.read(file, MACRO)


def test_conditions_that_exclude_each_other_are_told():
    with pytest.raises(ValueError, match="is closed by the pruning, which leaves"):
        pruning.both({"layer1": "identity"}, {"layer1": ["ratio3_kernel3"]})


def test_the_job_writes_a_file_that_other_jobs_take(tmp_path, labelled, capsys):
    records, out = tmp_path / "records.csv", tmp_path / "prune.json"
    tokens, rows = np.unique(labelled[0], axis=0, return_index=True)
    write_records(Records(tokens, labelled[1][rows]), MACRO, records)
    given = ["--space=nas_bench_macro", f"--records={records}", "--most=1", f"--out={out}", "--nobeyond_cost"]
    assert prune.main(given) == 0
    assert "layer1=ratio3_kernel3: mean SHAP value of quality" in capsys.readouterr().out
    assert describe.main(["--space=nas_bench_macro", "--costs=madds", f"--prune={out}"]) == 0
    left = tl.count(MACRO.trellis.target, MACRO.where(pruning.read(out, MACRO)[0]))[0][0]
    assert left == 3969 * 2 // 3
    assert f"{left:,}" in capsys.readouterr().out
    assert prune.main(given) == 2  # the file is there


# Pairs


@pytest.fixture(scope="module")
def entwined():
    """Choice 1 of the first layer and choice 2 of the fourth cost 20 points together and nothing alone."""
    tokens = MACRO.sample(np.random.default_rng(0), 200)
    return tokens, 0.9 - 0.2 * ((tokens[:, 0] == 1) & (tokens[:, 3] == 2))


def known_as(tree, row, known):
    """What a dumped tree gives where only some features of a row are known."""
    if "split_feature" not in tree:
        return tree["leaf_value"]
    left, right = (known_as(tree[side], row, known) for side in ("left_child", "right_child"))
    if tree["split_feature"] in known:
        return left if row[tree["split_feature"]] <= tree["threshold"] else right
    count = tree["left_child"].get("internal_count", tree["left_child"].get("leaf_count"))
    return left + (right - left) * (1 - count / tree["internal_count"])


def test_interactions_are_those_of_the_definition():
    """Shapley's interaction index over all subsets of five features, of trees that ask for one twice on a path."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, (40, 5)).astype(np.float64)
    quality = features[:, 0] * features[:, 1] - features[:, 2] * (features[:, 3] > 0) + 0.1 * rng.normal(size=40)
    trees = boosted(features, quality, TreesConfig(trees=2, leaves=20, depth=6, least=1, features=1.0), 0)
    wanted = np.zeros((5, 5))
    for i, j in itertools.permutations(range(5), 2):
        rest = [k for k in range(5) if k not in (i, j)]
        for size in range(4):
            weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
            for some in itertools.combinations(rest, size):
                for row in features[(features[:, i] > 0) & (features[:, j] > 0)]:
                    two, one, other, none = (
                        sum(known_as(tree, row, {*some, *more}) for tree in trees) for more in ((i, j), (i,), (j,), ())
                    )
                    wanted[i, j] += weight * (two - one - other + none)
    np.testing.assert_allclose(shap.interactions(trees, features), wanted, atol=1e-8)


def test_the_pair_that_harms_together_is_worth_least(entwined):
    values = shap.worth_together(MACRO, *entwined)
    (worst,) = shap.harmful_together(MACRO, values, MACRO.trellis.valid, 1)
    assert worst == (0, 1, 3, 2)
    assert values[worst] < -0.05
    assert values[worst] < 5 * min(value for pair, value in values.items() if pair != worst)
    (one,) = shap.as_together(MACRO, values, [worst], "quality")
    assert (one.decision, one.choice, one.other) == ("layer1", "ratio3_kernel3", "layer4")
    assert one.why.startswith("mean SHAP interaction of quality -")
    closed = MACRO.where({"layer1": ["identity", "ratio6_kernel5"]})
    assert worst not in shap.harmful_together(MACRO, values, closed, 8), "it cannot be taken any more"


def test_pairs_leave_every_node_a_choice():
    """After the first layer's choice 1 the second may lose two of its three choices, not the last."""
    values = {(0, 1, 1, choice): -1.0 - choice for choice in range(3)}
    assert shap.harmful_together(MACRO, values, MACRO.trellis.valid, 8) == [(0, 1, 1, 2), (0, 1, 1, 1)]
    assert shap.harmful_together(MACRO, {(0, 1, 1, 0): 1.0}, MACRO.trellis.valid, 8) == []


def test_closed_pairs_are_exactly_the_architectures_that_take_both():
    finer, left = pruning.apart(MACRO, PAIRS)
    np.testing.assert_array_equal(tl.enumerate_paths(finer.trellis.target, finer.trellis.valid), EVERY)
    found = tl.enumerate_paths(finer.trellis.target, left)
    np.testing.assert_array_equal(found, EVERY[takes_one(EVERY)])
    assert len(found) < len(EVERY)
    np.testing.assert_array_equal(finer.features(EVERY), MACRO.features(EVERY))
    np.testing.assert_array_equal(pruning.stay(MACRO, MACRO.trellis.valid, PAIRS, EVERY), takes_one(EVERY))
    with pytest.raises(ValueError, match=r"no architecture of nas_bench_macro.* is left"):
        pruning.apart(trie.narrow(MACRO, EVERY[:1]), [(0, *EVERY[0, :1], 1, *EVERY[0, 1:2])])


def test_a_problem_without_pairs_prices_as_before_and_is_kept(tmp_path):
    file = tmp_path / "prune.json"
    values = dict.fromkeys(PAIRS, -0.1)
    closed = pruning.Closed("layer2", "ratio6_kernel5", "bad")
    pruning.write(file, MACRO, [closed], shap.as_together(MACRO, values, PAIRS, "x"))
    quality = tabular_quality(MACRO, EVERY, np.linspace(0.1, 0.9, len(EVERY)))
    setup = problem(MACRO, quality=quality, costs=["madds"], prune=file)
    whole = problem(MACRO, quality=quality, costs=["madds"])
    left = EVERY[takes_one(EVERY) & (EVERY[:, 1] != 2)]
    made, description = setup.problem, setup.description
    found = tl.enumerate_paths(np.asarray(made.target), np.asarray(made.allowed))
    np.testing.assert_array_equal(found, left)
    np.testing.assert_array_equal(path_costs(made, jnp.asarray(left)), path_costs(whole.problem, jnp.asarray(left)))
    priced = EVERY[EVERY[:, 1] != 2]
    np.testing.assert_array_equal(description.costs_of(priced), whole.description.costs_of(priced))
    costs = description.costs_of(left)[:, 0]
    np.testing.assert_allclose(description.ranges[0], [costs.min(), costs.max()])
    assert int(made.low[0]) == int(np.asarray(path_costs(made, jnp.asarray(left))).min())
    kept = packing.pack(Artefact(None, None), made, description)
    again, told = packing.unpack(packing.describe(Artefact(None, None), made, description), kept, MACRO)[1:]
    np.testing.assert_array_equal(tl.enumerate_paths(np.asarray(again.target), np.asarray(again.allowed)), left)
    np.testing.assert_array_equal(told.costs_of(left), description.costs_of(left))


def test_the_job_closes_pairs_and_a_search_leaves_them_to_its_proposer(tmp_path, entwined, capsys):
    records, out = tmp_path / "records.csv", tmp_path / "prune.json"
    tokens, rows = np.unique(entwined[0], axis=0, return_index=True)
    write_records(Records(tokens, entwined[1][rows]), MACRO, records)
    given = ["--space=nas_bench_macro", f"--records={records}", "--most=0", "--pairs=1", f"--out={out}"]
    assert prune.main([*given, "--nobeyond_cost"]) == 0
    told = capsys.readouterr().out
    assert "layer1=ratio3_kernel3 with layer4=ratio6_kernel5: mean SHAP interaction of quality, " in told.replace(
        "\n", " "
    )
    assert "0 choices and 1 pairs closed" in told
    assert pruning.read(out, MACRO) == ({}, [(0, 1, 3, 2)])
    assert describe.main(["--space=nas_bench_macro", "--costs=madds", f"--prune={out}"]) == 0
    assert f"{takes_one(EVERY, [(0, 1, 3, 2)]).sum():,}" in capsys.readouterr().out
    asked = ["--space=nas_bench_macro", "--costs=madds", "--evaluator=table", f"--out={tmp_path / 'run'}"]
    assert search.main([*asked, f"--evaluator_settings=file={records}", f"--prune={out}"]) == 2
    assert "--proposer=pruned --proposer_settings=pairs=8" in " ".join(capsys.readouterr().err.split())
