"""True evaluations in rounds: the file, the workers, what is proposed, and going on after an interruption."""

import concurrent.futures as futures
import contextlib
import dataclasses
import json
import math
import re
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import rounds, searching, testing
from nagjax.arguments import LARGEST_SEED
from nagjax.budgets import spread_budgets_in_unit
from nagjax.devices.pricing import price
from nagjax.devices.table import DeviceTable, Row
from nagjax.evaluators import command, evaluator, pool
from nagjax.evaluators import journal as evaluations_journal
from nagjax.evaluators.evaluator import Evaluator, Outcome, evaluate_one
from nagjax.evaluators.journal import Evaluations, Journal, Proposal
from nagjax.populations.front import front_gain
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.registry import describe, restore
from nagjax.predictors.kinds import registry as kinds
from nagjax.predictors.kinds.gp import chosen, condition
from nagjax.problems.problem import evaluate, path_costs
from nagjax.proposers import acquisition, candidates, classifier, progressive, proposer
from nagjax.spaces import draws, nas_bench_macro, ofa_mobilenet_v3

TINY = testing.tiny_problem(seed=3)
PLAN = rounds.Plan(evaluations=34, start=12, per_round=8)


def looked_up(fails=(), calls=None):
    """The tiny problem's own qualities; texts in ``fails`` raise, and each call is noted."""

    def look(tokens):
        texts = [TINY.space.format(row) for row in tokens]
        if calls is not None:
            calls.extend(texts)
        if set(texts) & set(fails):
            raise ValueError("out of memory")
        return {"quality": TINY.oracle.quality[TINY.oracle.rows(tokens)]}

    return Evaluator("looked_up", {}, {}, look)


def search(truth, plan=PLAN, named="improvement", seed=0, kind="gp"):
    given = {"validation_share": 0.0} if kind == "gp" else {}
    return rounds.Search(
        TINY.problem, TINY.description, truth, kinds.make(kind, given), proposer.make(named), plan, seed
    )


def run(path, truth, **changes):
    wanted = search(truth, **changes)
    with Journal(path, TINY.space, truth.costs) as journal, pool.open_pool("inline", 1, truth) as workers:
        return rounds.run(wanted, journal, workers)


def regret(evaluations):
    """Mean over the costs of all architectures of what the best evaluated one within each loses."""
    known = evaluations.known
    costs = TINY.oracle.costs[TINY.oracle.rows(evaluations.tokens[known])][:, 0]
    budgets = TINY.oracle.costs[:, 0]
    best = np.where(costs[None] <= budgets[:, None], evaluations.quality[known][None], 0.5).max(1)
    return (TINY.oracle.best(budgets[:, None]) - best).mean()


def test_a_search_evaluates_as_many_as_planned_once_each_and_beats_random(tmp_path):
    calls = []
    found = run(tmp_path / "e.csv", looked_up(calls=calls))
    assert len(calls) == len(set(calls)) == len(found.tokens) == 34
    assert found.number.tolist() == [0] * 12 + [1] * 8 + [2] * 8 + [3] * 6
    assert np.isnan(found.predicted[:12]).all()
    assert np.isfinite(found.predicted[12:]).all()
    rng = np.random.default_rng(0)
    random = []
    for _ in range(20):
        rows = rng.choice(len(TINY.oracle.tokens), 34, replace=False)
        some = dataclasses.replace(
            found, tokens=TINY.oracle.tokens[rows], quality=TINY.oracle.quality[rows], failure=("",) * 34
        )
        random.append(regret(some))
    assert regret(found) < 0.75 * np.mean(random)


@pytest.mark.parametrize("kept", [5, 12, 15, 33])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, kept):
    whole = run(tmp_path / "whole.csv", looked_up())
    lines = (tmp_path / "whole.csv").read_text().splitlines(keepends=True)
    (tmp_path / "part.csv").write_text("".join(lines[: 1 + kept]) + "torn,0.")
    calls = []
    again = run(tmp_path / "part.csv", looked_up(calls=calls))
    assert len(calls) == 34 - kept
    np.testing.assert_array_equal(again.tokens, whole.tokens)
    np.testing.assert_array_equal(again.predicted, whole.predicted)


def test_a_search_that_is_given_more_fills_its_last_round_and_goes_on(tmp_path):
    """Of the last round 6 of 8 were evaluated; then 2 of the 8 that are proposed for it anew are, and a round of 4."""
    plan = rounds.Plan(evaluations=26, start=12, per_round=8)
    first = run(tmp_path / "e.csv", looked_up(), plan=plan, kind="ridge")
    calls = []
    more = dataclasses.replace(plan, evaluations=32)
    found = run(tmp_path / "e.csv", looked_up(calls=calls), plan=more, kind="ridge")
    assert found.number.tolist() == [0] * 12 + [1] * 8 + [2] * 8 + [3] * 4
    assert len(calls) == 6
    assert {row.tobytes() for row in first.tokens} < {row.tobytes() for row in found.tokens}


def test_a_failure_is_recorded_with_its_reason_tried_again_and_not_fatal(tmp_path):
    first = TINY.space.format(rounds._start(search(looked_up()))[0])
    calls = []
    found = run(tmp_path / "e.csv", looked_up([first], calls))
    assert calls.count(first) == 2  # once more
    assert [reason for reason in found.failure if reason] == ["out of memory"]
    assert len(found.tokens) == 34
    assert found.known.sum() == 33


def test_ranks_have_no_evaluated_qualities_beside_them(tmp_path):
    """At the end of a search by such a predictor it stays as it is; another one tells what was evaluated."""
    done = run(tmp_path / "e.csv", looked_up(), plan=rounds.Plan(evaluations=12, start=12))
    small = {"loss": "hinge", "steps": 10, "members": 1, "hidden": "none", "validation_share": 0.0}
    ranks = dataclasses.replace(search(looked_up()), kind=kinds.make("mlp", small))
    assert rounds.final_predictor(ranks, done).predictor.rank_valued
    told = rounds.final_predictor(search(looked_up(), kind="ridge"), done).predictor
    assert {row.tobytes() for row in np.asarray(told.evaluated)} == {row.tobytes() for row in done.tokens}


def test_a_start_that_fails_altogether_ends_the_search_with_the_reason(tmp_path):
    every = [TINY.space.format(row) for row in TINY.oracle.tokens]
    with pytest.raises(ValueError, match=r"all of the first 12 evaluations failed.*out of memory.*new folder"):
        run(tmp_path / "e.csv", looked_up(every))


def test_a_space_with_fewer_architectures_than_the_plan_is_evaluated_whole(tmp_path):
    total = len(TINY.oracle.tokens)
    plan = rounds.Plan(evaluations=total + 30, start=total - 30, per_round=20)
    found = run(tmp_path / "e.csv", looked_up(), plan=plan, named="top_predicted", kind="ridge")
    assert len(found.tokens) == total
    assert regret(found) == 0


@pytest.mark.parametrize(
    "named",
    ["improvement", "ucb", "thompson", "top_predicted", "progressive", "pareto_classifier", "controller:random"],
)
def test_every_proposer_gives_new_architectures_over_the_range(tmp_path, named):
    wanted = search(looked_up(), named="improvement")
    found = run(tmp_path / "e.csv", looked_up(), plan=rounds.Plan(evaluations=12, start=12))
    problem = dataclasses.replace(TINY.problem, quality=rounds.fitted_to(wanted, found).predictor)
    settings = {"steps": 3} if named.startswith("controller") else {}
    question = proposer.Question(problem, TINY.description, found, 6, 1, LARGEST_SEED)
    tokens = proposer.make(named, settings).propose(question)
    TINY.space.check(tokens)
    assert 1 <= len(tokens) <= 6
    assert len({row.tobytes() for row in [*tokens, *found.tokens]}) == len(tokens) + 12


def test_a_classifier_tells_which_children_dominate_the_reference_of_their_budget():
    order = np.argsort(TINY.oracle.quality)
    references = jnp.asarray(TINY.oracle.tokens[order[[30, 100]]])
    budgets = jnp.stack([TINY.problem.low + (TINY.problem.high - TINY.problem.low) // 2, TINY.problem.high])
    tokens, chances = classifier._classified(TINY.problem, references, budgets, 50, jax.random.key(0))
    assert (path_costs(TINY.problem, tokens) <= jnp.repeat(budgets, 50, 0)).all()
    found = TINY.oracle.quality[TINY.oracle.rows(np.asarray(tokens))].reshape(2, 50)
    by_hand = (1 + np.sign(found - TINY.oracle.quality[order[[30, 100]]][:, None])) / 2
    np.testing.assert_array_equal(chances, by_hand)
    assert {0.0, 1.0} <= set(np.unique(by_hand[1]))


def test_candidates_of_a_large_space_come_from_evolution_and_are_as_good(monkeypatch, tmp_path):
    wanted = search(looked_up())
    found = run(tmp_path / "e.csv", looked_up(), plan=rounds.Plan(evaluations=12, start=12))
    problem = dataclasses.replace(TINY.problem, quality=rounds.fitted_to(wanted, found).predictor)
    question = proposer.Question(problem, TINY.description, found, 4, 1, 0)
    monkeypatch.setattr(candidates, "LISTED", 1)
    evolved = candidates.propose(question, acquisition.predicted)
    budgets = candidates._useful_budgets(question, jax.random.split(jax.random.fold_in(jax.random.key(0), 1))[0])
    worth, costs = (np.asarray(values) for values in evaluate(problem, jnp.asarray(TINY.oracle.tokens)))
    free = ~candidates.among(TINY.oracle.tokens, found.tokens)
    rows = TINY.oracle.rows(evolved)
    for fits in ((costs <= budget).all(-1) for budget in np.asarray(budgets)):
        assert worth[rows][fits[rows]].max(initial=-1) == pytest.approx(worth[free & fits].max(initial=-1), abs=1e-3)
    # Nothing far beyond what the best that is evaluated costs.
    top = costs[TINY.oracle.rows(found.tokens[[np.nanargmax(found.quality)]])][0, 0]
    assert np.max(budgets) <= 1.001 * top * (top / float(problem.low[0])) ** 0.05


def test_no_part_of_the_range_is_never_asked(tmp_path):
    """From 1 to 16 with 4 budgets a round: two lie in the halves of the logarithm, two in the halves of the unit."""
    found = run(tmp_path / "e.csv", looked_up(), plan=rounds.Plan(evaluations=12, start=12))
    costliest = dataclasses.replace(found, tokens=found.tokens.copy())
    costliest.tokens[np.nanargmax(found.quality)] = TINY.description.space.largest()
    problem = dataclasses.replace(TINY.problem, low=jnp.array([2**20]), high=jnp.array([2**24]))
    question = proposer.Question(problem, TINY.description, costliest, 4, 1, 0)
    keys = jax.random.split(jax.random.key(0), 50)
    asked = np.sort(np.concatenate([candidates._useful_budgets(question, key)[:, 0] for key in keys]) / 2**20)
    assert asked.min() < 1.1
    assert asked.max() > 15
    assert np.diff(np.log2(asked)).max() < 0.3  # a gap of the size of a stratum is half the range


def test_none_of_a_large_space_are_no_rows_of_it():
    space = ofa_mobilenet_v3.make()
    for num in (0, 2):
        found = draws.unseen(space, space.trellis.valid, np.zeros((0, 26), np.int32), num, np.random.default_rng(0))
        assert found.shape == (num, 26)


def test_a_round_is_full_where_budgets_have_the_same_best():
    """Two budgets whose pools are alike take turns: none of its evaluations is left to chance."""
    rows = TINY.oracle.tokens[:6]
    pool = np.stack([rows[[0, 1, 2, 3]], rows[[0, 1, 0, 1]]])
    worth = np.array([[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 3.0, 2.0]])
    nan = np.full(1, np.nan)
    done = Evaluations(rows[2:3], nan, {}, np.zeros(1, np.int64), nan, nan, ("",))
    question = proposer.Question(TINY.problem, TINY.description, done, 3, 1, 0)
    assert candidates.unseen(question, pool, worth).tolist() == rows[[0, 1, 3]].tolist()


def question_after(path, kind="ridge", num=6):
    """A question after 12 evaluations, its predictor of a kind."""
    found = run(path, looked_up(), plan=rounds.Plan(evaluations=12, start=12))
    problem = dataclasses.replace(
        TINY.problem, quality=rounds.fitted_to(search(looked_up(), kind=kind), found).predictor
    )
    return proposer.Question(problem, TINY.description, found, num, 1, 0)


def test_a_beam_that_holds_all_proposes_the_best_of_all(tmp_path):
    question = question_after(tmp_path / "e.csv")
    found = proposer.make("progressive", {"beam": 10**4}).propose(question)
    budgets = spread_budgets_in_unit(jax.random.key(question.seed + 1), question.problem, 6)
    best = candidates.best_for_budgets(question, TINY.oracle.tokens, budgets, question.problem)
    assert {tuple(row) for row in found.tolist()} == {tuple(row) for row in best.tolist()}


def test_prefixes_and_their_cheapest_ends_by_listing():
    tokens, costs = TINY.oracle.tokens, TINY.oracle.costs[:, 0]
    prefixes = np.zeros((1, 0), np.int32)
    for length in (1, 2, 3):
        prefixes = progressive.extensions(TINY.problem, prefixes)
        assert {tuple(row) for row in prefixes.tolist()} == {tuple(row) for row in tokens[:, :length].tolist()}
        for row in progressive.completed(TINY.problem, prefixes):
            same = (tokens[:, :length] == row[:length]).all(1)
            assert costs[TINY.oracle.rows(row[None])[0]] == pytest.approx(costs[same].min(), abs=1e-3)


def test_exact_proposals_are_the_best_by_a_linear_predictor(tmp_path):
    question = question_after(tmp_path / "e.csv")
    found = proposer.make("exact", {"bins": 2048}).propose(question)
    assert len(found) == 6
    quality, costs = evaluate(question.problem, jnp.asarray(TINY.oracle.tokens))
    front = {tuple(row) for row in TINY.oracle.tokens[np.asarray(front_gain(costs, quality)) > 0].tolist()}
    fresh = front - {tuple(row) for row in question.evaluated.tokens.tolist()}
    # Those that no budget has under the mean weights come from draws.
    assert len({tuple(row) for row in found.tolist()} & fresh) >= min(3, len(fresh))


def test_exact_proposals_need_a_quality_that_adds_up(tmp_path):
    with pytest.raises(ValueError, match=r"gaussian_process does not add up.*predictor_kind=ridge"):
        proposer.make("exact").propose(question_after(tmp_path / "e.csv", kind="gp"))


def test_a_search_with_exact_proposals(tmp_path):
    found = run(tmp_path / "e.csv", looked_up(), named="exact", kind="ridge")
    assert len(found.tokens) == 34
    assert regret(found) < 0.05


def test_a_proposer_that_repeats_itself_is_refused(tmp_path):
    stuck = proposer.Proposer("stuck", {}, lambda question: np.repeat(TINY.oracle.tokens[:1], question.num, 0))
    wanted = dataclasses.replace(search(looked_up()), proposer=stuck)
    with (
        Journal(tmp_path / "e.csv", TINY.space, ()) as journal,
        pytest.raises(ValueError, match="'stuck': it proposed one architecture twice"),
    ):
        rounds.run(wanted, journal, pool.open_pool("inline", 1, looked_up()))


def test_proposers_and_evaluators_that_are_not_known_are_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"'improvment' is not known \(did you mean 'improvement'\?\)"):
        proposer.make("improvment")
    with pytest.raises(ValueError, match=r"'comand' is not known \(did you mean 'command'\?\)"):
        evaluator.make("comand", TINY.space)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"evaluations": 5}, "evaluations=5"),
        ({"start": 40, "evaluations": 30}, "start=40 is more than evaluations=30"),
        ({"per_round": 0}, "per_round=0"),
        ({"retries": -1}, "retries=-1"),
    ],
)
def test_plans_that_cannot_be_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        rounds.Plan(**numbers)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"quality": 71.3}, "quality is 71.3; it must be a fraction, 0 to 1: divide percentages by 100"),
        ({"quality": math.nan}, "quality is nan; it must be a finite number"),
        ({"accuracy": 0.5}, "'quality' is missing; found: accuracy"),
        ({"quality": 0.5, "latency_ms": 0.0}, "latency_ms is 0; a cost is positive: measure it again"),
    ],
)
def test_values_that_cannot_be_are_failures_with_a_reason(values, reason):
    costs = tuple(name for name in values if name == "latency_ms")
    broken = Evaluator("broken", {}, {}, lambda tokens: {k: np.array([v]) for k, v in values.items()}, costs)
    assert evaluate_one(broken, TINY.oracle.tokens[0]).failure == reason


PROGRAM = "import json, sys, time; asked = json.loads(sys.stdin.readline()); "


def program(tmp_path, body):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM + body)
    return f"{sys.executable} {file}"


def asked(tmp_path, body, **settings):
    return evaluate_one(command.make(TINY.space, program(tmp_path, body), **settings), TINY.oracle.tokens[7])


def test_a_program_is_asked_in_json_and_answers_in_its_last_line(tmp_path):
    body = (
        "print('epoch 1'); print(json.dumps({'quality': asked['seed'] / 10 + len(asked['operators']) / 100, "
        "'latency_ms': float(len(asked['architecture']))}))"
    )
    outcome = asked(tmp_path, body, seed=3, costs="latency_ms")
    layers = sum(TINY.space.trellis.open[1:].any(1)) - (2 - TINY.oracle.tokens[7][0])
    assert outcome.values == {"quality": pytest.approx(0.3 + layers / 100), "latency_ms": 6.0}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("print('71 percent')", r"the last line of its output is '71 percent'; it must be JSON"),
        ("print('{\"quality\": true}')", r"the last line of its output is .*true.*; it must be JSON"),
        ("print('hm'); sys.exit(3)", r"ended with status 3; its output ended with: hm"),
        ("raise MemoryError('no room')", r"ended with status 1; .*MemoryError: no room"),
        ('print(\'{"quality": NaN, "latency_ms": 1}\')', r"quality is nan"),
        ("print('{\"quality\": 0.5}')", r"'latency_ms' is missing; found: quality"),
        (
            "import subprocess; subprocess.Popen(['sleep', '60']); print('{\"quality\": 0.5}')",
            r"longer than 1 s and was ended \(the program had ended, and what it left .* with: {\"quality\": 0.5}",
        ),
        ("time.sleep(60)", r"took longer than 1 s and was ended; it printed nothing"),
    ],
)
def test_programs_that_go_wrong_are_failures_that_show_their_output(tmp_path, body, reason):
    outcome = asked(tmp_path, body, seconds=1.0, costs="latency_ms")
    assert re.search(reason, outcome.failure, re.DOTALL), outcome.failure
    assert not outcome.values


def test_a_command_that_is_none_is_refused():
    with pytest.raises(ValueError, match="command is empty"):
        command.make(TINY.space, " ")
    with pytest.raises(ValueError, match="close the quotation"):
        command.make(TINY.space, "python 'evaluate.py")
    missing = command.make(TINY.space, "/no/such/program")
    assert "cannot be started" in evaluate_one(missing, TINY.oracle.tokens[0]).failure


def test_threads_evaluate_several_at_a_time_and_lose_none(tmp_path):
    truth = command.make(TINY.space, program(tmp_path, "print(json.dumps({'quality': 0.5}))"))
    rows = TINY.oracle.tokens[:6]
    with pool.open_pool("threads", 3, truth) as workers:
        found = dict(pool.evaluate(truth, TINY.space, rows, workers))
    assert sorted(found) == list(range(6))
    assert all(outcome.values == {"quality": 0.5} for outcome in found.values())


class Mortal(futures.Executor):
    """An executor whose first ``deaths`` calls end with their worker."""

    def __init__(self, left):
        self.left = left

    def submit(self, fn, /, *args, **kwargs):
        future = futures.Future()
        if self.left:
            self.left -= 1
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_what_a_dead_worker_held_is_evaluated_again_and_five_deaths_are_a_failure():
    truth, rows = looked_up(), TINY.oracle.tokens[:3]
    for deaths, failed in ((4, 0), (6, 1)):
        workers = pool.Pool(lambda left=deaths: Mortal(left), 1, elsewhere=False)
        found = dict(pool.evaluate(truth, TINY.space, rows, workers, retries=0))
        assert sorted(found) == [0, 1, 2]
        assert sum(bool(outcome.failure) for outcome in found.values()) == failed


def test_executors_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="executor='thread' is not one of inline, threads, processes, dask:ADDRESS"):
        pool.open_pool("thread", 1, looked_up())


def test_processes_make_the_evaluator_anew_by_name(tmp_path):
    space = nas_bench_macro.make()
    rows = np.unique(space.sample(np.random.default_rng(0), 3), axis=0)
    lines = ["architecture,quality", *(f"{space.format(row)},0.{i + 1}" for i, row in enumerate(rows))]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    truth = evaluator.make("table", space, {"file": str(tmp_path / "r.csv")})
    with pool.open_pool("processes", 1, truth) as workers:
        found = dict(pool.evaluate(truth, space, rows, workers))
    assert [round(found[i].values["quality"], 3) for i in range(len(rows))] == [0.1, 0.2, 0.3][: len(rows)]


def test_a_journal_has_the_order_of_proposals_and_reads_each_row_once(tmp_path, monkeypatch):
    path, asked = tmp_path / "e.csv", [(1, 0), (0, 2), (0, 0), (1, 1), (0, 1)]
    placed = dict(zip(asked, TINY.oracle.tokens, strict=False))
    read, ordered = [], evaluations_journal._ordered
    monkeypatch.setattr(evaluations_journal, "_ordered", lambda rows, *args: read.extend(rows) or ordered(rows, *args))
    with Journal(path, TINY.space, ("ms",)) as journal:
        for (number, place), tokens in placed.items():
            outcome = Outcome({}, "lost") if place == 2 else Outcome({"quality": 0.5, "ms": 10.0 * number + place + 1})
            before = journal.evaluations()
            journal.add(tokens, outcome, Proposal(number, place, predicted=0.1 * place))
            assert len(journal.evaluations().tokens) == len(before.tokens) + 1
        found = journal.evaluations()
    assert len(read) == len(asked), "what was read stands as it is"
    np.testing.assert_array_equal(found.tokens, [placed[one] for one in sorted(asked)])
    assert found.number.tolist() == [0, 0, 0, 1, 1]
    assert found.failure == ("", "", "lost", "", "")
    np.testing.assert_array_equal(found.costs["ms"], [1, 2, np.nan, 11, 12])
    np.testing.assert_allclose(found.predicted, [0, 0.1, 0.2, 0, 0.1])
    with Journal(path, TINY.space, ("ms",)) as journal:
        again = journal.evaluations()
    for one, two in zip(found.__dict__.values(), again.__dict__.values(), strict=True):
        np.testing.assert_equal(one, two)


def test_a_damaged_or_foreign_file_is_refused_with_the_row(tmp_path):
    path = tmp_path / "e.csv"
    with Journal(path, TINY.space, ()) as journal:
        journal.add(TINY.oracle.tokens[0], Outcome({"quality": 0.5}), Proposal(0, 0))
        journal.add(TINY.oracle.tokens[1], Outcome({}, "lost,\npower"), Proposal(0, 1))
    whole = path.read_text()
    with Journal(path, TINY.space, ()) as journal:
        found = journal.evaluations()
    assert found.failure == ("", "lost, power")
    np.testing.assert_array_equal(found.tokens, TINY.oracle.tokens[:2])
    for text, message in (
        (whole + whole.splitlines()[1] + "\n", "row 4: .* stands there twice"),
        (whole.replace("0.5", "half"), "row 2: is damaged"),
        (whole.replace("0.5", "50.0"), "row 2: is damaged.*divide percentages by 100"),
        ("architecture,quality\n", "it is another file"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            Journal(path, TINY.space, ())


def test_what_was_evaluated_is_told_as_it_is_and_all_else_by_the_predictor():
    space = TINY.space
    inner = Linear(
        jnp.linspace(0, 0.1, len(space.feature_names)), jnp.float32(0.25), jnp.ones(len(space.feature_names), bool)
    )
    rows = np.array([3, 80, 200])
    form = with_evaluated(inner, TINY.oracle.tokens[rows], np.array([0.9, 0.8, 0.7]))
    again = restore(describe(form), jax.tree.map(np.asarray, form.arrays()))
    every = jnp.asarray(TINY.oracle.tokens)
    features = jnp.asarray(space.features(TINY.oracle.tokens))
    plain, _ = inner(every, features)
    for one in (form, again):
        mean, std = jax.jit(lambda form: form(every, features))(one)
        others = np.setdiff1d(np.arange(len(every)), rows)
        np.testing.assert_allclose(mean[rows], [0.9, 0.8, 0.7])
        np.testing.assert_array_equal(np.asarray(mean)[others], np.asarray(plain)[others])
        assert not np.asarray(std)[rows].any()


def test_improvement_is_that_over_the_best_within_the_budget():
    # By numerical integration over a fine grid.
    mean, std, best = 0.6, 0.1, 0.65
    grid = np.linspace(mean - 8 * std, mean + 8 * std, 200_001)
    density = np.exp(-0.5 * ((grid - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    exact = float((np.maximum(grid - best, 0) * density).sum() * (grid[1] - grid[0]))
    told = acquisition.expected_improvement(*(jnp.full(1, value) for value in (mean, std, best)), jax.random.key(0))
    assert float(told[0]) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("start", [10, 25, 99, 180, 400])
@pytest.mark.parametrize("evaluations", [400, 401, 777])
def test_rounds_grow_with_what_is_evaluated_and_end_with_the_evaluations(start, evaluations):
    plan = rounds.Plan(evaluations=evaluations, start=start)
    sizes = [plan.size(number) for number in range(200)]
    done = np.cumsum(sizes)
    assert done[-1] == evaluations
    end = int(np.argmax(done == evaluations))
    assert sizes[0] == start
    assert not any(sizes[end + 1 :])
    for before, size in zip(done[: max(end - 1, 0)], sizes[1:end], strict=True):
        assert size == (5 if before < 100 else 10 if before < 250 else 25)
    longer = rounds.Plan(evaluations=evaluations + 300, start=start)
    assert [longer.size(number) for number in range(end)] == sizes[:end]  # it can be given more


def test_padding_a_gaussian_process_changes_nothing():
    features = np.random.default_rng(0).integers(0, 2, (12, 5)).astype(float)
    quality = np.linspace(0.4, 0.9, 12)
    form = condition(features, quality, np.ones(5, bool), *chosen({"plain": features}, quality, "rank")[1:])
    asked_for = jnp.asarray(np.random.default_rng(1).integers(0, 2, (9, 5)), jnp.float32)
    rows = jnp.zeros((9, 1), jnp.int32)
    for one, other in zip(form(rows, asked_for), form.padded(40)(rows, asked_for), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_spread_draw_reaches_both_ends_of_the_cost():
    costs = TINY.oracle.costs[:, 0]
    drawn = draws.spread(
        TINY.space, TINY.space.trellis.valid, lambda t: TINY.oracle.costs[TINY.oracle.rows(t)][:, 0], 10, 0
    )
    own = costs[TINY.oracle.rows(drawn)]
    edges = np.exp(np.linspace(np.log(costs.min()), np.log(costs.max()), 11))
    parts = np.clip(np.searchsorted(edges, own, side="right"), 1, 10)
    every = np.clip(np.searchsorted(edges, costs, side="right"), 1, 10)
    assert set(parts) == set(every)  # every part that has one


POPEN = subprocess.Popen


@pytest.fixture
def started(monkeypatch):
    """The programs that are started."""
    programs = []

    def start(*args, **kwargs):
        programs.append(POPEN(*args, **kwargs))
        return programs[-1]

    monkeypatch.setattr(command.subprocess, "Popen", start)
    return programs


def test_an_interruption_ends_the_program_that_runs_here(tmp_path, started, monkeypatch):
    truth = command.make(TINY.space, program(tmp_path, "time.sleep(60)"))

    def pressed(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(POPEN, "communicate", pressed)
    with pytest.raises(KeyboardInterrupt):
        evaluate_one(truth, TINY.oracle.tokens[0])
    with started[0] as ended:
        assert ended.wait(50) == -9


def test_an_interruption_ends_programs_in_threads_and_the_evaluator_can_be_used_again(tmp_path, started):
    truth = command.make(
        TINY.space, program(tmp_path, "time.sleep(60 * asked['tokens'][0]); print('{\"quality\": 0.5}')")
    )
    rows = np.array([row for row in TINY.oracle.tokens if row[0] < 2])[[0, -2, -1]]
    with (
        pool.open_pool("threads", 2, truth) as workers,
        contextlib.closing(pool.evaluate(truth, TINY.space, rows, workers)) as outcomes,
    ):
        assert next(outcomes)[0] == 0
    assert sorted(one.returncode for one in started) in ([-9, 0], [-9, -9, 0])
    assert evaluate_one(truth, rows[0]).values == {"quality": 0.5}


class Shared(futures.Executor):
    """As a pool of processes: a worker that dies takes all that run with it."""

    def __init__(self, deadly):
        self.deadly, self.running = deadly, {}

    def submit(self, fn, /, row):
        future = futures.Future()
        self.running[future] = (fn, row)
        return future

    def wait(self, running, **_):
        broken = any(row == self.deadly for _, row in self.running.values())
        for future, (fn, row) in self.running.items():
            if broken:
                future.set_exception(BrokenProcessPool("killed"))
            else:
                future.set_result(fn(row))
        self.running = {}
        return set(running), set()


def test_an_architecture_that_kills_its_workers_takes_no_other_with_it(monkeypatch):
    rows = TINY.oracle.tokens[:6]
    shared = Shared(rows[2].tolist())
    monkeypatch.setattr(futures, "wait", shared.wait)
    found = dict(pool.evaluate(looked_up(), TINY.space, rows, pool.Pool(lambda: shared, 4, elsewhere=False)))
    assert sorted(found) == list(range(6))
    assert [row for row in found if found[row].failure] == [2]
    assert found[2].failure == "the worker died: killed"


def test_an_executor_that_is_lent_is_given_back_and_threads_need_no_name():
    with futures.ThreadPoolExecutor(2) as own, pool.open_pool(own, None, looked_up()) as workers:
        found = dict(pool.evaluate(looked_up(), TINY.space, TINY.oracle.tokens[:3], workers))
        workers.close()
        assert own.submit(len, found).result() == 3
    with pytest.raises(ValueError, match=r"takes no calls \(cannot schedule .*search again with a new one"):
        workers.submit(len, ())


def test_workers_that_cannot_be_had_are_refused():
    with pytest.raises(ValueError, match="workers=3: executor=inline evaluates one at a time"):
        pool.open_pool("inline", 3, looked_up())
    with (
        pytest.raises(ValueError, match="'looked_up' is not registered, and workers in other processes"),
        pool.open_pool("processes", 1, looked_up()) as workers,
    ):
        list(pool.evaluate(looked_up(), TINY.space, TINY.oracle.tokens[:1], workers))


def test_a_start_of_which_most_fails_goes_on_at_random_until_a_predictor_can_be_fitted(tmp_path):
    first = [TINY.space.format(row) for row in rounds._start(search(looked_up()))]
    found = run(tmp_path / "e.csv", looked_up(first[:5]))
    assert found.known.sum() == 34 - 5
    assert np.isnan(found.predicted[12:20]).all()
    assert np.isfinite(found.predicted[20:]).all()


def test_a_proposal_that_the_conditions_do_not_admit_is_refused(tmp_path):
    small = testing.tiny_problem(seed=3, where={"depth": [3]})
    deep = proposer.Proposer("deep", {}, lambda question: TINY.oracle.tokens[-1:])
    wanted = dataclasses.replace(
        search(looked_up()), problem=small.problem, description=small.description, proposer=deep
    )
    with (
        Journal(tmp_path / "e.csv", TINY.space, ()) as journal,
        pytest.raises(ValueError, match="'deep': it proposed 222222, which the conditions do not admit"),
    ):
        rounds.run(wanted, journal, pool.open_pool("inline", 1, looked_up()))


def test_settings_that_a_proposer_has_not_are_refused_before_anything_is_evaluated():
    with pytest.raises(ValueError, match=r"proposer ucb has no setting 'deviation' \(did you mean 'deviations'\?\)"):
        proposer.make("ucb", {"deviation": 1.0})
    with pytest.raises(ValueError, match="controller nsga2 has no setting 'childern'"):
        proposer.make("controller:nsga2", {"childern": 8})


def test_evaluations_of_another_search_or_of_nobody_knows_which_are_refused(tmp_path):
    searching.claim(search(looked_up()), tmp_path)
    searching.claim(search(looked_up(), plan=rounds.Plan(evaluations=60, start=12, per_round=8)), tmp_path)
    other = dataclasses.replace(looked_up(), identity={"epochs": 3})
    with pytest.raises(ValueError, match=r"holds another search .*evaluator was .*'epochs': 3"):
        searching.claim(search(other), tmp_path)
    (tmp_path / searching.RECORD).write_text("[1]")
    with pytest.raises(ValueError, match="is damaged"):
        searching.claim(search(looked_up()), tmp_path)
    (tmp_path / searching.RECORD).unlink()
    (tmp_path / searching.EVALUATIONS).write_text("")
    with pytest.raises(ValueError, match=r"holds evaluations.csv without search.json"):
        searching.claim(search(looked_up()), tmp_path)


@pytest.mark.parametrize("name", ["gp", "additive"])
def test_a_search_from_before_levels_goes_on_with_plain_features(name, tmp_path):
    kind = kinds.make(name, {"features": "plain"})
    plain = dataclasses.replace(search(looked_up()), kind=kind)
    searching.claim(plain, tmp_path)
    record = json.loads((tmp_path / searching.RECORD).read_text())
    assert record["predictor"].pop("features") == "plain"
    (tmp_path / searching.RECORD).write_text(json.dumps(record))
    searching.claim(plain, tmp_path)
    with pytest.raises(ValueError, match=r"predictor was .*'features': 'plain'.*, is .*'features': 'auto'"):
        searching.claim(dataclasses.replace(plain, kind=kinds.make(name)), tmp_path)


def test_a_search_is_of_what_a_file_of_scores_holds_wherever_it_lies(tmp_path):
    one, moved = tmp_path / "one.csv", tmp_path / "moved.csv"

    def scored_by(file):
        chosen = proposer.make("bo_weights", {"file": str(file)})
        return dataclasses.replace(search(looked_up()), proposer=chosen)

    one.write_text(f"architecture,a\n{TINY.space.format(TINY.oracle.tokens[0])},1\n")
    searching.claim(scored_by(one), tmp_path / "search")
    one.rename(moved)
    searching.claim(scored_by(moved), tmp_path / "search")
    moved.write_text(moved.read_text().replace(",1", ",2"))
    with pytest.raises(ValueError, match=r"holds another search \(proposer was"):
        searching.claim(scored_by(moved), tmp_path / "search")


def test_two_searches_at_a_time_are_refused(tmp_path):
    wanted = search(looked_up(), plan=rounds.Plan(12, 12))

    def again(evaluations, number):
        with pytest.raises(ValueError, match=r"evaluations\.csv: another process writes it"):
            searching.evaluate(wanted, tmp_path, "inline", None, lambda *_: None)

    searching.evaluate(wanted, tmp_path, "inline", None, again)


def toy_table(space):
    rows = {(op.key, None): Row(0.1 + 0.01 * i) for i, op in enumerate(space.operators)}
    return DeviceTable("toy", "none", 1, "float32", "ms", "made up", rows)


@pytest.mark.parametrize(("latency", "corrected"), [(lambda raw: 2 * raw + 1, True), (lambda raw: 9 - raw, False)])
def test_latencies_that_come_with_the_truth_correct_the_table(tmp_path, latency, corrected, caplog):
    space = nas_bench_macro.make()
    table = toy_table(space)
    values = price(table, space).values

    def measured(tokens):
        return {"quality": 0.5 + 0.01 * tokens.sum(1), "latency_ms": latency(space.operator_sum(tokens, values))}

    truth = Evaluator("measured", {}, {}, measured, ("latency_ms",))
    found = searching.search(
        space, truth, table, folder=tmp_path, predictor_kind="ridge", evaluations=14, start=12, per_round=2
    )
    prices, done = found.setup.table, found.evaluations
    if corrected:
        assert (prices.correction.scale, prices.correction.offset) == (pytest.approx(2), pytest.approx(1))
        np.testing.assert_allclose(
            found.setup.description.costs_of(done.tokens)[:, 0], done.costs["latency_ms"], rtol=1e-3
        )
        assert len(prices.validation) == 7
        assert found.setup.description.costs[0].validation.endswith("on 7 networks")
    else:
        assert prices.correction is None
        assert len(prices.validation) == 14
        assert "do not rise with the sum" in caplog.text


def test_costs_that_are_learned_from_whole_networks_are_those_of_a_search(tmp_path):
    space = nas_bench_macro.make()
    tokens = space.sample(np.random.default_rng(0), 60)
    took = 1 + 0.5 * tokens.sum(1)  # ms
    rows = (f"{space.format(row)},{ms}" for row, ms in zip(tokens, took, strict=True))
    (tmp_path / "phone.csv").write_text("\n".join(["architecture,latency_ms", *rows]) + "\n")
    truth = Evaluator("made up", {}, {}, lambda tokens: {"quality": 0.5 + 0.01 * tokens.sum(1)})
    found = searching.search(
        space, truth, measured=tmp_path / "phone.csv", folder=tmp_path / "out", predictor_kind="ridge", evaluations=14,
        start=12, per_round=2,
    )  # fmt: skip
    assert [info.name for info in found.setup.description.costs] == ["latency_ms"]
    np.testing.assert_allclose(found.setup.description.costs_of(tokens)[:, 0], took, rtol=0.05)
