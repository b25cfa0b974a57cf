"""A supernet of 40 architectures with made-up weights and images, for tests of what is taken out of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import operators
from nagjax.controllers import Artefact
from nagjax.deployment.supernets import TrainedSupernet
from nagjax.devices.pricing import Prices
from nagjax.inference.generator import Generator
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.build import make_problem
from nagjax.spaces import mobilenet_v3, mobilenet_v3_elastic
from nagjax.spaces import trellis as tl
from nagjax.supernet import storage
from nagjax.supernet.datasets.images import Images, make_splits
from nagjax.supernet.image_tasks import image_task
from nagjax.supernet.inputs import Augmentation

PLAN = mobilenet_v3.Plan(
    resolutions=(6, 8),
    depths=(1, 2),
    kernels=(3, 5),
    ratios=(2, 3),
    usual_resolution=8,
    image_channels=1,
    classes=3,
    channels=(8, 8, 8, 16, 16),
    strides=(2,),
    squeeze=(True,),
    activations=("h_swish",),
)
SPACE = mobilenet_v3.make_space("tiny_mobilenet", 1, {}, PLAN)
SMALL, LARGE = "1:3,0:2,0:6", "2:5,3:2,3:8"
TIMES = np.array([0.01 + operators.madds(op) / 1e5 for op in SPACE.operators])
PRICES = Prices("latency_ms", "ms", TIMES, SPACE.trellis.valid, device="toy", source="toy.json")


def make_images(num, seed=0, size=8):
    """Classes that differ in brightness, in turn."""
    labels = np.arange(num, dtype=np.int32) % 3
    noise = np.random.default_rng(seed).integers(0, 60, (num, size, size, 1))
    return Images((noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels)


@functools.cache
def make_supernet() -> TrainedSupernet:
    """Made-up parameters, none of them 0, 1 or the identity."""
    shapes = jax.eval_shape(
        mobilenet_v3_elastic.Supernet(PLAN).init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)), jnp.zeros(4, jnp.int32)
    )
    leaves, tree = jax.tree.flatten(shapes["params"])
    made = [
        0.5 * np.random.default_rng(at).normal(size=leaf.shape).astype(np.float32) for at, leaf in enumerate(leaves)
    ]
    config = {
        "space": {"name": SPACE.name, "version": 1, "settings": {}}, "where": {}, "data": {"data": "made up"},
        "recipe": {"dtype": "float32"},
    }  # fmt: skip
    weights = storage.Weights(jax.tree.unflatten(tree, made), 1, {**config, "step": 1})
    splits = make_splits("made up", 3, make_images(48), make_images(30, 1), make_images(30, 2))
    return TrainedSupernet(SPACE, weights, image_task(splits, Augmentation(0, flip=False)))


@functools.cache
def make_generator() -> Generator:
    """A generator of the same space with a table of made-up times and the size as quality."""
    tokens = tl.enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    quality = (0.3 + 0.1 * SPACE.operator_sum(tokens, PRICES.values)).astype(np.float32)
    problem, description = make_problem(SPACE, [PRICES], tabular_quality(SPACE, tokens, quality))
    return Generator(Artefact(None, None), problem, description, {"controller": {"name": "none"}, "step": 0})
