"""What the jobs make with fixed seeds, as hashes and figures, so that a redesign can be held against what was before.

``python -m benchmarks.goldens --data_dir=DIR --out=before.json`` writes them, and later ``--against=before.json`` says
what is not equal. Equal hashes are arrays equal to the bit; that holds on one machine with one version of jax, so the
files are not committed. Only jobs are run and only what they wrote is read: how the library is built does not matter.
The last line is {arrays, compared, differ, absent}.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, jobs
from nagjax.checkpoint import sealing
from nagjax.checkpoint.steps import restored

BUDGETS = 50
NOT_COMPARED = ("seconds", "compile_seconds", "commit", "machine", "date", "settings", "problem_hash")
"""Columns of a study that tell of the machine or of how settings are written."""

Arrays = Iterator[tuple[str, np.ndarray]]


def quickstart(_data_dir: Path, folder: Path, cache: str) -> Arrays:
    """The embedded data set, 200 updates."""
    source = jobs.ROOT / "nagjax" / "data" / "default"
    flagfile = f"--flagfile={source / 'default.flags'}"
    _job(folder, cache, "run", flagfile, f"--data_dir={source}", "--steps=200", "--seed=0", f"--out={folder / 'run'}")
    yield from _generator(folder, cache)


def note10(data_dir: Path, folder: Path, cache: str) -> Arrays:
    """The Note10 run, 400 updates."""
    jobs.run(jobs.training(data_dir, folder / "run", 400, Path(cache), save_seconds=1e6), folder / "log.txt")
    yield from _generator(folder, cache)


def macro(data_dir: Path, folder: Path, cache: str) -> Arrays:
    """``nag`` in the study of NAS-Bench-Macro, 500 evaluations: the columns of its rows."""
    text = (jobs.ROOT / "experiments" / "flags" / "compare_macro.flags").read_text(encoding="utf-8")
    own = re.findall(r"^--controller_\w+=nag(?:@500)?:.*$", text, re.MULTILINE)
    which = ["--controllers=nag", "--problems=macro", "--evaluations=500", "--seeds=0", *own]
    _job(folder, cache, "compare", *which, f"--data_dir={data_dir.resolve()}", f"--out={folder / 'study'}")
    rows = common.read_csv(folder / "study" / "results.csv")
    for name in rows[0]:
        if name not in NOT_COMPARED:
            yield name, np.array([row[name] for row in rows])


def supernet(_data_dir: Path, folder: Path, cache: str, strategy: str = "sandwich") -> Arrays:
    """Weights after 50 steps on the digits."""
    given = ("--data=digits", "--steps=50", "--seed=0", f"--strategy={strategy}", f"--out={folder / 'run'}")
    _job(folder, cache, "train_supernet", *given)
    yield from _tree(_last(folder / "run" / "weights") / "parameters")


PARTS: Mapping[str, Callable[[Path, Path, str], Arrays]] = {
    "quickstart": quickstart,
    "note10": note10,
    "macro": macro,
    "supernet": supernet,
    "single_path": functools.partial(supernet, strategy="single_path"),
    "progressive": functools.partial(supernet, strategy="progressive"),
}


def figures(array: np.ndarray) -> dict[str, Any]:
    """Hash of an array, and what tells how far another one is from it.

    >>> figures(np.array([3.0, -4.0]))["norm"]
    5.0
    """
    head = f"{array.dtype.str} {array.shape}".encode()
    out: dict[str, Any] = {"sha256": hashlib.sha256(head + array.tobytes()).hexdigest(), "shape": list(array.shape)}
    if array.dtype.kind in "fiub" and array.size:
        finite = np.where(np.isfinite(array.astype(np.float64)), array, 0).astype(np.float64)
        out |= {"mean": float(finite.mean()), "norm": float(np.sqrt(np.square(finite).sum()))}
    return out


def _job(folder: Path, cache: str, name: str, *arguments: str) -> None:
    jobs.run(jobs.command(name, *arguments, f"--compilation_cache={cache}"), folder / "log.txt")


def _generator(folder: Path, cache: str) -> Arrays:
    """Arrays of a run's artefact, and its answers to ``BUDGETS`` budgets over the range of the first cost."""
    step = _last(folder / "run" / "checkpoints")
    yield from _tree(step / "artefact")
    config = json.loads((step / "config" / "metadata").read_text(encoding="utf-8"))
    low, high = config["ranges"][0]
    budgets = ",".join(f"{budget:.5g}" for budget in np.linspace(1.001 * low, high, BUDGETS))
    for decode in ("greedy", "best"):
        ask = (f"--checkpoint={folder / 'run'}", f"--budgets_ms={budgets}", f"--decode={decode}")
        _job(folder, cache, "generate", *ask, f"--json={folder / decode}.json")
        answers = json.loads((folder / f"{decode}.json").read_text(encoding="utf-8"))["answers"]
        yield f"{decode} tokens", np.array([answer["tokens"] for answer in answers])
        yield f"{decode} quality", np.array([answer["quality"] for answer in answers])


def _last(folder: Path) -> Path:
    return max((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def _tree(folder: Path) -> Arrays:
    for path, value in sealing.leaves(restored(folder)):
        yield ".".join(path), value


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """What is said of each array that is not equal, by name."""
    out = {}
    for name in before:
        if name not in after:
            out[name] = "absent now"
        elif before[name]["sha256"] != after[name]["sha256"]:
            changed = [f"{key} {before[name].get(key)} -> {after[name].get(key)}" for key in ("shape", "mean", "norm")]
            out[name] = ", ".join(changed)
    return out


def goldens(data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    values = flags.FLAGS
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for part in values.parts:
            folder = Path(values.runs or name) / part
            folder.mkdir(parents=True, exist_ok=True)
            cache = str(Path(values.runs or name) / "cache")
            arrays = PARTS[part](data_dir, folder, cache)
            found |= {f"{part}: {key}": figures(np.asarray(array)) for key, array in arrays}
            print(f"{part}: done", flush=True)
            if values.out:
                Path(values.out).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    before = json.loads(Path(values.against).read_text(encoding="utf-8")) if values.against else {}
    compared = {name: entry for name, entry in before.items() if name.partition(":")[0] in values.parts}
    differing = difference(compared, found)
    for name, what in differing.items():
        print(f"{name}: {what}", flush=True)
    absent = sum(what == "absent now" for what in differing.values())
    return {"arrays": len(found), "compared": len(compared), "differ": len(differing) - absent, "absent": absent}


if __name__ == "__main__":
    flags.DEFINE_list("parts", list(PARTS), "Which of them.")
    flags.DEFINE_string("out", None, "File for the figures, JSON.")
    flags.DEFINE_string("against", None, "Figures of an earlier run.")
    flags.DEFINE_string("runs", None, "Keep the runs in this new folder.")
    common.main(goldens)
