"""Append scores to labelled architectures, and tell how each ranks them, beside multiply-adds and parameters.

``python -m experiments.score --space=mobilenet_v3_small28 --records=records.csv --evaluators=naswot,synflow
--out=runs/scores``

The scores of a network that is not trained take milliseconds; any other evaluator may be named as well. The folder has
``scores.csv``, in which each row is durable as it is done (``--resume`` goes on), ``scores.json``, how it was made, and
``figures.json``. The proposer ``bo_weights`` takes the file: ``--proposer_settings=file=runs/scores/scores.csv``.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, record_file, runtime, settings
from experiments.inputs import setup, supernet_setup
from experiments.reports import score_report
from nagjax.devices.pricing import analytic
from nagjax.evaluators import evaluator as evaluators
from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.predictors.records import records as recorded
from nagjax.predictors.records.records import Records
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet.labelling import COLUMNS, LabelFile

FILE, RECORD, FIGURES = "scores.csv", "scores.json", "figures.json"
COUNTS = ("madds", "params")
"""Columns that every file has beside the scores."""


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    runtime.define_flags(values)
    define_evaluator_flags(values)
    define.multi_string("where", [], "A condition on architectures, such as resolution=28; may be repeated.")
    define.integer("num", None, "Records to score, drawn by --seed; none: all.", 1)
    settings.define_seed("seed", "Seed of the draw.", values)
    define.integer("bands", 20, "Parts of the range of multiply-adds within which networks count as equals.", 1)
    define.string("out", None, "Folder that this job writes.")
    define.bool("resume", False, "Go on in --out.")


def define_evaluator_flags(values: flags.FlagValues) -> None:
    """Add the flags of ``made``."""
    define = settings.Definer(values)
    define.list("evaluators", [], "Evaluators, such as naswot,synflow,snip.")
    define.multi_string(
        "evaluator_settings", [], "A setting, key=value, of all evaluators that take it, or NAME:key=value of one."
    )


def job(values: flags.FlagValues) -> int:
    """Check everything, then score what is not scored yet."""
    if not values.records or values.predictor:
        raise ValueError("give --records, the labelled architectures to score, and no --predictor")
    if not values.evaluators:
        raise ValueError("--evaluators is not given; name some, such as --evaluators=naswot,synflow,snip")
    with output.folder(values.out, "runs/scores") as folder:
        return _score(values, folder)


def _score(values: flags.FlagValues, folder: Path) -> int:
    life.doing("reading records and data")
    runtime.use_compilation_cache(values.compilation_cache)
    space = setup.load_space(values)
    records = setup.load_records(values, space)
    records = chosen(values, space, records)
    truths = made(values.evaluators, values.evaluator_settings, space)
    columns = named(truths)
    claim(folder, space, values, truths)
    seconds: dict[str, list[float]] = {truth.name: [] for truth in truths}
    try:
        with LabelFile(folder / FILE, (COLUMNS[0], QUALITY, *COUNTS, *columns)) as file:
            add_rows(file, space, records, truths, seconds)
    except KeyboardInterrupt as stopped:
        console.say(
            f"interrupted; what is scored is in {folder / FILE}; to go on: {cli.again('experiments.score', values)}"
        )
        return cli.exit_status(stopped)
    life.doing("comparing")
    report(folder, truths, seconds, values.bands)
    return 0


def chosen(values: flags.FlagValues, space: Space, records: Records) -> Records:
    """The records that --where admits, or --num of them.

    Raises:
      ValueError: if there are none, or not so many.
    """
    valid = space.where(settings.parse_pairs(values.where, "where", many=True))
    admitted = tl.walk(space.trellis.target, valid, records.tokens)[1]
    if not admitted.any():
        raise ValueError(f"--where={','.join(values.where)}: admits none of {records.source}; allow more choices")
    records = recorded.take(records, admitted)
    return recorded.draw(records, values.num, values.seed) if values.num else records


def made(
    names: Sequence[str], given: Sequence[str], space: Space, data: Mapping[str, Any] | None = None
) -> list[Evaluator]:
    """The evaluators that flags name, with their settings; ``data`` are those of one that takes data and names none.

    Raises:
      ValueError: if a name stands twice or is not known, or a setting is of none of them.
    """
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise ValueError(f"--evaluators: {twice[0]} stands there twice; name it once")
    of: dict[str, dict[str, Any]] = {name: {} for name in names}
    parts = settings.separate(given, lambda key: ":" in key or any(evaluators.takes(one, key) for one in names))
    for key, value in settings.parse_pairs(parts, "evaluator_settings").items():
        name, colon, own = key.partition(":")
        takers = [name] if colon else [one for one in names if evaluators.takes(one, key)]
        if not takers or takers[0] not in of:
            raise ValueError(f"--evaluator_settings={key}=...: is of none of {', '.join(names)}; leave it out")
        for taker in takers:
            of[taker][own if colon else key] = value
    for name, mine in of.items():
        if data and evaluators.takes(name, "data") and not {"data", "folder"} & set(mine):
            of[name] = {**data, **mine}
    return [evaluators.make(name, space, own) for name, own in of.items()]


def named(truths: Sequence[Evaluator]) -> dict[str, tuple[Evaluator, str]]:
    """Columns of a file: of each the evaluator and what it calls it; a quality is called like its evaluator.

    Raises:
      ValueError: if two evaluators give one column.
    """
    out: dict[str, tuple[Evaluator, str]] = {}
    for truth in truths:
        for column in truth.columns:
            name = truth.name if column == QUALITY else column
            if name in (COLUMNS[0], QUALITY, *COUNTS, *out):
                raise ValueError(f"--evaluators: {truth.name} gives a column {name}, which is there; leave it out")
            out[name] = (truth, column)
    return out


def claim(folder: Path, space: Space, values: flags.FlagValues, truths: Sequence[Evaluator]) -> None:
    """Record how the file is made, or check that it was made so.

    Raises:
      ValueError: if the folder holds scores and is not to be resumed, or they were made otherwise.
    """
    record = folder / RECORD
    signs = {name: truth.scores.get(column, 1) for name, (truth, column) in named(truths).items()}
    identity = json.loads(json.dumps({
        "space": {"name": space.name, "version": space.version, "settings": dict(space.settings)},
        "records": {"sha256": hashlib.sha256(settings.input_path(values, "records").read_bytes()).hexdigest()},
        "evaluators": {truth.name: truth.identity for truth in truths},
        "signs": signs,
    }))  # fmt: skip
    if not (folder / FILE).exists():
        if values.resume and not record.exists():
            raise ValueError(f"--out={folder}: there is nothing to resume; leave --resume out to begin")
        record_file.write(record, {**identity, **supernet_setup.surroundings()})
        return
    if not values.resume:
        raise ValueError(f"--out={folder}: holds {FILE}; go on with --resume, or name another folder")
    remedy = "restore it from a copy, or name another --out"
    held = record_file.read(record, {"space": dict, "evaluators": dict}, remedy)
    for name, value in identity.items():
        if held.get(name) != value:
            raise ValueError(f"--out={folder}: was scored with {name} {held.get(name)}, now it is {value}; {remedy}")


def add_rows(
    file: LabelFile, space: Space, records: Records, truths: Sequence[Evaluator], seconds: Mapping[str, list[float]]
) -> None:
    """Score what has no row yet, and add it; ``seconds`` gets how long each evaluator took."""
    counts = {name: space.operator_sum(records.tokens, analytic(space, name).values) for name in COUNTS}
    left = [row for row, tokens in enumerate(records.tokens) if space.format(tokens) not in file.labelled]
    columns = named(truths)
    with console.bars() as shown:
        for row in shown.track(left, description=f"scoring {len(left)} of {len(records.tokens)}"):
            found = {QUALITY: float(records.quality[row]), **{name: float(counts[name][row]) for name in COUNTS}}
            outcomes = {}
            for truth in truths:
                life.doing(f"{truth.name} of architecture {row + 1} of {len(records.tokens)}")
                outcome = outcomes[truth.name] = evaluators.evaluate_one(truth, records.tokens[row])
                seconds[truth.name].append(outcome.seconds)
                if outcome.failure:
                    console.complain(f"{truth.name}: {space.format(records.tokens[row])}: {outcome.failure}")
            found |= {
                name: outcomes[truth.name].values.get(column, math.nan) for name, (truth, column) in columns.items()
            }
            full_disk.persist(partial(file.add, space.format(records.tokens[row]), found), "scores")


def report(folder: Path, truths: Sequence[Evaluator], seconds: Mapping[str, list[float]], bands: int) -> None:
    """Write and tell the figures; how long an evaluation takes is of this run, or as it was where nothing was left."""
    before: dict[str, Any] = {}
    if (folder / FIGURES).is_file():
        before = json.loads((folder / FIGURES).read_text(encoding="utf-8")).get("scores", {})
    spent = {}
    for name, (truth, _) in named(truths).items():
        own = seconds[truth.name]
        spent[name] = 1000 * float(np.median(own)) if own else before.get(name, {}).get("ms_per_architecture")
    signs = record_file.read(folder / RECORD, {"signs": dict}, "restore it from a copy")["signs"]
    figures = score_report.figures(folder / FILE, signs, spent, bands)
    full_disk.persist(lambda: record_file.write(folder / FIGURES, figures), "the figures")
    console.say(*score_report.lines(figures), f"{folder / FILE}: {figures['architectures']} architectures")


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
