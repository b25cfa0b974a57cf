"""Labelled architectures: what is read, and how everything that is wrong is refused."""

import sys

import numpy as np
import pytest

from nagjax.predictors.records.records import Records, read_records, write_records
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3

SPACE = nas_bench_macro.make()


def write(folder, text, name="labels.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path, space=SPACE, **settings):
    with pytest.raises(ValueError, match=path.name) as caught:
        read_records(path, space, **settings)
    return str(caught.value)


def test_reads_text_quality_and_costs(tmp_path):
    path = write(tmp_path, "name,top1,ms\n11111111,91.5,2.5\n22222222,93,4\n")
    records = read_records(path, SPACE, "name", "top1", "percent", ["ms"])
    assert records.tokens.tolist() == [[1] * 8, [2] * 8]
    np.testing.assert_allclose(records.quality, [0.915, 0.93], rtol=1e-15)
    assert records.costs["ms"].tolist() == [2.5, 4.0]
    assert (records.tokens.dtype, records.quality.dtype) == (np.int32, np.float64)
    assert (records.source, records.averaged) == (str(path), 0)


def test_byte_order_mark_blank_lines_and_spaces_are_harmless(tmp_path):
    path = write(tmp_path, "\ufeffarchitecture, quality\n 11111111 , 0.5\n\n22222222,0.6\n")
    assert read_records(path, SPACE).quality.tolist() == [0.5, 0.6]


def test_written_records_are_read_back_exactly(tmp_path):
    rng = np.random.default_rng(0)
    space = ofa_mobilenet_v3.make()
    records = Records(space.sample(rng, 50), rng.random(50), {"latency_ms": rng.random(50) + 1})
    write_records(records, space, tmp_path / "out.csv")
    again = read_records(tmp_path / "out.csv", space, cost_columns=["latency_ms"])
    np.testing.assert_array_equal(again.tokens, records.tokens)
    np.testing.assert_array_equal(again.quality, records.quality)
    np.testing.assert_array_equal(again.costs["latency_ms"], records.costs["latency_ms"])


def test_parquet_holds_the_same(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"architecture": ["11111111", "22222222"], "quality": [0.25, 0.5]}
    parquet.write_table(pa.table(columns), tmp_path / "labels.parquet")
    assert read_records(tmp_path / "labels.parquet", SPACE).quality.tolist() == [0.25, 0.5]
    parquet.write_table(pa.table(columns | {"quality": [0.25, None]}), tmp_path / "labels.parquet")
    assert "row 2, column 'quality': None is not a number" in refusal(tmp_path / "labels.parquet")
    assert "not a whole Parquet file" in refusal(write(tmp_path, "PAR1", "broken.parquet"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"nagjax\[parquet\]"):
        read_records(write(tmp_path, "", "labels.parquet"), SPACE)


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("", {}, "the file is empty"),
        ("architecture,quality\n", {}, "no rows below the header"),
        ("architecture,qualty\n11111111,0.5\n", {}, "no column 'quality'; did you mean 'qualty'"),
        ("architecture,quality,quality\n11111111,1,1\n", {}, "row 1: column 'quality' stands there twice"),
        ("architecture,quality\n11111111,0.5,3\n", {}, "row 2 has 3 fields, the header 2"),
        ("architecture,quality\n11111111,0.5\n22222222,good\n", {}, "row 3, column 'quality': 'good' is not a number"),
        ("architecture,quality\n11111111,nan\n", {}, "row 2, column 'quality': 'nan' is not finite"),
        ("architecture,quality\n11111111,inf\n", {}, "row 2, column 'quality': 'inf' is not finite"),
        ("architecture,quality\n11111111,0.5\n22222222,91.5\n", {}, "row 3, column 'quality': 91.5 is not a fraction"),
        ("architecture,quality\n11111111,91.5\n", {}, "give --quality_unit=percent"),
        ("architecture,quality\n11111111,-0.1\n", {}, "-0.1 is not a fraction, 0..1; correct it"),
        ("architecture,quality\n11111111,101\n", {"quality_unit": "percent"}, "101.0 is not a percent, 0..100"),
        ("architecture,quality\n11111111,0.9\n", {"quality_unit": "percent"}, "give --quality_unit=fraction"),
        ("architecture,quality\n1111111,0.5\n", {}, "row 2, column 'architecture': not of nas_bench_macro()/v1"),
        ("architecture,quality\n11111113,0.5\n", {}, "'11111113' is not 8 digits"),
        (
            "architecture,quality,ms\n11111111,0.5,0\n",
            {"cost_columns": ["ms"]},
            "column 'ms': cost 0.0 is not positive",
        ),
        ("architecture,quality\n11111111,0.5\n11111111,0.6\n", {}, "row 3, column 'quality': 0.6 for the architecture"),
    ],
)
def test_refusals_name_file_row_column_and_remedy(tmp_path, text, settings, expected):
    assert expected in refusal(write(tmp_path, text), **settings)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"architecture,quality\n\xff\xfe,1\n")
    assert "UTF-8" in refusal(path)


def test_missing_file_and_bad_settings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"labels\.csv"):
        read_records(tmp_path / "labels.csv", SPACE)
    path = write(tmp_path, "architecture,quality\n11111111,0.5\n")
    for settings, expected in (
        ({"quality_unit": "points"}, "fraction, percent"),
        ({"duplicate_tolerance": -1.0}, "0 or more"),
        ({"cost_columns": ["quality"]}, "both the quality and a cost"),
    ):
        with pytest.raises(ValueError, match=expected):
            read_records(path, SPACE, **settings)


def test_duplicates_are_found_after_canonicalisation_and_averaged_within_the_tolerance(tmp_path):
    # 1011... and 1101... differ only in where the identity of the second stage stands: one network.
    text = "architecture,quality,ms\n11101111,0.50,10\n22222222,0.9,20\n11110111,0.52,10.2\n"
    path = write(tmp_path, text)
    message = refusal(path)
    assert "row 4" in message
    assert "row 2 gives 0.5" in message
    records = read_records(path, SPACE, cost_columns=["ms"], duplicate_tolerance=0.03)
    assert [SPACE.format(row) for row in records.tokens] == ["11110111", "22222222"]
    np.testing.assert_allclose(records.quality, [0.51, 0.9])
    np.testing.assert_allclose(records.costs["ms"], [10.1, 20.0])
    assert records.averaged == 1


def test_costs_that_differ_by_too_large_a_share_are_refused(tmp_path):
    path = write(tmp_path, "architecture,quality,ms\n11111111,0.5,10\n11111111,0.5,12\n")
    assert "column 'ms': 12" in refusal(path, cost_columns=["ms"], duplicate_tolerance=0.1)
    assert read_records(path, SPACE, cost_columns=["ms"], duplicate_tolerance=0.2).costs["ms"].tolist() == [11.0]


def test_equal_duplicates_need_no_tolerance(tmp_path):
    path = write(tmp_path, "architecture,quality\n" + "11111111,0.7\n" * 3)
    records = read_records(path, SPACE)
    assert len(records.quality) == 1
    assert records.averaged == 2


def test_records_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="one value a row"):
        Records(np.zeros((3, 8), np.int32), np.zeros(2))
