"""The front door in Python: what it gives is what the job gives."""

import ast
import itertools
import re
from functools import cache, partial

import jax
import numpy as np
import pytest

import nagjax
from benchmarks import front_door as benchmark
from experiments import embedded, run
from nagjax import plugins, spaces, training
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.records.records import Records
from nagjax.ranking import ranker
from nagjax.spaces import nas_bench_macro
from nagjax.tabular import from_records

SMALL = {"children": 8, "cells": 16, "tournaments": 4, "members": 4, "hidden": 8, "anchors": 4}
STEPS = 6
FIT = {"steps": 100, "members": 2, "hidden": 8}
"""Settings of the default kind of predictor that are fitted in a moment."""


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


@cache
def problem_by_shapes():
    space = nagjax.space("nas_bench_macro")
    tokens = space.sample(np.random.default_rng(0), 40)
    records = Records(tokens, np.linspace(0.2, 0.9, 40), {}, "made.csv", 0)
    return nagjax.problem(space, records=records, costs=["madds", "params"], predictor_kind="ridge")


def test_the_job_and_the_front_door_give_the_same_generator(macro, tmp_path):
    sizes = small_sizes()
    static = [f"--controller_static={name}={value}" for name, value in sizes.items()]
    flags = ["--space=nas_bench_macro", f"--records={macro}", "--costs=madds", f"--steps={STEPS}", "--seed=3", *static]
    flags += ["--predictor_settings=" + ",".join(f"{name}={value}" for name, value in FIT.items())]
    assert run.main([*flags, f"--out={tmp_path / 'job'}"]) == 0
    ours = nagjax.load(tmp_path / "job")
    space = nagjax.space("nas_bench_macro")
    problem = nagjax.problem(space, records=macro, costs=["madds"], predictor_settings=FIT)
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


def test_devices_that_share_updates_find_what_one_finds():
    problem, sizes = problem_by_shapes(), small_sizes()
    one, other = (
        nagjax.train(problem, steps=8, sizes=sizes, chunk=4, progress=False, shard_updates=shared).artefact
        for shared in (False, True)
    )
    for alone, together in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if alone.dtype.kind == "f":
            np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_array_equal(together, alone)


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


def test_costs_are_corrected_by_what_the_table_was_validated_on(files):
    """The job's --cost_quantile: headroom that so many measured networks keep multiplies the corrected cost."""
    space = nagjax.space("mobilenet_v3_small28")
    plain, safe = (
        nagjax.problem(space, files["table"], predictor=files["predictor"], where={"resolution": 28}, cost_quantile=q)
        for q in (None, 0.9)
    )
    info, with_headroom = plain.description.costs[0], safe.description.costs[0]
    assert (info.scale, info.offset) == (plain.table.correction.scale, plain.table.correction.offset)
    assert with_headroom.quantile == 0.9
    assert with_headroom.scale / info.scale == pytest.approx(with_headroom.offset / info.offset)
    assert with_headroom.scale > info.scale


def test_a_time_limit_ends_training_and_a_run_of_the_job_is_resumed(macro, tmp_path):
    flags = ["--space=nas_bench_macro", f"--records={macro}", "--costs=madds", "--controller=random", "--chunk=4"]
    assert run.main([*flags, "--predictor_kind=ridge", "--steps=4", f"--out={tmp_path / 'job'}"]) == 0
    problem = nagjax.problem(nagjax.space("nas_bench_macro"), records=macro, costs=["madds"], predictor_kind="ridge")
    moments = []
    resumed = nagjax.train(
        problem, "random", steps=8, chunk=4, resume=tmp_path / "job", progress=False, on_chunk=moments.append
    )
    assert [moment.step for moment in moments] == [8]
    assert resumed.training.metrics["step"] == [8]
    limited = nagjax.train(problem, "random", steps=10**6, chunk=4, max_seconds=1e-6, progress=False)
    assert limited.training.step == 4


def test_records_test_a_predictor_that_they_did_not_make(macro, files):
    space, small = nagjax.space("nas_bench_macro"), nagjax.space("mobilenet_v3_small28")
    fitted = nagjax.problem(space, records=macro, costs=["madds"], predictor_kind="ridge").quality
    tested = nagjax.problem(space, predictor=fitted, records=macro, costs=["madds"])
    report = tested.description.quality_report
    assert report["validation"] == len(np.unique(macro.read_text().splitlines()[1:]))
    assert report["validation_source"].startswith(str(macro))
    with pytest.raises(ValueError, match="quality= and records= all say how good"):
        nagjax.problem(space, quality=fitted.predictor, records=macro, costs=["madds"])
    with pytest.raises(ValueError, match="predictor= and num_labels= all say how good"):
        nagjax.problem(small, files["table"], predictor=files["predictor"], num_labels=3)


def test_rows_of_one_architecture_are_averaged_where_that_is_asked(tmp_path):
    path = tmp_path / "twice.csv"
    rows = ["00000000,0.50", "00000000,0.52", *(f"{n:08b}".replace("0", "2") + f",0.{n}" for n in range(192, 204))]
    path.write_text("architecture,quality\n" + "\n".join(rows) + "\n")
    space, asked = nagjax.space("nas_bench_macro"), {"costs": ["madds"], "predictor_kind": "ridge"}
    with pytest.raises(ValueError, match=r"row 3, column 'quality': 0\.52 for the architecture that row 2 gives"):
        nagjax.problem(space, records=path, **asked)
    report = nagjax.problem(space, records=path, duplicate_tolerance=0.05, **asked).description.quality_report
    assert report["train"] + report["validation"] == 13


def test_a_learned_ranker_is_the_one_of_the_job(macro, tmp_path, monkeypatch):
    monkeypatch.setattr(ranker, "RankerConfig", partial(ranker.RankerConfig, hidden=(8,), steps=10))
    flags = ["--space=nas_bench_macro", f"--records={macro}", "--costs=madds", "--controller=random", "--steps=2"]
    flags += ["--predictor_kind=ridge", "--ranker_labels=40", "--ranker_anchors=3", "--seed=2"]
    assert run.main([*flags, f"--out={tmp_path / 'job'}"]) == 0
    problem = nagjax.problem(nagjax.space("nas_bench_macro"), records=macro, costs=["madds"], predictor_kind="ridge")
    ranked = nagjax.with_ranker(problem, 40, anchors=3, seed=2)
    assert problem.problem.ranker is None
    said = nagjax.load(tmp_path / "job").description.quality_report
    assert {key: said[key] for key in said if key.startswith("ranker_")} == {
        key: value for key, value in ranked.description.quality_report.items() if key.startswith("ranker_")
    }
    with pytest.raises(ValueError, match="labels=0: must be"):
        nagjax.with_ranker(problem, 0)


def test_a_space_made_in_a_notebook_is_given_to_load_and_start(tmp_path):
    layers = [spaces.Decision(f"layer{t}", "layer", ({"width": 8}, {"width": 16})) for t in range(3)]

    def operators(t, choice, before):
        return [spaces.Operator("conv", 8, 8, before["width"] if before else 3, choice["width"], kernel=3)]

    space = spaces.chain("of_a_notebook", layers, operators)
    every = space.canonical(list(itertools.product((0, 1), repeat=3)))
    problem = nagjax.problem(space, quality=tabular_quality(space, every, np.linspace(0.1, 0.8, 8)), costs=["madds"])
    nagjax.train(problem, "random", steps=2, progress=False).save(tmp_path / "run")
    with pytest.raises(ValueError, match="'of_a_notebook'"):
        nagjax.load(tmp_path / "run")
    (answer,) = nagjax.load(tmp_path / "run", space=space).generate(budgets={"madds_m": [np.inf]})
    assert answer.text == "layer0=16,layer1=16,layer2=16"
    again = nagjax.train(problem, "random", steps=2, start=tmp_path / "run", progress=False)
    assert again.training.step == 2
    config = next((tmp_path / "run").rglob("config/*"))
    config.write_text(config.read_text().replace('"seed": 0', '"seed": 1'))
    for way in ({"resume": tmp_path / "run", "steps": 3, "seed": 1}, {"start": tmp_path / "run", "steps": 1}):
        with pytest.raises(ValueError, match="is not what was saved"):
            nagjax.train(problem, "random", progress=False, **way)
        nagjax.train(problem, "random", progress=False, ignore_hash=True, **way)


# The report


@pytest.fixture(scope="module")
def reported(macro, tmp_path_factory):
    """One run by the job and one from Python, each with its report, and a front to compare with."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "front.csv").write_text("mac,error\n50,40\n100,30\n1,99\n")
    reference = {"cost_column": "mac", "quality_column": "error", "quality_unit": "error_percent", "name": "theirs"}
    flags = [f"--reference_{name}={value}" for name, value in reference.items()]
    flags += [f"--reference_front={folder / 'front.csv'}", "--quality_name=made up", "--predictor_kind=ridge"]
    flags += ["--space=nas_bench_macro", f"--records={macro}", "--costs=madds", "--controller=regularised_evolution"]
    assert run.main([*flags, "--steps=4", "--chunk=2", f"--out={folder / 'job'}"]) == 0
    problem = nagjax.problem(nagjax.space("nas_bench_macro"), records=macro, costs=["madds"], predictor_kind="ridge")
    generator = nagjax.train(problem, "regularised_evolution", steps=4, chunk=2, progress=False)
    asked = {f"reference_{name}": value for name, value in reference.items()}
    said = nagjax.report(
        generator, folder / "ours", quality_name="made up", reference_front=folder / "front.csv", **asked
    )
    return folder, generator, said


def until_made(page):
    """What a page says before the facts of its run; how long training took differs from run to run."""
    return re.sub("<div class='tile'><b>[^<]*</b><span>training</span></div>", "", page.partition("How it was made")[0])


def test_the_report_from_python_is_that_of_the_job(reported):
    folder, _, said = reported
    for name in ("front.csv", "budgets.csv", "front.png"):
        assert (folder / "job" / name).read_bytes() == (folder / "ours" / name).read_bytes(), name
    job, ours = ((folder / name / "report.html").read_text(encoding="utf-8") for name in ("job", "ours"))
    assert until_made(ours) == until_made(job)
    assert "<h2>Training</h2>" in ours
    for fact in ("<td>controller</td><td>regularised_evolution</td>", "<td>seed</td><td>0</td>", "Against theirs"):
        assert fact in ours
        assert fact in job
    assert said.comparisons["best"].compared == 2
    assert said.comparisons["best"].skipped == 1


def test_a_generator_that_was_loaded_is_reported_without_curves(reported, tmp_path):
    folder, _, said = reported
    again = nagjax.report(nagjax.load(folder / "job"), tmp_path / "new" / "folder")
    assert [point.text for point in again.best] == [point.text for point in said.best]
    assert [name for name, _ in again.made] == ["controller", "its sizes", "its parameters", "seed", "steps"]
    assert again.made[:4] == said.made[:4]
    assert "<h2>Training</h2>" not in (tmp_path / "new" / "folder" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"reference_cost_column": "ms"}, "no column 'ms'.*reference_cost_column"),
        ({"reference_quality_unit": "points"}, "reference_quality_unit='points' is not one of fraction, percent"),
        ({"reference_front": "nowhere.csv"}, "nowhere.csv"),
        ({"reference_front": None, "budgets": [0.001]}, "0.001"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused_and_writes_nothing(reported, tmp_path, asked, says):
    folder, generator, _ = reported
    usual = {"reference_front": folder / "front.csv", "reference_cost_column": "mac"}
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        nagjax.report(generator, tmp_path / "page", **{**usual, "reference_quality_column": "error", **asked})
    assert not (tmp_path / "page").exists()


def test_a_benchmark_is_a_problem_with_or_without_labels():
    space = nas_bench_macro.make()
    tokens = np.unique(space.sample(np.random.default_rng(0), 80), axis=0)
    cost = np.linspace(1, 9, len(tokens))
    found = from_records(space, Records(tokens, np.linspace(0.2, 0.9, len(tokens)), {"latency_ms": cost}, "b.csv", 0))
    looked_up = nagjax.problem(found)
    assert looked_up.judge is None
    (answer,) = nagjax.train(looked_up, "lookup", steps=2, progress=False).generate([5.0])
    assert answer.quality == pytest.approx(np.linspace(0.2, 0.9, len(tokens))[cost <= 5.0].max())
    predicted = nagjax.problem(found, num_labels=40, predictor_kind="ridge")
    assert predicted.judge is not None
    assert predicted.quality.report["train"] + predicted.quality.report["validation"] == 40


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: nagjax.space("nas_bench_marco"), "nas_bench_macro"),
        (lambda: nagjax.space("ofa_mobilenet_v3", witdh=1.2), "no setting 'witdh' .did you mean 'width'"),
        (lambda: nagjax.problem("nas_bench_macro"), "str is not a space; give nagjax.space"),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs=["madds"]), "nothing says how good"),
        (lambda: nagjax.problem(nas_bench_macro.make()), "latency_ms needs a device table"),
        (
            lambda: nagjax.problem(nas_bench_macro.make(), costs=["mads"]),
            "'mads' is not a cost column .did you mean",
        ),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs=["madds", "madds"]), "name each cost column once"),
        (lambda: nagjax.problem(nas_bench_macro.make(), costs="madds"), "costs='madds': must be a list of names"),
        (lambda: nagjax.problem(nas_bench_macro.make(), where="layer1=identity"), "give a dict of names and values"),
        (lambda: nagjax.train(problem_by_shapes(), "nagg"), "nag"),
        (lambda: nagjax.train(problem_by_shapes(), sizes={"hiden": 4}), "no setting 'hiden'"),
        (lambda: nagjax.train(problem_by_shapes(), params={"entropi": 4}), "no parameter 'entropi'"),
        (lambda: nagjax.train(problem_by_shapes(), steps=0), "steps"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_generator_in_the_place_of_its_folder_is_refused_in_a_line():
    setup = problem_by_shapes()
    generator = nagjax.train(setup, "random", steps=1, progress=False)
    ranges = "madds_m 7.713 to 105.7, params_m 0.3879 to 2.933"
    assert repr(generator) == f"Generator(nas_bench_macro()/v1, {ranges})"
    assert repr(setup) == repr(generator).replace("Generator", "Setup")
    with pytest.raises(ValueError, match=r"Generator.nas_bench_macro.*is not a path; give the --out folder") as raised:
        nagjax.train(setup, "random", steps=1, start=generator, progress=False)
    assert len(str(raised.value)) < 160
    with pytest.raises(ValueError, match="is not a path") as raised:
        nagjax.load(np.zeros(10_000))
    assert len(str(raised.value)) < 160


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
