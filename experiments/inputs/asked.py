"""The generator that a job asks: flags of its checkpoint and its device, and the generator that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from absl import flags

from experiments.frame import settings

if TYPE_CHECKING:
    from nagjax.inference.generator import Generator


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of a checkpoint and of the device that is asked for."""
    define = settings.Definer(values)
    define.string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.")
    define.bool("ignore_hash", False, "Believe a checkpoint that was edited on purpose, although its hash differs.")
    define.string(
        "device", None,
        "Which of several devices is asked for; or the table of another than the checkpoint was trained for.",
    )  # fmt: skip


def read(values: flags.FlagValues) -> Generator:
    """The generator of ``--checkpoint``, on ``--device`` where that is given.

    Raises:
      ValueError: if no checkpoint is given or it cannot be read, or the device is neither known nor a table.
    """
    from nagjax.inference.generator import load

    if not values.checkpoint:
        raise ValueError("--checkpoint is not given: name the folder that experiments.run wrote")
    generator = load(values.checkpoint, ignore_hash=values.ignore_hash)
    return generator.on(values.device) if values.device else generator
