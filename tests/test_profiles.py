"""Files of other tools: every format on a sample made here, and what is wrong with it, refused with place and remedy.

All numbers are made up.
"""

import json
import re

import numpy as np
import pytest

from benchmarks.fault_cases.profiles import (
    BLOCK,
    FAULTS,
    FBNET,
    HOSTED,
    OPENVINO,
    OPENVINO_CSV,
    OPERATORS,
    ORT,
    SAMPLES,
    SPREADSHEET,
    STEM,
    TFLITE,
    TRT,
)  # fmt: skip
from experiments import convert_table
from nagjax.devices import measured, timings
from nagjax.devices.formats import PROFILES, detect, read_table
from nagjax.devices.json_table import read_json, write_json
from nagjax.devices.profiles.lookup import fbnet_name, proxyless_name
from nagjax.operators import Operator
from nagjax.spaces import mobilenet_v3_small28


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def table_of(path, **given):
    return timings.device_table(PROFILES[detect(path)](path), OPERATORS, **given)


def means(table):
    return {key: row.mean for (key, _), row in table.rows.items()}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_told_by_a_look_and_read_in_ms(name, tmp_path):
    file, text = SAMPLES[name]
    path = write(tmp_path / file, text)
    assert detect(path) == name
    table = table_of(path, unit="ms" if name == "fbnet" else None)
    expected = {BLOCK.key: pytest.approx(0.3)} if name == "fbnet" else {STEM.key: 0.4, BLOCK.key: pytest.approx(0.3)}
    if name == "onnxruntime":
        expected[STEM.key] = 0.41  # the median of 400 and 420 us
    assert means(table) == expected


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"fbnet"}))
def test_a_file_that_says_its_unit_and_operators_is_a_device_format(name, tmp_path):
    file, text = SAMPLES[name]
    path = write(tmp_path / file, text)
    assert means(read_table(path, OPERATORS, name)) == means(table_of(path))


def test_a_file_that_says_no_unit_or_no_operators_is_refused_as_a_table(tmp_path):
    with pytest.raises(ValueError, match="nothing says the unit"):
        read_table(write(tmp_path / "lut.txt", FBNET), OPERATORS)
    with pytest.raises(ValueError, match="space: give it"):
        timings.device_table(PROFILES["proxyless"](write(tmp_path / "mobile.yaml", SAMPLES["proxyless"][1])))


def test_every_profile_has_a_sample():
    assert set(SAMPLES) == set(PROFILES)


@pytest.mark.parametrize(
    ("file", "text", "network"),
    [
        ("ort.json", json.dumps(ORT), 1.05),
        ("job.json", json.dumps(HOSTED), 0.9),
        ("counters.csv", OPENVINO_CSV, 0.75),
        ("counters.json", json.dumps(OPENVINO), 0.75),
        ("profile.csv", TFLITE, 0.75),
    ],
)
def test_the_time_of_the_whole_network(file, text, network, tmp_path):
    path = write(tmp_path / file, text)
    assert timings.whole_network(PROFILES[detect(path)](path)) == pytest.approx(network)


def test_a_profile_without_the_whole_network_says_so(tmp_path):
    with pytest.raises(ValueError, match="does not say what the whole network took"):
        timings.whole_network(PROFILES["tensorrt"](write(tmp_path / "trt.json", json.dumps(TRT))))


def test_runs_of_a_node_give_its_spread_and_number(tmp_path):
    table = table_of(write(tmp_path / "ort.json", json.dumps(ORT)))
    row = table.rows[STEM.key, None]
    assert (row.count, row.std) == (2, pytest.approx(1.4826 * 0.01))


def test_layers_of_one_operator_are_compared_and_parts_of_one_layer_are_added(tmp_path):
    """Three layers of the block take 0.3, 0.5 and 0.4 ms; the first has two parts."""
    times = [("1", "dw", 0.1), ("1", "project", 0.2), ("2", "dw", 0.5), ("3", "dw", 0.4)]
    text = "operator,value,unit\n" + "".join(f"{layer}/{BLOCK.key}/{part},{ms},ms\n" for layer, part, ms in times)
    row = table_of(write(tmp_path / "a.csv", text)).rows[BLOCK.key, None]
    assert (row.mean, row.count, row.std) == (pytest.approx(0.4), 3, pytest.approx(1.4826 * 0.1))


def test_a_list_of_names_attributes_what_a_tool_named_in_its_own_words(tmp_path):
    renamed = [{"count": 3}] + [{"name": name, "medianMs": time} for name, time in
                                (("conv1", 0.4), ("dw", 0.1), ("pw", 0.2), ("softmax", 0.01))]  # fmt: skip
    path = write(tmp_path / "trt.json", json.dumps(renamed))
    listed = f"name,operator,layer\nconv1,{STEM.key},0\ndw,{BLOCK.key},1\npw,{BLOCK.key},1\nsoftmax,,\n"
    names = timings.read_names(write(tmp_path / "names.csv", listed))
    assert means(table_of(path, names=names)) == {STEM.key: 0.4, BLOCK.key: pytest.approx(0.3)}
    for changed, said in (
        (listed.replace("softmax,,\n", ""), "1 of 4 names belong to no operator: 'softmax' (entry 5)"),
        (listed + "extra,,\n", "1 that the profile lacks: 'extra'"),
        (listed.replace(",1\n", ",\n"), "has 2 names and no layer"),
    ):
        names = timings.read_names(write(tmp_path / "names.csv", changed))
        with pytest.raises(ValueError, match=re.escape(said)):
            table_of(path, names=names)
    for changed, said in (
        (listed + "conv1,,\n", "row 6, column 'name': 'conv1' stands twice"),
        (listed.replace("softmax,,", "softmax,exp,"), "row 5, column 'operator': 'exp' does not name an operator"),
        ("name\nconv1\n", "no column 'operator'"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            timings.read_names(write(tmp_path / "names.csv", changed))


def test_repeated_rows_of_a_look_up_table_are_layers_of_one_operator(tmp_path):
    """Of 0.3, 0.5 and 0.4 ms the median is taken; rows of another type are no such layers."""
    text = "".join(FBNET.replace("0.3", str(ms)) for ms in (0.3, 0.5, 0.4))
    row = table_of(write(tmp_path / "lut.txt", text), unit="ms").rows[BLOCK.key, None]
    assert (row.mean, row.count) == (0.4, 3)
    mixed = FBNET + FBNET.replace("'op_latency'", "'op_dtype': 'int8', 'op_latency'")
    with pytest.raises(ValueError, match="line 2: op_dtype is 'int8', and None in the first row"):
        table_of(write(tmp_path / "mixed.txt", mixed), unit="ms")


def test_a_list_of_names_goes_before_a_dialect(tmp_path):
    names = {"mb_k3_e3 112x112 16 24 2": timings.Name(STEM.key)}
    assert means(table_of(write(tmp_path / "lut.txt", FBNET), unit="ms", names=names)) == {STEM.key: 0.3}


def test_dialects_name_an_operator_only_where_they_mean_it():
    assert proxyless_name(STEM) == "Conv-input:224x224x3-output:112x112x16"
    squeezed = Operator("mbconv", 112, 56, 16, 24, 3, 2, 48, True, "relu")
    assert [name(squeezed) for name in (proxyless_name, fbnet_name)] == [squeezed.key] * 2
    assert fbnet_name(BLOCK) == "mb_k3_e3 112x112 16 24 2"


@pytest.mark.parametrize(("name", "text", "said"), FAULTS)
def test_a_faulty_file_is_refused_with_place_and_remedy(name, text, said, tmp_path):
    path = write(tmp_path / SAMPLES[name][0], text)
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        timings.device_table(PROFILES[name](path), OPERATORS, unit="ms" if name == "fbnet" else None)
    assert str(path) in str(caught.value)


def test_every_format_has_five_faults():
    assert all(sum(name == given for given, _, _ in FAULTS) >= 5 for name in PROFILES)


def test_a_unit_is_given_once_and_not_against_the_file(tmp_path):
    lut = write(tmp_path / "lut.txt", FBNET)
    assert means(table_of(lut, unit="us")) == {BLOCK.key: 0.0003}
    with pytest.raises(ValueError, match="nothing says the unit of the times"):
        table_of(lut)
    with pytest.raises(ValueError, match="the file gives times in 'ms', not in 'us'"):
        table_of(write(tmp_path / "trt.json", json.dumps(TRT)), unit="us")


def test_spreadsheets_are_read_as_they_write(tmp_path):
    assert means(table_of(write(tmp_path / "sheet.csv", SPREADSHEET))) == {STEM.key: 0.4, BLOCK.key: 0.3}


def test_what_tflite_prints_is_read_too(tmp_path):
    """The printed form has tabs and brackets where the file has commas."""
    printed = f"""\
INFO: Inference timings in us: Init: 855, First inference: 1301, Warmup (avg): 1290.5, Inference (avg): 750
============================== Run Order ==============================
\t    [node type]\t [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t        CONV_2D\t   0.003\t    0.412\t    0.4\t 31.200%\t 31.200%\t     0.000\t        1\t[{STEM.key}]:0
"""
    found = PROFILES["tflite"](write(tmp_path / "out.txt", printed))
    assert [(line.name, line.time) for line in found.lines] == [(STEM.key, 0.4)]
    assert found.network == 0.75


# The job, with measured networks

SPACE = mobilenet_v3_small28.make()


def priced(tmp_path):
    """A table of the space in which every operator takes 1 to 5 us, by its number."""
    keys = dict.fromkeys(op.key for op in SPACE.operators)
    rows = "".join(f"{key},{1 + index % 5},us\n" for index, key in enumerate(keys))
    return write(tmp_path / "plain.csv", "operator,value,unit\n" + rows)


def networks(tmp_path, table, count=12):
    """Networks that take 2 x sum + 0.05 ms to the digit."""
    rng = np.random.default_rng(0)
    tokens = SPACE.canonical(
        np.stack([rng.integers(0, [len(d.choices) for d in SPACE.decisions]) for _ in range(count)])
    )
    values = np.array([row.mean if (row := table.lookup(op)) else 0.0 for op in SPACE.operators])
    lines = [f'"{SPACE.format(row)}",{2 * SPACE.operator_sum(row[None], values)[0] + 0.05}' for row in tokens]
    return write(tmp_path / "networks.csv", "\n".join(["architecture,latency", *dict.fromkeys(lines)]) + "\n")


def test_the_job_corrects_a_table_by_measured_networks(tmp_path, capsys):
    plain = priced(tmp_path)
    listed = networks(tmp_path, read_table(plain, SPACE.operators))
    out = tmp_path / "table.json"
    given = [f"--table={plain}", "--space=mobilenet_v3_small28", f"--networks={listed}", "--networks_unit=ms"]
    assert convert_table.main([*given, f"--out={out}", "--device=Acme", "--dtype=int8", "--batch=4"]) == 0
    table = read_json(out)
    assert (table.device, table.dtype, table.batch) == ("Acme", "int8", 4)
    assert (table.correction.scale, table.correction.offset) == (pytest.approx(2), pytest.approx(0.05))
    assert table.correction.networks + len(table.validation) == len(listed.read_text().splitlines()) - 1
    assert "judged: Spearman 1.000, median error 0.0 %" in capsys.readouterr().out
    again = [f"--table={out}", f"--out={tmp_path / 'judged.json'}", "--fit_share=0", *given[1:]]
    assert convert_table.main(again) == 0
    judged = read_json(tmp_path / "judged.json")
    assert judged.correction == table.correction
    assert "median error 0.0 %, bias +0.0 % (raw sum: " in capsys.readouterr().out


def test_networks_in_another_unit_than_the_rows_are_doubted(tmp_path, capsys):
    plain = priced(tmp_path)
    listed = networks(tmp_path, read_table(plain, SPACE.operators))
    given = [f"--table={plain}", "--space=mobilenet_v3_small28", f"--networks={listed}", f"--out={tmp_path / 't.json'}"]
    assert convert_table.main([*given, "--networks_unit=s"]) == 0
    assert "times the sum of their operators: is one of them in another unit?" in capsys.readouterr().out


def test_a_table_goes_to_a_spreadsheet_and_back(tmp_path):
    table = read_table(priced(tmp_path), SPACE.operators)
    write_json(table, tmp_path / "a.json")
    assert convert_table.main([f"--table={tmp_path / 'a.json'}", f"--out={tmp_path / 'b.csv'}"]) == 0
    assert convert_table.main([f"--table={tmp_path / 'b.csv'}", f"--out={tmp_path / 'c.json'}"]) == 0
    assert means(read_json(tmp_path / "c.json")) == means(table)


@pytest.mark.parametrize(
    ("rows", "unit", "said"),
    [
        ("architecture,latency\n", "ms", "has a header and no rows"),
        ("architecture,latency\nnone,1\n", "ms", "row 2, column 'architecture'"),
        ("architecture,latency\n{},0\n", "ms", "row 2, column 'latency': latency is 0.0"),
        ("architecture,latency\n{},1\n", None, "nothing says the unit of the column latency"),
        ("architecture,time\n{},1\n", "ms", "no column 'latency'"),
        ("architecture,latency_ms\n{},1\n", "us", "the column latency_ms is in ms, and --networks_unit=us"),
        ("architecture,latency_ms\n{},0\n", None, "row 2, column 'latency_ms': latency_ms is 0.0"),
    ],
)
def test_measured_networks_are_refused_with_their_place(rows, unit, said, tmp_path):
    one = '"' + SPACE.format(SPACE.canonical(np.zeros((1, len(SPACE.decisions)), np.int32))[0]) + '"'
    path = write(tmp_path / "networks.csv", rows.format(one))
    with pytest.raises(ValueError, match=re.escape(said)):
        measured.read_networks(path, SPACE, unit, lambda _: 1.0)


@pytest.mark.parametrize("unit", [None, "ms"])
def test_latency_ms_says_the_unit_of_measured_networks(unit, tmp_path):
    one = SPACE.format(SPACE.canonical(np.zeros((1, len(SPACE.decisions)), np.int32))[0])
    path = write(tmp_path / "networks.csv", f'architecture,latency_ms\n"{one}",2.5\n')
    _, times = measured.read_networks(path, SPACE, unit, lambda _: 1.0)
    assert times.tolist() == [2.5]


def test_profiles_of_whole_networks_are_measured_networks(tmp_path):
    write(tmp_path / "job.json", json.dumps(HOSTED))
    one = SPACE.format(SPACE.canonical(np.zeros((1, len(SPACE.decisions)), np.int32))[0])
    path = write(tmp_path / "networks.csv", f'architecture,profile\n"{one}",job.json\n')
    _, times = measured.read_networks(
        path, SPACE, None, lambda file: timings.whole_network(PROFILES["hosted_job"](file))
    )
    assert times.tolist() == [pytest.approx(0.9)]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "--table is not given"),
        (["--table={}/plain.csv", "--out={}/t.txt"], "must end in .json or .csv"),
        (["--table={}/plain.csv", "--out={}/plain.csv"], "exists"),
        (["--table={}/plain.csv", "--out={}/t.json", "--networks=n.csv"], "--networks needs --space"),
        (["--table={}/a.json", "--out={}/t.json", "--unit=ms"], "is read as 'json', which says both itself"),
    ],
)
def test_the_job_refuses_flags_that_cannot_be(flags, said, tmp_path, capsys):
    table = read_table(priced(tmp_path), SPACE.operators)
    write_json(table, tmp_path / "a.json")
    assert convert_table.main([flag.format(tmp_path) for flag in flags]) == 2
    assert said in capsys.readouterr().err
