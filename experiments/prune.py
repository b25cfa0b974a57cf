"""Close the choices that harm, by SHAP values of boosted trees: one file that other jobs take as --prune.

``python -m experiments.prune --space=mobilenet_v3_small28 --records=records.csv --out=prune.json``

A choice is judged by what quality is beyond that of architectures of like multiply-adds; with --nobeyond_cost by
quality itself, as in GBDT-NAS-3S (arXiv 2007.04785), which closes what is cheap. Every decision keeps a choice. With
--pairs=N pairs of choices are closed after that, each of which stays without the other.
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
from nagjax.reports.front import best_within
from nagjax.spaces import pruning


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    define.integer("most", 4, "Choices to close at most.", lower_bound=0)
    define.integer(
        "pairs", 0, "Pairs of choices to close at most, after these.", lower_bound=0, upper_bound=pruning.MOST_PAIRS
    )
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
    madds = space.operator_sum(records.tokens, analytic(space, "madds").values)
    if values.beyond_cost:
        explained, what = shap.beyond_cost(explained, madds), "quality beyond that of like multiply-adds"
    found = shap.worth(space, records.tokens, explained, seed=values.fit_seed)
    places = shap.harmful(space, found, space.trellis.valid, values.most)
    what = f"{what}, {len(records.quality)} records"
    closed = shap.as_closed(space, found, places, what)
    left, pairs, together = space.where(pruning.conditions(space, closed)), list[pruning.Pair](), []
    if values.pairs:
        both = shap.worth_together(space, records.tokens, explained, seed=values.fit_seed)
        pairs = shap.harmful_together(space, both, left, values.pairs)
        together = shap.as_together(space, both, pairs, what)
    full_disk.persist(lambda: pruning.write(out, space, closed, together), "the closed choices")
    console.say(*(f"{one.decision}={one.choice}: {one.why}" for one in closed))
    console.say(*(f"{two.decision}={two.choice} with {two.other}={two.other_choice}: {two.why}" for two in together))
    front = np.unique(best_within(madds, np.asarray(records.quality), np.sort(madds)))
    kept = pruning.stay(space, left, pairs, records.tokens[front])
    console.say(
        f"{values.out}: {len(closed)} choices and {len(together)} pairs closed, and with them {(~kept).sum()} of the "
        f"{len(front)} records that no other beats in quality at its multiply-adds or fewer"
    )
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
