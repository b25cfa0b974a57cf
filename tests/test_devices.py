"""Device tables: what a row and a table accept, our JSON format, the two once-for-all dialects, telling formats apart.

All numbers are made up, except in the tests marked ``data``.
"""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from nagjax.devices.correction import Correction
from nagjax.devices.formats import read_table
from nagjax.devices.json_table import read_json, write_json
from nagjax.devices.ofa_yaml import i7_key, note10_key, read_i7, read_note10
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.validation import MeasuredNetwork, doubts, headroom, judge, spearman
from nagjax.operators import Operator
from nagjax.spaces import ofa_mobilenet_v3

STEM = Operator("conv", 32, 16, 3, 24, kernel=3, stride=2, activation="h_swish", resolution=32)
BLOCK = Operator("mbconv", 16, 8, 24, 32, 5, 2, 96, True, "relu", resolution=32)
EXPAND = Operator("conv", 1, 1, 192, 1152, activation="h_swish", resolution=32)
POOL = Operator("pool", 4, 1, 64, 64, kernel=4, norm=False, resolution=32)
MIX = Operator("conv", 1, 1, 1152, 1536, activation="h_swish", norm=False, resolution=32)
HEAD = Operator("linear", 1, 1, 1536, 1000, norm=False, resolution=32)
OPERATORS = (STEM, BLOCK, EXPAND, POOL, MIX, HEAD)

NOTE10 = """\
Conv-input:32x32x3-output:16x16x24:
  count: 50
  mean: 0.5
  std: 0.25
expanded_conv-input:16x16x24-output:8x8x32-expand:96-kernel:5-stride:2-idskip:0-se:1-hs:0:
  mean: 2.0
  std: 0.1
"""
I7 = """\
MBConv-input:16x16x24-output:8x8x32-expand:4-kernel:5-stride:2-idskip:0-se:1:
  mean: 0.75
  var: 0.0625
first_conv-input:32x32x3-output:16x16x24:
  mean: 0.5
  var: 0.0
"""
HEADER = {"device": "toy", "runtime": "none", "batch": 1, "dtype": "float32", "unit": "ms", "measured": "made up"}


CORRECTION = {"scale": 1.25, "offset": 0.5}
NETWORK = {"architecture": "a", "raw": 1.0, "measured": 2.0}
TWO = (MeasuredNetwork("a", 1.0, 2.0), MeasuredNetwork("b", 2.0, 3.0))


def make_table(rows=None, **changes):
    rows = rows or {(STEM.key, None): Row(1.5, 0.25, 10, "a:1"), (HEAD.key, 32): Row(0.5, 0.0, 0, "a:2")}
    return DeviceTable(**{**HEADER, "rows": rows, **changes})


def document(**changes):
    rows = [{"operator": STEM.key, "mean": 1.5}, {"operator": HEAD.key, "mean": 0.5}]
    fields = {"format": "nagjax-device-table", "version": 1, **HEADER, "rows": rows}
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(*parts):
    """The error's message names every part, in this order."""
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(str(part)) for part in parts))


# Rows and tables


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("mean", math.nan, "finite"),
        ("mean", math.inf, "finite"),
        ("mean", 10**400, "finite"),
        ("mean", 0.0, "above 0"),
        ("mean", -1.0, "above 0"),
        ("mean", "1.5", "no quotes"),
        ("mean", True, "a number"),
        ("mean", None, "a number"),
        ("std", -0.1, "leave the field out"),
        ("std", math.nan, "finite"),
        ("count", 1.5, "integer"),
        ("count", True, "integer"),
        ("count", -1, "integer"),
    ],
)
def test_a_row_refuses_what_is_no_measurement(field, value, remedy):
    with refused("phone.yaml:12", field, remedy):
        Row(**{"mean": 1.0, field: value}, source="phone.yaml:12")


def test_a_row_holds_plain_numbers():
    row = Row(np.float32(0.5), 1, np.int64(3))
    assert (type(row.mean), type(row.std), type(row.count)) == (float, float, int)
    assert row == Row(0.5, 1.0, 3)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"unit": "s"}, ["unit", "'s'", "ms"]),
        ({"batch": 0}, ["batch", "0", "above 0"]),
        ({"batch": True}, ["batch", "True"]),
        ({"device": ""}, ["device", "unknown"]),
        ({"runtime": 3}, ["runtime", "3", "text"]),
        ({"unmeasured": ("pooling",)}, ["unmeasured", "'pooling'", "pool"]),
    ],
)
def test_a_table_refuses_a_wrong_field(changes, parts):
    with refused("phone.json", *parts):
        make_table(source="phone.json", **changes)


def test_a_table_needs_rows():
    with refused("phone.json", "no rows"):
        DeviceTable("toy", "none", 1, "float32", "ms", "made up", {}, source="phone.json")


def test_lookup_prefers_the_row_of_the_operators_resolution():
    general, special = Row(1.0), Row(2.0)
    table = make_table({(HEAD.key, None): general, (HEAD.key, 64): special, (STEM.key, 64): special})
    at = {size: table.lookup(Operator("linear", 1, 1, 1536, 1000, norm=False, resolution=size)) for size in (0, 32, 64)}
    assert at == {0: general, 32: general, 64: special}
    assert table.lookup(STEM) is None
    assert table.lookup(POOL) is None


def test_content_hash_is_of_what_the_table_says():
    table = make_table()
    assert re.fullmatch("[0-9a-f]{64}", table.content_hash)
    shuffled = {key: Row(row.mean, row.std, row.count, "elsewhere") for key, row in reversed(table.rows.items())}
    assert make_table(shuffled, source="b.json").content_hash == table.content_hash
    first, second = table.rows
    others = [
        make_table(device="another"),
        make_table(unmeasured=("pool",)),
        make_table(batch=2),
        make_table({**table.rows, first: Row(1.5, 0.25, 11)}),
        make_table({**table.rows, first: Row(1.5000001, 0.25, 10)}),
        make_table({first: table.rows[first]}),
        make_table({first: table.rows[first], (second[0], None): table.rows[second]}),
        make_table(correction=Correction(1.25)),
        make_table(correction=Correction(1.25, 0.5)),
        make_table(correction=Correction(1.25), validation=TWO),
        make_table(validation=TWO),
        make_table(validation=TWO[:1]),
    ]
    assert len({table.content_hash, *(other.content_hash for other in others)}) == 1 + len(others)


# Our JSON format


def test_the_documented_example_means_what_the_document_says(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "device_tables.md").read_text()
    block, more = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    corrected = {**json.loads(block), **json.loads(f"{{{more}}}")}
    assert read_json(write(tmp_path / "corrected.json", corrected)).correction.networks == 30
    table = read_json(write(tmp_path / "phone.json", block))
    head = [Operator("linear", 1, 1, 1536, 1000, norm=False, resolution=r) for r in (224, 160, 192)]
    assert [row and row.mean for row in map(table.lookup, head)] == pytest.approx([0.65, 0.6415, None])
    stem = table.rows["conv-224x224x3-112x112x24-k3-s2-h_swish-bn", None]
    assert (stem.mean, stem.std, stem.count) == (pytest.approx(1.21), pytest.approx(0.013), 100)
    assert (table.unit, table.unmeasured) == ("ms", ("pool",))
    assert (
        re.search(r"    (mbconv-\S+)", text)[1] == Operator("mbconv", 112, 56, 24, 32, 3, 2, 72, activation="relu").key
    )


@pytest.mark.parametrize(("unit", "mean"), [("ms", 1.5), ("us", 0.0015), ("s", 1500.0)])
def test_units_become_ms(tmp_path, unit, mean):
    table = read_json(write(tmp_path / "a.json", document(unit=unit)))
    assert (table.unit, table.rows[STEM.key, None].mean) == ("ms", pytest.approx(mean, rel=1e-12))


def test_round_trip_keeps_the_content(tmp_path):
    table = make_table(unmeasured=("pool",))
    write_json(table, tmp_path / "a.json")
    again = read_json(tmp_path / "a.json")
    assert again.content_hash == table.content_hash
    assert {key: (row.mean, row.std, row.count) for key, row in again.rows.items()} == {
        key: (row.mean, row.std, row.count) for key, row in table.rows.items()
    }
    assert again.source == str(tmp_path / "a.json")
    assert again.rows[STEM.key, None].source == f"{tmp_path / 'a.json'}: row 1 ({STEM.key})"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_hash_from_before_corrections_still_holds():
    """Checkpoints and records name tables by it."""
    assert make_table().content_hash == "6a63be951bea51772a6a070b9cefd1f6cb6dff4e9e5bd0eb0b55c80df17be13b"


def test_correction_and_measured_networks_travel_with_the_table(tmp_path):
    table = make_table(correction=Correction(1.25, 0.5, 7, "toy()/v1"), validation=TWO)
    write_json(table, tmp_path / "a.json")
    again = read_json(tmp_path / "a.json")
    assert (again.correction, again.validation) == (table.correction, table.validation)
    assert again.content_hash == table.content_hash
    assert json.loads((tmp_path / "a.json").read_text())["version"] == 2


def test_a_table_without_correction_can_be_read_by_older_versions(tmp_path):
    write_json(make_table(), tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["version"] == 1
    assert not {"correction", "validation"} & set(written)


def test_times_of_the_correction_are_in_the_unit_of_the_file(tmp_path):
    path = write(tmp_path / "a.json", document(version=2, unit="us", correction=CORRECTION, validation=[NETWORK]))
    table = read_json(path)
    assert table.correction == Correction(1.25, 0.0005)
    assert table.validation == (MeasuredNetwork("a", 0.001, 0.002),)


def test_the_verdict_by_hand():
    """Predicted 2.5, 4.5, 8.5 against 2, 5, 8: errors +25 %, -10 %, +6.25 %; the sums are -50 %, -60 %, -50 % off."""
    networks = [MeasuredNetwork("a", 1.0, 2.0), MeasuredNetwork("b", 2.0, 5.0), MeasuredNetwork("c", 4.0, 8.0)]
    verdict = judge(Correction(2.0, 0.5), networks)
    assert (verdict.networks, verdict.spearman) == (3, 1.0)
    assert verdict.median_relative_error == pytest.approx(0.1)
    assert verdict.bias == pytest.approx(0.0625)
    assert verdict.raw_error == pytest.approx(0.5)
    assert verdict.raw_bias == pytest.approx(-0.5)
    with refused("1 networks", "at least 2"):
        judge(None, networks[:1])


def test_spearman_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for a, b in ((rng.random(20), rng.random(20)), (rng.integers(0, 4, 20), rng.integers(0, 4, 20))):
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert spearman(np.ones(3), np.arange(3)) == 0


def test_headroom_is_a_quantile_that_further_networks_keep():
    """Of 9 networks the 0.9 quantile is the largest ratio, the 0.5 quantile the fifth; 10 are too few for 0.95."""
    networks = [MeasuredNetwork(str(i), 2.0, 2.0 + 0.1 * i) for i in range(1, 10)]
    assert headroom(None, networks, 0.9) == pytest.approx(1.45)
    assert headroom(None, networks, 0.5) == pytest.approx(1.25)
    assert headroom(Correction(2.0), networks, 0.9) == 1.0, "no discount where the correction costs too much"
    for quantile, needed in ((0.95, 19), (0.99, 99)):
        with refused(f"{quantile:g} needs {needed} measured networks", "has 9", f"--validate={needed}"):
            headroom(None, networks, quantile)
        enough = [MeasuredNetwork(str(i), 1.0, 1.0 + i) for i in range(needed)]
        assert headroom(None, enough, quantile) == needed
    for wrong in (0.0, 1.0):
        with refused(f"{wrong} is not between 0 and 1"):
            headroom(None, networks, wrong)


def test_doubts_are_said_where_there_is_reason():
    good = tuple(MeasuredNetwork(str(i), 1.0 + i, 1.1 + 1.1 * i) for i in range(10))
    assert doubts(make_table(validation=good)) == ()
    assert "never compared" in " ".join(doubts(make_table()))
    swapped = tuple(MeasuredNetwork(str(i), 10.0 + (i * 7) % 10, 10.0 + i) for i in range(10))
    assert "rank correlation" in " ".join(doubts(make_table(validation=swapped)))
    assert "median error" in " ".join(doubts(make_table(validation=good, correction=Correction(1.5))))
    fitted = make_table(validation=good, correction=Correction(1.1, space="a()/v1"))
    assert doubts(fitted, "a()/v1") == ()
    assert "a()/v1, not of b()/v1" in " ".join(doubts(fitted, "b()/v1"))


def test_writing_keeps_a_file_that_says_something_else(tmp_path):
    path = tmp_path / "a.json"
    write_json(make_table(), path)
    before = path.stat()
    write_json(make_table(source="read elsewhere"), path)
    assert path.stat().st_ino == before.st_ino, "a file that says the same is left as it is"
    with refused(path, "not this table", "overwrite"):
        write_json(make_table(device="another"), path)
    assert read_json(path).device == "toy"
    write_json(make_table(device="another"), path, overwrite=True)
    assert read_json(path).device == "another"


def test_writing_keeps_a_file_that_is_no_table(tmp_path):
    path = write(tmp_path / "a.json", "my notes")
    with refused(path, "overwrite"):
        write_json(make_table(), path)
    assert path.read_text() == "my notes"


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.json").mkdir()
    with refused("a.json", "cannot be written"):
        write_json(make_table(), tmp_path / "a.json", overwrite=True)
    with refused("b.json", "cannot be written", "folder"):
        write_json(make_table(), tmp_path / "none" / "b.json")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.json"]


@pytest.mark.parametrize("name", ["device", "runtime", "batch", "dtype", "unit", "measured", "rows"])
def test_json_refuses_a_missing_field(tmp_path, name):
    path = write(tmp_path / "a.json", document(**{name: ...}))
    with refused(path, f"lacks {name}", "fields are"):
        read_json(path)


def row_list(**changes):
    second = {"operator": HEAD.key, "mean": 0.5, **changes}
    kept = {name: value for name, value in second.items() if value is not ...}
    return document(rows=[{"operator": STEM.key, "mean": 1.5}, kept])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{", [":1:", "is not JSON"]),
        ("", ["is empty"]),
        ("[]", ["format", "'list'", "nagjax-device-table"]),
        (document(format="other"), ["format", "'other'", "nagjax-device-table"]),
        (document(version=3), ["version is 3", "reads 1 and 2"]),
        (document(version=0), ["version is 0", "reads 1 and 2"]),
        (document(correction=CORRECTION), ["correction", "version 2", "says 1"]),
        (document(version=2, correction=3), ["correction is 3", "object"]),
        (document(version=2, correction={"scale": 1.0}), ["correction: lacks offset"]),
        (document(version=2, correction={**CORRECTION, "slope": 1}), ["unknown field 'slope'", "scale"]),
        (document(version=2, correction={**CORRECTION, "scale": 0}), ["correction: scale is 0", "above 0"]),
        (document(version=2, correction={**CORRECTION, "scale": True}), ["scale is True"]),
        (document(version=2, correction={**CORRECTION, "offset": -0.1}), ["offset is -0.1", "0 or above"]),
        (document(version=2, correction={**CORRECTION, "offset": math.nan}), ["offset is nan", "finite"]),
        (document(version=2, correction={**CORRECTION, "networks": -1}), ["networks is -1"]),
        (document(version=2, correction={**CORRECTION, "space": ""}), ["space is ''", "unknown"]),
        (document(version=2, validation={}), ["validation is a dict", "list"]),
        (document(version=2, validation=["a"]), ["validation 1", "object"]),
        (document(version=2, validation=[{"architecture": "a", "raw": 1}]), ["validation 1", "lacks measured"]),
        (document(version=2, validation=[NETWORK, NETWORK]), ["validation 2", "twice"]),
        (document(version=2, validation=[{**NETWORK, "measured": 0}]), ["validation 1", "measured of a is 0"]),
        (document(version=2, validation=[{**NETWORK, "raw": "1"}]), ["validation 1", "raw of a is '1'"]),
        (document(version=True), ["version is True"]),
        (document(unit="minutes"), ["unit", "'minutes'", "ms, us, s"]),
        (document(unit=["ms"]), ["unit", "ms, us, s"]),
        (document(batch="1"), ["batch", "'1'", "integer"]),
        (document(colour="red"), ["unknown field 'colour'", "fields are"]),
        (document(rows={}), ["rows is a dict", "list"]),
        (document(rows=[]), ["no rows"]),
        (document(rows=[3]), ["row 1", "3", "object"]),
        (document(unmeasured="pool"), ["unmeasured is a str", "list"]),
        (document(unmeasured=["pooling"]), ["'pooling'", "pool"]),
        ('{"format": "nagjax-device-table", "unit": "ms", "unit": "s"}', ["'unit'", "twice", "remove"]),
        (row_list(mean=...), ["row 2", "lacks mean"]),
        (row_list(operator=...), ["row 2", "lacks operator"]),
        (row_list(stdev=1), ["row 2", "unknown field 'stdev'", "std"]),
        (row_list(operator=STEM.key), ["row 2", STEM.key, "twice", "remove"]),
        (row_list(operator="conv"), ["row 2", "'conv'", "an example"]),
        (row_list(operator=7), ["row 2", "'7'", "an example"]),
        (row_list(operator="warp-1x1x1-1x1x1-k1-s1"), ["row 2", "'warp'", "mbconv"]),
        (row_list(resolution="32"), ["row 2", "resolution", "'32'", "pixels"]),
        (row_list(resolution=0), ["row 2", "resolution", "0", "pixels"]),
        (row_list(mean="0.5"), ["row 2", HEAD.key, "mean is '0.5'", "number"]),
        (row_list(mean=True), ["row 2", HEAD.key, "mean is True", "number"]),
        (row_list(mean=0), ["row 2", HEAD.key, "mean is 0", "above 0"]),
        (row_list(mean=-3.5), ["row 2", HEAD.key, "mean is -3.5", "above 0"]),
        (row_list(mean=math.nan), ["row 2", HEAD.key, "mean is nan", "finite"]),
        (row_list(mean=math.inf), ["row 2", HEAD.key, "mean is inf", "finite"]),
        (row_list(std=-1), ["row 2", HEAD.key, "std is -1", "0 or above"]),
        (row_list(count=0.5), ["row 2", HEAD.key, "count is 0.5", "integer"]),
        ({**row_list(mean=1e307), "unit": "s"}, ["row 2", HEAD.key, "mean is inf", "finite"]),
    ],
)
def test_json_refuses(tmp_path, content, parts):
    path = write(tmp_path / "phone.json", content)
    with refused(path, *parts):
        read_json(path)


def test_all_that_is_wrong_with_rows_is_said_at_once(tmp_path):
    key = BLOCK.key
    rows = [
        {"operator": STEM.key, "mean": 1.5},
        {"operator": HEAD.key, "mean": -0.5},
        {"operator": STEM.key, "mean": 1.5},
        {"operator": POOL.key, "mean": 0},
        {"operator": key, "mean": None},
        {"operator": "warp", "mean": 1},
        7,
        {"operator": MIX.key, "mean": "1"},
    ]
    path = write(tmp_path / "a.json", document(rows=rows))
    with refused(
        "a.json: of 8 rows 2 have a time of 0 or below, 1 are a repetition, 1 have no time yet, 3 are malformed. ",
        f"row 2 ({HEAD.key}): mean is -0.5",
        f"row 3: operator {STEM.key!r}, resolution None stands twice (first in row 1)",
        f"row 4 ({POOL.key}): mean is 0",
        f"row 5 ({key}): mean is null; put the operator's time there",
        "row 6: operator 'warp'",
        "and 2 more",
        "Fill in the times",
        "The least time is -0.5: was a base (an empty call, a loop) subtracted",
    ):
        read_json(path)


def test_zero_times_alone_are_no_subtracted_base(tmp_path):
    rows = [{"operator": op.key, "mean": 0} for op in (STEM, HEAD)]
    with pytest.raises(ValueError, match="of 2 rows 2 have a time of 0 or below") as caught:
        read_json(write(tmp_path / "a.json", document(rows=rows)))
    assert "subtracted" not in str(caught.value)


def test_a_kind_declared_unmeasured_has_no_rows(tmp_path):
    rows = [{"operator": op.key, "mean": 1} for op in (STEM, POOL)]
    path = write(tmp_path / "a.json", document(rows=rows, unmeasured=["pool", "mbconv"]))
    with refused("a.json", "unmeasured names 'pool'", "1 rows", "row 2", POOL.key, "take it out, or remove"):
        read_json(path)
    assert read_json(write(path, document(unmeasured=["pool"]))).unmeasured == ("pool",)


def test_one_operator_may_stand_once_a_resolution(tmp_path):
    rows = [{"operator": HEAD.key, "mean": 1, "resolution": size} for size in (32, 64)]
    assert len(read_json(write(tmp_path / "a.json", document(rows=rows))).rows) == 2
    with refused("row 3", HEAD.key, "64", "twice"):
        read_json(write(tmp_path / "a.json", document(rows=[*rows, rows[1]])))


def test_json_row_keys_are_normal(tmp_path):
    rows = [{"operator": STEM.key.replace("k3", "k03"), "mean": 1}]
    assert list(read_json(write(tmp_path / "a.json", document(rows=rows))).rows) == [(STEM.key, None)]


def test_unreadable_files(tmp_path):
    with refused(tmp_path / "none.json", "no such file"):
        read_json(tmp_path / "none.json")
    with refused(tmp_path, "is a folder"):
        read_json(tmp_path)
    (tmp_path / "a.json").write_bytes(b"\x80\x81")
    with refused("a.json", "UTF-8"):
        read_json(tmp_path / "a.json")


# The once-for-all dialects


def test_dialect_keys():
    assert [note10_key(op) for op in OPERATORS] == [
        "Conv-input:32x32x3-output:16x16x24",
        "expanded_conv-input:16x16x24-output:8x8x32-expand:96-kernel:5-stride:2-idskip:0-se:1-hs:0",
        "Conv_1-input:1x1x192-output:1x1x1152",
        "AvgPool2D-input:4x4x64-output:1x1x64",
        "Conv_2-input:1x1x1152-output:1x1x1536",
        "Logits-input:1x1x1536-output:1000",
    ]
    assert [i7_key(op) for op in OPERATORS] == [
        "first_conv-input:32x32x3-output:16x16x24",
        "MBConv-input:16x16x24-output:8x8x32-expand:4-kernel:5-stride:2-idskip:0-se:1",
        "final_expand_layer-input:1x1x192-output:1x1x1152",
        POOL.key,
        "feature_mix_layer-input:1x1x1152-output:1x1x1536",
        "classifier-input:1536-output:1000",
    ]


@pytest.mark.parametrize(
    "op",
    [
        Operator("conv", 32, 16, 3, 24, kernel=5, stride=2, activation="h_swish"),
        Operator("conv", 32, 16, 3, 24, kernel=3, stride=2, activation="relu"),
        Operator("conv", 8, 8, 24, 24, kernel=3, activation="h_swish"),
        Operator("mbconv", 16, 16, 24, 24, 3, 1, 72, activation="relu6"),
        Operator("mbconv", 16, 16, 24, 24, 3, 1, 72, activation="relu", norm=False),
        Operator("identity", 16, 16, 24, 24),
    ],
    ids=lambda op: op.key,
)
def test_an_operator_that_a_dialect_does_not_mean_keeps_its_own_key(op):
    assert note10_key(op) == i7_key(op) == op.key


def test_i7_names_whole_ratios_only():
    op = Operator("mbconv", 16, 16, 24, 24, 3, 1, 60, activation="relu")
    assert i7_key(op) == op.key
    assert note10_key(op) != op.key


def test_note10_folder_prices_by_resolution(tmp_path):
    write(tmp_path / "32_lookup_table.yaml", NOTE10 + f"{note10_key(HEAD)}:\n  mean: 3.0\n")
    write(tmp_path / "64_lookup_table.yaml", f"{note10_key(HEAD)}:\n  mean: 4.0\n")
    write(tmp_path / "README.md", "not a table")
    larger = Operator("linear", 1, 1, 1536, 1000, norm=False, resolution=64)
    table = read_note10(tmp_path, [*OPERATORS, larger])
    assert {key: row.mean for key, row in table.rows.items()} == {
        (STEM.key, 32): 0.5, (BLOCK.key, 32): 2.0, (HEAD.key, 32): 3.0, (HEAD.key, 64): 4.0,
    }  # fmt: skip
    assert table.lookup(STEM) == Row(0.5, 0.25, 50, f"{tmp_path / '32_lookup_table.yaml'}:1")
    assert table.lookup(BLOCK).source.endswith("32_lookup_table.yaml:5")
    assert (table.unit, table.unmeasured, table.source) == ("ms", (), str(tmp_path))


def test_note10_one_file_serves_a_space_without_resolutions(tmp_path):
    path = write(tmp_path / "32_lookup_table.yaml", NOTE10)
    stem = Operator("conv", 32, 16, 3, 24, kernel=3, stride=2, activation="h_swish")
    table = read_note10(path, [stem, BLOCK])
    assert list(table.rows) == [(stem.key, None), (BLOCK.key, 32)]
    assert table.lookup(stem).mean == 0.5


def test_i7_file(tmp_path):
    table = read_i7(write(tmp_path / "i7.yaml", I7), OPERATORS)
    assert table.rows == {
        (STEM.key, None): Row(0.5, 0.0, 0, f"{tmp_path / 'i7.yaml'}:4"),
        (BLOCK.key, None): Row(0.75, 0.25, 0, f"{tmp_path / 'i7.yaml'}:1"),
    }
    assert table.unmeasured == ("pool",)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["is empty"]),
        ("# nothing\n", [":1", "nothing", "mapping"]),
        ("a: [1\n", ["is not YAML", "correct"]),
        ("- 1\n- 2\n", [":1", "a list", "mapping"]),
        ("hello\n", [":1", "'hello'", "mapping"]),
        ("a: 3\n", [":1", "'3'", "mapping"]),
        ("? [a, b]\n: 3\n", [":1", "as a key"]),
        (
            I7 + "first_conv-input:32x32x3-output:16x16x24:\n  mean: 9\n",
            [":7", "first_conv", "twice", "line 4", "remove"],
        ),
        ("x:\n  mean: 1\n  mean: 2\n", [":3", "'mean'", "twice", "line 2"]),
        ("x:\n  var: 1\n", [":1", "'x'", "lacks mean"]),
        ("x:\n  mean: 1\n  stdev: 2\n", [":1", "'x'", "'stdev'", "std"]),
        (I7.replace("0.75", "0"), [":1", "mean is 0", "above 0", "MBConv"]),
        (I7.replace("0.75", "-0.75"), [":1", "mean is -0.75", "above 0", "MBConv"]),
        (I7.replace("0.75", ".nan"), [":1", "mean is nan", "finite", "MBConv"]),
        (I7.replace("0.75", ".inf"), [":1", "mean is inf", "finite", "MBConv"]),
        (I7.replace("0.75", "7 ms"), [":2", "MBConv", "mean: '7 ms'", "a number"]),
        (I7.replace("0.75", "yes"), [":1", "mean is True", "a number", "MBConv"]),
        (I7.replace("0.75", "[1]"), [":1", "mean is None", "a number", "MBConv"]),
        (I7.replace("0.0625", "-1"), [":1", "var is -1", "0 or above", "MBConv"]),
        (I7.replace("0.0625", "much"), [":1", "var is 'much'", "a number", "MBConv"]),
    ],
)
def test_yaml_refuses(tmp_path, content, parts):
    path = write(tmp_path / "i7.yaml", content)
    with refused(path, *parts):
        read_i7(path, OPERATORS)


def test_yaml_rows_are_refused_together(tmp_path):
    wrong = I7.replace("mean: 0.75", "mean: -0.75").replace("mean: 0.5", "mean: -2")
    with refused("i7.yaml: of 2 rows 2 have a time of 0 or below", ":4", ":1", "least time is -2", "subtracted"):
        read_i7(write(tmp_path / "i7.yaml", wrong), OPERATORS)
    with refused("i7.yaml: of 4 rows 2 are a repetition", ":7", "(first in line 1)", ":10", "(first in line 4)"):
        read_i7(write(tmp_path / "i7.yaml", I7 + I7), OPERATORS)
    broken = NOTE10.replace("mean: 0.5", "mean: 0").replace("mean: 2.0", "mean: 0")
    path = write(tmp_path / "32_lookup_table.yaml", broken)
    with refused(tmp_path, "of 2 rows 2 have a time of 0", "32_lookup_table.yaml:1", "32_lookup_table.yaml:5"):
        read_note10(path, OPERATORS)


def test_note10_refuses_by_the_same_rules(tmp_path):
    path = write(tmp_path / "32_lookup_table.yaml", NOTE10.replace("std: 0.1", "std: -0.1"))
    with refused(path, ":5", "std is -0.1", "0 or above", note10_key(BLOCK)):
        read_note10(tmp_path, OPERATORS)


def test_note10_paths(tmp_path):
    with refused(tmp_path / "none", "no such file or folder", "NNN_lookup_table.yaml"):
        read_note10(tmp_path / "none", OPERATORS)
    with refused(tmp_path, "the folder has no file", "NNN_lookup_table.yaml"):
        read_note10(tmp_path, OPERATORS)
    with refused("table.yaml", "the file is not", "NNN_lookup_table.yaml"):
        read_note10(write(tmp_path / "table.yaml", NOTE10), OPERATORS)
    for ending in ("yaml", "yml"):
        write(tmp_path / f"32_lookup_table.{ending}", NOTE10)
    with refused(tmp_path, "resolution 32", "two files", "remove"):
        read_note10(tmp_path, OPERATORS)


def test_a_table_of_another_space_is_refused_with_an_example_of_either_side(tmp_path):
    other = [Operator("linear", 1, 1, 5, 6, norm=False, resolution=32)]
    write(tmp_path / "32_lookup_table.yaml", NOTE10)
    with refused(
        tmp_path, "another space, width", "'Logits-input:1x1x5-output:6'", "'Conv-input:32x32x3-output:16x16x24'"
    ):
        read_note10(tmp_path, other)
    path = write(tmp_path / "i7.yaml", I7)
    with refused(path, "another space, width", "'classifier-input:5-output:6'", "'MBConv-input:16x16x24-output"):
        read_i7(path, other)
    path = write(tmp_path / "a.json", document())
    with refused(path, "another space, width", other[0].key, STEM.key):
        read_table(path, other)
    with refused(path.parent, "no operators", "space.operators"):
        read_note10(tmp_path, [])


# Telling formats apart


def test_formats_are_told_by_name_and_first_line(tmp_path):
    folder = tmp_path / "note10"
    folder.mkdir()
    single = write(folder / "32_lookup_table.yaml", NOTE10)
    i7 = write(tmp_path / "cpu.yaml", "# exported\n" + I7)
    own = write(tmp_path / "own.json", document())
    devices = [read_table(path, OPERATORS).device for path in (folder, single, i7, own)]
    assert devices == ["Samsung Note10", "Samsung Note10", "Intel i7-8700K", "toy"]


def test_a_format_may_be_named(tmp_path):
    path = write(tmp_path / "table.txt", I7)
    with refused(path, "cannot be told", "json, ofa_note10, ofa_i7, csv"):
        read_table(path, OPERATORS)
    assert read_table(path, OPERATORS, "ofa_i7").device == "Intel i7-8700K"
    with refused(tmp_path / "other.yaml", "cannot be told"):
        read_table(write(tmp_path / "other.yaml", NOTE10), OPERATORS)
    with refused(tmp_path / "none.json", "no such file"):
        read_table(tmp_path / "none.json", OPERATORS)


def test_further_formats_and_near_misses(tmp_path):
    path = write(tmp_path / "table.txt", "ignored")
    formats = {"acme": lambda path, operators: make_table(device=f"{path.name} {len(operators)}")}
    assert read_table(path, OPERATORS, "acme", formats).device == "table.txt 6"
    with refused("'ofa_note'", "did you mean 'ofa_note10'", "acme, csv, fbnet"):
        read_table(path, OPERATORS, "ofa_note", formats)
    with refused("'acme' is not known; known: auto, csv"):
        read_table(path, OPERATORS, "acme")


# The published tables


@pytest.mark.data
def test_note10_reproduces_the_published_front(shared_data):
    space = ofa_mobilenet_v3.make(1.2)
    table = read_table(shared_data("ofa_mobilenet_v3/note10"), space.operators)
    rows = [table.lookup(op) for op in space.operators]
    times = np.array([row.mean if row else np.nan for row in rows])
    with shared_data("ofa_mobilenet_v3/ofa2_nsga2_front.csv").open() as file:
        front = list(csv.DictReader(file))
    texts = [":".join([r[k].replace(" ", ",") for k in ("d", "ks", "e")] + [r["resolution"]]) for r in front]
    latency = space.operator_sum(np.stack([space.parse(text) for text in texts]), times)
    assert len(front) == 100
    np.testing.assert_allclose(latency, [float(r["latency_ms"]) for r in front], rtol=0, atol=1e-4)
    unpriced = {op.resolution for op, row in zip(space.operators, rows, strict=True) if row is None}
    assert unpriced == set(range(96, 257, 4)) - set(range(160, 225, 4))


@pytest.mark.data
@pytest.mark.parametrize("width", [1.0, 1.2])
def test_i7_knows_all_but_pooling(shared_data, width):
    space = ofa_mobilenet_v3.make(width)
    table = read_table(shared_data("ofa_mobilenet_v3/i7-8700k.yaml"), space.operators)
    assert {op.kind for op in space.operators if table.lookup(op) is None} == {"pool"}


@pytest.mark.data
def test_note10_is_width_1_2(shared_data):
    with refused("note10", "width", "Conv-input", "AvgPool2D"):
        read_table(shared_data("ofa_mobilenet_v3/note10"), ofa_mobilenet_v3.make(1.0).operators)


def test_times_in_microseconds_stay_the_decimals_that_stand_in_the_file(tmp_path):
    """30.1 us are 0.0301 ms, whose sums are exact; in binary they would be 0.030100000000000002."""
    operators = [Operator("conv", 8, 8, 3, width) for width in (8, 16, 24)]
    rows = [{"operator": op.key, "mean": mean} for op, mean in zip(operators, (30.1, 43.1, 402.8), strict=True)]
    head = {"device": "d", "runtime": "r", "batch": 1, "dtype": "float32", "measured": "m"}
    document = {"format": "nagjax-device-table", "version": 1, **head, "unit": "us", "rows": rows}
    path = tmp_path / "table.json"
    path.write_text(json.dumps(document))
    assert [row.mean for row in read_json(path).rows.values()] == [0.0301, 0.0431, 0.4028]
