"""A sweep: combinations, batches that are never repeated, and one whole sweep."""

import jax
import numpy as np
import pytest

from experiments import sweep
from experiments.comparison import together
from experiments.comparison.answers import answers
from experiments.comparison.case import make_case
from experiments.comparison.limits import UPDATES, Limit
from experiments.comparison.results import Results
from experiments.comparison.run import Options
from experiments.comparison.tasks import EVERYWHERE, Contender, all_tasks
from experiments.frame import cli
from nagjax import controllers, many_runs, testing
from nagjax.controllers import Limits

FLAGS = [
    "--problem=tiny", "--controller=regularised_evolution", "--controller_static=budgets=2,population=4,capacity=16",
    "--seeds=0,1", "--steps=4", "--chunk=2", "--checkpoints=2", "--budgets=10", "--compilation_cache=",
]  # fmt: skip


@pytest.fixture
def batches(monkeypatch):
    """How many runs each program has trained."""
    sizes, train = [], many_runs.train_many

    def counted(controller, problem, seeds, *given):
        sizes.append(len(seeds))
        return train(controller, problem, seeds, *given)

    monkeypatch.setattr(many_runs, "train_many", counted)
    return sizes


def test_a_whole_sweep_from_flags_to_the_page_and_on(tmp_path, capsys, batches):
    flags = [*FLAGS, f"--out={tmp_path}", "--at_a_time=2", "--controller_param=mutations=1|2"]
    assert sweep.main([*flags, "--seeds=0..1"]) == 0
    assert batches == [2, 2]
    rows = Results(tmp_path).rows
    assert {row.key for row in rows} == {("tiny", f"mutations={n}", seed, "4u") for n in (1, 2) for seed in (0, 1)}
    assert [(row.updates, row.final) for row in rows[:2]] == [(2, False), (4, True)]
    # A start of 2 x 4 architectures, and 2 an update.
    assert {(row.updates, row.evaluations) for row in rows} == {(2, 12), (4, 16)}
    assert "4 updates" in (tmp_path / "comparison.html").read_text()
    assert "regularised_evolution swept" in (tmp_path / "comparison.html").read_text()
    assert sweep.main([*flags, "--seeds=0..2", "--resume"]) == 0
    assert batches == [2, 2, 2]
    assert "4 of 6 runs are there already" in capsys.readouterr().out


def test_what_an_interrupted_batch_leaves_is_whole(tmp_path, monkeypatch, batches):
    train = many_runs.train_many

    def stopped(*given):
        if batches:
            raise KeyboardInterrupt
        return train(*given)

    monkeypatch.setattr(many_runs, "train_many", stopped)
    flags = [*FLAGS, f"--out={tmp_path}", "--at_a_time=2", "--seeds=0..3"]
    assert sweep.main(flags) == cli.EXIT_INTERRUPTED
    assert {row.seed for row in Results(tmp_path).rows} == {0, 1}


def test_what_a_kill_costs_is_what_the_devices_are_at(tmp_path, batches):
    at_once = len(jax.local_devices())
    assert sweep.main([*FLAGS, f"--out={tmp_path}", "--seeds=0..4"]) == 0
    assert batches == [at_once] * (5 // at_once) + [5 % at_once] * (5 % at_once > 0)
    assert sweep.main([*FLAGS, f"--out={tmp_path}", "--seeds=0..9", "--resume", "--beside=3"]) == 0
    assert max(batches) == min(5, 3 * at_once)


def test_a_run_of_a_batch_answers_as_the_run_alone():
    tiny = testing.tiny_problem()
    case, limit = make_case("tiny", tiny.problem, tiny.description, 10), Limit(UPDATES, 4)
    contender = Contender("a", "regularised_evolution", {EVERYWHERE: {"budgets": 2, "population": 4, "capacity": 16}})
    tasks = all_tasks(["tiny"], [contender], [5, 6], [limit])
    runner = together.Together(Options(["archive"], 1, 2), tasks, lambda entry, seed: case, 9)
    (last,) = runner(tasks[1], case)
    made, params = contender.make(tiny.problem.spec, limit)
    state = controllers.init(made, tiny.problem, 6, params)
    alone = controllers.train(made, tiny.problem, state, 6, Limits(4, chunk=2), params)
    expected = answers(controllers.artefact(made, alone.state, tiny.problem), case, "archive")
    np.testing.assert_array_equal(last.answers.tokens, expected.tokens)
    assert last.final


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--controller_param=mutations=1|1"], "write different values"),
        (["--controller_param=mutation=1|2"], "did you mean 'mutations'"),
        (["--controller_param=mutations=1", "--controller_params=mutations=2"], "stands in --controller_params too"),
        (["--seeds=3..1"], "a range rises; write --seeds=1..3"),
        (["--seeds=0..x"], "write integers of 0 or above"),
        (["--problem=tinny"], "did you mean 'tiny'"),
        (["--base=mutations=3", "--controller_param=mutations=1|2"], "is not swept"),
        (["--decodes=greedy"], "answers in none of these ways"),
    ],
)
def test_bad_flags_are_refused(tmp_path, capsys, flags, says):
    assert sweep.main([*FLAGS, *flags, f"--out={tmp_path / 'out'}"]) == cli.EXIT_ERROR
    assert says in capsys.readouterr().err
