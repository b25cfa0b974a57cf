"""The controller ``exact`` by replaced blocks: what each choice does to the quality of the largest architecture alone.

Replace-one-block scores are Puzzle's (Bercovich et al., arXiv 2411.19146): a child differs from its parent, the largest
architecture, in one choice, and the difference of their qualities is the score of that choice. Scores of pairs add what
two choices of neighbouring decisions do together beyond the sum of both; the solver then works on a graph whose nodes
know the last choice. All children are evaluated once, and after that every evaluation is a solution for some budget.
"""

from __future__ import annotations

import dataclasses
import itertools
from functools import partial

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.budgets import spread_budgets
from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods
from nagjax.generator.walk import decode_scores
from nagjax.populations import additive
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec
from nagjax.spaces.trellis import INFINITE
from nagjax_baselines.shrink import completed

NODES = 1024
"""Nodes of a layer, each with every last choice, beyond which pairs are not solved."""

FAILED = -1.0
"""Score of a choice whose child has no quality: a loss of everything."""


@flax.struct.dataclass
class State:
    """The front of everything evaluated, and the children: the parent itself, and one for each score.

    Attributes:
      findings: the front.
      quality: float32 ``[M]``, of the children evaluated so far.
      known: bool ``[M]``, which those are.
      done: int32, how many evaluations were made.
    """

    findings: fd.Findings
    quality: jax.Array
    known: jax.Array
    done: jax.Array


def methods(spec: Spec, num: int, bins: int, capacity: int, pairs: bool) -> Methods:
    """The controller, with ``num`` evaluations an update; ``pairs`` scores neighbouring decisions together too.

    Raises:
      ValueError: if the graph is too large for pairs.
    """
    if pairs and spec.num_nodes * (spec.num_choices + 1) > NODES:
        raise ValueError(
            f"exact: scores=pairs: {spec.num_nodes} nodes with {spec.num_choices} last choices each are more than the "
            f"{NODES} that are solved; give scores=replacement"
        )
    wanted = jnp.asarray(children(spec, pairs))

    def begin(findings: fd.Findings) -> State:
        return State(findings, jnp.zeros(len(wanted)), jnp.zeros(len(wanted), bool), jnp.int32(0))

    def init(_key: jax.Array, _problem: Problem, _params: Params) -> State:
        return begin(fd.nothing(spec, capacity))

    def update(
        state: State, key: jax.Array, problem: Problem, _params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        budgets = spread_budgets(key, problem, num)
        tokens, _ = solve(problem, scores(state, spec, pairs), budgets, bins)
        every, made = made_children(problem, wanted)
        turn = state.done + jnp.arange(num)
        scored = turn < made.sum()
        row = jnp.argsort(~made, stable=True)[jnp.minimum(turn, len(wanted) - 1)]
        tokens = jnp.where(scored[:, None], every[row], tokens)
        budgets = jnp.where(scored[:, None], problem.high[None], budgets)
        found, quality, costs = fd.record(state.findings, problem, tokens)
        place = jnp.where(scored, row, len(wanted))
        state = State(
            found,
            state.quality.at[place].set(quality, mode="drop"),
            state.known.at[place].set(True, mode="drop"),
            state.done + num,
        )
        return state, fd.metrics(found, (costs > budgets).any(-1).sum(), (~jnp.isfinite(quality)).sum())

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=lambda state, problem: begin(fd.rescore(state.findings, problem)),
    )


def children(spec: Spec, pairs: bool) -> np.ndarray:
    """What each child chooses, int32 ``[M, T]``, -1 where it is as its parent.

    The parent is first, then all choices of each decision, then with ``pairs`` all of each two neighbours.

    >>> children(Spec(("a", "b"), (2, 1), ("sum",), 0, 1), True).tolist()
    [[-1, -1], [0, -1], [1, -1], [-1, 0], [0, 0], [1, 0]]
    """
    rows = [np.full(spec.num_layers, -1, np.int32)]
    for width in (1, 2) if pairs else (1,):
        for first in range(spec.num_layers - width + 1):
            for chosen in itertools.product(*map(range, spec.choices[first : first + width])):
                rows.append(rows[0].copy())
                rows[-1][first : first + width] = chosen
    return np.stack(rows)


def made_children(problem: Problem, wanted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The children int32 ``[M, T]``, and which of them are as wanted ``[M, T]`` and differ so from the parent.

    What is not wanted otherwise is as in the parent, the costliest architecture, where it is possible.
    """
    parent = completed(problem, wanted[:1])
    free = wanted < 0
    wishes = jax.nn.one_hot(jnp.where(free, parent, wanted), problem.spec.num_choices)
    tokens, _ = decode_scores(problem, wishes, jnp.full((len(wanted), problem.spec.num_costs), INFINITE - 1))
    return tokens, (free | ((tokens == wanted) & (wanted != parent))).all(-1)


def scores(state: State, spec: Spec, pairs: bool) -> tuple[jax.Array, jax.Array | None]:
    """Scores of choices float32 ``[T, C]``, and of pairs ``[T, C, C]``: the choice before, and that of decision t.

    What is not evaluated, and what the parent has, scores 0.
    """
    wanted = children(spec, pairs)
    parent = jnp.where(jnp.isfinite(state.quality[0]), state.quality[0], 0.0)
    lost = jnp.where(jnp.isfinite(state.quality), state.quality - parent, FAILED)
    lost = jnp.where(state.known, lost, 0.0)
    changed = (wanted >= 0).sum(1)
    one, two = np.flatnonzero(changed == 1), np.flatnonzero(changed == 2)
    layer = np.argmax(wanted >= 0, 1)
    single = jnp.zeros((spec.num_layers, spec.num_choices)).at[layer[one], wanted[one, layer[one]]].set(lost[one])
    if not pairs:
        return single, None
    before, after = wanted[two, layer[two]], wanted[two, layer[two] + 1]
    beyond = lost[two] - single[layer[two], before] - single[layer[two] + 1, after]
    blank = jnp.zeros((spec.num_layers, spec.num_choices, spec.num_choices))
    return single, blank.at[layer[two] + 1, before, after].set(jnp.where(state.known[two], beyond, 0.0))


def solve(
    problem: Problem, found: tuple[jax.Array, jax.Array | None], budgets: jax.Array, bins: int
) -> tuple[jax.Array, jax.Array]:
    """The architectures of the largest sums of scores within budgets, as ``additive.best_paths`` gives them."""
    single, beyond = found
    gains = jnp.where(problem.open[:, :, None], single[:, None], 0.0)
    if beyond is None:
        return additive.best_paths(problem, gains, budgets, bins)
    # Behind a decision that is closed there is no last choice, so the pair of it scores nothing.
    paired = jnp.pad(beyond, ((0, 0), (1, 0), (0, 0)))
    paired = jnp.where(problem.open[:, :, None, None], paired[:, None], 0.0).reshape(len(single), -1, single.shape[1])
    each = partial(jnp.repeat, repeats=single.shape[1] + 1, axis=1)
    return additive.best_paths(with_last_choice(problem), each(gains) + paired, budgets, bins)


def with_last_choice(problem: Problem) -> Problem:
    """The problem on a graph whose nodes know the last choice too; its paths and their costs are the same.

    Node s becomes ``s * (C + 1) + 1 + choice``, and ``s * (C + 1)`` at the start and behind a decision that was closed.
    """
    spec, choices = problem.spec, problem.spec.num_choices
    last = jnp.where(problem.open[:, :, None], 1 + jnp.arange(choices), 0)
    each = partial(jnp.repeat, repeats=choices + 1)
    return dataclasses.replace(
        problem,
        target=each((problem.target * (choices + 1) + last).astype(jnp.int32), axis=1),
        open=each(problem.open, axis=1),
        features=each(problem.features, axis=1),
        allowed=each(problem.allowed, axis=1),
        cost=each(problem.cost, axis=2),
        need=each(problem.need, axis=2),
        togo=each(problem.togo, axis=2),
        spec=dataclasses.replace(spec, num_nodes=spec.num_nodes * (choices + 1)),
    )
