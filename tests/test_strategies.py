"""The factory over evosax's strategies: what it makes improves, and what cannot be used is refused with the reason."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, plugins, testing
from nagjax.testing.runs import held, train
from nagjax_evolution import policy_search
from nagjax_evolution.strategies import make_strategy
from tests import tiny

WEIGHTS = {"matrix": jnp.zeros((2, 2)), "bias": jnp.zeros(3)}
BEST = {"matrix": jnp.array([[0.5, -0.4], [0.3, 0.2]]), "bias": jnp.array([-0.6, 0.1, 0.4])}


def loss(weights):
    return sum(jnp.sum((leaf - best) ** 2) for leaf, best in zip(*map(jax.tree.leaves, (weights, BEST)), strict=True))


def minimise(strategy, steps, seed=0):
    params = {name: jnp.float32(value) for name, value in strategy.defaults.items()}

    def step(state, key):
        solutions, state = strategy.ask(key, state, params)
        return strategy.tell(key, solutions, jax.vmap(loss)(solutions), state, params), None

    @jax.jit
    def run(key):
        return strategy.mean(jax.lax.scan(step, strategy.init(key, WEIGHTS, params), jax.random.split(key, steps))[0])

    return float(loss(run(jax.random.key(seed))))


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("SNES", {"std_init": 0.1}),
        ("PGPE", {"std_init": 0.05}),
        ("Open_ES", {"std": 0.05}),
        ("Sep_CMA_ES", {"std_init": 0.1}),
    ],
)
def test_a_quadratic_is_minimised(name, defaults):
    """From a loss of 1.07 to below a hundredth of it in 150 generations of 16."""
    start = float(loss(WEIGHTS))
    assert start == pytest.approx(1.07, rel=1e-5)
    assert minimise(make_strategy(name, 16, WEIGHTS, defaults=defaults), 150) < 0.01 * start


def test_the_step_of_the_mean_is_swept():
    """A share of 0 leaves the mean where it is; the object is the same, so nothing of it is compiled in."""
    strategy = make_strategy("SNES", 8, WEIGHTS, defaults={"learning_rate": 0.0})
    assert minimise(strategy, 5) == pytest.approx(float(loss(WEIGHTS)))


def test_a_full_covariance_that_cannot_fit_is_refused_with_its_size():
    """20,000 parameters: C and B of 4 x 20,000^2 bytes each, 1.49 GiB, three times over."""
    weights = {"w": jax.ShapeDtypeStruct((20_000,), jnp.float32)}
    with pytest.raises(ValueError, match=r"'CMA_ES' on 20,000 parameters.*about 8\.9 GiB.*Sep_CMA_ES.*memory_gib"):
        make_strategy("CMA_ES", 16, weights)
    make_strategy("Sep_CMA_ES", 16, weights)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SNS", "did you mean 'SNES'"),
        ("LES", "pickle"),
        ("RandomSearch", "also needs sampling_fn"),
        ("SV_Open_ES", "also needs num_populations"),
        ("PersistentES", "whole numbers that cannot be swept"),
    ],
)
def test_strategies_that_cannot_be_used_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        make_strategy(name, 8, WEIGHTS)


def test_numbers_and_sizes_are_checked():
    with pytest.raises(ValueError, match=r"SNES has no number 'sigma'; it has learning_rate, std_init"):
        make_strategy("SNES", 8, WEIGHTS, defaults={"sigma": 1.0})
    with pytest.raises(ValueError, match="population=7; it is an even number"):
        make_strategy("PGPE", 7, WEIGHTS)


def test_generators_without_a_finite_sample_are_the_worst():
    quality = jnp.array([[0.5, 0.7], [-jnp.inf, 0.4], [-jnp.inf, -jnp.inf]])
    np.testing.assert_allclose(policy_search.mean_quality(quality), [0.6, 0.4, 0.4], rtol=1e-6)
    assert policy_search.mean_quality(jnp.full((2, 2), -jnp.inf)).tolist() == [0.0, 0.0]


def test_the_mean_generator_gets_better():
    """What the population draws, at the end against the first generations; every draw is counted and within budget."""
    known = testing.tiny_problem(variant="wide")
    make = plugins.load("controllers", "snes")
    controller = make(known.problem.spec, population=32, budgets=16, hidden=4, anchors=4, capacity=64)
    seen, over = [], []

    def keep(moment):
        seen.append(float(moment.metrics["sampled_quality"].mean()))
        over.append(float(moment.metrics["infeasible"].sum()))

    state = controllers.init(controller, known.problem, 0)
    limits = controllers.Limits(150, chunk=25)
    moment = controllers.train(controller, known.problem, state, 0, limits, on_chunk=keep)
    # Qualities lie in 0.5..0.9: a fitness of the wrong sign would be below 0 and get "better" too.
    assert 0.5 < seen[0] < seen[-1] - 0.01
    assert sum(over) == 0
    assert moment.metrics["evaluations"][-1] == 150 * 32 * 16


def test_the_best_fitness_of_another_problem_is_forgotten_and_the_mean_is_not():
    before, after = testing.tiny_problem(), testing.tiny_problem(seed=1, device=1)
    make = plugins.load("controllers", "snes")
    controller = make(before.problem.spec, population=8, budgets=4, hidden=4, anchors=4, capacity=64)
    state = train(controller, before.problem, steps=5).state
    assert np.isfinite(state.search.best_fitness)
    moved = controllers.rebase(controller, state, after.problem)
    assert np.isinf(moved.search.best_fitness)
    np.testing.assert_array_equal(moved.search.mean, state.search.mean)
    tokens, _, quality = held(controllers.artefact(controller, moved, after.problem))
    np.testing.assert_allclose(quality, after.oracle.quality[after.oracle.rows(tokens)], atol=1e-6)


def test_the_generic_controller_takes_any_strategy():
    known = testing.tiny_problem()
    make = plugins.load("controllers", "evosax")
    controller = make(known.problem.spec, strategy="SimpleES", population=4, budgets=4, hidden=4, anchors=4, capacity=8)
    moment = train(controller, known.problem, steps=5)
    assert moment.metrics["evaluations"][-1] == 5 * 16
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        make(tiny.make()[0].spec, budgets=0)


def test_evosax_is_imported_only_when_used():
    code = "import sys, nagjax_evolution, nagjax_baselines; sys.exit('evosax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0
