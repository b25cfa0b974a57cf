"""How well sums of operator times in onnxruntime predict whole networks that the correction was not fitted to.

``python -m benchmarks.profile_ort [--dtypes=float32,int8] [--rounds=15] [--out=FOLDER] [--results=FILE]``

It measures mobilenet_v3_small28 on this machine at batch 1 and one thread (about 10 minutes a type on two quiet cores;
leave the machine alone) and writes the tables into ``--out``; tables that are there are read, not measured again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import common
from benchmarks.profile_validation import NETWORKS, SPACE, profile_validation
from experiments import profile_device
from nagjax.devices.json_table import read_json


def profile_ort(folder: Path, dtypes: Sequence[str] = ("float32", "int8"), rounds: int = 15) -> dict[str, Any]:
    """The result of this benchmark, by type; tables are in ``folder``, ``ort_float32.json`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for dtype in dtypes:
        table = folder / f"ort_{dtype}.json"
        if not table.exists():
            status = profile_device.main(
                [f"--space={SPACE}", "--runtime=onnxruntime", f"--dtype={dtype}", "--threads=1", "--batch=1",
                 f"--validate={NETWORKS}", f"--rounds={rounds}", f"--out={table}", "--resume"]
            )  # fmt: skip
            if status:
                raise SystemExit(status)
        read = read_json(table)
        out[dtype] = {**profile_validation(read), "device": read.device, "runtime": read.runtime}
    return out


if __name__ == "__main__":
    flags.DEFINE_list("dtypes", ["float32", "int8"], "Types of the computation.")
    flags.DEFINE_integer("rounds", 15, "Measurements of each operator and network.")
    flags.DEFINE_string("out", "runs/profile_ort", "Folder of the tables.")
    values = flags.FLAGS
    common.kept(lambda _: profile_ort(Path(values.out), values.dtypes, values.rounds))
