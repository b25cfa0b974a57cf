"""A plugin of a third party: installed from its own folder, found by name and checked; and what the suite finds."""

import dataclasses
import importlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import fit, search
from nagjax import plugins, testing
from nagjax.populations import vary
from nagjax.predictors.formats.storage import load_predictor
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds import registry as kinds
from nagjax.predictors.records.records import Records, write_records
from nagjax.problems.problem import evaluate
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "tests" / "example_plugin"
PREDICTOR = ROOT / "tests" / "example_predictor"
SPACE = ROOT / "tests" / "example_space"
EVALUATOR = ROOT / "tests" / "example_evaluator"
PROPOSER = ROOT / "tests" / "example_proposer"
EXAMPLES = (EXAMPLE, PREDICTOR, SPACE, EVALUATOR, PROPOSER)
SMALL = {"children": 32, "cells": 32}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder into which pip has installed the examples, as a user would."""
    pytest.importorskip("hatchling", reason="needs hatchling: make env")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--target", str(out), *map(str, EXAMPLES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.fixture
def installed(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    return plugins.load("controllers", "local_search")


def test_it_is_found_by_entry_point(installed, site):
    assert plugins.available("controllers")["local_search"].dist.name == "nagjax-local-search"
    assert Path(importlib.import_module(installed.__module__).__file__).is_relative_to(site)


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_it_conforms(installed, check):
    check(installed, **SMALL)


@pytest.fixture
def kind(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    return kinds.load("marginal")


@pytest.mark.parametrize("check", testing.PREDICTOR_CHECKS, ids=lambda check: check.__name__)
def test_its_kind_of_predictor_conforms(kind, check):
    check(kind, shrink=2.0)


@pytest.mark.usefixtures("kind")
def test_its_kind_is_fitted_by_a_job(tmp_path):
    assert kinds.make("marginal").settings == {"shrink": 4.0}
    out = tmp_path / "predictor.npz"
    space = nas_bench_macro.make()
    tokens = np.unique(space.sample(np.random.default_rng(0), 12), axis=0)
    records = Records(tokens, np.linspace(0.5, 0.7, len(tokens)))
    write_records(records, space, tmp_path / "records.csv")
    given = ["--space=nas_bench_macro", f"--records={tmp_path / 'records.csv'}", f"--out={out}", "--compilation_cache="]
    assert fit.main([*given, "--predictor_kind=marginal", "--predictor_settings=shrink=2"]) == 0
    assert load_predictor(out, space).predictor.form == "linear"
    with pytest.raises(
        ValueError, match=r"'marginl' is not known \(did you mean 'marginal'\?\); known: additive, auto, gp"
    ):
        kinds.make("marginl")
    with pytest.raises(ValueError, match=r"kind marginal has no setting 'shrnk' \(did you mean 'shrink'\?\)"):
        kinds.make("marginal", {"shrnk": 2})


@pytest.mark.parametrize("check", testing.SPACE_CHECKS, ids=lambda check: check.__name__)
def test_its_space_conforms(site, monkeypatch, check):
    monkeypatch.syspath_prepend(str(site))
    check(plugins.load("spaces", "plain_cnn"), classes=100)


def test_its_space_is_found_again_by_a_checkpoint(site, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(site))
    space = nagjax.space("plain_cnn", classes=100)
    assert plugins.available("spaces")["plain_cnn"].dist.name == "nagjax-plain-cnn"
    quality = tabular_quality(
        space, tl.enumerate_paths(space.trellis.target, space.trellis.valid), np.linspace(0.5, 0.6, 39)
    )
    problem = nagjax.problem(space, quality=quality, costs=["madds"], where={"depth": [2, 3]})
    nagjax.train(problem, "random", steps=2, progress=False).save(tmp_path / "run")
    answer = nagjax.load(tmp_path / "run").generate(budgets={"madds_m": [1.0]})[0]
    assert answer.costs["madds_m"] <= 1.0
    assert 2 <= len(answer.text.split("-")) <= 3


@pytest.mark.parametrize("check", testing.EVALUATOR_CHECKS, ids=lambda check: check.__name__)
def test_its_evaluator_conforms(site, monkeypatch, check):
    monkeypatch.syspath_prepend(str(site))
    check(plugins.load("evaluators", "by_size"), nas_bench_macro.make(), best=0.7)


@pytest.mark.parametrize("check", testing.PROPOSER_CHECKS, ids=lambda check: check.__name__)
def test_its_proposer_conforms(site, monkeypatch, check):
    monkeypatch.syspath_prepend(str(site))
    check(plugins.load("proposers", "one_step"), tries=128)


@pytest.mark.usefixtures("kind")
def test_its_evaluator_kind_and_proposer_make_a_search(tmp_path):
    found = nagjax.search(
        nas_bench_macro.make(), "by_size", folder=tmp_path / "a", evaluator_settings={"best": 0.7}, costs=["madds"],
        predictor_kind="marginal", proposer="one_step", evaluations=20, start=12, per_round=8,
    )  # fmt: skip
    flags = ["--space=nas_bench_macro", "--costs=madds", "--evaluator=by_size", "--evaluator_settings=best=0.7"]
    flags += ["--predictor_kind=marginal", "--proposer=one_step", "--evaluations=20", "--start=12", "--per_round=8"]
    flags += ["--controller=random", "--steps=2", "--compilation_cache=", f"--out={tmp_path / 'b'}"]
    assert search.main(flags) == 0
    files = [(tmp_path / name / "evaluations.csv").read_text().splitlines() for name in "ab"]
    assert [line.split(",")[:3] for line in files[0]] == [line.split(",")[:3] for line in files[1]]
    assert files[0][0].startswith("architecture,quality,energy_mj,")
    assert len(found.evaluations.tokens) == 20
    assert found.evaluations.known.all()
    np.testing.assert_allclose(
        found.evaluations.quality, 0.7 / (1 + 2 / found.evaluations.costs["energy_mj"]), rtol=1e-6
    )


def test_a_broken_one_is_named_while_the_others_work(installed, tmp_path, monkeypatch):
    info = tmp_path / "nagjax_engine-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nagjax-engine\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[nagjax.controllers]\nengine = nagjax_engine:make\n")
    (tmp_path / "nagjax_engine.py").write_text("raise ImportError('libengine.so is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    reasons = plugins.broken("controllers")
    assert "libengine.so is missing" in reasons["engine"]
    assert "nagjax-engine" in reasons["engine"]
    assert "local_search" not in reasons
    assert plugins.load("controllers", "local_search")(testing.tiny_problem().problem.spec).name == "local_search"


def test_the_page_shows_the_files_that_are_tested():
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert (PREDICTOR / "nagjax_marginal.py").read_text(encoding="utf-8") in page
    assert (EXAMPLE / "nagjax_local_search.py").read_text(encoding="utf-8") in page
    searched = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    assert (EVALUATOR / "nagjax_by_size.py").read_text(encoding="utf-8") in searched
    assert (PROPOSER / "nagjax_one_step.py").read_text(encoding="utf-8") in searched
    shown = page.partition("```toml\n")[2].partition("```")[0]
    assert shown in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")


def change(make, **replaced):
    """A factory like ``make`` with some functions replaced; each is given the original controller."""

    def broken(spec, **static):
        good = make(spec, **static)
        fields = {name: new(good) for name, new in replaced.items()}
        # Controllers of one name and settings count as equal, and share what is compiled.
        return dataclasses.replace(good, name="_".join(new.__name__ for new in replaced.values()), **fields)

    return broken


def constant(good):
    def update(state, key, problem, params, progress):
        return good.update(state, jax.random.key(0), problem, params, progress)

    return update


def blind_init(good):
    return lambda key, problem, params: good.init(jax.random.key(0), problem, params)


def static_parameter(good):
    def update(state, key, problem, params, progress):
        return good.update(state, key, problem, {name: float(value) for name, value in params.items()}, progress)

    return update


def growing(good):
    def rebase(state, problem):
        return dataclasses.replace(state, evaluations=state.evaluations.astype(jnp.int32))

    return rebase


def cheaper_on_paper(good):
    def artefact(state, problem):
        found = good.artefact(state, problem)
        return dataclasses.replace(found, archive=dataclasses.replace(found.archive, costs=found.archive.costs - 1000))

    return artefact


def unfiltered(good):
    """Takes a missing quality for a very good one."""

    def update(state, key, problem, params, progress):
        state, metrics = good.update(state, key, problem, params, progress)
        tokens = jnp.tile(jax.random.randint(key, (1, problem.spec.num_layers), 0, 3), (32, 1)).at[:, 0].set(2)
        quality, costs = evaluate(problem, tokens)
        quality = jnp.where(jnp.isfinite(quality), quality, 2.0)
        return dataclasses.replace(state, archive=state.archive.insert(problem, tokens, costs, quality)), metrics

    return update


def remembering(good):
    return lambda state, problem: state


def lazy(good):
    """Throws away what evolution found."""

    def update(state, key, problem, params, progress):
        _, metrics = good.update(state, key, problem, params, progress)
        return dataclasses.replace(state, evaluations=metrics["evaluations"]), metrics

    return update


def silent(good):
    def update(state, key, problem, params, progress):
        state, metrics = good.update(state, key, problem, params, progress)
        return state, {"evaluations": metrics["evaluations"]}

    return update


def spendthrift(good):
    """Evaluates whatever it costs, and counts none of it."""

    def update(state, key, problem, params, progress):
        tokens = jnp.full((4, problem.spec.num_layers), 2, jnp.int32)
        quality, costs = evaluate(problem, tokens)
        archive = state.archive.insert(problem, tokens, costs, quality)
        state = dataclasses.replace(state, archive=archive, evaluations=state.evaluations + 4)
        return state, {"evaluations": state.evaluations, "infeasible": jnp.float32(0)}

    return update


def half_honest(good):
    """Tells how many had no quality, and not that those were over budget."""

    def update(state, key, problem, params, progress):
        state, metrics = spendthrift(good)(state, key, problem, params, progress)
        return state, {**metrics, "nonfinite": jnp.float32(4)}

    return update


def half_counted(good):
    def update(state, key, problem, params, progress):
        state, metrics = good.update(state, key, problem, params, progress)
        return state, {**metrics, "evaluations": metrics["evaluations"] / 2}

    return update


def late(good):
    """Evaluates more when it is asked for its artefact, which no metric tells."""

    def artefact(state, problem):
        found = good.artefact(state, problem)
        tokens, costs = vary.random_architectures(problem, jnp.tile(problem.high, (512, 1)), jax.random.key(9))
        archive = found.archive.insert(problem, tokens, costs, evaluate(problem, tokens)[0])
        return dataclasses.replace(found, archive=archive)

    return artefact


@pytest.mark.parametrize(
    ("check", "replaced", "text"),
    [
        (testing.check_protocol, {"update": silent}, "protocol: metrics .* lack 'infeasible'"),
        (testing.check_protocol, {"settings": lambda good: {"children": 32}}, "protocol: settings say"),
        (
            testing.check_protocol,
            {"settings": lambda good: {**SMALL, "f": print}},
            "protocol: settings cannot be written",
        ),
        (
            testing.check_protocol,
            {"default_params": lambda good: lambda: {"mutations": "a"}},
            "protocol: default param",
        ),
        (testing.check_determinism, {"update": constant, "init": blind_init}, "determinism: .* different seeds"),
        (testing.check_recompilation, {"rebase": growing}, "recompilation: .*update"),
        (testing.check_budget, {"artefact": cheaper_on_paper}, "budget: archive: .* costs"),
        (testing.check_nonfinite, {"update": unfiltered}, "nonfinite: the archive holds"),
        (testing.check_counting, {"update": spendthrift}, "counting: 20 architectures .* counts 0"),
        (testing.check_counting, {"update": half_honest}, "counting: 16 architectures .* counts 0"),
        (testing.check_counting, {"update": half_counted}, "counting: .* asked for 1.. different .* counts 96"),
        (testing.check_counting, {"artefact": late}, "counting: .* different .* counts 192"),
        (testing.check_rebase, {"rebase": remembering}, "rebase: "),
        (testing.check_improvement, {"update": lazy}, "improvement: mean regret"),
    ],
)
def test_the_suite_finds_what_breaks_it(installed, check, replaced, text):
    with pytest.raises(AssertionError, match=text):
        check(change(installed, **replaced), **SMALL)


def test_a_controller_that_branches_on_a_parameter_is_found(installed):
    with pytest.raises(plugins.PluginError, match="'static_parameter': update: ConcretizationTypeError") as caught:
        testing.check_recompilation(change(installed, update=static_parameter), **SMALL)
    assert isinstance(caught.value.__cause__, jax.errors.ConcretizationTypeError)


def test_the_import_works_without_the_checkout(site):
    """The plugin and its entry point are found in a plain interpreter, beside the installed libraries."""
    code = "from nagjax import plugins; print(plugins.load('controllers', 'local_search').__module__)"
    path = os.pathsep.join([str(site), str(ROOT), sysconfig.get_path("purelib")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "nagjax_local_search", done.stderr[-1000:]
