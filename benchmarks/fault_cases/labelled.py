"""Files of labelled architectures: benchmarks with a column a decision, records with text, fronts to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_cases.case import Case, bound, write
from benchmarks.fault_cases.device_tables import broken_files
from nagjax.predictors.kinds.mlp import FitConfig, fit
from nagjax.predictors.records.records import Records, read_records
from nagjax.problems.build import make_problem
from nagjax.reports.front import read_reference
from nagjax.spaces import nas_bench_macro
from nagjax.tabular import Tabular, read_tabular

FILE = "bench.csv"
HEADER = ("kernel", "width", "top1", "latency_ms")
ROWS = (
    ("3", "0.5", "60.5", "2.5"), ("3", "1.0", "67.25", "3.1"), ("5", "0.5", "66.0", "3.7"), ("5", "1.0", "70.0", "5.3"),
)  # fmt: skip
SUMS = (4, 263.75, 14.6)
"""Rows, and sums of the third and the fourth column."""

RECORDS = (("11111111", "0.5"), ("22222222", "0.75"), ("12121212", "0.625"))


def text(separator: str = ",", decimal: str = ".", quote: str = "", end: str = "\n") -> str:
    """The sound benchmark in a dialect."""
    rows = [[quote + field.replace(".", decimal) + quote for field in row] for row in ROWS]
    return end.join(separator.join(row) for row in (HEADER, *rows)) + end


def tabular(path: Path | str, **changes: Any) -> Tabular:
    """The benchmark in a file."""
    given = {"decision_columns": ["kernel", "width"], "quality_column": "top1", "quality_unit": "percent", **changes}
    return read_tabular(path, given.pop("cost_columns", {"latency_ms": "latency_ms"}), **given)


def _sums(found: Tabular) -> tuple[int, float, float]:
    records = found.records
    quality, cost = 100 * float(records.quality.sum()), float(sum(column.sum() for column in records.costs.values()))
    return len(records.quality), round(quality, 6), round(cost, 6)


def cases() -> Iterator[Case]:
    """All cases of labelled architectures."""
    yield from _dialects()
    yield from _shapes()
    yield from _values()
    yield from _some()
    yield from _arguments()
    yield from _files()
    yield from _records()
    yield from _parquet()
    yield from _fronts()
    yield from _fits()


def _dialects() -> Iterator[Case]:
    contents: Mapping[str, str | bytes] = {
        "commas": text(),
        "semicolons": text(";"),
        "semicolons and decimal commas": text(";", ","),
        "tabs": text("\t"),
        "tabs and decimal commas": text("\t", ","),
        "bars": text("|"),
        "quotes": text(quote='"'),
        "quoted decimal commas": text(decimal=",", quote='"'),
        "CRLF": text(end="\r\n"),
        "CR": text(end="\r"),
        "blanks after commas": text(", "),
        "blank lines": text().replace("\n", "\n\n"),
        "no last line end": text().rstrip(),
        "byte order mark": text().encode("utf-8-sig"),
        "UTF-16 with tabs": text("\t").encode("utf-16"),
        "UTF-16 big-endian": b"\xfe\xff" + text().encode("utf-16-be"),
        "sep=;": "sep=;\n" + text(";", ","),
        "sep=, in quotes": '"sep=,"\n' + text(),
        "plus signs": text().replace("60.5", "+60.5"),
        "exponents": text().replace("60.5", "6.05e1"),
        "columns in another order": "\n".join(",".join(row[::-1]) for row in (HEADER, *ROWS)),
        "a further column": "\n".join(",".join(("x", *row)) for row in (("note", *HEADER[1:]), *ROWS)).replace(
            "x,note", "note,kernel"
        ),
        "an index column without a name": text().replace("kernel,", ",kernel,").replace("\n3,", "\n0,3,").replace(
            "\n5,", "\n1,5,"
        ),
        "names with blanks": text().replace("kernel,width", " kernel , width "),
    }  # fmt: skip
    for what, content in contents.items():
        act = bound(lambda folder, content: _sums(tabular(write(folder / FILE, content))), content)
        yield Case(f"benchmark: {what}", act, value=SUMS)
    for what, content in {"a name": "bench.txt", "a capital ending": "BENCH.CSV", "no ending": "bench"}.items():
        act = bound(lambda folder, content: _sums(tabular(write(folder / content, text()))), content)
        yield Case(f"benchmark: {what}", act, value=SUMS)


def _refused(what: str, content: str, place: str, *remedy: str, **changes: Any) -> Case:
    return Case(
        f"benchmark: {what}", lambda folder: tabular(write(folder / FILE, content), **changes), place, *remedy
    )  # fmt: skip


def _shapes() -> Iterator[Case]:
    place = rf"{FILE}: "
    yield _refused("header only", ",".join(HEADER) + "\n", place + "no rows below the header")
    yield _refused("a comment in front", "# exported\n" + text(), place + "row 1 is a comment")
    yield _refused("no header", "\n".join(text().split("\n")[1:]), place + "no column|.*stands there twice")
    yield _refused("a column twice", text().replace("kernel", "width"), place + "row 1: column 'width' stands")
    yield _refused("a short row", text().replace("3,1.0,", "3,"), place + "row 3 has 3 fields, the header 4")
    yield _refused("a long row", text().replace("3,1.0,", "3,1.0,1,"), place + "row 3 has 5 fields, the header 4")
    yield _refused("trailing commas", text().replace("\n", ",\n").replace("ms,", "ms", 1), place + "row 2 has 5 fields")
    yield _refused("an open quote", text().replace("66.0", '"66.0'), place + "near row")
    yield _refused("a quote within", text().replace("66.0", '"66"".0'), place)
    yield _refused("decimal commas without quotes", text(decimal=","), place + "row 2 has", "decimal commas too")
    yield _refused("sep= and nothing", "sep=\n" + text(), place + "row 1 says sep=", "write it")
    yield _refused("a zero byte", text().replace("66.0", "66\0"), place + "line 4 has a zero byte")
    yield _refused("a cell as long as a book", text().replace("66.0", "6" * 200_000), place)
    for column in HEADER:
        yield _refused(f"no column {column}", text().replace(column, "other"), rf"{place}no column '{column}'")
        wrong = text().replace(column, column.capitalize())
        yield _refused(f"column {column} in capitals", wrong, rf"no column '{column}'", "did you mean|columns")
    for row in range(2):
        cells = [list(one) for one in ROWS]
        cells[1][row] = ""
        content = "\n".join(",".join(one) for one in (HEADER, *cells))
        yield _refused(f"an empty {HEADER[row]}", content, rf"{place}row 3, column '{HEADER[row]}'")


def _values() -> Iterator[Case]:
    odd = ["n/a", "NaN", "inf", "-inf", "1_0", "0x1f", "70 %", "70%", "-1", "1:30", "١٠", "1,234", "1.234,5", "1e999",
           "1e-999", "true", "#DIV/0!", "2026-01-01", "−5", "5 ms", "5e", ".", "1 000"]  # fmt: skip
    for value in odd:
        for column, old in (("top1", "67.25"), ("latency_ms", "3.1")):
            content = text().replace(old, f'"{value}"')
            yield _refused(f"{column} {value}", content, rf"{FILE}: row 3, column '{column}'")
    place = rf"{FILE}: row 3, column "
    yield _refused("a latency of 0", text().replace("3.1", "0"), place + "'latency_ms'", "measure it again")
    yield _refused("a quality of 101 %", text().replace("67.25", "101"), place + "'top1'", "0..100; correct it")
    yield _refused("a fraction among percentages", text().replace("67.25", "0.6725"), place, "--units_are_right")
    percent = rf"{FILE}: row 2, column 'top1'"
    yield _refused("percentages called fractions", text(), percent, "--quality_unit=percent", quality_unit="fraction")
    fractions = (
        text().replace("60.5", "0.605").replace("67.25", "0.6725").replace("66.0", "0.66").replace("70.0", "0.7")
    )
    yield _refused("fractions called percentages", fractions, rf"{FILE}: column 'top1'", "--quality_unit=fraction")
    yield _refused("two rows that differ", text() + "5,1.0,71,5.3\n", rf"{FILE}: row 6.*row 5", "remove one row, or av")
    yield _refused("two costs that differ", text() + "5,1.0,70.0,5.4\n", rf"{FILE}: row 6.*row 5", "duplicate_tol")
    right: Mapping[str, tuple[str, Any, Any]] = {
        "a row twice": (text() + "5,1.0,70.0,5.3\n", {}, SUMS),
        "rows averaged": (text() + "5,1.0,71.0,5.3\n", {"duplicate_tolerance": 0.1}, (4, 264.25, 14.6)),
        "low percentages that are right": (
            text().replace("67.25", "0.6725"), {"units_are_right": True}, (4, 197.1725, 14.6)
        ),
        "fractions": (fractions, {"quality_unit": "fraction"}, SUMS),
        "a quality of 0": (text().replace("67.25", "0"), {}, (4, 196.5, 14.6)),
        "a large cost": (text().replace("5.3", "1e300"), {}, (4, 263.75, round(1e300, 6))),
        "words as choices": (text().replace("\n3,", "\n=cmd|x,").replace("\n5,", "\n[b],"), {}, SUMS),
        "truth values": (text().replace("\n3,", "\nTrue,").replace("\n5,", "\nfalse,"), {}, SUMS),
    }  # fmt: skip
    for what, (content, changes, sums) in right.items():
        act = bound(
            lambda folder, content, changes: _sums(tabular(write(folder / FILE, content), **changes)), content, changes
        )
        yield Case(f"benchmark: {what}", act, value=sums)

    def doubts(folder: Path) -> bool:
        found = tabular(write(folder / FILE, text().replace("3.1", "1e9")))
        return any("1e+09 (" in doubt for column in found.prices for doubt in column.doubts)

    yield Case("benchmark: a filler is doubted by row", doubts, value=True)


def _some() -> Iterator[Case]:
    """Labels and costs of some rows."""

    def counts(content: str, **changes: Any) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            found = tabular(write(folder / FILE, content), **changes)
            return len(found.records.quality), len(found.labelled.quality), found.quality is None

        return act

    yield Case("labels of some: one is missing", counts(text().replace("67.25", "")), value=(4, 3, True))
    yield Case("labels of some: a latency is missing", counts(text().replace("3.1", "")), value=(3, 4, False))
    yield Case("labels of some: a missing one in blanks", counts(text().replace("67.25", "  ")), value=(4, 3, True))
    none = text()
    for row in ROWS:
        none = none.replace(f",{row[2]},", ",,")
    yield Case("labels of some: none at all", counts(none), value=(4, 0, True))
    costless = "\n".join(",".join((*row[:3], "")) if row in ROWS else ",".join(row) for row in (HEADER, *ROWS))
    yield _refused("no cost at all", costless, rf"{FILE}: .*latency_ms|latency_ms.*{FILE}")
    lacking = text().replace("67.25", "")
    yield _refused("a label missing where all are needed", lacking, rf"{FILE}: row 3, column 'top1'", required="all")
    yield _refused("a label that is n/a among missing ones", lacking.replace("66.0", "n/a"), rf"{FILE}: row 4")
    for column in ("images_per_second", "fps", "throughput", "top5", "accuracy", "gops"):
        content = text().replace("latency_ms", column)
        yield _refused(f"{column} as a cost", content, column, cost_columns={"latency_ms": column})
    yield _refused("an unknown need", text(), "required is 'most'", required="most")


def _arguments() -> Iterator[Case]:
    yield _refused("no decisions and no space", text(), FILE, "give either decision_columns", decision_columns=())
    space = nas_bench_macro.make()
    yield _refused("decisions and a space", text(), FILE, "give either decision_columns", space=space)
    yield _refused("a decision twice", text(), "column 'kernel'", decision_columns=["kernel", "kernel"])
    yield _refused(
        "a decision that is a cost", text(), "column 'latency_ms'", decision_columns=["kernel", "latency_ms"]
    )
    yield _refused("quality as a cost", text(), "cost 'top1'", cost_columns={"latency_ms": "top1"})
    yield _refused(
        "a cost without a unit", text(), "cost 'latency'", "end its name", cost_columns={"latency": "latency_ms"}
    )
    yield _refused("a cost's name with escapes", text(), r"cost '\\x1b", cost_columns={"\x1b_ms": "latency_ms"})
    yield _refused("a unit that is none", text(), "quality_unit is 'points'", quality_unit="points")
    for value in (-1.0, math.nan, "0.1", None, True):
        yield _refused(f"tolerance {value!r}", text(), "duplicate_tolerance", duplicate_tolerance=value)
    odd: list[tuple[str, Any]] = [("decision_columns", "kernel"), ("decision_columns", 3), ("cost_columns", ["a_ms"])]
    for name, given in odd:
        yield _refused(f"{name} {given!r}", text(), name, **{name: given})


def _files() -> Iterator[Case]:
    for what, make, says in broken_files(text(), ".csv"):
        act = bound(lambda folder, make: tabular(make(folder)), make)
        yield Case(f"benchmark: {what}", act, rf"(?s)(?:broken|nnn|a.*b).*(?:{says})")
    yield Case("benchmark: a folder", tabular, "is a folder")
    yield Case(
        "benchmark: a text as path", lambda folder: _sums(tabular(str(write(folder / FILE, text())))), value=SUMS
    )


def _parquet() -> Iterator[Case]:
    def table(folder: Path, columns: Mapping[str, Any]) -> Path:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(dict(columns)), folder / "bench.parquet")
        return folder / "bench.parquet"

    sound = {name: [float(row[i]) for row in ROWS] for i, name in enumerate(HEADER)}
    yield Case("Parquet: numbers", lambda folder: _sums(tabular(table(folder, sound))), value=SUMS)
    texts = {name: [row[i] for row in ROWS] for i, name in enumerate(HEADER)}
    yield Case("Parquet: texts", lambda folder: _sums(tabular(table(folder, texts))), value=SUMS)
    for value in (math.nan, math.inf, -1.0):
        wrong = {**sound, "top1": [60.5, value, 66.0, 70.0]}
        act = bound(lambda folder, wrong: tabular(table(folder, wrong)), wrong)
        yield Case(f"Parquet: top1 {value}", act, r"bench\.parquet: row 2, column 'top1'")
    missing = {**sound, "kernel": [3.0, None, 5.0, 5.0]}
    yield Case("Parquet: no kernel", lambda folder: tabular(table(folder, missing)), "row 2, column 'kernel'")
    for what, column in (("lists", [[1.0]] * 4), ("truth values", [True] * 4), ("bytes", [b"1"] * 4)):
        odd = {**sound, "top1": column}
        act = bound(lambda folder, odd: tabular(table(folder, odd)), odd)
        yield Case(f"Parquet: top1 of {what}", act, "row 1, column 'top1'")
    empty: dict[str, list[float]] = {name: [] for name in sound}
    yield Case("Parquet: no rows", lambda folder: tabular(table(folder, empty)), r"bench\.parquet: no rows")
    for what, content in (("text", text().encode()), ("torn", b"PAR1" + b"x" * 50), ("empty", b"")):
        act = bound(lambda folder, content: tabular(write(folder / "bench.parquet", content)), content)
        yield Case(f"Parquet: {what}", act, r"bench\.parquet: ")


def _records() -> Iterator[Case]:
    space = nas_bench_macro.make()

    def read(rows: Any, header: str = "architecture,quality", **changes: Any) -> Callable[[Path], Any]:
        content = "\n".join([header, *(",".join(row) for row in rows)])
        return lambda folder: round(
            float(read_records(write(folder / "labels.csv", content), space, **changes).quality.sum()), 9
        )

    yield Case("records: sound", read(RECORDS), value=1.875)
    yield Case("records: one row", read(RECORDS[:1]), value=0.5)
    yield Case("records: blanks around text", read([(f" {a} ", q) for a, q in RECORDS]), value=1.875)
    yield Case("records: a text that a spreadsheet quoted", read([(f'"{a}"', q) for a, q in RECORDS]), value=1.875)
    same = [("10111111", "0.5"), ("11011111", "0.5")]
    yield Case("records: one network in two texts", read([*RECORDS, ("21111111", "0.25")]), value=2.125)
    yield Case("records: texts of other networks", read(same), value=1.0)
    place = r"labels\.csv: row 3, column 'architecture'"
    for odd in (
        "",
        "1111111",
        "111111111",
        "33333333",
        "1111111x",
        "١١١١١١١١",
        "nan",
        "1.1e7",
        "-1111111",
        "11111111\t1",
    ):
        rows = [RECORDS[0], (odd, "0.5")]
        yield Case(f"records: architecture {odd!r}", read(rows), place, "is not 8 digits")
    for odd in ("", "1.5", "-0.1", "nan", "good", "0.5.1"):
        rows = [RECORDS[0], (RECORDS[1][0], odd)]
        yield Case(f"records: quality {odd!r}", read(rows), r"labels\.csv: row 3, column 'quality'")
    twice = [*RECORDS, (RECORDS[0][0], "0.6")]
    yield Case("records: a contradiction", read(twice), r"labels\.csv: row 5.*row 2", "remove one row, or average")
    arch = read(RECORDS, "arch,quality")
    yield Case("records: another column of text", arch, "no column 'architecture'", "did you mean|columns")
    yield Case("records: quality called acc", read(RECORDS, "architecture,acc"), "no column 'quality'", "columns")
    for name in ("text_column", "quality_column"):
        yield Case(f"records: {name} empty", read(RECORDS, **{name: ""}), "no column ''")
    for what, make, says in broken_files("architecture,quality\n11111111,0.5\n", ".csv"):
        act = bound(lambda folder, make: read_records(make(folder), space), make)
        yield Case(f"records: {what}", act, rf"(?s)(?:broken|nnn|a.*b).*(?:{says})")


def _fronts() -> Iterator[Case]:
    def read(content: str, unit: str = "percent") -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            found = read_reference(write(folder / "front.csv", content), "latency_ms", "top1", unit)
            return round(float(found.cost.sum()), 6), round(float(found.quality.sum()), 6)

        return act

    yield Case("front: sound", read(text()), value=(14.6, 2.6375))
    yield Case("front: errors", read(text(), "error_percent"), value=(14.6, round(4 - 2.6375, 6)))
    yield Case("front: semicolons", read(text(";", ",")), value=(14.6, 2.6375))
    yield Case("front: percentages as fractions", read(text(), "fraction"), r"front\.csv: row 2", "quality_unit")
    yield Case("front: a cost of 0", read(text().replace("3.1", "0")), r"front\.csv: row 3")
    yield Case("front: no rows", read(",".join(HEADER)), r"front\.csv: no rows")
    yield Case("front: no such column", read(text().replace("top1", "acc")), "no column 'top1'.*reference_quality")
    yield Case("front: text", read(text().replace("3.1", "fast")), r"front\.csv: row 3, column 'latency_ms'")


def _fits() -> Iterator[Case]:
    space = nas_bench_macro.make()
    tokens = np.array([space.parse(name) for name, _ in RECORDS])

    def records(quality: Any, costs: Any = None) -> Callable[[Path], Any]:
        return lambda folder: fit(space, Records(tokens, np.asarray(quality), costs or {}))

    sampled = space.sample(np.random.default_rng(0), 40)
    many = Records(sampled, np.linspace(0.5, 0.9, 40))
    yield Case("fit: one quality too few", records([0.5, 0.6]), "quality \\(2,\\)", "one value a row")
    yield Case("fit: three records", records([0.5, 0.6, 0.7]), "3 (?:records|labelled)")
    yield Case("fit: NaN", records([0.5, math.nan, 0.7]), "quality|label|record")
    for name, value in (("members", 0), ("steps", -1), ("members", 1.5), ("steps", "9")):
        act = bound(lambda folder, name, value: fit(space, many, FitConfig(**{name: value})), name, value)
        yield Case(f"fit: {name} {value!r}", act, name)

    def ranges(folder: Path) -> Any:
        found = tabular(write(folder / FILE, text()))
        assert found.quality is not None, "quality is not looked up"
        return make_problem(found.space, found.prices, found.quality)[1].ranges.tolist()

    yield Case("problem: a benchmark", ranges, value=[[2.5, 5.3]])
