"""How well the supernet ranks architectures, read from the committed study.

``python -m benchmarks.supernet_ranking`` ends with {kendall_tau, ceiling_tau, flops_kendall_tau, standalone_networks,
smallest_gap_points, largest_gap_points}. The study trains networks from scratch for most of an hour; the commands that
make its result file stand in it (`python -m experiments.rank_supernet`, resumable). A gap is accuracy alone minus
accuracy with the supernet's weights, on test images, of the smallest and the largest architecture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import app

from experiments.reports import rank_report

RESULT = Path(__file__).parent / "results" / "supernet_ranking.json"


def supernet_ranking(study: Mapping[str, Any]) -> dict[str, Any]:
    """The result of this benchmark."""
    return {
        "kendall_tau": study["tau"]["supernet"]["value"],
        "ceiling_tau": study["ceiling"],
        "flops_kendall_tau": study["tau"]["madds"]["value"],
        "standalone_networks": len(study["networks"]),
        "smallest_gap_points": study["smallest_gap_points"],
        "largest_gap_points": study["largest_gap_points"],
    }


def main(argv: list[str]) -> None:
    """Read the study and print it."""
    del argv
    study: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    made = study["made_with"]
    print(f"read from {RESULT.name}: {study['date']}, commit {made['commit']}, {made['device']}, not measured now")
    print("\n".join(rank_report.lines(study)))
    print(json.dumps(supernet_ranking(study)))


if __name__ == "__main__":
    app.run(main)
