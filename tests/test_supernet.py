"""The supernet in a space of 40 architectures: what it computes, teaches, is taught by, stores and is judged by."""

import collections
import dataclasses
import functools
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import blocks
from nagjax.operators import params
from nagjax.spaces import elastic_chain, mobilenet_v3, mobilenet_v3_small28, ofa_mobilenet_v3, tabular
from nagjax.spaces import mobilenet_v3_elastic as network
from nagjax.supernet import evaluation, storage, training
from nagjax.supernet.datasets.draw import draw_indices
from nagjax.supernet.datasets.images import Images, make_splits
from nagjax.supernet.image_tasks import image_task
from nagjax.supernet.inputs import Augmentation, Batches, augment, standardise
from nagjax.supernet.strategy import FIRST, LABELS, Lesson, make_strategy, random_path
from tests.deployed import PLAN, SPACE

SMALL = mobilenet_v3_small28.make()
SUPERNET = network.Supernet(PLAN)
COTANGENT = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
SHALLOW, MIXED, DEEP = "1:3,0:2,0:8", "2:5,3:2,3:8", "2:3,5:3,2:8"


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(got, expected):
    """Trees are equal to the last bit."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


def close(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4, err_msg=jax.tree_util.keystr(path))


def refused(*parts):
    """The error's message names every part, in this order."""
    return pytest.raises(ValueError, match="(?s)" + ".*".join(re.escape(str(part)) for part in parts))


@functools.cache
def parameters():
    """Made-up parameters of the supernet, none of them 0, 1 or the identity."""
    shapes = jax.eval_shape(SUPERNET.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)), jnp.zeros(4, jnp.int32))
    leaves, tree = jax.tree.flatten(shapes["params"])
    return jax.tree.unflatten(tree, [0.5 * normal(at, *leaf.shape) for at, leaf in enumerate(leaves)])


def answers(net, p, *args):
    """Logits and statistics, and the gradients of a weighted sum of the logits."""

    def total(p):
        logits, used = net.apply({"params": p}, *args)
        return (logits * COTANGENT).sum(), (logits, used)

    grads, out = jax.grad(total, has_aux=True)(p)
    return out, grads


elastic = jax.jit(functools.partial(answers, SUPERNET))


def alone(tokens):
    return blocks.Network(mobilenet_v3.operators(PLAN, tokens.tolist()))


def make_images(num, seed=0, size=8):
    """Classes that differ in brightness, in turn."""
    labels = np.arange(num, dtype=np.int32) % 3
    noise = np.random.default_rng(seed).integers(0, 60, (num, size, size, 1))
    return Images((noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels)


SPLITS = make_splits("made up", 3, make_images(48), make_images(7, 1), make_images(5, 2))
TASK = image_task(SPLITS, Augmentation(1, flip=False))


# The elastic network


@pytest.mark.parametrize("text", [SHALLOW, MIXED, DEEP])
def test_an_architecture_in_the_supernet_is_the_network_of_its_own(text):
    """Logits, statistics and gradients; the supernet's gradients are those of the network, put where they came from."""
    tokens, x = SPACE.parse(text), normal(1, 4, 8, 8, 1)
    (logits, used), grads = elastic(parameters(), x, tokens)
    mine, pull = jax.vjp(lambda p: network.subnet(PLAN, p, tokens.tolist()), parameters())
    (expected, own_used), own_grads = jax.jit(functools.partial(answers, alone(tokens)))(mine, x)
    close(logits, expected)
    close(grads, pull(own_grads)[0])
    open_blocks = [not np.array_equal(part["project_norm"][1], np.zeros(8)) for part in used[2:4]]
    assert open_blocks == [True, text != SHALLOW]
    kept = [part for part, is_open in zip(used, [True, True, *open_blocks, *[True] * 4], strict=True) if is_open]
    for part, own in zip(kept, own_used, strict=True):
        assert part.keys() == own.keys()
        for name, (mean, variance) in own.items():
            close([value[: len(mean)] for value in part[name]], [mean, variance])
            assert not any(value[len(mean) :].any() for value in part[name]), "beyond the width there is nothing"


def test_unused_parts_of_the_supernet_get_no_gradient():
    """Worked from the plan: 8 channels expand to 16 or 24; a kernel of 3 is made of the centre of that of 5."""
    x = normal(1, 4, 8, 8, 1)
    _, grads = elastic(parameters(), x, SPACE.parse(SHALLOW))
    first, second = grads["unit1_block1"], grads["unit1_block2"]
    assert not any(np.any(leaf) for leaf in second.values()), "beyond the depth"
    assert np.all(np.any(first["expand"][:, :16], 0))
    assert not np.any(first["expand"][:, 16:])
    assert not np.any(first["project"][16:])
    assert np.any(first["depthwise"][1:4, 1:4, :16])
    ring = np.array(first["depthwise"])
    ring[1:4, 1:4, :16] = 0
    assert not ring.any()
    assert np.any(first["transform3"])
    _, grads = elastic(parameters(), x, SPACE.parse(MIXED))
    assert not np.any(grads["unit1_block1"]["transform3"]), "the largest kernel is transformed by nothing"
    assert np.any(grads["unit1_block2"]["transform3"])
    assert all(np.any(leaf) for name, leaf in grads["unit1_block2"].items() if name != "transform5")


def test_given_statistics_and_another_resolution():
    tokens, x = SPACE.parse(MIXED.replace(":8", ":6")), normal(1, 3, 6, 6, 1)
    mine = network.subnet(PLAN, parameters(), tokens.tolist())
    apply, own = jax.jit(SUPERNET.apply), jax.jit(alone(tokens).apply)
    (logits, used), (expected, own_used) = (f({"params": p}, x, *t) for f, p, t in (
        (apply, parameters(), (tokens,)), (own, mine, ())))  # fmt: skip
    close(logits, expected)
    other = normal(2, 3, 6, 6, 1)
    logits, again = apply({"params": parameters()}, other, tokens, used)
    close(logits, own({"params": mine}, other, own_used)[0])
    close(again, used)


OFA_BLOCK = ofa_mobilenet_v3.plan().block(96, 0, 1, 7, 6)
"""The second block of the first unit: 32 channels, expanded to 192."""


@functools.cache
def elastic_block():
    return network.init_elastic(ofa_mobilenet_v3.plan(), 0, 1, jax.random.key(0))


def test_fresh_kernel_transforms_crop_the_largest_kernel():
    whole = elastic_block()
    assert (whole["transform3"].shape, whole["transform5"].shape) == ((9, 9), (25, 25))
    for kernel, edge in ((3, 2), (5, 1), (7, 0)):
        op = dataclasses.replace(OFA_BLOCK, kernel=kernel, mid_channels=96)
        part = elastic_chain.shrink(op, whole)
        np.testing.assert_array_equal(part["depthwise"], whole["depthwise"][edge : 7 - edge, edge : 7 - edge, :96])
        assert {name: value.shape for name, value in part.items()} == blocks.shapes(op)


def test_kernels_are_transformed_one_after_another():
    """Of 7 to 5 by mirroring top and bottom, of 5 to 3 by a factor of 2."""
    rows = np.eye(25, dtype=np.float32).reshape(5, 5, 25)[::-1].reshape(25, 25)
    whole = {**elastic_block(), "transform5": jnp.asarray(rows), "transform3": 2 * jnp.eye(9)}
    kernels = {k: elastic_chain.shrink(dataclasses.replace(OFA_BLOCK, kernel=k), whole) for k in (3, 5, 7)}
    mirrored = whole["depthwise"][::-1]
    np.testing.assert_array_equal(kernels[7]["depthwise"], whole["depthwise"])
    np.testing.assert_array_equal(kernels[5]["depthwise"], mirrored[1:6, 1:6])
    np.testing.assert_array_equal(kernels[3]["depthwise"], 2 * mirrored[2:5, 2:5])


def test_the_supernet_of_once_for_all_has_the_weights_of_its_largest_network():
    """And 25 x 25 + 9 x 9 of transforms in each of its 20 blocks; shapes alone, it takes long to compile."""
    space, plan = ofa_mobilenet_v3.make(), ofa_mobilenet_v3.plan()
    tokens = space.largest()
    net = network.Supernet(plan)
    (logits, used), variables = jax.eval_shape(
        net.init_with_output, jax.random.key(0), jnp.zeros((2, 96, 96, 3)), jnp.asarray(tokens)
    )
    largest = sum(map(params, mobilenet_v3.operators(plan, tokens.tolist())))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == largest + 20 * (625 + 81)
    assert (logits.shape, logits.dtype, len(used)) == ((2, 1000), jnp.float32, 26)


# Strategies


def lessons(name, rng, edges, progress):
    return make_strategy(name).lessons(rng, SMALL, edges, progress, ())


def attributes(tokens, space=SMALL):
    """Resolution, depths, kernels and ratios of an architecture, the last two without closed slots."""
    depths, kernels, ratios, resolution = ([*map(int, f.split(","))] for f in space.format(tokens).split(":"))
    return resolution[0], depths, [k for k in kernels if k], [r for r in ratios if r]


def test_largest_and_smallest():
    largest, smallest = SMALL.largest(), SMALL.smallest()
    assert attributes(largest) == (28, [3, 3, 3], [5] * 9, [4] * 9)
    assert attributes(smallest) == (20, [1, 1, 1], [3] * 3, [2] * 3)
    assert attributes(SMALL.largest(SMALL.where({"unit2.depth": 2, "ratio": 3, "resolution": 24}))) == (
        24, [3, 2, 3], [5] * 8, [3] * 8,
    )  # fmt: skip


def test_random_paths_are_uniform_over_the_choices_of_each_decision():
    """Not over architectures, of which 36 of 43 have the greatest depth: 6, 6^2 and 6^3 are 258 a unit."""
    rng, mask = np.random.default_rng(0), SMALL.where({"unit3.depth": [2, 3]})
    tokens = np.stack([random_path(rng, SMALL, mask) for _ in range(3000)])
    SMALL.check(tokens)
    assert tokens.dtype == np.int32
    for t, choices in ((0, 3), (1, 3), (2, 6), (5, 3), (6, 6), (10, 6)):
        shares = np.bincount(tokens[:, t], minlength=choices) / 3000
        np.testing.assert_allclose(shares, 1 / choices, atol=0.04, err_msg=SMALL.decisions[t].name)
    np.testing.assert_allclose(np.bincount(tokens[:, 9]) / 3000, [0, 0.5, 0.5], atol=0.04)


def test_one_random_architecture_a_step():
    (lesson,) = lessons("single_path", np.random.default_rng(0), SMALL.where({"resolution": 24}), 0.3)
    assert attributes(lesson.tokens)[0] == 24
    assert lesson.teacher == LABELS


def test_the_sandwich_has_the_largest_on_top_and_the_smallest_below():
    mask = SMALL.where({"resolution": [20, 24]})
    first, *others = lessons("sandwich", np.random.default_rng(0), mask, 0.5)
    assert attributes(first.tokens) == (24, [3, 3, 3], [5] * 9, [4] * 9)
    assert first.teacher == LABELS
    assert attributes(others[0].tokens) == (20, [1, 1, 1], [3] * 3, [2] * 3)
    assert len(others) == 3
    assert all(lesson.teacher == FIRST for lesson in others)
    assert others[1].tokens.tolist() != others[2].tokens.tolist()
    again = lessons("sandwich", np.random.default_rng(0), mask, 0.5)
    assert [lesson.tokens.tolist() for lesson in again] == [lesson.tokens.tolist() for lesson in (first, *others)]


@pytest.mark.parametrize(
    ("progress", "resolutions", "depths", "kernels", "ratios"),
    [
        (0.0, {20, 24, 28}, {3}, {5}, {4}),
        (0.249, {20, 24, 28}, {3}, {5}, {4}),
        (0.25, {20, 24, 28}, {3}, {3, 5}, {4}),
        (0.5, {20, 24, 28}, {1, 2, 3}, {3, 5}, {4}),
        (0.75, {20, 24, 28}, {1, 2, 3}, {3, 5}, {2, 3, 4}),
        (1.0, {20, 24, 28}, {1, 2, 3}, {3, 5}, {2, 3, 4}),
    ],
)
def test_progressive_opens_kernels_then_depths_then_ratios(progress, resolutions, depths, kernels, ratios):
    rng, met = np.random.default_rng(0), [set(), set(), set(), set()]
    for _ in range(40):
        taught = lessons("progressive", rng, SMALL.trellis.valid, progress)
        if progress >= 0.25:
            assert attributes(taught[0].tokens) == (28, [3, 3, 3], [5] * 9, [4] * 9)
        assert [lesson.teacher for lesson in taught] == ([LABELS] if progress < 0.25 else [LABELS, FIRST])
        resolution, *others = attributes(taught[-1].tokens)
        for values, more in zip(met, ([resolution], *others), strict=True):
            values.update(more)
    assert met == [resolutions, depths, kernels, ratios]


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.6, 0.9])
def test_progressive_starts_from_the_largest_that_is_allowed(progress):
    mask = SMALL.where({"kernel": 3, "ratio": [2, 3], "unit1.depth": 1})
    for lesson in lessons("progressive", np.random.default_rng(0), mask, progress):
        _, depths, kernels, ratios = attributes(lesson.tokens)
        assert depths[0] == 1
        assert set(kernels) == {3}
        assert set(ratios) <= {2, 3}
        if progress < 0.75:
            assert set(ratios) == {3}
        if progress < 0.5:
            assert depths == [1, 3, 3]


# Images of a step


def test_batches_are_a_function_of_seed_and_step():
    images = make_images(10)
    make = functools.partial(Batches, images, 3)
    one, other = make(0, Augmentation()), make(0, Augmentation())
    assert one.per_epoch == 3
    forward = [one.at(step) for step in range(8)]
    for step in (7, 2, 5, 0):
        batch = other.at(step)
        same((batch.pixels, batch.labels), (forward[step].pixels, forward[step].labels))
    assert not np.array_equal(make(1, Augmentation()).at(0).pixels, forward[0].pixels)
    plain = make(0, Augmentation(shift=0, flip=False))
    assert not np.array_equal(plain.at(0).pixels, plain.at(3).pixels), "another epoch, another order"


def test_an_epoch_sees_no_image_twice_and_labels_stay_with_images():
    images = make_images(10)
    number = {pixels.tobytes(): at for at, pixels in enumerate(images.pixels)}
    batches = Batches(images, 3, 0, Augmentation(shift=0, flip=False))
    seen = collections.Counter()
    for epoch in range(60):
        parts = [batches.at(3 * epoch + place) for place in range(3)]
        met = [number[pixels.tobytes()] for part in parts for pixels in part.pixels]
        assert len(set(met)) == 9
        assert images.labels[met].tolist() == [label for part in parts for label in part.labels]
        seen.update(met)
    assert min(seen[at] for at in range(10)) > 40, "each is left out now and then, none for long"


@pytest.mark.parametrize("batch", [0, 11])
def test_a_batch_is_no_larger_than_the_training_images(batch):
    with refused(f"batch is {batch}", "between 1 and the 10"):
        Batches(make_images(10), batch, 0, Augmentation())


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_moves_and_mirrors(flip):
    """Every outcome is one of 3 x 3 moves of the image, mirrored or not, worked by hand; and each of them occurs."""
    image = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1)
    possible = set()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            moved = np.zeros_like(image)
            for i in range(2):
                for j in range(3):
                    if 0 <= i - down < 2 and 0 <= j - right < 3:
                        moved[i, j] = image[i - down, j - right]
            possible.add(moved.tobytes())
            if flip:
                possible.add(moved[:, ::-1].tobytes())
    out = augment(np.random.default_rng(0), np.repeat(image[None], 400, 0), Augmentation(1, flip))
    assert out.dtype == np.uint8
    assert {pixels.tobytes() for pixels in out} == possible
    assert len(possible) == (18 if flip else 9)


def test_standardised_training_images_have_mean_0_and_variance_1_in_each_channel():
    rng = np.random.default_rng(0)
    pixels = np.array([0, 50, 150], np.uint8) + rng.integers(0, 100, (20, 8, 8, 3), np.uint8)
    images = Images(pixels, np.zeros(20, np.int32))
    splits = make_splits("colours", 2, images, images.take(np.arange(2)), images.take(np.arange(1)))
    x = standardise(pixels, splits, 8)
    assert (x.shape, x.dtype) == ((20, 8, 8, 3), jnp.float32)
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(x.var((0, 1, 2)), 1, atol=1e-4)
    half = standardise(pixels[:1, :2, :2], splits, 1)
    np.testing.assert_allclose(half[0, 0, 0], x[0, :2, :2].mean((0, 1)), atol=1e-5)
    larger = standardise(np.full((1, 8, 8, 3), 77, np.uint8), splits, 11)
    assert larger.shape == (1, 11, 11, 3)
    np.testing.assert_allclose(larger[0].std((0, 1)), 0, atol=1e-5)


# Evaluation


def brute_force(tokens, parameters, labels):
    """Scores on the validation images by a network of its own, with statistics of all the training images."""
    apply = jax.jit(alone(tokens).apply)
    _, statistics = apply({"params": parameters}, standardise(SPLITS.train.pixels, SPLITS, 8))
    logits, _ = apply({"params": parameters}, standardise(SPLITS.validation.pixels, SPLITS, 8), statistics)
    logits = np.asarray(logits, np.float64)
    chosen = logits[np.arange(len(labels)), labels]
    return (logits.argmax(-1) == labels).mean(), (np.log(np.exp(logits).sum(-1)) - chosen).mean()


def test_scores_of_an_architecture_equal_brute_force_in_the_supernet_and_alone():
    tokens = SPACE.parse(MIXED)
    mine = network.subnet(PLAN, parameters(), tokens.tolist())
    accuracy, loss = brute_force(tokens, mine, SPLITS.validation.labels)
    within = evaluation.supernet_assessor(SPACE, TASK).scores(parameters(), tokens, TASK.validation)
    own = evaluation.alone_assessor(SPACE, tokens, TASK).scores(mine, tokens, TASK.validation)
    assert within.quality == own.quality == pytest.approx(accuracy)
    assert (within.loss, own.loss) == (pytest.approx(loss, rel=1e-3), pytest.approx(loss, rel=1e-3))


def made_up_assessor(seen, **settings):
    """Dark images are taken for class 0 and bright ones for class 2; ``seen`` remembers the calibration images."""

    def apply(p, images, tokens, statistics):
        if statistics is None:
            jax.debug.callback(lambda images: seen.append(np.asarray(images)), images)
        return images[:, 0, 0, :] * jnp.array([[-1.0, 0.0, 1.0]]), {}

    return evaluation.Assessor(apply, lambda tokens: 8, TASK, **settings)


@pytest.mark.parametrize("batch", [3, 7, 250])
def test_the_last_part_counts_its_own_images_only(batch):
    """Labels 0 1 2 0 1 2 0: those of class 1 are never right; the last, which fills its part up, is."""
    scores = made_up_assessor([], batch=batch).scores({}, SPACE.parse(SHALLOW), TASK.validation)
    assert scores.quality == 5 / 7
    x = np.asarray(standardise(SPLITS.validation.pixels, SPLITS, 8))[:, 0, 0, 0].astype(np.float64)
    right = np.choose(SPLITS.validation.labels, [-x, 0 * x, x])
    assert scores.loss == pytest.approx((np.log(np.exp(-x) + 1 + np.exp(x)) - right).mean(), rel=1e-5)


@pytest.mark.parametrize("calibration", [24, 32, 1024])
def test_calibration_sees_training_images_alone_and_all_of_a_small_split(calibration):
    seen = []
    assessor = made_up_assessor(seen, calibration=calibration)
    assessor.scores({}, SPACE.parse(SHALLOW), TASK.validation)
    jax.effects_barrier()
    chosen = np.arange(48)
    if calibration == 24:
        chosen = draw_indices(SPLITS.train.labels, calibration, evaluation.CALIBRATION_SEED)
    (images,) = seen
    np.testing.assert_allclose(images, standardise(SPLITS.train.pixels[chosen], SPLITS, 8), atol=1e-5)


# Training

RECIPE = training.Recipe(steps=10, batch=16, learning_rate=0.5, warmup=0.1)


@pytest.fixture(scope="module")
def learner():
    return training.supernet_learner(SPACE, SPACE.where({"resolution": 8}), make_strategy("sandwich"))


@pytest.fixture(scope="module")
def unbroken(learner):
    """Every state and loss of one run."""
    begun = training.start(learner, RECIPE)
    return [(begun, None), *training.train(learner, TASK, RECIPE, begun)]


def test_training_lowers_the_loss(unbroken):
    losses = [float(loss) for _, loss in unbroken[1:]]
    assert len(losses) == 10
    assert [state.step for state, _ in unbroken] == list(range(11))
    assert losses[0] == pytest.approx(np.log(3), abs=0.2), "fresh weights know nothing"
    assert np.mean(losses[-3:]) < losses[0] - 0.15


def test_a_run_that_was_stored_and_restored_goes_on_bit_for_bit(unbroken, learner, tmp_path):
    with storage.Writer(tmp_path, {}) as writer:
        writer.save(unbroken[7][0], 12.5)
    state, seconds = storage.read_state(tmp_path, training.start(learner, RECIPE))
    assert (state.step, seconds) == (7, 12.5)
    same(state, unbroken[7][0])
    for got, expected in zip(training.train(learner, TASK, RECIPE, state), unbroken[8:], strict=True):
        same(got, expected)


def test_a_finished_run_has_nothing_to_do(unbroken, learner):
    assert list(training.train(learner, TASK, RECIPE, unbroken[-1][0])) == []


def by_hand(fresh, forward, lessons=1):
    """A learner of made-up parameters, of which only the first lesson learns from labels."""
    return training.Learner(
        init=lambda key: fresh,
        forward=forward,
        lessons=lambda *_: [Lesson(np.zeros(1, np.int32), FIRST if at else LABELS) for at in range(lessons)],
        group=lambda tokens: 8,
    )


def last(learner, recipe, smoothing=0.1):
    splits = make_splits("three to one", 2, *[Images(SPLITS.train.pixels[:4], np.array([0, 0, 0, 1], np.int32))] * 3)
    task = image_task(splits, smoothing=smoothing)
    *_, (state, loss) = training.train(learner, task, recipe, training.start(learner, recipe))
    return state.parameters, float(loss)


@pytest.mark.parametrize(
    ("lessons", "clip", "expected"), [(1, 5.0, 0.2), (2, 5.0, 0.1), (2, 0.05, 0.05 / 2**0.5)], ids=str
)
def test_two_updates_by_hand(lessons, clip, expected):
    """A bias alone: labels are 3/4 class 0, smoothed 0.7, guesses 0.5, so the gradient is -0.2 and 0.2.

    A distilled lesson finds nothing to learn and halves the mean. The first rate is 0, so that the gradient stays as it
    is; the second step moves by the gradient, and 0.9 and 0.81 of it again, of Nesterov's momentum.
    """
    learner = by_hand({"bias": jnp.zeros(2)}, lambda p, images, tokens: jnp.zeros((4, 2)) + p["bias"][None], lessons)
    recipe = training.Recipe(steps=2, batch=4, learning_rate=0.1, weight_decay=0.5, clip=clip)
    found, loss = last(learner, recipe, smoothing=0.2)
    np.testing.assert_allclose(found["bias"], 0.1 * 2.71 * expected * np.array([1, -1]), rtol=1e-4)
    assert loss == pytest.approx(np.log(2))


def test_only_weights_decay():
    """Without gradients a weight is multiplied by 1 - 0.1 * 0.5 * 2.71 in two steps, of which the first has rate 0."""
    fresh = {
        "stem0": {"weights": jnp.ones((1, 1, 1, 2)), "norm_scale": jnp.ones(2), "norm_offset": jnp.ones(2)},
        "unit1_block1": {"depthwise": jnp.ones((3, 3, 2)), "transform3": jnp.eye(9), "squeeze_bias": jnp.ones(2)},
        "head3": {"weights": jnp.ones((2, 2)), "bias": jnp.ones(2)},
    }
    recipe = training.Recipe(steps=2, batch=4, learning_rate=0.1, weight_decay=0.5)
    found, _ = last(by_hand(fresh, lambda p, images, tokens: jnp.zeros((4, 2))), recipe)
    for part, name, factor in (
        ("stem0", "weights", 0.8645),
        ("stem0", "norm_scale", 1.0),
        ("stem0", "norm_offset", 1.0),
        ("unit1_block1", "depthwise", 0.8645),
        ("unit1_block1", "transform3", 1.0),
        ("unit1_block1", "squeeze_bias", 1.0),
        ("head3", "weights", 0.8645),
        ("head3", "bias", 1.0),
    ):
        np.testing.assert_allclose(found[part][name], factor * fresh[part][name], rtol=1e-5)


def test_two_updates_of_adamw_by_hand():
    """The first rate is 0; the gradient stays as it is, so Adam's step is the rate, whatever the gradient's size.

    Labels are 3/4 class 0, so the bias moves by 0.1 up and down. The matrix has no gradient: it decays by 0.1 * 0.5.
    """
    fresh = {"bias": jnp.zeros(2), "weights": jnp.ones((2, 2))}
    recipe = training.Recipe(steps=2, batch=4, learning_rate=0.1, weight_decay=0.5, optimiser="adamw")
    found, _ = last(by_hand(fresh, lambda p, images, tokens: jnp.zeros((4, 2)) + p["bias"][None]), recipe)
    np.testing.assert_allclose(found["bias"], [0.1, -0.1], rtol=1e-4)
    np.testing.assert_allclose(found["weights"], np.full((2, 2), 0.95), rtol=1e-5)


def test_an_architecture_alone_learns_from_labels_and_nothing_else():
    tokens = SPACE.parse(SHALLOW)
    learner = training.alone_learner(SPACE, tokens)
    (lesson,) = learner.lessons(np.random.default_rng(0), 0.5, ())
    assert lesson.tokens.tolist() == tokens.tolist()
    assert lesson.teacher == LABELS
    assert learner.group(tokens) == 8
    fresh = jax.eval_shape(learner.init, jax.random.key(0))
    expected = jax.eval_shape(lambda: network.subnet(PLAN, parameters(), tokens.tolist()))
    assert jax.tree.map(lambda leaf: leaf.shape, fresh) == jax.tree.map(lambda leaf: leaf.shape, expected)


def test_what_cannot_be_trained_is_refused():
    with refused("tabular has no supernet"):
        training.supernet_learner(tabular.make({"kernel": [3, 5]}), None, make_strategy("sandwich"))
    with refused("strategies: 'burger' is not registered", "progressive, random_labels, sandwich, single_path"):
        make_strategy("burger")
    with refused("steps is 0"):
        training.Recipe(steps=0)
    with refused("learning_rate nan"):
        training.Recipe(steps=1, learning_rate=float("nan"))
    with refused("optimiser='adam' is not one of momentum, adamw"):
        training.Recipe(steps=1, optimiser="adam")


# Storage


def made_state(step, width=3):
    """A state of the form of a real one, without training."""
    p = {"stem0": {"weights": jnp.asarray(normal(step, 2, width))}, "head0": {"bias": jnp.full(width, float(step))}}
    begun = training.start(by_hand(p, None), RECIPE)
    return training.TrainState(p, begun.optimiser, step)


@pytest.fixture
def stored(tmp_path):
    with storage.Writer(tmp_path, {"space": "made up"}) as writer:
        for step in (2, 4, 6):
            writer.save(made_state(step), 0.5 * step)
    return tmp_path


def test_the_last_two_checkpoints_stay_and_the_last_is_read(stored):
    assert sorted(path.name for path in (stored / storage.FOLDER).iterdir()) == ["4", "6"]
    weights = storage.read_weights(stored)
    assert weights.step == 6
    assert weights.config["space"] == "made up"
    same(weights.parameters, jax.tree.map(np.asarray, made_state(6).parameters))
    assert not [path for path in stored.rglob("*") if path.suffix in (".pkl", ".pickle")]
    # What a crash in the middle of saving leaves is not taken for a checkpoint.
    (stored / storage.FOLDER / "8.orbax-checkpoint-tmp-1").mkdir()
    assert storage.read_weights(stored).step == 6


def test_a_folder_without_a_checkpoint_is_told(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        assert not storage.has_weights(folder)
        with refused(folder, "no complete checkpoint", storage.FOLDER, "--out of a training run"):
            storage.read_weights(folder)


def test_weights_of_other_shapes_are_refused(stored):
    with refused(stored, "other shapes"):
        storage.read_state(stored, made_state(0, width=4))
    state, _ = storage.read_state(stored, made_state(0))
    assert state.step == 6


def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_can_be_used(stored):
    last = stored / storage.FOLDER / "6"
    for path in (last / "parameters").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with refused(last, "cannot read 'parameters'", "damaged", "remove that folder"):
        storage.read_weights(stored)
    for path in sorted(last.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    last.rmdir()
    assert storage.read_weights(stored).step == 4


def test_weights_that_are_not_those_that_were_written_are_refused(stored):
    steps = stored / storage.FOLDER
    shutil.rmtree(steps / "6" / "parameters")
    shutil.copytree(steps / "4" / "parameters", steps / "6" / "parameters")
    with refused(steps / "6", "'parameters' of this checkpoint is not what was saved", "remove that folder"):
        storage.read_weights(stored)


def test_weights_of_another_format_are_refused(stored):
    (path,) = (path for path in (stored / storage.FOLDER / "6" / "config").iterdir() if path.name == "metadata")
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "format": 9}))
    with refused("format 9", "reads formats 1 and 2"):
        storage.read_weights(stored)
