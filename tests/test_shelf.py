"""Fronts that a checkpoint keeps: the answers are those without them, and nothing but what was written is believed."""

import json
import logging

import jax
import numpy as np
import pytest

import nagjax
from nagjax.devices.table import DeviceTable, Row
from nagjax.inference import scope, shelf
from tests.generators import make_generator
from tests.test_checkpoint import save

KNOWN = make_generator().generator
BUDGETS = np.linspace(1.1, 3, 9) * KNOWN.budget_range[0, 0]


@pytest.fixture
def run(tmp_path):
    """A run that was asked once."""
    folder = save(tmp_path)
    nagjax.load(folder).generate(BUDGETS)
    return folder


def never(*args):
    raise AssertionError("the front is made again")


def texts(folder, **asked):
    return [answer.text for answer in nagjax.load(folder).generate(BUDGETS, **asked)]


def kept(folder):
    return sorted((folder / shelf.FOLDER).iterdir())


def test_what_was_asked_once_is_not_made_again_and_answers_are_equal(run, monkeypatch):
    whole, answers = nagjax.load(run).front(), KNOWN.generate(BUDGETS)
    monkeypatch.setattr(scope, "make_nondominated", never)
    again = nagjax.load(run)
    for one, two in zip(again.generate(BUDGETS), answers, strict=True):
        assert (one.text, one.quality, one.costs, one.source) == (two.text, two.quality, two.costs, two.source)
    for field in ("tokens", "costs", "quality", "source"):
        np.testing.assert_array_equal(getattr(again.front(), field), getattr(whole, field))


@pytest.mark.parametrize("asked", [{"seed": 1}, {"where": {"layer1": "identity"}}])
def test_another_question_has_a_front_of_its_own(run, asked):
    first = texts(run)
    texts(run, **asked)
    assert len(kept(run)) == 2
    assert texts(run) == first


def test_a_device_that_was_never_seen_has_fronts_of_its_own(run, monkeypatch):
    def table(factor):
        keys = dict.fromkeys((op.key, None) for op in KNOWN.description.space.operators)
        rows = {key: Row(factor * (1 + number % 7)) for number, key in enumerate(keys)}
        return DeviceTable("phone", "none", 1, "float32", "ms", "never", rows)

    def answers(one):
        there = nagjax.load(run).on(one)
        return [answer.text for answer in there.generate(np.linspace(*there.budget_range[0], 5))]

    first, other = answers(table(1.0)), answers(table(2.0))
    assert len(kept(run)) == 3
    monkeypatch.setattr(scope, "make_nondominated", never)
    assert (answers(table(1.0)), answers(table(2.0))) == (first, other)
    assert first == other  # twice as slow everywhere


def other_key(path, arrays):
    header = json.loads(arrays[shelf.HEADER].tobytes())
    arrays[shelf.HEADER] = np.frombuffer(json.dumps({**header, "key": "0" * 64}).encode(), np.uint8)
    np.savez(path, **arrays)


def other_tokens(path, arrays):
    np.savez(path, **{**arrays, "tokens": arrays["tokens"][::-1]})


def half(path, arrays):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(path, arrays):
    np.savez(path, **{**arrays, "tokens": np.array([print], object)})


@pytest.mark.parametrize("damage", [other_key, other_tokens, half, pickled, lambda path, arrays: path.write_bytes(b"")])
def test_a_front_that_is_damaged_or_anothers_is_said_and_made_again(run, damage, caplog):
    (path,) = kept(run)
    with np.load(path) as loaded:
        arrays = dict(loaded)
    damage(path, arrays)
    with caplog.at_level(logging.WARNING, "nagjax"):
        assert texts(run) == [answer.text for answer in KNOWN.generate(BUDGETS)]
    assert f"{path}: is not believed, and made anew" in caplog.text
    caplog.clear()
    texts(run)
    assert not caplog.text


def test_arrays_that_are_no_front_of_the_problem_are_refused_though_sealed(run):
    loaded = nagjax.load(run)
    front, allowed = loaded._whole().front(0), np.asarray(loaded.problem.allowed)
    for tokens in (front.tokens[::-1], np.full_like(front.tokens, 99), front.tokens[:0]):
        loaded.shelf.write(shelf.dataclasses.replace(front, tokens=tokens), loaded.description, 0)
        assert loaded.shelf.read(loaded.description, allowed, 0) is None


def test_code_and_versions_are_part_of_the_key(run, monkeypatch):
    monkeypatch.setattr(jax, "__version__", "0.0.1")
    texts(run)
    assert len(kept(run)) == 2


def test_earlier_checkpoints_make_room(run):
    (path,) = kept(run)
    old = path.with_name(f"{'0' * 16}-{'0' * 16}.npz")
    path.rename(old)
    texts(run)
    assert kept(run) == [path]


def test_nothing_is_kept_where_nothing_can_be_written_or_was_edited(tmp_path, monkeypatch):
    folder = save(tmp_path)
    (folder / shelf.FOLDER).write_text("in the way")
    assert texts(folder) == [answer.text for answer in KNOWN.generate(BUDGETS)]
    (folder / shelf.FOLDER).unlink()
    nagjax.load(folder, ignore_hash=True).generate(BUDGETS)
    monkeypatch.setattr(shelf, "MOST", 0)
    texts(folder)
    assert not list(folder.glob(f"{shelf.FOLDER}/*"))
