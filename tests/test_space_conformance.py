"""Every registered space keeps what a space has to keep, and each check of the suite finds what breaks it."""

import dataclasses
import doctest
from pathlib import Path

import numpy as np
import pytest

from nagjax import plugins, testing
from nagjax.operators import Operator
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = {"tabular": {"decisions": [["kernel", [3, 5]], ["skip", [False, True]], ["a, b", ["x", 'y"=']]]}}
"""Spaces that cannot be made without settings."""

WIDTHS = (8, 16)
NAMES = tuple(f"layer{t}.{width}" for t in range(3) for width in WIDTHS)


@pytest.mark.parametrize("check", testing.SPACE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.names("spaces"))
def test_registered_spaces_conform(name, check):
    check(plugins.load("spaces", name), **SETTINGS.get(name, {}))


@pytest.mark.parametrize("name", plugins.names("spaces"))
def test_a_registered_space_has_the_name_by_which_a_checkpoint_finds_it(name):
    assert plugins.load("spaces", name)(**SETTINGS.get(name, {})).name == name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_page_shows_the_space_that_is_tested_and_its_blocks_run(monkeypatch):
    example = ROOT / "tests" / "example_space"
    page = (ROOT / "docs" / "spaces.md").read_text(encoding="utf-8")
    assert (example / "nagjax_plain_cnn.py").read_text(encoding="utf-8") in page
    shown = page.partition("```toml\n")[2].partition("```")[0]
    assert shown in (example / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"`{check.__name__}`" in page for check in testing.SPACE_CHECKS)
    monkeypatch.syspath_prepend(str(example))
    blocks = doctest.DocTestParser().get_doctest(page, {}, "spaces.md", None, 0)
    assert len(blocks.examples) > 20
    said = []
    assert doctest.DocTestRunner(verbose=False).run(blocks, out=said.append).failed == 0, "".join(said)


def operator(t, before, width):
    return Operator("conv", 8, 8, before, width, kernel=3)


def chain(t, before):
    """Three layers of 8 or 16 channels, each taking what the one before gives."""
    return [tl.Edge(c, width, (operator(t, before, width),), (f"layer{t}.{width}",)) for c, width in enumerate(WIDTHS)]


def make(edges=chain, classes=10, **changes):
    graph, operators = tl.build(3, 3, edges, NAMES)
    choices = tuple({"width": width} for width in WIDTHS)
    return Space(
        **{
            "name": "chain",
            "version": 1,
            "settings": {"classes": classes},
            "decisions": tuple(Decision(f"layer{t}", "layer", choices) for t in range(3)),
            "trellis": graph,
            "operators": operators,
            "feature_names": NAMES,
            "parse_text": parse,
            "format_tokens": lambda tokens: "".join(map(str, tokens)),
            "describe_tokens": lambda tokens: " ".join(str(WIDTHS[token]) for token in tokens),
            **changes,
        }
    )


def narrow(t, before):
    """The last layer cannot be wide after a wide one."""
    return chain(t, before)[:1] if (t, before) == (2, 16) else chain(t, before)


def parse(text):
    if len(text) != 3 or set(text) - set("01"):
        raise ValueError(f"{text!r} is not three digits of 0 and 1")
    return [int(digit) for digit in text]


def test_a_sound_space_passes_in_one_call():
    testing.check_space(make, classes=3)


def fails(check, made, says):
    with pytest.raises(AssertionError, match=f"(?s)^{says}"):
        check(made)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda **_: 3, "space settings: the factory returned int, no Space"),
        (lambda **_: make(name=" "), "space settings: name is ' '"),
        (lambda **_: make(version="1"), "space settings: version is '1'"),
        (lambda **_: make(settings={"classes": {1}}), "space settings: settings cannot be written"),
        (lambda classes=10: make(classes=classes + 1), r"space settings: made from .* it is chain\(classes=12\)/v1"),
        (lambda free=(): make(settings={"free": ["pool"]}, free=tuple(free)), "space settings: .* other free"),
        (lambda mode=chain: make(mode if mode is chain else narrow, settings={"mode": 1}), "space .* trellis.valid"),
    ],
)
def test_settings_that_make_another_space_are_found(made, says):
    fails(testing.check_space_settings, made, says)


@pytest.mark.parametrize(
    ("parse_text", "says"),
    [
        (lambda text: [int(digit) for digit in text[:3]], r"space text: parse\(.*\) is read as an architecture"),
        (lambda text: parse(text) if text else {}[text], r"space text: parse\(''\) raises KeyError"),
    ],
)
def test_texts_that_are_not_refused_are_found(parse_text, says):
    fails(testing.check_space_text, lambda: make(parse_text=parse_text), says)


def test_a_description_that_forgets_a_decision_is_found():
    says = "space description: .*, which differ in 'layer2', are described alike"
    fails(testing.check_space_description, lambda: make(describe_tokens=lambda tokens: str(tokens[:2])), says)
    fails(testing.check_space_description, lambda: make(describe_tokens=lambda tokens: ""), "space desc.* gives ''")


def test_features_that_do_not_tell_choices_apart_or_are_never_on_are_found():
    def same(t, before):
        return [dataclasses.replace(edge, features=(f"layer{t}.8",)) if t == 0 else edge for edge in chain(t, before)]

    def forgotten(t, before):
        return [dataclasses.replace(edge, features=edge.features if edge.choice else ()) for edge in chain(t, before)]

    says = "space features: .*, which differ in 'layer0', have equal features"
    fails(testing.check_space_features, lambda: make(same), says)
    fails(
        testing.check_space_features, lambda: make(forgotten), r"space features: 3 features are never on: \['layer0.8"
    )


def test_operators_that_do_not_chain_are_found():
    def broken(t, before):
        return [
            tl.Edge(c, width, (operator(t, 3 + t, width),), (f"layer{t}.{width}",)) for c, width in enumerate(WIDTHS)
        ]

    fails(
        testing.check_space_operators, lambda: make(broken), r"space operators: .* 3 shapes .* by none given: \[\(8, 3"
    )


def test_an_operator_on_no_path_is_found():
    operators, index = make().operators, make().trellis.operators
    num = len(operators)
    index = np.where(index == num, num + 1, index)
    grown = dataclasses.replace(make().trellis, operators=index, num_operators=num + 1)
    more = (*operators, Operator("pool", 8, 1, 16, 16, kernel=8))
    says = "space operators: 1 operators are on no path: .*pool-8x8x16"
    fails(testing.check_space_operators, lambda: make(operators=more, trellis=grown), says)


def test_a_choice_that_cannot_be_asked_for_is_found():
    lists = tuple({"width": [width]} for width in WIDTHS)
    decisions = tuple(Decision(f"layer{t}", "layer", lists) for t in range(3))
    says = r"space conditions: layer0.width=\[8\] cannot be asked for"
    fails(testing.check_space_conditions, lambda: make(decisions=decisions), says)


def test_a_count_that_is_not_the_list_is_found():
    class Miscounted(Space):
        def count(self):
            return 9

    fields = {field.name: getattr(make(), field.name) for field in dataclasses.fields(Space)}
    fails(testing.check_space_count, lambda: Miscounted(**fields), "space count: count is 9, listed are 8")
