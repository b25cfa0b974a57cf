"""Columns of scores beside architectures, as ``experiments.score`` writes them: any finite numbers, or empty cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nagjax.predictors.records.records import read_tokens
from nagjax.spaces.space import Space
from nagjax.tables import optional_numbers, read_table

TEXT, QUALITY = "architecture", "quality"


def read_columns(path: Path, names: Sequence[str]) -> tuple[list[str], np.ndarray, dict[str, np.ndarray]]:
    """Texts, the first column that is named and all others by name, float64 ``[N]``; NaN where a cell is empty.

    Raises:
      ValueError: if the file cannot be read or lacks a column, or a cell holds something else than a number.
    """
    table = read_table(path, [TEXT, *names])
    first, *rest = names
    texts = [str(text) for text in table.column(TEXT)]
    return texts, optional_numbers(table, first), {name: optional_numbers(table, name) for name in rest}


def read_scores(path: Path, space: Space, names: Sequence[str] = ()) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Architectures that have all of some scores: tokens int32 ``[N, T]``, different, and float64 ``[N]`` by column.

    The file has a column ``architecture``; without ``names`` all others but the quality are scores.

    Raises:
      ValueError: if the file cannot be read or lacks a column, a cell holds something else than a number, or
        no architecture has all scores.
    """
    table = read_table(path, [TEXT, *names])
    wanted = list(names) or [name for name in table.columns if name not in (TEXT, QUALITY)]
    columns = {name: optional_numbers(table, name) for name in wanted}
    tokens = read_tokens(table, TEXT, space)
    whole = np.all([np.isfinite(column) for column in columns.values()], axis=0) if columns else np.zeros(0, bool)
    if not whole.any():
        raise ValueError(
            f"{path}: no architecture has all of the scores {', '.join(wanted) or '(none)'}; make them by "
            "experiments.score"
        )
    _, first = np.unique(tokens[whole], axis=0, return_index=True)
    rows = np.flatnonzero(whole)[np.sort(first)]
    return tokens[rows], {name: column[rows] for name, column in columns.items()}
