"""The controller ``lookup``: the best feasible labelled architecture, without any search.

A table lookup is hard to beat on small spaces. Labels are those of a problem whose quality is tabular: all of
them, or a random subset of ``labels`` that stands for what a user could afford to train. Reading them is what it costs:
evaluations are the labels read. A predictor holds no labels, so a problem with a predicted quality is refused; the
records behind a predictor are a front by themselves: insert their tokens, costs and labels into a
``nagjax.populations.front.Front``.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.populations.archive import allowed_rows
from nagjax.populations.front import Front
from nagjax.predictors.forms.table import TabularQuality
from nagjax.problems.problem import Problem, Spec

CHUNK = 1024


@flax.struct.dataclass
class State:
    """What was looked up.

    Attributes:
      findings: the front of the labels.
      ranks: int32 ``[L]``, rows of the table that are labelled.
      nonfinite: labels that are NaN or infinite, int32.
    """

    findings: fd.Findings
    ranks: jax.Array
    nonfinite: jax.Array


@factory("lookup", labels=0)
def make(spec: Spec, labels: int = 0, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      labels: number of labelled architectures, drawn at random without repeats; 0 for the whole table.
      capacity: of the front.

    Raises:
      ValueError: from ``init``, where the problem has no table of labels or fewer than ``labels``.
    """

    def init(key: jax.Array, problem: Problem, _params: Params) -> State:
        total = table(problem).values.shape[0]
        if labels > total:
            raise ValueError(f"lookup: labels={labels}, but the table has {total}; ask for at most that many")
        ranks = jax.random.permutation(key, total)[:labels] if labels else jnp.arange(total)
        return read(fd.nothing(spec, capacity), problem, ranks.astype(jnp.int32))

    def update(
        state: State, _key: jax.Array, _problem: Problem, _params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        return state, fd.metrics(state.findings, jnp.float32(0), state.nonfinite)

    def rebase(state: State, problem: Problem) -> State:
        fresh = fd.Findings(Front.empty(spec, capacity), state.findings.evaluations)
        return read(fresh, problem, state.ranks)

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=rebase,
    )


def table(problem: Problem) -> TabularQuality:
    """The table of labels.

    Raises:
      ValueError: where the problem has none.
    """
    quality: Any = problem.quality
    if not quality.looked_up:
        raise ValueError(
            f"lookup: a quality of the form {quality.form} holds no labels to look up; use a problem with a tabular "
            "quality, or another controller (random searches the same space without labels)"
        )
    table: TabularQuality = quality
    return table


def labelled(quality: TabularQuality, ranks: jax.Array) -> jax.Array:
    """Tokens int32 ``[B, T]`` of rows int32 ``[B]`` of the table: offsets along a path add up to its rank."""

    def step(
        state: tuple[jax.Array, jax.Array], layer: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        node, left = state
        offset, target = layer
        # An invalid choice has the offset of the next valid one, or of the node's end: the last that fits is valid.
        fits = offset[node] <= left[:, None]
        token = (fits.shape[1] - 1 - jnp.argmax(fits[:, ::-1], -1)).astype(jnp.int32)
        return (target[node, token], left - offset[node, token]), token

    _, tokens = jax.lax.scan(step, (jnp.zeros_like(ranks), ranks), (quality.offset, quality.target))
    return tokens.T


def read(findings: fd.Findings, problem: Problem, ranks: jax.Array) -> State:
    """Read rows int32 ``[L]`` of the problem's table into the front, chunk by chunk; closed ones do not count."""
    quality = table(problem)
    num = ranks.shape[0]
    size = min(CHUNK, num)
    rows = jnp.arange(-(-num // size) * size).reshape(-1, size)

    def step(state: tuple[fd.Findings, jax.Array], row: jax.Array) -> tuple[tuple[fd.Findings, jax.Array], None]:
        found, nonfinite = state
        tokens = labelled(quality, ranks[jnp.minimum(row, num - 1)])
        real = (row < num) & allowed_rows(problem, tokens)
        found, value, _ = fd.record(found, problem, tokens, real)
        return (found, nonfinite + (real & ~jnp.isfinite(value)).sum()), None

    (findings, nonfinite), _ = jax.lax.scan(step, (findings, jnp.int32(0)), rows)
    return State(findings, ranks, nonfinite)
