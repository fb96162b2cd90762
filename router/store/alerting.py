"""What the store remembers for alerts: what goes on, since when, and what was told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(slots=True)
class Concern:
    """One thing that alerts are about. Moments are seconds since 1970."""

    #: dead_letter, paused, refused, backlog, disk, template or clock.
    what: str
    #: The destination or source; empty where it is callrouter itself.
    about: str
    since: float
    #: When it was last seen.
    last_at: float
    #: When it was last told; None while nobody has heard of it.
    told_at: float | None = None
    #: How often it was seen since then.
    untold: int = 0
    #: The newest, in words.
    reason: str = ""
    over: bool = False


class Waiting(NamedTuple):
    """The delivery that a destination has been owed the longest, of those that stand first in their line."""

    #: When its event was accepted, it was replayed, or the last pause of its destination ended.
    since: float
    attempts: int
    due_at: float
    #: Why its last attempt failed; None where there was none.
    reason: str | None


class AlertStore(Protocol):
    """What alerts need of a database."""

    def concerns(self) -> list[Concern]:
        """Return everything that was kept."""

    def keep_concern(self, concern: Concern) -> None:
        """Insert or replace what is known of the same thing."""

    def forget_concern(self, concern: Concern) -> None:
        """Delete what is known of the same thing, if anything is."""

    def waiting(self) -> Mapping[str, Waiting]:
        """Return destination → its longest waiting delivery. A paused destination, or one owed nothing, is left out.

        A delivery that waits for another of its call, or for an operator, does not count; nor does that of an alert.
        """

    def paused(self) -> Mapping[str, str]:
        """Return destination → why it is paused."""
