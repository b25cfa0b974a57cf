"""The jobs as one command: ``nagjax run --flagfile=FILE`` is ``python -m experiments.run --flagfile=FILE``.

``python -m`` looks into the current folder first, so it finds another ``experiments`` package where a project has one
of its own; the command ``nagjax`` does not.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from experiments.frame import cli, console, settings

JOBS = {
    "run": "train a generator for a device; checkpoint and report",
    "search": "true evaluations in rounds, by a command of yours; then a generator",
    "generate": "ask a checkpoint for architectures",
    "deploy": "networks for budgets as files that run, measured where they run",
    "export": "write a generator as a file that answers with NumPy alone",
    "explain": "where the milliseconds of an answer go, and what changes next to it",
    "describe": "show a space, a device table, a predictor or a checkpoint; write a table's template",
    "compare": "controllers x problems x seeds x limits, on one page",
    "sweep": "parameters x seeds of a controller, many runs as one program",
    "fit": "fit a predictor to labelled architectures and keep it",
    "prune": "close the choices that harm, by SHAP values of boosted trees",
    "profile_device": "measure a device table on the device that JAX finds",
    "convert_table": "make a device table of another tool's timings; add measured networks",
    "measure_plan": "which networks to measure on a new device, by what known devices have in common",
    "adapt": "make a device table of a few measured networks and known devices",
    "train_supernet": "train one set of weights for every architecture of a space",
    "import_weights": "make a supernet of a model that is trained already",
    "label": "label architectures with a trained supernet",
    "score": "scores that need no training, as columns beside labelled architectures",
    "rank_supernet": "how good a supernet's labels are",
    "systems": "published systems by name; run one in small",
    "embedded": "where a data set is that travels with the package",
}
"""Name of each job, a module of this package, and what it does."""

SHORT = {"profile": "profile_device"}
"""Other names of jobs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that the first argument names; returns its exit status."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("--help", "-h", "help", "--helpshort", "--helpfull"):
        console.say("nagjax JOB [--flag=value ...]   (nagjax JOB --help lists the flags of a job)", "")
        console.say(*(f"  {job:16s} {what}" for job, what in JOBS.items()))
        return 0
    job = SHORT.get(name, name.replace("-", "_"))
    if job not in JOBS:
        return cli.fail(f"{name!r} is not a job{settings.nearest(job, JOBS)}")
    status: int = importlib.import_module(f"experiments.{job}").main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main())
