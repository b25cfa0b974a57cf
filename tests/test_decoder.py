"""Decoders of one's own: attention by hand, the elastic network, prices; and the tasks they are trained on."""

import json

import jax
import numpy as np
import pytest

import nagjax
from experiments import train_supernet
from nagjax import blocks, plugins, testing
from nagjax.authoring import tabular_quality
from nagjax.operators import attention, kept_bytes, madds, params
from nagjax.operators.attention import CHUNK
from nagjax.operators.feed_forward import feed_forward
from nagjax.spaces import elastic_decoder
from nagjax.spaces.trellis import enumerate_paths

TINY = {"length": 7, "vocabulary": 5, "widths": "4-8", "depths": "1-2", "heads": "1-2", "ratios": "2", "head_size": 2}


def by_hand(mixer, query, key, value):
    """Attention token by token, ``[L, D]`` of one head; the linear one from sums, as text is made."""
    out, sums, weights = [], 0.0, 0.0
    for at in range(len(query)):
        if mixer == "softmax":
            scores = np.exp(key[: at + 1] @ query[at] / np.sqrt(query.shape[1]))
            out.append(scores @ value[: at + 1] / scores.sum())
            continue
        positive, asked = (np.where(y[at] > 0, y[at] + 1, np.exp(y[at])) for y in (key, query))
        sums, weights = sums + np.outer(positive, value[at]), weights + positive
        out.append(asked @ sums / (asked @ weights))
    return np.array(out)


@pytest.mark.parametrize("mixer", attention.MIXERS)
def test_attention_is_what_it_is_token_by_token(mixer):
    length, size = 2 * CHUNK + 3, 3
    given = np.random.default_rng(0).normal(size=(3, 2, 2, length, size)).astype(np.float32)
    found = np.asarray(jax.jit(attention._MIX[mixer, True])(*given))
    for batch in range(2):
        for head in range(2):
            np.testing.assert_allclose(found[batch, head], by_hand(mixer, *given[:, batch, head]), atol=2e-5)


@pytest.mark.parametrize("mixer", attention.MIXERS)
def test_no_token_sees_what_comes_after_it(mixer):
    op = attention.attention(6, 4, 2, 2, mixer)
    parameters = jax.jit(blocks.init, static_argnums=1)(jax.random.key(0), op)
    x = np.random.default_rng(1).normal(size=(1, 6, 4)).astype(np.float32)
    moved = x.copy()
    moved[0, 4, 0] += 1
    apply = jax.jit(blocks.apply, static_argnums=0)
    change = np.abs(apply(op, parameters, moved)[0] - apply(op, parameters, x)[0]).max(-1)[0]
    assert (change[:4] == 0).all()
    assert (change[4:] > 0).all()


def test_counts_are_those_worked_by_hand():
    # Four projections of 8 x 6, then scores and mean over 5 tokens: 5 * (4 * 48 + 2 * 5 * 6).
    soft, linear = (attention.attention(5, 8, 2, 3, mixer) for mixer in attention.MIXERS)
    assert madds(soft) == madds(linear) == 5 * (192 + 60)
    assert params(soft) == 4 * 48 + 16
    # Behind a chunk: 32 tokens of its own, and 3 x 3 sums a head that are added to and asked.
    assert madds(attention.attention(100, 8, 2, 3, "linear")) == 100 * (192 + 2 * 32 * 6 + 2 * 3 * 6)
    assert madds(attention.attention(100, 8, 2, 3, "softmax")) == 100 * (192 + 2 * 100 * 6)
    # Keys and values of 5 tokens in 2 heads of 3, or of each head 3 x 3 sums of values and 3 of keys.
    assert kept_bytes(soft) == 4 * 2 * 5 * 6
    assert kept_bytes(linear) == 4 * 2 * (9 + 3)
    assert madds(feed_forward(5, 8, 16)) == 5 * 2 * 128


def test_a_decoder_has_a_text_a_number_and_a_cache():
    space = elastic_decoder.make(**TINY)
    assert space.count() == 2 * (4 + 16)
    tokens = space.parse("width=8:softmax-h2-r2:linear-h1-r2")
    assert tokens.tolist() == [1, 1, 1, 0, 2, 0]
    every = enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = tabular_quality(space, every, np.linspace(0.3, 0.4, len(every)))
    problem = nagjax.problem(space, quality=quality, costs=["kv_cache", "step_madds"])
    cache, step = problem.description.costs_of(tokens[None])[0]
    assert cache == pytest.approx((4 * 2 * 7 * 4 + 4 * (4 + 2)) / 1000)
    # One more token: projections, keys and values of 7 tokens or 2 sums a channel, two MLPs of 16, 5 logits.
    assert step == pytest.approx((4 * 8 * 4 + 2 * 7 * 4 + 4 * 8 * 2 + 2 * 2 * 2 + 2 * 2 * 8 * 16 + 8 * 5) / 1e6)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"widths": "64-32"}, "widths='64-32': write each number once, ascending"),
        ({"heads": "2,4"}, "heads='2,4': write whole numbers above 0 with - between them"),
        ({"mixers": "cosine"}, "mixers='cosine': write one or more of softmax, linear"),
        ({"length": 1}, "length=1: must be an integer, at least 2"),
    ],
)
def test_settings_that_make_no_decoder_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        elastic_decoder.make(**settings)


@pytest.mark.parametrize(
    "text", ["width=8", "width=9:softmax-h2-r2", "width=8:softmax-h2", "width=8" + 3 * ":linear-h1-r2"]
)
def test_texts_that_name_no_decoder_are_refused(text):
    with pytest.raises(ValueError, match="architecture"):
        elastic_decoder.make(**TINY).parse(text)


@pytest.mark.parametrize("check", testing.ELASTIC_CHECKS, ids=lambda check: check.__name__)
def test_one_set_of_weights_holds_every_decoder(check):
    check(elastic_decoder.make, **TINY)


RECALL = {"pairs": 2, "queries": 2, "vocabulary": 8, "training": 64, "validation": 16, "test": 16}


@pytest.mark.parametrize("check", testing.TASK_CHECKS, ids=lambda check: check.__name__)
def test_recall_conforms(check):
    check(plugins.load("tasks", "recall"), **RECALL)


def test_recall_asks_for_pairs_that_it_told_and_judges_the_answers_alone():
    task = plugins.load("tasks", "recall")(**RECALL | {"pairs": 3})
    inputs, targets = task.train.at(np.arange(64))
    assert inputs.shape == targets.shape == (64, 2 * (3 + 2) - 1)
    assert task.sizes == {"length": 9, "vocabulary": 8}
    for read, then in zip(inputs.tolist(), targets.tolist(), strict=True):
        told = dict(zip(read[0:6:2], read[1:6:2], strict=True))
        assert len(told) == 3
        assert max(told) < 4 <= min(told.values())
        assert [told[read[at]] for at in (6, 8)] == [then[at] for at in (6, 8)]
        assert read[6] != read[8]
    # Where the answers are sure quality is 1, whatever is said elsewhere; where all 8 tokens are as likely it is 1/8.
    sure = np.zeros((64, 9, 8), np.float32)
    sure[:, 6::2] = 100 * np.eye(8)[targets[:, 6::2]]
    for logits, quality in ((sure, 1.0), (0 * sure, 1 / 8)):
        sums = jax.jit(task.sums)(logits, targets, np.ones(64, np.float32))
        assert task.quality(sums, 64) == pytest.approx(quality)


@pytest.mark.parametrize("settings", [{"pairs": 5}, {"queries": 3}, {"vocabulary": 7}, {"training": 0}])
def test_recall_of_sizes_that_do_not_fit_is_refused(settings):
    with pytest.raises(ValueError, match=f"recall: .*{next(iter(settings))}="):
        plugins.load("tasks", "recall")(**RECALL | settings)


def test_a_decoder_is_trained_on_recall_and_deployed_by_the_jobs(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the deployed network runs")
    sizes, given = (
        ",".join(f"{key}={value}" for key, value in one.items())
        for one in (TINY | {"vocabulary": 8, "widths": "4", "heads": "1", "mixers": "linear"}, RECALL)
    )
    flags = ["--space=elastic_decoder", f"--space_settings={sizes}", "--task=recall", f"--task_settings={given}"]
    flags += ["--steps=4", "--batch=16", "--chunk=2", f"--out={tmp_path / 'a'}", "--compilation_cache="]
    assert train_supernet.main(flags) == 0
    recorded = json.loads((tmp_path / "a" / "supernet.json").read_text())["config"]
    assert recorded["data"]["task"] == "recall"
    assert recorded["data"]["examples"] == [64, 16, 16]
    (card,) = nagjax.deploy(
        tmp_path / "a", tmp_path / "b", architectures=["width=4:linear-h1-r2"], formats=["onnx"], rounds=1
    )
    assert card.built["difference"]["onnx"] < 1e-5
    assert card.built["accuracy"]["validation"]["onnx"] == pytest.approx(card.built["accuracy"]["validation"]["jax"])


TEXT = "".join(np.random.default_rng(0).choice(list("abcdef \n"), 4800))


@pytest.mark.parametrize("check", testing.TASK_CHECKS, ids=lambda check: check.__name__)
def test_characters_conform(check, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    check(plugins.load("tasks", "char_lm"), data_dir=str(tmp_path), length=8, vocabulary=6)


def test_characters_of_a_folder_are_numbered_by_how_often_they_stand(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.txt").write_text("cde" * 10, encoding="utf-8")
    (tmp_path / "a.txt").write_text("aab\u00e9" * 300, encoding="utf-8")
    task = plugins.load("tasks", "char_lm")(data_dir=str(tmp_path), length=4, vocabulary=4)
    assert task.sizes == {"length": 4, "vocabulary": 4}
    parts = [task.train, task.validation, task.test]
    assert sum(len(part) for part in parts) == (1200 + 1 + 30 - 1) // 4
    inputs, targets = task.train.at(np.arange(2))
    # a, b and \u00e9 are the three that stand most often; c, d, e and the line's end are the others, number 3.
    assert {tuple(row) for row in inputs.tolist()} == {(0, 0, 1, 2)}
    assert {tuple(row) for row in targets.tolist()} == {(0, 1, 2, 0)}
    every = np.concatenate([part.at(np.arange(len(part))).inputs for part in parts])
    assert (every == 3).sum() == 31 - 1 - 2


def test_the_text_that_comes_with_python_is_cut_into_three_parts():
    task = plugins.load("tasks", "char_lm")(length=256)
    sizes = [len(part) for part in (task.train, task.validation, task.test)]
    assert sum(sizes) * 256 > 400_000
    assert sizes[1] > 60
    assert sizes[2] > 60
    assert sizes[0] > 8 * (sizes[1] + sizes[2])
    inputs, targets = task.test.at(np.arange(sizes[2]))
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert (inputs == 95).mean() < 0.01
    # Each character as likely as another: exp(-log 96).
    sums = jax.jit(task.sums)(np.zeros((*inputs.shape, 96), np.float32), targets, np.ones(len(inputs), np.float32))
    assert task.quality(sums, len(inputs)) == pytest.approx(1 / 96, rel=1e-4)


def test_text_that_cannot_be_used_is_refused(tmp_path):
    make = plugins.load("tasks", "char_lm")
    with pytest.raises(ValueError, match=r"has no \*.txt in it"):
        make(data_dir=str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8"):
        make(data_dir=str(tmp_path))
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(ValueError, match="too few to train"):
        make(data_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"held_out=0\.5"):
        make(held_out=0.5)
