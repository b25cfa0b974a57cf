"""Fit a predictor to labelled architectures and keep it: one .npz file that the main job takes as --predictor.

``python -m experiments.fit --space=mobilenet_v3_small28 --records=records.csv --out=predictor.npz``

Its error on records held out from a first fit is measured, printed and kept in the file; the predictor that is kept is
then fitted to all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs import setup
from nagjax.predictors.formats.storage import save_predictor
from nagjax.predictors.kinds.registry import fit


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    define.string("out", None, "The file to write.")


def job(values: flags.FlagValues) -> int:
    """Fit, save, and say how good the predictor is."""
    if not values.records or values.predictor:
        raise ValueError("give --records, the labelled architectures to fit to, and no --predictor")
    with output.new_file(values.out, "predictor.npz") as out:
        return _fit(values, out)


def _fit(values: flags.FlagValues, out: Path) -> int:
    life.doing("fitting")
    runtime.use_compilation_cache(values.compilation_cache)
    space = setup.load_space(values)
    kind = setup.predictor_kind(values)  # before large files are read
    records = setup.load_records(values, space)
    fitted = fit(kind, space, records, values.fit_seed)
    full_disk.persist(lambda: save_predictor(fitted, space, out), "the predictor")
    shown = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                      for name, value in fitted.report.items())  # fmt: skip
    console.say(f"{values.out}: {shown}")
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
