"""How fast a generator answers on Note10, and that nothing compiles twice.

``python -m benchmarks.throughput --data_dir=DIR`` ends with {architectures_per_s_4096, reference_per_s_4096,
one_budget_ms, recompiles}. The generator is a fresh one, of the size that ``nag`` trains by default; speed does not
depend on its parameters. Its calls and the reference's (``benchmarks.reference``) alternate; medians are over all.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import common, reference
from nagjax import plugins
from nagjax.budgets import budget_at
from nagjax.controllers import Artefact, Controller, resolve_params, run_chunk
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import price
from nagjax.generator.decode import sample
from nagjax.generator.policy import Policy
from nagjax.inference.answering import jit_candidates
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Problem
from nagjax.spaces.space import Space

BATCH, CALLS, SINGLE_CALLS = 4096, 40, 400
Thunk = Callable[[], Any]


def finish(result: Any) -> None:
    """Wait until every array of a result is there."""
    for leaf in jax.tree.leaves(result):
        leaf.block_until_ready()


def medians_s(calls: dict[str, Thunk], repeats: int) -> dict[str, float]:
    """Median seconds of each call after one to warm up, the calls taking turns."""
    for call in calls.values():
        finish(call())
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            finish(call())
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def compilations(call: Thunk) -> int:
    """How many programs a call compiles."""
    events: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: Any) -> None:
        del duration_secs, kwargs
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    finish(call())
    jax.monitoring.unregister_event_duration_listener(listen)
    return len(events)


def scaled_problem(data_dir: Path, space: Space, problem: Problem, factor: float) -> Problem:
    """The same space and quality on a device that takes ``factor`` times as long, and more of it for later rows."""
    table = read_table(data_dir / common.OFA / "note10", space.operators)
    growth = np.linspace(1.0, factor, len(table.rows))
    rows = {key: row.scaled(float(by)) for (key, row), by in zip(table.rows.items(), growth, strict=True)}
    quality = problem.quality
    return make_problem(space, [price(dataclasses.replace(table, rows=rows), space)], quality)[0]


def single(policy: Policy, problem: Problem) -> Thunk:
    """One budget answered by greedy decoding and judged by the predictor."""
    budget, key = (problem.low + problem.high)[None] // 2, jax.random.key(0)
    return lambda: jit_candidates(Artefact(policy, None), problem, budget, key, "greedy", 1)


def recompiles(controller: Controller, policy: Policy, problem: Problem, other: Problem) -> int:
    """Programs compiled by second calls: same shapes, and another device table; generation and training."""
    params, key = resolve_params(controller), jax.random.key(0)
    init = jax.jit(controller.init)
    chunk = jax.jit(run_chunk, static_argnums=0)
    draw = jax.jit(sample)
    first, progress = jnp.asarray(0), jnp.linspace(0.0, 1.0, 2)

    def train(on: Problem) -> Any:
        return chunk(controller, init(key, on, params), key, first, on, params, progress)

    budgets = {id(on): budget_at(on, jnp.linspace(0.0, 1.0, BATCH)[:, None]) for on in (problem, other)}
    calls: list[Callable[[Problem], Thunk]] = [
        lambda on: lambda: draw(policy, on, budgets[id(on)], key),
        lambda on: single(policy, on),
        lambda on: lambda: train(on),
    ]
    total = 0
    for call in calls:
        once, again = call(problem), call(other)
        finish(once())
        total += compilations(once) + compilations(again)
    return total


def throughput(data_dir: Path) -> dict[str, Any]:
    """The result of this benchmark."""
    space, problem, _ = common.note10(data_dir)
    other = scaled_problem(data_dir, space, problem, 1.7)
    controller = plugins.load("controllers", "nag")(problem.spec)
    state = jax.jit(controller.init)(jax.random.key(0), problem, resolve_params(controller))
    policy = controller.artefact(state, problem).policy
    position = jnp.linspace(0.0, 1.0, BATCH)
    budgets, keys = budget_at(problem, position[:, None]), iter([jax.random.key(i) for i in range(2 * CALLS + 2)])
    ours, theirs = jax.jit(sample), jax.jit(reference.sample, static_argnums=1)
    plain = reference.init(jax.random.key(2), problem.spec, policy.network.hidden, policy.network.num_anchors)
    batch = medians_s(
        {
            "ours": lambda: ours(policy, problem, budgets, next(keys)),
            "reference": lambda: theirs(plain, problem.spec, position, next(keys)),
        },
        CALLS,
    )
    one = medians_s({"one": single(policy, problem)}, SINGLE_CALLS)["one"]
    return {
        "architectures_per_s_4096": BATCH / batch["ours"],
        "reference_per_s_4096": BATCH / batch["reference"],
        "one_budget_ms": 1000 * one,
        "recompiles": recompiles(controller, policy, problem, other),
    }


if __name__ == "__main__":
    common.main(throughput)
