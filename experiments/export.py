"""Write a trained generator as a folder that answers budgets with NumPy alone, without nagjax and jax; or a supernet.

``python -m experiments.export --checkpoint=runs/note10 --out=served``, then ``python served/answer.py 15 20 30``;
``python -m experiments.export --supernet=runs/supernet --out=carried`` keeps what deploying needs where the images are
not: the last weights, and the images that norms are calibrated on.
"""

from __future__ import annotations

import sys

from absl import flags

from experiments.frame import cli, console, life, output, runtime, settings
from experiments.inputs import asked


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    asked.define_flags(values)
    define.multi_string(
        "where", [], "A condition that every answer satisfies, such as resolution=224; may be repeated."
    )
    define.string("supernet", None, "Folder of a trained supernet, in place of --checkpoint.")
    define.string("data_dir", None, "Folder of the supernet's images.")
    define.string("out", None, "Folder to write; an earlier export in it is replaced.")
    settings.define_seed("seed", "Seed of what decode=best answers from.", values)


def job(values: flags.FlagValues) -> int:
    """Write the one that is given."""
    if bool(values.checkpoint) == bool(values.supernet):
        raise ValueError(
            "give either --checkpoint, the folder that experiments.run wrote, or --supernet, that of train_supernet"
        )
    return _generator(values) if values.checkpoint else _supernet(values)


def _supernet(values: flags.FlagValues) -> int:
    """Load, write, say how to deploy."""
    with output.folder(values.out, "carried") as folder:
        life.doing("reading weights and images")
        from nagjax.deployment import carried
        from nagjax.deployment.supernets import load_supernet

        if output.contents(folder):
            raise ValueError(f"--out={folder}: holds files; give a new or an empty folder")
        supernet = settings.user_path(values.supernet, "supernet")
        size = carried.write(load_supernet(supernet, values.data_dir), folder)
        deploy = cli.command("experiments.deploy", f"--supernet={folder}", "--checkpoint=FOLDER", "--budgets_ms=1,2")
        console.say(f"{folder}: {size / 1e6:.1f} MB; networks are taken out of it without the images: {deploy}")
    return 0


def _generator(values: flags.FlagValues) -> int:
    """Load, write, say how to ask."""
    with output.folder(values.out, "served") as folder:
        runtime.use_compilation_cache(values.compilation_cache)
        life.doing("writing the generator")
        from nagjax.inference.exporting import FILE, PROGRAM

        strangers = [name for name in output.contents(folder) if name not in (FILE, PROGRAM)]
        if strangers:
            raise ValueError(
                f"--out={folder}: holds other files ({', '.join(strangers[:3])}); give a new or empty folder"
            )
        where = settings.parse_pairs(values.where, "where", many=True) or None
        with settings.told_of_flags(["device"]):
            generator = asked.read(values)
            generator.export(folder, where=where, seed=values.seed)
        low, high = generator.budget_range[0].tolist()
        size = (folder / FILE).stat().st_size
        ask = " ".join(settings.example_budgets(low, high).split(","))
        console.say(f"{folder / FILE}: {size / 1e6:.1f} MB; it needs numpy alone: python {folder / PROGRAM} {ask}")
    return 0


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
