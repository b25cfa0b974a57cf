"""Published systems: every command can be given, every figure stands in the rows, and the page is what they make."""

import dataclasses
import importlib
import re
import shlex

import pytest

from experiments import embedded, systems
from experiments.frame import cli
from experiments.published import page, registry
from experiments.published.system import VERDICTS, System
from nagjax import plugins
from nagjax.predictors.kinds import registry as kinds
from nagjax.proposers import proposer


def parsed(system: System, arguments):
    given = [one.replace("EMBEDDED", str(embedded.find())) for one in arguments]
    return cli.parse(importlib.import_module(f"experiments.{system.job}").define_flags, given)


@pytest.mark.parametrize("system", registry.BUILT, ids=lambda system: system.name)
def test_every_command_and_its_small_form_can_be_given(system, monkeypatch):
    monkeypatch.chdir(systems.ROOT)
    assert shlex.split(system.command)[:3] == ["python", "-m", f"experiments.{system.job}"]
    small = system.trial("labels.csv", str(embedded.find()), "out")
    assert not [one for one in small if re.search("DATA|LABELS|EMBEDDED", one)]
    for values in (parsed(system, system.arguments), parsed(system, small)):
        named = {
            "compare": lambda values: [one.rpartition("=")[2] for one in values.controllers],
            "run": lambda values: [values.controller],
        }.get(system.job, lambda values: [])(values)
        assert set(named) <= set(plugins.names("controllers"))
        if system.job == "search":
            settings = dict(one.split("=") for one in values.proposer_settings)
            assert proposer.make(values.proposer, {key: int(value) for key, value in settings.items()})
            assert kinds.load(values.predictor_kind)


@pytest.mark.parametrize("system", registry.BUILT, ids=lambda system: system.name)
def test_every_figure_is_in_the_rows_that_are_named(system):
    assert system.rows
    assert all((systems.RESULTS / name).exists() for name in system.rows)
    text = page.measured(system, systems.RESULTS)
    assert re.search(r"\d\.\d{3}", text)
    assert "{" not in text


def test_the_page_is_what_the_registry_and_the_rows_make():
    assert systems.PAGE.read_text(encoding="utf-8") == page.page(systems.RESULTS), (
        "python -m experiments.systems --write"
    )


def test_names_papers_and_verdicts():
    assert len({system.name for system in registry.SYSTEMS}) == len(registry.SYSTEMS)
    assert all(re.fullmatch(r"\d{4}\.\d{5}", system.arxiv) for system in registry.SYSTEMS)
    assert all(system.verdict in VERDICTS[:3] and system.job for system in registry.BUILT)
    assert all(system.verdict == "not built" and not system.job for system in registry.NOT_BUILT)


def test_a_figure_that_is_not_there_is_told(tmp_path):
    (tmp_path / "systems.csv").write_text("system,seed,evaluations,evaluated,answered\na,0,100,0.5,\nb,0,100,0.25,\n")
    system = System(
        "a", "A", "0000.00000", "It works.", measured="{systems.csv | a-b 100 evaluated}", rows=["systems.csv"]
    )
    assert page.measured(system, tmp_path) == "0.250"
    for text, told in (
        ("{systems.csv | a 200 evaluated}", "has no 'a 200 evaluated'"),
        ("{x | a}", "not among its rows"),
    ):
        with pytest.raises(ValueError, match=told):
            page.measured(dataclasses.replace(system, measured=text), tmp_path)


def test_what_cannot_be_run_is_told():
    with pytest.raises(ValueError, match=r"no such system \(did you mean 'autoshrink'\?\)"):
        registry.find("autoshrnk")
    with pytest.raises(ValueError, match=r"BossNAS is not built; those that are: nag, "):
        registry.find("bossnas")


def test_systems_are_listed(capsys):
    assert systems.main([]) == 0
    assert "autoshrink" in capsys.readouterr().out


def test_a_system_runs_in_small(tmp_path):
    assert systems.main(["--run=autoshrink", f"--out={tmp_path / 'run'}"]) == 0
    assert (tmp_path / "run" / "results.csv").is_file()
