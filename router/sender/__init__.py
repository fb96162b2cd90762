"""The sender: a process that tells destinations and reports how it went. It never opens the store.

The worker hands it jobs over a socketpair and gets outcomes back, both by value, in frames (``frames.py``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from router.shares import Place


class Job(NamedTuple):
    """One attempt to make. Plain values only, so that it crosses processes as it is."""

    delivery_id: int
    attempt: int
    destination: str
    rule: str | None
    key: str
    source: str
    received_at: float
    body: bytes
    #: JSON.
    facts: str
    #: The values of a ``Call``, in the order of its fields.
    call: tuple[Any, ...]
    #: JSON, or None.
    receipt: str | None
    #: It is delivered by itself, whatever waits beside it: it may be what ended a sender process.
    alone: bool = False


#: The attempt number of a job that is none: it asks for the jobs of its destination that wait.
RECALL = 0


#: And the one of a job that says into how many parts every limit is divided now.
DIVIDED = -1


def divided(place: Place) -> Job:
    """Return what tells a sender which part of every limit is its node's from now on."""
    return Job(place.index, DIVIDED, "", None, "", "", float(place.count), b"", "", (), None)


def recall(destination: str) -> Job:
    """Return what asks a sender to give back all jobs of *destination* that it has not begun."""
    return Job(0, RECALL, destination, None, "", "", 0.0, b"", "", (), None)


def kept(concurrency: int) -> int:
    """Return how many of a destination's slots are kept for first attempts: a quarter, at least one of two or more."""
    return max(1, concurrency // 4) if concurrency > 1 else 0


class Outcome(NamedTuple):
    """How one attempt ended, before anyone decides what follows from it.

    ``kind`` is delivered, temporary, unknown, permanent, unusable, bug (another exception came out of the plugin) or
    released (never begun: the sender is stopping, the destination is paused, or is gone from its configuration).
    """

    delivery_id: int
    attempt: int
    kind: str
    reason: str | None = None
    status: int | None = None
    retry_after: float | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    receipt: dict[str, Any] | None = None
    #: True when a template could not be filled in and plain words were sent in its place; the reason says why.
    unfilled: bool = False
    #: What is kept of the destination's last answer (``router.outgoing.kept``); None where nobody will ask.
    answer: dict[str, Any] | None = None
    #: The first delivery of the batch that failed as a whole, this one among it: all those are one failure.
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """Which of ``count`` senders this one is; ``index`` counts from 0."""

    index: int
    count: int

    def threads(self, destination: str, concurrency: int) -> int:
        """Return how many attempts at once are this sender's part of a destination's ``concurrency``.

        The parts of all senders make up the whole. Of concurrency 1 one sender has it all and the others nothing;
        the name decides which, so that small destinations spread over the senders.
        """
        each, rest = divmod(concurrency, self.count)
        place = (self.index - zlib.crc32(destination.encode())) % self.count
        return each + (place < rest)

    def kept(self, destination: str, concurrency: int) -> int:
        """Return how many of them are kept for first attempts; it may be all."""
        return self.threads(destination, kept(concurrency))
