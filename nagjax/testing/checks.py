"""The checks, each a function of a factory and its static settings."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import controllers
from nagjax.checkpoint import checkpoint
from nagjax.checkpoint.packing import describe, pack, unpack
from nagjax.controllers import Artefact, Controller, Moment, resolve_params
from nagjax.plugins import PluginError
from nagjax.populations import vary
from nagjax.populations.archive import Archive
from nagjax.testing.counting import check_counting
from nagjax.testing.problems import Tiny, tiny_problem
from nagjax.testing.runs import (
    CHUNK,
    STEPS,
    Make,
    arrays,
    as_json,
    ask,
    budgets_between,
    claim,
    close,
    first_chunk,
    held,
    raw_of,
    same,
    train,
)
from nagjax.verification import COUNTS, check_metrics

ASKED = 0.7
"""The share of random's mean regret that ``check_improvement`` allows."""

LONG, LONG_CHUNK = 4_000, 200
"""The least updates of a policy that ``check_improvement`` trains for long, in the chunks of the other checks, whose
program is there; and the chunk where it takes more."""

LOOKS, ENOUGH = 8, 0.85
"""How often ``check_improvement`` looks at a policy that it trains for long, and the share of what it allows that ends
the training."""

deep_problem = functools.partial(tiny_problem, variant="deep")
"""What controllers are judged on: one problem for most checks, so that each program of theirs is compiled once."""


def check_protocol(make: Make, **static: Any) -> None:
    """Fields, settings, parameters, metrics and the type of the artefact are what the protocol says."""
    name = "protocol"
    tiny = deep_problem()
    controller = make(tiny.problem.spec, **static)
    claim(name, isinstance(controller, Controller), f"the factory returned {type(controller).__name__}, no Controller")
    claim(name, controller.spec == tiny.problem.spec, "Controller.spec is not the spec that the factory was given")
    claim(name, bool(controller.name) and isinstance(controller.name, str), f"name is {controller.name!r}")
    written = as_json(name, "settings", controller.settings)
    given = {key: controller.settings.get(key) for key in static}
    claim(name, given == static, f"settings say {given}, the factory was given {static}")
    same_again = make(tiny.problem.spec, **written)
    claim(name, same_again == controller, "the factory called with Controller.settings gives another controller")
    defaults = controller.default_params()
    strangers = sorted(set(controller.choices) - set(defaults))
    claim(name, not strangers, f"choices has {strangers}, which default_params lacks")
    for key, value in defaults.items():
        if key in controller.choices:
            known = controller.choices[key]
            claim(name, value in known, f"default parameter {key!r} is {value!r}, not one of its choices {known}")
            continue
        fine = isinstance(key, str) and np.asarray(value).dtype.kind in "fib" and np.isfinite(value).all()
        claim(name, bool(fine), f"default parameter {key!r} is {value!r}, not a finite number, true or false")
    state, metrics = first_chunk(controller, tiny.problem)
    for key in COUNTS:
        claim(name, key in metrics, f"metrics {sorted(metrics)} lack {key!r}")
    try:
        check_metrics(controller.name, metrics, CHUNK)
        found = controllers.artefact(controller, state, tiny.problem)
    except PluginError as error:
        raise AssertionError(f"{name}: {error}") from error
    claim(name, not (found.policy is None and found.archive is None), "the artefact has neither policy nor archive")
    claim(name, found.archive is None or isinstance(found.archive, Archive), "artefact.archive is not an Archive")


def check_determinism(make: Make, **static: Any) -> None:
    """The same seed gives equal arrays; another seed does not."""
    tiny = deep_problem()
    controller = make(tiny.problem.spec, **static)
    runs = [train(controller, tiny.problem, seed).state for seed in (3, 3, 4)]
    claim("determinism", same(runs[0], runs[1]), "two runs with the same seed end in different states")
    claim("determinism", not same(runs[0], runs[2]), "runs with different seeds end in the same state")


def check_recompilation(make: Make, **static: Any) -> None:
    """A second call, another table, other parameters and another progress do not compile anything anew."""
    traced = dict.fromkeys(("init", "update", "rebase", "artefact"), 0)
    first, second = deep_problem().problem, deep_problem(seed=1, device=1).problem
    controller = make(first.spec, **static)

    def counted(name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            traced[name] += 1
            return getattr(controller, name)(*args)

        # Tracing is what precedes a compilation; the shapes are enough to count it.
        return jax.jit(call).eval_shape

    init, update, rebase, artefact = map(counted, traced)
    fresh, key = controllers.init(controller, first, 0), jax.random.key(0)
    trained = train(controller, first, steps=CHUNK).state
    moved = controllers.rebase(controller, trained, second)
    for number, (problem, state) in enumerate(((first, fresh), (first, trained), (second, moved))):
        given = {name: value * (1.0 + 0.1 * number) for name, value in resolve_params(controller).items()}
        init(key, problem, given)
        update(state, key, problem, given, jnp.float32(0.3 * number))
        rebase(state, problem)
        artefact(state, problem)
    again = {name: times for name, times in traced.items() if times > 1}
    claim(
        "recompilation",
        not again,
        f"{again} were traced more than once; shapes and types of the state must not change, and parameters and "
        "progress must be used as arrays",
    )


def check_budget(make: Make, **static: Any) -> None:
    """Every architecture of the artefact exists, costs what it says and is within the budget asked, by brute force.

    A factory that takes one cost column only says so with a ValueError.
    """
    for variant in ("deep", "two_costs"):
        tiny = tiny_problem(variant=variant)
        try:
            controller = make(tiny.problem.spec, **static)
        except ValueError:
            claim("budget", variant == "two_costs", "the factory refuses one cost column")
            continue
        found = controllers.artefact(controller, train(controller, tiny.problem).state, tiny.problem)
        _check_archive("budget", tiny, found)
        _check_answers("budget", tiny, found)


def check_nonfinite(make: Make, **static: Any) -> None:
    """Architectures whose quality is NaN or infinite are never kept and do not spoil the policy.

    A controller whose metrics hold ``nonfinite`` counts those it met.
    """
    tiny = deep_problem(gaps=0.3)
    controller = make(tiny.problem.spec, **static)
    counted: list[float] = []

    def count(moment: Moment) -> None:
        counted.append(float(moment.metrics.get("nonfinite", np.ones(1)).sum()))

    moment = train(controller, tiny.problem, on_chunk=count)
    found = controllers.artefact(controller, moment.state, tiny.problem)
    tokens, _, quality = held(found)
    claim("nonfinite", bool(np.isfinite(quality).all()), "the archive holds a quality that is NaN or infinite")
    if len(tokens):
        real = tiny.oracle.quality[tiny.oracle.rows(tokens)]
        claim("nonfinite", bool(np.isfinite(real).all()), "the archive holds an architecture without a finite quality")
    weights = arrays(found.policy)
    claim("nonfinite", all(np.isfinite(leaf).all() for leaf in weights), "weights of the policy became NaN or infinite")
    for key, value in moment.metrics.items():
        claim("nonfinite", bool(np.isfinite(value).all()), f"metric {key!r} became NaN or infinite")
    claim("nonfinite", sum(counted) > 0, "of the problem's architectures without a quality none was counted")
    _check_answers("nonfinite", tiny, found)


def check_seeds(make: Make, **static: Any) -> None:
    """Seeds trained together under vmap end where each ends alone, up to float noise."""
    problem = deep_problem().problem
    controller = make(problem.spec, **static)
    params, progress = resolve_params(controller), jnp.arange(CHUNK, dtype=jnp.float32) / CHUNK
    seeds = (5, 6, 7)

    def run(key: jax.Array) -> Artefact:
        state = controller.init(jax.random.fold_in(key, 2**31), problem, params)
        state, _ = controllers.run_chunk(controller, state, key, jnp.int32(0), problem, params, progress)
        return controller.artefact(state, problem)

    together = jax.jit(jax.vmap(run))(jnp.stack([jax.random.key(seed) for seed in seeds]))
    for i, seed in enumerate(seeds):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        alone = controllers.artefact(controller, train(controller, problem, seed, steps=CHUNK).state, problem)
        claim("seeds", close(one, alone), f"seed {seed} ends elsewhere under vmap with others than alone")


def check_resume(make: Make, **static: Any) -> None:
    """A run saved half-way is read back for inference, and continued it equals one that was never interrupted."""
    tiny = deep_problem()
    controller = make(tiny.problem.spec, **static)
    half, kept = STEPS // 2, []
    with tempfile.TemporaryDirectory() as folder:

        def save(moment: Moment) -> None:
            if moment.step == half:
                found = controllers.artefact(controller, moment.state, tiny.problem)
                kept.append(jax.tree.map(np.array, found))
                with checkpoint.Writer(folder) as writer:
                    params = resolve_params(controller)
                    writer.save(
                        half, controller, params, moment.state, found, tiny.problem, tiny.description, {"seed": 2}
                    )

        whole = train(controller, tiny.problem, seed=2, on_chunk=save).state
        template = jax.eval_shape(lambda: controller.init(jax.random.key(0), tiny.problem, resolve_params(controller)))
        state, step, _ = checkpoint.read_state(folder, controller, template)
        saved = checkpoint.read(folder, space=tiny.space)
    claim("resume", step == half, f"read back at step {step}, saved at {half}")
    claim(
        "resume", same(saved.artefact, kept[0]), "the artefact read from the checkpoint is not the one that was saved"
    )
    kinds = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(template)]
    read = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)]
    claim("resume", read == kinds, "a state read back has other shapes or types than a fresh one")
    continued = train(controller, tiny.problem, seed=2, state=state, first=half).state
    claim("resume", same(whole, continued), "a run continued from a checkpoint ends elsewhere than one uninterrupted")


def check_artefact(make: Make, **static: Any) -> None:
    """The artefact goes through a checkpoint's arrays and JSON without a change, so it answers without the plugin."""
    tiny = deep_problem()
    controller = make(tiny.problem.spec, **static)
    found = controllers.artefact(controller, train(controller, tiny.problem).state, tiny.problem)
    config = json.loads(json.dumps(describe(found, tiny.problem, tiny.description)))
    tree = jax.tree.map(np.asarray, pack(found, tiny.problem, tiny.description))
    again, problem, _ = unpack(config, tree, tiny.space)
    claim("artefact", same(again, found), "the artefact is another one after it was written and read")
    claim("artefact", same(problem, tiny.problem), "the problem is another one after it was written and read")


def check_rebase(make: Make, **static: Any) -> None:
    """After ``rebase`` what is remembered has the new problem's costs and qualities, and nothing that it closes."""
    before = deep_problem()
    after = deep_problem(seed=1, device=1, where={"layer1": [8, 16], "layer8": [8, 16]})
    controller = make(before.problem.spec, **static)
    state = controllers.rebase(controller, train(controller, before.problem).state, after.problem)
    found = controllers.artefact(controller, state, after.problem)
    _check_archive("rebase", after, found)
    _check_answers("rebase", after, found)
    continued = train(controller, after.problem, state=state).state
    _check_archive("rebase, then training", after, controllers.artefact(controller, continued, after.problem))


def check_improvement(make: Make, **static: Any) -> None:
    """The mean regret is clearly below random's.

    With an archive, among 19,683 architectures: below random search with as many evaluations. A policy alone remembers
    none and learns slowly; among 28,431 its greedy answers are compared with one random architecture within each
    budget, after at least 4,000 updates and, so that one with a sample an update learns from as much as others, at
    least 64,000 evaluations. That is long, so one seed has to do (of archives two), and it ends where a look finds
    ``ENOUGH``.
    """
    seeds = (0, 1)
    # Where depths differ random search within budgets is hardly better than without, 0.86 of its regret.
    wide = [tiny_problem(seed, "wide") for seed in seeds]
    controller = make(wide[0].problem.spec, **static)
    begun = controllers.init(controller, wide[0].problem, seeds[0])
    if controllers.artefact(controller, begun, wide[0].problem).archive is not None:
        found = [_of_archive(controller, tiny, seed) for seed, tiny in zip(seeds, wide, strict=True)]
    else:
        tiny = deep_problem(seeds[0])
        found = [_of_policy(make(tiny.problem.spec, **static), tiny, seeds[0])]
    regret, reference = np.mean(found, 0).tolist()
    claim(
        "improvement",
        regret <= max(ASKED * reference, 0.002),
        f"mean regret {100 * regret:.2f} points over 24 budgets; random has {100 * reference:.2f}, and at most {ASKED} "
        "of that is asked for",
    )


CHECKS: tuple[Callable[..., None], ...] = (
    check_protocol,
    check_determinism,
    check_recompilation,
    check_budget,
    check_nonfinite,
    check_counting,
    check_seeds,
    check_resume,
    check_artefact,
    check_rebase,
    check_improvement,
)
"""Every check, in the order in which ``check_controller`` runs them."""


def check_controller(make: Make, **static: Any) -> None:
    """Run every check on a controller's factory, with its static settings.

    Raises:
      AssertionError: at the first check that fails; its text begins with the check's name.
    """
    for check in CHECKS:
        check(make, **static)


class _EnoughError(Exception):
    """Ends a training that has shown what it was for."""


def _of_archive(controller: Controller, tiny: Tiny, seed: int) -> tuple[float, float]:
    """Mean regret of what a short training remembers, and that of random search with as many evaluations."""
    moment = train(controller, tiny.problem, seed, steps=STEPS * 5)
    ticks, best = _asked_and_best(tiny)
    _, _, objective = ask(controllers.artefact(controller, moment.state, tiny.problem), tiny.problem, ticks)
    spent = math.ceil(float(moment.metrics["evaluations"][-1])) + objective.size
    rows = np.random.default_rng(seed).integers(len(tiny.oracle.tokens), size=spent)
    fits = (tiny.oracle.costs[rows][None] <= raw_of(tiny, ticks)[:, None]).all(-1)
    random = best - np.where(fits, tiny.oracle.quality[rows], 0.0).max(1)
    return float(np.mean(best - np.maximum(objective.max(1), 0.0))), float(np.mean(random))


def _of_policy(controller: Controller, tiny: Tiny, seed: int) -> tuple[float, float]:
    """Mean regret of a policy's greedy answers after a long training, and that of one random architecture a budget."""
    ticks, best = _asked_and_best(tiny)
    draws = jnp.asarray(np.repeat(ticks, 64, 0))
    tokens, _ = jax.jit(vary.random_architectures)(tiny.problem, draws, jax.random.key(seed))
    random = float(np.mean(np.repeat(best, 64) - tiny.oracle.quality[tiny.oracle.rows(np.asarray(tokens))]))
    steps, regrets = _long(controller, tiny), []

    def look(moment: Moment) -> None:
        if moment.step % (steps // LOOKS):
            return
        found = controllers.artefact(controller, moment.state, tiny.problem)
        _, _, objective = ask(found, tiny.problem, ticks, "greedy")
        regrets.append(float(np.mean(best - np.maximum(objective.max(1), 0.0))))
        if regrets[-1] <= ENOUGH * ASKED * random:
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        chunk = CHUNK if steps <= LONG else LONG_CHUNK
        train(controller, tiny.problem, seed, steps=steps, chunk=chunk, on_chunk=look)
    return regrets[-1], random


def _asked_and_best(tiny: Tiny) -> tuple[np.ndarray, np.ndarray]:
    """24 budgets in ticks ``[24, K]`` and the quality ``[24]`` of the best within each."""
    ticks = budgets_between(tiny.problem, 24)
    return ticks, tiny.oracle.best(raw_of(tiny, ticks))


def _long(controller: Controller, tiny: Tiny) -> int:
    """Updates for a policy that remembers nothing: 4,000, or as many as make 64,000 evaluations."""
    counted = train(controller, tiny.problem, steps=CHUNK).metrics["evaluations"]
    each, step = max(float(counted[-1] - counted[0]) / (len(counted) - 1), 1.0), LOOKS * LONG_CHUNK
    return LONG if each * LONG >= 64_000 else step * math.ceil(64_000 / each / step)


def _check_archive(name: str, tiny: Tiny, found: Artefact) -> None:
    """What the archive holds are admitted architectures with their true costs and qualities."""
    tokens, costs, quality = held(found)
    if found.archive is None:
        return
    claim(name, len(tokens) > 0, "the archive is empty")
    rows = tiny.oracle.rows(tokens)
    claim(name, bool((rows >= 0).all()), "the archive holds tokens that are not a canonical architecture")
    claim(name, bool(tiny.oracle.allowed[rows].all()), "the archive holds architectures that the problem has closed")
    _check_costs(f"{name}: archive", tiny, rows, costs)
    fine = np.isclose(quality, tiny.oracle.quality[rows], rtol=0, atol=1e-6)
    claim(name, bool(fine.all()), f"{(~fine).sum()} of {len(fine)} archived qualities are not this problem's")


def _check_answers(name: str, tiny: Tiny, found: Artefact) -> None:
    """Whatever the artefact answers with is an admitted architecture within its budget."""
    ticks = budgets_between(tiny.problem, 13)
    tokens, costs, objective = ask(found, tiny.problem, ticks)
    asked = np.repeat(ticks[:, None], tokens.shape[1], 1)
    real = objective > -np.inf
    claim(name, found.policy is None or bool(real[-1].any()), "no answer at the highest budget")
    rows = tiny.oracle.rows(tokens[real])
    claim(name, bool((rows >= 0).all()), "an answer is not a canonical architecture of the space")
    claim(name, bool(tiny.oracle.allowed[rows].all()), "an answer is an architecture that the problem has closed")
    _check_costs(f"{name}: answers", tiny, rows, costs[real])
    over = (tiny.oracle.costs[rows] > raw_of(tiny, asked[real])).any(1) | (costs[real] > asked[real]).any(1)
    claim(name, not over.any(), f"{over.sum()} of {len(over)} answers cost more than their budget")


def _check_costs(name: str, tiny: Tiny, rows: np.ndarray, costs: np.ndarray) -> None:
    """Costs in ticks are at least the raw sums, and above them by less than a tick a decision."""
    raw, reported = tiny.oracle.costs[rows], raw_of(tiny, costs)
    slack = np.array([info.to_unit(tiny.problem.spec.num_layers) for info in tiny.description.costs])
    fine = (reported >= raw * (1 - 1e-12)) & (reported <= raw + slack)
    claim(name, bool(fine.all()), f"{(~fine).sum()} costs are not those of the architectures under this problem")
