"""Search spaces that contradict themselves, one fault at a time put into a sound one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_cases.case import Case, bound
from nagjax.operators import Operator, parse_key
from nagjax.spaces import tabular
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

WIDTHS = (8, 16, 32)
CHOICES = tuple({"width": width} for width in WIDTHS)
NAMES = tuple(f"layer{t}.{width}" for t in range(4) for width in WIDTHS)


def edges(t: int, _node: Any) -> list[tl.Edge]:
    """Four layers of one of three widths."""
    return [tl.Edge(c, 0, (_operator(t, width),), (f"layer{t}.{width}",)) for c, width in enumerate(WIDTHS)]


def _operator(t: int, width: int) -> Operator:
    return Operator("conv", 8, 8, t + 1, width, kernel=3)


def make(**changes: Any) -> Space:
    """The sound space, with other parts."""
    graph, operators = tl.build(4, 0, changes.pop("edges", edges), NAMES)
    given: dict[str, Any] = {
        "name": "small",
        "version": 1,
        "settings": {},
        "decisions": tuple(Decision(f"layer{t}", "layer", CHOICES) for t in range(4)),
        "trellis": graph,
        "operators": operators,
        "feature_names": NAMES,
        "parse_text": lambda text: [int(digit) for digit in text],
        "format_tokens": lambda tokens: "".join(map(str, tokens)),
        "describe_tokens": str,
    }
    return Space(**{**given, **changes})


def cases() -> Iterator[Case]:
    """All cases of spaces."""
    yield from _made()
    yield from _graphs()
    yield from _operators()
    yield from _tabular()


def _decisions(index: int, **changes: Any) -> dict[str, Any]:
    sound = list(make().decisions)
    sound[index] = dataclasses.replace(sound[index], **changes)
    return {"decisions": tuple(sound)}


def _made() -> Iterator[Case]:
    functions: Mapping[str, dict[str, Callable[[Any], Any]]] = {
        "text in reverse, read back": {
            "parse_text": lambda text: [int(digit) for digit in text[::-1]],
            "format_tokens": lambda tokens: "".join(map(str, tokens[::-1])),
        },
        "text written in reverse": {"format_tokens": lambda tokens: "".join(map(str, tokens[::-1]))},
        "text read in reverse": {"parse_text": lambda text: [int(digit) for digit in text[::-1]]},
        "text that forgets a decision": {"format_tokens": lambda tokens: "".join(map(str, tokens[:3])) + "0"},
        "text that is None": {"format_tokens": lambda tokens: None},
        "text that is empty": {"format_tokens": lambda tokens: ""},
        "text with a blank at its end": {"format_tokens": lambda tokens: "".join(map(str, tokens)) + " "},
        "text that raises": {"format_tokens": lambda tokens: dict[str, str]()["x"]},
        "a reader that raises": {"parse_text": lambda text: 1 / 0},
        "a reader that refuses": {"parse_text": lambda text: int("x" + text)},
        "a reader of one choice too few": {"parse_text": lambda text: [int(digit) for digit in text[:-1]]},
        "a reader of None": {"parse_text": lambda text: None},
        "a reader that is off by one": {"parse_text": lambda text: [(int(digit) + 1) % 3 for digit in text]},
        "a reader of choices beyond": {"parse_text": lambda text: [int(digit) + 3 for digit in text]},
    }
    remedy = r"must invert|give text|one choice a decision|write them in their order|refuses|raises|not a path"
    for what, changes in functions.items():
        yield Case(f"space: {what}", bound(lambda folder, changes: make(**changes), changes), "space small: ", remedy)
    parts: Mapping[str, dict[str, Any]] = {
        "no decisions": {"decisions": ()},
        "a decision too few": {"decisions": make().decisions[:3]},
        "a decision twice": _decisions(1, name="layer0"),
        "no choices": _decisions(1, choices=(), kind="other"),
        "choices of no attribute": _decisions(1, choices=({}, {}, {}), kind="other"),
        "choices of different attributes": _decisions(1, choices=({"a": 1}, {"b": 1}, {"a": 2}), kind="other"),
        "a choice twice": _decisions(1, choices=(CHOICES[0], CHOICES[0], CHOICES[1]), kind="other"),
        "other choices of one kind": _decisions(1, choices=CHOICES[::-1]),
        "a choice too many": _decisions(1, choices=(*CHOICES, {"width": 64}), kind="other"),
        "a choice too few": _decisions(1, choices=CHOICES[:2], kind="other"),
        "a feature twice": {"feature_names": (*NAMES[:11], NAMES[0])},
        "features too few": {"feature_names": NAMES[:10]},
        "one feature too few": {"feature_names": NAMES[:-1]},
        "operators too few": {"operators": make().operators[:-2]},
        "one operator too few": {"operators": make().operators[:-1]},
        "an operator twice": {"operators": (*make().operators[:-1], make().operators[0])},
    }
    for what, changes in parts.items():
        yield Case(
            f"space: {what}", bound(lambda folder, changes: make(**changes), changes),
            "space small: .*(?:layer|feature|operator|decisions)", ".",
        )  # fmt: skip
    yield Case("space: a reader that gives digits as text", lambda folder: make(parse_text=list).count(), value=81)
    yield Case("space: a sound one", lambda folder: make().count(), value=81)
    named = {
        "format_tokens": lambda tokens: ",".join(f"layer{t}={tokens[t]}" for t in (3, 2, 1, 0)),
        "parse_text": lambda text: [int(part[-1]) for part in text.split(",")][::-1],
    }
    yield Case("space: reverse text that names its decisions", lambda folder: make(**named).count(), value=81)


def _graphs() -> Iterator[Case]:
    def changed(name: str, index: Any, value: Any) -> Callable[[Path], Space]:
        def act(folder: Path) -> Space:
            graph = make().trellis
            array = getattr(graph, name).copy()
            array[index] = value
            return make(trellis=dataclasses.replace(graph, **{name: array}))

        return act

    place = "space small: .*layer"
    yield Case("graph: a choice without an edge", changed("valid", (1, 0, 2), False), place, "add the edge")
    yield Case("graph: a target beyond the nodes", changed("target", (1, 0, 2), 9), place, "0 to 0")
    yield Case("graph: a negative target", changed("target", (1, 0, 2), -1), place, "0 to 0")
    yield Case("graph: an operator beyond the list", changed("operators", (1, 0, 2), 99), place, "0 to 11")
    yield Case("graph: a feature beyond the list", changed("features", (1, 0, 2), 99), place, "0 to 11")
    yield Case("graph: a closed decision with choices", changed("open", (1, 0), False), place, "open it|add the edge")
    yield Case("graph: no path", changed("valid", 2, False), "space small: no path", "every node needs an edge")

    def typed(name: str, kind: Any) -> Callable[[Path], Space]:
        def act(folder: Path) -> Space:
            graph = make().trellis
            return make(trellis=dataclasses.replace(graph, **{name: getattr(graph, name).astype(kind)}))

        return act

    for name, kind in (("target", float), ("valid", int), ("open", float), ("operators", float), ("features", bool)):
        yield Case(f"graph: {name} of type {kind.__name__}", typed(name, kind), f"trellis.{name}", "must hold")

    def cut(name: str) -> Callable[[Path], Space]:
        def act(folder: Path) -> Space:
            graph = make().trellis
            return make(trellis=dataclasses.replace(graph, **{name: getattr(graph, name)[:, :, :2]}))

        return act

    for name in ("target", "operators", "features"):
        yield Case(
            f"graph: {name} of another shape", cut(name), "trellis|graph|layer", "make them fit|have at most|add"
        )


def _operators() -> Iterator[Case]:
    sizes: Mapping[str, Operator] = {
        "a stride of 2 that halves nothing": Operator("conv", 8, 8, 3, 8, kernel=3, stride=2),
        "a stride of 1 that halves": Operator("conv", 8, 4, 3, 8, kernel=3),
        "a skip between other widths": Operator("mbconv", 8, 8, 3, 8, 3, 1, 9, skip=True),
        "a skip with a stride": Operator("mbconv", 8, 4, 8, 8, 3, 2, 24, skip=True),
    }
    for what, operator in sizes.items():

        def wrong(t: int, node: Any, operator: Operator = operator) -> list[tl.Edge]:
            found = edges(t, node)
            return [dataclasses.replace(found[0], operators=(operator,)), *found[1:]] if t == 1 else found

        act = bound(lambda folder, wrong: make(edges=wrong), wrong)
        yield Case(f"operator: {what}", act, r"'layer1', choice 0 \(width=8\)", "possible|must be equal")
    for changes in ({"kind": "cnov"}, {"activation": "gelu"}, {"kernel": 0}, {"in_channels": -3}, {"stride": 0},
                    {"in_size": 1.5}, {"kernel": "3"}, {"out_channels": True}):  # fmt: skip
        act = bound(
            lambda folder, changes: Operator(
                **{"kind": "conv", "in_size": 8, "out_size": 8, "in_channels": 3, "out_channels": 8, **changes}
            ),
            changes,
        )
        yield Case(f"operator: {changes}", act, f"operator.*{next(iter(changes))}")
    for key in ("", "conv", "conv-8x8x3-8x8x8-k3", "conv-8x9x3-8x8x8-k3-s1", "CONV-8x8x3-8x8x8-k3-s1",
                "conv-8x8x3-8x8x8-k3-s1 ", "conv-0x0x3-8x8x8-k3-s1", "conv-8x8x3-8x8x8-k3-s1-bn-bn",
                "conv-٨x٨x3-8x8x8-k3-s1"):  # fmt: skip
        yield Case(f"operator: key {key!r}", bound(lambda folder, key: parse_key(key), key), "operator|in_size|pixels")
    sound = "mbconv-112x112x24-56x56x32-k3-s2-m72-relu-bn"
    yield Case("operator: a sound key", lambda folder: parse_key(sound).key, value=sound)


def _tabular() -> Iterator[Case]:
    wrong: list[Any] = [
        (),
        {},
        {"a": []},
        {"a": [1, 1]},
        {"a": ["1", 1]},
        [("a", [1, 2]), ("a", [1, 2])],
        {"a": [True, "true"]},
    ]
    for decisions in wrong:
        act = bound(lambda folder, decisions: tabular.make(decisions), decisions)
        yield Case(f"tabular space: {decisions}", act, "space tabular")
    odd: Any = {"a,b": [1, 2], 'c"d': ["x,y", "z=1", 'q"'], "=e": ["\x1b[2J", "[b]"], "é": [0.1, 1e300]}

    def back(folder: Path) -> bool:
        space = tabular.make(odd)
        tokens = space.sample(np.random.default_rng(0), 24)
        return all(np.array_equal(space.parse(space.format(row)), row) for row in tokens)

    yield Case("tabular space: odd names", back, value=True)
