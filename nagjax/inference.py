"""Inference: ``load`` a checkpoint, ``generate`` architectures for any number of budgets.

Three ways lead to an answer. ``best`` looks it up in a front (``nagjax.fronts``). The others ask the policy within
ticks that leave open whatever is within the budget, check the exact cost, and ask again within strict ticks where that
is over. Several samples for a budget are found by ``nagjax.distinct``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, checkpoint
from nagjax.answering import DECODES, SOURCES, jit_candidates, jit_quality
from nagjax.asked import Numbers, possible, read_budgets, refusal, remarks
from nagjax.controllers import Artefact, Controller
from nagjax.costs import exactly
from nagjax.distinct import distinct_architectures, enumerate_within
from nagjax.fronts import Front, can_be_listed, evaluate_all, make_front
from nagjax.problems import Description, Problem, cheapest, restrict
from nagjax.spaces import trellis as tl

CHUNK = 256
"""Budgets are answered in chunks padded to this size: memory stays flat, one shape compiles, and an answer does not
depend on how many others are asked."""

BOTTOM = 4096
"""Architectures within a few ticks of the cheapest that are looked at one by one."""

SKIP = ("raise", "skip")
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """An architecture for a budget.

    Attributes:
      budget: what was asked, by cost column, in its unit.
      tokens: int32 ``[T]``.
      text: the architecture as text; ``space.parse`` reads it.
      quality, quality_std: predicted, fractions.
      costs: by cost column, in its unit: what the file has, or the float64 sum of the table's rows, corrected as the
        table says. Asked as a budget it is answered with at least this quality (``best``).
      raw_costs: the same before correction.
      guaranteed: whether every cost is known to be within its budget.
      source: what found it: greedy, sample, beam, archive, random, or listed (all architectures were looked at).
    """

    budget: Mapping[str, float]
    tokens: np.ndarray
    text: str
    quality: float
    quality_std: float
    costs: Mapping[str, float]
    raw_costs: Mapping[str, float]
    guaranteed: bool
    source: str


@dataclasses.dataclass(frozen=True, eq=False)
class AnswerArrays:
    """Architectures for B budgets, as arrays.

    Attributes:
      index: int64 ``[B]``, which of the budgets that were asked; all of them unless impossible ones were skipped.
      tokens: int32 ``[B, T]``.
      costs: float64 ``[B, K]``, in the units of the cost columns.
      quality, quality_std: float32 ``[B]``, predicted, fractions.
      guaranteed: bool ``[B]``, whether every cost is known to be within its budget.
      source: int32 ``[B]``, index into ``nagjax.answering.SOURCES``.
    """

    index: np.ndarray
    tokens: np.ndarray
    costs: np.ndarray
    quality: np.ndarray
    quality_std: np.ndarray
    guaranteed: np.ndarray
    source: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """What a generator was trained with, and what is needed to go on.

    Attributes:
      controller, params: what trained it, and its swept values.
      state: of the controller, after ``step`` updates.
      step: updates done.
      run: what else a checkpoint remembers: seed and seconds.
    """

    controller: Controller
    params: Mapping[str, Any]
    state: Any
    step: int
    run: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class _Scope:
    """A generator under conditions, and the fronts that were made of it, by seed."""

    artefact: Artefact
    problem: Problem
    description: Description
    fronts: dict[int, Front] = dataclasses.field(default_factory=dict)

    @property
    def columns(self) -> int:
        return len(self.description.costs)

    def front(self, seed: int) -> Front:
        if seed not in self.fronts:
            self.fronts[seed] = make_front(self.artefact, self.problem, self.description, seed)
        return self.fronts[seed]

    @functools.cached_property
    def listable(self) -> bool:
        return can_be_listed(self.problem, self.description)

    def ticks(self, budgets: np.ndarray, strict: bool = False) -> np.ndarray:
        """Budgets float64 ``[B, K]`` in ticks int32 ``[B, K]``, see ``nagjax.costs``."""
        columns = [
            (column.strict if strict else column.offers)(budgets[:, k])
            for k, column in enumerate(self.description.exact)
        ]
        return np.stack(columns, -1).astype(np.int32)

    def within(self, costs: np.ndarray, budgets: np.ndarray) -> np.ndarray:
        """Whether costs float64 ``[..., K]`` are all within budgets float64 ``[..., K]``."""
        columns = [c.within(costs[..., k], budgets[..., k]) for k, c in enumerate(self.description.exact)]
        return np.logical_and.reduce(columns)


@dataclasses.dataclass(frozen=True, eq=False)
class Generator:
    """A trained generator; ``nagjax.answering.candidates`` takes its ``artefact`` and ``problem`` in your own jit."""

    artefact: Artefact
    problem: Problem
    description: Description
    config: Mapping[str, Any]
    training: Training | None = None
    _scopes: dict[str, _Scope] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def budget_range(self) -> np.ndarray:
        """Cheapest and costliest plausible architecture of each cost column, float64 ``[K, 2]``, in its unit."""
        return self.description.ranges

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

    def describe(self, answer: Answer) -> str:
        """An answer's architecture for a person."""
        return self.description.space.describe(answer.tokens)

    def generate(
        self,
        budgets_ms: Numbers | None = None,
        *,
        budgets: Mapping[str, Numbers] | None = None,
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
          num_samples: distinct architectures a budget, best first (most likely first for ``beam``).
          decode: ``greedy`` (the policy's arg max), ``sample``, ``beam``, or ``best``: where all architectures can be
            listed, the best of them; elsewhere the best of the archive and of what the policy answers (greedy, samples,
            beams) to a ladder of budgets. A larger budget never gets a lower predicted quality by ``best``.
          where: conditions on the architecture, as ``Space.where`` takes them.
          seed: of the samples.
          on_infeasible: ``raise`` refuses budgets that nothing meets, all of them at once; ``skip`` leaves them out.

        Returns:
          ``num_samples`` answers for each budget, in the order of the budgets.

        Raises:
          ValueError: if a budget is below the cheapest architecture or nothing meets budgets together, fewer than
            ``num_samples`` exist, or an argument is unknown.
        """
        num_samples, seed = arguments.count(num_samples, "num_samples"), arguments.seed(seed)
        if decode == "greedy" and num_samples > 1:
            raise ValueError(f"num_samples={num_samples}: greedy has exactly one; use sample, beam or best")
        scope, asked, index = self._ask(budgets_ms, budgets, decode, where, seed, on_infeasible)
        matrix = _matrix(scope.description, asked)[index]
        if num_samples > 1:
            tokens, source = _distinct(scope, matrix, num_samples, decode, seed)
        else:
            tokens, source = _find(scope, matrix, decode, seed, None)
        found = _arrays(scope, np.repeat(matrix, num_samples, 0), np.repeat(index, num_samples), tokens, source)
        return _answers(scope.description, asked, found)

    def generate_arrays(
        self,
        budgets_ms: Numbers | None = None,
        *,
        budgets: Mapping[str, Numbers] | None = None,
        decode: str = "best",
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
        on_infeasible: str = "raise",
        on_progress: Progress | None = None,
    ) -> AnswerArrays:
        """The answers of ``generate`` as arrays, for millions of budgets; arguments and errors are the same.

        ``on_progress(done, of)`` is called now and then with numbers of budgets.
        """
        seed = arguments.seed(seed)
        scope, asked, index = self._ask(budgets_ms, budgets, decode, where, seed, on_infeasible)
        matrix = _matrix(scope.description, asked)[index]
        tokens, source = _find(scope, matrix, decode, seed, on_progress)
        return _arrays(scope, matrix, index, tokens, source)

    def front(self, where: Mapping[str, Any] | None = None, seed: int = 0) -> AnswerArrays:
        """All that ``best`` ever answers under conditions, cheapest first, as arrays; ``index`` counts them."""
        scope = self._under(where)
        front = scope.front(arguments.seed(seed))
        return _arrays(scope, front.costs, np.arange(len(front.tokens)), front.tokens, front.source)

    def _ask(
        self, budgets_ms: Numbers | None, budgets: Mapping[str, Numbers] | None, decode: str,
        where: Mapping[str, Any] | None, seed: int, on_infeasible: str,
    ) -> tuple[_Scope, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
        """The scope, budgets by column, and which of them are possible: int64 ``[B']``."""
        if decode not in DECODES:
            raise ValueError(f"decode={decode!r} is not one of {', '.join(DECODES)}")
        if on_infeasible not in SKIP:
            raise ValueError(f"on_infeasible={on_infeasible!r} is not one of {', '.join(SKIP)}")
        scope = self._under(where)
        asked = read_budgets(scope.description, budgets_ms, budgets)
        fine = possible(scope.description, asked)
        if not fine.all() and on_infeasible == "raise":
            raise ValueError(refusal(scope.description, asked))
        if scope.columns > 1 and scope.listable:
            met = scope.front(seed).best(_matrix(scope.description, asked)) >= 0
            if not met.all() and on_infeasible == "raise":
                raise ValueError(_unmet(scope, asked, met, seed))
            fine &= met
        for remark in remarks(scope.description, asked):
            warnings.warn(remark, stacklevel=3)
        return scope, asked, np.flatnonzero(fine)

    def _under(self, where: Mapping[str, Any] | None) -> _Scope:
        if where is not None:
            self.description.space.where(where)  # refuses what is no mapping of conditions
        key = json.dumps(dict(where or {}), sort_keys=True, default=str)
        if key not in self._scopes:
            self._scopes[key] = self._restricted(where) if where else self._whole()
        return self._scopes[key]

    def _whole(self) -> _Scope:
        return _Scope(self.artefact, self.problem, self.description)

    def _restricted(self, where: Mapping[str, Any]) -> _Scope:
        problem = restrict(self.problem, jnp.asarray(self.description.space.where(where)))
        if bool((cheapest(problem) >= tl.INFINITE).any()):
            raise ValueError(f"where={dict(where)}: no architecture of the checkpoint's problem satisfies all of it")
        allowed, target = np.asarray(problem.allowed), self.description.space.trellis.target
        ranges = np.array([column.span(target, allowed) for column in self.description.exact])
        description = dataclasses.replace(self.description, ranges=ranges, where=dict(where))
        return _Scope(self.artefact, problem, description)


def load(path: str | Path, *, ignore_hash: bool = False) -> Generator:
    """Open the last complete checkpoint of a run, on any machine and device count; no plugin is needed.

    Args:
      path: folder of the run.
      ignore_hash: believe the checkpoint although it is not as it was written, after an edit on purpose.

    Raises:
      ValueError: if there is no complete checkpoint, it is not as it was written, or it is of another format or space
        version.
    """
    saved = checkpoint.read(path, ignore_hash=ignore_hash)
    return Generator(saved.artefact, saved.problem, saved.description, saved.config)


def _matrix(description: Description, asked: Mapping[str, np.ndarray]) -> np.ndarray:
    """Budgets float64 ``[B, K]``; infinite where a column does not bind."""
    free = np.full(len(next(iter(asked.values()))), np.inf)
    return np.stack([asked.get(info.name, free) for info in description.costs], -1)


def _unmet(scope: _Scope, asked: Mapping[str, np.ndarray], met: np.ndarray, seed: int) -> str:
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


def _find(
    scope: _Scope, budgets: np.ndarray, decode: str, seed: int, on_progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 ``[B, T]`` and source int32 ``[B]`` for budgets float64 ``[B, K]``."""
    if decode == "best" and (scope.columns == 1 or scope.listable):
        front = scope.front(seed)
        row = np.maximum(front.best(budgets), 0)
        return front.tokens[row], front.source[row]
    turn = _turns(budgets) if decode != "greedy" else np.zeros(len(budgets), np.int32)
    tokens = np.zeros((len(budgets), scope.problem.spec.num_layers), np.int32)
    source = np.zeros(len(budgets), np.int32)
    for first in range(0, len(budgets), CHUNK):
        rows = slice(first, first + CHUNK)
        tokens[rows], source[rows] = _decode(scope, budgets[rows], turn[rows], decode, seed)
        if on_progress is not None:
            on_progress(min(first + CHUNK, len(budgets)), len(budgets))
    return tokens, source


def _turns(budgets: np.ndarray) -> np.ndarray:
    """How often each budget float64 ``[B, K]`` stood before in the list, int32 ``[B]``."""
    _, same = np.unique(budgets, axis=0, return_inverse=True)
    same = same.ravel()
    order = np.argsort(same, kind="stable")
    first = np.searchsorted(same[order], same[order])
    out = np.zeros(len(budgets), np.int32)
    out[order] = np.arange(len(budgets)) - first
    return out


def _decode(
    scope: _Scope, budgets: np.ndarray, turn: np.ndarray, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A chunk by the policy: within what is offered, then strictly where that cost too much."""
    tokens, source, fits = _within(scope, budgets, scope.ticks(budgets), turn, decode, seed)
    strict = scope.ticks(budgets, strict=True)
    again = ~fits & (strict >= np.asarray(cheapest(scope.problem))).all(1)
    if again.any():
        tokens[again], source[again], fits[again] = _within(
            scope, budgets[again], strict[again], turn[again], decode, seed
        )
    for row in np.flatnonzero(~fits) if scope.columns == 1 else ():
        tokens[row], source[row] = _lowest(scope, budgets[row])
    return tokens, source


def _within(
    scope: _Scope, budgets: np.ndarray, ticks: np.ndarray, turn: np.ndarray, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The candidate of each budget that counts, where it is from, and whether it is within the budget."""
    num = len(ticks)
    padding = np.zeros(CHUNK - num, int)
    ticks, turn = np.concatenate([ticks, ticks[padding]]), np.concatenate([turn, turn[padding]])
    draws = {"best": 16, "beam": 4}.get(decode, 1)
    key = jax.random.key(seed)
    one = jit_candidates(scope.artefact, scope.problem, jnp.asarray(ticks), key, decode, draws, jnp.asarray(turn))
    tokens, objective = np.asarray(one.tokens)[:num], np.asarray(one.objective)[:num]
    costs = scope.description.costs_of(tokens.reshape(-1, tokens.shape[-1])).reshape(*tokens.shape[:2], -1)
    fits = scope.within(costs, budgets[:, None])
    # A beam's first is its most likely; everywhere else the best predicted counts.
    likely = -np.arange(tokens.shape[1]) if decode == "beam" else objective
    score = np.where(objective > -np.inf, np.nan_to_num(likely, neginf=-1e30), -1e30)
    pick = np.argmax(np.where(fits, score, -np.inf), 1)
    pick = np.where(fits.any(1), pick, 0)
    rows = np.arange(num)
    return tokens[rows, pick].copy(), np.asarray(one.source)[pick].copy(), fits[rows, pick].copy()


def _lowest(scope: _Scope, budget: np.ndarray) -> tuple[np.ndarray, int]:
    """The best of what fits a budget float64 ``[1]`` that lies within a few ticks of the cheapest architecture."""
    tokens = enumerate_within(scope.problem, scope.ticks(budget[None])[0].astype(np.int64), BOTTOM)
    fits = scope.within(scope.description.costs_of(tokens), budget[None])
    tokens = tokens[fits]
    return tokens[int(np.argmax(evaluate_all(scope.problem, tokens)))], SOURCES.index("listed")


def _distinct(
    scope: _Scope, budgets: np.ndarray, num_samples: int, decode: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.zeros((len(budgets) * num_samples, scope.problem.spec.num_layers), np.int32)
    source = np.zeros(len(tokens), np.int32)
    ticks, turn = scope.ticks(budgets), _turns(budgets)
    for index, budget in enumerate(budgets):

        def fits(some: np.ndarray, budget: np.ndarray = budget) -> np.ndarray:
            return scope.within(scope.description.costs_of(some), budget[None])

        key = jax.random.fold_in(jax.random.key(seed), int(turn[index]))
        found = distinct_architectures(scope.artefact, scope.problem, ticks[index], num_samples, decode, key, fits)
        rows = slice(index * num_samples, (index + 1) * num_samples)
        tokens[rows] = np.stack([one for one, _, _ in found])
        source[rows] = [SOURCES.index(name) for _, _, name in found]
    return tokens, source


def _arrays(
    scope: _Scope, budgets: np.ndarray, index: np.ndarray, tokens: np.ndarray, source: np.ndarray
) -> AnswerArrays:
    """Costs, quality and guarantee of what was found for budgets float64 ``[B, K]``; each architecture counts once."""
    different, back = _unique_rows(tokens)
    costs = scope.description.costs_of(different)[back]
    quality, std = _quality(scope.problem, different)
    return AnswerArrays(index, tokens, costs, quality[back], std[back], scope.within(costs, budgets), source)


def _unique_rows(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of tokens int32 ``[B, T]``, and which of them each row is, int64 ``[B]``."""
    if not len(tokens):
        return tokens, np.zeros(0, int)
    as_bytes = np.ascontiguousarray(tokens).view(np.dtype((np.void, tokens.dtype.itemsize * tokens.shape[1])))
    _, first, back = np.unique(as_bytes.ravel(), return_index=True, return_inverse=True)
    return tokens[first], back.ravel()


def _quality(problem: Problem, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means, stds = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for first in range(0, len(tokens), CHUNK):
        chunk = tokens[first : first + CHUNK]
        padded = np.concatenate([chunk, np.repeat(chunk[-1:], CHUNK - len(chunk), 0)])
        mean, std = jit_quality(problem, jnp.asarray(padded))
        means.append(np.asarray(mean)[: len(chunk)])
        stds.append(np.asarray(std)[: len(chunk)])
    return np.concatenate(means), np.concatenate(stds)


def _answers(description: Description, asked: Mapping[str, np.ndarray], found: AnswerArrays) -> list[Answer]:
    texts: dict[bytes, str] = {}
    out = []
    for i, row in enumerate(found.index.tolist()):
        tokens = found.tokens[i]
        text = texts.setdefault(tokens.tobytes(), "") or description.space.format(tokens)
        texts[tokens.tobytes()] = text
        costs = {info.name: float(cost) for info, cost in zip(description.costs, found.costs[i], strict=True)}
        out.append(
            Answer(
                budget={name: values[row].item() for name, values in asked.items()},
                tokens=tokens,
                text=text,
                quality=float(found.quality[i]),
                quality_std=float(found.quality_std[i]),
                costs=costs,
                raw_costs={info.name: info.to_raw(costs[info.name]) for info in description.costs},
                guaranteed=bool(found.guaranteed[i]),
                source=SOURCES[found.source[i]],
            )
        )
    return out
