"""A ``Runner`` that trains the runs of a comparison in batches, each batch as one program over all devices."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from experiments.comparison.answers import answers
from experiments.comparison.case import Case
from experiments.comparison.rows import Key
from experiments.comparison.run import Options, Reading
from experiments.comparison.study import Cases
from experiments.comparison.tasks import Task
from nagjax import many_runs
from nagjax.controllers import Controller, Limits, Params
from nagjax.many_runs import Moments


class Together:
    """Trains the next runs when one is asked for that is not trained yet, and hands them over one by one.

    A run's ``seconds`` are its share of the time of its batch, compilation and looking at it included.
    """

    def __init__(
        self, options: Options, tasks: Sequence[Task], cases: Cases, at_a_time: int, beside: int | None = None
    ) -> None:
        """A runner of tasks that will be asked for in this order, under limits of updates.

        Runs on one problem may share a batch of ``at_a_time`` at most: those of one that is interrupted are lost.
        """
        self._options, self._tasks, self._cases, self._at_a_time = options, list(tasks), cases, at_a_time
        self._beside = beside
        self._held: dict[Key, list[Reading]] = {}

    def __call__(self, task: Task, case: Case) -> list[Reading]:
        """The readings of a run.

        Raises:
          ValueError: if its controller cannot be made, or does not answer in any way that was asked for.
        """
        if task.key not in self._held:
            self._train(task, case)
        return self._held.pop(task.key)

    def _train(self, task: Task, case: Case) -> None:
        controller, _ = task.contender.make(case.problem.spec, task.limit)
        batch: list[tuple[Task, Params]] = []
        for other in self._tasks[self._tasks.index(task) :]:
            made, params = other.contender.make(case.problem.spec, other.limit)
            same = made == controller and other.limit == task.limit
            if same and other.key not in self._held and self._cases(other.problem, other.seed) is case:
                batch.append((other, params))
        self._read(controller, case, batch[: self._at_a_time])

    def _read(self, controller: Controller, case: Case, batch: Sequence[tuple[Task, Params]]) -> None:
        limit, began = batch[0][0].limit, time.perf_counter()
        readings: list[list[Reading]] = [[] for _ in batch]
        over, marks = np.zeros(len(batch)), limit.marks(self._options.checkpoints)

        def seen(moments: Moments) -> None:
            nonlocal over, marks
            over = over + moments.metrics["infeasible"].sum(-1, dtype=np.float64)
            if moments.step < marks[0]:
                return
            marks = [mark for mark in marks if mark > moments.step]
            share = (time.perf_counter() - began) / len(batch)
            spent = np.asarray(moments.metrics["evaluations"], np.float64)[:, -1]
            for row, ((task, _), found) in enumerate(zip(batch, moments.artefacts(), strict=True)):
                for decode in self._options.decodes:
                    answered = answers(found, case, decode, task.seed)
                    if answered is not None:
                        evaluations = round(spent[row]) + answered.evaluations
                        figures = (evaluations, moments.step, share, 0.0, round(over[row]))
                        readings[row].append(Reading(decode, answered, *figures, not marks))
            if not readings[0]:
                raise ValueError(
                    f"--decodes={','.join(self._options.decodes)}: {controller.name!r} answers in none of these ways; "
                    "greedy needs a policy, archive needs an archive"
                )

        limits = Limits(int(limit.value), chunk=self._options.chunk or 25)
        seeds, params = [task.seed for task, _ in batch], [swept for _, swept in batch]
        many_runs.train_many(controller, case.problem, seeds, limits, params, seen, self._beside)
        self._held |= {task.key: found for (task, _), found in zip(batch, readings, strict=True)}
