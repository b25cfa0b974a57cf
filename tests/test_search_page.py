"""docs/search.md runs as it stands, and lists what there is."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks import walkthroughs
from nagjax import testing
from nagjax.evaluators import evaluator, pool
from nagjax.evaluators.evaluator import Evaluator
from nagjax.proposers import proposer

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "search.md").read_text(encoding="utf-8")


CHEAPER = {
    "--evaluations=40 --start=20 --per_round=10": "--evaluations=15 --start=11 --per_round=4 --controller=random",
    "evaluations=30,": "evaluations=14,",
    "start=20,": "start=11,",
    "per_round=10,": "per_round=3,",
    "nagjax.train(found.setup, ": 'nagjax.train(found.setup, "random", ',
}
"""In place of what the page says, so that one round is fitted and no generator is compiled."""


def test_it_runs_as_it_stands_but_for_sizes(tmp_path):
    page = PAGE
    for usual, cheaper in CHEAPER.items():
        assert usual in page
        page = page.replace(usual, cheaper)
    walkthroughs.run(page, tmp_path, steps=2)
    rows = [(tmp_path / "runs" / name / "evaluations.csv").read_text().splitlines() for name in ("mine", "python")]
    assert [len(lines) for lines in rows] == [16, 15]
    assert (tmp_path / "runs" / "mine" / "search.html").is_file()


def test_its_tables_list_all_there_is():
    listed = set(re.findall(r"^\| `([\w:]+)`", PAGE, re.MULTILINE))
    known = {*evaluator.BUILT_IN, *proposer.NAMES, *(name.partition(":")[0] for name in pool.NAMES)}
    assert {name for name in known if name not in listed and f"{name}:ADDRESS" not in listed} == set()


def test_its_executor_of_slurm_jobs_evaluates_here_and_elsewhere():
    names = {}
    exec(next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class Slurm" in block), names)
    jobs = []

    def submit(fn, *args):
        jobs.append(args)
        return SimpleNamespace(result=lambda: fn(*args))

    slurm = names["Slurm"](SimpleNamespace(submit=submit), jobs=2)
    truth = Evaluator("table", {}, {}, lambda tokens: {"quality": 0.5 + 0 * tokens[:, 0]})
    tokens = testing.tiny_problem().oracle.tokens[:3]
    with slurm, pool.open_pool(slurm, 2, truth) as workers:
        assert workers.elsewhere
        workers.elsewhere = False  # the tiny space is not registered
        found = dict(pool.evaluate(truth, testing.tiny_space(), tokens, workers))
    assert [found[row].values for row in range(3)] == [{"quality": 0.5}] * 3
    assert len(jobs) == 3
    np.testing.assert_array_equal(sorted(args[0] for args in jobs), tokens)
