"""Chains: spaces of decisions of which each at most knows the one before; text, description and features come for free.

Text: ``name=choice`` for every decision, in their order, as one line of CSV: ``kernel=3,width=16,skip=true``. A choice
of several attributes stands there as ``3/16``. A feature is called what it stands for in the text: ``kernel=3``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from nagjax.operators import Operator
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

Attributes: TypeAlias = Mapping[str, Any]
OperatorsOf: TypeAlias = Callable[[int, Attributes, Attributes | None], Sequence[Operator]]


def chain(
    name: str,
    decisions: Sequence[Decision],
    operators: OperatorsOf | None = None,
    *,
    version: int = 1,
    settings: Mapping[str, Any] | None = None,
    texts: Sequence[Sequence[str]] = (),
) -> Space:
    """The space of all combinations of choices.

    Args:
      name: of the space; with version and settings it identifies the space in a checkpoint.
      decisions: T decisions, in the order of the tokens.
      operators: ``operators(t, choice, before)`` lists what decision ``t`` (from 0) adds with attributes ``choice``
        after those of the decision before it; ``before`` is None at the first. What all architectures have, a stem or a
        head, stands with a decision of its place. None where costs are measured of whole networks.
      version: raised when tokens change their meaning.
      settings: what the factory was called with, JSON.
      texts: how each choice of each decision is written; empty for ``choice_text`` of its attributes, which is read
        in any case.

    >>> layers = [Decision(f"layer{t}", "layer", ({"width": 16}, {"width": 32})) for t in range(3)]
    >>> def operators(t, choice, before):
    ...     return [Operator("conv", 8, 8, before["width"] if before else 3, choice["width"], kernel=3)]
    >>> space = chain("three_layers", layers, operators)
    >>> space.count(), space.format(space.parse("layer0=16,layer1=32,layer2=16"))
    (8, 'layer0=16,layer1=32,layer2=16')
    >>> len(space.operators), space.feature_names[:2]
    (6, ('layer0=16', 'layer0=32'))

    Raises:
      ValueError: if there is no decision, one has no choice, two names or choices are written alike, or ``operators``
        returns something else than operators; whatever else a ``Space`` is refused for.
    """
    usual = [["/".join(map(choice_text, choice.values())) for choice in decision.choices] for decision in decisions]
    written = [list(row) for row in texts] or usual
    names = [decision.name for decision in decisions]
    _check(name, names, written, usual)
    features = [[f"{one}={text}" for text in row] for one, row in zip(names, written, strict=True)]
    added = [_added(name, decisions, t, operators) for t in range(len(decisions))]

    def edges(t: int, node: Hashable) -> list[tl.Edge]:
        """A node is the choice before: the first of those after which the decision adds the same operators."""
        ahead = added[t + 1] if t + 1 < len(added) else None
        row = added[t][cast("int", node)]
        return [
            tl.Edge(c, ahead.index(ahead[c]) if ahead else 0, row[c], (feature,))
            for c, feature in enumerate(features[t])
        ]

    flat = tuple(feature for row in features for feature in row)
    graph, found = tl.build(len(decisions), 0, edges, flat)
    return Space(
        name=name,
        version=version,
        settings=settings or {},
        decisions=tuple(decisions),
        trellis=graph,
        operators=found,
        feature_names=flat,
        parse_text=lambda text: _parse(text, names, written, usual),
        format_tokens=lambda tokens: _format(tokens, names, written),
        describe_tokens=lambda tokens: "\n".join(
            f"{one}: {row[token]}" for one, row, token in zip(names, written, tokens, strict=True)
        ),
    )


def choice_text(choice: float | bool | str) -> str:
    """A choice as it stands in the text of an architecture where nothing else is said.

    >>> [choice_text(choice) for choice in (3, 0.5, True, "conv")]
    ['3', '0.5', 'true', 'conv']
    """
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _check(space: str, names: Sequence[str], written: Sequence[Sequence[str]], usual: Sequence[Sequence[str]]) -> None:
    if not names:
        raise ValueError(f"space {space}: has no decisions; give at least one")
    if [len(row) for row in written] != [len(row) for row in usual]:
        raise ValueError(f"space {space}: written are {written}: it is one text for each choice of each decision")
    for name, row in zip(names, written, strict=True):
        if names.count(name) > 1 or not row or len(set(row)) < len(row):
            raise ValueError(
                f"space {space}: decision {name!r} has choices {row}: names and choices must be different, and there "
                "must be at least one"
            )


def _added(
    name: str, decisions: Sequence[Decision], t: int, operators: OperatorsOf | None
) -> list[tuple[tuple[Operator, ...], ...]]:
    """What each choice of decision ``t`` adds, after each choice of the one before it."""
    befores = decisions[t - 1].choices if t else (None,)
    choices = decisions[t].choices
    if operators is None:
        return [((),) * len(choices)] * len(befores)
    return [tuple(_returned(name, operators, t, choice, before) for choice in choices) for before in befores]


def _returned(
    name: str, operators: OperatorsOf, t: int, choice: Attributes, before: Attributes | None
) -> tuple[Operator, ...]:
    found = operators(t, choice, before)
    if not isinstance(found, list | tuple) or not all(isinstance(operator, Operator) for operator in found):
        raise ValueError(
            f"space {name}: operators({t}, {choice}, {before}) is {found!r}; return a list of Operator, empty where "
            "the choice adds nothing"
        )
    return tuple(found)


def _format(tokens: Sequence[int], names: Sequence[str], texts: Sequence[Sequence[str]]) -> str:
    line = io.StringIO()
    fields = [f"{name}={row[token]}" for name, row, token in zip(names, texts, tokens, strict=True)]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _parse(
    text: str, names: Sequence[str], texts: Sequence[Sequence[str]], usual: Sequence[Sequence[str]]
) -> list[int]:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    fields = [field.strip() for field in rows[0]] if len(rows) == 1 else []
    if len(fields) != len(names):
        raise ValueError(
            f"architecture {text!r} has {len(fields)} fields, not name=choice for each of {', '.join(names)}"
        )
    tokens = []
    for field, name, row, other in zip(fields, names, texts, usual, strict=True):
        if not field.startswith(f"{name}="):
            raise ValueError(f"architecture {text!r}: {field!r} stands where {name}=choice is expected")
        choice = field.removeprefix(f"{name}=")
        if choice not in row and choice not in other:
            raise ValueError(f"architecture {text!r}: {choice!r} is not a choice of {name}; choices: {', '.join(row)}")
        tokens.append(row.index(choice) if choice in row else other.index(choice))
    return tokens
