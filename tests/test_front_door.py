"""The front door in Python: what it gives is what the job gives."""

import ast

import numpy as np
import pytest

import nagjax
from benchmarks import front_door as benchmark
from experiments import embedded, run
from nagjax import plugins, training
from nagjax.predictors.records.records import Records
from nagjax.spaces import nas_bench_macro
from nagjax.tabular import from_records

SMALL = {"children": 8, "cells": 16, "tournaments": 4, "members": 4, "hidden": 8, "anchors": 4}
STEPS = 6


@pytest.fixture(scope="module")
def files():
    folder = embedded.find()
    predictor = next(folder.glob("*.npz"))
    return {"table": folder / "table.json", "predictor": predictor}


@pytest.fixture(scope="module")
def macro(tmp_path_factory):
    """A file of made-up records of NAS-Bench-Macro, and a table by shapes."""
    space = nagjax.space("nas_bench_macro")
    rng = np.random.default_rng(0)
    tokens = np.unique(space.sample(rng, 60), axis=0)
    path = tmp_path_factory.mktemp("macro") / "records.csv"
    lines = [f"{space.format(row)},{0.5 + 0.4 * rng.random():.4f}" for row in tokens]
    path.write_text("architecture,quality\n" + "\n".join(lines) + "\n")
    return path


def small_sizes():
    """Sizes of nag that train in a moment, those that it has."""
    made = training.make_controller("nag", problem_by_shapes(), {})
    return {name: value for name, value in SMALL.items() if name in made.settings}


def problem_by_shapes():
    space = nagjax.space("nas_bench_macro")
    tokens = space.sample(np.random.default_rng(0), 40)
    records = Records(tokens, np.linspace(0.2, 0.9, 40), {}, "made.csv", 0)
    return nagjax.problem(space, records=records, costs=["madds", "params"])


def test_the_job_and_the_front_door_give_the_same_generator(macro, tmp_path):
    sizes = small_sizes()
    static = [f"--controller_static={name}={value}" for name, value in sizes.items()]
    flags = ["--space=nas_bench_macro", f"--records={macro}", "--costs=madds", f"--steps={STEPS}", "--seed=3", *static]
    assert run.main([*flags, f"--out={tmp_path / 'job'}"]) == 0
    ours = nagjax.load(tmp_path / "job")
    problem = nagjax.problem(nagjax.space("nas_bench_macro"), records=macro, costs=["madds"])
    theirs = nagjax.train(problem, "nag", steps=STEPS, seed=3, sizes=sizes, progress=False)
    budgets = {"madds_m": np.linspace(*ours.budget_range[0], 9)}
    for decode in ("greedy", "best"):
        one, two = (g.generate_arrays(budgets=budgets, decode=decode) for g in (ours, theirs))
        np.testing.assert_array_equal(one.tokens, two.tokens)
        np.testing.assert_array_equal(one.quality, two.quality)


def test_a_generator_is_saved_loaded_and_goes_on(tmp_path):
    problem, sizes = problem_by_shapes(), small_sizes()
    steps = []
    whole = nagjax.train(
        problem, steps=8, sizes=sizes, chunk=4, progress=False, on_chunk=lambda m: steps.append(m.step)
    )
    assert steps == [4, 8]

    def stop(moment):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nagjax.train(problem, steps=8, sizes=sizes, chunk=4, progress=False, on_chunk=stop)
    half = nagjax.train(problem, steps=4, sizes=sizes, chunk=4, progress=False)
    half.save(tmp_path / "half")
    low, high = half.budget_range[0]
    again = nagjax.load(tmp_path / "half")
    asked = {"madds_m": np.linspace(low, high, 5)}
    assert again.generate_arrays(budgets=asked).tokens.tolist() == half.generate_arrays(budgets=asked).tokens.tolist()
    with pytest.raises(ValueError, match="was loaded: copy the folder"):
        again.save(tmp_path / "copy")
    other = {**sizes, "hidden": 2 * sizes["hidden"]} if "hidden" in sizes else {**sizes, "children": 16}
    with pytest.raises(ValueError, match="give the same controller and settings"):
        nagjax.train(problem, steps=8, sizes=other, resume=tmp_path / "half", progress=False)
    with pytest.raises(ValueError, match=r"begun with seed=0, seed=1 is given"):
        nagjax.train(problem, steps=8, seed=1, sizes=sizes, resume=tmp_path / "half", progress=False)
    warm = nagjax.train(problem, steps=4, sizes=sizes, start=tmp_path / "half", progress=False)
    assert warm.training.step == 4
    assert whole.training.step == 8


def test_a_factory_trains_as_its_registered_name_does():
    problem, make = problem_by_shapes(), plugins.load("controllers", "random")
    named, given = (
        nagjax.train(problem, one, steps=2, sizes={"children": 8}, progress=False) for one in ("random", make)
    )
    np.testing.assert_array_equal(named.artefact.archive.tokens, given.artefact.archive.tokens)
    with pytest.raises(ValueError, match=r"controller make\w* has no setting 'childern' .did you mean 'children'"):
        nagjax.train(problem, make, sizes={"childern": 8})


def test_going_on_is_as_if_never_interrupted(tmp_path):
    """A controller whose schedule does not ask how long a run will be."""
    problem = problem_by_shapes()
    whole = nagjax.train(problem, "random", steps=8, chunk=4, progress=False)
    nagjax.train(problem, "random", steps=4, chunk=4, progress=False).save(tmp_path / "half")
    resumed = nagjax.train(problem, "random", steps=8, chunk=4, resume=tmp_path / "half", progress=False)
    for one, two in zip(whole.artefact.archive.tokens, resumed.artefact.archive.tokens, strict=True):
        assert one.tolist() == two.tolist()


def test_a_table_a_predictor_and_conditions_by_name(files):
    space = nagjax.space("mobilenet_v3_small28")
    problem = nagjax.problem(
        space, table=files["table"], predictor=files["predictor"], where={"resolution": 28}, pessimism=0.5,
        costs=["latency_ms", "madds"],
    )  # fmt: skip
    assert [info.name for info in problem.description.costs] == ["latency_ms", "madds_m"]
    assert problem.description.where == {"resolution": 28}
    assert float(problem.problem.pessimism) == 0.5


def test_a_benchmark_is_a_problem_with_or_without_labels():
    space = nas_bench_macro.make()
    tokens = np.unique(space.sample(np.random.default_rng(0), 80), axis=0)
    cost = np.linspace(1, 9, len(tokens))
    found = from_records(space, Records(tokens, np.linspace(0.2, 0.9, len(tokens)), {"latency_ms": cost}, "b.csv", 0))
    looked_up = nagjax.problem(found)
    assert looked_up.judge is None
    (answer,) = nagjax.train(looked_up, "lookup", steps=2, progress=False).generate([5.0])
    assert answer.quality == pytest.approx(np.linspace(0.2, 0.9, len(tokens))[cost <= 5.0].max())
    predicted = nagjax.problem(found, num_labels=40)
    assert predicted.judge is not None
    assert predicted.quality.report["train"] + predicted.quality.report["validation"] == 40


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: nagjax.space("nas_bench_marco"), "nas_bench_macro"),
        (lambda: nagjax.space("ofa_mobilenet_v3", witdh=1.2), "no setting 'witdh' .did you mean 'width'"),
        (lambda: nagjax.problem("nas_bench_macro"), "str is no space; give nagjax.space"),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs=["madds"]), "nothing says how good"),
        (lambda: nagjax.problem(nas_bench_macro.make()), "latency_ms needs a device table"),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs=["mads"]), "'mads' is not a cost column; did you mean"),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs=["madds", "madds"]), "name each cost column once"),
        (lambda: nagjax.train(problem_by_shapes(), "nagg"), "nag"),
        (lambda: nagjax.train(problem_by_shapes(), sizes={"hiden": 4}), "no setting 'hiden'"),
        (lambda: nagjax.train(problem_by_shapes(), params={"entropi": 4}), "no parameter 'entropi'"),
        (lambda: nagjax.train(problem_by_shapes(), steps=0), "steps"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_what_is_public_is_listed_and_loads():
    assert sorted(nagjax._HOMES) == sorted(nagjax.__all__)
    for name in nagjax.__all__:
        assert getattr(nagjax, name).__doc__
    with pytest.raises(AttributeError, match="public are Answer"):
        nagjax.trainer  # noqa: B018


def test_the_block_of_the_readme_is_short_and_whole():
    """benchmarks.front_door runs it."""
    source = benchmark.block(benchmark.README.read_text(encoding="utf-8"))
    lines = [line for line in source.splitlines() if line.strip()]
    assert len(lines) <= 12
    assert {"space", "problem", "train", "load"} <= {
        node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    }
