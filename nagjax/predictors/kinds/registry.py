"""Kinds by name: the library's own, which need no registry, and those of plugins."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nagjax import plugins
from nagjax.names import suggestion
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.registry import check_form
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

BUILT_IN: Mapping[str, str] = {
    "additive": "nagjax.predictors.kinds.additive",
    "auto": "nagjax.predictors.kinds.auto",
    "gp": "nagjax.predictors.kinds.gp",
    "graph": "nagjax.predictors.kinds.graph",
    "light": "nagjax.predictors.kinds.light",
    "mlp": "nagjax.predictors.kinds.mlp",
    "nars": "nagjax.predictors.kinds.nars",
    "pair": "nagjax.predictors.kinds.pair",
    "residual": "nagjax.predictors.kinds.residual",
    "ridge": "nagjax.predictors.kinds.ridge",
    "trees": "nagjax.predictors.kinds.trees",
}
"""Module of each; its ``make`` is the factory. Plugins add theirs under the entry-point group ``nagjax.predictors``."""

DEFAULT = "mlp"


def load(name: str) -> Callable[..., Any]:
    """The factory ``make(**settings) -> Kind`` of a kind.

    Raises:
      ValueError: if it is not known, cannot be imported, or is a reader of files, which has another group.
    """
    if name in BUILT_IN:
        factory: Callable[..., Any] = importlib.import_module(BUILT_IN[name]).make
        return factory
    if name not in plugins.claimed("predictors"):
        hint = suggestion(name, {*BUILT_IN, *plugins.names("predictors")})
        known = ", ".join(sorted(BUILT_IN))
        raise ValueError(
            f"predictor kind {name!r} is not known{hint}; known: {known}, and those of plugins (docs/plugins.md)"
        )
    factory = plugins.load("predictors", name)
    if is_reader(factory):
        raise plugins.fault(
            "predictors",
            name,
            "is a reader of files, and this group is of kinds of predictors now: register it under "
            "nagjax.predictor_formats",
        )
    return factory


def make(name: str, settings: Mapping[str, Any] | None = None) -> Kind:
    """A kind with settings; those left out keep their defaults.

    Raises:
      ValueError: if the kind or a setting is not known, or a value is out of range.
    """
    return plugins.expect(
        "predictors", name, plugins.checked_call(load(name), f"predictor kind {name}", settings or {}), Kind
    )


def fit(kind: Kind, space: Space, records: Records, seed: int = 0) -> FittedPredictor:
    """The predictor of a kind, if it is one that a checkpoint can hold.

    Raises:
      ValueError: where the records cannot be fitted to, and where the kind's code is at fault, with its name.
    """
    with plugins.raised_by("predictors", kind.name, "fit", passing=(ValueError,)):
        found = kind.fit(space, _copied(records), seed)
    fitted = plugins.expect("predictors", kind.name, found, FittedPredictor)
    try:
        check_form(fitted.predictor)
    except ValueError as error:
        raise plugins.fault("predictors", kind.name, str(error)) from None
    return fitted


def _copied(records: Records) -> Records:
    """What a kind centres or shuffles in place stays as it was for those who use it afterwards."""
    costs = {name: cost.copy() for name, cost in records.costs.items()}
    return dataclasses.replace(records, tokens=records.tokens.copy(), quality=records.quality.copy(), costs=costs)


def is_reader(factory: Callable[..., Any]) -> bool:
    """Whether a callable takes a path and a space, as readers do, and no settings by name, as factories do."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed) >= 2
