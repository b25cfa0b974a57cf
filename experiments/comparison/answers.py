"""What a controller answers to the budgets of a comparison, by its policy or by what it has found."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from experiments.comparison.case import Case
from nagjax.controllers import Artefact
from nagjax.inference.answering import BEAMS, DRAWS, jit_candidates
from nagjax.inference.generator import Generator
from nagjax.inference.nondominated import make_nondominated
from nagjax.populations.archive import Archive

DECODES = {
    "greedy": "one pass of the policy for each budget; nothing is looked up or evaluated",
    "archive": "the best architecture within the budget among those that the search kept, else the cheapest of all",
    "best": "what generate() answers by default: policy, samples, beams and archive; the evaluations count",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Answers to the budgets of a case: tokens int32 ``[B, T]``, and what finding them cost in evaluations."""

    tokens: np.ndarray
    evaluations: int = 0


def answers(found: Artefact, case: Case, decode: str, seed: int = 0) -> Answers | None:
    """Answers in one of the ways of ``DECODES``; None where the artefact has no policy, or no archive, to do so."""
    if decode == "greedy":
        return _greedy(found, case) if found.policy is not None else None
    if decode == "archive":
        return _archive(found.archive, case) if found.archive is not None else None
    return _best(found, case, seed)


def _greedy(found: Artefact, case: Case) -> Answers:
    policy = Artefact(found.policy, None)
    one = jit_candidates(policy, case.problem, jnp.asarray(case.budgets), jax.random.key(0), "greedy", 1)
    return Answers(np.asarray(one.tokens)[:, 0])


def _archive(archive: Archive, case: Case) -> Answers:
    row, quality = jax.jit(Archive.best_within)(archive, jnp.asarray(case.budgets))
    tokens = np.asarray(archive.tokens)[np.asarray(row)]
    held = np.isfinite(np.asarray(quality))[:, None]
    return Answers(np.where(held, tokens, case.cheapest[None]))


def _best(found: Artefact, case: Case, seed: int) -> Answers:
    infos = case.description.costs
    budgets = {info.name: info.to_unit(case.budgets[:, k]) for k, info in enumerate(infos)}
    if len(infos) == 1:
        front = make_nondominated(found, case.problem, case.description, seed)
        row = np.maximum(front.best(np.stack(list(budgets.values()), -1)), 0)
        return Answers(front.tokens[row], front.looks)
    generator = Generator(found, case.problem, case.description, {})
    looks = (1 + DRAWS + BEAMS) if found.policy is not None else 1
    return Answers(generator.generate_arrays(budgets=budgets, seed=seed).tokens, looks * len(case.budgets))
