"""How files of text are read: dialects, encodings, numbers, flagfiles; and what is not a file, a number or a seed."""

import json
import os
import socket

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import run
from experiments.frame import cli, flagfile, settings
from nagjax import arguments, controllers, files, names, numerals
from nagjax.delimited import read_delimited
from nagjax.devices.formats import read_table as read_device_table
from nagjax.devices.json_table import read_json
from nagjax.devices.table import Row
from nagjax.devices.yaml_rows import read_rows
from nagjax.predictors.formats.npz import read_arrays
from nagjax.predictors.formats.readers import read_predictor
from nagjax.predictors.forms.table import TabularQuality
from nagjax.predictors.kinds.mlp import FitConfig, fit
from nagjax.predictors.records.columns import read_columns
from nagjax.predictors.records.labels import Labels
from nagjax.predictors.records.records import Records, read_records
from nagjax.problems.build import make_problem
from nagjax.reports import front
from nagjax.spaces import nas_bench_macro
from nagjax.tables import numbers, read_table
from nagjax.tabular import read_tabular

ROWS = (("3", "0.5", "62.0", "2.0"), ("3", "1.0", "67.25", "2.75"), ("5", "0.5", "66.0", "2.5"))
HEADER = ("kernel", "width", "top1", "latency_ms")
LABELS = Labels("top1", "percent", ("latency_ms",))
KEY = "pool-7x7x960-1x1x960-k7-s1"


def table_text(separator=",", decimal=".", quote="", end="\n"):
    """A benchmark of three rows in a dialect."""
    rows = [[quote + field.replace(".", decimal) + quote for field in row] for row in ROWS]
    return end.join(separator.join(row) for row in [HEADER, *rows]) + end


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


def refusal(read, *given, **named):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is looked at by the caller
        read(*given, **named)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (table_text(), "utf-8"),
        (table_text(), "utf-8-sig"),
        (table_text(end="\r\n"), "utf-8-sig"),
        (table_text(end="\r"), "utf-8"),
        (table_text(";"), "utf-8"),
        (table_text(";", ","), "utf-8"),
        (table_text(";", ",", '"', "\r\n"), "utf-8-sig"),
        (table_text(",", ",", '"'), "utf-8"),
        (table_text("\t"), "utf-16"),
        (table_text("\t", ",", end="\r\n"), "utf-16"),
        (table_text("|"), "utf-32"),
        ("sep=;\n" + table_text(";", ","), "utf-8"),
        ('"sep=\t"\r\n' + table_text("\t", end="\r\n"), "utf-8-sig"),
        ("sep=:\n" + table_text(":"), "utf-8"),
        (table_text(", ", quote='"'), "utf-8"),
        ("note;" + table_text(";").replace("\n", "\na;").removesuffix("a;"), "utf-8"),
    ],
)
def test_every_dialect_says_the_same(tmp_path, text, encoding):
    space, records = read_columns(write(tmp_path / "a.csv", text, encoding), ["kernel", "width"], LABELS)
    assert [list(decision.choices) for decision in space.decisions] == [
        [{"kernel": 3}, {"kernel": 5}], [{"width": 0.5}, {"width": 1.0}]]  # fmt: skip
    assert [space.format(row) for row in records.tokens] == [
        "kernel=3,width=0.5",
        "kernel=3,width=1.0",
        "kernel=5,width=0.5",
    ]
    np.testing.assert_allclose(records.quality, [0.62, 0.6725, 0.66], rtol=1e-15)
    assert records.costs["latency_ms"].tolist() == [2.0, 2.75, 2.5]


def test_a_line_that_says_the_separator_counts_as_a_row(tmp_path):
    path = write(tmp_path / "a.csv", "sep=;\n" + table_text(";").replace("2.75", "fast"))
    assert f"{path}: row 4, column 'latency_ms': 'fast' is not a number" in refusal(
        read_columns, path, ["kernel", "width"], LABELS)  # fmt: skip


@pytest.mark.parametrize(
    ("separator", "column", "expected"),
    [
        (";", ["1,234", "2,5"], [1.234, 2.5]),
        (";", ["1,234", "12"], [1.234, 12.0]),
        (";", ["1.234", "12"], [1.234, 12.0]),
        ("\t", ["0,234", "2,5"], [0.234, 2.5]),
        ("\t", ["1,234", "2"], "row 2, column 'n': '1,234' is not a number: it may be 1.234 or 1234"),
        ("\t", ["2,5", "1,234"], "it has a decimal comma; write 2.5"),
        ("\t", ["2,5", "1.5"], "it has a decimal comma; write 2.5"),
        (";", ["2,5", "1.5"], "it has a decimal comma; write 2.5 (others of the column have decimal points)"),
        (";", ["1.234,5", "2,5"], "marks between thousands"),
        (",", ['"1,234"', "2.5"], "it may be 1.234 or 1234; write the one that is meant"),
        (",", ['"1,234.5"', "2.5"], "marks between thousands"),
        (",", ['"1,234,567"', "2"], "marks between thousands"),
    ],
)
def test_a_comma_in_a_number_is_read_where_it_is_plain_and_never_guessed(tmp_path, separator, column, expected):
    path = write(
        tmp_path / "a.csv", "\n".join(separator.join(row) for row in [("n", "k"), *((c, "1") for c in column)])
    )
    table = read_table(path, ["n", "k"])
    if isinstance(expected, str):
        assert expected in refusal(numbers, table, "n")
    else:
        assert numbers(table, "n").tolist() == expected


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_decimal_commas_in_a_file_of_semicolons_mean_what_points_mean(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("commas")
    path = write(folder / "a.csv", "\n".join(["n;k", *(f"{value!r};x".replace(".", ",") for value in values)]))
    assert numbers(read_table(path, ["n"]), "n").tolist() == values


@pytest.mark.parametrize(("one", "other"), [("1.234", "2,5"), ("1,234", "2.5")])
def test_semicolons_say_nothing_where_columns_contradict_each_other(tmp_path, one, other):
    table = read_table(write(tmp_path / "a.csv", f"n;k\n{one};{other}\n"), ["n"])
    message = refusal(numbers, table, "n")
    assert "may be 1.234 or 1234, since column 'k'" in message


def test_a_list_in_a_choice_stays_text(tmp_path):
    path = write(tmp_path / "a.csv", 'kernel,top1\n"3,5",62.5\n"5,7",63.5\n')
    space, _ = read_columns(path, ["kernel"], Labels("top1", "percent"))
    assert [choice["kernel"] for choice in space.decisions[0].choices] == ["3,5", "5,7"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# exported\na,b\n1,2\n", "row 1 is a comment"),
        ("a,b\n1,2,3\n", "row 2 has 3 fields, the header 2; quote text that holds commas"),
        ("a;b\n1;2;3\n", "quote text that holds semicolons"),
        ('a,b\n1,"2\n3,4\n', "close quotes"),
        ("sep=\na,b\n1,2\n", "row 1 says sep= and no separator"),
        ("a,a\n1,2\n", "column 'a' stands there twice"),
        (" \n\n", "the file is empty"),
        ("a\0,b\0\n\0", "UTF-16 without a byte order mark"),
        ("a,b\n1,\0\n", "line 2 has a zero byte"),
        ("grö,b\n".encode("latin-1"), "line 1: byte 0xf6 is not UTF-8"),
        (b"\xff\xfea", "begins with the mark of UTF-16 and is not"),
        (b"PK\x03\x04....", "a zip archive or a spreadsheet's workbook"),
        (b"\x1f\x8b....", "compressed by gzip"),
        (b"", "the file is empty (has 0 bytes)"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name_with_the_true_reason(tmp_path, text, says):
    path = write(tmp_path / "a.csv", text)
    message = refusal(read_delimited, path, ["a", "b"])
    assert str(path) in message
    assert says in message


def test_a_file_of_another_format_is_not_taken_for_text(tmp_path):
    """As CSV an array of objects on one line would be a header without rows."""
    path = write(tmp_path / "a.JSON", '[{"a": 1}]')
    message = refusal(read_table, path)
    assert message == f"{path}: is .JSON by its name; CSV and Parquet are read: export its rows as one of them"
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "b.json")


def test_a_column_is_named_with_the_separator_and_only_near_names_are_suggested(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "arch;top1\na;1\n"), ["quality"])
    assert refusal(table.column, "quality").endswith(
        "no column 'quality'; columns (separated by semicolons): arch, top1"
    )
    assert "did you mean 'top1'?" in refusal(table.column, "top5")
    assert names.nearest("quality", ["arch", "latency"]) is None


def test_parquet_is_read_as_strictly(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({" n ": ["1.5", "2"], "t": [True, False], "u": ["1_0", "2"]}), path)
    table = read_table(path)
    assert numbers(table, "n").tolist() == [1.5, 2.0]
    assert "row 1, column 't': True is not a number" in refusal(numbers, table, "t")
    assert "underscores" in refusal(numbers, table, "u")
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n "]), path)
    assert "column 'n' stands there twice" in refusal(read_table, path)
    make_pipe(tmp_path / "b.parquet")
    assert "is a pipe" in refusal(read_table, tmp_path / "b.parquet")


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


READERS = {
    "records": lambda path: read_records(path, nas_bench_macro.make()),
    "device table": lambda path: read_device_table(path, ()),
    "json table": read_json,
    "yaml rows": read_rows,
    "arrays": read_arrays,
    "predictor": lambda path: read_predictor(path, nas_bench_macro.make()),
    "reference front": lambda path: front.read_reference(path, "ms", "top1", "percent"),
    "flagfile": lambda path: flagfile.expand([f"--flagfile={path}"]),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("make", "says"),
    [(make_pipe, "is a pipe"), (make_socket, "is a device or a socket"), (lambda path: write(path, b""), "is empty")],
)
def test_a_pipe_a_socket_and_an_empty_file_are_refused_not_waited_for(tmp_path, monkeypatch, reader, make, says):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = files.Path("in.json")
    make(path)
    message = refusal(READERS[reader], path)
    assert "in.json" in message
    assert says in message


@pytest.mark.parametrize("reader", [name for name in READERS if name != "device table"])
def test_a_folder_and_nothing_are_refused(tmp_path, reader):
    assert "is a folder" in refusal(READERS[reader], tmp_path)
    assert "no such file" in refusal(READERS[reader], tmp_path / "absent.json")
    assert "no such file" in refusal(READERS[reader], write(tmp_path / "file", "x") / "inside.json")


def test_paths_that_cannot_be_looked_at_are_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in refusal(files.check_file, tmp_path / "loop")
    assert "cannot be read" in refusal(files.check_file, tmp_path / ("x" * 5000))
    assert "is not a path" in refusal(files.check_file, files.Path("a\0b"))
    assert not files.is_folder(files.Path("x" * 5000))
    values = cli.parse(run.define_flags, [f"--records={'x' * 5000}"])
    assert "--records" in refusal(settings.input_path, values, "records")


def test_a_device_is_no_file():
    assert "is a device" in refusal(files.read_text, files.Path("/dev/zero"))


@pytest.mark.parametrize("flag", ["records", "predictor", "table", "benchmark", "reference_front"])
def test_input_flags_refuse_a_pipe(tmp_path, flag):
    make_pipe(tmp_path / "pipe.csv")
    values = cli.parse(run.define_flags, [f"--{flag}=pipe.csv", f"--data_dir={tmp_path}"])
    message = refusal(settings.input_path, values, flag)
    assert f"--{flag}: {tmp_path / 'pipe.csv'}: is a pipe" in message


@pytest.mark.parametrize(("text", "value"), [("3", 3.0), ("-2.5e-1", -0.25), (" .5 ", 0.5), ("017", 17.0), ("5.", 5.0)])
def test_a_plain_number_is_read(text, value):
    assert numerals.number(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1_000", "underscores"), ("١٢", "digits are not 0 to 9"), ("0x1f", "decimal digits"), ("1:30", "base 60"),
        ("0,5", "write 0.5"), ("1,234", "1.234 or 1234"), ("1 234", "thousands"), ("1\u202f234", "thousands"),
        ("2.0%", "percent sign"), ("\u22123", "minus sign"), ("1e999", "too large"), ("1e-999", "would become 0"),
        ("", "not a number"), ("three", "not a number"), ("1" * 5000, "too large"),
    ],
)  # fmt: skip
def test_what_is_not_plainly_one_number_is_refused_with_the_reason(text, says):
    assert says in refusal(numerals.number, text)
    assert numerals.plain(text) is None or text.isdecimal()
    if text:
        assert "--budgets_ms" in refusal(settings.parse_numbers, [text], "budgets_ms")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_is_written(value):
    assert numerals.number(repr(value)) == value


@given(st.text(alphabet="0123456789.,eE+-_ x:%'\u0661", max_size=8))
def test_a_text_is_refused_or_read_as_python_does(text):
    try:
        value = numerals.number(text)
    except ValueError:
        return
    assert value == float(text)


@pytest.mark.parametrize("text", ["1:30", "0x1f", "017", "1_000", "0b11", "١٢", "1,5", "1e-999"])
def test_yaml_numbers_of_two_readings_are_refused(tmp_path, text):
    path = write(tmp_path / "a.yaml", f"key:\n  mean: 1.5\n  std: {text}\n")
    message = refusal(read_rows, path)
    assert f"{path}:3: row 'key', std: {text!r}" in message


def test_plain_yaml_numbers_are_read(tmp_path):
    text = "key: {mean: 1e-3, std: 0.5, count: 12}\nother: {mean: .nan, std: 'x'}\n"
    path = write(tmp_path / "a.yaml", text, "utf-16")
    rows = read_rows(path)
    assert rows["key"][1] == {"mean": 0.001, "std": 0.5, "count": 12}
    assert np.isnan(rows["other"][1]["mean"])
    assert rows["other"][1]["std"] == "x"


def document(**changes):
    head = {"format": "nagjax-device-table", "version": 2, "device": "d", "runtime": "r", "batch": 1, "dtype":
            "float32", "unit": "ms", "measured": "today"}  # fmt: skip
    return {**head, "rows": [row()], **changes}


def row(**changes):
    return {"operator": KEY, "mean": 2.0, **changes}


NETWORK = {"architecture": "a", "raw": 1, "measured": 1e306}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_json_table_with_a_byte_order_mark_is_read(tmp_path, encoding):
    path = write(tmp_path / "a.json", json.dumps(document(device="Gerät")), encoding)
    assert read_json(path).device == "Gerät"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(document()).replace("2.0", "1e999"), "'1e999' is too large"),
        (json.dumps(document()).replace("2.0", "1e-999"), "would become 0"),
        (json.dumps(document()).replace("2.0", "9" * 5000), "too long"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(document(unit="us", rows=[{"operator": KEY, "mean": 5e-324}])), "mean is 0.0 once its unit"),
        (
            json.dumps(document(unit="us", rows=[{"operator": KEY, "mean": 1, "std": 1e-323}])),
            "std is 0.0 once its unit",
        ),
        (json.dumps(document(unit="s", rows=[{"operator": KEY, "mean": 1e306}])), "mean is inf once its unit"),
        (json.dumps(document(unit="s", correction={"scale": 1.0, "offset": 1e306})), "offset is inf once its unit"),
        (json.dumps(document(unit="us", correction={"scale": 1.0, "offset": 5e-324})), "offset is 0.0 once its unit"),
        (json.dumps(document(correction={"scale": 10**400, "offset": 1})), "scale is"),
        (
            json.dumps(document(unit="s", validation=[{"architecture": "a", "raw": 1, "measured": 1e306}])),
            "measured is inf",
        ),
    ],
)
def test_json_numbers_that_would_become_0_or_infinite_are_refused(tmp_path, text, says):
    path = write(tmp_path / "a.json", text)
    message = refusal(read_json, path)
    assert str(path) in message
    assert says in message


def test_a_row_scales_within_floats():
    assert Row(2.0, 0.5).scaled(1e-3) == Row(0.002, 0.0005)


def test_a_format_that_cannot_be_told_names_the_ways(tmp_path):
    for name, text in (("a.txt", "x"), ("a.json", '{"ArmNN": {}}'), ("a.yaml", "x: {mean: 1}")):
        message = refusal(read_device_table, write(tmp_path / name, text), ())
        assert "one of" in message
        assert "docs/device_tables.md" in message
        assert "docs/plugins.md" in message
    np.savez(tmp_path / "a.npz", weights=np.zeros(1))
    message = refusal(read_predictor, tmp_path / "a.npz", nas_bench_macro.make())
    assert "docs/plugins.md" in message
    assert "--records" in message


def test_implausible_costs_of_a_benchmark_are_said_and_not_refused(tmp_path):
    def doubts(costs):
        rows = [f"{index},50,{cost}" for index, cost in enumerate(costs)]
        path = write(tmp_path / "a.csv", "\n".join(["a,q,latency_ms", *rows]))
        found = read_tabular(
            path, {"latency_ms": "latency_ms"}, decision_columns=["a"], quality_column="q", quality_unit="percent"
        )
        return found.prices[0].doubts

    assert doubts(["1.5", "2.5", "100"]) == ()
    (doubt,) = doubts(["1.5", "1e9", "2.5"])
    assert "1 of 3 values are implausible beside the others, which are 1.5 to 2.5 ms: 1e+09 (row 3)" in doubt
    assert "networks take 1.5 us to 2.5 us, less than 10 us: is the unit right?" in doubts(["0.0015", "0.0025"])[0]


PERCENT = "architecture,quality\n11111111,78.3\n22222222,0.8\n00000000,0.75\n11112222,71.5\n"


def test_units_mixed_in_a_column_are_asked_about(tmp_path):
    space = nas_bench_macro.make()
    path = write(tmp_path / "a.csv", PERCENT.replace("00000000", "12111111"))
    message = refusal(read_records, path, space, quality_unit="percent")
    assert "row 3, column 'quality': 0.8 % among 71.5 to 78.3 %" in message
    assert "rows 3, 4 may be fractions" in message
    assert "--units_are_right" in message
    records = read_records(path, space, quality_unit="percent", units_are_right=True)
    np.testing.assert_allclose(records.quality, [0.783, 0.008, 0.0075, 0.715])
    message = refusal(read_records, path, space)
    assert "if all are percent give --quality_unit=percent, but rows 3, 4 may be none" in message


def test_chance_level_is_no_mixed_unit(tmp_path):
    # 0.83 % is chance on 120 classes; 83 % would be far above the best of these.
    path = write(tmp_path / "a.csv", "architecture,quality\n11111111,46.5\n22222222,0.83\n12111111,0\n")
    assert read_records(path, nas_bench_macro.make(), quality_unit="percent").quality.tolist() == [0.465, 0.0083, 0.0]


def test_a_percentage_that_becomes_0_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "architecture,quality\n11111111,46.5\n22222222,5e-324\n")
    assert "5e-324 becomes 0" in refusal(read_records, path, nas_bench_macro.make(), quality_unit="percent")


def test_a_reference_front_is_read_in_every_dialect(tmp_path):
    path = write(tmp_path / "front.csv", "ms;error\n2,5;30,5\n1,5;40\n", "utf-16")
    found = front.read_reference(path, "ms", "error", "error_percent")
    assert found.cost.tolist() == [1.5, 2.5]
    np.testing.assert_allclose(found.quality, [0.6, 0.695])


FLAGS = "--steps=7\n# a comment\n\n--records=a b.csv\n  // another\n--costs=madds,params\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_flagfile_of_any_editor_is_read(tmp_path, encoding, end):
    path = write(tmp_path / "a.flags", FLAGS.replace("\n", end), encoding)
    values = cli.parse(run.define_flags, [f"--flagfile={path}", "--seed=3"])
    assert (values.steps, values.records, values.costs, values.seed) == (7, "a b.csv", ["madds", "params"], 3)


def test_flagfiles_include_others_and_not_themselves(tmp_path, capsys):
    inner = write(tmp_path / "inner.flags", "--steps=5\n--seed=1\n")
    outer = tmp_path / "outer.flags"
    write(outer, f"--steps=4\n--flagfile={inner}\n--flagfile={outer}\n--seed=2\n--flagfile=\n")
    values = cli.parse(run.define_flags, ["--flagfile", str(outer)])
    assert (values.steps, values.seed) == (5, 2)
    assert "includes itself" in capsys.readouterr().err
    assert [argument.place for argument in flagfile.expand([f"-flagfile={inner}", "--x=1"])] == [
        f"{inner}:1", f"{inner}:2", ""]  # fmt: skip
    assert "names no file" in refusal(flagfile.expand, ["--flagfile"])
    assert [argument.text for argument in flagfile.expand(["--", "--flagfile=absent"])] == ["--", "--flagfile=absent"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("\u2014quality_unit=percent", "begins with '\u2014' (U+2014)"),
        ("\u2013\u2013seed=1", "write --seed=1"),
        ("-\u2013seed=1", "write --seed=1"),
        ("\u2212\u2212seed=1", "write --seed=1"),
        ('--space="nas_bench_macro"', "quotes would be part of the value: write --space=nas_bench_macro"),
        ("--space=nas_bench_macro  # the small one", "write --space=nas_bench_macro"),
        ("--space = nas_bench_macro", "no spaces stand around =: write --space=nas_bench_macro"),
        ("--space nas_bench_macro", "joined by =: write --space=nas_bench_macro"),
        ("--records=$HOME/a.csv", "variables such as $HOME are not replaced"),
        ("--costs=madds;params", "write --costs=madds,params"),
        ("space=nas_bench_macro", "write --space=nas_bench_macro"),
    ],
)
def test_what_is_odd_in_a_flagfile_is_said_with_its_line(tmp_path, capsys, line, says):
    lines = [
        "--space=nas_bench_macro",
        "--costs=madds",
        "--records=absent.csv",
        "--compilation_cache=",
        f"--out={tmp_path / 'o'}",
    ]
    path = write(tmp_path / "a.flags", "\n".join([*lines, line]) + "\n")
    assert run.main([f"--flagfile={path}"]) == cli.EXIT_ERROR
    message = capsys.readouterr().err
    assert says in message
    assert f"{path}:6" in message or line.startswith("space")


def test_semicolons_between_pairs_are_remarked_upon_for_both_kinds_of_flags():
    argument = flagfile.Argument("--budgets=latency_ms=2;energy_mj=12")
    (remark,) = flagfile.remarks([argument], "--budgets: not a positive number: '2;energy_mj=12'")
    assert "separated by commas, --budgets=latency_ms=2,energy_mj=12, or, if the flag takes one, each is" in remark


@pytest.mark.parametrize(
    "flag",
    ["--steps=1_000", "--steps=0x10", "--steps=١٢", "--steps=1.0", "--steps=1e3", "--max_seconds=nan",
     "--max_seconds=inf", "--max_seconds=1,5", "--pessimism=nan", "--pessimism=1_0", "--seed=4294967296", "--seed=-1",
     "--fit_seed=-1",
     "--save_seconds=1e999"],
)  # fmt: skip
def test_number_flags_are_strict(capsys, flag):
    assert run.main([flag]) == cli.EXIT_ERROR
    message = capsys.readouterr().err
    assert flag.removeprefix("--").partition("=")[0] in message
    assert flag.partition("=")[2] in message


def test_the_range_of_seeds_is_said(capsys):
    assert run.main(["--seed=4294967296"]) == cli.EXIT_ERROR
    assert "[0, 4294967295]" in capsys.readouterr().err
    assert cli.parse(run.define_flags, ["--seed=4294967295"]).seed == 2**32 - 1
    assert "--seeds=4294967296: a seed is an integer, 0 to 4294967295" in refusal(
        settings.parse_seeds, ["1", "4294967296"], "seeds")  # fmt: skip
    assert "integers" in refusal(settings.parse_seeds, ["٣"], "seeds")
    assert "seed 2 is given twice" in refusal(settings.parse_seeds, ["0..3", "2"], "seeds")


@pytest.mark.parametrize("seed", [2**32, -1, 1.0, True, "1", None, np.float32(1)])
def test_a_seed_that_is_none_is_refused_wherever_it_enters(seed):
    assert "seed=" in refusal(arguments.seed, seed)
    for call in (
        lambda: controllers.init(None, None, seed),
        lambda: controllers.train(None, None, None, seed, controllers.Limits(1)),
        lambda: fit(nas_bench_macro.make(), Records(np.zeros((10, 8), np.int32), np.full(10, 0.5)), seed=seed),
    ):
        assert "seed=" in refusal(call)
    assert arguments.seed(np.int64(2**32 - 1)) == 2**32 - 1
    assert (arguments.seed(jnp.int32(3)), arguments.finite(jnp.float32(0.5), "pessimism")) == (3, 0.5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 2.0}, "steps=2.0"), ({"steps": True}, "steps=True"), ({"steps": 2**31}, "at most 2147483647"),
        ({"steps": 2, "chunk": 1.5}, "chunk=1.5"), ({"steps": 2, "max_seconds": float("nan")}, "max_seconds=nan"),
        ({"steps": 2, "max_seconds": float("inf")}, "max_seconds=inf"),
        ({"steps": 2, "max_seconds": "5"}, "max_seconds='5'"),
    ],
)  # fmt: skip
def test_limits_are_numbers(given, says):
    assert says in refusal(controllers.Limits, **given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39, "1", True, None])
def test_parameters_are_finite_numbers(value):
    toy = controllers.Controller("toy", None, {}, lambda: {"rate": 0.5}, *[None] * 4)
    assert "controller 'toy': parameter rate=" in refusal(controllers.resolve_params, toy, {"rate": value})
    assert controllers.resolve_params(toy, {"rate": np.float64(2)})["rate"] == jnp.float32(2)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "1", None])
def test_pessimism_is_a_finite_number(value):
    space = nas_bench_macro.make()
    quality = TabularQuality(jnp.zeros(1), jnp.zeros(1), jnp.zeros(1))
    assert "pessimism=" in refusal(make_problem, space, [], quality, pessimism=value)


@pytest.mark.parametrize(
    ("setting", "says"),
    [({"members": 1.5}, "members=1.5"), ({"steps": 10.0}, "steps=10.0"), ({"hidden": (8.0,)}, "hidden=8.0"),
     ({"learning_rate": float("nan")}, "learning_rate=nan"), ({"weight_decay": -1.0}, "weight_decay=-1.0")],
)  # fmt: skip
def test_settings_of_a_fit_are_numbers(setting, says):
    records = Records(np.zeros((10, 8), np.int32), np.full(10, 0.5))
    assert says in refusal(fit, nas_bench_macro.make(), records, FitConfig(**setting))


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--controller_static=hidden=8.5", "hidden=8.5: must be an integer"),
        ("--controller_static=hidden=1_6", "hidden='1_6': must be an integer"),
        ("--controller_static=hidden=true", "hidden=True: must be an integer"),
    ],
)
def test_sizes_of_a_controller_are_integers(flag, says):
    from nagjax.plugins import checked_call

    def make(spec, hidden: int = 8, share: float = 0.5):
        return spec, hidden, share

    given = settings.parse_settings([flag.removeprefix("--controller_static=")], "controller_static")
    assert says in refusal(checked_call, make, "controller toy", given, None)
    assert checked_call(make, "controller toy", {"hidden": 4, "share": 1}, None) == (None, 4, 1)
