"""One segment of the inbox: how it is named, locked, laid out on disk and appended to."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from router.errors import StoreError
from router.inbox import NewEntry

#: Kept as SQLite's ``user_version``; 0 is a file whose table is not made yet.
FORMAT = 1

_SCHEMA = """
create table entry (
    id integer primary key autoincrement,
    received_at real not null,
    source text not null,
    remote text not null,
    faults text,
    body blob not null
)
"""
#: A statement for each number of rows is prepared once and kept; more rows go in several of them.
_MOST_ROWS = 64


def database(folder: Path, name: str) -> Path:
    """Return where the segment *name* keeps its entries."""
    return folder / f"{name}.sqlite"


def lock_file(folder: Path, name: str) -> Path:
    """Return the file whose lock the writer of segment *name* holds for life."""
    return folder / f"{name}.lock"


def take_lock(path: Path, *, create: bool = False) -> int | None:
    """Return a descriptor that holds the lock on *path* until it is closed; None when somebody else holds it.

    Raises OSError when there is no such file and *create* is False, or where files cannot be locked at all.
    """
    # flock and not lockf: its lock belongs to this descriptor, so that a reader in the same process can neither
    # overlook it nor drop it by closing a descriptor of its own.
    held = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o640)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A sweeper may have unlinked the file between open and lock: such a lock protects nothing.
        if os.fstat(held).st_ino == path.stat().st_ino:
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(held)
        raise
    os.close(held)
    return None


class Segment:
    """A segment open for appending. Belongs to one thread, which alone may use and close it."""

    def __init__(self, folder: Path, now: float) -> None:
        """Make a new segment in *folder*, made if need be; raises StoreError, leaving nothing behind."""
        self.opened_at = now
        self.entries = 0
        #: Bytes of its database, without what is only in the write-ahead log yet.
        self.size = 0
        #: Somebody else removed it: nothing can be kept in it any more.
        self.gone = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.name, self._lock = _name_and_lock(folder, now)
            self._path = database(folder, self.name)
            try:
                self._db = _create(self._path)
                _sync(folder)
                _sync(folder.parent)
            except BaseException:
                self._unlink()
                os.close(self._lock)
                raise
        except (OSError, sqlite3.Error) as ex:
            raise StoreError(f"cannot make an inbox segment in {folder}: {ex}") from ex

    def append(self, entries: Sequence[NewEntry]) -> None:
        """Return when *entries* are on disk, all of them; raise StoreError when none is known to be."""
        rows = [(entry.received_at, entry.source, entry.remote, _faults(entry), entry.body) for entry in entries]
        try:
            if len(rows) <= _MOST_ROWS:
                # One statement is its own transaction: the GIL changes hands once, not once a row.
                self._insert(rows)
            else:
                self._db.execute("begin immediate")
                for start in range(0, len(rows), _MOST_ROWS):
                    self._insert(rows[start : start + _MOST_ROWS])
                self._db.execute("commit")
        except sqlite3.Error as ex:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise StoreError(f"cannot write to the inbox segment {self._path}: {ex}") from ex
        self.entries += len(rows)
        try:
            self.size = self._path.stat().st_size
        except OSError as ex:
            # What was just written went into a file without a name, and goes when it is closed.
            self.gone = True
            raise StoreError(f"the inbox segment {self._path} was removed while it was being written") from ex

    def close(self) -> None:
        """Fold the write-ahead log in where that works, and let go of the lock: nothing is ever appended again."""
        with suppress(sqlite3.Error):
            self._db.execute("pragma wal_checkpoint(truncate)")
        with suppress(sqlite3.Error):
            self._db.close()
        os.close(self._lock)

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.execute(_insert_statement(len(rows)), [value for row in rows for value in row])

    def _unlink(self) -> None:
        for path in (self._path, *(self._path.with_name(self._path.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)
        self._path.with_suffix(".lock").unlink(missing_ok=True)


def _name_and_lock(folder: Path, now: float) -> tuple[str, int]:
    # A reader's sweep may hold the lock for a moment, just when it is new: then another name will do.
    while True:
        name = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        if (lock := take_lock(lock_file(folder, name), create=True)) is not None:
            return name, lock


@cache
def _insert_statement(rows: int) -> str:
    places = ",".join(["(?,?,?,?,?)"] * rows)
    return f"insert into entry (received_at, source, remote, faults, body) values {places}"  # noqa: S608 (no values)


def _faults(entry: NewEntry) -> str | None:
    return json.dumps([[fault.path, fault.text] for fault in entry.faults]) if entry.faults else None


def _create(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=2 * _MOST_ROWS)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("begin immediate")
        db.execute(_SCHEMA)
        db.execute(f"pragma user_version = {FORMAT}")
        db.execute("commit")
    except BaseException:
        db.close()
        raise
    return db


def _sync(folder: Path) -> None:
    """Put the names in *folder* on disk: a file whose name is lost with the power is lost itself."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
