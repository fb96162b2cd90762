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
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as ex:
            raise StoreError(
                f"cannot open {path}: {ex.strerror}; callrouter must own the folder {path.parent} and everything in it"
            ) from ex
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunning(_refusal(path, holder or "unknown")) from None
        _held.add(self._path)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in."""
        _held.discard(self._path)
        os.close(self._descriptor)


def _refusal(path: Path, pid: int | str) -> str:
    return (
        f"process {pid} already writes to the store in {path.parent}: a store has one worker; "
        "stop that one first, or give this one another store"
    )
