"""Best-known fronts: the best architectures that anything has ever found on a problem, in a CSV file.

A column ``architecture`` holds them as text; other columns are for people. Cost and quality are asked of the problem
anew, so that what answers are held against is what answers are judged by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.comparison.case import Case, truth
from experiments.frame import settings
from nagjax.predictors.records.records import read_tokens
from nagjax.reports.front import best_within
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.tables import read_table

COLUMN = "architecture"


def read_architectures(path: Path, space: Space, allowed: np.ndarray) -> np.ndarray:
    """Architectures of a .csv or .parquet file, tokens int32 ``[N, T]``, of edges ``allowed``, bool ``[T, S, C]``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a row holds no architecture of the space, or one that is not allowed, with file, row and text.
    """
    table = read_table(path, [COLUMN])
    if not table.rows:
        raise ValueError(f"{path}: no rows below the header; write one architecture a row")
    tokens = read_tokens(table, COLUMN, space)
    _, fine = tl.walk(space.trellis.target, allowed, tokens)
    for index in np.flatnonzero(~fine).tolist():
        raise ValueError(
            f"{table.place(index, COLUMN)}: {table.column(COLUMN)[index]} is not of the problem: its table has no cost "
            "for it, or its conditions exclude it; remove the row"
        )
    return tokens


def with_best_known(case: Case, path: Path) -> Case:
    """The case with what the architectures of a file have within each budget.

    Raises:
      FileNotFoundError, ValueError: as ``read_architectures``.
    """
    tokens = read_architectures(path, case.description.space, np.asarray(case.problem.allowed))
    quality, costs = truth(case.judge, np.concatenate([tokens, case.cheapest[None]]))
    best = quality[best_within(costs[:, 0], quality, case.yardstick.budgets)]
    return dataclasses.replace(case, yardstick=dataclasses.replace(case.yardstick, best_known=best))


def parse_files(entries: Sequence[str], problems: Sequence[str]) -> dict[str, Path]:
    """Files of the entries of ``--best_known=PROBLEM=FILE``, by problem.

    Raises:
      ValueError: if an entry is not a pair, or its problem is not compared, or stands twice.
    """
    labels = [problem.partition("=")[0] for problem in problems]
    out: dict[str, Path] = {}
    for entry in entries:
        problem, separator, path = entry.partition("=")
        if not separator or not path:
            raise ValueError(f"--best_known={entry}: write --best_known=PROBLEM=FILE")
        if problem not in labels:
            near = settings.nearest(problem, labels)
            raise ValueError(f"--best_known={entry}: {problem!r} is not in --problems{near}")
        if problem in out:
            raise ValueError(f"--best_known: {problem!r} is given twice; remove one of them")
        out[problem] = settings.user_path(path, "best_known")
    return out
