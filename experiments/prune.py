"""Close the choices that harm, by SHAP values of boosted trees: one file that other jobs take as --prune.

``python -m experiments.prune --space=mobilenet_v3_small28 --records=records.csv --out=prune.json``

A choice is judged by what quality is beyond that of architectures of like multiply-adds; with --nobeyond_cost by
quality itself, as in GBDT-NAS-3S (arXiv 2007.04785), which closes what is cheap. Every decision keeps a choice.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, settings
from experiments.inputs import setup
from nagjax.devices.pricing import analytic
from nagjax.predictors import shap
from nagjax.predictors.records.records import read_records
from nagjax.spaces import pruning


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    flags.DEFINE_integer("most", 4, "Choices to close at most.", lower_bound=1, flag_values=values)
    flags.DEFINE_bool("beyond_cost", True, "Judge by what quality is beyond that of like cost.", flag_values=values)
    flags.DEFINE_string("out", None, "The file to write.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Fit, close, and say why."""
    if not values.records or values.predictor:
        raise ValueError("give --records, the labelled architectures to judge by, and no --predictor")
    with output.file(values.out, "prune.json") as out:
        return _prune(values, out)


def _prune(values: flags.FlagValues, out: Path) -> int:
    if out.exists():
        raise ValueError(f"--out={values.out}: exists; name a file that does not exist yet")
    life.doing("fitting")
    space = setup.load_space(values)
    records = read_records(
        settings.input_path(values, "records"), space, values.text_column, values.quality_column, values.quality_unit,
        (), values.duplicate_tolerance, values.units_are_right,
    )  # fmt: skip
    explained, what = np.asarray(records.quality), "quality"
    if values.beyond_cost:
        madds = space.operator_sum(records.tokens, analytic(space, "madds").values)
        explained, what = shap.beyond_cost(explained, madds), "quality beyond that of like multiply-adds"
    found = shap.worth(space, records.tokens, explained, seed=values.fit_seed)
    places = shap.harmful(space, found, space.trellis.valid, values.most)
    closed = shap.as_closed(space, found, places, f"{what}, {len(records.quality)} records")
    full_disk.persist(lambda: pruning.write(out, space, closed), "the closed choices")
    console.say(*(f"{one.decision}={one.choice}: {one.why}" for one in closed))
    console.say(f"{values.out}: {len(closed)} choices closed")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
