"""Labelled architectures with one column a decision: the columns say which decisions and choices there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nagjax.predictors.labels import Labels, read_labels
from nagjax.predictors.records import Records, merge, read_tokens
from nagjax.predictors.tables import Table, read_table
from nagjax.spaces import tabular
from nagjax.spaces.space import Space


def read_columns(path: str | Path, decision_columns: Sequence[str], labels: Labels) -> tuple[Space, Records]:
    """Read a .csv or .parquet file whose rows are architectures, one column a decision.

    The choices of a decision are the different values of its column: numbers in their order, then text. The space has
    all their combinations, whether or not a row stands for each.

    Args:
      path: the file; CSV is UTF-8 with a header, separated by commas.
      decision_columns: names of the columns, in the order in which they are decided.
      labels: which columns are the quality and the costs.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row (a CSV's header is 1), column, value and remedy.
    """
    for name in decision_columns:
        if name in (labels.quality_column, *labels.cost_columns) or list(decision_columns).count(name) > 1:
            raise ValueError(f"column {name!r} cannot be a decision and something else: name each column once")
    table = read_table(Path(path))
    columns = [_choices(table, name) for name in decision_columns]
    quality, costs = read_labels(table, labels)
    space = tabular.make(
        [(name, choices) for name, (choices, _, _) in zip(decision_columns, columns, strict=True)],
        [texts for _, texts, _ in columns],
    )
    tokens = np.stack([tokens for _, _, tokens in columns], 1)
    return space, merge(table, tokens, quality, costs, labels)


def read_labelled(path: str | Path, space: Space, text_column: str, labels: Labels) -> Records:
    """Read labelled architectures of a space that ``read_columns`` made of another file.

    Args:
      path: a .csv or .parquet file with the same decision columns, or with the architectures' text.
      space: the space.
      text_column: column of the text; decision columns go before it.
      labels: which columns are the quality and the costs.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row, column, value and remedy.
    """
    table = read_table(Path(path))
    names = [decision.name for decision in space.decisions]
    if text_column in table.columns and not set(names) <= set(table.columns):
        tokens = read_tokens(table, text_column, space)
    else:
        tokens = np.stack([_known(table, space, t) for t in range(len(names))], 1)
    quality, costs = read_labels(table, labels)
    return merge(table, tokens, quality, costs, labels)


def _known(table: Table, space: Space, t: int) -> np.ndarray:
    """Tokens int32 ``[N]`` of the column of a decision, whose choices are known; however a choice is written."""
    name, choices = space.settings["decisions"][t]
    own, _, tokens = _choices(table, name)
    place = {choice: i for i, choice in enumerate(choices)}
    for index, token in enumerate(tokens):
        if own[token] not in place or isinstance(own[token], bool) != isinstance(choices[0], bool):
            raise ValueError(
                f"{table.place(index, name)}: {own[token]!r} is not a choice of {name} in the benchmark; choices: "
                f"{', '.join(map(str, choices))}; correct it, or remove the row"
            )
    return np.array([place[choice] for choice in own], np.int32)[tokens]


def _choices(table: Table, name: str) -> tuple[list[tabular.Choice], list[str], np.ndarray]:
    """The different values of a column in order, how each is written first, and the index int32 ``[N]`` of a row's."""
    texts = ["" if value is None else str(value).strip() for value in table.column(name)]
    if "" in texts:
        place = table.place(texts.index(""), name)
        raise ValueError(f"{place}: is empty; write the choice (any word for none), or remove the row")
    distinct = dict.fromkeys(texts)
    truths = {text.lower() for text in distinct} <= {"true", "false"}
    values = {text: text.lower() == "true" if truths else _value(text) for text in distinct}
    choices = sorted(dict.fromkeys(values.values()), key=lambda value: (isinstance(value, str), value))
    index = {value: i for i, value in enumerate(choices)}
    row = {text: index[value] for text, value in values.items()}
    written = {index[value]: text for text, value in reversed(values.items())}
    return choices, [written[i] for i in range(len(choices))], np.array([row[text] for text in texts], np.int32)


def _value(text: str) -> int | float | str:
    """A number where the text is a finite one: what ``--where`` makes of it too."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text
