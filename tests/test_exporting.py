"""An exported generator: what it answers with NumPy alone, against what the library answers."""

import dataclasses
import functools
import http.client
import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from nagjax.controllers import Artefact
from nagjax.generator.policy import PolicyNetwork
from nagjax.inference import exporting, nondominated, portable
from nagjax.inference.generator import Generator
from tests import tiny
from tests.generators import make_generator


@functools.cache
def tiny_generator(seed=0, reduces=("sum",), sizes=tiny.SIZES):
    problem, description = tiny.make(seed, reduces, sizes)
    return Generator(Artefact(tiny.make_policy(problem.spec, seed), None), problem, description, {})


def read(generator, folder, **how):
    generator.export(folder, **how)
    return portable.Generator(folder / "generator.npz")


def budgets_of(generator, num, column=0):
    """Over the range, its ends, what architectures cost, and no limit."""
    low, high = generator.budget_range[column]
    rng = np.random.default_rng(3)
    costs = generator.description.costs_of(generator.description.space.sample(rng, num))[:, column]
    return np.concatenate([np.linspace(low, high, num), costs, [low, high, 2 * high, np.inf]])


@pytest.mark.parametrize("decode", ["greedy", "best"])
@pytest.mark.parametrize("sizes", [tiny.SIZES, tiny.MANY_SIZES], ids=["one segment", "two segments"])
def test_it_answers_as_the_library_does(tmp_path, sizes, decode):
    generator = tiny_generator(sizes=sizes)
    budgets = budgets_of(generator, 40)
    asked = generator.generate(budgets, decode=decode)
    found = read(generator, tmp_path).answer(budgets, decode)
    assert [one["tokens"] for one in found] == [answer.tokens.tolist() for answer in asked]
    assert [one["costs"] for one in found] == [answer.costs for answer in asked]
    assert all(one["guaranteed"] for one in found)
    if decode == "best":
        assert [one["architecture"] for one in found] == [answer.text for answer in asked]
        np.testing.assert_allclose([one["quality"] for one in found], [answer.quality for answer in asked], rtol=1e-6)


def test_some_of_these_budgets_lie_below_the_ticks_of_the_cheapest(tmp_path):
    """Else the list of the cheapest would not be looked at."""
    found = read(tiny_generator(), tmp_path)
    low = np.array([found.header["costs"][0]["range"][0]])
    assert found.columns[0].ticks(low, strict=True)[0] < found.arrays["togo"][0, 0, 0]


def test_several_columns_are_kept_together(tmp_path):
    generator = tiny_generator(2, ("sum", "max"))
    names = [info.name for info in generator.description.costs]
    costs = generator.description.costs_of(tiny.architectures())
    asked = {name: costs[:, k] for k, name in enumerate(names)}
    answers = generator.generate(budgets=asked, decode="greedy")
    found = read(generator, tmp_path).answer(asked, "greedy")
    assert [one["tokens"] for one in found] == [answer.tokens.tolist() for answer in answers]
    assert [one["guaranteed"] for one in found] == [answer.guaranteed for answer in answers]
    alone = {names[0]: costs[:, 0]}
    answers = generator.generate(budgets=alone, decode="greedy")
    assert [one["tokens"] for one in read(generator, tmp_path).answer(alone, "greedy")] == [
        answer.tokens.tolist() for answer in answers
    ]


def test_conditions_are_exported_too(tmp_path):
    generator = tiny_generator()
    found = read(generator, tmp_path, where={"size": 16})
    budgets = np.linspace(*found.header["costs"][0]["range"], 20)
    assert {one["choices"]["size"]["size"] for one in found.answer(budgets)} == {16}
    answers = generator.generate(budgets, decode="greedy", where={"size": 16})
    assert [one["tokens"] for one in found.answer(budgets, "greedy")] == [a.tokens.tolist() for a in answers]


def test_closed_decisions_have_no_choice(tmp_path):
    answers = read(tiny_generator(), tmp_path).answer(budgets_of(tiny_generator(), 20))
    depths = {one["choices"]["depth"]["depth"]: set(one["choices"]) for one in answers}
    assert "block1" not in depths[1]
    assert "block1" in depths[2]


def test_an_archive_alone_answers_best_and_nothing_else(tmp_path):
    trained = tiny_generator()
    generator = dataclasses.replace(trained, artefact=Artefact(None, None), _scopes={})
    found, budgets = read(generator, tmp_path), budgets_of(generator, 10)
    answers = generator.generate(budgets)
    assert [one["tokens"] for one in found.answer(budgets)] == [answer.tokens.tolist() for answer in answers]
    with pytest.raises(ValueError, match="greedy"):
        found.answer(budgets, "greedy")


def test_what_cannot_be_exported_is_refused_with_the_reason(tmp_path, monkeypatch):
    class Other(PolicyNetwork):
        pass

    generator = tiny_generator()
    policy = generator.artefact.policy
    other = dataclasses.replace(policy, network=Other(policy.network.spec))
    with pytest.raises(ValueError, match="Other"):
        dataclasses.replace(generator, artefact=Artefact(other, None), _scopes={}).export(tmp_path)
    monkeypatch.setattr(nondominated, "LISTED", 0)
    monkeypatch.setattr(nondominated, "LOOKED_UP", 0)
    several = make_generator(2, policy=False).generator
    with pytest.raises(ValueError, match="2 cost columns"):
        Generator(several.artefact, several.problem, several.description, {}).export(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("budgets", [[1e-3], [float("nan")], {"speed": [1.0]}, {}])
def test_impossible_budgets_are_refused(tmp_path, budgets):
    found = read(tiny_generator(), tmp_path)
    with pytest.raises(ValueError, match="budget"):
        found.answer(budgets)


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="export the generator again"):
        portable.Generator(tmp_path / "other.npz")


def test_the_program_needs_numpy_alone(tmp_path):
    generator = tiny_generator()
    exporting.write(generator._under(None), tmp_path, {}, 0)
    high = float(generator.budget_range[0, 1])
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import answer; answer.main([{str(high)!r}]); "
        "print(sorted(set(name.partition('.')[0] for name in sys.modules) & {'jax', 'flax', 'nagjax', 'numpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    answer, modules = done.stdout.splitlines()
    assert json.loads(answer)["tokens"] == generator.generate([high])[0].tokens.tolist()
    assert modules == "['numpy']"


def test_the_program_says_what_is_wrong_in_one_line(tmp_path):
    tiny_generator().export(tmp_path)
    program = [sys.executable, str(tmp_path / "answer.py")]
    for word, said in (("1e-9", "error: budget "), ("ten", "error: could not convert string to float: 'ten'")):
        done = subprocess.run([*program, word], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1


def test_no_limit_is_null_in_json(tmp_path):
    (answer,) = read(tiny_generator(), tmp_path).answer([float("inf")])
    assert list(answer["budget"].values()) == [None]
    json.dumps(answer, allow_nan=False)


def test_it_stays_small():
    """A person reads it before they trust it."""
    assert len(Path(portable.__file__).read_text(encoding="utf-8").splitlines()) <= 200


def test_the_server_of_the_page_answers(tmp_path, monkeypatch):
    generator = tiny_generator()
    generator.export(tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "serve.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert sum(bool(line.strip()) for line in script.splitlines()) <= 20
    asked = iter([f"budget={generator.budget_range[0, 1]}", "budget=0", ""])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {"__name__": "script"}
    found = []

    def ask(server):
        """In place of serving for ever: each question once."""
        with server:
            for query in asked:
                thread = threading.Thread(target=server.handle_request)
                thread.start()
                connection = http.client.HTTPConnection(*server.server_address)
                connection.request("GET", f"/?{query}")
                reply = connection.getresponse()
                found.append((reply.status, json.loads(reply.read())))
                thread.join()

    monkeypatch.setattr(http.server.ThreadingHTTPServer, "serve_forever", ask)
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "log_message", lambda *_: None)
    exec(script.replace("8000", "0"), names)
    assert [status for status, _ in found] == [200, 400, 400]
    assert found[0][1][0]["tokens"] == generator.generate(generator.budget_range[0, 1:])[0].tokens.tolist()
