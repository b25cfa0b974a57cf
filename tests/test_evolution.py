"""Evolution of architectures by hand: sorting, crowding, and populations within budgets of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, plugins, testing
from nagjax.budgets import budget_at_share, upper_budgets
from nagjax.populations.archive import allowed_rows
from nagjax.populations.front import Front, front_gain
from nagjax.problems.problem import evaluate
from nagjax.testing.runs import held, train
from nagjax_evolution import categorical_ga, nsga2, sorting
from tests import tiny

POINTS = jnp.array([[1.0, 5.0], [2.0, 3.0], [4.0, 1.0], [2.0, 6.0], [3.0, 4.0], [5.0, 5.0], [2.0, 3.0]])
"""Two minimised objectives: rows 0, 1, 2 and 6 (row 1 again) are beaten by none; 3 by 0, 4 by 1; 5 by 4 as well."""


def test_fronts_of_a_hand_made_set():
    assert sorting.nondominated_ranks(POINTS, 7).tolist() == [0, 0, 0, 1, 1, 2, 0]
    # Four points are in the first front: whoever needs no more gets no second.
    assert sorting.nondominated_ranks(POINTS, 4).tolist() == [0, 0, 0, 7, 7, 7, 0]


def test_fronts_equal_peeling_by_all_pairs():
    points = np.random.default_rng(0).integers(0, 9, (60, 3)).astype(np.float32)
    left, wanted = list(range(60)), np.zeros(60, int)
    front = 0
    while left:
        free = [
            i for i in left if not any((points[j] <= points[i]).all() and (points[j] < points[i]).any() for j in left)
        ]
        wanted[free] = front
        left, front = [i for i in left if i not in free], front + 1
    np.testing.assert_array_equal(sorting.nondominated_ranks(jnp.asarray(points), 60), wanted)


def test_crowding_of_a_hand_made_front():
    """One front of five on a line over 0..10 by 0..20; another of one point, which is its own end."""
    points = jnp.array([[0.0, 20.0], [1.0, 16.0], [4.0, 10.0], [10.0, 0.0], [99.0, 99.0]])
    found = sorting.crowding(points, jnp.array([0, 0, 0, 0, 1]))
    # Row 1: (4 - 0) / 10 + (20 - 10) / 20; row 2: (10 - 1) / 10 + (16 - 0) / 20.
    np.testing.assert_allclose(found, [np.inf, 0.9, 1.7, np.inf, np.inf], rtol=1e-6)


def test_a_front_without_extent_is_not_divided_by():
    found = sorting.crowding(jnp.array([[1.0, 1.0]] * 4), jnp.zeros(4, jnp.int32))
    assert not np.isnan(np.asarray(found)).any()


def test_survivors_are_the_first_front_and_the_loneliest_of_the_next():
    """Costs 1..5 with the qualities of a front, one repeat, one without a quality, and a second front of three."""
    costs = jnp.array([[10], [20], [10], [5], [12], [14], [30]])
    quality = jnp.array([0.5, 0.9, 0.5, -jnp.inf, 0.40, 0.42, 0.8])
    tokens = jnp.array([[0], [1], [0], [2], [3], [4], [5]])
    kept = jax.jit(nsga2.survive, static_argnums=3)(tokens, costs, quality, 4)
    assert kept.rank.tolist() == [0, 0, 1, 1]
    # Second front: (12, .40), (14, .42), (30, .8): the two ends stay, the one between goes.
    assert sorted(kept.tokens[:, 0].tolist()) == [0, 1, 3, 5]


def test_repeats_are_found():
    tokens = jnp.array([[0, 1], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1]])
    assert nsga2.repeats(tokens).tolist() == [False, False, True, False, True, True]


def test_children_of_nsga2_are_new_where_there_are_new_ones():
    problem = testing.tiny_problem(variant="wide").problem
    controller = plugins.load("controllers", "nsga2")(problem.spec, population=16)
    state = controllers.init(controller, problem, 0)
    params = controllers.resolve_params(controller)
    bred = jax.jit(nsga2.breed, static_argnums=2)(state.population, problem, 16, params, jax.random.key(1))
    every = tiny.rows(bred) | tiny.rows(state.population.tokens)
    assert len(every) == 16 + len(tiny.rows(state.population.tokens))


def test_early_exit_begins_with_architectures_within_the_bound_and_the_textbook_with_any():
    known = testing.tiny_problem(variant="wide")
    controller = plugins.load("controllers", "nsga2")(known.problem.spec, population=64)
    bound = int(budget_at_share(known.problem, jnp.full((1, 1), 0.3))[0, 0])
    begun = {}
    for first in nsga2.FIRST:
        params = controllers.resolve_params(controller, {"first": first, "exit_share": 0.3})
        begun[first] = controllers.init(controller, known.problem, 0, params)
    costs = {first: np.asarray(state.population.costs) for first, state in begun.items()}
    assert (costs["early_exit"] <= bound).all()
    assert (costs["open"] > bound).mean() > 0.5
    assert costs["budgets"].min() == known.problem.low  # the cheapest is the first of them
    assert {int(state.findings.evaluations) for state in begun.values()} == {64}


def test_every_tournament_breeds_within_its_own_budget():
    known = testing.tiny_problem(variant="wide")
    controller = plugins.load("controllers", "regularised_evolution")(known.problem.spec, budgets=4, population=8)
    moment = train(controller, known.problem, steps=10)
    budgets = np.asarray(upper_budgets(known.problem, 4))
    assert budgets[-1] == known.problem.high
    costs = np.stack([evaluate(known.problem, row)[1] for row in moment.state.populations.tokens])
    assert (costs <= budgets[:, None]).all()
    assert moment.metrics["infeasible"].sum() == 0
    # 4 x 8 at first, 4 an update.
    assert moment.metrics["evaluations"].tolist() == [32.0 + 4 * i for i in range(6, 11)]


@pytest.mark.parametrize("name", ["nsga2", "regularised_evolution", "categorical_ga"])
def test_evolution_finds_the_front_of_a_small_space(name):
    known = testing.tiny_problem()
    controller = plugins.load("controllers", name)(known.problem.spec, population=64, capacity=128)
    found = controllers.artefact(controller, train(controller, known.problem, steps=60).state, known.problem)
    tokens, _, quality = held(found)
    best = known.oracle.best(known.oracle.costs[known.oracle.rows(tokens)])
    assert quality.max() == pytest.approx(known.oracle.quality.max())
    assert (np.abs(quality - best) < 1e-6).mean() > 0.9


def rebased(name, population, **static):
    """State, problem and evaluations before and after a change of prices and qualities that closes choices as well."""
    before = testing.tiny_problem().problem
    after = testing.tiny_problem(seed=1, device=2, where={"layer1": [8, 24], "layer3": [8, 16]}).problem
    controller = plugins.load("controllers", name)(before.spec, population=population, capacity=64, **static)
    state = train(controller, before, steps=10).state
    spent = int(state.findings.evaluations)
    return state, controllers.rebase(controller, state, after), after, spent


def scored(problem, tokens, budgets=None):
    """Quality and costs under a problem, -inf for what it has closed or what costs more than its budget."""
    quality, costs = evaluate(problem, tokens)
    fits = allowed_rows(problem, tokens)
    fits = fits if budgets is None else fits & (costs <= budgets).all(-1)
    return np.where(fits, quality, -np.inf), np.asarray(costs)


def test_populations_of_nsga2_are_scored_anew():
    _, after, problem, spent = rebased("nsga2", 32)
    quality, costs = scored(problem, after.population.tokens)
    np.testing.assert_array_equal(after.population.quality, quality)
    np.testing.assert_array_equal(after.population.costs, costs)
    assert np.isneginf(quality).any()
    assert np.isfinite(quality).any()
    assert int(after.findings.evaluations) >= spent + 32


@pytest.mark.parametrize("name", ["regularised_evolution", "categorical_ga"])
def test_populations_with_a_budget_each_are_scored_anew(name):
    before, after, problem, spent = rebased(name, 8, budgets=4)
    tokens = after.populations.tokens if name == "regularised_evolution" else after.search.population
    own = after.populations.quality if name == "regularised_evolution" else -after.search.fitness
    old = before.populations.quality if name == "regularised_evolution" else -before.search.fitness
    budgets = jnp.repeat(upper_budgets(problem, 4), 8, 0)
    quality, _ = scored(problem, tokens.reshape(32, -1), budgets)
    np.testing.assert_array_equal(own.reshape(32), quality)
    assert np.isneginf(quality).any()
    assert np.isfinite(quality).any()
    allowed, _ = scored(problem, tokens.reshape(32, -1))
    assert (np.isfinite(allowed) & np.isneginf(quality)).any(), "some are allowed and no longer within their budget"
    assert not np.array_equal(own, old)
    assert int(after.findings.evaluations) >= spent + 32


@pytest.mark.parametrize(
    ("name", "static"),
    [
        ("nsga2", {"population": 32}),
        ("regularised_evolution", {"population": 8, "budgets": 4, "workers": 8}),
        ("categorical_ga", {"population": 8, "budgets": 4}),
        ("snes", {"population": 8, "budgets": 4, "hidden": 4, "anchors": 4}),
        ("random", {"children": 32}),
    ],
)
def test_what_has_no_quality_is_counted_and_what_has_one_is_not(name, static):
    """Of the first update's 32 architectures some have none where 9 of 10 have none; elsewhere each has one."""
    for gaps, wanted in ((0.9, lambda count: 8 < count <= 32), (0.0, lambda count: count == 0)):
        problem = testing.tiny_problem(gaps=gaps).problem
        moment = train(plugins.load("controllers", name)(problem.spec, capacity=64, **static), problem, steps=5)
        assert wanted(moment.metrics["nonfinite"][0]), (gaps, moment.metrics["nonfinite"])


def test_elites_survive_beside_the_best_children():
    """Fitness is minimised: of the parents 1, 4, 2 stays the best, of the children 3, 0, 5 the best two."""
    algorithm = categorical_ga._algorithm(3, 1)
    state = algorithm._init(None, None).replace(
        population=jnp.array([[1], [4], [2]]), fitness=jnp.array([1.0, 4.0, 2.0])
    )
    after, _ = algorithm.tell(jax.random.key(0), jnp.array([[3], [0], [5]]), jnp.array([3.0, 0.0, 5.0]), state, None)
    assert after.population[:, 0].tolist() == [1, 0, 3]
    assert after.fitness.tolist() == [1.0, 0.0, 3.0]
    assert after.best_solution.tolist() == [0]


def test_the_front_is_that_of_all_pairs():
    rng = np.random.default_rng(1)
    for columns in (1, 2):
        costs, quality = rng.integers(1, 30, (200, columns)), rng.integers(0, 40, 200) / 40
        quality[::7] = -np.inf
        gain = np.asarray(front_gain(jnp.asarray(costs), jnp.asarray(quality, jnp.float32)))
        for i in range(200):
            alike = (costs == costs[i]).all(1)
            cheaper = (costs <= costs[i]).all(1) & ~alike
            best = np.append(quality[cheaper], -np.inf).max()
            beaten = (
                quality[i] <= best
                or (quality[alike] > quality[i]).any()
                or (quality[:i][alike[:i]] == quality[i]).any()
            )
            wanted = 0.0 if beaten else quality[i] - best
            assert gain[i] == pytest.approx(wanted, abs=1e-6)


def test_a_full_front_drops_what_is_missed_least():
    """Gains: inf, 0.1, 0.01, 0.2: the third goes."""
    archive = Front.empty(tiny.make()[0].spec, 3)
    costs, quality = jnp.array([[1], [2], [3], [4]]), jnp.array([0.5, 0.6, 0.61, 0.81])
    kept = archive.insert(jnp.zeros((4, 4), jnp.int32), costs, quality)
    assert sorted(kept.costs[:, 0].tolist()) == [1, 2, 4]
