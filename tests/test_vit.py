"""Vision transformers of one's own: attention of all and patches by hand, the elastic network, the whole way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import train_supernet
from nagjax import blocks, testing
from nagjax.operators import attention, madds, params
from nagjax.operators.patch_embedding import patch_embedding
from nagjax.spaces import elastic_vit

TINY = {
    "image_size": 4,
    "patch": 2,
    "classes": 3,
    "widths": "2-4",
    "depths": "1-2",
    "heads": "1",
    "ratios": "2",
    "head_size": 2,
}


@pytest.mark.parametrize("mixer", attention.MIXERS)
def test_attention_of_all_is_a_weighted_mean_worked_by_hand(mixer):
    """Scores of 2 tokens are 0 and log 3 by softmax, 1 and 3 of ``elu + 1`` products where queries are (0, 2)."""
    query, key = (np.array(rows, np.float32)[None, None] for rows in ([[0.0], [2.0]], [[0.0], [np.log(3) / 2]]))
    if mixer == "linear":
        key = np.array([[[[0.0], [2.0]]]], np.float32)  # 1 and 3 of keys, whatever the query
    value = np.array([[[[4.0, 0.0], [8.0, 4.0]]]], np.float32)
    found = jax.jit(attention._MIX[mixer, False])(query, key, value)
    first = [6.0, 2.0] if mixer == "softmax" else [7.0, 3.0]
    np.testing.assert_allclose(found[0, 0], [first, [7.0, 3.0]], rtol=1e-5)


def test_counts_of_attention_of_all_are_those_worked_by_hand():
    # Four projections of 8 x 6; scores and means over 5 tokens, or 3 x 3 sums a head that are added to and asked.
    soft, linear = (attention.attention(5, 8, 2, 3, mixer, causal=False) for mixer in attention.MIXERS)
    assert madds(soft) == 5 * (192 + 2 * 5 * 6)
    assert madds(linear) == 5 * (192 + 2 * 3 * 6)
    assert params(soft) == params(attention.attention(5, 8, 2, 3, "softmax"))
    assert soft.key != attention.attention(5, 8, 2, 3, "softmax").key


def test_a_patch_is_a_row():
    op = patch_embedding(4, 2, 2, 3)
    assert (madds(op), params(op)) == (4 * 8 * 3, 8 * 3 + 4 * 3)
    image, weights = np.arange(32.0, dtype=np.float32).reshape(1, 4, 4, 2), np.arange(24.0).reshape(8, 3)
    given = {"weights": jnp.asarray(weights, jnp.float32), "positions": 100 * jnp.eye(4, 3)}
    found = blocks.apply(op, given, jnp.asarray(image))[0][0]
    patches = [image[0, y : y + 2, x : x + 2].ravel() for y in (0, 2) for x in (0, 2)]
    np.testing.assert_allclose(found, np.stack(patches) @ weights + 100 * np.eye(4, 3), rtol=1e-6)


@pytest.mark.parametrize("check", testing.ELASTIC_CHECKS, ids=lambda check: check.__name__)
def test_one_set_of_weights_holds_every_vision_transformer(check):
    check(elastic_vit.make, **TINY)


def test_every_patch_counts_wherever_it_lies():
    """Rows pass the layers in any order: only positions tell them apart."""
    space = elastic_vit.make(**TINY)
    elastic, tokens = space.elastic(), space.largest()
    fresh = jax.jit(elastic.init)(jax.random.key(0))
    even = {**fresh, "embedding": {**fresh["embedding"], "positions": jnp.zeros((4, 4))}}
    image = elastic.example(4, 1, np.random.default_rng(0))
    turned = np.concatenate([image[:, 2:], image[:, :2]], 1)
    apply = jax.jit(lambda p, x: elastic.apply(p, x, jnp.asarray(tokens)).outputs)
    np.testing.assert_allclose(apply(even, image), apply(even, turned), atol=1e-6)
    assert np.abs(apply(fresh, image) - apply(fresh, turned)).max() > 1e-5


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"patch": 3}, "image_size=4, patch=3: give a patch of which several fill a side"),
        ({"patch": 4}, "patch=4: give a patch of which several fill a side"),
        ({"classes": 1}, "elastic_vit: classes=1: must be an integer, at least 2"),
        ({"depths": "2-1"}, "elastic_vit: depths='2-1': write each number once, ascending"),
    ],
)
def test_settings_that_make_no_vision_transformer_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        elastic_vit.make(**TINY | settings)


def test_a_vision_transformer_is_trained_on_digits_and_deployed_by_the_jobs(tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn, which brings the digits")
    pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime, in which the deployed network runs")
    sizes = {"image_size": 8, "patch": 4, "widths": "4", "depths": "1", "heads": "1", "ratios": "2", "head_size": 2}
    flags = ["--space=elastic_vit", "--space_settings=" + ",".join(f"{key}={value}" for key, value in sizes.items())]
    flags += ["--task=digits", "--optimiser=adamw", "--steps=4", "--batch=16", "--chunk=2", "--compilation_cache="]
    assert train_supernet.main([*flags, f"--out={tmp_path / 'a'}"]) == 0
    (card,) = nagjax.deploy(
        tmp_path / "a", tmp_path / "b", architectures=["width=4:linear-h1-r2"], formats=["onnx"], rounds=1
    )
    assert card.built["difference"]["onnx"] < 1e-5
    assert card.built["difference"]["supernet"] < 1e-5
    assert card.built["accuracy"]["validation"]["onnx"] == pytest.approx(card.built["accuracy"]["validation"]["jax"])
