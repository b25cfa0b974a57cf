"""Fit a predictor to labelled architectures and keep it: one .npz file that the main job takes as --predictor.

``python -m experiments.fit --space=mobilenet_v3_small28 --records=records.csv --out=predictor.npz``

Its error on records held out from a first fit is measured, printed and kept in the file; the predictor that is kept is
then fitted to all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs import setup
from nagjax.predictors.formats.storage import save_predictor
from nagjax.predictors.kinds.registry import fit
from nagjax.predictors.records.records import read_records


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    runtime.define_flags(values)
    setup.define_space_flags(values)
    setup.define_quality_flags(values)
    flags.DEFINE_string("out", None, "The file to write.", flag_values=values)


def job(values: flags.FlagValues) -> int:
    """Fit, save, and say how good the predictor is."""
    if not values.records or values.predictor:
        raise ValueError("give --records, the labelled architectures to fit to, and no --predictor")
    with output.file(values.out, "predictor.npz") as out:
        return _fit(values, out)


def _fit(values: flags.FlagValues, out: Path) -> int:
    if out.exists():
        raise ValueError(f"--out={values.out}: exists; name a file that does not exist yet")
    life.doing("fitting")
    runtime.use_compilation_cache(values.compilation_cache)
    space = setup.load_space(values)
    kind = setup.predictor_kind(values)  # before large files are read
    records = read_records(
        settings.input_path(values, "records"), space, values.text_column, values.quality_column, values.quality_unit,
        (), values.duplicate_tolerance, values.units_are_right,
    )  # fmt: skip
    fitted = fit(kind, space, records, values.fit_seed)
    full_disk.persist(lambda: save_predictor(fitted, space, out), "the predictor")
    shown = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                      for name, value in fitted.report.items())  # fmt: skip
    console.say(f"{values.out}: {shown}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
