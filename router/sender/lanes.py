"""One lane per destination, with threads of its own: a slow destination occupies nobody else's.

Threads cost more than they bring when there is little to do (they take the interpreter from each other), so one
thread drains a lane as long as it keeps up, and more wake only while jobs wait and sends are slow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from router.sender import Job, Outcome
from router.sender.attempt import Attempt, released

#: A thread that ends more sends than this between two ticks mostly waits for the interpreter, not for the network.
_KEEPS_UP = 8


class Lane:
    """The jobs of one destination and at most *limit* threads that make the attempts.

    *attempts* is called in each thread, before its first job and after each ``change``, and returns what makes an
    attempt there. *report* is called with each
    outcome, from any thread.
    """

    def __init__(
        self, name: str, limit: int, attempts: Callable[[], Attempt], report: Callable[[Outcome], None]
    ) -> None:
        self._name = name
        self._limit = limit
        self._attempts = attempts
        self._report = report
        self._jobs: deque[Job] = deque()
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
        return len(self._jobs)

    @property
    def sending(self) -> int:
        """How many attempts are begun and not yet reported."""
        return self._sending

    def put(self, jobs: Sequence[Job]) -> None:
        """Queue *jobs*, and wake one thread when none is awake."""
        with self._lock:
            self._jobs.extend(jobs)
            if not self._awake:
                self._wake(1)

    def tick(self) -> None:
        """Double the awake threads when jobs wait and fewer sends ended since the last tick than threads are awake.

        Halve them when sends are so fast that one thread would do the work of several.
        """
        with self._lock:
            if self._jobs and self._finished < self._awake:
                self._wake(min(self._awake, len(self._jobs)))
            elif self._finished > _KEEPS_UP * self._awake:
                self._too_many = self._awake // 2
            self._finished = 0

    def change(self, limit: int, attempts: Callable[[], Attempt]) -> None:
        """Make what is begun from now on with *attempts*, and begin nothing while *limit* or more are under way."""
        with self._lock:
            self._limit, self._attempts = limit, attempts

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
            waiting, self._jobs = self._jobs, deque()
        for job in waiting:
            self._report(released(job, reason))

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
        while True:
            with self._lock:
                if self._retired:
                    self._awake -= 1
                    self._threads -= 1
                    return
                too_many = self._too_many or self._awake > self._limit
                job = self._jobs.popleft() if self._jobs and not too_many else None
                attempts = self._attempts
                if job is None:
                    self._awake -= 1
                    self._too_many = max(0, self._too_many - 1)
                else:
                    self._sending += 1
            if job is None:
                self._parked.acquire()
                continue
            if attempt is None or attempts is not made_by:
                made_by, attempt = attempts, attempts()
            self._report(attempt(job))
            with self._lock:
                self._sending -= 1
                self._finished += 1
