"""What generators are asked: budgets, numbers of samples, conditions, seeds; and arguments of training."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.fault_cases import generators
from benchmarks.fault_cases.case import REMEDY, Case, bound
from nagjax import arguments, controllers
from nagjax.inference.generator import Generator
from nagjax.predictors.forms.table import TabularQuality
from nagjax.problems.build import make_problem

_NUMBER = itertools.count()
"""Controllers are known by their names: each gets another, since what is compiled for a name is kept."""


class _Own:
    """A user's own type: no number, no list."""

    def __repr__(self) -> str:
        return "mine"


def cases() -> Iterator[Case]:
    """All cases of questions."""
    yield from _budgets()
    yield from _columns()
    yield from _others()
    yield from _training()


def _asked(num_costs: int = 1, **given: Any) -> Callable[[Path], Any]:
    """Costs of the answers in the first column, rounded."""

    def act(folder: Path) -> Any:
        answers = generators.make(num_costs).generate(**given)
        assert all(answer.guaranteed for answer in answers), "an answer is over its budget"
        return [round(answer.costs["latency_ms"], 6) for answer in answers]

    return act


def _range() -> tuple[float, float]:
    low, high = generators.make().budget_range[0].tolist()
    return low, high


def _budgets() -> Iterator[Case]:
    low, high = _range()
    wrong: Mapping[str, Any] = {
        "None": None, "text": "10", "bytes": b"10", "a truth value": True, "truth values": [True], "a set": {high},
        "a generator": (high for _ in "1"), "a dict": {"a": high}, "a text in a list": [high, "10"],
        "None in a list": [high, None], "nested lists": [[high]], "uneven lists": [[high], [high, high]],
        "complex": [high + 1j], "a date": [dt.date(2026, 1, 1)], "a time": [np.timedelta64(3, "ms")],
        "NaN": [high, math.nan], "negative": [-1.0], "zero": [0], "a little too small": [low * (1 - 1e-9)],
        "minus infinity": [-math.inf], "an object array": np.array([high, "x"], object), "mine": _Own(),
        "mine in a list": [_Own()], "two dimensions": np.ones((2, 2)) * high, "texts": np.array(["10"]),
        "an empty text": "", "a map": map(float, [high]), "a range of small ones": range(1),
    }  # fmt: skip
    for what, value in wrong.items():
        places = "budget"
        for where in ("generate", "generate_arrays"):
            if where == "generate" or what in ("NaN", "text", "zero"):
                act = bound(lambda folder, value, where: getattr(generators.make(), where)(value), value, where)
                yield Case(f"budgets: {what}, {where}", act, places)
    right: Mapping[str, tuple[Any, int]] = {
        "a float": (high, 1), "an integer": (math.ceil(high), 1), "a tuple": ((high, high), 2),
        "an array": (np.array([high]), 1), "an array without dimensions": (np.array(high), 1),
        "float32": (np.array([high + 1], np.float32), 1), "integers": (np.array([math.ceil(high)]), 1),
        "a JAX array": (jnp.array([high + 1]), 1), "infinity": ([math.inf], 1), "none": ([], 0),
        "a range": (range(math.ceil(high), math.ceil(high) + 2), 2), "a NumPy float": (np.float64(high), 1),
        "a thousand times too large": ([1000 * high], 1), "the same twice": ([high, high], 2),
        "turned": (np.array([high, high + 1])[::-1], 2), "unsigned": (np.array([200], np.uint8), 1),
        "just the largest": ([high], 1),
    }  # fmt: skip
    for what, (value, count) in right.items():
        yield Case(f"budgets: {what}", _asked(budgets_ms=value), value=[round(high, 6)] * count)
    yield Case("budgets: just the smallest", _asked(budgets_ms=[low]), value=[round(low, 6)])
    yield Case(
        "budgets: impossible ones are skipped", _asked(budgets_ms=[low / 2, high], on_infeasible="skip"),
        value=[round(high, 6)],
    )  # fmt: skip
    fractions = Case("budgets: fractions", _asked(budgets_ms=[Fraction(math.ceil(high))]), "budgets of latency_ms")
    yield fractions
    yield Case("budgets: a huge integer", _asked(budgets_ms=[10**400]), "budgets of latency_ms", "not a number|finite")
    for decode in ("greedy", "sample", "beam"):
        act = bound(lambda folder, decode: _asked(budgets_ms=[low], decode=decode)(folder), decode)
        yield Case(f"budgets: just the smallest, {decode}", act, value=[round(low, 6)])


def _columns() -> Iterator[Case]:
    _, high = _range()
    wrong: Mapping[str, Any] = {
        "a list": [high], "an empty dict": {}, "an unknown column": {"energy_mj": [1.0]}, "text": "latency_ms=10",
        "uneven columns": {"latency_ms": [high], "madds_m": [1e9, 1e9]}, "NaN": {"madds_m": [math.nan]},
        "a number as a name": {3: [high]}, "None": {"latency_ms": None}, "too small": {"madds_m": [1e-6]},
        "a column with a typing error": {"latency": [high]},
    }  # fmt: skip
    for what, value in wrong.items():
        yield Case(f"columns: {what}", _asked(2, budgets=value), "budget", f"{REMEDY}|costs are latency_ms, madds_m")
    both = _asked(2, budgets_ms=[high], budgets={"latency_ms": [high]})
    yield Case("columns: both forms", both, "give either budgets_ms or budgets")
    yield Case("columns: neither form", _asked(2), "give either budgets_ms or budgets")
    free = {"latency_ms": [math.inf], "madds_m": [math.inf]}
    yield Case("columns: no limit", _asked(2, budgets=free), value=[round(high, 6)])
    yield Case("columns: one that binds", _asked(2, budgets={"latency_ms": [high]}), value=[round(high, 6)])

    def pair(folder: Path) -> Any:
        low = generators.make(2).budget_range[:, 0]
        return generators.make(2).generate(budgets={"latency_ms": [low[0]], "madds_m": [low[1] * 1.0001]})

    yield Case("columns: limits that contradict each other", pair, "nothing is within", "possible are")


def _others() -> Iterator[Case]:
    _, high = _range()
    wrong: Mapping[str, list[Any]] = {
        "num_samples": [0, -1, 1.0, 1.5, True, "3", None, math.nan, 2**31, [2], 4000],
        "seed": [-1, 2**32, 1.5, True, "0", None, math.nan, [0], 10**30],
        "decode": ["bets", "", None, 3, ["best"]],
        "on_infeasible": ["skp", "", None, True, ["skip"]],
        "where": [
            "layer1=identity", [("layer1", "identity")], 3, {"layer9": "identity"}, {"layer1": "idntity"},
            {"layer1": []}, {"layer1": None}, {"layer1": {"a": 1}}, {"layer1": [["identity"]]}, {3: "identity"},
            {"": "identity"}, {"layer1": math.nan}, {"layer1": np.array([1, 2])}, {"layer1": "identity", "layer": "x"},
        ],
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            yield Case(f"generate: {name} {value!r:.60}", _asked(budgets_ms=[high], **{name: value}), name)
    several = _asked(budgets_ms=[high], num_samples=2, decode="greedy")
    yield Case("generate: two greedy ones", several, "num_samples=2", "use sample, beam or best")
    right: Mapping[str, tuple[dict[str, Any], int]] = {
        "a NumPy count": ({"num_samples": np.int64(1)}, 1), "an array as seed": ({"seed": np.array(3)}, 1),
        "the largest seed": ({"seed": 2**32 - 1}, 1), "no conditions": ({"where": {}}, 1),
        "a condition in a list": ({"where": {"layer": ["identity", "ratio3_kernel3", "ratio6_kernel5"]}}, 1),
        "a condition as a tuple": ({"where": {"layer": ("identity", "ratio3_kernel3", "ratio6_kernel5")}}, 1),
    }  # fmt: skip
    for what, (given, count) in right.items():
        yield Case(f"generate: {what}", _asked(budgets_ms=[high], **given), value=[round(high, 6)] * count)

    def described(text: Any) -> Callable[[Path], Any]:
        return lambda folder: generators.make().description.space.parse(text).tolist()

    for text in ("", "1", "111111111", "33333333", "1111111a", "1111 111"):
        yield Case(f"parse: {text!r}", described(text), "architecture '", "is not 8 digits of 0, 1 and 2")
    yield Case("parse: blanks around", described(" 11111111\n"), value=[1] * 8)
    for tokens in ([1], [3] * 8, [-1] * 8, [[1] * 8], [1.5] * 8, ["1"] * 8, [True] * 8):
        act = bound(lambda folder, tokens: generators.make().description.space.format(np.array(tokens)), tokens)
        yield Case(f"format: {tokens!r:.40}", act, "tokens|architecture of", "not an architecture|have shape|integers")


def _training() -> Iterator[Case]:
    def limits(**given: Any) -> Callable[[Path], Any]:
        return lambda folder: controllers.Limits(**{"steps": 4, **given})

    wrong: Mapping[str, list[Any]] = {
        "steps": [0, -1, 1.5, "4", None, True, 2**31],
        "chunk": [0, 2.5, None],
        "max_seconds": [0, -1, math.nan, math.inf, "9", True],
    }
    for name, values in wrong.items():
        for value in values:
            yield Case(f"limits: {name} {value!r}", limits(**{name: value}), name)
    generator = generators.make()
    for value in (math.nan, math.inf, "1", None, True, [1.0]):
        act = bound(lambda folder, value: _remade(generator, value), value)
        yield Case(f"problem: pessimism {value!r}", act, "pessimism")
    for value in (math.nan, 1e39, "0.1", None, True, 1j):
        act = bound(
            lambda folder, value: controllers.resolve_params(
                generators.controller(generator.problem.spec), {"rate": value}
            ),
            value,
        )
        place = "rate"
        yield Case(f"parameters: rate {value!r}", act, place)
    still = generators.controller(generator.problem.spec)
    yield Case(
        "parameters: unknown", lambda folder: controllers.resolve_params(still, {"rat": 1.0}), "'rat'", "did you"
    )
    for value in (-1, 2**32, 0.5, "0", None):
        act = bound(lambda folder, value: controllers.init(still, generator.problem, value), value)
        yield Case(f"init: seed {value!r}", act, "seed")
    bad: Mapping[str, tuple[dict[str, Callable[..., Any]], str]] = {
        "init raises": ({"init": lambda *_: dict[str, int]()["missing"]}, "still"),
        "update raises": ({"update": lambda *_: 1 / 0}, "still"),
        "update returns one thing": ({"update": lambda state, *_: state}, "still"),
        "update changes the state's shape": (
            {"update": lambda state, *_: ({"weights": jnp.zeros(9)}, _counted())}, "still"
        ),
        "metrics lack evaluations": ({"update": lambda state, *_: (state, {"infeasible": jnp.float32(0)})}, "still"),
        "metrics are not scalars": (
            {"update": lambda state, *_: (state, {**_counted(), "loss": jnp.zeros(3)})}, "still"
        ),
        "infeasible is negative": (
            {"update": lambda state, *_: (state, {**_counted(), "infeasible": jnp.float32(-1)})}, "still"
        ),
        "evaluations are NaN": (
            {"update": lambda state, *_: (state, {**_counted(), "evaluations": jnp.float32(jnp.nan)})}, "still"
        ),
        "a Python branch on an array": (
            {"update": lambda state, *_: (state if state["weights"][0] > 0 else None, _counted())}, "still"
        ),
        "artefact is another thing": ({"artefact": lambda *_: {"a": jnp.zeros(2)}}, "still"),
        "default_params raises": ({"default_params": lambda: 1 / 0}, "still"),
    }  # fmt: skip
    for what, (parts, place) in bad.items():
        yield Case(f"controller: {what}", _trained(parts), place, ".")
    yield Case("controller: a sound one", _trained({}), value=4)
    for value in (0, -1, 1.5, "1", True, None):
        act = bound(lambda folder, value: arguments.count(value, "number"), value)
        yield Case(f"count: {value!r}", act, "number=")


def _counted() -> dict[str, jax.Array]:
    return {"evaluations": jnp.float32(1), "infeasible": jnp.float32(0)}


def _trained(parts: dict[str, Any]) -> Callable[[Path], Any]:
    def act(folder: Path) -> int:
        problem = generators.make().problem
        made = generators.controller(problem.spec, name=f"still{next(_NUMBER)}", **parts)
        state = controllers.init(made, problem, 0)
        moment = controllers.train(made, problem, state, 0, controllers.Limits(4, chunk=2))
        controllers.artefact(made, moment.state, problem)
        return moment.step

    return act


def _remade(generator: Generator, pessimism: Any) -> Any:
    space = generator.description.space
    blank = TabularQuality(
        jnp.zeros_like(space.trellis.target), jnp.asarray(space.trellis.target), jnp.zeros(1)
    )  # fmt: skip
    from nagjax.devices.pricing import analytic

    return make_problem(space, [analytic(space, "madds")], blank, pessimism=pessimism)
