"""Recorded commands in a file of their own, of one machine."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from router.commands import Command
from router.errors import StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    arguments TEXT NOT NULL
)
"""


class CommandFile:
    """Implements ``Commands`` in ``data/commands.sqlite``. A lock keeps it to one writer at a time."""

    def __init__(self, data: Path) -> None:
        self._path = data / "commands.sqlite"
        self._lock = data / "commands.lock"
        self._reader: sqlite3.Connection | None = None

    def append(self, action: str, arguments: Mapping[str, Any], *, who: str, now: float) -> int:
        """Record one command and return its id once it is on disk; raises StoreError."""
        with self._refusals("written"), self._lock.open("a") as lock:
            # Not lockf(): a thread of this process would not be stopped by it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            with closing(self._connect("rwc")) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                db.execute(_SCHEMA)
                cursor = db.execute(
                    "INSERT INTO command (at, who, action, arguments) VALUES (?, ?, ?, ?)",
                    (now, who, action, json.dumps(dict(arguments), ensure_ascii=False)),
                )
                db.execute("COMMIT")
                return cursor.lastrowid or 0

    def after(self, position: int, limit: int = 100) -> list[Command]:
        """Return the commands recorded after the one with id *position*, oldest first; raises StoreError."""
        return self._read("WHERE id > ? ORDER BY id LIMIT ?", position, limit)

    def newest(self, limit: int, before: int | None = None) -> list[Command]:
        """Return commands, newest first; with *before*, those with a smaller id. Raises StoreError."""
        return self._read("WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2", before, limit)

    def _read(self, which: str, *values: int | None) -> list[Command]:
        with self._refusals("read"):
            if self._reader is None:
                if not self._path.exists():
                    return []
                self._reader = self._connect("ro")
            # Between the making of the file and its first command it has no table.
            if not self._reader.execute("SELECT 1 FROM sqlite_master WHERE name = 'command'").fetchone():
                return []
            select = f"SELECT id, at, who, action, arguments FROM command {which}"  # noqa: S608 - our own words
            rows = self._reader.execute(select, values).fetchall()
        return [Command(*(*row, json.loads(arguments))) for *row, arguments in rows]

    def forget(self, before: float, position: int, limit: int) -> int:
        """Delete up to *limit* commands recorded before *before*, up to id *position*; return how many.

        Deletes none while somebody records one. Raises StoreError.
        """
        if before == float("-inf") or not self._path.exists():
            return 0
        with self._refusals("written"), self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            with closing(self._connect("rw")) as db:
                return db.execute(
                    "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE id <= ? ORDER BY id LIMIT ?)"
                    " AND at < ?",
                    (position, limit, before),
                ).rowcount

    def close(self) -> None:
        """Release the file; it is opened again when next asked."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _connect(self, mode: str) -> sqlite3.Connection:
        # The worker reads while others write: neither waits for the other, and a stranger's lock is waited for.
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5
        )

    @contextmanager
    def _refusals(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as ex:
            self.close()
            raise StoreError(
                f"the operators' commands in {self._path} cannot be {verb}: {getattr(ex, 'strerror', None) or ex}; "
                "check that the folder exists, who owns it, and the room on its disk"
            ) from ex
