"""Mixed weights and watched activations of perceptrons, message passing and transformers, over whole small spaces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.spaces import elastic_decoder, elastic_gnn, elastic_mlp
from nagjax.spaces.elastic_parts import mixed_first
from nagjax.spaces.trellis import enumerate_paths

SPACES = {
    "perceptrons": elastic_mlp.make(features=3, outputs=2, depths="1-2", widths="2-4"),
    "messages": elastic_gnn.make(features=3, neighbours=2, outputs=2, layers="1-2", hidden="2-3"),
    "decoders": elastic_decoder.make(
        4, 5, widths="2-4", depths="1-2", heads="1-2", ratios="1-2", mixers="softmax", head_size=2
    ),
}


def begun(space):
    """The elastic network, and weights none of which is 0."""
    elastic = space.elastic("float32")
    leaves, tree = jax.tree.flatten(jax.jit(elastic.init)(jax.random.key(0)))
    rng = np.random.default_rng(0)
    return elastic, jax.tree.unflatten(tree, [x + 0.1 * rng.normal(size=x.shape).astype(np.float32) for x in leaves])


@pytest.mark.parametrize("name", SPACES)
def test_where_one_choice_of_each_decision_has_all_it_is_that_architecture(name):
    space = SPACES[name]
    elastic, parameters = begun(space)
    mixed, apply = jax.jit(elastic.mixed), jax.jit(elastic.apply)
    for tokens in enumerate_paths(space.trellis.target, space.trellis.valid):
        x = elastic.example(elastic.group(tokens), 2, np.random.default_rng(1))
        alone = apply(parameters, x, tokens).outputs
        whole = np.eye(space.trellis.shape[2], dtype=np.float32)[tokens]
        np.testing.assert_allclose(
            mixed(parameters, x, whole), alone, rtol=1e-4, atol=1e-5, err_msg=space.format(tokens)
        )


def test_a_channel_has_the_shares_of_the_choices_that_have_it():
    shares = jnp.array([0.5, 0.3, 0.2, 0.0])
    np.testing.assert_allclose(mixed_first([1, 2, 4], shares, jnp.float32), [1.0, 0.5, 0.2, 0.2], rtol=1e-6)


def test_units_depths_and_aggregators_are_mixed_by_hand():
    """Shares of 1/4 and 3/4 of everything."""
    elastic, given = begun(SPACES["perceptrons"])
    x, quarter = elastic.example(3, 2, np.random.default_rng(1)), np.full((3, 2), [0.25, 0.75], np.float32)
    units, y, reached = np.array([1, 1, 0.75, 0.75]), x, []
    for name in ("layer1", "layer2"):
        y = np.maximum(y @ given[name]["weights"] + np.asarray(given[name]["bias"])[None], 0) * units
        reached.append(y)
    outputs = (0.25 * reached[0] + 0.75 * reached[1]) @ given["head"]["weights"] + np.asarray(given["head"]["bias"])[
        None
    ]
    np.testing.assert_allclose(jax.jit(elastic.mixed)(given, x, quarter), outputs, rtol=1e-5)

    elastic, given = begun(SPACES["messages"])
    x, part = elastic.example(1, 2, np.random.default_rng(1)), {k: np.asarray(v) for k, v in given["layer1"].items()}
    seen = 0.25 * x[:, 1:].mean(1) + 0.75 * x[:, 1:].max(1)
    y = np.maximum(x[:, 0] @ part["own"] + seen @ part["near"] + part["bias"][None], 0) * np.array([1, 1, 0.75])
    shares = np.full((4, 2), [0.25, 0.75], np.float32)
    outputs = y @ given["head"]["weights"] + np.asarray(given["head"]["bias"])[None]
    np.testing.assert_allclose(jax.jit(elastic.mixed)(given, x, shares), outputs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("perceptrons", {"widths=2": 2, "widths=4-2": 6}),
        ("messages", {"hidden=2:max": 2, "hidden=2:max-mean": 2 * (3 + 1)}),
        ("decoders", {"width=2:softmax-h1-r1": 4 * 2, "width=2:softmax-h1-r2:softmax-h1-r1": 4 * (4 + 2)}),
    ],
)
def test_what_an_architecture_lacks_is_not_watched(name, units):
    """Layers times units, of all places: nodes that a layer gives, and tokens."""
    space = SPACES[name]
    elastic, parameters = begun(space)
    watched = jax.jit(elastic.watched)
    for text, wanted in units.items():
        tokens = space.parse(text)
        x = elastic.example(elastic.group(tokens), 2, np.random.default_rng(1))
        before = watched(parameters, x, tokens).before
        assert sum(int(np.isfinite(value[0]).sum()) for value in before.values()) == wanted
