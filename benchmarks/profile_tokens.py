"""How well sums of operator times predict what one more token takes in a whole decoder, and how it grows with the text.

``python -m benchmarks.profile_tokens [--rounds=9] [--lengths=64,256,1024] [--out=FOLDER] [--results=FILE]``

It measures a small decoder on this machine, each length a table (about two minutes each on two quiet cores, most of
them compiling; leave the machine alone), and writes the tables into ``--out``; tables that are there are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.profile_validation import profile_validation
from experiments import profile_device
from nagjax.devices.json_table import read_json
from nagjax.devices.pricing import TOKEN
from nagjax.devices.table import DeviceTable
from nagjax.devices.token_rates import rate_of
from nagjax.devices.validation import judge
from nagjax.operators import parse_key
from nagjax.operators.attention import MIXERS, mixer_of

CHOICES = "vocabulary=96,widths=64-128-256,depths=2-4-6,heads=4-8,ratios=2-4"
LENGTHS = (64, 256, 1024)
NETWORKS, FITTED = 20, 10
MICRO = 1000.0


def profile_tokens(folder: Path, lengths: Sequence[int] = LENGTHS, rounds: int = 9) -> dict[str, Any]:
    """The result of this benchmark, by length; tables are in ``folder``, ``tokens_64.json`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {length: _measured(folder / f"tokens_{length}.json", length, rounds) for length in lengths}
    return {f"{length} tokens": judged(table) for length, table in tables.items()}


def _measured(table: Path, length: int, rounds: int) -> DeviceTable:
    if not table.exists():
        status = profile_device.main(
            ["--space=elastic_decoder", f"--space_settings=length={length},{CHOICES}", f"--column={TOKEN}",
             f"--validate={NETWORKS}", f"--validate_fit={FITTED}", f"--rounds={rounds}", f"--out={table}", "--resume"]
        )  # fmt: skip
        if status:
            raise SystemExit(status)
    return read_json(table)


def judged(table: DeviceTable) -> dict[str, Any]:
    """Sums against networks, attention by mixer (mean over widths and heads), and how quick networks are."""
    rows = {mixer: [row.mean for (key, _), row in table.rows.items() if _mixer(key) == mixer] for mixer in MIXERS}
    measured = [network.measured for network in table.validation]
    verdict = profile_validation(table)
    return {
        "spearman": verdict["spearman"],
        "median error": verdict["median_relative_error"],
        "of the raw sum": judge(table.correction, table.validation).raw_error,
        "networks": verdict["networks"],
        **{f"{mixer}, us": MICRO * float(np.mean(times)) for mixer, times in rows.items()},
        "most tokens a second": rate_of({TOKEN: min(measured)}),
        "fewest": rate_of({TOKEN: max(measured)}),
        "device": table.device,
    }


def _mixer(key: str) -> str:
    operator = parse_key(key)
    return mixer_of(operator) if operator.kind == "attention" else ""


if __name__ == "__main__":
    flags.DEFINE_integer("rounds", 9, "Measurements of each operator and network.")
    flags.DEFINE_list("lengths", [str(length) for length in LENGTHS], "Lengths of text.")
    flags.DEFINE_string("out", "runs/profile_tokens", "Folder of the tables.")
    values = flags.FLAGS
    common.kept(lambda _: profile_tokens(Path(values.out), [int(one) for one in values.lengths], values.rounds))
