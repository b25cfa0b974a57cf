"""Joint training for all budgets against repeated independent search (Guo et al., arXiv 2103.00219).

``python -m benchmarks.joint_search --data_dir=DIR [--run] [--problems=macro,note10] [--ways=joint,shared]``

Both sides are the same policy gradient: ``reinforce`` trains one generator for all budgets, ``reinforce_single`` one
policy for each of five. ``joint`` makes a number of evaluations in all; ``shared`` independent searches divide that
number among them, and ``each`` of the others has it for itself, five times the evaluations. Both answer greedily under
the five budgets, a tenth, three tenths and so on of the way from the cheapest to the costliest architecture. Figures
are points of quality, means over the budgets and seeds; regret where the oracle is known, otherwise quality.
What ``--results`` holds is not run again; without ``--run`` it is only read.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from experiments.comparison import problems as compare_problems
from experiments.comparison.case import Case, truth
from experiments.frame import runtime
from nagjax import controllers, plugins
from nagjax.budgets import budget_at_share
from nagjax.controllers import Controller, resolve_params
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.reports.front import POINTS, best_within

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
UPDATES = {"macro": 1500, "note10": 600}
"""Of the joint training and of ``each`` independent search; all updates evaluate the same number."""
BUDGETS, GROUP = 16, 8
SEEDS = {"macro": 10, "note10": 3}
WAYS = ("joint", "shared", "each")
Run = dict[str, Any]


def _policy(controller: Controller, case: Case, key: jax.Array, given: Mapping[str, Any], updates: int) -> Policy:
    """The policy after ``updates`` updates, in one scan; traceable."""
    params = {**resolve_params(controller), **given}
    state = controller.init(jax.random.fold_in(key, 2**31), case.problem, params)
    progress = jnp.arange(updates, dtype=jnp.float32) / updates
    state, _ = controllers.run_chunk(controller, state, key, jnp.int32(0), case.problem, params, progress)
    policy = controller.artefact(state, case.problem).policy
    if policy is None:
        raise ValueError(f"{controller.name} left no policy")
    return policy


def search(case: Case, way: str, seed: int, updates: int) -> tuple[np.ndarray, int]:
    """Tokens int32 ``[5, T]`` that a way of searching answers with, and its evaluations in all."""
    budgets = budget_at_share(case.problem, jnp.array(SHARES)[:, None])
    key = jax.random.key(seed)
    spec = case.problem.spec
    if way == "joint":
        controller = plugins.load("controllers", "reinforce")(spec, budgets=BUDGETS, group=GROUP)
        policy = jax.jit(lambda: _policy(controller, case, key, {}, updates))()
        tokens, _ = jax.jit(decode.greedy)(policy, case.problem, budgets)
        return np.asarray(tokens), updates * BUDGETS * GROUP
    controller = plugins.load("controllers", "reinforce_single")(spec, group=BUDGETS * GROUP)
    own = updates if way == "each" else updates // len(SHARES)

    def one(key: jax.Array, share: jax.Array, budget: jax.Array) -> jax.Array:
        policy = _policy(controller, case, key, {"budget": share}, own)
        return decode.greedy(policy, case.problem, budget[None])[0][0]

    # One after the other: together they would only compete for the same cores.
    keys = jax.random.split(key, len(SHARES))
    tokens = jax.jit(lambda: jax.lax.map(lambda x: one(*x), (keys, jnp.array(SHARES), budgets)))()
    return np.asarray(tokens), len(SHARES) * own * BUDGETS * GROUP


def judge(case: Case, tokens: np.ndarray) -> list[float]:
    """Regret of answers ``[5, T]``, points; their quality, points, where no oracle is known."""
    quality, _ = truth(case.judge, tokens)
    if case.yardstick.oracle is None:
        return [float(value) for value in POINTS * quality]
    budgets = np.asarray(budget_at_share(case.problem, jnp.array(SHARES)[:, None]), np.float64)[:, 0]
    front_cost, front_quality = case.yardstick.front_cost, case.yardstick.front_quality
    if front_cost is None or front_quality is None:
        raise ValueError(f"{case.name}: an oracle without a front")
    best = front_quality[best_within(front_cost, front_quality, budgets)]
    return [float(value) for value in POINTS * (best - quality)]


def run_missing(data_dir: Path, problems: Sequence[str], ways: Sequence[str], path: Path) -> None:
    """Run what the file lacks, and write it after every run."""
    held = read(path)
    for problem in problems:
        case = compare_problems.build(problem, str(data_dir), 0, 2)
        for seed in range(SEEDS[problem]):
            for way in ways:
                if any((run["problem"], run["way"], run["seed"]) == (problem, way, seed) for run in held):
                    continue
                tokens, evaluations = search(case, way, seed, UPDATES[problem])
                figure = "quality" if case.yardstick.oracle is None else "regret"
                held.append({
                    "problem": problem, "way": way, "seed": seed, "evaluations": evaluations, "figure": figure,
                    "points": judge(case, tokens), "commit": runtime.commit(), "date": dt.date.today().isoformat(),
                })  # fmt: skip
                print(json.dumps(held[-1]), flush=True)
                path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Run]:
    """The runs of a study; none where there is no file."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def summary(held: Sequence[Run]) -> dict[str, Any]:
    """Means over budgets and seeds of each problem and way, with the deviation over seeds; null without a run."""
    out: dict[str, Any] = {}
    for problem in SEEDS:
        for way in WAYS:
            runs = [run for run in held if (run["problem"], run["way"]) == (problem, way)]
            means = [float(np.mean(run["points"])) for run in runs]
            label = f"{problem}_{way}_{runs[0]['figure'] if runs else 'points'}"
            out[label] = float(np.mean(means)) if means else None
            out[f"{label}_std"] = float(np.std(means, ddof=1)) if len(means) > 1 else None
        out[f"{problem}_seeds"] = len({run["seed"] for run in held if run["problem"] == problem})
    return out


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    path = Path(flags.FLAGS.results)
    if flags.FLAGS.run:
        run_missing(data_dir, flags.FLAGS.problems, flags.FLAGS.ways, path)
    held = read(path)
    print(f"{path}: {len(held)} runs, commits {', '.join(sorted({run['commit'] for run in held}))}", flush=True)
    return summary(held)


if __name__ == "__main__":
    flags.DEFINE_bool("run", False, "Run what is missing first; without it, results are only read.")
    flags.DEFINE_list("problems", list(SEEDS), "Problems that are run.")
    flags.DEFINE_list("ways", list(WAYS), "Ways that are run.")
    flags.DEFINE_string(
        "results", "benchmarks/results/joint_search.json", "Runs so far; what it holds is not repeated."
    )
    common.main(_benchmark)
