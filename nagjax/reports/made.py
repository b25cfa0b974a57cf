"""How a generator was made: the facts and the curves of its training, for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nagjax.inference.generator import Generator

NOT_DRAWN = ("step", "seconds", "evaluations", "infeasible", "nonfinite")
"""Metrics that are counts or do not change: nothing to see in a curve."""

PANELS = 4


def made_facts(generator: Generator, metrics: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    """How a generator was made, name and value; ``metrics`` are those of its training, by name."""
    controller, run, step = _origin(generator)
    facts = [
        ("controller", controller["name"]),
        ("its sizes", pairs(controller["settings"])),
        ("its parameters", pairs(controller["params"])),
        ("seed", str(run["seed"])),
        ("steps", f"{step} in {float(run['seconds']):.1f} s, compilation not counted"),
    ]
    if metrics.get("evaluations"):
        facts.append(("architectures evaluated", f"{metrics['evaluations'][-1]:,.0f}"))
    if "infeasible" in metrics:
        facts.append(("samples over budget", f"{sum(metrics['infeasible']):g}"))
    return facts


def train_seconds(generator: Generator) -> float:
    """Wall time of training, compilation not counted."""
    return float(_origin(generator)[1]["seconds"])


def _origin(generator: Generator) -> tuple[Mapping[str, Any], Mapping[str, Any], int]:
    """Controller, run and steps of a generator, as a checkpoint keeps them or as it was just trained."""
    training, config = generator.training, generator.config
    if training is None:
        return config["controller"], config["run"], config["step"]
    made = training.controller
    params = {name: float(value) for name, value in training.params.items()}
    return {"name": made.name, "settings": made.settings, "params": params}, training.run, training.step


def curves(metrics: Mapping[str, Sequence[float]]) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """The metrics worth drawing, x and y by name; zeros at the start are of a part of the method that has not begun.

    >>> curves({"step": [1, 2], "entropy": [0.0, 2.0], "seconds": [0, 1]})
    {'entropy': ([2], [2.0])}
    """
    out: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, values in metrics.items():
        first = next((i for i, value in enumerate(values) if value != 0), None)
        if name not in NOT_DRAWN and first is not None and len(out) < PANELS:
            out[name.replace("_", " ")] = (metrics["step"][first:], values[first:])
    return out


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values in one line."""
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )
