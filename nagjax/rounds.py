"""True evaluations in rounds: fit a predictor, let a proposer choose, evaluate, append durably, and again.

The start is spread over the range of costs. Every later round fits the kind to all that did not fail, asks the proposer
for architectures that were not evaluated, over the whole range of budgets, and evaluates them on the workers. What a
round proposes depends on earlier rounds and the seed alone, so a search that was interrupted goes on as if it had not
been: what is in its file is not evaluated again.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np

from nagjax import arguments, plugins
from nagjax.evaluators import pool as workers
from nagjax.evaluators.evaluator import Evaluator
from nagjax.evaluators.journal import Evaluations, Journal, Proposal
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit
from nagjax.problems.problem import Description, Problem
from nagjax.proposers.candidates import CHUNK, among, padded, told_of
from nagjax.proposers.proposer import Proposer, Question
from nagjax.spaces import draws
from nagjax.spaces import trellis as tl

LEAST = 10
"""Evaluations that a predictor is fitted to at least."""
STEP = 512
"""Predictors are padded to multiples of it, so that few shapes are compiled: a process asks for the square of it."""


GROWING, LARGEST = ((100, 5), (250, 10)), 25
"""Below how many evaluations how many are made between two fits; ``LARGEST`` afterwards.

Not shares of all evaluations: a search that is given more goes on with the rounds it has.
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many evaluations, and when.

    Attributes:
      evaluations: in all, failed ones too.
      start: before a predictor is fitted for the first time.
      per_round: afterwards, between two fits; None for ``GROWING``: the less is known, the more each fit tells.
      retries: how often a failure is tried again before it is one.
    """

    evaluations: int = 300
    start: int = 25
    per_round: int | None = None
    retries: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        arguments.count(self.evaluations, "evaluations", least=LEAST)
        arguments.count(self.start, "start", least=LEAST)
        if self.per_round is not None:
            arguments.count(self.per_round, "per_round")
        arguments.count(self.retries, "retries", least=0)
        if self.start > self.evaluations:
            raise ValueError(
                f"start={self.start} is more than evaluations={self.evaluations}; give fewer to start with"
            )

    def size(self, number: int) -> int:
        """Evaluations of a round; 0 is the start.

        >>> plan = Plan(evaluations=300)
        >>> [plan.size(number) for number in (0, 1, 15, 16, 30, 31, 32, 33)]
        [25, 5, 5, 10, 10, 25, 25, 0]
        """
        size, done = self.start, 0
        for _ in range(number):
            done += size
            size = min(self._between_fits(done), self.evaluations - done)
        return size

    def _between_fits(self, done: int) -> int:
        if self.per_round is not None:
            return self.per_round
        return next((size for below, size in GROWING if done < below), LARGEST)


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """What decides a search.

    Attributes:
      problem, description: space and costs; the problem's quality is not used.
      evaluator, kind, proposer: the truth, how a predictor is fitted to it, and what is evaluated next.
      plan: how many.
      seed: of all that is drawn.
    """

    problem: Problem
    description: Description
    evaluator: Evaluator
    kind: Kind
    proposer: Proposer
    plan: Plan
    seed: int


Seen = Callable[[Evaluations, int], None]
"""Called after each evaluation with all so far and the number of the round."""


def run(search: Search, journal: Journal, pool: workers.Pool, seen: Seen = lambda *_: None) -> Evaluations:
    """Evaluate until the plan is done; goes on from what the journal holds.

    Raises:
      ValueError: if everything that was evaluated at the start failed, the kind cannot be fitted, or the proposer gives
        what cannot be evaluated.
      KeyboardInterrupt: when it is interrupted; what is done is in the journal.
    """
    number = 0
    while search.plan.size(number):
        evaluations = journal.evaluations()
        done = evaluations.number == number
        left = search.plan.size(number) - int(done.sum())
        if left:
            tokens, proposals = _proposals(search, evaluations, number)
            fresh = np.flatnonzero(~among(tokens, evaluations.tokens))[:left]
            if not len(fresh):
                break  # every architecture is evaluated
            asked = tokens[fresh]
            outcomes = workers.evaluate(search.evaluator, search.description.space, asked, pool, search.plan.retries)
            with contextlib.closing(outcomes):  # what is thrown here ends what still runs
                for row, outcome in outcomes:
                    journal.add(asked[row], outcome, proposals[fresh[row]])
                    seen(journal.evaluations(), number)
        _check_some_succeeded(journal.evaluations(), number)
        number += 1
    return journal.evaluations()


def _proposals(search: Search, evaluations: Evaluations, number: int) -> tuple[np.ndarray, list[Proposal]]:
    """What a round evaluates, int32 ``[M, T]``, from what earlier rounds gave."""
    size = search.plan.size(number)
    if number == 0:
        return _start(search), [Proposal(0, place) for place in range(size)]
    before = evaluations.before(number)
    if before.known.sum() < LEAST:
        tokens = _random(search, before.tokens, size, number)
        return tokens, [Proposal(number, place) for place in range(len(tokens))]
    fitted = fitted_to(search, before)
    quality = fitted.predictor.padded(min(-(-len(before.tokens) // STEP) * STEP, search.plan.evaluations))
    problem = dataclasses.replace(search.problem, quality=quality)
    question = Question(problem, search.description, before, size, number, search.seed)
    with plugins.raised_by("proposers", search.proposer.name):
        tokens = _checked(search, question, search.proposer.propose(question))
    if not len(tokens):
        return tokens, []  # nothing is left to evaluate
    mean, std = told(problem, tokens)
    return tokens, [Proposal(number, place, mean[place], std[place]) for place in range(len(tokens))]


def _start(search: Search) -> np.ndarray:
    """Architectures spread over the range of costs."""
    space, allowed = search.description.space, np.asarray(search.problem.allowed)
    plan, costs_of = search.plan, search.description.costs_of
    return draws.spread(space, allowed, lambda tokens: costs_of(tokens)[:, 0], plan.start, search.seed)


def _checked(search: Search, question: Question, proposed: np.ndarray) -> np.ndarray:
    """Proposals that are new and allowed, filled up at random to the number that was asked for.

    Raises:
      ValueError: if the proposer gave what is not an architecture, twice the same, or what is evaluated already.
    """
    space = search.description.space
    if not len(proposed):
        return _random(search, question.evaluated.tokens, question.num, question.number)
    space.check(proposed)
    tokens = np.asarray(proposed, np.int32)[: question.num]
    if len(np.unique(tokens, axis=0)) < len(tokens) or among(tokens, question.evaluated.tokens).any():
        raise ValueError("it proposed one architecture twice, or one that is evaluated already")
    _, fine = tl.walk(space.trellis.target, np.asarray(search.problem.allowed), tokens)
    if not fine.all():
        raise ValueError(f"it proposed {space.format(tokens[np.argmin(fine)])}, which the conditions do not admit")
    taken = np.concatenate([tokens, question.evaluated.tokens])
    return np.concatenate([tokens, _random(search, taken, question.num - len(tokens), question.number)])


def _random(search: Search, taken: np.ndarray, num: int, number: int) -> np.ndarray:
    """Architectures int32 ``[M, T]``, M <= ``num``, that are not among those taken ``[N, T]``."""
    rng = np.random.default_rng([search.seed, number])
    return draws.unseen(search.description.space, np.asarray(search.problem.allowed), taken, num, rng)


def fitted_to(search: Search, evaluations: Evaluations) -> FittedPredictor:
    """The predictor of the search's kind, fitted to all that did not fail.

    Raises:
      ValueError: if too few did not.
    """
    if evaluations.known.sum() < LEAST:
        raise ValueError(
            f"{int(evaluations.known.sum())} of {len(evaluations.tokens)} evaluations did not fail, and a predictor "
            f"needs {LEAST}; the last failure: {_last(evaluations)}; repair the evaluator, and go on with more of them"
        )
    records = evaluations.records(f"{int(evaluations.known.sum())} evaluations by {search.evaluator.name}")
    return fit(search.kind, search.description.space, records, search.seed)


def final_predictor(search: Search, evaluations: Evaluations) -> FittedPredictor:
    """The fitted predictor, with what was evaluated told as it is; a predictor of ranks stays as it is."""
    fitted = fitted_to(search, evaluations)
    if fitted.predictor.rank_valued:
        return fitted
    known = evaluations.known
    form = with_evaluated(fitted.predictor, evaluations.tokens[known], evaluations.quality[known])
    return FittedPredictor(form, {**fitted.report, "evaluated": int(known.sum())})


def told(problem: Problem, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted mean and deviation float64 ``[N]`` of tokens ``[N, T]``."""
    mean, std, _ = told_of(problem, padded(tokens, CHUNK))
    return np.asarray(mean, np.float64)[: len(tokens)], np.asarray(std, np.float64)[: len(tokens)]


def _check_some_succeeded(evaluations: Evaluations, number: int) -> None:
    if number == 0 and not evaluations.known.any():
        raise ValueError(
            f"all of the first {len(evaluations.tokens)} evaluations failed; the last failure: {_last(evaluations)}; "
            "repair the evaluator, and begin in a new folder"
        )


def _last(evaluations: Evaluations) -> str:
    return next((reason for reason in reversed(evaluations.failure) if reason), "none")
