"""Labelled architectures with one column a decision: the columns say which decisions and choices there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nagjax import numerals
from nagjax.predictors.records.labels import Labels, read_labels
from nagjax.predictors.records.records import Records, merge, read_tokens
from nagjax.spaces import tabular
from nagjax.spaces.space import Space
from nagjax.tables import Table, has_commas, read_table


def read_columns(path: str | Path, decision_columns: Sequence[str], labels: Labels) -> tuple[Space, Records]:
    """Read a .csv or .parquet file whose rows are architectures, one column a decision, in the order of the decisions.

    The choices of a decision are the different values of its column: numbers in their order, then text. The space has
    all their combinations, whether or not a row stands for each. A CSV file has a header, is UTF-8 (or marked UTF-16),
    separated by commas, semicolons, tabs or bars.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row (a CSV's header is 1), column, value and remedy.
    """
    for name in decision_columns:
        if name in (labels.quality_column, *labels.cost_columns) or list(decision_columns).count(name) > 1:
            raise ValueError(f"column {name!r} cannot be a decision and something else: name each column once")
    table = read_table(Path(path), [*decision_columns, labels.quality_column, *labels.cost_columns])
    quality, costs = read_labels(table, labels)
    commas = _has_commas(table, labels)
    columns = [_choices(table, name, commas) for name in decision_columns]
    space = tabular.make(
        [(name, choices) for name, (choices, _, _) in zip(decision_columns, columns, strict=True)],
        [texts for _, texts, _ in columns],
    )
    tokens = np.stack([tokens for _, _, tokens in columns], 1)
    return space, merge(table, tokens, quality, costs, labels)


def read_labelled(path: str | Path, space: Space, text_column: str, labels: Labels) -> Records:
    """Read labelled architectures of a space that ``read_columns`` made of another file.

    The .csv or .parquet file has the same decision columns, or a column of the architectures' text.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row, column, value and remedy.
    """
    names = [decision.name for decision in space.decisions]
    table = read_table(Path(path), [text_column, *names, labels.quality_column, *labels.cost_columns])
    if text_column in table.columns and not set(names) <= set(table.columns):
        tokens = read_tokens(table, text_column, space)
    else:
        commas = _has_commas(table, labels)
        tokens = np.stack([_known(table, space, t, commas) for t in range(len(names))], 1)
    quality, costs = read_labels(table, labels)
    return merge(table, tokens, quality, costs, labels)


def _known(table: Table, space: Space, t: int, decimal_commas: bool) -> np.ndarray:
    """Tokens int32 ``[N]`` of the column of a decision, whose choices are known; however a choice is written."""
    name, choices = space.settings["decisions"][t]
    own, _, tokens = _choices(table, name, decimal_commas)
    place = {choice: i for i, choice in enumerate(choices)}
    for index, token in enumerate(tokens):
        if own[token] not in place or isinstance(own[token], bool) != isinstance(choices[0], bool):
            raise ValueError(
                f"{table.place(index, name)}: {own[token]!r} is not a choice of {name} in the benchmark; choices: "
                f"{', '.join(map(str, choices))}; correct it, or remove the row"
            )
    return np.array([place[choice] for choice in own], np.int32)[tokens]


def _has_commas(table: Table, labels: Labels) -> bool:
    """Whether a file says by its separator or its labels that a comma may be a decimal mark."""
    names = [name for name in (labels.quality_column, *labels.cost_columns) if name in table.columns]
    return table.semicolons or any(has_commas(table, name) for name in names)


def _choices(table: Table, name: str, decimal_commas: bool) -> tuple[list[tabular.Choice], list[str], np.ndarray]:
    """The different values of a column in order, how each is written first, and the index int32 ``[N]`` of a row's."""
    texts = ["" if value is None else str(value).strip() for value in table.column(name)]
    if "" in texts:
        place = table.place(texts.index(""), name)
        raise ValueError(f"{place}: is empty; write the choice (any word for none), or remove the row")
    distinct = dict.fromkeys(texts)
    truths = {text.lower() for text in distinct} <= {"true", "false"}
    # A comma in a choice may part a list: only a file that has decimal commas elsewhere says that it is a number.
    commas = decimal_commas and numerals.has_decimal_commas(list(distinct), table.semicolons)
    values = {text: text.lower() == "true" if truths else _value(text, commas) for text in distinct}
    choices = sorted(dict.fromkeys(values.values()), key=lambda value: (isinstance(value, str), value))
    index = {value: i for i, value in enumerate(choices)}
    row = {text: index[value] for text, value in values.items()}
    # What mark stands before decimals is of the file, not of a choice: the same table in another dialect is one space.
    written = {
        index[value]: text.replace(",", ".") if commas and not isinstance(value, str) else text
        for text, value in reversed(values.items())
    }
    return choices, [written[i] for i in range(len(choices))], np.array([row[text] for text in texts], np.int32)


def _value(text: str, commas: bool) -> int | float | str:
    """A number where the text is a finite one: what ``--where`` makes of it too."""
    value = numerals.plain(text.replace(",", ".") if commas else text)
    return text if value is None else value
