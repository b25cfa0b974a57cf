"""What a search has found: the exact front of everything it evaluated, and how many evaluations that took.

The bookkeeping that every controller of architectures shares. An evaluation is a call of the quality function, repeats
included; what has no finite quality is counted and never kept.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.populations.front import Front
from nagjax.problems.problem import Problem, Spec, evaluate


@flax.struct.dataclass
class Findings:
    """The front of a search.

    Attributes:
      archive: what nothing evaluated so far beats, in a fixed capacity.
      evaluations: calls of the quality function so far, uint32.
    """

    archive: Front
    evaluations: jax.Array


def nothing(spec: Spec, capacity: int) -> Findings:
    """No findings yet, with room for a front of ``capacity`` architectures."""
    return Findings(Front.empty(spec, capacity), jnp.uint32(0))


def record(
    findings: Findings, problem: Problem, tokens: jax.Array, real: jax.Array | None = None
) -> tuple[Findings, jax.Array, jax.Array]:
    """Evaluate canonical tokens int32 ``[B, T]``, count them and keep the best; of ``real``, bool ``[B]``, alone.

    Returns:
      findings; quality float32 ``[B]``, -inf where it is not finite or the row does not count; costs int32 ``[B, K]``.
    """
    quality, costs = evaluate(problem, tokens)
    counted = jnp.uint32(tokens.shape[0]) if real is None else real.sum(dtype=jnp.uint32)
    quality = quality if real is None else jnp.where(real, quality, -jnp.inf)
    archive = findings.archive.insert(tokens, costs, quality)
    return Findings(archive, findings.evaluations + counted), quality, costs


def rescore(findings: Findings, problem: Problem) -> Findings:
    """The front under a changed problem; scoring it anew is counted."""
    held = findings.archive.occupied.sum(dtype=jnp.uint32)
    return Findings(findings.archive.rescore(problem), findings.evaluations + held)


def metrics(findings: Findings, infeasible: jax.Array, nonfinite: jax.Array) -> dict[str, jax.Array]:
    """Scalars of an update, float32, from the step's numbers of architectures over budget and without quality."""
    held = findings.archive.occupied
    best = jnp.max(jnp.where(held, findings.archive.quality, 0.0))
    return {
        "evaluations": findings.evaluations.astype(jnp.float32),
        "infeasible": infeasible.astype(jnp.float32),
        "nonfinite": nonfinite.astype(jnp.float32),
        "archive_quality": best,
        "archive_size": held.sum().astype(jnp.float32),
    }
