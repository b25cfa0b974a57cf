"""Published numbers reproduced through the public API: the OFA2 front and the MAdds of the released PNAG networks.

``python -m benchmarks.golden --data_dir=DIR`` ends with {rows, latency_error_ms, error_points, madds_relative_error};
the errors are the largest over all rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import common
from nagjax.devices.pricing import analytic
from nagjax.problems.problem import evaluate
from nagjax.spaces import ofa_mobilenet_v3


def front_errors(data_dir: Path) -> dict[str, Any]:
    """Largest differences from the published front: latency in ms, predicted error in points."""
    space, problem, description = common.note10(data_dir)
    front = common.read_front(data_dir)
    tokens = np.stack([space.parse(text) for text in front.texts])
    quality, _ = jax.jit(evaluate)(problem, tokens)
    latency = description.costs_of(tokens)[:, 0]
    points = 100 * np.abs(np.asarray(quality, np.float64) - front.quality)
    return {
        "rows": len(tokens),
        "latency_error_ms": float(np.abs(latency - front.latency_ms).max()),
        "error_points": float(points.max()),
    }


def madds_error(data_dir: Path) -> float:
    """Largest relative difference from the printed MAdds of the released networks, which must also round-trip."""
    space = ofa_mobilenet_v3.make(width=1.2)
    rows = common.read_csv(data_dir / common.OFA / "pnag_released.csv")
    texts = [common.architecture_text(row) for row in rows]
    tokens = np.stack([space.parse(text) for text in texts])
    for text, row in zip(texts, tokens, strict=True):
        # The released text leaves out the resolution, 224; the rest must come back to the letter.
        if space.format(row) != f"{text}:{ofa_mobilenet_v3.PUBLISHED_RESOLUTION}":
            raise ValueError(f"{text} comes back as {space.format(row)}")
    madds = space.operator_sum(tokens, analytic(space, "madds").values)
    printed = np.array([float(row["madds_m"]) for row in rows])
    return float((np.abs(madds - printed) / printed).max())


def golden(data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    return {**front_errors(data_dir), "madds_relative_error": madds_error(data_dir)}


if __name__ == "__main__":
    common.main(golden)
