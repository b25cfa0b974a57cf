"""Labelled architectures with one column a decision: the columns say which decisions and choices there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nagjax import numerals
from nagjax.predictors.labels import Labels, read_labels
from nagjax.predictors.records import Records, merge
from nagjax.predictors.tables import Table, has_commas, read_table
from nagjax.spaces import tabular
from nagjax.spaces.space import Space


def read_columns(path: str | Path, decision_columns: Sequence[str], labels: Labels) -> tuple[Space, Records]:
    """Read a .csv or .parquet file whose rows are architectures, one column a decision.

    The choices of a decision are the different values of its column: numbers in their order, then text. The space has
    all their combinations, whether or not a row stands for each.

    Args:
      path: the file; CSV has a header, is UTF-8 (or marked UTF-16), separated by commas, semicolons, tabs or bars.
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
    table = read_table(Path(path), [*decision_columns, labels.quality_column, *labels.cost_columns])
    quality, costs = read_labels(table, labels)
    commas = table.semicolons or any(has_commas(table, name) for name in (labels.quality_column, *labels.cost_columns))
    columns = [_choices(table, name, commas) for name in decision_columns]
    space = tabular.make([(name, choices) for name, (choices, _) in zip(decision_columns, columns, strict=True)])
    tokens = np.stack([tokens for _, tokens in columns], 1)
    return space, merge(table, tokens, quality, costs, labels)


def _choices(table: Table, name: str, decimal_commas: bool) -> tuple[list[tabular.Choice], np.ndarray]:
    """The different values of a column, in order, and the index int32 ``[N]`` of each row's."""
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
    return choices, np.array([row[text] for text in texts], np.int32)


def _value(text: str, commas: bool) -> int | float | str:
    """A number where the text is a finite one: what ``--where`` makes of it too."""
    value = numerals.plain(text.replace(",", ".") if commas else text)
    return text if value is None else value
