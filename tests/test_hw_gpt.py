"""Decoders: worked numbers, the published space, made-up files that are read and refused, and two budgets at once."""

import csv
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from benchmarks import walkthroughs
from nagjax.devices.formats import read_table
from nagjax.devices.hw_gpt import read
from nagjax.devices.pricing import ANALYTIC, analytic, price
from nagjax.files import split_part
from nagjax.operators import madds, params, parse_key
from nagjax.predictors.formats.readers import read_predictor
from nagjax.predictors.formats.storage import load_predictor, save_predictor
from nagjax.predictors.records.hw_gpt import read_measured
from nagjax.spaces import hw_gpt

TINY = hw_gpt.Scale((8, 16, 24), (1, 2), (1, 2, 3), 2, {8: 100, 16: 200, 24: 300})
SPACE = hw_gpt.space_of("tiny", TINY)
TEXT = "width=16:bias=yes:ratios=3-2:heads=1-3"


def counted(space, tokens, name):
    """An analytic column as the integers that it is made of, one for each of tokens ``[N, T]``."""
    count = {**ANALYTIC, **space.counts}[name]
    return space.operator_sum(tokens, np.array([count.of(op) for op in space.operators]))


def test_the_published_number_of_networks_on_18_nodes():
    counts = {"s": 1903784282946, "m": 537684912592251733153026, "l": 151858100636256657146478033822541506}
    for scale, count in counts.items():
        space = hw_gpt.make(scale)
        assert space.count() == count
        assert space.trellis.shape[1] == 18
    assert SPACE.count() == 6 * (9 + 81)
    with pytest.raises(ValueError, match="scale 'xl' is not one of s, m, l"):
        hw_gpt.make("xl")


def test_columns_of_one_network_by_hand():
    tokens = SPACE.parse(TEXT)[None]
    width, tokens_passed = 16, 2 * 1024
    first, second = 256 * 1 * width + 3 * 48 * width, 256 * 3 * width + 3 * 32 * width
    head = 50254 * width
    expected = {
        "params": 2 * head + 2 * width + first + second + 8 * width + 192 * 4 + 2 * 80 + 4 * width,
        "madds": tokens_passed * (head + first + second),
        "flops": tokens_passed * (2 * (head + first + second) + 5 * width + 20 * width + 80),
        "kv_cache": 2 * 2 * 64 * 4 * tokens_passed,
    }
    expected["memory"] = 4 * expected["params"] + 2 * (head + first + second) + 200
    assert {name: counted(SPACE, tokens, name)[0] for name in expected} == expected
    assert [analytic(SPACE, name).name for name in SPACE.counts] == ["flops_g", "memory_mb", "kv_cache_mb"]
    np.testing.assert_allclose(
        SPACE.operator_sum(tokens, analytic(SPACE, "memory").values), expected["memory"] / 1e6, rtol=1e-12
    )


def test_keys_are_read_back_and_what_is_none_is_refused():
    for op in SPACE.operators:
        again = parse_key(op.key)
        assert (again, madds(again), params(again)) == (op, op.madds, op.params)
    for text in ("decoder_block-2048x16-v50254", "decoder_frame-2048x16-m32-h1", "decoder_block-2048x16-m32-h0"):
        with pytest.raises(ValueError, match="operator"):
            parse_key(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("width=16:bias=yes", "is not width=W:bias=yes"),
        ("width=17:bias=yes:ratios=3:heads=1", "width '17' is not one of 8, 16, 24"),
        ("width=16:bias=1:ratios=3:heads=1", "bias '1' is not one of yes, no"),
        ("width=16:bias=yes:ratios=3-2:heads=1", "2 ratios and 1 heads"),
        ("width=16:bias=yes:ratios=3-2-2:heads=1-1-1", "number of blocks '3'"),
        ("width=16:bias=yes:ratios=5:heads=1", "ratio and heads '5/1'"),
    ],
)
def test_texts_that_are_no_network(text, says):
    with pytest.raises(ValueError, match=says):
        SPACE.parse(text)


def prices_file(folder, change=lambda rows: rows, of=TINY, fast="fast"):
    """Prices of two devices; on ``fast`` a block is 1 + ratio / 10 + heads / 100 ms, a frame 5 ms with bias, else 4."""
    columns = [f"layer_ms_mlp{r}_head{h}" for r in hw_gpt.RATIOS for h in ("low", "mid", "high")]
    errors = ["held_out_mean_rel", "held_out_p99_rel", "held_out_max_rel"]
    rows = [["scale", "device", "embed_dim", "bias", "base_ms", *columns, *errors]]
    for device, factor in ((fast, 1.0), ("slow", 10.0)):
        for width in of.widths:
            for bias in (0, 1):
                blocks = [1 + r / 10 + h / 100 for r in hw_gpt.RATIOS for h in (1, 2, 3)]
                numbers = [factor * value for value in (4 + bias, *blocks)]
                rows.append(["t", device, width, bias, *(f"{value:.4f}" for value in numbers), 0.01, 0.1, 0.25])
    path = folder / "prices.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(change(rows))
    return path


def test_prices_of_a_device_add_up_and_a_bound_raises_them(tmp_path):
    path = prices_file(tmp_path)
    tokens = SPACE.parse(TEXT)[None]
    expected = 5 + (1 + 0.3 + 0.01) + (1 + 0.2 + 0.03)
    for text, factor in (("fast", 1.0), ("slow", 10.0), ("fast+p99", 1.1), ("slow+max", 12.5)):
        table = read_table(f"{path}#{text}", SPACE.operators)
        assert (table.device, table.batch) == (text.partition("+")[0], 2)
        np.testing.assert_allclose(SPACE.operator_sum(tokens, price(table, SPACE).values), factor * expected)


def with_cell(row, column, value):
    def change(rows):
        rows[row][column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("device", "change", "says"),
    [
        ("", None, "holds several devices; name one behind the file: prices.csv#fast; devices: fast, slow"),
        ("fsat", None, "no device 'fsat'"),
        ("fast+p95", None, r"\+p95 is no held-out error"),
        ("fast", with_cell(1, 4, "-3.5"), r"row 2, column 'base_ms' \(decoder_frame-2048x8-v50254\): mean is -3.5"),
        ("fast", with_cell(2, 5, "0"), "row 3, column 'layer_ms_mlp2_headlow'.*mean is 0.0; it must be a time above 0"),
        ("fast", with_cell(3, 3, "1"), "16 with bias 1 stands twice for fast"),
        ("fast", lambda rows: [[cell if cell != 8 else 9 for cell in row] for row in rows], "operators of hw_gpt"),
    ],
)
def test_prices_that_are_refused(tmp_path, device, change, says):
    path = prices_file(tmp_path, change or (lambda rows: rows))
    with pytest.raises(ValueError, match=says):
        price(read_table(f"{path}#{device}", SPACE.operators, "hw_gpt"), SPACE)


def test_a_file_that_has_the_sign_in_its_name_is_that_file(tmp_path):
    path = prices_file(tmp_path).rename(tmp_path / "prices#2.csv")
    assert split_part(path) == (path, "")
    assert split_part(tmp_path / "prices#2.csv#slow") == (path, "slow")
    with pytest.raises(ValueError, match="holds several devices"):
        read_table(path, SPACE.operators)


def test_prices_are_of_decoders_alone(tmp_path):
    with pytest.raises(ValueError, match="the space has none"):
        read(prices_file(tmp_path), nagjax.space("nas_bench_macro").operators)


INPUTS = len(SPACE.feature_names)


def network_file(folder, inputs=INPUTS, seed=0):
    """A perplexity network of random weights, whose values lie about 30."""
    rng = np.random.default_rng(seed)
    sizes = (inputs, 6, 5, 1)
    arrays = {}
    for k, (before, after) in enumerate(itertools.pairwise(sizes), 1):
        arrays[f"layer{k}_weight"] = rng.normal(size=(after, before)).astype(np.float32)
        arrays[f"layer{k}_bias"] = (rng.normal(size=after) + 30 * (k == 3)).astype(np.float32)
    path = folder / "perplexity.npz"
    np.savez(path, **arrays, output_unit=np.float64(1.0))
    return path, arrays


def test_a_perplexity_network_is_read_and_kept(tmp_path):
    path, arrays = network_file(tmp_path)
    fitted = read_predictor(path, SPACE)
    tokens = SPACE.sample(np.random.default_rng(1), 20)
    x = SPACE.features(tokens).astype(np.float64)
    for k in (1, 2, 3):
        x = x @ arrays[f"layer{k}_weight"].T.astype(np.float64) + arrays[f"layer{k}_bias"]
        x = np.maximum(x, 0) if k < 3 else x
    given = (jnp.asarray(tokens), jnp.asarray(SPACE.features(tokens)))
    np.testing.assert_allclose(fitted.predictor(*given)[0], 1 / x[:, 0], rtol=1e-6)
    save_predictor(fitted, SPACE, tmp_path / "kept.npz")
    kept = load_predictor(tmp_path / "kept.npz", SPACE)
    np.testing.assert_array_equal(kept.predictor(*given)[0], fitted.predictor(*given)[0])
    assert kept.predictor.feature_weights is None


def test_networks_that_are_refused(tmp_path):
    path, arrays = network_file(tmp_path, inputs=12)
    with pytest.raises(ValueError, match=r"has 12 inputs.*another scale, or predicts another figure"):
        read_predictor(path, SPACE)
    with pytest.raises(ValueError, match="reads architectures of hw_gpt, not of nas_bench_macro"):
        read_predictor(path, nagjax.space("nas_bench_macro"))
    del arrays["layer1_bias"]
    np.savez(path, **{**arrays, "layer1_weight": np.zeros((6, len(SPACE.feature_names)), np.float32)})
    with pytest.raises(ValueError, match="layer1_bias is missing"):
        read_predictor(path, SPACE)


def measured_file(folder, **changes):
    arrays = {
        "embed_dim": np.array([16, 8], np.int16),
        "n_layer": np.array([2, 1], np.uint8),
        "bias": np.array([True, False]),
        "mlp_ratio": np.array([[3, 2], [4, 0]], np.uint8),
        "n_head": np.array([[1, 3], [2, 0]], np.uint8),
        "params": np.array([5, 6], np.int32),
        "perplexity": np.array([30.0, np.nan], np.float32),
        "bfloat16_memory_MB": np.array([7.0, 8.0], np.float32),
        "latency_devices": np.array(["fast", "slow"]),
        "latency_ms_median": np.array([[1.0, 2.0], [10.0, 20.0]], np.float32),
        "energy_gpu_devices": np.array(["fast"]),
        "energy_gpu_Wh_median": np.array([[0.1, 0.2]], np.float32),
    }
    path = folder / "measured.npz"
    np.savez(path, **{**arrays, **changes})
    return path


def test_measured_networks_are_read(tmp_path):
    found = read_measured(measured_file(tmp_path), SPACE)
    assert [SPACE.format(row) for row in found.tokens] == [TEXT, "width=8:bias=no:ratios=4:heads=2"]
    assert found.latency_ms["slow"].tolist() == [10.0, 20.0]
    assert found.energy_wh["fast"].round(6).tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match="network 1: width is none of the space's"):
        read_measured(measured_file(tmp_path, embed_dim=np.array([16, 9])), SPACE)
    with pytest.raises(ValueError, match="not networks of nas_bench_macro"):
        read_measured(measured_file(tmp_path), nagjax.space("nas_bench_macro"))


def test_two_budgets_are_kept_together_and_answers_are_the_best(tmp_path):
    path, _ = network_file(tmp_path)
    table = read_table(f"{prices_file(tmp_path)}#fast", SPACE.operators)
    setup = nagjax.problem(SPACE, table, predictor=path, costs=["latency_ms", "memory"])
    generator = nagjax.train(setup, "random", steps=2, progress=False)
    budgets = {"latency_ms": [6.4, 7.0, 7.6], "memory_mb": [9.0, 14.0, 18.0]}
    answers = generator.generate(budgets=budgets)
    every = nagjax.spaces.trellis.enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    quality = np.asarray(setup.problem.quality(jnp.asarray(every), jnp.asarray(SPACE.features(every)))[0])
    costs = setup.description.costs_of(every)
    for i, answer in enumerate(answers):
        within = (costs <= [budgets[name][i] for name in budgets]).all(1)
        assert answer.guaranteed
        assert all(answer.costs[name] <= budgets[name][i] for name in budgets)
        assert answer.quality == pytest.approx(quality[within].max(), rel=1e-6)


def test_the_page_runs_as_it_stands_on_made_up_files(tmp_path):
    """Prices, a network and measurements of the right shapes in place of the benchmark's."""
    folder, scale = tmp_path / "hw_gpt_bench", hw_gpt.SCALES["s"]
    folder.mkdir()
    prices_file(folder, of=scale, fast="a100").rename(folder / "additive_latency.csv")
    network_file(folder, inputs=80)[0].rename(folder / "surrogate_perplexity_s.npz")
    rng, num = np.random.default_rng(0), 50
    made = {
        "embed_dim": rng.choice(scale.widths, num),
        "n_layer": rng.choice(scale.depths, num),
        "bias": rng.random(num) < 0.5,
        "mlp_ratio": rng.choice(hw_gpt.RATIOS, (num, 12)),
        "n_head": rng.choice(scale.heads, (num, 12)),
        "params": np.arange(num),
        "perplexity": rng.uniform(20, 40, num),
        "bfloat16_memory_MB": np.ones(num),
        "latency_devices": np.array(["a100"]),
        "latency_ms_median": rng.uniform(15, 30, (1, num)),
        "energy_gpu_devices": np.array(["a100"]),
        "energy_gpu_Wh_median": np.ones((1, num)),
    }
    measured_file(folder, **made).rename(folder / "measured_s.npz")
    page = (walkthroughs.DOCS / "language_models.md").read_text(encoding="utf-8")
    # Numbers that the made-up files allow, and what compiles faster than nag.
    cheaper = (
        page.replace('"nag"', '"random"').replace("[14, 18, 24]", "[20, 22, 24]").replace("[400, 300,", "[900, 900,")
    )
    ran = walkthroughs.run(cheaper, tmp_path, steps=2)
    assert ran.count("within both: True") == 3
    assert ran.count("```text") == page.count("```text")


@pytest.mark.data
@pytest.mark.parametrize("scale", ["s", "m", "l"])
def test_the_published_networks_and_measured_integers(shared_data, scale):
    folder, space = shared_data("hw_gpt_bench"), hw_gpt.make(scale)
    known = read_measured(folder / f"measured_{scale}.npz", space)
    np.testing.assert_array_equal(counted(space, known.tokens, "params"), known.params)
    error = counted(space, known.tokens, "memory") / 1e6 / known.memory_mb - 1
    assert np.abs(error).max() < 0.023
    with (folder / "reference.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["scale"] == scale]
    said = {"0": "no", "1": "yes"}
    tokens = np.stack(
        [
            space.parse(f"width={r['embed_dim']}:bias={said[r['bias']]}:ratios={r['mlp_ratio']}:heads={r['n_head']}")
            for r in rows
        ]
    )
    np.testing.assert_array_equal(counted(space, tokens, "flops"), [int(row["analytic_flops"]) for row in rows])
    predictor = read_predictor(folder / f"surrogate_perplexity_{scale}.npz", space).predictor
    quality = predictor(jnp.asarray(tokens), jnp.asarray(space.features(tokens)))[0]
    np.testing.assert_allclose(1 / np.asarray(quality), [float(row["perplexity"]) for row in rows], rtol=1e-6)
