"""Write a trained generator as a folder that answers budgets with NumPy alone, without nagjax and jax.

``python -m experiments.export --checkpoint=runs/note10 --out=served``, then ``python served/answer.py 15 20 30``
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

from experiments.frame import cli, console, life, output, runtime, settings


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    runtime.define_flags(values)
    flags.DEFINE_string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.", flag_values=values)
    flags.DEFINE_bool(
        "ignore_hash", False, "Believe a checkpoint that was edited on purpose, although its hash differs.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_multi_string(
        "where", [], "A condition that every answer satisfies, such as resolution=224; may be repeated.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_string("out", None, "Folder to write; an earlier export in it is replaced.", flag_values=values)
    settings.define_seed("seed", "Seed of what decode=best answers from.", values)


def job(values: flags.FlagValues) -> int:
    """Load, write, say how to ask."""
    if not values.checkpoint:
        raise ValueError("--checkpoint is not given: name the folder that experiments.run wrote")
    with output.folder(values.out, "served") as folder:
        runtime.use_compilation_cache(values.compilation_cache)
        life.doing("writing the generator")
        from nagjax.inference.exporting import FILE, PROGRAM
        from nagjax.inference.generator import load

        strangers = [name for name in output.contents(folder) if name not in (FILE, PROGRAM)]
        if strangers:
            raise ValueError(
                f"--out={folder}: holds other files ({', '.join(strangers[:3])}); give a new or empty folder"
            )
        generator = load(values.checkpoint, ignore_hash=values.ignore_hash)
        where = settings.parse_pairs(values.where, "where", many=True) or None
        generator.export(folder, where=where, seed=values.seed)
        low, high = generator.budget_range[0].tolist()
        size = (folder / FILE).stat().st_size
        ask = " ".join(settings.example_budgets(low, high).split(","))
        console.say(f"{folder / FILE}: {size / 1e6:.1f} MB; it needs numpy alone: python {folder / PROGRAM} {ask}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job."""
    return cli.execute(__doc__, define_flags, job, argv)


if __name__ == "__main__":
    sys.exit(main())
