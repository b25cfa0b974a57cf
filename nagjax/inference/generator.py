"""The generator as users have it: ``load`` a checkpoint, ``generate`` architectures for any number of budgets."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.checkpoint import checkpoint, sealing
from nagjax.controllers import Artefact, Controller
from nagjax.devices.table import DeviceTable
from nagjax.files import is_folder, split_part
from nagjax.inference import explaining, exporting
from nagjax.inference.answering import DECODES
from nagjax.inference.answers import Answer, AnswerArrays, as_answers, as_arrays, best_of
from nagjax.inference.asked import Numbers, possible, read_budgets, refusal, remarks, with_cheaper
from nagjax.inference.elsewhere import elsewhere
from nagjax.inference.explaining import Explanation
from nagjax.inference.scope import Progress, Scope, find, find_distinct
from nagjax.inference.shelf import Shelf
from nagjax.inference.surface import Surface, grid, surface
from nagjax.names import joined, suggestion
from nagjax.problems.contexts import fixed
from nagjax.problems.costs import exactly
from nagjax.problems.problem import Description, Problem, cheapest, restrict
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space, check_conditions

SKIP = ("raise", "skip")


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """What a generator was trained with, and what is needed to go on.

    Attributes:
      controller, params: what trained it, and its swept values.
      state: of the controller, after ``step`` updates.
      step: updates done.
      run: what else a checkpoint remembers: seed and seconds.
      metrics: by name, the mean over each chunk that was trained here, ``step`` and ``seconds`` among them.
    """

    controller: Controller
    params: Mapping[str, Any]
    state: Any
    step: int
    run: Mapping[str, Any]
    metrics: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Generator:
    """A trained generator.

    ``nagjax.inference.answering.candidates`` takes its ``artefact`` and ``problem`` in your own jit.
    """

    artefact: Artefact
    problem: Problem
    description: Description
    config: Mapping[str, Any]
    training: Training | None = None
    shelf: Shelf | None = None
    _scopes: dict[str, Scope] = dataclasses.field(default_factory=dict, repr=False)
    _others: dict[str, Generator] = dataclasses.field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        """A line: what it is of, not its arrays."""
        return f"{type(self).__name__}({self.description.summary})"

    @property
    def budget_range(self) -> np.ndarray:
        """Cheapest and costliest plausible architecture of each cost column, float64 ``[K, 2]``, in its unit."""
        return self.description.ranges

    @property
    def devices(self) -> tuple[str, ...]:
        """The contexts that it was trained for and that are open, in their order; none where its space has none."""
        first = self.description.space.decisions[0]
        if not self.problem.spec.contexts:
            return ()
        texts = [str(next(iter(choice.values()))) for choice in first.choices]
        return tuple(texts[context] for context in _open_contexts(self.problem))

    def on(
        self,
        device: str | Path | DeviceTable,
        *,
        where: Mapping[str, Any] | None = None,
        device_format: str = "auto",
    ) -> Generator:
        """This generator on one device: one that it was trained for, or one that it has never seen.

        Nothing is trained. On a new device the space is priced by its table, whose mask keeps the budgets; the policy
        is told of it by what reference architectures cost there, and the archive is looked up at the new prices.

        Args:
          device: the name of one of ``devices``; else the new device's table, or its path.
          where: conditions that every answer satisfies.
          device_format: registered name of the table's format, or ``"auto"`` to tell it by a look.

        Raises:
          ValueError: if it is neither a name nor a table that prices the space.
        """
        _check_device(device)
        if isinstance(device, str) and device in self.devices:
            scope = self._under(self._also(device, where))
            return Generator(scope.artefact, scope.problem, scope.description, self.config, shelf=self.shelf)
        if isinstance(device, str) and self.devices and not Path(device).exists():
            raise ValueError(
                f"device={device!r}{suggestion(device, self.devices)}: this generator was trained for "
                f"{', '.join(self.devices)}; of another give the table, or its path"
            )
        found = elsewhere(self.artefact, self.problem, self.description, device, where or {}, device_format)
        return Generator(*found, self.config, shelf=self.shelf)

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint that ``nagjax.load`` opens and training can go on from.

        Raises:
          ValueError: if the generator was loaded, not trained: its folder can be copied.
        """
        done = self.training
        if done is None:
            raise ValueError("this generator was loaded: copy the folder it is from")
        with checkpoint.Writer(folder) as writer:
            writer.save(
                done.step, done.controller, done.params, done.state, self.artefact, self.problem, self.description,
                done.run,
            )  # fmt: skip

    def export(self, folder: str | Path, *, where: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        """Write the generator as a folder that answers budgets with NumPy alone, without nagjax and jax.

        ``generator.npz`` holds the arrays, ``answer.py`` the program (``nagjax.inference.portable``), which answers as
        ``decode="greedy"`` and as ``decode="best"`` do; the page "serve it" shows both in use.

        Args:
          folder: made where it is not; an earlier export in it is replaced.
          where: conditions that every answer satisfies, as ``generate`` takes them.
          seed: of what ``best`` answers from.

        Raises:
          ValueError: if it has neither a policy nor, with several cost columns, few enough architectures to be listed;
            or its policy is not the library's.
        """
        exporting.write(self._under(where), Path(folder), self.config, arguments.seed(seed))

    def describe(self, answer: Answer) -> str:
        """An answer's architecture for a person."""
        return self.description.space.describe(answer.tokens)

    def generate(
        self,
        budgets_ms: Numbers | None = None,
        *,
        budgets: Mapping[str, Numbers] | None = None,
        device: str | Path | DeviceTable | list[str] | tuple[str, ...] | None = None,
        num_samples: int = 1,
        decode: str = "best",
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
        on_infeasible: str = "raise",
    ) -> list[Answer]:
        """Architectures for budgets.

        Args:
          budgets_ms: latency budgets in ms, short for ``budgets={"latency_ms": ...}``; infinity is no limit.
          budgets: budgets by cost column, all of one length; a column that is left out does not bind.
          device: where it serves several, the name of one; or the table of any device, or its path (see ``on``). Names
            in a list leave the choice to the generator: of settings such as threads or int8, the best for each budget.
          num_samples: distinct architectures per budget, best first (most likely first for ``beam``); where all can be
            listed, ``best`` gives the best there are.
          decode: ``greedy`` (the policy's arg max), ``sample``, ``beam``, or ``best``: where all architectures can be
            listed, the best of them; elsewhere the best of the archive and of what the policy answers (greedy, samples,
            beams) to a ladder of budgets. A larger budget never gets a lower objective by ``best``: the predicted
            quality, less pessimism times its deviation.
          where: conditions on the architecture, as ``Space.where`` takes them.
          seed: of the samples.
          on_infeasible: ``raise`` refuses budgets that nothing meets, all of them at once; ``skip`` leaves them out.

        Returns:
          ``num_samples`` answers for each budget, in the order of the budgets.

        Raises:
          ValueError: if a budget is below the cheapest architecture or nothing meets budgets together, fewer than
            ``num_samples`` exist, or an argument is unknown.
        """
        if isinstance(device, list | tuple):
            if num_samples != 1:
                raise ValueError(
                    f"num_samples={num_samples}: several devices give one answer a budget; name one device"
                )
            found = self._best_of(device, budgets_ms, budgets, decode, where, seed, on_infeasible, None)
            return as_answers(self.description, read_budgets(self.description, budgets_ms, budgets), found)
        if device is not None:
            who, where = self._routed(device, where)
            return who.generate(
                budgets_ms, budgets=budgets, num_samples=num_samples, decode=decode, where=where, seed=seed,
                on_infeasible=on_infeasible,
            )  # fmt: skip
        num_samples, seed = arguments.count(num_samples, "num_samples"), arguments.seed(seed)
        if decode == "greedy" and num_samples > 1:
            raise ValueError(f"num_samples={num_samples}: greedy has exactly one; use sample, beam or best")
        scope, asked, index = self._ask(budgets_ms, budgets, decode, where, seed, on_infeasible)
        matrix = _matrix(scope.description, asked)[index]
        if num_samples > 1:
            tokens, source = find_distinct(scope, matrix, num_samples, decode, seed)
        else:
            tokens, source = find(scope, matrix, decode, seed, None)
        found = as_arrays(scope, np.repeat(matrix, num_samples, 0), np.repeat(index, num_samples), tokens, source)
        return as_answers(scope.description, asked, found)

    def generate_arrays(
        self,
        budgets_ms: Numbers | None = None,
        *,
        budgets: Mapping[str, Numbers] | None = None,
        device: str | Path | DeviceTable | list[str] | tuple[str, ...] | None = None,
        decode: str = "best",
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
        on_infeasible: str = "raise",
        on_progress: Progress | None = None,
    ) -> AnswerArrays:
        """The answers of ``generate`` as arrays, for millions of budgets; arguments and errors are the same.

        ``on_progress(done, of)`` is called now and then with numbers of budgets.
        """
        if isinstance(device, list | tuple):
            return self._best_of(device, budgets_ms, budgets, decode, where, seed, on_infeasible, on_progress)
        if device is not None:
            who, where = self._routed(device, where)
            return who.generate_arrays(
                budgets_ms, budgets=budgets, decode=decode, where=where, seed=seed, on_infeasible=on_infeasible,
                on_progress=on_progress,
            )  # fmt: skip
        seed = arguments.seed(seed)
        scope, asked, index = self._ask(budgets_ms, budgets, decode, where, seed, on_infeasible)
        matrix = _matrix(scope.description, asked)[index]
        tokens, source = find(scope, matrix, decode, seed, on_progress)
        return as_arrays(scope, matrix, index, tokens, source)

    def surface(
        self,
        budgets: Mapping[str, Numbers],
        *,
        decode: str = "best",
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Surface:
        """The answers to every combination of budgets of several cost columns: the front in all of them.

        Args:
          budgets: some of each cost column, in its unit: ``{"latency_ms": [15, 20, 30], "params_m": [3, 4]}``.
          decode: as ``generate`` takes it.
          where: conditions on the architecture.
          seed: of the samples.

        Returns:
          The answers; combinations that nothing meets are blank.

        Raises:
          ValueError: if a column or an argument is unknown, or a budget is not a number.
        """
        asked = grid(budgets)
        axes = {name: np.asarray(values, np.float64).reshape(-1) for name, values in budgets.items()}
        found = self.generate_arrays(budgets=asked, decode=decode, where=where, seed=seed, on_infeasible="skip")
        return surface(axes, found)

    def front(self, where: Mapping[str, Any] | None = None, seed: int = 0) -> AnswerArrays:
        """All that ``best`` ever answers under conditions, cheapest first, as arrays; ``index`` counts them."""
        scope = self._under(where)
        front = scope.front(arguments.seed(seed))
        return as_arrays(scope, front.costs, np.arange(len(front.tokens)), front.tokens, front.source)

    def explain(
        self,
        budget_ms: float | None = None,
        *,
        budgets: Mapping[str, float] | None = None,
        step: float = explaining.STEP,
        seed: int = 0,
    ) -> Explanation:
        """Where the cost of the answer to one budget goes, and what changes with a little less and more of it.

        Args:
          budget_ms: a latency budget in ms, short for ``budgets={"latency_ms": ...}``.
          budgets: one budget a cost column, in its unit; the first that is named is explained.
          step: share of the budget by which less and more is asked.
          seed: of the answers.

        Raises:
          ValueError: if the budget is below the cheapest architecture, or an argument is unknown.
        """
        if (budget_ms is None) == (budgets is None):
            raise ValueError("give one budget, either as budget_ms=30 or as budgets={'madds_m': 300}")
        asked = {"latency_ms": float(budget_ms)} if budget_ms is not None else dict(budgets or {})
        return explaining.explain(self, asked, step, seed)

    def _ask(
        self, budgets_ms: Numbers | None, budgets: Mapping[str, Numbers] | None, decode: str,
        where: Mapping[str, Any] | None, seed: int, on_infeasible: str,
    ) -> tuple[Scope, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
        """The scope, budgets by column, and which of them are possible: int64 ``[B']``."""
        if decode not in DECODES:
            raise ValueError(f"decode={decode!r} is not one of {', '.join(DECODES)}")
        if on_infeasible not in SKIP:
            raise ValueError(f"on_infeasible={on_infeasible!r} is not one of {', '.join(SKIP)}")
        scope = self._under(where)
        asked = read_budgets(scope.description, budgets_ms, budgets)
        described, fine = scope.description, possible(scope.description, asked)
        if not fine.all() and scope.has_residual and scope.has_front:
            described = with_cheaper(described, scope.front(seed).costs)
            fine = possible(described, asked)
        if not fine.all() and on_infeasible == "raise":
            raise ValueError(refusal(described, asked))
        if scope.columns > 1 and scope.listable:
            met = scope.front(seed).best(_matrix(scope.description, asked)) >= 0
            if not met.all() and on_infeasible == "raise":
                raise ValueError(_unmet(scope, asked, met, seed))
            fine &= met
        for remark in remarks(scope.description, asked):
            warnings.warn(remark, stacklevel=3)
        return scope, asked, np.flatnonzero(fine)

    def _best_of(
        self, devices: Sequence[str], budgets_ms: Numbers | None, budgets: Mapping[str, Numbers] | None, decode: str,
        where: Mapping[str, Any] | None, seed: int, on_infeasible: str, on_progress: Progress | None,
    ) -> AnswerArrays:  # fmt: skip
        """The best answer of several devices that are known, for each budget.

        Raises:
          ValueError: as ``generate``, or if a name is not one of ``devices``.
        """
        unknown = [name for name in devices if name not in self.devices]
        if unknown or not devices:
            raise ValueError(
                f"device={list(devices)}: give names of devices that it was trained for, {', '.join(self.devices)}"
            )
        if on_infeasible not in SKIP:
            raise ValueError(f"on_infeasible={on_infeasible!r} is not one of {', '.join(SKIP)}")
        each = [
            self.generate_arrays(
                budgets_ms, budgets=budgets, device=name, decode=decode, where=where, seed=seed, on_infeasible="skip",
                on_progress=on_progress,
            )
            for name in devices
        ]  # fmt: skip
        found = best_of(each, float(self.problem.pessimism))
        if on_infeasible == "raise":
            asked = read_budgets(self.description, budgets_ms, budgets)
            left = np.setdiff1d(np.arange(len(next(iter(asked.values())))), found.index)
            if len(left):
                shown = ", ".join(f"{name}={exactly(values[left[0]])}" for name, values in asked.items())
                more = f", nor within {len(left) - 1} more of the budgets" if len(left) > 1 else ""
                raise ValueError(
                    f"nothing is within {shown} on {joined(devices, 'or')}{more}; on_infeasible=skip answers the others"
                )
        return found

    def _routed(
        self, device: str | Path | DeviceTable, where: Mapping[str, Any] | None
    ) -> tuple[Generator, Mapping[str, Any] | None]:
        """Who answers for a device, and under which conditions: this one for a device that it knows."""
        _check_device(device)
        if isinstance(device, str) and device in self.devices:
            return self, self._also(device, where)
        if isinstance(device, DeviceTable):
            return self.on(device), where
        key = _as_it_stands(device)
        if key not in self._others:
            self._others[key] = self.on(device)
        return self._others[key], where

    def _also(self, device: str, where: Mapping[str, Any] | None) -> dict[str, Any]:
        """Conditions with that of a known device."""
        first = self.description.space.decisions[0]
        check_conditions(where or {})
        if first.name in (where or {}):
            raise ValueError(f"device={device!r}: where= says the {first.name} as well; leave one of the two out")
        value = next(v for choice in first.choices for v in choice.values() if str(v) == device)
        return {**(where or {}), first.name: value}

    def _under(self, where: Mapping[str, Any] | None) -> Scope:
        if where is not None:
            self.description.space.where(where)  # refuses what is not a mapping of conditions
        key = json.dumps(dict(where or {}), sort_keys=True, default=str)
        if key not in self._scopes:
            self._scopes[key] = self._restricted(where) if where else self._whole()
        return self._scopes[key]

    def _whole(self) -> Scope:
        return Scope(self.artefact, self._in_context(self.problem), self.description, self.shelf)

    def _in_context(self, problem: Problem) -> Problem:
        """The problem as of its one context that is open, where the first decision is one.

        Raises:
          ValueError: if several are open: a budget is one of a device.
        """
        first = self.description.space.decisions[0]
        if not problem.spec.contexts:
            return problem
        left = _open_contexts(problem)
        if len(left) > 1:
            raise ValueError(
                f"this generator serves several of {first.name!r}: say which by device=NAME, one of "
                f"{', '.join(self.devices)}"
            )
        policy = self.artefact.policy
        return fixed(problem, int(left[0])) if policy is not None and policy.network.traits else problem

    def _restricted(self, where: Mapping[str, Any]) -> Scope:
        problem = restrict(self.problem, jnp.asarray(self.description.space.where(where)))
        if bool((cheapest(problem) >= tl.INFINITE).any()):
            raise ValueError(f"where={dict(where)}: no architecture of the checkpoint's problem satisfies all of it")
        problem = self._in_context(problem)
        allowed, target = np.asarray(problem.allowed), self.description.space.trellis.target
        ranges = np.array([column.span(target, allowed) for column in self.description.exact])
        description = dataclasses.replace(self.description, ranges=ranges, where=dict(where))
        return Scope(self.artefact, problem, description, self.shelf)


def load(path: str | Path, *, ignore_hash: bool = False, space: Space | None = None) -> Generator:
    """Open the last complete checkpoint of a run, on any machine and device count; no plugin is needed.

    Args:
      path: folder of the run.
      ignore_hash: believe the checkpoint although it is not as it was written, after an edit on purpose.
      space: the search space, where it is not registered (one made in a notebook).

    Raises:
      ValueError: if there is no complete checkpoint, it is not as it was written, or it is of another format or space
        version.
    """
    saved = checkpoint.read(path, ignore_hash=ignore_hash, space=space)
    seal = None if ignore_hash else saved.config.get(sealing.SEAL)
    shelf = Shelf(saved.path, seal) if seal else None
    return Generator(saved.artefact, saved.problem, saved.description, saved.config, shelf=shelf)


def _check_device(device: object) -> None:
    if not isinstance(device, str | os.PathLike | DeviceTable):
        raise ValueError(
            f"device={device!r:.80}: give the name of a device that it was trained for, a device table, or its path"
        )


def _as_it_stands(device: str | Path) -> str:
    """The path of a device's table, with when its files were written: a table that was measured again is another."""
    path, part = split_part(Path(device))
    files = sorted(path.iterdir()) if is_folder(path) else [path]
    times = [file.stat().st_mtime_ns for file in files if file.exists()]
    return f"{path}#{part} {times}"


def _open_contexts(problem: Problem) -> np.ndarray:
    """Contexts int64 ``[M]`` that an architecture is left of."""
    return np.flatnonzero((np.asarray(problem.need)[:, 0, 0, : problem.spec.contexts] < tl.INFINITE).all(0))


def _matrix(description: Description, asked: Mapping[str, np.ndarray]) -> np.ndarray:
    """Budgets float64 ``[B, K]``; infinite where a column does not bind."""
    free = np.full(len(next(iter(asked.values()))), np.inf)
    return np.stack([asked.get(info.name, free) for info in description.costs], -1)


def _unmet(scope: Scope, asked: Mapping[str, np.ndarray], met: np.ndarray, seed: int) -> str:
    """Which budgets nothing meets together, the first with what is nearest to it."""
    matrix, names = _matrix(scope.description, asked), [info.name for info in scope.description.costs]
    lines = []
    for row in np.flatnonzero(~met)[:20]:
        near = scope.front(seed).nearest(matrix[row])
        pair, *others = [
            ", ".join(f"{name}={exactly(value[names.index(name)])}" for name in asked) for value in (matrix[row], *near)
        ]
        lines.append(f"nothing is within {pair} together; possible are {' or '.join(others)}")
    more = f"; and {int((~met).sum()) - 20:,} more" if (~met).sum() > 20 else ""
    return "; ".join(lines) + more + "; on_infeasible=skip answers the others"
