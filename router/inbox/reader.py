"""Reads every segment of the inbox for the worker, whoever wrote it, and removes those that are done with."""

from __future__ import annotations

import heapq
import json
import os
import sqlite3
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

from router.errors import Fault, StoreError
from router.inbox import Entry
from router.inbox.segment import FORMAT, database, lock_file, take_lock

_AFTER = "select id, received_at, source, remote, faults, body from entry where id > ? order by id limit ?"


class InboxReader:
    """All segments in one folder. It never writes into one, so that it is never in a writer's way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, sqlite3.Connection] = {}
        self._problems: dict[str, str] = {}
        self._sweep()

    def read(self, cursors: Mapping[str, int], limit: int) -> list[Entry]:
        """Return at most *limit* entries beyond *cursors* (segment → last id routed; absent: none), oldest first.

        Segments are merged by the time of receipt; within one, the order is that of its ids. A segment that cannot
        be read is left out and named by ``problems()``. Raises StoreError when the folder itself cannot be read.
        """
        names = self._names()
        self._problems = {}
        rows = [self._read(name, cursors.get(name, 0), limit) for name in names]
        return list(heapq.merge(*rows, key=attrgetter("received_at")))[:limit]

    def problems(self) -> list[str]:
        """Return one sentence for each segment that the last ``read`` had to leave out."""
        return [self._problems[name] for name in sorted(self._problems)]

    def finished(self, cursors: Mapping[str, int]) -> list[str]:
        """Return the segments that nobody writes any more and whose every entry is behind its cursor."""
        return [name for name in self._names() if self._is_finished(name, cursors.get(name, 0))]

    def delete(self, segment: str) -> None:
        """Remove *segment* from disk; raises StoreError while somebody writes it. Nothing happens when it is gone."""
        path = database(self._folder, segment)
        try:
            if (held := self._free(segment)) is None:
                raise StoreError(f"the inbox segment {path} is still being written")
            try:
                self._remove(segment)
            finally:
                os.close(held)
        except OSError as ex:
            raise StoreError(f"cannot remove the inbox segment {path}: {ex}") from ex

    def close(self) -> None:
        """Let go of every segment."""
        for name in list(self._open):
            self._forget(name)

    def _names(self) -> list[str]:
        try:
            return sorted(path.stem for path in self._folder.iterdir() if path.suffix == ".sqlite")
        except FileNotFoundError:
            return []
        except OSError as ex:
            raise StoreError(f"cannot read the inbox in {self._folder}: {ex}") from ex

    def _read(self, name: str, cursor: int, limit: int) -> list[Entry]:
        try:
            db = self._connection(name)
            rows = db.execute(_AFTER, (cursor, limit)).fetchall() if db else []
        except (StoreError, sqlite3.Error) as ex:
            self._fault(name, ex)
            return []
        return [
            Entry(source, body, received_at, remote, _faults(faults), segment=name, id=number)
            for number, received_at, source, remote, faults, body in rows
        ]

    def _fault(self, name: str, ex: Exception) -> None:
        self._forget(name)
        path = database(self._folder, name)
        self._problems[name] = str(ex) if isinstance(ex, StoreError) else f"cannot read the inbox segment {path}: {ex}"

    def _connection(self, name: str) -> sqlite3.Connection | None:
        """Return the open segment; None while its table is not made yet."""
        if (db := self._open.get(name)) is not None:
            return db
        path = database(self._folder, name)
        # Read only: such a connection never checkpoints, so the writer's is the only one that does.
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=1.0)
        try:
            version = db.execute("pragma user_version").fetchone()[0]
        except BaseException:
            db.close()
            raise
        if 0 < version <= FORMAT:
            self._open[name] = db
            return db
        db.close()
        if version == 0:
            return None
        raise StoreError(
            f"the inbox segment {path} was written by a newer callrouter (its format is {version}, "
            f"this one reads up to {FORMAT}); run that version until the segment is routed"
        )

    def _is_finished(self, name: str, cursor: int) -> bool:
        # The lock first: once it is free nothing can be appended, so the last id is the last for ever.
        if (held := self._free(name)) is None:
            return False
        os.close(held)
        try:
            db = self._connection(name)
            last = db.execute("select max(id) from entry").fetchone()[0] if db else 0
        except (StoreError, sqlite3.Error) as ex:
            self._fault(name, ex)
            return False
        return (last or 0) <= cursor

    def _free(self, name: str) -> int | None:
        """Return a descriptor that holds the lock of a segment whose writer has gone; None while it is there."""
        return take_lock(lock_file(self._folder, name), create=True)

    def _forget(self, name: str) -> None:
        if (db := self._open.pop(name, None)) is not None:
            db.close()

    def _remove(self, name: str) -> None:
        self._forget(name)
        path = database(self._folder, name)
        # The lock goes last: a crash before leaves a name that the sweep of the next start can still judge.
        for leftover in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            leftover.unlink(missing_ok=True)
        lock_file(self._folder, name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a crash in the middle of a removal has left."""
        for path in self._folder.glob("*.lock"):
            if database(self._folder, path.stem).exists() or (held := take_lock(path)) is None:
                continue
            # Once more, now that nobody can be making it: a short-lived writer may have been between the two.
            if not database(self._folder, path.stem).exists():
                self._remove(path.stem)
            os.close(held)


def _faults(text: str | None) -> tuple[Fault, ...]:
    return tuple(Fault(*fault) for fault in json.loads(text)) if text else ()
