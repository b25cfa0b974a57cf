"""The way from budgets to files that run, in a space of 40 architectures; the clock is made up."""

import csv
import dataclasses
import json

import jax
import numpy as np
import pytest

import nagjax
from nagjax.controllers import Artefact
from nagjax.deployment import building, carried, supernets, timing
from nagjax.deployment.finetuning import finetuned
from nagjax.deployment.subnets import load_subnet, norm_shapes
from nagjax.inference.generator import Generator
from nagjax.predictors.forms.behind import Behind
from nagjax.problems.build import make_problem
from nagjax.problems.several import side_by_side
from nagjax.spaces import mobilenet_v3
from nagjax.spaces.compose import prefix
from nagjax.supernet.training import Recipe
from tests.deployed import LARGE, PLAN, PRICES, SMALL, SPACE, make_generator, make_supernet

pytest.importorskip("onnx", reason="needs onnx: pip install 'nagjax[deploy]'")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'nagjax[deploy]'")
GENERATOR = make_generator()
LOW, HIGH = GENERATOR.budget_range[0].tolist()


def predicted(text):
    return float(GENERATOR.description.costs_of(SPACE.parse(text)[None])[0, 0])


@pytest.fixture
def clock(monkeypatch):
    """Files take 1.2 times what the table says; int8 half of that. What was timed is listed."""
    seen = []

    def preparation(files, conditions):
        def prepare(subject):
            architecture, _, name = subject.name.rpartition(" ")
            assert files[subject.name].is_file()
            seen.append(subject.name)
            return lambda: 1e-3 * 1.2 * predicted(architecture) * (0.5 if name == "int8" else 1.0)

        return prepare

    monkeypatch.setattr(timing, "preparation", preparation)
    return seen


@pytest.fixture
def unjudged(monkeypatch):
    """Networks are not run on images, nor their norms calibrated: each would compile."""
    found = {"accuracy": {"validation": {"onnx": 0.5}, "test": {"onnx": 0.5}}, "difference": {}}
    monkeypatch.setattr(building, "_judged", lambda *_: found)
    monkeypatch.setattr(supernets, "alone_assessor", lambda *_: Uncalibrated())


class Uncalibrated:
    """Statistics of norms that change nothing, as an assessor would take them."""

    def statistics(self, parameters, tokens):
        operators = mobilenet_v3.operators(PLAN, tokens.tolist())
        return [
            {name: (np.zeros(shape, np.float32), np.ones(shape, np.float32)) for name, shape in norm_shapes(op).items()}
            for op in operators
        ]


def deploy(out, budgets, **more):
    given = {"formats": ["onnx"], "rounds": 3, "images": 10} | more
    return nagjax.deploy(make_supernet(), out, generator=GENERATOR, budgets_ms=budgets, **given)


def test_each_budget_ends_in_files_and_a_card(tmp_path, clock):
    budgets = [HIGH, 1.1 * LOW]
    found = deploy(tmp_path, budgets, formats=["onnx", "int8", "stablehlo"], architectures=[LARGE])
    answers = GENERATOR.generate(budgets)
    assert [card.architecture for card in found] == [*(answer.text for answer in answers), LARGE]
    assert [card.name for card in found] == [f"budget_{HIGH:g}ms", f"budget_{1.1 * LOW:g}ms", "network_3"]
    for card, answer in zip(found, answers, strict=False):
        folder = tmp_path / card.name
        assert load_subnet(folder / "weights.safetensors").architecture == answer.text
        written = json.loads((folder / "card.json").read_text())
        assert written["predicted"]["latency_ms"] == answer.costs["latency_ms"]
        assert written["measured"]["latency"]["onnx"]["median_ms"] == pytest.approx(1.2 * predicted(answer.text))
        assert written["measured"]["latency"]["int8"]["median_ms"] == pytest.approx(0.6 * predicted(answer.text))
        assert written["difference"]["onnx"] < 1e-4
        assert written["difference"]["supernet"] < 1e-4
        assert written["within_budget"] == (1.2 * predicted(answer.text) <= card.budget_ms)
        assert (folder / "network.stablehlo").is_file()
        assert card.architecture in (folder / "card.html").read_text()
    assert (found[2].budget_ms, found[2].within_budget, found[2].predicted) == (None, None, {})
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["architecture"] for row in rows] == [card.architecture for card in found]
    assert (tmp_path / "index.html").read_text().count("card.html") == 3


def test_it_goes_on_with_what_is_missing(tmp_path, clock, unjudged, monkeypatch):
    deploy(tmp_path, [HIGH])
    del clock[:]
    built = []
    export = building._export
    monkeypatch.setattr(building, "_export", lambda *args: built.append(args[3].name) or export(*args))
    deploy(tmp_path, [HIGH, LOW])
    assert built == [f"budget_{LOW:g}ms"]
    assert [name for name in clock if GENERATOR.generate([HIGH])[0].text in name] == []
    with pytest.raises(ValueError, match="threads"):
        deploy(tmp_path, [HIGH], threads=2)


def test_a_missed_budget_is_reported_or_tightened(tmp_path, clock, unjudged):
    budget = 0.5 * (LOW + HIGH)
    (missed,) = deploy(tmp_path / "a", [budget])
    assert missed.within_budget is False
    (held,) = deploy(tmp_path / "b", [budget], on_miss="tighten")
    assert held.within_budget
    assert held.asked_ms < held.budget_ms == budget
    assert held.measured_ms == pytest.approx(1.2 * predicted(held.architecture))
    assert [one["measured_ms"] > budget for one in held.tries] == [True] * (len(held.tries) - 1) + [False]
    assert load_subnet(tmp_path / "b" / held.name / "weights.safetensors").architecture == held.architecture
    (hopeless,) = deploy(tmp_path / "c", [LOW], on_miss="tighten")
    assert hopeless.within_budget is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budgets": []}, "nothing is to be deployed"),
        ({"on_miss": "hope"}, "on_miss"),
        ({"formats": ["int8"]}, "int8 is made from onnx"),
        ({"formats": ["pickle"]}, "pickle"),
        ({"budgets": [HIGH, HIGH]}, "more than once"),
        ({"budgets": [LOW / 2]}, "below the cheapest"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, given, said):
    given = {"budgets": [HIGH]} | given
    with pytest.raises(ValueError, match=said):
        deploy(tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


def test_finetuning_learns_the_answers_of_the_largest():
    supernet = make_supernet()
    tokens = SPACE.parse("1:3,0:2,0:8")
    plain = supernet.network(tokens)
    recipe = Recipe(40, batch=48, learning_rate=0.05)
    moved = finetuned(supernet, tokens, recipe)
    teacher = supernet.network(LARGE)
    x = supernet.calibration_inputs(tokens, 48)  # all that there are

    def missed(net):
        aim, own = (np.asarray(one.apply(x), np.float64) for one in (teacher, net))
        aim = np.exp(aim - aim.max(-1, keepdims=True))
        aim /= aim.sum(-1, keepdims=True)
        own -= own.max(-1, keepdims=True)
        return -(aim * (own - np.log(np.exp(own).sum(-1, keepdims=True)))).sum(-1).mean()

    assert missed(moved) < missed(plain)


def test_a_supernet_is_carried_without_its_images(tmp_path, clock, monkeypatch):
    supernet, folder = make_supernet(), tmp_path / "carried"
    assert carried.write(supernet, folder) == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    monkeypatch.setattr(supernets.plugins, "load", lambda *_: lambda: SPACE)
    there = supernets.load_supernet(folder)
    assert there.identity == supernet.identity
    (away,) = nagjax.deploy(there, tmp_path / "b", architectures=[SMALL], formats=["onnx"])
    assert away.built["accuracy"] == {"validation": {}, "test": {}}
    assert away.built["difference"]["onnx"] < 1e-4
    ours, theirs = supernet.network(SMALL), load_subnet(tmp_path / "b" / away.name / "weights.safetensors")
    for own, other in zip((*ours.parameters, *ours.statistics), (*theirs.parameters, *theirs.statistics), strict=True):
        jax.tree.map(np.testing.assert_array_equal, own, other)
    assert (ours.mean == theirs.mean).all()
    with pytest.raises(ValueError, match="too few to train on"):
        nagjax.deploy(there, tmp_path / "c", architectures=[SMALL], formats=["onnx"], finetune=2)
    (folder / carried.FILE).write_bytes(b"PK")
    with pytest.raises(ValueError, match="cannot be read"):
        supernets.load_supernet(folder)


def test_one_of_several_devices_is_deployed(tmp_path, clock, unjudged):
    columns = {"one": PRICES, "two": dataclasses.replace(PRICES, values=2 * PRICES.values)}
    both = prefix(SPACE, "device", list(columns))
    made = make_problem(both, [side_by_side(both, columns)], Behind(GENERATOR.problem.quality, 2))
    generator = Generator(Artefact(None, None), *made, {"controller": {"name": "none"}, "step": 0})
    (card,) = nagjax.deploy(
        make_supernet(), tmp_path, generator=generator.on("two"), budgets_ms=[2 * HIGH], formats=["onnx"], rounds=3
    )
    assert card.architecture == GENERATOR.generate([HIGH])[0].text
    assert card.predicted["latency_ms"] == pytest.approx(2 * predicted(card.architecture))
