"""Where a delivery stands."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Where a delivery stands. ``state < FINISHED`` means unfinished: one comparison, so that an index can serve it."""

    #: First in line of its call, to be attempted at ``due_at``.
    READY = 0
    #: Handed to a sender until ``lease_until``.
    LEASED = 1
    #: Behind an earlier unfinished delivery of the same call to the same destination.
    WAITING = 2
    #: Behind a dead letter of the same call, where the destination says ``after_dead_letter: hold``.
    HELD = 3
    DELIVERED = 10
    DEAD = 11
    EXPIRED = 12
    CANCELLED = 13
    SILENCED = 14

    @property
    def word(self) -> str:
        """The state as tables, logs and metrics spell it."""
        return self.name.lower()

    @property
    def finished(self) -> bool:
        """True for the states that end a delivery."""
        return self >= FINISHED


#: Every state below it is unfinished.
FINISHED = 10


def delivery_key(event_key: bytes, destination: int, replay: int) -> str:
    """Return the key of a delivery, the same over all attempts; ``replay`` counts replays of a delivered one."""
    return f"{event_key.hex()}-{destination}-{replay}" if replay else f"{event_key.hex()}-{destination}"
