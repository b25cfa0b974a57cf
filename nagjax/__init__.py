"""nagjax: one trained generator of architectures, which answers any latency budget from the Pareto front.

What is public is listed here, loaded when it is first asked for, so that ``import nagjax`` stays light; everything else
is private by convention, but ``nagjax.authoring``, the names for authors of plugins.

>>> import nagjax
>>> nagjax.space("nas_bench_macro").count()
3969
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nagjax.deployment.deploying import deploy
    from nagjax.deployment.supernets import load_supernet
    from nagjax.inference.answers import Answer, AnswerArrays
    from nagjax.inference.generator import Generator, load
    from nagjax.inference.surface import Surface, grid
    from nagjax.posing import Setup, problem, space
    from nagjax.ranked import with_ranker
    from nagjax.reports.report import report
    from nagjax.searching import Found, search
    from nagjax.tabular import read_tabular
    from nagjax.training import train

_HOMES = {
    "Answer": "inference.answers",
    "AnswerArrays": "inference.answers",
    "Found": "searching",
    "Generator": "inference.generator",
    "Setup": "posing",
    "Surface": "inference.surface",
    "deploy": "deployment.deploying",
    "grid": "inference.surface",
    "load": "inference.generator",
    "load_supernet": "deployment.supernets",
    "problem": "posing",
    "read_tabular": "tabular",
    "report": "reports.report",
    "search": "searching",
    "space": "posing",
    "train": "training",
    "with_ranker": "ranked",
}
"""Public names and the module of each."""

__all__ = [
    "Answer",
    "AnswerArrays",
    "Found",
    "Generator",
    "Setup",
    "Surface",
    "deploy",
    "grid",
    "load",
    "load_supernet",
    "problem",
    "read_tabular",
    "report",
    "search",
    "space",
    "train",
    "with_ranker",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"nagjax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'nagjax' has no attribute {name!r}; public are {', '.join(__all__)}")
