"""A device table to be filled in: which keys it has, that it is refused until filled in, and the job that writes it."""

import json
import re

import pytest

from experiments import describe
from nagjax.devices.json_table import read_json
from nagjax.devices.pricing import price
from nagjax.devices.template import needed_operators, write_template
from nagjax.spaces import mobilenet_v3_small28, tabular
from tests.tiny import make_space

SPACE = mobilenet_v3_small28.make()
LEAST = {"kernel": 3, "ratio": 2, "depth": 1, "resolution": 28}
KEYS = [
    "conv-28x28x1-14x14x8-k3-s2-h_swish-bn",
    "mbconv-14x14x8-14x14x8-k3-s1-m8-relu-skip-bn",
    "conv-4x4x40-4x4x120-k1-s1-h_swish-bn",
    "pool-4x4x120-1x1x120-k4-s1",
    "conv-1x1x120-1x1x128-k1-s1-h_swish",
    "linear-1x1x128-1x1x10-k1-s1",
    "mbconv-14x14x8-14x14x16-k3-s1-m16-relu-bn",
    "mbconv-14x14x16-7x7x24-k3-s2-m32-se-h_swish-bn",
    "mbconv-7x7x24-4x4x40-k3-s2-m48-se-h_swish-bn",
]
"""The operators of the one architecture that LEAST leaves, by hand."""


def test_the_operators_of_one_architecture():
    assert [op.key for op in needed_operators(SPACE, SPACE.where(LEAST))] == KEYS


def test_what_the_space_declares_free_is_not_needed():
    space = make_space()
    kinds = {op.kind for op in needed_operators(space, space.trellis.valid)}
    assert kinds == {"conv", "pool"}
    assert {op.kind for op in space.operators} == {"conv", "pool", "identity"}


def test_a_template_is_refused_until_it_is_filled_in_and_then_prices_the_space(tmp_path):
    path = tmp_path / "phone.json"
    allowed = SPACE.where({"resolution": [20, 28], "kernel": 3})
    num = write_template(SPACE, allowed, path)
    document = json.loads(path.read_text())
    assert len(document["rows"]) == num == len({row["operator"] for row in document["rows"]})
    with pytest.raises(ValueError, match=rf"of {num} rows {num} have no time yet.*Fill in the times"):
        read_json(path)
    for row in document["rows"][1:]:
        row["mean"] = 0.5
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"row 1 \(.*\): mean is null; put the operator's time there"):
        read_json(path)
    document["rows"][0]["mean"] = 0.5
    path.write_text(json.dumps(document))
    prices = price(read_json(path), SPACE, allowed=allowed)
    assert prices.open_edges.any()
    assert prices.closed == ("resolution=24",)


def test_a_template_replaces_no_file_and_needs_operators(tmp_path):
    path = tmp_path / "phone.json"
    path.write_text("mine")
    with pytest.raises(ValueError, match=re.escape(f"{path}: exists")):
        write_template(SPACE, SPACE.trellis.valid, path)
    assert path.read_text() == "mine"
    with pytest.raises(ValueError, match="cannot be written"):
        write_template(SPACE, SPACE.trellis.valid, tmp_path / "no" / "a.json")
    space = tabular.make({"kernel": [3, 5]})
    with pytest.raises(ValueError, match=r"tabular.* declares no operators"):
        write_template(space, space.trellis.valid, tmp_path / "a.json")


JOB = ["--space=mobilenet_v3_small28", "--compilation_cache="]


def test_describe_writes_a_template_for_the_conditions(tmp_path, capsys):
    path = tmp_path / "phone.json"
    conditions = [f"--where={key}={value}" for key, value in LEAST.items()]
    assert describe.main([*JOB, *conditions, f"--write_template={path}"]) == 0
    assert [row["operator"] for row in json.loads(path.read_text())["rows"]] == KEYS
    shown = capsys.readouterr().out
    assert "9, one an operator" in shown
    assert "resolution=28" in shown
    assert describe.main([*JOB, f"--write_template={path}"]) == 2
    assert "exists" in capsys.readouterr().err
    assert describe.main([*JOB, f"--table={path}"]) == 2
    assert "of 9 rows 9 have no time yet" in capsys.readouterr().err


def test_describe_lists_missing_keys_for_the_conditions_only(tmp_path, capsys):
    path = tmp_path / "phone.json"
    write_template(SPACE, SPACE.where(LEAST), path)
    document = json.loads(path.read_text())
    for row in document["rows"]:
        row["mean"] = 0.5
    gone = document["rows"].pop()["operator"]
    path.write_text(json.dumps(document))
    conditions = [f"--where={key}={value}" for key, value in LEAST.items()]
    assert describe.main([*JOB, f"--table={path}", *conditions]) == 0
    shown = capsys.readouterr().out
    assert "1 of 9 that space and conditions need" in shown
    assert gone in shown
    assert "k5" not in shown
