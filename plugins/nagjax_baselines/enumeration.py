"""The controller ``enumeration``: every architecture once, where the space is small enough; the exact front.

Architectures are taken in a scattered order from a random start (rank i * p + start modulo their number, p a prime
above it), so that a run that ends early has looked everywhere: until all are seen it is random search without
repeats. Afterwards nothing more is evaluated.
"""

from __future__ import annotations

import dataclasses
import math

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.populations import findings as fd
from nagjax.problems.problem import Problem, Spec
from nagjax_baselines.counting import architecture_at, completions

MOST = 2**20
PRIMES = (1048583, 1048589, 1048601, 1048609, 1048613, 1048627, 1048633, 1048661)
"""Primes above ``MOST``, hence coprime to every number of architectures that is enumerated."""
LARGEST_BATCH = 2048


@flax.struct.dataclass
class State:
    """Where the enumeration stands.

    Attributes:
      findings: the front of what was seen.
      seen: architectures seen under the present problem, uint32.
      start: where the order began, uint32.
      prime: p of the order, uint32.
    """

    findings: fd.Findings
    seen: jax.Array
    start: jax.Array
    prime: jax.Array


@factory("enumeration")
def make(spec: Spec, batch: int = 1024, capacity: int = 1024) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      batch: architectures an update looks at.
      capacity: of the front.

    Raises:
      ValueError: if the space may hold more than 2^20 architectures.
    """
    most = math.prod(spec.choices)
    if most > MOST:
        raise ValueError(
            f"enumeration: {len(spec.choices)} decisions allow up to {most:.3g} architectures, and at most {MOST:,} "
            "are enumerated; use random, or a controller that searches"
        )
    if batch > LARGEST_BATCH:
        raise ValueError(f"enumeration: batch={batch}: is at most {LARGEST_BATCH}")

    def init(key: jax.Array, _problem: Problem, _params: Params) -> State:
        start_key, prime_key = jax.random.split(key)
        start = jax.random.randint(start_key, (), 0, MOST).astype(jnp.uint32)
        prime = jnp.array(PRIMES, jnp.uint32)[jax.random.randint(prime_key, (), 0, len(PRIMES))]
        return State(fd.nothing(spec, capacity), jnp.uint32(0), start, prime)

    def update(
        state: State, _key: jax.Array, problem: Problem, _params: Params, _progress: jax.Array
    ) -> tuple[State, Metrics]:
        counts = completions(problem)
        total = counts[0, 0].astype(jnp.uint32)
        real = state.seen + jnp.arange(batch, dtype=jnp.uint32) < total

        def look() -> tuple[fd.Findings, jax.Array, jax.Array]:
            stride = state.prime % total
            # Below 2^20 each and a batch below 2^12: no product passes 32 bits.
            first = (state.start + _times(state.seen, stride, total)) % total
            rank = (first + jnp.arange(batch, dtype=jnp.uint32) * stride) % total
            tokens = architecture_at(problem, counts, rank.astype(jnp.int32))
            findings, quality, costs = fd.record(state.findings, problem, tokens, real)
            # No budget is asked: what fits none is over.
            over = (real & (costs > problem.high[None]).any(-1)).sum()
            return findings, over, (real & ~jnp.isfinite(quality)).sum()

        nothing = jnp.int32(0)
        findings, over, nonfinite = jax.lax.cond(real[0], look, lambda: (state.findings, nothing, nothing))
        state = dataclasses.replace(state, findings=findings, seen=state.seen + real.sum(dtype=jnp.uint32))
        return state, fd.metrics(findings, over, nonfinite)

    def rebase(state: State, problem: Problem) -> State:
        return dataclasses.replace(state, findings=fd.rescore(state.findings, problem), seen=jnp.uint32(0))

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, _: Artefact(None, state.findings.archive),
        rebase=rebase,
    )


def _times(a: jax.Array, b: jax.Array, modulus: jax.Array) -> jax.Array:
    """``a * b % modulus`` of uint32 below 2^20, in halves so that no product passes 32 bits."""
    high, low = a >> 10, a & 1023
    return (((high * b) % modulus << 10) + low * b) % modulus
