"""A kind of predictor: how one is fitted to records; and what kinds share, settings read and records checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from nagjax import arguments
from nagjax.names import suggestion
from nagjax.predictors.fitted import FittedPredictor, agreement, asked
from nagjax.predictors.forms.form import Form
from nagjax.predictors.records.records import Records, take
from nagjax.spaces.space import Space

FOLDS = 5
"""Parts that records are dealt into, each told by a fit to the others."""

C = TypeVar("C")
BY, BETWEEN_WORDS = "x", "+"
"""What separates several values of a setting in text: numbers, such as sizes of layers, and words."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a predictor is fitted.

    Attributes:
      name: the name it is registered under.
      settings: what its factory was given, defaults included; JSON values. The factory called with them gives an equal
        kind.
      fit: ``fit(space, records, seed)``, the predictor (one of the library's forms) and a report: ``source``, and
        errors on records that were held out, as ``nagjax.predictors.fitted.errors`` has them. The same arguments give
        equal arrays.
    """

    name: str
    settings: Mapping[str, Any]
    fit: Callable[[Space, Records, int], FittedPredictor] = dataclasses.field(compare=False)


def configured(
    name: str, config: type[C], settings: Mapping[str, Any], fit: Callable[[Space, Records, C, int], FittedPredictor]
) -> Kind:
    """A kind whose settings are the fields of a dataclass, which ``fit(space, records, config, seed)`` is given.

    Raises:
      ValueError: as ``configure``.
    """
    made = configure(f"kind {name}", config, settings)
    return Kind(name, written(made), lambda space, records, seed: fit(space, records, made, seed))


def held_out_first(
    space: Space, records: Records, share: float, seed: int, form_of: Callable[[Records], Form]
) -> FittedPredictor:
    """What ``form_of`` makes of all records, and its errors on a share of them after it saw the others only.

    Raises:
      ValueError: if there are too few records.
    """
    check_records(records)
    order = np.random.default_rng(arguments.seed(seed)).permutation(len(records.quality))
    held = round(share * len(order))
    report: dict[str, float | int | str] = {"source": records.source, "train": len(order) - held, "validation": held}
    if held:
        valid, first = take(records, order[:held]), form_of(take(records, order[held:]))
        mean = asked(first, valid.tokens, space.features(valid.tokens))
        report |= agreement(mean, valid.quality, first.rank_valued)
        report["refitted_on"] = len(order)
    return FittedPredictor(form_of(records), report)


def out_of_fold(
    form_of: Callable[[Records], Form], space: Space, records: Records, seed: int, folds: int = FOLDS
) -> np.ndarray:
    """What each record is predicted to be by a fit to the folds that it is not in: float64 ``[N]``.

    Args:
      form_of: the fit to some of the records.
      space: what they are of.
      records: all of them.
      seed: deals them into folds.
      folds: parts, as large as each other.
    """
    order = np.random.default_rng(seed).permutation(len(records.quality))
    out = np.empty(len(order))
    for fold in np.array_split(order, folds):
        rest = np.setdiff1d(order, fold)
        out[fold] = asked(form_of(take(records, rest)), records.tokens[fold], space.features(records.tokens[fold]))
    return out


def check_share(share: float) -> None:
    """Raise ValueError unless such a share of the records can be held out."""
    if not 0 <= share < 1:
        raise ValueError(f"validation_share is {share}; it lies in 0 <= share < 1")


def configure(name: str, config: type[C], settings: Mapping[str, Any]) -> C:
    """A dataclass of settings, every field with a default, from some of them; each has the type of its default.

    Text is read for a tuple: ``64x64``, ``mlp+gp``, or ``none`` for an empty one.

    Raises:
      ValueError: if there is no such setting, or its value is of another type or out of range.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    for key in settings:
        if key not in defaults:
            hint = suggestion(key, defaults)
            raise ValueError(f"{key!r} is not a setting of {name}{hint}; known: {', '.join(sorted(defaults))}")
    return config(**{key: _typed(key, value, defaults[key]) for key, value in settings.items()})


def written(config: Any) -> dict[str, Any]:
    """The fields of a dataclass of settings as JSON values."""
    fields = dataclasses.asdict(config)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


def _typed(key: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        return _several(key, value, default)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        what = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[type(default)]
        raise ValueError(f"{key}={value}: is not {what}; such as {key}={default}")
    return value


def _several(key: str, value: Any, default: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    of = type(default[0])
    separator = BETWEEN_WORDS if of is str else BY
    parts = [] if value == "none" else str(value).split(separator)
    try:
        if of is int and not all(part.isascii() and part.isdecimal() for part in parts):
            raise ValueError
        return tuple(map(of, parts))
    except ValueError:
        example = separator.join(map(str, default[:2]))
        what = "sizes of layers" if key == "hidden" else "values"
        raise ValueError(f"{key}={value}: write {what} as {example}, or none") from None


def check_records(records: Records) -> None:
    """Raise ValueError unless there are at least 10 records and their qualities are fractions."""
    if not ((records.quality >= 0) & (records.quality <= 1)).all():
        row = int(np.argmin((records.quality >= 0) & (records.quality <= 1)))
        raise ValueError(f"{records.source}: quality of record {row} is {records.quality[row]}; it is a fraction, 0..1")
    if len(records.quality) < 10:
        raise ValueError(
            f"{records.source}: {len(records.quality)} records are too few for a predictor; label at least 10"
        )


def known_features(space: Space, seen: np.ndarray) -> np.ndarray:
    """Which path features a predictor knows, bool ``[F]``, that has seen rows ``[N, F]`` of them.

    What only optional decisions switch on has to be seen; the others count as known.
    """
    num = len(space.feature_names)
    used = np.zeros((2, num + 1), bool)
    for t, decision in enumerate(space.decisions):
        used[int(decision.optional), space.trellis.features[t][space.trellis.valid[t]].ravel()] = True
    return (used[1] & ~used[0])[:num] <= seen.any(0)
