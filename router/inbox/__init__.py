"""The inbox: where an event is on disk before its sender hears 200.

A row of segments in ``data/inbox``. Each is a SQLite file with one writer, which holds the lock beside it for life;
ids inside come from AUTOINCREMENT, never reused. ``writer.py`` appends for an ingest process; ``reader.py`` reads
them all, whoever wrote them, for the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.errors import Fault


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One body as it arrived. With ``faults`` it is kept for the quarantine, else it is an event to route."""

    source: str
    body: bytes
    received_at: float
    remote: str
    faults: Sequence[Fault] = ()
    #: Of an event its call's, so that all events of a call go the same way; else empty.
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Entry(NewEntry):
    """An entry with its place: ``segment`` and ``id`` are the cursor once it has been routed."""

    segment: str = ""
    id: int = 0
