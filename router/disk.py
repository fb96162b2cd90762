"""The disk that holds the data: its room, what takes it, and the ballast that is given up when it is full."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Sizes(NamedTuple):
    """Bytes. ``store`` is the database itself, ``wal`` its write-ahead log, ``free`` and ``total`` the whole disk."""

    store: int
    wal: int
    inbox: int
    ballast: int
    free: int
    total: int


def sizes(data: Path) -> Sizes:
    """Return what the files in folder *data* take; what is not there takes nothing. Raises OSError for no disk."""
    there = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    usage = shutil.disk_usage(there)
    return Sizes(
        store=_size(data / "store.sqlite"),
        wal=_size(data / "store.sqlite-wal"),
        inbox=sum(map(_size, (data / "inbox").glob("*"))),
        ballast=_size(data / "ballast"),
        free=usage.free,
        total=usage.total,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def out_of_reach(data: Path) -> str | None:
    """Return why whoever runs this cannot look into folder *data*; None where they can, and where there is none."""
    try:
        next(data.iterdir(), None)
        # A folder may be listed, and keep what is in it to itself.
        (data / "inbox").stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as ex:
        return f"cannot look into {data}: {ex.strerror}{_whose(data)}"
    return None


def _whose(data: Path) -> str:
    with suppress(OSError, KeyError):
        owner = pwd.getpwuid(data.stat().st_uid).pw_name
        if owner != (me := getpass.getuser()):
            return f"; it belongs to {owner}, and you are {me}"
    return ""


class Ballast:
    """A file in folder *data* that holds nothing but room."""

    def __init__(self, data: Path) -> None:
        self._path = data / "ballast"

    @property
    def size(self) -> int:
        """Bytes that ``drop`` would free."""
        return _size(self._path)

    def make(self, size: int) -> None:
        """Take *size* bytes of the disk for real; raises OSError, and then takes none."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except BaseException:
            with suppress(OSError):
                self._path.unlink()
            raise
        finally:
            os.close(descriptor)

    def drop(self) -> int:
        """Give the room back; return how much it was, 0 where there is none."""
        size = self.size
        try:
            self._path.unlink()
        except OSError:
            return 0
        return size
