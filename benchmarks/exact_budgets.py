"""Whether a number works as a budget: an architecture's cost, as a file has it, as a user adds it up, as we show it.

``python -m benchmarks.exact_budgets [--data_dir=DIR] [--cases=12000]``

Every case is an architecture and a budget that equals its cost in one of these ways: the float64 sum of its operators
in a random order (corrected and with headroom where the table says so), the cost in the file, what ``generate``
reports, and what it prints. A case is *refused* if ``generate`` refuses the budget; *over* if the answer costs more by
the same kind of sum, beyond the rounding of float64; *worse* if the answer has less quality than the architecture. In
spaces that can be listed every architecture is a case; on ``ofa_mobilenet_v3`` the generator's own answers are.
``greedy`` is asked besides: it must neither refuse nor spend too much.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.guarantee import TIMES
from nagjax.controllers import Artefact
from nagjax.devices.correction import Correction
from nagjax.devices.pricing import Prices, price
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.validation import MeasuredNetwork
from nagjax.generator.policy import init_policy
from nagjax.inference.generator import Generator
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.costs import rounded_up
from nagjax.problems.problem import Description, Problem
from nagjax.spaces import nas_bench_macro, ofa_mobilenet_v3
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.tabular import from_records

Rng: TypeAlias = np.random.Generator
ROUNDING = 1e-13
"""What a float64 sum may be off by in another order, as a share; a cost that stands in a file is off by nothing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cases:
    """Architectures of a generator with their true costs: float64 ``[N]`` as the user adds them up, quality ``[N]``."""

    generator: Generator
    tokens: np.ndarray
    cost: np.ndarray
    quality: np.ndarray
    cost_of: Callable[[np.ndarray], np.ndarray]
    rounding: float = ROUNDING


def shuffled_sum(terms: np.ndarray, rng: Rng) -> np.ndarray:
    """Sums float64 ``[N]`` of terms ``[N, M]``, each row added up one by one in an order of its own."""
    order = np.argsort(rng.random(terms.shape), 1)
    out = np.zeros(len(terms))
    for column in np.take_along_axis(terms, order, 1).T:
        out = out + column
    return out


def operator_terms(space: Space, values: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """What each operator of tokens ``[N, T]`` costs, float64 ``[N, M]``."""
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens)
    index = space.trellis.operators[np.arange(tokens.shape[1]), nodes, tokens]
    return np.append(values, 0.0)[index].reshape(len(tokens), -1)


def random_table(space: Space, rng: Rng, number: int) -> DeviceTable:
    """A table of made-up times; of every three one is corrected and one has a filler for what it does not support."""
    ops = [op for op in space.operators if op.kind not in space.free]
    times = TIMES[number % len(TIMES)](rng, len(ops)) if number % 5 else np.round(rng.uniform(0.1, 9, len(ops)), 1)
    if number % 3 == 1:
        times[rng.integers(len(times))] = 1e9
    rows = {(op.key, op.resolution or None): Row(value) for op, value in zip(ops, times.tolist(), strict=True)}
    networks = tuple(MeasuredNetwork(str(i), 2.0, 2.0 + float(rng.random())) for i in range(20))
    correction = Correction(float(rng.uniform(0.3, 1.5)), float(rng.uniform(0, 2)), 5, space.identity)
    more: dict[str, Any] = {"correction": correction, "validation": networks} if number % 3 == 2 else {}
    return DeviceTable("random", "none", 1, "float32", "ms", "drawn", rows, **more)


def listed_tables(rng: Rng) -> Iterator[Cases]:
    """Random tables of NAS-Bench-Macro, every second one with a condition; all 3,969 architectures are known."""
    space = nas_bench_macro.make()
    for number in range(1_000_000):
        table = random_table(space, rng, number)
        where = {"layer1": "ratio6_kernel5"} if number % 2 else {}
        prices = price(table, space, quantile=0.9 if table.correction and number % 4 == 2 else None)
        yield _whole(space, prices, where, rng)


def _whole(space: Space, prices: Prices, where: dict[str, Any], rng: Rng) -> Cases:
    everything = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = rng.random(len(everything))
    problem, description = make_problem(space, [prices], tabular_quality(space, everything, quality), where)
    _, fine = tl.walk(space.trellis.target, np.asarray(problem.allowed), everything)
    tokens = everything[fine]

    def cost_of(some: np.ndarray) -> np.ndarray:
        return shuffled_sum(operator_terms(space, prices.values, some), rng) + prices.offset

    generator = _generator(problem, description, rng)
    return Cases(generator, tokens, cost_of(tokens), quality[fine].astype(np.float32), cost_of)


def tries(rng: Rng) -> Iterator[Cases]:
    """Files with the cost of every architecture they list: floats, decimals, ties, a filler."""
    space = nas_bench_macro.make()
    draws: Sequence[Callable[[int], np.ndarray]] = (
        lambda num: rng.uniform(0.5, 90, num),
        lambda num: np.round(rng.uniform(0.5, 90, num), 1),
        lambda num: np.where(rng.random(num) < 0.01, 1e9, np.round(rng.uniform(0.5, 90, num), 3)),
        lambda num: 10.0 ** rng.uniform(-6, 6, num),
    )
    for number in range(1_000_000):
        tokens = np.unique(space.sample(rng, 300), axis=0)
        cost = draws[number % len(draws)](len(tokens))
        quality = rng.random(len(tokens))
        found = from_records(space, Records(tokens, quality, {"latency_ms": cost}, "made.csv", 0))
        known = tabular_quality(found.space, tokens, quality)
        problem, description = make_problem(found.space, found.prices, known)
        table = {row.tobytes(): value for row, value in zip(tokens.astype(np.int32), cost.tolist(), strict=True)}

        def cost_of(some: np.ndarray, table: dict[bytes, float] = table) -> np.ndarray:
            return np.array([table[row.astype(np.int32).tobytes()] for row in some])

        generator = _generator(problem, description, rng)
        yield Cases(generator, tokens, cost, quality.astype(np.float32), cost_of, rounding=0.0)


def large_tables(rng: Rng) -> Iterator[Cases]:
    """Random tables of ``ofa_mobilenet_v3``; the architectures are answers of an untrained generator to any budget."""
    space = ofa_mobilenet_v3.make(width=1.2)
    for number in range(1_000_000):
        table = random_table(space, rng, number)
        prices = price(table, space)
        problem, description = make_problem(space, [prices], random_quality(space, rng))
        generator = _generator(problem, description, rng)
        front = generator.front()

        def cost_of(some: np.ndarray, prices: Prices = prices) -> np.ndarray:
            return shuffled_sum(operator_terms(space, prices.values, some), rng) + prices.offset

        keep = rng.permutation(len(front.tokens))[:300]
        yield Cases(generator, front.tokens[keep], cost_of(front.tokens[keep]), front.quality[keep], cost_of)


def random_quality(space: Space, rng: Rng) -> Linear:
    """A made-up quality: a weighted sum of path features."""
    num = len(space.feature_names)
    weights = jnp.asarray(rng.random(num) / len(space.decisions), jnp.float32)
    return Linear(weights, jnp.float32(0), jnp.ones(num, bool))


def _generator(problem: Problem, description: Description, rng: Rng) -> Generator:
    policy = init_policy(jax.random.key(int(rng.integers(2**31))), problem.spec, hidden=8, num_anchors=4)
    return Generator(Artefact(policy, None), problem, description, {})


def count(cases: Cases, decode: str, rng: Rng, most: int) -> Counter[str]:
    """Cases of a generator, and how many are refused, over and worse; ``greedy`` owes nothing but its budget."""
    rows = rng.permutation(len(cases.tokens))[:most]
    tokens, quality = cases.tokens[rows], cases.quality[rows]
    reported = cases.generator.description.costs_of(tokens)[:, 0]
    printed = np.array([float(rounded_up(cost)) for cost in reported])
    out: Counter[str] = Counter()
    for budgets in (cases.cost[rows], reported, printed):
        found = cases.generator.generate_arrays(budgets, decode=decode, on_infeasible="skip")
        asked = budgets[found.index]
        out["cases"] += len(rows)
        out["refused"] += len(rows) - len(found.index)
        out["over"] += int((cases.cost_of(found.tokens) > asked * (1 + cases.rounding)).sum())
        out["over"] += int((~found.guaranteed).sum())
        if decode == "best":
            out["worse"] += int((found.quality < quality[found.index]).sum())
    return out


def field_cases(folder: Path, rng: Rng) -> Iterator[Cases]:
    """Files beside the data set, where there are any: every row's own latency."""
    from nagjax.tabular import read_tabular

    for path in sorted(folder.glob("*.csv")):
        for columns in (["kernel", "width", "skip"], ["a", "b", "c", "d"]):
            try:
                found = read_tabular(
                    path, {"latency_ms": "latency_ms"}, decision_columns=columns, quality_column="top1",
                    quality_unit="percent",
                )  # fmt: skip
            except ValueError:
                continue
            if found.quality is None:
                continue
            problem, description = make_problem(found.space, found.prices, found.quality)
            cost = found.records.costs["latency_ms"]
            known = {row.tobytes(): value for row, value in zip(found.records.tokens, cost.tolist(), strict=True)}

            def cost_of(some: np.ndarray, known: dict[bytes, float] = known) -> np.ndarray:
                return np.array([known[row.astype(np.int32).tobytes()] for row in some])

            quality = found.records.quality.astype(np.float32)
            yield Cases(_generator(problem, description, rng), found.records.tokens, cost, quality, cost_of, 0.0)


def exact_budgets(data_dir: Path | None = None, cases: int = 12_000) -> dict[str, Any]:
    """The result of this benchmark; ``data_dir`` is looked at for files of field cases beside it, none are needed."""
    warnings.filterwarnings("ignore", "budget", UserWarning)  # budgets of fillers are remarked upon
    rng, total = np.random.default_rng(0), Counter[str]()
    sources = [listed_tables(rng), tries(rng), large_tables(rng)]
    folder = None if data_dir is None else data_dir.parent / "field_cases" / "csv"
    for known in field_cases(folder, rng) if folder is not None and folder.is_dir() else ():
        total.update(count(known, "best", rng, 500))
    while total["cases"] < cases:
        for source in sources:
            known = next(source)
            total.update(count(known, "best", rng, 200))
            total.update(count(known, "greedy", rng, 100))
    return {key: total[key] for key in ("cases", "refused", "worse", "over")}


if __name__ == "__main__":
    flags.DEFINE_integer("cases", 12_000, "Budgets to ask at least.")
    common.main(lambda data_dir: exact_budgets(data_dir, flags.FLAGS.cases))
