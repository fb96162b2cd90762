"""What the inbox still holds, seen from outside: read-only, and without the locks of its writers and its reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from router.config import Config
from router.location import SqliteAt
from router.status.model import InboxStatus
from router.store import Reading


def backlog(config: Config, cursors: Mapping[str, int], reading: Reading | None = None) -> InboxStatus:
    """Return what was accepted and is not routed: beyond *cursors* (segment → id of the last entry routed).

    Where nodes share an inbox *reading* tells of it; without that, of what this machine itself still has.
    """
    own = segments(config.data, cursors)
    if reading is None or isinstance(config.store, SqliteAt):
        return own
    count, oldest = reading.unrouted()
    times = [at for at in (oldest, own.oldest_at) if at is not None]
    return InboxStatus(own.segments, own.bytes, count + own.unrouted, min(times, default=None))


def segments(data: Path, cursors: Mapping[str, int]) -> InboxStatus:
    """Return what the segments of one machine hold beyond *cursors*."""
    count, size, unrouted = 0, 0, 0
    oldest: list[float] = []
    for path in sorted((data / "inbox").glob("*.sqlite")):
        count += 1
        try:
            size += sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
            beyond, oldest_at = _beyond(path, cursors.get(path.stem, 0))
        except (OSError, sqlite3.Error):
            # Routed and removed while we looked, or not readable: then the store says so, too.
            continue
        unrouted += beyond
        if oldest_at is not None:
            oldest.append(oldest_at)
    return InboxStatus(count, size, unrouted, min(oldest, default=None))


def _beyond(path: Path, cursor: int) -> tuple[int, float | None]:
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(where, uri=True, isolation_level=None, timeout=1.0)) as db:
        # Ids have no gaps, so that nothing needs to be counted.
        last = db.execute("select max(id) from entry").fetchone()[0] or 0
        first = db.execute("select received_at from entry where id > ? order by id limit 1", (cursor,)).fetchone()
    return max(0, last - cursor), first[0] if first else None
