"""Opening a SQLite file the way a store needs it, and its refusals as sentences."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from router.errors import DiskFull, StoreDamaged, StoreError

#: Under the data folder.
NAME = "store.sqlite"
#: Kibibytes of pages kept in memory: enough for the hot ends of every index, whatever the size of the file.
CACHE = 16_000
#: Seconds a statement waits for a stranger (a backup, an SQL console) before it is refused.
PATIENCE = 5.0

#: By primary result code, https://www.sqlite.org/rescode.html
_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk under {path} is full: nothing was kept of this step; make room on it",
    sqlite3.SQLITE_READONLY: "{path} cannot be written: check who owns it and that its disk is mounted for writing",
    sqlite3.SQLITE_PERM: "{path} cannot be used: check who owns it and its folder",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: run as the user who owns it and can write its folder",
    sqlite3.SQLITE_NOTADB: "{path} is not a callrouter store: move it away, or restore the store from a backup",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged: stop callrouter, keep a copy of the file, and restore a backup. "
    "Meanwhile callrouter serve accepts events",
    sqlite3.SQLITE_BUSY: "{path} is locked by another program (a backup, an SQL console): end it",
    sqlite3.SQLITE_IOERR: "the disk under {path} failed to read or write: see the system's log for its errors",
    sqlite3.SQLITE_INTERRUPT: "the question to {path} took too long and was given up: ask for less at a time",
}

_KINDS: Mapping[int, type[StoreError]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
}


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Return the one writing connection to *path*, a file made when missing; every COMMIT on it is on disk.

    Raises StoreError.
    """
    db = _connect(path, "rwc")
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        # Every checkpoint writes the pages that each event touches once more: 16 MiB apart, it is a quarter of them.
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        # A long reader makes the log grow; afterwards it shrinks back to this many bytes.
        db.execute("PRAGMA journal_size_limit = 67108864")
    except sqlite3.Error as ex:
        db.close()
        raise refusal(ex, path) from ex
    return db


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection to *path* that can change nothing. Raises StoreError."""
    try:
        path.stat()
    except FileNotFoundError:
        raise StoreError(f"no store in {path.parent}: has the daemon run here?") from None
    except OSError as ex:
        raise StoreError(f"cannot look at {path}: {ex.strerror}; run as the user who owns it") from ex
    return _connect(path, "ro")


def refusal(ex: sqlite3.Error, path: Path) -> StoreError:
    """Return what *ex* means for the operator of the store in *path*."""
    code = getattr(ex, "sqlite_errorcode", 0) & 0xFF
    sentence = _SENTENCES.get(code)
    kind = _KINDS.get(code, StoreError)
    return kind(f"{sentence.format(path=path)} ({ex})" if sentence else f"{path}: {ex}")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    try:
        # No isolation level: Python begins no transaction of its own, so that each BEGIN stands in our code.
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=PATIENCE,
            cached_statements=256,
        )
    except sqlite3.Error as ex:
        raise refusal(ex, path) from ex
