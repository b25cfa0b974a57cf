"""How good a supernet's labels are: architectures trained alone from scratch, ranked beside what the supernet says.

``python -m experiments.rank_supernet --out=runs/ranking`` trains the networks, and
``python -m experiments.rank_supernet --out=runs/ranking --supernet=runs/supernet`` then compares. With
``--evaluators=synflow`` it compares what evaluators say, beside the supernet or without one.

A network is one line of ``alone.jsonl``, durable as it is done; run again to go on. All devices share each network, and
several processes may share a folder when each has its own --seeds. Networks are compared on the test examples, the
supernet labels on the validation examples, as it does for a search.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments.frame import cli, console, full_disk, life, output, runtime, settings
from experiments.inputs import setup, supernet_setup
from experiments.label import load_space
from experiments.reports import rank_report
from experiments.score import define_evaluator_flags, made, named
from experiments.train_supernet import RECORD, claim, recorded_config
from nagjax import durable, mesh
from nagjax import operators as ops
from nagjax.evaluators.evaluator import Evaluator, evaluate_one
from nagjax.spaces.space import Space
from nagjax.supernet import labelling, storage, training
from nagjax.supernet.evaluation import alone_assessor, supernet_assessor
from nagjax.supernet.task import Task

RUNS = "alone.jsonl"


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    supernet_setup.define_space_flags(values)
    supernet_setup.define_data_flags(values)
    supernet_setup.define_recipe_flags(values, steps=780)
    runtime.define_flags(values)
    define.integer("networks", 16, "Networks beside the smallest and the largest.", 1)
    define.integer("bins", 4, "Parts of the cost range that they are drawn from evenly.", 1)
    define.list("seeds", ["0", "1"], "Seeds of training that this process does.")
    define.integer("images", None, "Validation examples of a label; none: all.", 1)
    define.string("supernet", None, "Folder of the supernet to judge; none, and no --evaluators: train networks.")
    define_evaluator_flags(values)
    define.string("out", None, "Folder of the study.")


def job(values: flags.FlagValues) -> int:
    """Train the networks that are missing; with --supernet or --evaluators compare and write the report."""
    seeds = sorted(settings.parse_seeds(values.seeds, "seeds"))
    with contextlib.ExitStack() as stack:
        for seed in seeds:
            folder = stack.enter_context(output.folder(values.out, "runs/ranking", lock=f"{output.LOCK}-seed{seed}"))
        return _rank(values, folder, seeds)


def _rank(values: flags.FlagValues, folder: Path, seeds: Sequence[int]) -> int:
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("reading the data, drawing networks")
    space = setup.load_space(values)
    valid = space.where(settings.parse_pairs(values.where, "where", many=True))
    task = supernet_setup.load_task(values, space)
    config = {**supernet_setup.identity(values, space, task), "networks": values.networks, "bins": values.bins}
    claim(folder, config, resume=(folder / RECORD).is_file())
    networks = choose(space, valid, values.networks, values.bins)
    truths = made(values.evaluators, values.evaluator_settings, space, _own_data(values))
    try:
        train_missing(folder, space, task, networks, seeds, values)
    except KeyboardInterrupt:
        console.say(f"interrupted; the networks so far are in {folder / RUNS}; the same command goes on")
        return cli.EXIT_INTERRUPTED
    if values.supernet or truths:
        life.doing("comparing")
        figures = compare(folder, space, task, networks, truths, values)
        full_disk.persist(lambda: rank_report.write(folder, figures), "the report")
        console.say(*rank_report.lines(figures))
    return 0


def _own_data(values: flags.FlagValues) -> dict[str, Any]:
    """The study's data, as evaluators take them."""
    own = settings.parse_pairs(values.task_settings, "task_settings")
    return {"data": values.task or values.data, "data_dir": values.data_dir or "", **own}


def choose(space: Space, valid: np.ndarray, num: int, bins: int) -> np.ndarray:
    """Architectures int32 ``[2 + num, T]``: the smallest, the largest, and a draw spread evenly over multiply-adds."""
    madds = np.array([ops.madds(op) for op in space.operators])
    ends = np.stack([space.smallest(valid), space.largest(valid)])
    drawn = labelling.draw_stratified(space, valid, madds, num + 2, bins, seed=0)
    inner = [row for row in drawn if not (row == ends).all(-1).any()]
    return np.concatenate([ends, np.stack(inner[:num])])


def train_missing(
    folder: Path, space: Space, task: Task, networks: np.ndarray, seeds: Sequence[int], values: flags.FlagValues
) -> None:
    """Train every network under every seed that has no line yet; one network's seeds share a compilation."""
    done = {(run["architecture"], run["seed"]) for run in read_runs(folder)}
    wanted = [(row, seed) for row in networks for seed in seeds if (space.format(row), seed) not in done]
    dtype, place = jnp.dtype(values.dtype), mesh.all_devices()
    place.check_batch(values.batch, "--batch")
    for number, (tokens, seed) in enumerate(wanted, 1):
        life.doing(f"training network {number} of {len(wanted)}, seed {seed}")
        began = time.monotonic()
        recipe = dataclasses.replace(supernet_setup.recipe(values), seed=seed)
        state = training.train_whole(training.alone_learner(space, tokens, dtype), task, recipe, place)
        scores = alone_assessor(space, tokens, task, dtype, place).scores(state.parameters, tokens, task.test)
        seconds = time.monotonic() - began
        text = space.format(tokens)
        run = {"architecture": text, "seed": seed, "accuracy": scores.quality, "loss": scores.loss, "seconds": seconds}
        full_disk.persist(partial(append, folder / RUNS, run), "a network's figures")
        console.say(f"{number} of {len(wanted)}: {text} seed {seed}: {task.percent(scores.quality)} in {seconds:.0f} s")


def compare(
    folder: Path, space: Space, task: Task, networks: np.ndarray, truths: Sequence[Evaluator], values: flags.FlagValues
) -> dict[str, Any]:
    """Figures of the study: what the supernet and the evaluators say of each network beside what it reached alone.

    Raises:
      ValueError: if networks are missing, the supernet is of another space or data set, or two columns have one name.
    """
    recorded = recorded_config(folder / RECORD)
    texts = [space.format(row) for row in networks]
    alone = rank_report.alone_table(read_runs(folder), texts)
    columns: dict[str, np.ndarray] = {}
    how: dict[str, Any] = {}
    test = None
    if values.supernet:
        columns, test, how = _labels(recorded, space, task, networks, values)
    counts = {"madds": ops.madds, "params": ops.params}
    for name, count in counts.items():
        columns[name] = space.operator_sum(networks, np.array([count(op) for op in space.operators], np.float64))
    columns |= contenders(truths, space, networks, tuple(columns))
    figures = rank_report.figures(texts, alone, columns, test, values.bins)
    figures |= {"quality_name": task.quality_name, "examples_name": task.examples_name, **how, "alone": recorded}
    if truths:
        figures["evaluators"] = {truth.name: dict(truth.identity) for truth in truths}
    return {**figures, "made_with": supernet_setup.surroundings()}


def _labels(
    recorded: dict[str, Any], space: Space, task: Task, networks: np.ndarray, values: flags.FlagValues
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, Any]]:
    """What the supernet says of networks: columns ``[N]``, quality on test examples ``[N]``, and how it was asked."""
    supernet = settings.user_path(values.supernet, "supernet")
    weights = storage.read_weights(supernet)
    if load_space(weights.config["space"]).identity != space.identity:
        raise ValueError(
            f"--supernet={supernet}: was trained for {weights.config['space']}, the study is of {space.identity}"
        )
    data = recorded["data"]
    if weights.config["data"] != data:
        raise ValueError(f"--supernet={supernet}: was trained on {weights.config['data']}, the networks on {data}")
    assessor = supernet_assessor(space, task, jnp.dtype(weights.config["recipe"]["dtype"]), form=weights.form)
    part = labelling.label_part(task, values.images)
    scores = [assessor.scores(weights.parameters, row, part) for row in networks]
    test = [assessor.scores(weights.parameters, row, task.test).quality for row in networks]
    columns = {
        "supernet": np.array([score.quality for score in scores]),
        "supernet_loss": -np.array([score.loss for score in scores]),
    }
    return columns, np.array(test), {"label_images": len(part), "supernet": dict(weights.config)}


def contenders(
    truths: Sequence[Evaluator], space: Space, networks: np.ndarray, taken: Sequence[str]
) -> dict[str, np.ndarray]:
    """What evaluators say of networks int32 ``[N, T]``: columns ``[N]``, more being better; NaN where one failed.

    Raises:
      ValueError: if a column has a name that is ``taken``.
    """
    out = {}
    outcomes: dict[str, list[Any]] = {}
    for name, (truth, column) in named(truths).items():
        if name in taken:
            raise ValueError(f"--evaluators: {truth.name} gives a column {name}, which is there; leave it out")
        if truth.name not in outcomes:
            life.doing(f"asking {truth.name}")
            outcomes[truth.name] = [evaluate_one(truth, row) for row in networks]
            for row, outcome in zip(networks, outcomes[truth.name], strict=True):
                if outcome.failure:
                    console.complain(f"{truth.name}: {space.format(row)}: {outcome.failure}")
        found = [outcome.values.get(column, math.nan) for outcome in outcomes[truth.name]]
        out[name] = truth.scores.get(column, 1) * np.array(found)
    return out


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Networks that are trained; a line that a crash cut short does not count.

    Raises:
      ValueError: if a line is damaged, with its number.
    """
    path, runs = folder / RUNS, []
    for number, line in enumerate(durable.whole_lines(path), 1):
        if not line.endswith("}"):
            continue
        try:
            runs.append(json.loads(line))
        except json.JSONDecodeError:
            raise ValueError(
                f"{path}:{number}: is damaged: {line[:60]!r}; remove the line to have that network trained again"
            ) from None
    return runs


def append(path: Path, run: dict[str, Any]) -> None:
    """Append a line, durably; one that a crash cut short goes. Other processes may append to the same file."""
    durable.append(path, json.dumps(run) + "\n")


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
