"""Device tables: our JSON, and the YAML of others."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.fault_cases.case import REMEDY, Case, bound, link, pipe, write
from nagjax.devices.formats import read_table
from nagjax.devices.ofa_yaml import i7_key
from nagjax.devices.pricing import price
from nagjax.devices.table import DeviceTable
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3
from nagjax.spaces.space import Space

FILE = "phone.json"
Document = dict[str, Any]


def document(space: Space, unit: str = "ms") -> Document:
    """A sound table: the operators of a space, in their order, take 1, 2, 3 ... times a quarter."""
    rows = [{"operator": op.key, "mean": 0.25 * (i + 1)} for i, op in enumerate(space.operators)]
    head = {"device": "Acme", "runtime": "x", "batch": 1, "dtype": "float32", "unit": unit, "measured": "today"}
    return {"format": "nagjax-device-table", "version": 1, **head, "rows": rows}


def cases() -> Iterator[Case]:
    """All cases of tables."""
    space = nas_bench_macro.make()
    yield from _heads(space)
    yield from _rows(space)
    yield from _networks(space)
    yield from _files(space)
    yield from _read(space)
    yield from _prices(space)
    yield from _yaml()


def _changed(space: Space, change: Callable[[Document], Any]) -> Callable[[Path], DeviceTable]:
    def act(folder: Path) -> DeviceTable:
        given = copy.deepcopy(document(space))
        change(given)
        return read_table(write(folder / FILE, json.dumps(given)), space.operators)

    return act


def _put(where: list[Any], value: Any) -> Callable[[Document], None]:
    def change(given: Document) -> None:
        place: Any = given
        for name in where[:-1]:
            place = place[name]
        place[where[-1]] = value

    return change


def _heads(space: Space) -> Iterator[Case]:
    for field in ("format", "version", "device", "runtime", "batch", "dtype", "unit", "measured", "rows"):
        name = f"device table: no {field}"
        yield Case(name, _changed(space, bound(lambda given, field: given.pop(field), field)), rf"{FILE}: .*{field}")
    wrong: Mapping[str, list[Any]] = {
        "format": ["other", 3, None],
        "version": [0, 3, "1", 1.0, True, None],
        "device": [3, "", " ", None, ["Acme"]],
        "batch": [0, -1, 1.5, "1", True],
        "dtype": [None, 32],
        "unit": ["ns", "usec", "MS", "", 5, None, ["ms"]],
        "rows": [None, {}, "rows", []],
        "unmeasured": ["pool", ["bogus"], [3], ["conv"], None, [["pool"]], [{}]],
    }
    for field, values in wrong.items():
        for value in values:
            place = rf"{FILE}: .*{'format' if field == 'format' else field}"
            yield Case(f"device table: {field} {value!r}", _changed(space, _put([field], value)), place)
    yield Case("device table: unknown field", _changed(space, _put(["divice"], 1)), rf"{FILE}: .*'divice'")
    yield Case(
        "device table: correction in version 1", _changed(space, _put(["correction"], {"scale": 1.0, "offset": 0})),
        FILE, "set version to 2",
    )  # fmt: skip


def _rows(space: Space) -> Iterator[Case]:
    place = rf"{FILE}: row 3"
    fields: Mapping[str, list[Any]] = {
        "operator": [None, 5, "", "conv", "conv-0x0x0-1x1x1", "conv-32x32x3-32x32x8-k3-s1-gelu-bn", ["x"]],
        "mean": [0, -1, None, "0.5", "0,5", True, [1], math.nan, math.inf, -math.inf, 10**400],
        "std": [-1, math.nan, "0.1", None],
        "count": [-1, 1.5, True, "3", None],
        "resolution": [0, -1, 1.5, "28", True, [28]],
        "maen": [0.5],
    }
    for field, values in fields.items():
        for value in values:
            shown = f"{value!r:.20}"
            yield Case(f"device table: row's {field} {shown}", _changed(space, _put(["rows", 2, field], value)), place)
    for value in (None, 3, "row", [1]):
        yield Case(f"device table: row {value!r}", _changed(space, _put(["rows", 2], value)), place)
    for field in ("operator", "mean"):
        change = _changed(space, bound(lambda given, field: given["rows"][2].pop(field), field))
        yield Case(f"device table: row without {field}", change, rf"{place}.*lacks {field}")
    yield Case(
        "device table: row twice", _changed(space, lambda given: given["rows"].append(given["rows"][2])),
        r"first in row 3", "remove one",
    )  # fmt: skip
    yield Case(
        "device table: many wrong rows",
        _changed(space, lambda given: [row.update(mean=-1.0) for row in given["rows"][:4]]),
        r"of \d+ rows 4 have a time of 0 or below", "export the times as they were measured",
    )  # fmt: skip
    for text, part in (("1e999", "too large"), ("1e-999", "would become 0")):
        yield Case(f"device table: mean {text}", _texted(space, "0.75", text), rf"{FILE}: .*{part}")
    yield Case("device table: field twice", _texted(space, '"mean": 0.75', '"mean": 1, "mean": 0.75'), "stands twice")
    for unit, text in (("s", "1e306"), ("us", "5e-324")):
        act = _texted(space, '"unit": "ms"', f'"unit": "{unit}"', ("0.75", text))
        yield Case(f"device table: mean {text} {unit}", act, rf"{FILE}: row 3")


def _texted(space: Space, old: str, new: str, *more: tuple[str, str]) -> Callable[[Path], DeviceTable]:
    def act(folder: Path) -> DeviceTable:
        text = json.dumps(document(space))
        for one, other in ((old, new), *more):
            text = text.replace(one, other, 1)
        return read_table(write(folder / FILE, text), space.operators)

    return act


def _networks(space: Space) -> Iterator[Case]:
    corrections: list[Any] = [
        3, [], {"scale": 1.0}, {"offset": 0.0}, {"scale": 0, "offset": 0}, {"scale": -1, "offset": 0},
        {"scale": math.nan, "offset": 0}, {"scale": 1, "offset": -0.1}, {"scale": "1", "offset": 0},
        {"scale": 1, "offset": 0, "networks": -1}, {"scale": 1, "offset": 0, "space": ""},
        {"scale": 1, "offset": 0, "slope": 2},
    ]  # fmt: skip
    for value in corrections:
        act = _changed(space, bound(lambda given, value: given.update(version=2, correction=value), value))
        yield Case(f"device table: correction {value}", act, rf"{FILE}: .*correction")
    entry = {"architecture": "00000000", "raw": 1.0, "measured": 2.0}
    validations: list[Any] = [
        3, {}, [3], [{}], [{**entry, "raw": 0}], [{**entry, "measured": math.nan}], [{**entry, "architecture": 7}],
        [entry, entry], [{**entry, "extra": 1}], [{**entry, "raw": "1"}],
    ]  # fmt: skip
    for value in validations:
        act = _changed(space, bound(lambda given, value: given.update(version=2, validation=value), value))
        yield Case(f"device table: validation {value}", act, rf"{FILE}: .*validation")


def broken_files(text: str, suffix: str) -> Iterator[tuple[str, Callable[[Path], Path], str]]:
    """What can be wrong with any file of text: a name, how it is made in a folder, and what is said of it."""
    name = f"broken{suffix}"
    contents: list[tuple[str, str | bytes, str]] = [
        ("empty", b"", "is empty"),
        ("blanks", " \n\n", "is empty"),
        ("zeros", b"\0" * 512, "zero byte"),
        ("UTF-16 without a mark", text.encode("utf-16-le"), "UTF-16 without"),
        ("torn UTF-16", b"\xff\xfe" + text.encode("utf-16-le")[:-1], "UTF-16"),
        ("Latin-1", text.encode() + "é".encode("latin-1"), "not UTF-8"),
        ("zip", b"PK\x03\x04" + b"x" * 99, "zip"),
        ("gzip", b"\x1f\x8b" + b"x" * 99, "gzip"),
        ("xz", b"\xfd7zXZ\0" + b"x" * 99, "xz"),
        ("PDF", b"%PDF-1.7\n" + b"x" * 99, "PDF"),
    ]
    for what, content, says in contents:
        yield what, bound(lambda folder, content: write(folder / name, content), content), says
    yield "absent", lambda folder: folder / name, "no such file"
    yield "dangling link", lambda folder: link(folder / name, folder / "gone"), "no such file"
    yield "link to itself", lambda folder: link(folder / name, folder / name), "cannot be read|no such file"
    yield "pipe", lambda folder: pipe(folder / name), "is a pipe"
    yield "device", lambda folder: link(folder / name, Path("/dev/zero")), "is a device"
    yield "name too long", lambda folder: folder / ("n" * 300 + suffix), "cannot be read|no such file"
    yield "name with a zero", lambda folder: folder / f"a\0b{suffix}", "is not a path"


def _files(space: Space) -> Iterator[Case]:
    text = json.dumps(document(space))
    for what, make, says in broken_files(text, ".json"):
        act = bound(lambda folder, make: read_table(make(folder), space.operators), make)
        yield Case(f"device table: {what}", act, rf"(?s)(?:{FILE}|broken|nnn|a.*b).*(?:{says})")
    broken = {
        "trailing comma": text.replace("]", ",]"),
        "comment": "// made by me\n" + text,
        "single quotes": text.replace('"', "'"),
        "torn": text[: len(text) // 2],
        "two documents": text + text,
        "decimal comma": text.replace("0.75", "0,75"),
        "a list": "[1]",
        "a number": "3",
        "nested": "[" * 100_000,
        "leading zeros": text.replace("0.75", "00.75"),
    }
    for what, content in broken.items():
        act = bound(lambda folder, content: read_table(write(folder / FILE, content), space.operators), content)
        yield Case(f"device table: JSON with {what}", act, FILE, rf"{REMEDY}|is not JSON \(.*column|in docs/")
    yield Case(
        "device table: a CSV file of other columns",
        lambda folder: read_table(write(folder / "phone.csv", "a: 1\n"), space.operators), "phone.csv", "no column",
    )  # fmt: skip
    for name in ("phone.txt", "phone", "phone.yaml", "note10.yaml"):
        act = bound(lambda folder, name: read_table(write(folder / name, "a: 1\n"), space.operators), name)
        yield Case(f"device table: a file {name} of unknown format", act, name, "convert it to our JSON")
    yield Case(
        "device table: format misspelt",
        lambda folder: read_table(write(folder / FILE, text), space.operators, "jsno"), "'jsno'", "did you mean 'json'",
    )  # fmt: skip
    yield Case(
        "device table: an empty folder", lambda folder: read_table(folder, space.operators), "folder has no file"
    )
    yield Case(
        "device table: of another space",
        lambda folder: read_table(write(folder / FILE, text), ofa_mobilenet_v3.make(width=1.2).operators),
        rf"{FILE}: has none of the space's operators", "[Gg]ive the",
    )  # fmt: skip


def _mean(table: DeviceTable) -> float:
    return round(sum(row.mean for row in table.rows.values()), 9)


def _read(space: Space) -> Iterator[Case]:
    total = 0.25 * sum(range(1, len(space.operators) + 1))
    sound = document(space)
    text = json.dumps(sound, indent=1)
    seconds = json.dumps(document(space, "s"))
    micro = json.dumps(document(space, "us"))
    turned = json.dumps({**sound, "rows": sound["rows"][::-1]})
    rows: list[Document] = [{**row, "std": 0.0, "count": 0} for row in sound["rows"]]
    texts: dict[str, tuple[str | bytes, float]] = {
        "plain": (text, total),
        "byte order mark": (text.encode("utf-8-sig"), total),
        "UTF-16": (text.encode("utf-16"), total),
        "UTF-32": (text.encode("utf-32"), total),
        "CRLF": (text.replace("\n", "\r\n"), total),
        "in seconds": (seconds, 1000 * total),
        "in microseconds": (micro, round(total / 1000, 9)),
        "rows turned": (turned, total),
        "std and count": (json.dumps({**sound, "rows": rows}), total),
        "integers": (text.replace("0.25", "1"), total + 0.75),
        "exponents": (text.replace("0.25", "25e-2"), total),
        "a script's name": (json.dumps({**sound, "device": "手机 \x1b[2J"}), total),
        "version 2 without more": (json.dumps({**sound, "version": 2}), total),
    }
    for what, (content, right) in texts.items():
        act = bound(lambda folder, content: _mean(read_table(write(folder / FILE, content), space.operators)), content)
        yield Case(f"device table: {what}", act, value=right)

    def linked(folder: Path) -> float:
        return _mean(read_table(link(folder / FILE, write(folder / "other.txt", text)), space.operators))

    yield Case("device table: a link to a file", linked, value=total)
    yield Case(
        "device table: rows for a resolution alone",
        lambda folder: len(
            _changed(space, lambda given: [row.update(resolution=999) for row in given["rows"][1:]])(folder).rows
        ),
        value=len(space.operators),
    )


def _prices(space: Space) -> Iterator[Case]:
    def priced(change: Callable[[Document], Any], quantile: float | None = None) -> Callable[[Path], Any]:
        return lambda folder: price(_changed(space, change)(folder), space, quantile=quantile)

    def few(folder: Path) -> int:
        return len(price(_changed(space, lambda given: given.update(unmeasured=[]))(folder), space).values)

    drop = priced(lambda given: given["rows"].pop(2))
    yield Case("prices: an operator without a row", drop, space.operators[2].key, "[Aa]dd|measure")
    yield Case("prices: most rows are missing", priced(lambda given: given.update(rows=given["rows"][:1])), FILE)
    entry = {"architecture": "00000000", "raw": 1.0, "measured": 2.0}
    for quantile in (0.9, 0.0, 1.0, 1.5, -1.0, math.nan):
        act = priced(lambda given: given.update(version=2, validation=[entry]), quantile)
        yield Case(f"prices: quantile {quantile}", act, f"cost quantile {quantile:g}", "measure them|leaves headroom")
    yield Case("prices: a complete table", few, value=len(space.operators))

    def doubts(change: Callable[[Document], Any]) -> Callable[[Path], Any]:
        return lambda folder: " ".join(price(_changed(space, change)(folder), space).doubts)

    implausible = doubts(lambda given: given["rows"][2].update(mean=1e9))
    yield Case("prices: a filler is doubted", lambda folder: "implausible" in implausible(folder), value=True)
    tiny = doubts(lambda given: [row.update(mean=row["mean"] * 1e-6) for row in given["rows"]])
    yield Case("prices: another unit is doubted", lambda folder: "is the unit right" in tiny(folder), value=True)


def _yaml() -> Iterator[Case]:
    space = ofa_mobilenet_v3.make(width=1.2)
    key = next(name for op in space.operators if (name := i7_key(op)).startswith("first_conv-"))

    def act(content: str) -> Callable[[Path], DeviceTable]:
        return lambda folder: read_table(write(folder / "i7.yaml", content), space.operators)

    for value in ("1:30", "017", "0x1f", "1_000", "0o7", "1,5", "1e999", "1e-999", "-1", "0", ".nan", ".inf", "-.inf",
                  '"1.5"', "null", "~", "true", "[1]", "{a: 1}", "", "١.٥", "2026-01-01", "!!python/name:os.system",
                  "!!python/object/apply:os.getcwd []", "1.5 ms", "*x", "1.5.2"):  # fmt: skip
        yield Case(f"YAML table: mean {value}", act(f"{key}:\n  mean: {value}\n"), r"i7\.yaml:2|i7\.yaml:1")
    texts = {
        "a tab": f"{key}:\n\tmean: 1.5\n",
        "a list": f"- {key}\n",
        "a row that is a number": f"{key}: 1.5\n",
        "a row that is empty": f"{key}:\n",
        "a row twice": f"{key}: {{mean: 1.5}}\n{key}: {{mean: 1.5}}\n",
        "mean twice": f"{key}: {{mean: 1.5, mean: 2}}\n",
        "an unknown field": f"{key}: {{mean: 1.5, median: 2}}\n",
        "no mean": f"{key}: {{std: 1.5}}\n",
        "two documents": f"{key}: {{mean: 1.5}}\n---\na: 1\n",
        "an open bracket": f"{key}: {{mean: 1.5\n",
        "deep nesting": f"{key}: " + "[" * 20_000,
        "keys of another space": "MBConv-input:1x1x1: {mean: 1.5}\n",
        "a negative variance": f"{key}: {{mean: 1.5, var: -1}}\n",
        "a count of half a run": f"{key}: {{mean: 1.5, count: 1.5}}\n",
    }
    for what, content in texts.items():
        yield Case(f"YAML table: {what}", act(content), r"i7\.yaml")
    for value, right in (("1.5", 1.5), ("15e-1", 1.5), ("2", 2.0), ("1.5 # ms", 1.5), ("+1.5", 1.5)):
        read = bound(lambda folder, value: _mean(act(f"{key}:\n  mean: {value}\n")(folder)), value)
        yield Case(f"YAML table: mean {value}", read, value=right)
    aliases = f"{key}: {{mean: &a 1.5, std: *a}}\n"
    yield Case("YAML table: an alias", lambda folder: _mean(act(aliases)(folder)), value=1.5)

    def twice(folder: Path) -> DeviceTable:
        for end in (".yaml", ".yml"):
            write(folder / f"224_lookup_table{end}", "a: {mean: 1}\n")
        return read_table(folder, space.operators)

    yield Case("YAML folder: a resolution twice", twice, "resolution 224 has two files", "remove one")
    yield Case(
        "YAML folder: names of another form",
        lambda folder: read_table(write(folder / "lookup_224.yaml", "a: {mean: 1}\n").parent, space.operators),
        "NNN_lookup_table.yaml", "NNN is the network resolution",
    )  # fmt: skip
