"""Inference: ``load`` a checkpoint, ``generate`` architectures for any number of budgets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import checkpoint
from nagjax.answering import DECODES, DRAWS, SOURCES, jit_candidates, jit_quality
from nagjax.controllers import Artefact
from nagjax.distinct import distinct_architectures
from nagjax.pareto import Archive
from nagjax.problem import Description, Problem, cheapest, restrict
from nagjax.spaces import trellis as tl

CHUNKS = (1, 32, 512)
"""Budgets are answered in chunks padded to one of these sizes: memory stays flat, and few shapes compile."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """An architecture for a budget.

    Attributes:
      budget: what was asked, by cost column, in its unit.
      tokens: int32 ``[T]``.
      text: the architecture as text; ``space.parse`` reads it.
      quality, quality_std: predicted, fractions.
      costs: by cost column, in its unit; never below the sum of the table's rows, corrected as the table says.
      raw_costs: the same before correction.
      guaranteed: whether every cost is known to be within its budget.
      source: what found it: greedy, sample, beam, archive, random.
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
class Generator:
    """A trained generator; ``nagjax.answering.candidates`` takes its ``artefact`` and ``problem`` in your own jit."""

    artefact: Artefact
    problem: Problem
    description: Description
    config: Mapping[str, Any]

    @property
    def budget_range(self) -> np.ndarray:
        """Cheapest and dearest architecture of each cost column, float64 ``[K, 2]``, in its unit."""
        return self.description.ranges

    def describe(self, answer: Answer) -> str:
        """An answer's architecture for a person."""
        return self.description.space.describe(answer.tokens)

    def generate(
        self,
        budgets_ms: Sequence[float] | np.ndarray | float | None = None,
        *,
        budgets: Mapping[str, Sequence[float] | np.ndarray | float] | None = None,
        num_samples: int = 1,
        decode: str = "best",
        where: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> list[Answer]:
        """Architectures for budgets.

        Args:
          budgets_ms: latency budgets in ms, short for ``budgets={"latency_ms": ...}``.
          budgets: budgets by cost column, all of one length; a column that is left out does not bind.
          num_samples: distinct architectures a budget, best first (most likely first for ``beam``).
          decode: ``greedy`` (the policy's arg max), ``sample``, ``beam``, or ``best``: all of them and the archive.
            With ``best`` a larger budget of a call never gets a lower predicted quality.
          where: conditions on the architecture, as ``Space.where`` takes them.
          seed: of the samples.

        Returns:
          ``num_samples`` answers for each budget, in the order of the budgets.

        Raises:
          ValueError: if a budget is below the cheapest architecture, fewer than ``num_samples`` exist, or an argument
            is unknown.
        """
        if decode not in DECODES:
            raise ValueError(f"decode={decode!r} is not one of {', '.join(DECODES)}")
        if num_samples < 1 or (decode == "greedy" and num_samples > 1):
            raise ValueError(
                f"num_samples={num_samples}: at least 1, and greedy has exactly one; use sample, beam or best"
            )
        artefact, problem, description = self._under(where)
        asked = _columns(description, budgets_ms, budgets)
        ticks = _ticks(problem, description, asked)
        if not len(ticks):
            return []
        found = [_Found(*row) for row in _answer(artefact, problem, ticks, num_samples, decode, seed)]
        if decode == "best" and num_samples == 1:
            found = _monotone(found, ticks)
        return _answers(problem, description, asked, ticks, found)

    def _under(self, where: Mapping[str, Any] | None) -> tuple[Artefact, Problem, Description]:
        if not where:
            return self.artefact, self.problem, self.description
        mask = self.description.space.where(where)
        problem = restrict(self.problem, jnp.asarray(mask))
        if bool((cheapest(problem) >= tl.INFINITE).any()):
            raise ValueError(f"where={dict(where)}: no architecture of the checkpoint's problem satisfies all of it")
        allowed = np.asarray(problem.allowed)
        target, low = np.asarray(problem.target), np.asarray(cheapest(problem))
        ranges = []
        for k, info in enumerate(self.description.costs):
            high = tl.dearest(target, allowed, np.asarray(problem.cost[k], np.int64), info.reduce)
            ranges.append([info.to_unit(int(low[k])).item(), info.to_unit(int(high)).item()])
        archive = self.artefact.archive
        if archive is not None:
            archive = _keep_allowed(self.description, archive, allowed)
        description = dataclasses.replace(self.description, ranges=np.array(ranges), where=dict(where))
        return Artefact(self.artefact.policy, archive), problem, description


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


@dataclasses.dataclass(frozen=True, eq=False)
class _Found:
    tokens: np.ndarray
    costs: np.ndarray
    objective: float
    source: str


def _keep_allowed(description: Description, archive: Archive, allowed: np.ndarray) -> Archive:
    _, fine = tl.walk(description.space.trellis.target, allowed, np.asarray(archive.tokens))
    return dataclasses.replace(archive, quality=jnp.where(jnp.asarray(fine), archive.quality, -jnp.inf))


def _columns(
    description: Description,
    budgets_ms: Sequence[float] | np.ndarray | float | None,
    budgets: Mapping[str, Sequence[float] | np.ndarray | float] | None,
) -> dict[str, np.ndarray]:
    if (budgets_ms is None) == (budgets is None):
        raise ValueError("give either budgets_ms or budgets")
    given = {"latency_ms": budgets_ms} if budgets is None else dict(budgets)
    names = [info.name for info in description.costs]
    columns = {name: np.atleast_1d(np.asarray(values, np.float64)) for name, values in given.items()}
    unknown = [name for name in columns if name not in names]
    if unknown or not columns:
        raise ValueError(f"budgets: {unknown or 'none'} given; this checkpoint's costs are {', '.join(names)}")
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) > 1 or any(values.ndim != 1 for values in columns.values()):
        raise ValueError(f"budgets: every column is a list of the same length, not {lengths}")
    return columns


def _ticks(problem: Problem, description: Description, asked: Mapping[str, np.ndarray]) -> np.ndarray:
    """Budgets int32 ``[B, K]``; refuses what nothing can meet, serves what is above the dearest as the dearest."""
    num = len(next(iter(asked.values())))
    out = np.full((num, len(description.costs)), tl.INFINITE - 1, np.int64)
    lows = np.asarray(cheapest(problem))
    for k, info in enumerate(description.costs):
        if info.name not in asked:
            continue
        values, (low, high) = asked[info.name], description.ranges[k]
        if not np.isfinite(values).all():
            raise ValueError(f"budget {info.name}={values[~np.isfinite(values)][0]} is not a number")
        # Cut in units first, so that a huge budget cannot overflow; then to ticks by floor, in float64.
        out[:, k] = info.to_ticks(np.minimum(values, high))
        short = out[:, k] < lows[k]
        if short.any():
            where = f" where {dict(description.where)}" if description.where else ""
            raise ValueError(
                f"budget {info.name}={values[short][0]:g} is below the cheapest architecture on "
                f"{info.device or info.source}: "
                f"possible are {info.span(low, high)}{where}"
            )
    return out.astype(np.int32)


def _answer(
    artefact: Artefact, problem: Problem, ticks: np.ndarray, num_samples: int, decode: str, seed: int
) -> list[tuple[np.ndarray, np.ndarray, float, str]]:
    out = []
    key = jax.random.key(seed)
    if num_samples > 1:
        for index, row in enumerate(ticks):
            out += distinct_architectures(artefact, problem, row, num_samples, decode, jax.random.fold_in(key, index))
        return out
    draws = DRAWS if decode == "best" else {"sample": 1, "beam": 4}.get(decode, 1)
    for first, last, chunk in _chunks(ticks):
        found = jit_candidates(artefact, problem, jnp.asarray(chunk), jax.random.fold_in(key, first), decode, draws)
        # A beam's first is its most likely; everywhere else the best predicted counts.
        objective = np.asarray(found.objective)[: last - first]
        best = np.zeros(len(objective), int) if decode == "beam" else np.argmax(objective, 1)
        rows = np.arange(len(objective))
        tokens, costs = np.asarray(found.tokens)[rows, best], np.asarray(found.costs)[rows, best]
        source = np.asarray(found.source)[best]
        out += [(tokens[i], costs[i], float(objective[i, best[i]]), SOURCES[source[i]]) for i in rows]
    return out


def _chunks(rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Cut rows into (first, last, chunk); a chunk is padded with its last row to the smallest size that holds it."""
    for first in range(0, len(rows), CHUNKS[-1]):
        chunk = rows[first : first + CHUNKS[-1]]
        size = min(size for size in CHUNKS if size >= len(chunk))
        yield first, first + len(chunk), np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), 0)])


def _monotone(found: list[_Found], ticks: np.ndarray) -> list[_Found]:
    """An answer within a smaller budget is an answer for a larger one: give every budget the best that fits it."""
    order = np.lexsort(ticks.T[::-1])
    out = list(found)
    if ticks.shape[1] == 1:
        best = found[order[0]]
        for row in order:
            best = found[row] if found[row].objective >= best.objective else best
            out[row] = best
        return out
    costs, objective = np.stack([f.costs for f in found]), np.array([f.objective for f in found])
    for row in order:
        fits = (costs <= ticks[row]).all(1)
        best_row = int(np.argmax(np.where(fits, objective, -np.inf)))
        out[row] = found[best_row] if fits[best_row] and objective[best_row] > found[row].objective else found[row]
    return out


def _answers(
    problem: Problem, description: Description, asked: Mapping[str, np.ndarray], ticks: np.ndarray, found: list[_Found]
) -> list[Answer]:
    tokens = np.stack([f.tokens for f in found])
    quality = _quality(problem, tokens)
    repeats = len(found) // len(ticks)
    out = []
    for i, one in enumerate(found):
        row = i // repeats
        costs = {info.name: info.to_unit(int(c)).item() for info, c in zip(description.costs, one.costs, strict=True)}
        out.append(
            Answer(
                budget={name: values[row].item() for name, values in asked.items()},
                tokens=one.tokens,
                text=description.space.format(one.tokens),
                quality=float(quality[0][i]),
                quality_std=float(quality[1][i]),
                costs=costs,
                raw_costs={info.name: info.to_raw(costs[info.name]) for info in description.costs},
                guaranteed=bool((one.costs <= ticks[row]).all()),
                source=one.source,
            )
        )
    return out


def _quality(problem: Problem, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means, stds = [], []
    for first, last, chunk in _chunks(tokens):
        mean, std = jit_quality(problem, jnp.asarray(chunk))
        means.append(np.asarray(mean)[: last - first])
        stds.append(np.asarray(std)[: last - first])
    return np.concatenate(means), np.concatenate(stds)
