"""Flags and flagfiles of the jobs: wrong, contradicting and odd ones, in files as editors of all systems write them."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from benchmarks.fault_cases import device_tables, generators, labelled
from benchmarks.fault_cases.case import REMEDY, Case, bound, call_job, has, run_job, write
from experiments import compare, describe, fit, generate, label, profile_device, rank_supernet, run, train_supernet
from experiments.frame import runtime
from nagjax.spaces import nas_bench_macro

NO_CACHE = "--compilation_cache="
MACRO = "--space=nas_bench_macro"
BENCHMARK = ("--decision_columns=kernel,width", "--quality_column=top1", "--quality_unit=percent",
             "--cost_columns=latency_ms")  # fmt: skip
Main = Callable[[list[str]], int]


def cases() -> Iterator[Case]:
    """All cases of jobs."""
    yield from _flags()
    yield from _inputs()
    yield from _flagfiles()
    yield from _generate()
    yield from _others()
    yield from _folders()
    yield from _surroundings()
    yield from _read()


def _job(main: Main, *argv: str) -> Callable[[Path], str]:
    """A job whose arguments may name the case's folder as DIR, in which bench.csv, phone.json and labels.csv are."""

    def act(folder: Path) -> str:
        make_inputs(folder)
        return run_job(main, NO_CACHE, *(word.replace("DIR", str(folder)) for word in argv))

    return act


@functools.cache
def _table() -> str:
    return json.dumps(device_tables.document(nas_bench_macro.make()))


def make_inputs(folder: Path) -> None:
    """A sound benchmark, table and file of labels."""
    write(folder / labelled.FILE, labelled.text())
    write(folder / device_tables.FILE, _table())
    write(folder / "labels.csv", "architecture,quality\n" + "".join(f"{a},{q}\n" for a, q in labelled.RECORDS))


def _flags() -> Iterator[Case]:
    wrong: list[tuple[str, str]] = [
        ("--no_such_flag=1", "no_such_flag"), ("--spac=x", "spac"), ("space=nas_bench_macro",
         "'space=nas_bench_macro'"),
        ("nas_bench_macro", "'nas_bench_macro'"), ("--steps=many", "steps"), ("--steps=1.5", "steps"),
        ("--steps=0", "steps"), ("--steps=-3", "steps"), ("--steps=1_000", "steps"), ("--steps=0x10", "steps"),
        ("--steps=١٠", "steps"), ("--steps=", "steps"), ("--seed=-1", "seed"), ("--seed=4294967296", "seed"),
        ("--seed=1e3", "seed"), ("--max_seconds=nan", "max_seconds"), ("--max_seconds=inf", "max_seconds"),
        ("--max_seconds=1e999", "max_seconds"), ("--max_seconds=1,5", "max_seconds"), ("--pessimism=-1", "pessimism"),
        ("--pessimism=nan", "pessimism"), ("--quality_unit=points", "quality_unit"), ("--resume=maybe", "resume"),
        ("--save_seconds=-1", "save_seconds"), ("--cost_quantile=2", "cost_quantile"), ("--chunk=0", "chunk"),
        ("--duplicate_tolerance=-0.1", "duplicate_tolerance"), ("--out=a\nb", "out"), ("--steps 5", "steps"),
        ("−−steps=5", "steps"), ("-steps5", "steps5"), ("--ranker_anchors=1", "ranker_anchors"),
        ("--evaluator_labels=9", "called --ranker_labels now"),
    ]  # fmt: skip
    remedy = f"{REMEDY}|is not|invalid|[Uu]nknown|lower bound|or larger|positive|non-negative|in the range"
    for word, place in wrong:
        yield Case(f"flags: {word!r}", _job(run.main, MACRO, word), place, remedy)
    checked: list[tuple[str, tuple[str, ...], str]] = [
        ("no space", (), "--space is not given"),
        ("an unknown space", ("--space=nas_bench_makro",), "'nas_bench_makro'"),
        ("an empty space", ("--space=",), "--space is not given"),
        ("a setting that is none", (MACRO, "--space_settings=width"), "--space_settings=width"),
        ("an unknown setting", (MACRO, "--space_settings=depth=2"), "no setting 'depth'"),
        ("a setting twice", ("--space=mobilenet_v3_small28", "--space_settings=classes=3,classes=4"), "'classes'"),
        ("a setting of another type", ("--space=ofa_mobilenet_v3", "--space_settings=width=wide"), "width='wide'"),
        ("a setting out of range", ("--space=ofa_mobilenet_v3", "--space_settings=width=7"), "width"),
        ("a condition that is none", (MACRO, "--where=layer1"), "--where=layer1"),
        ("a condition without a value", (MACRO, "--where=layer1="), "--where=layer1="),
        ("an unknown condition", (MACRO, "--where=layre1=identity"), "'layre1'"),
        ("an unknown choice", (MACRO, "--where=layer1=idntity"), "layer1=\\['idntity'\\]"),
        ("a condition twice", (MACRO, "--where=layer1=identity", "--where=layer1=identity"), "'layer1' is given twice"),
        ("an unknown cost", (MACRO, "--costs=latency"), "'latency'"),
        ("a cost twice", (MACRO, "--costs=madds,madds_m"), "--costs=madds,madds_m"),
        ("budgets that are words", (MACRO, "--budgets_ms=fast"), "--budgets_ms"),
        ("budgets of 0", (MACRO, "--budgets_ms=0"), "--budgets_ms"),
        ("budgets with decimal commas", (MACRO, "--budgets_ms=1;5"), "--budgets_ms"),
        ("infinite budgets", (MACRO, "--budgets_ms=inf"), "--budgets_ms"),
        ("an unknown format", (MACRO, "--table=DIR/phone.json", "--device_format=jsn"), "'jsn'"),
        ("a table that is absent", (MACRO, "--table=DIR/gone.json"), "--table: .*gone.json"),
        ("a table that is a folder", (MACRO, "--table=DIR"), "NNN_lookup_table"),
        ("a table of another space", ("--space=mobilenet_v3_small28", "--table=DIR/phone.json"), "phone.json"),
        ("a quantile without a table", (MACRO, "--cost_quantile=0.9"), "--cost_quantile"),
        ("columns without a benchmark", (MACRO, "--decision_columns=a"), "--decision_columns"),
        ("costs without a benchmark", (MACRO, "--cost_columns=latency_ms"), "--cost_columns"),
        ("two sources of quality", (MACRO, "--benchmark=DIR/bench.csv", "--records=DIR/labels.csv"), "bench.csv"),
        ("a benchmark without columns", ("--benchmark=DIR/bench.csv",), "--benchmark"),
        ("a benchmark with columns and space", (MACRO, "--benchmark=DIR/bench.csv", *BENCHMARK), "--benchmark"),
        ("a cost without a unit", ("--benchmark=DIR/bench.csv", *BENCHMARK[:-1], "--cost_columns=lat"), "lat"),
        ("a cost without a column", ("--benchmark=DIR/bench.csv", *BENCHMARK[:-1], "--cost_columns=a_ms="), "a_ms="),
        ("a cost given twice", ("--benchmark=DIR/bench.csv", *BENCHMARK[:-1], "--cost_columns=a_ms,a_ms"), "a_ms"),
        ("an absent column", ("--benchmark=DIR/bench.csv", "--decision_columns=kernle,width", *BENCHMARK[1:]),
         "no column 'kernle'"),
        ("an absent benchmark", ("--benchmark=DIR/gone.csv", *BENCHMARK), "--benchmark: .*gone.csv"),
        ("a table for a benchmark without operators", ("--benchmark=DIR/bench.csv", "--table=DIR/phone.json",
         *BENCHMARK),
         "phone.json|latency_ms"),
        ("a checkpoint and a space", (MACRO, "--checkpoint=DIR"), "--checkpoint"),
        ("a template in an absent folder", (MACRO, "--write_template=DIR/a/b.json"), "b.json"),
        ("a template over a file", (MACRO, "--write_template=DIR/phone.json"), "phone.json"),
        ("a template that is a folder", (MACRO, "--write_template=DIR"), "write_template|/tmp"),
        ("an empty data folder", (MACRO, "--data_dir=DIR/gone", "--table=phone.json"), "gone/phone.json"),
    ]  # fmt: skip
    for what, argv, place in checked:
        yield Case(f"describe: {what}", _job(describe.main, *argv), place)


def _inputs() -> Iterator[Case]:
    sound = ("--benchmark=DIR/bench.csv", *BENCHMARK)
    wrong: list[tuple[str, tuple[str, ...], str]] = [
        ("no out", sound, "--out is not given"),
        ("an out that is a file", (*sound, "--out=DIR/bench.csv"), "--out=.*bench.csv"),
        ("an out with other files", (*sound, "--out=DIR"), "--out=.*holds other files"),
        ("nothing to resume", (*sound, "--out=DIR/new", "--resume"), "--out=.*new"),
        ("no quality", (MACRO, "--table=DIR/phone.json", "--out=DIR/new"), "how good"),
        ("no table", (MACRO, "--records=DIR/labels.csv", "--out=DIR/new"), "--costs: latency_ms needs a device table"),
        ("few records", (MACRO, "--table=DIR/phone.json", "--records=DIR/labels.csv", "--out=DIR/new"), "labels.csv"),
        ("an unknown controller", (*sound, "--out=DIR/new", "--controller=nga"), "'nga'"),
        ("an unknown parameter", (*sound, "--out=DIR/new", "--controller_params=entrpy=1"), "'entrpy'"),
        ("a parameter that is a word", (*sound, "--out=DIR/new", "--controller_params=entropy=high"), "entropy=high"),
        ("a parameter twice", (*sound, "--out=DIR/new", *["--controller_params=entropy=1"] * 2), "'entropy'"),
        ("an unknown size", (*sound, "--out=DIR/new", "--controller_static=hiden=8"), "'hiden'"),
        ("a size that is not an integer", (*sound, "--out=DIR/new", "--controller_static=hidden=8.5"), "hidden=8.5"),
        ("a size that is text", (*sound, "--out=DIR/new", "--controller_static=hidden=wide"), "hidden='wide'"),
        ("a size of 0", (*sound, "--out=DIR/new", "--controller_static=hidden=0"), "hidden"),
        ("a start that is absent", (*sound, "--out=DIR/new", "--init_from=DIR/gone"), "gone"),
        ("a budget below the cheapest", (*sound, "--out=DIR/new", "--budgets_ms=0.1"), "--budgets_ms"),
        ("a front that is absent", (*sound, "--out=DIR/new", "--reference_front=DIR/gone.csv"), "gone.csv"),
        ("a front in another unit", (*sound, "--out=DIR/new", "--reference_front=DIR/bench.csv",
                                     "--reference_quality_column=top1"), "reference_quality_unit"),
        ("a condition that leaves nothing", (*sound, "--out=DIR/new", "--where=kernel=7"), "kernel=\\[7\\]"),
        ("an out below a file", (*sound, "--out=DIR/bench.csv/run"), "--out=|bench.csv/run"),
        ("no costs", (MACRO, "--records=DIR/labels.csv", "--costs=", "--out=DIR/new"), "--costs"),
        ("labels of none", (*sound, "--out=DIR/new", "--num_labels=0"), "num_labels"),
        ("a few labels", (*sound, "--out=DIR/new", "--num_labels=2"), "2 "),
        ("more labels than rows", (*sound, "--out=DIR/new", "--num_labels=99"), "num_labels|99"),
        ("half a label", (*sound, "--out=DIR/new", "--num_labels=1.5"), "num_labels"),
        ("a seed of no labels", (*sound, "--out=DIR/new", "--labels_seed=3"), "labels_seed"),
        ("labels of a device table", (MACRO, "--table=DIR/phone.json", "--num_labels=9", "--out=DIR/new"),
         "num_labels"),
        ("settings of no fit", (*sound, "--out=DIR/new", "--predictor_settings=members=3"), "--predictor_settings"),
        *((f"fit setting {given}", (*sound, "--num_labels=4", "--out=DIR/new", f"--predictor_settings={given}"),
         "predictor_settings")
          for given in ("membres=3", "members=0", "members=1.5", "members=many", "hidden=wide", "target=x", "steps=-1",
                        "learning_rate=0", "members", "members=", "members=3,members=4", "validation_share=1")),
        ("a throughput", ("--benchmark=DIR/bench.csv", *BENCHMARK[:-1], "--cost_columns=latency_ms=fps",
         "--out=DIR/new"),
         "fps"),
        ("a time of 0", (*sound, "--out=DIR/new", "--max_seconds=0"), "max_seconds"),
    ]  # fmt: skip
    for what, argv, place in wrong:
        yield Case(f"run: {what}", _nothing_made(argv), place)


def _nothing_made(argv: tuple[str, ...]) -> Callable[[Path], Any]:
    """The main job, which must leave nothing behind when it refuses."""

    def act(folder: Path) -> Any:
        try:
            return _job(run.main, *argv)(folder)
        finally:
            assert not (folder / "new").exists(), "a folder was made"

    return act


def _flagfiles() -> Iterator[Case]:
    lines = ["--space=nas_bench_macro", "--costs=madds"]

    def ask(content: str | bytes, *argv: str) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            write(folder / "a.flags", content)
            printed = _job(describe.main, "--flagfile=DIR/a.flags", *argv)(folder)
            return has(printed, "nas_bench_macro()/v1", "3,969", "madds_m")

        return act

    plain = "\n".join(lines)
    right: Mapping[str, str | bytes] = {
        "plain": plain,
        "byte order mark": plain.encode("utf-8-sig"),
        "UTF-16": plain.encode("utf-16"),
        "CRLF": "\r\n".join(lines),
        "CR": "\r".join(lines),
        "comments": f"# mine\n\n// too\n{plain}\n",
        "blanks at the ends": "\n".join(f"  {line}  " for line in lines),
        "one dash": plain.replace("--", "-"),
        "a flag twice, the last counts": "--space=x\n" + plain,
        "no line end": plain + "\n\n",
        "a flag without a value that is true": plain + "\n--nodebug\n",
    }
    for what, content in right.items():
        yield Case(f"flagfile: {what}", ask(content), value=True)
    wrong: list[tuple[str, str | bytes, str]] = [
        ("long dashes", plain.replace("--", "–"), r"a\.flags:1.*U\+2013"),
        ("a minus sign", plain.replace("--", "−"), r"a\.flags:1.*U\+2212"),
        ("quotes", plain.replace("=nas_bench_macro", '="nas_bench_macro"'), r"a\.flags:1.*quotes"),
        ("a comment behind", plain.replace("macro", "macro  # mine"), r"a\.flags:1.*comment"),
        ("a variable", plain + "\n--table=$HOME/t.json", r"a\.flags:3.*variables"),
        ("blanks around =", plain.replace("=", " = "), r"a\.flags:1.*no spaces stand around ="),
        ("no dashes", plain.replace("--", ""), "is not a flag: write --space"),
        ("a blank for =", plain.replace("--space=", "--space "), r"a\.flags:1.*joined by ="),
        ("an unknown flag", plain + "\n--speed=1", "speed"),
        ("Latin-1", plain.encode() + "\n# gr\xf6\n".encode("latin-1"), r"a\.flags: line 3.*not UTF-8"),
        ("a zero byte", plain + "\0", r"a\.flags: line 2 has a zero byte"),
        ("a zip", b"PK\x03\x04" + b"x" * 50, r"a\.flags.*zip"),
        ("empty", b"", r"a\.flags.*is empty"),
        ("--flagfile of nothing", plain + "\n--flagfile=DIR/gone.flags", r"gone\.flags.*no such file"),
        ("a list with semicolons", plain.replace("=madds", "=madds;params"), r"a\.flags:2.*separated by commas"),
    ]
    for what, content, place in wrong:
        yield Case(f"flagfile: {what}", ask(content), place, f"{REMEDY}|no spaces stand")
    yield Case("flagfile: itself", ask(plain + "\n--flagfile=a.flags"), r"a\.flags.*no such file")
    for what, argv, place in (
        ("absent", ("--flagfile=DIR/gone",), "gone.*no such file"),
        ("a folder", ("--flagfile=DIR",), "is a folder"),
        ("nameless", ("--flagfile",), "names no file"),
    ):
        yield Case(f"flagfile: {what}", _job(describe.main, *argv), place)

    def pipe(folder: Path) -> Any:
        os.mkfifo(folder / "p")
        return run_job(describe.main, f"--flagfile={folder / 'p'}")

    yield Case("flagfile: a pipe", pipe, "is a pipe")

    def circle(folder: Path) -> Any:
        path = write(folder / "a.flags", f"{plain}\n--flagfile={folder / 'a.flags'}\n")
        status, printed, said = call_job(describe.main, NO_CACHE, f"--flagfile={path}")
        return status, has(printed, "3,969"), has(said, "includes itself")

    yield Case("flagfile: one that includes itself", circle, value=(0, True, True))


def _asked(*argv: str) -> Callable[[Path], Any]:
    def act(folder: Path) -> str:
        run_folder = generators.copied(folder)
        words = [word.replace("DIR", str(folder)) for word in argv]
        return run_job(generate.main, NO_CACHE, f"--checkpoint={run_folder}", *words)

    return act


def _generate() -> Iterator[Case]:
    wrong: list[tuple[str, tuple[str, ...], str]] = [
        ("no budgets", (), "give budgets"),
        ("both kinds of budgets", ("--budgets_ms=9", "--budgets=latency_ms=9"), "give budgets"),
        ("a word", ("--budgets_ms=fast",), "--budgets_ms: .*'fast'"),
        ("a negative one", ("--budgets_ms=-3",), "--budgets_ms: .*'-3'"),
        ("a decimal comma", ("--budgets_ms=9;5",), "--budgets_ms"),
        ("nan", ("--budgets_ms=nan",), "--budgets_ms"),
        ("an empty one", ("--budgets_ms=9,,9",), "--budgets_ms"),
        ("too small a one", ("--budgets_ms=0.001,9",), "latency_ms=0.001"),
        ("an unknown column", ("--budgets=energy_mj=9",), "energy_mj"),
        ("a column without a value", ("--budgets=latency_ms",), "--budgets=latency_ms"),
        ("no samples", ("--budgets_ms=9", "--num_samples=0"), "num_samples"),
        ("an unknown way", ("--budgets_ms=9", "--decode=bets"), "decode"),
        ("an unknown condition", ("--budgets_ms=9", "--where=layre=identity"), "'layre'"),
        ("a seed too large", ("--budgets_ms=9", "--seed=4294967296"), "seed"),
        ("JSON in an absent folder", ("--budgets_ms=9", "--json=DIR/a/b.json"), "--json=.*b.json"),
        ("CSV in an absent folder", ("--budgets_ms=9", "--csv=DIR/a/b.csv"), "--csv=.*b.csv"),
        ("JSON that is a folder", ("--budgets_ms=9", "--json=DIR"), "json|is a folder|directory"),
        ("CSV that is a folder", ("--budgets_ms=9", "--csv=DIR"), "csv|is a folder|directory"),
        ("more samples than there are", ("--budgets_ms=3", "--num_samples=4000"), "num_samples|budget"),
    ]
    remedy = f"{REMEDY}|lower bound|in the range|positive"
    for what, argv, place in wrong:
        yield Case(f"generate job: {what}", _asked(*argv), place, remedy)
    for what, argv, place in (
        ("no checkpoint", ("--budgets_ms=9",), "--checkpoint is not given"),
        ("an absent checkpoint", ("--checkpoint=DIR/gone", "--budgets_ms=9"), "gone"),
        ("a checkpoint that is a file", ("--checkpoint=DIR/bench.csv", "--budgets_ms=9"), "bench.csv"),
    ):
        yield Case(f"generate job: {what}", _job(generate.main, *argv), place)

    def answered(*argv: str) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            _asked(*argv, "--json=DIR/a.json", "--csv=DIR/a.csv")(folder)
            found = json.loads((folder / "a.json").read_text())["answers"]
            return len(found), len((folder / "a.csv").read_text().splitlines())

        return act

    yield Case("generate job: two budgets", answered("--budgets_ms=9,10"), value=(2, 3))
    skip = answered("--budgets_ms=0.001,10", "--on_infeasible=skip")
    yield Case("generate job: one is skipped", skip, value=(1, 2))
    nothing = answered("--budgets_ms=0.001", "--on_infeasible=skip")
    yield Case("generate job: all are skipped", nothing, value=(0, 1))
    yield Case("generate job: blanks in a list", answered("--budgets_ms= 9, 10"), value=(2, 3))


def _others() -> Iterator[Case]:
    wrong: list[tuple[str, Main, tuple[str, ...], str]] = [
        ("fit: no records", fit.main, (MACRO, "--out=DIR/p.npz"), "--records"),
        ("fit: no out", fit.main, (MACRO, "--records=DIR/labels.csv"), "--out"),
        ("fit: an out that exists", fit.main, (MACRO, "--records=DIR/labels.csv", "--out=DIR/bench.csv"), "--out"),
        ("fit: few records", fit.main, (MACRO, "--records=DIR/labels.csv", "--out=DIR/p.npz"), "labels.csv: 3 records"),
        ("fit: an out in an absent folder", fit.main, (MACRO, "--records=DIR/labels.csv", "--out=DIR/a/p.npz"),
         "p.npz|labels.csv: 3"),
        ("label: nothing", label.main, (), "--supernet"),
        ("label: an absent supernet", label.main, ("--supernet=DIR/gone", "--out=DIR/l.csv"), "gone"),
        ("label: a folder without weights", label.main, ("--supernet=DIR", "--out=DIR/l.csv"), "/tmp"),
        ("profile: no out", profile_device.main, (MACRO,), "--out is not given"),
        ("profile: another ending", profile_device.main, (MACRO, "--out=DIR/t.csv"), "t.csv"),
        ("profile: an absent folder", profile_device.main, (MACRO, "--out=DIR/a/t.json"), "t.json"),
        ("profile: a file that exists", profile_device.main, (MACRO, "--out=DIR/phone.json"), "phone.json"),
        ("profile: few networks", profile_device.main, (MACRO, "--out=DIR/t.json", "--validate=3"), "--validate=3"),
        ("profile: no space", profile_device.main, ("--out=DIR/t.json",), "--space is not given"),
        ("profile: no rounds", profile_device.main, (MACRO, "--out=DIR/t.json", "--rounds=0"), "rounds"),
        ("profile: an unknown choice", profile_device.main, (MACRO, "--out=DIR/t.json", "--where=layer=x"), "layer"),
        ("supernet: no out", train_supernet.main, ("--data=digits",), "--out is not given"),
        ("supernet: unknown images", train_supernet.main, ("--data=digit", "--out=DIR/s"), "'digit'"),
        ("supernet: a space without a plan", train_supernet.main, (MACRO, "--data=digits", "--out=DIR/s"), "nas_bench"),
        ("supernet: an absent folder", train_supernet.main, ("--data=folder", "--data_dir=DIR/gone", "--image_size=8",
                                                            "--out=DIR/s"), "gone"),
        ("supernet: no size", train_supernet.main, ("--data=folder", "--data_dir=DIR", "--out=DIR/s"), "size"),
        ("supernet: a size for digits", train_supernet.main, ("--data=digits", "--image_size=8",
         "--out=DIR/s"), "size"),
        ("supernet: an unknown strategy", train_supernet.main, ("--data=digits", "--strategy=x",
         "--out=DIR/s"), "strategy"),
        ("rank: no out", rank_supernet.main, ("--data=digits",), "--out"),
        ("compare: nothing", compare.main, (), "--|limit|evaluations"),
        ("compare: an unknown problem", compare.main, ("--problems=makro", "--controllers=nag",
         "--evaluations=9", "--out=DIR/c"), "'makro'"),
        ("compare: an unknown controller", compare.main,
         ("--problems=tiny", "--controllers=nga", "--evaluations=99", "--out=DIR/c"), "'nga'"),
        ("compare: no limit", compare.main, ("--problems=tiny", "--controllers=random", "--out=DIR/c"),
         "--evaluations"),
        ("compare: a limit of 0", compare.main,
         ("--problems=tiny", "--controllers=random", "--evaluations=0", "--out=DIR/c"), "--evaluations"),
        ("compare: a limit in words", compare.main,
         ("--problems=tiny", "--controllers=random", "--max_seconds=long", "--out=DIR/c"), "--max_seconds"),
        ("compare: an unknown way", compare.main,
         ("--problems=tiny", "--controllers=random", "--evaluations=99", "--decodes=x", "--out=DIR/c"),
          "--decodes|decode"),
        ("compare: a seed of -1", compare.main,
         ("--problems=tiny", "--controllers=random", "--evaluations=99", "--seeds=-1", "--out=DIR/c"), "--seeds"),
        ("compare: an absent flagfile", compare.main,
         ("--problems=a=DIR/gone.flags", "--controllers=random", "--evaluations=99", "--out=DIR/c"), "gone.flags"),
        ("compare: a problem's flagfile with an unknown flag", compare.main,
         ("--problems=a=DIR/bench.csv", "--controllers=random", "--evaluations=99", "--out=DIR/c"), "bench.csv|kernel"),
        ("compare: a controller twice", compare.main,
         ("--problems=tiny", "--controllers=random,random", "--evaluations=99", "--out=DIR/c"), "random"),
        ("compare: a parameter of nobody", compare.main,
         ("--problems=tiny", "--controllers=random", "--controller_params=nag:entropy=1", "--evaluations=99",
          "--out=DIR/c"), "nag"),
    ]  # fmt: skip
    for what, main, argv, place in wrong:
        yield Case(what, _job(main, *argv), place, f"{REMEDY}|lower bound|or larger")


def _folders() -> Iterator[Case]:
    """Folders that hold what another run left, torn or foreign."""
    sound = ("--benchmark=DIR/bench.csv", *BENCHMARK, "--out=DIR/new")
    for content in ("", "{", "[]", "3", "null", '{"flags": []}', '{"flags": {}}', "\0\0"):

        def act(folder: Path, content: str = content) -> Any:
            write(folder / "new" / "run.json", content)
            return _job(run.main, *sound, "--resume")(folder)

        yield Case(f"run folder: run.json is {content!r}", act, r"run\.json", "restore it from a copy")

    def other(folder: Path) -> Any:
        record = {"flags": {"steps": 1}, "inputs": {}, "versions": {}, "device": "x"}
        write(folder / "new" / "run.json", json.dumps(record))
        return _job(run.main, *sound)(folder)

    yield Case("run folder: another run", other, "holds another run", "give --resume")


def _surroundings() -> Iterator[Case]:
    def under(change: Mapping[str, str | None], *argv: str) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            make_inputs(folder)
            before = {name: os.environ.get(name) for name in change}
            _set({name: value and value.replace("DIR", str(folder)) for name, value in change.items()})
            try:
                printed = run_job(describe.main, *argv, MACRO, f"--table={folder / device_tables.FILE}")
            finally:
                _set(before)
            return has(printed, "3,969")

        return act

    odd: Mapping[str, Mapping[str, str | None]] = {
        "no HOME": {"HOME": None},
        "an empty HOME": {"HOME": ""},
        "a HOME that is absent": {"HOME": "DIR/gone"},
        "a HOME that is a file": {"HOME": "DIR/bench.csv"},
        "an odd cache": {"XDG_CACHE_HOME": "DIR/bench.csv"},
        "no size of a terminal": {"COLUMNS": "0", "LINES": "0"},
        "a terminal's width in words": {"COLUMNS": "wide"},
        "a dumb terminal": {"TERM": "dumb"},
        "colours forced": {"FORCE_COLOR": "1"},
        "no colours": {"NO_COLOR": "1"},
        "no language": {"LANG": None, "LC_ALL": "C"},
    }
    for what, change in odd.items():
        yield Case(f"surroundings: {what}", under(change, NO_CACHE), value=True)
    for encoding in ("ascii", "latin-1", "cp437", "utf-16"):
        act = bound(_printed_in, encoding)
        yield Case(f"surroundings: a terminal in {encoding}", act, value=(0, True))
    for what, cache in (("a file", "DIR/bench.csv"), ("below a file", "DIR/bench.csv/x"), ("a new folder", "DIR/a/b")):
        yield Case(f"surroundings: a cache that is {what}", _cached(cache), "compilation_cache|bench.csv", value=True)


def _cached(cache: str) -> Callable[[Path], Any]:
    def act(folder: Path) -> Any:
        make_inputs(folder)
        try:
            printed = run_job(describe.main, f"--compilation_cache={cache.replace('DIR', str(folder))}", MACRO)
        finally:
            runtime.use_compilation_cache("")
            jax.config.update("jax_compilation_cache_dir", None)
        return has(printed, "3,969")

    return act


def _printed_in(folder: Path, encoding: str) -> tuple[int, bool]:
    """Status of a job that prints what its terminal cannot show, and whether the table's name is still told."""
    given = {**json.loads(_table()), "device": "Acme \u624b\u673a"}
    path = write(folder / device_tables.FILE, json.dumps(given))
    held = io.BytesIO()
    out = io.TextIOWrapper(held, encoding=encoding, write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = describe.main([NO_CACHE, MACRO, f"--table={path}"])
    out.flush()
    return status, "Acme" in held.getvalue().decode(encoding)


def _set(change: Mapping[str, str | None]) -> None:
    for name, value in change.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _read() -> Iterator[Case]:
    right: list[tuple[str, Main, tuple[str, ...], tuple[str, ...]]] = [
        ("help", run.main, ("--help",), ("--table", "--records")),
        ("a space", describe.main, (MACRO,), ("3,969", "madds_m")),
        ("a table", describe.main, (MACRO, "--table=DIR/phone.json"), ("Acme", "latency_ms")),
        ("a condition", describe.main, (MACRO, "--where=layer1=identity"), ("1,323",)),
        ("a benchmark", describe.main, ("--benchmark=DIR/bench.csv", *BENCHMARK), ("4 measured", "2.5 to 5.3 ms")),
        ("a relative table", describe.main, (MACRO, "--data_dir=DIR", "--table=phone.json"), ("Acme",)),
        ("a template", describe.main, (MACRO, "--write_template=DIR/t.json"), ("put a time above 0",)),
        ("budgets", describe.main, ("--benchmark=DIR/bench.csv", *BENCHMARK, "--budgets_ms=1,2.5"),
         ("none: the cheapest costs 2.5 ms", "about 2")),
    ]  # fmt: skip
    for what, main, argv, parts in right:
        act = bound(lambda folder, main, argv, parts: has(_job(main, *argv)(folder), *parts), main, argv, parts)
        yield Case(f"jobs: {what}", act, value=True)
