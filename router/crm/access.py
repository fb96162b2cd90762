"""Access tokens that expire: one for all threads of a process, fetched by one of them while the others wait.

A CRM allows a handful of new tokens in ten minutes and throws away older ones; a token for each thread would have
every thread's requests refused in turn.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from router.errors import DeliveryFailed, TemporaryFailure
from router.secret import Secret

#: Seconds before its end at which a token is no longer used.
MARGIN = 300.0
#: Seconds for which a refusal is the answer to all who ask.
REFUSED_FOR = 15.0


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token, the address it is for, and for how many seconds it lasts (None: until it is refused)."""

    token: Secret
    address: str
    lasts: float | None = None


class Access:
    """The token that was got with one set of credentials."""

    _all: dict[Hashable, Access] = {}  # noqa: RUF012 - shared by all threads, which is the point
    _lock = threading.Lock()

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._mine = threading.Lock()
        self._grant: Grant | None = None
        self._ends = 0.0
        self._refusal: DeliveryFailed | None = None
        self._refused_until = 0.0

    @classmethod
    def of(cls, credentials: Hashable) -> Access:
        """Return the one of these *credentials* in this process."""
        with cls._lock:
            return cls._all.setdefault(credentials, cls())

    def get(self, fetch: Callable[[], Grant]) -> Grant:
        """Return a token that is thought good; one thread at a time calls *fetch* for a new one.

        Raises what *fetch* raises, and the same again for a quarter of a minute without calling it.
        """
        with self._mine:
            if self._grant is not None and self._now() < self._ends:
                return self._grant
            if self._refusal is not None and self._now() < self._refused_until:
                raise _again(self._refusal, self._refused_until - self._now())
            try:
                grant = fetch()
            except DeliveryFailed as ex:
                self._refusal, self._refused_until = ex.with_traceback(None), self._now() + REFUSED_FOR
                raise
            lasts = float("inf") if grant.lasts is None else max(grant.lasts - MARGIN, grant.lasts / 2)
            self._grant, self._ends, self._refusal = grant, self._now() + lasts, None
            return grant

    def drop(self, grant: Grant) -> None:
        """Do not use *grant* again. Nothing happens when another thread has fetched a newer one meanwhile."""
        with self._mine:
            if self._grant is grant:
                self._grant = None


def _again(refusal: DeliveryFailed, rest: float) -> DeliveryFailed:
    again = copy.copy(refusal)
    if isinstance(again, TemporaryFailure) and again.retry_after is None:
        again.retry_after = rest
    return again
