"""Tabular benchmarks: a file with the quality and the measured costs of architectures becomes a space and a problem.

The space is narrowed to the architectures of the file, on their prefix trie, and each cost lies on the last edge. So
the mask is exact for any cost, every answer is a row of the file, and with one cost column none is over its budget::

    found = read_tabular("bench.csv", {"latency_ms": "pixel3"}, decision_columns=["kernel", "width"])
    problem, description = make_problem(
        found.space, found.prices, found.quality, quality_report=found.report, listing=found.listing
    )

Where only some rows have a quality (an empty cell is none), ``found.quality`` is None: fit a predictor to
``found.labelled``, which are architectures of ``found.whole``. A row without one of the costs is not an answer, but its
label counts: several devices' columns share the labels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.devices.cost_doubts import cost_doubts
from nagjax.devices.pricing import Prices
from nagjax.devices.validation import spearman
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.table import TabularQuality, tabular_quality
from nagjax.predictors.records.columns import read_columns
from nagjax.predictors.records.labels import Labels
from nagjax.predictors.records.records import Records, read_texts, take
from nagjax.spaces import trie
from nagjax.spaces.space import Space

COST_UNITS: Mapping[str, str] = {"_ms": "ms", "_m": "M", "_mj": "mJ", "_kib": "KiB"}
"""Unit of a cost column by the end of its name."""


RATES = (
    "throughput", "fps", "qps", "ips", "tps", "gops", "tops", "bandwidth", "speed", "speedup", "images/s", "samples/s",
    "frames/s", "tokens/s", "img/s", "imgs/s",
)  # fmt: skip
"""Words in the name of a column that say: per time."""

QUALITIES = ("accuracy", "top1", "top5", "auc", "bleu", "psnr", "miou")
"""Words in the name of a column that say: how good."""

ABBREVIATED = ("acc", "map", "f1")
"""Words that say so too, unless a unit says otherwise: ``acc_ms`` may be of an accelerator."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tabular:
    """What ``make_problem`` takes, from a file of architectures.

    Attributes:
      space: the space on the prefix trie of the file's architectures.
      prices: the measured costs, one entry a column; exact, since each architecture has an edge of its own.
      quality: looked up; None unless all have one.
      records: what the file says of the architectures that have all costs, one entry each; NaN is no quality.
      report: source, and how many architectures were measured, are missing and were averaged.
      whole: the space of all combinations.
      labelled: the architectures that have a quality, whether or not they have costs; of ``whole``.
      listing: what the file says of each architecture of the trie.
    """

    space: Space
    prices: tuple[Prices, ...]
    quality: TabularQuality | None
    records: Records
    report: Mapping[str, Any]
    whole: Space
    labelled: Records
    listing: trie.Listing


def read_tabular(
    path: str | Path,
    cost_columns: Mapping[str, str],
    space: Space | None = None,
    text_column: str = "architecture",
    decision_columns: Sequence[str] = (),
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    duplicate_tolerance: float = 0.0,
    units_are_right: bool = False,
    required: str = "columns",
) -> Tabular:
    """Read a tabular benchmark from a .csv or .parquet file.

    Args:
      path: the file.
      cost_columns: column of the file for each cost; the cost's name ends in its unit: ``{"latency_ms": "pixel3"}``.
      space: what the text in ``text_column`` is of; None where ``decision_columns`` make a space.
      text_column: column of the architecture's text.
      decision_columns: columns that are decisions, in their order.
      quality_column: column of the quality.
      quality_unit: ``"fraction"`` (0..1) or ``"percent"``.
      duplicate_tolerance: see ``nagjax.predictors.records.records.read_records``.
      units_are_right: see there.
      required: what the file must have, see ``nagjax.predictors.records.labels.Labels``: ``"costs"`` where quality
        comes from elsewhere.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in file or arguments, with file, row and remedy; or if the trie is too large.
    """
    if (space is None) == (not decision_columns):
        raise ValueError(f"{path}: give either decision_columns, or a space and the column of its architectures' text")
    if not isinstance(cost_columns, Mapping):
        raise ValueError(
            f"cost_columns={cost_columns!r}: give a dict of columns by cost, such as {{'latency_ms': 'ms'}}"
        )
    decision_columns = arguments.names(decision_columns, "decision_columns")
    for name, column in cost_columns.items():
        check_direction(column)
        unit_of(name)
    columns = tuple(cost_columns.values())
    labels = Labels(quality_column, quality_unit, columns, duplicate_tolerance, units_are_right, required)
    if space is None:
        space, records = read_columns(path, decision_columns, labels)
    else:
        records = read_texts(path, space, text_column, labels)
    named = {name: records.costs[column] for name, column in cost_columns.items()}
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return from_records(space, dataclasses.replace(records, costs=named), content)


def from_records(space: Space, records: Records, content_hash: str = "") -> Tabular:
    """The tabular benchmark that architectures make; names of cost columns end in their unit, what is NaN is not known.

    Raises:
      ValueError: if no record has all costs, a name has no unit, or the trie is too large.
    """
    every, labelled = records, take(records, ~np.isnan(records.quality))
    priced = np.all([np.ones(len(records.quality), bool), *(~np.isnan(cost) for cost in records.costs.values())], 0)
    if not priced.any():
        raise ValueError(
            f"{records.source}: no row has all of {', '.join(records.costs)}; ask for fewer --cost_columns"
        )
    records = take(records, priced)
    complete = not np.isnan(records.quality).any()
    narrowed = trie.narrow(space, records.tokens)
    device = Path(records.source).name
    no_operators = np.zeros(len(space.operators))
    prices = [
        Prices(
            name, unit_of(name), no_operators, narrowed.trellis.valid, device=device, source=records.source,
            content_hash=content_hash, doubts=_doubts(space, records, name),
            edges=trie.last_edges(narrowed, records.tokens, cost),
        )
        for name, cost in records.costs.items()
    ]  # fmt: skip
    report = {
        "source": records.source,
        "measured" if complete else "priced": len(records.quality),
        "missing": space.count() - len(every.quality),
        "averaged": records.averaged,
        "graph": narrowed.refinement,
        **({} if priced.all() else {"unpriced": len(every.quality) - len(records.quality)}),
    }
    quality = tabular_quality(narrowed, records.tokens, records.quality) if complete else None
    listing = trie.list_out(records.quality, records.rows, records.tokens)
    return Tabular(narrowed, tuple(prices), quality, records, report, space, labelled, listing)


def unit_of(name: str) -> str:
    """Unit of a cost, by the end of its name.

    >>> unit_of("latency_ms"), unit_of("flops_m")
    ('ms', 'M')

    Raises:
      ValueError: if the name does not end in a unit, or cannot be shown in one line; of a quantity of which more is
        better it says that it is not a cost.
    """
    if not name.isprintable():
        raise ValueError(f"cost {name!r}: its name has characters that cannot be shown; choose another")
    for end, unit in COST_UNITS.items():
        if name.endswith(end):
            return unit
    check_direction(name)
    known = ", ".join(f"{end} ({unit})" for end, unit in COST_UNITS.items())
    raise ValueError(f"cost {name!r} does not say its unit: end its name in one of {known} once its values are in it")


LEAST_LABELS, INVERSE = 20, -0.5
"""Labelled rows from which costs are compared with qualities, and the rank correlation that costs seldom have."""


def _doubts(space: Space, records: Records, name: str) -> tuple[str, ...]:
    """Why a column should not be believed: by its values alone, and beside the qualities that are known.

    Raises:
      ValueError: if it is the quality itself.
    """
    rows = records.rows

    def place(index: int) -> str:
        return space.format(records.tokens[index]) if rows is None else f"row {rows[index]}"

    return (*cost_doubts(records.costs[name], unit_of(name), place), *_direction_doubts(records, name))


def _direction_doubts(records: Records, name: str) -> tuple[str, ...]:
    """Why a column may be no cost, by its values beside the qualities that are known.

    Raises:
      ValueError: if it is the quality itself.
    """
    known = ~np.isnan(records.quality)
    quality, cost = records.quality[known], records.costs[name][known]
    if known.sum() < LEAST_LABELS or np.ptp(quality) == 0:
        return ()
    if quality.min() > 0 and np.ptp(cost / quality) <= 1e-9 * (cost / quality).max():
        raise ValueError(f"{records.source}: cost {name!r} is the quality times a constant; name a column of costs")
    rank = spearman(cost, quality)
    if rank > INVERSE:
        return ()
    doubt = (
        f"the more it costs the worse an architecture is (rank correlation {rank:.2f}); if more of it is better, such "
        "as images per second, add a column of times, 1000 / (images per second) ms, and name that one"
    )
    return (doubt,)


def check_direction(column: str) -> None:
    """Refuse a column of which more is better by its name: a budget is an upper limit.

    >>> check_direction("latency_ms")
    >>> check_direction("energy_at_30_fps_mj")

    Raises:
      ValueError: with what to do instead.
    """
    words = _words(column)
    named = any(column.endswith(end) for end in COST_UNITS)
    # A name with a unit of a cost is one, whatever it was measured at; unless it begins with another quantity.
    telling = words[:1] if named else words
    rate = next((word for word in telling if word in RATES), "")
    if rate:
        raise ValueError(
            f"cost {column!r} is a rate by its name ({rate}): more is better, and a budget is an upper limit; add a "
            "column of times to the file, such as latency_ms = 1000 / (images per second) at batch 1, and name that one"
        )
    good = next((word for word in telling if word in QUALITIES or (word in ABBREVIATED and not named)), "")
    if good:
        raise ValueError(
            f"cost {column!r} is a quality by its name ({good}): more is better, and a budget is an upper limit; give "
            "it as --quality_column, or name a column of costs"
        )


def _words(column: str) -> list[str]:
    """Words of a name, lower case; ``images per second`` and ``images_per_sec`` are one: ``images/s``.

    >>> _words("GPU images_per_sec"), _words("FPS (batch 32)")
    (['gpu', 'images/s'], ['fps', 'batch', '32'])
    """
    text = re.sub(r"(?<=[a-z])[ _]*(/|[ _]per[ _])[ _]*s(ec(onds?)?)?(?![a-z])", "/s", column.lower())
    return re.findall(r"[a-z0-9/]+", text)


SLIP = 0.1
"""Share of qualities that may be missing by mistake."""


def slip(found: Tabular) -> dict[str, str]:
    """A doubt where so few qualities are missing that this may not be meant: all others could be looked up."""
    lacking = np.isnan(found.records.quality)
    if lacking.sum() > SLIP * len(lacking) or found.records.rows is None:
        return {}
    first = int(found.records.rows[lacking].min())
    doubt = (
        f"{int(lacking.sum()):,} of {len(lacking):,} rows have no quality, the first is row {first}, so quality is "
        "predicted, for all: fill them in or remove them to have it looked up"
    )
    return {"doubt": doubt}


def predicted_report(found: Tabular, fitted: FittedPredictor) -> dict[str, Any]:
    """What is known of a benchmark with predicted quality: of its architectures, and of the predictor."""
    known = int((~np.isnan(found.listing.quality)).sum())
    size = {name: value for name, value in found.report.items() if name not in ("measured", "source")}
    return {
        **size, "priced": len(found.records.quality), "judged": known, "costs_source": found.report["source"],
        **fitted.report,
    }  # fmt: skip
