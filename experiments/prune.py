"""Close the choices that harm, by SHAP values of boosted trees: one file that other jobs take as --prune.

``python -m experiments.prune --space=mobilenet_v3_small28 --records=records.csv --out=prune.json``

A choice is judged by what quality is beyond that of architectures of like multiply-adds; with --nobeyond_cost by
quality itself, as in GBDT-NAS-3S (arXiv 2007.04785), which closes what is cheap. Every decision keeps a choice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, settings
from experiments.inputs import setup
from nagjax.devices.pricing import analytic
from nagjax.predictors import shap
from nagjax.spaces import pruning


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    define.integer("most", 4, "Choices to close at most.", lower_bound=1)
    define.bool("beyond_cost", True, "Judge by what quality is beyond that of like cost.")
    define.string("out", None, "The file to write.")


def job(values: flags.FlagValues) -> int:
    """Fit, close, and say why."""
    if not values.records or values.predictor:
        raise ValueError("give --records, the labelled architectures to judge by, and no --predictor")
    with output.new_file(values.out, "prune.json") as out:
        return _prune(values, out)


def _prune(values: flags.FlagValues, out: Path) -> int:
    life.doing("fitting")
    space = setup.load_space(values)
    records = setup.load_records(values, space)
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


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
