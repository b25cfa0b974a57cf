"""Studies of what shared weights say of networks that are also trained alone; a study is a file that grows.

It has ``networks``, each with what it counts and its figures ``alone`` by seed, and ``shared``, a row for every
training of shared weights, whose lists have a figure a network. ``experiments.published.shared_weights`` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import durable, operators
from nagjax.spaces.space import Space
from nagjax.supernet import training
from nagjax.supernet.evaluation import Assessor, alone_assessor
from nagjax.supernet.task import Task

ALONE = "alone"
"""Among the ways that a flag names: networks are trained alone."""


def begun(space: Space, rows: np.ndarray, /, **about: Any) -> dict[str, Any]:
    """A study of networks int32 ``[N, T]`` that has no figures yet; ``about`` is what it says of itself."""
    madds, params = (
        space.operator_sum(rows, np.array([count(op) for op in space.operators], np.float64))
        for count in (operators.madds, operators.params)
    )
    told = zip(map(space.format, rows), madds, params, strict=True)
    networks = [{"architecture": text, "madds": m, "params": p, "alone": {}} for text, m, p in told]
    return {**about, "networks": networks, "shared": []}


def alone(space: Space, task: Task, row: np.ndarray, recipe: training.Recipe) -> dict[str, float]:
    """Accuracy and loss on test examples of a network trained from scratch."""
    state = training.train_whole(training.alone_learner(space, row), task, recipe)
    scores = alone_assessor(space, row, task).scores(state.parameters, row, task.test)
    return {"accuracy": scores.quality, "loss": scores.loss}


def said(assessor: Assessor, task: Task, parameters: Any, rows: np.ndarray) -> dict[str, list[float]]:
    """What shared weights say of networks: qualities and losses on validation (``label``) and on test examples."""
    found: dict[str, list[float]] = {}
    for name, part in (("label", task.validation), ("test", task.test)):
        scores = [assessor.scores(parameters, row, part) for row in rows]
        found |= {name: [one.quality for one in scores], f"{name}_loss": [one.loss for one in scores]}
    return found


class Study:
    """A study in its file, of which what is missing can be measured; each figure is on the disk before the next."""

    def __init__(self, path: str, begun: Callable[[], dict[str, Any]]) -> None:
        """Go on with the file, or begin one."""
        self._path = Path(path)
        self.figures = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else begun()

    def measure_alone(self, seeds: Iterable[int], measure: Callable[[str, int], dict[str, float]]) -> None:
        """Have ``measure(architecture, seed)`` give the figures of each network under each seed."""
        for seed in seeds:
            for network in self.figures["networks"]:
                if str(seed) not in network["alone"]:
                    network["alone"][str(seed)] = found = measure(network["architecture"], seed)
                    self._keep({"network": network["architecture"], "seed": seed, **found})

    def measure_shared(self, runs: Iterable[tuple[str, int]], measure: Callable[[str, int], dict[str, Any]]) -> None:
        """Have ``measure(way, seed)`` give the rows of trainings of shared weights."""
        done = {(one["way"], one["seed"]) for one in self.figures["shared"]}
        for way, seed in runs:
            if way != ALONE and (way, seed) not in done:
                self.figures["shared"].append({"way": way, "seed": seed, **measure(way, seed)})
                self._keep(self.figures["shared"][-1])

    def _keep(self, what: Mapping[str, Any]) -> None:
        durable.replace(self._path, json.dumps(self.figures, indent=1) + "\n")
        print({name: value for name, value in what.items() if not isinstance(value, list)}, flush=True)
