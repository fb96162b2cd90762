"""Where the route step takes accepted events from: the segments of one machine, or the inbox that nodes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.inbox import Entry


class Intake(Protocol):
    """Accepted and not routed yet. ``read`` and ``routed`` are called inside the store's transaction."""

    def read(self, limit: int) -> list[Entry]:
        """Return at most *limit* entries that nobody has routed, oldest first; raises StoreError."""

    def routed(self, entries: Sequence[Entry]) -> None:
        """Take in that *entries*, which ``read`` returned, are routed once the transaction is committed."""

    def forget(self) -> None:
        """Look again: a transaction was undone, and what was routed in it is not."""

    def sweep(self) -> None:
        """Remove what is done with, in a transaction of its own. Raises StoreError."""

    def until_look(self) -> float:
        """Return after how many seconds to look though nobody has rung: others may have put something in."""

    def close(self) -> None:
        """Let go of everything."""
