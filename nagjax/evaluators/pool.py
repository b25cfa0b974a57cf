"""Evaluations on workers: through any ``concurrent.futures.Executor``, with retries, as they complete.

``inline`` evaluates here, ``threads`` in threads (right for ``command``, whose work is done by other programs),
``processes`` in processes of this machine, ``dask:ADDRESS`` on a Dask cluster. MPI and Slurm have executors of their
own (``mpi4py.futures``, ``submitit``), which Python code hands over: docs/search.md shows how.
"""

from __future__ import annotations

import collections
import concurrent.futures as futures
import dataclasses
import functools
import logging
import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable, Collection, Generator
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.evaluators.evaluator import Evaluator, Outcome, check_remade, evaluate_by_name, evaluate_one
from nagjax.spaces.space import Space

_LOG = logging.getLogger(__name__)

NAMES = ("inline", "threads", "processes", "dask:ADDRESS")
DEATHS = 5
"""How often one architecture may lose its worker before that counts as its own failure."""
SUSPECT = 2
"""Deaths from which on it runs alone: where one dead process takes all others with it, the others live."""
DIED = ("CancelledError", "KilledWorker", "RestartedError", "UncompletedJobError")
"""Errors of Dask, submitit and our own that say the same as a broken executor."""
REMEMBERED = 60.0
"""Seconds for which a scheduler remembers a call that it was to let go of: by then it has."""
ANSWER = "10s"
"""How long a Dask cluster may take to answer."""
AWAY = 1800.0
"""Seconds in which a scheduler that answered once must be back."""
POLL = 0.1
"""Seconds between two looks at evaluations that are being ended."""


class Inline(futures.Executor):
    """Calls at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """The result of a call, or what it raised; an interruption passes."""
        future: futures.Future[Any] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Cluster(futures.Executor):
    """A Dask cluster, which goes on when it is let go of.

    Dask makes a call again where a worker dies: in the middle of it, or while it holds a result that nobody has
    released. Each call is therefore made under a ticket that is good once, and is asked for anew only here, where it is
    known whether its result was told.

    Attributes:
      client: a ``distributed.Client``.
    """

    def __init__(self, client: Any) -> None:
        """Calls on the workers of a client's scheduler."""
        self.client = client
        self._finished: collections.deque[tuple[str, Any]] = collections.deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """A call on the cluster; never answered from memory: a failure that is tried again is tried.

        Raises:
          BrokenExecutor: if the scheduler is lost. A client that looks for it may give up in between, and then never
            says what became of a call.
        """
        if self.client.status != "running":
            raise futures.BrokenExecutor("the scheduler is lost")
        future: futures.Future[Any] = futures.Future()
        ticket = f"nagjax-{uuid.uuid4().hex}"
        remote = self.client.submit(once, ticket, fn, *args, pure=False, **kwargs)
        self._release()
        remote.add_done_callback(functools.partial(self._told, future, ticket))
        future.add_done_callback(lambda done: remote.cancel() if done.cancelled() and not remote.done() else None)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which gives up the calls that run, however that is asked for."""
        del wait, cancel_futures
        self.client.close()

    def _told(self, future: futures.Future[Any], ticket: str, remote: Any) -> None:
        _pass_on(future, remote)
        self._finished.append((ticket, remote))

    def _release(self) -> None:
        """Have the cluster let go of calls that were told.

        That is said behind a new call: a client sends every 10 ms and a scheduler every 5 ms at most, so what is said
        before a call delays it. Calls that are held for that long are safe under their tickets.
        """
        while self._finished:
            ticket, remote = self._finished.popleft()
            remote.release()
            self.client.loop.add_callback(self.client.loop.call_later, REMEMBERED, self._forget, ticket)

    def _forget(self, ticket: str) -> Any:
        """Have the scheduler forget a ticket that nothing can ask for any more."""
        return self.client.scheduler.event_clear(name=ticket) if self.client.status == "running" else None


class RestartedError(RuntimeError):
    """Dask asked for a call whose worker had died in it, or after it."""


def once(ticket: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """On a Dask worker: a call, unless one was begun under the same ticket.

    Raises:
      RestartedError: if one was.
    """
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()

    async def used() -> bool:
        begun = bool(await worker.scheduler.event_is_set(name=ticket))
        if not begun:
            await worker.scheduler.event_set(name=ticket)
        return begun

    if sync(worker.loop, used):
        raise RestartedError("its worker died")
    return call(*args, **kwargs)


@dataclasses.dataclass(eq=False)
class Scheduler:
    """Where a Dask cluster is asked for; called again, it waits for one that is being restarted.

    Attributes:
      address: of its scheduler.
      answered: whether it was there before.
    """

    address: str
    answered: bool = False

    def __call__(self) -> futures.Executor:
        """The cluster.

        Raises:
          ValueError: if none answers there, at once the first time, later after ``AWAY`` seconds.
        """
        until = time.monotonic() + (AWAY if self.answered else 0.0)
        if self.answered:
            _LOG.warning("the scheduler %s is lost; waiting up to %.0f s for it", self.address, AWAY)
        while True:
            try:
                cluster = _dask(self.address)
            except ValueError:
                if time.monotonic() >= until:
                    raise
                continue
            self.answered = True
            return cluster


@dataclasses.dataclass(eq=False)
class Pool:
    """Workers; a context manager.

    Attributes:
      open: makes an executor; called again where a worker's death broke the last one.
      workers: evaluations at a time.
      elsewhere: whether calls run in other processes, where evaluators are made anew by name.
      lent: whether the executor is the user's, who shuts it down.
    """

    open: Callable[[], futures.Executor]
    workers: int
    elsewhere: bool
    lent: bool = False
    executor: futures.Executor | None = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def submit(self, call: Callable[..., Outcome], *args: Any) -> futures.Future[Outcome]:
        """A call on a worker; a broken executor is replaced."""
        for _ in range(2):
            self.executor = self.executor or self.open()
            try:
                return self.executor.submit(call, *args)
            except (futures.BrokenExecutor, RuntimeError) as error:
                reason = str(error)
                self.close()
        if self.lent:
            raise ValueError(f"the executor takes no calls ({reason}); search again with a new one: nothing is lost")
        raise ValueError(f"workers die as soon as they are started ({reason}); run one evaluation by hand to see why")

    def close(self) -> None:
        """Let go of the executor; what has not begun does not."""
        if self.executor is not None and not self.lent:
            self.executor.shutdown(wait=True, cancel_futures=True)
        self.executor = None


def open_pool(name: str | futures.Executor, workers: int | None, evaluator: Evaluator) -> Pool:
    """Workers by one of ``NAMES``, or a user's own executor, whose workers can import nagjax.

    At most ``workers`` evaluations run at a time; None stands for as many as the evaluator allows.

    Raises:
      ValueError: if the name is unknown, or ``inline`` is asked for several at a time.
    """
    if name == "inline" and workers not in (None, 1):
        raise ValueError(f"workers={workers}: executor=inline evaluates one at a time; give executor=threads")
    num = arguments.count(workers, "workers") if workers is not None else evaluator.workers
    if isinstance(name, futures.Executor):
        given = name
        return Pool(lambda: given, num, not isinstance(given, futures.ThreadPoolExecutor), lent=True)
    if name == "inline":
        return Pool(Inline, 1, elsewhere=False)
    if name == "threads":
        return Pool(lambda: futures.ThreadPoolExecutor(num), num, elsewhere=False)
    if name == "processes":
        # A forked child of a process that has used jax can hang.
        context = multiprocessing.get_context("spawn")
        return Pool(lambda: futures.ProcessPoolExecutor(num, context, _end_with_parent), num, elsewhere=True)
    if name.startswith("dask:"):
        return Pool(Scheduler(name.removeprefix("dask:")), num, elsewhere=True)
    raise ValueError(f"executor={name!r} is not one of {', '.join(NAMES)}")


def evaluate(
    evaluator: Evaluator, space: Space, tokens: np.ndarray, pool: Pool, retries: int = 1
) -> Generator[tuple[int, Outcome], None, None]:
    """Evaluate architectures; yields the row of each and its outcome as they complete.

    No more calls exist than workers, however many architectures wait: a cluster holds none of those.

    Args:
      evaluator: what evaluates.
      space: what the architectures are of.
      tokens: int32 ``[N, T]``.
      pool: where.
      retries: how often a failure is tried again before it is one.

    Raises:
      ValueError: if workers in other processes cannot make the evaluator or the space, or take no calls.
    """
    waiting = collections.deque((row, 0, 0) for row in range(len(tokens)))
    running: dict[futures.Future[Outcome], tuple[int, int, int]] = {}
    call = _call(evaluator, space, pool)
    try:
        while waiting or running:
            while waiting and len(running) < _at_a_time(pool, waiting[0], running.values()):
                row, tried, deaths = waiting.popleft()
                running[pool.submit(call, tokens[row].tolist())] = (row, tried, deaths)
            done, _ = futures.wait(running, return_when=futures.FIRST_COMPLETED)
            for future in done:
                row, tried, deaths = running.pop(future)
                if future.cancelled():  # nobody here did: a scheduler took it along, which says nothing of the row
                    waiting.appendleft((row, tried, deaths))
                    continue
                outcome, died = _outcome(future)
                if died and deaths < DEATHS:
                    waiting.appendleft((row, tried, deaths + 1))
                elif outcome.failure and not died and tried < retries:
                    waiting.append((row, tried + 1, deaths))
                else:
                    yield row, outcome
    except BaseException:
        _end(evaluator, running, pool)
        raise


def _at_a_time(pool: Pool, following: tuple[int, int, int], running: Collection[tuple[int, int, int]]) -> int:
    """How many may run, with the next: one where one of them is a suspect."""
    return 1 if any(deaths >= SUSPECT for _, _, deaths in (following, *running)) else pool.workers


def _end(evaluator: Evaluator, running: Collection[futures.Future[Outcome]], pool: Pool) -> None:
    """Cancel what has not begun, and end what runs in this process."""
    for future in running:
        future.cancel()
    while not pool.elsewhere and futures.wait(running, POLL).not_done:
        evaluator.stop()


def _call(evaluator: Evaluator, space: Space, pool: Pool) -> Callable[[list[int]], Outcome]:
    if pool.elsewhere:
        check_remade(evaluator)
        if space.refinement:
            raise ValueError(
                f"{space.identity} is narrowed to the rows of a file, and workers in other processes make spaces by "
                "name alone; use executor=inline or threads"
            )
        made_by = (space.name, dict(space.settings))
        return functools.partial(evaluate_by_name, evaluator.name, dict(evaluator.settings), made_by)
    return lambda row: evaluate_one(evaluator, np.asarray(row, np.int32))


def _outcome(future: futures.Future[Outcome]) -> tuple[Outcome, bool]:
    """What a call gave, and whether it gave nothing because its worker died."""
    error = future.exception()
    if error is None:
        return future.result(), False
    died = isinstance(error, futures.BrokenExecutor) or type(error).__name__ in DIED
    return Outcome({}, f"the worker died: {error}" if died else f"{type(error).__name__}: {error}"), died


def _pass_on(future: futures.Future[Any], remote: Any) -> None:
    """Tell a future what came of a Dask future."""
    try:
        if remote.cancelled():
            future.cancel()
            future.set_running_or_notify_cancel()
        elif remote.status == "error":
            future.set_exception(remote.exception())
        else:
            future.set_result(remote.result())
    except futures.InvalidStateError:  # it was cancelled here
        pass
    except Exception as error:  # lost on its way, with its worker or the scheduler
        future.set_exception(futures.BrokenExecutor(f"its result is lost: {error}"))


def _end_with_parent() -> None:
    """In a worker: end when the search is killed, which otherwise leaves workers that wait for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dask(address: str) -> futures.Executor:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("executor=dask needs the package distributed: pip install 'nagjax[dask]'") from None
    try:
        return Cluster(Client(address, timeout=ANSWER, set_as_default=False))
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(f"executor=dask:{address}: no cluster answers there ({error}); check the address") from None
