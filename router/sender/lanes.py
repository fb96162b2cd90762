"""One lane per destination, with threads of its own: a slow destination occupies nobody else's.

Threads cost more than they bring when there is little to do (they take the interpreter from each other), so one
thread drains a lane as long as it keeps up, and more wake only while jobs wait and sends are slow.

Some of a lane's slots are kept for first attempts, so that a destination on which everything hangs still hears news.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from router.sender import Job, Outcome
from router.sender.attempt import Attempt, released
from router.sender.batches import Batches

#: A thread that ends more sends than this between two ticks mostly waits for the interpreter, not for the network.
_KEEPS_UP = 8

#: With so many of its first values a job names its call: its source and its id.
CALL = 2


class Lane:
    """The jobs of one destination and at most *limit* threads that make the attempts, *kept* of them first ones.

    *attempts* is called in each thread, before its first job and after each ``change``, and returns what makes an
    attempt there. *report* is called with each outcome, from any thread. Where *batch* is more than 1 that is a
    ``Batches``, and a thread takes up to so many of the jobs that wait when it comes for the next one.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        attempts: Callable[[], Attempt],
        report: Callable[[Outcome], None],
        *,
        kept: int = 0,
        batch: int = 1,
    ) -> None:
        self._name = name
        self._limit = limit
        self._kept = kept
        self._batch = batch
        self._attempts = attempts
        self._report = report
        #: Jobs that wait, each with its place among all of them: first attempts, and further ones.
        self._first: deque[tuple[int, Job]] = deque()
        self._again: deque[tuple[int, Job]] = deque()
        self._put = 0
        #: Further attempts that are under way.
        self._retrying = 0
        self._lock = threading.Lock()
        self._parked = threading.Semaphore(0)
        self._threads = 0
        self._awake = 0
        #: Sends that ended since the last tick.
        self._finished = 0
        self._sending = 0
        #: Threads that are to rest before they take another job.
        self._too_many = 0
        self._retired = False

    @property
    def backlog(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._first) + len(self._again)

    @property
    def sending(self) -> int:
        """How many attempts are begun and not yet reported."""
        return self._sending

    def put(self, jobs: Sequence[Job]) -> None:
        """Queue *jobs*, and wake one thread when none is awake. What could never begin here is reported as released."""
        with self._lock:
            for job in jobs:
                self._put += 1
                (self._again if job.attempt > 1 else self._first).append((self._put, job))
            strayed = self._strayed()
            if not self._awake and self._ready():
                self._wake(1)
        self._give_back(strayed, "all slots here are for first attempts")

    def tick(self) -> None:
        """Double the awake threads when jobs wait and fewer sends ended since the last tick than threads are awake.

        Halve them when sends are so fast that one thread would do the work of several.
        """
        with self._lock:
            if (ready := self._ready()) and self._finished < self._awake:
                self._wake(min(self._awake, ready))
            elif self._finished > _KEEPS_UP * self._awake:
                self._too_many = self._awake // 2
            self._finished = 0

    def change(self, limit: int, attempts: Callable[[], Attempt], *, kept: int = 0, batch: int = 1) -> None:
        """Make what is begun from now on with *attempts*, and begin nothing while *limit* or more are under way.

        What waits is reported as released where the limit is another: the other senders' has changed too, and until
        what is under way everywhere has ended, only the worker knows how much may begin.
        """
        with self._lock:
            changed = (self._limit, self._kept) != (limit, kept)
            self._limit, self._kept, self._attempts, self._batch = limit, kept, attempts, batch
        if changed:
            self.stop("its concurrency has changed")

    def retire(self, reason: str) -> None:
        """Stop, and end each thread once its attempt is over."""
        self.stop(reason)
        with self._lock:
            self._retired = True
            for _ in range(self._threads - self._awake):
                self._parked.release()
            self._awake = self._threads

    def stop(self, reason: str) -> None:
        """Begin no further attempt: report every waiting job as released."""
        with self._lock:
            waiting = [job for _, job in (*self._first, *self._again)]
            self._first.clear()
            self._again.clear()
        self._give_back(waiting, reason)

    def _give_back(self, jobs: Sequence[Job], reason: str) -> None:
        for job in jobs:
            self._report(released(job, reason))

    def _strayed(self) -> list[Job]:
        """Take out the further attempts where no slot is for them: the worker may not know of a change yet."""
        if self._kept < self._limit or not self._again:
            return []
        strayed = [job for _, job in self._again]
        self._again.clear()
        return strayed

    def _ready(self) -> int:
        """How many of the jobs that wait could begin, were there threads for all slots."""
        return len(self._first) + min(len(self._again), max(0, self._limit - self._kept - self._retrying))

    def _next(self) -> Job | None:
        """Take the job that has waited longest among those that there is a slot for."""
        first, again = self._first, self._again
        may_retry = again and self._retrying < self._limit - self._kept
        if may_retry and (not first or again[0][0] < first[0][0]):
            self._retrying += 1
            return again.popleft()[1]
        return first.popleft()[1] if first else None

    def _company(self, job: Job) -> list[Job]:
        """Take those that wait right behind *job* and may go with it: each of another call, and none alone."""
        queue = self._again if job.attempt > 1 else self._first
        calls = {job.call[:CALL]}
        company: list[Job] = []
        while queue and not job.alone and len(calls) < self._batch:
            _, other = queue[0]
            if other.alone or other.call[:CALL] in calls:
                break
            calls.add(other.call[:CALL])
            company.append(queue.popleft()[1])
        return company

    def _wake(self, count: int) -> None:
        for _ in range(min(count, self._limit - self._awake)):
            if self._awake < self._threads:
                self._parked.release()
            else:
                self._threads += 1
                name = f"{self._name}-{self._threads}"
                threading.Thread(target=self._drain, name=name, daemon=True).start()
            self._awake += 1

    def _drain(self) -> None:
        made_by, attempt = None, None
        company: Sequence[Job] = ()
        while True:
            with self._lock:
                if self._retired:
                    self._awake -= 1
                    self._threads -= 1
                    return
                too_many = self._too_many or self._awake > self._limit
                job = None if too_many else self._next()
                attempts = self._attempts
                if job is None:
                    self._awake -= 1
                    self._too_many = max(0, self._too_many - 1)
                else:
                    self._sending += 1
                    company = self._company(job) if self._batch > 1 else ()
            if job is None:
                self._parked.acquire()
                continue
            if attempt is None or attempts is not made_by:
                made_by, attempt = attempts, attempts()
            if company:
                outcome = self._together(attempt, [job, *company])
            else:
                outcome = attempt(job)
                self._report(outcome)
            with self._lock:
                self._sending -= 1
                self._retrying -= job.attempt > 1
                self._finished += 1
            if outcome.kind == "unusable":
                self.stop("the destination cannot be used")

    def _together(self, attempt: Attempt, jobs: Sequence[Job]) -> Outcome:
        """Make an attempt at each of *jobs* and report them; return the one that says most of the destination."""
        assert isinstance(attempt, Batches)  # noqa: S101 - as a lane with batches is made
        outcomes = attempt.together(jobs)
        for outcome in outcomes:
            self._report(outcome)
        return next((one for one in outcomes if one.kind == "unusable"), outcomes[-1])
