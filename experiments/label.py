"""Label architectures with a trained supernet: each is evaluated on the validation examples and appended to a file.

``python -m experiments.label --supernet=runs/supernet --num=1500 --out=records.csv``

Batch norms are calibrated anew for every architecture. Ctrl-C or a crash loses one label at most; ``--resume`` goes on.
All devices share the examples of a label, and with ``--coordinator`` those of several processes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, processes, record_file, runtime, settings
from experiments.inputs import supernet_setup
from nagjax import mesh, plugins
from nagjax import operators as ops
from nagjax.spaces.space import Space
from nagjax.supernet import labelling, storage
from nagjax.supernet.evaluation import supernet_assessor

DRAWS = ("stratified", "uniform")
BINS = 50


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    processes.define_flags(values)
    define.string("supernet", None, "Folder of a trained supernet.")
    define.string("data_dir", None, "Folder of the data set's files.")
    supernet_setup.define_cache_flag(values)
    define.multi_string("where", [], "A condition on architectures, such as resolution=28; may be repeated.")
    define.integer("num", 1500, "Architectures to label.", lower_bound=1)
    define.integer("images", None, "Validation examples of a label; none: all.", 1)
    define.enum("draw", "stratified", DRAWS, "By multiply-adds, or uniform over all.")
    settings.define_seed("seed", "Seed of the draw.", values)
    define.string("out", None, "The file to append to; how it was made goes beside it.")
    define.bool("resume", False, "Go on with --out.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then label what is not labelled yet."""
    if not values.supernet or not values.out:
        raise ValueError("give --supernet, the folder of a trained supernet, and --out, the file to write")
    with processes.joined(values) as place, processes.taken(values.out, "records.csv", output.file) as out:
        return _label(values, out, place)


def _label(values: flags.FlagValues, out: Path, place: mesh.Placement) -> int:
    life.doing("reading weights and data, drawing architectures")
    runtime.use_compilation_cache(values.compilation_cache)
    weights = storage.read_weights(settings.user_path(values.supernet, "supernet"))
    space = load_space(weights.config["space"])
    task = supernet_setup.task_of(weights.config, values.data_dir, space, values.image_cache)
    valid = space.where(weights.config["where"]) & space.where(settings.parse_pairs(values.where, "where", many=True))
    tokens = draw(values, space, valid)
    mesh.first_does(lambda: claim(out, values, weights, task.quality_name), None)
    part = labelling.label_part(task, values.images)
    assessor = supernet_assessor(space, task, jnp.dtype(weights.config["recipe"]["dtype"]), place, weights.form)
    parameters = place.parameters(weights.parameters)
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(labelling.LabelFile(out)) if mesh.is_first() else None
            left = tokens[mesh.first_does(lambda: _missing(space, tokens, file), np.zeros(len(tokens), np.bool_))]
            for number, row in enumerate(progress(left, len(tokens))):
                if mesh.preempted(number):
                    raise cli.Terminated
                scores = assessor.scores(parameters, row, part)
                label = {"quality": scores.quality, "loss": scores.loss}
                if file is not None:
                    full_disk.persist(partial(file.add, space.format(row), label), "a label")
            done = 0 if file is None else len(file.labelled)
    except KeyboardInterrupt as stopped:
        console.say(f"interrupted; the labels so far are in {out}; to go on: {cli.again('experiments.label', values)}")
        return cli.exit_status(stopped)
    console.say(f"{out}: {done} labelled architectures of {space.identity}, {len(left)} of them new")
    return 0


def _missing(space: Space, tokens: np.ndarray, file: labelling.LabelFile | None) -> np.ndarray:
    """Which of tokens ``[num, T]`` have no label yet, bool ``[num]``; asked of the process that has the file."""
    assert file is not None
    return np.array([space.format(row) not in file.labelled for row in tokens], np.bool_)


def load_space(config: dict[str, Any]) -> Space:
    """The space that weights were trained for.

    Raises:
      ValueError: if another version of it is installed.
    """
    made = plugins.load("spaces", config["name"])(**config["settings"])
    space = plugins.expect("spaces", config["name"], made, Space)
    if space.version != config["version"]:
        raise ValueError(
            f"the supernet was trained for {config['name']} version {config['version']}, installed is {space.version}; "
            "tokens mean something else: install the version that trained it, or train again"
        )
    return space


def draw(values: flags.FlagValues, space: Space, valid: np.ndarray) -> np.ndarray:
    """The architectures to label, int32 ``[num, T]``; the same for the same flags."""
    if values.draw == "uniform":
        return labelling.draw_uniform(space, valid, values.num, values.seed)
    madds = np.array([ops.madds(op) for op in space.operators])
    return labelling.draw_stratified(space, valid, madds, values.num, BINS, values.seed)


def claim(out: Path, values: flags.FlagValues, weights: storage.Weights, quality_name: str) -> None:
    """Record beside the file how it is made, or check that it was made so.

    Raises:
      ValueError: if the file exists and is not to be resumed, or was made by other weights or another draw.
    """
    record = out.with_name(out.name + ".json")
    identity = {
        "supernet": {name: weights.config[name] for name in ("space", "where", "data", "recipe", "step")},
        "draw": {"draw": values.draw, "seed": values.seed, "where": list(values.where), "images": values.images},
    }
    if not out.exists():
        if values.resume and not record.exists():
            raise ValueError(f"--out={out}: there is nothing to resume; leave --resume out to begin")
        given = [f"--num={values.num}", f"--draw={values.draw}", f"--seed={values.seed}"]
        given += [f"--images={values.images}"] if values.images else []
        command = cli.command("experiments.label", *given)
        date = dt.datetime.now(dt.UTC).date().isoformat()
        about = {**identity, "quality": quality_name, "command": command, "date": date, **supernet_setup.surroundings()}
        record_file.write(record, about)
        return
    if not values.resume:
        raise ValueError(f"--out={out}: exists; go on with --resume, or give another file")
    remedy = "restore it from a copy, or give another --out"
    recorded = record_file.read(record, {"supernet": dict, "draw": dict}, remedy) if record.is_file() else {}
    for name, value in json.loads(json.dumps(identity)).items():
        if recorded.get(name) != value:
            raise ValueError(f"--out={out}: was labelled with {name} {recorded.get(name)}, now it is {value}")


def progress(rows: np.ndarray, total: int) -> Iterator[np.ndarray]:
    """The rows one by one under a progress bar."""
    with console.bars(quiet=not mesh.is_first()) as shown:
        for number, row in enumerate(shown.track(list(rows), description=f"labelling {len(rows)} of {total}")):
            life.doing(f"labelling, {number} of {len(rows)} done")
            yield row


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
