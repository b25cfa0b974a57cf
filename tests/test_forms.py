"""Forms of predictors: values worked by hand, what is kept of them, and what is refused."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nagjax import testing
from nagjax.inference.nondominated import can_be_listed
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats.storage import load_predictor, save_predictor
from nagjax.predictors.forms import registry
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.behind import Behind
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.predictors.forms.exported import export
from nagjax.predictors.forms.gaussian_process import GaussianProcess
from nagjax.predictors.forms.graph import Graph, GraphNetwork, owners
from nagjax.predictors.forms.kernel import Kernel
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.mix import mixed
from nagjax.predictors.forms.mlp import MLP, Predictor, share_of
from nagjax.predictors.forms.neighbours import smoothed
from nagjax.predictors.forms.pair import Comparator, Pair, beats
from nagjax.predictors.forms.residual import Residual
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.forms.trees import Trees
from nagjax.problems.build import make_problem
from nagjax.testing.problems import prices_of
from nagjax.testing.runs import same

TINY = testing.tiny_problem()
SPACE, TOKENS = TINY.space, TINY.oracle.tokens
NUM = len(SPACE.feature_names)
FEATURES = jnp.asarray(SPACE.features(TOKENS))
RNG = np.random.default_rng(0)
LEVELS = np.linspace(0.0, 1.0, 65)


def linear():
    return Linear(jnp.asarray(RNG.normal(0, 0.05, NUM), jnp.float32), jnp.float32(0.5), jnp.ones(NUM, bool))


def behind():
    """The first path feature tells the one context that there is."""
    weights = jnp.asarray(RNG.normal(0, 0.05, NUM - 1), jnp.float32)
    return Behind(Linear(weights, jnp.float32(0.5), jnp.ones(NUM - 1, bool)), 1)


def additive():
    values = jnp.where(jnp.asarray(SPACE.trellis.valid), jnp.asarray(RNG.random(SPACE.trellis.shape), jnp.float32), 0.0)
    return Additive(jnp.asarray(SPACE.trellis.target), values, jnp.ones(NUM, bool))


def process():
    """Of two records without noise; covariance 4 [[1, e^-1], [e^-1, 1]]; quality is 0.5 + score."""
    support = np.zeros((2, NUM), np.float32)
    support[0, 0] = support[1, 1] = 1.0
    near = 4 * np.array([[1, np.exp(-1)], [np.exp(-1), 1]])
    quality = np.array([0.4, 0.8])
    whiten = np.linalg.inv(np.linalg.cholesky(near))
    alpha = np.linalg.solve(near, quality - 0.5)
    floats = [
        jnp.asarray(value, jnp.float32) for value in (support, alpha, whiten, 1.0, 2.0, 0.5 + np.linspace(-4, 4, 65))
    ]
    return GaussianProcess(*floats, jnp.ones(NUM, bool))


def transformed():
    """The same process of features of which the first two are added up and halved, the others as they are."""
    matrix = np.eye(NUM, dtype=np.float32)
    matrix[:2, 0], matrix[1, 1] = 0.5, 0.0
    return dataclasses.replace(process(), transform=jnp.asarray(matrix))


def kernel():
    """Of two records: 0.1 of the first, -0.2 of the second, beside 0.5."""
    support = jnp.zeros((2, NUM)).at[0, 0].set(1.0).at[1, 1].set(1.0)
    return Kernel(support, jnp.array([0.1, -0.2]), jnp.float32(0.5), jnp.float32(2.0), jnp.ones(NUM, bool))


def test_a_kernel_by_hand_and_with_room_for_more():
    support = np.asarray(kernel().support)
    squares = np.square(np.asarray(FEATURES)[:, None] - support[None]).sum(-1)
    by_hand = 0.5 + np.exp(-squares / 8) @ [0.1, -0.2]
    for form in (kernel(), kernel().padded(9)):
        mean, std = form(jnp.asarray(TOKENS), FEATURES)
        np.testing.assert_allclose(mean, by_hand, atol=1e-6)
        assert float(std.max()) == 0.0
    assert kernel().padded(9).support.shape == (9, NUM)


def network(values="quality"):
    layer = {"kernel": jnp.asarray(RNG.normal(0, 1, (1, NUM, 1)), jnp.float32), "bias": jnp.zeros((1, 1))}
    params = {"network": {"params": {"Dense_0": layer}}, "offset": jnp.full(1, 0.5), "scale": jnp.full(1, 0.1)}
    return Predictor(params, jnp.ones(NUM, bool), MLP(()), values)


def trees():
    """Two trees of five nodes: the first asks for feature 0 and, where it is off, for feature 3."""
    split = {"feature": [0, 3, 0, 0, 0], "left": [1, 3, 2, 3, 4], "right": [2, 4, 2, 3, 4]}
    leaf = {"feature": [0] * 5, "left": [0] * 5, "right": [0] * 5}
    both = {name: jnp.array([split[name], leaf[name]]) for name in split}
    value = jnp.array([[0, 0, 0.1, 0.2, 0.3], [0.5, 9, 9, 9, 9]])
    return Trees(both["feature"], jnp.full((2, 5), 0.5), both["left"], both["right"], value, jnp.ones(NUM, bool), 2)


def graph(edges="chain"):
    """Two convolutions of widths 3 and 2, weights at random."""
    module = GraphNetwork((3, 2), owners(SPACE), edges)
    params = jax.vmap(module.init, in_axes=(0, None))(jax.random.split(jax.random.key(0), 2), FEATURES[:1])
    params = {"network": params, "offset": jnp.full(2, 0.5), "scale": jnp.full(2, 0.1)}
    return Graph(params, jnp.ones(NUM, bool), module)


def pair(values="rank"):
    """One member without a tower: u(a, b) is relu of feature 0 of a minus feature 1 of b."""
    first, second = np.zeros((2, 1, NUM, 1), np.float32)
    first[0, 0], second[0, 1] = 1.0, -1.0
    network = {
        "first": {"kernel": jnp.asarray(first), "bias": jnp.zeros((1, 1))},
        "second": {"kernel": jnp.asarray(second)}, "weigh": {"kernel": jnp.ones((1, 1, 1))},
    }  # fmt: skip
    return Pair({"params": network}, FEATURES[:4], jnp.asarray(LEVELS), jnp.ones(NUM, bool), Comparator((), 1), values)


def test_a_graph_by_hand():
    """Two decisions of one feature each, a chain of two nodes, whose mixing is a half of each."""
    dense = {"kernel": jnp.array([[1.0], [3.0]]), "bias": jnp.array([-1.5])}
    params = {"Dense_0": dense, "Dense_1": {"kernel": jnp.array([[2.0]]), "bias": jnp.array([0.25])}}
    x = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # Nodes before mixing: (-.5, -1.5), (-1.5, 1.5), (-.5, 1.5); both nodes then have the mean, and relu of it.
    chain = GraphNetwork((1,), (0, 1)).apply({"params": params}, x)
    np.testing.assert_allclose(chain, [0.25, 0.25, 2 * 0.5 + 0.25])
    alone = GraphNetwork((1,), (0, 1), "none").apply({"params": params}, x)
    np.testing.assert_allclose(alone, [0.25, 1.5 + 0.25, 1.5 + 0.25])


def test_without_edges_a_graph_adds_up_over_the_decisions_and_with_them_it_does_not():
    def mixed_difference(form):
        """f(0, 0) - f(1, 0) - f(0, 2) + f(1, 2) of the first two layers of networks of five."""
        tokens = jnp.array([[2, one, other, 1, 0, 2] for one in (0, 1) for other in (0, 2)], jnp.int32)
        mean = form(tokens, jnp.asarray(SPACE.features(np.asarray(tokens))))[0]
        return float(mean[0] - mean[1] - mean[2] + mean[3])

    assert abs(mixed_difference(graph("none"))) < 1e-6
    assert abs(mixed_difference(graph())) > 1e-4
    assert abs(mixed_difference(graph("complete"))) > 1e-4


def test_a_feature_of_two_decisions_has_no_node():
    index = SPACE.trellis.features.copy()
    index[index == 17] = 3  # the last of the last layer becomes the first of the first layer
    doubled = dataclasses.replace(SPACE, trellis=dataclasses.replace(SPACE.trellis, features=index))
    with pytest.raises(ValueError, match=r"feature layer0.8 of space tiny is switched on by two decisions, 1 and 5"):
        owners(doubled)


def test_a_comparison_by_hand():
    x = np.zeros((2, NUM), np.float32)
    x[0, 0], x[1, 1] = 2.0, 5.0
    form = pair().replace(references=jnp.asarray(x))
    # u(0, 1) is relu(2 - 5), u(1, 0) is relu(0 - 0), u(0, 0) is 2 in either order.
    assert float(form.chances(x[:1], x[1:])[0, 0]) == 0.5
    x[1, 1] = 1.0
    form = form.replace(references=jnp.asarray(x))
    chance = 1 / (1 + np.exp(-1.0))
    asked = jnp.zeros((2, 6), jnp.int32), jnp.asarray(x)
    np.testing.assert_allclose(beats(form, asked, (asked[0], asked[1][::-1])), [chance, 1 - chance], rtol=1e-6)
    np.testing.assert_allclose(form(*asked)[0], [(0.5 + chance) / 2, (0.5 + 1 - chance) / 2], rtol=1e-6)
    told = form.replace(values="quality")(*asked)[0]
    np.testing.assert_allclose(told, 0.5 + stats.norm.ppf([(0.5 + chance) / 2, (1.5 - chance) / 2]) / 8, rtol=1e-5)
    assert form.rank_valued
    assert not form.replace(values="quality").rank_valued


def test_what_beats_or_loses_to_all_references_keeps_an_order():
    x = np.zeros((4, NUM), np.float32)
    x[0, 1], x[1, 1], x[2, 0], x[3, 0] = -60.0, -20.0, 20.0, 60.0  # leads over a reference of zeros
    form = pair("quality").replace(references=jnp.zeros((2, NUM)))
    told = np.asarray(form(jnp.zeros((4, 6), jnp.int32), jnp.asarray(x))[0])
    assert (form.chances(jnp.asarray(x[2:, None]), form.references[None]) == 1).all()
    # A score rises by 0.01 for each factor of e, and is worth an eighth in quality.
    np.testing.assert_allclose(np.diff(told)[[0, 2]], 0.01 * 40 / 8, rtol=1e-3)
    assert told[1] < 0.05
    assert told[2] > 0.95


def test_either_order_of_a_comparison_adds_up_to_1():
    module = Comparator((8,), 4)
    params = jax.vmap(module.init, in_axes=(0, None))(jax.random.split(jax.random.key(1), 3), FEATURES[:2])
    form = pair().replace(network=params, module=module)
    one, other = FEATURES[:50], FEATURES[50:100]
    chances = form.chances(one, other)
    assert float(chances.std()) > 0.01
    np.testing.assert_allclose(chances + form.chances(other, one), 1.0, atol=1e-6)
    # What a fit sees of a batch is the same.
    logits = jax.vmap(lambda member: module.apply(member, one))(params)
    np.testing.assert_allclose(jax.nn.sigmoid(logits[:, :5, 7]), form.chances(one[:5], one[7][None]), atol=1e-5)


def test_other_forms_compare_by_their_deviations():
    tokens, features = jnp.asarray(TOKENS[:2]), FEATURES[:2]
    truth = table()
    better = int(np.argmax(TINY.oracle.quality[:2]))
    asked, swapped = (tokens, features), (tokens[::-1], features[::-1])
    assert float(beats(truth, asked, swapped)[better]) == 1.0
    np.testing.assert_allclose(beats(truth, asked, asked), 0.5)
    form = process()
    mean, std = form(*asked)
    by_hand = stats.norm.cdf((mean[0] - mean[1]) / np.hypot(*std))
    np.testing.assert_allclose(beats(form, asked, swapped), [by_hand, 1 - by_hand], rtol=1e-4)


def test_trees_by_hand():
    on = np.asarray(FEATURES)[:, [0, 3]] > 0
    by_hand = 0.5 + np.where(on[:, 0], 0.1, np.where(on[:, 1], 0.3, 0.2))
    mean, std = jax.jit(lambda form: form(jnp.asarray(TOKENS), FEATURES))(trees())
    assert len(set(by_hand)) == 3
    np.testing.assert_allclose(mean, by_hand, rtol=1e-6)
    assert float(std.max()) == 0.0
    assert not trees().differentiable


def table():
    return tabular_quality(SPACE, TOKENS, TINY.oracle.quality)


def exported():
    pytest.importorskip("flatbuffers", reason="needs flatbuffers: make env")
    weights = jnp.asarray(RNG.normal(0, 0.1, NUM), jnp.float32)
    return export(lambda tokens, features: (features @ weights, tokens.sum(-1) * 0.01), TOKENS.shape[1], np.ones(NUM))


MAKERS = {
    "table": table, "mlp": network, "ranks": lambda: network("rank"), "linear": linear, "additive": additive,
    "gaussian_process": process, "transformed": transformed, "trees": trees, "kernel": kernel,
    "graph": graph, "pair": pair, "compared": lambda: pair("quality"),
    "neighbours": lambda: smoothed(SPACE, linear()), "of_a_table": lambda: smoothed(SPACE, table()),
    "evaluated": lambda: with_evaluated(linear(), TOKENS[:5], np.linspace(0.1, 0.9, 5)),
    "mix": lambda: mixed([linear(), process()], [1, 3], LEVELS), "exported": exported,
    "behind": behind, "residual": lambda: Residual(network(), additive(), jnp.float32(0.5), jnp.float32(-0.1)),
}  # fmt: skip


def test_all_forms_are_tried_here():
    assert set(registry.FORMS) <= set(MAKERS)
    assert all(name == form.form for name, form in registry.FORMS.items())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_form_is_kept(make, tmp_path):
    form = make()
    config = json.loads(json.dumps(registry.describe(form)))
    arrays = jax.tree.map(jnp.asarray, jax.tree.map(np.asarray, form.arrays()))
    again = registry.restore(config, arrays)
    assert same(again, form)
    save_predictor(FittedPredictor(form, {"source": "here"}), SPACE, tmp_path / "file.npz")
    read = load_predictor(tmp_path / "file.npz", SPACE).predictor
    assert same(read, form)
    assert read.rank_valued == form.rank_valued
    ask = jax.jit(lambda form: form(jnp.asarray(TOKENS), FEATURES))
    for one, other in zip(ask(form), ask(read), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_form_answers_alike_in_any_batch(make):
    form, tokens = make(), jnp.asarray(TOKENS[:6])
    mean, std = jax.jit(lambda form: form(tokens, FEATURES[:6]))(form)
    assert mean.shape == std.shape == (6,)
    rows = jax.vmap(form.__call__)(tokens[:, None], FEATURES[:6, None])
    for one, other in zip((mean, std), rows, strict=True):
        np.testing.assert_allclose(one, other[:, 0], rtol=1e-4, atol=1e-6)


def test_a_process_by_hand():
    form = process()
    at = np.zeros((3, NUM), np.float32)
    at[0, 0] = at[1, 1] = 1.0
    at[2, 2:7] = 10.0
    tokens = jnp.asarray(TOKENS)
    mean, std = form(tokens[:3], jnp.asarray(at))
    np.testing.assert_allclose(mean, [0.4, 0.8, 0.5], atol=1e-5)
    np.testing.assert_allclose(std, [0, 0, 2], atol=2e-3)
    middle, unsure = form(tokens[:1], jnp.zeros((1, NUM)))
    # Covariance 4 e^-1/2 with both: mean 0.5 + 4 e^-.5 (0.2) / (4 (1 + e^-1)), variance 4 - 16 e^-1 2 / (4 (1 + e^-1)).
    np.testing.assert_allclose(middle, 0.5 + np.exp(-0.5) * 0.2 / (1 + np.exp(-1)), rtol=1e-5)
    np.testing.assert_allclose(unsure, np.sqrt(4 - 8 * np.exp(-1) / (1 + np.exp(-1))), rtol=1e-4)


def test_a_process_compares_what_features_are_transformed_to():
    form, plain = transformed(), process()
    asked = np.zeros((3, NUM), np.float32)
    asked[0, :2], asked[1, 1], asked[2, 5] = 1.0, 1.0, 1.0
    by_hand = asked.copy()
    by_hand[:, 0], by_hand[:, 1] = [1.0, 0.5, 0.0], 0.0
    tokens = jnp.asarray(TOKENS)[:3]
    for one, other in zip(form(tokens, jnp.asarray(asked)), plain(tokens, jnp.asarray(by_hand)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert "transform" not in plain.arrays()


def test_a_process_with_a_rough_part_by_hand():
    levels = jnp.asarray(0.5 + np.linspace(-4, 4, 65), jnp.float32)
    # Of one record without noise, of score 1.2: the prior's variance is 4 (1 + 0.5).
    arrays = (jnp.zeros((1, NUM)), jnp.array([1.2 / 6]), jnp.array([[1 / np.sqrt(6)]]))
    scales = map(jnp.float32, (1.0, 2.0))
    form = GaussianProcess(
        *arrays, *scales, levels, jnp.ones(NUM, bool), short=jnp.float32(0.5), rough=jnp.float32(0.5)
    )
    at = jnp.zeros((2, NUM)).at[1, 0].set(1.0)
    mean, std = form(jnp.asarray(TOKENS)[:2], at)
    near = 4 * (np.exp(-0.5) + 0.5 * np.exp(-2.0))
    np.testing.assert_allclose(mean, [1.7, 0.5 + near * 0.2], rtol=1e-5)
    np.testing.assert_allclose(std, [0.0, np.sqrt(6 - near**2 / 6)], rtol=1e-4, atol=3e-3)


def test_a_mix_is_the_quality_at_the_mean_score_and_as_unsure_as_a_choice_among_its_parts():
    tokens, qualities = jnp.asarray(TOKENS[:2]), ([0.25, 0.5], [0.75, 0.5])
    parts = [tabular_quality(SPACE, TOKENS, np.resize(values, len(TOKENS))) for values in qualities]
    # Below 0.5 a score is worth 0.125, above it 0.375: scores -2 and 2/3, whose mean at weights 1 and 3 is 0.
    bent = np.interp(np.linspace(-4, 4, 65), [-4, 0, 4], [0.0, 0.5, 2.0])
    mean, std = jax.jit(lambda form: form(tokens, FEATURES[:2]))(mixed(parts, [1, 3], bent))
    np.testing.assert_allclose(mean, [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(std, [0.25, 0], atol=1e-6)
    flat = mixed(parts, [1, 3], np.full(65, 0.5))(tokens, FEATURES[:2])[0]
    np.testing.assert_allclose(flat, 0.5)


def test_a_mix_of_ranks_and_odd_weights_are_refused():
    with pytest.raises(ValueError, match=r"a mix of mlp, which tells ranks"):
        mixed([linear(), network("rank")], [1, 1], LEVELS)
    for weights in ([1], [1, 0], [1, float("nan")]):
        with pytest.raises(ValueError, match="give 2 positive numbers, one a form"):
            mixed([linear(), linear()], weights, LEVELS)


def test_a_mix_knows_what_all_its_parts_know():
    assert mixed([table(), table()], [1, 1], LEVELS).known is None
    one, other = linear(), linear()
    one = one.replace(known=one.known.at[0].set(False))
    known = mixed([one, table(), other], [1, 1, 1], LEVELS).known
    assert not known[0]
    assert known[1:].all()


def test_neighbours_are_counted_by_hand():
    quality = TINY.oracle.quality
    mean, std = jax.jit(lambda form: form(jnp.asarray(TOKENS), FEATURES))(smoothed(SPACE, table()))
    index = {tuple(row): i for i, row in enumerate(TOKENS.tolist())}
    for i, row in enumerate(TOKENS.tolist()):
        found = {i}
        for t in range(len(row)):
            for choice in range(3):
                edit = list(row)
                edit[t] = choice
                # Layers beyond the depth carry 0.
                edit = [edit[0], *(token if k < 3 + edit[0] else 0 for k, token in enumerate(edit[1:]))]
                found.add(index[tuple(edit)])
        # Shallower or deeper may lead to one architecture only; each is counted once here.
        assert float(mean[i]) == pytest.approx(np.mean([quality[j] for j in found]), abs=1e-6)
    assert float(std.max()) == 0.0


def test_what_forms_say_of_themselves():
    assert table().known is None
    assert table().looked_up
    assert not table().differentiable
    form = linear()
    np.testing.assert_array_equal(form.feature_weights, form.weights)
    np.testing.assert_allclose(
        network().feature_weights, 0.1 * network().params["network"]["params"]["Dense_0"]["kernel"][0, :, 0], atol=1
    )
    assert network("rank").feature_weights is None
    assert process().feature_weights is None
    assert smoothed(SPACE, network("rank")).rank_valued
    problem = dataclasses.replace(TINY.problem, quality=form)
    assert can_be_listed(problem, TINY.description)


def test_ranks_stay_apart_and_within_0_and_1():
    score = jnp.linspace(-40, 40, 4001)
    share = np.asarray(share_of(score))
    assert (np.diff(share) > 0).all()
    assert share.min() > 0
    assert share.max() < 1


@dataclasses.dataclass(frozen=True)
class Stranger:
    form: str = "mine"

    def __call__(self, tokens, features):
        return features[:, 0], features[:, 0]


def test_what_cannot_be_kept_is_refused_when_the_problem_is_made():
    prices = prices_of(SPACE)
    with pytest.raises(ValueError, match=r"type Stranger cannot be kept .* lacks known, rank_valued, static, arrays"):
        make_problem(SPACE, prices, Stranger())
    with pytest.raises(ValueError, match=r"type function .* lacks form, known.*exported.export"):
        make_problem(SPACE, prices, lambda tokens, features: None)

    class Impostor(Linear):
        pass

    impostor = Impostor(*(getattr(linear(), name) for name in ("weights", "offset", "known")))
    with pytest.raises(ValueError, match="owns no form 'linear' of this type"):
        make_problem(SPACE, prices, impostor)
    with pytest.raises(ValueError, match="owns no form 'linear' of this type"):
        make_problem(SPACE, prices, smoothed(SPACE, impostor))
    short = dataclasses.replace(linear(), known=jnp.ones(3, bool))
    with pytest.raises(ValueError, match=r"knows features \(3,\), tiny.* has 18; fit one to it"):
        make_problem(SPACE, prices, short)


def test_ranks_are_marked_and_take_no_pessimism():
    prices = prices_of(SPACE)
    _, description = make_problem(SPACE, prices, network("rank"), quality_report={"source": "here"})
    assert description.quality_report == {"source": "here", "values": "rank"}
    with pytest.raises(ValueError, match=r"pessimism=0.5: the predictor tells ranks.*kind gp"):
        make_problem(SPACE, prices, network("rank"), pessimism=0.5)
    _, description = make_problem(SPACE, prices, network(), pessimism=0.5)
    assert "values" not in description.quality_report


def test_former_names_are_read():
    form = network()
    again = registry.restore({"kind": "predicted", "hidden": []}, form.arrays())
    assert same(again, form)
    assert same(registry.restore({"kind": "tabular"}, table().arrays()), table())
    with pytest.raises(ValueError, match=r"form 'lineal' is not known \(did you mean 'linear'\?\)"):
        registry.restore({"form": "lineal"}, {})


def test_an_exported_function_is_checked():
    pytest.importorskip("flatbuffers", reason="needs flatbuffers: make env")
    with pytest.raises(ValueError, match="it must give mean and std, float32"):
        export(lambda tokens, features: (features, features), 6, np.ones(4))
    with pytest.raises(ValueError, match="values='percent': write 'quality' or 'rank'"):
        export(lambda tokens, features: (features[:, 0], features[:, 1]), 6, np.ones(4), "percent")


def test_a_file_of_a_form_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "file.npz"
    wrong = dataclasses.replace(linear(), weights=jnp.ones(3))
    save_predictor(FittedPredictor(wrong, {"source": "here"}), SPACE, path)
    with pytest.raises(ValueError, match=r"do not make a predictor of tiny"):
        load_predictor(path, SPACE)
    save_predictor(FittedPredictor(dataclasses.replace(linear(), offset=jnp.float32(np.nan)), {}), SPACE, path)
    with pytest.raises(ValueError, match="weights must be finite"):
        load_predictor(path, SPACE)
