"""Entangled weights: shares by hand and by brute force, how logits are learned, and what they end in."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from nagjax import plugins, testing
from nagjax.authoring import Spec, madds, params, tabular_quality
from nagjax.predictors.formats.readers import read_predictor
from nagjax.spaces import mobilenet_v3_elastic, nas_bench_macro
from nagjax.spaces.mobilenet_v3 import make_space
from nagjax.spaces.trellis import enumerate_paths
from nagjax.supernet import entangled, forms, storage, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.forms import LOGITS, NETWORK, Choices
from nagjax.supernet.shares import LEAST
from nagjax.supernet.shares import read as shares_read
from nagjax.supernet.strategy import make_strategy
from nagjax.testing.small import HEAD, STEM, small_elastic, small_space, small_task
from tests import deployed

SPACE, TASK = small_space(), small_task()
EVERY = enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
ALLOWED = jnp.array([[True, True, False], [True, True, True]])
LOGITS_OF = jnp.array([[0.0, 1.0, 5.0], [0.5, 0.0, -0.5]])

shares = jax.jit(entangled.shares, static_argnums=0)


def trained(steps=12, seed=0, **settings):
    recipe = training.Recipe(steps=steps, batch=16, learning_rate=0.1, seed=seed)
    learner = training.supernet_learner(SPACE, SPACE.trellis.valid, make_strategy("entangled", settings))
    return training.train_whole(learner, TASK, recipe)


# Shares


@pytest.mark.parametrize("sampler", entangled.SAMPLERS)
def test_shares_are_distributions_over_what_is_allowed(sampler):
    for seed in range(4):
        probs = shares(sampler, LOGITS_OF, ALLOWED, 0.7, jax.random.key(seed))
        np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-5)
        assert (probs >= 0).all()
        assert probs[0, 2] == 0
        if sampler in ("gdas", "gates"):
            assert set(np.unique(probs)) == {0, 1}


def test_darts_has_no_noise_and_drawn_shares_follow_it():
    soft = shares("darts", LOGITS_OF, ALLOWED, 1.0, jax.random.key(0))
    np.testing.assert_allclose(soft[0, :2], [1 / (1 + np.e), np.e / (1 + np.e)], rtol=1e-5)
    keys = jax.random.split(jax.random.key(1), 4000)
    for sampler in ("gdas", "gates"):
        drawn = jax.jit(jax.vmap(lambda key, s=sampler: entangled.shares(s, LOGITS_OF, ALLOWED, 1.0, key)))(keys)
        np.testing.assert_allclose(drawn.mean(0), soft, atol=0.03)
    drawn = jax.jit(jax.vmap(lambda key: entangled.shares("drnas", LOGITS_OF, ALLOWED, 1.0, key)))(keys)
    np.testing.assert_allclose(drawn[:, 0].mean(0), [1 / 3, 2 / 3, 0], atol=0.03)  # concentrations 1 and 2


@pytest.mark.parametrize("sampler", entangled.SAMPLERS)
def test_a_better_choice_gains(sampler):
    """Slopes of a loss that one choice lowers, over many draws: down for its logit, up for the others."""
    keys = jax.random.split(jax.random.key(2), 400)

    def loss(logits, key):
        return -entangled.shares(sampler, logits, ALLOWED, 1.0, key)[1, 2]

    slopes = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(LOGITS_OF, keys).mean(0)
    assert slopes[1, 2] < -0.01
    assert (slopes[1, :2] > 0).all()
    np.testing.assert_allclose(slopes[0], 0, atol=1e-6)


def test_neighbours_are_the_shares_with_one_decision_of_chance():
    """Of two decisions half of each; in the mean the other half is even over what is allowed."""
    probs = shares("darts", LOGITS_OF, ALLOWED, 1.0, jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 4000)
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: entangled.near(probs, ALLOWED, key)))(keys))
    np.testing.assert_allclose(drawn.sum(-1), 1, rtol=1e-5)
    chance = 2 * drawn - np.asarray(probs)
    assert set(np.unique(np.round(chance, 5))) == {0, 1}
    np.testing.assert_allclose(chance.mean(0), [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]], atol=0.03)


def test_with_neighbours_the_loss_is_their_mean():
    elastic = training.elastic_of(SPACE, form=Choices())
    rng = np.random.default_rng(0)
    fresh = jax.jit(elastic.init)(jax.random.key(0))
    parameters = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.3, leaf.shape).astype(np.float32), fresh)
    inputs, aims = rng.normal(size=(3, 4, 4, 1)).astype(np.float32), np.eye(3, dtype=np.float32)
    strategy = make_strategy("entangled", {"neighbours": 3})
    (lesson,) = strategy.lessons(np.random.default_rng(0), SPACE, SPACE.trellis.valid, 1.0, ())
    given = lesson.given
    loss, _ = jax.jit(lambda p: strategy.loss(elastic, TASK, p, inputs, aims, lesson.tokens, given))(parameters)
    key, allowed = jax.random.key(given["seed"]), SPACE.trellis.valid.any(1)
    probs = shares("darts", parameters[LOGITS], allowed, given["heat"], key)
    mixed = jax.jit(elastic.mixed)
    losses = [
        TASK.loss(mixed(parameters, inputs, entangled.near(probs, allowed, one)), aims).mean()
        for one in jax.random.split(jax.random.fold_in(key, 1), 3)
    ]
    assert len({float(loss) for loss in losses}) > 1
    assert float(loss) == pytest.approx(float(np.mean(losses)), rel=1e-5)
    assert "neighbours" not in make_strategy("entangled").settings, "as records from before have it"


def test_the_expected_size_is_the_mean_over_paths():
    """Of macro's 3,969 networks, whose nodes leave different choices; brute force over all."""
    space = nas_bench_macro.make()
    rng = np.random.default_rng(0)
    added = rng.normal(size=space.trellis.shape).astype(np.float32)
    probs = rng.dirichlet(np.ones(3), 8).astype(np.float32)
    valid, target = space.trellis.valid, space.trellis.target
    whole = np.where(valid, probs[:, None], 0)
    step = whole / np.maximum(whole.sum(-1, keepdims=True), 1e-30)
    paths = enumerate_paths(target, valid)
    chance = space.path_values(paths, step).prod(-1)
    assert chance.sum() == pytest.approx(1, rel=1e-5)
    found = jax.jit(entangled.expected)(target, valid, added, probs)
    assert float(found) == pytest.approx(chance @ space.path_values(paths, added).sum(-1), rel=1e-4)


@pytest.mark.parametrize("left", [0.0, 1e-38, 1e-25, 1e-13, 1e-9])
def test_slopes_of_the_expected_size_are_finite_where_a_node_has_next_to_none_of_the_shares(left):
    """Node 1 has lost the choice that all of the share is of; half of all paths go through it."""
    target = np.zeros((2, 2, 2), int)
    target[0, 0] = [0, 1]
    edges = np.array([[[True, True], [False, False]], [[True, True], [False, True]]])
    added = np.array([[[0.0, 0.0], [0.0, 0.0]], [[3.0, 1.0], [0.0, 1.0]]], np.float32)
    probs = np.array([[0.5, 0.5], [1.0 - left, left]], np.float32)
    slopes = jax.grad(lambda given: entangled.expected(target, edges, added, given))(probs)
    np.testing.assert_allclose(slopes[0], [1.0, -1.0], rtol=1e-5)  # of 3 and 1, up to what both share
    assert np.isfinite(slopes).all()


# Updates


def test_an_exponentiated_update_multiplies_shares():
    """Worked by hand: theta exp(-rate dL/dtheta) for L = <theta, v>, normalised, is what the logits give after it."""
    logits, v = jnp.array([[0.3, -0.2, 0.1]]), jnp.array([[1.0, 0.0, -1.0]])
    slopes = jax.jit(jax.grad(lambda x: (jax.nn.softmax(x) * v).sum()))(logits)
    rule = entangled.exponentiated(0.1)
    change, _ = rule.update(slopes, rule.init(logits), logits)
    wanted = jax.nn.softmax(logits) * jnp.exp(-0.1 * v)
    np.testing.assert_allclose(jax.nn.softmax(logits + change), wanted / wanted.sum(), rtol=1e-5)
    hard, _ = rule.update(1e6 * slopes, rule.init(logits), logits)
    assert np.abs(hard).max() == pytest.approx(entangled.CLIP)


# Training


@pytest.mark.parametrize(("update", "rate"), [("adam", 0.1), ("exponentiated", 0.5)])
def test_a_high_price_draws_to_the_smallest(update, rate):
    """Which leaves the second block out and takes the narrow first one."""
    state = trained(update=update, rate=rate, price=50.0, steps=12)
    logits = np.asarray(state.parameters[LOGITS])
    assert logits.argmax(-1).tolist() == SPACE.smallest().tolist()
    assert logits[0, 2] == forms.ABSENT, "there is no such choice"


def test_a_device_may_say_what_costs(tmp_path):
    """By hand: stem and head 1 ms, a narrow pair 3 + 3, a wide one 2 + 1 (it ends as the stem), the costliest 14 ms."""
    times = {STEM.key: 1.0, HEAD.key: 1.0, "linear-1x1x8-1x1x16-k1-s1": 2.0, "linear-1x1x8-1x1x8-k1-s1": 3.0}
    rows = [{"operator": key, "mean": mean} for key, mean in times.items()]
    about = dict.fromkeys(("device", "runtime", "dtype", "measured"), "unknown")
    table = tmp_path / "table.json"
    table.write_text(json.dumps(
        {"format": "nagjax-device-table", "version": 1, **about, "batch": 1, "unit": "ms", "rows": rows}))  # fmt: skip
    costs = SPACE.path_values(EVERY, entangled.edge_costs(SPACE, str(table))).sum(-1)
    both = [2 + (6, 3)[row[0]] + (0, 6, 3)[row[1]] for row in EVERY]
    np.testing.assert_allclose(costs, np.array(both) / 14, rtol=1e-6)
    madds = SPACE.path_values(EVERY, entangled.edge_costs(SPACE)).sum(-1)
    assert madds.argmax() == 5
    assert madds.max() == pytest.approx(1)


def test_logits_wait_and_the_network_does_not():
    state = trained(steps=3, warmup=0.9)
    assert set(np.unique(state.parameters[LOGITS])) == {0.0, np.float32(forms.ABSENT)}
    fresh = jax.jit(training.elastic_of(SPACE, form=Choices()).init)(jax.random.key(0))
    stem = [tree[NETWORK]["stem"]["weights"] for tree in (state.parameters, fresh)]
    assert np.any(stem[0] != stem[1])


def test_blocks_of_all_ratios_and_depths_are_mixed():
    """Two of each, at the one resolution that is compiled."""
    plan = dataclasses.replace(deployed.PLAN, resolutions=(8,))
    testing.check_elastic_mixed(lambda: make_space("mixed", 1, {}, plan))


def test_blocks_that_do_not_expand_cannot_be_mixed():
    plan = dataclasses.replace(deployed.PLAN, ratios=(1, 2))
    assert mobilenet_v3_elastic.elastic(plan).mixed is None
    assert mobilenet_v3_elastic.elastic(deployed.PLAN).mixed is not None


def test_a_network_that_cannot_be_mixed_is_refused():
    plain = dataclasses.replace(SPACE, elastic=lambda dtype: dataclasses.replace(small_elastic(), mixed=None))
    learner = training.supernet_learner(plain, plain.trellis.valid, make_strategy("entangled"))
    with pytest.raises(ValueError, match="weights of this space cannot be mixed"):
        training.start(learner, training.Recipe(steps=1))


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"sampler": "enas"}, "darts, gumbel"), ({"update": "sgd"}, "adam, exponentiated"), ({"rate": 0}, "rate"),
     ({"price": -1.0}, "price"), ({"warmup": 1.0}, "warmup"), ({"neighbours": -1}, "neighbours")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        make_strategy("entangled", settings)


# What it ends in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained one, whose logits are then set by hand."""
    state = trained(steps=2)
    logits = jnp.array([[0.0, 1.0, forms.ABSENT], [0.0, 2.0, 0.5]])
    out = tmp_path_factory.mktemp("runs") / "supernet"
    with storage.Writer(out, forms.written(Choices())) as writer:
        writer.save(state._replace(parameters={**state.parameters, LOGITS: logits}), 0.0)
    return out


def test_labels_are_of_the_weights_without_logits(folder):
    weights = storage.read_weights(folder)
    assert json.loads(json.dumps(weights.config["form"])) == {"name": "choices"}
    label = supernet_assessor(SPACE, TASK, form=weights.form).scores(weights.parameters, EVERY[2], TASK.validation)
    plain = supernet_assessor(SPACE, TASK).scores(weights.parameters[NETWORK], EVERY[2], TASK.validation)
    assert label == plain


def test_logits_become_a_policy_that_answers_any_budget(folder, tmp_path):
    """By a controller that leaves them as they are, and from a checkpoint: the best that fits, decision by decision."""
    quality = tabular_quality(SPACE, EVERY, np.linspace(0.4, 0.6, len(EVERY)))
    posed = nagjax.problem(SPACE, quality=quality, costs=["params"])
    generator = nagjax.train(
        posed, "nag_simplex", steps=1, progress=False, params={"rate": 0.0, "floor": 0.0},
        sizes={"start": str(folder), "anchors": 2, "budgets": 2, "group": 2},
    )  # fmt: skip
    generator.save(tmp_path / "run")
    costs = {tuple(row): float(value) for row, value in zip(EVERY.tolist(), _params(EVERY), strict=True)}
    generator = nagjax.load(tmp_path / "run", space=SPACE)
    for budget in sorted(costs.values()):
        (answer,) = generator.generate(budgets={"params_m": [budget]}, decode="greedy")
        first = 1 if min(cost for row, cost in costs.items() if row[0] == 1) <= budget else 0
        second = next(c for c in (1, 2, 0) if costs[first, c] <= budget)
        assert answer.text == SPACE.format(np.array([first, second]))


def shared_folder(folder, space, logits, where=()):
    """A folder with logits and no network: what shares are read from."""
    config = {"space": {"name": space.name, "version": space.version, "settings": dict(space.settings)},
              "where": dict(where), **forms.written(Choices())}  # fmt: skip
    with storage.Writer(folder, config) as writer:
        writer.save(training.TrainState({NETWORK: {"a": np.zeros(1)}, LOGITS: np.float32(logits)}, (), 1), 0.0)
    return folder


def log_probability(space, logits, tokens, edges):
    """By hand, walking node by node: the share of each choice among those that its node has."""
    node, total = 0, 0.0
    for t, choice in enumerate(tokens):
        has = np.flatnonzero(edges[t, node])
        total += logits[t, choice] - np.log(np.exp(logits[t, has]).sum())
        node = space.trellis.target[t, node, choice]
    return total


def test_the_most_probable_architecture_within_any_budget_is_found_exactly(tmp_path):
    """Depths close decisions, so shares are among what a node has; every budget that changes the answer, by a list."""
    space = make_space("shared", 1, {}, dataclasses.replace(deployed.PLAN, resolutions=(8,)))
    edges = space.trellis.valid
    every = enumerate_paths(space.trellis.target, edges)
    noise = np.random.default_rng(3).normal(scale=0.5, size=(edges.shape[0], edges.shape[2]))
    logits = np.float64(np.float32(noise + 2 * np.arange(edges.shape[2])))  # the larger the more likely
    folder = shared_folder(tmp_path / "supernet", space, logits)
    posed = nagjax.problem(space, costs=["madds"], predictor=folder, predictor_format="shares")
    generator = nagjax.train(posed, "exact", steps=40, progress=False)
    costs = space.operator_sum(every, np.array([madds(op) for op in space.operators], np.float64)) / 1e6
    truth = np.array([log_probability(space, logits, row, edges) for row in every])
    budgets = np.unique(costs)
    answers = generator.generate(budgets={"madds_m": budgets.tolist()})
    found = [log_probability(space, logits, answer.tokens, edges) for answer in answers]
    best = [truth[costs <= budget].max() for budget in budgets]
    assert len(np.unique(best)) > 4
    np.testing.assert_allclose(found, best, atol=1e-5)
    quality = np.array([answer.quality for answer in answers])
    np.testing.assert_allclose(quality, 1 - np.array(best) / truth.min(), atol=1e-5)


def test_what_the_training_had_closed_is_hardly_probable(tmp_path):
    """And shares of the others are among those that were open: 1 / 2 each."""
    folder = shared_folder(tmp_path / "supernet", SPACE, np.zeros((2, 3)), {"block2": [0, 1]})
    found = read_predictor(folder, SPACE, "shares", {"shares": shares_read}).predictor
    assert found.rank_valued
    values = jax.jit(lambda *asked: found(*asked)[0])(EVERY, SPACE.features(EVERY))
    open_ = EVERY[:, 1] < 2
    least = np.log(2) - np.log(LEAST)
    np.testing.assert_allclose(values, np.where(open_, 1 - 2 * np.log(2) / least, 0), atol=1e-6)


def _params(rows):
    return SPACE.operator_sum(rows, np.array([params(op) for op in SPACE.operators], np.float64)) / 1e6


def test_scores_of_another_space_and_weights_without_any_are_refused(folder, tmp_path):
    spec = Spec(("layer",) * 8, (3,) * 8, ("sum",), 5, 4)
    make = plugins.load("controllers", "nag_simplex")
    with pytest.raises(ValueError, match=r"has logits of \[2, 3\] decisions and choices, the problem has \[8, 3\]"):
        make(spec, start=str(folder))
    with storage.Writer(tmp_path, {}) as writer:
        writer.save(training.TrainState({"a": np.zeros(1)}, (), 1), 0.0)
    with pytest.raises(ValueError, match="no logits of choices"):
        make(spec, start=str(tmp_path))
    named = shared_folder(tmp_path / "named", SPACE, np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"is a supernet of small\(.*, not of nas_bench_macro"):
        shares_read(named, nas_bench_macro.make())
