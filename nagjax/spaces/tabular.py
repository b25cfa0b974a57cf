"""The space of a table with one column a decision: every combination of the choices that stand in the columns.

Text: ``name=choice`` for every decision, in their order, as one line of CSV: ``kernel=3,width=16,skip=true``. A choice
stands there as the file writes it (``skip=True``, ``width=0.50``), so that answers can be joined with the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

Choice: TypeAlias = int | float | bool | str
Decisions: TypeAlias = Mapping[str, Sequence[Choice]] | Sequence[tuple[str, Sequence[Choice]]]


def make(decisions: Decisions = (), written: Sequence[Sequence[str]] = ()) -> Space:
    """The space of all combinations.

    Args:
      decisions: names and choices, in the order of the tokens; a mapping, or pairs as a checkpoint keeps them.
      written: how each choice of each decision stands in the text; empty for ``choice_text`` of all, which is read too.

    >>> make({"skip": [False, True]}, [["False", "True"]]).format([1])
    'skip=True'
    >>> space = make({"kernel": [3, 5], "skip": [False, True]})
    >>> space.count(), space.format(space.parse("kernel=5,skip=true"))
    (4, 'kernel=5,skip=true')

    Raises:
      ValueError: if there is no decision, or one has no choice, or a name or choice stands twice.
    """
    pairs = list(decisions.items()) if isinstance(decisions, Mapping) else [(name, row) for name, row in decisions]
    if not pairs:
        raise ValueError("space tabular: its decisions are columns of a file; give --benchmark=FILE --decision_columns")
    names, usual = [name for name, _ in pairs], [[choice_text(choice) for choice in row] for _, row in pairs]
    texts = [list(row) for row in written] or usual
    if [len(row) for row in texts] != [len(row) for row in usual]:
        raise ValueError(f"space tabular: written has {texts}: it is one text for each choice of each decision")
    for name, row in zip(names, texts, strict=True):
        if names.count(name) > 1 or not row or len(set(row)) < len(row):
            raise ValueError(f"space tabular: decision {name!r} has choices {row}: names and choices must be different")
    first = np.cumsum([0, *map(len, texts)]).tolist()
    features = tuple(f"{name}={text}" for name, row in zip(names, texts, strict=True) for text in row)
    graph, _ = tl.build(
        len(pairs),
        0,
        lambda t, _: [tl.Edge(c, 0, features=(first[t] + c,)) for c in range(len(texts[t]))],
        len(features),
    )
    return Space(
        name="tabular",
        version=1,
        settings={
            "decisions": [[name, list(row)] for name, row in pairs],
            **({"written": texts} if texts != usual else {}),
        },
        decisions=tuple(Decision(name, name, tuple({name: choice} for choice in row)) for name, row in pairs),
        trellis=graph,
        operators=(),
        feature_names=features,
        parse_text=lambda text: _parse(text, names, texts, usual),
        format_tokens=lambda tokens: _format(tokens, names, texts),
        describe_tokens=lambda tokens: "\n".join(
            f"{name}: {row[token]}" for name, row, token in zip(names, texts, tokens, strict=True)
        ),
    )


def choice_text(choice: Choice) -> str:
    """A choice as it stands in the text of an architecture where nothing else is said.

    >>> [choice_text(choice) for choice in (3, 0.5, True, "conv")]
    ['3', '0.5', 'true', 'conv']
    """
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


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
