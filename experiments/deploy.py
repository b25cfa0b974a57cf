"""From budgets to files that run: each network with its own weights, ONNX, int8 and StableHLO, timed in onnxruntime.

``python -m experiments.deploy --supernet=runs/supernet --checkpoint=runs/mine --budgets_ms=1,2,3 --out=runs/deployed``

Given again with ``--resume`` it goes on with what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.frame import cli, console, life, output, runtime, settings

EXIT_OVER = 3
"""Exit status where a network takes longer than its budget."""

FORMATS = ("onnx", "int8", "stablehlo")
DECODES = ("best", "greedy", "sample", "beam")


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    define.string("supernet", None, "Folder of a trained supernet.")
    define.string("data_dir", None, "Folder of the data set's files.")
    define.string("checkpoint", None, "Folder of a checkpoint, or of the run that wrote it.")
    define.string(
        "device", None,
        "Which of several devices the files run on; or the table of another than the checkpoint was trained for.",
    )  # fmt: skip
    define.list("budgets_ms", [], "Latency budgets, ms, that the checkpoint answers.")
    define.multi_string("architectures", [], "An architecture as text, in place of a budget; may be repeated.")
    define.enum("decode", "best", DECODES, "How architectures are found.")
    define.multi_string("where", [], "A condition, such as resolution=28 or kernel=3,5; may be repeated.")
    define.list("formats", list(FORMATS), f"Files to write: {', '.join(FORMATS)}.")
    define.integer("finetune", 0, "Updates of each network's weights, taught by the largest.", lower_bound=0)
    define.float("finetune_rate", 0.01, "Learning rate of these.", lower_bound=0.0)
    define.integer("images", None, "Validation and test examples that qualities are of; none: all.", 1)
    define.integer("threads", 1, "That one operator may use when timed.", lower_bound=1)
    define.integer("batch", 1, "Inputs a run when timed.", lower_bound=1)
    define.integer("rounds", 15, "Timings of each file.", lower_bound=3)
    define.enum(
        "on_miss", "report", ("report", "tighten"),
        "A network over its budget is reported, or asked for again with a smaller budget.",
    )  # fmt: skip
    define.string("out", None, "Folder to write.")
    define.bool("resume", False, "Go on with --out.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then deploy, then print the table."""
    if not values.supernet:
        raise ValueError("--supernet is not given: name the folder that experiments.train_supernet wrote")
    budgets = settings.parse_budgets(values.budgets_ms, "budgets_ms")
    with output.folder(values.out, "runs/deployed") as folder:
        if output.contents(folder) and not values.resume:
            raise ValueError(f"--out={folder}: holds files; go on with --resume, or give a new or an empty folder")
        return _deploy(values, budgets, folder)


def _deploy(values: flags.FlagValues, budgets: Sequence[float], folder: Path) -> int:
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("reading weights and data")
    from nagjax.deployment import summary
    from nagjax.deployment.deploying import deploy
    from nagjax.inference.generator import load

    generator = load(settings.user_path(values.checkpoint, "checkpoint")) if values.checkpoint else None
    if values.device:
        if generator is None:
            raise ValueError("--device needs a generator: give --checkpoint, the folder that experiments.run wrote")
        generator = generator.on(values.device)
    made = {"command": cli.command("experiments.deploy", *_given(values)), "versions": runtime.versions(),
            "device": runtime.devices(), "commit": runtime.commit()}  # fmt: skip
    try:
        with console.bars() as shown:
            task = shown.add_task("reading weights and data", total=None)

            def on_progress(what: str, done: int, total: int) -> None:
                shown.update(task, completed=done, total=total, description=what)
                life.doing(f"{what}, {done} of {total} done")

            found = deploy(
                settings.user_path(values.supernet, "supernet"), folder,
                generator=generator,
                budgets_ms=list(budgets), architectures=values.architectures, decode=values.decode,
                where=settings.parse_pairs(values.where, "where", many=True) or None, formats=values.formats,
                finetune=values.finetune, finetune_rate=values.finetune_rate, images=values.images,
                threads=values.threads, batch=values.batch, rounds=values.rounds, on_miss=values.on_miss,
                data_dir=values.data_dir and settings.user_path(values.data_dir, "data_dir"), made=made,
                on_progress=on_progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        console.say(f"interrupted; to go on: {cli.again('experiments.deploy', values)}")
        return cli.EXIT_INTERRUPTED
    console.console(width=200).print(_table(summary.text_rows(found)))
    over = [card for card in found if card.within_budget is False]
    for card in over:
        console.complain(f"over its budget: {card.name} takes {card.measured_ms:.4g} ms ({card.architecture})")
    console.say(f"networks, cards and summary: {folder / summary.PAGE}")
    return EXIT_OVER if over else 0


def _table(rows: Sequence[Sequence[str]]) -> object:
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False)
    for at, title in enumerate(rows[0]):
        table.add_column(title, justify="right" if at else "left")
    for row in rows[1:]:
        table.add_row(*row)
    return table


def _given(values: flags.FlagValues) -> list[str]:
    """Flags that decide what is written; folders of one machine mean nothing on another."""
    names = ("device", "budgets_ms", "architectures", "decode", "where", "formats", "finetune", "finetune_rate",
             "images", "threads", "batch", "rounds", "on_miss")  # fmt: skip
    given = [values[name] for name in names]
    return [line for flag in given if flag.value not in (None, []) for line in flag.serialize().split("\n")]


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
