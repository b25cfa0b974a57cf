"""One stream of samples for several tasks: weights and advantages by hand, and two tasks that want the opposite."""

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import controllers
from nagjax.devices.pricing import analytic
from nagjax.generator import decode
from nagjax.posing import problem
from nagjax.predictors.forms.table import tabular_quality
from nagjax.spaces import compose, nas_bench_macro
from nagjax.spaces import trellis as tl
from nagjax_reinforce import make_multi_task, multi_task


def behind(tokens, task):
    return np.pad(tokens, ((0, 0), (1, 0)), constant_values=task)


def test_ratios_are_to_the_mean_of_the_policies_that_admit_a_sample():
    log_prob = jnp.log(jnp.array([[0.3, 0.3], [0.1, 0.1], [0.2, 0.2]]))
    admitted = jnp.array([[True, True], [True, True], [True, False]])
    found = multi_task.balanced(log_prob, admitted)
    np.testing.assert_allclose(found[:, 0], [1.5, 0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], [2.25, 0.75, 0.0], rtol=1e-6)


def test_advantages_are_weighed_and_what_has_no_weight_counts_for_nothing():
    quality = jnp.array([[0.5, 0.7, -jnp.inf, 0.9]])
    found = multi_task.weighted_advantage(quality, jnp.array([[1.0, 3.0, 0.0, 0.0]]), 1)
    # Mean 0.65, deviation sqrt((0.15^2 + 3 * 0.05^2) / 4) = 0.0866.
    np.testing.assert_allclose(found[0, :2], [-0.15 / 0.0866, 0.05 / 0.0866], rtol=1e-3)
    assert np.isfinite(np.asarray(found)).all()


def test_one_stream_teaches_tasks_that_want_the_opposite():
    """Quality rises with the size of the layers for the first task and falls for the second."""
    macro = nas_bench_macro.make()
    tokens = tl.enumerate_paths(macro.trellis.target, macro.trellis.valid).astype(np.int32)
    cost = macro.operator_sum(tokens, analytic(macro, "madds").values)
    share = (cost - cost.min()) / np.ptp(cost)
    space = compose.prefix(macro, "task", ["large", "small"])
    every = np.concatenate([behind(tokens, 0), behind(tokens, 1)])
    quality = tabular_quality(space, every, np.concatenate([0.2 + 0.6 * share, 0.8 - 0.6 * share]))
    posed = problem(space, quality=quality, costs=["madds"]).problem
    controller = make_multi_task(posed.spec, hidden=16, anchors=4, budgets=2, group=24)
    state = controllers.init(controller, posed, 0)
    trained = controllers.train(controller, posed, state, 0, controllers.Limits(60, chunk=60)).state
    budgets = jnp.broadcast_to(posed.high, (64, 1))
    means = []
    for task in (0, 1):
        wanted = jnp.full((64, 9), -1, jnp.int32).at[:, 0].set(task)
        drawn, _ = jax.jit(decode.redraw)(
            trained.policy, posed, wanted, jnp.zeros((64, 9), bool), budgets, jax.random.key(0)
        )
        means.append(float(macro.operator_sum(np.asarray(drawn)[:, 1:], analytic(macro, "madds").values).mean()))
    assert means[0] > 2 * means[1]
    assert int(trained.evaluations) == 60 * 2 * 48
