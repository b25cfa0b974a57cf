"""The registry: controllers, spaces, operators, tasks and so on, by name among the installed distributions.

A distribution registers a plugin with an entry point in its packaging metadata; ours do the same::

    [project.entry-points."nagjax.controllers"]
    mine = "my_package:make"

=================  ==========================  ==========================================================
kind               entry-point group           what the entry point names
=================  ==========================  ==========================================================
controllers        nagjax.controllers          ``make(spec, **static) -> Controller``
spaces             nagjax.spaces               ``make(**settings) -> Space``
operators          nagjax.operators            ``make() -> OperatorKind``, what an operator is
predictors         nagjax.predictors           ``make(**settings) -> Kind``, how a predictor is fitted
evaluators         nagjax.evaluators           ``make(space, **settings) -> Evaluator``, the truth
proposers          nagjax.proposers            ``make(**settings) -> Proposer``, what to evaluate next
tasks              nagjax.tasks                ``make(**settings) -> Task``, data and what is judged on them
strategies         nagjax.strategies           ``make(**settings) -> Strategy``, how shared weights are trained
predictor_formats  nagjax.predictor_formats    a reader of a predictor's file
device_formats     nagjax.device_formats       a reader of a device table's file
=================  ==========================  ==========================================================

Nothing is imported until it is loaded, and nothing is remembered between calls: a plugin that raises on import, or a
name that two distributions claim, stops only those who ask for it, and ``broken`` lists it. What a plugin raises when
it is called carries its name too.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from nagjax.names import suggestion

T = TypeVar("T")

KINDS = (
    "controllers", "spaces", "operators", "predictors", "evaluators", "proposers", "tasks", "strategies",
    "predictor_formats", "device_formats",
)  # fmt: skip


class PluginError(ValueError):
    """A plugin that is not known, not unique, not loadable or at fault; the message says which and what to do."""


def names(kind: str) -> list[str]:
    """Names of one of ``KINDS`` that exactly one distribution registers, sorted.

    Raises:
      PluginError: if there is no such kind.
    """
    return sorted(available(kind))


def available(kind: str) -> Mapping[str, EntryPoint]:
    """The entry point of every name that exactly one distribution registers; nothing is imported.

    Raises:
      PluginError: if there is no such kind.
    """
    return {name: claims[0] for name, claims in _claims(kind).items() if len(claims) == 1}


def claimed(kind: str) -> list[str]:
    """All names that are registered, those that several distributions claim too, sorted.

    Raises:
      PluginError: if there is no such kind.
    """
    return sorted(_claims(kind))


def load(kind: str, name: str) -> Callable[..., Any]:
    """The callable registered under ``name``; whatever it raises is raised as a ``PluginError`` that names it.

    Args:
      kind: one of ``KINDS``.
      name: a name that ``names(kind)`` lists.

    Raises:
      PluginError: if the kind or name is unknown (the nearest name is suggested), two distributions register the name,
        or the plugin raises on import or is not callable.
    """
    found = _claims(kind)
    if not found:
        raise PluginError(
            f"no {kind} are registered: install the library with its entry points, `pip install .` in its checkout "
            f"(again after an entry point was added), or a distribution with entry points in the group nagjax.{kind}"
        )
    if name not in found:
        raise PluginError(_unknown(f"{kind}: {name!r} is not registered", name, found))
    plugin = _import(kind, name, found[name])

    @functools.wraps(plugin, updated=())
    def call(*args: Any, **settings: Any) -> Any:
        with raised_by(kind, name):
            return plugin(*args, **settings)

    return call


@contextlib.contextmanager
def raised_by(kind: str, name: str, doing: str = "", passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """A context in which a plugin's code runs: whatever it raises is raised as a ``PluginError`` that names it.

    ``doing`` is what was asked of it. Errors ``passing`` are its way to refuse what it is given; they pass as they are.
    A name that is not registered (made in a notebook) is named as it is.

    Raises:
      PluginError: with the plugin's own error as its cause.
    """
    try:
        yield
    except Exception as error:  # whatever a stranger's code raises is reported under the plugin's name
        if isinstance(error, (PluginError, *passing)):
            raise
        raise fault(kind, name, f"{doing}: {_first_paragraph(error)}" if doing else _first_paragraph(error)) from error


def fault(kind: str, name: str, what: str) -> PluginError:
    """The error that says what is wrong with a plugin, registered or not; to be raised."""
    claims = _claims(kind).get(name, [])
    return PluginError(f"{_place(kind, name, claims[0]) if len(claims) == 1 else f'{kind}: {name!r}'}: {what}")


def expect(kind: str, name: str, found: Any, wanted: type[T]) -> T:
    """What a plugin returned, if it is of the type that it should be.

    Raises:
      PluginError: if it is not.
    """
    if not isinstance(found, wanted):
        raise fault(kind, name, f"returned {type(found).__name__}, not a {wanted.__name__}")
    return found


def broken(kind: str) -> Mapping[str, str]:
    """Why each name that cannot be used cannot be used; imports every plugin of the kind.

    Raises:
      PluginError: if there is no such kind.
    """
    errors = {}
    for name, claims in sorted(_claims(kind).items()):
        try:
            _import(kind, name, claims)
        except PluginError as error:
            errors[name] = str(error)
    return errors


def _claims(kind: str) -> dict[str, list[EntryPoint]]:
    """Entry points by name. Of a distribution met twice (an editable install beside a copy) importlib keeps one."""
    if kind not in KINDS:
        raise PluginError(_unknown(f"{kind!r} is not a kind of plugin", kind, KINDS))
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=f"nagjax.{kind}"):
        found.setdefault(entry.name, {}).setdefault((_owner(entry), entry.value), entry)
    return {name: list(claims.values()) for name, claims in found.items()}


def _import(kind: str, name: str, claims: list[EntryPoint]) -> Callable[..., Any]:
    if len(claims) > 1:
        owners = " and ".join(sorted(f"{_owner(entry)} ({entry.value})" for entry in claims))
        raise PluginError(f"{kind}: {name!r} is registered more than once, by {owners}: uninstall or rename one")
    entry = claims[0]
    place = _place(kind, name, entry)
    try:
        plugin = entry.load()
    except Exception as error:  # whatever a stranger's module raises is reported under the plugin's name
        raise PluginError(
            f"{place} cannot be imported: {type(error).__name__}: {error}; repair or uninstall it"
        ) from error
    if not callable(plugin):
        raise PluginError(f"{place} is not callable: the entry point must name a function, as module:function")
    return plugin


def _place(kind: str, name: str, entry: EntryPoint) -> str:
    return f"{kind}: {name!r} of distribution {_owner(entry)} ({entry.value})"


def _first_paragraph(error: Exception) -> str:
    """What an error says, in one line; one that is not a ValueError was hardly meant for a user: its type says more."""
    text = " ".join(str(error).strip().partition("\n\n")[0].split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def _owner(entry: EntryPoint) -> str:
    return (entry.dist.name if entry.dist else None) or "(unnamed)"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    ordered = sorted(known)
    hint = suggestion(str(name), ordered)
    return f"{what}{hint}; known: {', '.join(ordered)}"


def checked_call(make: Any, what: str, given: Mapping[str, Any], *arguments: Any) -> Any:
    """``make(*arguments, **given)``, with an error that lists the settings where one is not known.

    Raises:
      ValueError: if a setting is not known, or ``make`` refuses its value.
    """
    check_settings(make, what, given, len(arguments))
    try:
        return make(*arguments, **given)
    except (TypeError, PluginError) as error:
        if not given or not isinstance(error.__cause__ or error, TypeError):
            raise
        shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise ValueError(f"{what} refuses its settings {shown}: {error}") from error


def check_settings(make: Any, what: str, given: Mapping[str, Any], arguments: int) -> None:
    """Refuse settings that ``make`` has not, or numbers of another type, after so many positional arguments.

    Raises:
      ValueError: if a setting is not known, or of another type.
    """
    parameters = inspect.signature(make).parameters.values()
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    names = [p.name for p in list(parameters)[arguments:] if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for key in given:
        if key not in names and not free:
            hint = suggestion(key, names)
            raise ValueError(f"{what} has no setting {key!r}{hint}; known: {', '.join(sorted(names)) or 'none'}")
    _check_numbers(what, given, {p.name: p.annotation for p in parameters})


def _check_numbers(what: str, given: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
    """A float where the signature has an integer, or text where it has a number, is refused by name."""
    for key, value in given.items():
        wanted = {"int": (int,), int: (int,), "float": (int, float), float: (int, float)}.get(annotations.get(key))
        if wanted and (isinstance(value, bool) or not isinstance(value, wanted)):
            raise ValueError(f"{what}: {key}={value!r}: must be {'an integer' if wanted == (int,) else 'a number'}")
