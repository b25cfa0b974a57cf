"""What shares learned with entangled weights choose on handwritten digits, by two updates of logits.

``python -m benchmarks.entangled [--seeds=6] --results=FILE`` goes on with what the file lacks. Data travel with
scikit-learn.

The space is that of ``benchmarks.strategies`` without blocks that do not expand, whose weights cannot be mixed: 20
networks. Eight of them were trained alone there, under three seeds, and are taken from its results; those that a way
chooses are trained besides. Every way sees 25,600 images. A way of ``entangled`` chooses the largest share of each
decision; where it ends in ``near`` the loss is the mean over two neighbours, so each image passes twice;
``single_path``, the rival without gradients along choices, the network of least loss on validation images with its
weights. Nothing has a price.
Rates of the logits are those of 0.02 and 0.1 (Adam) and of 0.02, 1 and 5 (exponentiated) that chose best under seed 100
with ``darts``, the larger where two chose alike; other samplers have that of ``darts``.
``experiments.published.entangled`` has what follows from the figures.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, strategies
from benchmarks.strategies import BATCH, RATE
from nagjax import durable, operators
from nagjax.spaces.mobilenet_v3 import make_space
from nagjax.spaces.space import Space
from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet import training
from nagjax.supernet.entangled import SAMPLERS
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.forms import LOGITS
from nagjax.supernet.shares import log_shares
from nagjax.supernet.strategy import make_strategy

RATES: Mapping[str, float] = {"adam": 0.1, "exponentiated": 5.0}
"""Of the logits, by update."""

IMAGES = 400 * BATCH
"""Seen by each way, counted a lesson."""
KNOWN = Path("benchmarks/results/strategies.json")
SPOS = "single_path"
NEIGHBOURS = 2
"""Of a way that ends in ``near``."""
WAYS = (*(f"{sampler} adam" for sampler in SAMPLERS), "darts exponentiated", "darts adam near", SPOS)
ALONE_SEEDS = 3
"""Of each network alone."""
EVERY = 10
"""Updates between two looks at the shares."""


def space() -> Space:
    """The 20 networks."""
    return make_space("digits_mixed", 1, {}, dataclasses.replace(strategies.PLAN, ratios=(2, 4)))


def shared(one: Space, way: str, seed: int, rate: float | None = None) -> dict[str, Any]:
    """What a way says: the log-probability or the negative loss of each network, and entropies on the way there."""
    began, rows = time.monotonic(), networks(one)
    sampler, update, more = (*way.split(), "", "")[:3]
    settings: dict[str, Any] = {}
    if update:
        rate = rate or RATES[update]
        settings = {"sampler": sampler, "update": update, "rate": rate, "neighbours": NEIGHBOURS if more else 0}
    strategy = make_strategy("entangled" if update else way, settings)
    recipe = training.Recipe(steps=IMAGES // BATCH, batch=BATCH, learning_rate=RATE, seed=seed)
    learner = training.supernet_learner(one, one.trellis.valid, strategy)
    state, trace = training.start(learner, recipe), []
    for reached, _ in training.train(learner, strategies.task(), recipe, state):
        state = reached
        if update and state.step % EVERY == 0:
            trace.append(round(entropy(one, state.parameters[LOGITS]), 4))
    found = {"way": way, "seed": seed, "rate": rate, "seconds": round(time.monotonic() - began, 1)}
    if update:
        logits = np.asarray(state.parameters[LOGITS])
        scores = one.path_values(rows, log_shares(one, one.trellis.valid, logits)).sum(-1)
        return {**found, "chosen": largest_shares(one, logits), "scores": scores.tolist(), "entropies": trace}
    assessor = supernet_assessor(one, strategies.task(), form=strategy.form)
    losses = [assessor.scores(state.parameters, row, strategies.task().validation).loss for row in rows]
    return {**found, "chosen": one.format(rows[int(np.argmin(losses))]), "scores": [-loss for loss in losses]}


def networks(one: Space) -> np.ndarray:
    """All of them, int32 ``[20, T]``."""
    return enumerate_paths(one.trellis.target, one.trellis.valid)


def largest_shares(one: Space, logits: np.ndarray) -> str:
    """The network of the largest share of each decision, among the choices that its node has."""
    node, tokens = 0, []
    for t, valid in enumerate(one.trellis.valid):
        tokens.append(int(np.where(valid[node], logits[t], -np.inf).argmax()))
        node = one.trellis.target[t, node, tokens[-1]]
    return one.format(np.array(tokens))


def entropy(one: Space, logits: Any) -> float:
    """Entropy of the shares, nats, mean over the decisions that have a choice."""
    allowed = one.trellis.valid.any(1)
    parts = np.exp(np.where(allowed, logits, -np.inf) - np.where(allowed, logits, -np.inf).max(-1, keepdims=True))
    parts /= parts.sum(-1, keepdims=True)
    each = -(parts * np.log(np.maximum(parts, 1e-30))).sum(-1)
    return float(each[allowed.sum(-1) > 1].mean())


def begun(one: Space) -> dict[str, Any]:
    """The networks, with what is known of them already."""
    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    alone = {network["architecture"]: network["alone"] for network in known["networks"]}
    rows = networks(one)
    madds = one.operator_sum(rows, np.array([operators.madds(op) for op in one.operators], np.float64))
    return {
        "images": IMAGES, "batch": BATCH, "every": EVERY,
        "networks": [
            {"architecture": text, "madds": cost, "alone": alone.get(text, {})}
            for text, cost in zip(map(one.format, rows), madds, strict=True)
        ],
        "shared": [],
    }  # fmt: skip


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values, path, one = flags.FLAGS, Path(flags.FLAGS.results), space()
    study = json.loads(path.read_text(encoding="utf-8")) if path.exists() else begun(one)

    def keep(what: object) -> None:
        durable.replace(path, json.dumps(study, indent=1) + "\n")
        print(what, flush=True)

    done = {(run["way"], run["seed"], run["rate"]) for run in study["shared"]}
    for seed in common.seeds():
        for way in values.ways:
            rate = values.rate or RATES.get((*way.split(), "")[1])
            if (way, seed, rate) not in done:
                study["shared"].append(shared(one, way, seed, rate))
                keep({name: value for name, value in study["shared"][-1].items() if not isinstance(value, list)})
    chosen = {run["chosen"] for run in study["shared"]}
    for network in (one for one in study["networks"] if values.alone and one["architecture"] in chosen):
        for seed in range(ALONE_SEEDS):
            if str(seed) not in network["alone"]:
                network["alone"][str(seed)] = strategies.alone(network["architecture"], seed)
                keep((network["architecture"], seed, network["alone"][str(seed)]))
    return {"networks": len(study["networks"]), "trained": len(study["shared"])}


if __name__ == "__main__":
    common.define_seeds(6, "Of shared weights.")
    flags.DEFINE_list("ways", list(WAYS), "Which: a sampler and an update, such as gdas adam.")
    flags.DEFINE_float("rate", None, "Of the logits, in place of what was tuned.")
    flags.DEFINE_bool("alone", True, "Train the networks that were chosen alone.")
    flags.DEFINE_string("results", "benchmarks/results/entangled.json", "The file of figures.")
    common.main(_benchmark)
