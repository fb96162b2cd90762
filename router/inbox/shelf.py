"""What an inbox writer appends to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from router.inbox import NewEntry
from router.inbox.segment import Segment


class Shelf(Protocol):
    """Belongs to one thread, which alone uses and closes it."""

    def append(self, entries: Sequence[NewEntry]) -> None:
        """Return when *entries* are on disk, all of them; raise StoreError when none is known to be."""

    def until_renewal(self) -> float | None:
        """Return after how many seconds ``renew`` is to be called though nothing came; None: never."""

    def renew(self) -> bool:
        """Begin anew where it is time to, and return whether it was.

        Raises StoreError, and then goes on as before where it can.
        """

    @property
    def lost(self) -> bool:
        """Whether nothing can be kept any more: it is to be closed, and another one made."""

    def close(self) -> None:
        """Let go: nothing is appended any more."""


class SegmentShelf:
    """A row of segments: a new one follows when one is large, old or gone."""

    def __init__(self, folder: Path, *, most_bytes: int, most_seconds: float, now: Callable[[], float]) -> None:
        """Begin with a new segment in *folder*; raises StoreError."""
        self._folder, self._most_bytes, self._most_seconds, self._now = folder, most_bytes, most_seconds, now
        self._segment = Segment(folder, now())

    def append(self, entries: Sequence[NewEntry]) -> None:
        """Implement ``Shelf``."""
        self._segment.append(entries)

    def until_renewal(self) -> float | None:
        """Implement ``Shelf``."""
        if not self._segment.entries:
            return None
        return max(0.0, self._segment.opened_at + self._most_seconds - self._now())

    def renew(self) -> bool:
        """Implement ``Shelf``."""
        segment = self._segment
        old = self._now() - segment.opened_at >= self._most_seconds
        full = segment.size >= self._most_bytes
        if not segment.entries or not (old or full or segment.gone):
            return False
        self._segment = Segment(self._folder, self._now())
        segment.close()
        return True

    @property
    def lost(self) -> bool:
        """Implement ``Shelf``."""
        return self._segment.gone

    def close(self) -> None:
        """Implement ``Shelf``."""
        self._segment.close()
