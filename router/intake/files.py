"""The segments in this machine's own folder, and how far each has been routed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from router.inbox import Entry
from router.inbox.reader import InboxReader
from router.store import Store


class FileIntake:
    """Implements ``Intake``; the cursors are the store's."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._reader = InboxReader(folder)
        #: Segment → id of the last entry routed; None: the store knows.
        self._cursors: dict[str, int] | None = None

    def read(self, limit: int) -> list[Entry]:
        """Implement ``Intake``."""
        return self._reader.read(self._known(), limit)

    def routed(self, entries: Sequence[Entry]) -> None:
        """Implement ``Intake``."""
        cursors = self._known()
        for segment, position in {entry.segment: entry.id for entry in entries}.items():
            self._store.move_cursor(segment, position)
            cursors[segment] = position

    def forget(self) -> None:
        """Implement ``Intake``."""
        self._cursors = None

    def sweep(self) -> None:
        """Delete segments that nobody writes any more and of which everything has been routed."""
        cursors = self._known()
        for segment in self._reader.finished(cursors):
            self._reader.delete(segment)
            self._store.move_cursor(segment, None)
            cursors.pop(segment, None)

    def until_look(self) -> float:
        """Whoever puts something in rings."""
        return float("inf")

    def close(self) -> None:
        """Implement ``Intake``."""
        self._reader.close()

    def _known(self) -> dict[str, int]:
        if self._cursors is None:
            self._cursors = self._store.cursors()
        return self._cursors
