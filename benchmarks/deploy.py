"""From budgets to files that run: are measured networks within their budgets, and do all files compute the same?

``python -m benchmarks.deploy --supernet=runs/supernet [--table=FILE] [--quantile=0.95] [--results=FILE]``

The supernet is trained by the command in nagjax/data/default/README.md. The table is of onnxruntime on this machine,
one thread, batch 1 (``nagjax profile --runtime=onnxruntime --validate=50``); without ``--table`` it is measured first.
A generator is trained on it with headroom for ``--quantile`` of the networks, asked for budgets even on a logarithmic
scale of its range, and its answers are deployed and timed. ``median_latency_error`` is that of the prediction with the
headroom taken out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

import nagjax
from benchmarks import common
from benchmarks.profile_ort import profile_ort
from experiments import embedded
from nagjax.deployment import summary
from nagjax.deployment.supernets import load_supernet

SPACE = "mobilenet_v3_small28"


def deploy(
    supernet: Path, table: Path, out: Path, budgets: int = 20, quantile: float = 0.95, steps: int = 1500,
    images: int | None = None, rounds: int = 15, data_dir: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The result of this benchmark.

    Args:
      supernet: folder of the trained supernet.
      table: of onnxruntime on this machine, validated.
      out: folder to write.
      budgets: how many.
      quantile: share of networks that the table's costs leave headroom for.
      steps: updates of the generator.
      images: validation and test images that accuracies are of; None for all.
      rounds: timings of each file.
      data_dir: folder of the images' files, where they have no default.
    """
    predictor = str(embedded.find() / "predictor.npz")
    space = nagjax.space(SPACE)
    plain = nagjax.problem(space, table=str(table), predictor=predictor)
    setup = nagjax.problem(space, table=str(table), predictor=predictor, cost_quantile=quantile)
    generator = nagjax.train(setup, controller="nag", steps=steps, seed=0)
    low, high = generator.budget_range[0].tolist()
    asked = [float(f"{value:.4g}") for value in np.geomspace(1.02 * low, high, budgets)]
    cards = nagjax.deploy(
        load_supernet(supernet, data_dir), out, generator=generator, budgets_ms=asked, formats=["onnx", "int8"],
        images=images, rounds=rounds,
    )  # fmt: skip
    tokens = np.stack([plain.space.parse(card.architecture) for card in cards])
    predicted = plain.description.costs_of(tokens)[:, 0]
    measured = np.array([card.measured_ms for card in cards])
    error = float(np.median(np.abs(predicted - measured) / measured))
    return {**summary.figures(cards), "median_latency_error": error, "quantile": quantile}


def _measured(_data_dir: Path) -> dict[str, Any]:
    values = flags.FLAGS
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(values.out or scratch)
        table = Path(values.table) if values.table else folder / "tables" / "ort_float32.json"
        if not values.table:
            profile_ort(table.parent, ["float32"])
        return deploy(
            Path(values.supernet), table, folder / "networks", values.budgets, values.quantile, values.steps,
            values.images, data_dir=values.images_dir,
        )  # fmt: skip


if __name__ == "__main__":
    flags.DEFINE_string("supernet", "runs/supernet", "Folder of the trained supernet.")
    flags.DEFINE_string("table", None, "Table of onnxruntime on this machine; without it one is measured.")
    flags.DEFINE_string("out", None, "Folder to keep tables and networks in.")
    flags.DEFINE_integer("budgets", 20, "How many.")
    flags.DEFINE_float("quantile", 0.95, "Share of networks that costs leave headroom for.")
    flags.DEFINE_integer("steps", 1500, "Updates of the generator.")
    flags.DEFINE_integer("images", None, "Images that accuracies are of; none: all.")
    flags.DEFINE_string("images_dir", None, "Folder of the images' files.")
    common.kept(_measured)
