"""The lock that keeps a store to one writing process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from router.errors import AlreadyRunning, StoreError

#: A POSIX lock never stops the process that holds it, so a second opener in the same process is refused by this.
_held: set[Path] = set()


class Lock:
    """Held from its making until ``release``, or until the process ends, however it ends.

    The locked file is one of its own: a POSIX lock falls when its process closes any descriptor of the file, and
    SQLite closes many.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        if self._path in _held:
            raise AlreadyRunning(_refusal(path, os.getpid()))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+")
        except OSError as ex:
            raise StoreError(
                f"cannot open {path}: {ex.strerror}; callrouter must own the folder {path.parent} and everything in it"
            ) from ex
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(20).strip()
            self._file.close()
            raise AlreadyRunning(_refusal(path, holder or "unknown")) from None
        _held.add(self._path)
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in; a second time, do nothing."""
        if not self._file.closed:
            _held.discard(self._path)
            self._file.close()


def _refusal(path: Path, pid: int | str) -> str:
    return (
        f"process {pid} already writes to the store in {path.parent}: a store has one worker; "
        "stop that one first, or give this one another store"
    )
