"""The controller ``greedy_shrink``: from the largest architecture, step by step the edit that loses least.

AutoShrink (Zhang et al., arXiv 1911.09251) prunes a large cell in this way, an edit at a time. An update evaluates all
architectures that one other choice makes smaller, and takes the edit of the least loss of quality per cost that it
saves (``saving=1``) or of the least loss alone (``saving=0``). All that it meets is archived, so one descent serves
every budget. When nothing smaller is left the descent begins again from the largest, and from then on considers an edit
with the chance ``considered`` only, so that it takes other ways.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec
from nagjax.spaces.trellis import INFINITE, walk_nodes

LEAST = 1e-6
"""Of a saving, as a share of the range of costs: less is rounding."""
WORST = 1e30
"""Loss of an edit without a quality: it is taken where there is no other."""


@flax.struct.dataclass
class State:
    """Where the descent stands.

    Attributes:
      findings: the front of everything evaluated.
      tokens: int32 ``[T]``, the present architecture.
      quality: float32, of the present architecture.
      whole: float32, quality of the largest.
      descent: int32, from 0.
    """

    findings: fd.Findings
    tokens: jax.Array
    quality: jax.Array
    whole: jax.Array
    descent: jax.Array


@factory("greedy_shrink")
def make(spec: Spec, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      capacity: of the front.
    """

    def begin(findings: fd.Findings, problem: Problem) -> State:
        tokens = largest(problem)
        found, quality, _ = fd.record(findings, problem, tokens[None])
        return State(found, tokens, quality[0], quality[0], jnp.int32(0))

    def init(_key: jax.Array, problem: Problem, _params: Params) -> State:
        return begin(fd.nothing(spec, capacity), problem)

    def update(
        state: State, key: jax.Array, problem: Problem, params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        smaller, saved = edits(problem, state.tokens)
        considered = jax.random.uniform(key, saved.shape) < params["considered"]
        real = (saved > LEAST) & (considered | (state.descent == 0))
        asked = jnp.where(real[:, None], smaller, smaller[jnp.argmax(real)][None])  # no quality of what is not counted
        found, quality, costs = fd.record(state.findings, problem, asked, real)
        lost = jnp.where(jnp.isfinite(state.quality), state.quality, 0.0) - quality
        worth = lost / jnp.maximum(saved, LEAST) ** params["saving"]
        row = jnp.argmin(jnp.where(real, jnp.minimum(worth, WORST), jnp.inf))
        taken = dataclasses.replace(state, findings=found, tokens=smaller[row], quality=quality[row])
        stayed = dataclasses.replace(state, findings=found)
        again = State(found, largest(problem), state.whole, state.whole, state.descent + 1)
        ended = ~(saved > LEAST).any()
        infeasible = (real & (costs > problem.high[None]).any(-1)).sum()
        metrics = fd.metrics(found, infeasible, (real & ~jnp.isfinite(quality)).sum())
        return _where(ended, again, _where(real.any(), taken, stayed)), metrics

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=lambda state, problem: begin(fd.rescore(state.findings, problem), problem),
        defaults={"saving": 1.0, "considered": 0.5},
    )


def _where(chosen: jax.Array, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(chosen, a, b), one, other)


def sizes(problem: Problem) -> jax.Array:
    """What each edge adds to the size, float32 ``[T, S, C]``: its costs as shares of the highest, added up."""
    high = jnp.maximum(problem.high, 1).astype(jnp.float32)
    return (problem.cost.astype(jnp.float32) / high[:, None, None, None]).sum(0)


def usable(problem: Problem) -> jax.Array:
    """Edges bool ``[T, S, C]`` that are allowed and lead to an end."""
    return (problem.need < INFINITE).all(0)


def largest(problem: Problem) -> jax.Array:
    """The largest architecture, int32 ``[T]``."""
    blank = jnp.full((1, problem.spec.num_layers), -1, jnp.int32)
    return completed(problem, blank)[0]


def edits(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """All architectures that another choice of one decision of tokens int32 ``[T]`` makes smaller.

    Returns:
      the edited architectures int32 ``[T * C, T]``, what cannot stay behind the edit being the largest that can; and
      how much smaller each is, float32 ``[T * C]``, 0 where it is no such edit.
    """
    layers, choices = problem.target.shape[0], problem.target.shape[2]
    changed = jnp.eye(layers, dtype=bool)[:, None]
    wanted = jnp.where(changed, jnp.arange(choices)[None, :, None], tokens[None, None]).reshape(-1, layers)
    found = completed(problem, wanted.astype(jnp.int32))
    size = sizes(problem)
    saved = size_of(problem, size, tokens[None]) - size_of(problem, size, found)
    # An edit that is not possible came out as something else: it counts where its decision is as wanted.
    made = (jnp.where(changed, (found == wanted).reshape(layers, choices, layers), True)).all(-1).reshape(-1)
    return found, jnp.where(made, saved, 0.0)


def size_of(problem: Problem, size: jax.Array, tokens: jax.Array) -> jax.Array:
    """Size float32 ``[N]`` of architectures int32 ``[N, T]``."""
    nodes = walk_nodes(problem.target, tokens)
    return size[jnp.arange(tokens.shape[1]), nodes, tokens].sum(-1)


def completed(problem: Problem, wanted: jax.Array) -> jax.Array:
    """Architectures int32 ``[N, T]``: choices as wanted ``[N, T]`` where they are usable, elsewhere the largest."""
    can, size = usable(problem), sizes(problem)

    def ahead(following: jax.Array, layer: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        target, can, size = layer
        through = jnp.where(can, size + following[target], -jnp.inf)
        return through.max(-1), through

    end = jnp.zeros(problem.target.shape[1])
    _, through = jax.lax.scan(ahead, end, (problem.target, can, size), reverse=True)

    def step(node: jax.Array, layer: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        target, can, through, token = layer
        inside = jnp.maximum(token, 0)
        token = jnp.where((token >= 0) & can[node, inside], inside, jnp.argmax(through[node], -1)).astype(jnp.int32)
        return target[node, token], token

    start = jnp.zeros(wanted.shape[0], jnp.int32)
    _, tokens = jax.lax.scan(step, start, (problem.target, can, through, wanted.T))
    return tokens.T
