"""Choices closed for a reason: what SHAP values say of made-up qualities, the file, and where it goes."""

import json

import numpy as np
import pytest

from experiments import describe, prune
from nagjax.predictors import shap
from nagjax.predictors.records.records import Records, write_records
from nagjax.spaces import nas_bench_macro, pruning
from nagjax.spaces import trellis as tl
from tests import tiny

MACRO = nas_bench_macro.make()


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
    found = pruning.read(file, MACRO)
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
    left = tl.count(MACRO.trellis.target, MACRO.where(pruning.read(out, MACRO)))[0][0]
    assert left == 3969 * 2 // 3
    assert f"{left:,}" in capsys.readouterr().out
    assert prune.main(given) == 2  # the file is there
