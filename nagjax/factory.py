"""A helper for factories of controllers: sizes are read from the signature, checked, and become the settings.

A factory may do without it and return a ``Controller`` itself.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax

from nagjax.controllers import Artefact, Controller, Metrics, Params, State
from nagjax.problems.problem import Problem


def _unchanged(state: State, _problem: Problem) -> State:
    return state


@dataclasses.dataclass(frozen=True, eq=False)
class Methods:
    """What a factory under ``factory`` returns: the functions of a ``Controller``, which says what each has to do.

    Attributes:
      init, update, artefact, rebase: as in ``Controller``; ``rebase`` changes nothing by default.
      defaults: what users sweep, by name: a number, true or false, or one of the parameter's ``choices``.
      choices: names of each parameter that is a choice, see ``Controller.choices``.
    """

    init: Callable[[jax.Array, Problem, Params], State]
    update: Callable[[State, jax.Array, Problem, Params, jax.Array], tuple[State, Metrics]]
    artefact: Callable[[State, Problem], Artefact]
    rebase: Callable[[State, Problem], State] = _unchanged
    defaults: Mapping[str, float | bool | str] = dataclasses.field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def factory(name: str, **least: int) -> Callable[[Callable[..., Methods]], Callable[..., Controller]]:
    """A decorator for ``make(spec, **static) -> Methods``, which makes a factory of controllers of it.

    All arguments after the first become the controller's settings, those not given by their defaults.

    Args:
      name: under which the controller is registered.
      **least: of integer arguments (annotated ``int``) whose least value is not 1.

    Returns:
      the decorator; what it makes raises ValueError where an integer argument is none, or below its least.

    >>> @factory("mine", spare=0)
    ... def make(spec, children: int = 8, spare: int = 2):
    ...     return Methods(init=None, update=None, artefact=None)
    >>> dict(make(None, children=4).settings)
    {'children': 4, 'spare': 2}
    >>> make(None, children=0)
    Traceback (most recent call last):
        ...
    ValueError: mine: children=0: must be an integer of at least 1
    """

    def decorate(make: Callable[..., Methods]) -> Callable[..., Controller]:
        signature = inspect.signature(make)
        of_spec, *rest = signature.parameters.values()
        sizes = [one.name for one in rest if one.annotation in (int, "int")]

        @functools.wraps(make)
        def call(*args: Any, **static: Any) -> Controller:
            bound = signature.bind(*args, **static)
            bound.apply_defaults()
            settings = {key: value for key, value in bound.arguments.items() if key != of_spec.name}
            for key in sizes:
                _check_size(f"{name}: {key}", settings[key], least.get(key, 1))
            made = make(*args, **static)
            return Controller(
                name=name,
                spec=bound.arguments[of_spec.name],
                settings=settings,
                default_params=lambda: dict(made.defaults),
                init=made.init,
                update=made.update,
                rebase=made.rebase,
                artefact=made.artefact,
                choices=made.choices,
            )

        return call

    return decorate


def _check_size(what: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{what}={value!r}: must be an integer of at least {least}")
