"""One network's folder: weights, exported files, and what they compute on the task's data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import durable
from nagjax import operators as ops
from nagjax.deployment import carried, onnx_models, programs, quantisation, runtime
from nagjax.deployment.finetuning import finetuned
from nagjax.deployment.subnets import Subnet
from nagjax.deployment.supernets import TrainedSupernet
from nagjax.supernet.evaluation import added
from nagjax.supernet.task import Part, Task
from nagjax.supernet.training import Recipe

FORMATS = ("onnx", "int8", "stablehlo")
WEIGHTS, BUILT = "weights.safetensors", "built.json"
FILES = {"onnx": "network.onnx", "int8": "network_int8.onnx", "stablehlo": "network.stablehlo"}
"""Name of each format's file."""

COMPARED = 200
"""Validation examples on which outputs are compared."""

CHUNK = 250


@dataclasses.dataclass(frozen=True)
class How:
    """How a network is built.

    Attributes:
      formats: of ``FORMATS``; ``int8`` is made from ``onnx``.
      finetune: updates after it is taken out; none where the recipe is None.
      calibration: training examples that int8 is calibrated on.
      images: validation and test examples that qualities are of; None for all.
    """

    formats: Sequence[str] = FORMATS
    finetune: Recipe | None = None
    calibration: int = 512
    images: int | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or ("int8" in self.formats and "onnx" not in self.formats):
            raise ValueError(
                f"formats {', '.join(self.formats)}: they are {', '.join(FORMATS)}, and int8 is made from onnx"
            )


def build(supernet: TrainedSupernet, architecture: str, folder: Path, how: How) -> dict[str, Any]:
    """Write a network's files, or find them written; what is known of it, as JSON values.

    Returns:
      ``architecture``, ``weights`` and ``madds`` (counts), ``resolution``; ``accuracy``, the task's quality, whatever
      it is called, on ``validation`` and ``test`` examples by format; ``difference``, the largest of any output, of the
      network to the ``supernet`` and of ``onnx`` and ``stablehlo`` to the network.

    Raises:
      ValueError: if the architecture is not one of the space, or a package is missing.
      OSError: if the folder cannot be written.
    """
    request = json.loads(json.dumps({"architecture": architecture, "supernet": supernet.identity, "how":
                                     dataclasses.asdict(how)}))  # fmt: skip
    done = folder / BUILT
    if done.is_file():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        if found.get("request") == request and all((folder / FILES[name]).is_file() for name in how.formats):
            return found
        done.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    tokens = supernet.space.parse(architecture)
    subnet = supernet.network(tokens) if how.finetune is None else finetuned(supernet, tokens, how.finetune)
    subnet.save(folder / WEIGHTS)
    _export(supernet, subnet, tokens, folder, how)
    built = {
        "architecture": architecture,
        "resolution": subnet.resolution,
        "weights": subnet.num_weights,
        "madds": sum(ops.madds(op) for op in subnet.operators),
        **_judged(supernet, subnet, tokens, folder, how),
        "request": request,
    }
    durable.replace(done, json.dumps(built, indent=2) + "\n")
    return built


def _export(supernet: TrainedSupernet, subnet: Subnet, tokens: np.ndarray, folder: Path, how: How) -> None:
    if "onnx" in how.formats:
        onnx_models.save(onnx_models.network_model(subnet), folder / FILES["onnx"])
    if "int8" in how.formats:
        inputs = supernet.calibration_inputs(tokens, how.calibration)
        quantisation.quantise(folder / FILES["onnx"], folder / FILES["int8"], inputs)
    if "stablehlo" in how.formats:
        with durable.replacing(folder / FILES["stablehlo"]) as file:
            file.write(programs.serialized(subnet))


def _judged(
    supernet: TrainedSupernet, subnet: Subnet, tokens: np.ndarray, folder: Path, how: How
) -> dict[str, Mapping[str, Any]]:
    """Qualities and differences of what was written."""
    answers = {"jax": _jax_answers(subnet)}
    for name in ("onnx", "int8"):
        if name in how.formats:
            answers[name] = _runtime_answers(folder / FILES[name])
    task, group = supernet.task, supernet.elastic.group(tokens)
    qualities: dict[str, Any] = {}
    for name_of, part in (("validation", task.validation), ("test", task.test)):
        if not len(part):
            qualities[name_of] = {}
            continue
        shown = part if how.images is None else part.subset(np.arange(min(how.images, len(part))))
        qualities[name_of] = {name: _quality(answer, task, shown, group) for name, answer in answers.items()}
    compared = carried.inputs_to_compare(task, COMPARED)
    given = task.deployed(compared, group)
    own, differences = answers["jax"](given), {}
    if how.finetune is None:
        differences["supernet"] = _largest(own, supernet.logits(compared, tokens))
    if "onnx" in answers:
        differences["onnx"] = _largest(own, answers["onnx"](given))
    if "stablehlo" in how.formats:
        program = jax.export.deserialize(bytearray((folder / FILES["stablehlo"]).read_bytes()))
        differences["stablehlo"] = _largest(own, np.asarray(program.call(given)))
    return {"accuracy": qualities, "difference": differences}


def _jax_answers(subnet: Subnet) -> Any:
    apply = jax.jit(subnet.apply)
    return lambda inputs: np.asarray(apply(inputs))


def _runtime_answers(path: Path) -> Any:
    session = runtime.session(path)

    def answer(inputs: np.ndarray) -> np.ndarray:
        found = runtime.run(session, inputs, CHUNK)
        return found.transpose(0, 2, 3, 1) if found.ndim == onnx_models.MAPS else found

    return answer


def _quality(answer: Any, task: Task, part: Part, group: Any) -> float:
    """The task's quality of what is answered, in chunks of one shape but the last."""
    totals = []
    for first in range(0, len(part), CHUNK):
        inputs, targets = part.at(np.arange(first, min(first + CHUNK, len(part))))
        outputs = jnp.asarray(answer(task.deployed(inputs, group)))
        totals.append(task.sums(outputs, jax.tree.map(jnp.asarray, targets), jnp.ones(len(outputs))))
    return task.quality(added(totals), len(part))


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())
