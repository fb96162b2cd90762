"""What the store forgets, in small steps: only what has ended, and only what is old enough."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Forgotten(NamedTuple):
    """What one step has deleted, and where the next one begins; ``place`` None: the end was reached."""

    rows: int
    place: int | None


class Upkeep(Protocol):
    """Deletes what is old. Every step looks at *limit* rows at most, from *place* (0: the beginning) on, by id.

    The end is also where nothing is old any more.

    Moments before which something is old are seconds since 1970; minus infinity keeps everything.
    """

    def forget_events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        """Delete events that were received, and whose deliveries have all ended, before *before*; attempts too.

        An event with a dead letter is kept until that ended before *dead_before*, and as long as an unfinished delivery
        of the same line would be let go by its end. ``rows`` counts events.
        """

    def forget_receipts(self, before: float, place: int, limit: int) -> Forgotten:
        """Delete receipts that were last changed before *before*, *place* and *limit* being numbers of calls."""

    def forget_calls(self, before: float, place: int, limit: int) -> Forgotten:
        """Delete calls that are over, were last heard of before *before* and have neither event nor receipt left."""

    def forget_quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        """Delete refused bodies that were received before *before*."""

    def forget_commands(self, before: float, place: int, limit: int) -> Forgotten:
        """Delete what became of commands that ended before *before*, and silences of which nothing is left.

        What they asked for is in the file of commands.
        """
