"""Best-known fronts: on spaces that can be listed the search ends in the exact front, and goes on where it was."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import best_known, front_search, quality_note10, rounds_note10
from benchmarks.best_known import Kept, Slice
from benchmarks.front_search import Front, LocalSearch, judged, nothing
from experiments.comparison import best_known as named
from experiments.comparison import metrics, report, table
from experiments.comparison.case import make_case, truth
from experiments.comparison.results import Results
from nagjax import testing
from nagjax.spaces import trellis as tl
from tests.test_compare import line

BUDGETS = 30
NO_ANSWERS = (np.zeros(0, np.int64), np.zeros(0))


@pytest.fixture(scope="module")
def case():
    tiny = testing.tiny_problem()
    return make_case("tiny", tiny.problem, tiny.description, BUDGETS)


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front_search, "ROWS", 64)
        patch.setattr(front_search, "MEMBERS", 4)
        patch.setattr(front_search, "KEPT", 16)
        yield


def everything(case):
    tokens = tl.enumerate_paths(np.asarray(case.problem.target), np.asarray(case.problem.allowed))
    return tokens, *truth(case.judge, tokens)


def exact(case):
    """Cost and quality of the exact front."""
    _, quality, costs = everything(case)
    return metrics.front(costs[:, 0].astype(float), quality)


def clock():
    """Each look is a second later."""
    return itertools.count().__next__


def local(case, front, looks, seed=0):
    return LocalSearch(case.judge, clock())(front, seed, looks).front


def begin(case):
    return best_known.union(case, nothing(case.judge), {})


# --- the front


points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8)


def front_of(pairs, who):
    front = nothing(testing.tiny_problem().problem)
    for cost, quality in pairs:
        one = Front(np.zeros((1, 6), np.int32), np.array([cost]), np.array([quality / 10]), np.array([who], object))
        front = front.join(one)
    return front


@given(ours=points, theirs=points)
def test_a_joined_front_is_what_none_dominates_and_the_first_of_equals(ours, theirs):
    joined = front_of(ours, "ours").join(front_of(theirs, "theirs"))
    every = [*((c, q, "ours") for c, q in ours), *((c, q, "theirs") for c, q in theirs)]
    left = {
        (c, q): next(who for *pair, who in every if pair == [c, q])
        for c, q, _ in every
        if not any((d <= c and r >= q) and (d, r) != (c, q) for d, r, _ in every)
    }
    found = {(c, round(10 * q)): who for c, q, who in zip(joined.costs, joined.quality, joined.found_by, strict=True)}
    assert found == left
    assert list(joined.costs) == sorted(joined.costs)
    budgets = np.arange(-1, 11)
    expected = [max((q / 10 for c, q, _ in every if c <= budget), default=-np.inf) for budget in budgets]
    np.testing.assert_allclose(joined.best(budgets), expected)


# --- the search


def test_neighbours_are_all_that_differ_in_one_open_decision(case):
    tokens, _, _ = everything(case)
    member = tokens[len(tokens) // 2]
    made = judged(case.judge, front_search.neighbours(case.judge, member)).tokens
    depth = member[0]
    expected = {row.tobytes() for row in tokens if (row != member).sum() == 1 and row[0] == depth}
    assert {row.tobytes() for row in made if row[0] == depth} == expected
    assert {row[0] for row in made} == {0, 1, 2}


def test_promising_children_are_the_best_sums_of_two_changes(case, monkeypatch):
    """By hand from the definition: each pair of changes of different decisions, as if their effects added up."""
    monkeypatch.setattr(front_search, "KEPT", 3)
    front = local(case, begin(case), 3)
    row = len(front) // 2
    member = front.tokens[row]
    changes = judged(case.judge, front_search.neighbours(case.judge, member))
    promised = {}
    for i, j in itertools.combinations(range(len(changes.costs)), 2):
        ours, theirs = changes.tokens[i] != member, changes.tokens[j] != member
        if not (ours & theirs).any():
            both = np.where(ours, changes.tokens[i], np.where(theirs, changes.tokens[j], member))
            cost = changes.costs[i] + changes.costs[j] - front.costs[row]
            quality = changes.quality[i] + changes.quality[j] - front.quality[row]
            promised[both.tobytes()] = quality - front.best(np.array([cost]))[0]
    one = judged(case.judge, member[None])
    found = front_search.promising(front, one, changes, changes)
    # Two decisions that change one another's nodes may give equal tokens in two ways; here every pair is another child.
    best = sorted(promised.values(), reverse=True)[:3]
    assert sorted((promised[child.tobytes()] for child in found), reverse=True) == pytest.approx(best)


def test_local_search_ends_in_the_exact_front_of_a_space_that_can_be_listed(case):
    front = local(case, begin(case), 40)
    cost, best = exact(case)
    np.testing.assert_array_equal(front.costs, cost)
    np.testing.assert_allclose(front.quality, best, atol=1e-7)
    np.testing.assert_allclose(truth(case.judge, front.tokens)[0], best, atol=1e-7)


def test_a_search_only_ever_adds(case):
    before = local(case, begin(case), 1)
    after = local(case, before, 2, seed=1)
    assert (after.best(case.yardstick.budgets) >= before.best(case.yardstick.budgets)).all()


def test_a_controller_gives_what_it_keeps(case):
    search = front_search.ControllerSearch(case.judge, "enumeration", {}, NO_ANSWERS)
    found = search(begin(case), 0, 0.01)
    np.testing.assert_array_equal(found.front.costs, exact(case)[0])
    assert set(found.front.found_by) == {"cheapest", "enumeration, seed 0"}
    assert found.evaluations >= len(everything(case)[0])


# --- what is kept


def test_resuming_goes_on(case, tmp_path, monkeypatch):
    monkeypatch.setattr(best_known, "searches", lambda case, _: [LocalSearch(case.judge, clock())])
    kept = Kept(tmp_path, case)
    first = best_known.search(case, kept, begin(case), NO_ANSWERS, 3 / 60, 1.5, clock())
    again = Kept(tmp_path, case)
    read = again.front()
    np.testing.assert_array_equal(read.tokens, first.tokens)
    np.testing.assert_array_equal(read.costs, first.costs)
    assert list(read.found_by) == list(first.found_by)
    before = again.slices()
    last = best_known.search(case, again, read, NO_ANSWERS, 3 / 60, 1.5, clock())
    after = Kept(tmp_path, case).slices()
    assert after[: len(before)] == before
    assert [one.number for one in after] == list(range(len(after)))
    assert len(after) > len(before) > 0
    assert after[-1].mean_quality >= before[-1].mean_quality
    assert after[-1].architectures == len(last)
    assert after[-1].mean_quality == pytest.approx(best_known.figures(case, last)[0])


def test_the_record_of_another_search_is_refused(case, tmp_path):
    (tmp_path / "tiny_search.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"tiny_search\.csv: has columns \['a', 'b'\]"):
        Kept(tmp_path, case).slices()


def test_what_each_quarter_added():
    def after(number, seconds, quality):
        return Slice(number, "", seconds, 0, 0, quality, 2 * quality)

    slices = [after(0, 0.0, 1.0), after(1, 1.0, 2.0), after(2, 1.0, 4.0), after(3, 2.0, 7.0)]
    assert best_known.quarters(slices) == [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0), (0.0, 0.0)]


def test_an_answer_that_beats_the_front_is_told_and_searched_for(case, tmp_path, monkeypatch):
    front = local(case, begin(case), 40)
    cost, quality = case.description.costs[0].to_unit(front.costs), front.quality.copy()
    (tmp_path / "study" / "answers").mkdir(parents=True)
    np.save(tmp_path / "study" / "answers" / "tiny__nag__0.npy", np.stack([cost, quality]))
    answers = best_known.kept_answers(tmp_path, case)
    np.testing.assert_array_equal(answers[0], front.costs)
    assert front_search.ahead(front, answers).max() == 0.0
    quality[3] += 0.01
    np.save(tmp_path / "study" / "answers" / "tiny__nag__1.npy", np.stack([cost, quality]))
    answers = best_known.kept_answers(tmp_path, case)
    assert front_search.ahead(front, answers).max() == pytest.approx(0.01)
    centres = []
    window = front_search._window
    monkeypatch.setattr(front_search, "_window", lambda problem, cost: centres.append(cost) or window(problem, cost))
    front_search.ControllerSearch(case.judge, "random", {"children": 4}, answers)(front, 5, 0.01)
    assert centres == [front.costs[3]]
    near = window(case.judge, centres[0])
    assert near.low[0] <= centres[0] <= near.high[0]
    assert case.judge.low[0] <= near.low[0] < near.high[0] <= case.judge.high[0]


# --- regret


def exact_file(case, tmp_path):
    tokens, _, _ = everything(case)
    rows = "".join(f"{case.description.space.format(row)},anybody\n" for row in tokens)
    path = tmp_path / "tiny.csv"
    path.write_text("architecture,found_by\n" + rows)
    return path


def test_regret_to_the_best_known_is_that_to_the_oracle_where_it_is_exact(case, tmp_path):
    known = named.with_best_known(case, exact_file(case, tmp_path))
    np.testing.assert_allclose(known.yardstick.best_known, case.yardstick.oracle)
    assert known.content_hash == case.content_hash
    within = np.ones(BUDGETS, bool)
    assert metrics.points_below(known.yardstick.best_known, case.yardstick.oracle, within) == 0.0


def test_the_table_has_the_regret_of_runs_whose_answers_are_kept(case, tmp_path):
    known = named.with_best_known(case, exact_file(case, tmp_path))
    results = Results(tmp_path / "study")
    info, oracle = case.description.costs[0], case.yardstick.oracle
    budgets = info.to_unit(case.budgets[:, 0].astype("int64"))
    for seed, below in enumerate((0.0, 0.02)):
        row = line("tiny", "a", seed, final=True, settings="{}")
        results.save_answers(row.key, row.decode, budgets, oracle - below)
        results.add([row])
    over = line("tiny", "b", 0, final=True, settings="{}")
    results.save_answers(over.key, over.decode, np.append(budgets[:-1], 2 * budgets[-1]), oracle)
    results.add([over, line("tiny", "c", 0, final=True, settings="{}")])
    (tables,) = report.write(results, [known], "a", "")
    found = {one.side[0]: one.spreads.get(table.BEST_KNOWN) for one in tables.lines}
    assert found["a"].mean == pytest.approx(1.0)
    assert found["a"].count == 2
    # One of the answers is over its budget and counts as quality 0.
    assert found["b"].mean == pytest.approx(100 * oracle[-1] / BUDGETS)
    assert found["c"] is None
    text = (results.folder / report.TABLE).read_text()
    assert f"{table.BEST_KNOWN}_mean" in text.splitlines()[0]
    assert "regret to best known" in (results.folder / report.PAGE).read_text()
    (without,) = report.write(results, [case], "a", "")
    assert all(table.BEST_KNOWN not in one.spreads for one in without.lines)


def test_an_architecture_that_the_problem_excludes_is_refused(case, tmp_path):
    path = exact_file(case, tmp_path)
    few = testing.tiny_problem(where={"depth": [3]})
    narrow = make_case("tiny", few.problem, few.description, 5)
    with pytest.raises(ValueError, match=r"tiny\.csv: row \d+, column 'architecture': .* is not of the problem"):
        named.with_best_known(narrow, path)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["note10"], "write --best_known=PROBLEM=FILE"),
        (["note1=a.csv"], "did you mean 'note10'"),
        (["note10=a.csv", "note10=b.csv"], "is given twice"),
    ],
)
def test_flags_that_name_no_front_are_refused(entries, says):
    with pytest.raises(ValueError, match=says):
        named.parse_files(entries, ["note10", "own=own.flags"])


def test_the_main_jobs_regret_is_the_difference_of_two_gaps():
    held = {
        f"nag/full/{seed}": {"greedy_mean": mean, "best_mean": mean + 0.01, "infeasible": 0}
        for seed, mean in enumerate((0.1, 0.12, 0.13))
    }
    found = quality_note10.summary(held, 0.15)
    assert found["regret_to_best_known"] == pytest.approx(0.03)
    assert found["best_regret_to_best_known"] == pytest.approx(0.02)
    assert quality_note10.summary({}, 0.15)["regret_to_best_known"] is None


def test_the_study_of_rounds_on_the_note10_is_of_means_over_seeds():
    made = {"commit": "a", "date": "b", "machine": "c", "load": "1.0"}
    held = {
        "rounds/0": {"gap_200": -1.0, "gap_1000": -0.2, **made},
        "rounds/1": {"gap_200": -0.8, "gap_1000": -0.1, **made},
        "nsga2/0": {"nsga2_gap_1000": -0.9, **made},
    }  # fmt: skip
    found = rounds_note10.summary(held, 0.15)
    assert (found["gap_200"], found["gap_1000"]) == pytest.approx((-0.9, -0.15))
    assert found["gap_1000_std"] == pytest.approx(0.1 / np.sqrt(2))
    assert found["regret_to_best_known_1000"] == pytest.approx(0.3)
    assert (found["nsga2_gap_1000"], found["one_shot_seeds"]) == (-0.9, 0)
    assert rounds_note10.summary({}, 0.15)["regret_to_best_known_1000"] is None
