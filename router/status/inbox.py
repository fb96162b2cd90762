"""What the inbox still holds, seen from outside: read-only, and without the locks of its writers and its reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from router.status.model import InboxStatus


def backlog(data: Path, cursors: Mapping[str, int]) -> InboxStatus:
    """Return what lies in the inbox of *data* beyond *cursors* (segment → id of the last entry routed)."""
    segments, size, unrouted = 0, 0, 0
    oldest: list[float] = []
    for path in sorted((data / "inbox").glob("*.sqlite")):
        segments += 1
        try:
            size += sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
            count, oldest_at = _beyond(path, cursors.get(path.stem, 0))
        except (OSError, sqlite3.Error):
            # Routed and removed while we looked, or not readable: then the store says so, too.
            continue
        unrouted += count
        if oldest_at is not None:
            oldest.append(oldest_at)
    return InboxStatus(segments, size, unrouted, min(oldest, default=None))


def _beyond(path: Path, cursor: int) -> tuple[int, float | None]:
    where = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(where, uri=True, isolation_level=None, timeout=1.0)) as db:
        # Ids have no gaps, so that nothing needs to be counted.
        last = db.execute("select max(id) from entry").fetchone()[0] or 0
        first = db.execute("select received_at from entry where id > ? order by id limit 1", (cursor,)).fetchone()
    return max(0, last - cursor), first[0] if first else None
