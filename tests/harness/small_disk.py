"""A disk of a few megabytes, for tests that fill it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.waiting import until


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount an empty disk of that size on *folder*, made if need be; skip the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        # Lazily: what a failed test has left open must not keep the others from running.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Take all room of the disk under *folder* but *leave* bytes, and return the file that has it."""
    path = folder / "filler"
    with path.open("wb") as filler:
        # Others write meanwhile: what was free a moment ago may be so no more.
        until(lambda: _taken(filler.fileno(), folder, leave), what="the disk is full", every=0.001)
    return path


def _taken(file: int, folder: Path, leave: int) -> bool:
    usage = os.statvfs(folder)
    try:
        os.posix_fallocate(file, 0, max(1, usage.f_bavail * usage.f_frsize - leave))
    except OSError as ex:
        if ex.errno != errno.ENOSPC:
            raise
        return False
    return True
