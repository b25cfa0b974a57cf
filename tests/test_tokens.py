"""Text that is made token by token: programs, tables of single tokens, and tokens a second."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from benchmarks import profile_tokens
from experiments import describe, generate, profile_device
from nagjax import blocks
from nagjax.authoring import tabular_quality
from nagjax.deployment import cards
from nagjax.devices.json_table import read_json, write_json
from nagjax.devices.pricing import LATENCY, TOKEN, price
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.token_rates import RATE, budget_ms, rate_of
from nagjax.devices.validation import MeasuredNetwork
from nagjax.operators import kept_bytes
from nagjax.operators.attention import attention
from nagjax.operators.token_head import token_head
from nagjax.profile import by_token, programs, subjects
from nagjax.reports import report, report_html
from nagjax.spaces import elastic_decoder, pretrained_decoder
from nagjax.spaces.trellis import enumerate_paths

DECODER = {"length": 5, "vocabulary": 4, "widths": "4", "depths": "1-2", "heads": "1-2", "ratios": "2", "head_size": 2}
SPACE = elastic_decoder.make(**DECODER)


def table_of(column, base=0.25):
    """A table of the space in which every operator has a time of its own."""
    rows = {(op.key, None): Row(base + 0.03 * at) for at, op in enumerate(SPACE.operators)}
    return DeviceTable("toy", "none", 1, "float32", "ms", "made up", rows, source=f"{column}.json", column=column)


# Programs


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (SPACE, "width=4:softmax-h2-r2:linear-h1-r2"),
        (pretrained_decoder.make("gpt2", 5, 4, 4, 2, 2), "b32-h1-f8:b32-h2-f16"),
        (pretrained_decoder.make("llama", 5, 4, 4, 1, 2, 1), "b32-h2-f16"),
    ],
    ids=["elastic", "gpt2", "llama"],
)
def test_a_network_gives_token_by_token_what_it_gives_at_once(space, text):
    subject = subjects.network(space, space.parse(text))
    x = jnp.asarray(np.random.default_rng(0).integers(0, 4, (2, 5)), jnp.int32)
    expected = np.asarray(jax.jit(programs.inference(subject, 2))(x))
    step = jax.jit(by_token.step(subject.operators, 2))
    kept = tuple(blocks.nothing_kept(op, 2) for op in subject.operators)
    for before in range(5):
        y, kept = step(x[:, before : before + 1], kept, before)
        np.testing.assert_allclose(np.asarray(y)[:, 0], expected[:, before], atol=1e-5)


def test_what_a_linear_mixer_keeps_does_not_grow_with_the_text():
    kept = {
        mixer: [kept_bytes(attention(length, 8, 2, 4, mixer)) for length in (64, 256, 1024)]
        for mixer in ("softmax", "linear")
    }
    assert kept == {"softmax": [4096, 16384, 65536], "linear": [160] * 3}  # 2 x L x 8 numbers, or 2 x 4 x 5


def grow(x, kept, before):
    """What is kept grows by ``before`` times the token, and is what it gives."""
    return (kept + before * x,) * 2


def test_a_loop_of_tokens_hands_on_what_is_kept():
    """The first element of x grows by a millionth of the y before."""
    x, kept, y = np.array([[1e6, 5.0]]), np.array([[1.0, 2.0]]), np.zeros((1, 2))
    start = jnp.asarray(x, jnp.float32), jnp.asarray(kept, jnp.float32), jnp.asarray([[2.0]])
    for _ in range(3):
        x[0, 0] += 1e-6 * y[0, 0]
        kept = y = kept + 2 * x
    np.testing.assert_allclose(np.asarray(jax.jit(by_token.looped(grow, 3, False))(*start)), y, rtol=1e-6)


def test_a_text_goes_on_with_the_likeliest_token():
    """Token t is followed by t + 2: after 0 (of nothing all are alike) come 2, 4 and 6."""

    def logits(x, kept, before):
        return jax.nn.one_hot(x + before, 9), kept

    y = jax.jit(by_token.looped(logits, 3, True))(jnp.array([[7]]), (), jnp.asarray(2))
    assert y.argmax(-1).tolist() == [[6]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_operators_and_networks_are_timed_by_token(dtype):
    subject = subjects.network(SPACE, SPACE.parse("width=4:softmax-h1-r2"))
    prepare = by_token.preparation(2, dtype, 0.1)
    assert prepare(subject)() > 0
    assert prepare(subjects.Subject("operator", "attention", subject.operators[1:2]))() > 0
    assert by_token.compiled(subject.operators, 2, dtype, 3)().shape == (2, 1, 4)


def test_what_gives_what_it_takes_is_timed_in_a_row():
    """Its weights must not stay nearer than in a network; numbers of tokens cannot be handed on."""
    stem, attend, feed, head = subjects.network(SPACE, SPACE.parse("width=4:softmax-h1-r2")).operators

    def rows(*operators, kind="operator"):
        return len(by_token.in_a_row(subjects.Subject(kind, "", operators)))

    assert [rows(op) for op in (stem, attend, feed)] == [1, by_token.IN_A_ROW, by_token.IN_A_ROW]
    assert rows(head) == by_token.IN_A_ROW, "4 kinds of token, as wide as a row"
    assert rows(token_head(5, 4, 7)) == 1
    assert rows(stem, attend, feed, head, kind="network") == 4


def test_a_space_without_single_tokens_is_refused(tmp_path, capsys):
    flags = ["--space=elastic_vit", "--column=token_ms", f"--out={tmp_path / 't.json'}", "--compilation_cache="]
    assert profile_device.main(flags) == 2
    assert "text is not made token by token with it" in capsys.readouterr().err


# Tables


def test_a_table_says_which_column_it_prices(tmp_path):
    table = table_of(TOKEN)
    write_json(table, tmp_path / "steps.json")
    read = read_json(tmp_path / "steps.json")
    assert (read.column, read.content_hash) == (TOKEN, table.content_hash)
    latency = dataclasses.replace(table, column=LATENCY)
    assert latency.content_hash != table.content_hash
    write_json(latency, tmp_path / "latency.json")
    assert "column" not in (tmp_path / "latency.json").read_text()
    with pytest.raises(
        ValueError, match=r"token_ms\.json: its column is token_ms, latency_ms is asked for; give it as t"
    ):
        price(table, SPACE)
    with pytest.raises(ValueError, match="column is 'ms'; it must be one of latency_ms, token_ms"):
        dataclasses.replace(table, column="ms")


def test_what_looks_a_token_up_may_take_next_to_nothing():
    table = table_of(TOKEN)
    rows = {key: Row(1e-4 if "embedding" in key[0] else row.mean) for key, row in table.rows.items()}
    assert not any(
        "implausible" in doubt for doubt in price(dataclasses.replace(table, rows=rows), SPACE, TOKEN).doubts
    )
    latency = dataclasses.replace(table, rows=rows, column=LATENCY)
    assert any("implausible" in doubt for doubt in price(latency, SPACE).doubts)


def test_the_benchmark_tells_mixers_apart_and_judges_sums():
    """Attentions of the space are its operators 2 to 5: softmax takes 0.31 and 0.34 ms, linear 0.37 and 0.4."""
    measured = (MeasuredNetwork("a", 1.0, 1.25), MeasuredNetwork("b", 2.0, 2.0), MeasuredNetwork("c", 3.0, 4.0))
    judged = profile_tokens.judged(dataclasses.replace(table_of(TOKEN), validation=measured))
    assert (judged["softmax, us"], judged["linear, us"]) == (pytest.approx(325), pytest.approx(385))
    assert (judged["spearman"], judged["of the raw sum"]) == (1.0, pytest.approx(0.2))
    assert (judged["most tokens a second"], judged["fewest"]) == (800.0, 250.0)


def setup_of(**more):
    every = enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    quality = tabular_quality(SPACE, every, np.linspace(0.3, 0.4, len(every)))
    return nagjax.problem(SPACE, quality=quality, **more)


def test_two_tables_price_two_columns():
    setup = setup_of(table=table_of(LATENCY), token_table=table_of(TOKEN, 0.5))
    assert [info.name for info in setup.description.costs] == [LATENCY, TOKEN]
    tokens = SPACE.sample(np.random.default_rng(0), 4)
    latency, token = setup.description.costs_of(tokens).T
    values = np.array([0.25 + 0.03 * at for at in range(len(SPACE.operators))])
    np.testing.assert_allclose(latency, SPACE.operator_sum(tokens, values))
    np.testing.assert_allclose(token, SPACE.operator_sum(tokens, values + 0.25))
    alone = setup_of(token_table=table_of(TOKEN), costs=["token_ms", "kv_cache"]).description.costs
    assert [info.name for info in alone] == [TOKEN, "kv_cache_kb"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"costs": ["token_ms"]}, "token_ms needs a device table of one more token of a text: give token_table=FILE"),
        ({"token_table": table_of(LATENCY)}, "its column is latency_ms, token_ms is asked for; give it as table="),
        ({"table": {"a": table_of(LATENCY)}, "token_table": table_of(TOKEN)}, "token_table: is of one device"),
    ],
)
def test_what_does_not_price_tokens_is_told(more, told):
    with pytest.raises(ValueError, match=told):
        setup_of(**more)


# Tokens a second


def test_a_rate_that_is_read_is_a_budget_that_admits_the_cost():
    rng, by_a_bit = np.random.default_rng(0), 100.16507203871981  # 1000 / 9.98352 is a float below it
    for ms in [by_a_bit, *np.exp(rng.uniform(-9, 9, 2000)), *(np.arange(1, 2000) / 1000)]:
        assert ms <= budget_ms(rate_of({TOKEN: ms})) <= ms * 1.0000101
    with pytest.raises(ValueError, match="tokens_per_second=-1 is below 0"):
        budget_ms(-1)


@pytest.fixture(scope="module")
def generator():
    setup = setup_of(table=table_of(LATENCY), token_table=table_of(TOKEN, 0.5))
    return nagjax.train(setup, controller="random", steps=1, seed=0, progress=False)


def test_tokens_a_second_are_asked_and_told(generator):
    answers = generator.generate(budgets={RATE: [200.0, 300.0], LATENCY: [9.0, 9.0]})
    assert [answer.budget[TOKEN] for answer in answers] == [5.0, 1000 / 300]
    for answer, rate in zip(answers, (200.0, 300.0), strict=True):
        assert answer.tokens_per_second >= rate
        again = generator.generate(budgets={RATE: answer.tokens_per_second})[0]
        assert again.quality >= answer.quality
    with pytest.raises(ValueError, match="tokens_per_second and token_ms say the same"):
        generator.generate(budgets={RATE: [200.0], TOKEN: [5.0]})


def test_a_generator_of_tokens_is_asked_on_another_device():
    setup = setup_of(token_table=table_of(TOKEN))
    trained = nagjax.train(setup, controller="random", steps=1, seed=0, progress=False)
    slower = dataclasses.replace(table_of(TOKEN, 2.0), device="slower")
    there = trained.on(slower).generate(budgets={TOKEN: [99.0]})[0]
    here = trained.generate(budgets={TOKEN: [99.0]})[0]
    assert there.costs[TOKEN] > here.costs[TOKEN]
    with pytest.raises(ValueError, match="answers budgets of token_ms as well, which this device table does not tell"):
        trained.on(table_of(LATENCY))


def test_jobs_show_tokens_a_second(generator, tmp_path, capsys):
    generator.save(tmp_path / "run")
    asked = [f"--checkpoint={tmp_path / 'run'}", "--budgets=tokens_per_second=200", f"--json={tmp_path / 'a.json'}"]
    assert generate.main([*asked, "--compilation_cache="]) == 0
    assert "tokens a second" in capsys.readouterr().out
    assert '"tokens_per_second"' in (tmp_path / "a.json").read_text()
    write_json(table_of(TOKEN), tmp_path / "steps.json")
    flags = [f"--space_settings={','.join(f'{key}={value}' for key, value in DECODER.items())}"]
    flags += ["--space=elastic_decoder", f"--token_table={tmp_path / 'steps.json'}", "--compilation_cache="]
    assert describe.main(flags) == 0
    assert "token_ms" in capsys.readouterr().out


def test_cards_and_reports_show_tokens_a_second(generator):
    predicted = {"quality": 0.3, "guaranteed": True, TOKEN: 4.0, RATE: 250.0}
    built = {"accuracy": {}, "difference": {}, "madds": 1, "weights": 2}
    page = cards.page(cards.Card("a", "b", "c", None, None, predicted, {}, built, [], {}, "quality", "texts"))
    assert "<b>250</b><span>tokens a second, predicted</span>" in page
    told = report.collect(generator, report.Options("quality"))
    point = told.table[0]
    table = report_html._budgets(told)
    assert "<th class='number'>tokens a second</th>" in table
    assert f"<td class='number'>{rate_of(point.costs):g}</td>" in table
