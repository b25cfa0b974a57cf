"""The space of a table with one column a decision: every combination of the choices that stand in the columns.

Text as a chain has it, ``kernel=3,width=16,skip=true``. A choice stands there as the file writes it (``skip=True``,
``width=0.50``), so that answers can be joined with the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from nagjax.spaces.chains import chain, choice_text
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
    texts = [list(row) for row in written]
    usual = [[choice_text(choice) for choice in row] for _, row in pairs]
    settings = {
        "decisions": [[name, list(row)] for name, row in pairs],
        **({"written": texts} if texts not in ([], usual) else {}),
    }
    columns = [Decision(name, name, tuple({name: choice} for choice in row)) for name, row in pairs]
    return chain("tabular", columns, settings=settings, texts=texts)
