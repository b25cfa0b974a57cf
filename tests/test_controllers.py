"""The training loop with a controller of three lines: what a run may and may not depend on."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, mesh, plugins
from nagjax.controllers import Artefact, Controller, Limits, Moment, run_chunk, train
from nagjax.populations import vary
from nagjax.populations.cells import Cells
from nagjax.problems.problem import evaluate
from tests import tiny

PROBLEM, _ = tiny.make()
BATCH = 4


def make(spec, name="toy"):
    """Random search within the costliest budget; its state also remembers how far it was told it had come."""

    def init(key, problem, params):
        return {"archive": Cells.empty(spec, 8), "noise": jax.random.normal(key), "number": jnp.int32(0)}

    def update(state, key, problem, params, progress):
        tokens, costs = vary.random_architectures(problem, jnp.repeat(problem.high[None], BATCH, 0), key)
        quality, _ = evaluate(problem, tokens)
        noise = 0.5 * state["noise"] + params["step"] * jax.random.normal(jax.random.fold_in(key, 1)) + progress
        number = state["number"] + 1
        archive = state["archive"].insert(problem, tokens, costs, quality)
        metrics = {"evaluations": BATCH * number, "infeasible": jnp.int32(0), "progress": progress}
        return {"archive": archive, "noise": noise, "number": number}, metrics

    def rebase(state, problem):
        return {**state, "archive": state["archive"].rescore(problem)}

    return Controller(
        name=name,
        spec=spec,
        settings={"batch": BATCH},
        default_params=lambda: {"step": 1.0, "decay": 0.5},
        init=init,
        update=update,
        rebase=rebase,
        artefact=lambda state, problem: Artefact(None, state["archive"]),
    )


TOY = make(PROBLEM.spec)


def run(limits, seed=0, state=None, problem=PROBLEM, **others):
    state = controllers.init(TOY, problem, seed) if state is None else state
    return train(TOY, problem, state, seed, limits, **others)


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))


@pytest.fixture(scope="module")
def whole():
    return run(Limits(20, chunk=10))


def test_the_same_seed_gives_equal_arrays(whole):
    assert (whole.step, whole.done, whole.progress) == (20, True, 1.0)
    assert same(run(Limits(20, chunk=10)).state, whole.state)
    assert not same(run(Limits(20, chunk=10), seed=1).state, whole.state)


def test_chunks_do_not_matter(whole):
    assert same(run(Limits(20, chunk=5)).state, whole.state)
    assert int(whole.state["number"]) == 20
    assert whole.metrics["evaluations"].tolist() == list(range(44, 84, 4))


@pytest.mark.parametrize(("at", "chunk"), [(5, 5), (10, 5), (10, 10), (5, 10)])
def test_a_continued_run_equals_an_uninterrupted_one(whole, at, chunk):
    """The last case goes on where a chunk of the new length does not begin."""
    kept = []

    def keep(moment):
        if moment.step == at:
            kept.append(jax.tree.map(np.array, moment.state))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Limits(20, chunk=5), on_chunk=keep)
    rest = run(Limits(20, chunk=chunk), state=jax.tree.map(jnp.asarray, kept[0]), step=at)
    assert rest.step == 20
    assert same(rest.state, whole.state)


def test_devices_share_the_updates_and_one_goes_on(whole):
    place, kept = mesh.own_devices(), []

    def keep(moment):
        kept.append(jax.tree.map(np.array, moment.state))
        assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(moment.state)} == {2}
        raise KeyboardInterrupt

    assert same(run(Limits(20, chunk=10), place=place).state, whole.state)
    with pytest.raises(KeyboardInterrupt):
        run(Limits(20, chunk=10), place=place, on_chunk=keep)
    rest = run(Limits(20, chunk=10), state=jax.tree.map(jnp.asarray, kept[0]), step=10)
    assert same(rest.state, whole.state)


def test_a_finished_run_is_left_as_it_is(whole):
    again = run(Limits(20), state=whole.state, step=20)
    assert again.state is whole.state
    assert again.metrics == {}


def test_progress_rises_with_the_steps(whole):
    seen = []
    run(Limits(20, chunk=5), on_chunk=lambda moment: seen.extend(moment.metrics["progress"].tolist()))
    np.testing.assert_allclose(seen, np.arange(20) / 20, rtol=1e-6)


def test_progress_follows_the_clock_under_a_time_limit(monkeypatch):
    """A clock that goes a second a reading: a chunk takes one, so that three chunks use up two and a half seconds."""
    clock = itertools.count()
    monkeypatch.setattr(controllers.time, "perf_counter", lambda: float(next(clock)))
    moments: list[Moment] = []
    last = run(Limits(1000, max_seconds=2.5, chunk=10), on_chunk=moments.append)
    assert [moment.step for moment in moments] == [10, 20, 30]
    assert [moment.done for moment in moments] == [False, False, True]
    assert [moment.progress for moment in moments] == pytest.approx([0.4, 0.8, 1.0])
    seen = np.concatenate([moment.metrics["progress"] for moment in moments])
    np.testing.assert_allclose(seen[10:], np.minimum((1 + np.arange(20) / 10) / 2.5, 1.0), rtol=1e-6)
    assert (np.diff(seen) >= 0).all()
    assert last.seconds == 3.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 5, "chunk": 0}, "chunk=0"),
        ({"steps": 5, "max_seconds": 0.0}, "max_seconds=0.0"),
        ({"steps": 5, "max_seconds": -1.0}, "above 0"),
    ],
)
def test_limits_refuse_what_never_ends_or_begins(arguments, message):
    with pytest.raises(ValueError, match=message):
        Limits(**arguments)


@pytest.mark.parametrize(("steps", "chunk", "length"), [(20, 25, 20), (20, 8, 5), (21, 8, 7), (13, 5, 1), (7, 7, 7)])
def test_chunks_are_of_one_length(steps, chunk, length):
    assert Limits(steps, chunk=chunk).length == length


def test_an_unknown_parameter_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"'toy' has no parameter 'decai'.*did you mean 'decay'.*step, decay"):
        controllers.resolve_params(TOY, {"decai": 1.0})
    params = controllers.resolve_params(TOY, {"step": 3})
    assert {key: (float(value), value.dtype) for key, value in params.items()} == {
        "step": (3.0, np.float32), "decay": (0.5, np.float32)}  # fmt: skip


def test_a_new_table_or_parameter_compiles_nothing(whole):
    before = controllers.jit_chunk._cache_size()
    other, _ = tiny.make(7)
    params = controllers.resolve_params(TOY, {"step": 0.1})
    moment = run(Limits(20, chunk=10), problem=other, params=params)
    run_again = train(make(PROBLEM.spec), other, controllers.init(TOY, other, 0), 0, Limits(20, chunk=10), params)
    assert controllers.jit_chunk._cache_size() == before
    assert same(moment.state, run_again.state)
    assert not same(moment.state, whole.state)


def test_seeds_side_by_side_equal_seeds_one_by_one(whole):
    seeds = [0, 1]
    params = controllers.resolve_params(TOY)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(controllers.init(TOY, PROBLEM, seed) for seed in seeds))
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    progress = jnp.arange(20) / jnp.float32(20)
    over_seeds = jax.vmap(lambda state, key: run_chunk(TOY, state, key, jnp.int32(0), PROBLEM, params, progress))
    both, metrics = jax.jit(over_seeds)(states, keys)
    assert metrics["evaluations"].shape == (2, 20)
    for row, wanted in enumerate([whole.state, run(Limits(20, chunk=10), seed=1).state]):
        found = jax.tree.map(lambda leaf, row=row: leaf[row], both)
        np.testing.assert_array_equal(found["archive"].tokens, wanted["archive"].tokens)
        np.testing.assert_allclose(found["noise"], wanted["noise"], rtol=1e-5)


def test_rebase_and_artefact(whole):
    other, _ = tiny.make(7)
    state = controllers.rebase(TOY, whole.state, other)
    found = controllers.artefact(TOY, state, other)
    assert found.policy is None
    held = np.asarray(found.archive.occupied)
    objective, costs = evaluate(other, found.archive.tokens)
    np.testing.assert_array_equal(np.asarray(costs)[held], np.asarray(found.archive.costs)[held])
    np.testing.assert_allclose(np.asarray(objective)[held], np.asarray(found.archive.quality)[held], rtol=1e-5)


def test_controllers_are_equal_by_name_spec_and_settings():
    assert make(PROBLEM.spec) == TOY
    assert hash(make(PROBLEM.spec)) == hash(TOY)
    assert make(PROBLEM.spec, "other") != TOY
    assert make(tiny.make(sizes=tiny.MANY_SIZES)[0].spec) != TOY


def test_choices_are_given_by_name_and_switches_as_true_or_false():
    named = dataclasses.replace(
        TOY,
        default_params=lambda: {"reward": "tunas", "mask": False, "step": 1.0},
        choices={"reward": ("soft", "tunas", "hard")},
    )
    assert {k: float(v) for k, v in controllers.resolve_params(named).items()} == {"reward": 1, "mask": 0, "step": 1}
    given = controllers.resolve_params(named, {"reward": "hard", "mask": True})
    assert (float(given["reward"]), float(given["mask"])) == (2, 1)
    assert controllers.named_params(named, given) == {"reward": "hard", "mask": True, "step": 1.0}
    for value in (2, "hrad", True):
        with pytest.raises(ValueError, match=f"reward={value}: must be one of soft, tunas, hard"):
            controllers.resolve_params(named, {"reward": value})
    for value in (1, 0.0, "yes"):
        with pytest.raises(ValueError, match=f"mask={value}: is a switch; write mask=true or mask=false"):
            controllers.resolve_params(named, {"mask": value})
    with pytest.raises(plugins.PluginError, match="reward=none"):
        controllers.resolve_params(dataclasses.replace(named, default_params=lambda: {"reward": "none"}))
